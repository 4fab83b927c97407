# SPDX-License-Identifier: Apache-2.0
"""The http transport as a program uses it: whom it believes over TLS, by which way it goes, and what a kill -9
between a failing server and the journal may cost.
"""
import http.server
import json
import os
import pathlib
import shutil
import socketserver
import ssl
import subprocess
import tempfile
import threading

import pytest

import numbered

LONG = 20  # seconds: no test here is about the deadline
BOTH = ["START", "COMPLETE"]


@pytest.fixture
def environment(built, workdir):
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("OPENLINEAGE", "LINEAGED_"))}
    modules = pathlib.Path(built("lineage")).parent.parent / "emitter"
    return {**clean, "HOME": str(workdir), "XDG_STATE_HOME": str(workdir / "state"),
            "LD_LIBRARY_PATH": "%s:%s" % (modules, clean.get("LD_LIBRARY_PATH", ""))}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.seen.append((self.path, json.loads(body)["eventType"]))
        self.send_response(201)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args):
        pass

    def address_string(self):
        return "client"


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    """Answers 201 to every event; `seen` has paths and types in order of arrival."""
    daemon_threads = True

    def __init__(self, address=("127.0.0.1", 0), context=None):
        self.seen = []
        self.context = context
        super().__init__(address, Handler)
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def finish_request(self, request, client_address):  # on a thread of the connection's own
        if self.context:
            try:
                request = self.context.wrap_socket(request, server_side=True)
            except OSError:
                return  # the client does not believe us, or we do not believe it
        super().finish_request(request, client_address)
        if self.context:
            request.close()

    def handle_error(self, request, client_address):
        pass

    def types(self):
        return [kind for _, kind in self.seen]


class UnixServer(Server):
    address_family = getattr(__import__("socket"), "AF_UNIX")

    def server_bind(self):
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "localhost", 0


@pytest.fixture
def serve():
    made = []

    def start(kind=Server, **options):
        made.append(kind(**options))
        return made[-1]

    yield start
    for server in made:
        server.shutdown()
        server.server_close()


