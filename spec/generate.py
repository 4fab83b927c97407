#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Make C and its reference page from the facts in spec/facts/ (DESIGN 15).

usage: generate.py FACTS_DIRECTORY OUTPUT_DIRECTORY

Writes openlineage/facets.h, facets.c, facet_table.h, facet_table.c and facets.md below the output
directory, each only if its text changed. What the facts may say stands in spec/README.md; whatever they
say beyond that is refused with the file's and the facet's name.
"""
import pathlib
import re
import sys
import textwrap
import tomllib

ENTITIES = ["run", "job", "dataset", "input", "output"]  # as enum ol__entity
TEXTS = {"text", "date-time", "uri", "uuid"}
SCALARS = TEXTS | {"int", "real", "bool", "json"}
NODE_TYPE = {"int": "INT", "real": "REAL", "bool": "BOOL", "json": "ANY", "object": "OBJECT",
             "array": "ARRAY", "texts": "ARRAY", "map": "MAP", **dict.fromkeys(TEXTS, "TEXT")}
FIELD_KEYS = {"name", "type", "doc", "required", "of", "fields", "prefix", "c", "count", "values",
              "closed", "minimum", "since"}
FACET_KEYS = {"entity", "also", "key", "struct", "setter", "base", "schema", "definition", "keep",
              "mirror", "doc", "fields", "since"}
MADE_KEYS = {"c_name", "c_count", "group"}  # added below
STRUCT_KEYS = {"doc", "fields", "value", "since"}
RESERVED = set("""alignas alignof and asm auto bool break case catch char class compl const constexpr
    continue default delete do double else enum explicit export extern false final float for friend goto if
    import inline int long module mutable namespace new not nullptr operator or override private protected
    public register requires restrict return short signed sizeof static struct switch template this throw
    true try typedef typeid typename union unsigned using virtual void volatile while xor""".split())
C_NAME = {"namespace": "name_space"}
KEY_MAX = 64


class FactsError(Exception):
    pass


def snake(name):
    return re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name).replace("-", "_").replace(".", "_").lower()


def c_text(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def check_keys(where, table, allowed):
    odd = set(table) - allowed
    if odd:
        raise FactsError(f"{where}: unknown key {sorted(odd)[0]!r}; known: {', '.join(sorted(allowed))}")


class Facts:
    """All facts, read and checked."""

    def __init__(self, directory):
        self.facets, self.structs, self.core = [], {}, None
        for path in sorted(pathlib.Path(directory).glob("*.toml")):
            with open(path, "rb") as file:
                try:
                    doc = tomllib.load(file)
                except tomllib.TOMLDecodeError as error:
                    raise FactsError(f"{path.name}: {error}") from None
            if path.name == "core.toml":
                self.core = doc
                continue
            check_keys(path.name, doc, {"facet", "struct"})
            for name, struct in doc.get("struct", {}).items():
                check_keys(f"{path.name}: struct {name}", struct, STRUCT_KEYS)
                if name in self.structs:
                    raise FactsError(f"{path.name}: struct {name} is given twice")
                struct["name"] = name
                struct["where"] = f"{path.name}: struct {name}"
                self.structs[name] = struct
            for facet in doc.get("facet", []):
                facet["where"] = f"{path.name}: facet {facet.get('key')}"
                check_keys(facet["where"], {k: v for k, v in facet.items() if k != "where"}, FACET_KEYS)
                self.facets.append(facet)
        if self.core is None:
            raise FactsError(f"{directory}: no core.toml")
        self.handles = {e["name"]: e["handle"] for e in self.core["entity"]}
        if list(self.handles) != ENTITIES:
            raise FactsError(f"core.toml: entities must be {ENTITIES}, in this order")
        for facet in self.facets:
            self.complete_facet(facet)
        self.facets.sort(key=lambda f: ENTITIES.index(f["entity"]))
        self.check_setters()
        for struct in self.structs.values():
            self.complete_struct(struct)

    def complete_facet(self, facet):
        where = facet["where"]
        for need in ("entity", "key", "struct", "schema", "doc"):
            if need not in facet:
                raise FactsError(f"{where}: {need} is missing")
        if len(facet["key"]) > KEY_MAX:
            raise FactsError(f"{where}: key is longer than {KEY_MAX}")
        for entity in [facet["entity"], *facet.get("also", [])]:
            if entity not in ENTITIES:
                raise FactsError(f"{where}: entity {entity!r} is none of {ENTITIES}")
        base = facet.get("base", "openlineage")
        if base not in self.core["bases"]:
            raise FactsError(f"{where}: base {base!r} is not in core.toml")
        file = facet["schema"].rsplit("/", 1)[-1].removesuffix(".json")
        facet.setdefault("definition", re.sub(r"-\d+-\d+-\d+$", "", file))
        facet["id"] = self.core["bases"][base] + facet["schema"]
        facet["url"] = f"{facet['id']}#/$defs/{facet['definition']}"
        facet.setdefault("since", "0.1")
        facet.setdefault("setter", facet["struct"])
        facet["symbol"] = f"{facet['entity']}_{snake(facet['key'])}".upper()
        if "fields" in facet:
            if facet["struct"] in self.structs:
                raise FactsError(f"{where}: struct {facet['struct']} is already known; leave fields out to share it")
            self.structs[facet["struct"]] = {"name": facet["struct"], "where": where, "doc": facet["doc"],
                                             "fields": facet["fields"], "since": facet["since"]}
        elif facet["struct"] not in self.structs:
            raise FactsError(f"{where}: no fields, and no struct {facet['struct']}")

    def check_setters(self):
        seen = {}
        for facet in self.facets:
            name = f"ol_{self.handles[facet['entity']]}_set_{facet['setter']}"
            if name in seen:
                raise FactsError(f"{facet['where']}: {name} is also the setter of {seen[name]}; give `setter`")
            seen[name] = facet["where"]
            facet["function"] = name

    def complete_struct(self, struct):
        struct.setdefault("since", "0.1")
        where = struct["where"]
        is_value = "value" in struct
        if is_value == ("fields" in struct):
            raise FactsError(f"{where}: give either fields or value")
        if is_value:
            struct["fields"] = [{"name": "value", "required": True, **struct["value"]}]
        struct["is_value"] = is_value
        struct["members"] = []
        self.complete_fields(struct, struct["fields"], "", where)
        names = [m["c_name"] for m in struct["members"]] + [m["c_count"] for m in struct["members"] if "c_count" in m]
        for name in names:
            if names.count(name) > 1 or name == "struct_size":
                raise FactsError(f"{where}: C member {name} is there twice; give `c`")

    def complete_fields(self, struct, fields, prefix, where, group=None):
        for field in fields:
            here = f"{where}: field {field.get('name')}"
            check_keys(here, {k: v for k, v in field.items() if k not in MADE_KEYS}, FIELD_KEYS)
            if "name" not in field or "type" not in field:
                raise FactsError(f"{here}: name and type are required")
            kind = field["type"]
            field.setdefault("required", False)
            field.setdefault("since", struct["since"])
            if kind == "object" and "fields" in field:  # members stand in the outer struct
                inner = prefix + field.get("prefix", snake(field["name"]) + "_")
                self.complete_fields(struct, field["fields"], inner, here,
                                     group if field["required"] else field["name"])
                continue
            if "doc" not in field:
                raise FactsError(f"{here}: doc is missing")
            if kind in ("object", "array", "map"):
                if field.get("of") not in self.structs and field.get("of") != "text":
                    raise FactsError(f"{here}: `of` names no struct")
                if field["of"] == "text":
                    if kind != "array":
                        raise FactsError(f"{here}: only an array can be of text; a map needs a struct with `value`")
                    field["type"] = "texts"
                if kind == "map":
                    self.structs[field["of"]]["is_entry"] = True
                elif self.structs.get(field["of"], {}).get("value") is not None:
                    raise FactsError(f"{here}: a struct with `value` serves maps only")
            elif kind not in SCALARS:
                raise FactsError(f"{here}: type {kind!r} is none of {sorted(SCALARS)}, object, array, map")
            name = prefix + field.get("c", snake(field["name"]))
            field["c_name"] = name = C_NAME.get(name, name)
            if name in RESERVED or not re.fullmatch(r"[a-z][a-z0-9_]*", name):
                raise FactsError(f"{here}: {name!r} cannot be a C member; give `c`")
            if field["type"] in ("array", "texts", "map"):
                single = snake(field["name"])
                single = single[:-1] if single.endswith("s") else single
                field["c_count"] = prefix + field.get("count", single + "_count")
            field["group"] = group  # name of the optional object it is inlined from
            struct["members"].append(field)


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


def member_doc(member):
    doc = member["doc"]
    if member["required"]:
        doc = f"Required with any other of `{member['group']}`. {doc}" if member["group"] else "Required. " + doc
    if member["type"] in ("date-time", "uri", "uuid"):
        doc += {"date-time": " RFC 3339 time.", "uri": " URI.", "uuid": " UUID text."}[member["type"]]
    if member["type"] == "json":
        doc += " JSON text of one value."
    if member["type"] in ("array", "texts", "map"):
        doc += f" {member['c_count']} of them."
    if "minimum" in member:
        doc += f" At least {member['minimum']}."
    if "values" in member:
        doc += f" {'One' if member.get('closed') else 'Known'}: {', '.join(member['values'])}."
    return doc


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
                out += f"    size_t {member['c_count']};\n"
        if filler is not None:
            out += f"    int {filler}; /**< 0 */\n"
    out += "};\n"
    for member in struct["members"]:
        for value in member.get("values", []):
            name = f"OL_{struct['name']}_{member['c_name']}_{snake(value)}".upper()
            out += f"#define {name} {c_text(value)}\n"
    return out


def struct_order(facts):
    """Structs before those that point to them, so that the header reads from the leaves up."""
    done, order = set(), []

    def visit(name):
        if name in done:
            return
        done.add(name)
        for member in facts.structs[name]["members"]:
            if member.get("of") in facts.structs:
                visit(member["of"])
        order.append(facts.structs[name])

    for facet in facts.facets:
        visit(facet["struct"])
    for name in facts.structs:
        visit(name)
    return order


def required_names(struct):
    names = [m["c_name"] for m in struct["members"] if m["required"] and m in struct["fields"]]
    for field in struct["fields"]:
        if field["type"] == "object" and "fields" in field and field["required"]:
            names += [m["c_name"] for m in struct["members"] if m["required"] and within(m, field)]
    return names


def within(member, field):
    return any(m is member or ("fields" in m and within(member, m)) for m in field.get("fields", []))


def entity_phrase(entity):
    return {"run": "a run", "job": "a job", "dataset": "a dataset", "input": "an input",
            "output": "an output"}[entity]


def emit_header(facts):
    out = GENERATED + """#ifndef OPENLINEAGE_FACETS_H
