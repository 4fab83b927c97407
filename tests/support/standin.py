#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A scripted stand-in for Marquez: POST /api/v1/lineage as marquez_rules.py says, and a control API.

 1. Every POST outside /_standin/ is kept: its decoded body bytes, head, connection, times, status,
    and whether the server would have stored the event. It is kept before its answer is written.
 2. One connection is served strictly in order, pipelined or not.
 3. A rule of the script acts only on POSTs to the lineage path, the first rule that matches.
 4. The control port stays open while the lineage port is `down` (connections refused and cut).

python3 standin.py --port 0 [--port-file F] [--log F]; README.md describes the control API.
"""
import argparse
import asyncio
import base64
import collections
import json
import os
import random
import signal
import socket
import ssl
import struct
import sys
import time
import urllib.parse
import zlib

import marquez_rules as rules

HEAD_MAX = 64 * 1024
CONTROL = "/_standin/"
REASONS = {200: "OK", 201: "Created", 204: "No Content", 400: "Bad Request", 401: "Unauthorized",
           403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed", 408: "Request Timeout",
           413: "Content Too Large", 415: "Unsupported Media Type", 422: "Unprocessable Entity",
           429: "Too Many Requests", 500: "Internal Server Error", 502: "Bad Gateway",
           503: "Service Unavailable", 504: "Gateway Timeout"}


class Bad(Exception):
    """A request that ends its connection: HTTP status and why."""

    def __init__(self, status, why):
        super().__init__(why)
        self.status = status


class Request:
    __slots__ = ("method", "path", "query", "version", "head", "headers", "body", "wire_size")

    def __init__(self, head):
        lines = head.decode("latin-1").split("\r\n")
        words = lines[0].split(" ")
        if len(words) != 3 or not words[2].startswith("HTTP/1."):
            raise Bad(400, "bad request line")
        self.method, target, self.version = words
        self.path, _, self.query = target.partition("?")
        self.head = head
        self.headers = {}
        for line in lines[1:]:
            name, colon, value = line.partition(":")
            name = name.lower()
            if not colon or not name or name != name.strip():
                raise Bad(400, "bad header line")
            if name in self.headers and name in ("content-length", "transfer-encoding"):
                raise Bad(400, "%s twice" % name)
            self.headers[name] = value.strip()
        self.body = b""
        self.wire_size = 0

    def keeps_alive(self):
        wish = self.headers.get("connection", "").lower()
        return "close" not in wish and (self.version == "HTTP/1.1" or "keep-alive" in wish)


class Post:
    """What is kept of one POST."""
    __slots__ = ("n", "conn", "path", "head", "body", "wire_size", "time", "arrived", "answered",
                 "status", "stored", "kind", "run_id", "event_type")

    def dump(self):
        record = {name: getattr(self, name) for name in self.__slots__ if name not in ("head", "body")}
        headers = {}
        for line in self.head.decode("latin-1").split("\r\n")[1:]:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        record["headers"] = headers
        record["body"] = base64.b64encode(self.body).decode()
        return json.dumps(record)


class Rule:
    """One scripted answer; see README.md for the keys."""
    KEYS = {"answer", "times", "skip", "match", "rate", "seed", "delay_ms", "retry_after", "store",
            "headers", "body", "content_type", "without"}
    ANSWERS = ("marquez", "hang", "close", "reset", "torn", "500html", "500json")

    def __init__(self, spec):
        if not isinstance(spec, dict) or set(spec) - self.KEYS:
            raise ValueError("unknown keys %s" % sorted(set(spec) - self.KEYS))
        self.answer = str(spec.get("answer", "marquez"))
        if self.answer not in self.ANSWERS and not (self.answer.isdigit()
                                                    and 200 <= int(self.answer) <= 599):
            raise ValueError("answer '%s': a status or one of %s" % (self.answer, self.ANSWERS))
        self.left = spec.get("times")
        self.skip = int(spec.get("skip", 0))
        self.match = spec.get("match", "").encode()
        self.without = spec.get("without", "").encode()
        self.rate = float(spec.get("rate", 1.0))
        self.random = random.Random(spec.get("seed", 0))
        self.delay = float(spec.get("delay_ms", 0)) / 1000
        self.store = bool(spec.get("store", False))
        self.headers = {str(k): str(v) for k, v in spec.get("headers", {}).items()}
        if "retry_after" in spec:
            self.headers["Retry-After"] = str(spec["retry_after"])
        self.body = spec.get("body", "")
        self.content_type = spec.get("content_type", "application/json" if self.body else "")
        self.hits = 0

    def takes(self, body, head=b""):
        if self.left == 0 or (self.match and self.match not in body):
            return False
        if self.without and self.without + b"\r\n" in head + b"\r\n":
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        if self.rate < 1.0 and self.random.random() >= self.rate:
            return False
        if self.left is not None:
            self.left -= 1
        self.hits += 1
        return True

    def verdict(self, judged):
        """The scripted answer in place of the judged one; the event's identity stays."""
        known = {"kind": judged.kind, "run_id": judged.run_id, "event_type": judged.event_type}
        if self.answer == "500html":
            return rules.server_error(stored=self.store, **known)
        if self.answer == "500json":
            made = rules.unreadable("scripted")
            return rules.Verdict(500, made.content_type, made.body, stored=self.store, **known)
        status = int(self.answer)
        return rules.Verdict(status, self.content_type, self.body.encode(),
                             stored=self.store or status in (200, 201), **known)


