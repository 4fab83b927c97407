# SPDX-License-Identifier: Apache-2.0
"""The HTTP door for other machines: TLS, keys, client certificates, files that change, slow senders; and the real
Python and Java clients over TLS with a key, told 401, 429 and 503."""
import hashlib
import http.client
import json
import os
import shutil
import socket
import ssl
import subprocess
import time

import numbered
import pytest
from agent_process import Agent, http_route

POST = b"POST /api/v1/lineage HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


def openssl(*words):
    subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True, timeout=60)


def self_signed(folder, name):
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", 2,
            "-keyout", folder / (name + ".key"), "-out", folder / (name + ".pem"), "-subj", "/CN=" + name,
            "-addext", "subjectAltName=IP:127.0.0.1")


def signed(folder, name, authority, *more):
    """A certificate of `authority`."""
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout",
            folder / (name + ".key"), "-out", folder / (name + ".csr"), "-subj", "/CN=" + name)
    openssl("x509", "-req", "-in", folder / (name + ".csr"), "-CA", folder / (authority + ".pem"), "-CAkey",
            folder / (authority + ".key"), "-CAcreateserial", "-days", 2, "-out", folder / (name + ".pem"), *more)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    if shutil.which("openssl") is None:
        pytest.skip("openssl(1) is not installed")
    folder = tmp_path_factory.mktemp("certificates")
    for name in ("server", "renewed", "authority", "stranger"):
        self_signed(folder, name)
    signed(folder, "etl-7", "authority")
    signed(folder, "impostor", "stranger")
    (folder / "server-only.ext").write_text("extendedKeyUsage=serverAuth\n")
    signed(folder, "server-only", "authority", "-extfile", folder / "server-only.ext")
    return folder


def key_of(name):
    return "olk_%s" % hashlib.sha256(name.encode()).hexdigest()


def key_setting(*names):
    return [{"name": n, "sha256": hashlib.sha256(key_of(n).encode()).hexdigest()} for n in names]


class Door(Agent):
    """An agent with one more address, over TLS, and what talks to it."""

    def __init__(self, runner, built, workdir, standin, certificates, http=None, **more):
        self.folder = workdir / "tls"
        self.folder.mkdir()
        self.use(certificates, "server")
        tls = {"certificate": str(self.folder / "now.pem"), "key": str(self.folder / "now.key")}
        http = dict(http or {})
        tls.update(http.pop("tls", {}))
        self.tls_port = None
        super().__init__(runner, built("lineaged"), workdir / "agent", [http_route("marquez", standin.url)],
                         http={"tls": tls, **http}, **more)
        config = json.loads(self.config.read_text())
        config["intake"]["http"]["listen"][1] = "tls:127.0.0.1:%d" % self.port
        self.config.write_text(json.dumps(config))
        self.url = "https://127.0.0.1:%d" % self.port

    def use(self, certificates, name):
        """Put another pair there, each file by a rename, the certificate first: for a moment they do not fit."""
        for kind in ("pem", "key"):
            shutil.copy(certificates / ("%s.%s" % (name, kind)), self.folder / "new")
            os.rename(self.folder / "new", self.folder / ("now." + kind))

    def context(self, trust, client=None, version=None):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(trust)
        if client:
            context.load_cert_chain(str(client) + ".pem", str(client) + ".key")
        if version:
            context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
            context.maximum_version = version
            context.set_ciphers("ALL:@SECLEVEL=0")
        return context

    def connect(self, context):
        return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=30, context=context)


def send(link, body, key=None, path="/api/v1/lineage"):
    headers = {"Content-Type": "application/json"}
    if key:
        headers["Authorization"] = "Bearer " + key
    link.request("POST" if body is not None else "GET", path, body, headers)
    answer = link.getresponse()
    return answer.status, answer.read(), answer.headers


def metric(agent, line):
    text = agent.admin("/metrics")[1].decode()
    found = [float(row.rsplit(" ", 1)[1]) for row in text.splitlines() if row.startswith("lineaged_" + line + " ")]
    return found[0] if found else None


