# SPDX-License-Identifier: Apache-2.0
"""lineage doctor: for each thing that may be wrong it names that thing, in one line, and what to do; and it says
so when nothing is. lineage status: its exit status, and what it says at a glance."""
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time

import numbered
import procs
import pytest
from agent_process import Agent, free_port, http_route, store_route


class Patient:
    """A user's environment with an agent of its own, and the doctor in it."""

    def __init__(self, runner, built, workdir, routes=None, **options):
        self.runner, self.lineage = runner, built("lineage")
        self.agent = Agent(runner, built("lineaged"), workdir / "patient",
                           routes or [store_route(workdir / "patient" / "lineage.db")], **options)
        # What a user's own agent reads without being told, so that the doctor finds it as well.
        place = self.agent.home / "config" / "lineaged"
        place.mkdir(parents=True)
        (place / "lineaged.yaml").write_text(self.agent.config.read_text())
        self.env = self.agent.environment()

    def doctor(self, **env):
        """(cause, check, exit status, the whole document)"""
        for _ in range(10):  # things may change between the two
            done = self.runner.run(self.lineage, "doctor", "--json", env={**self.env, **env})
            text = self.runner.run(self.lineage, "doctor", env={**self.env, **env})
            if text.status == done.status:
                break
        assert text.status == done.status
        found = json.loads(done.out)
        assert done.status == (1 if found["level"] == "fail" else 0), done.err
        assert found["level"] == "ok" or found["fix"] or found["level"] == "warn", found
        first = text.out.splitlines()[0]
        assert "\n" not in (found["cause"] or "") and len(first) < 700
        assert first.startswith("cause: " if found["level"] == "fail" else "nothing is broken"), first
        return found["cause"] or "", found["check"], done.status, found

    def emit(self, count=2):
        for body in numbered.events(1, count):
            assert self.agent.post(body)[0] == 201

    def cause(self, wait_until, words, check=None, **env):
        """Until the doctor's cause has all these words; the document."""
        def says():
            cause, found_check, status, whole = self.doctor(**env)
            return whole if status == 1 and all(w in cause for w in words) and check in (None, found_check) else None
        return wait_until(says, 30, lambda: "%s; %s" % (words, self.doctor(**env)[3]))


@pytest.fixture
def patient(runner, built, workdir):
    def make(routes=None, **options):
        return Patient(runner, built, workdir, routes, **options)
    return make


def test_all_is_well(patient, standin, wait_until):
    it = patient([http_route("marquez", standin.url)])
    it.agent.start()
    it.emit()
    wait_until(lambda: it.agent.status()["routes"][0]["waiting"] == 0, 30)
    cause, _, status, found = it.doctor()
    assert status == 0 and cause == "", found
    assert {c["check"] for c in found["checks"]} >= {"emitter", "journal", "agent", "intake", "spool", "disk", "route"}
    assert it.agent.stop() == 0


def test_no_agent(patient, wait_until):
    it = patient()
    del it.env["LINEAGED_SOCKET"]
    it.env["LINEAGED_SOCKET"] = ""
    found = it.cause(wait_until, ["no agent is running", "lineaged-admin.sock"], "agent")
    assert found["fix"].startswith("start it: lineaged")


def test_wrong_socket(patient, wait_until):
    it = patient()
    it.agent.start()
    wrong = str(it.agent.home / "elsewhere.sock")
    it.cause(wait_until, ["LINEAGED_SOCKET leads to", "elsewhere-admin.sock", "an agent answers at",
                          str(it.agent.admin_socket)], "agent", LINEAGED_SOCKET=wrong)
    assert it.agent.stop() == 0
    it.cause(wait_until, ["no agent listens at", "LINEAGED_SOCKET"], "agent", LINEAGED_SOCKET=wrong)


def test_wrong_settings(patient, wait_until):
    it = patient()
    place = it.agent.home / "config" / "lineaged" / "lineaged.yaml"
    place.write_text("spool:\n  max_byte: 1GiB\n")
    it.cause(wait_until, ["its settings are wrong", "lineaged.yaml:2", "max_byte"], "agent")
    it.cause(wait_until, ["no program can open a client", "OPENLINEAGE__TRANSPORT__TYPE", "juornal"], "emitter",
             OPENLINEAGE__TRANSPORT__TYPE="juornal")


