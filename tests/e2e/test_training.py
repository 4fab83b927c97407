# SPDX-License-Identifier: Apache-2.0
"""The training story (tests/support/stories/churn.py): where is it from, what comes of it, does it depend on that? All of it by
real commands on real files. Every answer is compared with one written by hand: an arrow says that something went into what
stands behind it. test_training_change.py, _release.py and _keep.py ask the other questions of the same story."""
import pytest

from stories.churn import Churn
from stories.place import chains, played


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    yield from played(Churn, tmp_path_factory)


RECORDS = "customers.jsonl -> records/export -> raw.csv"
WHY_V1 = RECORDS + " -> v1/clean -> clean-v1.csv -> v1/train#2 -> model-v1.json\n"
WHY_V2 = WHY_V1 + """
    raw.csv -> v2/clean -> clean-v2.csv -> v2/train -> model-v2.json
    model-v1.json -> v2/train
"""

OF_MODEL_V2 = """
    v2/train -> model-v2.json -> v2/measure -> measure-v2.json
    model-v2.json -> approve v2
    model-v2.json -> deploy v2 -> endpoint churn
    model-v2.json -> serve v2
"""
OF_CLEAN_V2 = "clean-v2.csv -> v2/train\nclean-v2.csv -> v2/measure\n" + OF_MODEL_V2
OF_MODEL_V1 = """
    v1/train#2 -> model-v1.json -> v1/measure -> measure-v1.json
    model-v1.json -> approve v1
    model-v1.json -> deploy v1 -> endpoint churn
    model-v1.json -> serve v1
    model-v1.json -> v2/train
"""
OF_CLEAN_V1 = "clean-v1.csv -> v1/train#2\nclean-v1.csv -> v1/measure\n" + OF_MODEL_V1 + OF_MODEL_V2
OF_RAW = "raw.csv -> v1/clean -> clean-v1.csv\nraw.csv -> v2/clean -> clean-v2.csv\n" + OF_CLEAN_V1 + OF_CLEAN_V2


# Where is it from?

def test_why_of_a_model(lab):
    """Back to the records, through the model that it went on from."""
    assert lab.graph("why", "model-v2.json") == chains(WHY_V2)
    assert lab.graph("why", "model-v1.json") == chains(WHY_V1)
    # the same by the model's bytes and by its name in the store
    version = "sha256:" + lab.sha("model-v2.json")
    assert lab.graph("why", version) == chains(WHY_V2)
    assert lab.graph("why", "model-v2.json#" + version) == chains(WHY_V2)
    assert lab.graph("why", "file://%s" % (lab.files / "model-v2.json")) == chains(WHY_V2)


def test_why_names_the_attempts(lab):
    """The first try at v1 stumbled: it is said beside the one that made the model."""
    runs = {lab.run(node): node for node in lab.ask("why", "model-v2.json")["nodes"] if node["kind"] == "run"}
    assert {name: (run["state"], run["job"]["namespace"], run["job"]["name"], run["attempt"],
                   [lab.run(other) for other in run.get("attempts", [])]) for name, run in runs.items()} == {
        "records/export": ("COMPLETE", "lab", "export", "1", []),
        "v1/clean": ("COMPLETE", "lab", "clean", "1", []),
        "v1/train#2": ("COMPLETE", "lab", "train", "2", ["v1/train FAIL"]),
        "v2/clean": ("COMPLETE", "lab", "clean", "1", []),
        "v2/train": ("COMPLETE", "lab", "train", "1", [])}
    assert all(run["started"] <= run["ended"] for run in runs.values())


def test_why_of_a_file_by_its_content(lab):
    """Somebody has copied the model: what it is called says nothing, its bytes say all."""
    (lab.files / "somewhere.bin").write_bytes((lab.files / "model-v2.json").read_bytes())
    answer = lab.ask("why", "somewhere.bin")
    assert answer["subject"]["by"] == "content" and lab.edges(answer) == chains(WHY_V2)
    (lab.files / "somewhere.bin").write_text("nobody has seen these bytes")
    assert lab.ask("why", "somewhere.bin", check=3)["subject"]["kind"] == "none"


def test_why_of_an_answer(lab):
    """Which model gave it, and what that was made of; by the id of the request, ours and the provider's."""
    for first, second in (("req-1", "req-4"), ("prov-1", "prov-4")):
        assert lab.graph("why", "--request", first) == chains(WHY_V1 + "model-v1.json -> serve v1")
        assert lab.graph("why", "--request", second) == chains(WHY_V2 + "model-v2.json -> serve v2")
    assert lab.ask("why", "--request", "req-77", check=3)["subject"]["kind"] == "none"


