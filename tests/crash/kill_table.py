#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The table of kills: an agent under load is killed with SIGKILL at every named crash point, and at random
moments, while its sink is up, down, slow, or failing. A row says what that cost.

  kill_table.py [--events N] [--kills N] [--row SINK[/KIND]]... [--directory D] [--seed S]

Load: patient clients on the door (an event that was not acknowledged is sent again with the same bytes) and
programs that emit into the journal. Routes: the scripted server (http), a file, the store. Exit 1 when a row
breaks its promise: an acknowledged event that did not arrive on a route, an order break within a run, more
duplicates than kills x max_in_flight at the server, any duplicate in the file or the store.
"""
import argparse
import json
import pathlib
import random
import re
import sqlite3
import sys
import tempfile
import time
from dataclasses import dataclass, field

SUPPORT = pathlib.Path(__file__).resolve().parent.parent / "support"
sys.path[:0] = [str(SUPPORT), str(pathlib.Path(__file__).resolve().parent)]

import kill_load  # noqa: E402
import numbered  # noqa: E402
import procs  # noqa: E402
import standin_control  # noqa: E402
from agent_process import Agent, free_port, http_route, store_route  # noqa: E402

# Each point, and at which passage of it the agent ends. The first few pass only once in a spool's life, in this
# order; those with LAGGARD need a route that is given up, those with STRAY a file that is no segment.
LAGGARD, STRAY = "laggard", "stray"
POINTS = [
    ("spool.open.named", 1, None), ("cursor.made", 1, None), ("dead.replaced", 1, None),
    ("cursor.replaced", 1, None), ("dead.written", 2, None), ("dead.synced", 1, None), ("deliver.parked", 1, None),
    ("spool.open.written", 1, None), ("spool.open.synced", 1, None), ("spool.quarantined", 1, STRAY),
    ("spool.group.written", 7, None), ("spool.group.synced", 9, None),
    ("spool.roll.written", 2, None), ("spool.roll.synced", 2, None), ("spool.roll.renamed", 3, None),
    ("spool.roll.durable", 2, None), ("spool.roll.cut", 1, None), ("spool.prepare.filled", 1, None),
    ("spool.reap.renamed", 1, None), ("spool.gap.recorded", 1, LAGGARD), ("cursor.jumped", 1, LAGGARD),
    ("cursor.low_stored", 30, None), ("cursor.cleared", 20, None), ("cursor.saved", 1, None),
    ("intake.gathered", 10, None), ("intake.committed", 12, None), ("intake.answered", 11, None),
    ("intake.sent", 25, None),
    ("journal.taken", 15, None), ("journal.committed", 2, None), ("journal.unlinked", 1, None),
    ("journal.dir_synced", 1, None),
    ("deliver.sent", 20, None), ("deliver.answered", 20, None), ("deliver.done", 20, None),
    ("file.written", 3, None), ("file.synced", 1, None), ("file.marked", 1, None), ("file.rotated", 1, None),
    ("store.before_commit", 2, None), ("store.committed", 2, None), ("store.folded", 1, None),
]
ELSEWHERE = {"deliver.summed": "tests/e2e/test_answers.py",
             "dead.retry.spooled": "tests/e2e/test_deadletter.py",  # points that a test of their own passes
             "cursor.rewound": "tests/e2e/test_spool_tools.py", "repair.written": "tests/e2e/test_spool_tools.py",
             "repair.renamed": "tests/e2e/test_spool_tools.py",
             "journal.abort_taken": "tests/e2e/test_abort.py", "journal.kept": "tests/e2e/test_abort.py"}
SINKS = {
    "up": [],
    "down": [],
    "slow": [{"answer": "marquez", "delay_ms": 10}],
    "failing": [{"answer": "500html", "rate": 0.02, "seed": 1}, {"answer": 503, "rate": 0.02, "seed": 2},
                {"answer": "reset", "rate": 0.01, "seed": 3}],
}
PATIENCE = 20  # s that a point may take to be passed


def points_in_source():
    """The names in the agent's own code, but for those of other tests."""
    found = set()
    for path in sorted((SUPPORT.parent.parent / "agent").rglob("*.c")):
        found.update(re.findall(r'OL_CRASHPOINT\("([^"]+)"\)', path.read_text()))
    for name, test in ELSEWHERE.items():
        assert name in (SUPPORT.parent.parent / test).read_text(), "%s does not pass %s" % (test, name)
    return found - set(ELSEWHERE)


