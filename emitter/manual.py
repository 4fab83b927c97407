#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""manual.py PAGE OUT HEADER...: openlineage(3) with a list of all functions, each with the first sentence
of its comment, in the place of the line .\\" @FUNCTIONS@."""
import re
import sys

FUNCTION = re.compile(r"(?:/\*\*(?P<comment>(?:(?!\*/).)*)\*/\s*)?^OL_API\s+(?:OL_NODISCARD\s+)?[\w\s*]+?\b(?P<name>ol_\w+)\(",
                      re.S | re.M)


def sentence(comment):
    text = re.sub(r"\s+", " ", re.sub(r"^\s*\*", "", comment, flags=re.M)).strip()
    text = re.sub(r"@p ", "", text)
    return re.split(r"(?<=[.:;]) (?=[A-Z@])|(?= @)", text, maxsplit=1)[0].rstrip(":;")


def escape(text):
    return text.replace("\\", "\\e").replace("-", "\\-")


def entries(path):
    with open(path, encoding="utf-8") as file:
        text = file.read()
    names = []  # those without a comment of their own belong to the one before
    for match in FUNCTION.finditer(text):
        if match["comment"] is None:
            names[-1][0].append(match["name"])
        else:
            names.append(([match["name"]], sentence(match["comment"])))
    return names


def main():
    page, out, headers = sys.argv[1], sys.argv[2], sys.argv[3:]
    lines = []
    for header in headers:
        for names, text in entries(header):
            lines += [".TP", ".BR " + ' ", " '.join(names), escape(text)]
    with open(page, encoding="utf-8") as file:
        text = file.read()
    marker = '.\\" @FUNCTIONS@\n'
    if marker not in text or not lines:
        sys.exit("manual.py: no %s in %s, or no functions" % (marker.strip(), page))
    with open(out, "w", encoding="utf-8") as file:
        file.write(text.replace(marker, "\n".join(lines) + "\n"))


main()
