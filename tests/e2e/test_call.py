# SPDX-License-Identifier: Apache-2.0
"""`lineage call`: what is sent, what comes back, what is kept of both, and what it exits with, against a scripted
provider over HTTPS. No agent: the journal is read as it lies there."""
import hashlib
import hmac
import json
import os
import signal
import socket
import subprocess
import time
import uuid

import pytest

import ai_server
import certificates
import procs
import proxy
from test_receipts import SPACE, Place, read, sha256, tree

KEY = "sk-0123456789abcdefghijklmnopqrstuv"
SECRETS = ("alice@example.com", "4111 1111 1111 1111", "4111111111111111", "ghp_0123456789abcdefghijklmnopqrstuvwxyz")
PROMPT = "Tell me of alice@example.com, who pays with 4111 1111 1111 1111"


class Caller(Place):
    """A place with a request, and a provider that has a certificate."""

    def __init__(self, lineage, directory):
        super().__init__(lineage, directory)
        self.authority = certificates.Authority(directory / "tls")
        self.certificate, self.key, _ = self.authority.issue("provider")
        self.servers = []
        self.env = {name: value for name, value in self.env.items()
                    if not name.upper().endswith(("_PROXY", "_API_KEY"))}
        self.env["OPENAI_API_KEY"] = KEY
        self.request(model="gpt-4o", messages=[{"role": "user", "content": PROMPT}])

    def request(self, **members):
        (self.files / "request.json").write_text(json.dumps(members))

    def serve(self, *answers, tls=True):
        server = ai_server.AiServer(answers, self.certificate if tls else None, self.key)
        self.servers.append(server)
        return server

    def call(self, server, *words, path="/v1/chat/completions", provider="openai", check=None, **more):
        return self("call", "--provider", provider, "--step", "ask", "--cacert", self.authority.pem, *words,
                    server.url + path, "@request.json", check=check, **more)

    def start(self, server, *words, path="/v1/chat/completions"):
        """The same, in the background."""
        return subprocess.Popen([self.lineage, "call", "--provider", "openai", "--step", "ask", "--cacert",
                                 str(self.authority.pem), *words, server.url + path, "@request.json"],
                                env=self.env, cwd=self.files, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE)

    def folder(self, attempt=1, step="ask"):
        run, = (self.files / "runs").glob("20*") if "LINEAGE_RUN_ID" not in self.env else [self.run]
        return run / "steps" / step / ("attempt-%d" % attempt)

    def receipt(self, attempt=1, step="ask"):
        return read(self.folder(attempt, step) / "receipt.json")

    def close(self):
        for server in self.servers:
            server.close()


@pytest.fixture
def place(built, workdir):
    made = Caller(built("lineage"), workdir)
    yield made
    made.close()


def everything_kept(place):
    """The bytes of every file of runs and journal."""
    paths = [path for folder in (place.files / "runs", place.journal) for path in folder.rglob("*") if path.is_file()]
    return b"\n".join(path.read_bytes() for path in paths)


PROVIDERS = [
    ("openai", "/v1/chat/completions", ai_server.openai, "x-request-id", "req_0a1b2c3d4e5f", "chatcmpl-A1",
     "gpt-4o-2024-08-06", (9, 3)),
    ("anthropic", "/v1/messages", ai_server.anthropic, "request-id", "req_011CSHoEeqs5C35K2UUqR7Fy",
     "msg_013Zva2CMHLNnXjNJJKqJ2EF", "claude-sonnet-4-20250514", (12, 6)),
    ("azure", "/openai/deployments/chat/chat/completions?api-version=2024-10-21", ai_server.azure,
     "apim-request-id", "0b1c2d3e-4f50-6172-8394-a5b6c7d8e9f0", "chatcmpl-Z1", "gpt-4o-2024-11-20", (9, 3)),
    ("gemini", "/v1beta/models/gemini-2.0-flash:generateContent", ai_server.gemini, "x-goog-request-id", "5f3e2d1c", "r-gem-1",
     "gemini-2.0-flash-001", (8, 3)),
]


