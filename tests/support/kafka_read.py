#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Read a whole topic back through kcat: an independent consumer, exact bytes.

python3 kafka_read.py BOOTSTRAP TOPIC prints a JSON line per message, key and value in base64; exit 77
where kcat is absent.
"""
import base64
import json
import subprocess
import sys
from collections import namedtuple

import cache

Message = namedtuple("Message", "partition offset timestamp key value headers")

# Sizes first, then the bytes themselves: nothing in a key or value can be mistaken for a separator.
FORMAT = "%p %o %T %K %S %h\n%k%s"


def _parse(out):
    found, at = [], 0
    while at < len(out):
        end = out.index(b"\n", at)
        partition, offset, stamp, key_size, size, headers = out[at:end].decode().split(" ", 5)
        at = end + 1
        key = None if int(key_size) < 0 else out[at:at + int(key_size)]
        at += max(0, int(key_size))
        value = None if int(size) < 0 else out[at:at + int(size)]
        at += max(0, int(size))
        pairs = dict(pair.split("=", 1) for pair in headers.split(",") if "=" in pair)
        found.append(Message(int(partition), int(offset), int(stamp), key, value, pairs))
    return found


def read_topic(bootstrap, topic, timeout=60):
    """Every message now in the topic, by partition and offset; an unknown topic is empty.

    Header values must be plain text without ',' or newline: kcat prints them so.
    """
    cache.need("kcat")
    done = subprocess.run(["kcat", "-C", "-b", bootstrap, "-t", topic, "-o", "beginning", "-e", "-q",
                           "-f", FORMAT], stdin=subprocess.DEVNULL, capture_output=True,
                          timeout=timeout, check=False)
    if done.returncode != 0:
        text = done.stderr.decode(errors="replace")
        if "Unknown topic or partition" in text:
            return []
        raise RuntimeError("kcat: exit %d: %s" % (done.returncode, text[-1000:]))
    return sorted(_parse(done.stdout), key=lambda message: message[:2])


def main():
    if len(sys.argv) != 3:
        print("usage: kafka_read.py BOOTSTRAP TOPIC", file=sys.stderr)
        return 2
    try:
        messages = read_topic(sys.argv[1], sys.argv[2])
    except cache.Cannot as reason:
        print("cannot: %s" % reason, file=sys.stderr)
        return cache.CANNOT_EXIT
    for message in messages:
        record = message._asdict()
        for name in ("key", "value"):
            if record[name] is not None:
                record[name] = base64.b64encode(record[name]).decode()
        print(json.dumps(record))
    return 0


if __name__ == "__main__":
    sys.exit(main())
