# SPDX-License-Identifier: Apache-2.0
"""Routes are independent: one that is refused, down or full of poison costs the others nothing."""
import json

import pytest

import numbered
from agent_process import Agent, Senders, http_route, store_route


def post_all(agent, bodies):
    """Statuses of one POST each."""
    return [agent.post(body)[0] for body in bodies]


def test_one_route_answers_401_for_ever(runner, built, workdir, start_standin, wait_until):
    """The others deliver everything; intake goes on; status says what is wrong, and since when."""
    good, bad = start_standin(), start_standin()
    bad.script({"answer": 401})
    agent = Agent(runner, built("lineaged"), workdir / "agent", [
        http_route("good", good.url), http_route("bad", bad.url),
        store_route(workdir / "agent" / "lineage.db")]).start()
    bodies = list(numbered.events(20, 5))
    assert set(post_all(agent, bodies)) == {201}
    wait_until(lambda: good.stats()["posts"] >= 100, 60, lambda: str(good.stats()))
    assert numbered.check(good.stored(), dict(enumerate(bodies))).problems() == []
    routes = {route["name"]: route for route in agent.status()["routes"]}
    assert routes["bad"]["state"] == "held"
    assert "401" in routes["bad"]["last_error"]
    assert routes["good"]["state"] == "ok"
    assert bad.stats()["posts"] <= 16  # what was in flight at the first answer, then probes a minute apart
    wait_until(lambda: runner.run(built("lineage"), "why", numbered.run_id(3), "--json",
                                  env=agent.environment()).status == 0, 30, "the store has it")
    assert agent.stop() == 0


def test_pinned_401_fills_the_spool_then_recovers(runner, built, workdir, start_standin, wait_until):
    """Only a pinned route may fill the spool: then 503 with Retry-After; when it heals, all goes on without
    hands and nothing acknowledged is lost."""
    bad = start_standin()
    bad.script({"answer": 401})
    agent = Agent(runner, built("lineaged"), workdir / "agent", [http_route("bad", bad.url, on_lag="pin")],
                  spool={"max_bytes": "2MiB", "segment_bytes": "256KiB"}).start()
    bodies = list(numbered.events(400, 5, size=4000))
    acknowledged = {}
    for number, body in enumerate(bodies):
        status, headers, _ = agent.post(body)
        if status == 503:
            assert headers["Retry-After"] == "1"
            break
        assert status == 201
        acknowledged[number] = body
    else:
        raise AssertionError("the spool never filled")
    assert len(acknowledged) > 100
    code, health = agent.admin("/healthz")
    assert code == 503 and b"full" in health
    bad.script(replace=True)
    # A held route probes once a minute; a restart asks at once.
    assert agent.stop() == 0
    agent.start()
    wait_until(lambda: bad.stats()["stored"] >= len(acknowledged), 60, lambda: str(bad.stats()))
    wait_until(lambda: agent.post(bodies[len(acknowledged)])[0] == 201, 30, "intake is open again")
    acknowledged[len(acknowledged)] = bodies[len(acknowledged)]
    wait_until(lambda: bad.stats()["stored"] >= len(acknowledged), 60, lambda: str(bad.stats()))
    report = numbered.check(bad.stored(), acknowledged)
    assert report.problems() == []
    assert agent.stop() == 0


def test_poison_costs_nobody_else(runner, built, workdir, standin, wait_until):
    """4 events among 4,000 that the server answers 422: parked with status and answer, shown by the command line;
    the other 3,996 arrive."""
    for number in (7, 100, 2500, 3999):
        standin.script({"match": '"number":%d,' % number, "answer": 422})
    agent = Agent(runner, built("lineaged"), workdir / "agent",
                  [http_route("marquez", standin.url, profile="marquez")]).start()
    bodies = list(numbered.events(800, 5))
    assert set(post_all(agent, bodies)) == {201}
    wait_until(lambda: standin.stats()["stored"] >= 3996 and agent.status()["routes"][0]["parked"] == 4,
               60, lambda: "%s %s" % (standin.stats(), agent.status()))
    expected = {n: body for n, body in enumerate(bodies) if n not in (7, 100, 2500, 3999)}
    assert numbered.check(standin.stored(), expected).problems() == []
    env = agent.environment()
    listed = runner.run(built("lineage"), "deadletter", "ls", "--json", env=env)
    assert listed.status == 0, listed.err
    letters = json.loads(listed.out)
    letters = letters["deadletters"] if isinstance(letters, dict) else letters
    assert len(letters) == 4
    shown = runner.run(built("lineage"), "deadletter", "show", letters[0]["id"], env=env)
    assert shown.status == 0
    assert shown.out_path.read_bytes().rstrip(b"\n") in bodies
    # They survive a kill, and are not sent again.
    agent.kill()
    agent.start()
    assert agent.status()["routes"][0]["parked"] in (0, 4)
    again = runner.run(built("lineage"), "deadletter", "ls", "--json", env=env)
    assert again.status == 0 and again.out == listed.out
    assert agent.stop() == 0


