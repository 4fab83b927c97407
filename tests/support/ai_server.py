# SPDX-License-Identifier: Apache-2.0
"""A scripted provider of models: answers with the headers and bodies that four real ones send (written by hand
after their documentation), and with the troubles of a network."""
import gzip
import http.server
import json
import socket
import ssl
import struct
import threading
import time


class Answer:
    """One answer. trouble: "reset" (RST after half of the body), "close" (FIN after half of it, no length said),
    "hang" (no byte until released), "stall" (half of the body, then nothing until released),
    "lie" (a length, half of it, FIN)."""

    def __init__(self, status=200, headers=(), body=b"", trouble=None, packed=False, pieces=1):
        self.status, self.headers, self.trouble = status, list(headers), trouble
        self.body = body if isinstance(body, bytes) else json.dumps(body).encode()
        if packed:
            self.body = gzip.compress(self.body)
            self.headers.append(("Content-Encoding", "gzip"))
        self.pieces = pieces


def events(*values, names=(), last=b""):
    """text/event-stream of JSON values."""
    out = b""
    for i, value in enumerate(values):
        if i < len(names):
            out += b"event: " + names[i].encode() + b"\n"
        out += b"data: " + json.dumps(value).encode() + b"\n\n"
    return out + last


JSON = ("Content-Type", "application/json")
SSE = ("Content-Type", "text/event-stream; charset=utf-8")


def openai(text="Hello.", model="gpt-4o-2024-08-06", **more):
    return Answer(200, [JSON, ("x-request-id", "req_0a1b2c3d4e5f"), ("openai-version", "2020-10-01"),
                        ("openai-processing-ms", "412"), ("x-ratelimit-remaining-requests", "9999")],
                  {"id": "chatcmpl-A1", "object": "chat.completion", "created": 1770000000, "model": model,
                   "choices": [{"index": 0, "message": {"role": "assistant", "content": text, "refusal": None},
                                "logprobs": None, "finish_reason": "stop"}],
                   "usage": {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12,
                             "prompt_tokens_details": {"cached_tokens": 4},
                             "completion_tokens_details": {"reasoning_tokens": 0}},
                   "service_tier": "default", "system_fingerprint": "fp_44709d6fcb"}, **more)


