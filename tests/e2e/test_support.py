# SPDX-License-Identifier: Apache-2.0
"""The ground that the other end-to-end tests stand on: the stand-in answers as a real Marquez was seen
to, keeps exact bytes and obeys its script; the broker survives a kill; the real clients send what they
say they sent; counting numbered events finds every kind of fault."""
import concurrent.futures
import gzip
import http.client
import json
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request

import pytest

import numbered
from standin_control import MarquezView

JSON = "application/json"
PATH = "/api/v1/lineage"
RUN = "0190a3a5-7c00-7000-8000-000000000001"


def make(**changes):
    """A valid START with keys replaced, or dropped where None."""
    event = {"eventType": "START", "eventTime": "2025-01-01T00:00:00Z", "producer": "https://p.example",
             "schemaURL": numbered.SPEC, "run": {"runId": RUN, "facets": {}},
             "job": {"namespace": "tests", "name": "j", "facets": {}}, "inputs": [], "outputs": []}
    event.update(changes)
    return json.dumps({key: value for key, value in event.items() if value is not None}).encode()


def run_facets(**facets):
    return {"runId": RUN, "facets": facets}


def static(kind, url=None, **keys):
    event = {"eventTime": "2025-01-01T00:00:00Z", "producer": "https://p.example", **keys}
    if url is None:
        url = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/" + kind
    if url:
        event["schemaURL"] = url
    return json.dumps(event).encode()


DATASET = {"dataset": {"namespace": "n", "name": "d"}}
JOB = {"job": {"namespace": "n", "name": "j"}}
GOOD_PARENT = {"run": {"runId": "no uuid"}, "job": {"namespace": "n", "name": "p"}}
OK, BAD, INVALID, HTML = "201", "500json", "422", "500html"

# (name, body, answer, stored)
EVENTS = [
    *((kind, make(eventType=kind), OK, True)
      for kind in ("START", "COMPLETE", "FAIL", "ABORT", "OTHER", "RUNNING", "BOGUS", "complete")),
    ("dataset event", static("DatasetEvent", **DATASET), OK, True),
    ("job event", static("JobEvent", **JOB), OK, True),
    ("dataset event, other prefix", static("", url="x/DatasetEvent", **DATASET), OK, True),
    ("dataset event without schemaURL", static("", url="", **DATASET), INVALID, False),
    ("malformed", b'{"eventType": START}', BAD, False),
    ("truncated", make()[:-20], BAD, False),
    ("not UTF-8", make().replace(b'"j"', b'"\xff"'), BAD, False),
    ("NaN", make(x=1).replace(b'"x": 1', b'"x": NaN'), BAD, False),
    ("bad eventTime", make(eventTime="yesterday"), BAD, False),
    ("impossible eventTime", make(eventTime="2025-13-01T00:00:00Z"), BAD, False),
    ("bad nominalTime", make(run=run_facets(nominalTime={"nominalStartTime": "noon"})), BAD, False),
    ("array", b"[{},{}]", BAD, False),
    ("array of one good event", b"[" + make() + b"]", BAD, False),
    ("deeply nested", b"[" * 100000 + b"]" * 100000, BAD, False),
    ("gzip without the header", gzip.compress(make()), BAD, False),
    ("{}", b"{}", INVALID, False),
    ("empty body", b"", INVALID, False),
    ("null", b"null", INVALID, False),
    *(("no " + key, make(**{key: None}), INVALID, False)
      for key in ("run", "job", "eventTime", "producer")),
    ("no job.name", make(job={"namespace": "n"}), INVALID, False),
    ("no runId", make(run={"facets": {}}), INVALID, False),
    ("bad parent facet", make(run=run_facets(parent={"run": {}})), INVALID, False),
    ("parent run id no UUID", make(run=run_facets(parent=GOOD_PARENT)), OK, True),
    ("no schemaURL", make(schemaURL=None), OK, True),
    ("no inputs", make(inputs=None), OK, True),
    ("unknown top-level key", make(more={"a": [1]}), OK, True),
    ("facet without _producer", make(run=run_facets(mine={"a": 1})), OK, True),
    ("duplicate key", make()[:-1] + b', "producer": "https://q.example"}', OK, True),
    ("no eventType", make(eventType=None), HTML, True),
    ("NUL in the job name", make(job={"namespace": "n", "name": "a\0b"}), HTML, False),
    ("NUL in a facet", make(run=run_facets(mine={"a": ["x\0"]})), HTML, False),
    ("an escaped backslash before u0000", make(job={"namespace": "n", "name": "a\\u0000"}), OK, True),
    ("runId no UUID", make(run={"runId": "seven"}), OK, True),
    ("runId empty", make(run={"runId": ""}), OK, True),
    ("eventTime without zone", make(eventTime="2025-01-01T00:00:00"), OK, True),
    ("eventTime ns and offset", make(eventTime="2025-01-01T00:00:00.123456789+02:00"), OK, True),
    ("odd namespace", make(job={"namespace": "bad ns !@#", "name": "j"}), OK, True),
    ("long job name", make(job={"namespace": "n", "name": "j" * 1100}), OK, True),
    ("5 MB", make(run=run_facets(mine={"a": "x" * 5000000})), OK, True),
]


