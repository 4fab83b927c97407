# SPDX-License-Identifier: Apache-2.0
"""Back-pressure from end to end: a sink that takes nothing, a spool that is full, a disk that is slow. Clients are told
to come again, journals wait on disk, memory stays flat, nothing spins, /status says who waits for whom and since when,
and in the end everything is there."""
import datetime
import json
import subprocess
import threading
import time

import numbered
import procs
import pytest
from agent_process import Agent, http_route, store_route
from test_limits import cpu_seconds, resident_mib

WATCHED_S = 3.0  # how long nothing may spin
SPINNING = 0.15  # of a processor
MEMORY_MIB = 30  # what a backlog may add; the spool is many times that


def waits(agent):
    return [(w["who"], w["for"], w["why"], w.get("since")) for w in agent.status()["waits"]]


def check_calm(agent, what):
    """The agent, while it waits: CPU over a while, by the kernel's count of it."""
    pid = agent.process.pid
    before, begin = cpu_seconds(pid), time.monotonic()
    end = begin + WATCHED_S
    while time.monotonic() < end:
        assert agent.process.is_running(), agent.process.err
        time.sleep(0.2)
    share = (cpu_seconds(pid) - before) / (time.monotonic() - begin)
    print("%s: %.1f %% of a processor, %.1f MiB" % (what, 100 * share, resident_mib(pid)))
    assert share < SPINNING, "%s: %.2f of a processor while nothing moves" % (what, share)


def age_s(text):
    then = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    return (datetime.datetime.now(datetime.timezone.utc) - then).total_seconds()


def batch(bodies):
    return b"[" + b",".join(bodies) + b"]"


def test_full_spool(runner, built, workdir, standin, wait_until):
    """The sink takes nothing until the spool is full: 503 and Retry-After, journals stay on disk, a slow door and
    a stuck route cost nothing; then all of it arrives once, in order."""
    standin.script({"answer": 503})
    agent = Agent(runner, built("lineaged"), workdir / "agent", [http_route("marquez", standin.url)],
                  spool={"max_bytes": "4MiB", "segment_bytes": "512KiB"}).start()
    start_mib = resident_mib(agent.process.pid)
    sent, run = {}, 0
    while True:
        body = numbered.event(run, run, 0, size=20000)
        status, headers, _ = agent.post(body)
        if status != 201:
            break
        sent[run] = body
        run += 1
        assert run < 2000
    assert status == 503 and headers["Retry-After"] == "1", (status, headers)
    begin = time.time()
    emitted = runner.run(built("emit_many"), "--runs", 40, "--per-run", 5, "--pad", 20000, "--first", 100000,
                         "--first-run", 100000, "--directory", agent.journal)
    assert emitted.status == 0 and len(emitted.out.split()) == 200

    def told():
        found = {(who, whom): (why, since) for who, whom, why, since in waits(agent)}
        return found if ("intake", "route marquez") in found and \
            ("journals in %s" % agent.journal, "intake") in found and \
            ("route marquez", "its destination") in found else None
    found = wait_until(told, 30, lambda: str(agent.status()))
    assert all(since and -2 < age_s(since) < time.time() - begin + 60 for _, since in found.values()), found
    assert "full" in found["intake", "route marquez"][0] and "503" in found["route marquez", "its destination"][0]
    waiting = agent.status()["intake"]["journal"]["directories"][0]["waiting_bytes"]
    assert waiting > 200 * 15000, waiting
    code, health = agent.admin("/healthz")
    assert code == 503 and b"waits for route marquez" in health
    check_calm(agent, "a full spool, journals waiting")
    logged = len(agent.process.err.splitlines())
    assert logged < 60, agent.process.err
    assert agent.process.err.count("full: events are refused") == 1
    # Clients that keep asking are answered, and cost no memory.
    for n in range(300):
        assert agent.post(numbered.event(run, run, 0, size=20000, seed=str(n)))[0] == 503
    if not procs.sanitizers():  # whose own memory is counted too
        assert resident_mib(agent.process.pid) < start_mib + MEMORY_MIB
    assert list(agent.journal.glob("*.jsonl")), "journals wait on disk"
    standin.script(replace=True)
    wait_until(lambda: not list(agent.journal.glob("*.jsonl")), 90, lambda: str(agent.status()))
    wait_until(lambda: agent.status()["routes"][0]["waiting"] == 0, 90, lambda: str(agent.status()))
    expected = set(sent) | set(range(100000, 100200))
    stored = standin.stored()
    assert numbered.check(stored, expected).problems() == []
    assert [body for body in stored if numbered.parse(body).number in sent] and waits(agent) == []
    assert agent.process.err.count("has room again") == 1, agent.process.err
    assert agent.stop() == 0