def split_array(text):
    """The texts of a JSON array's elements, as they stand there."""
    decoder, parts = json.JSONDecoder(), []
    at = text.index("[") + 1
    while True:
        while text[at] in " \t\r\n,":
            at += 1
        if text[at] == "]":
            return parts
        end = decoder.raw_decode(text, at)[1]
        parts.append(text[at:end])
        at = end


class Connection(asyncio.Protocol):
    def __init__(self, server, control):
        self.server = server
        self.control = control
        self.buf = bytearray()
        self.request = None   # its head is read, its body is not
        self.busy = False     # an answer is owed
        self.continued = False
        self.transport = None

    def connection_made(self, transport):
        self.transport = transport
        self.server.connections += 1
        self.number = self.server.connections
        self.touched = time.monotonic()
        self.server.open.add(self)
        self.server.most_open = max(self.server.most_open, len(self.server.open))

    def connection_lost(self, exc):
        self.server.open.discard(self)
        self.transport = None

    def data_received(self, data):
        self.touched = time.monotonic()
        self.buf += data
        if len(self.buf) > self.server.body_max + 2 * HEAD_MAX and self.busy:
            self.transport.pause_reading()
        self.advance()

    def advance(self):
        try:
            while self.transport and not self.busy and self.step():
                pass
        except Bad as bad:
            self.busy = True
            body = rules.json_error(bad.status, str(bad)).body
            self.write(bad.status, rules.JSON_TYPE, body, {}, close=True)

    def step(self):
        if self.request is None:
            while self.buf.startswith(b"\r\n"):
                del self.buf[:2]
            end = self.buf.find(b"\r\n\r\n", 0, HEAD_MAX + 4)
            if end < 0:
                if len(self.buf) > HEAD_MAX:
                    raise Bad(400, "request head too large")
                return False
            self.request = Request(bytes(self.buf[:end]))
            del self.buf[:end + 4]
            self.continued = False
        body = self.take_body(self.request)
        if body is None:
            if not self.continued and self.request.headers.get("expect", "").lower() == "100-continue":
                self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self.continued = True
            return False
        request, self.request = self.request, None
        request.body = body
        self.busy = True
        self.server.serve(self, request)
        return True

    def take_body(self, request):
        """The body as sent, still encoded; None while it is not all here."""
        coding = request.headers.get("transfer-encoding", "").lower()
        length = request.headers.get("content-length")
        if coding:
            if length is not None or coding != "chunked":
                raise Bad(400, "bad Transfer-Encoding")
            return self.take_chunks(request)
        if length is None:
            return b""
        if not (length.isascii() and length.isdigit()):
            raise Bad(400, "bad Content-Length")
        size = int(length)
        if size > self.server.body_max:
            raise Bad(413, "body too large")
        if len(self.buf) < size:
            return None
        body = bytes(self.buf[:size])
        del self.buf[:size]
        request.wire_size = size
        return body

    def take_chunks(self, request):
        parts, total, at = [], 0, 0
        while True:
            end = self.buf.find(b"\r\n", at)
            if end < 0:
                if len(self.buf) - at > 1024:
                    raise Bad(400, "bad chunk size")
                break
            try:
                size = int(bytes(self.buf[at:end]).split(b";")[0], 16)
            except ValueError:
                raise Bad(400, "bad chunk size") from None
            total += size
            if size < 0 or total > self.server.body_max:
                raise Bad(413, "body too large")
            at = end + 2
            if size == 0:
                while True:  # trailers, up to the empty line
                    end = self.buf.find(b"\r\n", at)
                    if end < 0:
                        return None
                    empty, at = end == at, end + 2
                    if empty:
                        request.wire_size = at
                        del self.buf[:at]
                        return b"".join(parts)
            if len(self.buf) < at + size + 2:
                break
            if self.buf[at + size:at + size + 2] != b"\r\n":
                raise Bad(400, "bad chunk end")
            parts.append(bytes(self.buf[at:at + size]))
            at += size + 2
        return None

    def write(self, status, content_type, body, headers, close):
        if not self.transport:
            return
        head = ["HTTP/1.1 %d %s" % (status, REASONS.get(status, "Scripted")), self.server.date()]
        if content_type:
            head.append("Content-Type: " + content_type)
        head += ["%s: %s" % pair for pair in headers.items()]
        if close:
            head.append("Connection: close")
        if status != 204:
            head.append("Content-Length: %d" % len(body))
        self.transport.write("\r\n".join(head).encode("latin-1") + b"\r\n\r\n" + body)
        self.done(close)

    def done(self, close):
        """The answer is out: go on with the next request, or end."""
        if not self.transport:
            return
        self.touched = time.monotonic()
        if close:
            self.transport.close()
            return
        self.busy = False
        self.transport.resume_reading()
        if self.buf:
            asyncio.get_running_loop().call_soon(self.advance)

    def reset(self):
        """End with a RST, not a FIN."""
        if self.transport:
            raw = self.transport.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.transport.abort()

    def sweep(self, now, idle):
        """Close what has been silent for `idle` seconds; a stalled body is told so first."""
        if self.busy or now - self.touched < idle or not self.transport:
            return
        if self.request is None:
            self.transport.close()
            return
        self.busy = True
        made = rules.server_error()
        self.write(made.status, made.content_type, made.body, {}, close=True)


