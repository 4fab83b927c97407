# SPDX-License-Identifier: Apache-2.0
"""Approvals, deployments, what serves and what nobody knows the origin of: the real programs, answers written by hand."""
import json
import os
import subprocess
import threading

import pytest
from agent_process import Agent, store_route

PRODUCER = "https://example.org/t"


class Home:
    """A working directory, an agent (maybe not running) and `lineage`."""

    def __init__(self, runner, built, workdir, wait_until):
        self.built, self.wait_until = built, wait_until
        self.files = workdir / "files"
        self.files.mkdir()
        self.agent = Agent(runner, built("lineaged"), workdir / "a",
                           [store_route(workdir / "lineage.db", on_lag="pin")])
        self.env = {**os.environ, **{k: v for k, v in self.agent.environment().items() if v is not None},
                    "LINEAGED_SOCKET": str(self.agent.socket)}
        for key in [k for k in self.env if k.startswith(("LINEAGE_", "OPENLINEAGE_PARENT"))]:
            del self.env[key]

    def lineage(self, *words, status=0):
        done = subprocess.run([self.built("lineage"), *words], capture_output=True, text=True, timeout=60,
                              stdin=subprocess.DEVNULL, cwd=self.files, env=self.env)
        assert done.returncode == status, (words, done.returncode, done.stdout, done.stderr)
        return done

    def json(self, *words, status=0):
        return json.loads(self.lineage(*words, "--json", status=status).stdout)

    def settle(self):
        """All that was emitted is in the store."""
        def done():
            if any(path.name[0] != "." for path in self.agent.journal.glob("*.jsonl")):  # a journal is taken whole first
                return False
            return all(r["waiting"] == 0 for r in self.agent.status()["routes"])
        self.wait_until(done, 30, lambda: str(self.agent.status()))

    def post(self, event):
        assert self.agent.post(json.dumps(event).encode())[0] == 201

    def write(self, name, text):
        (self.files / name).write_text(text)
        return self.files / name


@pytest.fixture
def home(runner, built, workdir, wait_until):
    made = Home(runner, built, workdir, wait_until)
    made.agent.start()
    yield made
    assert made.agent.stop() == 0


def facet(**members):
    return {"_producer": PRODUCER, "_schemaURL": PRODUCER, **members}


def dataset(name, version=None, kind=None):
    facets = {}
    if version is not None:
        facets["version"] = facet(datasetVersion=version)
    if kind is not None:
        facets["datasetType"] = facet(datasetType=kind)
    return {"namespace": "lake", "name": name, "facets": facets}


def event(run, minute, job, inputs=(), outputs=(), kind="COMPLETE", **run_facets):
    return {"eventType": kind, "eventTime": "2026-03-01T10:%02d:00.000Z" % minute, "producer": PRODUCER,
            "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
            "run": {"runId": "01957000-0000-7000-8000-%012d" % run,
                    "facets": {key: facet(**value) for key, value in run_facets.items()}},
            "job": {"namespace": "ml", "name": job}, "inputs": list(inputs), "outputs": list(outputs)}


def sha256(path):
    return subprocess.run(["sha256sum", path], capture_output=True, text=True, check=True).stdout.split()[0]


