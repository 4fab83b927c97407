# SPDX-License-Identifier: Apache-2.0
"""A run whose process died gets an end: inferred, after its grace, once, behind its other events; and only a
run that nobody else can still end. JOURNAL.md J22 to J25 with the real programs."""
import json
import os
import pathlib
import signal
import time
import uuid

import pytest

from agent_process import Agent, http_route

GRACE = 1.0


@pytest.fixture
def agent(runner, built, workdir, standin):
    made = Agent(runner, built("lineaged"), workdir / "agent", [http_route("marquez", standin.url)],
                 intake={"abort_grace": "%ds" % GRACE, "poll": "50ms"})
    made.journal.mkdir(mode=0o700)
    return made


def stored(standin):
    return [json.loads(body) for body in standin.stored()]


def types_of(standin, run_id):
    return [e["eventType"] for e in stored(standin) if e["run"]["runId"] == run_id]


def start_task(runner, built, agent, workdir, *words, script="sleep 600"):
    """`lineage run` of a task that has begun: (the wrapper, the pid of its child, the run's id)."""
    begun = workdir / ("begun.%s" % uuid.uuid4())
    work = runner.start(built("lineage"), "run", *words, "--", "sh", "-c",
                        "echo $$ >%s.new && mv %s.new %s; echo \"$OPENLINEAGE_PARENT_ID\"; exec %s" % (
                            begun, begun, begun, script), name="task", env=agent.environment())
    return work, begun


def wait_begun(wait_until, work, begun):
    wait_until(begun.exists, 30, lambda: "the task begins; " + work.err)
    wait_until(lambda: work.out.strip(), 30, "the task says its run")
    return int(begun.read_text()), work.out.strip().rsplit("/", 1)[1]


def kill_task(work, child):
    os.kill(work.pid, signal.SIGKILL)
    os.kill(child, signal.SIGKILL)


def test_killed_task(runner, built, workdir, agent, standin, wait_until):
    """kill -9 of `lineage run` and its child: START, then one ABORT, not before the grace is over."""
    agent.start()
    (workdir / "in").write_text("x")
    work, begun = start_task(runner, built, agent, workdir, "-i", str(workdir / "in"), "--job", "nightly")
    child, run_id = wait_begun(wait_until, work, begun)
    wait_until(lambda: types_of(standin, run_id) == ["START"], 30, "START arrives")
    kill_task(work, child)
    killed = time.monotonic()
    wait_until(lambda: len(types_of(standin, run_id)) > 1, 30, "ABORT arrives")
    assert time.monotonic() - killed >= GRACE
    start, abort = [e for e in stored(standin) if e["run"]["runId"] == run_id]
    assert (start["eventType"], abort["eventType"]) == ("START", "ABORT")
    assert abort["job"] == start["job"] and abort["inputs"] == start["inputs"]
    assert "outputs" not in abort and "/agent" in abort["producer"]
    assert abort["eventTime"] >= start["eventTime"]
    facet = abort["run"]["facets"]["lineaged_inferred"]
    assert facet["reason"] == "writer_gone" and facet["last_change"] <= facet["inferred_at"]
    wait_until(lambda: not list(agent.journal.glob("*.jsonl")), 30, "the journal is removed")
    # A COMPLETE that comes all the same goes out behind it.
    late = {**start, "eventType": "COMPLETE"}
    assert agent.post(json.dumps(late))[0] == 201
    wait_until(lambda: types_of(standin, run_id) == ["START", "ABORT", "COMPLETE"], 30, "COMPLETE arrives")
    time.sleep(2 * GRACE)  # nothing else may come, however long one waits
    agent.kill()
    agent.start()
    time.sleep(2 * GRACE)
    assert types_of(standin, run_id) == ["START", "ABORT", "COMPLETE"]
    assert agent.stop() == 0


def journal_of(agent, chain=None, part=1, infer=True, boot=None):
    """A journal as a library writes it, whose process is gone; returns a function that appends."""
    identity = str(uuid.uuid4())
    path = agent.journal / ("%020d-%s.jsonl" % (time.time_ns(), identity))
    header = {"ol_journal": 1, "id": identity, "chain": chain or identity, "part": part,
              "boot": boot or pathlib.Path("/proc/sys/kernel/random/boot_id").read_text().strip(),
              "host": os.uname().nodename, "pid_ns": 1, "pid": 1, "start": 1, "uid": os.geteuid(),
              "created": "2026-11-21T09:00:00.000Z", "writer": "test/1", "infer_abort": infer}
    return path, [json.dumps(header, separators=(",", ":"))]


