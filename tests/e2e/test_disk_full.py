# SPDX-License-Identifier: Apache-2.0
"""A disk that fills up beneath one thing at a time: dead letters, cursors, the store. Nothing acknowledged is
lost, what cannot be written waits, it is said once, and room alone makes it go on."""
import os
import re
import sqlite3
import subprocess

import pytest

import numbered
from agent_process import Agent, http_route, store_route


class SmallDisk:
    """A tmpfs on a directory, that a file can fill to the last page."""

    def __init__(self, place, size):
        self.place = place
        place.mkdir(parents=True, exist_ok=True)
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=%s,mode=0700" % size, "tmpfs", str(place)],
                                 capture_output=True, text=True, check=False)
        if mounted.returncode != 0:
            pytest.skip("cannot mount a tmpfs here: %s" % mounted.stderr.strip())

    def fill(self):
        with open(self.place / "other", "ab", buffering=0) as other:
            try:
                while True:
                    other.write(b"x" * 4096)
            except OSError:
                pass
        assert os.statvfs(self.place).f_bavail == 0

    def free(self):
        (self.place / "other").unlink()


@pytest.fixture
def small_disk():
    if os.geteuid() != 0:
        pytest.skip("needs root to mount a small filesystem")
    disks = []

    def make(place, size):
        disks.append(SmallDisk(place, size))
        return disks[-1]
    yield make
    for disk in disks:
        subprocess.run(["umount", "-l", str(disk.place)], check=True)


def route(agent, name):
    return next(each for each in agent.status()["routes"] if each["name"] == name)


def count(agent, pattern):
    return len(re.findall(pattern, agent.process.err))


def check_stored(standin, sent, wait_until):
    wait_until(lambda: standin.stats()["stored"] >= len(sent), 60, lambda: str(standin.stats()))
    assert numbered.check(standin.stored(), sent).problems() == []


def tries(standin):
    return standin.stats()["script"][0]["hits"]


def test_dead_letters(runner, built, workdir, standin, small_disk, wait_until):
    """The lane of an event that cannot be parked waits, the others do not; then the letter is whole."""
    home = workdir / "agent"
    disk = small_disk(home / "spool" / "dead", "256k")
    standin.script({"match": '"number":%d,' % 0, "answer": 422})
    agent = Agent(runner, built("lineaged"), home, [http_route("marquez", standin.url)]).start()
    disk.fill()
    bodies = list(numbered.events(10, 3))  # run 0: numbers 0, 10, 20
    for body in bodies:
        assert agent.post(body)[0] == 201
    wait_until(lambda: standin.stats()["stored"] >= 27, 60, lambda: str(standin.stats()))
    wait_until(lambda: "No space left" in route(agent, "marquez")["last_error"], 30, lambda: str(agent.status()))
    # Again after 1, 2, 4 seconds...; also when marks of other events are saved meanwhile.
    wait_until(lambda: tries(standin) >= 3, 30, "the letter is tried again")
    bodies.append(numbered.event(30, 30, 0))
    assert agent.post(bodies[30])[0] == 201
    wait_until(lambda: tries(standin) >= 5, 60, lambda: "the letter is tried again: %s" % agent.status())
    assert standin.stats()["stored"] == 28, "the lane waits"
    assert agent.admin("/v1/deadletters")[1].strip() == b'{"deadletters":[]}'
    assert count(agent, "dead letter.*No space left") == 1, agent.process.err
    # A kill while it waits, a start on the full disk: the same.
    agent.kill()
    agent.start()
    wait_until(lambda: count(agent, "dead letter.*No space left") == 1, 30, lambda: agent.process.err)
    disk.free()
    wait_until(lambda: route(agent, "marquez")["parked"] == 1, 30, lambda: str(agent.status()))
    check_stored(standin, {n: body for n, body in enumerate(bodies) if n != 0}, wait_until)
    assert '"number\\":0,' in agent.admin("/v1/deadletters/marquez-1")[1].decode()
    assert count(agent, "dead letters can be written again") == 1, agent.process.err
    assert agent.stop() == 0


