# SPDX-License-Identifier: Apache-2.0
"""Routes are independent: one that is refused, down or full of poison costs the others nothing."""
import json
import sqlite3
import time

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


ANSWERS_DOWN = "127.0.0.1:9"  # discard: nobody listens


def lagging(kind, workdir, standin):
    """A detached route that cannot keep up, and what lets it go on."""
    if kind == "http":
        standin.script({"answer": 503})
        return http_route("slow", standin.url, on_lag="detach"), lambda: standin.script(replace=True)
    if kind == "kafka":
        return {"name": "slow", "type": "kafka", "brokers": ANSWERS_DOWN, "topic": "t", "on_lag": "detach"}, None
    return {"name": "slow", "type": "file", "path": str(workdir / "slow.jsonl"), "on_lag": "detach",
            "rate": {"events": 50}}, None


@pytest.mark.parametrize("kind", ["http", "kafka", "file", "store"])
def test_detached_route_gives_its_backlog_up(runner, built, workdir, start_standin, wait_until, kind):
    """At half of the spool, whatever the kind: intake goes on and the pinned route gets everything; the gap is on
    record, counted and shown; what came behind it still arrives, in order."""
    good, bad = start_standin(), start_standin()
    database = workdir / "slow.db"
    if kind == "store":
        slow, heal = {"name": "slow", "type": "store", "path": str(database), "on_lag": "detach"}, None
    else:
        slow, heal = lagging(kind, workdir, bad)
    agent = Agent(runner, built("lineaged"), workdir / "agent", [http_route("good", good.url), slow],
                  spool={"max_bytes": "2MiB", "segment_bytes": "128KiB"}).start()
    if kind == "store":
        wait_until(database.exists, 30, "the store is made")
        lock = sqlite3.connect(database, isolation_level=None)
        lock.execute("PRAGMA busy_timeout=30000")
        lock.execute("BEGIN EXCLUSIVE")
        heal = lambda: lock.execute("ROLLBACK")  # noqa: E731
    bodies = list(numbered.events(160, 5, size=4000))

    def route(name):
        return {each["name"]: each for each in agent.status()["routes"]}[name]
    for number, body in enumerate(bodies):
        while agent.post(body)[0] != 201:  # the good route may be a moment behind too
            wait_until(lambda: agent.admin("/healthz")[0] == 200, 30, lambda: str(agent.status()))
        if number % 100 == 99:
            wait_until(lambda: route("good")["waiting"] == 0, 60, lambda: str(agent.status()))
    wait_until(lambda: route("slow")["given_up"] > 0, 30, lambda: str(agent.status()))
    assert numbered.check(good.stored(), dict(enumerate(bodies))).problems() == []
    assert "given up at half of the spool" in agent.process.err
    if kind != "kafka":  # there is no broker to come back
        if heal is not None:
            heal()
        wait_until(lambda: route("slow")["waiting"] == 0, 120, lambda: str(route("slow")))
        wait_until(lambda: route("slow")["state"] == "ok", 60, lambda: str(route("slow")))

    def gaps():
        return [json.loads(line) for line in (agent.spool / "cursor" / "slow.gaps").read_text().splitlines()]

    def is_told():
        counted = route("slow")["given_up"]
        return (sum(gap["last"] - gap["first"] + 1 for gap in gaps()) == counted
                and agent.status()["spool"]["gap_records"] == counted
                and b'lineaged_route_dropped_total{route="slow",reason="given_up"} %d\n' % counted
                in agent.admin("/metrics")[1])
    wait_until(is_told, 30, lambda: "%s %s" % (gaps(), agent.status()))
    assert {(gap["route"], gap["why"]) for gap in gaps()} == {("slow", "on_lag: detach")}
    if kind == "kafka":
        assert agent.stop() == 0
        return
    gone = {seq for gap in gaps() for seq in range(gap["first"], gap["last"] + 1)}
    assert route("slow")["delivered"] >= len(bodies) - len(gone)
    arrived = {"http": bad.stored, "file": lambda: (workdir / "slow.jsonl").read_bytes().splitlines(),
               "store": lambda: []}[kind]()
    report = numbered.check(arrived, dict(enumerate(bodies)))
    assert report.order_breaks == [] and report.altered == [] and report.unexpected == []
    if kind != "store":
        assert report.unique >= len(bodies) - len(gone)
    assert agent.stop() == 0


