# SPDX-License-Identifier: Apache-2.0
"""The training story (tests/support/stories/churn.py), and those who answer for it: who approved what, what serves, what is in
use though nobody knows where it came from, and all evidence as one document. Every answer is compared with one written by hand."""
import json
import re

import pytest

from stories.churn import Churn
from stories.place import played, rfc3339


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    yield from played(Churn, tmp_path_factory)


def decision(lab, name, number):
    """The approval of a model, as the story tells it; its record is the number-th."""
    record = lab.runs / "decisions" / ("%06d.json" % number)
    measure = "measure-%s.json" % name
    return {"verdict": "approved", "by": "ada", "role": "owner", "regulatory_framework": "EU AI Act", "reason": "better than before",
            "subject": "sha256:" + lab.sha("model-%s.json" % name), "subject_kind": "dataset",
            "record": "decisions/" + record.name, "record_sha256": lab.sha(record), "at": json.loads(record.read_text())["at"],
            "run_id": next(run for run, told in lab.ids.items() if told == "approve " + name),
            "evidence": [{"name": measure, "sha256": lab.sha(measure), "size": (lab.files / measure).stat().st_size}]}


def deployment(lab, name, number, serves):
    """Of a model, as `serving` and `audit` have it."""
    record = lab.runs / "decisions" / ("%06d.json" % number)
    approved = decision(lab, name, number - 1)
    return {"deployment_id": "deployment-" + name, "endpoint": {"namespace": "endpoint", "name": "churn"},
            "environment": "production", "engine": "python 3", "strategy": "replace", "status": "succeeded", "serves": serves,
            "model": {"namespace": "file", "name": str(lab.files / ("model-%s.json" % name)), "type": "MODEL",
                      "version": "sha256:" + lab.sha("model-%s.json" % name)},
            "since": json.loads(record.read_text())["at"], "record": "decisions/" + record.name, "record_sha256": lab.sha(record),
            "run_id": next(run for run, told in lab.ids.items() if told == "deploy " + name),
            "approval": {key: approved[key] for key in ("verdict", "by", "role", "at", "run_id")}}


def answered(lab, name, serves, number):
    told = deployment(lab, name, number, serves)
    return {**told, "answers": 3, "last_answer": lab.ask("show", "--request", {"v1": "req-2", "v2": "req-5"}[name])["answers"][0]["at"]}


def test_who_approved(lab):
    """These bytes, by ada, because of that measure. A deployment is another matter: nobody has decided about it."""
    for name, number in (("v1", 1), ("v2", 3)):
        (item,) = lab.ask("approvals", "model-%s.json" % name)["items"]
        assert lab.file(item) == "model-%s.json" % name and lab.ids[item["written_by"]] == {"v1": "v1/train#2", "v2": "v2/train"}[name]
        assert item["approvals"] == [decision(lab, name, number)]
    for nobody in ("raw.csv", "measure-v1.json", "deployment-v1"):
        assert lab.ask("approvals", nobody, check=1)["verdict"] == "nobody"
    lab("lineage", "approvals", "no-such-thing", check=3)


def test_the_chain_of_decisions(lab):
    """Two approvals and two deployments, each naming the one before."""
    assert lab.ask("approve", "--verify") == {"problems": [], "records": 4, "head": "decisions/000004.json",
                                              "head_sha256": lab.sha(lab.runs / "decisions/000004.json")}


def test_what_serves(lab):
    """The second model alone; the first did, and whoever asks for all is told so."""
    now, before = answered(lab, "v2", True, 4), answered(lab, "v1", False, 2)
    rest = {"undeployed": [], "unapproved": 0, "truncated": False}
    assert lab.ask("serving", "--require-approval") == {"serving": [now], **rest}
    answer = lab.ask("serving", "--all")
    assert sorted(answer.pop("serving"), key=lambda each: each["deployment_id"]) == [before, now] and answer == rest
    assert rfc3339(now["since"]) and now["since"] > lab.after_v1 > before["since"]
    assert lab.ask("untracked") == {"untracked": [], "tracked": 2, "truncated": False}
    told = [line.strip() for line in lab("lineage", "serving").stdout.splitlines()]
    assert told[0] == "endpoint churn  production" and told[2].startswith("approved by ada (owner)  20"), told


