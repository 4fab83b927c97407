# SPDX-License-Identifier: Apache-2.0
"""Answers of a service from end to end: recorded by the thousand, each in store and file and found by its id, one
summary of a window on a route to Marquez; and what a kill -9 may cost there: a summary sent twice, the same."""
import json
import time

import pytest

from agent_process import Agent, http_route

RUN = "01941f29-7c00-7837-a31d-d79a7fb36a01"


def agent_with(runner, built, workdir, standin, window, more=()):
    return Agent(runner, built("lineaged"), workdir / "agent",
                 [http_route("marquez", standin.url, profile="marquez", answer_window=window),
                  {"name": "local", "type": "store", "path": str(workdir / "agent" / "lineage.db")},
                  {"name": "out", "type": "file", "path": str(workdir / "out.jsonl")}, *more])


def serve(runner, built, agent, answers, *more):
    done = runner.run(built("serve_many"), "--directory", agent.journal, "--run-id", RUN, "--answers", answers, *more,
                      timeout=300)
    assert done.status == 0, done.err
    return int(done.out) / 1000


def kinds(standin):
    """What the stand-in stored, in order: (eventType, the facet of a summary or None, the body)."""
    found = []
    for body in standin.stored():
        event = json.loads(body)
        facets = event["run"].get("facets", {})
        assert "lineaged_answer" not in facets, "an answer of its own"
        found.append((event["eventType"], facets.get("lineaged_answers"), body))
    return found


