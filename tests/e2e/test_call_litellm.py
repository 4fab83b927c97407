# SPDX-License-Identifier: Apache-2.0
"""`lineage call` against a server of others: LiteLLM's proxy over HTTPS, whose answers are made up."""
import hashlib
import json
import socket

import pytest

from agent_process import free_port
from test_call import Caller


@pytest.fixture
def place(built, workdir):
    made = Caller(built("lineage"), workdir)
    yield made
    made.close()


def answers(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.slow
def test_a_real_proxy(place, litellm, runner, workdir, wait_until):
    port = free_port()
    proxy = litellm.start(runner, workdir, port, place.certificate, place.key, answer="Ask alice@example.com.")
    wait_until(lambda: answers(port) or not proxy.is_running(), 120, lambda: proxy.out + proxy.err)
    assert proxy.is_running(), proxy.out + proxy.err
    place.begin()
    place.env["LITELLM_API_KEY"] = litellm.KEY
    url = "https://127.0.0.1:%d/v1/chat/completions" % port
    words = ("call", "--provider", "litellm", "--cacert", place.authority.pem)

    place.request(model="mocked", messages=[{"role": "user", "content": "Say hello"}])
    done = place(*words, "--step", "ask", "--metadata", url, "@request.json", check=0)
    answer = json.loads(done.stdout)
    assert answer["choices"][0]["message"]["content"] == "Ask alice@example.com."
    receipt = place.receipt()
    call, = receipt["calls"]
    assert (call["response_id"], call["response_model"]) == (answer["id"], answer["model"])
    assert call["request_id_header"] == "x-litellm-call-id" and call["provider_request_id"]
    assert call["input_tokens"] == answer["usage"]["prompt_tokens"] and call["finish_reasons"] == ["stop"]
    assert call["response_sha256"] == hashlib.sha256(done.stdout.encode()).hexdigest()
    assert "alice" not in (place.folder() / "response.json").read_text()

    place.request(model="mocked", stream=True, messages=[{"role": "user", "content": "Say hello"}])
    done = place(*words, "--step", "stream", url, "@request.json", check=0)
    pieces = [json.loads(line[6:]) for line in done.stdout.splitlines() if line.startswith("data: {")]
    text = "".join(piece["choices"][0]["delta"].get("content") or "" for piece in pieces if piece["choices"])
    assert text == "Ask alice@example.com." and done.stdout.rstrip().endswith("data: [DONE]")
    call, = place.receipt(step="stream")["calls"]
    assert call["is_streamed"] and call["finish_reasons"] == ["stop"]
    kept = (place.folder(step="stream") / "response.sse").read_text()
    assert "Ask [redacted]" in kept and "alice" not in kept and "example.com" not in kept

    done = place("call", "--cacert", place.authority.pem, "--step", "again", "--replay", place.folder(step="stream"),
                 check=0)
    assert "replay: response_sha256: was " in done.stderr  # its id is new
    refused = place(*words, "--step", "refused", "--model", "nobody", url, "@request.json", check=1)
    assert "the provider answers 400 " in refused.stderr
    place.env["LITELLM_API_KEY"] = "sk-wrong"
    assert "the provider answers 4" in place(*words, "--step", "refused", url, "@request.json", check=1).stderr
    place("end", check=0)
    place("verify", check=0)
