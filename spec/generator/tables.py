# SPDX-License-Identifier: Apache-2.0
"""facet_table.h and facet_table.c: what a reader of events knows of facets."""
from .facts import ENTITIES, KEY_MAX, TEXTS, FactsError, c_text, snake
from .layout import GENERATED

NODE_TYPE = {"int": "INT", "real": "REAL", "bool": "BOOL", "json": "ANY", "object": "OBJECT",
             "array": "ARRAY", "texts": "ARRAY", "map": "MAP", **dict.fromkeys(TEXTS, "TEXT")}


EDGES_MAX = 64  # facet_check.c keeps a bit for each


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
            if any(edge[0] == field["name"] for edge in edges):
                continue  # what else it may be depends on `type`, which a tree does not tell
            child, is_back = self.field_node(field, path + [field["name"]])
            edges.append((field["name"], field["required"] and "only" not in field, is_back, child))
        if len(edges) > EDGES_MAX:
            raise FactsError(f"{self.facet['where']}: more than {EDGES_MAX} members in one object")
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
        return self.leaf("REAL" if field.get("number") else NODE_TYPE[kind], path, field["required"]), False

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


def emit_header(facts, tables):
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


def emit_source(facts, tables):
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
