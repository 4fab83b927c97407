# SPDX-License-Identifier: Apache-2.0
"""The training story (tests/support/stories/churn.py), and now: what has changed, can it be made again, is all as it was,
and what is recorded at all? Every answer is compared with one written by hand."""
import pytest

from stories.churn import Churn
from stories.place import played


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    yield from played(Churn, tmp_path_factory)


# What has changed?

def changes(lab, *words):
    """[(depth, run of A, run of B, {what changed: from what to what}, how much did not)], bytes and commits by name."""
    names = {**{version: name for (_, version), name in lab.versions.items()}, **lab.commits}
    names.update({version[7:]: name for version, name in names.items() if version.startswith("sha256:")})

    def told(change):
        what = change["what"].rpartition("/")[2]
        if change["area"] in ("input", "output"):  # a file is called as its bytes are
            assert {names[version] for version in (change.get("a"), change.get("b")) if version} == {what}
            return "%s %s" % (change["area"], what), ("a" in change, "b" in change)
        return "%s %s" % (change["area"], what), tuple(names.get(change.get(side), change.get(side)) for side in "ab")
    answer = lab.ask("diff", *words)
    assert not answer["truncated"]
    return [(pair["depth"], lab.run(pair["a"]), lab.run(pair["b"]), dict(map(told, pair["changed"])), pair["same"])
            for pair in answer["pairs"]]


WAS, IS = (True, False), (False, True)  # only the first had it, only the second has it
CODE = {"code lineaged_code.commit": ("first", "coarser")}
GROUP = {"tag model": ("v1", "v2")}
SOURCE = "code sourceCode.sourceCode"  # the command line
TRAINED = {SOURCE: ("python3 train.py clean-v1.csv model-v1.json 5", "python3 train.py clean-v2.csv model-v2.json 8 model-v1.json"),
           "input clean-v1.csv": WAS, "input clean-v2.csv": IS, "input model-v1.json": IS, "output model-v1.json": WAS,
           "output model-v2.json": IS, **CODE, "parameter epochs": ("5", "8"), **GROUP}
CLEANED = {SOURCE: ("python3 clean.py raw.csv clean-v1.csv 1", "python3 clean.py raw.csv clean-v2.csv 10"),
           "output clean-v1.csv": WAS, "output clean-v2.csv": IS, **CODE, "parameter scale": ("1", "10"), **GROUP}


def test_between_two_models(lab):
    """Exactly that: no more, no less, upstream as well."""
    train, clean = changes(lab, "model-v1.json", "model-v2.json")
    assert train[:4] == (0, "v1/train#2", "v2/train", TRAINED)
    assert clean[:4] == (1, "v1/clean", "v2/clean", CLEANED)
    # what did not change: the seed; the raw data, the rows that were read and left, and what became of which column
    assert train[4]["seed"] == 1
    assert (clean[4]["input"], clean[4]["metric"]) == (1, 2)
    assert clean[4]["schema"] == 3 * 3 + 2 * 3, "of three columns and two filters: namespace, type and subtype"


def test_between_two_runs(lab):
    """Of a whole run what it began with, nothing of its steps; a failed try and the one that made it: the number alone."""
    of = {name: run for run, name in lab.ids.items()}
    assert changes(lab, of["v1/train#2"], of["v2/train"]) == changes(lab, "model-v1.json", "model-v2.json")
    (tries,) = changes(lab, of["v1/train"], of["v1/train#2"])
    assert tries[:3] == (0, "v1/train FAIL", "v1/train#2")
    assert set(tries[3]) == {"output model-v1.json", SOURCE, "parameter epochs", "outcome state", "outcome errorMessage.message",
                             "outcome errorMessage.programmingLanguage"}
    assert tries[3]["parameter epochs"] == ("five", "5") and tries[3]["outcome state"] == ("FAIL", "COMPLETE")
    assert "both are of the same run" in lab("lineage", "diff", "model-v1.json", of["v1/train#2"]).stdout


