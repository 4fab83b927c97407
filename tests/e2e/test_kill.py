# SPDX-License-Identifier: Apache-2.0
"""What a kill -9 may cost: nothing that was acknowledged, no order within a run, and at most as many
duplicates as were in flight. For the agent, and for programs that emit."""
import os
import random
import subprocess

import pytest

import numbered
from agent_process import Agent, Senders, http_route, store_route


def by_run(runs, per_run, size):
    bodies = {}
    for body in numbered.events(runs, per_run, size):
        bodies.setdefault(numbered.parse(body).run, []).append(body)
    return bodies


def check_five_kills(runner, built, workdir, standin, wait_until, runs, per_run):
    agent = Agent(runner, built("lineaged"), workdir / "agent", [
        http_route("marquez", standin.url, profile="marquez"),
        store_route(workdir / "agent" / "lineage.db")]).start()
    total = runs * per_run
    senders = Senders(agent, by_run(runs, per_run, 600))
    try:
        for kill in range(5):
            target = total * (kill + 1) // 7
            wait_until(lambda target=target: senders.count() >= target, 120,
                       lambda: "%d acknowledged of %d" % (senders.count(), total))
            if kill == 2:
                standin.down()
            agent.kill()
            agent.start()
            if kill == 3:
                standin.up()
        senders.join(180)
    finally:
        senders.stop()
    assert not [status for status in senders.refused if status < 500], senders.refused[:5]
    sent = {numbered.parse(body).number: body for body in senders.acknowledged}
    assert len(sent) == total
    wait_until(lambda: standin.stats()["posts"] >= total and agent.status()["routes"][0]["waiting"] == 0,
               180, lambda: "delivered: %s; %s" % (standin.stats(), agent.admin("/status")[1].decode()))
    report = numbered.check(standin.stored(), sent)
    print("kills 5, events %d, duplicates %d, connection errors %d" % (
        total, report.duplicates, senders.retries))
    assert report.problems(max_duplicates=5 * agent.max_in_flight) == []
    assert agent.stop() == 0


def test_five_kills_under_load(runner, built, workdir, standin, wait_until):
    check_five_kills(runner, built, workdir, standin, wait_until, runs=200, per_run=10)


@pytest.mark.slow
def test_five_kills_20000(runner, built, workdir, standin, wait_until):
    check_five_kills(runner, built, workdir, standin, wait_until, runs=1000, per_run=20)


def file_agent(runner, built, workdir, **more):
    """An agent whose only route is a file: what arrives, in order, without a server."""
    out = workdir / "out.jsonl"
    return out, Agent(runner, built("lineaged"), workdir / "agent",
                      [{"name": "out", "type": "file", "path": str(out)}], **more)


def numbers(path):
    return [numbered.parse(line).number for line in path.read_bytes().splitlines()]


def test_emitter_killed_without_agent(runner, built, workdir):
    """1,000 events by a process that kills itself right after the last one; the agent comes later."""
    out, agent = file_agent(runner, built, workdir)
    done = runner.run(built("emit_many"), "--runs", 50, "--per-run", 20, "--end", "kill",
                      "--directory", agent.journal)
    assert done.status == -9
    assert len(done.out.split()) == 1000
    once = agent.once()
    assert once.status == 0, once.err
    report = numbered.check(out.read_bytes().splitlines(), 1000)
    assert report.problems() == []
    assert not list(agent.journal.glob("*.jsonl"))


def test_forked_child_of_a_killed_parent(runner, built, workdir, wait_until):
    """Parent and child each emit half; both kill themselves. The child writes a journal of its own."""
    out, agent = file_agent(runner, built, workdir)
    done = runner.run(built("emit_many"), "--runs", 50, "--per-run", 20, "--end", "fork-kill",
                      "--directory", agent.journal)
    assert done.status == -9
    wait_until(lambda: len(done.out.split()) == 1000, 30, "the child has emitted its half")
    agent.start()
    wait_until(lambda: out.exists() and len(out.read_bytes().splitlines()) >= 1000, 30, "all arrive")
    assert numbered.check(out.read_bytes().splitlines(), 1000).problems() == []
    wait_until(lambda: not list(agent.journal.glob("*.jsonl")), 30, "both journals are removed")
    assert agent.stop() == 0


def check_short_lived(runner, built, workdir, wait_until, writers):
    """Many processes that emit two events each, against an agent that scans all the while."""
    out, agent = file_agent(runner, built, workdir)
    agent.start()
    program = str(built("emit_many"))
    script = ('i=0; while [ $i -lt %d ]; do "%s" --first $((i * 2)) --per-run 2 --directory "%s" '
              '>/dev/null || exit 1; i=$((i + 1)); done')
    half = writers // 2
    first = runner.start("sh", "-c", script % (half, program, agent.journal), name="writers")
    second = runner.start("sh", "-c", script.replace("i=0", "i=%d" % half) % (
        writers, program, agent.journal), name="writers")
    assert first.wait(600) == 0 and second.wait(600) == 0, first.err + second.err
    wait_until(lambda: len(out.read_bytes().splitlines()) >= 2 * writers, 60,
               lambda: "%d arrived" % len(out.read_bytes().splitlines()))
    assert sorted(numbers(out)) == list(range(2 * writers))
    wait_until(lambda: not list(agent.journal.glob("*.jsonl")), 30, "every journal is removed")
    assert agent.stop() == 0