def test_sink_down_then_up(runner, built, workdir, standin, wait_until):
    """500 pages, hangs, cut connections and refusals: everything arrives in order, nothing is parked."""
    agent = Agent(runner, built("lineaged"), workdir / "agent",
                  [http_route("marquez", standin.url, profile="marquez", timeout="2s")]).start()
    events_of_run = {}
    for body in numbered.events(40, 5):
        events_of_run.setdefault(numbered.parse(body).run, []).append(body)
    standin.script({"answer": "500html", "times": 20}, {"answer": "hang", "times": 2},
                   {"answer": "reset", "times": 3}, {"answer": "torn", "times": 2},
                   {"answer": 503, "retry_after": 1, "times": 3})
    senders = Senders(agent, events_of_run, connections=4)
    senders.join(60)
    standin.down()
    wait_until(lambda: agent.status()["routes"][0]["state"] in ("circuit_open", "retrying"), 30,
               lambda: str(agent.status()["routes"]))
    standin.up()
    wait_until(lambda: agent.status()["routes"][0]["waiting"] == 0 and standin.stats()["stored"] >= 200,
               90, lambda: "%s %s" % (standin.stats(), agent.status()["routes"]))
    report = numbered.check(standin.stored(), 200)
    report.duplicates = 0  # an unanswered request may have been stored: allowed, and counted by the sink
    assert report.problems() == []
    assert agent.status()["routes"][0]["parked"] == 0
    assert agent.stop() == 0


def test_second_agent_is_refused(runner, built, workdir, standin):
    """It says who holds the spool, and touches nothing."""
    agent = Agent(runner, built("lineaged"), workdir / "agent", [http_route("m", standin.url)]).start()
    second = runner.run(*agent.argv(), name="second")
    assert second.status != 0
    assert str(agent.process.pid) in second.err
    assert agent.post(next(numbered.events(1, 2)))[0] == 201
    assert agent.stop() == 0


def test_sigterm_drains(runner, built, workdir, standin, wait_until):
    """What was taken goes out before the exit, with status 0."""
    standin.script({"answer": "marquez", "delay_ms": 50})
    agent = Agent(runner, built("lineaged"), workdir / "agent", [http_route("m", standin.url)]).start()
    bodies = list(numbered.events(40, 2))
    assert set(post_all(agent, bodies)) == {201}
    assert agent.stop() == 0
    assert numbered.check(standin.stored(), dict(enumerate(bodies))).problems() == []


@pytest.mark.slow
@pytest.mark.parametrize("topic", ["missing", "no topic!"])
def test_kafka_topic_that_is_not_there(runner, built, workdir, kafka_strict, wait_until, topic):
    """A broker that refuses the topic when asked where it is: a wrong setting, held, and never shown as an outage."""
    agent = Agent(runner, built("lineaged"), workdir / "agent", [
        {"name": "bus", "type": "kafka", "brokers": kafka_strict.bootstrap, "topic": topic, "timeout": "10s"}]).start()
    assert agent.post(numbered.event(0, 0, 0))[0] == 201
    states = set()

    def held():
        states.add(agent.status()["routes"][0]["state"])
        return states & {"held", "circuit_open"}
    assert wait_until(held, 60, lambda: str(agent.status())) == {"held"}
    route = agent.status()["routes"][0]
    assert "topic" in route["last_error"] and route["waiting"] == 1, route
    assert agent.stop() == 0
