# SPDX-License-Identifier: Apache-2.0
"""lineage gc on a real agent, its store and a runs folder: what would go and what stays, and that just that goes;
what is approved stays with all that led there; killed at any point, what is left verifies."""
import json
import os
import pathlib
import subprocess
import time

import agent_process
import procs
import pytest

PRODUCER = "https://example.org/retention"
FACET = {"_producer": PRODUCER, "_schemaURL": "https://example.org/s.json"}


def dataset(name, version):
    return {"namespace": "n", "name": name, "facets": {"version": {**FACET, "datasetVersion": version}}}


def event(number, job, inputs=(), outputs=(), run_facets=None, state="COMPLETE"):
    return {"eventType": state, "eventTime": "2026-11-21T09:%02d:00Z" % number, "producer": PRODUCER,
            "run": {"runId": "01941f29-7c00-7000-8000-%012d" % number, "facets": run_facets or {}},
            "job": {"namespace": "ns", "name": job}, "inputs": list(inputs), "outputs": list(outputs)}


STORY = [
    event(1, "clean", [dataset("raw", "v1")], [dataset("clean", "v1")]),
    event(2, "train", [dataset("clean", "v1")], [dataset("model", "v1")]),
    event(3, "train", [dataset("clean", "v1")], [dataset("model", "v2")]),  # nobody approved it
    event(4, "approve", [dataset("model", "v1")],
          run_facets={"lineaged_approval": {**FACET, "approvals": [{"verdict": "approved", "by": "user:ann"}]}}),
    event(5, "poll"), event(6, "poll", state="FAIL"), event(7, "poll"),
]


@pytest.fixture
def agent(runner, built, workdir):
    made = agent_process.Agent(runner, built("lineaged"), workdir / "agent",
                               [agent_process.store_route(workdir / "agent" / "lineage.db", raw_events=False,
                                                          retention_classes=[{"name": "failed", "state": "FAIL",
                                                                              "keep": "7d"}])])
    made.start()
    yield made
    if made.process.is_running():
        made.stop()


@pytest.fixture
def lineage(agent, built, workdir):
    """lineage(words) -> exit status, output, errors; with the agent or, once it is stopped, without it."""
    def call(*words, env=None, cwd=None):
        config = agent.home / "config" / "lineaged" / "lineaged.yaml"
        config.parent.mkdir(parents=True, exist_ok=True)
        config.write_text(agent.config.read_text())
        mine = {k: v for k, v in os.environ.items() if not k.startswith(("OPENLINEAGE", "LINEAGE"))}
        done = subprocess.run([built("lineage"), *map(str, words)], env={**mine, **agent.environment(), **(env or {})},
                              cwd=cwd or workdir, capture_output=True, text=True, timeout=60)
        return done.returncode, done.stdout, done.stderr
    return call


def fill(agent, wait_until, events=STORY):
    for each in events:
        assert agent.post(json.dumps(each))[0] == 201
    wait_until(lambda: agent.status()["routes"][0]["waiting"] == 0)


def gc(lineage, *words, expected=0, **options):
    status, out, err = lineage("gc", "--json", *words, **options)
    assert status == expected, (status, out, err)
    return json.loads(out)


def numbers(document):
    return sorted(int(run["run_id"][-12:]) for run in document["runs"])


def known(lineage):
    status, out, err = lineage("runs", "--json", "--limit", "100")
    assert status == 0, err
    return numbers(json.loads(out))


