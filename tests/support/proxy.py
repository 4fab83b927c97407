# SPDX-License-Identifier: Apache-2.0
"""A forward proxy: absolute URLs and CONNECT, with basic authentication if wanted."""
import base64
import socket
import threading
import urllib.parse


class Proxy:
    def __init__(self, user=None):
        self.user = user  # "name:password"; None: anybody
        self.seen = []    # (method, target) let through
        self.refused = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = "http://127.0.0.1:%d" % self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        data = b""
        with client:
            while b"\r\n\r\n" not in data:
                more = client.recv(65536)
                if not more:
                    return
                data += more
            head, rest = data.split(b"\r\n\r\n", 1)
            lines = head.decode("latin-1").split("\r\n")
            method, target, version = lines[0].split(" ")
            wanted = self.user and "proxy-authorization: basic " + base64.b64encode(self.user.encode()).decode()
            if wanted and not any(line.lower() == wanted.lower() for line in lines[1:]):
                self.refused += 1
                client.sendall(b"HTTP/1.1 407 Who are you\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                return
            self.seen.append((method, target))
            if method == "CONNECT":
                host, port = target.rsplit(":", 1)
                opening, answer = b"", b"HTTP/1.1 200 Connected\r\n\r\n"
            else:
                url = urllib.parse.urlsplit(target)
                host, port = url.hostname, url.port or 80
                # Good for one request a connection: the next could be for another server.
                keep = [line for line in lines[1:] if not line.lower().startswith(("proxy-", "connection:"))]
                path = url.path + ("?" + url.query if url.query else "")
                opening = "\r\n".join(["%s %s %s" % (method, path, version), *keep, "Connection: close",
                                       "", ""]).encode("latin-1") + rest
                answer = b""
            with socket.create_connection((host, int(port)), timeout=30) as server:
                client.sendall(answer)
                server.sendall(opening)
                back = threading.Thread(target=self._copy, args=(server, client), daemon=True)
                back.start()
                self._copy(client, server)
                back.join()

    @staticmethod
    def _copy(source, target):
        try:
            while True:
                data = source.recv(65536)
                if not data:
                    break
                target.sendall(data)
        except OSError:
            pass
        finally:
            for each in (source, target):
                try:
                    each.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join()
