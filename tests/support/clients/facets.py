#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""python3 facets.py FOLDER: the facts in FOLDER/*.json, told to openlineage-python's own classes, as its
serializer writes them: one JSON object {file's name: facet, or null where the client has no such class}.

Runs in the venv that clients.py makes. A class is found by the schema that it says it writes; a field that a class
has not, or one that it requires and a file lacks, is an error. What a file leaves out is given as None, so that no
default of the client's adds to the facts.
"""
import enum
import importlib
import json
import pathlib
import pkgutil
import sys
import typing

import attr
from openlineage.client import generated
from openlineage.client.serde import Serde


def classes():
    """{schema URL: class} of every facet that the client knows."""
    found = {}
    for info in pkgutil.iter_modules(generated.__path__):
        module = importlib.import_module("openlineage.client.generated." + info.name)
        for cls in vars(module).values():
            if isinstance(cls, type) and attr.has(cls) and cls.__module__ == module.__name__ \
                    and hasattr(cls, "_get_schema"):
                found[cls._get_schema()] = cls
    return found


def fits(cls, value):
    """Whether an object can be this one of several classes: its members are fields, and `type` is right."""
    fields = {field.name: field for field in attr.fields(cls)}
    if not set(value) <= set(fields) or "type" not in value:
        return False
    allowed = typing.get_args(typing.get_type_hints(cls)["type"]) or (fields["type"].default,)
    return value["type"] in allowed


def build(hint, value):
    """A value of JSON as what the client's type hint says."""
    origin = typing.get_origin(hint)
    parts = [part for part in typing.get_args(hint) if part is not type(None)]
    if value is None or hint is typing.Any or origin is typing.Literal:
        return value
    if origin is list:
        return [build(parts[0], each) for each in value]
    if origin is dict:
        return {key: build(parts[1], each) for key, each in value.items()}
    if parts:  # a union
        right = parts if len(parts) == 1 else [cls for cls in parts if fits(cls, value)]
        if len(right) != 1:
            raise TypeError("%d classes for %r" % (len(right), value))
        return build(right[0], value)
    if issubclass(hint, enum.Enum):
        return hint(value)
    return make(hint, value) if attr.has(hint) else value


def make(cls, value):
    hints = typing.get_type_hints(cls)
    fields = {field.name: field for field in attr.fields(cls) if field.init and not field.name.startswith("_")}
    unknown = {name for name in value if not name.startswith("_")} - set(fields)
    if unknown:
        raise TypeError("%s has no %s" % (cls.__name__, ", ".join(sorted(unknown))))
    given = {name: build(hints[name], value.get(name)) for name, field in fields.items()
             if name in value or field.default is not attr.NOTHING}
    if "_producer" in value:
        given["producer"] = value["_producer"]
    return cls(**given)


def main():
    known = classes()
    out = {}
    for path in sorted(pathlib.Path(sys.argv[1]).glob("*.json")):
        facts = json.loads(path.read_text(encoding="utf-8"))
        cls = known.get(facts["_schemaURL"])
        out[path.stem] = None if cls is None else json.loads(Serde.to_json(make(cls, facts)))
    print(json.dumps(out))


if __name__ == "__main__":
    main()