def event(run_id, kind="START", **more):
    return {"eventType": kind, "eventTime": "2026-11-21T09:00:00.000Z", "producer": "https://example.org/t",
            "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
            "run": {"runId": run_id}, "job": {"namespace": "n", "name": "j", **more}}


def write_journal(agent, lines, **header):
    path, text = journal_of(agent, **header)
    text += [line if isinstance(line, str) else json.dumps(line) for line in lines]
    path.with_suffix(".part").write_text("\n".join(text) + "\n")
    path.with_suffix(".part").rename(path)
    return path


def test_who_gets_none(agent, standin, wait_until):
    """Detached, streaming, of another boot, without leave, and touched over HTTP: none. Between them one that
    does, last of all, so that the others had their time."""
    ids = {name: str(uuid.uuid4()) for name in
           ("detached", "streaming", "reboot", "silent", "foreign", "plain")}
    streaming = {"facets": {"jobType": {"_producer": "p:", "_schemaURL": "s:", "processingType": "STREAMING",
                                        "integration": "FLINK"}}}
    agent.start()
    write_journal(agent, ['{"ol_journal_run":"%s","detached":true}' % ids["detached"], event(ids["detached"])])
    write_journal(agent, [event(ids["streaming"], **streaming)])
    write_journal(agent, [event(ids["reboot"])], boot="00000000-0000-4000-8000-000000000000")
    write_journal(agent, [event(ids["silent"])], infer=False)
    write_journal(agent, [event(ids["foreign"])])
    assert agent.post(json.dumps(event(ids["foreign"], "RUNNING")))[0] == 201
    wait_until(lambda: len(stored(standin)) == 6, 30, "all five, and the one over HTTP, arrive")
    write_journal(agent, [event(ids["plain"])])
    wait_until(lambda: types_of(standin, ids["plain"]) == ["START", "ABORT"], 30, "one ABORT arrives")
    time.sleep(GRACE)
    aborted = [e["run"]["runId"] for e in stored(standin) if e["eventType"] == "ABORT"]
    assert aborted == [ids["plain"]]
    assert agent.stop() == 0


POINTS = ["intake.gathered", "journal.abort_taken", "spool.group.written", "spool.group.synced",
          "intake.committed", "journal.committed", "journal.unlinked", "journal.dir_synced", "journal.kept"]


@pytest.mark.parametrize("point", POINTS)
def test_agent_killed_at(point, agent, standin, wait_until):
    """The agent ends itself with SIGKILL at the first, second, ... passage of each point on the way; each run
    has one ABORT in the end, behind its START."""
    ids = [str(uuid.uuid4()) for _ in range(3)]
    chain = str(uuid.uuid4())
    standin.down()  # so that every record stays in the spool, where it can be counted
    first = write_journal(agent, [event(ids[0]), event(ids[1]),
                                  '{"ol_journal_end":"rotated","events":2,"next":"x"}'], chain=chain)
    write_journal(agent, [event(ids[2]), event(ids[1], "COMPLETE")], chain=chain, part=2)
    assert first.exists()
    deaths = 0
    for passage in range(1, 7):
        agent.launch(env={"LINEAGED_CRASH": "%s:%d" % (point, passage)})
        deadline = time.monotonic() + 4 * GRACE + 2
        while agent.process.is_running() and time.monotonic() < deadline and (
                passage < 3 or list(agent.journal.glob("*.jsonl"))):
            time.sleep(0.02)
        if agent.process.is_running():
            agent.kill()
        else:
            assert agent.process.wait() == -9
            deaths += 1
    assert deaths > 0, "never reached"
    agent.start()
    wait_until(lambda: not list(agent.journal.glob("*.jsonl")), 30, "the journals are removed")
    expected = [(ids[0], "START"), (ids[1], "START"), (ids[2], "START"), (ids[1], "COMPLETE"),
                (ids[0], "ABORT"), (ids[2], "ABORT")]
    assert records_of(agent) == expected
    standin.up()
    wait_until(lambda: agent.status()["routes"][0]["waiting"] == 0, 60, "all is delivered")
    assert [types_of(standin, run_id) for run_id in ids] == [
        ["START", "ABORT"], ["START", "COMPLETE"], ["START", "ABORT"]]
    assert agent.stop() == 0


def records_of(agent):
    """Every event that stands in the spool, each as often as it stands there."""
    found = []
    for segment in sorted(agent.spool.glob("[0-9a-f]*.seg")):
        data = segment.read_bytes()
        at = 4096
        while at + 80 <= len(data):
            size = int.from_bytes(data[at:at + 4], "little")
            if size == 0:
                break
            if data[at + 4] == 1:
                body = json.loads(data[at + 80:at + 80 + size])
                found.append((body["run"]["runId"], body["eventType"]))
            at += 80 + (size + 7) // 8 * 8
    return found
