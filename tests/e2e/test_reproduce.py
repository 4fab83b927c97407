# SPDX-License-Identifier: Apache-2.0
"""`lineage reproducible`, `replay` and `bundle`: a small training (raw -> clean -> model, least squares over a sample that
a seed draws) whose verdict is compared with one written by hand, and which is made again, byte for byte, elsewhere."""
import hashlib
import json
import os
import pathlib
import shutil
import subprocess

import procs
import pytest
from test_ask import place  # noqa: F401: fixture
from test_diff import SHA, dataset, event, facet

CLEAN = """BEGIN { FS = OFS = "," }
NR == 1 || $2 != "" { print $1, $2 + 0 }
"""

TRAIN = """import json, os, random, sys
rows = [tuple(map(float, line.split(","))) for line in open(sys.argv[1]).read().split()[1:]]
draw = random.Random(int(os.environ.get("PYTHONHASHSEED", "0") if os.environ.get("PYTHONHASHSEED") != "random" else 0))
sample = [draw.choice(rows) for _ in range(int(sys.argv[3]))]
n, sx, sy = len(sample), sum(x for x, _ in sample), sum(y for _, y in sample)
sxx, sxy = sum(x * x for x, _ in sample), sum(x * y for x, y in sample)
slope = (n * sxy - sx * sy) / (n * sxx - sx * sx)
json.dump({"slope": slope, "intercept": (sy - slope * sx) / n}, open(sys.argv[2], "w"))
"""


