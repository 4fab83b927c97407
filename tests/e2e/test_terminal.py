# SPDX-License-Identifier: Apache-2.0
"""What every verb that answers prints on a terminal, for people: text in colour on a terminal only, and there not with
NO_COLOR or TERM=dumb; nothing else that steers a terminal, whatever names come from outside."""
import fcntl
import json
import os
import re
import struct
import subprocess
import termios
import threading

import pytest

from test_json import CASES, LINES, Filled

SGR = re.compile(r"\x1b\[[0-9;]*m")
# Whatever else a terminal obeys: control characters but for the ends of lines and tabs; C1; direction marks.
HARMFUL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
# Answers in which something stands out.
COLOURED = {"why", "impact", "diff", "runs", "show", "status", "doctor", "spool-ls", "convert"}
EVIL = "evil\x1b[2Jname\x1b]0;title\x07\u202egnp"


def for_people(command):
    """The command without --json, which stands before what its shell fills in."""
    head, dollar, tail = command.partition("$(")
    return head.replace(" --json", "", 1) + dollar + tail


@pytest.fixture
def filled(runner, built, workdir, standin, wait_until):
    made = Filled(runner, built, workdir, standin, wait_until)
    done = subprocess.run([built("lineage"), "run", "-q", "--job", EVIL, "--param", "a=" + EVIL.replace("\x07", ""), "-i", "raw.csv", "-o", "out-" + EVIL, "--",
                           "cp", "raw.csv", "out-" + EVIL], cwd=made.scratch.files, env=made.scratch.env, check=False, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    wait_until(lambda: "evil" in made.shell("lineage runs --json").stdout, 30)
    yield made
    made.provider.close()


def on_terminal(filled, command, **env):
    """Exit status and what a terminal got on standard output."""
    master, slave = os.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 120, 0, 0))
    got = []

    def read():
        while True:
            try:
                data = os.read(master, 65536)
            except OSError:  # the last who had it open is gone
                return
            if not data:
                return
            got.append(data)
    reader = threading.Thread(target=read)
    reader.start()
    text = command.replace('"$BROKEN"', '--runs broken "$RUN"')
    try:
        done = subprocess.run(["bash", "-eu", "-c", text], env={**filled.scratch.env, "TERM": "xterm-256color", **env}, cwd=filled.scratch.files,
                              stdin=subprocess.DEVNULL, stdout=slave, stderr=subprocess.PIPE, timeout=120, check=False)
    finally:
        os.close(slave)
    reader.join(30)
    os.close(master)
    return done.returncode, b"".join(got).decode()


def allowed(status, expected):
    return status in (expected if isinstance(expected, tuple) else (expected,))


def test_colour_on_a_terminal_only(filled):
    coloured, wrong = set(), []
    for name, cases in CASES.items():
        for number, (command, expected) in enumerate(cases):
            command = "lineage " + for_people(command)
            status, text = on_terminal(filled, command)
            if not allowed(status, expected):
                wrong.append("%s: exit %d on a terminal" % (command, status))
            if SGR.search(text):
                coloured.add(name)
            if name not in LINES and HARMFUL.search(SGR.sub("", text).replace("\r\n", "\n")):  # lines are the bytes as they came
                wrong.append("%s: steers the terminal: %r" % (command, HARMFUL.search(SGR.sub("", text).replace("\r\n", "\n"))))
            if number > 0:
                continue
            for env in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
                if "\x1b" in on_terminal(filled, command, **env)[1]:
                    wrong.append("%s: colour with %s" % (command, env))
            if "\x1b" in filled.shell("TERM=xterm-256color " + command).stdout:
                wrong.append("%s: colour into a pipe" % command)
    assert not wrong, "\n".join(wrong)
    assert COLOURED - coloured == set(), "these show nothing in colour"
    assert not coloured & LINES


def test_answers_are_for_people(filled):
    """Neither JSON nor one long line: what the questions print has a line for each thing."""
    for command in ("why clean.csv", "impact raw.csv", "runs", "show train", "status", "doctor", "deadletter ls", "spool ls"):
        status, text = on_terminal(filled, "lineage " + command)
        lines = SGR.sub("", text).splitlines()
        assert status in (0, 1) and len(lines) > 1, (command, text)
        with pytest.raises(ValueError):
            json.loads("".join(lines))
        assert "evil" not in text or "\\u{1b}" in text, command
