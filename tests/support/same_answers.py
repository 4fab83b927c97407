# SPDX-License-Identifier: Apache-2.0
"""Do two stores give the same answers? Every question of agent/store/verbs.c, of everything that is in the first: a new
row of that table is asked by itself."""
import datetime
import json
import re
import sqlite3
import urllib.parse

import procs

# Members that differ by nature, by their name or by PARENT.NAME: what the table of docs/export.md says, of all answers.
# The test compares the two.
BY_NATURE = {"events", "counts.events_taken",  # a run has as many as say something that still holds
             "counts.facets", "counts.texts", "counts.datasets", "size.bytes", "names_read"}  # what nothing refers to any more
OF_NAMES_ALONE = {"namespaces"}  # as well, where a namespace has no name that anything refers to
# Not a question about lineage, but how it is taken out.
NOT_ASKED = {"export"}


def verbs():
    """[(name, whether it needs a subject)] of the table."""
    rows = re.findall(r'\{"([a-z_-]+)", store_\w+, "[^"]+", (true|false)', (procs.REPO / "agent/store/verbs.c").read_text())
    assert {"why", "impact", "diff", "runs", "show"} <= {name for name, _ in rows}
    return [(name, needs == "true") for name, needs in rows if name not in NOT_ASKED]


def subjects(path):
    """What can be asked about, as X: datasets, jobs, runs, versions, ids, requests."""
    db = sqlite3.connect("file:%s?mode=ro" % path, uri=True)
    found = ["%s\x1f%s\x1f%s" % (space, name, name) for space, name in
             db.execute("SELECT t.text, d.name FROM datasets d JOIN texts t ON t.id = d.namespace WHERE d.state IS NOT NULL "
                        "OR EXISTS (SELECT 1 FROM io WHERE io.dataset = d.id) ORDER BY 1, 2")]  # others a sweep removes
    found += ["%s/%s" % row for row in
              db.execute("SELECT t.text, j.name FROM jobs j JOIN texts t ON t.id = j.namespace ORDER BY 1, 2")]
    runs = [text or "%s-%s-%s-%s-%s" % (u[:8], u[8:12], u[12:16], u[16:20], u[20:]) for text, u in
            db.execute("SELECT text, lower(hex(uuid)) FROM runs ORDER BY uuid")]
    found += ["sha256:" + value.lower() for value, in
              db.execute("SELECT DISTINCT hex(value) FROM versions WHERE typeof(value) = 'blob' ORDER BY 1")]
    found += [text for text, in db.execute("SELECT DISTINCT t.text FROM ids JOIN texts t ON t.id = ids.value ORDER BY 1")]
    tables = {name for name, in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if "answers" in tables:
        for head, body in db.execute("SELECT t.text, a.body FROM answers a LEFT JOIN texts t ON t.id = a.head"):
            found.append(json.loads((head or "") + body)["request_id"])
    db.close()
    return list(dict.fromkeys(found)), runs


def canonical(value, drop=frozenset(), parent=None):
    """A document without what has no order: ids of nodes are what they stand for (a path of `depends` has them as well),
    lists are sorted."""
    if isinstance(value, dict):
        if isinstance(value.get("nodes"), list) and isinstance(value.get("edges"), list):
            value = dict(value)
            nodes = {node["id"]: canonical({k: v for k, v in node.items() if k != "id"}, drop) for node in value["nodes"]}
            value["nodes"] = list(nodes.values())
            value["edges"] = [{**{k: v for k, v in edge.items() if k not in ("from", "to")},
                               "from": nodes[edge["from"]], "to": nodes[edge["to"]]} for edge in value["edges"]]
        return {k: canonical(v, drop, k) for k, v in sorted(value.items())
                if not {k, "%s.%s" % (parent, k)} & (BY_NATURE | drop) and not (k == "id" and "depth" in value)}
    if isinstance(value, list):
        return sorted((canonical(each, drop, parent) for each in value), key=lambda each: json.dumps(each, sort_keys=True))
    return value


def _ask(agent, verb, parameters, drop):
    status, body = agent.admin("/v1/%s?%s" % (verb, urllib.parse.urlencode(parameters)))
    text = body.decode()
    if verb == "events":  # raw lines, as far as they were kept
        return status, sorted(text.splitlines()) if status == 200 else None
    return status, canonical(json.loads(text), drop) if text.strip() else None


def details(path):
    """(columns, times, KEY=VALUE of every id, jobs' names) of the store."""
    db = sqlite3.connect("file:%s?mode=ro" % path, uri=True)
    columns = set()
    for head, body in db.execute("SELECT t.text, f.body FROM facets f LEFT JOIN texts t ON t.id = f.head"):
        text = "".join(each.decode() if isinstance(each, bytes) else each or "" for each in (head, body))
        fields = json.loads(text).get("fields") if '"fields"' in text else None
        columns |= set(fields) if isinstance(fields, dict) else {each.get("name") for each in fields or []}
    times = sorted({at for row in db.execute("SELECT started, ended FROM runs") for at in row if at})
    ids = sorted({"%s=%s" % row for row in db.execute(
        "SELECT k.text, v.text FROM ids JOIN texts k ON k.id = ids.key JOIN texts v ON v.id = ids.value")})
    jobs = sorted({name for name, in db.execute("SELECT name FROM jobs")})
    db.close()
    return sorted(filter(None, columns)), times, ids, jobs


def variants(path, named, runs):
    """Questions with parameters: of times, columns, tags, states, pairs."""
    columns, times, ids, jobs = details(path)
    # Of names only: when an id was told within a run is not exported (docs/export.md).
    for at in times[::max(1, len(times) // 5)]:
        yield from (("why", {"subject": each, "at": datetime.datetime.fromtimestamp(
            (at - 1) / 1000, datetime.timezone.utc).isoformat(timespec="milliseconds")}) for each in named if "/" in each)
        for side in ("since", "until"):
            yield "runs", {side: str(at)}
    for column in columns:
        yield from ((verb, {"subject": each, "column": column}) for verb in ("why", "impact") for each in named if "\x1f" in each)
    for each in ids:
        yield "runs", {"group": each}
        yield from ((verb, {"subject": each}) for verb in ("why", "impact", "show", "search"))
    yield from (("runs", {"job": each}) for each in jobs)
    yield from (("runs", {"state": each}) for each in ("RUNNING", "COMPLETE", "FAIL", "ABORT"))
    yield from (("runs", {"parent": each}) for each in runs)
    yield from (("runs", {key: "1"}) for key in ("failed", "by_root"))
    yield from (("diff", {"subject": each, "since_deploy": "1"}) for each in named)
    yield "serving", {"all": "1"}
    yield from (("check", {"steps": "1", "open_for": "1000", "tolerance": each}) for each in ("1", "60000"))
    yield "stale", {"older_than": str(1000 * 60 * 60 * 24 * 365 * 20)}


def questions(path):
    """All (verb, parameters)."""
    named, runs = subjects(path)
    yield from variants(path, named, runs)
    for verb, needs_subject in verbs():
        if verb in ("diff", "depends"):
            pairs = list(zip(runs, runs[1:])) + list(zip(named, named[1:]))
            if verb == "depends":  # of two that are one thing each: which path of several is shown has no order
                names = [each for each in named if "\x1f" in each]
                pairs = list(zip(names, names[1:] + names[:1])) + list(zip(names[1:], names))
            yield from ((verb, {"subject": a, "other": b}) for a, b in pairs)
            continue
        if not needs_subject:
            yield verb, {}
        yield from ((verb, {"subject": each}) for each in named + runs)
        if verb == "show":
            yield from ((verb, {"subject": each, "request": "1"}) for each in named)


def check(first, second, path, ignore=(), drop=frozenset(), every=False):
    """Every question has the same answer from agent `first`, whose store is at `path`, as from `second`; `drop`: members
    that are not compared; `every`: of each verb something is known here."""
    asked, other, answered = 0, [], set()
    for verb, parameters in questions(path):
        if verb in ignore:
            continue
        a, b = _ask(first, verb, parameters, drop), _ask(second, verb, parameters, drop)
        asked += 1
        assert a[0] in (200, 404) or (verb == "audit" and b"an audit is of one" in json.dumps(a).encode()), (verb, parameters, a)
        answered |= {verb} if a[0] == 200 else set()
        if a != b:
            one, two = json.dumps(a), json.dumps(b)
            at = max(0, next((i for i, pair in enumerate(zip(one, two)) if pair[0] != pair[1]), min(len(one), len(two))) - 150)
            other.append("%s %r\n  ...%s\n  ...%s" % (verb, parameters, one[at:at + 400], two[at:at + 400]))
    assert not other, "%d of %d answers differ:\n%s" % (len(other), asked, "\n".join(other[:5]))
    assert not every or not {verb for verb, _ in verbs()} - answered - {"events"} - set(ignore), answered
    return asked
