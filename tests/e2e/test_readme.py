# SPDX-License-Identifier: Apache-2.0
"""The first thing that a newcomer reads is true: the session of README.md, command by command, prints what stands there,
but for ids, times, hashes and the folder."""
import re

import procs
from test_manual import Scratch

# Of what follows, the form alone.
MASKS = [(r"(?<= )(/\S*/)(?=\S+\.(bin|csv)\b)", "/home/ann/"), (r"\b[0-9a-f]{8}-[0-9a-f]{4}…", "RUN…"),
         (r"sha256:[0-9a-f]{8}…", "sha256:HASH…"), (r"\b\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ", "TIME"), (r"\b\d+(\.\d+)? m?s$", "N ms"), (r" {2,}(?=\S)", "  ")]


def session():
    """[[command, what it prints], ...]"""
    text = (procs.REPO / "README.md").read_text()
    block = re.search(r"^    \$ .*\n(?:    .*\n)+", text, re.M)[0]
    steps = []
    for line in re.sub(r"^    ", "", block, flags=re.M).splitlines():
        if line.startswith("$ "):
            steps.append([line[2:], []])
        else:
            steps[-1][1].append(line)
    return steps


def masked(lines):
    for pattern, form in MASKS:
        lines = [re.sub(pattern, form, line) for line in lines]
    return lines


def test_the_session_of_the_readme(runner, built, workdir):
    scratch = Scratch(runner, built, workdir, "http://127.0.0.1:9")
    scratch.env["OPENLINEAGE__TRANSPORT__TYPE"] = "journal"
    (scratch.files / "raw.csv").write_text("b\na\nb\n")
    (scratch.files / "train").write_text('#!/bin/sh\n{ echo "$1 epochs"; cat "$2"; } > "$3"\n')
    steps = session()
    assert {"run", "why", "impact", "diff"} <= {command.split()[1] for command, _ in steps}
    for command, expected in steps:
        done = scratch.shell(command)
        assert (done.returncode, done.stderr) == (0, ""), (command, done.stderr)
        assert masked(done.stdout.splitlines()) == masked(expected), "%s\n%s" % (command, done.stdout)