def test_why_of_a_run(lab):
    """What a run read, not what it wrote; also of one that failed, and of a job: its latest run."""
    of = {name: run for run, name in lab.ids.items()}
    trained = WHY_V2.replace("-> v2/train -> model-v2.json", "-> v2/train")
    assert lab.graph("why", of["v2/train"]) == chains(trained)
    assert lab.graph("why", "lab/train") == chains(trained)
    failed = lab.ask("why", of["v1/train"])
    assert lab.edges(failed) == chains(RECORDS + " -> v1/clean -> clean-v1.csv -> v1/train FAIL")
    assert failed["nodes"][0]["error"] == "command exited with status 1"


def test_why_as_it_stood_then(lab):
    """Before v2 there was v1, and nobody had heard of v2."""
    then = ("--at", lab.after_v1)
    assert lab.graph("why", *then, "model-v1.json") == chains(WHY_V1)
    assert lab.graph("impact", *then, "raw.csv") == chains(
        "raw.csv -> v1/clean -> clean-v1.csv -> v1/train#2\nclean-v1.csv -> v1/measure\n" +
        OF_MODEL_V1.replace("model-v1.json -> v2/train", ""))
    assert lab.ask("impact", *then, "raw.csv")["affected"] == {
        "models": 1, "answers": 3, "answers_not_told": 3, "services": 1, "datasets": 3, "jobs": 6, "runs": 6}
    assert "(train)" not in lab("lineage", "why", *then, "model-v2.json", check=None).stdout
    assert lab.graph("why", "--at", "2100-01-01", "model-v2.json") == chains(WHY_V2)


def test_why_of_a_column(lab):
    """As far as runs tell of columns; the export tells nothing of them, which is said instead of guessed."""
    answer = lab.ask("why", "--column", "months", "clean-v2.csv")
    assert lab.edges(answer) == chains("""
        records/export.months -> raw.csv.months -> v2/clean.months -> clean-v2.csv.months
        records/export.calls -> raw.csv.calls -> v2/clean.months
    """)
    names = {node["id"]: lab.name(node) for node in answer["nodes"]}
    assert {names[edge["from"]]: [(how["type"], how["subtype"]) for how in edge["transformations"]]
            for edge in answer["edges"] if "transformations" in edge} == {
        "raw.csv.months": [("DIRECT", "TRANSFORMATION")], "raw.csv.calls": [("INDIRECT", "FILTER")]}
    assert {names[caveat["node"]] for caveat in answer["caveats"]} == {"records/export.months", "records/export.calls"}
    assert lab.graph("why", "--column", "left", "clean-v1.csv") == chains(
        "records/export.left -> raw.csv.left -> v1/clean.left -> clean-v1.csv.left")
    reached = lab.ask("impact", "--column", "left", "raw.csv")
    assert lab.edges(reached) == chains("""
        raw.csv.left -> v1/clean.left -> clean-v1.csv.left -> v1/train#2
        clean-v1.csv.left -> v1/measure
        raw.csv.left -> v2/clean.left -> clean-v2.csv.left -> v2/train
        clean-v2.csv.left -> v2/measure
    """)
    assert len(reached["caveats"]) == 4


def test_why_of_what_is_near(lab):
    """--depth counts from dataset to dataset, and says that there is more."""
    assert lab.graph("why", "--depth", 1, "model-v2.json", cut=True) == chains("""
        clean-v2.csv -> v2/train -> model-v2.json
        model-v1.json -> v2/train
    """)
    assert "(there is more, 2 ways lead on from here: --depth N)" in lab("lineage", "why", "--depth", 1, "model-v2.json").stdout


# What comes of it?

@pytest.mark.parametrize("subject, graph, models, answers, datasets, jobs, runs", [
    # datasets: two cleaned ones, two measures, the endpoint; jobs: clean, train, measure, approval, deployment, support
    ("raw.csv", OF_RAW, 2, 6, 5, 6, 12),
    ("class=personal", OF_RAW, 2, 6, 5, 6, 12),       # the tag that raw.csv has
    ("clean-v1.csv", OF_CLEAN_V1, 2, 6, 3, 5, 10),    # no cleaned one, and nobody who cleans
    ("clean-v2.csv", OF_CLEAN_V2, 1, 3, 2, 5, 5),     # the second preparation reached the second model only
    ("model-v2.json", OF_MODEL_V2.replace("v2/train ->", ""), 0, 3, 2, 4, 4),
    ("sorted.csv", "sorted.csv", 0, 0, 0, 0, 0)])