@pytest.mark.parametrize("provider,path,answer,header,request_id,response_id,model,tokens", PROVIDERS)
def test_four_providers(place, provider, path, answer, header, request_id, response_id, model, tokens):
    names = {"anthropic": "ANTHROPIC_API_KEY", "azure": "AZURE_OPENAI_API_KEY", "gemini": "GEMINI_API_KEY"}
    server = place.serve(answer())
    done = place.call(server, path=path, provider=provider, check=0, **{names.get(provider, "OPENAI_API_KEY"): KEY})
    assert done.stdout.encode() == answer().body and done.stderr == ""
    sent, = server.requests
    assert sent["path"] == path and sent["headers"]["Content-Type"] == "application/json"
    keys = {"openai": ("Authorization", "Bearer " + KEY), "anthropic": ("x-api-key", KEY), "azure": ("api-key", KEY),
            "gemini": ("x-goog-api-key", KEY)}
    assert sent["headers"][keys[provider][0]] == keys[provider][1]
    assert (sent["headers"].get("anthropic-version") == "2023-06-01") == (provider == "anthropic")
    assert sent["body"] == (place.files / "request.json").read_bytes()

    receipt = place.receipt()
    call, = receipt["calls"]
    client_id = "run=%s;step=ask;attempt=1" % receipt["run_id"]
    ours = "x-ms-client-request-id" if provider == "azure" else "X-Client-Request-Id"
    assert sent["headers"][ours] == client_id == call["client_request_id"]
    assert call.get("request_id_header") == header and call.get("provider_request_id") == request_id
    assert (call["response_id"], call["response_model"]) == (response_id, model)
    assert (call["input_tokens"], call["output_tokens"]) == tokens
    assert call["request_sha256"] == hashlib.sha256(sent["body"]).hexdigest()
    assert call["response_sha256"] == hashlib.sha256(answer().body).hexdigest()
    assert call["url"] == server.url + path
    assert receipt["machine"]["kernel"] == "Linux " + os.uname().release
    assert read(place.folder() / "claim.json")["machine"] == receipt["machine"]
    assert (call["end"], call["try"], call["status_code"]) == ("answered", 1, 200)
    assert tree(place.folder()) == ["claim.json", "receipt.json", "request.json", "response.json"]

    start, end = [event for event in place.events() if event["job"]["name"] == "ask"]
    assert (start["eventType"], end["eventType"]) == ("START", "COMPLETE")
    assert start["run"]["runId"] == end["run"]["runId"] == str(
        uuid.uuid5(SPACE, receipt["run_id"] + "/ask/1")) == receipt["openlineage"]["run_id"]
    facts = end["run"]["facets"]["lineaged_run"]
    assert facts["model_version"] == model and facts.get("provider_request_id") == request_id
    fact = end["run"]["facets"]["lineaged_call"]
    for member in ("client_request_id", "operation", "response_id", "response_model", "input_tokens", "request_sha256",
                   "response_sha256", "status_code"):
        assert fact.get(member) == call.get(member), member
    assert end["inputs"][1]["facets"]["version"]["datasetVersion"] == model
    assert place("verify", receipt["run_id"]).returncode == 0


def test_what_a_retry_leaves_behind(place, schema_judge):
    server = place.serve(ai_server.refusal(429, headers=[("Retry-After", "1")]),
                         ai_server.refusal(500, "server_error"), ai_server.openai())
    done = place.call(server, "--retries", "3", check=0)
    assert "429 rate_limit_error; try 2 of 4" in done.stderr and "500 server_error; try 3 of 4" in done.stderr
    assert "prompt" not in done.stderr
    assert json.loads(done.stdout)["id"] == "chatcmpl-A1"
    assert server.requests[1]["time"] - server.requests[0]["time"] >= 1
    receipts = [place.receipt(n) for n in (1, 2, 3)]
    assert [r["status"] for r in receipts] == ["FAIL", "FAIL", "COMPLETE"]
    assert [r["exit_code"] for r in receipts] == [1, 1, 0]
    assert [r["calls"][0]["status_code"] for r in receipts] == [429, 500, 200]
    assert [r["calls"][0]["try"] for r in receipts] == [1, 2, 3]
    assert receipts[1]["calls"][0]["waited_ms"] >= 1000
    assert receipts[2]["selected"] == {"reason": "first_success", "over": [
        {"attempt": 1, "status": "FAIL", "exit_code": 1}, {"attempt": 2, "status": "FAIL", "exit_code": 1}]}
    assert [r["headers"]["X-Client-Request-Id"][-9:] for r in server.requests] == [
        "attempt=1", "attempt=2", "attempt=3"]
    assert read(place.folder().parent / "receipt.json") == receipts[2]
    types = [event["eventType"] for event in place.events() if event["job"]["name"] == "ask"]
    assert types == ["START", "FAIL", "START", "FAIL", "START", "COMPLETE"]
    roots = {event["run"]["facets"]["parent"]["root"]["run"]["runId"] for event in place.events()
             if event["job"]["name"] == "ask"}
    assert len(roots) == 1
    assert schema_judge(procs.REPO / "spec/schemas", [[r["schema"], r] for r in receipts]) == [[], [], []]
    assert place("verify", receipts[0]["run_id"], check=0)


