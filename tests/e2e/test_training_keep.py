# SPDX-License-Identifier: Apache-2.0
"""The training story (tests/support/stories/churn.py) is kept, thinned out, lost, brought back and handed on: and every
question has the same answer. What goes, stays and is exported is written by hand."""
import json
import re
import shutil

import pytest

import procs
import same_answers
from agent_process import Agent, store_route
from stories.churn import Churn
from stories.place import chains, played
from test_training import OF_RAW, WHY_V1, WHY_V2


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    yield from played(Churn, tmp_path_factory)


# "The try that failed" is an attempt at the step that made v1, and stays with it; what measured a model made the evidence for it.
LEADS_TO_MODELS = {"records", "records/export", "v1", "v1/clean", "v1/train FAIL", "v1/train#2", "v2", "v2/clean", "v2/train", "v1/measure", "v2/measure",
                   "approve v1", "deploy v1", "approve v2", "deploy v2"}
BESIDE = {"weather", "weather/sort", "chart", "chart/draw", "serve v1", "serve v2"}


def test_what_may_go(lab):
    """By the settings nothing: it is all too young. By age all but the approved, the deployed and what leads there; nothing
    goes without --yes."""
    assert lab.ask("gc")["store"]["go"] == {"runs": 0, "answers": 0, "bytes": 0}
    plan = lab.ask("gc", "--older-than", "1ms")
    assert plan["dry_run"] and not plan["store"]["truncated"]
    assert {lab.run(run) for run in plan["store"]["runs"]} == BESIDE
    assert plan["store"]["stay"] == {"pinned": len(LEADS_TO_MODELS)} and plan["store"]["go"]["answers"] == 6
    assert {lab.ids[run["run_id"]]: run["fate"] for run in plan["receipts"]["runs"]} == {
        "records": "pinned", "v1": "pinned", "v2": "pinned", "weather": "go", "chart": "go"}
    assert len(lab.ask("runs")["runs"]) == len(LEADS_TO_MODELS | BESIDE)


def test_what_went(runner, workdir):
    """Then it goes; and where the models are from is known as ever, but of their answers nobody knows any more."""
    lab = Churn(runner, workdir).play()
    done = lab.ask("gc", "--older-than", "1ms", "--yes")
    assert done["store"]["gone"] == {"runs": len(BESIDE), "answers": 6}
    assert {lab.run(run) for run in lab.ask("runs")["runs"]} == LEADS_TO_MODELS
    assert {lab.ids[path.name] for path in lab.runs.glob("2*")} == {"records", "v1", "v2"}
    assert lab.graph("why", "model-v2.json") == chains(WHY_V2) and lab.graph("why", "model-v1.json") == chains(WHY_V1)
    assert lab.ask("why", "--request", "req-4", check=3)["subject"]["kind"] == "none"
    assert [each["deployment_id"] for each in lab.ask("serving", "--require-approval")["serving"]] == ["deployment-v2"]
    lab("lineage", "verify", "--all", "--files")
    assert lab.agent.stop() == 0


# Lost, and brought back.

QUESTIONS = [("why", "model-v2.json"), ("why", "--request", "req-4"), ("why", "--column", "months", "clean-v2.csv"), ("impact", "raw.csv"),
             ("impact", "class=personal"), ("impact", "lab/clean"), ("diff", "model-v1.json", "model-v2.json"),
             ("diff", "--since-deploy", "churn"), ("depends", "model-v2.json", "raw.csv"), ("depends", "model-v1.json", "clean-v2.csv"),
             ("depends", "chart.png", "raw.csv"), ("reproducible", "model-v2.json"), ("approvals", "model-v2.json"), ("serving", "--all"),
             ("untracked",), ("audit", "model-v2.json"), ("check", "--all"), ("stale",), ("runs",), ("runs", "--group", "model=v1"),
             ("runs", "--failed"), ("runs", "--by-root"), ("search", "prov-4"), ("search", "churn@v2"), ("show", "model-v1.json"),
             ("show", "--request", "req-1")]
OF_RECORDS = [("impact", "customer-17"), ("why", "customer-17"), ("search", "customer-17")]


def answers(lab, questions, drop=frozenset()):
    return {words: same_answers.canonical(lab.ask(*words, check=None), drop) for words in questions}


@pytest.fixture
def elsewhere(runner, workdir):
    """elsewhere(): an agent with a store of its own, which may have been there before."""
    made = []

    def start(store):
        agent = Agent(runner, procs.built("lineaged"), workdir / ("elsewhere%d" % len(made)), [store_route(store, on_lag="pin")]).start()
        made.append(agent)
        return agent
    yield start
    assert [agent.stop() for agent in made] == [0] * len(made)


def test_from_a_backup(lab, elsewhere, workdir):
    said = lab("lineage", "backup", workdir / "backup").stdout
    assert said.startswith("backup: the store, ") and "0 problems" in lab("lineage", "backup", "--verify", workdir / "backup").stdout
    lab("lineage", "restore", "--store", workdir / "restored.db", "--runs", workdir / "runs", workdir / "backup")
    assert "21 runs" in lab("lineage", "backup", "--check", "--store", workdir / "restored.db").stdout
    expected = answers(lab, QUESTIONS + OF_RECORDS)
    with lab.at(elsewhere(workdir / "restored.db"), workdir / "runs"):
        assert answers(lab, QUESTIONS + OF_RECORDS) == expected
        assert [line.endswith("all is as it was") for line in lab("lineage", "verify", "--all").stdout.splitlines()] == [True] * 5