def test_keys_over_tls(runner, built, workdir, standin, certificates, wait_until):
    """Many events over few connections, alone and pipelined, in one piece and in many; all arrive, once."""
    agent = Door(runner, built, workdir, standin, certificates,
                 http={"authentication": "tcp", "api_keys": key_setting("ci")}).start()
    context = agent.context(certificates / "server.pem")
    bodies = list(numbered.events(40, 3))
    for share in range(4):
        link = agent.connect(context)
        for body in bodies[share::4]:
            assert send(link, body, key_of("ci"))[0] == 201
        status, body, headers = send(link, b"{}", key_of("nobody"))
        assert (status, headers["WWW-Authenticate"]) == (401, 'Bearer realm="lineaged", error="invalid_token"')
        assert send(link, None, path="/healthz")[0] == 200
        assert send(link, None, path="/metrics")[0] == 401
        assert send(link, None, key_of("ci"), "/metrics")[0] == 200
        link.close()
    raw = context.wrap_socket(socket.create_connection(("127.0.0.1", agent.port), timeout=30),
                              server_hostname="127.0.0.1")
    more = list(numbered.events(10, 2, seed="pipelined"))
    head = POST + b"Authorization: Bearer %s\r\n" % key_of("ci").encode()
    wire = b"".join(head + b"Content-Length: %d\r\n\r\n%s" % (len(each), each) for each in more)
    raw.sendall(wire[:5000])
    raw.sendall(wire[5000:])
    got = b""
    while got.count(b"HTTP/1.1 201") < len(more):
        piece = raw.recv(65536)
        assert piece, got
        got += piece
    raw.close()
    large = numbered.event(0, 0, 0, seed="large", size=3 << 20)
    link = agent.connect(context)
    assert send(link, large, key_of("ci"))[0] == 201
    link.close()
    total = len(bodies) + len(more) + 1
    wait_until(lambda: standin.stats()["posts"] >= total, 60, lambda: str(standin.stats()))
    assert sorted(standin.stored()) == sorted(bodies + more + [large])
    assert metric(agent, 'http_client_events_total{client="ci"}') == total
    assert metric(agent, 'http_refused_total{reason="unauthorized"}') == 8
    shown = subprocess.run([built("lineage"), "spool", "cat", "--meta", "--directory", agent.spool], check=True,
                           capture_output=True, timeout=60).stdout.splitlines()
    assert [json.loads(line).get("sender") for line in shown] == ["key ci"] * total
    assert key_of("ci") not in agent.process.err and key_of("nobody") not in agent.process.err
    assert "the API key is not known" in agent.process.err
    assert agent.stop() == 0


def test_old_versions_and_plain_text(runner, built, workdir, standin, certificates):
    agent = Door(runner, built, workdir, standin, certificates).start()
    for version, is_taken in ((ssl.TLSVersion.TLSv1, False), (ssl.TLSVersion.TLSv1_1, False),
                              (ssl.TLSVersion.TLSv1_2, True), (ssl.TLSVersion.TLSv1_3, True)):
        link = agent.connect(agent.context(certificates / "server.pem", version=version))
        try:
            assert send(link, numbered.event(0, 0, 0, seed=str(version)))[0] == 201
            assert is_taken, version
        except (ssl.SSLError, ConnectionError):
            assert not is_taken, version
        link.close()
    plain = socket.create_connection(("127.0.0.1", agent.port), timeout=30)
    plain.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
    assert b"200" not in plain.recv(65536)
    plain.close()
    assert agent.stop() == 0


def test_a_certificate_that_changes(runner, built, workdir, standin, certificates, wait_until):
    agent = Door(runner, built, workdir, standin, certificates).start()
    old = agent.connect(agent.context(certificates / "server.pem"))
    assert send(old, numbered.event(0, 0, 0))[0] == 201

    def shows(name):
        link = agent.connect(agent.context(certificates / (name + ".pem")))
        try:
            return send(link, None, path="/healthz")[0] == 200
        except ssl.SSLError:
            return False
        finally:
            link.close()

    agent.use(certificates, "renewed")
    wait_until(lambda: shows("renewed"), 30, "the new certificate is shown")
    assert not shows("server")
    assert send(old, numbered.event(0, 1, 1))[0] == 201  # the connection goes on
    (agent.folder / "now.pem").write_text("nonsense")
    wait_until(lambda: shows("renewed") and "stays as it was" in agent.process.err, 30, "a mistake is told")
    agent.use(certificates, "server")
    wait_until(lambda: shows("server"), 30, "and mended")
    assert send(old, numbered.event(0, 2, 2))[0] == 201
    assert agent.stop() == 0


