# SPDX-License-Identifier: Apache-2.0
"""The Kafka route against a real broker: what it writes, what it waits for and says, what a kill costs."""
import base64
import json
import os
import pathlib
import uuid

import pytest

import cache
import kafka_admin
import kafka_broker
import kafka_read
import numbered
from agent_process import Agent, Senders

pytestmark = pytest.mark.slow

WORD = "writer-word"
# The first librdkafka whose SCRAM a broker of today takes is 2.6.1; this wheel brings one, for the tests only.
LIBRDKAFKA = "confluent-kafka==2.16.1"


def route(brokers, topic, **more):
    return {"name": "bus", "type": "kafka", "brokers": brokers, "topic": topic, "retry_max": "1s", "hold_interval": "1s", **more}


def secure_route(broker, topic, secret, mechanism="PLAIN", ca=None, **more):
    return route(broker.secure_bootstrap, topic, properties=[
        "security.protocol=SASL_SSL", "sasl.mechanisms=" + mechanism, "sasl.username=writer",
        "sasl.password=file:%s" % secret, "ssl.ca.location=%s" % (ca or broker.ca)], **more)


def new_topic(broker=None, **settings):
    name = "t-" + uuid.uuid4().hex
    if broker is not None:
        kafka_admin.create_topic(broker, name, **settings)
    return name


def state(agent):
    return agent.status()["routes"][0]


def post(agent, bodies):
    for body in bodies:
        assert agent.post(body)[0] == 201


def all_there(wait_until, broker, topic, expected, agent, max_duplicates=0):
    """Every event in the topic, by run in order, under its run's id, byte for byte."""
    wait_until(lambda: state(agent)["waiting"] == 0, 90, lambda: str(state(agent)), interval=0.2)
    messages = kafka_read.read_topic(broker.bootstrap, topic)
    for message in messages:
        assert message.key.decode() == json.loads(message.value)["run"]["runId"]
    assert numbered.check([m.value for m in messages], expected).problems(max_duplicates) == []


def wait_held(wait_until, agent):
    """The route is held, and was never shown as an outage."""
    seen = set()

    def held():
        seen.add(state(agent)["state"])
        return seen & {"held", "circuit_open"}
    assert wait_until(held, 60, lambda: str(state(agent))) == {"held"}, "%s\n%s" % (state(agent), agent.process.err)
    return state(agent)["last_error"]


