#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A real Kafka broker (KRaft, one node, on loopback) for tests, in one directory: a listener in plain text
and, with secure=True, one with TLS and logins (PLAIN, SCRAM) and rights for each user.

 1. start() returns when the broker answers a request, and says why it cannot otherwise.
 2. Only the process that this directory's pid file names is signalled, and only while its start time
    is the recorded one: a reused pid is never hit.
 3. The port survives stop, kill and restart.

python3 kafka_broker.py start|stop|kill|port DIR; exit 77 with a reason where no broker can be had.
"""
import base64
import contextlib
import ctypes
import hashlib
import os
import pathlib
import signal
import socket
import struct
import subprocess
import sys
import time
import uuid

import cache

HERE = pathlib.Path(__file__).resolve().parent / "kafka"
START_LINE = b"Kafka Server started"
START_SECONDS = 120
PR_SET_PDEATHSIG = 1

PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={data}
num.partitions=1
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
auto.create.topics.enable={create}
log.cleaner.dedupe.buffer.size=4194304
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
"""


# Who logs in on the secure listener may do only what it was given the right to (kafka_admin.allow()); whoever comes
# over the plain one may do everything.
SECURE = """\
listeners=PLAINTEXT://127.0.0.1:{port},SECURE://127.0.0.1:{secure},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port},SECURE://127.0.0.1:{secure}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SECURE:SASL_SSL,CONTROLLER:PLAINTEXT
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512
listener.name.secure.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required \
  {users};
listener.name.secure.scram-sha-256.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.secure.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.secure.ssl.keystore.type=PEM
listener.name.secure.ssl.keystore.location={directory}/server.pem
"""
USERS = {"writer": "writer-word", "stranger": "stranger-word"}


class BrokerFailed(Exception):
    """The broker is there, but did not start; the message ends with its log's last lines."""


def free_ports(count):
    with contextlib.ExitStack() as stack:
        found = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in found:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in found]


def scram_user(bits, name, password):
    """What the storage tool takes for a user: salted here, for what it salts itself no client can prove."""
    salt = os.urandom(16)
    salted = hashlib.pbkdf2_hmac("sha%d" % bits, password.encode(), salt, 4096)
    return 'SCRAM-SHA-%d=[name=%s,iterations=4096,salt="%s",saltedpassword="%s"]' % (
        bits, name, base64.b64encode(salt).decode(), base64.b64encode(salted).decode())


def make_certificates(directory):
    """ca.pem, and server.key with server.crt for 127.0.0.1 and localhost that it signed, in `directory`."""
    cache.need("openssl")

    def openssl(*args):
        done = subprocess.run(["openssl", *args], cwd=directory, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=60, check=False)
        if done.returncode != 0:
            raise BrokerFailed("openssl %s: %s" % (args[0], done.stdout.decode(errors="replace")[-500:]))
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=tests")
    openssl("req", *key, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=localhost")
    (directory / "names").write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
    openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
            "-days", "2", "-extfile", "names", "-out", "server.crt")


def _start_time(pid):
    """Start time of a live process in ticks since boot, or None (gone, or a zombie).

    A killed process's first thread is a zombie while others still hold its sockets open.
    """
    place = pathlib.Path("/proc/%d" % pid)
    try:
        fields = (place / "stat").read_text(encoding="latin-1").rpartition(")")[2].split()
        is_gone = fields[0] in "ZX" and len(os.listdir(place / "task")) <= 1
    except OSError:
        return None
    return None if is_gone else int(fields[19])


def answers(port):
    """Does a Kafka broker on this port answer an ApiVersions request (version 0)?"""
    client = b"tests"
    body = struct.pack(">hhih", 18, 0, 7, len(client)) + client
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as link:
            link.sendall(struct.pack(">i", len(body)) + body)
            link.settimeout(5)
            head = b""
            while len(head) < 10:
                more = link.recv(10 - len(head))
                if not more:
                    return False
                head += more
    except OSError:
        return False
    _, correlation, error = struct.unpack(">iih", head)
    return correlation == 7 and error == 0