def test_second_agent(patient, runner, built, workdir, wait_until):
    """One with sockets of its own holds the spool, or only the journals."""
    it = patient()
    for which in ("spool", "journal"):
        other = Agent(runner, built("lineaged"), workdir / ("other-" + which), [store_route(workdir / "x.db")])
        config = json.loads(other.config.read_text())
        if which == "spool":
            config["spool"]["directory"] = str(it.agent.spool)
        else:
            config["intake"]["journal"]["directories"] = [str(it.agent.journal)]
        other.config.write_text(json.dumps(config))
        other.start()
        found = it.cause(wait_until, ["another agent", str(getattr(it.agent, which))], "agent")
        assert which != "spool" or str(other.process.pid) in found["cause"]
        it.agent.launch()
        wait_until(lambda: not it.agent.process.is_running(), 30, "the second one is refused")
        it.cause(wait_until, ["another agent"], "agent")
        assert other.stop() == 0


def test_nobody_configured(patient, wait_until):
    """What programs are told sends their events to nobody."""
    it = patient()
    it.agent.start()
    it.emit()
    for env, words in (({"OPENLINEAGE_DISABLED": "true"}, ["switched off", "OPENLINEAGE_DISABLED"]),
                       ({"OPENLINEAGE__TRANSPORT__TYPE": "noop", "OPENLINEAGE__TRANSPORT__DIRECTORY": ""},
                        ["noop", "OPENLINEAGE__TRANSPORT__TYPE"]),
                       ({"OPENLINEAGE__TRANSPORT__TYPE": "console", "OPENLINEAGE__TRANSPORT__DIRECTORY": ""},
                        ["printed, not sent"])):
        it.cause(wait_until, words, "emitter", **env)
    assert it.doctor()[2] == 0
    assert it.agent.stop() == 0


def test_journal_not_drained(patient, runner, wait_until):
    it = patient()
    it.agent.start()
    stray = it.agent.home / "stray"
    env = {"OPENLINEAGE__TRANSPORT__DIRECTORY": str(stray)}
    assert runner.run(it.lineage, "run", "--", "true", env={**it.env, **env}).status == 0
    found = it.cause(wait_until, ["programs write to %s, which no agent drains" % stray, "1 journal,",
                                  str(it.agent.journal)], "journal", **env)
    assert "intake.journal.directories" in found["fix"]
    assert it.agent.stop() == 0


def over_http(url, **more):
    return {"OPENLINEAGE__TRANSPORT__TYPE": "http", "OPENLINEAGE__TRANSPORT__DIRECTORY": "",
            "OPENLINEAGE__TRANSPORT__URL": url, **more}


def test_door(patient, wait_until):
    """Programs that post to a door: the wrong port, the wrong path, the right one."""
    it = patient()
    it.agent.start()
    it.emit()
    nobody = "http://127.0.0.1:%d" % free_port()
    found = it.cause(wait_until, ["nobody takes events at", nobody, "OPENLINEAGE__TRANSPORT__URL"], "door",
                     **over_http(nobody))
    assert "127.0.0.1:%d" % it.agent.port in found["fix"]
    it.cause(wait_until, ["no such path"], "door",
             **over_http(it.agent.url, OPENLINEAGE__TRANSPORT__ENDPOINT="api/v1/nothing"))
    taken = it.agent.status()["intake"]["accepted"]
    for good in (it.agent.url, "unix:%s" % it.agent.socket):
        cause, _, status, found = it.doctor(**over_http(good))
        assert status == 0, (cause, found)
        assert any(c["check"] == "door" and c["level"] == "ok" for c in found["checks"]), found
    assert it.agent.status()["intake"]["accepted"] == taken, "nothing was kept of what the doctor asked"
    assert it.agent.stop() == 0


