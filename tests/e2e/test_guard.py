# SPDX-License-Identifier: Apache-2.0
"""One process writes a store at a time: an agent that starts while lineage gc or restore has it waits and loses nothing;
gc, restore and an agent that begin in the same moment, round after round, leave a whole store with all events; killed at
any point of it, gc leaves what was there before or after, and nothing that nobody names."""
import contextlib
import fcntl
import json
import os
import sqlite3
import struct
import subprocess

import agent_process
import pytest

PRODUCER = "https://example.org/guard"
FACET = {"_producer": PRODUCER, "_schemaURL": "https://example.org/s.json"}
JOBS, ROUNDS = 5, 8
F_OFD_SETLK = 37


def event(number):
    return {"eventType": "COMPLETE", "eventTime": "2026-11-21T09:%02d:%02dZ" % (number // 60 % 60, number % 60),
            "producer": PRODUCER,
            "run": {"runId": "01941f29-7c00-7000-8000-%012d" % number, "facets": {"note": {**FACET, "text": "n%d" % number}}},
            "job": {"namespace": "ns", "name": "job%d" % (number % JOBS)},
            "inputs": [{"namespace": "n", "name": "in%d" % (number % 7)}],
            "outputs": [{"namespace": "n", "name": "out%d" % number, "facets": {"version": {
                **FACET, "datasetVersion": "v%d" % number}}}]}


class Place:
    """An agent, its store, and lineage beside it, at once where that is wanted."""

    def __init__(self, runner, built, workdir):
        self.db, self.program, self.workdir = workdir / "agent" / "lineage.db", built("lineage"), workdir
        self.agent = agent_process.Agent(runner, built("lineaged"), workdir / "agent", [agent_process.store_route(self.db, raw_events=False)])
        config = self.agent.home / "config" / "lineaged" / "lineaged.yaml"
        config.parent.mkdir(parents=True, exist_ok=True)
        config.write_text(self.agent.config.read_text())
        mine = {k: v for k, v in os.environ.items() if not k.startswith(("OPENLINEAGE", "LINEAGE"))}
        self.env = {**mine, **self.agent.environment()}

    def begin(self, *words, env=None):
        return subprocess.Popen([self.program, *map(str, words)], env={**self.env, **(env or {})}, cwd=self.workdir,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def call(self, *words, env=None):
        process = self.begin(*words, env=env)
        out, err = process.communicate(timeout=60)
        return process.returncode, out, err

    def fill(self, numbers, wait_until):
        for each in numbers:
            assert self.agent.post(json.dumps(event(each)))[0] == 201
        wait_until(lambda: self.agent.status()["routes"][0]["waiting"] == 0)

    def numbers(self):
        with contextlib.closing(sqlite3.connect("file:%s?mode=ro" % self.db, uri=True)) as db:
            return sorted(int(row[0].hex()[-12:]) for row in db.execute("SELECT uuid FROM runs"))

    def named(self):
        """What the store has names and facets for."""
        with contextlib.closing(sqlite3.connect("file:%s?mode=ro" % self.db, uri=True)) as db:
            return {table: db.execute("SELECT count(*) FROM " + table).fetchone()[0]
                    for table in ("texts", "facets", "versions", "datasets", "jobs", "io", "ids")}

    def check(self):
        code, out, err = self.call("backup", "--check", "--store", self.db)
        assert code == 0 and " 0 problems" in out, (out, err)

    @contextlib.contextmanager
    def held(self):
        """The store's lock, as another process has it that writes."""
        with open(str(self.db) + "-lock", "r+b") as file:
            fcntl.fcntl(file, F_OFD_SETLK, struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 1, 0))
            yield


@pytest.fixture
def place(runner, built, workdir):
    made = Place(runner, built, workdir)
    made.agent.start()
    yield made
    if made.agent.process.is_running():
        made.agent.stop()


def test_agent_waits(place, wait_until):
    place.fill(range(10), wait_until)
    place.agent.stop()
    with place.held():
        place.agent.start()
        for each in range(10, 20):
            assert place.agent.post(json.dumps(event(each)))[0] == 201
        wait_until(lambda: "writes it" in place.agent.process.err)
        assert place.agent.status()["routes"][0]["waiting"] >= 10  # its own cursor is not known yet
        assert place.numbers() == list(range(10))
    wait_until(lambda: place.agent.status()["routes"][0]["waiting"] == 0)
    place.agent.stop()
    assert place.numbers() == list(range(20))
    place.check()


def test_others_wait(place, wait_until):
    """gc waits for whoever has the store, then does it; restore gives up and has changed nothing."""
    place.fill(range(20), wait_until)
    assert place.call("backup", place.workdir / "backup")[0] == 0
    place.agent.stop()
    with place.held():
        gc = place.begin("gc", "--keep-last", "1", "--yes")
        code, out, err = place.call("restore", "--force", "--store", place.db, place.workdir / "backup")
        assert code == 1 and "another process" in err
        assert not os.path.exists(str(place.db) + ".before-restore")
        assert gc.poll() is None and place.numbers() == list(range(20))
    out, err = gc.communicate(timeout=60)
    assert gc.returncode == 0, err
    assert place.numbers() == list(range(20 - JOBS, 20))
    place.check()


def test_race(place, wait_until):
    """Round after round an agent starts, while gc and a restore begin in the same moment."""
    posted = 0
    collected = restored = 0
    for number in range(ROUNDS):
        place.fill(range(posted, posted + 20), wait_until)
        posted += 20
        if number % 3 == 0:
            assert place.call("backup", place.workdir / "backup")[0] == 0
        place.agent.stop()
        before = set(place.numbers())
        words = [("gc", "--keep-last", "1", "--yes"), ("restore", "--force", place.workdir / "backup")]
        others = [place.begin(*each) for each in (words if number % 2 else reversed(words))]
        place.agent.start()
        said = {each.args[1]: (each.communicate(timeout=60), each.returncode) for each in others}
        (out, err), code = said["gc"]
        assert code == 0, err
        collected += int(out.split(" runs")[0].split()[-1]) > 0
        (out, err), code = said["restore"]
        assert code == 0 or "another process" in err or "the agent is running" in err, err
        restored += code == 0
        wait_until(lambda: place.agent.status()["routes"][0]["waiting"] == 0)
        place.check()
        after = set(place.numbers())
        assert set(range(posted - JOBS, posted)) <= after, (number, before, after)  # the last of each job
        assert after <= set(range(posted))
    assert collected > 0
    print("%d rounds: gc removed something in %d, %d restored" % (ROUNDS, collected, restored))
    place.agent.stop()
    assert place.call("gc", "--keep-last", "1", "--yes")[0] == 0
    assert place.numbers() == list(range(posted - JOBS, posted))
    place.check()


@pytest.mark.parametrize("point", ["store.before_commit", "store.committed"])
def test_gc_killed(place, wait_until, point):
    """Before or after each of its transactions; the next gc leaves just what one that was never killed leaves."""
    place.fill(range(60), wait_until)
    place.agent.stop()
    assert place.call("backup", place.workdir / "backup")[0] == 0
    assert place.call("gc", "--keep-last", "1", "--yes")[0] == 0
    left, named = place.numbers(), place.named()
    assert left == list(range(60 - JOBS, 60))
    for number in range(1, 40):
        code, out, err = place.call("restore", "--force", place.workdir / "backup")
        assert code == 0, err
        code, out, err = place.call("gc", "--keep-last", "1", "--yes", env={"LINEAGED_CRASH": "%s:%d" % (point, number)})
        assert code in (0, -9), err
        place.check()
        assert place.numbers() in (left, list(range(60)))  # one transaction has all of them
        assert place.call("gc", "--keep-last", "1", "--yes")[0] == 0
        assert (place.numbers(), place.named()) == (left, named)
        if code == 0:
            break
    assert code == 0 and number > 3


def test_another_machine(runner, built, workdir, wait_until):
    """What docs/retention.md says of a new machine: with what waits in the spool nothing is lost."""
    old, new = Place(runner, built, workdir / "old"), Place(runner, built, workdir / "new")
    old.agent.start()
    old.fill(range(10), wait_until)
    old.agent.stop()
    with old.held():  # what comes now stays in the spool
        old.agent.start()
        for each in range(10, 20):
            assert old.agent.post(json.dumps(event(each)))[0] == 201
        old.agent.stop()
        code, out, err = old.call("backup", workdir / "backup")
        assert code == 0, err
        code, out, err = old.call("spool", "export", "--route", "local", workdir / "waiting.jsonl")
        assert code == 0, err
    assert old.numbers() == list(range(10))
    code, out, err = new.call("restore", workdir / "backup")
    assert code == 0 and new.numbers() == list(range(10)), err
    new.agent.start()
    code, out, err = new.call("spool", "import", workdir / "waiting.jsonl")
    assert code == 0, err
    wait_until(lambda: new.agent.status()["routes"][0]["waiting"] == 0 and new.numbers() == list(range(20)))
    new.agent.stop()
    new.check()
