# SPDX-License-Identifier: Apache-2.0
"""A scripted model provider over HTTPS: four of them by the form of the path, each with its own response headers and
body, whole or streamed; answers that fail first can be queued.

    /v1/chat/completions                                  openai      x-request-id
    /v1/messages                                          anthropic   request-id
    /openai/deployments/NAME/chat/completions             azure       apim-request-id
    /model/NAME/invoke                                    bedrock     x-amzn-RequestId
"""
import http.server
import json
import re
import ssl
import threading
import time

import certificates

MODELS = {"openai": "gpt-4o-mini-2024-07-18", "anthropic": "claude-3-5-haiku-20241022", "azure": "gpt-4o-2024-08-06",
          "bedrock": "claude-3-haiku-20240307"}
# In the spelling and order of the wire; %d is the number of the request.
HEADERS = {
    "openai": [("openai-organization", "org-tests"), ("openai-processing-ms", "412"), ("openai-version", "2020-10-01"),
               ("x-ratelimit-limit-requests", "10000"), ("x-ratelimit-remaining-requests", "9999"),
               ("x-ratelimit-reset-tokens", "0s"), ("X-Request-ID", "req_openai%08d")],
    "anthropic": [("anthropic-ratelimit-requests-limit", "50"), ("anthropic-ratelimit-requests-remaining", "49"),
                  ("request-id", "req_anthropic%08d"), ("via", "1.1 google"), ("anthropic-organization-id", "org-tests")],
    "azure": [("apim-request-id", "0a0a0a0a-0000-4000-8000-%012d"), ("x-ms-region", "Sweden Central"),
              ("x-ms-deployment-name", "gpt4o"), ("x-ratelimit-remaining-tokens", "49000"),
              ("x-request-id", "1b1b1b1b-0000-4000-8000-%012d")],
    "bedrock": [("x-amzn-RequestId", "2c2c2c2c-0000-4000-8000-%012d"), ("X-Amzn-Bedrock-Invocation-Latency", "388"),
                ("X-Amzn-Bedrock-Input-Token-Count", "11"), ("X-Amzn-Bedrock-Output-Token-Count", "7")],
}


def provider_of(path):
    return ("anthropic" if path.startswith("/v1/messages") else "azure" if path.startswith("/openai/deployments/") else
            "bedrock" if re.match("/model/[^/]+/invoke", path) else "openai")


def body_of(provider, number, text):
    """The whole answer, as that provider writes it."""
    if provider in ("anthropic", "bedrock"):
        return {"id": "msg_%08d" % number, "type": "message", "role": "assistant", "model": MODELS[provider],
                "content": [{"type": "text", "text": text}], "stop_reason": "end_turn", "stop_sequence": None,
                "usage": {"input_tokens": 11, "output_tokens": 7}}
    return {"id": "chatcmpl-%08d" % number, "object": "chat.completion", "created": 1770230472, "model": MODELS[provider],
            "system_fingerprint": "fp_%010x" % 0x72ed7ab54c,
            "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "logprobs": None,
                         "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}}


def events_of(provider, number, text):
    """The same as server-sent events."""
    halves = (text[:len(text) // 2], text[len(text) // 2:])
    if provider in ("anthropic", "bedrock"):
        whole = body_of(provider, number, text)
        start = {**whole, "content": [], "stop_reason": None, "usage": {"input_tokens": 11, "output_tokens": 1}}
        parts = [{"type": "message_start", "message": start},
                 {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}]
        parts += [{"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": half}}
                  for half in halves]
        parts += [{"type": "content_block_stop", "index": 0},
                  {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None},
                   "usage": {"output_tokens": 7}}, {"type": "message_stop"}]
        return [b"event: %s\ndata: %s\n\n" % (part["type"].encode(), json.dumps(part).encode()) for part in parts]
    head = {"id": "chatcmpl-%08d" % number, "object": "chat.completion.chunk", "created": 1770230472,
            "model": MODELS[provider], "system_fingerprint": "fp_%010x" % 0x72ed7ab54c}
    parts = [{**head, "choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}]}]
    parts += [{**head, "choices": [{"index": 0, "delta": {"content": half}, "finish_reason": None}]} for half in halves]
    parts += [{**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
              {**head, "choices": [], "usage": {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}}]
    return [b"data: %s\n\n" % json.dumps(part).encode() for part in parts] + [b"data: [DONE]\n\n"]


class ModelServer:
    """`url`, `ca` (its authority's certificate), `requests` (each with path, headers, body, provider, and the headers
    and body it was answered with). `text` is what the model says. script(...) queues answers for the next requests,
    each a dict with any of: status, headers, body (bytes), delay (seconds before it), cut (bytes of the body after
    which the connection is cut), silent (True: cut without an answer)."""

    def __init__(self, directory, text="a model's answer", tls=True):
        self.text, self.requests, self._script, self._lock = text, [], [], threading.Lock()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer._serve(self, body)

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.ca = None
        if tls:
            authority = certificates.Authority(directory)
            _, _, both = authority.issue("model")
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(both)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True,
                                                     do_handshake_on_connect=False)
            self.ca = authority.pem
        self.url = "http%s://127.0.0.1:%d" % ("s" if tls else "", self.server.server_address[1])
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    def script(self, *answers):
        with self._lock:
            self._script += answers

    def _serve(self, handler, body):
        provider = provider_of(handler.path)
        with self._lock:
            number = len(self.requests) + 1
            planned = self._script.pop(0) if self._script else {}
            seen = {"path": handler.path, "headers": dict(handler.headers), "body": body, "provider": provider}
            self.requests.append(seen)
        time.sleep(planned.get("delay", 0))
        if planned.get("silent"):
            handler.close_connection = True
            return
        try:
            is_stream = bool(json.loads(body).get("stream"))
        except (ValueError, AttributeError):
            is_stream = False
        status = planned.get("status", 200)
        headers = [(name, value % number if "%" in value else value) for name, value in HEADERS[provider]]
        headers += list(planned.get("headers", {}).items())
        if "body" in planned:
            answer = planned["body"]
        elif status >= 400:
            answer = json.dumps({"error": {"message": "scripted %d" % status, "type": "scripted"}}).encode()
        elif is_stream:
            answer = b"".join(events_of(provider, number, self.text))
        else:
            answer = json.dumps(body_of(provider, number, self.text)).encode()
        seen["answer"], seen["answer_headers"], seen["status"] = answer, dict(headers), status
        handler.send_response(status)
        for name, value in headers:
            handler.send_header(name, value)
        is_chunked = is_stream and status < 400
        handler.send_header("Content-Type", "text/event-stream" if is_chunked else "application/json")
        handler.send_header(*(("Transfer-Encoding", "chunked") if is_chunked else ("Content-Length", str(len(answer)))))
        handler.end_headers()
        cut = planned.get("cut")
        if is_chunked:
            for event in answer[:cut].split(b"\n\n"):
                if event:
                    handler.wfile.write(b"%x\r\n%s\n\n\r\n" % (len(event) + 2, event))
            if cut is None:
                handler.wfile.write(b"0\r\n\r\n")
        else:
            handler.wfile.write(answer[:cut])
        handler.close_connection = handler.close_connection or cut is not None

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()
