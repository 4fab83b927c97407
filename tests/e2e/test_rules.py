# SPDX-License-Identifier: Apache-2.0
"""Rules before the spool: what one takes out is nowhere behind the door; what none touches arrives as it came."""
import gzip
import json
import os
import time
import uuid

import numbered
import procs
from agent_process import Agent, http_route, store_route

# Made up, and put together here so that no scanner takes them for real ones.
SECRETS = ["4111 1111 1111 1111", "jane.doe@corp.example", "hunter2-%s" % "swordfish", "AKI" + "AQ7EXAMPLE0000001"]
RULES = [
    {"name": "secrets", "type": "redact", "builtin": ["all"]},
    {"name": "environment", "type": "redact", "facet": "environment", "pointer": "/variables/*/value"},
    {"name": "noise", "type": "drop", "job_prefix": ["tmp_"]},
    {"name": "one-kafka", "type": "rename", "from_hosts": ["b1:9092", "b2:9092"], "to": "kafka-prod"},
]
WHOLE = "Zebra-%s-umbrella" % "quartz"  # redacted by its place, as no pattern knows it


def secret_event(run, kind="START", job="pay", more=None):
    """One with every secret somewhere: SQL, an address, a URL, an environment; spelt with escapes too."""
    facet = {"_producer": numbered.PRODUCER, "_schemaURL": numbered.FACET_URL}
    value = {
        "eventTime": "2026-11-21T09:00:00.000Z", "eventType": kind, "producer": numbered.PRODUCER,
        "schemaURL": numbered.SPEC,
        "run": {"runId": str(uuid.uuid5(uuid.NAMESPACE_URL, str(run))),
                "facets": {"environment": {**facet, "variables": [{"name": "K", "value": WHOLE}]}}},
        "job": {"namespace": "tests", "name": job, "facets": {
            "sql": {**facet, "query": "SELECT '%s' -- %s" % (SECRETS[0], SECRETS[1])}}},
        "inputs": [{"namespace": "postgres://etl:%s@db:5432" % SECRETS[2], "name": "t"}],
        "outputs": [{"namespace": "kafka://b2:9092,b1:9092", "name": SECRETS[3]}], **(more or {})}
    text = json.dumps(value)
    return text.replace("jane.doe@", "jane\\u002edoe\\u0040").encode()


def write_journal(directory, lines):
    """A journal whose writer has ended, born as the library does it: under another name, then renamed."""
    directory.mkdir(parents=True, exist_ok=True)
    name = "%020d-%s.jsonl" % (time.time_ns(), uuid.uuid4())
    head = json.dumps({"ol_journal": 1, "id": name[21:57]}, separators=(",", ":")).encode()
    end = json.dumps({"ol_journal_end": "closed", "events": len(lines)}, separators=(",", ":")).encode()
    (directory / ".new").write_bytes(b"\n".join([head, *lines, end, b""]))
    os.rename(directory / ".new", directory / name)
    return directory / name


def holders(directory):
    """Files under `directory` that have any of the secrets in them, packed or not."""
    found = []
    for path in sorted(directory.rglob("*")):
        if not path.is_file():
            continue
        data = path.read_bytes()
        found += ["%s: %s" % (path, s) for s in (*SECRETS, WHOLE)
                  if s.encode() in data or json.dumps(s)[1:-1].encode() in data]
    return found


