# SPDX-License-Identifier: Apache-2.0
"""A store that is deleted and made again, from exported events or from receipts, gives the same answers to every
question there is (tests/support/same_answers.py)."""
import contextlib
import gzip
import json
import os
import re
import shutil
import sqlite3
import subprocess

import pytest

import procs
import same_answers
from agent_process import Agent

SPEC = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/"


def facet(**members):
    return {"_producer": "https://example.org/p", "_schemaURL": "https://example.org/f.json", **members}


def run_id(number):
    return "0195d2c4-a1b9-7e6f-8a3c-%012x" % number


def run_event(number, kind, time, inputs=(), outputs=(), run_facets=None, job_facets=None, job="job", producer="https://example.org/p"):
    event = {"eventTime": "2026-02-04T%sZ" % time, "producer": producer, "schemaURL": SPEC + "RunEvent",
             "run": {"runId": run_id(number) if isinstance(number, int) else number, "facets": run_facets or {}},
             "job": {"namespace": "n", "name": job, "facets": job_facets or {}},
             "inputs": list(inputs), "outputs": list(outputs)}
    return {**event, "eventType": kind} if kind else event


def dataset(name, version=None, space="n", **facets):
    known = {key: value for key, value in facets.items() if key not in ("inputFacets", "outputFacets")}
    if version:
        known["version"] = facet(datasetVersion=version)
    beside = {key: facets[key] for key in ("inputFacets", "outputFacets") if key in facets}
    return {"namespace": space, "name": name, "facets": known, **beside}


def parent(number, job="parent", root=None):
    found = {"run": {"runId": run_id(number)}, "job": {"namespace": "n", "name": job}}
    return facet(**found, **({"root": {"run": {"runId": run_id(root)}, "job": {"namespace": "n", "name": "root"}}} if root else {}))


SHA = "sha256:" + "ab" * 32
HOSTILE = "a\"b\\c\n\t\u2028 \U0001f600 </script>"


