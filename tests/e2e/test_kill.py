# SPDX-License-Identifier: Apache-2.0
"""What a kill -9 may cost: nothing that was acknowledged, no order within a run, and at most as many
duplicates as were in flight. For the agent, and for programs that emit."""
import os
import subprocess

import pytest

import kill_table
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


def test_a_full_spool_with_nothing_to_deliver(runner, built, workdir, standin, wait_until):
    """Killed when all was delivered and no cursor saved: the next start, full from the first moment, gets room
    without a single delivery."""
    agent = Agent(runner, built("lineaged"), workdir / "agent", [http_route("marquez", standin.url)],
                  spool={"segment_bytes": "64KiB"})
    agent.launch(env={"LINEAGED_CRASH": "cursor.replaced"})
    bodies = [body for bodies in by_run(20, 10, 8000).values() for body in bodies]
    senders = Senders(agent, {0: bodies})
    try:
        wait_until(lambda: not agent.process.is_running(), 30, "the first save comes")
        agent.start()
        wait_until(lambda: agent.status()["routes"][0]["waiting"] == 0 and senders.count() == len(bodies), 30)
    finally:
        senders.stop()
    agent.kill()
    (agent.spool / "cursor" / "marquez.saved").unlink(missing_ok=True)
    for free in agent.spool.glob("free-*.seg"):
        free.unlink()
    agent.config.write_text(agent.config.read_text().replace("256MiB", "1MiB"))
    posts = standin.stats()["posts"]
    agent.start()
    assert agent.status()["spool"]["bytes"] > 1 << 20
    wait_until(lambda: agent.post(numbered.event(1000, 1000, 0))[0] == 201, 30, lambda: str(agent.status()))
    wait_until(lambda: standin.stats()["posts"] == posts + 1, 30, lambda: str(standin.stats()))
    assert agent.stop() == 0


@pytest.mark.parametrize("sink,kind", [("up", "points"), ("up", "random"), ("down", "random"),
                                       ("slow", "random")])
def test_table_of_kills(workdir, sink, kind):
    """A short version of what `make test-crash` prints for 100,000 events a row."""
    if kind == "points":
        assert {name for name, _, _ in kill_table.POINTS} == kill_table.points_in_source()
    row = kill_table.run_rows(workdir, [(sink, kind)], events=2500, kills=10)[0]
    print(kill_table.table([row]))
    assert row.problems == []
    assert (row.lost, row.breaks) == (0, 0) and row.kills == (10 if kind == "random" else len(kill_table.POINTS))