#define OPENLINEAGE_FACETS_H
/** @file
 * Facets: one struct and one setter for each place and facet. Include <openlineage/openlineage.h>; this
 * header is part of it. A setter copies, replaces an earlier value whole, and refuses a struct without a
 * required field; on failure an earlier value stands, and the first failure comes back from the next
 * ol_run_emit() too, so a caller may leave the result alone. Setters do not block. Threads: a run and
 * what hangs off it belong to one thread at a time. All answer:
 *  - OL_OK;
 *  - OL_DISABLED: the handle is NULL;
 *  - OL_INVALID: a required field or its struct_size is missing, or the handle is not of that side: fix
 *    the caller;
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


def emit_member_rows(struct, fields):
    rows = []
    for field in fields:
        need = "true" if field["required"] else "false"
        if field["type"] == "object" and "fields" in field:
            inner = emit_member_rows(struct, field["fields"])
            rows.append(f"    {{OL_MEMBER_GROUP, {need}, {len(inner)}, 0, 0, {len(field['name'])}, {c_text(field['name'])}, NULL, NULL, INT64_MIN}},\n")
            rows += inner
            continue
        kind = {"int": "INT", "real": "REAL", "bool": "BOOL", "json": "JSON", "object": "STRUCT",
                "array": "ARRAY", "texts": "TEXT_ARRAY", "map": "MAP"}.get(field["type"], "TEXT")
        here = f"struct ol_{struct['name']}"
        count = f"offsetof({here}, {field['c_count']})" if "c_count" in field else "0"
        of = f"&type_{field['of']}" if kind in ("STRUCT", "ARRAY", "MAP") else "NULL"
        values = f"values_{struct['name']}_{field['c_name']}" if field.get("closed") else "NULL"
        minimum = field.get("minimum", "INT64_MIN")
        rows.append(f"    {{OL_MEMBER_{kind}, {need}, 0, offsetof({here}, {field['c_name']}), {count}, "
                    f"{len(field['name'])}, {c_text(field['name'])}, {of}, {values}, {minimum}}},\n")
    return rows


def emit_struct_table(struct):
    name = struct["name"]
    out = ""
    for member in struct["members"]:
        if member.get("closed"):
            out += (f"static const char *const values_{name}_{member['c_name']}[] = "
                    f"{{{', '.join(map(c_text, member['values']))}, NULL}};\n")
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


def emit_setters(facts):
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


class Tables:
    """Nodes, edges and fields of all facets; node 0 is the unknown one."""

    def __init__(self, facts):
        self.facts = facts
        self.nodes = [("ANY", 0, 0, [])]  # type, field, element, edges
        self.fields = []  # (symbol, facet symbol, path, required)
        self.roots, self.maps = {}, {}
        for facet in facts.facets:
            self.facet, self.open, self.maps[facet["symbol"]] = facet, {}, False
            self.roots[facet["symbol"]] = self.struct_node(facts.structs[facet["struct"]], [])

    def add(self, kind, field=0, element=0):
        self.nodes.append([kind, field, element, []])
        return len(self.nodes) - 1

    def struct_node(self, struct, path):
        """The node of a struct's JSON object, and whether that is a way back up."""
        if struct["is_value"]:
            return self.field_node(struct["fields"][0], path)[0]
        node = self.add("OBJECT")
        self.open[struct["name"]] = node
        self.edges(node, struct["fields"], path)
        del self.open[struct["name"]]
        return node

    def edges(self, node, fields, path):
        edges = []
        for field in fields:
            child, is_back = self.field_node(field, path + [field["name"]])
            edges.append((field["name"], field["required"], is_back, child))
        self.nodes[node][3] = edges

    def field_node(self, field, path):
        kind = field["type"]
        if kind == "object" and "fields" in field:
            node = self.add("OBJECT")
            self.edges(node, field["fields"], path)
            return node, False
        if kind in ("object", "array", "map", "texts"):
            if kind == "texts":
                element = self.leaf("TEXT", path + ["*"], field["required"])
                return self.add("ARRAY", 0, element), False
            if kind == "map":
                self.maps[self.facet["symbol"]] = True
            struct = self.facts.structs[field["of"]]
            if struct["name"] in self.open:
                back = self.open[struct["name"]]
                return (back if kind == "object" else self.add(NODE_TYPE[kind], 0, back)), True
            inner = self.struct_node(struct, path + ([] if kind == "object" else ["*"]))
            return (inner if kind == "object" else self.add(NODE_TYPE[kind], 0, inner)), False
        if kind == "json":
            return self.add("ANY"), False
        return self.leaf(NODE_TYPE[kind], path, field["required"]), False

    def leaf(self, kind, path, required):
        symbol = "_".join([self.facet["symbol"], *(snake(p).upper() for p in path if p != "*")])
        if any(symbol == f[0] for f in self.fields):
            raise FactsError(f"{self.facet['where']}: two fields would be OL_FIELD_{symbol}")
        self.fields.append((symbol, self.facet["symbol"], "/".join(path), required))
        return self.add(kind, len(self.fields))


def facet_hash(seed, entity, key):
    h = ((seed ^ entity) * 16777619) & 0xFFFFFFFF
    for byte in key.encode():
        h = ((h ^ byte) * 16777619) & 0xFFFFFFFF
    return h ^ h >> 15


def perfect_hash(entries):
    """(seed, size) such that no two (entity, key) share a slot."""
    size = 8
    while size < 4 * len(entries):
        size *= 2
    while True:
        for seed in range(1, 20000):
            if len({facet_hash(seed, e, k) & (size - 1) for e, k, _ in entries}) == len(entries):
                return seed, size
        size *= 2


def lookup_entries(facts):
    entries = []
    for facet in facts.facets:
        for entity in [facet["entity"], *facet.get("also", [])]:
            if any((ENTITIES.index(entity), facet["key"]) == e[:2] for e in entries):
                raise FactsError(f"{facet['where']}: {entity} already has a facet of this key")
            entries.append((ENTITIES.index(entity), facet["key"], facet["symbol"]))
    return entries


def emit_table_header(facts, tables):
    out = GENERATED + """#ifndef OL_FACET_TABLE_H
#define OL_FACET_TABLE_H
/** @file Every facet and field that spec/facts/ knows, and the constants of the spec. */

