# SPDX-License-Identifier: Apache-2.0
"""`lineage reproducible`, `replay` and `bundle`: a small training (raw -> clean -> model, least squares over a sample that
a seed draws) whose verdict is compared with one written by hand, and which is made again, byte for byte, elsewhere."""
import json
import os
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
    assert answer["runs"][0]["fields"]["seeds"] == {"state": "not", "level": "required", "verdict": "not", "what": ["none was told"]}
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
    done = project.lineage("reproducible", "raw", check=3)
    assert (done.stdout, done.stderr) == ("", "lineage: no run is recorded that made 'raw'\n")
    assert "verdict" not in project.verdict("raw", check=3)
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
    done = project.lineage("replay", project.run, "--run", "--root", project.files.parent / "again", "--json")
    name = json.loads((folder / "replay.json").read_text())["$id"]
    assert schema_judge(folder, [[name, json.loads(done.stdout)]]) == [[]]
    project.lineage("bundle", project.run, "--output", project.files.parent / "bundle")
    made = json.loads((project.files.parent / "bundle/bundle.json").read_text())
    assert schema_judge(folder.parent, [[made["schema"], made]]) == [[]]
    subprocess.run(["sha256sum", "--check", "--quiet", "--strict", "SHA256SUMS"], cwd=project.files.parent / "bundle", check=True)


def test_without_receipts_the_command_is_as_the_event_tells_it(project):
    project.train(PYTHONHASHSEED="7")
    answer = project.verdict("model.json", "--runs", "elsewhere", check=0)
    assert answer["verdict"] == "rebuild" and "receipt" not in answer["runs"][0]
    assert answer["runs"][0]["fields"]["command"]["what"] == ["its line, by the event"]
    project.lineage("run", "-i", "model.json", "-o", "kept", "--no-argv", "--", "cp", "model.json", "kept")
    answer = project.verdict("kept", "--runs", "elsewhere", check=1)
    assert answer["runs"][0]["fields"]["command"]["what"] == ["events do not tell it, and there is no receipt here"]


# ---- done again ----

def outputs(done):
    return [(o["step"], o["path"], o["result"]) for o in json.loads(done.stdout)["outputs"]]


def test_a_model_is_made_again_from_its_bundle_in_another_root(project, workdir):
    """Byte for byte, by lineage and by the script alone, when nothing of the first place is left."""
    project.train("model.json", PYTHONHASHSEED="7")
    was = (project.files / "model.json").read_bytes()
    said = project.lineage("bundle", project.run, "-o", workdir / "bundle").stdout
    assert said.startswith("run %s: 2 steps, " % project.run) and "and its code" in said
    shutil.move(workdir / "bundle", workdir / "elsewhere")
    names = os.listdir(project.files)
    for name in names:
        path = project.files / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    done = project.lineage("replay", "--bundle", workdir / "elsewhere", "--run", "--root", workdir / "new", "--json")
    assert outputs(done) == [("clean", "clean.csv", "same"), ("train", "model.json", "same")]
    assert (workdir / "new/model.json").read_bytes() == was
    answer = json.loads(done.stdout)
    assert answer["run_id"] == project.run and answer["new_run_id"] != project.run and answer["steps"] == 2
    receipt = json.loads((workdir / "new/runs" / answer["new_run_id"] / "steps/020_train/receipt.json").read_text())
    assert receipt["tags"] == {"replay_of": project.run} and receipt["parameters"] == {"sample": "30"}
    assert receipt["command"]["cwd"] == str(workdir / "new")
    project.lineage("verify", "--files", "--runs", workdir / "new/runs", answer["new_run_id"])
    project.lineage("verify", "--receipts-only", "--runs", workdir / "elsewhere/runs", project.run)
    project.lineage("verify", "--runs", workdir / "elsewhere/runs", project.run, check=3)  # where they were there is nothing now
    # without lineage
    shell = {"PATH": "/usr/bin:/bin", "HOME": str(workdir)}
    done = subprocess.run(["sh", workdir / "elsewhere/replay.sh", workdir / "by hand"], capture_output=True, text=True,
                          env=shell, cwd=workdir, timeout=60)
    assert (done.returncode, done.stdout) == (0, "same       %s/by hand/clean.csv\nsame       %s/by hand/model.json\n"
                                              % (workdir, workdir)), done
    assert (workdir / "by hand/model.json").read_bytes() == was
    # nothing is written over
    done = project.lineage("replay", "--bundle", workdir / "elsewhere", "--run", "--root", workdir / "new", check=2)
    assert "is not empty" in done.stderr
    done = subprocess.run(["sh", workdir / "elsewhere/replay.sh", workdir / "new"], capture_output=True, text=True, env=shell,
                          timeout=60)
    assert done.returncode == 1 and "is not empty" in done.stderr
    # one changed byte of the bundle is named
    project.lineage("bundle", project.run, "-o", workdir / "more", "--runs", workdir / "elsewhere/runs", check=1)
    for path in sorted((workdir / "elsewhere").rglob("*")):
        if not path.is_file() or path.name == "bundle.json":
            continue
        good, mode = path.read_bytes(), path.stat().st_mode
        path.chmod(0o644)
        path.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
        done = project.lineage("replay", "--bundle", workdir / "elsewhere", check=1)
        assert "'%s' was changed" % path.relative_to(workdir / "elsewhere") in done.stderr, done.stderr
        path.write_bytes(good)
        path.chmod(mode)