def test_cursors(runner, built, workdir, standin, small_disk, wait_until):
    """Delivery goes on, nothing leaves the spool, and a start after a loss of power repeats instead of losing."""
    home = workdir / "agent"
    disk = small_disk(home / "spool" / "cursor", "256k")
    agent = Agent(runner, built("lineaged"), home, [http_route("marquez", standin.url)]).start()
    every = list(numbered.events(10, 6))
    sent = dict(enumerate(every[:20]))
    for body in sent.values():
        assert agent.post(body)[0] == 201
    check_stored(standin, sent, wait_until)
    assert agent.stop() == 0
    disk.fill()
    for after_power_loss in (False, True):
        if after_power_loss:
            live = home / "spool" / "cursor" / "marquez.live"
            live.unlink()  # its pages were never synced; what is free now is taken too
            disk.fill()
        agent.start()
        more = dict(enumerate(every[len(sent):len(sent) + 20], len(sent)))
        for body in more.values():
            assert agent.post(body)[0] == 201
        sent.update(more)
        wait_until(lambda: route(agent, "marquez")["waiting"] == 0, 30, lambda: str(agent.status()))
        wait_until(lambda: count(agent, "cursor.*No space left") > 0, 30, lambda: agent.process.err)
        agent.kill()
    agent.start()
    wait_until(lambda: count(agent, "cursor.*No space left") > 0, 30, lambda: agent.process.err)
    disk.free()
    wait_until(lambda: count(agent, "cursor is saved again") == 1, 30, lambda: agent.process.err)
    assert agent.stop() == 0
    # 20 when the power had gone, 40 when the agent was killed that had found no room for its marks.
    assert numbered.check(standin.stored(), sent).problems(max_duplicates=60) == []
    # Saved at last: nothing more is doubled, also after a loss of power.
    (home / "spool" / "cursor" / "marquez.live").unlink()
    posts = standin.stats()["posts"]
    agent.start()
    last = numbered.event(len(sent), 0, 0, seed="last")
    assert agent.post(last)[0] == 201
    wait_until(lambda: standin.stats()["posts"] > posts, 30, lambda: str(standin.stats()))
    assert standin.posts(posts)[0].body == last
    assert agent.stop() == 0


def test_store(runner, built, workdir, standin, small_disk, wait_until):
    """The other route delivers all; the store says why it waits, and has every event once there is room."""
    home = workdir / "agent"
    disk = small_disk(home / "store", "40m")
    path = home / "store" / "lineage.db"
    agent = Agent(runner, built("lineaged"), home, [http_route("marquez", standin.url), store_route(path)]).start()
    every = list(numbered.events(200, 6, size=8000))
    sent = dict(enumerate(every[:200]))
    for body in sent.values():
        assert agent.post(body)[0] == 201
    wait_until(lambda: route(agent, "local")["waiting"] == 0, 30, lambda: str(agent.status()))
    disk.fill()
    more = dict(enumerate(every[200:], 200))
    for body in more.values():
        assert agent.post(body)[0] == 201
    sent.update(more)
    check_stored(standin, sent, wait_until)
    wait_until(lambda: route(agent, "local")["state"] == "circuit_open", 30, lambda: str(agent.status()))
    assert "full" in route(agent, "local")["last_error"], agent.status()
    assert route(agent, "local")["waiting"] > 0
    assert count(agent, r"route local: .*full") == 1, agent.process.err
    agent.kill()
    disk.free()
    disk.fill()  # also what the write-ahead log gave back
    agent.start()
    wait_until(lambda: route(agent, "local")["state"] == "circuit_open", 30, lambda: str(agent.status()))
    subprocess.run(["mount", "-o", "remount,size=256m", str(disk.place)], check=True)
    wait_until(lambda: route(agent, "local")["waiting"] == 0, 60, lambda: str(agent.status()))
    assert agent.stop() == 0
    with sqlite3.connect("file:%s?mode=ro" % path, uri=True) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert database.execute("SELECT count(*), sum(events) FROM runs").fetchone() == (200, len(sent))
    assert numbered.check(standin.stored(), sent).problems(max_duplicates=agent.max_in_flight) == []


def test_file(runner, built, workdir, standin, small_disk, wait_until):
    """A file route on a full disk says so and waits; the others go on; with room it goes on where it was, each
    event once, through a kill on the full disk."""
    home = workdir / "agent"
    disk = small_disk(workdir / "out", "512k")
    path = disk.place / "events.jsonl"
    agent = Agent(runner, built("lineaged"), home, [
        http_route("marquez", standin.url), {"name": "lines", "type": "file", "path": str(path)}]).start()
    bodies = list(numbered.events(20, 6, size=2000))
    for body in bodies[:40]:
        assert agent.post(body)[0] == 201
    wait_until(lambda: route(agent, "lines")["waiting"] == 0, 30, lambda: str(agent.status()))
    disk.fill()
    for body in bodies[40:]:
        assert agent.post(body)[0] == 201
    wait_until(lambda: route(agent, "lines")["state"] == "failed", 30, lambda: str(agent.status()))
    assert "No space left" in route(agent, "lines")["last_error"]
    check_stored(standin, dict(enumerate(bodies)), wait_until)
    assert count(agent, "route lines: failed: .*No space left") == 1, agent.process.err
    agent.kill()
    disk.free()
    agent.start()
    disk.fill()  # and once more while it may be at work
    disk.free()
    wait_until(lambda: route(agent, "lines")["waiting"] == 0, 60, lambda: str(agent.status()))
    wait_until(lambda: route(agent, "lines")["state"] == "ok", 30, lambda: str(agent.status()))
    assert numbered.check(path.read_bytes().splitlines(), dict(enumerate(bodies))).problems() == []
    assert agent.stop() == 0
