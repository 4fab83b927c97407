# SPDX-License-Identifier: Apache-2.0
"""A wall clock that is set a year forward, a year back, to 1970, while the agent runs and while it does not: nothing
expires or waits for that, and nothing comes twice."""
import os
import sqlite3
import time

import clock
import numbered
import pytest
from agent_process import Agent, http_route, store_route

JUMPS = {"forward": clock.YEAR, "back": -clock.YEAR, "1970": -int(time.time() * 1000) + 5000}


class World:
    def __init__(self, runner, built, workdir, standin):
        self.standin, self.workdir = standin, workdir
        self.clock = clock.Clock(workdir / "clock")
        self.agent = Agent(runner, built("lineaged"), workdir / "agent", [
            http_route("marquez", standin.url), store_route(workdir / "lineage.db", retention="90d")])
        self.bodies = list(numbered.events(20, 4))
        self.sent = 0

    def start(self):
        self.agent.start(env=self.clock.environment())

    def post(self, count):
        """So many new events; the last one a second time, as a client does that did not hear the answer."""
        for body in self.bodies[self.sent:self.sent + count]:
            assert self.agent.post(body)[0] == 201
        self.sent += count
        self.again(1)

    def again(self, count):
        for body in self.bodies[self.sent - count:self.sent]:
            assert self.agent.post(body)[0] == 201

    def settle(self, wait_until):
        wait_until(lambda: all(route["waiting"] == 0 for route in self.agent.status()["routes"]), 20,
                   lambda: str(self.agent.status()))

    def check(self):
        assert numbered.check(self.standin.stored(), dict(enumerate(self.bodies[:self.sent]))).problems() == []
        with sqlite3.connect("file:%s?mode=ro" % (self.workdir / "lineage.db"), uri=True) as database:
            assert database.execute("SELECT sum(events) FROM runs").fetchone() == (self.sent,)


@pytest.fixture
def world(runner, built, workdir, standin):
    made = World(runner, built, workdir, standin)
    made.agent.journal.mkdir(parents=True)
    return made


@pytest.mark.parametrize("jump", JUMPS)
def test_while_it_runs(world, wait_until, jump):
    """Delivery, retries, de-duplication, cursor saves and the end go on at once, and an hour later as well."""
    agent = world.agent
    world.start()
    world.post(20)
    world.settle(wait_until)
    world.standin.script({"answer": 503, "times": 6})  # someone backs off when it happens
    world.clock.shift(JUMPS[jump])
    world.post(20)
    world.settle(wait_until)
    saved = agent.spool / "cursor" / "marquez.saved"
    before = saved.read_bytes() if saved.exists() else b""
    world.clock.shift(0)
    world.post(20)
    world.settle(wait_until)
    wait_until(lambda: saved.exists() and saved.read_bytes() != before, 10, "the cursor is saved")
    world.clock.shift(JUMPS[jump])
    began = time.monotonic()
    assert agent.stop() == 0
    assert time.monotonic() - began < 8  # drain is 10 s, and nothing waits
    world.check()


@pytest.mark.parametrize("killed", [False, True], ids=["stopped", "killed"])
@pytest.mark.parametrize("jump", JUMPS)
def test_while_it_does_not(world, wait_until, jump, killed):
    """Runs are not expired, the window of requests is kept, a journal in done/ and one of a writer elsewhere stay."""
    agent = world.agent
    world.start()
    world.post(20)
    world.settle(wait_until)
    done = agent.journal / "done"
    done.mkdir(mode=0o700, exist_ok=True)
    name = "%020d-0190b5a0-0000-7000-8000-%012d.jsonl"
    (done / (name % (1, 1))).write_text("kept for a look\n")
    elsewhere = agent.journal / (name % (2, 2))
    hidden = agent.journal / ".making"
    hidden.write_text('{"ol_journal":1,"id":"0190b5a0-0000-7000-8000-%012d","chain":"0190b5a0-0000-7000-8000-%012d",'
                      '"part":1,"boot":"of another kernel","host":"elsewhere","pid_ns":1,"pid":1,"start":1,"uid":0,'
                      '"created":"2026-01-01T00:00:00Z","writer":"test","infer_abort":false}\n' % (2, 2))
    os.rename(hidden, elsewhere)
    if killed:
        agent.kill()
    else:
        assert agent.stop() == 0
    world.clock.shift(JUMPS[jump])
    world.start()
    world.again(20)
    world.post(20)
    world.settle(wait_until)
    time.sleep(1.5)  # a look at done/, and one at what may expire
    assert elsewhere.exists() and (done / (name % (1, 1))).exists()
    assert agent.stop() == 0
    world.check()