def test_what_comes_out_different_is_named(project, workdir):
    (project.files / "train.py").write_text(TRAIN.replace("sample = [", "import time; rows.append((time.time(), 1)); sample = ["))
    project.train("model.json", PYTHONHASHSEED="7")  # differs from the commit: the patch is kept
    done = project.lineage("replay", "--run", "--root", workdir / "new", "--json", project.run, check=1)
    assert outputs(done) == [("clean", "clean.csv", "same"), ("train", "model.json", "different")]
    assert "import time" in (workdir / "new/train.py").read_text()
    done = project.lineage("replay", "--run", "--root", workdir / "again", project.run, check=1)
    assert "different    train: model.json  " in done.stdout and "\x1b" not in done.stdout
    assert "1 outputs the same, 1 different, 0 not known" in done.stdout
    # one step alone reads what the one before it left
    done = project.lineage("replay", "--run", "--root", workdir / "one", "--from", "train", "--json", project.run, check=1)
    assert outputs(done) == [("train", "model.json", "different")]
    done = project.lineage("replay", "--run", "--root", workdir / "two", "--to", "clean", "--json", project.run)
    assert outputs(done) == [("clean", "clean.csv", "same")]
    project.lineage("replay", "--from", "nothing", project.run, check=3)
    # what was read is gone, or another: said before anything runs
    (project.files / "raw.csv").write_text("other")
    done = project.lineage("replay", "--run", "--root", workdir / "three", project.run, check=1)
    assert "'%s' is not what it was" % (project.files / "raw.csv") in done.stderr
    assert "not what it was" in project.lineage("bundle", project.run, "-o", workdir / "b", check=1).stderr
    assert not (workdir / "b/bundle.json").exists()
    project.lineage("replay", "--bundle", workdir / "b", check=3)


def test_the_script_checks_what_it_reads_and_writes(project, workdir):
    project.train("model.json", PYTHONHASHSEED="7")
    script = project.lineage("replay", project.run).stdout
    (workdir / "replay.sh").write_text(script)

    def run(*words, **env):
        return subprocess.run(["sh", workdir / "replay.sh", *words], capture_output=True, text=True, timeout=60, cwd=workdir,
                              env={"PATH": "/usr/bin:/bin", "HOME": str(workdir), **env})
    done = run()
    assert done.returncode == 1 and "%s/clean.csv is there already" % project.files in done.stderr
    done = run(REPLAY_OVERWRITE="1")
    assert (done.returncode, done.stdout.count("same  ")) == (0, 2), done
    shutil.copytree(project.files, workdir / "copy", ignore=shutil.ignore_patterns("clean.csv", "model.json", "runs"))
    done = run(workdir / "copy")
    assert (done.returncode, done.stdout.count("same  ")) == (0, 2), done
    (workdir / "copy/clean.csv").unlink()
    (workdir / "copy/raw.csv").write_text("other")
    done = run(workdir / "copy")
    assert done.returncode == 1 and "raw.csv is not what the run read" in done.stderr


def test_what_cannot_be_replayed_is_said(project, workdir):
    project.place.env["LINEAGE_RUN_ID"] = run = project.lineage("begin").stdout.strip()
    project.lineage("run", "--step", "fetch", "-o", "f.csv", "--", "sh", "-c", "cp raw.csv f.csv; exit 0 # $1", "x",
                    "--password=hunter22hunter")
    project.lineage("run", "--step", "hidden", "--no-argv", "--", "true")
    project.lineage("run", "--step", "absolute", "-o", project.files / "g.csv", "--", "cp", "raw.csv", project.files / "g.csv")
    for words in (["replay", run], ["bundle", run, "-o", workdir / "b"]):
        said = project.lineage(*words, check=1).stderr
        assert "step 'fetch': word 4 of its command is redacted: --password=[redacted]" in said
        assert "step 'hidden': its receipt does not tell the command" in said and "hunter22" not in said
    assert "step 'absolute' names '%s'" % (project.files / "g.csv") in said
    assert not (workdir / "b").exists()
    done = project.lineage("replay", "--run", "--root", workdir / "r", "--from", "absolute", run, check=1)
    assert "in another root it would still use the old place" in done.stderr and not os.listdir(workdir / "r")
    (project.files / "own").write_text("#!/bin/sh\n")
    (project.files / "own").chmod(0o755)
    project.place.env["LINEAGE_RUN_ID"] = run = project.lineage("begin").stdout.strip()
    project.lineage("run", "--step", "own", "--collect", "none", "--", "./own")
    assert "names './own', which is neither" in project.lineage("bundle", run, "-o", workdir / "b", check=1).stderr
    for words in (["replay", "--root", "x", run], ["replay"], ["bundle", run], ["replay", "nonsense"],
                  ["bundle", "-o", "x"]):
        project.lineage(*words, check=2)


