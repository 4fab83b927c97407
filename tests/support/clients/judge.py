#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""python3 judge.py FOLDER <[[URL, value], ...]: for each, what the definition at URL has against the value.

Runs in a venv with jsonschema. The definitions are those of the JSON Schemas below FOLDER, found by their $id; of a
version that is not there, the one there is of the same name and model takes its place (additions only).
"""
import json
import pathlib
import re
import sys

from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012


def model(url):
    """".../1-0-2/Name.json" -> ".../1/Name.json"; ".../Name-1-0-2.json" alike."""
    return re.sub(r"(\d+)-\d+-\d+", r"\1", url)


def main():
    files = [json.loads(path.read_text(encoding="utf-8")) for path in pathlib.Path(sys.argv[1]).rglob("*.json")]
    schemas = {schema["$id"]: schema for schema in files if isinstance(schema, dict) and "$id" in schema}
    registry = Registry().with_resources((url, Resource.from_contents(schema, default_specification=DRAFT202012))
                                         for url, schema in schemas.items())
    by_model = {model(url): url for url in schemas}
    checker = Draft202012Validator.FORMAT_CHECKER
    assert "date-time" in checker.checkers and "uuid" in checker.checkers
    out = []
    for url, value in json.load(sys.stdin):
        file, _, fragment = url.partition("#")
        file = file if file in schemas else by_model.get(model(file))
        if file is None:
            out.append(["no schema for " + url])
            continue
        validator = Draft202012Validator({"$ref": file + "#" + fragment}, registry=registry, format_checker=checker)
        out.append(["/%s: %s" % ("/".join(map(str, e.absolute_path)), e.message[:300])
                    for e in validator.iter_errors(value)])
    print(json.dumps(out))


if __name__ == "__main__":
    main()