def test_refusals_are_final_and_quote_nothing(place):
    for status, kind in ((400, "invalid_request_error"), (401, "authentication_error"), (501, "not_done")):
        server = place.serve(ai_server.refusal(status, kind, PROMPT))
        done = place.call(server, check=1)
        assert done.stdout == "" and "the provider answers %d %s" % (status, kind) in done.stderr
        assert "alice" not in done.stderr and len(server.requests) == 1
    server = place.serve(ai_server.refusal(400, "see alice@example.com\n\x1b[31m", PROMPT))
    assert "400" in place.call(server, check=1).stderr
    failed = [event for event in place.events() if event["eventType"] == "FAIL" and event["job"]["name"] == "ask"]
    assert [event["run"]["facets"]["lineaged_call"]["status_code"] for event in failed] == [400, 401, 501, 400]
    assert len(failed) == 4 and "alice" not in json.dumps(failed)


def test_who_asks_too_long_a_wait_gets_a_shorter_one(place):
    server = place.serve(ai_server.refusal(503, headers=[("Retry-After", "3600")]), ai_server.openai())
    place.call(server, "--retry-wait-max", "200ms", check=0)
    assert server.requests[1]["time"] - server.requests[0]["time"] < 20
    server = place.serve(ai_server.refusal(503, headers=[("X-Should-Retry", "false")]))
    place.call(server, check=1)
    assert len(server.requests) == 1
    server = place.serve(ai_server.refusal(500))
    place.call(server, "--retries", "0", check=1)
    assert len(server.requests) == 1


@pytest.mark.parametrize("trouble,end,exit_code", [("reset", "cut", 4), ("lie", "cut", 4), ("hang", "timed_out", 3),
                                                   ("stall", "timed_out", 3)])
def test_broken_answers(place, trouble, end, exit_code):
    server = place.serve(ai_server.openai(trouble=trouble))
    done = place.call(server, "--timeout", "700ms", "--retries", "1", "--retry-wait-max", "10ms", check=exit_code)
    assert done.stdout == "" and len(server.requests) == 2
    for number in (1, 2):
        receipt = place.receipt(number)
        assert (receipt["status"], receipt["calls"][0]["end"]) == ("FAIL", end)
    # once more, and now it gets through
    server = place.serve(ai_server.openai(trouble=trouble), ai_server.openai())
    place.call(server, "--timeout", "2s", "--retry-wait-max", "10ms", check=0)


def test_no_connection(place):
    server = place.serve(ai_server.openai())
    server.close()
    place.servers.clear()
    done = place.call(server, "--retries", "1", "--retry-wait-max", "10ms", check=3)
    assert "no answer" in done.stderr
    assert [place.receipt(n)["calls"][0]["end"] for n in (1, 2)] == ["no_connection"] * 2


def test_certificates_are_verified(place):
    server = place.serve(ai_server.openai())
    done = place("call", "--provider", "openai", "--step", "ask", server.url + "/v1", "@request.json", check=3)
    assert "certificate" in done.stderr and server.requests == []
    assert place.receipt()["calls"][0]["end"] == "untrusted"


def test_redirects_are_answers(place):
    other = place.serve(ai_server.openai())
    server = place.serve(ai_server.Answer(307, [("Location", other.url + "/v1/chat/completions")]))
    assert "redirects are not followed" in place.call(server, check=1).stderr
    assert other.requests == [] and len(server.requests) == 1


def test_gzip_is_undone(place):
    server = place.serve(ai_server.openai(packed=True))
    assert json.loads(place.call(server, check=0).stdout)["id"] == "chatcmpl-A1"
    assert server.requests[0]["headers"]["Accept-Encoding"] == "gzip"
    assert place.receipt()["calls"][0]["response_sha256"] == hashlib.sha256(ai_server.openai().body).hexdigest()


def test_answers_have_a_limit(place):
    server = place.serve(ai_server.openai(text="x" * 100000))
    done = place.call(server, "--answer-limit", "64KiB", check=4)
    assert "too large" in done.stderr and done.stdout == "" and len(server.requests) == 1
    packed = place.serve(ai_server.openai(text="x" * 10000000, packed=True))
    assert "too large" in place.call(packed, "--answer-limit", "1MiB", check=4).stderr


@pytest.mark.parametrize("provider,path,answer", [
    ("openai", "/v1/chat/completions", ai_server.openai_stream("Ask al", "ice@exam", "ple.com", " now", pieces=7)),
    ("anthropic", "/v1/messages", ai_server.anthropic_stream("Ask al", "ice@exam", "ple.com", " now", pieces=7))])