def bulky(body, size):
    """The same event with so many bytes more that do not compress."""
    pad = base64.b64encode(os.urandom(size * 3 // 4)).decode()
    return body[:-1] + b',"pad":"' + pad.encode() + b'"}'


def test_what_the_broker_gets(runner, built, workdir, kafka_secure, wait_until):
    """Idempotent batches under lz4, each event under its run's key, byte for byte."""
    topic = new_topic(kafka_secure)
    agent = Agent(runner, built("lineaged"), workdir / "agent", [route(kafka_secure.bootstrap, topic)]).start()
    bodies = list(numbered.events(20, 20, size=2000))
    post(agent, bodies)
    all_there(wait_until, kafka_secure, topic, dict(enumerate(bodies)), agent)
    batches = kafka_admin.batches(kafka_secure, topic)
    assert sum(batch.count for batch in batches) == 400
    assert {batch.producer_id >= 0 for batch in batches} == {True}
    assert {batch.codec for batch in batches if batch.count > 1} | {"lz4"} == {"lz4"}
    assert "lz4" in {batch.codec for batch in batches}
    sequences = [batch.first_sequence for batch in batches]
    assert sequences == sorted(sequences)
    assert agent.stop() == 0


def test_broker_killed_in_mid_stream(runner, built, workdir, kafka_strict, wait_until):
    """kill -9 and a restart while events flow: nothing lost, none doubled (the broker knows the producer), order."""
    topic = new_topic(kafka_strict)
    agent = Agent(runner, built("lineaged"), workdir / "agent", [
        route(kafka_strict.bootstrap, topic, timeout="2s")]).start()
    events_of_run = {}
    bodies = list(numbered.events(40, 60, size=2000))
    for body in bodies:
        events_of_run.setdefault(numbered.parse(body).run, []).append(body)
    senders = Senders(agent, events_of_run, connections=4)
    wait_until(lambda: state(agent)["delivered"] > 300, 60, lambda: str(state(agent)))
    kafka_strict.kill()
    wait_until(lambda: state(agent)["state"] == "circuit_open", 60, lambda: str(state(agent)))
    assert state(agent)["last_error"]
    senders.join(120)  # intake does not wait for it
    kafka_strict.start(die_with_parent=True)
    all_there(wait_until, kafka_strict, topic, dict(enumerate(bodies)), agent)
    assert state(agent)["state"] == "ok" and state(agent)["parked"] == 0
    assert agent.stop() == 0


def test_agent_killed_in_mid_stream(runner, built, workdir, kafka_secure, wait_until):
    """kill -9 of the agent, three times: nothing lost, order kept; doubled at most what had no report yet, which
    is what the producer may hold."""
    topic = new_topic(kafka_secure, partitions=4)
    agent = Agent(runner, built("lineaged"), workdir / "agent", [route(kafka_secure.bootstrap, topic)]).start()
    events_of_run = {}
    bodies = list(numbered.events(40, 60, size=2000))
    for body in bodies:
        events_of_run.setdefault(numbered.parse(body).run, []).append(body)
    senders = Senders(agent, events_of_run, connections=4)
    for part in (1, 2, 3):
        wait_until(lambda part=part: senders.count() > part * 500, 60, lambda: str(senders.count()))
        agent.kill()
        agent.start()
    senders.join(120)
    wait_until(lambda: state(agent)["waiting"] == 0, 60, lambda: str(state(agent)))
    report = numbered.check([m.value for m in kafka_read.read_topic(kafka_secure.bootstrap, topic)],
                            dict(enumerate(bodies)))
    # A client's retry after a kill that came between its event's sync and its answer is known as one, too.
    assert report.problems(max_duplicates=3 * 16 * 1024 * 1024 // 2000) == []
    assert agent.stop() == 0


def test_too_large_for_the_topic(runner, built, workdir, kafka_secure, wait_until):
    """What the broker refuses for its size is parked with the broker's words; events that shared its batch, and
    batches that are larger than the topic takes, arrive all the same, in order."""
    topic = new_topic(kafka_secure, max_message_bytes=20000)
    agent = Agent(runner, built("lineaged"), workdir / "agent", [route(kafka_secure.bootstrap, topic)])
    agent.start()
    # All wait before the route may go: batches are as large as they get.
    kafka_secure.freeze()
    bodies = [bulky(body, 40000 if number in (50, 120) else 2000)
              for number, body in enumerate(numbered.events(10, 20))]
    try:
        post(agent, bodies)
    finally:
        kafka_secure.thaw()
    expected = {number: body for number, body in enumerate(bodies) if number not in (50, 120)}
    wait_until(lambda: state(agent)["parked"] == 2, 90, lambda: str(state(agent)))
    all_there(wait_until, kafka_secure, topic, expected, agent, max_duplicates=len(bodies))
    listed = runner.run(built("lineage"), "deadletter", "ls", "--json", env=agent.environment())
    letters = json.loads(listed.out)
    letters = letters["deadletters"] if isinstance(letters, dict) else letters
    assert len(letters) == 2
    assert all("refused by the broker" in letter["reason"] and "large" in letter["reason"] for letter in letters)
    assert agent.stop() == 0


def test_too_large_for_the_route(runner, built, workdir, kafka_secure, wait_until):
    """Past message.max.bytes an event is parked without being sent; the one behind it in its run arrives."""
    topic = new_topic(kafka_secure)
    agent = Agent(runner, built("lineaged"), workdir / "agent", [
        route(kafka_secure.bootstrap, topic, properties=["message.max.bytes=10000"])]).start()
    bodies = [bulky(body, 12000 if number == 1 else 100) for number, body in enumerate(numbered.events(1, 3))]
    post(agent, bodies)
    all_there(wait_until, kafka_secure, topic, {0: bodies[0], 2: bodies[2]}, agent)
    listed = runner.run(built("lineage"), "deadletter", "ls", env=agent.environment())
    assert listed.status == 0 and "message.max.bytes" in listed.out
    assert agent.stop() == 0


def test_missing_topic_waits_for_it(runner, built, workdir, kafka_secure, wait_until):
    """Held, with a sentence that names the topic; once it is made all arrives, without hands."""
    topic = new_topic()
    agent = Agent(runner, built("lineaged"), workdir / "agent", [
        route(kafka_secure.bootstrap, topic, timeout="4s")]).start()
    bodies = list(numbered.events(5, 4))
    post(agent, bodies)
    told = wait_held(wait_until, agent)
    assert topic in told and "is not there" in told
    assert any(wait["who"] == "route bus" for wait in agent.status()["waits"])
    kafka_admin.create_topic(kafka_secure, topic)
    all_there(wait_until, kafka_secure, topic, dict(enumerate(bodies)), agent)
    assert state(agent)["state"] == "ok"
    assert agent.stop() == 0


def test_no_right_to_the_topic(runner, built, workdir, kafka_secure, wait_until):
    """A user that may not even see the topic, then one that may see but not write it: held, never shown as an
    outage; with the right, all arrives."""
    topic = new_topic(kafka_secure)
    secret = workdir / "secret"
    secret.write_text(WORD + "\n")
    agent = Agent(runner, built("lineaged"), workdir / "agent", [
        secure_route(kafka_secure, topic, secret, timeout="4s")]).start()
    bodies = list(numbered.events(5, 4))
    post(agent, bodies[:1])
    told = wait_held(wait_until, agent)
    assert topic in told and "may not be written" in told, told
    kafka_admin.allow(kafka_secure, "writer", "describe", topic)
    post(agent, bodies[1:])
    told = wait_held(wait_until, agent)
    assert topic in told and "may not be written" in told, told
    kafka_admin.allow(kafka_secure, "writer", "write", topic)
    all_there(wait_until, kafka_secure, topic, dict(enumerate(bodies)), agent)
    assert agent.stop() == 0


def new_librdkafka():
    """A directory with a newer librdkafka.so.1; Cannot where there is none to be had."""
    def make(work):
        cache.run(["python3", "-m", "venv", str(work)], "venv")
        cache.run([str(work / "bin" / "pip"), "install", "-q", "--only-binary=:all:", LIBRDKAFKA], "pip")
        found = list(work.glob("lib/python*/site-packages/confluent_kafka.libs/librdkafka-*.so.1"))
        if not found:
            raise cache.Cannot("the wheel has no librdkafka")
        (work / "librdkafka").mkdir()
        (work / "librdkafka" / "librdkafka.so.1").symlink_to(found[0])
    return cache.directory("librdkafka", [LIBRDKAFKA], make, movable=False) / "librdkafka"


@pytest.fixture
def newer_library():
    try:
        return new_librdkafka()
    except cache.Cannot as reason:
        pytest.skip("no newer librdkafka: %s" % reason)


def check_login(agent, kafka_secure, topic, secret, wait_until, env=None):
    """Wrong password first: held with a sentence; the right one in the file: all arrives by itself."""
    kafka_admin.allow(kafka_secure, "writer", "write", topic)
    secret.write_text("a-wrong-word\n")
    agent.start(env)
    bodies = list(numbered.events(5, 4))
    post(agent, bodies)
    told = wait_held(wait_until, agent)
    assert "login at the broker" in told, told
    fresh = secret.with_name("fresh")
    fresh.write_text(WORD + "\n")
    fresh.rename(secret)  # as a secret store puts it there
    all_there(wait_until, kafka_secure, topic, dict(enumerate(bodies)), agent)
    assert state(agent)["state"] == "ok"
    return told


def test_login_and_secrets(runner, built, workdir, kafka_secure, wait_until):
    """TLS and PLAIN. The password is nowhere but in its file: not in what the agent prints, logs or keeps."""
    topic, secret = new_topic(kafka_secure), workdir / "secret"
    agent = Agent(runner, built("lineaged"), workdir / "agent", [secure_route(kafka_secure, topic, secret)])
    agent.config.write_text(json.dumps({**json.loads(agent.config.read_text()), "log": {"level": "debug"}}))
    check_login(agent, kafka_secure, topic, secret, wait_until)
    printed = runner.run(*agent.argv("--print-config"))
    assert printed.status == 0 and "sasl.password=file:%s" % secret in printed.out
    assert agent.stop() == 0
    places = [path for path in agent.home.rglob("*") if path.is_file()]
    texts = [printed.out, agent.process.err] + [path.read_bytes().decode(errors="replace") for path in places]
    assert not [text for text in texts if WORD in text or "a-wrong-word" in text]


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_login_by_scram(runner, built, workdir, kafka_secure, wait_until, newer_library, mechanism):
    """The same by SCRAM, with a librdkafka that knows it as the broker does."""
    topic, secret = new_topic(kafka_secure), workdir / "secret"
    agent = Agent(runner, built("lineaged"), workdir / "agent", [
        secure_route(kafka_secure, topic, secret, mechanism)])
    check_login(agent, kafka_secure, topic, secret, wait_until, {"LD_LIBRARY_PATH": str(newer_library)})
    assert agent.stop() == 0


def test_old_scram_says_so(runner, built, workdir, kafka_secure, wait_until):
    """A librdkafka too old for the broker's SCRAM is refused as wrong credentials: the route says what it is."""
    topic, secret = new_topic(kafka_secure), workdir / "secret"
    secret.write_text(WORD)
    agent = Agent(runner, built("lineaged"), workdir / "agent", [
        secure_route(kafka_secure, topic, secret, "SCRAM-SHA-256")]).start()
    kafka_admin.allow(kafka_secure, "writer", "write", topic)
    post(agent, [numbered.event(0, 0, 0)])
    wait_until(lambda: state(agent)["state"] == "held" or state(agent)["delivered"] == 1, 60,
               lambda: str(state(agent)))
    if state(agent)["delivered"] == 1:
        pytest.skip("this system's librdkafka is not that old")
    assert "cannot do SCRAM" in state(agent)["last_error"]
    assert agent.stop() == 0


def test_certificate_of_somebody_else(runner, built, workdir, kafka_secure, wait_until):
    """A broker whose certificate we do not know: held, and nothing sent; the right file in place: all arrives."""
    topic, secret, ca = new_topic(kafka_secure), workdir / "secret", workdir / "ca.pem"
    kafka_admin.allow(kafka_secure, "writer", "write", topic)
    secret.write_text(WORD)
    other = workdir / "other"
    other.mkdir()
    kafka_broker.make_certificates(other)
    ca.write_text((other / "ca.pem").read_text())
    agent = Agent(runner, built("lineaged"), workdir / "agent", [
        secure_route(kafka_secure, topic, secret, ca=ca)]).start()
    bodies = list(numbered.events(2, 2))
    post(agent, bodies)
    # A handshake that this machine is too slow for looks like an outage, for a moment.
    wait_until(lambda: state(agent)["state"] == "held", 60, lambda: str(state(agent)))
    told = state(agent)["last_error"]
    assert "TLS" in told and "certificate" in told
    ca.write_text(pathlib.Path(kafka_secure.ca).read_text())
    all_there(wait_until, kafka_secure, topic, dict(enumerate(bodies)), agent)
    assert agent.stop() == 0