def test_store(agent, lineage, wait_until):
    fill(agent, wait_until)
    assert gc(lineage)["store"]["go"] == {"runs": 0, "answers": 0, "bytes": 0}  # by the settings: too young
    plan = gc(lineage, "--dry-run", "--route", "local", "--keep-last", "1")
    assert plan["dry_run"] and not plan["store"]["truncated"]
    # of poll 5 goes (7 is its last); 6 is a class of its own, of which it is the last; of train 3 is the last
    assert numbers(plan["store"]) == [5]
    assert plan["store"]["stay"] == {"pinned": 3, "last_of_job": 3}
    assert plan["store"]["go"]["runs"] == 1 and plan["store"]["go"]["bytes"] > 100
    assert known(lineage) == [1, 2, 3, 4, 5, 6, 7]  # it was dry
    time.sleep(0.01)
    plan = gc(lineage, "--older-than", "1ms")
    assert numbers(plan["store"]) == [3, 5, 6, 7]
    assert {run["class"] for run in plan["store"]["runs"]} == {"default", "failed"}
    assert numbers(gc(lineage, "--older-than", "1ms", "--class", "failed")["store"]) == [6]
    status, out, err = lineage("gc", "--class", "faild", "--older-than", "1ms")
    assert status == 2 and "default, failed" in err
    status, out, err = lineage("gc", "--older-than", "1ms")
    assert status == 0 and "4 runs" in out and "3 stay: pinned" in out and "nothing was removed" in out
    done = gc(lineage, "--older-than", "1ms", "--yes")
    assert done["store"]["gone"] == {"runs": 4, "answers": 0} and not done["store"]["more"]
    assert known(lineage) == [1, 2, 4]
    assert agent.status()["routes"][0]["store"]["pinned_runs"] == 3
    assert 'lineaged_store_removed_runs_total{route="local"} 4' in agent.admin("/metrics")[1].decode()
    # the agent goes on: what comes again is taken, and the graph is whole
    fill(agent, wait_until, [event(8, "train", [dataset("clean", "v1")], [dataset("model", "v2")]), event(9, "report", [dataset("model", "v2")], [dataset("report", "v1")])])
    status, out, err = lineage("why", "--json", "n/report")
    assert status == 0 and {node.get("name") for node in json.loads(out)["nodes"]} >= {"report", "model", "clean", "raw"}


def test_without_an_agent(agent, lineage, wait_until):
    fill(agent, wait_until)
    agent.stop()
    time.sleep(0.01)
    assert numbers(gc(lineage, "--older-than", "1ms")["store"]) == [3, 5, 6, 7]
    assert gc(lineage, "--older-than", "1ms", "--run")["store"]["gone"]["runs"] == 4
    assert known(lineage) == [1, 2, 4]
    status, out, err = lineage("gc", "--run", "--dry-run")
    assert status == 2 and "exclude each other" in err
    status, out, err = lineage("gc", "--route", "other")
    assert status == 3 and "no route of type store" in err
    agent.start()
    fill(agent, wait_until, [event(8, "poll")])
    assert known(lineage) == [1, 2, 4, 8]


def test_over_the_ceiling(agent, lineage, wait_until):
    agent.stop()
    config = json.loads(agent.config.read_text())
    config["routes"][0]["retention_size"] = "4KiB"
    agent.config.write_text(json.dumps(config))
    agent.start()
    fill(agent, wait_until)
    done = gc(lineage, "--yes", expected=1)  # as the agent does by itself once a minute
    assert done["store"]["store"]["stuck"] and done["store"]["store"]["pinned_runs"] == 3
    assert agent.status()["routes"][0]["store"]["stuck"]
    assert known(lineage) == [1, 2, 4]
    status, out, err = lineage("status")
    assert "over retention_size" in out
    assert agent.status()["routes"][0]["store"]["pinned_runs"] == 3
    assert "all that is left is pinned (3 runs" in agent.process.err
    assert 'lineaged_store_stuck{route="local"} 1' in agent.admin("/metrics")[1].decode()


def test_settings(runner, built, workdir):
    def check(**more):
        made = agent_process.Agent(runner, built("lineaged"), workdir / "other",
                                   [agent_process.store_route(workdir / "x.db", **more)])
        return subprocess.run(made.argv("--check"), capture_output=True, text=True, timeout=30)
    said = check(retention_classes=[{"name": "failed", "state": "FAILED", "keep": "7d"}])
    assert said.returncode == 2 and "retention_classes[0].state" in said.stderr and "did you mean 'FAIL'" in said.stderr
    said = check(retention_classes=[{"name": "failed", "stat": "FAIL"}])
    assert said.returncode == 2 and "did you mean 'state'" in said.stderr
    said = check(retention_classes=[{"name": "all", "keep": "7d"}])
    assert said.returncode == 2 and "it would take every run" in said.stderr
    assert check(retention_classes=[{"name": "a", "tag": "k=v"}, {"name": "b", "job": "x*", "hold": True}]).returncode == 0