def git(folder, *words):
    subprocess.run(["git", "-c", "user.name=t", "-c", "user.email=t@example.org", *words], cwd=folder, check=True,
                   capture_output=True, env={**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"})


class Project:
    """The working copy of a repository with a pipeline in it."""

    def __init__(self, place):
        self.place, self.files = place, place.files
        self.place.env.pop("PYTHONHASHSEED", None)
        (self.files / "clean.awk").write_text(CLEAN)
        (self.files / "train.py").write_text(TRAIN)
        (self.files / ".gitignore").write_text("*.csv\n*.json\nruns\n")
        git(self.files, "init", "-q")
        git(self.files, "add", ".")
        git(self.files, "commit", "-qm", "one")
        (self.files / "raw.csv").write_text("x,y\n" + "".join("%d,%s\n" % (x, 3 * x + x % 5 if x % 7 else "") for x in range(40)))

    def lineage(self, *words, check=0, **env):
        done = subprocess.run([self.place.lineage, *map(str, words)], env={**self.place.env, **env}, cwd=self.files,
                              capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
        assert check is None or done.returncode == check, (words, done.returncode, done.stdout, done.stderr)
        return done

    def train(self, model="model.json", *more, end=True, **env):
        self.run = self.lineage("begin").stdout.strip()
        self.place.env["LINEAGE_RUN_ID"] = self.run
        self.lineage("run", "--git", "--step", "clean", "--seq", 10, "-i", "raw.csv", "-o", "clean.csv", "--", "sh", "-c",
                     "awk -f clean.awk raw.csv > clean.csv", **env)
        self.lineage("run", "--git", "--step", "train", "--seq", 20, "--param", "sample=30", "-i", "clean.csv", "-o", model,
                     *more, "--", "python3", "train.py", "clean.csv", model, 30, **env)
        if end:
            self.lineage("end")
        del self.place.env["LINEAGE_RUN_ID"]
        return self.run

    def verdict(self, x, *more, check=0):
        return json.loads(self.lineage("reproducible", "--json", x, *more, check=check).stdout)


@pytest.fixture
def project(place):  # noqa: F811
    return Project(place)


def states(answer):
    return [(run["run"]["job"]["name"], run["verdict"], run["missing"]) for run in answer["runs"] if "verdict" in run]


def test_the_seed_decides(project):
    project.train("v1.json")
    answer = project.verdict("v1.json", check=1)
    assert answer["verdict"] == "not" and answer["policy"] == "default"
    assert states(answer) == [("train", "not", ["seeds"]), ("clean", "rebuild", [])]
    assert answer["runs"][0]["fields"]["seeds"] == {"state": "not", "level": "required", "what": ["none was told"]}
    project.train("v2.json", PYTHONHASHSEED="7")
    answer = project.verdict("v2.json")
    assert answer["verdict"] == "rebuild"
    assert states(answer) == [("train", "rebuild", []), ("clean", "rebuild", [])]
    fields = answer["runs"][0]["fields"]
    assert fields["seeds"]["what"] == ["PYTHONHASHSEED = 7"] or fields["seeds"]["what"][0].endswith("= 7")
    assert {name: field["state"] for name, field in fields.items()} == {
        "outcome": "rebuild", "inputs": "rebuild", "outputs": "rebuild", "code": "rebuild", "command": "rebuild",
        "parameters": "rebuild", "seeds": "rebuild", "environment": "documented", "dependencies": "not", "tools": "not",
        "randomness": "not", "calls": "rebuild"}
    said = project.lineage("reproducible", "v2.json").stdout
    assert said.startswith("v2.json: can be rebuilt (policy: default)\n") and "\x1b" not in said, said
    # the run as a whole, by the name of its folder
    answer = project.verdict(project.run)
    assert [run.get("verdict") for run in answer["runs"]] == [None, "rebuild", "rebuild"]
    assert answer["runs"][0]["children"] == 2


def test_what_is_missing_is_named(project):
    project.train("model.json", PYTHONHASHSEED="7")
    good = (project.files / "raw.csv").read_bytes()
    # what was made can be made again; what was not is gone
    (project.files / "clean.csv").unlink()
    assert states(project.verdict("model.json")) == [("train", "rebuild", []), ("clean", "rebuild", [])]
    (project.files / "raw.csv").write_text("other")
    answer = project.verdict("model.json", check=1)
    assert answer["verdict"] == "documented"
    assert states(answer) == [("train", "documented", ["inputs"]), ("clean", "documented", ["inputs"])]
    assert answer["runs"][1]["fields"]["inputs"]["what"] == [
        "%s is not what it was, and is not kept" % (project.files / "raw.csv")]
    project.verdict("model.json", "--require", "documented")
    (project.files / "raw.csv").unlink()
    answer = project.verdict("model.json", check=1)
    assert answer["runs"][1]["fields"]["inputs"]["what"] == ["%s is gone, and is not kept" % (project.files / "raw.csv")]
    (project.files / "raw.csv").write_bytes(good)
    # a working copy with differences: kept as they are, or not
    (project.files / "train.py").write_text(TRAIN + "# more\n")
    project.train("dirty.json", PYTHONHASHSEED="7")
    answer = project.verdict("dirty.json")
    assert "and what differed from it is kept" in answer["runs"][0]["fields"]["code"]["what"]
    sha = json.loads((project.files / "runs" / answer["runs"][0]["receipt"]).read_text())["code"]["patch_sha256"]
    (project.files / "runs/objects" / sha[:2] / sha[2:]).unlink()
    answer = project.verdict("dirty.json", check=1)
    assert states(answer)[0] == ("train", "documented", ["code"])
    # a secret on the command line
    git(project.files, "checkout", "-q", "train.py")
    project.place.env["LINEAGE_RUN_ID"] = project.lineage("begin").stdout.strip()
    project.lineage("run", "--git", "--step", "fetch", "-o", "f.csv", "--", "sh", "-c", "cp raw.csv f.csv; exit 0 # $1", "x",
                    "--password=hunter22hunter")
    answer = project.verdict("f.csv", check=1)
    assert states(answer) == [("fetch", "documented", ["command"])]
    assert answer["runs"][0]["fields"]["command"]["what"] == ["word 4 is redacted: --password=[redacted]"]


def test_policies(project):
    project.train(PYTHONHASHSEED="7")
    policy = project.files / "policy.yaml"
    policy.write_text("fields:\n  tools: required\n  seeds: required\njobs:\n  - match: clean\n    tools: ignored\n"
                      "    seeds: optional\n")
    answer = project.verdict("model.json", "--policy", policy, check=1)
    assert states(answer) == [("train", "not", ["tools"]), ("clean", "rebuild", [])] and answer["policy"] == str(policy)
    assert "tools" not in answer["runs"][1]["fields"]
    for text, said in (("fields:\n  seed: required\n", "policy.yaml:2: fields.seed: "),
                       ("fields:\n  seeds: require\n", "policy.yaml:2: fields.seeds: 'require' is not one of"),
                       ("jobs:\n  - matches: x\n", "policy.yaml:2: "), ("jobs:\n  - seeds: required\n", "match")):
        policy.write_text(text)
        done = project.lineage("reproducible", "model.json", "--policy", policy, check=2)
        assert said in done.stderr and done.stdout == "", done.stderr
        assert "did you mean" in done.stderr or "match" in done.stderr, done.stderr
    assert "absent.yaml" in project.lineage("reproducible", "x", "--policy", "absent.yaml", check=2).stderr
    policy.write_text(project.lineage("reproducible", "--print-policy").stdout)
    assert states(project.verdict("model.json", "--policy", policy)) == states(project.verdict("model.json"))


def test_events_of_anybody(project, runner, built, workdir, wait_until):
    """As far as they tell: a query is code and command; a table's version may be said to stay."""
    from agent_process import Agent, store_route
    agent = Agent(runner, built("lineaged"), workdir / "a", [store_route(workdir / "lineage.db", on_lag="pin")]).start()
    sql = {"sql": facet(query="select 1")}
    machine = {"processing_engine": facet(version="3.5", name="Spark", openlineageAdapterVersion="1")}
    for each in (event(1, 1, "load", [dataset("raw", "v1")], [dataset("clean", SHA["b"])], machine, sql),
                 event(2, 2, "mart", [dataset("clean", SHA["b"])], [dataset("mart", SHA["c"])], machine, sql),
                 event(3, 3, "mystery", [dataset("mart", SHA["c"])], [dataset("dark", SHA["d"])])):
        assert agent.post(each.encode())[0] == 201
    wait_until(lambda: all(r["waiting"] == 0 for r in agent.status()["routes"]), 30, lambda: str(agent.status()))
    project.place.env["LINEAGED_SOCKET"] = str(agent.socket)
    answer = project.verdict("mart", check=1)
    assert states(answer) == [("mart", "documented", ["inputs"]), ("load", "documented", ["inputs"])]
    assert answer["runs"][1]["fields"]["inputs"]["what"] == ["raw, version v1: nobody says that it stays"]
    policy = project.files / "p.yaml"
    policy.write_text("keeps: ['lake/raw']\n")
    answer = project.verdict("mart", "--policy", policy)
    assert answer["runs"][0]["fields"]["inputs"]["what"] == [
        "clean was not looked at: it is not here; run 01957000-0000-7000-8000-000000000001 can make it again"]
    answer = project.verdict("dark", check=1)
    assert answer["verdict"] == "not" and answer["runs"][0]["missing"] == ["inputs", "code", "command", "environment"]
    assert project.lineage("reproducible", "raw", check=3).stderr == "lineage: no run is recorded that made 'raw'\n"
    project.lineage("reproducible", "nobody", check=3)
    answer = project.verdict("mart", "--policy", policy, "--depth", 1, check=None)
    done = project.lineage("reproducible", "dark", "--limit", 1, check=1)
    assert "there is more upstream" in done.stdout
    assert agent.stop() == 0


def test_the_answer_is_as_its_schema_says(project, schema_judge):
    project.train(PYTHONHASHSEED="7")
    folder = procs.REPO / "spec/schemas/answers"
    name = json.loads((folder / "reproducible.json").read_text())["$id"]
    for x in ("model.json", project.run):
        assert schema_judge(folder, [[name, project.verdict(x)]]) == [[]]


def test_without_receipts_the_command_is_not_known(project):
    project.train(PYTHONHASHSEED="7")
    answer = project.verdict("model.json", "--runs", "elsewhere", check=1)
    assert answer["verdict"] == "not" and "receipt" not in answer["runs"][0]
    assert [missing for _, _, missing in states(answer)] == [["command"]] * 2  # of the commit and its state events tell, too
    assert answer["runs"][0]["fields"]["command"]["what"] == ["events do not tell it, and there is no receipt here"]