def test_streams(place, provider, path, answer):
    server = place.serve(answer)
    done = place.call(server, path=path, provider=provider, check=0, ANTHROPIC_API_KEY=KEY)
    assert done.stdout.encode() == answer.body
    call, = place.receipt()["calls"]
    assert call["is_streamed"] and call["response_sha256"] == hashlib.sha256(answer.body).hexdigest()
    assert call["finish_reasons"] == (["stop"] if provider == "openai" else ["end_turn"])
    kept = (place.folder() / "response.sse").read_text()
    assert call["kept"]["response"]["redacted"] and "ice@exam" not in kept and "Ask [redacted] now" in kept
    assert call["response_redacted_sha256"] == sha256(place.folder() / "response.sse")
    assert [line.split(":")[0] for line in kept.splitlines()] == [
        line.split(":")[0] for line in answer.body.decode().splitlines()]


def test_streams_are_printed_as_they_come(place, wait_until):
    server = place.serve(ai_server.openai_stream("one", "two", "three", "four", trouble="stall"))
    program = place.start(server)
    first = program.stdout.readline()
    assert first.startswith(b"data: {") and program.poll() is None
    assert server.stalled.wait(30)
    program.send_signal(signal.SIGINT)
    program.communicate(timeout=30)
    assert program.returncode == 128 + signal.SIGINT
    receipt = place.receipt()
    assert (receipt["status"], receipt["signal"]) == ("ABORT", "SIGINT")
    assert receipt["calls"][0]["end"] == "stopped" and (place.folder() / "response.sse").is_file()
    assert [event["eventType"] for event in place.events() if event["job"]["name"] == "ask"] == ["START", "ABORT"]
    place("verify", receipt["run_id"], check=0)


