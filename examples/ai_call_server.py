#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""ai_call_server.py PORT_FILE: a provider for one request, to try ai_call.c without an account. Writes its port to
PORT_FILE and the request's headers to standard output."""
import http.server
import os
import sys

ANSWER = b'{"id":"chatcmpl-1","model":"model-2026-11-21","choices":[{"finish_reason":"stop","message":{"content":"Rayleigh."}}],' \
         b'"usage":{"prompt_tokens":14,"completion_tokens":3,"total_tokens":17}}'


class Provider(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        print(self.headers, flush=True)
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("x-request-id", "req_example")
        self.send_header("Content-Length", str(len(ANSWER)))
        self.end_headers()
        self.wfile.write(ANSWER)

    def log_message(self, *_):
        pass


with http.server.HTTPServer(("127.0.0.1", 0), Provider) as server:
    with open(sys.argv[1] + ".new", "w", encoding="utf-8") as file:
        file.write(str(server.server_port))
    os.rename(sys.argv[1] + ".new", sys.argv[1])
    server.timeout = 30
    server.handle_request()
