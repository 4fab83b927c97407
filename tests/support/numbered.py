# SPDX-License-Identifier: Apache-2.0
"""Numbered events: made by senders, found again in bodies at a sink, and counted.

Every event has a global number, the number of its run, and its number within that run, in a run facet
of its own. A report says what was lost, doubled, altered or out of order.
"""
import datetime
import json
import uuid
from collections import namedtuple
from dataclasses import dataclass, field

FACET = "lineaged_numbered"
PRODUCER = "https://example.org/lineaged/tests"
SPEC = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
FACET_URL = "https://example.org/lineaged/tests/NumberedRunFacet.json#/$defs/LineagedNumberedRunFacet"
START_TIME = datetime.datetime(2025, 1, 1, tzinfo=datetime.timezone.utc)

Number = namedtuple("Number", "number run index")


def run_id(run, seed="numbered"):
    """The same UUID for the same seed and run, always."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, "%s/%s/%d" % (PRODUCER, seed, run)))


def event(number, run, index, last=False, size=0, seed="numbered", job="numbered"):
    """One event as bytes: index 0 is START, `last` COMPLETE, RUNNING between; padded to `size`."""
    kind = "COMPLETE" if last else "RUNNING" if index else "START"
    time = START_TIME + datetime.timedelta(milliseconds=number)
    facet = {"_producer": PRODUCER, "_schemaURL": FACET_URL,
             "number": number, "run": run, "index": index}
    value = {
        "eventTime": time.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "eventType": kind, "producer": PRODUCER, "schemaURL": SPEC,
        "run": {"runId": run_id(run, seed), "facets": {FACET: facet}},
        "job": {"namespace": "tests", "name": "%s.%d" % (job, run), "facets": {}},
        "inputs": [], "outputs": []}
    body = json.dumps(value, separators=(",", ":")).encode()
    room = size - len(body) - len(',"pad":""')
    if room > 0:
        facet["pad"] = "x" * room
        body = json.dumps(value, separators=(",", ":")).encode()
    return body


def events(runs, per_run, size=0, seed="numbered", first=0):
    """Bytes of runs x per_run events, the runs interleaved, numbered in the order they are made."""
    number = first
    for index in range(per_run):
        for run in range(runs):
            yield event(number, run, index, index == per_run - 1, size, seed)
            number += 1


def parse(body):
    """The Number in a body, or None where there is none."""
    try:
        facet = json.loads(body)["run"]["facets"][FACET]
        return Number(int(facet["number"]), int(facet["run"]), int(facet["index"]))
    except (ValueError, KeyError, TypeError):
        return None


@dataclass
class Report:
    received: int = 0          # numbered bodies
    unique: int = 0
    duplicates: int = 0        # received - unique
    foreign: int = 0           # bodies without a number
    lost: list = field(default_factory=list)          # expected, never seen
    unexpected: list = field(default_factory=list)    # seen, not expected
    altered: list = field(default_factory=list)       # seen with other bytes than were sent
    order_breaks: list = field(default_factory=list)  # first arrivals behind a later one of their run
    ended_early: list = field(default_factory=list)   # runs whose last arrival is not their last event

    def problems(self, max_duplicates=0):
        """One line each; an empty list is a pass."""
        found = []
        if self.duplicates > max_duplicates:
            found.append("%d duplicates, at most %d allowed" % (self.duplicates, max_duplicates))
        if self.foreign:
            found.append("%d bodies without a number" % self.foreign)
        for name in ("lost", "unexpected", "altered", "order_breaks", "ended_early"):
            items = getattr(self, name)
            if items:
                found.append("%s: %d, first %s" % (name, len(items), items[:5]))
        return found


def check(bodies, expected):
    """Count `bodies`, in order of arrival, against `expected`: a count of numbers from 0, a set of
    numbers, or {number: bytes as sent}, which checks the bytes too."""
    wanted = set(range(expected)) if isinstance(expected, int) else set(expected)
    sent = expected if isinstance(expected, dict) else {}
    report, seen = Report(), set()
    highest, latest = {}, {}  # of each run: highest index so far, index of the last arrival
    for body in bodies:
        got = parse(body)
        if got is None:
            report.foreign += 1
            continue
        report.received += 1
        latest[got.run] = got.index
        if got.number in sent and sent[got.number] != body:
            report.altered.append(got.number)
        if got.number in seen:
            continue
        seen.add(got.number)
        if got.index < highest.get(got.run, -1):
            report.order_breaks.append(got)
        highest[got.run] = max(got.index, highest.get(got.run, -1))
    report.unique = len(seen)
    report.duplicates = report.received - report.unique
    report.lost = sorted(wanted - seen)
    report.unexpected = sorted(seen - wanted)
    report.ended_early = sorted(run for run, index in latest.items() if index < highest[run])
    return report
