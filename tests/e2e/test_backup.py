# SPDX-License-Identifier: Apache-2.0
"""lineage backup while the agent takes events, and lineage restore: the copy is of one moment and says what it is; a byte
that was changed is found, in the copy and in the store; killed at any moment, there is the old store or the new one; and
the agent goes on from where the restored store was, with what is gone on record."""
import contextlib
import json
import os
import sqlite3
import subprocess

import agent_process
import pytest

PRODUCER = "https://example.org/backup"
FACET = {"_producer": PRODUCER, "_schemaURL": "https://example.org/s.json"}


def event(number):
    return {"eventType": "COMPLETE", "eventTime": "2026-11-21T09:00:%02dZ" % (number % 60), "producer": PRODUCER,
            "run": {"runId": "01941f29-7c00-7000-8000-%012d" % number, "facets": {"note": {**FACET, "text": "n%d" % number}}},
            "job": {"namespace": "ns", "name": "job%d" % (number % 3)},
            "inputs": [{"namespace": "n", "name": "in%d" % (number % 5)}],
            "outputs": [{"namespace": "n", "name": "out%d" % number, "facets": {"version": {
                **FACET, "datasetVersion": "v%d" % number}}}]}


@pytest.fixture
def agent(runner, built, workdir):
    made = agent_process.Agent(runner, built("lineaged"), workdir / "agent",
                               [agent_process.store_route(workdir / "agent" / "lineage.db")]).start()
    yield made
    if made.process.is_running():
        made.stop()


@pytest.fixture
def lineage(agent, built, workdir):
    def call(*words, env=None):
        config = agent.home / "config" / "lineaged" / "lineaged.yaml"
        config.parent.mkdir(parents=True, exist_ok=True)
        config.write_text(agent.config.read_text())
        mine = {k: v for k, v in os.environ.items() if not k.startswith(("OPENLINEAGE", "LINEAGE"))}
        done = subprocess.run([built("lineage"), *map(str, words)], env={**mine, **agent.environment(), **(env or {})},
                              cwd=workdir, capture_output=True, text=True, timeout=60)
        return done.returncode, done.stdout, done.stderr
    return call


def fill(agent, wait_until, numbers):
    for each in numbers:
        assert agent.post(json.dumps(event(each)))[0] == 201
    wait_until(lambda: agent.status()["routes"][0]["waiting"] == 0)


def count(path):
    with sqlite3.connect("file:%s?mode=ro" % path, uri=True) as db:
        assert db.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
        return db.execute("SELECT count(*) FROM runs").fetchone()[0]


def copies(folder):
    return list((folder / "store").glob("*.db"))


def test_there_and_back(agent, lineage, workdir, wait_until):
    folder, db = workdir / "backup", workdir / "agent" / "lineage.db"
    assert lineage("backup", "--verify", folder)[0] == 3
    fill(agent, wait_until, range(20))
    status, out, err = lineage("backup", folder)
    assert status == 0, err
    assert [count(path) for path in copies(folder)] == [20]
    subprocess.run(["sha256sum", "--check", "--strict", "--quiet", "manifest.sha256"], cwd=folder, check=True)
    status, out, err = lineage("backup", "--verify", folder)
    assert status == 0 and "20 runs" in out and "0 problems" in out, err
    fill(agent, wait_until, range(20, 30))
    status, out, err = lineage("restore", folder)
    assert status == 1 and "stop it first" in err
    agent.stop()
    status, out, err = lineage("restore", folder)
    assert status == 1 and "is there already" in err and count(db) == 30
    status, out, err = lineage("restore", "--force", folder)
    assert status == 0, err
    assert count(db) == 20 and count(str(db) + ".before-restore") == 30
    # what the spool still has is taken in again: by the store's own cursor
    agent.start()
    wait_until(lambda: agent.status()["routes"][0]["waiting"] == 0)
    fill(agent, wait_until, [30])
    agent.stop()
    assert count(db) == 31
    status, out, err = lineage("backup", "--check")
    assert status == 0 and "31 runs" in out, out + err


