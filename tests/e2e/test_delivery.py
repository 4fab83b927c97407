# SPDX-License-Identifier: Apache-2.0
"""How events reach HTTP servers: certificates, tokens, proxies, gzip, batches, and what Marquez needs besides."""
import json
import os
import shutil

import pytest

import certificates
import numbered
import proxy as proxies
import token_server
from agent_process import Agent, Senders, http_route
from standin_control import MarquezView


@pytest.fixture
def tokens():
    server = token_server.TokenServer()
    yield server
    server.close()


@pytest.fixture
def start_proxy():
    made = []

    def start(**options):
        made.append(proxies.Proxy(**options))
        return made[-1]
    yield start
    for each in made:
        each.close()


def put(path, text):
    """Replace a file at once, as whoever rotates secrets should."""
    fresh = path.with_suffix(".fresh")
    fresh.write_text(text)
    os.replace(fresh, path)
    return path


class Counted:
    """An agent with one route, and events numbered over the whole test."""

    def __init__(self, runner, built, workdir, route, env=None):
        self.agent = Agent(runner, built("lineaged"), workdir / "agent", [route]).start(env)
        self.count = 0

    def post(self, count=10):
        for number in range(self.count, self.count + count):
            assert self.agent.post(numbered.event(number, number, 0, last=True))[0] == 201
        self.count += count

    def route(self):
        return self.agent.status()["routes"][0]

    def arrived(self, sink, wait_until):
        wait_until(lambda: sink.stats()["stored"] >= self.count, 60, lambda: "%s %s" % (sink.stats(), self.route()))
        report = numbered.check(sink.stored(), self.count)
        assert report.problems() == []


def test_client_certificates_and_their_change(runner, built, workdir, start_standin, wait_until):
    """The server wants a certificate of its authority; files that change are taken without a restart."""
    good, other = (certificates.Authority(workdir / name, name) for name in ("good", "other"))
    _, _, server = good.issue("server")
    pem, key, _ = good.issue("client")
    bad_pem, bad_key, _ = other.issue("client")
    sink = start_standin(tls_cert=server, tls_clients=good.pem)
    files = {name: workdir / name for name in ("ca.pem", "client.pem", "client.key")}
    for target, source in zip(files.values(), (other.pem, bad_pem, bad_key)):
        shutil.copy(source, target)
    work = Counted(runner, built, workdir, http_route(
        "out", sink.url, ca_file=str(files["ca.pem"]), cert_file=str(files["client.pem"]),
        key_file=str(files["client.key"]), hold_interval="1s"))
    work.post()
    # An authority that we do not know: nothing is sent.
    wait_until(lambda: work.route()["state"] == "held", 30, lambda: str(work.route()))
    assert "certificate" in work.route()["last_error"]
    put(files["ca.pem"], good.pem.read_text())
    # Now the server does not know ours.
    wait_until(lambda: work.route()["state"] in ("circuit_open", "retrying") or
               "certificate" not in work.route()["last_error"], 30, lambda: str(work.route()))
    assert sink.stats()["posts"] == 0
    put(files["client.key"], key.read_text())
    put(files["client.pem"], pem.read_text())
    work.arrived(sink, wait_until)
    # A connection made with the old certificate is not used any more.
    put(files["client.key"], bad_key.read_text())
    put(files["client.pem"], bad_pem.read_text())
    wait_until(lambda: work.post(1) or work.route()["state"] not in ("ok", "starting"), 30, lambda: str(work.route()))
    put(files["client.key"], key.read_text())
    put(files["client.pem"], pem.read_text())
    work.arrived(sink, wait_until)
    assert work.route()["parked"] == 0
    assert work.agent.stop() == 0