def test_directories_lists_variables_and_kept_files(project, workdir):
    """Members are put back as they were; kept files, variables and links, too; a secret one has to be set."""
    (project.files / "parts/deep").mkdir(parents=True)
    for name in ("parts/a", "parts/deep/b", "c.part", "d.part"):
        (project.files / name).write_text(name)
    (project.files / "parts/link").symlink_to("deep/b")
    (project.files / "settings.ini").write_text("k=v\n")
    project.place.env["LINEAGE_RUN_ID"] = run = project.lineage("begin").stdout.strip()
    script = "cat parts/a parts/deep/b parts/link *.part settings.ini > all; echo $COLOUR $API_TOKEN | wc -c >> all; mkdir out; cp all out/x"
    project.lineage("run", "--step", "join", "-i", "parts", "-i", "*.part", "-o", "out", "-o", "all", "--keep", "settings.ini",
                    "--env", "COLOUR,API_TOKEN", "--", "sh", "-c", script, COLOUR="dark blue", API_TOKEN="t0ken-of-mine-1")
    project.lineage("end")
    project.lineage("bundle", run, "-o", workdir / "b")
    words = ["replay", "--bundle", workdir / "b", "--run", "--json", "--root"]
    done = project.lineage(*words, workdir / "x", check=1)
    assert "API_TOKEN is redacted" in done.stderr
    done = project.lineage(*words, workdir / "y", API_TOKEN="t0ken-of-mine-2")
    assert outputs(done) == [("join", "out", "same"), ("join", "all", "same")]
    assert os.readlink(workdir / "y/parts/link") == "deep/b"
    done = subprocess.run(["sh", workdir / "b/replay.sh", workdir / "z"], capture_output=True, text=True, timeout=60,
                          env={"PATH": "/usr/bin:/bin", "API_TOKEN": "t0ken-of-mine-3"})
    assert (done.returncode, done.stdout.count("same  ")) == (0, 2), done
    done = subprocess.run(["sh", workdir / "b/replay.sh", workdir / "zz"], capture_output=True, text=True, timeout=60,
                          env={"PATH": "/usr/bin:/bin"})
    assert done.returncode != 0 and "API_TOKEN" in done.stderr


def test_a_call_is_taken_from_before(project, workdir):
    """What a model answered is not asked for again, and the steps behind it are done with it."""
    import ai_server
    server = ai_server.AiServer([ai_server.openai("ships")])
    (project.files / "request.json").write_text(json.dumps({"model": "m", "messages": [{"role": "user", "content": "hi"}]}))
    (project.files / "say.sh").write_text("tr a-z A-Z < answer.json > said.txt\nls \"$LINEAGE_ATTEMPT_DIR\" > /dev/null\n")
    project.place.env["LINEAGE_RUN_ID"] = run = project.lineage("begin").stdout.strip()
    project.lineage("call", "--provider", "openai", "--step", "ask", "-o", "answer.json", server.url + "/v1/chat/completions",
                    "@request.json")
    project.lineage("run", "--collect", "none", "--step", "say", "-i", "answer.json", "-o", "said.txt", "--", "sh", "say.sh")
    project.lineage("end")
    server.close()
    done = project.lineage("bundle", run, "-o", workdir / "b", check=1)
    assert "step 'say' names 'say.sh', which is neither an input (-i) nor in a commit" in done.stderr
    project.place.env["LINEAGE_RUN_ID"] = run = project.lineage("begin").stdout.strip()
    server = ai_server.AiServer([ai_server.openai("ships")])
    project.lineage("call", "--provider", "openai", "--step", "ask", "-o", "answer.json", server.url + "/v1/chat/completions",
                    "@request.json")
    project.lineage("run", "--collect", "none", "--step", "say", "-i", "answer.json", "-i", "say.sh", "-o", "said.txt", "--", "sh",
                    "say.sh")
    project.lineage("end")
    server.close()
    project.lineage("bundle", run, "-o", workdir / "b2")
    (project.files / "answer.json").unlink()
    done = project.lineage("replay", "--bundle", workdir / "b2", "--run", "--root", workdir / "new", "--json")
    assert "step 'ask' calls a model, which does not answer twice" in done.stderr
    assert outputs(done) == [("say", "said.txt", "same")]
    done = subprocess.run(["sh", workdir / "b2/replay.sh", workdir / "hand"], capture_output=True, text=True, timeout=60,
                          env={"PATH": "/usr/bin:/bin"})
    assert (done.returncode, done.stdout) == (0, "same       %s/hand/said.txt\n" % workdir), done
    answer = project.verdict("said.txt", check=None)
    calls = [r["fields"]["calls"] for r in answer["runs"] if r["run"]["job"]["name"] != "say"]
    assert calls and calls[0]["state"] in ("rebuild", "documented") and "a call of m" in calls[0]["what"][0], answer