def test_elsewhere(agent, lineage, built, workdir, wait_until):
    """Another machine: a spool that the store does not know; and a store of a newer schema is refused."""
    folder = workdir / "backup"
    fill(agent, wait_until, range(5))
    assert lineage("backup", "--store", workdir / "agent" / "lineage.db", folder)[0] == 0
    other = workdir / "other" / "x.db"
    assert lineage("restore", "--store", other, folder)[0] == 0
    assert count(other) == 5
    subprocess.run([built("store_sql"), copies(folder)[0], "PRAGMA user_version = 99"], check=True)
    status, out, err = lineage("restore", "--store", workdir / "y.db", folder)
    assert status == 1 and "is not what it was" in err and not (workdir / "y.db").exists()
    lines = (folder / "manifest.sha256").read_text().splitlines()
    said = subprocess.run(["sha256sum", *[line[66:] for line in lines[1:]]], cwd=folder, capture_output=True, text=True)
    (folder / "manifest.sha256").write_text(lines[0] + "\n" + said.stdout)
    status, out, err = lineage("restore", "--store", workdir / "y.db", folder)
    assert status == 1 and "schema 99" in err and not (workdir / "y.db").exists()
    (folder / "manifest.sha256").write_text(lines[0] + "\n" + lines[1][:66] + "runs/../../etc/passwd\n")
    status, out, err = lineage("restore", "--store", workdir / "y.db", folder)
    assert status == 1 and "outside" in err


@pytest.mark.parametrize("point", ["backup.copied", "restore.copied", "restore.set_aside", "restore.renamed"])
def test_killed(agent, lineage, workdir, wait_until, point):
    folder, db = workdir / "backup", workdir / "agent" / "lineage.db"
    fill(agent, wait_until, range(5))
    assert lineage("backup", folder)[0] == 0
    fill(agent, wait_until, range(5, 8))
    agent.stop()
    status, out, err = lineage("restore", "--force", folder, env={"LINEAGED_CRASH": point})
    assert status == -9
    assert count(db) == (5 if point == "restore.renamed" else 8)
    assert lineage("restore", "--force", folder)[0] == 0
    assert count(db) == 5


def test_backup_killed(agent, lineage, workdir, wait_until):
    folder = workdir / "backup"
    fill(agent, wait_until, range(5))
    assert lineage("backup", folder)[0] == 0
    fill(agent, wait_until, range(5, 8))
    assert lineage("backup", folder, env={"LINEAGED_CRASH": "backup.store"})[0] == -9
    status, out, err = lineage("backup", "--verify", folder)  # the one before
    assert status == 0 and "5 runs" in out
    assert lineage("backup", folder)[0] == 0
    assert [count(path) for path in copies(folder)] == [8]


def test_receipts(agent, lineage, workdir, wait_until):
    folder, runs = workdir / "backup", workdir / "runs"
    fill(agent, wait_until, range(2))
    (workdir / "raw").write_text("raw")

    def one():
        run_id = lineage("begin", "--runs", runs)[1].strip()
        env = {"LINEAGE_RUN_ID": run_id, "LINEAGE_RUNS": str(runs)}
        assert lineage("run", "--step", "s", "-i", "raw", "--keep", "raw", "--", "true", env=env)[0] == 0
        assert lineage("end", env=env)[0] == 0
        return run_id
    first = one()
    assert lineage("backup", "--runs", runs, folder)[0] == 0
    second = one()
    status, out, err = lineage("backup", "--runs", runs, folder)
    assert status == 0 and " were there" in out and ", 0 were there" not in out
    status, out, err = lineage("restore", "--store", workdir / "new.db", "--runs", workdir / "again", folder)
    assert status == 0, err
    for each in (first, second):
        assert lineage("verify", "--runs", workdir / "again", each)[0] == 0
    receipt = next((folder / "runs" / first).glob("steps/*/receipt.json"))
    receipt.chmod(0o644)
    receipt.write_text(receipt.read_text().replace("true", "tru3"))
    status, out, err = lineage("backup", "--verify", folder)
    assert status == 1 and "steps/s/receipt.json: is not what it was" in out


