#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Hold a real broker for bench_kafka: kafka_hold.py DIRECTORY. Prints its port, stops it when standard
input ends, so that it outlives nobody; exit 77 with a reason where it cannot be had.
"""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support"))

import cache  # noqa: E402
import kafka_broker  # noqa: E402


def main():
    if len(sys.argv) != 2:
        print("usage: kafka_hold.py DIRECTORY", file=sys.stderr)
        return 2
    broker = kafka_broker.Broker(sys.argv[1])
    try:
        broker.start(die_with_parent=True)
        print(broker.port, flush=True)
        sys.stdin.read()
    except cache.Cannot as reason:
        print("cannot: %s" % reason, file=sys.stderr)
        return cache.CANNOT_EXIT
    finally:
        broker.kill()
    return 0


if __name__ == "__main__":
    sys.exit(main())
