# SPDX-License-Identifier: Apache-2.0
"""`lineage reproducible` of inputs that have members (each counts by itself), of jobs of other systems, of words that no
receipt can tell; and the policy's keys as docs/reproduce.md has them."""
import hashlib
import json
import re
import shutil

import procs
import pytest
from test_ask import place  # noqa: F401: fixture
from test_diff import dataset, event, facet
from test_reproduce import Project, states


@pytest.fixture
def project(place):  # noqa: F811
    return Project(place)


def inputs_of(project, x, check):
    answer = project.verdict(x, check=check)
    return answer["runs"][0]["fields"]["inputs"]["what"]


def test_each_member_counts_by_itself(project):
    """Directory, list and manifest: gone, changed, kept, and more than are named."""
    (project.files / "corpus/deep").mkdir(parents=True)
    names = ["corpus/%s" % name for name in ("a", "b", "deep/c")] + ["%d.part" % n for n in range(8)] + ["rows/%d" % n for n in range(3)]
    (project.files / "rows").mkdir()
    for name in names:
        (project.files / name).write_text(name)
    (project.files / "corpus/link").symlink_to("deep/c")
    (project.files / "rows/index.jsonl").write_text("".join(json.dumps({"path": "%d" % n, "sha256": hashlib.sha256(b"rows/%d" % n).hexdigest()}) + "\n"
                                                            for n in range(3)))
    project.place.env["LINEAGE_RUN_ID"] = project.lineage("begin").stdout.strip()
    for step, given in (("one", "corpus"), ("two", "*.part"), ("three", "manifest:rows/index.jsonl")):
        project.lineage("run", "--git", "--step", step, "-i", given, "-o", step, "--", "sh", "-c", "echo > " + step)
        project.verdict(step)
    corpus, rows = project.files / "corpus", project.files / "rows/index.jsonl"
    # a directory
    (corpus / "more").write_text("not read then")  # nobody is in want of what was there
    assert project.verdict("one")["verdict"] == "rebuild"
    (corpus / "deep/c").write_text("other")
    (corpus / "a").unlink()
    (corpus / "link").unlink()
    assert inputs_of(project, "one", 1) == [
        "%s: of 4 members 2 are gone (link, a), 1 is not what it was (deep/c); what is missing is not kept" % corpus]
    for name in ("a", "deep/c"):  # the bytes are all that counts
        sha = hashlib.sha256(b"corpus/" + name.encode()).hexdigest()
        (project.files / "runs/objects" / sha[:2]).mkdir(exist_ok=True, parents=True)
        (project.files / "runs/objects" / sha[:2] / sha[2:]).write_text("corpus/" + name)
    assert inputs_of(project, "one", 1) == ["%s: of 4 members 1 is gone (link); what is missing is not kept" % corpus]
    shutil.rmtree(corpus)
    assert "of 4 members 2 are gone (link, b)" in inputs_of(project, "one", 1)[0]
    # a list
    for n in range(7):
        (project.files / ("%d.part" % n)).unlink()
    assert inputs_of(project, "two", 1)[0].endswith(
        ": of 8 members 7 are gone (0.part, 1.part, 2.part, 3.part, 4.part, ...); what is missing is not kept")
    # a manifest: itself, and its members, beside it
    (project.files / "rows/1").write_text("other")
    assert inputs_of(project, "three", 1) == ["%s: of 3 members 1 is not what it was (1); what is missing is not kept" % rows]
    (project.files / "rows/1").write_text("rows/1")
    assert project.verdict("three")["verdict"] == "rebuild"
    rows.unlink()
    assert inputs_of(project, "three", 1) == ["%s is gone, and is not kept" % rows]