@dataclass
class Row:
    sink: str
    kind: str
    kills: int = 0
    acknowledged: int = 0
    arrived: int = 0     # at the server, and in dead letters: distinct
    lost: int = 0
    breaks: int = 0
    duplicates: int = 0
    bound: int = 0
    again: int = 0       # requests that clients had to repeat
    seconds: float = 0.0
    problems: list = field(default_factory=list)

    TITLES = ("sink", "killed at", "kills", "acknowledged", "arrived", "lost", "order breaks", "duplicates",
              "at most", "repeated by clients", "s")

    def cells(self):
        return (self.sink, self.kind, self.kills, self.acknowledged, self.arrived, self.lost, self.breaks,
                self.duplicates, self.bound, self.again, "%.0f" % self.seconds)


class Trial:
    """One row: an agent of its own, its load, its sink."""

    def __init__(self, directory, sink, kind, events, kills, seed):
        self.sink, self.kind, self.events = sink, kind, events
        self.points = POINTS if kind == "points" else [None] * kills
        self.random = random.Random("%s/%s/%d" % (sink, kind, seed))
        self.home = pathlib.Path(directory) / ("%s-%s" % (sink, kind))
        self.home.mkdir(parents=True)
        self.runner = procs.Runner(self.home)
        self.standin = standin_control.StandinProcess(self.home / "standin")
        self.standin.script({"match": '"poison.', "answer": 422}, *SINKS[sink])
        segment = "64KiB" if events < 20000 else "1MiB"
        self.agent = Agent(self.runner, procs.built("lineaged"), self.home / "agent", [
            http_route("marquez", self.standin.url, profile="marquez"),
            {"name": "out", "type": "file", "path": str(self.home / "out.jsonl"), "on_lag": "pin",
             "rotate_size": "128KiB" if events < 20000 else "4MiB"},
            {"name": "local", "type": "store", "path": str(self.home / "lineage.db"), "on_lag": "pin",
             "retention": 0}],
            spool={"segment_bytes": segment, "max_bytes": "2GiB"}, intake={"poll": "20ms"})
        self.plain = self.agent.config.read_text()
        self.lag_port = free_port()
        self.tickets = kill_load.Tickets()
        # One event in ten comes by journal.
        self.client_runs = events * 9 // 10 // kill_load.PER_RUN
        self.emitter_runs = events // kill_load.PER_RUN - self.client_runs
        self.clients = kill_load.Clients(self.agent.port, self.client_runs, self.tickets)
        self.emitters = kill_load.Emitters(self.runner, procs.built("emit_many"), self.agent.journal)
        self.agent.journal.mkdir(parents=True)
        self.fed = 0
        self.row = Row(sink, "%d crash points" % len(POINTS) if kind == "points" else "%d random moments" % kills)

    def close(self):
        self.clients.stop()
        self.runner.close()
        self.standin.close()

    # -- kills ---------------------------------------------------------------------------------------

    def prepare(self, need):
        """What the next point needs to be passed."""
        self.agent.config.write_text(self.plain)
        if need == LAGGARD:
            config = json.loads(self.plain)
            config["spool"] = {**config["spool"], "max_bytes": "1MiB", "segment_bytes": "64KiB"}
            config["routes"].append({"name": "laggard", "type": "http", "url": "http://127.0.0.1:%d" % self.lag_port,
                                     "on_lag": "detach"})
            self.agent.config.write_text(json.dumps(config, indent=1))
        elif need == STRAY:
            (self.agent.spool / "7fffffffffff0000.seg").write_bytes(b"no header" * 1000)

    def at_point(self, name, passage):
        """Launch, and wait until it has ended itself there. A sink that is down comes up where that takes it."""
        self.agent.launch(env={"LINEAGED_CRASH": "%s:%d" % (name, passage)})
        patience = time.monotonic() + PATIENCE
        more_at = time.monotonic() + 1.5
        up_at = time.monotonic() + 1.0
        while self.agent.process.is_running():
            if up_at and self.sink == "down" and time.monotonic() > up_at:
                self.standin.up()
                up_at = 0
            if time.monotonic() > more_at:  # its share was not enough
                self.feed(20)
                more_at += 0.3
            if time.monotonic() > patience:
                self.agent.kill()
                self.row.problems.append("%s was not passed %d times in %d s: %s" % (
                    name, passage, PATIENCE, self.agent.process.err[-300:]))
                return
            time.sleep(0.005)
        status = self.agent.process.wait()
        if status == -9:
            self.row.kills += 1
        else:
            self.row.problems.append("%s: ended with %d: %s" % (name, status, self.agent.process.err[-500:]))

    def at_random(self, before, share):
        """Launch, and kill: now and then while it starts, else under load."""
        self.agent.launch()
        if self.sink == "down" and self.random.random() < 0.4:
            self.standin.up()
        if self.random.random() < 0.3:
            time.sleep(self.random.random() * 0.06)
        else:
            target = before + self.random.randrange(1, max(2, share * 3 // 4))
            procs.wait_until(lambda: self.clients.count() >= target or not self.agent.process.is_running(), 120,
                             lambda: "%d of %d acknowledged; %s" % (self.clients.count(), target,
                                                                    self.agent.process.err[-500:]), 0.003)
            time.sleep(self.random.random() * self.random.choice((0.01, 0.1, 1.2)))
        if not self.agent.process.is_running():
            self.row.problems.append("ended by itself: %s" % self.agent.process.err[-500:])
        self.agent.kill()
        self.row.kills += 1

    def feed(self, count):
        self.fed += count
        self.tickets.add(count)

    def run(self):
        began = time.monotonic()
        count = len(self.points)
        for i, point in enumerate(self.points):
            if self.sink == "down":
                self.standin.down()
            share = max(1, (self.client_runs * kill_load.PER_RUN - self.fed) // (count + 1 - i))
            self.feed(share)
            self.emitters.start(self.emitter_runs * (i + 1) // count - self.emitter_runs * i // count)
            if point is None:
                self.at_random(self.clients.count(), share)
            else:
                self.prepare(point[2])
                self.at_point(point[0], point[1])
        self.agent.config.write_text(self.plain)
        self.standin.up()
        self.agent.start()
        self.feed(self.client_runs * kill_load.PER_RUN)
        self.clients.join(1800)
        accepted = self.emitters.accepted()
        self.judge(set(self.clients.acknowledged), set(accepted), began)
        return self.row

    # -- judgement -----------------------------------------------------------------------------------

    def waiting(self):
        return sum(route["waiting"] for route in self.agent.status()["routes"])

    def judge(self, posted, emitted, began):
        row = self.row
        wanted = posted | emitted
        row.acknowledged, row.again = len(wanted), self.clients.again
        if self.clients.unusual:
            row.problems.append("answers to clients: %s" % self.clients.unusual[:3])
        procs.wait_until(lambda: not list(self.agent.journal.glob("*.jsonl")) and self.waiting() == 0, 1800,
                         lambda: "waiting: %s; journals: %d" % (
                             self.agent.admin("/status")[1].decode()[:2000], len(list(self.agent.journal.glob("*.jsonl")))),
                         0.1)
        if self.agent.stop() != 0:
            row.problems.append("it did not stop in order: %s" % self.agent.process.err[-500:])
        parked = self.parked(wanted)
        report = self.sink_report(wanted - parked)
        row.bound = row.kills * self.agent.max_in_flight
        row.arrived = report.unique + len(parked)
        row.duplicates, row.breaks = report.duplicates, len(report.order_breaks) + len(report.ended_early)
        row.lost = len(report.lost)
        row.problems += report.problems(max_duplicates=row.bound)
        self.check_file(wanted)
        self.check_store(len(wanted))
        if not 0 < len(parked) == len([n for n in wanted if n < kill_load.JOURNAL_FIRST
                                       and kill_load.is_poison(n // kill_load.PER_RUN)]):
            row.problems.append("%d events are parked" % len(parked))
        row.seconds = time.monotonic() - began

    def check_bodies(self, bodies, wanted):
        """A report; bodies of ours must be the bytes that were sent."""
        altered = []

        def checked():
            for each in bodies:
                got = numbered.parse(each)
                if got is not None and got.number < kill_load.JOURNAL_FIRST and each != kill_load.body(got.number):
                    altered.append(got.number)
                yield each
        report = numbered.check(checked(), wanted)
        report.altered = altered
        return report

    def sink_report(self, wanted):
        return self.check_bodies((post.body for post in self.standin.pages() if post.stored), wanted)

    def parked(self, wanted):
        """Numbers of the dead letters, each event whole and once."""
        found = []
        for line in (self.agent.spool / "dead" / "marquez.jsonl").read_bytes().splitlines():
            letter = json.loads(line)
            number = numbered.parse(letter["event"]).number
            if letter["event"].encode() != kill_load.body(number):
                self.row.problems.append("dead letter %s is not the event that was sent" % letter["id"])
            found.append(number)
        if len(found) != len(set(found)) or not set(found) <= wanted:
            self.row.problems.append("dead letters: %d, of which distinct %d" % (len(found), len(set(found))))
        return set(found)

    def check_file(self, wanted):
        """Every event once, in order, over the rotated files and the last one."""
        parts = sorted(self.home.glob("out.jsonl.*")) + [self.home / "out.jsonl"]
        parts = [part for part in parts if not part.name.endswith(".cursor")]
        lines = (line for part in parts for line in part.read_bytes().splitlines())
        self.row.problems += ["file: " + text for text in self.check_bodies(lines, wanted).problems()]

    def check_store(self, count):
        with sqlite3.connect("file:%s?mode=ro" % (self.home / "lineage.db"), uri=True) as database:
            sound = database.execute("PRAGMA integrity_check").fetchone()[0]
            stored = database.execute("SELECT sum(events) FROM runs").fetchone()[0]
        if sound != "ok" or stored != count:
            self.row.problems.append("store: %s, %s events of %d" % (sound, stored, count))


def table(rows):
    cells = [Row.TITLES] + [tuple(str(cell) for cell in row.cells()) for row in rows]
    widths = [max(len(line[i]) for line in cells) for i in range(len(cells[0]))]
    lines = []
    for n, line in enumerate(cells):
        lines.append("  ".join(text.ljust(width) if i < 2 else text.rjust(width)
                               for i, (text, width) in enumerate(zip(line, widths))).rstrip())
        if n == 0:
            lines.append("  ".join("-" * width for width in widths))
    return "\n".join(lines)


def run_rows(directory, rows, events, kills, seed=1, say=lambda text: None):
    """Rows for [(sink, "points" or "random"), ...]; each is said when it is done."""
    done = []
    for sink, kind in rows:
        trial = Trial(directory, sink, kind, events, kills, seed)
        try:
            done.append(trial.run())
        finally:
            trial.close()
        say("%s, %s: %s" % (sink, done[-1].kind, "; ".join(done[-1].problems) or "kept"))
    return done


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=100000)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--row", action="append", help="SINK or SINK/points or SINK/random; all of them by default")
    parser.add_argument("--directory")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    given = parser.parse_args()
    rows = []
    for text in given.row or SINKS:
        sink, _, kind = text.partition("/")
        rows += [(sink, each) for each in ([kind] if kind else ["points", "random"])]
    print("seed %d, %d events of %d bytes a row" % (given.seed, given.events, kill_load.SIZE), flush=True)
    with tempfile.TemporaryDirectory(prefix="kill-table-", dir=given.directory) as directory:
        done = run_rows(directory, rows, given.events, given.kills, given.seed, lambda text: print(text, flush=True))
    print(table(done))
    return 1 if any(row.problems for row in done) else 0


if __name__ == "__main__":
    sys.exit(main())