"""
    spec = facts.core["spec"]
    out += f"#define OL_SPEC_VERSION {c_text(spec['version'])}\n"
    for event in facts.core["event"]:
        out += f"#define OL_SPEC_{snake(event['name']).upper()}_URL {c_text(spec['schema'] + '#/$defs/' + event['name'])}\n"
    out += "/** Name space of lanes' version 5 UUIDs; text. */\n"
    out += f"#define OL_LANE_NAME_SPACE {c_text(facts.core['lane']['name_space'])}\n"
    out += f"/** No known facet's key is longer. */\n#define OL_FACET_KEY_MAX {KEY_MAX}\n"
    mirrors = [f for f in facts.facets if f.get("mirror")]
    if len(mirrors) > 1:
        raise FactsError(f"{mirrors[1]['where']}: only one facet can be mirrored")
    out += "/** Its text fields also go into the run's tags. */\n"
    out += f"#define OL_FACET_MIRRORED OL_FACET_{mirrors[0]['symbol'] if mirrors else 'UNKNOWN'}\n\n"
    out += "enum ol__facet_id {\n    OL_FACET_UNKNOWN,\n"
    out += "".join(f"    OL_FACET_{f['symbol']},\n" for f in facts.facets) + "    OL_FACET_COUNT\n};\n\n"
    out += "enum ol__field_id {\n    OL_FIELD_UNKNOWN,\n"
    out += "".join(f"    OL_FIELD_{f[0]},\n" for f in tables.fields) + "    OL_FIELD_COUNT\n};\n\n"
    return out + f"#define OL_FACET_NODE_COUNT {len(tables.nodes)}\n#endif\n"


def emit_table(facts, tables):
    out = GENERATED + '#include "facet_info.h"\n\n'
    out += "const struct ol__facet_info ol__facet_infos[OL_FACET_COUNT] = {\n"
    for f in facts.facets:
        keep = "true" if f.get("keep") else "false"
        has_map = "true" if tables.maps[f["symbol"]] else "false"
        out += (f"    [OL_FACET_{f['symbol']}] = {{OL_ENTITY_{f['entity'].upper()}, {c_text(f['key'])}, "
                f"{c_text(f['url'])}, {tables.roots[f['symbol']]}, {keep}, {has_map}}},\n")
    out += "};\n\nconst struct ol__field_info ol__field_infos[OL_FIELD_COUNT] = {\n"
    for symbol, facet, path, required in tables.fields:
        out += f"    [OL_FIELD_{symbol}] = {{OL_FACET_{facet}, {c_text(path)}, {'true' if required else 'false'}}},\n"
    out += "};\n\nconst struct ol__facet_node ol__facet_nodes[OL_FACET_NODE_COUNT] = {\n"
    edges = []
    for kind, field, element, own in tables.nodes:
        field_name = f"OL_FIELD_{tables.fields[field - 1][0]}" if field else "OL_FIELD_UNKNOWN"
        out += f"    {{OL_NODE_{kind}, {field_name}, {element}, {len(edges)}, {len(own)}}},\n"
        edges += own
    out += "};\n\nconst struct ol__facet_edge ol__facet_edges[] = {\n"
    for key, required, back, node in edges:
        out += (f"    {{{c_text(key)}, {len(key.encode())}, {'true' if required else 'false'}, "
                f"{'true' if back else 'false'}, {node}}},\n")
    entries = lookup_entries(facts)
    seed, size = perfect_hash(entries)
    out += f"}};\n\nconst uint32_t ol__facet_slot_seed = {seed};\nconst uint32_t ol__facet_slot_mask = {size - 1};\n"
    out += f"const struct ol__facet_slot_key ol__facet_slots[{size}] = {{\n"
    for entity, key, symbol in sorted(entries, key=lambda e: facet_hash(seed, e[0], e[1]) & (size - 1)):
        out += (f"    [{facet_hash(seed, entity, key) & (size - 1)}] = "
                f"{{OL_FACET_{symbol}, OL_ENTITY_{ENTITIES[entity].upper()}, {c_text(key)}}},\n")
    return out + "};\n"


def emit_page(facts):
    out = "# Facets\n\nGenerated from `spec/facts/`. Every struct begins with `struct_size`; `!` marks what is required. "
    out += f"Facets that are not listed can be set as JSON. Spec {facts.core['spec']['version']}.\n"
    for facet in facts.facets:
        struct = facts.structs[facet["struct"]]
        out += f"\n## {facet['entity']}: {facet['key']}\n{facet['doc']}\n\n`{facet['function']}(struct ol_{facts.handles[facet['entity']]} *, "
        out += f"const struct ol_{facet['struct']} *)`, since {facet['since']}. Schema: <{facet['url']}>\n"
        if facet.get("also"):
            out += f"Also accepted on: {', '.join(facet['also'])}.\n"
        out += page_table(struct)
    inner = [s for s in struct_order(facts) if s["name"] not in {f["struct"] for f in facts.facets}]
    for struct in inner:
        out += f"\n## struct ol_{struct['name']}\n{struct['doc']}\n" + page_table(struct)
    return out


def page_table(struct):
    out = "\n| C member | JSON | type | |\n|---|---|---|---|\n"
    if struct.get("is_entry"):
        out += "| `key`! | (name) | text | The member's name in the JSON object. |\n"

    def rows(fields, path, must):
        text = ""
        for field in fields:
            here = f"{path}{field['name']}"
            if field["type"] == "object" and "fields" in field:
                text += rows(field["fields"], here + ".", must and field["required"])
                continue
            kind = {"texts": "array of text"}.get(field["type"], field["type"])
            if "of" in field and field["of"] != "text":
                kind += f" of `ol_{field['of']}`"
            mark = "!" if field["required"] and must else ""
            text += f"| `{field['c_name']}`{mark} | {here} | {kind} | {member_doc(field).removeprefix('Required. ')} |\n"
        return text

    return out + rows(struct["fields"], "", True)


GENERATED = "/* SPDX-License-Identifier: Apache-2.0 */\n/* Made by spec/generate.py from spec/facts/: change those. */\n"


def outputs(directory):
    """Everything the facts in @p directory make: {relative path: text}."""
    facts = Facts(directory)
    tables = Tables(facts)
    return {"openlineage/facets.h": emit_header(facts), "facets.c": emit_setters(facts),
            "facet_table.h": emit_table_header(facts, tables), "facet_table.c": emit_table(facts, tables),
            "facets.md": emit_page(facts)}


def main(args):
    if len(args) != 3:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        made = outputs(args[1])
    except FactsError as error:
        print(f"generate.py: {error}", file=sys.stderr)
        return 1
    for name, text in made.items():
        path = pathlib.Path(args[2], name)
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