def test_jobs_of_other_systems_are_documented_only(project, runner, built, workdir, wait_until, schema_judge):
    from agent_process import Agent, store_route
    agent = Agent(runner, built("lineaged"), workdir / "a", [store_route(workdir / "lineage.db", on_lag="pin")]).start()
    engine = {"processing_engine": facet(version="3.1.0", name="Airflow", openlineageAdapterVersion="2.1")}
    task = {"jobType": facet(processingType="BATCH", integration="AIRFLOW", jobType="TASK")}
    assert agent.post(event(1, 1, "dag.task", [dataset("raw")], [dataset("table")], engine, task).encode())[0] == 201
    wait_until(lambda: all(r["waiting"] == 0 for r in agent.status()["routes"]), 30, lambda: str(agent.status()))
    project.place.env["LINEAGED_SOCKET"] = str(agent.socket)
    answer = project.verdict("table", check=1)
    assert answer["verdict"] == "documented" and states(answer) == [("dag.task", "documented", ["inputs", "code", "command"])]
    fields = answer["runs"][0]["fields"]
    assert fields["inputs"]["what"] == ["raw has no version"]
    assert fields["code"]["what"] == ["a job of AIRFLOW: no commit, source or query was told"]
    assert fields["command"]["what"] == ["a job of AIRFLOW, by its name; its events do not tell what it executed"]
    assert [(name, fields[name]["level"], fields[name]["state"], fields[name]["verdict"]) for name in ("code", "environment", "seeds")] == [
        ("code", "required", "documented", "documented"), ("environment", "documented", "documented", "rebuild"),
        ("seeds", "optional", "not", "rebuild")]
    folder = procs.REPO / "spec/schemas/answers"
    name = json.loads((folder / "reproducible.json").read_text())["$id"]
    assert schema_judge(folder, [[name, answer]]) == [[]]
    project.lineage("reproducible", "table", "--require", "documented")
    assert "documented only" in project.lineage("reproducible", "table", check=1).stdout
    assert agent.stop() == 0


def test_a_word_that_is_no_utf8_is_not_guessed(project):
    project.place.env["LINEAGE_RUN_ID"] = run = project.lineage("begin").stdout.strip()
    project.lineage("run", "--git", "--step", "s", "-o", "out", "--gate", "true", "--", "sh", "-c", "printf %s \"$1\" > out", "sh", b"a\xffb".decode(errors="surrogateescape"))
    assert "word 4 of its command has bytes that are no UTF-8" in project.lineage("replay", run, check=1).stderr
    answer = project.verdict("out", check=1)
    assert answer["runs"][0]["fields"]["command"]["what"][0].startswith("word 4 has bytes that are no UTF-8")
    project.lineage("run", "--git", "--step", "t", "-o", "t", "--gate", "test 1 = 1", "--", "sh", "-c", "echo > t")
    assert "step 't' had to pass a gate, which is not asked again: test 1 = 1" in project.lineage("replay", run, "--run", "--from", "t").stderr


def test_the_keys_of_the_page_are_the_keys_of_a_policy(project):
    """docs/reproduce.md: each key with its default, as --print-policy has it; what is no key is said with a near one."""
    page = (procs.REPO / "docs/reproduce.md").read_text()
    printed = project.lineage("reproducible", "--print-policy").stdout
    fields = dict(re.findall(r"^  ([a-z]+): ([a-z]+)", printed.split("jobs:")[0], re.MULTILINE))
    told = {key: level for keys, level in re.findall(r"^\| ((?:`fields\.[a-z]+`(?:, )?)+) \| a level \| `([a-z]+)` \|$", page, re.MULTILINE)
            for key in re.findall(r"`fields\.([a-z]+)`", keys)}
    assert told == fields and len(fields) == 11
    assert re.findall(r"match: '(.*)'", printed) == re.findall(r"`(\*[a-z]+\*)`", page)
    project.train(PYTHONHASHSEED="7")
    policy = project.files / "p.yaml"
    for text, said in (("fields:\n  outcome: optional\n", "p.yaml:2: fields.outcome: "), ("keep: [x]\n", "p.yaml:1: keep: "),
                       ("jobs:\n  - match: x\n    seed: required\n", "p.yaml:3: "), ("fields:\n  code: yes\n", "p.yaml:2: fields.code: ")):
        policy.write_text(text)
        done = project.lineage("reproducible", "model.json", "--policy", policy, check=2)
        assert said in done.stderr, done.stderr
    assert "required" in done.stderr and "ignored" in done.stderr  # what was expected