def openai_stream(*texts, model="gpt-4o-2024-08-06", last=b"data: [DONE]\n\n", finish="stop", **more):
    def chunk(delta, reason=None):
        return {"id": "chatcmpl-S1", "object": "chat.completion.chunk", "created": 1770000000, "model": model,
                "system_fingerprint": "fp_44709d6fcb",
                "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}]}
    values = [chunk({"role": "assistant", "content": ""})] + [chunk({"content": text}) for text in texts]
    if finish:
        values.append(chunk({}, finish))
    return Answer(200, [SSE, ("x-request-id", "req_stream1")], events(*values, last=last), **more)


def anthropic(text="Hello.", model="claude-sonnet-4-20250514", **more):
    return Answer(200, [JSON, ("request-id", "req_011CSHoEeqs5C35K2UUqR7Fy"), ("anthropic-organization-id", "org-1"),
                        ("anthropic-ratelimit-requests-remaining", "49")],
                  {"id": "msg_013Zva2CMHLNnXjNJJKqJ2EF", "type": "message", "role": "assistant", "model": model,
                   "content": [{"type": "text", "text": text}], "stop_reason": "end_turn", "stop_sequence": None,
                   "usage": {"input_tokens": 12, "output_tokens": 6, "cache_read_input_tokens": 2,
                             "cache_creation_input_tokens": 1}}, **more)


def anthropic_stream(*texts, model="claude-sonnet-4-20250514", **more):
    values = [{"type": "message_start",
               "message": {"id": "msg_stream", "type": "message", "role": "assistant", "content": [], "model": model,
                           "stop_reason": None, "usage": {"input_tokens": 12, "output_tokens": 1}}},
              {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}]
    values += [{"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}
               for text in texts]
    values += [{"type": "content_block_stop", "index": 0},
               {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None},
                "usage": {"output_tokens": 7}},
               {"type": "message_stop"}]
    return Answer(200, [SSE, ("request-id", "req_stream2")],
                  events(*values, names=[value["type"] for value in values]), **more)


def azure(text="Hello.", model="gpt-4o-2024-11-20", **more):
    return Answer(200, [JSON, ("apim-request-id", "0b1c2d3e-4f50-6172-8394-a5b6c7d8e9f0"),
                        ("x-request-id", "7c8d9eaf-0000-4000-8000-000000000001"), ("x-ms-region", "Sweden Central"),
                        ("x-ms-deployment-name", "chat")],
                  {**json.loads(openai(text, model).body), "id": "chatcmpl-Z1",
                   "prompt_filter_results": [{"prompt_index": 0, "content_filter_results": {}}]}, **more)


def gemini(text="Hello.", model="gemini-2.0-flash-001", **more):
    return Answer(200, [("Content-Type", "application/json; charset=UTF-8"), ("Server-Timing", "gfet4t7; dur=598"),
                        ("X-Goog-Request-Id", "5f3e2d1c")],
                  {"candidates": [{"content": {"parts": [{"text": text}], "role": "model"}, "finishReason": "STOP",
                                   "index": 0}],
                   "usageMetadata": {"promptTokenCount": 8, "candidatesTokenCount": 3, "totalTokenCount": 11},
                   "modelVersion": model, "responseId": "r-gem-1"}, **more)


def refusal(status, kind="rate_limit_error", message="quoted: the whole prompt", headers=(), **more):
    return Answer(status, [JSON, ("x-request-id", "req_bad%d" % status), *headers],
                  {"error": {"message": message, "type": kind, "param": None, "code": None}}, **more)


class AiServer:
    """Gives the answers of its list in turn, then the last one again. `requests` has what came."""

    def __init__(self, answers, certificate=None, key=None, host="127.0.0.1"):
        self.answers, self.requests = list(answers), []
        self.lock, self.released = threading.Lock(), threading.Event()
        self.stalled = threading.Event()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                with outer.lock:
                    answer = outer.answers.pop(0) if len(outer.answers) > 1 else outer.answers[0]
                    outer.requests.append({"path": self.path, "headers": self.headers, "body": body,
                                           "time": time.monotonic()})
                outer.give(self, answer)

            do_GET = do_POST

            def log_message(self, *args):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request, client_address):
                pass  # who asks may go away

        self.server = Server((host, 0), Handler)
        self.port = self.server.server_address[1]
        self.url = "%s://%s:%d" % ("https" if certificate else "http", host, self.port)
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate, key)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True,
                                                     do_handshake_on_connect=False)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    def give(self, handler, answer):
        if answer.trouble == "hang":
            self.stalled.set()
            self.released.wait(60)
            handler.close_connection = True
            return
        handler.send_response(answer.status)
        for name, value in answer.headers:
            handler.send_header(name, value)
        has_length = answer.trouble in (None, "reset", "lie", "stall")
        if has_length:
            handler.send_header("Content-Length", str(len(answer.body)))
        else:
            handler.send_header("Connection", "close")
        handler.end_headers()
        if answer.trouble is None:
            size = max(1, -(-len(answer.body) // answer.pieces))
            for at in range(0, len(answer.body), size):
                handler.wfile.write(answer.body[at:at + size])
                handler.wfile.flush()
            return
        handler.wfile.write(answer.body[:len(answer.body) // 2])
        handler.wfile.flush()
        handler.close_connection = True
        if answer.trouble == "stall":
            self.stalled.set()
            self.released.wait(60)
        elif answer.trouble == "reset":
            handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            # below TLS, so that no farewell is sent
            raw = handler.connection.detach()
            handler.rfile.detach()
            socket.close(raw)

    def close(self):
        self.released.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()
