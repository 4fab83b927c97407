# SPDX-License-Identifier: Apache-2.0
"""The facts against the published schemas, our own schemas against the facts, and what the generator makes of
facts of every kind (run by CTest: python3 -m unittest). The published schemas are reference data that a user's
checkout has not: those tests skip, saying so, unless OL_REFERENCE names the folder or it lies beside the
checkout as shared/openlineage."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import textwrap
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SPEC = ROOT / "spec"


sys.path.insert(0, str(SPEC))

import generate  # noqa: E402


def reference():
    """The folder of reference data, or None."""
    named = os.environ.get("OL_REFERENCE")
    places = [pathlib.Path(named)] if named else [p / "shared" / "openlineage" for p in ROOT.parents]
    return next((p for p in places if (p / "surface.json").is_file()), None)


ENTITY = {"run": "run", "job": "job", "dataset": "dataset", "input": "inputDataset", "output": "outputDataset"}
SURFACE_TYPE = {"text": "string", "date-time": "string:date-time", "uri": "string:uri", "uuid": "string:uuid",
                "int": "integer", "real": "number", "bool": "boolean"}


RULES = ("only", "required_for")


def shape_of(facts, struct, open_structs):
    """A struct in the reference's notation; one whose fields depend on its `type` as {"oneOf": {type: fields}}."""
    fields = struct["fields"]
    if not any(rule in field for field in fields for rule in RULES):
        return {"fields": surface_of(facts, fields, open_structs)}
    kinds = next(f["values"] for f in fields if f["name"] == "type")

    def as_of(kind):
        return [{**f, "required": f["required"] or kind in f.get("required_for", [])}
                for f in fields if kind in f.get("only", kinds)]
    return {"oneOf": {kind: surface_of(facts, as_of(kind), open_structs) for kind in kinds}}


def surface_of(facts, fields, open_structs=()):
    """Our fields in the reference's notation: {"name!": type}."""
    out = {}
    for field in fields:
        name = field["name"] + ("!" if field["required"] else "")
        kind = field["type"]
        if kind == "object" and "fields" in field:
            out[name] = {"fields": surface_of(facts, field["fields"], open_structs)}
        elif kind == "texts":
            out[name] = ["string"]
        elif kind in ("array", "object", "map"):
            if field["of"] in open_structs:
                inner = "recursive"
            else:
                struct = facts.structs[field["of"]]
                inner = shape_of(facts, struct, (*open_structs, field["of"]))
                if struct["is_value"]:
                    inner = inner["fields"]["value!"]
            out[name] = {"array": [inner], "object": inner, "map": {"map": inner}}[kind]
        elif kind == "json":
            out[name] = "any"
        else:
            out[name] = "number" if field.get("number") else SURFACE_TYPE[kind]
    return out


def reference_type(value):
    """The reference's notation, reduced to what we record."""
    if isinstance(value, str):
        return value
    if "$recursive" in value:
        return "recursive"
    if "oneOf" in value:
        return {"oneOf": {one["fields"]["type!"].get("const") or one["fields"]["type!"]["enum"][0]:
                          reference_fields(one["fields"]) for one in value["oneOf"]}}
    if "enum" in value or "const" in value:
        return value.get("type", "string")
    if value.get("type") == "array":
        return [reference_type(value["items"])]
    if "fields" in value:
        return {"fields": reference_fields(value["fields"])}
    extra = value.get("additionalProperties")
    if isinstance(extra, (str, dict)) and not (isinstance(extra, dict) and "$core" in extra):
        return {"map": reference_type(extra)}
    if value.get("type") == "object":
        return "any"
    return value.get("type")


def reference_fields(fields):
    # `facets` inside parent's run and job is a convenience that we do not write
    return {name: reference_type(value) for name, value in fields.items()
            if name != "facets" and not (isinstance(value, dict) and value.get("deprecated"))}


