# SPDX-License-Identifier: Apache-2.0
"""facets.c: the setters, and the tables that the encoder follows."""
from .facts import c_text, struct_order
from .layout import GENERATED, version_groups

def emit_member_rows(struct, fields):
    rows = []
    for field in fields:
        need = "true" if field["required"] else "false"
        if field["type"] == "object" and "fields" in field:
            inner = emit_member_rows(struct, field["fields"])
            rows.append(f"    {{OL_MEMBER_GROUP, {need}, {len(inner)}, 0, 0, {len(field['name'])}, {c_text(field['name'])}, NULL, NULL, INT64_MIN, NULL}},\n")
            rows += inner
            continue
        kind = {"int": "INT", "real": "REAL", "bool": "BOOL", "json": "JSON", "object": "STRUCT",
                "array": "ARRAY", "texts": "TEXT_ARRAY", "map": "MAP"}.get(field["type"], "TEXT")
        kind += "_OBJECT" if field.get("object") else ""
        here = f"struct ol_{struct['name']}"
        count = f"offsetof({here}, {field['c_count']})" if "c_count" in field else "0"
        of = f"&type_{field['of']}" if kind in ("STRUCT", "ARRAY", "MAP") else "NULL"
        values = f"values_{struct['name']}_{field['c_name']}" if field.get("closed") else "NULL"
        rule = f"&rule_{struct['name']}_{field['c_name']}" if has_rule(field) else "NULL"
        minimum = field.get("minimum", "INT64_MIN")
        rows.append(f"    {{OL_MEMBER_{kind}, {need}, 0, offsetof({here}, {field['c_name']}), {count}, "
                    f"{len(field['name'])}, {c_text(field['name'])}, {of}, {values}, {minimum}, {rule}}},\n")
    return rows


def has_rule(field):
    return bool({"only", "required_for", "with"} & set(field))


def emit_texts(name, texts):
    return f"static const char *const {name}[] = {{{', '.join(map(c_text, texts))}, NULL}};\n"


def emit_rule(struct, member):
    """What a member needs of its struct's `type` and of another member."""
    name = f"{struct['name']}_{member['c_name']}"
    kind = next((m for m in struct["members"] if m["name"] == "type" and m.get("closed")), None)
    other = next((m for m in struct["members"] if m["name"] == member.get("with")), None)
    out, parts = "", []
    for key in ("only", "required_for"):
        if key in member:
            out += emit_texts(f"{key}_{name}", member[key])
            parts.append(f".{key} = {key}_{name}")
    if kind is not None:
        parts.append(f".type_offset = offsetof(struct ol_{struct['name']}, {kind['c_name']})")
    if other is not None:
        parts.append(f".with = {c_text(other['name'])}, .with_offset = offsetof(struct ol_{struct['name']}, {other['c_name']})")
    return out + f"static const struct ol__rule rule_{name} = {{{', '.join(parts)}}};\n"


def emit_struct_table(struct):
    name = struct["name"]
    out = ""
    for member in struct["members"]:
        if member.get("closed"):
            out += emit_texts(f"values_{name}_{member['c_name']}", member["values"])
        if has_rule(member):
            out += emit_rule(struct, member)
    rows = emit_member_rows(struct, struct["fields"])
    out += f"static const struct ol__member members_{name}[] = {{\n{''.join(rows)}}};\n"
    ends = []
    for _, members, filler in version_groups(struct):
        last = filler or members[-1].get("c_count", members[-1]["c_name"])
        ends.append(f"END_OF(ol_{name}, {last})")
    out += f"static const uint16_t sizes_{name}[] = {{{', '.join(ends)}, 0}};\n"
    out += f"_Static_assert({ends[-1]} == sizeof(struct ol_{name}), \"no tail padding\");\n"
    out += (f"static const struct ol__struct type_{name} = {{{c_text('ol_' + name)}, sizes_{name}, members_{name}, "
            f"{len(rows)}, {'true' if struct['is_value'] else 'false'}}};\n\n")
    return out


def emit(facts):
    out = GENERATED + """#include <openlineage/facets.h>
#include "facet_encode.h"

#define END_OF(type, member) (offsetof(struct type, member) + sizeof(((struct type *)0)->member))

"""
    order = struct_order(facts)
    for struct in order:
        if struct.get("is_entry"):
            out += f"_Static_assert(offsetof(struct ol_{struct['name']}, key) == sizeof(size_t), \"key comes second\");\n"
    for struct in order:
        out += f"static const struct ol__struct type_{struct['name']};\n"
    out += "\n" + "".join(emit_struct_table(struct) for struct in order)
    for facet in facts.facets:
        handle = facts.handles[facet["entity"]]
        out += (f"ol_status {facet['function']}(struct ol_{handle} *{handle}, const struct ol_{facet['struct']} *facet)\n{{\n"
                f"    /* every handle begins with its place */\n"
                f"    return ol__facet_set((struct ol__facet_place *){handle}, OL_FACET_{facet['symbol']}, &type_{facet['struct']}, facet);\n}}\n\n")
    return out