def send(standin, body, method="POST", path=PATH, **headers):
    """(answer, body) of one request on a connection of its own."""
    link = http.client.HTTPConnection("127.0.0.1", standin.port, timeout=30)
    try:
        link.request(method, path, body, {"Content-Type": JSON, **headers})
        answer = link.getresponse()
        return answer, answer.read()
    finally:
        link.close()


def told(answer, body):
    """The answer as the table writes it, its form checked."""
    kind = answer.headers.get("Content-Type", "").split(";")[0]
    if answer.status == 201:
        assert body == b"" and answer.headers["Content-Length"] == "0" and kind == ""
        return OK
    if answer.status == 422:
        assert kind == JSON and json.loads(body)["errors"]
        return INVALID
    if answer.status == 500 and kind == JSON:
        assert json.loads(body)["code"] == 400 and json.loads(body)["message"]
        return BAD
    if answer.status == 500:
        assert kind == "text/html" and b"<html" in body
        return HTML
    return str(answer.status)


@pytest.mark.parametrize("name,body,wanted,stored", EVENTS, ids=[row[0] for row in EVENTS])
def test_each_event_is_answered_and_kept_as_marquez_does(standin, name, body, wanted, stored):
    assert told(*send(standin, body)) == wanted
    [post] = standin.posts()
    assert post.body == body
    assert (post.stored, post.status) == (stored, int(wanted[:3]))


# (name, method, path, headers, body, answer)
REQUESTS = [
    ("no batch", "POST", PATH + "/batch", {}, b"[]", "404"),
    ("trailing slash", "POST", PATH + "/", {}, make(), OK),
    ("query", "POST", PATH + "?a=b", {}, make(), OK),
    ("bearer", "POST", PATH, {"Authorization": "Bearer k"}, make(), OK),
    ("charset", "POST", PATH, {"Content-Type": JSON + "; charset=utf-8"}, make(), OK),
    ("text/plain", "POST", PATH, {"Content-Type": "text/plain"}, make(), "415"),
    ("vendor json", "POST", PATH, {"Content-Type": "application/vnd.x+json"}, make(), "415"),
    ("gzip", "POST", PATH, {"Content-Encoding": "gzip"}, gzip.compress(make()), OK),
    ("PUT", "PUT", PATH, {}, make(), "405"),
    ("HEAD", "HEAD", PATH, {}, None, "400"),
]


@pytest.mark.parametrize("name,method,path,headers,body,wanted", REQUESTS,
                         ids=[row[0] for row in REQUESTS])
def test_each_kind_of_request(standin, name, method, path, headers, body, wanted):
    assert told(*send(standin, body, method, path, **headers)) == wanted
    posts = standin.posts()
    assert len(posts) == (method == "POST")
    if wanted == OK:
        assert posts[0].body == make() and posts[0].wire_size == len(body)


def exchange(standin, data, answers, timeout=30):
    """Write bytes, read until `answers` status lines with their (empty) bodies came."""
    with socket.create_connection(("127.0.0.1", standin.port), timeout=timeout) as link:
        link.sendall(data)
        got = b""
        while got.count(b"\r\n\r\n") < answers:
            more = link.recv(65536)
            if not more:
                break
            got += more
    return got


HEAD = b"POST /api/v1/lineage HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