def test_flipped_bytes(agent, lineage, workdir, wait_until):
    """Bytes of a store are changed in many places: the check says so, or nothing that was recorded is another."""
    fill(agent, wait_until, range(60))
    agent.stop()
    db, other = workdir / "agent" / "lineage.db", workdir / "flipped.db"
    assert lineage("backup", "--check")[0] == 0
    whole = db.read_bytes()
    found = 0
    for place in range(100, len(whole), len(whole) // 40):
        other.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1:])
        status, out, err = lineage("backup", "--check", "--store", other)
        assert status in (0, 1), (place, status, err)
        found += status == 1
        assert status == 0 or out.strip(), place
    assert found >= 30  # all but pages that nothing is on
    text = whole.find(b'"text": "n17"')
    assert text > 0
    other.write_bytes(whole[:text + 10] + b"7" + whole[text + 11:])
    status, out, err = lineage("backup", "--check", "--store", other)
    assert status == 1 and "page %d of the file is damaged" % (text // 4096 + 1) in out


def test_damaged_page(agent, lineage, workdir, wait_until):
    """A byte of a page is changed: what does not stand on it is answered, what does is named; an agent starts, says that
    its store is damaged and keeps events for it; a restored backup takes them."""
    fill(agent, wait_until, range(400))
    agent.stop()
    assert lineage("backup", workdir / "backup")[0] == 0
    db = workdir / "agent" / "lineage.db"
    run_id = event(17)["run"]["runId"]
    before = lineage("show", "--json", event(390)["run"]["runId"])
    assert before[0] == 0
    whole = db.read_bytes()
    text = -1
    while True:  # as a facet, not in the raw event
        text = whole.find(b'"text": "n17"', text + 1)
        assert text > 0
        page = text // 4096 + 1
        db.write_bytes(whole[:text + 10] + b"7" + whole[text + 11:])
        status, out, err = lineage("show", "--json", run_id)
        if "damaged" in json.loads(out):
            break
    assert {"table": "pages", "id": page} in json.loads(out)["damaged"] and '"n17"' not in out and '"n77"' not in out
    assert lineage("show", "--json", event(390)["run"]["runId"]) == before
    assert "the store is damaged: page %d" % page in err
    status, out, err = lineage("gc", "--keep-last", "1", "--yes")  # what is pinned may stand there
    assert status == 1 and "page %d of the file is damaged" % page in err
    status, out, err = lineage("backup", workdir / "other")
    assert status == 1 and "page %d of the file is damaged" % page in err
    agent.start()
    again = {**event(1000), "run": event(17)["run"]}  # says of that run what stands there, and more
    assert agent.post(json.dumps(again))[0] == 201
    wait_until(lambda: "page %d of the file is damaged" % page in json.dumps(agent.status()))
    assert agent.admin("/healthz")[0] in (200, 503) and agent.status()["routes"][0]["waiting"] > 0
    agent.stop()
    assert lineage("restore", "--force", workdir / "backup")[0] == 0
    agent.start()
    wait_until(lambda: agent.status()["routes"][0]["waiting"] == 0)
    agent.stop()
    status, out, err = lineage("backup", "--check")
    assert status == 0, out
    status, out, err = lineage("show", "--json", run_id)
    assert status == 0 and "out1000" in out and "damaged" not in json.loads(out)


def test_looked_at(agent, lineage, workdir, wait_until):
    """Killed with a log beside the store, which another program reads and thereby folds in: no page counts as damaged."""
    fill(agent, wait_until, range(50))
    agent.process.kill()
    db = workdir / "agent" / "lineage.db"
    assert (workdir / "agent" / "lineage.db-wal").stat().st_size > 0
    with contextlib.closing(sqlite3.connect(db)) as other:
        assert other.execute("SELECT count(*) FROM runs").fetchone()[0] == 50
    assert not (workdir / "agent" / "lineage.db-wal").exists()
    status, out, err = lineage("backup", "--check")
    assert status == 0 and "of which 0 have no checksum" not in out, out
    agent.start()
    fill(agent, wait_until, range(50, 60))
    agent.stop()
    assert lineage("backup", "--check")[0] == 0
    folder = workdir / "backup"  # a copy has all checksums
    assert lineage("backup", folder)[0] == 0
    status, out, err = lineage("backup", "--verify", folder)
    assert status == 0 and "of which 0 have no checksum" in out, out
