# SPDX-License-Identifier: Apache-2.0
"""openlineage/facets.h"""
from .facts import c_text, required_names, struct_order
from .layout import GENERATED, c_type, comment, constants, member_doc, version_groups

def emit_struct_header(struct):
    out = comment(struct["doc"], 0)
    out += f"struct ol_{struct['name']} {{\n    size_t struct_size; /**< Set by OL_MAKE and OL_ITEM. */\n"
    if struct.get("is_entry"):
        out += "    /** Required. The member's name in the JSON object. */\n    const char *key;\n"
    for since, members, filler in version_groups(struct):
        for member in members:
            doc = member_doc(member) + (f" Since {since}." if since != struct["since"] else "")
            out += comment(doc, 4) + f"    {c_type(member)}{member['c_name']};\n"
            if "c_count" in member:
                out += f"    size_t {member['c_count']}; /**< Elements at {member['c_name']}. */\n"
        if filler is not None:
            out += f"    int {filler}; /**< 0 */\n"
    out += "};\n"
    for member in struct["members"]:
        for name, value in constants(struct, member):
            out += f"#define {name} {c_text(value)}\n"
    return out


def entity_phrase(entity):
    return {"run": "a run", "job": "a job", "dataset": "a dataset", "input": "an input",
            "output": "an output"}[entity]


def emit(facts):
    out = GENERATED + """#ifndef OPENLINEAGE_FACETS_H
#define OPENLINEAGE_FACETS_H
/** @file
 * Facets: one struct and one setter for each place and facet. Include <openlineage/openlineage.h>; this
 * header is part of it. A setter copies, replaces an earlier value whole, and refuses a struct without a
 * required field; on failure an earlier value stands, and the first failure comes back from the next
 * ol_run_emit() too, so a caller may leave the result alone. Fields with known values have constants;
 * other text is taken too unless the field says "One"; whether a time, a URI or a UUID is one is not
 * checked. Setters do not block. Threads: a run and what hangs off it belong to one thread at a time.
 * All answer:
 *  - OL_OK;
 *  - OL_DISABLED: the handle is NULL;
 *  - OL_INVALID: a required field or its struct_size is missing, a value is none of those allowed, or the
 *    handle is not of that side; the error of the next emit names facet and field: fix the caller;
 *  - OL_NOMEM, OL_TOO_LARGE.
 */
#include <openlineage/status.h>
#include <openlineage/values.h>

#ifdef __cplusplus
extern "C" {
#endif
struct ol_run;
struct ol_job;
struct ol_dataset;

"""
    for struct in struct_order(facts):
        out += emit_struct_header(struct) + "\n"
    for facet in facts.facets:
        struct = facts.structs[facet["struct"]]
        need = required_names(struct)
        doc = f"Set {entity_phrase(facet['entity'])}'s `{facet['key']}` facet: {facet['doc'][0].lower()}{facet['doc'][1:]}"
        doc += f" Required: {', '.join(need)}." if need else " No field is required."
        doc += " @return as above. Since " + facet["since"] + "."
        handle = facts.handles[facet["entity"]]
        out += comment(doc, 0)
        first = f"OL_API ol_status {facet['function']}("
        second = f"struct ol_{handle} *{handle}, const struct ol_{facet['struct']} *facet);"
        if len(first) + len(second) <= 100:
            out += first + second + "\n"
        else:
            args = second.split(", ")
            out += first + args[0] + ",\n" + " " * len(first) + args[1] + "\n"
    return out + "\n#ifdef __cplusplus\n}\n#endif\n#endif\n"