def events():
    """Everything that a store treats in a way of its own."""
    made = [
        # raw -> clean -> model; what COMPLETE repeats and adds; versions on both sides
        run_event(1, "START", "10:00:00", [dataset("raw")], [dataset("clean")], job="clean"),
        run_event(1, "COMPLETE", "10:00:05", [dataset("raw", SHA, inputFacets={"s": facet(rowCount=3)})],
                  [dataset("clean", "v7", outputFacets={"outputStatistics": facet(rowCount=2)},
                           schema=facet(fields=[{"name": "a", "type": "int"}]))], job="clean"),
        run_event(2, "START", "10:01:00", [dataset("clean", "v7")], job="train", run_facets={"parent": parent(50, root=51)}),
        run_event(2, "COMPLETE", "10:02:00", [], [dataset("model", "m1")], job="train", run_facets={
            "parent": parent(50, root=51), "tags": facet(tags=[{"key": "team", "value": "ml", "source": "USER"}]),
            "lineaged_run": facet(run_id="the-run", step="train", attempt="1")}),
        # the parent's own events come later
        run_event(50, "START", "09:59:00", job="parent", run_facets={"parent": parent(51, job="root")}),
        run_event(50, "COMPLETE", "10:03:00", job="parent"),
        # several versions of one dataset in one run, in one event and in two
        run_event(3, "START", "11:00:00", [dataset("raw", "v1"), dataset("raw", "v2")], job="twice"),
        run_event(3, "RUNNING", "11:00:01", [dataset("raw", "v3")], [dataset("o3")], job="twice"),
        run_event(3, "FAIL", "11:00:02", [dataset("raw", "v1")], job="twice",
                  run_facets={"errorMessage": facet(message="it failed", programmingLanguage="x")}),
        # out of order: COMPLETE first, START later; one more producer
        run_event(4, "COMPLETE", "12:00:09", [], [dataset("late", "l1")], job="late", producer="https://example.org/q"),
        run_event(4, "START", "12:00:00", [dataset("raw", SHA)], job="late"),
        run_event(4, "RUNNING", "11:59:59", [dataset("raw")], job="late"),
        # no START, no type, a run that goes on, one that began and ended at the same moment
        run_event(5, None, "12:30:00", [dataset("x")], job="typeless"),
        run_event(6, "START", "13:00:00", [dataset("model", "m1")], job="open"),
        run_event(7, "START", "13:30:00", [dataset("model", "m1")], job="quick"),
        run_event(7, "COMPLETE", "13:30:00", [], [dataset("fast", "f1")], job="quick", run_facets={"parent": parent(50)}),
        # an end that was guessed, one that came all the same, two ends
        run_event(8, "START", "14:00:00", job="gone"),
        run_event(8, "ABORT", "14:00:30", job="gone", run_facets={"lineaged_inferred": facet(reason="writer_gone")}),
        run_event(9, "START", "14:10:00", job="back"),
        run_event(9, "ABORT", "14:10:30", job="back", run_facets={"lineaged_inferred": facet(reason="writer_gone")}),
        run_event(9, "COMPLETE", "14:10:20", [], [dataset("b", "b1")], job="back"),
        run_event(10, "COMPLETE", "14:20:00", job="two"), run_event(10, "FAIL", "14:20:05", job="two"),
        # facets that are taken away; names that are hostile; an id that is no UUID; a symlink; columns
        run_event(11, "START", "15:00:00", [dataset("raw", documentation=facet(description="d"))], job="deleted",
                  job_facets={"sql": facet(query="SELECT 1"), "documentation": facet(description="j")}),
        run_event(11, "COMPLETE", "15:00:01", [dataset("raw", documentation=facet(_deleted=True))], job="deleted",
                  job_facets={"sql": facet(_deleted=True)}),
        run_event("scheduled__2026-02-04T00:00:00+00:00", "COMPLETE", "15:30:00", [dataset(HOSTILE, space="s://h:1")],
                  [dataset("h", "v'\"\\")], job=HOSTILE, run_facets={HOSTILE: facet(text=HOSTILE)}),
        run_event(12, "COMPLETE", "16:00:00", [dataset("raw", SHA)], [dataset("cols", "c1", columnLineage=facet(fields={
            "a": {"inputFields": [{"namespace": "n", "name": "raw", "field": "b"}]}}), symlinks=facet(identifiers=[
                {"namespace": "hive://h", "name": "db.cols", "type": "TABLE"}]), datasetType=facet(datasetType="TABLE"))],
            job="columns", job_facets={"jobType": facet(processingType="BATCH", integration="X", jobType="Y")}),
        # what is told of jobs and datasets without a run
        {"eventTime": "2026-02-03T00:00:00Z", "producer": "https://example.org/p", "schemaURL": SPEC + "JobEvent",
         "job": {"namespace": "n", "name": "static", "facets": {"documentation": facet(description="s")}},
         "inputs": [dataset("raw")], "outputs": [dataset("view", "w1")]},
        {"eventTime": "2026-02-03T01:00:00Z", "producer": "https://example.org/p", "schemaURL": SPEC + "JobEvent",
         "job": {"namespace": "n", "name": "static", "facets": {"documentation": facet(_deleted=True)}}, "inputs": [dataset("two")]},
        {"eventTime": "2026-02-03T02:00:00Z", "producer": "https://example.org/p", "schemaURL": SPEC + "DatasetEvent",
         "dataset": dataset("told", "t1", documentation=facet(description="x"))},
        {"eventTime": "2026-02-03T03:00:00Z", "producer": "https://example.org/p", "schemaURL": SPEC + "DatasetEvent",
         "dataset": dataset("told", "t2", schema=facet(fields=[{"name": "a"}]))},
        {"eventTime": "2026-02-03T04:00:00Z", "producer": "https://example.org/p", "schemaURL": SPEC + "DatasetEvent",
         "dataset": {"namespace": "n", "name": "bare"}},
    ]
    # a service and its answers, one of which says more
    made.append(run_event(20, "START", "08:00:00", [dataset("model", "m1")], job="serve",
                          job_facets={"jobType": facet(processingType="SERVICE", integration="X", jobType="Y")}))
    for i in range(30):
        made.append(run_event(20, "RUNNING", "08:01:%02d" % i, job="serve", run_facets={
            "lineaged_answer": facet(request_id="q-%d" % i, trace_id="t-%d" % (i % 3)),
            "lineaged_run": facet(provider_request_id="p-%d" % i, model_version="m@%d" % (i % 2))}))
    made.append(run_event(20, "RUNNING", "08:02:00", [dataset("index", "i1")], job="serve",
                          run_facets={"lineaged_answer": facet(request_id="q-more")}))
    return made


