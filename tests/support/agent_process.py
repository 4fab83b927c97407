# SPDX-License-Identifier: Apache-2.0
"""A lineaged under test: its own places, its own door on TCP, killed and started again at will."""
import http.client
import json
import os
import pathlib
import socket
import threading

import procs


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout=30):
        super().__init__("lineaged", timeout=timeout)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def http_route(name, url, **more):
    return {"name": name, "type": "http", "url": url, "retry_max": "1s", **more}


def store_route(path, **more):
    return {"name": "local", "type": "store", "path": str(path), "raw_events": True, **more}


class Agent:
    """start(), kill() and stop() as often as wanted; configuration and places stay."""

    def __init__(self, runner, program, directory, routes, spool=None, intake=None, more="", wrap=(), http=None,
                 rules=None):
        self.runner, self.program, self.wrap = runner, program, list(wrap)
        self.home = pathlib.Path(directory)
        self.home.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.url = "http://127.0.0.1:%d" % self.port
        self.journal = self.home / "journal"
        self.spool = self.home / "spool"
        self.socket = self.home / "lineaged.sock"
        self.admin_socket = self.home / "lineaged-admin.sock"
        self.max_in_flight = 16
        self.process = None
        config = {"intake": {"http": {"listen": ["unix:%s" % self.socket, "127.0.0.1:%d" % self.port],
                                      **(http or {})},
                             "journal": {"directories": [str(self.journal)], **(intake or {})}},
                  "spool": {"directory": str(self.spool), "max_bytes": "256MiB", **(spool or {})},
                  "drain": "10s", "routes": routes, **({"rules": rules} if rules else {})}
        self.config = self.home / "lineaged.yaml"
        # JSON is YAML; settings that differ go in as text.
        self.config.write_text(json.dumps(config, indent=1) + "\n" + more)

    def argv(self, *more):
        return [*self.wrap, str(self.program), "--config", str(self.config), *more]

    def launch(self, env=None):
        """Start it without waiting for it to answer."""
        self.process = self.runner.start(*self.argv(), name="lineaged", env=env)

    def start(self, env=None):
        self.launch(env)

        def ready():
            if not self.process.is_running():
                raise AssertionError("lineaged ended: %s" % self.process.err[-2000:])
            try:
                return self.admin("/healthz")[0] in (200, 503)
            except OSError:
                return False
        procs.wait_until(ready, 30, lambda: "lineaged answers; " + self.process.err[-2000:])
        return self

    def kill(self):
        return self.process.kill()

    def stop(self, timeout=60):
        return self.process.stop(timeout)

    def once(self, *more, timeout=120):
        """One run of `lineaged --once`; the ended process."""
        return self.runner.run(*self.argv("--once", *more), name="once", timeout=timeout)

    def admin(self, target, timeout=30):
        """GET over the admin socket: (status, body)."""
        link = _UnixConnection(self.admin_socket, timeout)
        try:
            link.request("GET", target)
            answer = link.getresponse()
            return answer.status, answer.read()
        finally:
            link.close()

    def status(self):
        code, body = self.admin("/status")
        assert code == 200, body
        return json.loads(body)

    def post(self, body, headers=None, path="/api/v1/lineage"):
        """One POST on a connection of its own: (status, headers, body)."""
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            link.request("POST", path, body, {"Content-Type": "application/json", **(headers or {})})
            answer = link.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            link.close()

    def post_socket(self, body, path="/api/v1/lineage"):
        """One POST over the unix socket, which tells whose it is: (status, body)."""
        link = _UnixConnection(self.socket)
        try:
            link.request("POST", path, body, {"Content-Type": "application/json"})
            answer = link.getresponse()
            return answer.status, answer.read()
        finally:
            link.close()

    def environment(self):
        """For programs whose lineage goes to this agent."""
        clean = {key: None for key in os.environ if key.startswith("OPENLINEAGE")}
        return {**{key: "" for key in clean},
                "OPENLINEAGE__TRANSPORT__TYPE": "journal",
                "OPENLINEAGE__TRANSPORT__DIRECTORY": str(self.journal),
                "LINEAGED_SOCKET": str(self.socket),
                "XDG_STATE_HOME": str(self.home / "state"),
                "XDG_CONFIG_HOME": str(self.home / "config"),
                "XDG_RUNTIME_DIR": str(self.home),
                "HOME": str(self.home)}


class Senders:
    """Post numbered events from several connections, each run over one of them, in order; on any trouble the
    same event again until it is acknowledged, as a patient client does."""

    def __init__(self, agent, events_of_run, connections=8):
        self.agent, self.stopping = agent, threading.Event()
        self.lock = threading.Lock()
        self.acknowledged, self.refused, self.retries = [], [], 0
        shares = [[] for _ in range(connections)]
        for run, bodies in sorted(events_of_run.items()):
            shares[run % connections].append(bodies)
        self.threads = [threading.Thread(target=self._work, args=(share,), daemon=True)
                        for share in shares]
        for thread in self.threads:
            thread.start()

    def _work(self, share):
        link = None
        for bodies in share:
            for body in bodies:
                while not self.stopping.is_set():
                    try:
                        if link is None:
                            link = http.client.HTTPConnection("127.0.0.1", self.agent.port, timeout=60)
                        link.request("POST", "/api/v1/lineage", body,
                                     {"Content-Type": "application/json"})
                        answer = link.getresponse()
                        answer.read()
                    except (OSError, http.client.HTTPException):
                        link = None
                        with self.lock:
                            self.retries += 1
                        self.stopping.wait(0.05)
                        continue
                    with self.lock:
                        if answer.status == 201:
                            self.acknowledged.append(body)
                            break
                        self.refused.append(answer.status)
                    if answer.status < 500:
                        break
                    self.stopping.wait(0.05)

    def count(self):
        with self.lock:
            return len(self.acknowledged)

    def join(self, timeout):
        for thread in self.threads:
            thread.join(timeout)
            assert not thread.is_alive(), "senders still wait; %d acknowledged" % self.count()

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join(70)