# ---- Receipts ----

class Runs:
    """A runs folder with sealed runs; one step each that keeps a file."""

    def __init__(self, built, directory):
        self.program, self.folder, self.files = built("lineage"), directory / "runs", directory / "files"
        self.files.mkdir()
        mine = {k: v for k, v in os.environ.items() if not k.startswith(("OPENLINEAGE", "LINEAGE"))}
        self.env = {**mine, "LINEAGE_RUNS": str(self.folder), "OPENLINEAGE_DISABLED": "true", "HOME": str(directory),
                    "XDG_STATE_HOME": str(directory / "state")}

    def call(self, *words, env=None):
        done = subprocess.run([self.program, *map(str, words)], env={**self.env, **(env or {})}, cwd=self.files,
                              capture_output=True, text=True, timeout=60)
        return done.returncode, done.stdout, done.stderr

    def run(self, name, inputs=(), output=None, seal=True):
        code, out, err = self.call("begin", "--pipeline", "p")
        assert code == 0, err
        run_id = out.strip()
        env = {"LINEAGE_RUN_ID": run_id}
        (self.files / (name + ".note")).write_text("note of " + name)
        words = [word for each in inputs for word in ("-i", each)] + (["-o", output] if output else [])
        script = "echo %s > %s" % (name, output) if output else "true"
        code, out, err = self.call("run", "--step", "s", *words, "--keep", name + ".note", "--", "sh", "-c", script,
                                   env=env)
        assert code == 0, err
        if seal:
            code, out, err = self.call("end", env=env)
            assert code == 0, err
        return run_id

    def gc(self, *words, expected=0, env=None):
        code, out, err = self.call("gc", "--only", "receipts", "--json", "--limit", "1000", *words, env=env)
        assert code == expected, (code, out, err)
        return json.loads(out)["receipts"] if expected == 0 else None

    def age(self):
        """Everything is old."""
        for path in self.folder.rglob("*"):
            if path.is_file():
                os.utime(path, (time.time() - 10 * 86400,) * 2)

    def objects(self):
        return sorted(p.parent.name + p.name for p in self.folder.glob("objects/??/*"))

    def there(self):
        return sorted(p.name for p in self.folder.iterdir() if p.name[0] == "2")

    def verify(self):
        for run_id in self.there():
            code, out, err = self.call("verify", run_id)
            assert code == 0, (run_id, out, err)


@pytest.fixture
def runs(built, workdir):
    return Runs(built, workdir)


def decide(runs, sha256):
    folder = runs.folder / "decisions"
    folder.mkdir(exist_ok=True)
    (folder / "000001.json").write_text(json.dumps({"kind": "approval", "facets": {"lineaged_approval": {
        "approvals": [{"subject": sha256, "verdict": "approved"}]}}}))


def sha256(path):
    return subprocess.run(["sha256sum", path], capture_output=True, text=True, check=True).stdout[:64]


def story(runs):
    """clean -> model (decided), another, one of today, one that is open."""
    (runs.files / "raw").write_text("raw")
    made = {"clean": runs.run("clean", ["raw"], "clean.txt"), "model": runs.run("model", ["clean.txt"], "model.bin"),
            "other": runs.run("other", ["raw"], "other.txt"), "open": runs.run("open", ["raw"], "x.txt", seal=False)}
    decide(runs, sha256(runs.files / "model.bin"))
    runs.age()
    made["young"] = runs.run("young", ["raw"], "young.txt")
    return made