class Standin:
    def __init__(self, host="127.0.0.1", port=0, control_port=0, path="/api/v1/lineage", idle=30.0,
                 body_max=64 * 1024 * 1024, log=None, tls=None, batch=False):
        self.tls, self.batch = tls, batch
        self.host, self.port, self.control_port = host, port, control_port
        self.path, self.idle, self.body_max = path, idle, body_max
        self.log = open(log, "a", encoding="ascii") if log else None
        self.open = set()
        self.connections = self.most_open = 0
        self.listener = self.control_listener = self.holder = None
        self.hung = []
        self.stamp = (0, "")
        self.clear()

    def clear(self):
        self.posts, self.script, self.run_state = [], [], {}
        self.in_flight = self.most_in_flight = 0
        self.epoch = object()

    def date(self):
        now = int(time.time())
        if now != self.stamp[0]:
            self.stamp = (now, time.strftime("Date: %a, %d %b %Y %H:%M:%S GMT", time.gmtime(now)))
        return self.stamp[1]

    async def start(self):
        loop = asyncio.get_running_loop()
        self.control_listener = await loop.create_server(
            lambda: Connection(self, True), self.host, self.control_port)
        self.control_port = self.control_listener.sockets[0].getsockname()[1]
        # A second socket, bound and never listening, keeps the port ours while we are down.
        self.holder = socket.socket()
        self.holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.holder.bind((self.host, self.port))
        self.port = self.holder.getsockname()[1]
        await self.up()
        self.sweeper = loop.create_task(self.sweep())

    async def up(self):
        if self.listener is None:
            self.listener = await asyncio.get_running_loop().create_server(
                lambda: Connection(self, False), self.host, self.port, backlog=1024,
                reuse_address=True, ssl=self.tls)

    async def down(self):
        if self.listener is not None:
            self.listener.close()
            await self.listener.wait_closed()
            self.listener = None
        for connection in list(self.open):
            if not connection.control:
                connection.transport.abort()

    async def sweep(self):
        while True:
            await asyncio.sleep(max(0.02, min(1.0, self.idle / 10)))
            now = time.monotonic()
            for connection in list(self.open):
                connection.sweep(now, self.idle)

    def serve(self, connection, request):
        if request.path.startswith(CONTROL):
            asyncio.get_running_loop().create_task(self.serve_control(connection, request))
            return
        path = request.path.rstrip("/")
        if request.method == "POST":
            self.serve_post(connection, request, path)
            return
        made = self.read(request, path)
        if request.method == "HEAD":
            made = rules.Verdict(made.status)
        connection.write(made.status, made.content_type, made.body, {},
                         not request.keeps_alive())

    def serve_batch(self, connection, request, path):
        """An array, as the specification's /lineage/batch: each element is judged and kept by itself, as if it
        had come alone; rules with a status make it fail, the longest delay holds the answer back."""
        made = self.decode(request)
        try:
            elements = None if made else split_array(request.body.decode())
        except ValueError as bad:
            made = rules.unreadable(str(bad))
        if made:
            connection.write(made.status, made.content_type, made.body, {}, close=False)
            return
        failed, delay = [], 0.0
        for index, text in enumerate(elements):
            request.body = text.encode()
            verdict = rules.judge(request.body)
            rule = next((rule for rule in self.script if rule.takes(request.body, request.head)), None)
            if rule:
                delay = max(delay, rule.delay)
                if rule.answer not in ("marquez", "hang", "close", "reset", "torn"):
                    verdict = rule.verdict(verdict)
            self.keep(connection, request, path, verdict, verdict.status).answered = time.monotonic()
            self.in_flight -= 1
            if verdict.status >= 300:
                failed.append({"index": index, "reason": "status %d" % verdict.status,
                               "retriable": verdict.status >= 500})
        body = json.dumps({"status": "partial_success" if failed else "success", "failed_events": failed, "summary": {
            "received": len(elements), "successful": len(elements) - len(failed), "failed": len(failed)}}).encode()
        asyncio.get_running_loop().call_later(
            delay, connection.write, 200, rules.JSON_TYPE, body, {}, not request.keeps_alive())

    def serve_post(self, connection, request, path):
        if self.batch and path == self.path + "/batch":
            self.serve_batch(connection, request, path)
            return
        made = self.decode(request)
        if path != self.path:
            made = rules.json_error(404, "HTTP 404 Not Found")
        elif request.headers.get("content-type", "").split(";")[0].strip().lower() != rules.JSON_TYPE:
            made = rules.json_error(415, "HTTP 415 Unsupported Media Type")
        elif made is None:
            made = rules.judge(request.body)
        rule = None
        if path == self.path:
            rule = next((rule for rule in self.script if rule.takes(request.body, request.head)), None)
        silent = rule is not None and rule.answer in ("hang", "close", "reset", "torn")
        if silent and not rule.store:
            made = rules.Verdict(0, kind=made.kind, run_id=made.run_id, event_type=made.event_type)
        elif rule and not silent and rule.answer != "marquez":
            made = rule.verdict(made)
        post = self.keep(connection, request, path, made, 0 if silent else made.status)
        if rule is None or (rule.delay == 0 and not silent):
            self.finish(connection, request, post, made, rule)
        else:
            asyncio.get_running_loop().create_task(
                self.act(connection, request, post, made, rule))

    def decode(self, request):
        """Undo Content-Encoding in place; a verdict if that fails."""
        coding = request.headers.get("content-encoding", "").lower()
        if not coding or coding == "identity":
            return None
        if coding not in ("gzip", "x-gzip"):
            return rules.json_error(415, "HTTP 415 Unsupported Media Type")  # taken
        out, rest = [], request.body
        try:
            while rest:
                inflater = zlib.decompressobj(31)
                out.append(inflater.decompress(rest, self.body_max))
                if not inflater.eof:
                    return rules.unreadable("gzip body torn or too large")
                rest = inflater.unused_data
        except zlib.error as bad:
            return rules.unreadable(str(bad))  # taken
        request.body = b"".join(out)
        return None

    def keep(self, connection, request, path, made, status):
        post = Post()
        post.n, post.conn, post.path = len(self.posts), connection.number, path
        post.head, post.body, post.wire_size = request.head, request.body, request.wire_size
        post.time, post.arrived, post.answered = time.time(), time.monotonic(), None
        post.status, post.stored = status, made.stored
        post.kind, post.run_id, post.event_type = made.kind, made.run_id, made.event_type
        self.posts.append(post)
        if post.stored and post.event_type:
            self.note_state(post)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        if self.log:
            self.log.write(post.dump() + "\n")
            self.log.flush()
        return post

    def note_state(self, post):
        state = {"START": "RUNNING", "RUNNING": "RUNNING", "COMPLETE": "COMPLETED",
                 "FAIL": "FAILED", "ABORT": "ABORTED"}.get(post.event_type.upper())
        key = rules.stored_run_id(post.run_id)
        if state or key not in self.run_state:
            self.run_state[key] = state or "NEW"

    def finish(self, connection, request, post, made, rule):
        self.in_flight -= 1
        post.answered = time.monotonic()
        close = not request.keeps_alive()
        connection.write(made.status, made.content_type, made.body, rule.headers if rule else {},
                         close)

    async def act(self, connection, request, post, made, rule):
        epoch = self.epoch
        if rule.delay:
            await asyncio.sleep(rule.delay)
        if rule.answer == "hang":
            released = asyncio.get_running_loop().create_future()
            self.hung.append(released)
            await released
        if self.epoch is epoch and rule.answer in ("hang", "close", "reset", "torn"):
            self.in_flight -= 1
        if rule.answer in ("hang", "close"):
            connection.done(close=True)
        elif rule.answer == "reset":
            connection.reset()
        elif rule.answer == "torn":
            if connection.transport:
                connection.transport.write(b"HTTP/1.1 2")
            connection.done(close=True)
        elif self.epoch is epoch:
            self.finish(connection, request, post, made, rule)
        else:  # reset() came between: the answer goes out, the count is gone
            connection.write(made.status, made.content_type, made.body, rule.headers,
                             not request.keeps_alive())

    # -- reading back ----------------------------------------------------------------------------

    def read(self, request, path):
        if path == self.path:
            status = 400 if request.method in ("GET", "HEAD") else 405  # GET wants a nodeId
            return rules.json_error(status, "HTTP %d %s" % (status, REASONS[status]))
        if request.method != "GET":
            return rules.json_error(405, "HTTP 405 Method Not Allowed")
        if path == "/api/v1/events/lineage":
            return self.read_events(urllib.parse.parse_qs(request.query))
        run_id = path[len("/api/v1/jobs/runs/"):]
        if path.startswith("/api/v1/jobs/runs/") and run_id in self.run_state:
            return self.found({"id": run_id, "state": self.run_state[run_id]})
        return rules.json_error(404, "HTTP 404 Not Found")

    def read_events(self, query):
        limit = int(query.get("limit", ["100"])[0])
        offset = int(query.get("offset", ["0"])[0])
        newest_first = query.get("sortDirection", ["desc"])[0] != "asc"
        stored = [post for post in self.posts if post.stored]
        runs = [json.loads(post.body) for post in stored if post.kind == "RunEvent"]
        runs.sort(key=lambda event: event["eventTime"], reverse=newest_first)
        return self.found({"events": runs[offset:offset + limit], "totalCount": len(stored)})

    @staticmethod
    def found(value):
        return rules.Verdict(200, rules.JSON_TYPE, json.dumps(value).encode())

    # -- control ---------------------------------------------------------------------------------

    async def serve_control(self, connection, request):
        try:
            status, content_type, body = await self.control(request, connection.control)
        except (ValueError, TypeError, KeyError, AttributeError) as bad:
            status, content_type, body = 400, "text/plain", ("%s\n" % bad).encode()
        connection.write(status, content_type, body, {}, not request.keeps_alive())

    async def control(self, request, on_control_port):
        verb = (request.method, request.path[len(CONTROL):])
        query = urllib.parse.parse_qs(request.query)
        if verb == ("GET", "events"):
            since = int(query.get("since", ["0"])[0])
            limit = int(query.get("limit", [len(self.posts)])[0])
            lines = [post.dump() + "\n" for post in self.posts[since:since + limit]]
            return 200, "application/jsonl", "".join(lines).encode()
        if verb == ("GET", "stats"):
            return 200, rules.JSON_TYPE, json.dumps(self.stats()).encode()
        if request.method != "POST":
            return 404, "text/plain", b"no such control\n"
        if verb[1] == "script":
            given = json.loads(request.body)
            made = [Rule(spec) for spec in (given if isinstance(given, list) else [given])]
            self.script = made if query.get("mode") == ["replace"] else self.script + made
        elif verb[1] == "release":
            self.release()
        elif verb[1] == "reset":
            self.clear()
            self.release()
        elif verb[1] == "listen":
            up = json.loads(request.body)["up"]
            if not up and not on_control_port:
                return 400, "text/plain", b"ask on the control port\n"
            await (self.up() if up else self.down())
        elif verb[1] == "cut":
            for each in [each for each in self.open if not each.control]:
                each.transport.abort()
        else:
            return 404, "text/plain", b"no such control\n"
        return 200, rules.JSON_TYPE, b"{}"

    def release(self):
        hung, self.hung = self.hung, []
        for future in hung:
            if not future.done():
                future.set_result(None)

    def stats(self):
        status = collections.Counter(str(post.status) for post in self.posts)
        return {"posts": len(self.posts), "stored": sum(post.stored for post in self.posts),
                "status": status, "bytes": sum(len(post.body) for post in self.posts),
                "connections": self.connections, "most_open": self.most_open,
                "open": sum(not each.control for each in self.open),
                "in_flight": self.in_flight, "most_in_flight": self.most_in_flight,
                "is_up": self.listener is not None,
                "script": [{"answer": rule.answer, "hits": rule.hits, "left": rule.left}
                           for rule in self.script]}


