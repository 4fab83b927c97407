# SPDX-License-Identifier: Apache-2.0
"""From every kind of sender, through a running agent, to the stand-in, a real Kafka topic and the
embedded store: each event arrives everywhere, byte for byte."""
import json
import os
import uuid

import numbered
from agent_process import Agent, http_route, store_route


def journal_events(directory):
    """Event lines of journals that nobody has drained."""
    lines = []
    for path in sorted(directory.glob("*.jsonl")):
        lines += [line for line in path.read_bytes().splitlines() if not line.startswith(b'{"ol_journal')]
    return lines


def start_agent(runner, built, workdir, standin, kafka=None, topic=None):
    routes = [http_route("marquez", standin.url, profile="marquez"),
              store_route(workdir / "agent" / "lineage.db")]
    if kafka is not None:
        routes.append({"name": "bus", "type": "kafka", "brokers": kafka.bootstrap, "topic": topic})
    return Agent(runner, built("lineaged"), workdir / "agent", routes)


def check_everywhere(agent, built, runner, standin, sent, wait_until, read_topic=None):
    """`sent`: {run id: [bytes, ...]}."""
    total = sum(len(bodies) for bodies in sent.values())
    wait_until(lambda: standin.stats()["posts"] >= total, 60, lambda: "at the stand-in: %s; %s" % (
        standin.stats(), agent.admin("/status")[1].decode()))
    arrived = {}
    for body in standin.stored():
        arrived.setdefault(json.loads(body)["run"]["runId"], []).append(body)
    assert arrived == sent
    if read_topic is not None:
        def in_topic():
            found = {}
            for message in read_topic():
                found.setdefault(json.loads(message.value)["run"]["runId"], []).append(message.value)
                assert message.key.decode() == json.loads(message.value)["run"]["runId"]
            return found == sent
        wait_until(in_topic, 60, "every event in the topic, by run, in order", interval=1)
    for run_id, bodies in sent.items():
        def in_store(run_id=run_id, bodies=bodies):
            asked = runner.run(built("lineage"), "events", run_id, env=agent.environment())
            return asked.status == 0 and asked.out_path.read_bytes() == b"".join(
                body.replace(b"\n", b" ") + b"\n" for body in bodies)
        wait_until(in_store, 30, "events of run %s in the store" % run_id)


def test_c_program(runner, built, workdir, standin, kafka, kafka_read, wait_until):
    """A C program with the library; the agent is started only afterwards."""
    topic = "whole-line-%s" % uuid.uuid4().hex
    agent = start_agent(runner, built, workdir, standin, kafka, topic)
    kafka.create(topic) if hasattr(kafka, "create") else None
    done = runner.run(built("emit_many"), "--runs", 3, "--per-run", 4, "--directory", agent.journal)
    assert done.status == 0 and len(done.out.split()) == 12
    sent = {}
    for line in journal_events(agent.journal):
        sent.setdefault(json.loads(line)["run"]["runId"], []).append(line)
    assert len(sent) == 3
    agent.start()
    check_everywhere(agent, built, runner, standin, sent, wait_until, lambda: kafka_read(topic))
    wait_until(lambda: not list(agent.journal.glob("*.jsonl")), 30, "the journal is removed")
    assert agent.stop() == 0


def test_wrapped_command(runner, built, workdir, standin, kafka, kafka_read, wait_until):
    """`lineage run -- false`: START and FAIL, and the exit status of false."""
    topic = "wrapped-%s" % uuid.uuid4().hex
    agent = start_agent(runner, built, workdir, standin, kafka, topic)
    (workdir / "in").write_text("some bytes\n")
    done = runner.run(built("lineage"), "run", "-i", workdir / "in", "--", "false", env=agent.environment())
    assert done.status == 1, done.err
    lines = journal_events(agent.journal)
    assert [json.loads(line)["eventType"] for line in lines] == ["START", "FAIL"]
    sent = {json.loads(lines[0])["run"]["runId"]: lines}
    agent.start()
    check_everywhere(agent, built, runner, standin, sent, wait_until, lambda: kafka_read(topic))
    assert agent.stop() == 0


def check_client(client, runner, built, workdir, standin, kafka, kafka_read, wait_until):
    topic = "client-%s" % uuid.uuid4().hex
    agent = start_agent(runner, built, workdir, standin, kafka, topic).start()
    sent = {}
    for compression in ("none", "gzip"):
        for each in client.emit(agent.url, 2, workdir / compression, compression):
            assert not each.error
            sent.setdefault(each.run_id, []).append(each.body)
    check_everywhere(agent, built, runner, standin, sent, wait_until, lambda: kafka_read(topic))
    assert agent.stop() == 0


def test_python_client(python_client, runner, built, workdir, standin, kafka, kafka_read, wait_until):
    check_client(python_client, runner, built, workdir, standin, kafka, kafka_read, wait_until)


def test_java_client(java_client, runner, built, workdir, standin, kafka, kafka_read, wait_until):
    """With gzip the Java client sends chunked and compressed bodies without a length."""
    check_client(java_client, runner, built, workdir, standin, kafka, kafka_read, wait_until)


def test_live_marquez(runner, built, workdir, wait_until):
    """The same against a real server, where there is one."""
    import pytest
    from standin_control import MarquezView
    url = os.environ.get("MARQUEZ_URL")
    if not url:
        pytest.skip("no MARQUEZ_URL: no live Marquez to deliver to")
    agent = Agent(runner, built("lineaged"), workdir / "agent",
                  [http_route("marquez", url, profile="marquez")]).start()
    seed = uuid.uuid4().hex
    for body in numbered.events(2, 3, seed=seed):
        assert agent.post(body)[0] == 201
    view = MarquezView()
    for run in range(2):
        run_id = numbered.run_id(run, seed)
        wait_until(lambda run_id=run_id: view.run_state(run_id) == "COMPLETED", 60, "run completed")
        assert len(view.events_of_run(run_id)) == 3
    assert agent.stop() == 0