class PublishedSchemas(unittest.TestCase):
    def setUp(self):
        self.folder = reference()
        if self.folder is None:
            self.skipTest("no reference data: shared/openlineage/surface.json is not beside this checkout")
        self.surface = json.loads((self.folder / "surface.json").read_text(encoding="utf-8"))
        self.facts = generate.Facts(SPEC / "facts")

    def test_every_standard_facet_is_as_published(self):
        published = {(f["entity"], f["key"]): f for f in self.surface["facets"]}
        checked = 0
        for facet in self.facts.facets:
            if facet.get("base", "openlineage") != "openlineage":
                continue
            with self.subTest(facet=facet["where"]):
                theirs = published[ENTITY[facet["entity"]], facet["key"]]
                newer = theirs.get("newer", {})
                self.assertIn(facet["url"], [theirs["schemaURL"], newer.get("schemaURL")])
                self.assertEqual(facet["id"], facet["url"].split("#")[0])
                fields = dict(theirs["fields"])
                if facet["url"] == newer.get("schemaURL"):
                    fields.update(newer["adds"])
                ours = surface_of(self.facts, self.facts.structs[facet["struct"]]["fields"])
                self.assertEqual(ours, reference_fields(fields))
                self.assertEqual(sorted(n for n in theirs["required"]), sorted(n[:-1] for n in ours if n.endswith("!")))
                checked += 1
        self.assertEqual(checked, len(published))
        self.assertEqual(sum(f["file"].startswith("facets/") for f in published.values()), 40)

    def test_files_hold_the_definitions_that_we_point_to(self):
        newer = {f["newer"]["schemaURL"] for f in self.surface["facets"] if "newer" in f}
        for facet in self.facts.facets:
            if facet.get("base", "openlineage") != "openlineage":
                continue
            with self.subTest(facet=facet["where"]):
                name = facet["schema"].split("/")[-1]
                schema = json.loads(next((self.folder / "schemas").glob(f"*/{name}")).read_text(encoding="utf-8"))
                if facet["url"] not in newer:  # of those the folder has the version before
                    self.assertEqual(schema["$id"], facet["id"])
                self.assertIn(facet["definition"], schema["$defs"])

    def test_fields_that_go_together_are_as_published(self):
        """`with`: what the schemas call dependentRequired."""
        ours = {(s["name"], f["name"], f["with"]) for s in self.facts.structs.values() for f in s["fields"]
                if "with" in f}
        lineage = json.loads((self.folder / "schemas/facets/LineageFacet.json").read_text(encoding="utf-8"))["$defs"]
        theirs = {(struct, field, other)
                  for struct, name in (("lineage_entry", "LineageJobEntry"), ("lineage_input", "LineageJobInput"))
                  for field, others in lineage[name]["dependentRequired"].items() for other in others}
        self.assertEqual(ours, theirs)
        self.assertEqual(sum(path.read_text(encoding="utf-8").count('"dependentRequired"')
                             for path in (self.folder / "schemas").glob("*/*.json")), 2)

    def test_known_values_of_closed_fields_are_as_published(self):
        """Where we refuse any other value, so do the schemas."""
        texts = {p.name: p.read_text(encoding="utf-8") for p in (self.folder / "schemas").glob("*/*.json")}
        closed = {(s["name"], f["name"]): f["values"] for s in self.facts.structs.values() for f in s["fields"]
                  if f.get("closed")}
        change = json.loads(texts["LifecycleStateChangeDatasetFacet.json"])
        values = change["$defs"]["LifecycleStateChangeDatasetFacet"]["allOf"][1]["properties"]["lifecycleStateChange"]
        self.assertEqual(closed.pop(("lifecycle_state_change", "lifecycleStateChange")), values["enum"])
        # the others are `type`, whose every value the shapes above were compared by
        self.assertEqual(set(closed), {("lineage_entry", "type"), ("lineage_input", "type"),
                                       ("subset_condition", "type"), ("subset_operand", "type")})

    def test_core_is_as_published(self):
        core = self.facts.core
        self.assertEqual(core["spec"]["schema"], self.surface["spec"]["id"])
        self.assertEqual(core["spec"]["version"], self.surface["spec"]["version"])
        for event in core["event"]:
            theirs = self.surface["objects"][event["name"]]["fields"]
            ours = {f["name"] + ("!" if f.get("required") else "") for f in event["fields"]}
            self.assertEqual(ours, set(theirs), event["name"])
        values = next(f["values"] for f in core["event"][0]["fields"] if f["name"] == "eventType")
        self.assertEqual(values, self.surface["objects"]["RunEvent"]["fields"]["eventType"]["enum"])
        for entity in core["entity"]:
            theirs = self.surface["objects"][entity["object"]]["fields"]
            self.assertEqual(sorted(entity["required"]), sorted(n[:-1] for n in theirs if n.endswith("!")))
            self.assertIn(entity["facets"], theirs)
            base = theirs[entity["facets"]]["additionalProperties"]["$core"]
            self.assertEqual(entity["deletable"], "_deleted" in self.surface["objects"][base].get("fields", {}))