def test_between_two_deployments(lab):
    """What serves now, and what served before; then as between the models."""
    deployed, *models = changes(lab, "deployment-v1", "deployment-v2")
    assert deployed[:4] == (0, "deploy v1", "deploy v2", {
        "input model-v1.json": WAS, "input model-v2.json": IS, "model model_version": ("churn@v1", "churn@v2"),
        "other lineaged_deployment.artifact_id": ("model-v1.json", "model-v2.json"),
        "other lineaged_deployment.id": ("deployment-v1", "deployment-v2")})
    assert [pair[0] for pair in models] == [1, 2] and [pair[3] for pair in models] == [TRAINED, CLEANED]


def test_since_it_was_deployed(lab):
    """By the endpoint: what is different there from what was there before."""
    assert changes(lab, "--since-deploy", "churn") == changes(lab, "model-v1.json", "model-v2.json")
    answer = lab.ask("diff", "--since-deploy", "churn")
    assert [answer[side]["subject"]["note"].rpartition(" ")[2] for side in "ab"] == ["deployment-v1", "deployment-v2"]
    lab("lineage", "diff", "--since-deploy", "no-such-place", check=3)


def test_changes_for_people(lab):
    """One line for each, hashes as short as they can be told apart; --json has them whole."""
    told = lab("lineage", "diff", "model-v1.json", "model-v2.json").stdout
    clean = told[told.index("A  clean (lab)"):].splitlines()
    rows = [line.split() for line in clean]
    assert [row[0] for row in rows[:3]] == ["A", "B", "WHAT"]
    (command,) = [row for row in rows if row[:2] == SOURCE.split()]
    assert " ".join(command[2:]) == " ".join(CLEANED[SOURCE])
    rows.remove(command)
    assert [[row[0], row[-2], row[-1]] for row in rows[3:-1]] == [
        ["output", "sha256:%s\u2026" % lab.sha("clean-v1.csv")[:8], "-"],
        ["output", "-", "sha256:%s\u2026" % lab.sha("clean-v2.csv")[:8]],
        ["code", *("%s\u2026" % commit[:12] for commit, name in sorted(lab.commits.items(), key=lambda each: each[1] != "first"))],
        ["parameter", "1", "10"], ["tag", "v1", "v2"]]
    assert rows[-1][:2] == ["the", "same:"]


# Can it be made again?

def verdicts(lab, answer):
    return [(lab.run(each["run"]), each["verdict"], each["missing"]) for each in answer["runs"]]


def test_can_it_be_made_again(lab):
    """Nearest first. The export read a list of records of which nobody can say where they are: documented, not rebuilt."""
    answer = lab.ask("reproducible", "model-v2.json", check=1)
    assert answer["verdict"] == "documented"
    assert sorted(verdicts(lab, answer)) == sorted([
        ("v2/train", "rebuild", []), ("v2/clean", "rebuild", []), ("v1/train#2", "rebuild", []), ("v1/clean", "rebuild", []),
        ("records/export", "documented", ["inputs"])])
    assert verdicts(lab, answer)[0][0] == "v2/train"
    lab.ask("reproducible", "--require", "documented", "model-v2.json")
    # whoever keeps the records says so; then all of it can be rebuilt
    (lab.files / "policy.yaml").write_text("keeps: ['file/*/customers.jsonl']\n")
    assert lab.ask("reproducible", "--policy", "policy.yaml", "model-v2.json")["verdict"] == "rebuild"
    # whoever asks for locked dependencies finds that none were told
    (lab.files / "policy.yaml").write_text("fields: {dependencies: required}\nkeeps: ['file/*/customers.jsonl']\n")
    strict = lab.ask("reproducible", "--policy", "policy.yaml", "model-v1.json", check=1)
    assert strict["verdict"] == "not" and {verdict[1:] == ("not", ["dependencies"]) for verdict in verdicts(lab, strict)} == {True}
    (lab.files / "policy.yaml").write_text("fields: {seed: required}\n")
    assert "policy.yaml" in lab("lineage", "reproducible", "--policy", "policy.yaml", "model-v1.json", check=2).stderr
    assert lab.ask("reproducible", "mailed.csv", check=3)["subject"]["kind"] == "dataset", "known, but nobody made it"


@pytest.fixture
def alone(runner, workdir):
    """The story as far as a test tells it."""
    made = Churn(runner, workdir)
    yield made
    assert made.agent.stop() == 0


