# SPDX-License-Identifier: Apache-2.0
"""Load for an agent that is killed again and again: patient clients on its door, and programs that emit into
its journal. Runs are numbered; every body can be made again from its number."""
import socket
import threading
import time

import numbered

PER_RUN = 10
SIZE = 2048
POISON_EACH = 25      # one run in so many is refused by the sink, and parked
JOURNAL_FIRST = 10_000_000  # numbers of events that come by journal


def is_poison(run):
    return run % POISON_EACH == 3


def body(number):
    """The event of this number, the same bytes each time."""
    run, index = divmod(number, PER_RUN)
    return numbered.event(number, run, index, index == PER_RUN - 1, SIZE,
                          job="poison" if is_poison(run) else "numbered")


class Tickets:
    """How many events may be under way by now: the load waits for the kills, not the kills for the load."""

    def __init__(self):
        self.condition = threading.Condition()
        self.left, self.is_over = 0, False

    def add(self, count):
        with self.condition:
            self.left += count
            self.condition.notify_all()

    def end(self):
        with self.condition:
            self.is_over = True
            self.condition.notify_all()

    def take(self):
        """True: one more; False: there will be none."""
        with self.condition:
            while self.left == 0 and not self.is_over:
                self.condition.wait()
            if self.is_over:
                return False
            self.left -= 1
            return True


class Link:
    """One keep-alive connection to the door; post() is made to be cheap."""

    def __init__(self, port):
        self.port, self.sock = port, None

    def close(self):
        if self.sock is not None:
            self.sock.close()
        self.sock = None

    def post(self, data):
        """The status; OSError when there was no whole answer."""
        if self.sock is None:
            self.sock = socket.create_connection(("127.0.0.1", self.port), 60)
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            self.sock.sendall(b"POST /api/v1/lineage HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n"
                              b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n"
                              % (self.port, len(data)) + data)
            answer = b""
            while b"\r\n\r\n" not in answer:
                answer += self._receive()
            head, _, rest = answer.partition(b"\r\n\r\n")
            length = 0
            for line in head.split(b"\r\n")[1:]:
                name, _, value = line.partition(b":")
                if name.lower() == b"content-length":
                    length = int(value)
                elif name.lower() == b"connection" and value.strip().lower() == b"close":
                    length = -1
            while length > len(rest):
                rest += self._receive()
            if length < 0:
                self.close()
            return int(head.split(b" ", 2)[1])
        except OSError:
            self.close()
            raise

    def _receive(self):
        got = self.sock.recv(65536)
        if not got:
            raise ConnectionError("closed before the answer")
        return got


class Clients:
    """`runs` runs over some connections, several at a time on each, each run in order; whatever is not
    acknowledged is sent again with the same bytes."""

    def __init__(self, port, runs, tickets, connections=16, at_once=3):
        self.lock = threading.Lock()
        self.acknowledged, self.unusual, self.again, self.busy = [], [], 0, 0
        self.port, self.tickets, self.at_once = port, tickets, at_once
        self.stopping = threading.Event()
        self.threads = [threading.Thread(target=self._work, args=(range(c, runs, connections),), daemon=True)
                        for c in range(connections)]
        for thread in self.threads:
            thread.start()

    def _work(self, runs):
        link = Link(self.port)
        for first in range(0, len(runs), self.at_once):
            some = runs[first:first + self.at_once]
            for index in range(PER_RUN):
                for run in some:
                    if not self.tickets.take() or not self._send(link, run * PER_RUN + index):
                        return
        link.close()

    def _send(self, link, number):
        data = body(number)
        while not self.stopping.is_set():
            try:
                status = link.post(data)
            except OSError:
                self.again += 1  # about: threads race for it
                time.sleep(0.02)
                continue
            if status == 201:
                with self.lock:
                    self.acknowledged.append(number)
                return True
            if status == 503:
                self.busy += 1
                time.sleep(0.05)
                continue
            with self.lock:
                self.unusual.append((number, status))
            return True
        return False

    def count(self):
        return len(self.acknowledged)

    def join(self, timeout):
        deadline = time.monotonic() + timeout
        for thread in self.threads:
            thread.join(max(0.0, deadline - time.monotonic()))
            if thread.is_alive():
                raise AssertionError("clients still wait; %d acknowledged" % self.count())

    def stop(self):
        self.stopping.set()
        self.tickets.end()


class Emitters:
    """Programs that emit some runs each into the journal, one program after the other."""

    def __init__(self, runner, program, directory):
        self.runner, self.program, self.directory = runner, program, directory
        self.started, self.runs = [], 0

    def start(self, runs):
        """Several short-lived programs, so that journals end all the while."""
        script = 'at=%d; while [ $at -lt %d ]; do "%s" --runs 1 --per-run %d --first $((%d + at * %d)) ' \
            '--first-run $((%d + at)) --pad 1500 --directory "%s" || exit 1; at=$((at + 1)); done' % (
                self.runs, self.runs + runs, self.program, PER_RUN, JOURNAL_FIRST, PER_RUN,
                JOURNAL_FIRST, self.directory)
        self.runs += runs
        self.started.append(self.runner.start("sh", "-c", script, name="emitters"))

    def accepted(self):
        """What emit said OL_OK to; waits for the programs' end."""
        numbers = []
        for each in self.started:
            if each.wait(120) != 0:
                raise AssertionError("an emitter failed: %s" % each.err[-500:])
            numbers += [int(word) for word in each.out.split()]
        return numbers