def test_receipts(runs):
    made = story(runs)
    assert runs.gc()["go"] == {"runs": 0, "objects": 0, "bytes": 0}  # nothing is said of age
    plan = runs.gc("--older-than", "5d")
    assert {run["run_id"]: run["fate"] for run in plan["runs"]} == {
        made["clean"]: "pinned", made["model"]: "pinned", made["other"]: "go", made["open"]: "open",
        made["young"]: "young"}
    assert plan["go"]["runs"] == 1 and plan["go"]["objects"] == 1 and plan["go"]["bytes"] > 1000
    before = runs.objects()
    assert len(before) == 5 and len(runs.there()) == 5
    done = runs.gc("--older-than", "5d", "--yes")
    assert done["gone"] == plan["go"]
    assert runs.there() == sorted(set(made.values()) - {made["other"]})
    assert len(runs.objects()) == 4 and set(runs.objects()) < set(before)
    runs.verify()
    # the last of the pipeline: young is the newest
    assert runs.gc("--keep-last", "1")["stay"] == {"pinned": 2, "open": 1, "last_of_pipeline": 1}


def test_damaged_decision(runs):
    story(runs)
    (runs.folder / "decisions" / "000001.json").write_text("{")
    runs.gc("--older-than", "5d", expected=1)


def test_kept_again(runs):
    """A step keeps what an old run kept, while that run goes: the content stays."""
    (runs.files / "raw").write_text("raw")
    old = runs.run("same", ["raw"])
    runs.age()
    new = runs.run("same", ["raw"], seal=False)
    assert runs.gc("--older-than", "5d", "--yes")["gone"]["objects"] == 0
    assert runs.there() == [new] and old != new
    runs.verify()
    # an object that nobody names yet, made young by who is about to: it stays
    only = runs.objects()
    assert len(only) == 1


@pytest.mark.parametrize("point", ["gc.put_aside", "gc.in_run", "gc.object_aside"])
def test_killed(runs, point):
    made = story(runs)
    for number in range(1, 5):
        code, out, err = runs.call("gc", "--only", "receipts", "--older-than", "5d", "--yes",
                                   env={"LINEAGED_CRASH": "%s:%d" % (point, number)})
        runs.verify()
        assert made["model"] in runs.there()
    runs.gc("--older-than", "5d", "--yes")
    assert runs.there() == sorted(set(made.values()) - {made["other"]})
    assert len(runs.objects()) == 4
    assert not [p for p in runs.folder.rglob(".gc-*")]
    runs.verify()


def test_links_that_lead_elsewhere(runs, workdir):
    """A run, folders in it and a folder of objects that are symbolic links: nothing outside goes."""
    (runs.files / "raw").write_text("raw")
    whole = runs.run("whole", ["raw"], "whole.txt")
    inner = runs.run("inner", ["raw"], "inner.txt")
    outside = workdir / "outside"
    outside.mkdir()
    elsewhere = outside / whole
    os.rename(runs.folder / whole, elsewhere)  # a run as a link
    os.symlink(elsewhere, runs.folder / whole)
    step = next((runs.folder / inner / "steps").iterdir())
    (runs.folder / inner / "steps").chmod(0o755)
    kept = outside / "kept"
    kept.mkdir()
    (kept / "mine").write_text("mine")
    for folder in (step, runs.folder / inner):
        folder.chmod(0o755)
        os.symlink(kept, folder / "link")
        os.symlink(kept / "mine", folder / "file")
    prefix = next((runs.folder / "objects").iterdir())
    os.rename(prefix, outside / prefix.name)  # kept content as a link
    os.symlink(outside / prefix.name, prefix)
    os.symlink(kept / "mine", runs.folder / "objects" / "ff") if prefix.name != "ff" else None
    for path in [*runs.folder.rglob("*"), *outside.rglob("*")]:
        if path.is_file() and not path.is_symlink():
            os.utime(path, (time.time() - 10 * 86400,) * 2)
    before = sorted((str(p), p.is_file() and p.read_bytes()) for p in outside.rglob("*"))
    code, out, err = runs.call("gc", "--only", "receipts", "--older-than", "5d", "--yes")
    assert code in (0, 1), err
    assert sorted((str(p), p.is_file() and p.read_bytes()) for p in outside.rglob("*")) == before
    assert inner not in runs.there(), (out, err)