def test_without_its_seed(alone):
    """Not to be made again while the seed is missing; with it, it is, and the same command gives the same bytes."""
    alone("sh", "-c", "python3 export.py customers.jsonl raw.csv")
    alone.made("raw.csv")
    alone.model("v1", epochs=5, scale=1, seed=7)
    alone.model("v2", epochs=8, scale=10, seed=None, before="v1")
    alone.settle()
    rest = [("v1/clean", "rebuild", []), ("v1/train", "rebuild", []), ("v2/clean", "rebuild", [])]
    without = alone.ask("reproducible", "model-v2.json", check=1)
    assert without["verdict"] == "not"
    assert verdicts(alone, without)[0] == ("v2/train", "not", ["seeds"]) and sorted(verdicts(alone, without)[1:]) == rest
    alone.model("v2", epochs=8, scale=10, seed=7, before="v1")
    alone.settle()
    answer = alone.ask("reproducible", "model-v2.json")
    assert answer["verdict"] == "rebuild"
    assert verdicts(alone, answer)[0] == ("v2/train", "rebuild", []) and sorted(verdicts(alone, answer)[1:]) == rest
    alone("python3", "train.py", "clean-v2.csv", "again.json", 8, "model-v1.json", env={"PYTHONHASHSEED": "7"})
    assert alone.sha("again.json") == alone.sha("model-v2.json")


def test_done_again(alone, workdir):
    """v1 as a script; and done again in an empty folder, as a new run that says what it repeats: the same bytes."""
    alone.records()
    alone.model("v1", epochs=5, scale=1, seed=7)
    run = next(run for run, name in alone.ids.items() if name == "v1" and run[:3] == "202")
    script = alone("lineage", "replay", run).stdout
    assert [line.partition("LINEAGE_STEP=")[2] for line in script.splitlines() if "LINEAGE_STEP=" in line] == [
        "clean python3 clean.py raw.csv clean-v1.csv 1",
        "train PYTHONHASHSEED=7 python3 train.py clean-v1.csv model-v1.json 5",
        "measure python3 measure.py model-v1.json clean-v1.csv measure-v1.json"]
    assert "step train" in alone("lineage", "replay", "--from", "train", run).stdout
    assert "step clean" not in alone("lineage", "replay", "--from", "train", run).stdout
    again = alone.ask("replay", "--run", "--root", workdir / "again", run)
    assert [(each["step"], each["path"], each["result"]) for each in again["outputs"]] == [
        ("clean", "clean-v1.csv", "same"), ("train", "model-v1.json", "same"), ("measure", "measure-v1.json", "same")]
    assert (workdir / "again/model-v1.json").read_bytes() == (alone.files / "model-v1.json").read_bytes()
    alone.settle()
    repeated = alone.ask("runs", "--group", "replay_of=" + run)["runs"]
    assert [each["job"]["name"] for each in repeated] == ["measure", "train", "clean", "again"], "the steps, and the run as a whole"


# Is all as it was, and in order?

def test_all_is_as_it_was(alone):
    """Every file that was read and made is hashed anew; one changed byte is named. Receipts, and the order of times."""
    alone.records()
    alone.model("v1", epochs=5, scale=1, seed=7, stumbles=True)
    alone.settle()
    run = next(run for run, name in alone.ids.items() if name == "v1" and run[:3] == "202")
    figures = alone.ask("verify", "--files", run)
    assert (figures["attempts"], figures["steps"], figures["open"], figures["problems"]) == (4, 3, 0, [])
    assert [each["path"] for each in alone.ask("verify", "--files", run)["problems"]] == []
    lines = alone("lineage", "verify", "--all").stdout.splitlines()
    assert len(lines) == 2 and all(line.endswith("all is as it was") for line in lines)
    assert {key: alone.ask("check", "--all")[key] for key in ("findings", "errors", "warnings", "runs")} == {
        "findings": [], "errors": 0, "warnings": 0, "runs": 7}, "records, export; v1, clean, train twice, measure"
    weights = (alone.files / "model-v1.json").read_text()
    (alone.files / "model-v1.json").write_text(weights.replace("1", "2", 1))
    told = alone.ask("verify", "--files", run, check=1)["problems"]
    assert [(each["path"], each["problem"].partition(" ")[0], "model-v1.json" in each["problem"]) for each in told] == [
        ("steps/020_train/receipt.json", "output", True), ("steps/030_measure/receipt.json", "input", True)]
    (alone.files / "model-v1.json").write_text(weights)
    receipt = next((alone.runs / run / "steps").glob("*clean/attempt-1/receipt.json"))
    receipt.chmod(0o644)
    receipt.write_text(receipt.read_text().replace("202", "203"))
    assert alone.ask("verify", run, check=1)["problems"][0]["path"].endswith("clean/attempt-1/receipt.json")
    assert "was changed" in alone("lineage", "verify", "--all", check=1).stdout
    receipt.unlink()
    (receipt.parent / "claim.json").unlink()
    (found,) = alone.ask("check", "model-v1.json", check=1)["findings"]
    assert (found["kind"], found["severity"], alone.run({**found["run"], "state": "COMPLETE"})) == (
        "step_without_receipt", "error", "v1/clean")


