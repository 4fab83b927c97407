# SPDX-License-Identifier: Apache-2.0
"""The agent sleeps when there is nothing to do."""
import os
import socket
import time

from agent_process import Agent, http_route


def test_no_spin_when_a_slow_sender_has_left(runner, built, workdir, standin, wait_until):
    """Once nobody is connected the door sleeps, also if the last one left in the middle of a request."""
    agent = Agent(runner, built("lineaged"), workdir / "agent", [http_route("sink", standin.url)]).start()

    def processor_ms():
        with open("/proc/%d/stat" % agent.process.pid, encoding="ascii") as stat:
            words = stat.read().rpartition(")")[2].split()
        return (int(words[11]) + int(words[12])) * 1000 // os.sysconf("SC_CLK_TCK")

    for _ in range(2):
        with socket.create_connection(("127.0.0.1", agent.port)) as link:
            link.sendall(b"POST /api/v1/lineage HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                         b"Content-Length: 9\r\n\r\n")
            time.sleep(1.7)  # across a look at who is slow, and not at the moment of one
        wait_until(lambda: agent.status()["intake"]["http"]["connections"] == 0, 30)
        before = processor_ms()
        time.sleep(1)
        assert processor_ms() - before < 100
    assert agent.stop() == 0