def test_oauth2_tokens(runner, built, workdir, standin, tokens, wait_until):
    """Tokens are fetched, replaced ahead of their end and after a 401; a token endpoint that is down only delays; one
    that refuses us holds the route until the secret changes."""
    tokens.expires_in = 2
    secret = put(workdir / "secret", tokens.secret + "\n")
    work = Counted(runner, built, workdir, http_route(
        "out", standin.url, auth="oauth2", token_url=tokens.url, client_id="agent", client_secret_file=str(secret),
        scope="lineage write", token_ahead="500ms", hold_interval="1s"))
    work.post()
    work.arrived(standin, wait_until)
    assert tokens.requests[0] == {"grant_type": "client_credentials", "scope": "lineage write"}
    assert standin.posts()[0].headers["authorization"] == "Bearer t1"
    # Its end: another one.
    wait_until(lambda: work.post(1) or standin.posts()[-1].headers["authorization"] != "Bearer t1", 30, "a new token")
    work.arrived(standin, wait_until)
    assert standin.stats()["status"] == {"201": work.count}  # no token was used past its end
    # A 401 before its end: one new token, nothing held, nothing parked.
    tokens.expires_in = 3600
    wait_until(lambda: work.post(1) or tokens.given >= 3, 30, "a long one")
    last = "t%d" % (tokens.given + 1)
    standin.script({"answer": 401, "without": "Authorization: Bearer " + last})
    work.post()
    work.arrived(standin, wait_until)
    assert tokens.given == int(last[1:])
    assert work.route()["state"] == "ok" and work.route()["parked"] == 0
    # The endpoint is down, and the token is refused: it waits, not held.
    tokens.is_down = True
    standin.script({"answer": 401, "without": "Authorization: Bearer t%d" % (tokens.given + 1)}, replace=True)
    work.post()
    asked = tokens.asked
    wait_until(lambda: tokens.asked >= asked + 2, 30, "tried again")
    assert work.route()["state"] == "circuit_open" and "token_url" in work.route()["last_error"]
    tokens.is_down = False
    work.arrived(standin, wait_until)
    # It refuses us: held, until there is another secret.
    tokens.secret = "another"
    standin.script({"answer": 401, "without": "Authorization: Bearer t%d" % (tokens.given + 1)}, replace=True)
    work.post()
    wait_until(lambda: work.route()["state"] == "held", 30, lambda: str(work.route()))
    put(secret, "another")
    work.arrived(standin, wait_until)
    assert work.agent.stop() == 0


def test_a_new_token_that_is_refused_too_holds(runner, built, workdir, standin, tokens, wait_until):
    """A 401 gets one new token, not one for each event."""
    standin.script({"answer": 401})
    secret = put(workdir / "secret", tokens.secret)
    work = Counted(runner, built, workdir, http_route(
        "out", standin.url, auth="oauth2", token_url=tokens.url, client_id="agent", client_secret_file=str(secret),
        client_auth="post", hold_interval="60s"))
    work.post(30)
    wait_until(lambda: work.route()["state"] == "held", 30, lambda: str(work.route()))
    assert tokens.given <= 3 and standin.stats()["posts"] <= 40
    assert tokens.requests[0]["client_secret"] == tokens.secret
    assert work.route()["waiting"] == 30 and work.route()["parked"] == 0
    assert work.agent.stop() == 0


def test_jwt_as_other_clients_do(runner, built, workdir, standin, tokens, wait_until):
    """The API key as form data; a token in a field of the configured name; the key from the environment."""
    tokens.field = "jwt"
    work = Counted(runner, built, workdir, http_route(
        "out", standin.url, auth="jwt", token_url=tokens.url, api_key="${TEST_API_KEY}", grant_type="urn:x:apikey",
        response_type="cloud_iam", token_fields=["id", "jwt"]), env={"TEST_API_KEY": tokens.secret})
    work.post()
    work.arrived(standin, wait_until)
    assert tokens.requests == [{"grant_type": "urn:x:apikey", "response_type": "cloud_iam", "apikey": tokens.secret}]
    assert {post.headers["authorization"] for post in standin.posts()} == {"Bearer t1"}
    assert work.agent.stop() == 0


