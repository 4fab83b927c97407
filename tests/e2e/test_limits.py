# SPDX-License-Identifier: Apache-2.0
"""lineaged where descriptors and senders' patience run out: it does not spin, goes on serving others, recovers."""
import os
import re
import socket
import time

import numbered
import procs
from agent_process import Agent, http_route, store_route

HEAD = b"POST /api/v1/lineage HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
SLOW = [b"",  # nothing at all
        HEAD[:40],  # half a header
        HEAD + b"Content-Length: 900000\r\n\r\n" + b"{" * 60000,  # half a body
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\n{{{{{\r\n"]


def cpu_seconds(pid):
    with open("/proc/%d/stat" % pid, encoding="ascii") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_mib(pid):
    with open("/proc/%d/status" % pid, encoding="ascii") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmRSS"))


def slow_senders(agent, count, kinds):
    links = []
    for n in range(count):
        link = socket.create_connection(("127.0.0.1", agent.port), timeout=30)
        link.setblocking(False)
        try:
            link.send(kinds[n % len(kinds)])
        except BlockingIOError:
            pass  # it is slow, after all
        links.append(link)
    return links


def check_crowd(agent, count, wait_until, kinds):
    """Every place on TCP is taken: no CPU is burnt, the other sockets answer, and so does TCP once they ended."""
    links = slow_senders(agent, count, kinds)
    pid = agent.process.pid
    assert agent.admin("/healthz")[0] == 200
    before, begin = cpu_seconds(pid), time.monotonic()
    time.sleep(1.5)
    burnt = (cpu_seconds(pid) - before) / (time.monotonic() - begin)
    assert burnt < 0.3, "%.2f of a processor while nothing happens" % burnt
    assert agent.admin("/healthz")[0] == 200
    for link in links:
        link.close()
    begin = time.monotonic()
    for body in numbered.events(3, 2, seed="after"):
        assert agent.post(body)[0] == 201
    print("%d senders, %d places: TCP answers %.1f s after they ended" % (count, places(agent), time.monotonic() - begin))
    wait_until(lambda: all(r["waiting"] == 0 for r in agent.status()["routes"]), 30,
               lambda: str(agent.status()))


def places(agent):
    """On TCP, as the agent told at its start; 1024 unless descriptors are few."""
    told = re.search(r"'127\.0\.0\.1:\d+': at most (\d+) connections", agent.process.err)
    return int(told.group(1)) if told else 1024


def test_out_of_descriptors(runner, built, workdir, standin, wait_until):
    for limit in (48, 64, 256):
        agent = Agent(runner, built("lineaged"), workdir / str(limit),
                      [http_route("marquez", standin.url), store_route(workdir / str(limit) / "lineage.db")],
                      wrap=["prlimit", "--nofile=%d:%d" % (limit, limit)]).start()
        assert "for want of descriptors" in agent.process.err
        check_crowd(agent, 300, wait_until, SLOW[:1])
        assert agent.stop() == 0


def limited(runner, built, workdir, standin, limit):
    agent = Agent(runner, built("lineaged"), workdir / "agent", [http_route("marquez", standin.url)],
                  wrap=["prlimit", "--nofile=%d:%d" % (limit, limit)])
    return agent.start()


def test_senders_that_died_before_they_were_accepted(runner, built, workdir, standin, wait_until):
    """The end of each is seen, though it came with its last bytes: nobody waits for the idle timeout of a minute.

    A post gives up after 30 s, and ten times as many as there are places have died in front of it."""
    agent = limited(runner, built, workdir, standin, 64)
    assert places(agent) < 30
    check_crowd(agent, 10 * places(agent), wait_until, SLOW)
    assert agent.stop() == 0


def test_senders_that_live_and_say_nothing(runner, built, workdir, standin):
    """They keep every place, as they are alive; when others wait, only for a few seconds without a byte."""
    agent = limited(runner, built, workdir, standin, 64)
    for kind in SLOW:
        links = slow_senders(agent, places(agent), [kind])
        begin = time.monotonic()
        assert agent.post(numbered.event(0, 0, 0, seed=str(len(kind))))[0] == 201
        print("%d senders of %d bytes: answered after %.1f s" % (len(links), len(kind), time.monotonic() - begin))
        assert time.monotonic() - begin < 25, "as long as if nobody was hurried"
        for link in links:
            link.close()
    assert agent.stop() == 0


def test_many_slow_senders(runner, built, workdir, standin, wait_until):
    """Fewer than may connect: others are served beside them, and memory is what 60 kB each take, not more."""
    agent = Agent(runner, built("lineaged"), workdir / "agent", [http_route("marquez", standin.url)]).start()
    pid = agent.process.pid
    before = resident_mib(pid)
    links = slow_senders(agent, 800, SLOW)
    for body in numbered.events(5, 4):
        assert agent.post(body)[0] == 201
    print("resident: %.1f MiB, with 800 slow senders %.1f MiB" % (before, resident_mib(pid)))
    if not procs.sanitizers():  # whose own memory, several times ours, is counted too
        assert resident_mib(pid) < before + 100
    for link in links:
        link.close()
    check_crowd(agent, 10, wait_until, SLOW[:1])
    assert agent.stop() == 0
