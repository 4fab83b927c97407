# SPDX-License-Identifier: Apache-2.0
"""`lineage replay RUN --run` where the run was done: new attempts (of a new run, once the first has ended), every output
compared with what the run wrote, and not a byte of that lost, whatever the commands write and whoever kills us."""
import hashlib
import json
import os
import signal
import subprocess
import time

import procs
import pytest
from test_ask import place  # noqa: F401: fixture
from test_reproduce import TRAIN, Project, git, outputs


@pytest.fixture
def project(place):  # noqa: F811
    return Project(place)


def sha(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def everything(project):
    """All files outside of the runs folder, and what is in them."""
    return {str(path.relative_to(project.files)): path.read_bytes() for path in sorted(project.files.rglob("*"))
            if path.is_file() and not {"runs", ".git"} & set(path.relative_to(project.files).parts)}


def test_new_attempts_of_a_run_that_goes_on(project, schema_judge):
    run = project.train("model.json", end=False, PYTHONHASHSEED="7")
    before = everything(project)
    done = project.lineage("replay", run, "--run", "--json")
    answer = json.loads(done.stdout)
    assert [(o["step"], o["attempt"], o["path"], o["result"]) for o in answer["outputs"]] == [
        ("clean", 2, "clean.csv", "same"), ("train", 2, "model.json", "same")]
    assert (answer["run_id"], answer["new_run_id"], answer["root"]) == (run, run, str(project.files))
    steps = project.files / "runs" / run / "steps"
    receipt = json.loads((steps / "020_train/attempt-2/receipt.json").read_text())
    assert receipt["tags"] == {"replay_of": run} and receipt["not_selected"] == {"reason": "not_first", "winner": 1}
    assert json.loads((steps / "020_train/receipt.json").read_text())["attempt"] == 1
    assert everything(project) == before
    name = json.loads((procs.REPO / "spec/schemas/answers/replay.json").read_text())["$id"]
    assert schema_judge(procs.REPO / "spec/schemas/answers", [[name, answer]]) == [[]]
    # a later step alone, without what the earlier one wrote and with what it read
    (project.files / "model.json").unlink()
    done = project.lineage("replay", run, "--run", "--from", "train", "--json")
    assert [(o["step"], o["attempt"], o["result"]) for o in json.loads(done.stdout)["outputs"]] == [("train", 3, "same")]
    assert everything(project) == before
    project.lineage("end", run)
    project.lineage("verify", run)


def test_a_run_that_has_ended_gets_a_run_that_names_it(project):
    run = project.train("model.json", PYTHONHASHSEED="7")
    before = everything(project)
    done = project.lineage("replay", run, "--run", "--json")
    answer = json.loads(done.stdout)
    assert outputs(done) == [("clean", "clean.csv", "same"), ("train", "model.json", "same")]
    new = project.files / "runs" / answer["new_run_id"]
    assert answer["new_run_id"] != run and json.loads((new / "manifest.json").read_text())["tags"] == {"replay_of": run}
    assert (new / "seal.json").exists() and everything(project) == before
    project.lineage("verify", "--all")
    assert "2 steps as run %s in" % answer["new_run_id"] not in project.lineage("replay", run, "--run").stdout
    said = project.lineage("replay", run, "--run").stdout
    assert "same         train: model.json\n" in said and "\x1b" not in said, said


def test_other_bytes_are_put_beside_what_the_run_wrote(project):
    (project.files / "train.py").write_text(TRAIN.replace("sample = [", "import time; rows.append((time.time(), 1)); sample = ["))
    git(project.files, "commit", "-qam", "two")
    run = project.train("model.json", end=False, PYTHONHASHSEED="7")
    before = everything(project)
    done = project.lineage("replay", run, "--run", "--json", check=1)
    clean, train = json.loads(done.stdout)["outputs"]
    assert (clean["result"], train["result"], train["was"]) == ("same", "different", sha(project.files / "model.json"))
    new = project.files / os.path.basename(train["put_beside"])
    assert sha(new) == train["is"] != train["was"]
    after = everything(project)
    assert after.pop(new.name) and after == before
    said = project.lineage("replay", run, "--run", check=1).stdout  # and once more: the newest is the one that stays
    assert "different    train: model.json  " in said and "; the new one is %s\n" % new in said
    # asked for: it is written over
    new.unlink()
    done = project.lineage("replay", run, "--run", "--overwrite", "--json", check=1)
    assert "put_beside" not in done.stdout and not new.exists()
    assert sha(project.files / "model.json") == json.loads(done.stdout)["outputs"][1]["is"]
    # now something else than the run's is there
    done = project.lineage("replay", run, "--run", check=1)
    assert "'%s' is there, with other bytes than step 'train' wrote" % (project.files / "model.json") in done.stderr
    assert done.stdout == ""


def test_what_does_not_fit_is_said_before_anything_runs(project):
    run = project.train("model.json", end=False, PYTHONHASHSEED="7")
    attempts = sorted((project.files / "runs" / run).glob("steps/*/attempt-*"))
    (project.files / "train.py").write_text(TRAIN + "# more\n")
    assert "differ from commit" in project.lineage("replay", run, "--run", check=1).stderr
    git(project.files, "commit", "-qam", "two")
    assert "is at another commit than" in project.lineage("replay", run, "--run", check=1).stderr
    git(project.files, "checkout", "-q", "HEAD~1")
    raw = (project.files / "raw.csv").read_bytes()
    (project.files / "raw.csv").write_text("other")
    assert "raw.csv' is there already, with other bytes" in project.lineage("replay", run, "--run", check=1).stderr
    (project.files / "raw.csv").unlink()
    assert "raw.csv' is gone, and its bytes" in project.lineage("replay", run, "--run", check=1).stderr
    (project.files / "raw.csv").write_bytes(raw)
    assert sorted((project.files / "runs" / run).glob("steps/*/attempt-*")) == attempts
    assert outputs(project.lineage("replay", run, "--run", "--json")) == [("clean", "clean.csv", "same"), ("train", "model.json", "same")]
    for words in (["--overwrite"], ["--run", "--root", "x", "--overwrite"], ["--run", "--bundle", "b"]):
        project.lineage("replay", *words, *([] if "--bundle" in words else [run]), check=2)


def test_a_step_that_fails_or_writes_nothing(project):
    """A switch that no receipt knows of: the world outside is another one."""
    switch = project.files.parent / "switch"
    project.place.env["LINEAGE_RUN_ID"] = run = project.lineage("begin").stdout.strip()
    for step, script in (("a", "echo a > a"), ("b", "if [ -e '%s' ]; then exit $(cat '%s'); fi; echo b > b" % (switch, switch)), ("c", "cat b > c")):
        project.lineage("run", "--step", step, "-o", step, *(["-i", "b"] if step == "c" else []), "--", "sh", "-c", script)
    before = everything(project)
    switch.write_text("3")
    done = project.lineage("replay", run, "--run", "--json", check=1)
    answer = json.loads(done.stdout)
    assert outputs(done) == [("a", "a", "same"), ("b", "b", "not_done"), ("c", "c", "not_done")]
    assert (answer["failed"], answer["exit_code"], answer["not_done"]) == ("b", 3, 2)
    assert everything(project) == before
    receipt = json.loads((project.files / "runs" / run / "steps/b/attempt-2/receipt.json").read_text())
    assert (receipt["status"], receipt["exit_code"]) == ("FAIL", 3)
    switch.write_text("0")
    done = project.lineage("replay", run, "--run", "--to", "b", "--json", check=1)
    assert outputs(done) == [("a", "a", "same"), ("b", "b", "not_written")] and everything(project) == before
    assert "not_written  b: b\n" in project.lineage("replay", run, "--run", "--to", "b", check=1).stdout


def test_arguments_of_any_bytes_directories_lists_and_links(project, workdir):
    """Spaces, quotes, newlines; outputs that are directories or lists; a link in the place of an input."""
    (project.files / "real").write_text("r\n")
    (project.files / "link").symlink_to("real")
    odd = "it's \"odd\"\n$HOME `x` \\ \t*"
    script = 'cat link > "$1"; mkdir -p out/deep; printf %s "$2" > out/deep/x; for i in 1 2; do echo $i > p$i.part; done'
    project.place.env["LINEAGE_RUN_ID"] = run = project.lineage("begin").stdout.strip()
    project.lineage("run", "--step", "odd", "-i", "link", "-o", "a file", "-o", "out", "-o", "*.part", "--", "sh", "-c", script,
                    "sh", "a file", odd)
    before = everything(project)
    assert before["out/deep/x"].decode() == odd
    for words in (["--run", "--json"], ["--run", "--json", "--root", workdir / "root"]):
        done = project.lineage("replay", run, *words)
        assert outputs(done) == [("odd", "a file", "same"), ("odd", "out", "same"), ("odd", "*.part", "same")]
        assert everything(project) == before and (project.files / "link").is_symlink()
    script = project.lineage("replay", run).stdout
    for name in ("a file", "p1.part", "p2.part"):
        (project.files / name).unlink()
    subprocess.run(["rm", "-r", project.files / "out"], check=True)
    done = subprocess.run(["sh", "-s"], input=script, capture_output=True, text=True, timeout=60, cwd="/")
    assert (done.returncode, done.stdout.count("same  ")) == (0, 4), done
    assert everything(project) == before
    (project.files / "p3.part").write_text("3")  # one more member than the run wrote
    assert outputs(project.lineage("replay", run, "--run", "--json", check=1))[2] == ("odd", "*.part", "different")
    # a folder with the run's inputs in it cannot be put aside
    project.lineage("run", "--step", "inside", "-i", "out/deep/x", "-o", "out", "--", "sh", "-c", "cp out/deep/x out/y")
    done = project.lineage("replay", run, "--run", "--from", "inside", check=1)
    assert "which has what the run reads in it: it cannot be put aside" in done.stderr


def test_a_replay_that_is_killed_loses_nothing(project):
    """SIGTERM: the step ends, the outputs have their names. SIGKILL: the next replay gives them back."""
    if procs.sanitizers() == "thread":
        pytest.skip("with the thread sanitizer the signal is not passed on to the step; why is not known yet")
    gate = project.files.parent / "gate"
    project.place.env["LINEAGE_RUN_ID"] = run = project.lineage("begin").stdout.strip()
    project.lineage("run", "--step", "slow", "-o", "out", "--", "sh", "-c",
                    "if [ -e '%s' ]; then echo > '%s.seen'; exec sleep 60; fi; echo 1 > out" % (gate, gate))
    before = everything(project)
    gate.write_text("")
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGKILL):
        process = subprocess.Popen([project.place.lineage, "replay", run, "--run", "--json"], env=project.place.env, cwd=project.files,
                                   stdout=subprocess.PIPE, text=True, start_new_session=True)
        seen = project.files.parent / "gate.seen"
        until = time.monotonic() + 30
        while not seen.exists():
            assert time.monotonic() < until and process.poll() is None
            time.sleep(0.01)
        seen.unlink()
        assert not (project.files / "out").exists()
        process.send_signal(number)
        if number == signal.SIGKILL:
            process.wait(30)
            process.stdout.close()
            os.killpg(process.pid, signal.SIGKILL)  # what it had started
        else:
            assert outputs(subprocess.CompletedProcess([], 0, process.communicate(timeout=30)[0])) == [("slow", "out", "not_done")]
            assert process.returncode == 1 and everything(project) == before
    (aside,) = [name for name in everything(project) if name.startswith(".out.original-")]
    gate.unlink()
    (project.files / "out").write_text("half")
    done = project.lineage("replay", run, "--run", check=1)
    assert "was put aside by a replay that did not end" in done.stderr and "mv '%s'" % (project.files / aside) in done.stderr
    (project.files / "out").unlink()
    done = project.lineage("replay", run, "--run", "--json")
    assert outputs(done) == [("slow", "out", "same")] and "it is back" in done.stderr and everything(project) == before