def test_routes(patient, start_standin, wait_until):
    """DNS, connection, what answers 401, 404, 503, 500, or refuses events: each by its name."""
    port = free_port()
    cases = [("http://nowhere.invalid:5000", None, ["no address (DNS)", "nowhere.invalid"]),
             ("http://127.0.0.1:%d" % port, None, ["nobody listens there", str(port)]),
             (None, 401, ["refuses our credentials", "401"]),
             (None, 403, ["refuses our credentials", "403"]),
             (None, 404, ["not at this path", "404", "held"]),
             (None, "500html", ["errors of its own", "500", "circuit_open"]),
             (None, 503, ["come later", "503", "circuit_open"])]
    routes = []
    for n, (url, answer, _) in enumerate(cases):
        if url is None:
            sink = start_standin()
            sink.script({"answer": answer})
            url = sink.url
        routes.append(http_route("r%d" % n, url, on_lag="pin"))
    it = patient(routes)
    it.agent.start()
    for run in range(8):  # several runs, so that it is an outage and not an event's fault
        assert it.agent.post(numbered.event(run, run, 0))[0] == 201

    def checks():
        return [c for c in it.doctor()[3]["checks"] if c["check"] == "route" and c["level"] == "fail"]
    for n, (_, _, words) in enumerate(cases):
        def says():
            return [c for c in checks() if c["text"].startswith("r%d ->" % n) and all(w in c["text"] for w in words)]
        found = wait_until(says, 30, lambda: "%s: %s" % (words, checks()))
        assert found[0]["fix"] and "8 wait" in found[0]["text"] or "wait" in found[0]["text"]
    it.cause(wait_until, ["r0 ->"], "route")
    assert it.agent.stop() == 0


def test_token_of_a_route(patient, standin, workdir, wait_until):
    """A key file that is not there; then one with a wrong key."""
    standin.script({"answer": 401})
    key = workdir / "key"
    it = patient([http_route("marquez", standin.url, api_key_file=str(key))])
    it.agent.start()
    it.emit()
    it.cause(wait_until, ["credentials to be sent cannot be read", str(key)], "route")
    key.write_text("wrong-" * 4)
    found = it.cause(wait_until, ["refuses our credentials", "401"], "route")
    assert "wrong-" not in json.dumps(found)
    assert it.agent.stop() == 0


def test_clock(patient, standin, wait_until):
    """The other side's clock is far from ours."""
    standin.script({"answer": 201, "headers": {"Date": "Sun, 06 Nov 1994 08:49:37 GMT"}, "store": True})
    it = patient([http_route("marquez", standin.url)])
    it.agent.start()
    it.emit()
    it.cause(wait_until, ["our clock is", "ahead of", standin.url], "clock")
    soon = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 3600))
    standin.script({"answer": 201, "headers": {"Date": soon}, "store": True}, replace=True)
    assert it.agent.post(numbered.event(9, 9, 0))[0] == 201
    it.cause(wait_until, ["our clock is", "behind"], "clock")
    assert it.agent.stop() == 0


def openssl(*words, cwd):
    if shutil.which("openssl") is None:
        pytest.skip("no openssl to make certificates with")
    subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True, cwd=cwd)


EC = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
CA = """[ca]
default_ca = it
[it]
database = index
serial = serial
new_certs_dir = .
default_md = sha256
policy = any
copy_extensions = copy
unique_subject = no
[any]
commonName = supplied
"""


def certificate(workdir, name, subject):
    """(key, certificate) of its own."""
    openssl("req", "-x509", *EC, "-keyout", name + ".key", "-out", name + ".pem", "-subj", "/CN=" + name, "-days", 10,
            *(["-addext", "subjectAltName=" + subject] if subject else []), cwd=workdir)
    return workdir / (name + ".key"), workdir / (name + ".pem")


def issued(workdir, authority, name, subject, begin, end):
    """(key, certificate) of an authority, from @p begin to @p end (YYYYMMDDhhmmssZ)."""
    (workdir / "ca.conf").write_text(CA)
    (workdir / "index").touch()
    (workdir / "serial").write_text("%02d\n" % (10 + len(list(workdir.glob("*.csr")))))
    openssl("req", *EC, "-keyout", name + ".key", "-out", name + ".csr", "-subj", "/CN=" + name, "-addext",
            "subjectAltName=" + subject, cwd=workdir)
    openssl("ca", "-batch", "-config", "ca.conf", "-keyfile", authority[0], "-cert", authority[1], "-in", name + ".csr",
            "-out", name + ".pem", "-notext", "-startdate", begin, "-enddate", end, cwd=workdir)
    return workdir / (name + ".key"), workdir / (name + ".pem")


