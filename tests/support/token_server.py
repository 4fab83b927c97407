# SPDX-License-Identifier: Apache-2.0
"""A token endpoint: OAuth2 client credentials, or the jwt exchange of other OpenLineage clients."""
import base64
import http.server
import json
import threading
import urllib.parse


class TokenServer:
    """Gives tokens t1, t2... to who knows the secret. Set .status for refusals, .is_down for cut connections."""

    def __init__(self, client_id="agent", secret="s3cr3t+/ =", expires_in=3600, field="access_token"):
        self.client_id, self.secret, self.expires_in, self.field = client_id, secret, expires_in, field
        self.status, self.is_down = 200, False
        self.given, self.asked, self.requests = 0, 0, []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.asked += 1
                if outer.is_down:
                    self.close_connection = True
                    return
                status, answer = outer.answer(self.headers, body)
                data = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = "http://127.0.0.1:%d/token" % self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    def answer(self, headers, body):
        form = dict(urllib.parse.parse_qsl(body.decode(), strict_parsing=True))
        self.requests.append(form)
        if self.status != 200:
            return self.status, {"error": "temporarily_unavailable"}
        if form["grant_type"] == "client_credentials":
            known = (form.get("client_id"), form.get("client_secret"))
            basic = headers.get("Authorization", "")
            if basic.startswith("Basic "):
                pair = base64.b64decode(basic[6:]).decode().split(":")
                known = tuple(urllib.parse.unquote_plus(part) for part in pair)
            is_known = known == (self.client_id, self.secret)
        else:
            is_known = form.get("apikey") == self.secret
        if not is_known:
            return 401, {"error": "invalid_client"}
        self.given += 1
        return 200, {self.field: "t%d" % self.given, "token_type": "Bearer", "expires_in": self.expires_in}

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()
