# SPDX-License-Identifier: Apache-2.0
"""What a test asks of its broker over the wire, without Kafka's own tools (they are 45 jars more): topics,
rights, and what the broker wrote into a partition's log.

create_topic(broker, name), allow(broker, user, operation, topic), batches(broker, topic).
"""
import socket
import struct
from collections import namedtuple

CREATE_TOPICS, CREATE_ACLS = 19, 30
OPERATIONS = {"read": 3, "write": 4, "describe": 8}


class Refused(Exception):
    """The broker answered with an error code."""


def _text(value):
    return struct.pack(">h", len(value)) + value.encode()


def _ask(broker, api, version, body):
    """One request in the old encoding (no tagged fields); the answer behind its correlation id."""
    head = struct.pack(">hhi", api, version, 1) + _text("tests")
    with socket.create_connection(("127.0.0.1", broker.port), timeout=30) as link:
        link.sendall(struct.pack(">i", len(head) + len(body)) + head + body)
        with link.makefile("rb") as answer:
            size = struct.unpack(">i", answer.read(4))[0]
            return answer.read(size)[4:]


def create_topic(broker, name, partitions=1, **settings):
    """Make it; the broker answers once it is there."""
    configs = b"".join(_text(key.replace("_", ".")) + _text(str(value)) for key, value in settings.items())
    body = struct.pack(">i", 1) + _text(name) + struct.pack(">ihii", partitions, 1, 0, len(settings)) + configs
    answer = _ask(broker, CREATE_TOPICS, 2, body + struct.pack(">ib", 20000, 0))
    code = struct.unpack(">h", answer[10 + len(name):12 + len(name)])[0]
    if code != 0:
        raise Refused("topic %s: error code %d" % (name, code))


def allow(broker, user, operation, topic):
    """Give a user of the secure listener a right on one topic."""
    body = struct.pack(">ib", 1, 2) + _text(topic) + struct.pack(">b", 3) + _text("User:" + user) + _text("*")
    answer = _ask(broker, CREATE_ACLS, 1, body + struct.pack(">bb", OPERATIONS[operation], 3))
    code = struct.unpack(">h", answer[8:10])[0]
    if code != 0:
        raise Refused("right to %s %s: error code %d" % (operation, topic, code))


Batch = namedtuple("Batch", "codec producer_id epoch first_sequence count")
CODECS = ("none", "gzip", "snappy", "lz4", "zstd")


def batches(broker, topic, partition=0):
    """The record batches of a partition, as they stand in the broker's log."""
    found = []
    for path in sorted((broker.directory / "data" / ("%s-%d" % (topic, partition))).glob("*.log")):
        data, at = path.read_bytes(), 0
        while at + 61 <= len(data):
            size = struct.unpack_from(">i", data, at + 8)[0]
            attributes = struct.unpack_from(">h", data, at + 21)[0]
            producer, epoch, sequence, count = struct.unpack_from(">qhii", data, at + 43)
            if size <= 0:
                break
            found.append(Batch(CODECS[attributes & 7], producer, epoch, sequence, count))
            at += 12 + size
    return found