class Places:
    """Agents with a store each; `lineage` as a user of one of them."""

    def __init__(self, runner, built, workdir):
        self.runner, self.built, self.workdir, self.count = runner, built, workdir, 0

    def agent(self, **store):
        self.count += 1
        home = self.workdir / ("place%d" % self.count)
        agent = Agent(self.runner, self.built("lineaged"), home,
                      [{"name": "local", "type": "store", "path": str(home / "lineage.db"), **store}])
        agent.store = home / "lineage.db"
        return agent.start()

    def environment(self, agent):
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("OPENLINEAGE", "LINEAGE", "XDG_", "BAGGAGE", "TRACE"))}
        return {**clean, "HOME": str(agent.home), "LINEAGED_SOCKET": str(agent.socket), "XDG_STATE_HOME": str(agent.home / "state"),
                "XDG_CONFIG_HOME": str(agent.home / "config"), "OPENLINEAGE__TRANSPORT__TYPE": "journal",
                "OPENLINEAGE__TRANSPORT__DIRECTORY": str(agent.journal), "PATH": "%s:%s" % (self.built("lineage").parent, clean["PATH"])}

    def lineage(self, agent, *words, status=0, cwd=None):
        done = subprocess.run([str(self.built("lineage")), *map(str, words)], env=self.environment(agent), cwd=cwd or self.workdir,
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=120, check=False)
        assert done.returncode == status, (words, done.returncode, done.stderr.decode()[-2000:])
        return done

    def settle(self, agent):
        """All that was handed over is in the store."""
        def is_in():
            routes = agent.status()["routes"]
            return all(route.get("behind_events", route.get("backlog_events", route.get("waiting", 0))) == 0 for route in routes)
        procs.wait_until(is_in, 30, lambda: json.dumps(agent.status()["routes"])[:1000])


@pytest.fixture
def places(runner, built, workdir):
    return Places(runner, built, workdir)


def post_all(agent, made):
    for event in made:
        code, body = agent.post_socket(json.dumps(event))  # over the socket, which knows whose they are
        assert code == 201, (code, body, event)


def write_lines(path, made):
    path.write_text("".join(json.dumps(event) + "\n" for event in made))


def meant(lines):
    """What lines of events say, whatever the order of what has none."""
    made = [json.loads(line) for line in lines.splitlines()]
    for event in made:  # what is told of by name alone is told again when it is exported
        if event.get("dataset", {}).keys() == {"namespace", "name"}:
            del event["eventTime"]
    return same_answers.canonical(made)


def rebuild(places, agent, **store):
    """Another agent, made from an export of this one; and the export."""
    path = places.workdir / ("export%d.jsonl" % places.count)
    places.lineage(agent, "export", "-o", path)
    other = places.agent(**store)
    places.lineage(other, "import", path)
    places.settle(other)
    return other, path


def test_from_exported_events(places):
    agent = places.agent()
    post_all(agent, events())
    places.settle(agent)
    other, path = rebuild(places, agent)
    assert same_answers.check(agent, other, agent.store) > 300
    again = places.lineage(other, "export").stdout
    assert meant(again) == meant(path.read_bytes())
    assert again == places.lineage(other, "export").stdout
    # the same once more changes nothing, not even a count
    places.lineage(other, "import", path)
    places.settle(other)
    assert places.lineage(other, "export").stdout == again
    assert same_answers.check(agent, other, agent.store) > 300


def test_from_raw_events(places):
    """Where the store keeps events as they came, they go out as they came."""
    agent = places.agent(raw_events=True)
    made = events()
    post_all(agent, made)
    places.settle(agent)
    other, path = rebuild(places, agent, raw_events=True)
    same_answers.check(agent, other, agent.store)
    exported = path.read_text()
    for event in made:
        if event.get("run", {}).get("runId") == run_id(3):
            assert json.dumps(event) in exported


