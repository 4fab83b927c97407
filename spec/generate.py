#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Make C and its reference page from the facts in spec/facts/ (DESIGN 15).

usage: generate.py FACTS_DIRECTORY OUTPUT_DIRECTORY

Writes openlineage/facets.h, facets.c, facet_table.h, facet_table.c and facets.md below the output
directory, each only if its text changed. What the facts may say stands in spec/README.md; whatever they
say beyond that is refused with the file's and the facet's name.
"""
import pathlib
import sys

sys.dont_write_bytecode = True  # the source tree stays as it is

from generator import header, page, source, tables  # noqa: E402
from generator.facts import Facts, FactsError  # noqa: E402



def outputs(directory):
    """Everything the facts in @p directory make: {relative path: text}."""
    facts = Facts(directory)
    known = tables.Tables(facts)
    return {"openlineage/facets.h": header.emit(facts), "facets.c": source.emit(facts),
            "facet_table.h": tables.emit_header(facts, known), "facet_table.c": tables.emit_source(facts, known),
            "facets.md": page.emit(facts)}


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