def test_headers_gzip_and_idle_connections(runner, built, workdir, start_standin, wait_until):
    """Configured headers; bodies that shrink on the wire and arrive as they were; a connection that the server closed
    while it was idle is no failed try."""
    sink = start_standin(idle=0.5)
    work = Counted(runner, built, workdir, http_route(
        "out", sink.url, compression="gzip", headers=["X-Tenant: lineage", "X-Secret: a${TEST_PART}c"]),
        env={"TEST_PART": "b"})
    for round_ in range(3):
        work.post(3)
        work.arrived(sink, wait_until)
        wait_until(lambda: sink.stats()["open"] == 0, 30, "the server closed them")
    posts = sink.posts()
    assert {post.headers["x-secret"] for post in posts} == {"abc"}
    assert {post.headers["x-tenant"] for post in posts} == {"lineage"}
    assert {post.headers["content-encoding"] for post in posts} == {"gzip"}
    assert all(post.wire_size < len(post.body) for post in posts)
    assert work.route()["retries"] == 0
    # A server that knows no gzip gets the same events plain.
    sink.script({"answer": 415, "without": "X-Tenant: other", "times": 1})
    work.post(3)
    work.arrived(sink, wait_until)
    assert "content-encoding" not in sink.posts()[-1].headers
    assert work.route()["parked"] == 0
    assert work.agent.stop() == 0


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_through_a_proxy(runner, built, workdir, start_standin, start_proxy, wait_until, scheme):
    """With a password from a file, which the route waits for; plain requests and tunnels."""
    options, files = {}, {}
    if scheme == "https":
        authority = certificates.Authority(workdir / "ca")
        options["tls_cert"] = authority.issue("server")[2]
        files["ca_file"] = str(authority.pem)
    sink, way = start_standin(**options), start_proxy(user="agent:pass word")
    secret = put(workdir / "proxy-password", "agent:wrong")
    work = Counted(runner, built, workdir, http_route(
        "out", sink.url, proxy=way.url, proxy_auth_file=str(secret), hold_interval="60s", **files))
    work.post()
    wait_until(lambda: work.route()["state"] == "held" and way.refused, 30, lambda: str(work.route()))
    assert "407" in work.route()["last_error"] and way.seen == []
    put(secret, "agent:pass word\n")
    work.arrived(sink, wait_until)
    assert {method for method, _ in way.seen} == {"CONNECT" if scheme == "https" else "POST"}
    assert work.agent.stop() == 0


def test_the_environments_proxy_only_if_asked_for(runner, built, workdir, standin, start_proxy, wait_until):
    way = start_proxy()
    env = {"http_proxy": way.url, "https_proxy": way.url, "all_proxy": way.url, "no_proxy": ""}
    work = Counted(runner, built, workdir / "a", http_route("out", standin.url), env=env)
    work.post()
    work.arrived(standin, wait_until)
    assert way.seen == []
    assert work.agent.stop() == 0
    standin.reset()
    work = Counted(runner, built, workdir / "b", http_route("out", standin.url, proxy="environment"), env=env)
    work.post()
    work.arrived(standin, wait_until)
    assert way.seen
    assert work.agent.stop() == 0