def test_chunked_pipelined_and_expect(standin):
    body = make()
    zipped = gzip.compress(body)
    chunked = b"".join(b"%x;ext=1\r\n%s\r\n" % (len(part), part)
                       for part in (zipped[:7], zipped[7:])) + b"0\r\nTrailer: 1\r\n\r\n"
    got = exchange(standin, HEAD + b"Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n"
                   + chunked, 1)
    assert got.startswith(b"HTTP/1.1 201 ")
    one = HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body
    got = exchange(standin, one * 3, 3)
    assert got.count(b"HTTP/1.1 201 ") == 3
    with socket.create_connection(("127.0.0.1", standin.port), timeout=30) as link:
        link.sendall(HEAD + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(body))
        assert link.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        link.sendall(body)
        assert link.recv(1000).startswith(b"HTTP/1.1 201 ")
    posts = standin.posts()
    assert [post.body for post in posts] == [body] * 5
    assert len({post.conn for post in posts}) == 3


def test_smuggling_is_refused(standin):
    both = HEAD + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    twice = HEAD + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\n{} "
    for data in (both, twice):
        assert exchange(standin, data, 1).startswith(b"HTTP/1.1 400 ")
    assert standin.posts() == []


def test_idle_and_stalled_connections_end(start_standin):
    standin = start_standin(idle=0.5)
    with socket.create_connection(("127.0.0.1", standin.port), timeout=30) as idle, \
            socket.create_connection(("127.0.0.1", standin.port), timeout=30) as stalled:
        stalled.sendall(HEAD + b"Content-Length: 10\r\n\r\nabc")
        assert idle.recv(100) == b""
        got = b""
        while more := stalled.recv(1000):
            got += more
    assert got.startswith(b"HTTP/1.1 500 ") and b"Connection: close" in got
    assert standin.posts() == []


def test_many_connections_and_counts(standin):
    bodies = list(numbered.events(runs=8, per_run=25))

    def one_lane(lane):
        link = http.client.HTTPConnection("127.0.0.1", standin.port, timeout=30)
        for body in bodies[lane::8]:
            link.request("POST", PATH, body, {"Content-Type": JSON})
            assert link.getresponse().read() == b""
        link.close()

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(one_lane, range(8)))
    report = numbered.check(standin.stored(), dict(enumerate(bodies)))
    assert (report.problems(), report.unique) == ([], len(bodies))
    stats = standin.stats()
    assert (stats["posts"], stats["status"], stats["in_flight"]) == (200, {"201": 200}, 0)


def test_script_in_turn_then_the_judge_again(standin):
    standin.script({"answer": "500html", "times": 2}, {"answer": 503, "retry_after": 7, "times": 1},
                   {"answer": 401, "times": 1}, {"answer": "500json", "times": 1})
    seen = [send(standin, make()) for _ in range(6)]
    assert [told(*each) for each in seen] == [HTML, HTML, "503", "401", BAD, OK]
    assert seen[2][0].headers["Retry-After"] == "7"
    assert [post.stored for post in standin.posts()] == [False] * 5 + [True]


def test_script_until_told_otherwise_and_poison(standin):
    standin.script({"answer": 404})
    assert [send(standin, make())[0].status for _ in range(3)] == [404] * 3
    standin.script({"answer": "500html", "match": "poison"}, replace=True)
    assert told(*send(standin, make(producer="poison"))) == HTML
    assert told(*send(standin, make())) == OK
    standin.reset()
    assert standin.posts() == [] and told(*send(standin, make(producer="poison"))) == OK


def test_script_rate_is_repeatable(standin):
    def draw(seed):
        standin.script({"answer": 503, "rate": 0.4, "seed": seed}, replace=True)
        return [send(standin, make())[0].status for _ in range(40)]
    first = draw(7)
    assert first == draw(7) and first != draw(8)
    assert 5 < first.count(503) < 30


@pytest.mark.parametrize("answer,store", [("close", False), ("close", True), ("torn", True),
                                          ("reset", True)])
def test_script_no_answer(standin, answer, store):
    standin.script({"answer": answer, "times": 1, "store": store})
    with pytest.raises((http.client.HTTPException, ConnectionError)):
        send(standin, make())
    [post] = standin.posts()
    assert (post.status, post.stored, post.answered, post.body) == (0, store, None, make())
    assert told(*send(standin, make())) == OK