def test_from_events_of_other_producers(places, reference):
    agent = places.agent()
    post_all(agent, [json.loads(path.read_text()) for path in sorted((reference / "events/valid").glob("*.json"))])
    places.settle(agent)
    other, path = rebuild(places, agent)
    # one dataset stands beside a run, without a version or a facet: a name that nothing refers to, the only one of its namespace
    assert same_answers.check(agent, other, agent.store, drop=same_answers.OF_NAMES_ALONE) > 100
    assert meant(places.lineage(other, "export").stdout) == meant(path.read_bytes())


def test_the_table_of_what_differs():
    """docs/export.md names the members that the comparison leaves out, and no others."""
    table = (procs.REPO / "docs/export.md").read_text().split("| what | why |\n|---|---|\n")[1].split("\n\n")[0]
    told = [name for row in table.splitlines() for name in re.findall(r"`([a-z_.]+)`", row.split("|")[1])]
    assert sorted(told) == sorted(same_answers.BY_NATURE | same_answers.OF_NAMES_ALONE)


def test_what_leads_to_one_thing(places):
    agent = places.agent()
    post_all(agent, events())
    places.settle(agent)
    path = places.workdir / "model.jsonl"
    places.lineage(agent, "export", "-o", path, "model")
    jobs = {json.loads(line)["job"]["name"] for line in path.read_text().splitlines() if "job" in json.loads(line)}
    assert jobs == {"clean", "train", "parent"}  # root never said anything itself
    other = places.agent()
    places.lineage(other, "import", path)
    places.settle(other)
    for x in ("model", "clean"):
        a, b = (json.loads(places.lineage(each, "why", "--json", x).stdout) for each in (agent, other))
        assert same_answers.canonical(a) == same_answers.canonical(b)


def test_what_is_damaged(places):
    """A facet, an event and a name that are not what was stored: named, and everything else goes out."""
    agent = places.agent(raw_events=True)
    post_all(agent, events())
    places.settle(agent)
    path, lines = places.workdir / "whole.jsonl", places.workdir / "rest.jsonl"
    places.lineage(agent, "export", "-o", path)
    assert agent.stop() == 0
    with contextlib.closing(sqlite3.connect("file:%s?mode=ro" % agent.store, uri=True)) as db:
        gone, = db.execute("SELECT id FROM facets WHERE body LIKE '%the-run%'").fetchone()
        event, = db.execute("SELECT min(id) FROM events WHERE data LIKE '%it failed%'").fetchone()
    subprocess.run([procs.built("store_sql"), agent.store, "UPDATE facets SET body = replace(body, 'the-run', 'not-it!') WHERE id = %d;"
                    "UPDATE events SET data = replace(data, 'it failed', 'it passed') WHERE id = %d;"
                    "DELETE FROM events WHERE data LIKE '%%the-run%%'" % (gone, event)], check=True)  # so that this run is put together
    agent.start()
    done = places.lineage(agent, "export", "-o", lines, status=1)
    assert b"the store is damaged: row %d of facets, and others" % gone in done.stderr
    text = lines.read_text()
    assert "not-it!" not in text and "it passed" not in text
    made, whole = ([json.loads(line) for line in each.read_text().splitlines()] for each in (lines, path))
    assert len(made) >= len(whole) - 2 and any("lineaged_run" not in each.get("run", {}).get("facets", {}) and
                                               each["eventType"] == "COMPLETE" for each in made if each.get("job", {}).get("name") == "train")
    done = places.lineage(agent, "events", run_id(3))
    assert b"row %d of events" % event in done.stderr
    assert [json.loads(line)["eventType"] for line in done.stdout.splitlines()] == ["START", "RUNNING"]