class OurSchemas(unittest.TestCase):
    def test_each_schema_says_what_the_facts_say(self):
        facts = generate.Facts(SPEC / "facts")
        ours = [f for f in facts.facets if f.get("base") == "lineaged"]
        self.assertEqual({f["schema"] for f in ours}, {p.name for p in (SPEC / "schemas").glob("*Facet-*.json")})
        for facet in ours:
            schema = json.loads((SPEC / "schemas" / facet["schema"]).read_text(encoding="utf-8"))
            self.assertEqual(schema["$id"], facet["id"])
            self.assertRegex(schema["$id"], r"/v\d+\.\d+\.\d+/spec/schemas/\w+-\d+-\d+-\d+\.json$")
            self.assertEqual(schema["properties"], {facet["key"]: {"$ref": f"#/$defs/{facet['definition']}"}})
            base, own = schema["$defs"][facet["definition"]]["allOf"]
            self.assertEqual(base["$ref"],
                             facts.core["spec"]["schema"] + f"#/$defs/{facet['entity'].capitalize()}Facet")
            self.check_struct(facts, facet["struct"], own)

    def test_each_schema_is_found_by_its_id(self):
        for path in (SPEC / "schemas").glob("*.json"):
            schema = json.loads(path.read_text(encoding="utf-8"))
            self.assertRegex(schema["$id"], r"/v\d+\.\d+\.\d+/spec/schemas/%s$" % path.name)

    def check_struct(self, facts, struct, schema):
        fields = facts.structs[struct]["fields"]
        types = {"text": "string", "date-time": "string", "int": "integer", "real": "number", "bool": "boolean",
                 "array": "array", "texts": "array", "map": "object"}
        self.assertEqual(schema["type"], "object")
        self.assertEqual(schema.get("required", []), [f["name"] for f in fields if f["required"]])
        self.assertEqual([*schema["properties"]], [f["name"] for f in fields])
        for field in fields:
            own = dict(schema["properties"][field["name"]])
            items, each = own.pop("items", None), own.pop("additionalProperties", None)
            format_ = {"format": field["type"]} if field["type"] == "date-time" else {}
            self.assertEqual(own, {"type": types[field["type"]], **format_, "description": field["doc"]})
            self.assertEqual(items is not None, types[field["type"]] == "array")
            self.assertEqual(each is not None, field["type"] == "map")
            if each is not None:
                entry = facts.structs[field["of"]]
                self.assertTrue(entry["is_value"])
                self.assertEqual(each, {"type": types[entry["fields"][0]["type"]]})
            if field["type"] == "texts":
                self.assertEqual(items, {"type": "string"})
            elif items is not None:
                self.check_struct(facts, field["of"], items)

    def test_receipts_have_the_same_members_as_the_facets(self):
        facts = generate.Facts(SPEC / "facts")
        for name in ("Receipt", "ReceiptClaim"):
            schema = json.loads((SPEC / f"schemas/{name}-1-0-0.json").read_text(encoding="utf-8"))
            for part in ("code", "machine", "container", "tools", "dvc", "reproducibility"):
                with self.subTest(schema=name, part=part):
                    self.check_struct(facts, part, schema["properties"][part])

    def test_the_flat_facet_has_the_promised_names(self):
        facts = generate.Facts(SPEC / "facts")
        facet = next(f for f in facts.facets if f["key"] == "lineaged_run")
        fields = facts.structs[facet["struct"]]["fields"]
        self.assertEqual([f["name"] for f in fields],
                         ["run_id", "step", "attempt", "task_id", "dataset_id", "feature_view", "corpus_sha",
                          "prompt_template", "model_version", "provider_request_id"])
        self.assertEqual({f["type"] for f in fields}, {"text"})

    def test_no_facet_of_ours_repeats_a_name_of_the_flat_one(self):
        facts = generate.Facts(SPEC / "facts")
        flat = {f["name"] for f in facts.structs["ids"]["fields"]}
        others = [f for f in facts.facets if f.get("base") == "lineaged" and f["struct"] != "ids"]
        self.assertGreater(len(others), 20)
        for facet in others:
            names = {f["name"] for f in facts.structs[facet["struct"]]["fields"]}
            self.assertEqual(names & flat, set(), facet["key"])