def test_the_audit_of_a_model(lab):
    """How it was made, nearest first; where the record begins; who approved it; where it serves; what nobody knows."""
    audit = lab.ask("audit", "model-v2.json")
    assert lab.file(audit["what"]) == "model-v2.json" and audit["what"]["same_bytes"] == []
    made = {lab.run(run): (run["depth"], sorted(map(lab.file, run["inputs"])), sorted(map(lab.file, run["outputs"])))
            for run in audit["made_by"]}
    assert made == {"v2/train": (0, ["clean-v2.csv", "model-v1.json"], ["model-v2.json"]),
                    "v2/clean": (1, ["raw.csv"], ["clean-v2.csv"]), "v1/train#2": (1, ["clean-v1.csv"], ["model-v1.json"]),
                    "v1/clean": (2, ["raw.csv"], ["clean-v1.csv"]), "records/export": (2, ["customers.jsonl"], ["raw.csv"])}
    facts = {lab.run(run): {(fact["area"], fact["what"].rpartition("/")[2]): fact["value"] for fact in run["facts"]}
             for run in audit["made_by"]}
    commits = {name: commit for commit, name in lab.commits.items()}
    for run, area, what, value in (("v2/train", "parameter", "epochs", "8"), ("v2/train", "seed", "PYTHONHASHSEED", "7"),
                                   ("v2/train", "code", "lineaged_code.commit", commits["coarser"]),
                                   ("v2/clean", "parameter", "scale", "10"), ("v1/train#2", "parameter", "epochs", "5"),
                                   ("v1/train#2", "code", "lineaged_code.commit", commits["first"]),
                                   ("v1/clean", "metric", "raw.csv: inputStatistics.rowCount", "202"),
                                   ("records/export", "tag", "raw.csv: class", "personal")):
        assert facts[run][area, what] == value
    assert list(map(lab.file, audit["sources"])) == ["customers.jsonl"]
    assert audit["approvals"] == [decision(lab, "v2", 3)] and audit["deployments"] == [deployment(lab, "v2", 4, True)]
    assert (audit["answers"]["count"], audit["chain"], audit["truncated"]) == (3, {"records": 4, "problems": 0}, False)
    assert [(each["record"], each["state"]) for each in audit["records"]] == [
        ("decisions/000003.json", "as_it_was"), ("decisions/000004.json", "as_it_was")]
    assert sorted((lab.ids[each["run_id"]] if "run_id" in each else lab.file(each), each["what"]) for each in audit["not_known"]) == [
        ("customers.jsonl", "who made it: no run is recorded that wrote it"), ("records/export", "its parameters"),
        ("records/export", "its seeds"), ("v1/clean", "its seeds"), ("v2/clean", "its seeds")]


def test_the_audit_as_a_page(lab):
    page = lab("lineage", "audit", "model-v2.json").stdout
    assert page == lab("lineage", "audit", "model-v2.json").stdout
    assert re.findall("^## (.*)", page, re.M) == ["What it is", "How it was made", "Who approved it", "Where it serves", "Answers given",
                                                  "What is not known"]
    assert re.findall(r"^### \d+\. (.*)", page, re.M)[0] == "lab/train"
    assert "- Reason: better than before" in page and "- Serves now: yes" in page


@pytest.fixture
def alone(runner, workdir):
    made = Churn(runner, workdir)
    made.records()
    made.model("v1", epochs=5, scale=1, seed=7)
    made.release("v1")
    yield made
    assert made.agent.stop() == 0


def test_bytes_that_nobody_looked_at(alone):
    """The same name, other weights, deployed by hand: neither approved nor known; and the gates say so. Then a roll-back."""
    alone("lineage", "serving", "--require-approval")
    (alone.files / "model-v1.json").write_text('{"weights": [0, 0, 0]}')
    alone.made("model-v1.json", "weights of nobody")
    assert alone.ask("approvals", "model-v1.json", check=1)["verdict"] == "nobody"
    alone.decision("deploy by hand", "deploy", "model-v1.json", "--endpoint", "churn", "--environment", "production", "--id", "by-hand")
    alone.settle()
    answer = alone.ask("serving", "--require-approval", check=1)
    assert [(each["deployment_id"], alone.file(each["model"]), each["approval"]["verdict"]) for each in answer["serving"]] == [
        ("by-hand", "weights of nobody", "nobody")]
    assert answer["unapproved"] == 1
    # the first model is deployed no more, yet its answers are there: the service has not been told
    (stranger,) = alone.ask("untracked", check=1)["untracked"]
    assert (stranger["verdict"], alone.file(stranger), stranger["used_by"], stranger["uses"]) == (
        "other_version", "weights of nobody", "deployment", 1)
    audit = alone.ask("audit", "by-hand")
    assert (audit["what"]["kind"], audit["approval"], audit["made_by"][0]["run_id"]) == (
        "deployment", {"verdict": "nobody"}, audit["what"]["run_id"])
    assert [("of it" if "run_id" in each else alone.file(each), each["what"].partition(":")[0]) for each in audit["not_known"]
            if each["what"].startswith("who")] == [("of it", "who approved it"), ("weights of nobody", "who made it")]
    alone.decision("roll back", "deploy", "model-v1.json", "--endpoint", "churn", "--environment", "production",
                   "--status", "rolled_back", "--replaces", "by-hand")
    alone.settle()
    assert [each["deployment_id"] for each in alone.ask("serving", "--require-approval")["serving"]] == ["deployment-v1"]


def test_the_last_word_counts(alone):
    """Eve looks again, and rejects; it still serves, which the gate for cron says. A changed record is named."""
    alone.decision("reject v1", "approve", alone.files / "model-v1.json", "--by", "eve", "--verdict", "rejected", "--reason", "unfair")
    alone.settle()
    answer = alone.ask("approvals", "model-v1.json", check=1)
    (item,) = answer["items"]
    assert answer["verdict"] == "rejected" and [each["by"] for each in item["approvals"]] in (["ada", "eve"], ["eve", "ada"])
    assert alone.ask("serving", "--require-approval", check=1)["unapproved"] == 1
    record = alone.runs / "decisions/000001.json"
    record.chmod(0o644)
    record.write_text(record.read_text().replace("ada", "bob"))
    assert [each["path"] for each in alone.ask("approve", "--verify", check=1)["problems"]] == ["decisions/000001.json"]
    assert {each["record"]: each["state"] for each in alone.ask("audit", "model-v1.json", check=1)["records"]} == {
        "decisions/000001.json": "changed", "decisions/000002.json": "as_it_was", "decisions/000003.json": "as_it_was"}