def test_what_cannot_be_read(places, workdir):
    """A file that is there is left alone; bad lines are named and the others taken in, gzip as well."""
    agent = places.agent()
    lines = workdir / "events.jsonl.gz"
    good = [json.dumps(each) for each in events()[:2]]
    lines.write_bytes(gzip.compress(("\n".join([good[0], "{", json.dumps({"eventTime": "x"}), "", good[1]]) + "\n").encode()))
    done = places.lineage(agent, "import", "--json", lines, status=1)
    said = done.stderr.decode()
    assert "line 2 is no event" in said and "line 3 is no event" in said and "/" in said
    assert json.loads(done.stdout)["imported"][0] == {"path": str(lines), "kind": "events", "events": 2, "bad": 2,
                                                      "complete": False}
    places.settle(agent)
    assert json.loads(places.lineage(agent, "runs", "--json").stdout)["runs"][0]["run_id"] == run_id(1)
    before = lines.read_bytes()
    assert b"is there already" in places.lineage(agent, "export", "-o", lines, status=2).stderr
    assert lines.read_bytes() == before
    cut = workdir / "cut.gz"
    cut.write_bytes(before[:-12])
    places.lineage(agent, "import", cut, status=1)
    assert b"expected" in places.lineage(agent, "export", "--format", "nonsense", status=2).stderr
    places.lineage(agent, "import", workdir / "nothing", status=3)
    places.lineage(agent, "export", "no-such-thing", status=3)


def test_without_an_agent(places):
    """The same from a place where no agent runs, into one where none ever ran."""
    agent = places.agent()
    post_all(agent, events()[:6])
    places.settle(agent)
    path = places.workdir / "out.jsonl"
    places.lineage(agent, "export", "-o", path)
    home = places.workdir / "alone"
    (home / "run").mkdir(parents=True, mode=0o700)
    env = {**places.environment(agent), "HOME": str(home), "XDG_STATE_HOME": str(home / "state"), "XDG_CONFIG_HOME": str(home / "c"),
           "XDG_RUNTIME_DIR": str(home / "run"), "PATH": "%s:%s" % (places.built("lineaged").parent, os.environ["PATH"])}
    del env["LINEAGED_SOCKET"]
    lineage = str(places.built("lineage"))
    subprocess.run([lineage, "import", str(path)], env=env, check=True, timeout=60, capture_output=True)
    out = subprocess.run([lineage, "export"], env=env, check=True, timeout=60, capture_output=True).stdout
    assert meant(out) == meant(path.read_bytes())


# ---- receipts ----

