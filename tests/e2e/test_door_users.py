# SPDX-License-Identifier: Apache-2.0
"""Who sent an event over the unix socket, from the kernel to the record and to who may ask; and in a user namespace,
where a stranger looks like uid 65534, which is nobody."""
import os
import pathlib
import shutil
import struct
import subprocess
import sys

import numbered
import pytest
from agent_process import Agent, store_route
from test_users import OTHER, TASK, as_user, need_root

UNKNOWN = 0xffffffff
SEND = """
import http.client, socket, sys
class Link(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(sys.argv[1])
link = Link("x", timeout=30)
link.request(sys.argv[2], sys.argv[3], sys.stdin.buffer.read() or None, {"Content-Type": "application/json"})
answer = link.getresponse()
print(answer.status)
print(answer.read().decode())
"""


@pytest.fixture
def folder(tmp_path_factory):
    """One that other users can enter, with a short name."""
    need_root()
    base = pathlib.Path("/tmp/lineaged-door-%d" % os.getpid())
    base.mkdir(mode=0o755)
    yield base
    shutil.rmtree(base)


def ask(uid, path, method, target, body=b""):
    python = "/usr/bin/python3" if os.path.exists("/usr/bin/python3") else sys.executable  # others may run that one
    done = subprocess.run([*(as_user(uid) if uid else []), python, "-c", SEND, str(path), method, target], input=body,
                          capture_output=True, timeout=60, check=False)
    status, _, text = done.stdout.decode().partition("\n")
    assert status, done.stderr.decode()
    return int(status), text


def sender_of(agent, body):
    """The uid in the record of `body` (spec/SPOOL.md: the last but one field of the 80 bytes before it)."""
    for path in agent.spool.iterdir():
        data = path.read_bytes() if path.is_file() else b""
        at = data.find(body)
        if at > 0:
            return struct.unpack_from("<I", data, at - 8)[0]
    raise AssertionError("not in the spool: %r" % body)


def start(runner, built, folder, wrap=()):
    agent = Agent(runner, built("lineaged"), folder, [store_route(folder / "lineage.db")], wrap=wrap,
                  http={"socket_mode": "0666", "socket_group": "0"})
    return agent.start()


def test_a_users_own_runs(runner, built, folder, wait_until):
    agent = start(runner, built, folder)
    bodies = {uid: numbered.event(uid, 0, 0, seed=str(uid)) for uid in (0, TASK, OTHER)}
    for uid, body in bodies.items():
        assert ask(uid, agent.socket, "POST", "/lineage", body)[0] == 201
        assert sender_of(agent, body) == uid
    assert oct(agent.socket.stat().st_mode & 0o7777) == "0o666"
    agent.admin_socket.chmod(0o666)  # only the system agent's is open to all
    runs = {uid: numbered.run_id(0, seed=str(uid)) for uid in bodies}
    wait_until(lambda: all(r["waiting"] == 0 for r in agent.status()["routes"]), 30, lambda: str(agent.status()))
    for asker, seen in ((0, {0, TASK, OTHER}), (TASK, {TASK}), (OTHER, {OTHER})):
        status, text = ask(asker, agent.admin_socket, "GET", "/v1/runs")
        assert status == 200
        assert {uid for uid, run in runs.items() if run in text} == seen
    assert agent.stop() == 0


def test_a_stranger_in_a_user_namespace(runner, built, folder):
    """The agent knows only root there; another user may send, and is nobody: not uid 65534, which could be asked as."""
    wrap = ["unshare", "-U", "-r"]
    if subprocess.run([*wrap, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("cannot make user namespaces here")
    agent = start(runner, built, folder, wrap)
    for uid, wanted in ((0, 0), (TASK, UNKNOWN), (65534, UNKNOWN)):
        body = numbered.event(uid, 0, 0, seed="namespace %d" % uid)
        assert ask(uid, agent.socket, "POST", "/lineage", body)[0] == 201
        assert sender_of(agent, body) == wanted
    agent.admin_socket.chmod(0o666)
    assert ask(0, agent.admin_socket, "GET", "/v1/runs")[0] == 200
    for uid in (TASK, 65534):
        assert ask(uid, agent.admin_socket, "GET", "/v1/runs")[0] == 403
    assert agent.stop() == 0