def test_client_certificates(runner, built, workdir, standin, certificates):
    agent = Door(runner, built, workdir, standin, certificates, http={
        "authentication": "tcp", "tls": {"client_ca": str(certificates / "authority.pem")},
        "api_keys": key_setting("ci")}).start()
    for client, key, wanted in ((None, None, 401), ("etl-7", None, 201), ("impostor", None, 401),
                                ("server-only", None, 401), ("impostor", "ci", 201), (None, "ci", 201),
                                ("etl-7", "nobody", 401)):
        link = agent.connect(agent.context(certificates / "server.pem", certificates / client if client else None))
        for n in range(2):
            status, body, _ = send(link, numbered.event(0, n, n, seed="%s%s" % (client, key)), key and key_of(key))
            assert status == wanted, (client, key, body)
        assert send(link, None, path="/healthz")[0] == 200
        link.close()
    assert metric(agent, 'http_client_events_total{client="etl-7"}') == 2
    assert metric(agent, 'http_client_events_total{client="ci"}') == 4
    assert agent.stop() == 0


def test_a_door_for_others_does_not_start_open(runner, built, workdir):
    for more, wanted in (({}, b"lineage key new NAME"), ({"authentication": "none"}, None),
                         ({"api_keys": key_setting("ci")}, None)):
        config = workdir / "lineaged.yaml"
        config.write_text(json.dumps({"intake": {"http": {"listen": ["0.0.0.0:5010"], **more}},
                                      "admin": {"socket": str(workdir / "a.sock")}}, indent=1))
        done = subprocess.run([built("lineaged"), "--config", config, "--check"], capture_output=True, timeout=60)
        assert done.returncode == (2 if wanted else 0), done.stderr
        if wanted:
            assert wanted in done.stderr and b"lineaged.yaml:4: intake.http.listen: '0.0.0.0:5010'" in done.stderr
            assert b"or let all send with authentication: none" in done.stderr


def test_lineage_key(runner, built, workdir, standin, certificates):
    """What `lineage key` prints is what the door takes."""
    made = subprocess.run([built("lineage"), "key", "new", "ci"], capture_output=True, text=True, timeout=60, check=True)
    key, line = made.stdout.splitlines()
    assert key.startswith("olk_") and len(key) == 68 and key not in line and key not in made.stderr
    again = subprocess.run([built("lineage"), "key", "new", "ci"], capture_output=True, text=True, timeout=60, check=True)
    assert again.stdout.splitlines()[0] != key
    hashed = subprocess.run([built("lineage"), "key", "hash", "ci"], input=key + "\n", capture_output=True, text=True,
                            timeout=60, check=True)
    assert hashed.stdout.splitlines() == [line]
    name, digest = line[len("- { name: "):-len(" }")].split(", sha256: ")
    agent = Door(runner, built, workdir, standin, certificates, http={
        "authentication": "tcp", "api_keys": [{"name": name, "sha256": digest}]}).start()
    link = agent.connect(agent.context(certificates / "server.pem"))
    assert send(link, numbered.event(0, 0, 0), key)[0] == 201
    assert send(link, numbered.event(0, 1, 1), again.stdout.splitlines()[0])[0] == 401
    link.close()
    assert agent.stop() == 0
    for wrong in (["key"], ["key", "new"], ["key", "new", "a b"], ["key", "new", "x" * 65], ["key", "old", "a"],
                  ["key", "hash", "a"]):
        assert subprocess.run([built("lineage"), *wrong], stdin=subprocess.DEVNULL, capture_output=True,
                              timeout=60).returncode == 2, wrong


def dribble(address, first, piece, context=None):
    """Send `first`, then `piece` each 100 ms until the other side ends it: (seconds, what it said)."""
    link = socket.create_connection(address, timeout=30) if isinstance(address, tuple) else \
        socket.socket(socket.AF_UNIX)
    if not isinstance(address, tuple):
        link.connect(address)
    if context:
        link = context.wrap_socket(link, server_hostname="127.0.0.1")
    link.settimeout(0.1)
    begin, said = time.monotonic(), b""
    try:
        link.sendall(first)
        while time.monotonic() - begin < 40:
            link.sendall(piece)
            try:
                got = link.recv(65536)
                said += got
                if not got:
                    break
            except (socket.timeout, ssl.SSLWantReadError):
                pass
    except OSError:  # a unix socket refuses the next piece before its last words are read: they wait there still
        try:
            while got := link.recv(65536):
                said += got
        except OSError:
            pass
    finally:
        link.close()
    return time.monotonic() - begin, said