def test_tls_expired_and_name(patient, workdir, wait_until, tls_server):
    """Of an authority that is trusted, but out of date, not valid yet, or for another name; then a good one."""
    authority = certificate(workdir, "authority", None)
    cases = [("expired", "IP:127.0.0.1", "20200101000000Z", "20210101000000Z", "out of date"),
             ("future", "IP:127.0.0.1", "20480101000000Z", "20490101000000Z", "out of date"),
             ("other", "DNS:other.example", "20200101000000Z", "20490101000000Z", "for another name"),
             ("good", "IP:127.0.0.1", "20200101000000Z", "20490101000000Z", " delivered, the last at ")]
    routes = [http_route(name, "https://127.0.0.1:%d" % tls_server(*issued(workdir, authority, name, subject, *dates)),
                         on_lag="pin", ca_file=str(authority[1]))
              for name, subject, *dates, _ in cases]
    it = patient(routes)
    it.agent.start()
    it.emit()
    for name, *_, words in cases:
        def says():
            return [c for c in it.doctor()[3]["checks"] if c["text"].startswith(name + " ->") and words in c["text"]]
        found = wait_until(says, 30, lambda: "%s: %s" % (name, it.doctor()[3]))
        assert found[0]["level"] == ("ok" if name == "good" else "fail")
    it.cause(wait_until, ["expired ->", "certificate"], "route")
    assert it.agent.stop() == 0


def test_key_of_the_door(patient, wait_until):
    """Programs that post with no key or a wrong one to a door that asks for one: 401 is the cause."""
    it = patient(http={"authentication": "tcp", "api_keys": [
        {"name": "ci", "sha256": hashlib.sha256(b"right-key-of-ci-0123456789").hexdigest()}]})
    it.agent.start()
    runner_env = over_http(it.agent.url)
    it.cause(wait_until, ["lack of an API key", "401"], "door", **runner_env)
    wrong = {"OPENLINEAGE__TRANSPORT__AUTH": json.dumps({"type": "api_key", "apiKey": "wrong-key-0123456789abc"})}
    found = it.cause(wait_until, ["refuses the API key of this environment", "401"], "door", **runner_env, **wrong)
    assert "wrong-key" not in json.dumps(found)
    right = {"OPENLINEAGE__TRANSPORT__AUTH": json.dumps({"type": "api_key", "apiKey": "right-key-of-ci-0123456789"})}
    assert any(c["check"] == "door" and c["level"] == "ok" for c in it.doctor(**runner_env, **right)[3]["checks"])
    assert it.agent.stop() == 0


def test_tls_untrusted_and_none(patient, workdir, wait_until, tls_server, standin):
    """A certificate that nobody here trusts; and a server that speaks no TLS at all."""
    key, cert = certificate(workdir, "self", "IP:127.0.0.1")
    url = "https://127.0.0.1:%d" % tls_server(key, cert)
    it = patient([http_route("marquez", url), http_route("plain", standin.url.replace("http:", "https:"))])
    it.agent.start()
    it.emit()
    it.cause(wait_until, ["marquez -> https", "authority that is not trusted"], "route")

    def plain():
        return [c for c in it.doctor()[3]["checks"] if "plain -> https" in c["text"] and "no TLS with it" in c["text"]]
    wait_until(plain, 30, lambda: str(it.doctor()[3]))
    assert it.agent.stop() == 0


@pytest.fixture
def tls_server(workdir, runner):
    """tls_server(key, certificate): the port of a server that does no more than TLS and 201."""
    script = workdir / "tls_server.py"
    script.write_text(
        "import http.server, ssl, sys\n"
        "class H(http.server.BaseHTTPRequestHandler):\n"
        "    def do_POST(self):\n"
        "        self.rfile.read(int(self.headers.get('Content-Length', 0)))\n"
        "        self.send_response(201); self.send_header('Content-Length', '0'); self.end_headers()\n"
        "    def log_message(self, *args): pass\n"
        "s = http.server.ThreadingHTTPServer(('127.0.0.1', 0), H)\n"
        "c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER); c.load_cert_chain(sys.argv[2], sys.argv[1])\n"
        "s.socket = c.wrap_socket(s.socket, server_side=True, do_handshake_on_connect=False)\n"
        "print(s.server_port, flush=True)\n"
        "s.serve_forever()\n")

    def start(key, cert):
        process = runner.start(sys.executable, str(script), str(key), str(cert), name="tls")
        return int(procs.wait_until(lambda: process.out.strip(), 30, lambda: process.err))
    return start