def make_runs(places, agent, home):
    """Two runs with receipts: a failed attempt and a retry, a directory with members, parameters, tags, figures."""
    home.mkdir()
    (home / "raw.csv").write_text("b\na\n")
    (home / "images").mkdir()
    (home / "images/1.png").write_text("1")
    script = """set -e
eval "$($LINEAGE begin --export --pipeline nightly --input raw=raw.csv)"
$LINEAGE run --step clean --seq 10 -i raw.csv -o clean.csv -- false || true
$LINEAGE run --step clean --seq 10 -i raw.csv -i images -o clean.csv --param lr=0.1 --tag team=ml --metric loss=0.25@3 \\
    --rows raw.csv=2 --env LANG -- sort raw.csv -o clean.csv
$LINEAGE run --step train --seq 20 -i clean.csv -o model.bin -- cp clean.csv model.bin
$LINEAGE end
unset LINEAGE_RUN_ID OPENLINEAGE_PARENT_ID OPENLINEAGE_ROOT_PARENT_ID
$LINEAGE run --step lonely -i model.bin -o copy.bin -- cp model.bin copy.bin
"""
    env = {**places.environment(agent), "LINEAGE": str(places.built("lineage")), "LANG": "C.UTF-8", "PYTHONHASHSEED": "0"}
    done = subprocess.run(["bash", "-c", script], cwd=home, env=env, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr


def test_from_receipts(places):
    agent, home = places.agent(), places.workdir / "home"
    make_runs(places, agent, home)
    procs.wait_until(lambda: len(json.loads(places.lineage(agent, "runs", "--json").stdout)["runs"]) == 6
                     and not json.loads(places.lineage(agent, "runs", "--json", "--state", "RUNNING").stdout)["runs"], 30,
                     "all runs are in the store")
    other = places.agent()
    done = places.lineage(other, "import", "--json", home / "runs")
    result = json.loads(done.stdout)["imported"][0]
    assert result["runs"] == 2 and result["attempts"] == 4 and result["bad"] == 0 and result["events"] == 12
    places.settle(other)
    assert same_answers.check(agent, other, agent.store, every=True) > 500
    # the same again changes nothing
    before = places.lineage(other, "export").stdout
    places.lineage(other, "import", home / "runs")
    places.settle(other)
    assert places.lineage(other, "export").stdout == before
    # one that was changed is named, and imported only by force, marked
    run = sorted((home / "runs").glob("20*"))[0]
    manifest = run / "manifest.json"
    manifest.chmod(0o644)
    manifest.write_text(manifest.read_text() + " ")
    third = places.agent()
    done = places.lineage(third, "import", "--json", run, status=1)
    assert b"manifest.json" in done.stderr and json.loads(done.stdout)["imported"][0]["events"] == 0
    places.lineage(third, "import", "--force", run, status=1)
    places.settle(third)
    assert json.loads(places.lineage(third, "runs", "--json", "unverified").stdout)["runs"]


def test_from_receipts_of_before(places):
    """Files that were written before there was `facets` say less, but who read and wrote what, when and how it ended."""
    agent, home = places.agent(), places.workdir / "home"
    make_runs(places, agent, home)
    for path in (home / "runs").glob("20*/**/*.json"):
        told = json.loads(path.read_text())
        for gone in ("facets", "status") if path.name == "seal.json" else ("facets",):
            told.pop(gone, None)
        told.get("openlineage", {}).pop("event_type", None)
        path.chmod(0o644)
        path.write_text(json.dumps(told))
    procs.wait_until(lambda: len(json.loads(places.lineage(agent, "runs", "--json").stdout)["runs"]) == 6
                     and not json.loads(places.lineage(agent, "runs", "--json", "--state", "RUNNING").stdout)["runs"], 30,
                     "all runs are in the store")
    other = places.agent()
    places.lineage(other, "import", "--force", home / "runs", status=1)
    places.settle(other)

    def told(each):
        """Without the seal's hash, and the mark of what was changed, there are still the tags' texts."""
        runs = json.loads(places.lineage(each, "runs", "--json").stdout)["runs"]
        return sorted((run["run_id"], run["state"], run["started"], run["ended"], run.get("parent"), run.get("error"),
                       run["job"]["name"]) for run in runs)
    assert told(agent) == told(other)
    for x in ("model.bin", "copy.bin"):
        a, b = (json.loads(places.lineage(each, "why", "--json", home / x).stdout) for each in (agent, other))
        assert same_answers.canonical(a) == same_answers.canonical(b)


HEX = set("0123456789abcdef")


def check_statement(statement):
    """The rules of in-toto Statement v1 and SLSA provenance v1."""
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["predicateType"] == "https://slsa.dev/provenance/v1"
    assert set(statement) == {"_type", "subject", "predicateType", "predicate"} and statement["subject"]
    for each in statement["subject"]:
        assert each["name"] and len(each["digest"]["sha256"]) == 64 and set(each["digest"]["sha256"]) <= HEX
    predicate = statement["predicate"]
    assert set(predicate) == {"buildDefinition", "runDetails"}
    definition, details = predicate["buildDefinition"], predicate["runDetails"]
    assert ":" in definition["buildType"] and isinstance(definition["externalParameters"], dict)
    for each in definition["resolvedDependencies"]:
        assert "uri" in each or "digest" in each
        assert set(each) <= {"uri", "digest", "name", "downloadLocation", "mediaType", "content", "annotations"}
    assert ":" in details["builder"]["id"]
    assert details["metadata"]["startedOn"].endswith("Z") and details["metadata"]["finishedOn"].endswith("Z")


def test_in_toto_statements(places):
    agent, home = places.agent(), places.workdir / "home"
    make_runs(places, agent, home)
    run = sorted((home / "runs").glob("20*"))[0]
    lines = places.lineage(agent, "export", "--format", "in-toto", run, cwd=home).stdout.splitlines()
    statements = [json.loads(line) for line in lines]
    assert len(statements) == 2
    for each in statements:
        check_statement(each)
    assert statements[0]["subject"][0]["name"].endswith("/clean.csv")
    assert statements[0]["predicate"]["buildDefinition"]["externalParameters"]["parameters"] == {"lr": "0.1"}
    procs.wait_until(lambda: len(json.loads(places.lineage(agent, "runs", "--json", "--state", "COMPLETE").stdout)["runs"]) == 5, 30,
                     "all runs are in the store")
    stored = json.loads(places.lineage(agent, "export", "--format", "in-toto", home / "model.bin", cwd=home).stdout.splitlines()[0])
    check_statement(stored)
    assert stored["subject"] == statements[1]["subject"]
    places.lineage(agent, "export", "--format", "in-toto", home / "raw.csv", status=3)


def test_a_crate(places):
    """RO-Crate 1.1: one graph, each id once, nothing refers to what is not there; all that receipts say of the bytes."""
    agent, home = places.agent(), places.workdir / "home"
    make_runs(places, agent, home)
    run = sorted((home / "runs").glob("20*"))[0]
    crate = json.loads(places.lineage(agent, "export", "--format", "ro-crate", run, cwd=home).stdout)
    assert crate["@context"][0] == "https://w3id.org/ro/crate/1.1/context"
    entities = {each["@id"]: each for each in crate["@graph"]}
    assert len(entities) == len(crate["@graph"])
    assert entities["ro-crate-metadata.json"]["about"] == {"@id": "./"}

    def references(value):
        if isinstance(value, list):
            return [found for each in value for found in references(each)]
        return [value["@id"]] if isinstance(value, dict) else []
    outside = ("https://w3id.org/ro/crate/1.1", "http://schema.org/")
    for each in crate["@graph"]:
        for referred in references([value for key, value in each.items() if key != "@id"]):
            assert referred in entities or referred.startswith(outside), referred
            assert not set(referred) & set(' "<>\\^`{|}'), referred
    receipts = {path: json.loads((run / path).read_text()) for path in
                sorted(str(path.relative_to(run)) for path in run.glob("steps/*/attempt-*/receipt.json"))}
    root, actions = entities["./"], [each for each in crate["@graph"] if each["@type"] == "CreateAction"]
    assert root["identifier"] == run.name and {each["@id"] for each in root["mentions"]} == {each["@id"] for each in actions}
    assert {each["@id"] for each in root["hasPart"]} >= set(receipts)
    for action, receipt in zip(actions, receipts.values()):
        assert action["@id"] == "#attempt/" + receipt["openlineage"]["run_id"]
        assert (action["startTime"], action["endTime"]) == (receipt["started_at"], receipt["finished_at"])
        assert action["actionStatus"]["@id"].endswith(
            "CompletedActionStatus" if receipt["status"] == "COMPLETE" else "FailedActionStatus")
        for key, side in (("object", "inputs"), ("result", "outputs")):
            assert [entities[each["@id"]].get("sha256") for each in action[key]] == [
                each.get("sha256") for each in receipt.get(side, [])]
    places.lineage(agent, "export", "--format", "ro-crate", home / "model.bin", cwd=home, status=2)


def test_drawings(places):
    """Hostile names are text: they end no label and break no line; a cut drawing says so."""
    agent = places.agent()
    post_all(agent, events())
    places.settle(agent)
    dot = places.lineage(agent, "export", "--format", "dot", "h").stdout.decode()
    assert dot.startswith("digraph lineage {") and dot.endswith("}\n")
    for line in dot.split("\n")[2:-2]:
        label = line.replace('\\\\', "").replace('\\"', "")
        assert label.count('"') in (0, 2) and line.endswith(";"), line
    assert 'a\\"b\\\\c' in dot
    drawn = places.lineage(agent, "export", "--format", "mermaid", "h").stdout.decode()
    assert drawn.startswith("flowchart LR\n") and "</script>" not in drawn and "#60;/script#62;" in drawn
    assert all(line.count('"') in (0, 2) for line in drawn.split("\n"))
    cut = places.lineage(agent, "export", "--format", "dot", "--impact", "--limit", "2", "--depth", "5", "raw").stdout.decode()
    assert "there is more: cut by --limit" in cut and cut.count("shape=cylinder") + cut.count("shape=box") <= 2


READ = """
import json, sys
from google.protobuf import json_format
from in_toto_attestation.predicates.provenance.v1 import provenance_pb2
from in_toto_attestation.v1 import statement_pb2
from in_toto_attestation.v1.statement import Statement
from rocrate.rocrate import ROCrate
statements = [json.loads(line) for line in open(sys.argv[1])]
for each in statements:
    made = json_format.ParseDict(each, statement_pb2.Statement())  # names that it does not know are an error
    Statement.copy_from_pb(made).validate()
    json_format.ParseDict(each["predicate"], provenance_pb2.Provenance())
crate = ROCrate(sys.argv[2])
print(len(statements), len(list(crate.get_by_type("CreateAction"))), len(crate.root_dataset["hasPart"]))
"""


@pytest.mark.slow
def test_real_readers_of_statements_and_crates(places, readers_python):
    agent, home = places.agent(), places.workdir / "home"
    make_runs(places, agent, home)
    run = sorted((home / "runs").glob("20*"))[0]
    crate = places.workdir / "crate"
    shutil.copytree(run, crate)
    places.lineage(agent, "export", "--format", "ro-crate", "-o", crate / "ro-crate-metadata.json", run, cwd=home)
    places.lineage(agent, "export", "--format", "in-toto", "-o", places.workdir / "statements", run, cwd=home)
    done = subprocess.run([str(readers_python), "-c", READ, str(places.workdir / "statements"), str(crate)], capture_output=True,
                          text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[:2] == ["2", "3"] and int(done.stdout.split()[2]) >= 3


def test_a_drawing_that_graphviz_draws(places):
    if shutil.which("dot") is None:
        pytest.skip("no dot in PATH (package graphviz)")
    agent = places.agent()
    post_all(agent, events())
    places.settle(agent)
    drawing = places.lineage(agent, "export", "--format", "dot", "h").stdout
    done = subprocess.run(["dot", "-Tsvg"], input=drawing, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0 and done.stdout.count(b"<g id=\"node") == drawing.count(b"[shape="), done.stderr


def test_an_import_that_was_killed(places):
    """Half of the lines were read when it was killed; the whole again makes what one import makes, and so does a third."""
    made = "".join(json.dumps(event) + "\n" for event in events() * 3)
    path, pipe = places.workdir / "lines", places.workdir / "pipe"
    path.write_text(made)
    os.mkfifo(pipe)
    once, again = places.agent(), places.agent()
    places.lineage(once, "import", path)
    places.settle(once)
    killed = subprocess.Popen([str(places.built("lineage")), "import", str(pipe)], env=places.environment(again),
                              stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with open(pipe, "w", encoding="utf-8") as out:
        out.write(made[:len(made) // 2])
        out.flush()
        killed.kill()
        killed.wait(30)
    for _ in range(2):
        places.lineage(again, "import", path)
        places.settle(again)
        assert meant(places.lineage(again, "export").stdout) == meant(places.lineage(once, "export").stdout)
        same_answers.check(once, again, once.store)


RECIPES = (procs.REPO / "docs/export.md").read_text().split("```sh\n")[1:]


@pytest.mark.parametrize("recipe", [each.split("```")[0] for each in RECIPES])
def test_the_recipes_of_the_page(places, recipe):
    agent, home = places.agent(), places.workdir / "home"
    make_runs(places, agent, home)
    import test_mlmd  # which leans on this file
    test_mlmd.make(home / "mlmd.db").close()
    procs.wait_until(lambda: len(json.loads(places.lineage(agent, "runs", "--json", "--state", "COMPLETE").stdout)["runs"]) == 5, 30,
                     "all runs are in the store")
    done = subprocess.run(["bash", "-eu", "-o", "pipefail", "-c", recipe], cwd=home, env=places.environment(agent), capture_output=True,
                          text=True, timeout=120, check=False)
    assert done.returncode == 0, (recipe, done.stderr)