def test_slow_senders(runner, built, workdir, standin, certificates):
    """A byte now and then keeps a connection from being idle, but not from being ended."""
    agent = Door(runner, built, workdir, standin, certificates, http={
        "min_rate": "1KiB", "slow_after": "1s", "idle_timeout": "2s"})
    config = json.loads(agent.config.read_text())
    plain = ("127.0.0.1", agent.port + 0)
    config["intake"]["http"]["listen"].append("127.0.0.1:0")
    agent.config.write_text(json.dumps(config))
    agent.start()
    port = next(int(row.rsplit(":", 1)[1]) for row in agent.process.err.splitlines()
                if "listening on 127.0.0.1:" in row)
    tls = agent.context(certificates / "server.pem")
    chunked = POST + b"Transfer-Encoding: chunked\r\n\r\n"
    for what, address, first, piece, context in (
            ("head", ("127.0.0.1", port), POST, b"X: y\r\n", None),
            ("body", ("127.0.0.1", port), POST + b"Content-Length: 900000\r\n\r\n", b" ", None),
            ("chunks", ("127.0.0.1", port), chunked, b"1\r\n \r\n", None),
            ("body over TLS", plain, POST + b"Content-Length: 900000\r\n\r\n", b" ", tls),
            ("head over TLS", plain, POST, b"X: y\r\n", tls),
            ("handshake", plain, b"\x16\x03\x01\x02\x00\x01", b"", None),
            ("body on a socket", str(agent.socket), POST + b"Content-Length: 900000\r\n\r\n", b" ", None),
            ("head on a socket", str(agent.socket), POST, b"X: y\r\n", None)):
        before = metric(agent, 'http_ended_total{reason="slow"}')
        seconds, said = dribble(address, first, piece, context)
        print("%s: ended after %.1f s: %r" % (what, seconds, said[:30]))
        assert 0.9 < seconds < 20, what
        if "TLS" not in what and what != "handshake":
            assert said.startswith(b"HTTP/1.1 408 "), what
        if what != "handshake":  # which sends nothing more: the idle timeout may be first
            assert metric(agent, 'http_ended_total{reason="slow"}') == before + 1, what
    # One that is as fast as it must be is served, however long it takes.
    body = numbered.event(0, 0, 0, size=6000)
    link = socket.create_connection(("127.0.0.1", port), timeout=30)
    link.sendall(POST + b"Content-Length: %d\r\n\r\n" % len(body))
    for at in range(0, len(body), 400):
        link.sendall(body[at:at + 400])
        time.sleep(0.2)
    assert link.recv(65536).startswith(b"HTTP/1.1 201 ")
    # And one that says nothing between two requests is idle, not slow.
    time.sleep(1.2)
    body = numbered.event(0, 1, 1)
    link.sendall(POST + b"Content-Length: %d\r\n\r\n" % len(body) + body)
    assert link.recv(65536).startswith(b"HTTP/1.1 201 ")
    link.close()
    assert agent.stop() == 0


# -- the real clients ----------------------------------------------------------------------------

CLIENTS = pytest.mark.parametrize("which", ["python_client", "java_client"])
TENTH_MS = 900  # of the 9 to 39 s that an emit of theirs costs where a server is down or hangs


def acknowledged(sent):
    return [each.body for each in sent if not each.error]


@CLIENTS
def test_clients_over_tls(request, which, runner, built, workdir, standin, certificates, wait_until):
    """With a key, compressed and not; with a wrong one each event is told 401."""
    client = request.getfixturevalue(which)
    agent = Door(runner, built, workdir, standin, certificates,
                 http={"authentication": "tcp", "api_keys": key_setting("ci")}).start()
    bodies = []
    for compression in ("none", "gzip"):
        sent = client.emit(agent.url, 3, workdir / compression, compression, api_key=key_of("ci"),
                           trust=certificates / "server.pem")
        assert [each.error for each in sent] == [""] * 9
        bodies += acknowledged(sent)
    wrong = client.emit(agent.url, 1, workdir / "wrong", api_key="nobody", trust=certificates / "server.pem")
    assert all("401" in each.error for each in wrong), [each.error for each in wrong]
    wait_until(lambda: standin.stats()["posts"] >= 18, 60, lambda: str(standin.stats()))
    assert sorted(standin.stored()) == sorted(bodies)
    assert metric(agent, 'http_client_events_total{client="ci"}') == 18
    assert agent.stop() == 0


