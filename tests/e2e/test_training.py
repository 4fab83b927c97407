# SPDX-License-Identifier: Apache-2.0
"""The life of a model as people live it: raw data is cleaned, a model is fitted, measured, approved, deployed, and
predicts; then the data are prepared in another way and a second model goes on from the weights of the first. All of it
by real commands on real files. Every question of the product is asked, and its answer compared with one written by hand."""
import hashlib
import json
import os
import subprocess

import pytest

from agent_process import Agent, store_route

# Customers: months, calls, and whether they left. Two rows are broken, as real ones are.
RAW = "\n".join(["months,calls,left"] + ["%d,%d,%d" % (n % 24 + 1, n * 7 % 11, int(n * 7 % 11 > n % 24 // 3))
                                         for n in range(200)] + ["12,,1", "7,x,0", ""])

CLEAN = r"""
import sys
scale = float(sys.argv[3])
with open(sys.argv[1]) as source, open(sys.argv[2], "w") as out:
    for line in source.readlines()[1:]:
        fields = line.strip().split(",")
        if len(fields) == 3 and all(field.isdigit() for field in fields):
            out.write("%.6f,%.6f,%s\n" % (int(fields[0]) / scale, int(fields[1]) / scale, fields[2]))
"""

# Logistic regression by gradient descent, one row at a time in an order that the seed decides.
TRAIN = r"""
import json, math, os, random, sys
data, model, epochs, before = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4:]
seed = os.environ.get("PYTHONHASHSEED")
order = random.Random(int(seed) if seed and seed.isdigit() else None)
rows = [[float(field) for field in line.split(",")] for line in open(data)]
weights = json.load(open(before[0]))["weights"] if before else [0.0, 0.0, 0.0]
for _ in range(epochs):
    order.shuffle(rows)
    for months, calls, left in rows:
        guess = 1 / (1 + math.exp(-(weights[0] + weights[1] * months + weights[2] * calls)))
        for place, value in enumerate((1.0, months, calls)):
            weights[place] += 0.05 * (left - guess) * value
json.dump({"weights": [round(weight, 12) for weight in weights]}, open(model, "w"), sort_keys=True)
"""

MEASURE = r"""
import json, sys
weights = json.load(open(sys.argv[1]))["weights"]
rows = [[float(field) for field in line.split(",")] for line in open(sys.argv[2])]
right = sum((weights[0] + weights[1] * m + weights[2] * c > 0) == (left > 0.5) for m, c, left in rows)
json.dump({"accuracy": round(right / len(rows), 4)}, open(sys.argv[3], "w"))
"""


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


class Lab:
    """Where the models are made: programs, data, an agent with a store."""

    def __init__(self, runner, built, directory):
        self.files, self.runs, self.ids, self.built = directory / "lab", directory / "runs", {}, built
        self.files.mkdir()
        for name, text in (("raw.csv", RAW), ("clean.py", CLEAN), ("train.py", TRAIN), ("measure.py", MEASURE)):
            (self.files / name).write_text(text)
        self.agent = Agent(runner, built("lineaged"), directory / "agent",
                           [store_route(directory / "agent/lineage.db", on_lag="pin")]).start()
        clean = {k: v for k, v in os.environ.items()
                 if not k.startswith(("OPENLINEAGE", "LINEAGE", "BAGGAGE", "TRACE", "PYTHON", "GIT_"))}
        self.env = {**clean, **{k: v for k, v in self.agent.environment().items() if v},
                    "OPENLINEAGE_NAMESPACE": "lab", "LINEAGE_RUNS": str(self.runs),
                    "PATH": "%s:%s" % (built("lineage").parent, clean["PATH"])}
        self.git("init", "-q", "-b", "main")
        (self.files / ".gitignore").write_text("*.csv\n*.json\n")
        self.commits = [self.commit("first")]

    def git(self, *words):
        return subprocess.run(["git", "-c", "user.name=n", "-c", "user.email=n@example.org", *words], cwd=self.files,
                              check=True, capture_output=True, text=True).stdout.strip()

    def commit(self, message):
        self.git("add", ".")
        self.git("commit", "-q", "-m", message)
        return self.git("rev-parse", "HEAD")

    def __call__(self, *words, check=0, env=None):
        done = subprocess.run([str(word) for word in words], env={**self.env, **(env or {})}, cwd=self.files, text=True,
                              capture_output=True, stdin=subprocess.DEVNULL, timeout=120, check=False)
        assert check is None or done.returncode == check, (words, done.returncode, done.stdout, done.stderr)
        return done

    def ask(self, *words, check=0):
        return json.loads(self("lineage", words[0], "--json", *words[1:], check=check).stdout)

    def step(self, run, step, number, inputs, outputs, command, *more, env=None):
        ends = [word for name in inputs for word in ("-i", name)] + [word for name in outputs for word in ("-o", name)]
        self("lineage", "run", "--step", step, "--seq", number, "--collect", "code,git,machine,tools,seeds", *ends, *more, "--",
             *command, env={**run, **(env or {})})

    def make(self, name, epochs, scale, seed, before=None):
        """One whole run: cleaned data, a model, its measure."""
        clean, model, figure = "clean-%s.csv" % name, "model-%s.json" % name, "measure-%s.json" % name
        run = {"LINEAGE_RUN_ID": self("lineage", "begin", "--pipeline", "churn", "--group", "model=" + name).stdout.strip()}
        run["LINEAGE_RUN_ID"] = run["LINEAGE_RUN_ID"].splitlines()[-1]
        seeds = {"PYTHONHASHSEED": str(seed)} if seed is not None else {}
        self.step(run, "clean", 10, ["raw.csv"], [clean], ["python3", "clean.py", "raw.csv", clean, scale],
                  "--param", "scale=%s" % scale)
        self.step(run, "train", 20, [clean, *([before] if before else [])], [model],
                  ["python3", "train.py", clean, model, epochs, *([before] if before else [])],
                  "--param", "epochs=%d" % epochs, env=seeds)
        self.step(run, "measure", 30, [model, clean], [figure], ["python3", "measure.py", model, clean, figure])
        self("lineage", "end", env=run)
        self.ids[name] = run["LINEAGE_RUN_ID"]
        return self.files / model


@pytest.fixture
def lab(runner, built, workdir, wait_until):
    made = Lab(runner, built, workdir)
    made.settle = lambda: wait_until(  # journals are gone once they are taken in
        lambda: not [path for path in made.agent.journal.iterdir() if path.is_file() and path.name[0] != "."] and
        all(route["waiting"] == 0 for route in made.agent.status()["routes"]), 30, lambda: str(made.agent.status()))
    yield made
    assert made.agent.stop() == 0


@pytest.fixture
def two(lab):
    """v1 from the first preparation; v2 from another one, other code of it, and the weights of v1."""
    lab.make("v1", 5, 1, 7)
    (lab.files / "clean.py").write_text(CLEAN.replace("%.6f,%.6f", "%.3f,%.3f"))
    lab.commits.append(lab.commit("coarser"))
    lab.make("v2", 8, 10, 7, "model-v1.json")
    lab.settle()
    return lab


def names(answer, kind):
    """The graph's datasets by their last part, or its jobs."""
    return sorted({node["name"].rpartition("/")[2] if kind == "dataset" else node["job"]["name"]
                   for node in answer["nodes"] if node["kind"] == kind})


def lines(answer):
    """Edges by names."""
    def name(node):
        return node["name"].rpartition("/")[2] if node["kind"] == "dataset" else "(%s)" % node["job"]["name"]
    nodes = {node["id"]: name(node) for node in answer["nodes"]}
    return sorted({(nodes[edge["from"]], nodes[edge["to"]]) for edge in answer["edges"]})


def test_where_from(two):
    answer = two.ask("why", "model-v2.json")
    assert names(answer, "dataset") == ["clean-v1.csv", "clean-v2.csv", "model-v1.json", "model-v2.json", "raw.csv"]
    assert lines(answer) == [
        ("(clean)", "clean-v1.csv"), ("(clean)", "clean-v2.csv"), ("(train)", "model-v1.json"), ("(train)", "model-v2.json"),
        ("clean-v1.csv", "(train)"), ("clean-v2.csv", "(train)"), ("model-v1.json", "(train)"), ("raw.csv", "(clean)")]
    for node in answer["nodes"]:
        if node["kind"] == "dataset":
            assert node["version"] == "sha256:" + sha256(two.files / node["name"].rpartition("/")[2])
        else:
            assert node["state"] == "COMPLETE"
    # the bytes know it as well, whatever the file is called
    (two.files / "model-v2.json").rename(two.files / "somewhere.bin")
    moved = two.ask("why", "somewhere.bin")
    assert moved["subject"]["by"] == "content" and lines(moved) == lines(answer)


def test_what_next(two):
    answer = two.ask("impact", "raw.csv")
    assert names(answer, "dataset") == ["clean-v1.csv", "clean-v2.csv", "measure-v1.json", "measure-v2.json",
                                        "model-v1.json", "model-v2.json", "raw.csv"]
    assert ("model-v1.json", "(train)") in lines(answer)
    first = two.ask("impact", "clean-v1.csv")
    assert names(first, "dataset") == ["clean-v1.csv", "measure-v1.json", "measure-v2.json", "model-v1.json", "model-v2.json"]


def test_what_changed(two):
    """Exactly that: no more, no less, upstream as well."""
    first, second = two.commits
    answer = two.ask("diff", "model-v1.json", "model-v2.json")
    told = [(pair["depth"], pair["a"]["job"]["name"], pair["b"]["job"]["name"],
             sorted(((each["area"], each["what"].rpartition("/")[2], each.get("a"), each.get("b"))
                     for each in pair["changed"]), key=str))
            for pair in answer["pairs"]]

    def bytes_of(name):
        return "sha256:" + sha256(two.files / name)
    assert told == [
        (0, "train", "train", sorted([
            ("code", "lineaged_code.commit", first, second),
            ("input", "clean-v1.csv", bytes_of("clean-v1.csv"), None),
            ("input", "clean-v2.csv", None, bytes_of("clean-v2.csv")),
            ("input", "model-v1.json", None, bytes_of("model-v1.json")),
            ("output", "model-v1.json", bytes_of("model-v1.json"), None),
            ("output", "model-v2.json", None, bytes_of("model-v2.json")),
            ("parameter", "epochs", "5", "8")], key=str)),
        (1, "clean", "clean", sorted([
            ("code", "lineaged_code.commit", first, second),
            ("output", "clean-v1.csv", bytes_of("clean-v1.csv"), None),
            ("output", "clean-v2.csv", None, bytes_of("clean-v2.csv")),
            ("parameter", "scale", "1", "10")], key=str))]
    assert answer["pairs"][0]["same"]["seed"] == 1 and answer["pairs"][1]["same"]["input"] == 1
    assert not answer["truncated"]


def verdicts(answer):
    """What each run lacks, the runs nearest to the subject first."""
    return [(each["run"]["job"]["name"], each["verdict"], each["missing"])
            for each in answer["runs"]]


def test_can_it_be_made_again(lab):
    """Not while the seed is missing; with it, yes. The bytes agree: the same command gives the same model."""
    lab.make("v1", 5, 1, 7)
    lab.make("v2", 8, 10, None, "model-v1.json")
    lab.settle()
    known = [("clean", "rebuild", []), ("train", "rebuild", []), ("clean", "rebuild", [])]
    without = lab.ask("reproducible", "model-v2.json", check=1)
    assert verdicts(without)[0] == ("train", "not", ["seeds"]) and sorted(verdicts(without)[1:]) == sorted(known)
    lab.make("v2", 8, 10, 7, "model-v1.json")
    lab.settle()
    answer = lab.ask("reproducible", "model-v2.json")
    assert verdicts(answer)[0] == ("train", "rebuild", []) and sorted(verdicts(answer)[1:]) == sorted(known)
    made = sha256(lab.files / "model-v2.json")
    lab("python3", "train.py", "clean-v2.csv", "again.json", 8, "model-v1.json", env={"PYTHONHASHSEED": "7"})
    assert sha256(lab.files / "again.json") == made


def release(lab, name):
    """Looked at, approved, put where it serves; then it answers three requests."""
    version = "sha256:" + sha256(lab.files / ("model-%s.json" % name))
    lab("lineage", "approve", "model-%s.json" % name, "--by", "ada", "--role", "owner", "--reason", "better than before",
        "--framework", "EU AI Act", "--evidence", "measure-%s.json" % name)
    lab("lineage", "deploy", "model-%s.json" % name, "--endpoint", "churn", "--environment", "production",
        "--model-version", "churn@" + name)
    first = {"v1": 0, "v2": 3}[name]
    lab(lab.built("serve_many"), "--directory", lab.agent.journal, "--run-id", SERVICES[name], "--answers", 3, "--first", first,
        "--threads", 1, "--model-version", "churn@" + name, "--input", lab.files / ("model-%s.json" % name), "--version", version)
    lab.settle()


SERVICES = {"v1": "01941f29-7c00-7837-a31d-0000000000a1", "v2": "01941f29-7c00-7837-a31d-0000000000a2"}


@pytest.fixture
def served(two):
    release(two, "v1")
    release(two, "v2")
    return two


def test_who_is_affected(served):
    """The releases, and the answers that they gave."""
    answer = served.ask("impact", "raw.csv")
    assert answer["affected"] == {"models": 2, "answers": 6, "answers_not_told": 6, "services": 1, "datasets": 5,
                                  "jobs": 6, "runs": 12}
    told = served("lineage", "impact", "clean-v1.csv").stdout
    assert told.splitlines()[-1] == "2 models, 6 answers of 1 service (they do not tell what they used), 3 datasets and 5 jobs are affected."
    # the second preparation reached the second model only
    told = served("lineage", "impact", "clean-v2.csv").stdout
    assert told.splitlines()[-1] == "1 model, 3 answers of 1 service (they do not tell what they used), 2 datasets and 5 jobs are affected."


def test_where_an_answer_is_from(served):
    first, second = (served.ask("why", "--request", "req-%d" % n) for n in (1, 4))
    assert names(first, "dataset") == ["clean-v1.csv", "model-v1.json", "raw.csv"]
    assert names(second, "dataset") == ["clean-v1.csv", "clean-v2.csv", "model-v1.json", "model-v2.json", "raw.csv"]
    assert served.ask("why", "--request", "req-77", check=3)["subject"]["kind"] == "none"


def test_what_serves(served):
    """The second model alone, by whom it was approved, and what it answered; everything there has a history."""
    answer = served.ask("serving", "--require-approval")
    (now,) = answer["serving"]
    assert now["model"]["version"] == "sha256:" + sha256(served.files / "model-v2.json")
    assert (now["environment"], now["endpoint"]["name"], now["answers"]) == ("production", "churn", 3)
    assert (now["approval"]["verdict"], now["approval"]["by"], now["approval"]["role"]) == ("approved", "ada", "owner")
    assert (answer["undeployed"], answer["unapproved"]) == ([], 0)
    before = [each for each in served.ask("serving", "--all")["serving"] if not each["serves"]]
    assert [each["model"]["version"] for each in before] == ["sha256:" + sha256(served.files / "model-v1.json")]
    assert served.ask("untracked") == {"untracked": [], "tracked": 2, "truncated": False}
    # bytes that nobody looked at: the same name, and neither approved nor known
    (served.files / "model-v2.json").write_text('{"weights": [0, 0, 0]}')
    served("lineage", "approvals", "model-v2.json", check=1)
    served("lineage", "deploy", "model-v2.json", "--endpoint", "churn", "--environment", "production")
    served.settle()
    assert served.ask("serving", "--require-approval", check=1)["unapproved"] == 1
    (stranger,) = served.ask("untracked", check=1)["untracked"]
    assert stranger["verdict"] == "other_version"
    assert stranger["version"] == "sha256:" + sha256(served.files / "model-v2.json")