def test_a_secret_is_nowhere_behind_the_door(runner, built, workdir, start_standin, wait_until):
    """Through HTTP, as gzip, in arrays and from a journal; to a sink that takes it, to dead letters, into the store;
    refused events and lines as well: no file of the agent, no line of its log, no answer has it."""
    good = start_standin()
    bad = start_standin()
    bad.script({"answer": 422, "body": "no such schema"})
    agent = Agent(runner, built("lineaged"), workdir / "agent",
                  [http_route("good", good.url), http_route("bad", bad.url),
                   store_route(workdir / "agent" / "lineage.db"),
                   {"name": "file", "type": "file", "path": str(workdir / "agent" / "events.jsonl")}],
                  rules=RULES).start()
    assert holders(agent.home) == []
    said = []
    assert agent.post(secret_event(1))[0] == 201
    assert agent.post(gzip.compress(secret_event(2)), {"Content-Encoding": "gzip"})[0] == 201
    code, _, body = agent.post(b"[%s,%s,{\"bad\":\"%s\"}]" % (secret_event(3), secret_event(4), WHOLE.encode()),
                               path="/api/v1/lineage/batch")
    assert code == 200 and json.loads(body)["summary"]["successful"] == 2
    said.append(body)
    for broken in (secret_event(5)[:-1], secret_event(6).replace(b'"producer"', b'"prod"', 1),
                   secret_event(7).replace(b'"SELECT', b'SELECT', 1),
                   b'{"run":{"facets":{"x":{"%s":}}}}' % SECRETS[1].encode()):
        code, _, body = agent.post(broken)
        assert code == 400
        said.append(body)
    dropped = secret_event(8, job="tmp_pay")
    assert agent.post(dropped)[0] == 201
    assert agent.post(dropped)[0] == 201  # nothing remembers it, nothing needs to
    journal = write_journal(agent.journal, [secret_event(9), secret_event(10, job="tmp_x"), secret_event(11)])
    nothing = write_journal(agent.journal, [secret_event(12, job="tmp_y")])  # all of it is dropped
    wait_until(lambda: not journal.exists() and not nothing.exists(), 30, lambda: str(agent.status()))
    wait_until(lambda: len(good.stored()) == 6, 30, lambda: str(agent.status()))

    def done():
        routes = {r["name"]: r for r in agent.status()["routes"]}
        return all(r["waiting"] == 0 for n, r in routes.items() if n != "bad") and routes["bad"]["parked"] == 6
    wait_until(done, 30, lambda: str(agent.status()))
    env = {"LINEAGED_SOCKET": str(agent.socket)}
    letters = runner.run(built("lineage"), "deadletter", "ls", "--json", env=env)
    assert letters.status == 0 and letters.out.count('"id"') == 6
    first = json.loads(letters.out)
    first = (first["deadletters"] if isinstance(first, dict) else first)[0]["id"]
    shown = runner.run(built("lineage"), "deadletter", "show", first, env=env)
    assert "[redacted:card]" in shown.out
    said += [letters.out.encode(), shown.out.encode(), agent.admin("/metrics")[1], agent.admin("/v1/runs")[1],
             json.dumps(agent.status()).encode()]

    # While it runs, after it has ended, and what it said.
    assert holders(agent.home) == []
    metrics = agent.admin("/metrics")[1].decode()
    assert 'lineaged_rule_events_total{rule="noise",type="drop"} 4\n' in metrics
    assert 'lineaged_rule_events_total{rule="environment",type="redact"} 10\n' in metrics  # it stands before noise
    assert agent.stop() == 0
    assert holders(agent.home) == []
    said += [agent.process.err.encode(), agent.process.out.encode()]
    said += good.stored() + [post.body for post in bad.posts()]
    for text in said:
        for secret in (*SECRETS, WHOLE):
            assert secret.encode() not in text, (secret, text)
    arrived = [json.loads(body) for body in good.stored()]
    assert {e["outputs"][0]["namespace"] for e in arrived} == {"kafka://kafka-prod"}
    assert {e["inputs"][0]["namespace"] for e in arrived} == {"postgres://etl:[redacted:url_password]@db:5432"}
    assert {e["run"]["facets"]["environment"]["variables"][0]["value"] for e in arrived} == {"[redacted:environment]"}


def test_a_refused_line_leaves_place_and_reason(runner, built, workdir, wait_until):
    """What a program wrote stays in its own file, moved to done/ (before the door); nothing else has it."""
    agent = Agent(runner, built("lineaged"), workdir / "agent", [store_route(workdir / "agent" / "lineage.db")],
                  rules=RULES).start()
    write_journal(agent.journal, [secret_event(1), b'{"run":{"%s":}}' % SECRETS[3].encode(),
                                  secret_event(3)])
    wait_until(lambda: agent.status()["intake"]["journal"]["parked_lines"] == 1, 30, lambda: str(agent.status()))
    wait_until(lambda: any((agent.journal / "done").glob("*.jsonl")), 30, lambda: str(agent.status()))
    assert agent.stop() == 0
    assert {path.partition(": ")[0].rpartition("/")[0] for path in holders(agent.home)} <= {str(agent.journal / "done")}
    assert "line parked: event: refused; the reason names what rule secrets redacts" in agent.process.err
    assert not any(secret in agent.process.err for secret in (*SECRETS, WHOLE))


def test_untouched_events_keep_their_bytes(runner, built, workdir, standin, wait_until):
    """Odd white space, escapes and numbers: with all rules on, what none is about arrives as it was sent."""
    agent = Agent(runner, built("lineaged"), workdir / "agent", [http_route("all", standin.url)], rules=RULES).start()
    odd = [numbered.event(n, n, 0).replace(b'"inputs":[]', text) for n, text in enumerate((
        b'"inputs" :\n [ ]', b'"inputs":[],"x":"\\u00e9\\/\\ud83d\\ude00"', b'"inputs":[],"x":1.50e+02',
        b'"inputs":[],"x":"\\u0041\\t"', '"inputs":[],"x":"\u00e9 \U0001f600"'.encode()))]
    for body in odd:
        assert agent.post(body)[0] == 201
    wait_until(lambda: len(standin.stored()) == len(odd), 30, lambda: str(agent.status()))
    assert sorted(standin.stored()) == sorted(odd)
    assert agent.stop() == 0


