# SPDX-License-Identifier: Apache-2.0
"""A run that crosses process borders stays one tree: over HTTP into a service in C and into one in Python, through a
real Kafka broker, through a real Celery. The recipes are those of docs/context.md, read from the page."""
import http.server
import json
import os
import re
import subprocess
import textwrap
import threading
import uuid

import pytest

import procs
from agent_process import Agent, http_route, store_route

PAGE = (procs.REPO / "docs/context.md").read_text()
OTHER = "elsewhere/daemon/11111111-1111-7111-8111-111111111111"


def recipe(name):
    found = re.search(r"<!-- hop %s -->\n```\w+\n(.*?)```" % name, PAGE, re.S)
    assert found, "docs/context.md: no recipe '%s'" % name
    return found.group(1)


CALLED_WITH = {}
exec(recipe("environment"), CALLED_WITH)  # noqa: S102: the page's own text


class Hops:
    """A user's directory, environment and agent; the agent is started only afterwards."""

    def __init__(self, agent, built, directory):
        self.agent, self.files = agent, directory / "files"
        self.files.mkdir()
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("OPENLINEAGE", "LINEAGE", "BAGGAGE", "TRACE"))}
        self.env = {**clean, **{k: v for k, v in agent.environment().items() if v}, "OPENLINEAGE_NAMESPACE": "hops",
                    "PATH": "%s:%s" % (built("lineage").parent, clean["PATH"])}

    def begin(self):
        done = subprocess.run(["sh", "-c", 'eval "$(lineage begin --export --pipeline hops)" && env'], env=self.env,
                              cwd=self.files, text=True, capture_output=True, timeout=60, check=True)
        for line in done.stdout.splitlines():
            name, _, value = line.partition("=")
            if name.startswith(("LINEAGE_R", "OPENLINEAGE_P", "OPENLINEAGE_R")):
                self.env[name] = value

    def outside(self):
        """The environment of what is started elsewhere: it knows the agent, and no run of ours."""
        return {k: v for k, v in self.env.items() if not k.startswith(("LINEAGE_R", "OPENLINEAGE_P", "OPENLINEAGE_R"))}

    def __call__(self, *words, env=None, **more):
        done = subprocess.run([str(word) for word in words], env={**(self.env if env is None else env), **more},
                              cwd=self.files, text=True, capture_output=True, stdin=subprocess.DEVNULL, timeout=120,
                              check=False)
        assert done.returncode == 0, (words, done.returncode, done.stdout, done.stderr)
        return done.stdout


@pytest.fixture
def hops(runner, built, workdir, standin):
    agent = Agent(runner, built("lineaged"), workdir / "agent",
                  [http_route("marquez", standin.url, profile="marquez"), store_route(workdir / "agent/lineage.db")])
    return Hops(agent, built, workdir)


def check_tree(hops, standin, wait_until, chain):
    """`chain`: job names, each the parent of the next; the first is the root of all, in the stand-in and the store."""
    hops.agent.start()
    wait_until(lambda: standin.stats()["posts"] >= 2 * len(chain), 60, lambda: str(standin.stats()))
    events = [json.loads(body) for body in standin.stored()]
    assert len(events) == 2 * len(chain)
    runs = {event["job"]["name"]: event["run"]["runId"] for event in events}
    assert sorted(runs) == sorted(chain)
    above = dict(zip(chain[1:], chain))
    for event in events:
        name = event["job"]["name"]
        facets = event["run"]["facets"]
        assert event["eventType"] in ("START", "COMPLETE"), event
        if name == chain[0]:
            assert "parent" not in facets
            continue
        assert facets["parent"]["run"]["runId"] == runs[above[name]], (name, facets["parent"])
        assert facets["parent"]["job"] == {"namespace": "hops", "name": above[name]}
        assert facets["parent"]["root"]["run"]["runId"] == runs[chain[0]]
        assert facets["parent"]["root"]["job"] == {"namespace": "hops", "name": chain[0]}
        assert facets["lineaged_run"]["run_id"] == hops.env["LINEAGE_RUN_ID"]

    def ask(*words):
        return json.loads(hops("lineage", *words))
    wait_until(lambda: len(ask("runs", "--json")["runs"]) == len(chain) and
               {each["state"] for each in ask("runs", "--json")["runs"]} == {"COMPLETE"}, 30, "all runs in the store")
    for name in chain:
        shown = ask("show", "--json", runs[name])["runs"][0]
        assert shown.get("parent") == runs.get(above.get(name)), shown
        assert shown.get("root") == (None if name == chain[0] else runs[chain[0]])
        below = [child for child, parent in above.items() if parent == name]
        assert [child["job"]["name"] for child in shown["children"]] == below
    # the id that people have finds all of it
    found = {each["run_id"] for each in ask("runs", "--json", hops.env["LINEAGE_RUN_ID"])["runs"]}
    assert found == set(runs.values())