@pytest.mark.parametrize("words,attempts,exit_code", [((), 1, 4), (("-o", "answer.sse"), 2, 0)])
def test_a_stream_that_is_cut_off(place, words, attempts, exit_code):
    """What was printed cannot be taken back, so there is no other try; with -o there is."""
    cut = ai_server.openai_stream("one", "two", finish=None, last=b"")
    cut.trouble = "close"
    cut.body += cut.body  # of which half is sent: whole events, then the end of the connection
    server = place.serve(cut, ai_server.openai_stream("one", "two"))
    done = place.call(server, "--retry-wait-max", "10ms", *words, check=exit_code)
    assert len(server.requests) == attempts and place.receipt()["calls"][0]["end"] == "cut"
    assert "cut short" in done.stderr
    if words:
        assert done.stdout == ""
        assert (place.files / "answer.sse").read_bytes() == ai_server.openai_stream("one", "two").body
        output, = place.receipt(2)["outputs"]
        assert output["path"] == "answer.sse" and output["sha256"] == sha256(place.files / "answer.sse")
        end = place.events()[-2] if place.events()[-1]["job"]["name"] != "ask" else place.events()[-1]
        assert end["outputs"][0]["facets"]["version"]["datasetVersion"] == "sha256:" + output["sha256"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_end_a_wait(place, number, wait_until):
    server = place.serve(ai_server.refusal(429, headers=[("Retry-After", "50")]))
    program = place.start(server)
    wait_until(lambda: list((place.files / "runs").glob("*/steps/ask/attempt-1/receipt.json")))
    program.send_signal(number)
    program.communicate(timeout=30)
    assert program.returncode == 128 + number
    assert place.receipt()["status"] == "FAIL" and not place.folder(2).exists()


def test_secrets_appear_nowhere(place):
    """Not in files, events or messages; only in what was printed and sent."""
    (place.files / "key").write_text(KEY + "\n")
    answer = ai_server.openai("Card 4111111111111111 of alice@example.com, ghp_0123456789abcdefghijklmnopqrstuvwxyz")
    server = place.serve(ai_server.refusal(500, "oops", PROMPT), answer)
    done = place.call(server, "--header", "X-Team: hunter2hunter2", "--key-file", "key", "--param",
                      "system=alice@example.com says hello", "--head", "X-Other: hunter3hunter3", "--param=temperature=0.5",
                      path="/v1/chat/completions?sig=hunter4hunter4&api-version=1", check=0)
    for secret in SECRETS[::2]:
        assert secret in done.stdout or secret.encode() in server.requests[0]["body"] + server.requests[1]["body"]
    assert server.requests[0]["headers"]["Authorization"] == "Bearer " + KEY
    assert server.requests[0]["headers"]["X-Team"] == "hunter2hunter2"
    kept = everything_kept(place)
    for text in (*SECRETS, KEY, "hunter", "alice"):
        assert text.encode() not in kept and text not in done.stderr, text
    receipt = place.receipt(2)
    assert receipt["parameters"] == {"temperature": "0.5"}
    words = receipt["command"]["argv"]
    assert words[:4] == ["lineage", "call", "--provider", "openai"]
    assert {"X-Team: [redacted]", "system=[redacted]", "X-Other: [redacted]", "--param=temperature=0.5"} <= set(words)
    assert receipt["calls"][0]["changed"] == ["system", "temperature"]
    assert receipt["calls"][0]["url"].endswith("?sig=[redacted]&api-version=1")


def test_no_text_is_in_an_event(place):
    place.call(place.serve(ai_server.openai("The answer is wombat")), "--as-sent", check=0)
    assert b"wombat" in everything_kept(place)  # in the folder, as was asked for
    told = json.dumps(place.events())
    assert "wombat" not in told and "Tell me" not in told and "alice" not in told


def test_as_sent_no_store_and_keyed(place):
    place.call(place.serve(ai_server.openai("alice@example.com")), "--as-sent", check=0)
    assert sha256(place.folder() / "request.json") == sha256(place.files / "request.json")
    kept = place.receipt()["calls"][0]["kept"]
    assert kept["response"] == {"path": "response.json", "redacted": False,
                                "sha256": sha256(place.folder() / "response.json"),
                                "size": (place.folder() / "response.json").stat().st_size}

    place.env["LINEAGE_RUN_ID"], place.env["LINEAGE_RUNS"] = place.folder().parts[-4], str(place.files / "runs")
    (place.files / "hmac").write_bytes(b"0123456789abcdef0123456789abcdef")
    place.call(place.serve(ai_server.openai()), "--no-store", "--hmac-key-file", "hmac", "--hmac-key-id", "k1", "-o",
               "answer.json", check=0)
    assert tree(place.folder(2)) == ["claim.json", "receipt.json"]
    receipt = place.receipt(2)
    call, = receipt["calls"]
    assert call["kept"] == {"request": {"not_kept": "no_store"}, "response": {"not_kept": "no_store"}}
    body = (place.files / "request.json").read_bytes()
    assert call["request_hmac"] == hmac.new((place.files / "hmac").read_bytes(), body, hashlib.sha256).hexdigest()
    assert call["hmac_key_id"] == "k1"
    text = json.dumps([receipt, [event for event in place.events() if event["run"]["runId"] ==
                                 receipt["openlineage"]["run_id"]]])
    for content in (body, ai_server.openai().body):
        assert hashlib.sha256(content).hexdigest() not in text


def test_changes_to_the_request(place):
    (place.files / "prompt.txt").write_text("Tell me of {name}")
    server = place.serve(ai_server.openai())
    place.call(server, "--model", "gpt-4o-mini", "--param", "temperature=0.2", "--param", "reasoning.effort=low",
               "--metadata", "--prompt-template", "tell@3=prompt.txt", "--corpus", "docs@sha256:" + "ab" * 32,
               "--idempotency-header", "Idempotency-Key", "--task-id", "4711", "--tag", "team=shop", check=0)
    sent = json.loads(server.requests[0]["body"])
    receipt = place.receipt()
    assert sent == {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": PROMPT}], "temperature": 0.2,
                    "reasoning": {"effort": "low"},
                    "metadata": {"lineage_run_id": receipt["run_id"], "lineage_step": "ask", "lineage_attempt": "1"}}
    call, = receipt["calls"]
    assert call["changed"] == ["model", "temperature", "reasoning.effort", "metadata"]
    assert call["request_sha256"] == hashlib.sha256(server.requests[0]["body"]).hexdigest()
    assert (call["prompt_name"], call["prompt_version"]) == ("tell", "3")
    assert call["prompt_source_sha256"] == sha256(place.files / "prompt.txt")
    assert (call["corpus"], call["corpus_sha"]) == ("docs", "ab" * 32)
    assert [item["path"] for item in receipt["inputs"]] == ["request.json", "prompt.txt"]
    assert (receipt["task_id"], receipt["tags"]) == ("4711", {"team": "shop"})
    assert uuid.UUID(server.requests[0]["headers"]["Idempotency-Key"])
    end = [event for event in place.events() if event["eventType"] == "COMPLETE" and event["job"]["name"] == "ask"][0]
    assert any("tell" in item["name"] for item in end["inputs"])

    anthropic = place.serve(ai_server.anthropic())
    place.env["LINEAGE_RUN_ID"], place.env["LINEAGE_RUNS"] = receipt["run_id"], str(place.files / "runs")
    place.call(anthropic, "--metadata", provider="anthropic", path="/v1/messages", check=0)
    assert json.loads(anthropic.requests[0]["body"])["metadata"] == {
        "user_id": "run=%s;step=ask;attempt=2" % receipt["run_id"]}
    gemini = place.serve(ai_server.gemini())
    place.call(gemini, "--model", "gemini-2.5-pro", provider="gemini", path="/v1beta/models/flash:generateContent",
               check=0)
    assert gemini.requests[0]["path"] == "/v1beta/models/gemini-2.5-pro:generateContent"
    assert place.receipt(3)["calls"][0]["changed"] == ["url"]


def test_one_key_for_all_tries(place):
    server = place.serve(ai_server.refusal(500), ai_server.openai())
    place.call(server, "--idempotency-header", "Idempotency-Key", "--retry-wait-max", "10ms", "--no-request-id",
               check=0)
    first, second = [request["headers"] for request in server.requests]
    assert first["Idempotency-Key"] == second["Idempotency-Key"] and first["X-Client-Request-Id"] is None


def test_replay(place):
    place.request(model="gpt-4o", messages=[{"role": "user", "content": "Say hello"}])
    place.begin()
    place.call(place.serve(ai_server.openai("Hello.")), check=0)
    earlier = place.folder().parent / "receipt.json"
    server = place.serve(ai_server.openai("Good day.", model="gpt-4.1-2025-04-14"))
    words = ("call", "--cacert", place.authority.pem, "--step", "again", "--model", "gpt-4.1", "--replay")
    done = place(*words, earlier, server.url + "/v1/chat/completions", check=0)
    assert json.loads(server.requests[0]["body"]) == {"model": "gpt-4.1",
                                                      "messages": [{"role": "user", "content": "Say hello"}]}
    for line in ("request_model: was gpt-4o, is gpt-4.1", "response_model: was gpt-4o-2024-08-06, is gpt-4.1-2025-04-14",
                 "response_sha256: was "):
        assert line in done.stderr
    assert "system_fingerprint" not in done.stderr and "hello" not in done.stderr
    call, = place.receipt(step="again")["calls"]
    assert call["replay_of"] == sha256(earlier)
    assert call["replay_path"] == str(place.folder().relative_to(place.run.parent) / "receipt.json")

    # as it was, by the attempt's folder and the URL of the receipt; told to programs
    same = ai_server.AiServer([ai_server.openai("Hello.")])
    place.servers.append(same)
    place.call(same, check=0)
    done = place("call", "--step", "again", "--json", "--replay", place.folder(2), check=0)
    assert len(same.requests) == 2 and same.requests[0]["body"] == same.requests[1]["body"]
    assert json.loads(done.stdout)["differences"] == [] and json.loads(done.stdout)["exit_code"] == 0

    # one changed byte
    kept = place.folder() / "request.json"
    kept.write_bytes(kept.read_bytes().replace(b"hello", b"hallo"))
    done = place(*words, earlier, server.url + "/v1/chat/completions", check=6)
    assert "is not what was sent" in done.stderr and len(server.requests) == 1
    assert "steps/ask/attempt-1/request.json" in place("verify", check=1).stdout

    # not what was sent: redacted
    place.request(model="gpt-4o", messages=[{"role": "user", "content": PROMPT}])
    place.call(same, check=0)
    assert "redacted" in place(*words, place.folder(3), check=6).stderr


def test_dry_run_sends_and_keeps_nothing(place):
    server = place.serve(ai_server.openai())
    done = place.call(server, "--dry-run", "--header", "X-Team: hunter2", "--param", "seed=7", check=0)
    assert server.requests == [] and not (place.files / "runs").exists() and place.events() == []
    assert json.loads(done.stdout)["seed"] == 7
    assert "POST %s/v1/chat/completions" % server.url in done.stderr
    assert "Authorization: [redacted]" in done.stderr and "hunter2" not in done.stderr and KEY not in done.stderr


def test_json_summary(place):
    done = place.call(place.serve(ai_server.openai()), "--json", check=0)
    told = json.loads(done.stdout)
    assert told["call"]["response_id"] == "chatcmpl-A1" and told["attempt"] == 1 and told["exit_code"] == 0
    assert told["folder"] == str(place.folder()) and told["tries"] == 1
    done = place.call(place.serve(ai_server.refusal(400, "bad")), "--json", check=1)
    assert json.loads(done.stdout)["error"] == "the provider answers 400 bad"


USAGE = [
    (("--provider", "nobody", "URL", "@request.json"), "no such provider"),
    (("--provider", "openai", "ftp://h/", "@request.json"), "expected https://"),
    (("--provider", "openai", "https://u:hunter2@h/", "@request.json"), "--key-file"),
    (("--provider", "openai", "http://vllm.invalid/", "@request.json"), "unencrypted"),
    (("--provider", "openai", "URL"), "expected: URL @REQUEST.json"),
    (("--provider", "openai", "URL", "request.json"), "expected @FILE"),
    (("--provider", "openai", "URL", "@missing.json"), "missing.json"),
    (("--provider", "openai", "URL", "@broken.json", "--param", "a=1"), "--param a"),
    (("--provider", "gemini", "--metadata", "URL", "@request.json"), "have no place for it"),
    (("--provider", "openai", "--header", "X: hunter2\r\nY: z", "URL", "@request.json"), "--header: expected"),
    (("--provider", "openai", "--key-env", "NOT_THERE", "URL", "@request.json"), "NOT_THERE"),
    (("--provider", "openai", "--key-file", "missing", "URL", "@request.json"), "missing"),
    (("--provider", "openai", "--timeout", "soon", "URL", "@request.json"), "--timeout"),
    (("--provider", "openai", "--retries", "-1", "URL", "@request.json"), "--retries"),
    (("--provider", "openai", "--corpus", "docs@sha256:ab", "URL", "@request.json"), "--corpus"),
    (("--provider", "openai", "--prompt-template", "x", "URL", "@request.json"), "--prompt-template"),
    (("--provider", "openai", "--hmac-key-file", "short", "URL", "@request.json"), "16 bytes"),
    (("--provider", "openai", "--redact", "(", "URL", "@request.json"), "--redact"),
    (("--provider", "openai", "--as-sent", "--no-store", "URL", "@request.json"), "one of them"),
    (("--provider", "openai", "--answer-limit", "much", "URL", "@request.json"), "--answer-limit"),
]


@pytest.mark.parametrize("words,problem", USAGE)
def test_usage(place, words, problem):
    server = place.serve(ai_server.openai())
    (place.files / "broken.json").write_text("[")
    (place.files / "short").write_text("secret")
    words = [server.url if word == "URL" else word for word in words]
    done = place("call", "--step", "ask", *words, check=2)
    assert problem in done.stderr and "hunter2" not in done.stderr
    assert server.requests == [] and not (place.files / "runs").exists()


def test_more_is_taken_out_when_asked(place):
    place.call(place.serve(ai_server.openai("project wombat")), "--redact", "wombat", check=0)
    assert b"wombat" not in everything_kept(place)


def test_a_key_goes_where_it_is_told(place):
    server = place.serve(ai_server.openai())
    place.call(server, "--key-env", "MY_KEY", "--key-header", "X-My-Key", check=0, MY_KEY="k-1")
    assert server.requests[0]["headers"]["X-My-Key"] == "k-1"
    assert server.requests[0]["headers"]["Authorization"] is None
    place.call(server, "--header", "authorization: Token t", check=0)
    assert server.requests[1]["headers"].get_all("Authorization") == ["Token t"]
    plain = place.serve(ai_server.openai(), tls=False)
    place.call(plain, provider="ollama", path="/v1/chat/completions", check=0)
    assert plain.requests[0]["headers"]["Authorization"] is None


def test_a_request_from_standard_input(place):
    server = place.serve(ai_server.openai())
    done = subprocess.run([place.lineage, "call", "--provider", "openai", "--step", "ask", "--cacert",
                           str(place.authority.pem), server.url + "/v1/chat/completions", "@-"], env=place.env,
                          cwd=place.files, input=b'{"model": "m"}', capture_output=True, timeout=60, check=True)
    assert json.loads(done.stdout)["id"] == "chatcmpl-A1" and server.requests[0]["body"] == b'{"model": "m"}'
    assert place.receipt()["inputs"] == [] and place.receipt()["calls"][0]["request_model"] == "m"


def test_an_error_in_the_guise_of_an_answer(place):
    stream = ai_server.Answer(200, [ai_server.SSE, ("request-id", "req_e")], ai_server.events(
        {"type": "error", "error": {"type": "overloaded_error", "message": PROMPT}}, names=["error"]))
    server = place.serve(stream, ai_server.anthropic_stream("fine"))
    done = place.call(server, "-o", "answer.sse", "--retry-wait-max", "10ms", provider="anthropic",
                      path="/v1/messages", check=0, ANTHROPIC_API_KEY=KEY)
    assert "the answer is an error: overloaded_error" in done.stderr and "alice" not in done.stderr
    assert [place.receipt(n)["status"] for n in (1, 2)] == ["FAIL", "COMPLETE"]
    again = place.call(place.serve(stream), provider="anthropic", path="/v1/messages", check=4, ANTHROPIC_API_KEY=KEY)
    assert again.stdout.encode() == stream.body  # as it came


def test_a_kill_leaves_the_request_and_an_open_attempt(place):
    place.begin()
    server = place.serve(ai_server.openai_stream("one", "two", trouble="stall"), ai_server.openai())
    program = place.start(server)
    assert server.stalled.wait(30)
    program.kill()
    program.communicate(timeout=30)
    assert tree(place.folder()) == ["claim.json", "request.json"]
    place.call(server, check=0)
    assert place.receipt(2)["selected"]["over"] == [{"attempt": 1}]
    place("end", check=0)
    place("verify", check=0)


def test_keys_and_plain_http(place):
    server = ai_server.AiServer([ai_server.openai()], host="127.0.0.2")  # another machine, to who looks at names
    place.servers.append(server)
    assert "unencrypted" in place.call(server, check=2).stderr and server.requests == []
    place.call(server, "--allow-http", check=0)
    place.call(server, provider="ollama", check=0)
    assert [request["headers"]["Authorization"] for request in server.requests] == ["Bearer " + KEY, None]


def test_connections_have_a_time_of_their_own(place):
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes the connection, and says nothing
        began = time.monotonic()
        place("call", "--provider", "openai", "--step", "ask", "--connect-timeout", "300ms", "--retries", "0",
              "https://127.0.0.1:%d/v1" % silent.getsockname()[1], "@request.json", check=3)
    assert time.monotonic() - began < 30 and place.receipt()["calls"][0]["end"] in ("timed_out", "no_connection")


def test_places_and_names(place, workdir):
    done = place.call(place.serve(ai_server.refusal(500, "oops"), ai_server.openai()), "--runs", workdir / "elsewhere",
                      "--seq", "30", "--pipeline", "nightly", "--job", "ask-model", "--namespace", "shop", "--group",
                      "suite=7", "--quiet", "--retry-wait-max", "10ms", "--output", "answer.json", check=0)
    assert done.stderr == "" and done.stdout == ""
    assert json.loads((place.files / "answer.json").read_text())["id"] == "chatcmpl-A1"
    path, = (workdir / "elsewhere").glob("*/steps/030_ask/receipt.json")
    receipt = read(path)
    assert (receipt["seq"], receipt["attempt"], receipt["groups"]) == (30, 2, {"suite": "7"})
    assert {(event["job"]["namespace"], event["job"]["name"]) for event in place.events()} == {
        ("shop", "nightly"), ("shop", "ask-model")}
    refused = place.call(place.serve(ai_server.refusal(400, "bad")), "-q", check=1)
    assert refused.stderr == "lineage: call: the provider answers 400 bad\n"


def test_lineage_itself_needs_no_libcurl(place):
    """It is another program that does."""
    for name, is_needed in (("lineage", False), ("lineage-call", True)):
        needed = subprocess.run(["objdump", "-p", procs.built(name)], capture_output=True, text=True, check=True).stdout
        assert ("libcurl" in needed) == is_needed


def test_without_lineage_there_is_still_a_receipt(place):
    place.call(place.serve(ai_server.openai()), check=0, OPENLINEAGE_DISABLED="true")
    assert place.events() == [] and place.receipt()["calls"][0]["response_id"] == "chatcmpl-A1"


def test_without_a_folder_there_is_still_an_answer(place):
    (place.files / "runs").write_text("in the way")
    done = place.call(place.serve(ai_server.openai()), check=0)
    assert json.loads(done.stdout)["id"] == "chatcmpl-A1" and "no receipt is written" in done.stderr


def test_an_output_that_cannot_be_written(place):
    done = place.call(place.serve(ai_server.openai()), "-o", "nowhere/answer.json", check=5)
    assert "nowhere" in done.stderr
    assert (place.receipt()["status"], place.receipt()["exit_code"]) == ("FAIL", 5)
    with open("/dev/full", "wb") as full:
        server = place.serve(ai_server.openai())
        done = subprocess.run([place.lineage, "call", "--provider", "openai", "--step", "full", "--cacert",
                               str(place.authority.pem), server.url + "/v1", "@request.json"], env=place.env,
                              cwd=place.files, stdout=full, stderr=subprocess.PIPE, timeout=60, check=False)
    assert done.returncode == 5 and len(server.requests) == 1


def test_proxies_of_the_environment(place):
    server, way = place.serve(ai_server.openai()), proxy.Proxy()
    try:
        place.call(server, check=0, https_proxy=way.url)
        assert way.seen == [("CONNECT", "127.0.0.1:%d" % server.port)]
        place.call(server, check=0, https_proxy=way.url, no_proxy="127.0.0.1")
        assert len(way.seen) == 1 and len(server.requests) == 2
    finally:
        way.close()