def test_agent_to_agent_in_batches(runner, built, workdir, standin, wait_until):
    """To another lineaged events go in batches; what that one refuses is parked by itself; order holds within runs, and
    the bytes are the same behind both."""
    second = Agent(runner, built("lineaged"), workdir / "second", [http_route("out", standin.url)]).start()
    first = Agent(runner, built("lineaged"), workdir / "first", [
        http_route("next", second.url, profile="lineaged")]).start()
    strict = Agent(runner, built("lineaged"), workdir / "strict", [http_route("next", "http://127.0.0.1:9")])
    bodies = list(numbered.events(160, 5))
    # A backlog, so that there is something to put together: the second one is not there for a while.
    assert second.stop() == 0
    for body in bodies:
        assert first.post(body)[0] == 201
    second.start()
    wait_until(lambda: standin.stats()["stored"] >= len(bodies), 90, lambda: "%s %s" % (standin.stats(), first.status()["routes"]))
    assert numbered.check(standin.stored(), dict(enumerate(bodies))).problems() == []
    sent = [line for line in first.admin("/metrics")[1].decode().splitlines()
            if line.startswith("lineaged_route_requests_total{")]
    assert int(float(sent[0].rsplit(" ", 1)[1])) < len(bodies) / 4, sent
    # A strict one refuses a few of a batch.
    assert second.stop() == 0
    config = json.loads(strict.config.read_text())
    config["intake"]["validation"] = "strict"
    config["intake"]["http"]["listen"][1] = "127.0.0.1:%d" % second.port
    strict.config.write_text(json.dumps(config))
    loose = [body.replace(b'Z"', b'"', 1) if number % 10 == 3 else body
             for number, body in enumerate(numbered.events(60, 1, first=5000, seed="strict"))]
    for body in loose:
        assert first.post(body)[0] == 201
    strict.start()
    wait_until(lambda: first.status()["routes"][0]["waiting"] == 0, 60, lambda: str(first.status()["routes"]))
    assert first.status()["routes"][0]["parked"] == 6
    shown = runner.run(built("lineage"), "deadletter", "ls", "--json", env=first.environment())
    letters = json.loads(shown.out)
    letters = letters["deadletters"] if isinstance(letters, dict) else letters
    assert len(letters) == 6 and all(letter["reason"] for letter in letters), letters
    assert first.stop() == 0
    strict.kill()


def test_a_server_without_batches_gets_single_events(runner, built, workdir, standin, wait_until):
    """404 to /batch: remembered, and everything arrives one by one."""
    standin.down()
    work = Counted(runner, built, workdir, http_route("out", standin.url, batch_events=50))
    work.post(200)
    standin.up()
    work.arrived(standin, wait_until)
    batches = [post for post in standin.posts() if post.path.endswith("/batch")]
    assert 0 < len(batches) <= 16
    assert work.route()["parked"] == 0
    assert work.agent.stop() == 0


def test_kills_with_batches_under_way(runner, built, workdir, start_standin, wait_until):
    """kill -9 with batches under way: nothing lost, no order broken although 5 % of the events of batches fail, and at
    most max_in_flight x batch_events doubled for each kill."""
    sink = start_standin(batch=True)
    sink.script({"answer": 503, "rate": 0.05, "seed": 7}, {"answer": "marquez", "delay_ms": 20})
    agent = Agent(runner, built("lineaged"), workdir / "agent", [
        http_route("out", sink.url, profile="lineaged", max_in_flight=4, batch_events=8, health_url=sink.url)]).start()
    events_of_run = {}
    for body in numbered.events(150, 8):
        events_of_run.setdefault(numbered.parse(body).run, []).append(body)
    senders = Senders(agent, events_of_run)
    try:
        for kill in range(4):
            wait_until(lambda kill=kill: senders.count() >= 200 * (kill + 1), 120, lambda: str(senders.count()))
            agent.kill()
            agent.start()
        senders.join(120)
    finally:
        senders.stop()
    wait_until(lambda: agent.status()["routes"][0]["waiting"] == 0, 120, lambda: str(agent.status()["routes"]))
    sent = {numbered.parse(body).number: body for body in senders.acknowledged}
    assert len(sent) == 1200
    report = numbered.check(sink.stored(), sent)
    assert report.problems(max_duplicates=4 * 4 * 8) == []
    assert any(post.path.endswith("/batch") for post in sink.posts())
    assert agent.status()["routes"][0]["parked"] == 0
    assert agent.stop() == 0


