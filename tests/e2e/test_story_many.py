# SPDX-License-Identifier: Apache-2.0
"""Thousands of steps of one run from eight processes at once, while some of them are killed, the disk fills up, and the
clocks of two hosts disagree: no receipt is lost, doubled or half, and no number is given twice."""
import hashlib
import json
import os
import random
import signal
import subprocess
import time

import pytest

import procs
from test_disk_full import SmallDisk

# One process: works through its steps, and says of each how it ended.
WORKER = r"""
worker=$1 count=$2 steps=$3
n=0
while [ $n -lt "$count" ]; do
    n=$((n + 1))
    lineage run -q --step "step-$(((worker * 7 + n) % steps))" --param "id=$worker-$n" -- true
    echo "$? $worker-$n"
done
"""


class Crowd:
    def __init__(self, runner, built, directory):
        self.runner, self.home, self.runs = runner, directory, directory / "runs"
        self.runs.mkdir()
        (directory / "journal").mkdir(mode=0o700)
        (directory / "worker").write_text(WORKER)
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("OPENLINEAGE", "LINEAGE", "BAGGAGE", "TRACE"))}
        self.env = {**clean, "HOME": str(directory), "XDG_STATE_HOME": str(directory / "state"),
                    "XDG_CONFIG_HOME": str(directory / "config"), "LINEAGE_RUNS": str(self.runs),
                    "OPENLINEAGE__TRANSPORT__TYPE": "journal",
                    "OPENLINEAGE__TRANSPORT__DIRECTORY": str(directory / "journal"),
                    "PATH": "%s:%s" % (built("lineage").parent, clean["PATH"])}

    def __call__(self, *words, check=0, **more):
        done = subprocess.run(["lineage", *map(str, words)], env={**self.env, **more}, text=True, capture_output=True,
                              cwd=self.home, stdin=subprocess.DEVNULL, timeout=300, check=False)
        assert check is None or done.returncode == check, (words, done.returncode, done.stdout, done.stderr)
        return done

    def begin(self):
        self.env["LINEAGE_RUN_ID"] = self("begin").stdout.strip()
        return self.runs / self.env["LINEAGE_RUN_ID"]

    def start(self, count, steps):
        return [self.runner.start("sh", "worker", worker, count, steps, env=self.env, cwd=self.home,
                                  name="worker") for worker in range(8)]


@pytest.fixture
def crowd(runner, built, workdir):
    return Crowd(runner, built, workdir)


def read(path):
    return json.loads(path.read_text())


def check_folder(run, succeeded, tried):
    """`succeeded`: ids of tries that ended with 0; `tried`: of all. Returns the number of attempts that
    were begun and have no end."""
    claims, receipts = {}, {}
    for step in run.glob("steps/*"):
        attempts = sorted(step.glob("attempt-*"), key=lambda path: int(path.name[8:]))
        assert [int(path.name[8:]) for path in attempts] == list(range(1, len(attempts) + 1)), step
        ended = []
        for path in attempts:
            if (path / "claim.json").exists():
                claim = read(path / "claim.json")
                assert claim["parameters"]["id"] not in claims
                assert (claim["step"], claim["attempt"]) == (step.name, int(path.name[8:]))
                claims[claim["parameters"]["id"]] = claim
            if (path / "receipt.json").exists():
                receipt = read(path / "receipt.json")
                assert receipt["parameters"]["id"] not in receipts
                receipts[receipt["parameters"]["id"]] = receipt
                ended.append(receipt)
        winners = [each for each in ended if "selected" in each]
        assert len(winners) == bool(ended), step
        assert (step / "receipt.json").exists() == bool(ended)
        if ended:
            assert read(step / "receipt.json") == winners[0]
            assert {each["not_selected"]["winner"] for each in ended if each is not winners[0]} <= {winners[0]["attempt"]}
    assert set(succeeded) <= set(receipts) <= set(claims) <= set(tried)
    return len(claims) - len(receipts)