# Every kind of fact at once: what the 40 standard definitions need.
EVERY_KIND = """
[struct.point]
doc = "P."
fields = [
  { name = "x", type = "real", required = true, doc = "X." },
  { name = "next", type = "object", of = "point", doc = "N." },
]
[struct.share]
doc = "Q."
value = { type = "real", doc = "V." }
[struct.column]
doc = "C."
fields = [
  { name = "nullCount", type = "int", doc = "N." },
  { name = "quantiles", type = "map", of = "share", doc = "Q." },
]
[[facet]]
entity = "input"
also = ["dataset"]
key = "everyKind"
struct = "every_kind"
schema = "1-0-0/EveryKindInputDatasetFacet.json"
doc = "E."
fields = [
  { name = "operator", type = "text", c = "operator_name", values = ["A-B", "c"], closed = true, doc = "T." },
  { name = "namespace", type = "text", required = true, doc = "T." },
  { name = "when", type = "date-time", doc = "D." },
  { name = "isOn", type = "bool", doc = "B." },
  { name = "point", type = "object", of = "point", doc = "P." },
  { name = "locations", type = "array", of = "text", doc = "L." },
  { name = "columns", type = "map", of = "column", required = true, doc = "C." },
  { name = "params", type = "json", doc = "J." },
  { name = "group", type = "object", fields = [ { name = "a", type = "int", required = true, doc = "A." } ] },
  { name = "later", type = "bool", since = "0.2", doc = "L." },
]
"""


def facts_with(text):
    """A directory of facts: our core and @p text."""
    folder = tempfile.TemporaryDirectory()
    shutil.copy(SPEC / "facts" / "core.toml", folder.name)
    # the hand-written sources need the standard run facets
    shutil.copy(SPEC / "facts" / "run.toml", folder.name)
    shutil.copy(SPEC / "facts" / "job.toml", folder.name)
    shutil.copy(SPEC / "facts" / "shared.toml", folder.name)
    pathlib.Path(folder.name, "extra.toml").write_text(textwrap.dedent(text), encoding="utf-8")
    return folder