def test_impact_of_data(lab, subject, graph, models, answers, datasets, jobs, runs):
    answer = lab.ask("impact", subject)
    assert lab.edges(answer) == {edge for edge in chains(graph) if edge[0] != ""}
    not_told = {"answers_not_told": answers} if answers else {}  # the service says which model it is, not its bytes
    assert answer["affected"] == {"models": models, "answers": answers, **not_told, "services": int(answers > 0),
                                  "datasets": datasets, "jobs": jobs, "runs": runs}


def test_impact_in_one_line(lab):
    def last(subject):
        return lab("lineage", "impact", subject).stdout.splitlines()[-1]
    told = "(they do not tell what they used)"
    assert last("clean-v1.csv") == "2 models, 6 answers of 1 service %s, 3 datasets and 5 jobs are affected." % told
    assert last("clean-v2.csv") == "1 model, 3 answers of 1 service %s, 2 datasets and 5 jobs are affected." % told
    assert last("chart.png").endswith(lab.sha("chart.png")[:8] + "\u2026"), "nothing is affected, and nothing is said"


def test_impact_of_a_customer(lab):
    """The right to be forgotten: by the record's id to every model and answer. Others who never came in are not known."""
    answer = lab.ask("impact", "customer-17")
    assert (answer["subject"]["kind"], answer["subject"]["by"]) == ("member", "member")
    assert lab.edges(answer) == chains("customer-17 -> " + RECORDS + "\ncustomers.jsonl -> records\n" + OF_RAW)
    # beside what raw.csv reached: customers.jsonl, raw.csv; the run of the records and their export
    assert answer["affected"] == {"models": 2, "answers": 6, "answers_not_told": 6, "services": 1, "datasets": 7, "jobs": 8, "runs": 14}
    assert lab.graph("why", "customer-17") == chains("customers.jsonl -> customer-17")
    assert lab.ask("impact", "customer-999", check=3)["subject"]["kind"] == "none"


def test_impact_of_code(lab):
    """Both commits trained a model; the second has nothing to do with the first. A job is all its runs."""
    commits = {name: commit for commit, name in lab.commits.items()}
    second = lab.ask("impact", commits["coarser"])
    assert second["subject"]["by"] == "code"
    beside = "weather/sort -> sorted.csv\nchart/draw -> chart.png\n"
    assert lab.edges(second) == chains("v2/clean -> clean-v2.csv\n" + OF_CLEAN_V2 + beside)
    first = lab.graph("impact", commits["first"])
    assert first >= chains("records/export -> raw.csv\n" + OF_RAW)
    assert first - chains("records/export -> raw.csv\n" + OF_RAW) == chains("v1/train FAIL -> model-v1.json without version")
    assert lab.graph("impact", "lab/clean") == chains("v1/clean -> clean-v1.csv\nv2/clean -> clean-v2.csv\n" + OF_CLEAN_V1 + OF_CLEAN_V2)
    # what runs are grouped by is a tag of theirs; the try that failed made no model
    assert lab.ask("impact", "model=v1")["affected"]["models"] == 2
    assert lab.graph("impact", "model=v2") == chains("v2/clean -> clean-v2.csv\n" + OF_CLEAN_V2)


def test_impact_of_what_nobody_knows(lab):
    for question in (("impact", "no-such-thing"), ("impact", "class=public"), ("why", "f" * 40)):
        assert lab.ask(*question, check=3)["subject"]["kind"] == "none"


# Does it depend on that?

def test_depends(lab):
    """Yes, with the shortest way; no, where all that leads to it is known to its ends; else nobody knows, and why not."""
    yes = lab.ask("depends", "model-v2.json", "raw.csv")
    assert (yes["depends"], yes["is_asked_version"], yes["caveat"]) == (
        "yes", True, "a path is recorded; that B had any effect is not said by it")
    assert [lab.name(node) for node in yes["path"]] == ["raw.csv", "v2/clean", "clean-v2.csv", "v2/train", "model-v2.json"]
    # v2 read nothing of the first preparation, yet it went on from v1, which did
    assert [lab.name(node) for node in lab.ask("depends", "model-v2.json", "clean-v1.csv")["path"]] == [
        "clean-v1.csv", "v1/train#2", "model-v1.json", "v2/train", "model-v2.json"]
    for other in ("clean-v2.csv", "sorted.csv", "chart.png"):
        no = lab.ask("depends", "model-v1.json", other, check=1)
        assert (no["depends"], no["gaps"], "path" in no) == ("no", [], False), other
    unknown = lab.ask("depends", "chart.png", "raw.csv", check=3)
    assert unknown["depends"] == "not_known" and unknown["gap_count"] == 1
    assert [(gap["kind"], lab.name(gap["at"])) for gap in unknown["gaps"]] == [("no_writer", "mailed.csv")]
    lab("lineage", "depends", "model-v1.json", "no-such-thing", check=3)
