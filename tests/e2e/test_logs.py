# SPDX-License-Identifier: Apache-2.0
"""The agent's log: text or one JSON object a line, bounded whatever comes, with no secret in it, each change of a
route said once with since when and why."""
import json
import re
import socket

import numbered
import procs
from agent_process import Agent, http_route, store_route

SECRET = "hunter2-in-the-event"


def with_log(agent, **log):
    config = json.loads(agent.config.read_text())
    config["log"] = log
    agent.config.write_text(json.dumps(config))
    return agent


def lines(agent):
    """The log as objects; every line is one, with the same keys and a time in UTC with milliseconds."""
    found = []
    for line in agent.process.err.splitlines():
        entry = json.loads(line)
        assert {"time", "level", "area", "message"} <= set(entry) <= {"time", "level", "area", "message", "suppressed"}
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", entry["time"]), entry
        assert entry["level"] in ("error", "warning", "info", "debug")
        found.append(entry)
    return found


def flood(agent, request, count):
    """So many requests down a few connections, pipelined; each is answered."""
    link = socket.create_connection(("127.0.0.1", agent.port), timeout=60)
    left, answered = count, 0
    while answered < count:
        part = min(left, 500)
        link.sendall(request * part)
        left -= part
        seen = b""
        while seen.count(b"HTTP/1.1 4") < part:
            more = link.recv(1 << 20)
            assert more, "cut after %d" % (answered + seen.count(b"HTTP/1.1 4"))
            seen += more
        answered += part
    link.close()


def test_a_flood_is_bounded(runner, built, workdir):
    """100,000 bad requests: a few lines, and the count of what was not said; nothing of what they held."""
    agent = with_log(Agent(runner, built("lineaged"), workdir / "agent",
                           [store_route(workdir / "agent" / "lineage.db")]), format="json").start()
    body = json.dumps({"eventTime": SECRET, "producer": SECRET, "password": SECRET, "run": {"runId": 7},
                       "job": {"namespace": SECRET, "name": SECRET}}).encode()
    head = ("POST /api/v1/lineage HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            "Authorization: Bearer %s\r\nContent-Length: %d\r\n\r\n" % (SECRET, len(body))).encode()
    many = 100000 if not procs.sanitizers() else 5000
    flood(agent, head + body, many)
    flood(agent, b"POST /nowhere/%s HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n" % SECRET.encode(), 1000)
    assert agent.post(b"[{}, 3]", path="/api/v1/lineage/batch")[0] == 200
    assert agent.status()["intake"]["http"]["refused_invalid"] == many
    assert agent.stop() == 0
    said = [line for line in lines(agent) if "refused" in line["message"]]
    assert 3 <= len(said) < 60, len(said)
    assert any("/run/runId" in line["message"] for line in said), said[:3]
    told = sum(line.get("suppressed", 0) for line in said) + \
        len([line for line in said if not line["message"].startswith("more of: ")])
    assert told == many + 1000 + 1, "each is said or counted"
    assert SECRET not in agent.process.err
    assert len(agent.process.err) < 60000


def test_text(runner, built, workdir, standin, wait_until):
    """A route's changes: each once, why, how long it lasted, what waits; no key of ours in the log."""
    key = workdir / "key"
    key.write_text(SECRET)
    agent = Agent(runner, built("lineaged"), workdir / "agent",
                  [http_route("marquez", standin.url, api_key_file=str(key))]).start()

    def state():
        return agent.status()["routes"][0]["state"]
    for change, answer, named in ((1, 401, "held"), (2, "500html", "circuit_open")):
        standin.script({"answer": answer})
        for run in range(6):
            assert agent.post(numbered.event(run, run, 0, seed=str(change)))[0] == 201
        wait_until(lambda: state() == named, 30, lambda: str(agent.status()))
        standin.script(replace=True)
        key.write_text(SECRET + str(change))  # read again at once: a held route probes
        wait_until(lambda: state() == "ok", 60, lambda: str(agent.status()))
    assert agent.stop() == 0
    told = [line for line in agent.process.err.splitlines() if ": route marquez: " in line]
    assert len([line for line in told if re.search(r"error: .*: held: status 401; \d+ wait$", line)]) == 1, told
    assert len([line for line in told if re.search(r"warning: .*: circuit_open: status 500; \d+ wait$", line)]) == 1
    assert len([line for line in told if re.search(r"info: .* again, after \d+ s of (held|circuit_open); ", line)]) == 2
    assert SECRET not in agent.process.err


def test_level(runner, built, workdir):
    for level, some in (("error", False), ("info", True)):
        agent = with_log(Agent(runner, built("lineaged"), workdir / level,
                               [store_route(workdir / level / "lineage.db")]), level=level).start()
        assert agent.stop() == 0
        assert bool(agent.process.err) == some, agent.process.err