def test_disk_full(patient, wait_until):
    """The disk beneath the spool is full: the cause, though the journals and the door suffer as well."""
    if os.geteuid() != 0:
        pytest.skip("needs root to mount a small filesystem")
    it = patient(spool={"max_bytes": "64MiB", "segment_bytes": "1MiB"})
    it.agent.spool.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m,mode=0700", "tmpfs", str(it.agent.spool)],
                             capture_output=True, text=True, check=False)
    if mounted.returncode != 0:
        pytest.skip("cannot mount a tmpfs here: %s" % mounted.stderr.strip())
    try:
        it.agent.start()
        it.emit()
        with open(it.agent.spool / "other", "ab", buffering=0) as other:
            try:
                while True:
                    other.write(b"x" * 4096)
            except OSError:
                pass

        def refused():
            return it.agent.post(numbered.event(99, 99, 0, size=200000, seed=str(time.time())))[0] == 503
        wait_until(refused, 30, lambda: str(it.agent.status()))
        found = it.cause(wait_until, ["disk", str(it.agent.spool), "free"], "spool")
        assert "room" in found["fix"]
        (it.agent.spool / "other").unlink()
        wait_until(lambda: it.agent.post(numbered.event(98, 98, 0))[0] == 201, 30, lambda: str(it.agent.status()))
        wait_until(lambda: it.doctor()[2] == 0, 30, lambda: str(it.doctor()))
        assert it.agent.stop() == 0
    finally:
        subprocess.run(["umount", "-l", str(it.agent.spool)], check=True)


def test_full_of_one_route(patient, standin, wait_until):
    """A spool that is full because a pinned route takes nothing: that route is the cause."""
    standin.script({"answer": 404})
    it = patient([http_route("marquez", standin.url)], spool={"max_bytes": "2MiB", "segment_bytes": "256KiB"})
    it.agent.start()
    n = 0
    while it.agent.post(numbered.event(n, n, 0, size=30000))[0] == 201:
        n += 1
        assert n < 1000
    found = it.cause(wait_until, ["marquez ->", "404"], "route")
    assert any("full" in c["text"] and "route marquez" in c["text"] for c in found["checks"]), found
    assert it.agent.stop() == 0


def test_status(patient, runner, standin, wait_until):
    """0 well, 1 something is wrong, 3 no agent; at a glance: what comes in, what waits, for whom, what to do."""
    it = patient([http_route("marquez", standin.url)])

    def status(*words, **env):
        return runner.run(it.lineage, "status", *words, env={**it.env, **env})
    assert status().status == 3
    assert status("--watch=0").status == 2
    it.agent.start()
    assert status().status == 0 and "healthy" in status().out
    standin.script({"answer": 401})
    it.emit()
    wait_until(lambda: status().status == 1, 30, lambda: status().out)
    told = status().out
    assert "route marquez waits for its destination since " in told and "status 401" in told
    assert "do: put a valid key" in told and "oldest" in told.lower(), told
    found = json.loads(status("--json").out)
    assert status("--json").status == 1 and found["routes"][0]["cause"] == "auth"
    watch = runner.start(it.lineage, "status", "--watch=1", env=it.env, name="watch")
    wait_until(lambda: watch.out.count("marquez") >= 6, 30, lambda: watch.out)
    assert it.agent.stop() == 0
    assert status("--watch=1").status == 3


def test_usage(patient, runner):
    it = patient()
    assert runner.run(it.lineage, "doctor", "now", env=it.env).status == 2
    assert runner.run(it.lineage, "doctor", "--nonsense", env=it.env).status == 2
    assert "why does nothing arrive" in runner.run(it.lineage, "doctor", "--help", env=it.env).out.lower()
    assert "doctor" in runner.run(it.lineage, "--help").out
