# SPDX-License-Identifier: Apache-2.0
"""facets.md: the reference page, every facet with its fields and its C names."""
from .facts import ENTITIES, struct_order
from .layout import constants, member_doc

PLACE = {"run": "run.facets", "job": "job.facets", "dataset": "facets of a dataset, on either side",
         "input": "inputFacets of an input", "output": "outputFacets of an output"}


def emit(facts):
    out = f"""# Facets

Made from `spec/facts/`; OpenLineage {facts.core['spec']['version']}. Fill the struct with `OL_MAKE` (elements of arrays
with `OL_ITEM`), hand it to the setter. `!` marks what is required: without it the setter answers `OL_INVALID` and
the next emit names the field. What is left out is absent; zero and false are said with `OL_INT(0)` and `OL_FALSE`.
Known values have the constants listed below them; other text is taken too, unless the field says "One".
`_producer` and `_schemaURL` are filled in. A facet that is not listed, or members of a listed one that have no field
here, can be set as JSON: `ol_run_set_facet_json()` and its like. `ol_job_delete_facet()` and
`ol_dataset_delete_facet()` say that a facet no longer holds (`_deleted`).

"""
    for entity in ENTITIES:
        own = [f for f in facts.facets if f["entity"] == entity]
        out += f"**{entity}** ({PLACE[entity]}): "
        out += ", ".join(f"[{f['key']}](#{anchor(f)})" for f in own) + "\n\n"
    for facet in facts.facets:
        struct = facts.structs[facet["struct"]]
        out += f"## {facet['entity']}: {facet['key']}\n{facet['doc']}\n\n"
        out += f"`{facet['function']}(struct ol_{facts.handles[facet['entity']]} *, "
        out += f"const struct ol_{facet['struct']} *)`, since {facet['since']}. Schema: <{facet['url']}>\n"
        if facet.get("also"):
            out += f"Also accepted on: {', '.join(facet['also'])}.\n"
        out += table(struct) + "\n"
    tops = {f["struct"] for f in facts.facets}
    for struct in struct_order(facts):
        if struct["name"] not in tops:
            out += f"## struct ol_{struct['name']}\n{struct['doc']}\n{table(struct)}\n"
    return out.rstrip("\n") + "\n"


def anchor(facet):
    return f"{facet['entity']}-{facet['key'].lower()}"


def table(struct):
    out = "\n| C member | JSON | type | |\n|---|---|---|---|\n"
    if struct.get("is_entry"):
        out += "| `key`! | (name) | text | The member's name in the JSON object. |\n"
    out += rows(struct["fields"], "", True)
    known = [f"`{name}`" for member in struct["members"] for name, _ in constants(struct, member)]
    return out + (f"\nConstants: {', '.join(known)}\n" if known else "")


def rows(fields, path, must):
    out = ""
    for field in fields:
        here = f"{path}{field['name']}"
        if field["type"] == "object" and "fields" in field:
            out += rows(field["fields"], here + ".", must and field["required"])
            continue
        kind = {"texts": "array of text", "json": "JSON text"}.get(field["type"], field["type"])
        if "of" in field and field["of"] != "text":
            kind += f" of `ol_{field['of']}`"
        mark = "!" if field["required"] and must and "only" not in field else ""
        out += f"| `{field['c_name']}`{mark} | {here} | {kind} | {member_doc(field).removeprefix('Required. ')} |\n"
    return out