def test_what_is_out_of_date(alone):
    """Nothing, until raw.csv is written anew: then what was cleaned from it, and from there the model; or by its age."""
    alone.records()
    alone.model("v1", epochs=5, scale=1, seed=7)
    alone.settle()
    fresh = alone.ask("stale")
    assert (fresh["stale"], fresh["truncated"]) == ([], False)
    rows = [line for line in (alone.files / "customers.jsonl").read_text().splitlines() if "customer-17" not in line]
    (alone.files / "customers.jsonl").write_text("\n".join(rows) + "\n")
    old = alone.sha("raw.csv")
    alone.made("manifest:customers.jsonl", "customers.jsonl, one less")
    alone.begin("erased", "--pipeline", "records", "--input", "customers=customers.jsonl")
    alone.step("export", 10, ["manifest:customers.jsonl"], ["raw.csv"], ["export.py", "customers.jsonl", "raw.csv"])
    alone.end()
    alone.made("raw.csv", "raw.csv, one less")
    alone.settle()
    (stale,) = alone.ask("stale", check=1)["stale"]
    assert (stale["kind"], alone.file(stale["dataset"]), alone.file(stale["input"]), alone.file(stale["newer"])) == (
        "newer_input", "clean-v1.csv", "raw.csv", "raw.csv, one less")
    assert stale["input"]["version"] == "sha256:" + old
    assert {alone.file(each["dataset"]) for each in alone.ask("stale", "model-v1.json", check=1)["stale"]} == {"clean-v1.csv"}
    by_age = alone.ask("stale", "--older-than", "1ms", check=1)["stale"]
    assert {alone.file(each["dataset"]) for each in by_age if each["kind"] != "newer_input"} >= {"model-v1.json"}
    assert alone.ask("stale", "--older-than", "30d", check=1)["stale"] == [stale], "nothing is that old"


# What is recorded?

def rows(lab, *words, **options):
    return [lab.run(each) for each in lab.ask("runs", *words, **options)["runs"]]


V1 = ["v1/measure", "v1/train#2", "v1/train FAIL", "v1/clean"]
ALL = ["chart/draw", "chart", "weather/sort", "weather", "serve v2", "deploy v2", "approve v2", "v2/measure", "v2/train", "v2/clean",
       "v2", "serve v1", "deploy v1", "approve v1", *V1, "v1", "records/export", "records"]  # newest first


def test_runs(lab):
    of = {name: run for run, name in lab.ids.items()}
    assert rows(lab) == ALL
    assert rows(lab, "--group", "model=v1") == V1
    assert rows(lab, "--failed") == rows(lab, "--failed", "--since", "1h") == rows(lab, "--state", "FAIL") == ["v1/train FAIL"]
    assert rows(lab, "--failed", "--since", lab.after_v1) == []
    assert rows(lab, "--until", lab.after_v1) == ALL[ALL.index("serve v1"):]
    assert rows(lab, "--since", lab.after_v1) == ALL[:ALL.index("serve v1")]
    assert rows(lab, "--job", "train") == rows(lab, "--job", "lab/train") == ["v2/train", "v1/train#2", "v1/train FAIL"]
    assert rows(lab, "--parent", of["v1"]) == V1
    assert rows(lab, "churn@v2") == ["serve v2", "deploy v2"] and rows(lab, "req-1") == ["serve v1"]
    assert rows(lab, "--limit", 2) == ALL[:2] and lab.ask("runs", "--limit", 2)["truncated"]
    assert {lab.run(each): (each["below"]["runs"], each["below"]["complete"], each["below"]["failed"])
            for each in lab.ask("runs", "--by-root")["runs"] if each["below"]["runs"] > 0} == {
        "records": (1, 1, 0), "v1": (4, 3, 1), "v2": (3, 3, 0), "weather": (1, 1, 0), "chart": (1, 1, 0)}