def check_many(runner, built, workdir, standin, wait_until, answers):
    agent = agent_with(runner, built, workdir, standin, "60s").start()
    begin = time.time()
    seconds = serve(runner, built, agent, answers)
    lineage = str(built("lineage"))

    def arrived():
        status = agent.status()["routes"]
        return all(route["waiting"] == 0 and route.get("answers_waiting", 0) == 0 for route in status) and \
            status[0]["answers_summed"] == answers
    wait_until(arrived, 240, lambda: agent.admin("/status")[1].decode())
    windows = int(time.time() // 60) - int(begin // 60) + 1
    stored = kinds(standin)
    assert [kind for kind, _, _ in stored[:1] + stored[-1:]] == ["START", "COMPLETE"]
    summaries = [facet for _, facet, _ in stored[1:-1]]
    assert 1 <= len(summaries) <= windows and None not in summaries, stored
    assert len({facet["window"] for facet in summaries}) == len(summaries)
    assert sum(facet["count"] for facet in summaries) == answers
    assert sum(facet["refused"] for facet in summaries) == answers // 10
    assert sum(facet["cache_hits"] for facet in summaries) == answers // 4
    assert sum(facet["input_tokens"] for facet in summaries) == 10 * answers
    assert sum(facet["costs"][0]["cost"] for facet in summaries) == pytest.approx(answers / 4)
    assert all(facet["models"] == [{"name": "m@41", "count": facet["count"]}] for facet in summaries)
    lines = (workdir / "out.jsonl").read_bytes().splitlines()
    assert len(lines) == answers + 2
    ids = {json.loads(line)["run"]["facets"]["lineaged_answer"]["request_id"]
           for line in lines if b'"lineaged_answer"' in line}
    assert len(ids) == answers
    begin = time.monotonic()
    for number in range(0, answers, answers // 10):
        for asked in ("req-%d" % number, "prov-%d" % number):
            done = runner.run(lineage, "show", "--json", "--request", asked, env=agent.environment())
            assert done.status == 0, done.err
            (found,) = json.loads(done.out)["answers"]
            assert found["answer"]["request_id"] == "req-%d" % number and found["run"]["run_id"] == RUN
            assert found["ids"]["model_version"] == "m@41"
    took = (time.monotonic() - begin) / 20
    done = runner.run(lineage, "runs", "--json", "req-1", env=agent.environment())
    assert [run["run_id"] for run in json.loads(done.out)["runs"]] == [RUN]
    done = runner.run(lineage, "show", "req-1", env=agent.environment())
    assert done.status == 0 and "req-1" in done.out and "support (service)" in done.out, done.out
    assert runner.run(lineage, "show", "--request", "req-%d" % answers, env=agent.environment()).status == 3
    print("%d answers in %.2f s (%.0f a second); %d summaries; one found in %.0f ms" % (
        answers, seconds, answers / seconds, len(summaries), took * 1e3))
    assert agent.stop() == 0
    return seconds, took


def test_ten_thousand_answers(runner, built, workdir, standin, wait_until):
    seconds, took = check_many(runner, built, workdir, standin, wait_until, 10000)
    assert seconds < 10 and took < 2


@pytest.mark.slow
def test_a_hundred_thousand_answers(runner, built, workdir, standin, wait_until):
    seconds, took = check_many(runner, built, workdir, standin, wait_until, 100000)
    assert seconds < 60 and took < 2


def check_counts(standin, answers):
    """Each answer in one summary; what came twice is the same, byte for byte. Order: START, then COMPLETE at the end."""
    stored = kinds(standin)
    by_window = {}
    for _, facet, body in stored:
        if facet is not None:
            by_window.setdefault(facet["window"], set()).add(body)
    assert all(len(bodies) == 1 for bodies in by_window.values()), by_window
    assert sum(json.loads(min(bodies))["run"]["facets"]["lineaged_answers"]["count"]
               for bodies in by_window.values()) == answers
    types = [kind for kind, _, _ in stored]
    assert types[0] == "START" and types[-1] == "COMPLETE"
    first_end = types.index("COMPLETE")
    assert all(kind in ("COMPLETE",) for kind in types[first_end:]) or \
        len(by_window) == len({facet["window"] for _, facet, _ in stored[:first_end] if facet}), "a summary after the end"


@pytest.mark.parametrize("point", ["deliver.summed:1", "deliver.summed:2", "deliver.sent:2", "deliver.answered:2",
                                   "deliver.done:2", "deliver.answered:3"])
def test_killed_at_named_points(runner, built, workdir, standin, wait_until, point):
    """The agent dies around the file of sums, around a summary's answer, and around its end."""
    agent = agent_with(runner, built, workdir, standin, "1s")
    agent.launch({"LINEAGED_CRASH": point})
    wait_until(lambda: not agent.process.is_running() or agent.journal.exists(), 30, "it follows the journal")
    serve(runner, built, agent, 2000, "--threads", 1, "--pause-us", 500)
    wait_until(lambda: not agent.process.is_running(), 60, lambda: "killed at %s" % point)
    agent.start()
    wait_until(lambda: any(kind == "COMPLETE" for kind, _, _ in kinds(standin)) and
               agent.status()["routes"][0]["waiting"] == 0 and agent.status()["routes"][0]["answers_waiting"] == 0,
               60, lambda: agent.admin("/status")[1].decode())
    check_counts(standin, 2000)
    assert agent.stop() == 0


def check_killed_often(runner, built, workdir, standin, wait_until, kills, answers):
    agent = agent_with(runner, built, workdir, standin, "1s").start()
    service = runner.start(built("serve_many"), "--directory", agent.journal, "--run-id", RUN, "--answers", answers,
                           "--threads", 4, "--pause-us", 2000, name="service")
    for kill in range(kills):
        seen = standin.stats()["posts"]
        wait_until(lambda seen=seen: standin.stats()["posts"] > seen or not service.is_running(), 60, "something arrives")
        if kill == kills // 2:
            standin.down()
        agent.kill()
        agent.start()
        standin.up()
    assert service.wait(300) == 0, service.err
    wait_until(lambda: any(kind == "COMPLETE" for kind, _, _ in kinds(standin)) and
               agent.status()["routes"][0]["answers_waiting"] == 0, 60, lambda: agent.admin("/status")[1].decode())
    check_counts(standin, answers)
    print("%d kills, %d posts" % (kills, standin.stats()["posts"]))
    assert agent.stop() == 0


def test_killed_while_it_serves(runner, built, workdir, standin, wait_until):
    check_killed_often(runner, built, workdir, standin, wait_until, 3, 8000)


@pytest.mark.slow
def test_killed_twenty_times(runner, built, workdir, standin, wait_until):
    check_killed_often(runner, built, workdir, standin, wait_until, 20, 40000)


def test_a_service_that_is_refused(runner, built, workdir, standin, wait_until):
    """Marquez is away for some windows: they wait, each goes once, in order, and the route says what waits."""
    agent = agent_with(runner, built, workdir, standin, "1s").start()
    serve(runner, built, agent, 10, "--no-end")
    wait_until(lambda: len(kinds(standin)) == 2, 60, "START and a summary")
    standin.down()
    for first in (10, 20, 30):
        serve(runner, built, agent, 10, "--no-start", "--no-end", "--first", first)
        time.sleep(1.1)  # a window of its own
    wait_until(lambda: agent.status()["routes"][0]["answers_waiting"] == 30, 30,
               lambda: agent.admin("/status")[1].decode())
    assert b'lineaged_route_answers_waiting{route="marquez"} 30' in agent.admin("/metrics")[1]
    done = runner.run(str(built("lineage")), "status", env=agent.environment())
    assert "answers of services to marquez: 10 summed up and delivered, 30 in summaries that are not" in done.out, done.out
    standin.up()
    serve(runner, built, agent, 0, "--no-start")
    wait_until(lambda: kinds(standin)[-1][0] == "COMPLETE", 60, lambda: agent.admin("/status")[1].decode())
    counts = [facet["count"] for _, facet, _ in kinds(standin) if facet]
    starts = [facet["window"].split("/")[0] for _, facet, _ in kinds(standin) if facet]
    assert sum(counts) == 40 and starts == sorted(starts)
    assert b'lineaged_route_answers_summed_total{route="marquez"} 40' in agent.admin("/metrics")[1]
    assert agent.stop() == 0