def test_a_catastrophic_pattern_stalls_nobody(runner, built, workdir, standin, wait_until):
    """Events that drive an expression mad are redacted whole, told once, counted; others come through meanwhile."""
    agent = Agent(runner, built("lineaged"), workdir / "agent", [http_route("all", standin.url)],
                  rules=[{"name": "mad", "type": "redact", "pattern": "(a+)+$"}]).start()
    mad = [numbered.event(n, n, 0).replace(b'"inputs":[]', b'"inputs":[],"x":"%s!"' % (b"a" * 50000)) for n in range(30)]
    begin = time.monotonic()
    for n, body in enumerate(mad):
        assert agent.post(body)[0] == 201
        assert agent.post(numbered.event(100 + n, 100 + n, 0))[0] == 201
    assert time.monotonic() - begin < 20  # 30 budgets of 50 ms, and the machine has others to serve
    wait_until(lambda: len(standin.stored()) == 60, 30, lambda: str(agent.status()))
    assert not any(b"a" * 50 in body for body in standin.stored())
    assert sum(b'"x":"[redacted:mad]"' in body for body in standin.stored()) == 30
    assert b'lineaged_rule_limited_total{rule="mad",type="redact"} 30\n' in agent.admin("/metrics")[1]
    assert agent.stop() == 0
    assert agent.process.err.count("rule mad: ") == 1


def test_rules_are_shown_and_tried(runner, built, workdir):
    """lineaged rules list and test: before, after and by which rule, without an agent; exit status."""
    agent = Agent(runner, built("lineaged"), workdir / "agent", [store_route(workdir / "agent" / "lineage.db")],
                  rules=RULES)

    def rules(*argv, **options):
        return runner.run(built("lineaged"), "rules", *argv, "--config", agent.config, **options)
    listed = rules("list")
    assert listed.status == 0
    assert all(" %s " % rule["name"] in listed.out for rule in RULES) and "\n  card " in listed.out
    one = workdir / "one.json"
    one.write_bytes(json.dumps(json.loads(secret_event(1)), indent=1).encode())
    done = rules("test", one)
    assert done.status == 0 and done.err == ""
    before, after, by = done.out.replace("before:\n", "").replace("after:\n", "\0").replace("by rule:\n", "\0").split("\0")
    assert before.encode() == one.read_bytes() + b"\n"
    left = json.loads(after)
    assert left["job"]["facets"]["sql"]["query"] == "SELECT '[redacted:card]' -- [redacted:email]"
    assert '  environment /run/facets/environment/variables/0/value\n    - "%s"\n    + "[redacted:environment]"\n' \
        % WHOLE in by
    assert '  one-kafka /outputs/0/namespace\n    - "kafka://b2:9092,b1:9092"\n    + "kafka://kafka-prod"\n' in by
    lines = workdir / "many.jsonl"
    lines.write_bytes(b"\n".join([numbered.event(1, 1, 0), b"", secret_event(2, job="tmp_x")]))
    done = rules("test", lines)
    assert done.status == 0
    assert "after: unchanged, byte for byte\n" in done.out and "after: dropped\nby rule:\n" in done.out
    assert done.out.endswith("\n  noise\n\n")
    lines.write_bytes(lines.read_bytes() + b"\n{\"no\":\"event\"}\n")
    done = rules("test", lines)
    assert done.status == 1 and "%s:4: no event: " % lines in done.err and "after: dropped" in done.out
    array = workdir / "array.json"
    array.write_bytes(b"[%s, %s]" % (numbered.event(1, 1, 0), secret_event(2)))
    assert rules("test", array).out.count("before:") == 2
    assert rules("test", workdir / "absent").status == 1
    for argv in (["test"], ["list", one], ["nonsense"], ["test", "--nonsense", one]):
        assert rules(*argv).status == 2, argv
    agent.config.write_text("rules:\n  - name: x\n    type: redact\n    pattern: '('\n")
    done = rules("test", one)
    assert done.status == 2 and "%s:2: rules[0].pattern: rule 'x': " % agent.config in done.err
    assert sorted(os.listdir(agent.home)) == ["lineaged.yaml"]


def test_the_manual_shows_rules_that_work(runner, built, workdir):
    page = (procs.REPO / "agent" / "lineaged.yaml.5.in").read_text()
    sample = page[page.index("\nrules:\n") + 1:]
    sample = sample[:sample.index("\n.fi\n")].replace("\\-", "-").replace("\\e", "\\")
    config = workdir / "sample.yaml"
    config.write_text(sample + "\n")
    done = runner.run(built("lineaged"), "rules", "list", "--config", config)
    assert done.status == 0, done.err
    assert done.out.count(" line ") == 13