def test_script_hang_until_released(standin, wait_until):
    standin.script({"answer": "hang", "times": 1})
    with socket.create_connection(("127.0.0.1", standin.port), timeout=0.3) as link:
        link.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % len(make()) + make())
        with pytest.raises(TimeoutError):
            link.recv(1)
        assert standin.stats()["in_flight"] == 1
        standin.release()
        link.settimeout(30)
        assert link.recv(1) == b""
    wait_until(lambda: standin.stats()["in_flight"] == 0)


def test_script_delay_is_stored_though_the_client_left(standin, wait_until):
    standin.script({"delay_ms": 600, "times": 2})
    before = time.monotonic()
    assert told(*send(standin, make())) == OK
    assert time.monotonic() - before >= 0.6
    with socket.create_connection(("127.0.0.1", standin.port), timeout=30) as link:
        link.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % len(make()) + make())
        wait_until(lambda: len(standin.posts()) == 2)
    wait_until(lambda: standin.posts()[1].answered)
    assert standin.posts()[1].stored


def test_bad_script_is_refused(standin):
    for rule in ({"answer": "teapot"}, {"answr": 500}, {"answer": 99}, "x"):
        with pytest.raises(ValueError):
            standin.script(rule)


def test_down_refuses_and_up_goes_on(standin):
    with socket.create_connection(("127.0.0.1", standin.port), timeout=30) as link:
        send(standin, make())
        standin.down()
        try:
            assert link.recv(1) == b""
        except ConnectionResetError:
            pass
    with pytest.raises(ConnectionRefusedError):
        send(standin, make())
    standin.up()
    assert told(*send(standin, make())) == OK
    assert len(standin.posts()) == 2


def test_log_has_the_bytes_after_a_kill(start_standin, workdir):
    standin = start_standin(log=workdir / "posts.jsonl")
    send(standin, make())
    standin.process.kill()
    standin.process.wait()
    [line] = (workdir / "posts.jsonl").read_text().splitlines()
    assert json.loads(line)["status"] == 201


def test_control_answers_on_the_lineage_port_too(standin):
    send(standin, make())
    with urllib.request.urlopen(standin.url + "/_standin/stats", timeout=30) as answer:
        assert json.load(answer)["posts"] == 1
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(standin.url + "/_standin/listen", b'{"up": false}', timeout=30)
    assert refused.value.code == 400


def test_marquez_view(standin):
    view = MarquezView(standin.url)
    for body in numbered.events(runs=3, per_run=50):
        send(standin, body)
    send(standin, make(eventType=None))
    send(standin, static("DatasetEvent", **DATASET))
    run = numbered.run_id(1)
    assert [event["eventType"] for event in view.events_of_run(run)] \
        == ["START"] + ["RUNNING"] * 48 + ["COMPLETE"]
    assert len(view.events_of_run(RUN)) == 1
    assert view.run_state(run) == "COMPLETED"
    assert view.run_state("0190a3a5-7c00-7000-8000-0000000000ff") is None
    send(standin, numbered.event(999, 1, 0))
    assert view.run_state(run) == "RUNNING"  # the last arrival wins
    send(standin, make(run={"runId": ""}))
    assert view.run_state("d41d8cd9-8f00-3204-a980-0998ecf8427e") == "RUNNING"


# -- numbered events -----------------------------------------------------------------------------

def test_numbered_events_have_their_size_and_order():
    bodies = list(numbered.events(runs=2, per_run=3, size=2048))
    assert {len(body) for body in bodies} == {2048}
    assert [tuple(numbered.parse(body)) for body in bodies] \
        == [(0, 0, 0), (1, 1, 0), (2, 0, 1), (3, 1, 1), (4, 0, 2), (5, 1, 2)]
    assert [json.loads(body)["eventType"] for body in bodies] \
        == ["START"] * 2 + ["RUNNING"] * 2 + ["COMPLETE"] * 2