@CLIENTS
def test_clients_told_to_slow_down(request, which, runner, built, workdir, standin, certificates, wait_until):
    """429: with Retry-After the Python client waits and loses nothing; what was taken arrives, and once."""
    client = request.getfixturevalue(which)
    agent = Door(runner, built, workdir, standin, certificates, http={
        "authentication": "tcp", "api_keys": key_setting("ci"), "rate": 1, "burst": 4}).start()
    sent = client.emit(agent.url, 4, workdir / "sent", api_key=key_of("ci"), trust=certificates / "server.pem")
    refused = [each for each in sent if each.error]
    assert all("429" in each.error for each in refused), [each.error for each in refused]
    assert [each.error for each in sent[:4]] == [""] * 4
    assert metric(agent, 'http_refused_total{reason="rate"}') >= max(1, len(refused))
    print("%s: %d of 12 refused for good, the slowest emit %.1f s" % (which, len(refused), max(e.ms for e in sent) / 1000))
    assert which == "java_client" or not refused
    bodies = acknowledged(sent)
    wait_until(lambda: standin.stats()["posts"] >= len(bodies), 60, lambda: str(standin.stats()))
    assert sorted(standin.stored()) == sorted(bodies)
    assert agent.stop() == 0


@CLIENTS
def test_clients_while_the_spool_is_full(request, which, runner, built, workdir, standin, certificates, wait_until):
    """503: both try again; whatever a client was told is taken arrives once, and so does what filled the spool."""
    client = request.getfixturevalue(which)
    agent = Door(runner, built, workdir, standin, certificates, spool={"max_bytes": "1MiB"},
                 http={"authentication": "tcp", "api_keys": key_setting("ci")})
    standin.down()
    agent.start()
    link = agent.connect(agent.context(certificates / "server.pem"))
    filled = []
    for body in numbered.events(300, 2, size=8000):
        status, _, headers = send(link, body, key_of("ci"))
        if status != 201:
            assert (status, headers["Retry-After"]) == (503, "1")
            break
        filled.append(body)
    link.close()
    assert len(filled) < 300
    full = client.emit(agent.url, 1, workdir / "full", api_key=key_of("ci"), trust=certificates / "server.pem")
    assert all("503" in each.error or "Retry" in each.error for each in full if each.error), full[0].error
    standin.up()
    wait_until(lambda: metric(agent, "spool_full") == 0, 60, "there is room again")
    sent = client.emit(agent.url, 2, workdir / "sent", api_key=key_of("ci"), trust=certificates / "server.pem")
    assert [each.error for each in sent] == [""] * 6
    bodies = filled + acknowledged(full) + acknowledged(sent)
    wait_until(lambda: standin.stats()["posts"] >= len(bodies), 60, lambda: str(standin.stats()))
    assert sorted(standin.stored()) == sorted(bodies)
    assert agent.stop() == 0


@CLIENTS
def test_clients_and_a_sink_in_trouble(request, which, runner, built, workdir, standin, certificates, wait_until):
    """The sink up, down, hanging, and back: an emit costs the same, and everything arrives, in the order of each run."""
    client = request.getfixturevalue(which)
    agent = Door(runner, built, workdir, standin, certificates).start()
    runs = {}
    for state in ("up", "down", "hanging", "back"):
        if state == "down":
            standin.down()
        elif state == "hanging":
            standin.up()
            standin.script({"answer": "hang"}, replace=True)
        elif state == "back":
            standin.script(replace=True)
            standin.release()
        sent = client.emit(agent.url, 4, workdir / state, trust=certificates / "server.pem")
        assert [each.error for each in sent] == [""] * 12, state
        print("%s, sink %s: the first emit %.0f ms, the others %.0f ms at most"
              % (which, state, sent[0].ms, max(each.ms for each in sent[1:])))
        assert max(each.ms for each in sent[1:]) < TENTH_MS, state  # the first starts the client's engine too
        for each in sent:
            runs.setdefault(each.run_id, []).append(each.body)
    total = sum(map(len, runs.values()))
    wait_until(lambda: all(r["waiting"] == 0 for r in agent.status()["routes"]), 90, lambda: str(agent.status()))
    arrived = {}
    for body in standin.stored():
        arrived.setdefault(json.loads(body)["run"]["runId"], []).append(body)
    assert sum(map(len, arrived.values())) == total
    assert arrived == runs
    assert agent.stop() == 0