def openssl(*words):
    subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True, timeout=60)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """Self-signed: `server` for 127.0.0.1 alone, and `client`; files NAME.pem and NAME.key."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl(1) is not installed")
    folder = tmp_path_factory.mktemp("certificates")
    for name in ("server", "client"):
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", 2,
                "-keyout", folder / (name + ".key"), "-out", folder / (name + ".pem"), "-subj", "/CN=" + name,
                "-addext", "subjectAltName=IP:127.0.0.1")
    return folder


def emit(built, workdir, environment, transport):
    """Run a program that emits START and COMPLETE; the types that are in the journal afterwards."""
    told = {"type": "http", "timeout": LONG, **transport}
    result = subprocess.run([built("lineage"), "run", "--", "true"], cwd=workdir, timeout=120, capture_output=True,
                            env={**environment, "OPENLINEAGE__TRANSPORT": json.dumps(told)}, text=True)
    assert result.returncode == 0, result.stderr
    return [event["eventType"] for event in journaled(workdir)]


def journaled(workdir):
    """Whole events of all journals."""
    found = []
    for path in sorted((workdir / "state").rglob("*.jsonl")):
        for line in path.read_bytes().split(b"\n")[:-1]:
            if line.startswith(b'{"eventType"'):
                found.append(json.loads(line))
    return found


@pytest.mark.parametrize("host, client, trust, is_taken", [
    ("127.0.0.1", None, {}, False),
    ("127.0.0.1", None, {"sslContext": {"caCertPath": "server.pem"}}, True),
    ("127.0.0.1", None, {"sslContext": {"caCertPath": "client.pem"}}, False),
    ("localhost", None, {"sslContext": {"caCertPath": "server.pem"}}, False),  # another name
    ("127.0.0.1", None, {"verify": False}, True),
    ("127.0.0.1", "client.pem", {"sslContext": {"caCertPath": "server.pem"}}, False),
    ("127.0.0.1", "client.pem", {"sslContext": {"caCertPath": "server.pem", "clientCertPath": "client.pem",
                                                "clientKeyPath": "client.key"}}, True),
], ids=["unknown", "known", "another authority", "another name", "told not to look", "no client certificate",
        "client certificate"])
def test_tls(host, client, trust, is_taken, built, workdir, environment, certificates, serve):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / "server.pem", certificates / "server.key")
    if client:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(certificates / client)
    server = serve(context=context)
    transport = {"url": "https://%s:%d" % (host, server.server_port), **trust}
    if "sslContext" in trust:
        transport["sslContext"] = {k: str(certificates / v) for k, v in trust["sslContext"].items()}
    kept = emit(built, workdir, environment, transport)
    assert (server.types(), kept) == ((BOTH, []) if is_taken else ([], BOTH))


def test_proxy(built, workdir, environment, serve):
    proxy = serve()
    kept = emit(built, workdir, environment, {
        "url": "http://lineage.invalid:5000", "proxy": {"host": "127.0.0.1", "port": proxy.server_port}})
    assert kept == []
    assert proxy.seen == [("http://lineage.invalid:5000/api/v1/lineage", kind) for kind in BOTH]


def test_no_proxy_where_none_is_wanted(built, workdir, environment, serve):
    server, proxy = serve(), serve()
    environment["http_proxy"] = environment["ALL_PROXY"] = "http://127.0.0.1:%d" % proxy.server_port
    url = "http://127.0.0.1:%d" % server.server_port
    assert emit(built, workdir, environment, {"url": url}) == []
    assert emit(built, workdir, environment, {
        "url": url, "proxy": {"host": "127.0.0.1", "port": proxy.server_port,
                              "nonProxyHosts": "*.example.org|127.0.0.1"}}) == []
    assert proxy.seen == []
    assert server.seen == [("/api/v1/lineage", kind) for kind in BOTH + BOTH]


def test_unix_socket(built, workdir, environment, serve):
    with tempfile.TemporaryDirectory() as folder:  # a socket's path is short
        path = folder + "/s"
        server = serve(UnixServer, address=path)
        assert emit(built, workdir, environment, {"url": "unix:" + path, "endpoint": "in"}) == []
        assert server.seen == [("/in", kind) for kind in BOTH]


def numbers(bodies):
    return [numbered.parse(body).number for body in bodies]


@pytest.mark.parametrize("crash", ["emitter.diverting", "emitter.written"])
@pytest.mark.parametrize("rule, taken", [
    ({"answer": 500}, 0), ({"answer": "hang"}, 0), ({"answer": "reset"}, 0), ({"answer": "torn"}, 0),
    ({"answer": 500, "skip": 10}, 10), ("down", 0)], ids=["500", "hang", "reset", "torn", "500 later", "down"])
def test_killed_between_server_and_journal(crash, rule, taken, runner, built, workdir, environment, start_standin):
    """SIGKILL at the 7th event that the server did not take, before or behind its way into the journal."""
    standin = start_standin()
    if rule == "down":
        standin.down()
    else:
        standin.script(rule)
    transport = {"type": "http", "url": standin.url, "timeout": 1 if taken == 0 else LONG}
    done = runner.run(built("emit_many"), "--runs", 30, "--per-run", 2, env={
        **environment, "LINEAGED_CRASH": crash + ":7", "OPENLINEAGE__TRANSPORT": json.dumps(transport)})
    assert done.status == -9
    accepted = [int(word) for word in done.out.split()]
    if rule == "down":
        standin.up()
    standin.release()
    delivered = numbers(standin.stored())
    kept = numbers(json.dumps(event).encode() for event in journaled(workdir))
    assert len(accepted) == taken + 6
    assert len(delivered) == taken
    assert kept[:6] == accepted[taken:]
    assert len(kept) == (6 if crash == "emitter.diverting" else 7)  # the 7th was not answered for
    assert delivered + kept[:6] == accepted
