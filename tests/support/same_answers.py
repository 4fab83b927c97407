# SPDX-License-Identifier: Apache-2.0
"""Do two stores give the same answers? Every question of agent/store/verbs.c, of everything that is in the first: a new
row of that table is asked by itself."""
import json
import re
import sqlite3
import urllib.parse

import procs

# Members that differ by nature (docs/export.md).
BY_NATURE = {"events",
             "counts", "file_bytes", "bytes", "first_seen", "last_seen",  # rows and bytes of the file: what was overtaken is gone
             "names_read"}  # how much a search looked at
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


def canonical(value, drop=frozenset()):
    """A document without what has no order: ids of nodes are what they stand for, lists are sorted."""
    if isinstance(value, dict):
        if isinstance(value.get("nodes"), list) and isinstance(value.get("edges"), list):
            value = dict(value)
            nodes = {node["id"]: canonical({k: v for k, v in node.items() if k != "id"}, drop) for node in value["nodes"]}
            value["nodes"] = list(nodes.values())
            value["edges"] = [{**{k: v for k, v in edge.items() if k not in ("from", "to")},
                               "from": nodes[edge["from"]], "to": nodes[edge["to"]]} for edge in value["edges"]]
        return {k: canonical(v, drop) for k, v in sorted(value.items()) if k not in BY_NATURE and k not in drop}
    if isinstance(value, list):
        return sorted((canonical(each, drop) for each in value), key=lambda each: json.dumps(each, sort_keys=True))
    return value


def _ask(agent, verb, parameters, drop):
    status, body = agent.admin("/v1/%s?%s" % (verb, urllib.parse.urlencode(parameters)))
    text = body.decode()
    if verb == "events":  # raw lines, as far as they were kept
        return status, sorted(text.splitlines()) if status == 200 else None
    return status, canonical(json.loads(text), drop) if text.strip() else None


def questions(path):
    """All (verb, parameters)."""
    named, runs = subjects(path)
    for verb, needs_subject in verbs():
        if verb == "diff":
            pairs = list(zip(runs, runs[1:])) + list(zip(named, named[1:]))
            yield from ((verb, {"subject": a, "other": b}) for a, b in pairs)
            continue
        if not needs_subject:
            yield verb, {}
        yield from ((verb, {"subject": each}) for each in named + runs)
        if verb == "show":
            yield from ((verb, {"subject": each, "request": "1"}) for each in named)


def check(first, second, path, ignore=(), drop=frozenset()):
    """Every question has the same answer from agent `first`, whose store is at `path`, as from `second`; `drop`: members
    that are not compared."""
    asked, other = 0, []
    for verb, parameters in questions(path):
        if verb in ignore:
            continue
        a, b = _ask(first, verb, parameters, drop), _ask(second, verb, parameters, drop)
        asked += 1
        if a != b:
            one, two = json.dumps(a), json.dumps(b)
            at = max(0, next((i for i, pair in enumerate(zip(one, two)) if pair[0] != pair[1]), min(len(one), len(two))) - 150)
            other.append("%s %r\n  ...%s\n  ...%s" % (verb, parameters, one[at:at + 400], two[at:at + 400]))
    assert not other, "%d of %d answers differ:\n%s" % (len(other), asked, "\n".join(other[:5]))
    return asked