def test_an_approval_is_of_these_bytes(home):
    """Record, event and answer say the same; other bytes under that name are approved by nobody; secrets are not kept."""
    model = home.write("model.bin", "weights 1")
    home.write("report.txt", "all is well")
    digest = sha256(model)
    said = home.json("approve", "model.bin", "--by", "ann", "--role", "owner", "--reason",
                     "see https://me:hunter2@example.org/ password=hunter2", "--framework", "EU AI Act", "--policy",
                     "four-eyes", "--url", "https://me:hunter2@example.org/c/7", "--evidence", "report.txt", "model.bin")
    assert said["decision"] == "approved" and said["record"] == "decisions/000001.json" and said["emitted"]
    assert said["subject"] == {"kind": "dataset", "namespace": "file", "name": str(model), "version": "sha256:" + digest}
    record = home.files / "runs" / said["record"]
    assert sha256(record) == said["record_sha256"]
    assert "hunter2" not in record.read_text()
    home.settle()
    answer = home.json("approvals", "model.bin")
    (item,) = answer["items"]
    (one,) = item["approvals"]
    kept = json.loads(record.read_text())["facets"]["lineaged_approval"]["approvals"][0]
    assert {k: v for k, v in one.items() if k not in ("record", "record_sha256", "run_id")} == kept
    assert one == {"verdict": "approved", "by": "ann", "role": "owner", "policy": "four-eyes",
                   "regulatory_framework": "EU AI Act",
                   "reason": "see https://me:[redacted]@example.org/ password=[redacted]",
                   "url": "https://me:[redacted]@example.org/c/7", "subject": "sha256:" + digest,
                   "subject_kind": "dataset", "record": said["record"], "record_sha256": said["record_sha256"],
                   "at": said["at"], "run_id": said["run_id"],
                   "evidence": [{"name": "report.txt", "sha256": sha256(home.files / "report.txt"), "size": 11},
                                {"name": "model.bin", "sha256": digest, "size": 9}]}
    assert answer["verdict"] == "approved"
    model.write_text("weights 2")
    assert home.json("approvals", "model.bin", status=1)["verdict"] == "nobody"
    # the same bytes elsewhere are the same bytes
    home.write("copy.bin", "weights 1")
    assert "approved by ann" in home.lineage("approvals", "copy.bin").stdout
    # the last word counts
    home.lineage("approve", "copy.bin", "--by", "eve", "--verdict", "rejected")
    home.settle()
    assert home.json("approvals", "copy.bin", status=1)["verdict"] == "rejected"


def test_a_name_means_the_version_that_stands(home):
    """Which is said; a later version is not approved; what has no version, or means several things, is refused."""
    for run, version in ((1, "v1"), (2, "v2")):
        home.post(event(run, run, "train", [dataset("clean", "c%d" % run)], [dataset("churn", version)]))
    home.post(event(3, 3, "load", [], [dataset("plain")]))
    home.settle()
    done = home.lineage("approve", "churn", "--by", "ann")
    assert "lake churn  v2" in done.stdout and "the version that stands now" in done.stdout, done.stdout
    home.settle()
    assert home.json("approvals", "churn@v2")["verdict"] == "approved"
    assert home.json("approvals", "churn@v1", status=1)["verdict"] == "nobody"
    home.post(event(4, 4, "train", [dataset("clean", "c3")], [dataset("churn", "v3")]))
    home.settle()
    assert home.json("approvals", "churn", status=1)["items"][0]["version"] == "v3"
    home.lineage("approve", "plain", "--by", "ann", status=3)
    home.lineage("approve", "nobody-knows-it", "--by", "ann", status=3)
    other = event(5, 5, "train", [], [{**dataset("churn", "v9"), "namespace": "elsewhere"}])
    home.post(other)
    home.settle()
    refused = home.lineage("approve", "churn", "--by", "ann", status=1)
    assert "several" in refused.stderr and "elsewhere churn" in refused.stderr
    assert len(list((home.files / "runs/decisions").glob("0*.json"))) == 1
    # a run by its id
    home.lineage("approve", "01957000-0000-7000-8000-000000000001", "--by", "bob", "--verdict", "waived")
    home.settle()
    (item,) = home.json("approvals", "01957000-0000-7000-8000-000000000001")["items"]
    assert item["kind"] == "run" and item["approval"]["verdict"] == "waived" and item["approval"]["by"] == "bob"