def write_port_file(path, server):
    """Two lines, port and control port, complete as soon as the file is there."""
    with open(path + ".tmp", "w", encoding="ascii") as out:
        out.write("%d\n%d\n" % (server.port, server.control_port))
    os.rename(path + ".tmp", path)


async def main_async(args):
    tls = None
    if args.tls_cert:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(args.tls_cert)
        if args.tls_clients:
            tls.load_verify_locations(args.tls_clients)
            tls.verify_mode = ssl.CERT_REQUIRED
    server = Standin(args.host, args.port, args.control_port, args.path, args.idle, args.body_max,
                     args.log, tls, args.batch)
    await server.start()
    print("standin: http://%s:%d%s control %d" % (args.host, server.port, args.path,
                                                 server.control_port), flush=True)
    if args.port_file:
        write_port_file(args.port_file, server)
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    if args.until_stdin_ends:
        def stdin_readable():
            if not os.read(0, 4096):
                loop.remove_reader(0)
                ended.set()
        loop.add_reader(0, stdin_readable)
    await ended.wait()
    server.sweeper.cancel()


def main():
    parser = argparse.ArgumentParser(description="Scripted stand-in for Marquez.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--control-port", type=int, default=0)
    parser.add_argument("--port-file", help="gets port and control port, a line each")
    parser.add_argument("--path", default="/api/v1/lineage")
    parser.add_argument("--log", help="append one JSON line per POST")
    parser.add_argument("--idle", type=float, default=30.0, metavar="SECONDS")
    parser.add_argument("--body-max", type=int, default=64 * 1024 * 1024, metavar="BYTES")
    parser.add_argument("--batch", action="store_true", help="takes arrays at the path with /batch, unlike Marquez")
    parser.add_argument("--tls-cert", metavar="PEM", help="certificate and key: the lineage port speaks TLS")
    parser.add_argument("--tls-clients", metavar="PEM", help="authority of the certificates clients must have")
    parser.add_argument("--until-stdin-ends", action="store_true",
                        help="end with whoever holds the other end of stdin")
    args = parser.parse_args()
    try:
        asyncio.run(main_async(args))
    except OSError as bad:
        sys.exit("standin: %s" % bad)


if __name__ == "__main__":
    main()