@pytest.mark.parametrize("caller", ["http-curl", "http-python"])
@pytest.mark.parametrize("service", ["c", "python"])
def test_over_http(hops, runner, built, standin, wait_until, caller, service):
    """The service was itself started within another run: the caller wins."""
    (hops.files / "question").write_text("?\n")
    hops.begin()
    daemon = {**hops.outside(), "OPENLINEAGE_PARENT_ID": OTHER, "OPENLINEAGE_ROOT_PARENT_ID": OTHER}
    server = None
    if service == "c":
        process = runner.start(built("hop_service"), hops.agent.journal, "serve", "answer", "lineage", "run", "--job",
                               "work", "-o", "answer", "--", "cp", "question", "answer", env=daemon, cwd=hops.files)
        port = wait_until(lambda: process.out.strip(), 30, lambda: process.err)
    else:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                env = {**CALLED_WITH["called_with"](self.headers), **{
                    k: v for k, v in daemon.items() if "PARENT" not in k}}
                hops("lineage", "run", "--job", "serve", "-o", "answer", "--", "lineage", "run", "--job", "work", "-o",
                     "answer", "--", "cp", "question", "answer", env=env)
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b"served\n")

            def log_message(self, *words):
                pass
        server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        port = server.server_port
    script = hops.files / "call"
    script.write_text(recipe(caller))
    program = "sh" if caller == "http-curl" else "/usr/bin/python3"
    hops("lineage", "run", "--step", "ask", "-i", "question", "--", program, script, URL="http://127.0.0.1:%s/" % port)
    if server is not None:
        server.shutdown()
        server.server_close()
    else:
        assert process.wait() == 0, process.err
    hops("lineage", "end")
    check_tree(hops, standin, wait_until, ["hops", "ask", "serve", "work"])


CONSUME = """
import json, os, subprocess, sys
%s
line = subprocess.run(["kcat", "-C", "-b", os.environ["BROKER"], "-t", os.environ["TOPIC"], "-o", "beginning", "-c", "1",
                       "-J"], capture_output=True, check=True).stdout
message = json.loads(line)
names = message["headers"][::2]
headers = dict(zip(names, message["headers"][1::2]))
open("request", "w").write(message["payload"])
subprocess.run(["lineage", "run", "--job", "consume", "-i", "kafka://%%s/%%s" %% (os.environ["BROKER"], os.environ["TOPIC"]),
                "-o", "request", "--", *sys.argv[1:]], env=called_with(headers), check=True)
"""

CELERY_CONFIG = """
broker_url = "filesystem://"
broker_transport_options = {"data_folder_in": %(q)r, "data_folder_out": %(q)r, "control_folder": %(c)r}
result_backend = "file://" + %(r)r
"""


def test_over_http_kafka_and_celery(hops, runner, built, standin, kafka, celery_python, wait_until):
    """One run through all three: a step asks a service in C, which puts a message; its consumer sends a task."""
    topic = "hops-%s" % uuid.uuid4().hex
    places = {key: str(hops.files / name) for key, name in (("q", "queue"), ("c", "control"), ("r", "results"))}
    for place in places.values():
        os.mkdir(place)
    (hops.files / "celeryconfig.py").write_text(CELERY_CONFIG % places)
    (hops.files / "hops.py").write_text(recipe("environment") + recipe("celery"))
    (hops.files / "send.py").write_text("from hops import send\nsend('request', 'scored').get(timeout=60)\n")
    (hops.files / "consume.py").write_text(CONSUME % recipe("environment"))
    (hops.files / "question").write_text("?\n")
    hops.begin()
    outside = {**hops.outside(), "BROKER": kafka.bootstrap, "TOPIC": topic, "PAYLOAD": "a question",
               "PYTHONPATH": str(hops.files)}
    worker = runner.start(celery_python, "-m", "celery", "-A", "hops", "worker", "-P", "solo", "-l", "INFO",
                          env={**outside, "OPENLINEAGE_PARENT_ID": OTHER}, cwd=hops.files, name="celery")
    service = runner.start(built("hop_service"), hops.agent.journal, "serve", "kafka://%s/%s" % (kafka.bootstrap, topic),
                           "sh", "-c", recipe("kafka-produce"), env=outside, cwd=hops.files)
    port = wait_until(lambda: service.out.strip(), 30, lambda: service.err)
    hops("lineage", "run", "--step", "ask", "-i", "question", "--", "sh", "-c", recipe("http-curl"),
         URL="http://127.0.0.1:%s/" % port)
    assert service.wait() == 0, service.err
    wait_until(lambda: "ready." in worker.err, 60, lambda: worker.err[-2000:])
    hops("/usr/bin/python3", "consume.py", celery_python, "send.py", env=outside)
    assert (hops.files / "scored").read_text() == "a question"
    assert worker.stop() == 0
    hops("lineage", "end")
    check_tree(hops, standin, wait_until, ["hops", "ask", "serve", "consume", "score"])
    why = hops("lineage", "why", "scored")
    for name in ("score", "consume", "serve", topic, "request"):
        assert name in why, textwrap.indent(why, "    ")