@pytest.mark.parametrize("text, expected", [
    ("churn@v2", ["model_version: serve v2", "model_version: deploy v2"]),
    ("req-4", ["request: req-4"]),
    ("prov-4", ["request: req-4"]),                             # the provider's id of the same answer
    ("deployment-v2", ["deployment.id: deploy v2"]),
    ("personal", ["class: records/export"]),                    # a tag
    ("v1", ["model: " + run for run in V1]),
    ("measure", ["step: v2/measure", "step: v1/measure", "name: job measure"]),
    ("endpoint churn", ["name: endpoint churn"]),
    ("customer-17", ["member: customer-17"]),                   # a record
    ("handbook/9", ["document: req-%d" % n for n in (5, 4, 3, 2, 1, 0)]),  # what answers retrieved, newest first
    ("no-such-thing-at-all", [])])
def test_search(lab, text, expected):
    found = lab.ask("search", text, check=None)["results"]
    assert ["%s: %s" % (each.get("key", each["by"]), "job " + each["name"] if each["kind"] == "job" else lab.name(each))
            for each in found if each["by"] != "part"] == expected


def test_search_by_hash(lab):
    """A commit, some digits of a model's bytes, a run's first digits; and a part of a name, whatever its case."""
    of = {name: run for run, name in lab.ids.items()}
    commit = next(commit for commit, name in lab.commits.items() if name == "coarser")
    assert [(each["key"], lab.run(each)) for each in lab.ask("search", commit)["results"]] == [
        ("commit", name) for name in ("chart/draw", "weather/sort", "v2/measure", "v2/train", "v2/clean")]
    assert [(each["by"], lab.file(each)) for each in lab.ask("search", lab.sha("model-v2.json")[:8])["results"]] == [
        ("version", "model-v2.json")]
    assert [(each["by"], lab.run(each)) for each in lab.ask("search", of["v2/train"][:8])["results"]] == [("run id", "v2/train")]
    assert [(each["by"], each["name"].rpartition("/")[2]) for each in lab.ask("search", "CLEAN-V")["results"]] == [
        ("part", "clean-v1.csv"), ("part", "clean-v2.csv")]


def test_stats(lab):
    """Counted by hand: what the story did."""
    stats = lab.ask("stats")
    assert stats["runs"] == {"total": 21, "new": 0, "running": 0, "complete": 20, "fail": 1, "abort": 0, "failure_rate": 1 / 21}
    assert (stats["counts"]["datasets"], stats["counts"]["versions"], stats["counts"]["answers"]) == (13, 12, 6)
    assert {job["name"]: (job["runs"], job["failure_rate"]) for job in stats["jobs"]} == {
        "train": (3, 1 / 3), "clean": (2, 0), "measure": (2, 0), "churn": (2, 0), "support": (2, 0), "lineaged.approval": (2, 0),
        "lineaged.deployment": (2, 0), "records": (1, 0), "export": (1, 0), "weather": (1, 0), "sort": (1, 0), "chart": (1, 0),
        "draw": (1, 0)}
    for job in stats["jobs"]:
        took = job["duration_ms"]
        assert took["min"] <= took["median"] <= took["p95"] <= took["max"], job
        assert took["p95"] == took["max"], "of so few the slowest"
    assert {each["namespace"]: (each["datasets"], each["jobs"]) for each in stats["namespaces"]} == {
        "file": (12, 0), "endpoint": (1, 0), "lab": (0, 12), "service": (0, 1)}
    assert [each["runs"] for each in stats["producers"]] == [19, 2] and sum(day["runs"] for day in stats["days"]) == 21
    assert "4.8 % of those that ended" in lab("lineage", "stats").stdout