def test_approvals_of_others_count(home):
    """Any producer's facet: of what its run wrote, where it says no subject."""
    home.post(event(1, 1, "train", [dataset("clean", "c1")], [dataset("churn", "v1")],
                    lineaged_approval={"approvals": [{"verdict": "approved", "by": "rule:auto"}]}))
    home.settle()
    assert home.json("approvals", "churn@v1")["verdict"] == "approved"
    assert home.json("approvals", "clean@c1", status=1)["verdict"] == "nobody"


def test_tampering_is_named(home):
    for number in range(5):
        home.write("m%d" % number, "m%d" % number)
        home.lineage("approve", "m%d" % number, "--by", "ann", "-q")
    folder = home.files / "runs/decisions"
    good = home.json("approve", "--verify")
    assert good == {"problems": [], "records": 5, "head": "decisions/000005.json",
                    "head_sha256": sha256(folder / "000005.json")}
    original = {path.name: path.read_bytes() for path in folder.iterdir()}

    def problems(change):
        change()
        found = home.json("approve", "--verify", status=1)["problems"]
        for path in list(folder.iterdir()):
            path.unlink()
        for name, data in original.items():
            (folder / name).write_bytes(data)
        home.lineage("approve", "--verify")
        return [p["path"] for p in found]

    def edit(name):
        (folder / name).write_bytes((folder / name).read_bytes().replace(b'"ann"', b'"eve"'))
    assert problems(lambda: edit("000002.json")) == ["decisions/000002.json"]
    assert problems(lambda: edit("000005.json")) == ["decisions/000005.json"], "the newest"
    assert problems(lambda: (edit("000003.json"), edit("000001.json"))) == ["decisions/000001.json",
                                                                          "decisions/000003.json"]
    assert problems((folder / "000003.json").unlink) == ["decisions/000003.json"]
    assert problems((folder / "000005.json").unlink) == ["decisions/000005.json"]
    assert problems(lambda: (folder / "000004.json").write_bytes(original["000003.json"]))[0] == "decisions/000004.json"
    by_hand = subprocess.run("for r in decisions/[0-9]*.json; do jq -r '.previous // empty | \"\\(.sha256)  \\(.path)\"' $r;"
                             " done | sha256sum --check --quiet --strict", shell=True, cwd=home.files / "runs",
                             capture_output=True, text=True)
    assert by_hand.returncode == 0, by_hand.stderr


