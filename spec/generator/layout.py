# SPDX-License-Identifier: Apache-2.0
"""How a struct lies in C: the order of its members, their types, what is said of them."""
import textwrap

from .facts import snake

GENERATED = "/* SPDX-License-Identifier: Apache-2.0 */\n/* Made by spec/generate.py from spec/facts/: change those. */\n"


def version_key(text):
    return [int(part) for part in text.split(".")]


def ordered_members(struct):
    """Members as they stand in C: new ones only ever at the end."""
    return sorted(struct["members"], key=lambda m: version_key(m["since"]))


def version_groups(struct):
    """[(since, members, name of filler or None)]: a filler keeps a later member out of tail padding."""
    groups = {}
    for member in ordered_members(struct):
        groups.setdefault(member["since"], []).append(member)
    made = []
    for since, members in groups.items():
        half = False  # whether the offset is 4 past a multiple of 8; enums alone are that short
        for member in members:
            half = member["type"] == "bool" and not half
        made.append((since, members, f"reserved_{since.replace('.', '_')}" if half else None))
    return made


def comment(text, indent):
    lines = textwrap.wrap(text, 96 - indent)
    if len(lines) == 1:
        return " " * indent + f"/** {lines[0]} */\n"
    pad = " " * indent
    return pad + "/** " + ("\n" + pad + " *  ").join(lines) + " */\n"


def c_type(member):
    kind = member["type"]
    return {"int": "struct ol_int ", "real": "struct ol_real ", "bool": "enum ol_bool ",
            "object": f"const struct ol_{member.get('of')} *", "array": f"const struct ol_{member.get('of')} *",
            "map": f"const struct ol_{member.get('of')} *", "texts": "const char *const *"}.get(kind, "const char *")


def requirement(member):
    """In which company a member must or may be given; "" if that is left to the caller."""
    kinds = " or ".join(member.get("only", member.get("required_for", [])))
    if member["required"] and member["group"]:
        said = f"Required with any other of `{member['group']}`."
    elif member["required"] and "only" in member:
        said = f"Required where `type` is {kinds}, refused elsewhere."
    elif member["required"]:
        said = "Required."
    elif "only" in member:
        said = f"Where `type` is {kinds} only."
    else:
        said = f"Required where `type` is {kinds}." if kinds else ""
    return f"{said} Not without `{member['with']}`.".strip() if "with" in member else said


def constants(struct, member):
    """[(name, value)] of the values that are known."""
    prefix = f"OL_{struct['name']}_{member['c_name']}_"
    return [((prefix + snake(value)).upper(), value) for value in member.get("values", [])]


def member_doc(member):
    doc = f"{requirement(member)} {member['doc']}".strip()
    if member["type"] in ("date-time", "uri", "uuid"):
        doc += {"date-time": " RFC 3339 time.", "uri": " URI.", "uuid": " UUID text."}[member["type"]]
    if member["type"] == "json":
        doc += f" JSON text of one {'object' if member.get('object') else 'value'}."
    if member["type"] in ("array", "texts", "map"):
        doc += f" {member['c_count']} of them."
    if "minimum" in member:
        doc += f" At least {member['minimum']}."
    if "values" in member:
        doc += f" {'One' if member.get('closed') else 'Known'}: {', '.join(member['values'])}."
    return doc