def _die_with_parent():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Broker:
    def __init__(self, directory, heap="256m", creates_topics=True, secure=False, more=""):
        self.directory = pathlib.Path(directory).resolve()
        self.heap = heap
        self.creates_topics = creates_topics
        self.secure = secure
        self.more = more  # further lines of its properties
        self.config = self.directory / "server.properties"
        self.pid_file = self.directory / "broker.pid"
        self.log = self.directory / "broker.log"
        self.child = None

    @property
    def port(self):
        return int((self.directory / "port").read_text())

    @property
    def bootstrap(self):
        return "127.0.0.1:%d" % self.port

    @property
    def secure_bootstrap(self):
        return "127.0.0.1:%d" % int((self.directory / "secure-port").read_text())

    @property
    def ca(self):
        """The certificate that signed the broker's."""
        return self.directory / "ca.pem"

    def pid(self):
        """The running broker's pid, or None."""
        if self.child is not None:
            self.child.poll()  # reap
        try:
            pid, started = (int(word) for word in self.pid_file.read_text().split())
        except (OSError, ValueError):
            return None
        return pid if _start_time(pid) == started else None

    def _java(self, main, *args):
        jars = cache.jars("kafka", HERE / "pom.xml")
        return ["java", "-Xms64m", "-Xmx" + self.heap, "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
                "-Dlog4j2.configurationFile=" + str(HERE / "log4j2.properties"),
                "-cp", str(jars / "*"), main, *args]

    def _certificates(self):
        make_certificates(self.directory)
        # One PEM file for Kafka: the key, then its certificate and the one that signed it.
        (self.directory / "server.pem").write_text("".join(
            (self.directory / name).read_text() for name in ("server.key", "server.crt", "ca.pem")))

    def _format(self):
        port, controller, secure = free_ports(3)
        self.directory.mkdir(parents=True, exist_ok=True)
        text = PROPERTIES.format(port=port, controller=controller, data=self.directory / "data",
                                 create=str(self.creates_topics).lower())
        scram = []
        if self.secure:
            self._certificates()
            users = " ".join('user_%s="%s"' % pair for pair in sorted(USERS.items()))
            text = "".join(line for line in text.splitlines(keepends=True)
                           if line.split("=")[0] not in ("listeners", "advertised.listeners",
                                                         "listener.security.protocol.map"))
            text += SECURE.format(port=port, controller=controller, secure=secure, users=users,
                                  directory=self.directory)
            (self.directory / "secure-port").write_text("%d\n" % secure)
            scram = [word for bits in (256, 512) for pair in sorted(USERS.items())
                     for word in ("--add-scram", scram_user(bits, *pair))]
        self.config.write_text(text + self.more)
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        # A run cut short between here and the port file is formatted again.
        done = subprocess.run(self._java("kafka.tools.StorageTool", "format", "--ignore-formatted",
                                         "--cluster-id=" + cluster, "-c", str(self.config), *scram),
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=START_SECONDS, check=False)
        if done.returncode != 0:
            raise BrokerFailed("format: " + done.stdout.decode(errors="replace")[-2000:])
        (self.directory / "port").write_text("%d\n" % port)

    def start(self, die_with_parent=False):
        """Start, formatting an empty directory first. A running broker is left as it is."""
        if self.pid() is not None:
            return
        if not (self.directory / "port").exists():
            self._format()
        argv = self._java("kafka.Kafka", str(self.config))
        with open(self.log, "ab") as log:
            log_start = log.tell()
            self.child = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.directory,
                start_new_session=True, preexec_fn=_die_with_parent if die_with_parent else None)
        self.pid_file.write_text("%d %d\n" % (self.child.pid, _start_time(self.child.pid) or 0))
        deadline = time.monotonic() + START_SECONDS
        while True:
            with open(self.log, "rb") as log:
                log.seek(log_start)
                text = log.read()
            if self.pid() is None:
                self.pid_file.unlink(missing_ok=True)
                raise BrokerFailed("broker ended: " + text.decode(errors="replace")[-2000:])
            if START_LINE in text and answers(self.port):
                return
            if time.monotonic() > deadline:
                self.kill()
                raise BrokerFailed("no start in %d s: %s"
                                   % (START_SECONDS, text.decode(errors="replace")[-2000:]))
            time.sleep(0.1)

    def _signal(self, number):
        pid = self.pid()
        if pid is not None:
            os.kill(pid, number)
        return pid

    def _wait_gone(self, seconds):
        deadline = time.monotonic() + seconds
        while self.pid() is not None:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        self.pid_file.unlink(missing_ok=True)
        return True

    def stop(self):
        """End cleanly; by force if that takes longer than 30 s."""
        self._signal(signal.SIGTERM)
        if not self._wait_gone(30):
            self.kill()

    def kill(self):
        """SIGKILL, as a crash would end it."""
        self._signal(signal.SIGKILL)
        if not self._wait_gone(30):
            raise BrokerFailed("pid %s does not end" % self.pid())

    def freeze(self):
        self._signal(signal.SIGSTOP)

    def thaw(self):
        self._signal(signal.SIGCONT)


def main():
    if len(sys.argv) != 3 or sys.argv[1] not in ("start", "stop", "kill", "port"):
        print("usage: kafka_broker.py start|stop|kill|port DIR", file=sys.stderr)
        return 2
    broker = Broker(sys.argv[2], os.environ.get("KAFKA_HEAP", "256m"))
    try:
        if sys.argv[1] == "start":
            broker.start()
        elif sys.argv[1] in ("stop", "kill"):
            getattr(broker, sys.argv[1])()
            return 0
        print(broker.port)
    except cache.Cannot as reason:
        print("cannot: %s" % reason, file=sys.stderr)
        return cache.CANNOT_EXIT
    except (BrokerFailed, OSError) as bad:
        print("kafka_broker: %s" % bad, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