def test_from_exported_events(lab, elsewhere, workdir):
    """What the store exports is what it takes in again: all questions. Lists of members are no events: that one is not here
    any more is said. With X only what leads to X."""
    lab("lineage", "export", "-o", workdir / "all.jsonl")
    lab("lineage", "export", "-o", workdir / "v1.jsonl", "model-v1.json")
    jobs = {event["job"]["name"] for event in map(json.loads, (workdir / "v1.jsonl").read_text().splitlines()) if "job" in event}
    assert jobs == {"records", "export", "churn", "clean", "train"}
    expected = answers(lab, QUESTIONS)
    with lab.at(elsewhere(workdir / "again.db")):
        lab("lineage", "import", workdir / "all.jsonl")
        lab.settle()
        assert answers(lab, QUESTIONS, {"lists_not_here"}) == expected
        assert lab.ask("why", "model-v2.json")["subject"]["lists_not_here"] == 1
    with lab.at(elsewhere(workdir / "v1.db")):
        lab("lineage", "import", workdir / "v1.jsonl")
        lab.settle()
        assert lab.graph("why", "model-v1.json") == chains(WHY_V1)
        lab("lineage", "why", "model-v2.json", check=3)


def test_from_receipts(lab, elsewhere, workdir):
    """The folder of runs alone gives the same graph, records and decisions. Services leave no receipts."""
    with lab.at(elsewhere(workdir / "receipts.db")):
        lab("lineage", "import", lab.runs)
        lab.settle()
        assert lab.graph("why", "model-v2.json") == chains(WHY_V2)
        served = chains("model-v1.json -> serve v1\nmodel-v2.json -> serve v2")
        assert lab.graph("impact", "raw.csv") == chains(OF_RAW) - served
        assert lab.graph("impact", "customer-17") >= chains("customer-17 -> customers.jsonl -> records/export -> raw.csv")
        assert {lab.run(run) for run in lab.ask("runs")["runs"]} == (LEADS_TO_MODELS | BESIDE) - {"serve v1", "serve v2"}
        assert [each["deployment_id"] for each in lab.ask("serving", "--require-approval")["serving"]] == ["deployment-v2"]
        assert lab.ask("depends", "model-v1.json", "clean-v2.csv", check=1)["depends"] == "no"


def test_without_an_agent(lab):
    """The agent is gone; its store file answers."""
    expected = answers(lab, QUESTIONS + OF_RECORDS)
    assert lab.agent.stop() == 0
    try:
        assert answers(lab, QUESTIONS + OF_RECORDS) == expected
    finally:
        lab.agent.start()


# Handed on.

def test_drawn(lab):
    """A drawing is the same graph: its nodes are called as the files and jobs are."""
    dot = lab("lineage", "export", "--format", "dot", "model-v1.json").stdout
    nodes = {number: label.split("\\n")[0].rpartition("/")[2] for number, label in re.findall(r'(n\d+) \[.*label="(.*?)"', dot)}
    by_job = {tuple(re.sub(".*/|#.*", "", name) for name in edge) for edge in chains(WHY_V1)}
    assert {(nodes[a], nodes[b]) for a, b in re.findall(r"(n\d+) -> (n\d+)", dot)} == by_job
    mermaid = lab("lineage", "export", "--format", "mermaid", "model-v1.json").stdout
    nodes = {number: label.split("<br/>")[0].rpartition("/")[2] for number, label in re.findall(r'(n\d+)[\[(]+"(.*?)"', mermaid)}
    assert {(nodes[a], nodes[b]) for a, b in re.findall(r"(n\d+) --> (n\d+)", mermaid)} == by_job
    assert "measure" in lab("lineage", "export", "--format", "mermaid", "--impact", "clean-v2.csv").stdout


def test_as_provenance(lab):
    """in-toto: for the run that made v2 what went in, of which commit, with which parameters. RO-Crate: what a run did."""
    statements = [json.loads(line) for line in lab("lineage", "export", "--format", "in-toto", "model-v2.json").stdout.splitlines()]
    made = {each["subject"][0]["name"].rpartition("/")[2]: each["predicate"] for each in statements}
    commits = {name: commit for commit, name in lab.commits.items()}
    assert made["model-v2.json"]["buildDefinition"]["externalParameters"] == {"namespace": "lab", "job": "train", "parameters": {"epochs": "8"}}
    assert {each["name"].rpartition("/")[2]: each["digest"] for each in made["model-v2.json"]["buildDefinition"]["resolvedDependencies"]} == {
        "clean-v2.csv": {"sha256": lab.sha("clean-v2.csv")}, "model-v1.json": {"sha256": lab.sha("model-v1.json")},
        "code": {"gitCommit": commits["coarser"]}}
    assert lab.ids[made["model-v2.json"]["runDetails"]["metadata"]["invocationId"]] == "v2/train"
    run = next(path for path in lab.runs.glob("2*") if lab.ids[path.name] == "v1")
    crate = json.loads(lab("lineage", "export", "--format", "ro-crate", run).stdout)["@graph"]
    actions = [each for each in crate if each["@type"] == "CreateAction"]
    assert sorted((each["name"], each["actionStatus"]["@id"].rpartition("/")[2]) for each in actions) == [
        ("clean, attempt 1", "CompletedActionStatus"), ("measure, attempt 1", "CompletedActionStatus"),
        ("train, attempt 1", "FailedActionStatus"), ("train, attempt 2", "CompletedActionStatus")]