class Generator(unittest.TestCase):
    def test_every_kind_of_field(self):
        with facts_with(EVERY_KIND) as folder:
            made = generate.outputs(folder)
        header = made["openlineage/facets.h"]
        struct = re.search(r"struct ol_every_kind \{\n(.*?)\n\};", header, re.S).group(1)
        members = re.findall(r"^    (?!/\*| \*)(\S.*?);", struct, re.M)
        self.assertEqual(members, [
            "size_t struct_size", "const char *operator_name", "const char *name_space", "const char *when",
            "enum ol_bool is_on", "const struct ol_point *point", "const char *const *locations",
            "size_t location_count", "const struct ol_column *columns", "size_t column_count", "const char *params",
            "struct ol_int group_a", "enum ol_bool later", "int reserved_0_2"])
        self.assertIn('#define OL_EVERY_KIND_OPERATOR_NAME_A_B "A-B"', header)
        self.assertRegex(header, r"struct ol_share \{\n.*\n.*\n    const char \*key;\n.*\n    struct ol_real value;")
        self.assertIn("ol_dataset_set_every_kind(struct ol_dataset *dataset,", header)
        self.assertIn("Required: name_space, columns.", header)
        table = made["facet_table.c"]
        self.assertIn("OL_ENTITY_DATASET, \"everyKind\"", table)
        self.assertIn('"columns/*/quantiles/*"', table)
        self.assertIn("columns/*/quantiles/*", table)
        self.assertIn("sizes_every_kind[] = {END_OF(ol_every_kind, group_a), END_OF(ol_every_kind, reserved_0_2), 0}",
                      made["facets.c"])
        self.assertIn("| `name_space`! | namespace | text |", made["facets.md"])

    def test_every_kind_compiles(self):
        with facts_with(EVERY_KIND) as folder, tempfile.TemporaryDirectory() as out:
            self.assertEqual(generate.main(["generate.py", folder, out]), 0)
            for source in ("facets.c", "facet_table.c"):
                subprocess.run([os.environ.get("CC", "cc"), "-std=c17", "-Wall", "-Wextra", "-Werror", "-D_GNU_SOURCE",
                                "-fsyntax-only", "-I", out, "-I", ROOT / "include", "-I", ROOT / "base", "-I", SPEC,
                                "-I", ROOT / "facets", pathlib.Path(out, source)], check=True)

    def test_the_same_facts_make_the_same_text_and_untouched_files(self):
        with tempfile.TemporaryDirectory() as out:
            self.assertEqual(generate.main(["generate.py", str(SPEC / "facts"), out]), 0)
            before = {p: p.stat().st_mtime_ns for p in pathlib.Path(out).rglob("*.*")}
            self.assertEqual(len(before), 5)
            self.assertEqual(generate.main(["generate.py", str(SPEC / "facts"), out]), 0)
            self.assertEqual(before, {p: p.stat().st_mtime_ns for p in pathlib.Path(out).rglob("*.*")})

    def test_wrong_facts_are_named(self):
        facet = '[[facet]]\nentity="run"\nkey="k"\nstruct="k"\nschema="1-0-0/K.json"\ndoc="D."\n'
        rows = [
            ('x = 1', "extra.toml: unknown key 'x'"),
            ('[[facet]]\nkey="k"\nentity="run"', "facet k: struct is missing"),
            (facet, "no fields, and no struct k"),
            (facet + 'fields=[{name="a",type="txt",doc="A."}]', "facet k: field a: type 'txt' is none of"),
            (facet + 'fields=[{name="a",type="text"}]', "facet k: field a: doc is missing"),
            (facet + 'fields=[{name="a",type="text",dok="A."}]', "facet k: field a: unknown key 'dok'"),
            (facet + 'fields=[{name="operator",type="text",doc="A."}]', "'operator' cannot be a C member; give `c`"),
            (facet + 'fields=[{name="a",type="array",of="b",doc="A."}]', "field a: `of` names no struct"),
            (facet + 'fields=[{name="a",type="map",of="text",doc="A."}]', "only an array can be of text"),
            (facet + 'fields=[{name="a",type="text",doc="A."},{name="A",type="text",doc="A."}]', "C member a is there twice"),
            (facet.replace('"k"', '"tags"') + 'fields=[{name="a",type="text",doc="A."}]', "struct tags is already known"),
            (facet.replace('key="k"', 'key="tags"') + 'fields=[{name="a",type="text",doc="A."}]', "run already has a facet of this key"),
            (facet.replace('"run"', '"dog"') + 'fields=[{name="a",type="text",doc="A."}]', "entity 'dog' is none of"),
            (facet + 'base="x"\nfields=[{name="a",type="text",doc="A."}]', "base 'x' is not in core.toml"),
            (facet + 'setter="tags"\nfields=[{name="a",type="text",doc="A."}]', "ol_run_set_tags is also the setter of"),
            (facet + 'fields=[{name="a",type="text",number=true,doc="A."}]', "`number` goes with int, `object` with json"),
            (facet + 'fields=[{name="a",type="text",only=["x"],doc="A."}]', "'x' is no value of a closed field `type`"),
            (facet + 'fields=[{name="a",type="text",required=["x"],doc="A."}]', "'x' is no value of a closed field `type`"),
            (facet + 'fields=[{name="a",type="text",with="b",doc="A."}]', "`with` names no text field beside it"),
            (facet + 'fields=[{name="a",type="text",doc="A."},{name="a",type="int",c="b",doc="A."}]', "field a: is there twice"),
            (facet + 'fields=[{name="g",type="object",fields=[{name="a",type="text",with="b",doc="A."}]}]', "do not work inside an object"),
            ('[[', "extra.toml: "),
        ]
        for text, message in rows:
            with self.subTest(message=message), facts_with(text) as folder:
                with self.assertRaises(generate.FactsError) as caught:
                    generate.outputs(folder)
                self.assertIn(message, str(caught.exception))


