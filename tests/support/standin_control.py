# SPDX-License-Identifier: Apache-2.0
"""Start a stand-in as its own process, steer it, and read back what a Marquez has kept."""
import base64
import http.client
import json
import os
import pathlib
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent


class Post:
    """One POST the stand-in saw: the dumped fields, with the body as bytes."""

    def __init__(self, line):
        self.__dict__.update(json.loads(line))
        self.body = base64.b64decode(self.body)

    def json(self):
        return json.loads(self.body)


class StandinProcess:
    """A stand-in in its own process; it ends with close() or with this process."""

    def __init__(self, directory, **options):
        directory = pathlib.Path(directory)
        directory.mkdir(parents=True, exist_ok=True)
        port_file = directory / "standin.port"
        port_file.unlink(missing_ok=True)
        argv = [sys.executable, str(HERE / "standin.py"), "--port-file", str(port_file),
                "--until-stdin-ends"]
        for name, value in options.items():
            argv += ["--" + name.replace("_", "-")] + ([] if value is True else [str(value)])
        self.log_path = directory / "standin.log"
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=log, stderr=log)
        deadline = time.monotonic() + 30
        while not port_file.exists():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.close()
                raise RuntimeError("stand-in did not start: " + self.log_path.read_text())
            time.sleep(0.01)
        self.port, self.control_port = (int(word) for word in port_file.read_text().split())
        self.url = "http%s://127.0.0.1:%d" % ("s" if "tls_cert" in options else "", self.port)
        self.lineage_url = self.url + options.get("path", "/api/v1/lineage")

    def close(self):
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def _control(self, method, verb, value=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.control_port, timeout=60)
        try:
            connection.request(method, "/_standin/" + verb,
                               None if value is None else json.dumps(value))
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
        if answer.status != 200:
            raise ValueError("stand-in: %s: %s" % (verb, body.decode()))
        return body

    def posts(self, since=0):
        """Every POST from number `since` on, in order of arrival."""
        return [Post(line) for line in self._control("GET", "events?since=%d" % since).splitlines()]

    def pages(self, size=5000):
        """Every POST, in order of arrival, some at a time: for more of them than memory holds twice."""
        since = 0
        while True:
            lines = self._control("GET", "events?since=%d&limit=%d" % (since, size)).splitlines()
            yield from map(Post, lines)
            since += len(lines)
            if len(lines) < size:
                return

    def stored(self):
        """The bodies the server would have kept, in order of arrival."""
        return [post.body for post in self.posts() if post.stored]

    def stats(self):
        return json.loads(self._control("GET", "stats"))

    def script(self, *rules, replace=False):
        """Add rules (dicts, see README.md); replace=True drops the old ones, also with none given."""
        self._control("POST", "script" + ("?mode=replace" if replace else ""), list(rules))

    def reset(self):
        """Forget POSTs and script; release what hangs."""
        self._control("POST", "reset")

    def release(self):
        """Cut the connections that a `hang` holds."""
        self._control("POST", "release")

    def down(self):
        """Refuse connections and cut the open ones, until up()."""
        self._control("POST", "listen", {"up": False})

    def up(self):
        self._control("POST", "listen", {"up": True})

    def cut(self):
        """Cut every open connection, as a restart of the server does."""
        self._control("POST", "cut")


class MarquezView:
    """What can be read back from a stand-in and from a live Marquez alike (env MARQUEZ_URL)."""
    PAGE = 100

    def __init__(self, url=None):
        self.url = (url or os.environ["MARQUEZ_URL"]).rstrip("/")

    def _get(self, path, **query):
        url = self.url + path + ("?" + urllib.parse.urlencode(query) if query else "")
        with urllib.request.urlopen(url, timeout=60) as answer:
            return json.load(answer)

    def events(self):
        """Every RunEvent, oldest eventTime first, parsed: a live server keeps no bytes."""
        offset = 0
        while True:
            page = self._get("/api/v1/events/lineage", limit=self.PAGE, offset=offset,
                             sortDirection="asc")["events"]
            yield from page
            if len(page) < self.PAGE:
                return
            offset += len(page)

    def events_of_run(self, run_id):
        return [event for event in self.events() if event["run"]["runId"] == run_id]

    def run_state(self, run_id):
        """NEW, RUNNING, COMPLETED, FAILED or ABORTED; None for an unknown run."""
        try:
            return self._get("/api/v1/jobs/runs/" + run_id)["state"]
        except urllib.error.HTTPError as bad:
            bad.close()
            if bad.code == 404:
                return None
            raise
