# SPDX-License-Identifier: Apache-2.0
"""lineaged as a program: usage and settings, start and stop, --once and its lock, the sockets, what it keeps."""
import json
import os
import socket
import stat

import numbered
from agent_process import Agent, http_route, store_route


def only_store(runner, built, workdir, **more):
    return Agent(runner, built("lineaged"), workdir / "agent",
                 [store_route(workdir / "agent" / "lineage.db")], **more)


def test_usage_and_settings(runner, built, workdir):
    """2, a message that names file, line and key, and nothing made."""
    program = built("lineaged")
    for argv in (["--nonsense"], ["extra"], ["--route", "x"], ["--check", "--once"],
                 ["--config", workdir / "absent.yaml"], ["--config"]):
        assert runner.run(program, *argv).status == 2, argv
    bad = workdir / "bad.yaml"
    bad.write_text("spool:\n  directory: %s\n  max_byte: 1GiB\n" % (workdir / "spool"))
    for argv in ([], ["--once"], ["--check"], ["--print-config"]):
        done = runner.run(program, "--config", bad, *argv)
        assert done.status == 2
        assert "%s:3: " % bad in done.err and "max_byte" in done.err
    assert not (workdir / "spool").exists()
    agent = only_store(runner, built, workdir)
    assert runner.run(*agent.argv("--check")).status == 0
    assert runner.run(*agent.argv("--once", "--route", "nowhere")).status == 2
    assert sorted(os.listdir(agent.home)) == ["lineaged.yaml"]


def test_printed_settings_are_read_back(runner, built, workdir):
    agent = only_store(runner, built, workdir)
    first = runner.run(*agent.argv("--print-config"))
    assert first.status == 0
    agent.config.write_text(first.out)
    assert runner.run(*agent.argv("--print-config")).out == first.out


def test_starts_takes_and_stops(runner, built, workdir, wait_until):
    agent = only_store(runner, built, workdir).start()
    bodies = list(numbered.events(2, 3))
    for body in bodies:
        status, headers, answer = agent.post(body)
        assert (status, headers["Content-Length"], answer) == (201, "0", b"")
    wait_until(lambda: agent.status()["routes"][0]["waiting"] == 0, 30, lambda: str(agent.status()))
    code, runs = agent.admin("/v1/runs")
    assert code == 200 and len(json.loads(runs)["runs"]) == 2
    for path in (agent.socket, agent.admin_socket):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(agent.spool.stat().st_mode) == 0o700
    assert b"lineaged_events_accepted_total 6\n" in agent.admin("/metrics")[1]
    assert agent.stop() == 0
    assert not agent.socket.exists() and not agent.admin_socket.exists()
    agent.start()
    assert agent.post(bodies[0])[0] == 201  # a retry across the restart
    assert agent.status()["intake"]["http"]["duplicates"] == 1
    assert agent.stop() == 0


def test_survives_its_own_death(runner, built, workdir, wait_until):
    """kill -9 leaves socket files and a lock file behind; the next start is not hindered."""
    agent = only_store(runner, built, workdir).start()
    for body in numbered.events(1, 5):
        assert agent.post(body)[0] == 201
    agent.kill()
    assert agent.socket.exists()
    agent.start()
    wait_until(lambda: agent.status()["routes"][0]["waiting"] == 0, 30, lambda: str(agent.status()))
    code, runs = agent.admin("/v1/runs")
    assert code == 200 and json.loads(runs)["runs"][0]["events"] == 5
    assert agent.stop() == 0


def test_second_agent_is_told(runner, built, workdir):
    agent = only_store(runner, built, workdir).start()
    second = runner.run(*agent.argv(), timeout=60)
    assert second.status == 1
    assert str(agent.spool) in second.err
    assert agent.post(next(iter(numbered.events(1, 1))))[0] == 201
    assert agent.stop() == 0


def test_once(runner, built, workdir, standin):
    """0 when all is delivered, 4 when something still waits, and nothing is lost meanwhile."""
    agent = Agent(runner, built("lineaged"), workdir / "agent", [
        http_route("marquez", standin.url), store_route(workdir / "agent" / "lineage.db")])
    assert agent.once().status == 0
    standin.down()
    agent.start()
    bodies = list(numbered.events(1, 3))
    for body in bodies:
        assert agent.post(body)[0] == 201
    agent.kill()
    assert agent.once("--route", "local").status == 0
    assert agent.once("--route", "store").status == 0
    waits = agent.once()
    assert waits.status == 4 and "marquez" in waits.err
    standin.up()
    assert agent.once().status == 0
    assert [json.loads(body) for body in standin.stored()] == [json.loads(body) for body in bodies]


def test_once_waits_for_the_lock(runner, built, workdir, wait_until):
    agent = only_store(runner, built, workdir).start()
    waiting = runner.start(*agent.argv("--once"), name="waiting")
    assert waiting.is_running()
    assert agent.stop() == 0
    wait_until(lambda: not waiting.is_running(), 30, "the second one took its turn")
    assert waiting.wait() == 0, waiting.err


def test_ready_is_told(runner, built, workdir):
    """READY=1 to NOTIFY_SOCKET, as systemd wants it, and not before the sockets answer."""
    notify = workdir / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(notify))
        listener.settimeout(30)
        agent = only_store(runner, built, workdir)
        agent.start(env={"NOTIFY_SOCKET": str(notify)})
        assert listener.recv(100) == b"READY=1"
        assert agent.admin("/healthz")[0] == 200
        assert agent.stop() == 0
        assert listener.recv(100) == b"STOPPING=1"