class Headers(unittest.TestCase):
    """Every installed header compiles alone, without a warning, as C11, C17 and C++17."""

    def test_each_header_alone(self):
        with tempfile.TemporaryDirectory() as out:
            self.assertEqual(generate.main(["generate.py", str(SPEC / "facts"), out]), 0)
            headers = [p.relative_to(d).as_posix() for d in (ROOT / "include", pathlib.Path(out))
                       for p in d.glob("openlineage/*.h")]
            self.assertIn("openlineage/facets.h", headers)
            self.assertIn("openlineage/openlineage.h", headers)
            compilers = [c for c in ("gcc", "clang") if shutil.which(c)]
            self.assertTrue(compilers, "no compiler found")
            use = pathlib.Path(out, "use.c")
            for header in headers:
                use.write_text(f"#include <{header}>\n#include <{header}>\nint main(void) {{ return 0; }}\n", encoding="utf-8")
                for compiler in compilers:
                    for language, standard in (("c", "c11"), ("c", "c17"), ("c++", "c++17")):
                        with self.subTest(header=header, compiler=compiler, standard=standard):
                            done = subprocess.run(
                                [compiler, "-x", language, f"-std={standard}", "-Wall", "-Wextra", "-Wpedantic", "-Werror",
                                 "-fsyntax-only", "-I", ROOT / "include", "-I", out, use], capture_output=True, text=True,
                                check=False)
                            self.assertEqual(done.returncode, 0, done.stderr)

    def test_the_macros_compile(self):
        body = """#include <openlineage/openlineage.h>
            static const struct ol_tag tags[] = {OL_ITEM(ol_tag, .key = "a", .value = "b")};
            int main(void)
            {
                return (int)ol_run_set_tags(NULL, OL_MAKE(ol_tags, .tags = tags, .tag_count = 1)) +
                       (int)ol_dataset_set_output_statistics(NULL, OL_MAKE(ol_output_statistics, .row_count = OL_INT(0)));
            }
            """
        with tempfile.TemporaryDirectory() as out:
            self.assertEqual(generate.main(["generate.py", str(SPEC / "facts"), out]), 0)
            use = pathlib.Path(out, "use.c")
            use.write_text(body, encoding="utf-8")
            for standard in ("c11", "c17"):
                subprocess.run([os.environ.get("CC", "cc"), f"-std={standard}", "-Wall", "-Wextra", "-Wpedantic", "-Werror",
                                "-fsyntax-only", "-I", ROOT / "include", "-I", out, use], check=True)


if __name__ == "__main__":
    unittest.main()