def told(workers):
    """(ids that ended with 0, ids that were tried)"""
    lines = [line.split() for worker in workers for line in worker.out.splitlines()]
    return [words[1] for words in lines if words[0] == "0"], [words[1] for words in lines]


def lineages():
    """`lineage run` of these tests' workers, by /proc."""
    found = []
    for name in os.listdir("/proc"):
        try:
            with open("/proc/%s/cmdline" % name, "rb") as line:
                words = line.read().split(b"\0")
        except OSError:
            continue
        if words[:3] == [b"lineage", b"run", b"-q"]:
            found.append((int(name), words))
    return found


def below(pids):
    """Those of lineages() whose parent is one of ours."""
    found = []
    for pid, _ in lineages():
        try:
            with open("/proc/%d/stat" % pid, encoding="latin-1") as stat:
                parent = int(stat.read().rpartition(")")[2].split()[1])
        except OSError:
            continue
        if parent in pids:
            found.append(pid)
    return found


def test_some_of_eight_are_killed(crowd, wait_until):
    """SIGKILL at random moments of `lineage run`, never of the workers."""
    # Whoever is killed while it looks for leaks at its end could not finish that.
    crowd.env["ASAN_OPTIONS"] = os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"
    run = crowd.begin()
    chance = random.Random(6)
    workers = crowd.start(40, 30)
    pids, killed = {worker.pid for worker in workers}, 0
    deadline = time.monotonic() + 120
    while any(worker.is_running() for worker in workers) and time.monotonic() < deadline:
        for pid in below(pids):
            if chance.random() < 0.02 and killed < 60:
                try:
                    os.kill(pid, signal.SIGKILL)
                    killed += 1
                except ProcessLookupError:
                    pass
        time.sleep(0.002)
    assert [worker.wait() for worker in workers] == [0] * 8
    succeeded, tried = told(workers)
    assert len(tried) == 320 and killed > 5 and 320 - len(succeeded) <= killed
    dead = check_folder(run, succeeded, tried)
    assert dead <= killed
    figures = json.loads(crowd("verify", "--json").stdout)
    assert figures["open"] == dead and figures["problems"] == []
    # whoever is killed leaves names that mean nothing (R5), and who comes after makes good what is half
    for step in range(30):
        crowd("run", "-q", "--step", "step-%d" % step, "--param", "id=after-%d" % step, "--", "true")
    after = ["after-%d" % step for step in range(30)]
    check_folder(run, succeeded + after, tried + after)
    crowd("end")
    assert "all is as it was" in crowd("verify").stdout


@pytest.mark.slow
def test_ten_thousand_steps(crowd):
    run = crowd.begin()
    began = time.monotonic()
    workers = crowd.start(1250, 10_000)
    assert [worker.wait(1500) for worker in workers] == [0] * 8
    took = time.monotonic() - began
    succeeded, tried = told(workers)
    assert len(succeeded) == len(tried) == 10_000
    assert check_folder(run, succeeded, tried) == 0
    print("%.0f s, %.1f ms a step" % (took, took / 10))
    figures = json.loads(crowd("verify", "--json").stdout)
    assert (figures["attempts"], figures["open"], figures["problems"]) == (10_000, 0, [])
    crowd("end")
    assert len(read(run / "seal.json")["receipts"]) == 1 + 2 * 10_000 + figures["steps"]
    crowd("verify")


def test_ended_by_eight_at_once(crowd):
    """One of them ends the run; its seal is the one that the only terminal event names."""
    for _ in range(5):
        run = crowd.begin()
        for step in "ab":
            crowd("run", "-q", "--step", step, "--param", "id=" + step, "--", "true")
        ends = [crowd.runner.start("lineage", "end", env=crowd.env, cwd=crowd.home) for _ in range(8)]
        assert sorted(end.wait() for end in ends) == [0] + [1] * 7
        assert sum("sealed already" in end.err for end in ends) == 7
        crowd("verify")
        assert [path.name for path in run.iterdir() if path.name.startswith(".")] == []
        root = read(run / "manifest.json")["openlineage"]["run_id"]
        events = [json.loads(line) for path in (crowd.home / "journal").glob("*.jsonl")
                  for line in path.read_bytes().splitlines() if b'"eventType"' in line and root.encode() in line]
        (last,) = [event for event in events if event["run"]["runId"] == root and event["eventType"] == "COMPLETE"]
        assert {"key": "lineaged.seal", "value": hashlib.sha256((run / "seal.json").read_bytes()).hexdigest()} in [
            {key: tag[key] for key in ("key", "value")} for tag in last["run"]["facets"]["tags"]["tags"]]