def test_what_the_shell_redirected_is_known(project, workdir, schema_judge):
    """`< raw > sorted` around lineage run: told in the receipt, checked, judged, and done again by replay, script and bundle."""
    (project.files / "raw").write_text("b\na\n")

    def shell(line):
        done = subprocess.run(["bash", "-c", line], env={**project.place.env, "L": str(project.place.lineage)}, cwd=project.files,
                              capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr

    project.place.env["LINEAGE_RUN_ID"] = run = project.lineage("begin").stdout.strip()
    shell('"$L" run --step sort -- sort < raw > sorted')                       # told of by no -i and no -o
    shell('"$L" run --step count -o counted -- wc -l < sorted > counted 2>&1')
    shell('"$L" run --step log -- echo one >> all.log; "$L" run --step log2 -- sh -c "echo two" >> all.log 2>> all.log')
    shell('"$L" run --step here -- true <<< words')
    folder = project.files / "runs" / run / "steps"
    streams = {path.parent.name: json.loads(path.read_text()) for path in folder.glob("*/receipt.json")}
    assert schema_judge(procs.REPO / "spec/schemas", [[each["schema"], each] for each in streams.values()]) == [[]] * 5
    streams = {name: each.get("streams") for name, each in streams.items()}
    told = {"path": str(project.files / "raw"), "sha256": sha(project.files / "raw"), "size": 4, "kind": "file", "basis": "computed"}
    made = {"path": str(project.files / "sorted"), "sha256": sha(project.files / "sorted"), "size": 4, "kind": "file", "basis": "computed"}
    counted = dict(made, path=str(project.files / "counted"), sha256=sha(project.files / "counted"), size=2)
    assert streams["sort"] == {"stdin": told, "stdout": made}
    assert streams["count"] == {"stdin": made, "stdout": counted, "stderr": {
        "path": counted["path"], "kind": "file", "basis": "unknown", "reason": "the same as stdout"}}
    assert streams["log2"]["stdout"] == {"path": str(project.files / "all.log"), "kind": "file", "basis": "unknown", "offset": 4,
                                         "append": True, "reason": "not written from its first byte"}
    assert streams["here"] is None or list(streams["here"]) == ["stdin"]  # a pipe, or a file that has no name any more
    before = everything(project)
    words = ["replay", run, "--to", "count", "--run", "--json"]
    assert outputs(project.lineage(*words)) == [("count", "counted", "same")] and everything(project) == before
    assert outputs(project.lineage(*words, "--root", workdir / "root")) == [("count", "counted", "same")]
    assert (workdir / "root/sorted").read_text() == "a\nb\n"
    project.lineage("bundle", run, "--to", "count", "-o", workdir / "bundle")
    shell = {"PATH": "/usr/bin:/bin"}
    done = subprocess.run(["sh", workdir / "bundle/replay.sh", workdir / "hand"], capture_output=True, text=True, timeout=60, env=shell)
    assert (done.returncode, done.stdout) == (0, "same       %s/hand/counted\n" % workdir), done
    script = project.lineage("replay", run, "--to", "count").stdout
    done = subprocess.run(["sh", "-s"], input=script, capture_output=True, text=True, timeout=60, env=shell, cwd=workdir)
    assert done.returncode == 1 and "sorted is there already" in done.stderr
    said = project.lineage("replay", run, "--from", "log2", "--run").stderr
    assert "step 'log2' wrote to '%s', of which no hash is known" % (project.files / "all.log") in said
    assert everything(project) == before
    # who read it asks for it
    assert project.verdict("counted", check=None)["runs"][0]["fields"]["inputs"]["state"] == "rebuild"
    (project.files / "sorted").write_text("other")
    fields = project.verdict("counted", check=1)["runs"][0]["fields"]
    assert fields["inputs"]["what"] == ["standard input: %s is not what it was, and is not kept" % (project.files / "sorted")]
    assert "input '%s' was changed" % (project.files / "sorted") in project.lineage("verify", run, check=1).stdout


def test_a_stream_of_another_kind_is_not_told(project):
    project.place.env["LINEAGE_RUN_ID"] = run = project.lineage("begin").stdout.strip()
    subprocess.run([project.place.lineage, "run", "--step", "s", "--", "cat"], input=b"x", env=project.place.env, cwd=project.files,
                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=True, timeout=60)
    with open(project.files / "closed", "w+") as file:
        subprocess.run(["sh", "-c", '"$0" run --step t -- true <&- >&-', project.place.lineage], env=project.place.env, cwd=project.files,
                       stderr=file, check=True, timeout=60)
        os.unlink(project.files / "closed")
        subprocess.run([project.place.lineage, "run", "--step", "u", "--", "true"], env=project.place.env, cwd=project.files,
                       stderr=file, stdin=file, stdout=subprocess.DEVNULL, check=True, timeout=60)
    told = {step: json.loads((project.files / "runs" / run / "steps" / step / "receipt.json").read_text()).get("streams") for step in "stu"}
    assert told["s"] is None and list(told["t"]) == ["stderr"]
    assert told["u"] == {"stdin": {"kind": "file", "basis": "unknown", "reason": "it has no name any more, or none in UTF-8"}}


def test_submodules_come_at_their_commits(project, workdir):
    lib = workdir / "lib"
    lib.mkdir()
    (lib / "double.awk").write_text("{ print $1 * 2 }\n")
    git(lib, "init", "-q")
    git(lib, "add", ".")
    git(lib, "commit", "-qm", "one")
    git(project.files, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", lib, "vendor/li b")
    git(project.files, "commit", "-qam", "with a submodule")
    (project.files / "numbers.csv").write_text("1\n2\n")

    def run(end=True):
        project.place.env["LINEAGE_RUN_ID"] = run = project.lineage("begin").stdout.strip()
        project.lineage("run", "--git", "--step", "double", "-i", "numbers.csv", "-o", "doubled.csv", "--", "sh", "-c",
                        "awk -f 'vendor/li b/double.awk' numbers.csv > doubled.csv")
        if end:
            project.lineage("end")
        del project.place.env["LINEAGE_RUN_ID"]
        return run

    first = run()
    same = [("double", "doubled.csv", "same")]
    project.lineage("bundle", first, "-o", workdir / "bundle")
    assert outputs(project.lineage("replay", first, "--run", "--json")) == same
    # another commit is checked out there: the first run is not done with it, the second is done with both
    inner = project.files / "vendor/li b"
    (inner / "double.awk").write_text("{ print $1 + $1 + 1 }\n")
    said = project.lineage("replay", first, "--run", check=1).stderr
    assert "differ from commit" in said, said
    dirty = run()
    assert "files of a submodule differed from its commit" in project.lineage("bundle", dirty, "-o", workdir / "b", check=1).stderr
    git(inner, "commit", "-qam", "two")
    assert "submodule 'vendor/li b' is not at commit" in project.lineage("replay", first, "--run", check=1).stderr
    second = run()
    receipt = json.loads((project.files / "runs" / second / "steps/double/receipt.json").read_text())
    assert receipt["code"]["dirty"] is True and len(receipt["code"]["submodules"]) == 1
    assert outputs(project.lineage("replay", second, "--run", "--json")) == same
    assert outputs(project.lineage("replay", second, "--run", "--json", "--root", workdir / "root2")) == same
    project.lineage("bundle", second, "-o", workdir / "bundle2")
    # nothing of the repositories is left
    subprocess.run(["rm", "-r", project.files / ".git", inner, lib], check=True)
    for bundle, number in (("bundle", "2\n4\n"), ("bundle2", "3\n5\n")):
        assert outputs(project.lineage("replay", "--bundle", workdir / bundle, "--run", "--json", "--root", workdir / (bundle + ".r"))) == same
        assert (workdir / (bundle + ".r") / "doubled.csv").read_text() == number
        done = subprocess.run(["sh", workdir / bundle / "replay.sh", workdir / (bundle + ".s")], capture_output=True, text=True,
                              timeout=60, env={"PATH": "/usr/bin:/bin"})
        assert (done.returncode, done.stdout) == (0, "same       %s/%s.s/doubled.csv\n" % (workdir, bundle)), done


def test_a_bundle_moves_to_another_user_and_what_was_done_to_it_is_named(project, workdir):
    """By tar, unpacked by somebody else beneath a relative name; steps that ran at once, outputs in folders of their own."""
    (project.files / "out/deep").mkdir(parents=True)
    (project.files / "train.py").write_text(TRAIN + "# changed\n")
    project.place.env["LINEAGE_RUN_ID"] = run = project.lineage("begin").stdout.strip()
    running = [subprocess.Popen([project.place.lineage, "run", "--git", "--step", "p%d" % n, "-o", "out/deep/%d" % n, "--", "sh", "-c",
                                 "echo %d > out/deep/%d" % (n, n)], env=project.place.env, cwd=project.files) for n in range(4)]
    assert [each.wait(60) for each in running] == [0] * 4
    project.lineage("end")
    project.lineage("bundle", run, "-o", workdir / "b")
    subprocess.run(["tar", "-C", workdir, "-cf", workdir / "b.tar", "b"], check=True)
    for path in (workdir, workdir.parent, workdir.parent.parent):
        path.chmod(path.stat().st_mode | 0o111)
    away = workdir / "away"
    away.mkdir()
    other = []
    if os.getuid() == 0:
        os.chown(away, 65534, 65534)
        (workdir / "b.tar").chmod(0o644)
        other = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
        reach = subprocess.run([*other, project.place.lineage, "--version"], capture_output=True)
        if reach.returncode != 0:
            other = []  # the build is in a folder of root's
    env = {**project.place.env, "HOME": str(away)}

    def there(*words):
        return subprocess.run([*other, *map(str, words)], cwd=away, env=env, capture_output=True, text=True, timeout=60)
    assert there("tar", "-xf", workdir / "b.tar").returncode == 0
    done = there(project.place.lineage, "replay", "--bundle", "b", "--run", "--root", "new", "--json")
    assert done.returncode == 0, done.stderr
    assert sorted(outputs(done)) == [("p%d" % n, "out/deep/%d" % n, "same") for n in range(4)]
    done = there("sh", "b/replay.sh", "hand")
    assert (done.returncode, done.stdout.count("same  ")) == (0, 4), done
    # a step more than it had, a list less
    steps = away / "b/runs" / run / "steps"
    (steps / "p9").mkdir()
    (steps / "p9/receipt.json").write_text((steps / "p1/receipt.json").read_text().replace('"p1"', '"p9"'))
    done = there(project.place.lineage, "replay", "--bundle", "b", "--run", "--root", "more")
    assert done.returncode == 1 and "steps/p9/receipt.json' is none of its files" in done.stderr and not (away / "more").exists()
    (steps / "p9/receipt.json").unlink()
    (away / "b/SHA256SUMS").unlink()
    done = there(project.place.lineage, "replay", "--bundle", "b")
    assert done.returncode == 1 and "'SHA256SUMS' is gone" in done.stderr
    # the difference from the commit, where it is kept
    patch = json.loads((project.files / "runs" / run / "steps/p1/receipt.json").read_text())["code"]["patch_sha256"]
    path = project.files / "runs/objects" / patch[:2] / patch[2:]
    path.chmod(0o644)
    path.write_text(path.read_text().replace("# changed", "# CHANGED"))
    assert "is not kept as it was" in project.lineage("replay", run, "--run", "--root", workdir / "r", check=1).stderr


def test_the_answer_that_an_attempt_kept_is_taken(project, workdir):
    """The file that a call wrote is gone; the model is not asked again: its answer stands beside the receipt."""
    import ai_server
    server = ai_server.AiServer([ai_server.openai("ships")])
    (project.files / "request.json").write_text(json.dumps({"model": "m", "messages": [{"role": "user", "content": "hi"}]}))
    project.place.env["LINEAGE_RUN_ID"] = run = project.lineage("begin").stdout.strip()
    project.lineage("call", "--provider", "openai", "--step", "ask", "--seq", 5, "-o", "answer.json", server.url + "/v1/chat/completions",
                    "@request.json")
    server.close()
    project.lineage("run", "--collect", "none", "--step", "say", "-i", "answer.json", "-o", "said", "--", "sh", "-c", "tr a-z A-Z < answer.json > said")
    answer = (project.files / "answer.json").read_bytes()
    (project.files / "answer.json").unlink()
    done = project.lineage("replay", run, "--run", "--json")
    assert "step 'ask' calls a model, which does not answer twice" in done.stderr
    assert outputs(done) == [("say", "said", "same")] and (project.files / "answer.json").read_bytes() == answer
    (project.files / "answer.json").unlink()
    assert outputs(project.lineage("replay", run, "--run", "--json", "--root", workdir / "new")) == [("say", "said", "same")]


def test_where_the_run_was_is_no_more(project, workdir):
    """Its folder has moved, with the runs in it: in place there is nothing to be done, elsewhere all that was kept."""
    (project.files / "in").write_text("x\n")
    project.place.env["LINEAGE_RUN_ID"] = run = project.lineage("begin").stdout.strip()
    project.lineage("run", "--collect", "none", "--step", "s", "-i", "in", "-o", "o", "--keep", "in", "--", "cp", "in", "o")
    project.lineage("end")
    moved = workdir / "moved"
    project.files.rename(moved)
    project.files.mkdir()
    done = project.lineage("replay", run, "--runs", moved / "runs", "--run", "--root", workdir / "r", "--json")
    assert outputs(done) == [("s", "o", "same")]
    done = project.lineage("replay", run, "--runs", moved / "runs", "--run", "--json")  # the place is made anew
    assert outputs(done) == [("s", "o", "same")] and sorted(os.listdir(project.files)) == ["in", "o"]