def test_marquez_learns_the_end_again(runner, built, workdir, standin, wait_until):
    """A START that came after its COMPLETE, and one that was parked and sent again: the run is COMPLETED in the end."""
    agent = Agent(runner, built("lineaged"), workdir / "agent",
                  [http_route("marquez", standin.url, profile="marquez")]).start()
    view = MarquezView(standin.url)
    start, end = numbered.event(0, 0, 0), numbered.event(1, 0, 1, last=True)
    assert agent.post(end)[0] == 201
    wait_until(lambda: standin.stats()["stored"] == 1, 30, "the end is there")
    assert agent.post(start)[0] == 201
    wait_until(lambda: standin.stats()["stored"] == 3, 30, lambda: str([p.event_type for p in standin.posts()]))
    assert [post.event_type for post in standin.posts()] == ["COMPLETE", "START", "COMPLETE"]
    assert standin.posts()[2].body == end
    assert view.run_state(numbered.run_id(0)) == "COMPLETED"
    assert agent.status()["routes"][0]["resent"] == 1
    # A dead letter sent again.
    standin.reset()
    standin.script({"answer": 422, "match": '"eventType":"START"', "times": 1})
    start, end = numbered.event(2, 1, 0), numbered.event(3, 1, 1, last=True)
    assert agent.post(start)[0] == 201
    assert agent.post(end)[0] == 201
    wait_until(lambda: standin.stats()["stored"] == 1, 30, lambda: str(standin.stats()))
    env = agent.environment()
    listed = json.loads(runner.run(built("lineage"), "deadletter", "ls", "--json", env=env).out)
    listed = listed["deadletters"] if isinstance(listed, dict) else listed
    again = runner.run(built("lineage"), "deadletter", "retry", listed[0]["id"], env=env)
    assert again.status == 0, again.err
    wait_until(lambda: standin.stats()["stored"] == 3, 30, lambda: str([p.event_type for p in standin.posts()]))
    assert [p.event_type for p in standin.posts() if p.stored] == ["COMPLETE", "START", "COMPLETE"]
    assert view.run_state(numbered.run_id(1)) == "COMPLETED"
    metrics = agent.admin("/metrics")[1].decode()
    assert 'lineaged_route_resent_total{route="marquez"} 2' in metrics
    assert agent.stop() == 0


def test_no_secret_is_shown(runner, built, workdir, standin, tokens, wait_until):
    """Whatever goes wrong: not in the log, the status, the metrics, a dead letter, the printed configuration."""
    tokens.secret = "hidden-secret-1"
    secret = put(workdir / "secret", tokens.secret)
    work = Counted(runner, built, workdir, http_route(
        "out", standin.url, auth="oauth2", token_url=tokens.url, client_id="agent", client_secret_file=str(secret),
        headers=["X-Key: hidden-secret-2"], hold_interval="1s"))
    work.post(3)
    standin.script({"answer": 401, "times": 1}, {"answer": 422, "times": 1}, {"answer": 500, "times": 1})
    work.post(3)
    wait_until(lambda: work.route()["parked"] == 1 and work.route()["waiting"] == 0, 60, lambda: str(work.route()))
    tokens.status = 503
    standin.script({"answer": 401, "times": 1})
    work.post(1)
    wait_until(lambda: work.route()["state"] == "circuit_open", 30, lambda: str(work.route()))
    tokens.status = 200
    wait_until(lambda: work.route()["waiting"] == 0, 60, lambda: str(work.route()))
    printed = runner.run(*work.agent.argv("--print-config"))
    assert printed.status == 0 and "headers: (set)" in printed.out
    shown = [printed.out, work.agent.process.err]
    shown += [work.agent.admin(path)[1].decode() for path in ("/status", "/metrics", "/v1/deadletters")]
    shown += [path.read_bytes().decode("latin-1") for path in work.agent.spool.rglob("*") if path.is_file()]
    for text in shown:
        for hidden in ["hidden-secret", *("Bearer t%d" % n for n in range(1, tokens.given + 1))]:
            assert hidden not in text
    assert work.agent.stop() == 0