def test_short_lived_writers(runner, built, workdir, wait_until):
    check_short_lived(runner, built, workdir, wait_until, 1000)


@pytest.mark.slow
def test_10000_short_lived_writers(runner, built, workdir, wait_until):
    check_short_lived(runner, built, workdir, wait_until, 10000)


@pytest.fixture
def small_disk(workdir):
    """A tmpfs of 24 MB."""
    if os.geteuid() != 0:
        pytest.skip("needs root to mount a small filesystem")
    place = workdir / "disk"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(place)],
                             capture_output=True, text=True, check=False)
    if mounted.returncode != 0:
        pytest.skip("cannot mount a tmpfs here: %s" % mounted.stderr.strip())
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.mark.parametrize("filled_meanwhile", [False, True])
def test_64_threads_on_a_disk_that_fills_up(runner, built, workdir, small_disk, wait_until,
                                            filled_meanwhile):
    """Every accepted event is whole; the rest were refused with a reason. Once by the free-space floor, once
    because somebody else takes the rest of the disk between two looks at it."""
    out, agent = file_agent(runner, built, workdir)
    journal = small_disk / "journal"
    journal.mkdir()
    work = runner.start(built("emit_many"), "--runs", 64, "--per-run", 200, "--threads", 64,
                        "--pad", 3000, "--directory", journal)
    if filled_meanwhile:
        wait_until(lambda: len(work.out.split()) >= 500, 30, "some events are out")
        room = os.statvfs(small_disk)
        with open(small_disk / "other", "wb") as other:
            try:
                os.posix_fallocate(other.fileno(), 0, room.f_bavail * room.f_bsize)
            except OSError:
                pass  # the emitter took some of it meanwhile
    assert work.wait(120) in (0, 1)
    accepted = sorted(int(word) for word in work.out.split())
    assert accepted and len(accepted) < 64 * 200, "the disk did not fill up"
    assert "refused OL_FULL" in work.err
    # What was accepted arrives, and nothing else.
    agent.config.write_text(agent.config.read_text().replace(str(agent.journal), str(journal)))
    once = agent.once()
    assert once.status == 0, once.err
    report = numbered.check(out.read_bytes().splitlines(), set(accepted))
    assert report.problems() == []


def test_kill_at_every_crash_point(runner, built, workdir, standin, wait_until):
    """The agent ends itself with SIGKILL at each named point once; nothing acknowledged is lost."""
    points = ["spool.group.written", "spool.group.synced", "spool.roll.written", "spool.roll.synced",
              "spool.roll.renamed", "cursor.low_stored", "cursor.cleared", "cursor.saved",
              "deliver.sent", "deliver.answered", "deliver.done", "store.before_commit",
              "store.committed"]
    agent = Agent(runner, built("lineaged"), workdir / "agent", [
        http_route("marquez", standin.url, profile="marquez"),
        store_route(workdir / "agent" / "lineage.db")],
        spool={"segment_bytes": "128KiB"})
    runs, per_run = 60, 10
    every = by_run(runs * len(points), per_run, 600)
    senders, seen = [], []
    try:
        for number, point in enumerate(points):
            # It may get there while it takes up what the kill before left, before it answers anybody.
            # Once a second, and only after a change, comes the one; the others come often.
            passage = 1 if point == "cursor.saved" else random.Random(point).randrange(2, 5)
            agent.launch(env={"LINEAGED_CRASH": "%s:%d" % (point, passage)})
            share = {run: bodies for run, bodies in every.items() if run // runs == number}
            senders.append(Senders(agent, share, connections=4))
            try:
                wait_until(lambda: not agent.process.is_running(), 20)
            except AssertionError:
                agent.kill()  # this point was not passed often enough; said below
                continue
            assert agent.process.wait() == -9
            seen.append(point)
        agent.start()
        for each in senders:
            each.join(180)
    finally:
        for each in senders:
            each.stop()
    assert seen == points, "never reached: %s" % (set(points) - set(seen))
    sent = {numbered.parse(body).number: body for each in senders for body in each.acknowledged}
    total = runs * len(points) * per_run
    assert len(sent) == total
    wait_until(lambda: standin.stats()["posts"] >= total and agent.status()["routes"][0]["waiting"] == 0,
               120, lambda: "delivered: %s" % standin.stats())
    report = numbered.check(standin.stored(), sent)
    assert report.problems(max_duplicates=len(points) * agent.max_in_flight) == []
    assert agent.stop() == 0