def test_each_route_takes_what_it_is_for(runner, built, workdir, start_standin, wait_until):
    """`only` and `except` at every kind that is here: the rest is counted as skipped, and holds nothing up."""
    ends, others = start_standin(), start_standin()
    path = workdir / "some.jsonl"
    agent = Agent(runner, built("lineaged"), workdir / "agent", [
        http_route("ends", ends.url, only={"event_type": ["COMPLETE"]}),
        http_route("others", others.url, **{"except": {"job_regex": r"numbered\.[0-4]"}}),
        {"name": "some", "type": "file", "path": str(path), "only": {"job": ["numbered.3"], "job_prefix": ["numbered.9"]}},
        store_route(workdir / "agent" / "lineage.db", only={"source": ["journal"]})]).start()
    bodies = list(numbered.events(10, 40))
    assert set(post_all(agent, bodies)) == {201}
    wait_until(lambda: all(route["waiting"] == 0 for route in agent.status()["routes"]), 60,
               lambda: str(agent.status()["routes"]))
    by_run = {}
    for number, body in enumerate(bodies):
        by_run.setdefault(numbered.parse(body).run, {})[number] = body
    last = {number: body for number, body in enumerate(bodies) if number >= 390}
    assert numbered.check(ends.stored(), last).problems() == []
    high = {number: body for run in range(5, 10) for number, body in by_run[run].items()}
    assert numbered.check(others.stored(), high).problems() == []
    assert numbered.check(path.read_bytes().splitlines(), {**by_run[3], **by_run[9]}).problems() == []
    skipped = {route["name"]: route["skipped"] for route in agent.status()["routes"]}
    assert skipped == {"ends": 390, "others": 200, "some": 320, "local": 400}
    assert agent.stop() == 0


def test_rate_holds_one_route_back(runner, built, workdir, start_standin, wait_until):
    """A route with a rate sends no more than that; what waits for it is in the spool, and the others have all."""
    slow, fast = start_standin(), start_standin()
    agent = Agent(runner, built("lineaged"), workdir / "agent", [
        http_route("slow", slow.url, rate={"events": 20}), http_route("fast", fast.url)]).start()
    began = time.monotonic()
    bodies = list(numbered.events(20, 5))
    assert set(post_all(agent, bodies)) == {201}
    wait_until(lambda: fast.stats()["stored"] == 100, 60, lambda: str(fast.stats()))
    wait_until(lambda: slow.stats()["stored"] == 100, 60, lambda: str(slow.stats()))
    # Never faster than its rate, whatever else this machine does; a tenth of a second's worth goes at once.
    assert time.monotonic() - began >= (100 - 2 - 1) / 20
    assert numbered.check(slow.stored(), dict(enumerate(bodies))).problems() == []
    assert agent.stop() == 0


def test_slow_costs_nobody_else(runner, built, workdir, start_standin, wait_until):
    """Beside a destination that takes 50 events a second an instant one has everything while that one is far from
    half of it (tests/bench/bench_isolation.c has the figures)."""
    fast, slow = start_standin(), start_standin()
    slow.script({"answer": "marquez", "delay_ms": 20})
    path = workdir / "lines.jsonl"
    agent = Agent(runner, built("lineaged"), workdir / "agent", [
        http_route("slow", slow.url, max_in_flight=1), http_route("fast", fast.url),
        {"name": "lines", "type": "file", "path": str(path)}]).start()
    bodies = list(numbered.events(100, 20))
    events_of_run = {}
    for body in bodies:
        events_of_run.setdefault(numbered.parse(body).run, []).append(body)
    senders = Senders(agent, events_of_run, connections=4)

    def all_but_slow():
        waiting = {each["name"]: each["waiting"] for each in agent.status()["routes"]}
        return senders.count() == len(bodies) and waiting["fast"] == 0 and waiting["lines"] == 0
    wait_until(all_but_slow, 120, lambda: str(agent.status()["routes"]), interval=0.02)
    assert slow.stats()["stored"] < len(bodies) / 2
    senders.join(10)
    assert numbered.check(fast.stored(), dict(enumerate(bodies))).problems() == []
    assert numbered.check(path.read_bytes().splitlines(), dict(enumerate(bodies))).problems() == []
    assert agent.stop(timeout=90) in (0, 4)