def test_eight_at_once(home):
    """Each gets a number of its own, and the chain is whole."""
    model = home.write("model.bin", "weights")
    failed = []

    def one(number):
        try:
            home.lineage("approve", str(model), "--by", "user%d" % number, "-q")
        except AssertionError as trouble:
            failed.append(trouble)
    threads = [threading.Thread(target=one, args=(n,)) for n in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert not failed
    checked = home.json("approve", "--verify")
    assert checked["records"] == 8 and checked["problems"] == []
    home.settle()
    (item,) = home.json("approvals", "model.bin")["items"]
    assert {a["by"] for a in item["approvals"]} == {"user%d" % n for n in range(8)}
    assert len({a["record"] for a in item["approvals"]}) == 8
    assert not [p for p in (home.files / "runs/decisions").iterdir() if p.name.startswith(".")]


def test_without_an_agent(runner, built, workdir, wait_until):
    """The record is there at once, the event when an agent comes."""
    home = Home(runner, built, workdir, wait_until)
    home.write("model.bin", "weights")
    said = home.json("approve", "model.bin", "--by", "ann")
    assert (home.files / "runs" / said["record"]).exists()
    home.agent.start()
    home.settle()
    (item,) = home.json("approvals", "model.bin")["items"]
    assert item["approval"]["run_id"] == said["run_id"]
    assert home.agent.stop() == 0


def answers(run, minute, model_version, count):
    made = [event(run, minute, "service", kind="START")]
    for number in range(count):
        one = event(run, minute, "service", kind="OTHER", lineaged_run={"model_version": model_version},
                    lineaged_answer={"request_id": "q-%d-%d" % (run, number), "outcome": "answered"})
        made.append(one)
    return made


def places(answer):
    return sorted((s["endpoint"]["name"], s["model"]["version"], s.get("traffic_percent"), s["approval"]["verdict"],
                   s["answers"]) for s in answer["serving"])


def test_what_serves(home):
    for run, version in ((1, "v1"), (2, "v2"), (3, "v3")):
        home.post(event(run, run, "train", [dataset("clean", "c%d" % run)], [dataset("churn", version)]))
    home.settle()
    assert home.json("serving") == {"serving": [], "undeployed": [], "unapproved": 0, "truncated": False}
    home.lineage("approve", "churn@v1", "--by", "ann")
    home.write("c.json", "{}")
    home.lineage("deploy", "churn@v1", "--endpoint", "rank", "--environment", "prod", "--id", "d1", "--config", "c.json",
                 "--engine", "vllm 0.6", "--image", "shop/r@sha256:" + "0" * 64)
    home.settle()
    (one,) = home.json("serving", "--require-approval")["serving"]
    record = json.loads((home.files / "runs/decisions/000002.json").read_text())
    assert one == {"deployment_id": "d1", "endpoint": {"namespace": "endpoint", "name": "rank"}, "environment": "prod",
                   "model": {"namespace": "lake", "name": "churn", "type": "MODEL", "version": "v1"},
                   "since": record["at"], "status": "succeeded", "serves": True, "strategy": "replace",
                   "engine": "vllm 0.6", "image": "shop/r", "image_digest": "sha256:" + "0" * 64,
                   "config_sha256": sha256(home.files / "c.json"), "record": "decisions/000002.json",
                   "record_sha256": sha256(home.files / "runs/decisions/000002.json"),
                   "run_id": record["openlineage"]["run_id"], "answers": 0,
                   "approval": {"verdict": "approved", "by": "ann", "at": one["approval"]["at"],
                                "run_id": one["approval"]["run_id"]}}
    assert [i["name"] for i in record["inputs"]] == ["churn", str(home.files / "c.json"), "shop/r"]
    # a canary beside it; then it takes all; then it is rolled back
    home.lineage("deploy", "churn@v2", "--endpoint", "rank", "--environment", "prod", "--traffic", "10", "--strategy",
                 "canary", "--id", "d2")
    for each in answers(10, 10, "churn@v1", 3) + answers(11, 11, "churn@v2", 2) + answers(12, 12, "ghost@1", 4):
        home.post(each)
    home.settle()
    answer = home.json("serving", "--require-approval", status=1)
    assert places(answer) == [("rank", "v1", None, "approved", 3), ("rank", "v2", 10, "nobody", 2)]
    (ghost,) = answer["undeployed"]
    assert (ghost["model_version"], ghost["answers"], ghost["approval"]["verdict"]) == ("ghost@1", 4, "nobody")
    assert answer["unapproved"] == 2
    home.lineage("deploy", "churn@v2", "--endpoint", "rank", "--environment", "prod", "--traffic", "100", "--id", "d3")
    home.settle()
    assert [p[:2] for p in places(home.json("serving"))] == [("rank", "v2")]
    assert len(home.json("serving", "--all")["serving"]) == 3
    home.lineage("deploy", "churn@v2", "--endpoint", "rank", "--environment", "prod", "--status", "rolled_back",
                 "--replaces", "d3")
    home.lineage("deploy", "churn@v3", "--endpoint", "rank", "--environment", "prod", "--status", "failed")
    home.settle()
    assert [p[:3] for p in places(home.json("serving"))] == [("rank", "v1", None), ("rank", "v2", 10)]
    # a deployment itself may be decided about
    home.lineage("approve", "d2", "--by", "bob", "--verdict", "rejected", "--reason", "too early")
    home.settle()
    verdicts = {s["deployment_id"]: s["approval"]["verdict"] for s in home.json("serving")["serving"]}
    assert verdicts == {"d1": "approved", "d2": "rejected"}
    shown = home.lineage("serving").stdout
    assert "approved by ann" in shown and "rejected by bob" in shown and "ghost@1" in shown


def test_deployments_of_others(home):
    """Any producer's facet; which input is the model follows from its type or the hash; no endpoint: its URL."""
    digest = "a" * 64
    home.post(event(1, 1, "rollout", [dataset("weights", "sha256:" + digest), dataset("conf", "1")], [],
                    lineaged_deployment={"id": "x-1", "artifact_id": digest, "url": "https://x.example.org"}))
    home.post(event(2, 2, "rollout", [dataset("a", "1"), dataset("b", "1")], [dataset("place")],
                    lineaged_deployment={"id": "x-2"}))
    home.settle()
    found = {s["deployment_id"]: s for s in home.json("serving")["serving"]}
    assert found["x-1"]["model"]["name"] == "weights" and found["x-1"]["url"] == "https://x.example.org"
    assert "model" not in found["x-2"] and found["x-2"]["approval"]["note"] == "which model it is was not told"


def test_untracked(home):
    home.post(event(1, 1, "train", [dataset("clean", "c1")], [dataset("churn", "v1")]))
    for number, name in enumerate(("churn@v1", "churn@v7", "bought@v1", "churn")):
        if name == "bought@v1":
            home.post(event(9, 9, "look", [dataset("bought", "v1")]))
            home.settle()
        home.settle()
        if name == "churn@v7":
            home.post(event(8, 8, "look", [dataset("churn", "v7")]))
            home.settle()
        home.lineage("deploy", name, "--endpoint", "e%d" % number)
    home.post(event(20, 20, "ask", lineaged_call={"provider": "openai", "request_model": "gpt-x"}))
    for each in answers(21, 21, "ghost@1", 2) + answers(22, 22, "churn@v1", 5):
        home.post(each)
    home.settle()
    answer = home.json("untracked", status=1)
    found = sorted((u.get("name", u.get("model_version")), u.get("version"), u["verdict"], u["used_by"], u["uses"])
                   for u in answer["untracked"])
    assert found == [("bought", "v1", "no_producer", "deployment", 1), ("churn", "v7", "other_version", "deployment", 1),
                     ("ghost@1", None, "not_recorded", "answers", 2), ("openai gpt-x", None, "external", "call", 1)]
    assert answer["tracked"] == 1 and not answer["truncated"]
    assert "4 without lineage, 1 with" in home.lineage("untracked", status=1).stdout


def commit(sha):
    return {"sourceCodeLocation": facet(type="git", url="https://example.org/r", version=sha)}


def test_what_changed_since_the_deployment(home):
    """What is deployed against what was before; what stands now against what is deployed."""
    for run, version, code in ((1, "v1", "1111"), (2, "v2", "2222"), (3, "v3", "3333")):
        one = event(run, run, "train", [dataset("clean", "c1")], [dataset("churn", version)])
        one["job"]["facets"] = commit(code)
        home.post(one)
    home.settle()
    home.lineage("diff", "--since-deploy", "rank", status=3)
    home.lineage("deploy", "churn@v1", "--endpoint", "rank")
    home.settle()

    def sides(name):
        answer = home.json("diff", "--since-deploy", name)
        (pair,) = answer["pairs"]
        return ([answer[side]["subject"]["matches"][0]["version"] for side in "ab"],
                [(c["what"], c["a"], c["b"]) for c in pair["changed"] if c["area"] == "code"])
    assert sides("rank") == (["v1", "v3"], [("sourceCodeLocation.version", "1111", "3333")])
    home.lineage("deploy", "churn@v3", "--endpoint", "rank", "--status", "failed")
    home.lineage("deploy", "churn@v2", "--endpoint", "rank", "--id", "d2")
    home.settle()
    assert sides("rank") == sides("d2") == (["v1", "v2"], [("sourceCodeLocation.version", "1111", "2222")])
    assert sides("churn") == (["v2", "v3"], [("sourceCodeLocation.version", "2222", "3333")])
    shown = home.lineage("diff", "--since-deploy", "rank").stdout
    assert "1111" in shown and "2222" in shown
    home.lineage("diff", "--since-deploy", "a", "b", status=2)
    home.lineage("why", "--since-deploy", "a", status=2)


def test_an_audit_is_all_of_it(home):
    """The same twice; runs upstream with what they told, decisions with their records, what is not known."""
    clean = event(1, 1, "clean", [dataset("raw", "r1")], [dataset("clean", "c1")])
    train = event(2, 2, "train", [dataset("clean", "c1")], [dataset("churn", "v1")], lineaged_reproducibility={
        "seeds": {"python": "7"}}, lineaged_gates={"gates": [{"name": "size", "verdict": "pass"}]},
        executionParameters={"parameters": [{"key": "lr", "name": "lr", "value": "0.1"}]})
    train["job"]["facets"] = commit("1111")
    for each in (clean, train):
        home.post(each)
    home.settle()
    home.lineage("approve", "churn@v1", "--by", "ann", "--reason", "it *holds* | `rm`")
    home.lineage("deploy", "churn@v1", "--endpoint", "rank", "--id", "d1")
    for each in answers(10, 10, "churn@v1", 3):
        home.post(each)
    home.settle()
    audit = home.json("audit", "churn")
    ids = ["01957000-0000-7000-8000-%012d" % n for n in (1, 2)]
    assert audit["what"] == {"kind": "dataset", "namespace": "lake", "name": "churn", "type": "MODEL", "version": "v1",
                             "note": "the version that stands now"}
    assert [(r["depth"], r["run_id"], r["job"]["name"]) for r in audit["made_by"]] == [(0, ids[1], "train"),
                                                                                   (1, ids[0], "clean")]
    assert [d["version"] for d in audit["made_by"][0]["inputs"]] == ["c1"]
    facts = {(f["area"], f["what"]): f["value"] for f in audit["made_by"][0]["facts"]}
    assert facts[("code", "sourceCodeLocation.version")] == "1111" and facts[("seed", "python")] == "7"
    assert facts[("parameter", "lr")] == "0.1" and facts[("gate", "lineaged_gates.gates.size.verdict")] == "pass"
    assert audit["sources"] == [{"namespace": "lake", "name": "raw", "version": "r1"}]
    assert audit["approval"]["by"] == "ann" and len(audit["approvals"]) == 1
    assert [(d["deployment_id"], d["serves"]) for d in audit["deployments"]] == [("d1", True)]
    assert audit["answers"] == {"count": 3, "first": "2026-03-01T10:10:00.000Z", "last": "2026-03-01T10:10:00.000Z"}
    assert [r["state"] for r in audit["records"]] == ["as_it_was", "as_it_was"]
    assert audit["chain"] == {"records": 2, "problems": 0} and not audit["truncated"]
    missing = sorted((u.get("run_id", u.get("name")), u["what"]) for u in audit["not_known"])
    assert missing == sorted([(ids[0], "its code"), (ids[0], "its parameters"), (ids[0], "its seeds"),
                              (ids[0], "its environment"), (ids[1], "its environment"), ("raw", "who made it: no run is recorded that wrote it")])
    page = home.lineage("audit", "churn").stdout
    assert page == home.lineage("audit", "churn").stdout
    for line in ("# Audit of churn", "### 1. ml/train", "| parameter | lr | 0.1 |", "- Source: lake raw, version r1",
                 "### Decision 1: approved by ann", "- Reason: it \\*holds\\* \\| \\`rm\\`", "- Serves now: yes",
                 "; it is what the event knows", "## What is not known"):
        assert line in page, (line, page)
    bounded = home.json("audit", "churn", "--limit", "1")
    assert len(bounded["made_by"]) == 1 and bounded["truncated"]
    assert home.json("audit", "churn", "--depth", "1", "--runs", "nowhere")["records"][0]["state"] == "not_here"
    assert home.json("audit", "d1")["what"]["kind"] == "deployment"
    assert home.json("audit", ids[0])["what"]["kind"] == "run"
    home.lineage("audit", "no-such-thing", status=3)
    record = home.files / "runs/decisions/000001.json"
    record.write_text(record.read_text().replace('"ann"', '"eve"'))
    done = home.lineage("audit", "churn", status=1)
    assert "**it is not what the event knows**" in done.stdout and "decisions/000001.json: was changed" in done.stderr
    home.post(event(5, 5, "train", [], [{**dataset("churn", "v9"), "namespace": "elsewhere"}]))
    home.settle()
    home.lineage("audit", "churn", status=2)


def test_a_store_made_anew_from_records(home, runner, built, workdir, wait_until):
    """The records alone give another store the same decisions, with their ids, times and hashes."""
    home.write("model.bin", "weights")
    home.write("c.json", "{}")
    home.lineage("approve", "model.bin", "--by", "ann", "--evidence", "c.json", "--reason", "it holds")
    home.lineage("deploy", "model.bin", "--endpoint", "rank", "--traffic", "50", "--id", "d1", "--config", "c.json",
                 "--model-version", "m@1")
    home.settle()
    there = workdir / "there"
    there.mkdir()
    other = Home(runner, built, there, wait_until)
    other.agent.start()
    done = subprocess.run([built("lineage"), "import", str(home.files / "runs")], capture_output=True, text=True,
                          timeout=60, env=other.env, cwd=home.files)
    assert done.returncode == 0, done.stderr
    other.settle()
    for words in (["serving"], ["approvals", str(home.files / "model.bin")], ["approvals", "d1"]):
        status = 1 if "d1" in words else 0
        assert home.json(*words, status=status) == other.json(*words, status=status), words
    assert other.agent.stop() == 0


def test_usage(home):
    home.write("m", "m")
    for words in (["approve"], ["approve", "m", "--verdict", "maybe"], ["approve", "m", "n"], ["approve", "--verify", "m"],
                  ["deploy", "m"], ["deploy", "m", "--endpoint", "e", "--traffic", "101"],
                  ["deploy", "m", "--endpoint", "e", "--strategy", "x"], ["deploy", "m", "--endpoint", "e", "--status", "x"],
                  ["serving", "x"], ["untracked", "x"], ["approvals"]):
        home.lineage(*words, status=2)
    home.lineage("approve", "m", "--evidence", "not-there", "--by", "x", status=1)
    assert not (home.files / "runs").exists()
    for verb in ("approve", "approvals", "deploy", "serving", "untracked"):
        assert "Usage: lineage " + verb in home.lineage(verb, "--help").stdout


def test_runs_elsewhere(home):
    """--runs, --namespace, --name, --url, --model-version, --quiet."""
    home.write("m", "m")
    home.lineage("deploy", "m", "--endpoint", "https://h.example.org/p", "--runs", "elsewhere", "--namespace", "team",
                 "--name", "n", "--url", "https://me:hunter2@h.example.org", "--model-version", "m@1", "--quiet")
    record = json.loads((home.files / "elsewhere/decisions/000001.json").read_text())
    assert record["openlineage"]["job_namespace"] == "team"
    assert record["outputs"] == [{"namespace": "https://h.example.org", "name": "/p"}]
    assert record["facets"]["lineaged_deployment"]["url"] == "https://me:[redacted]@h.example.org"
    for each in answers(5, 5, "m@1", 2):
        home.post(each)
    home.settle()
    answer = home.json("serving")
    assert answer["undeployed"] == [] and answer["serving"][0]["answers"] == 2 and answer["serving"][0]["name"] == "n"
    assert [r["job"] for r in home.json("runs", "m@1")["runs"]][-1] is not None