@pytest.fixture
def full_disk(crowd):
    if os.geteuid() != 0:
        pytest.skip("needs root to mount a small filesystem")
    disk = SmallDisk(crowd.runs, "512k")
    yield disk
    subprocess.run(["umount", "-l", str(disk.place)], check=True)


def test_a_disk_that_fills_up(crowd, full_disk):
    """The commands run and end as they do; what is there is whole; it says so; with room it goes on."""
    run = crowd.begin()
    said, number = "", 0
    while "receipt" not in said:
        number += 1
        assert number < 400
        said = crowd("run", "--step", "step-%d" % number, "--param", "id=%d" % number, "--", "sh", "-c", "exit 0").stderr
        if number == 20:
            full_disk.fill()
    assert "No space left on device" in said, said
    for _ in range(3):
        done = crowd("run", "--step", "more", "--param", "id=none", "--", "sh", "-c", "echo ran; exit 7", check=7)
        assert done.stdout == "ran\n" and "No space left on device" in done.stderr
    for path in run.rglob("*.json"):
        if not path.name.startswith("."):
            assert read(path)
    ended = crowd("end", check=1)
    assert "No space left on device" in ended.stderr and not (run / "seal.json").exists()
    full_disk.free()
    for step in range(1, number + 1):
        crowd("run", "--step", "step-%d" % step, "--param", "id=again-%d" % step, "--", "true")
    figures = json.loads(crowd("verify", "--json").stdout)
    assert figures["problems"] == []
    crowd("end")
    crowd("verify")


SHIFTED_CLOCK = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>
int clock_gettime(clockid_t id, struct timespec *ts)
{
    int (*next)(clockid_t, struct timespec *) = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int result = next(id, ts);
    if (id == CLOCK_REALTIME && result == 0)
        ts->tv_sec += atol(getenv("CLOCK_SHIFT"));
    return result;
}
"""
DAY = 86400


def test_clocks_that_disagree(crowd, workdir):
    """The first success wins by its name, whatever time its host believes in."""
    if procs.sanitizers():
        pytest.skip("a preloaded library and a sanitizer do not go together")
    (workdir / "clock.c").write_text(SHIFTED_CLOCK)
    subprocess.run([*procs.compiler(), "-shared", "-fPIC", workdir / "clock.c", "-o", workdir / "clock.so"], check=True)

    def at(seconds):
        return {"LD_PRELOAD": str(workdir / "clock.so"), "CLOCK_SHIFT": str(seconds)}
    run = crowd.begin()
    crowd("run", "--step", "s", "--param", "id=1", "--", "true", **at(2 * DAY))
    crowd("run", "--step", "s", "--param", "id=2", "--", "true", **at(-3 * DAY))
    crowd("run", "--step", "t", "--param", "id=3", "--", "true", **at(-3 * DAY))
    first, second = (read(run / ("steps/s/attempt-%d/receipt.json" % n)) for n in (1, 2))
    assert first["started_at"] > read(run / "manifest.json")["created_at"] > second["started_at"]
    assert "selected" in first and second["not_selected"] == {"reason": "not_first", "winner": 1}
    assert all(0 <= each["duration_ms"] < 60_000 for each in (first, second))
    assert all(each["started_at"] <= each["finished_at"] for each in (first, second))
    assert read(run / "steps/t/receipt.json")["previous"]["path"] == "steps/s/attempt-2/receipt.json"
    crowd("end", **at(-30 * DAY))
    crowd("verify")
