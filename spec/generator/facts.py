# SPDX-License-Identifier: Apache-2.0
"""The facts in spec/facts/, read, checked and completed; see spec/README.md for what they may say."""
import pathlib
import re
import tomllib

ENTITIES = ["run", "job", "dataset", "input", "output"]  # as enum ol__entity
TEXTS = {"text", "date-time", "uri", "uuid"}
SCALARS = TEXTS | {"int", "real", "bool", "json"}
FIELD_KEYS = {"name", "type", "doc", "required", "of", "fields", "prefix", "c", "count", "values",
              "closed", "minimum", "since", "only", "with", "number", "object"}
FACET_KEYS = {"entity", "also", "key", "struct", "setter", "base", "schema", "definition", "keep",
              "mirror", "doc", "fields", "since"}
MADE_KEYS = {"c_name", "c_count", "group", "required_for"}  # added below
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
        for field in struct["fields"]:
            self.check_rule(struct, field, f"{where}: field {field['name']}")
        names = [m["c_name"] for m in struct["members"]] + [m["c_count"] for m in struct["members"] if "c_count" in m]
        for name in names:
            if names.count(name) > 1 or name == "struct_size":
                raise FactsError(f"{where}: C member {name} is there twice; give `c`")

    def check_rule(self, struct, field, where):
        """`only` and a list for `required` say for which values of the struct's closed field `type` a field stands,
        `with` which other field it cannot do without."""
        kinds = next((f["values"] for f in struct["fields"] if f["name"] == "type" and f.get("closed")), [])
        for value in [*field.get("only", []), *field.get("required_for", [])]:
            if value not in kinds:
                raise FactsError(f"{where}: {value!r} is no value of a closed field `type` beside it")
        beside = [f["name"] for f in struct["fields"] if f["type"] in TEXTS]
        if field.get("with", field["name"]) not in beside and "with" in field:
            raise FactsError(f"{where}: `with` names no text field beside it")
        twins = [f.get("only", kinds) for f in struct["fields"] if f["name"] == field["name"]]
        if len(twins) > 1 and (not kinds or any(sum(kind in only for only in twins) > 1 for kind in kinds)):
            raise FactsError(f"{where}: is there twice")

    def complete_fields(self, struct, fields, prefix, where, group=None):
        for field in fields:
            here = f"{where}: field {field.get('name')}"
            check_keys(here, {k: v for k, v in field.items() if k not in MADE_KEYS}, FIELD_KEYS)
            if "name" not in field or "type" not in field:
                raise FactsError(f"{here}: name and type are required")
            kind = field["type"]
            field.setdefault("required", False)
            if isinstance(field["required"], list):  # with these values of `type` only
                field["required_for"], field["required"] = field["required"], False
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
            if field.get("number") and kind != "int" or field.get("object") and kind != "json":
                raise FactsError(f"{here}: `number` goes with int, `object` with json")
            if group is not None and {"only", "with", "required_for"} & set(field):
                raise FactsError(f"{here}: only, with and a list for required do not work inside an object")
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
    names = [m["c_name"] for m in struct["members"] if m["required"] and m in struct["fields"] and "only" not in m]
    for field in struct["fields"]:
        if field["type"] == "object" and "fields" in field and field["required"]:
            names += [m["c_name"] for m in struct["members"] if m["required"] and within(m, field)]
    return names


def within(member, field):
    return any(m is member or ("fields" in m and within(member, m)) for m in field.get("fields", []))