B = list(numbered.events(runs=1, per_run=5))
FAULTS = [
    ("nothing wrong", B, 0, []),
    ("lost", B[:2] + B[3:], 0, ["lost"]),
    ("lost at the end", B[:-1], 0, ["lost"]),
    ("doubled", B + B[4:], 0, ["1 duplicates"]),
    ("doubled, allowed", B + B[4:], 1, []),
    ("replayed in order", B[:3] + B[1:], 2, []),
    ("swapped", [B[0], B[2], B[1], B[3], B[4]], 0, ["order_breaks"]),
    ("START replayed last", B + B[:1], 1, ["ended_early"]),
    ("altered", B[:4] + [B[4].replace(b'":', b'": ')], 0, ["altered"]),
    ("foreign", B + [make()], 0, ["1 bodies without a number"]),
    ("unexpected", B + [numbered.event(77, 3, 0)], 0, ["unexpected"]),
    ("nothing came", [], 0, ["lost"]),
]


@pytest.mark.parametrize("name,bodies,allowed,wanted", FAULTS, ids=[row[0] for row in FAULTS])
def test_each_fault_is_found(name, bodies, allowed, wanted):
    found = numbered.check(bodies, dict(enumerate(B))).problems(allowed)
    assert len(found) == len(wanted)
    for line, start in zip(found, wanted):
        assert line.startswith(start)


# -- the process runner --------------------------------------------------------------------------

def test_runner_reaps_what_is_left(workdir):
    import procs
    runner = procs.Runner(workdir)
    deaf = runner.start("sh", "-c", "echo up; exec sleep 600")
    done = runner.run("sh", "-c", "echo out; echo err >&2; exit 3")
    assert (done.status, done.out, done.err) == (3, "out\n", "err\n")
    procs.wait_until(lambda: deaf.out == "up\n")
    deaf.signal(signal.SIGSTOP)
    runner.close()
    assert not deaf.is_running()


# -- Kafka ---------------------------------------------------------------------------------------

def produce(broker, topic, values):
    subprocess.run(["kcat", "-P", "-b", broker.bootstrap, "-t", topic, "-k", "key", "-H", "a=1",
                    "-X", "acks=all"], input=b"\n".join(values), check=True, timeout=60)


def test_kafka_keeps_bytes_through_a_kill(kafka, kafka_read):
    bodies = list(numbered.events(runs=2, per_run=10, size=500))
    assert kafka_read("numbered") == []
    produce(kafka, "numbered", bodies[:12])
    port = kafka.port
    kafka.kill()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)
    kafka.start(die_with_parent=True)
    assert kafka.port == port
    produce(kafka, "numbered", bodies[12:])
    messages = kafka_read("numbered")
    assert [message.value for message in messages] == bodies
    assert {(message.key, message.headers["a"]) for message in messages} == {(b"key", "1")}


# -- the real clients ----------------------------------------------------------------------------

def check_client(client, standin, workdir, compression):
    sent = client.emit(standin.url, 3, workdir / "sent", compression, api_key="key")
    posts = standin.posts()
    assert [each.error for each in sent] == [""] * 9
    assert [post.body for post in posts] == [each.body for each in sent]
    assert [post.run_id for post in posts] == [each.run_id for each in sent]
    assert [post.event_type for post in posts] == ["START", "RUNNING", "COMPLETE"] * 3
    assert {post.status for post in posts} == {201}
    for post in posts:
        assert post.json()["outputs"][0]["facets"]["schema"]["fields"][1]["name"] == "größe"
        assert post.headers["authorization"] == "Bearer key"
        assert (post.headers.get("content-encoding") == "gzip") == (compression == "gzip")
    return sent, posts


@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_python_client(python_client, standin, workdir, compression):
    sent, posts = check_client(python_client, standin, workdir, compression)
    for each, post in zip(sent, posts):
        body = gzip.decompress(each.wire) if compression == "gzip" else each.wire
        assert (body, len(each.wire)) == (each.body, post.wire_size)


@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_java_client(java_client, standin, workdir, compression):
    _, posts = check_client(java_client, standin, workdir, compression)
    chunked = {post.headers.get("transfer-encoding") for post in posts}
    assert chunked == ({"chunked"} if compression == "gzip" else {None})


@pytest.mark.parametrize("which", ["python_client", "java_client"])
def test_a_refusal_reaches_the_record(request, which, standin, workdir):
    client = request.getfixturevalue(which)
    standin.script({"answer": 422})
    sent = client.emit(standin.url, 1, workdir / "sent")
    assert all("422" in each.error for each in sent)
