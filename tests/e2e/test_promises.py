# SPDX-License-Identifier: Apache-2.0
"""spec/SPOOL.md says what may still be lost and what may come twice. Each line there names a test, and here are those
that had no better place."""
import pathlib
import re
import shutil
import sqlite3

import numbered
from agent_process import Agent, http_route, store_route

REPO = pathlib.Path(__file__).resolve().parent.parent.parent


def settle(agent, wait_until):
    wait_until(lambda: all(route["waiting"] == 0 for route in agent.status()["routes"]), 30,
               lambda: str(agent.status()))


def test_each_line_names_a_test():
    """`folder/file: name`, and the file has a test of that name."""
    text = (REPO / "spec" / "SPOOL.md").read_text().split("## What may still be lost, or come twice")[1]
    lines = [line for line in text.split("\n## ")[0].splitlines() if line.startswith("| ") and not line.endswith("| test |")]
    assert len(lines) >= 10
    for line in lines:
        named = re.findall(r"`((?:e2e|unit|crash)/[\w.]+): (\w+)`", line)
        assert named, "no test is named: " + line
        for file, name in named:
            source = (REPO / "tests" / file).read_text()
            assert re.search(r"(def|static void|class) %s\b" % name, source), "%s has no %s" % (file, name)


def test_a_lost_volume(runner, built, workdir, standin, wait_until):
    """With the spool's directory goes what waited there, and nothing else: what was delivered stays as it is, and
    what comes later arrives once."""
    out = workdir / "out.jsonl"
    agent = Agent(runner, built("lineaged"), workdir / "agent", [
        http_route("marquez", standin.url), {"name": "out", "type": "file", "path": str(out)},
        store_route(workdir / "lineage.db")])
    bodies = list(numbered.events(10, 6))
    agent.start()
    for body in bodies[:20]:
        assert agent.post(body)[0] == 201
    settle(agent, wait_until)
    assert agent.stop() == 0
    shutil.rmtree(agent.spool)
    agent.start()
    for body in bodies[20:]:
        assert agent.post(body)[0] == 201
    settle(agent, wait_until)
    assert agent.stop() == 0
    every = dict(enumerate(bodies))
    assert numbered.check(standin.stored(), every).problems() == []
    assert numbered.check(out.read_bytes().splitlines(), every).problems() == []
    with sqlite3.connect("file:%s?mode=ro" % (workdir / "lineage.db"), uri=True) as database:
        assert database.execute("SELECT sum(events) FROM runs").fetchone() == (len(bodies),)


def test_stored_under_a_500(runner, built, workdir, standin, wait_until):
    """A server that stores an event and answers 500 gets it again: twice there, in its place, and nothing lost."""
    standin.script({"match": '"number":7,', "answer": "500html", "store": True, "times": 2})
    agent = Agent(runner, built("lineaged"), workdir / "agent", [http_route("marquez", standin.url, profile="marquez")])
    bodies = list(numbered.events(5, 4))
    agent.start()
    for body in bodies:
        assert agent.post(body)[0] == 201
    settle(agent, wait_until)
    assert agent.stop() == 0
    report = numbered.check(standin.stored(), dict(enumerate(bodies)))
    assert report.problems(max_duplicates=2) == [] and report.duplicates == 2