def test_backlog_costs_no_memory(runner, built, workdir, standin, start_standin, wait_until):
    """One sink answers never, another one by one: 80 MB wait for both, the agent stays as small as it was, and the
    third route, which is well, has everything at once."""
    slow = start_standin()
    standin.script({"answer": "hang"})
    slow.script({"delay_ms": 200})
    home = workdir / "agent"
    agent = Agent(runner, built("lineaged"), home,
                  [http_route("hangs", standin.url, timeout="60s"), http_route("slow", slow.url, on_lag="pin"),
                   store_route(home / "lineage.db", raw_events=False)], spool={"max_bytes": "512MiB"}).start()
    pid, sizes, number = agent.process.pid, [], 0
    for _ in range(40):
        bodies = [numbered.event(number + n, number + n, 0, size=4000) for n in range(500)]
        number += len(bodies)
        status, _, answer = agent.post(batch(bodies), path="/api/v1/lineage/batch")
        assert status == 200 and json.loads(answer)["status"] == "success", answer
        sizes.append(resident_mib(pid))
    print("resident after each 2 MB: %.1f to %.1f MiB" % (sizes[3], sizes[-1]))
    if not procs.sanitizers():
        assert sizes[-1] < sizes[3] + MEMORY_MIB, sizes
    wait_until(lambda: agent.status()["routes"][2]["waiting"] == 0, 60, lambda: str(agent.status()))
    check_calm(agent, "one sink hangs, one is slow")
    routes = agent.status()["routes"]
    assert routes[0]["waiting"] >= number - 1 and number // 2 < routes[1]["waiting"]
    assert agent.admin("/healthz")[0] == 200, "events are taken all the same"
    standin.release()
    agent.kill()


SLOW_SYNC = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <stdio.h>
#include <time.h>
/* Each fdatasync takes as many milliseconds longer as the file SLOW_SYNC says now. */
int fdatasync(int fd)
{
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    FILE *file = getenv("SLOW_SYNC") ? fopen(getenv("SLOW_SYNC"), "r") : NULL;
    long ms = 0;
    if (file != NULL) {
        if (fscanf(file, "%ld", &ms) != 1)
            ms = 0;
        fclose(file);
    }
    struct timespec pause = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&pause, NULL);
    return real(fd);
}
"""


@pytest.fixture
def slow_sync(workdir):
    if procs.sanitizers():
        pytest.skip("a preloaded library comes before the sanitizer's")
    source, library, how = workdir / "slow_sync.c", workdir / "slow_sync.so", workdir / "slow_sync"
    source.write_text(SLOW_SYNC)
    subprocess.run([*procs.compiler(), "-shared", "-fPIC", "-o", str(library), str(source), "-ldl"], check=True)
    how.write_text("0")
    return {"LD_PRELOAD": str(library), "SLOW_SYNC": str(how)}, how


def test_slow_disk(runner, built, workdir, standin, slow_sync, wait_until):
    """Each sync takes seconds: who comes meanwhile shares the next one, questions are answered at once, journals wait,
    and /status says that the intake waits for the disk and since when."""
    env, how = slow_sync
    agent = Agent(runner, built("lineaged"), workdir / "agent", [http_route("marquez", standin.url)]).start(env=env)
    assert agent.post(numbered.event(0, 0, 0))[0] == 201
    how.write_text("4000")
    bodies = {run: numbered.event(run, run, 0) for run in range(1, 65)}
    answers = []
    groups = agent.status()["intake"]["groups"]

    def post(body):
        answers.append(agent.post(body)[0])
    threads = [threading.Thread(target=post, args=(body,), daemon=True) for body in bodies.values()]
    for thread in threads:
        thread.start()

    def disk():
        begin = time.monotonic()
        found = [w for w in waits(agent) if w[:2] == ("intake", "disk")]
        assert time.monotonic() - begin < 2, "status waits for the disk"
        return found
    found = wait_until(disk, 30, lambda: str(agent.status()))
    assert "sync" in found[0][2] and 0 < age_s(found[0][3]) < 10, found
    emitted = runner.run(built("emit_many"), "--runs", 10, "--per-run", 2, "--first", 1000, "--first-run", 1000,
                         "--directory", agent.journal)
    assert emitted.status == 0, "a slow disk beneath the spool is nothing to a program"
    check_calm(agent, "a slow disk")
    assert len(answers) < 64, "nobody is answered before the sync"
    for thread in threads:
        thread.join(60)
    assert answers == [201] * 64
    taken = agent.status()["intake"]["groups"] - groups
    assert taken <= 12, "%d syncs for 64 clients at once" % taken
    how.write_text("0")
    wait_until(lambda: not list(agent.journal.glob("*.jsonl")), 60, lambda: str(agent.status()))
    wait_until(lambda: agent.status()["routes"][0]["waiting"] == 0, 60, lambda: str(agent.status()))
    assert numbered.check(standin.stored(), set(range(65)) | set(range(1000, 1020))).problems() == []
    assert agent.stop() == 0


def test_disk_that_hangs(runner, built, workdir, standin, slow_sync, wait_until):
    """Past ten seconds health is red and says so; when the disk comes back, so does everything."""
    env, how = slow_sync
    agent = Agent(runner, built("lineaged"), workdir / "agent", [http_route("marquez", standin.url)]).start(env=env)
    how.write_text("14000")
    answers = []
    thread = threading.Thread(target=lambda: answers.append(agent.post(numbered.event(0, 0, 0))[0]), daemon=True)
    thread.start()
    wait_until(lambda: agent.admin("/healthz")[0] == 503, 30, lambda: str(agent.status()))
    assert b"a sync has been running" in agent.admin("/healthz")[1]
    how.write_text("0")
    thread.join(60)
    assert answers == [201]
    wait_until(lambda: agent.admin("/healthz")[0] == 200, 30, lambda: str(agent.status()))
    wait_until(lambda: agent.status()["routes"][0]["waiting"] == 0, 30, lambda: str(agent.status()))
    assert agent.stop() == 0
