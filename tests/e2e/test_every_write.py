# SPDX-License-Identifier: Apache-2.0
"""Each write finds the disk full once, each sync fails once: of the spool, its cursors and dead letters, the file
and the store. Once alone, and once with all that come after it until the disk is well again. Nothing that was
acknowledged is lost, refusals are 503, the reason is said, and it goes on without hands."""
import json
import re
import sqlite3
import time

import pytest

import fault_preload
import numbered
from agent_process import Agent, http_route, store_route
from fault_preload import FOR_EVER, SYNC, WRITE

EVENTS = 8
POISON = 2  # refused by the sink: goes to the dead letters
# What is failed: a text in the path of its files.
PARTS = {"spool": ".seg", "cursors": "/cursor/", "dead": "/dead/", "file": "out.jsonl", "store": "lineage.db"}
REASON = {WRITE: r"No space left|full|disk I/O error \(SQLite 4874", SYNC: r"Input/output|I/O error|disk"}


class World:
    """One agent in a fresh place, that has everything: a server that refuses an event, a file, the store."""

    def __init__(self, runner, program, home, standin, reason):
        self.home, self.standin = home, standin
        home.mkdir()
        standin.reset()
        standin.script({"match": '"number":%d,' % POISON, "answer": 422}, replace=True)
        self.disk = fault_preload.Disk(home / "fault")
        self.agent = Agent(runner, program, home / "agent", [
            http_route("marquez", standin.url),
            {"name": "out", "type": "file", "path": str(home / "out.jsonl"), "on_lag": "pin"},
            store_route(home / "lineage.db", on_lag="pin")], spool={"segment_bytes": "64KiB", "max_bytes": "8MiB"})
        self.bodies = dict(enumerate(numbered.events(2, EVENTS // 2, size=3000)))
        self.told, self.reason = "", reason
        self.is_refused = False  # somebody was answered 503, or a start failed

    def look(self):
        """The disk gets well when the trouble was told, or has lasted."""
        if self.disk.struck() > 0:
            self.since = getattr(self, "since", time.monotonic())
            if self.is_told() or time.monotonic() > self.since + 2:
                self.disk.heal()

    def is_told(self):
        return re.search(self.reason, self.told + self.agent.process.err) is not None

    def start(self):
        """Until it serves: a start that the disk refuses says so and ends; the next one finds all as it was."""
        for _ in range(400):
            self.agent.launch(env=self.disk.environment())
            while self.agent.process.is_running():
                try:
                    if self.agent.admin("/healthz")[0] in (200, 503):
                        return
                except OSError:
                    time.sleep(0.005)
            self.told += self.agent.process.err
            assert self.agent.process.wait() == 1, self.agent.process.err
            self.is_refused = True
            self.look()
        raise AssertionError("it does not start: " + self.told[-1000:])

    def post(self, number):
        """Until it is acknowledged."""
        for _ in range(2000):
            status = self.agent.post(self.bodies[number])[0]
            if status == 201:
                return
            assert status == 503
            self.is_refused = True
            self.look()
            time.sleep(0.02)
        raise AssertionError("refused for ever: %s" % self.agent.status())

    def settle(self, wait_until):
        def is_settled():
            self.look()
            return all(route["waiting"] == 0 for route in self.agent.status()["routes"])
        wait_until(is_settled, 30, lambda: str(self.agent.status()))

    def work(self, wait_until):
        """A start, events, an end in order."""
        self.start()
        for number in self.bodies:
            self.post(number)
        self.settle(wait_until)
        self.disk.heal()  # what comes after is its end: no one is left to try again
        ended = self.agent.stop()
        self.told += self.agent.process.err
        assert ended == 0, self.told

    def check(self):
        good = {n: body for n, body in self.bodies.items() if n != POISON}
        report = numbered.check(self.standin.stored(), good)
        assert report.problems(max_duplicates=2 * self.agent.max_in_flight) == []
        assert self.dead() == [POISON]
        lines = [line for path in sorted(self.home.glob("out.jsonl*")) if not path.name.endswith(".cursor")
                 for line in path.read_bytes().splitlines()]
        found = numbered.check(lines, self.bodies)
        # A file that could not be synced is put aside, its lines come again in the next one.
        aside = list(self.home.glob("out.jsonl.failed-*"))
        assert found.problems(max_duplicates=EVENTS if aside else 0) == []
        with sqlite3.connect("file:%s?mode=ro" % (self.home / "lineage.db"), uri=True) as database:
            assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            assert database.execute("SELECT sum(events) FROM runs").fetchone() == (EVENTS,)

    def dead(self):
        lines = (self.agent.spool / "dead" / "marquez.jsonl").read_bytes().splitlines()
        return [numbered.parse(json.loads(line)["event"]).number for line in lines]


SLOW = pytest.mark.slow


@pytest.mark.parametrize("lasting", [False, pytest.param(True, marks=SLOW)], ids=["once", "lasting"])
@pytest.mark.parametrize("kind", [WRITE, SYNC], ids=["write", "sync"])
@pytest.mark.parametrize("part", [pytest.param(part, marks=SLOW if part in ("file", "store") else []) for part in PARTS])
def test_every_call_fails(runner, built, workdir, standin, wait_until, part, kind, lasting):
    """The first call, the second, ... until a whole run has fewer."""
    struck = told = 0
    try:
        fault_preload.Disk(workdir / "probe").environment()
    except FileNotFoundError as missing:
        pytest.skip("no %s: it does not go with sanitizers" % missing)
    for nth in range(1, 1000):
        world = World(runner, built("lineaged"), workdir / ("n%d" % nth), standin, REASON[kind])
        world.disk.fail(kind, PARTS[part], nth, FOR_EVER if lasting else nth)
        try:
            world.work(wait_until)
            world.check()
        except BaseException:
            print("call %d of %s, %d seen" % (nth, part, world.disk.seen()))
            raise
        if world.disk.struck() == 0:
            break
        struck += 1
        assert world.is_told() or not world.is_refused, "call %d: nothing was said: %s" % (nth, world.told)
        told += world.is_told()
    print("%s: %d calls failed, one after the other; %d times it was told" % (part, struck, told))
    assert struck > 0 and (told > 0 or not lasting)
