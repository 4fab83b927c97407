# SPDX-License-Identifier: Apache-2.0
"""Receipts: the folder that steps leave behind is what spec/RECEIPT.md says, says the same as the events, and any byte
that is changed afterwards is named. No agent: the journal is read as it lies there."""
import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import shutil
import signal
import stat
import subprocess
import uuid

import pytest

import procs

SPACE = uuid.UUID("c3057f10-38d5-5c24-9eb2-2d152675aa95")  # docs/naming.md


class Place:
    """A user's working directory, journal and environment."""

    def __init__(self, lineage, directory):
        self.lineage, self.files, self.journal = str(lineage), directory / "shop", directory / "journal"
        self.files.mkdir()
        self.journal.mkdir(mode=0o700)
        clean = {k: v for k, v in os.environ.items()
                 if not k.startswith(("OPENLINEAGE", "LINEAGE", "BAGGAGE", "TRACE"))}
        self.env = {**clean, "HOME": str(directory), "XDG_STATE_HOME": str(directory / "state"),
                    "XDG_CONFIG_HOME": str(directory / "config"), "OPENLINEAGE_NAMESPACE": "tests",
                    "PATH": "%s:%s" % (lineage.parent, clean["PATH"]),
                    "OPENLINEAGE__TRANSPORT__TYPE": "journal",
                    "OPENLINEAGE__TRANSPORT__DIRECTORY": str(self.journal)}

    def __call__(self, *words, check=None, **more):
        done = subprocess.run([self.lineage, *map(str, words)], env={**self.env, **more}, cwd=self.files, text=True,
                              capture_output=True, stdin=subprocess.DEVNULL, timeout=120, check=False)
        if check is not None:
            assert done.returncode == check, (done.returncode, done.stdout, done.stderr)
        return done

    def begin(self, *words):
        """Begin a run as a shell script does; it is in the environment from then on."""
        done = subprocess.run(["sh", "-c", 'eval "$(lineage begin --export "$@")" && env', "sh", *words], env=self.env,
                              cwd=self.files, text=True, capture_output=True, timeout=60, check=True)
        for line in done.stdout.splitlines():
            name, _, value = line.partition("=")
            if name.startswith(("LINEAGE_R", "OPENLINEAGE_P", "OPENLINEAGE_R")):
                self.env[name] = value
        return self.run

    @property
    def run(self):
        return pathlib.Path(self.env["LINEAGE_RUNS"]) / self.env["LINEAGE_RUN_ID"]

    def events(self):
        found = []
        for path in sorted(self.journal.glob("*.jsonl")):
            found += [json.loads(line) for line in path.read_bytes().splitlines()]
        return [event for event in found if "eventType" in event]


@pytest.fixture
def place(built, workdir):
    return Place(built("lineage"), workdir)


def tree(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def sha256(path):
    return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()


def read(path):
    return json.loads(path.read_text())


def story(place):
    """Four attempts at two steps: a failure, a success, a retry with other bytes, and what follows."""
    (place.files / "raw.csv").write_text("b\na\n")
    run = place.begin("--pipeline", "nightly", "--param", "day=monday", "--tag", "team=shop", "--group", "suite=7")
    place("run", "--step", "clean", "--seq", "10", "-i", "raw.csv", "-o", "clean.csv", "--", "sh", "-c", "exit 3",
          check=3)
    place("run", "--step", "clean", "--seq", "10", "-i", "raw.csv", "-o", "clean.csv", "--param", "order=name",
          "--task-id", "4711", "--", "sort", "raw.csv", "-o", "clean.csv", check=0)
    again = place("run", "--step", "clean", "--seq", "10", "-i", "raw.csv", "-o", "clean.csv", "--",
                  "sh", "-c", "echo other > clean.csv", check=0)
    assert "step 'clean': output 'clean.csv' is not what attempt 2 wrote" in again.stderr
    place("run", "--step", "clean", "--seq", "10", "-i", "raw.csv", "-o", "clean.csv", "--",
          "sort", "raw.csv", "-o", "clean.csv", check=0)
    place("run", "--step", "train", "-i", "clean.csv", "-o", "model.bin", "-i", "s3://bucket/labels", "-o", "gone.txt",
          "--", "sh", "-c", "cat clean.csv clean.csv > model.bin", check=0)
    return run


EXPECTED = ["last", "manifest.json",
            "steps/010_clean/attempt-1/claim.json", "steps/010_clean/attempt-1/receipt.json",
            "steps/010_clean/attempt-2/claim.json", "steps/010_clean/attempt-2/receipt.json",
            "steps/010_clean/attempt-3/claim.json", "steps/010_clean/attempt-3/receipt.json",
            "steps/010_clean/attempt-4/claim.json", "steps/010_clean/attempt-4/receipt.json",
            "steps/010_clean/receipt.json",
            "steps/train/attempt-1/claim.json", "steps/train/attempt-1/receipt.json", "steps/train/receipt.json"]


def test_two_runs_one_after_the_other_in_one_shell(place):
    """The variables of a run that has ended name no parent; what stood above it does, and its own end names that as well."""
    above = "air/dag.task/01890a5d-ac96-774b-bcce-b302099a8057"
    place.env.update(OPENLINEAGE_PARENT_ID=above)
    first = place.begin("--pipeline", "one")
    place("end", check=0)
    place.begin("--pipeline", "two")
    assert place.run != first
    place.begin("--pipeline", "below")  # of one that goes on
    place("end", check=0)
    parents = {}
    for event in place.events():
        parents.setdefault(event["job"]["name"], []).append(event["run"]["facets"]["parent"]["job"]["name"])
    assert parents == {"one": ["dag.task"] * 2, "two": ["dag.task"], "below": ["two"] * 2}
    del place.env["OPENLINEAGE_PARENT_ID"], place.env["OPENLINEAGE_ROOT_PARENT_ID"], place.env["LINEAGE_RUN_ID"]
    for name in ("three", "four"):
        place.begin("--pipeline", name)
        place("end", check=0)
    assert not any("parent" in event["run"]["facets"] for event in place.events() if event["job"]["name"] in ("three", "four"))


def test_a_context_from_outside_is_above_the_run_not_above_its_steps(place):
    place.env["OPENLINEAGE_CONTEXT"] = json.dumps({"parent": {"run": {"runId": "01890a5d-ac96-774b-bcce-b302099a8057"},
                                                              "job": {"namespace": "air", "name": "dag.task"}}})
    script = 'eval "$(lineage begin --export --pipeline one)" && lineage run --step s -- true && lineage end'
    subprocess.run(["sh", "-c", script], env=place.env, cwd=place.files, timeout=60, check=True)
    parents = {event["job"]["name"]: event["run"]["facets"]["parent"] for event in place.events()}
    assert {name: (p["job"]["name"], p["root"]["job"]["name"]) for name, p in parents.items()} \
        == {"one": ("dag.task", "dag.task"), "s": ("one", "dag.task")}


def test_the_folder_is_what_the_format_says(place, schema_judge):
    run = story(place)
    assert tree(run) == EXPECTED
    values = [read(run / path) for path in EXPECTED if path != "last"]
    place("end", check=0)
    values.append(read(run / "seal.json"))
    judged = schema_judge(procs.REPO / "spec/schemas", [[value["schema"], value] for value in values])
    assert judged == [[] for _ in values]
    assert {value["schema"].rsplit("/", 1)[1] for value in values} == {
        name + "-1-0-0.json" for name in ("ReceiptManifest", "ReceiptClaim", "Receipt", "ReceiptSeal")}

    manifest = read(run / "manifest.json")
    assert manifest["parameters"] == {"day": "monday"} and manifest["tags"] == {"team": "shop"}
    assert manifest["groups"] == {"suite": "7"} and manifest["pipeline"] == "nightly"
    failed, won, other, same = (read(run / ("steps/010_clean/attempt-%d/receipt.json" % n)) for n in (1, 2, 3, 4))
    assert (failed["status"], failed["exit_code"]) == ("FAIL", 3)
    assert failed["not_selected"] == {"reason": "failed"} and "selected" not in failed
    assert failed["outputs"][0]["basis"] == "unknown" and "not there" in failed["outputs"][0]["reason"]
    assert won["selected"] == {"reason": "first_success", "over": [{"attempt": 1, "status": "FAIL", "exit_code": 3}]}
    assert won["parameters"] == {"order": "name"} and won["task_id"] == "4711"
    assert won["command"] == {"argv": ["sort", "raw.csv", "-o", "clean.csv"], "cwd": str(place.files)}
    assert won["inputs"] == [{"path": "raw.csv", "namespace": "file", "name": str(place.files / "raw.csv"),
                              "sha256": sha256(place.files / "raw.csv"), "size": 4, "media_type": "text/csv",
                              "kind": "file", "basis": "computed"}]
    assert other["not_selected"] == {"reason": "not_first", "winner": 2}
    assert other["conflicts"] == [{"path": "clean.csv", "attempt": 2, "sha256": hashlib.sha256(b"other\n").hexdigest(),
                                   "was": won["outputs"][0]["sha256"]}]
    assert same["conflicts"][0]["attempt"] == 3 and same["conflicts"][0]["was"] == other["outputs"][0]["sha256"]
    # one file, two names (R8)
    first, second = run / "steps/010_clean/receipt.json", run / "steps/010_clean/attempt-2/receipt.json"
    assert first.stat().st_ino == second.stat().st_ino
    train = read(run / "steps/train/receipt.json")
    assert train["inputs"][0]["sha256"] == same["outputs"][0]["sha256"]  # the step before it, joined by content
    assert train["inputs"][1] == {"path": "s3://bucket/labels", "namespace": "s3://bucket",
                                  "name": "labels", "kind": "remote", "basis": "unknown",
                                  "reason": "no file of this machine"}
    assert train["previous"] == {"path": "steps/010_clean/attempt-4/receipt.json",
                                 "sha256": sha256(run / "steps/010_clean/attempt-4/receipt.json")}
    for path in EXPECTED:
        assert stat.S_IMODE((run / path).stat().st_mode) & 0o022 == 0


def test_events_and_receipts_say_the_same_ids(place):
    run = story(place)
    place("end", check=0)
    events = place.events()
    manifest = read(run / "manifest.json")
    root = [event for event in events if event["run"]["runId"] == manifest["openlineage"]["run_id"]]
    assert [event["eventType"] for event in root] == ["START", "COMPLETE"]
    assert manifest["run_id"].endswith(manifest["openlineage"]["run_id"].replace("-", ""))
    assert (root[0]["job"]["namespace"], root[0]["job"]["name"]) == ("tests", "nightly")
    tags = {tag["key"]: tag["value"] for tag in root[1]["run"]["facets"]["tags"]["tags"]}
    assert tags["lineaged.seal"] == sha256(run / "seal.json")
    assert "parent" not in root[0]["run"]["facets"] and "parent" not in root[1]["run"]["facets"]
    for path in sorted(run.glob("steps/*/attempt-*/receipt.json")):
        receipt = read(path)
        ours = receipt["openlineage"]
        assert ours["run_id"] == str(uuid.uuid5(SPACE, "%s/%s/%d" % (run.name, receipt["step"], receipt["attempt"])))
        theirs = [event for event in events if event["run"]["runId"] == ours["run_id"]]
        assert [event["eventType"] for event in theirs] == ["START", "COMPLETE" if receipt["status"] == "COMPLETE"
                                                             else "FAIL"]
        for event in theirs:
            assert (event["job"]["namespace"], event["job"]["name"]) == (ours["job_namespace"], ours["job_name"])
            parent = event["run"]["facets"]["parent"]
            assert parent["run"]["runId"] == ours["parent_run_id"] == manifest["openlineage"]["run_id"]
            assert parent["root"]["run"]["runId"] == ours["root_run_id"]
            ids = event["run"]["facets"]["lineaged_run"]
            assert (ids["run_id"], ids["step"], ids["attempt"]) == (run.name, receipt["step"], str(receipt["attempt"]))
            assert ids.get("task_id") == receipt.get("task_id")
        versions = {each["name"]: each["facets"]["version"]["datasetVersion"] for each in theirs[-1]["outputs"]
                    if "version" in each["facets"]}
        assert versions == {each["name"]: "sha256:" + each["sha256"] for each in receipt["outputs"]
                            if "sha256" in each}


def test_every_changed_byte_is_named(place):
    run = story(place)
    place("end", check=0)
    assert "all is as it was" in place("verify", check=0).stdout
    for path in [*EXPECTED, "seal.json"]:
        if path == "last":
            continue  # a hint for whoever comes next; nothing vouches for it
        file = run / path
        good = file.read_bytes()
        first = good.index(b'"receipts"') if path == "seal.json" else 3  # its head: the root run's event vouches
        last = good.rindex(b"]") if path == "seal.json" else len(good)
        for at in range(first, last, max(1, (last - first) // 7)):
            if good[at:at + 1].isspace() and path == "seal.json":
                continue
            file.write_bytes(good[:at] + bytes([good[at] ^ 1]) + good[at + 1:])
            done = place("verify", "--json", check=1)
            named = [problem["path"] for problem in json.loads(done.stdout)["problems"]]
            assert path in named or path == "seal.json", (path, at, named)
        file.write_bytes(good)
        if path != "seal.json":
            file.rename(run / ".aside")
            named = [problem["path"] for problem in json.loads(place("verify", "--json", check=1).stdout)["problems"]]
            assert path in named
            (run / ".aside").rename(file)
    (run / "steps/train/attempt-1/more.txt").write_text("x")
    assert "steps/train/attempt-1/more.txt: came after the seal" in place("verify", check=1).stdout
    (run / "steps/train/attempt-1/more.txt").unlink()
    place("verify", check=0)
    # the outputs themselves
    assert "2 outputs read" in place("verify", "--files", check=0).stdout
    (place.files / "model.bin").write_text("other")
    assert "output '%s' was changed" % (place.files / "model.bin") in place("verify", "--files", check=1).stdout
    (place.files / "model.bin").unlink()
    done = place("verify", "--files", check=3)  # what is gone is not wrong, and nobody can say that it is right
    assert "output '%s' is gone" % (place.files / "model.bin") in done.stdout and "; 1 gone; all that is there" in done.stdout
    figures = json.loads(place("verify", "--files", "--json", check=3).stdout)
    assert (figures["problems"], [g["path"] for g in figures["gone"]]) == ([], ["steps/train/receipt.json"])


def test_inputs_are_read_again_and_who_wrote_them_anew_is_known(place):
    (place.files / "raw").write_text("1\n")
    place.env["LINEAGE_RUN_ID"] = place("begin", check=0).stdout.strip()
    place("run", "--step", "a", "-i", "raw", "-o", "log", "--", "sh", "-c", "cp raw log", check=0)
    place("run", "--step", "b", "-i", "log", "-o", "copy", "--", "cp", "log", "copy", check=0)
    place("run", "--step", "c", "-o", "log", "--", "sh", "-c", "echo 2 >> log", check=0)
    place("end", check=0)
    figures = json.loads(place("verify", "--files", "--json", check=0).stdout)
    assert (figures["inputs_read"], figures["outputs_read"], figures["replaced"]) == (2, 3, 2), figures
    (place.files / "raw").write_text("3\n")
    done = place("verify", "--files", check=1)
    assert "steps/a/receipt.json: input '%s' was changed" % (place.files / "raw") in done.stdout
    (place.files / "raw").unlink()
    assert "input '%s' is gone" % (place.files / "raw") in place("verify", "--files", check=3).stdout
    (place.files / "log").write_text("other")  # now all three receipts disagree
    assert place("verify", "--files", check=1).stdout.count("log' was changed") == 3


def test_verify_reads_everything_unless_told_otherwise(place, schema_judge):
    """A byte changed behind the back of the times that a cache of hashes goes by; receipts alone; what may not be read."""
    (place.files / "raw").write_text("1\n")
    (place.files / "parts").mkdir()
    (place.files / "parts/a").write_text("a\n")
    place.env["LINEAGE_RUN_ID"] = place("begin", check=0).stdout.strip()
    place("run", "--step", "s", "-i", "raw", "-i", "parts", "-o", "out", "--", "cp", "raw", "out", check=0)
    place("end", check=0)
    figures = json.loads(place("verify", "--json", check=0).stdout)
    assert (figures["inputs_read"], figures["outputs_read"], figures["receipts_only"]) == (2, 1, False)
    before = (place.files / "out").stat()
    with open(place.files / "out", "r+b") as file:
        file.write(b"2")
    os.utime(place.files / "out", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert "output '%s' was changed" % (place.files / "out") in place("verify", check=1).stdout
    done = place("verify", "--receipts-only", check=0)
    assert done.stdout.endswith("; the receipts are as they were (files were not looked at)\n"), done.stdout
    figures = json.loads(place("verify", "--receipts-only", "--json", check=0).stdout)
    assert (figures["inputs_read"], figures["outputs_read"], figures["receipts_only"]) == (0, 0, True)
    assert "one of them" in place("verify", "--files", "--receipts-only", check=2).stderr
    (place.files / "out").write_bytes(b"1\n")
    # root reads everything, but for one without capabilities
    alone = ["setpriv", "--bounding-set=-all"] if os.getuid() == 0 else []
    for name, said in (("raw", "input '%s': cannot be opened: Permission denied"), ("parts/a", "input '%s'")):
        (place.files / name).chmod(0)
        done = subprocess.run([*alone, place.lineage, "verify", "--json"], env=place.env, cwd=place.files, capture_output=True,
                              text=True, timeout=60)
        told = json.loads(done.stdout)
        assert (done.returncode, told["unread"], len(told["gone"]), told["problems"]) == (3, 1, 1, []), (done, told)
        assert said % (place.files / name.split("/")[0]) in told["gone"][0]["problem"]
        url = "https://raw.githubusercontent.com/lineaged/lineaged/v0.1.0/spec/schemas/answers/verify.json"
        assert schema_judge(procs.REPO / "spec/schemas", [[url, told]]) == [[]]
        (place.files / name).chmod(0o644)
    (place.files / "raw").unlink()
    os.mkfifo(place.files / "raw")  # that is no question of rights
    place("verify", check=1)


def test_links_and_fifos_of_an_attempt_are_sealed(place, schema_judge):
    script = """cd "$LINEAGE_ATTEMPT_DIR" && ln -s model.bin best && mkfifo pipe && mkdir sub && ln -s '../a
b' 'sub/odd\\name'"""
    place.env["LINEAGE_RUN_ID"] = place("begin", check=0).stdout.strip()
    place("run", "--step", "s", "--", "sh", "-c", script, check=0)
    place("end", check=0)
    run = place.files / "runs" / place.env["LINEAGE_RUN_ID"]
    seal = read(run / "seal.json")
    at = "steps/s/attempt-1/"
    assert seal["others"] == ["link  %sbest -> model.bin" % at, "fifo  %spipe" % at,
                              "\\link  %ssub/odd\\\\name -> ../a\\nb" % at]
    assert schema_judge(procs.REPO / "spec/schemas", [[seal["schema"], seal]]) == [[]]
    place("verify", check=0)
    (run / at / "best").unlink()
    (run / at / "best").symlink_to("worse.bin")
    said = place("verify", check=1).stdout
    assert "seal.json: was taken away or changed; the seal knows 'link  %sbest -> model.bin'" % at in said
    assert "%sbest: came after the seal: 'link  %sbest -> worse.bin'" % (at, at) in said
    (run / at / "best").unlink()
    (run / at / "best").symlink_to("model.bin")
    (run / at / "pipe").unlink()
    (run / at / "pipe").write_text("")
    said = place("verify", check=1).stdout
    assert "knows 'fifo  %spipe'" % at in said and "%spipe: came after the seal" % at in said
    (run / at / "pipe").unlink()
    os.mkfifo(run / at / "pipe")
    place("verify", check=0)


def test_without_a_seal_the_chain_tells(place):
    run = story(place)
    for path in EXPECTED[2:-2]:
        if not path.endswith("receipt.json") or path.count("/") < 3:
            continue
        good = (run / path).read_bytes()
        (run / path).write_bytes(good.replace(b'"duration_ms": ', b'"duration_ms": 9'))
        assert "%s: was changed" % path in place("verify", check=1).stdout
        (run / path).write_bytes(good)
    place("verify", check=0)


def recipe():
    """What the format's page says to type, as it stands there."""
    page = (procs.REPO / "spec/RECEIPT.md").read_text()
    text = re.search(r"^By hand, .*?\n\n((?:    .*\n|\n)+)", page, re.M)[1]
    return "set -eu\n" + re.sub("^    ", "", text, flags=re.M)


def test_by_hand_in_another_place(place, workdir):
    """With sha256sum and jq only, as the format's page says."""
    if shutil.which("jq") is None:
        pytest.skip("needs jq")
    run = story(place)
    place("end", check=0)
    elsewhere = workdir / "elsewhere"
    shutil.copytree(run, elsewhere / "run")
    shutil.move(str(place.files), str(elsewhere / "files"))

    def check():
        return subprocess.run(["sh", "-c", recipe()], cwd=elsewhere / "run", capture_output=True, text=True, timeout=60,
                              env={**os.environ, "WHERE": str(elsewhere / "files")}, check=False)
    assert check().returncode == 0, check().stderr
    receipt = elsewhere / "run/steps/train/attempt-1/receipt.json"
    receipt.write_bytes(receipt.read_bytes().replace(b"COMPLETE", b"COMPLETF"))
    assert "steps/train/attempt-1/receipt.json: FAILED" in check().stdout
    receipt.write_bytes(receipt.read_bytes().replace(b"COMPLETF", b"COMPLETE"))
    (elsewhere / "files/model.bin").write_text("x")
    assert "model.bin: FAILED" in check().stdout


def test_a_command_that_is_the_whole_pipeline(place):
    """The first `lineage run --step` begins the run, and ends it."""
    (place.files / "raw.csv").write_text("1\n")
    script = ("lineage run --step one -i raw.csv -o one.csv -- cp raw.csv one.csv && "
              "lineage run --step two -i one.csv -o two.csv -- cp one.csv two.csv && env > env.txt")
    place("run", "--step", "all", "--pipeline", "weekly", "--", "sh", "-c", script, check=0)
    (run,) = (place.files / "runs").iterdir()
    assert tree(run) == ["last", "manifest.json", "seal.json",
                         *("steps/%s/%s" % (step, name) for step in ("all", "one", "two")
                           for name in ("attempt-1/claim.json", "attempt-1/receipt.json", "receipt.json"))]
    env = dict(line.split("=", 1) for line in (place.files / "env.txt").read_text().splitlines() if "=" in line)
    assert env["LINEAGE_RUN_ID"] == run.name and env["LINEAGE_RUNS"] == str(run.parent)
    assert env["LINEAGE_ATTEMPT_DIR"] == str(run / "steps/all/attempt-1")
    whole = read(run / "steps/all/receipt.json")["openlineage"]
    for step in ("one", "two"):
        ours = read(run / ("steps/%s/receipt.json" % step))["openlineage"]
        assert ours["parent_run_id"] == whole["run_id"] and ours["root_run_id"] == whole["root_run_id"]
    place("verify", run.name, check=0)
    ends = [event["eventType"] for event in place.events()
            if event["run"]["runId"] == whole["root_run_id"]]
    assert ends == ["START", "COMPLETE"]


def test_an_attempt_that_was_killed_has_a_claim_only(place):
    run = place.begin()
    child = subprocess.Popen([place.lineage, "run", "--step", "long", "--", "sleep", "1000"], env=place.env,
                             cwd=place.files, stdin=subprocess.DEVNULL)
    claim = run / "steps/long/attempt-1/claim.json"
    procs.wait_until(claim.exists, what="the claim")
    procs.wait_until(lambda: sleepers(child.pid), what="the command")
    (sleeper,) = sleepers(child.pid)
    child.kill()
    child.wait(30)
    os.kill(sleeper, signal.SIGKILL)
    assert tree(run) == ["manifest.json", "steps/long/attempt-1/claim.json"]
    assert "1 without an end" in place("verify", check=0).stdout
    place("run", "--step", "long", "--", "true", check=0)  # resumed: another attempt
    winner = read(run / "steps/long/receipt.json")
    assert winner["attempt"] == 2 and winner["selected"]["over"] == [{"attempt": 1}]


def sleepers(pid):
    path = pathlib.Path("/proc/%d/task/%d/children" % (pid, pid))
    return [int(word) for word in path.read_text().split()] if path.exists() else []


@pytest.mark.parametrize("point", ["receipt.linked", "receipt.written"])
def test_killed_between_two_names(place, point):
    """R8: the winner that died before its second name gets it from whoever comes next."""
    run = place.begin()
    (place.files / "a").write_text("a")
    died = place("run", "--step", "s", "-o", "a", "--", "true", LINEAGED_CRASH=point)
    if died.returncode == 0:
        pytest.skip("no crash points in this build")
    assert died.returncode == -signal.SIGKILL
    winner = read(run / "steps/s/receipt.json")
    assert winner["attempt"] == 1 and "selected" in winner
    assert "0 without an end" in place("verify", check=0).stdout
    place("run", "--step", "s", "-o", "a", "--", "true", check=0)
    assert (run / "steps/s/receipt.json").stat().st_ino == (run / "steps/s/attempt-1/receipt.json").stat().st_ino
    assert read(run / "steps/s/attempt-2/receipt.json")["not_selected"] == {"reason": "not_first", "winner": 1}
    place("verify", check=0)


def test_many_at_once(place):
    """Steps of one run, and attempts at one of them, from eight processes at once."""
    run = place.begin()

    def one(number):
        step = "shared" if number % 2 else "step-%03d" % number
        return place("run", "--step", step, "--", "true").returncode
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert set(pool.map(one, range(120))) == {0}
    attempts = [read(path) for path in run.glob("steps/shared/attempt-*/receipt.json")]
    assert sorted(each["attempt"] for each in attempts) == list(range(1, 61))
    assert sum("selected" in each for each in attempts) == 1
    figures = json.loads(place("verify", "--json", check=0).stdout)
    assert figures["attempts"] == 120 and figures["steps"] == 61 and figures["open"] == 0


SECRET = "correct-horse-battery"


def test_secrets_stay_out(place):
    run = place.begin("--param", "api_key=" + SECRET)
    place("run", "--step", "s", "--param", "password=" + SECRET, "--tag", "db=postgresql://me:%s@db/x" % SECRET, "--",
          "true", "--token", SECRET, "--password=" + SECRET, "https://u:%s@h/" % SECRET,
          "Authorization: Bearer " + SECRET, check=0, MY_SECRET=SECRET)
    place("end", check=0)
    seen = [path for folder in (run, place.journal) for path in folder.rglob("*")
            if path.is_file() and SECRET.encode() in path.read_bytes()]
    assert seen == []
    assert read(run / "steps/s/receipt.json")["command"]["argv"] == [
        "true", "--token", "[redacted]", "--password=[redacted]", "https://u:[redacted]@h/",
        "Authorization: Bearer [redacted]"]


def test_trouble_does_not_reach_the_command(place, workdir):
    """P6: its status, and one line that says why."""
    def status(*words, **more):
        done = place("run", "--step", "s", *words, "--", "sh", "-c", "echo ran; exit 5", **more)
        assert done.stdout == "ran\n" and done.returncode == 5
        return done.stderr
    assert "no receipt is written: " in status(LINEAGE_RUN_ID="../../etc")
    assert "no receipt is written: " in status(LINEAGE_RUN_ID="2026-02-04T18-41-12Z_" + "0" * 32)
    (workdir / "file").write_text("")
    assert "no receipt is written: " in status("--runs", workdir / "file" / "runs")
    place.begin()
    place("end", check=0)
    status()  # a run that has ended: the attempt is written, and shows
    assert "came after the seal" in place("verify", check=1).stdout
    assert place("end").returncode == 1
    assert place("end", "2026-02-04T18-41-12Z_" + "0" * 32).returncode == 3
    assert place("verify", "nonsense").returncode == 2
    for words in (["--seq", "3"], ["--step", "a/b"], ["--step", "s", "--attempt", "0"], ["--step", "s", "--param", "x"],
                  ["--step", "s", "--run-id", "7"]):
        done = place("run", *words, "--", "true")
        assert done.returncode == 2 and "lineage run: " in done.stderr


def test_receipts_need_no_events(place):
    run = place.begin()
    place("run", "--step", "s", "--", "true", check=0, OPENLINEAGE_DISABLED="true")
    receipt = read(run / "steps/s/receipt.json")
    assert receipt["openlineage"]["run_id"] == str(uuid.uuid5(SPACE, run.name + "/s/1"))
    place("verify", check=0)


def test_ok_codes_and_signals(place):
    run = place.begin()
    assert place("run", "--step", "s", "--ok-codes", "3,4", "--", "sh", "-c", "exit 4").returncode == 4
    assert read(run / "steps/s/receipt.json")["exit_code"] == 4
    assert place("run", "--step", "t", "--", "sh", "-c", "kill -TERM $$").returncode == 128 + signal.SIGTERM
    receipt = read(run / "steps/t/attempt-1/receipt.json")
    assert (receipt["status"], receipt["signal"]) == ("ABORT", "SIGTERM") and "exit_code" not in receipt
    assert place("run", "--step", "u", "--", "/no/such").returncode == 127
    assert read(run / "steps/u/attempt-1/receipt.json")["exit_code"] == 127
    ended = [event["eventType"] for event in place.events() if event["job"]["name"] == "s"]
    assert ended == ["START", "COMPLETE"]
    taken = place("run", "--step", "s", "--attempt", "1", "--", "true", check=0)
    assert "attempt-1 is taken already" in taken.stderr


NO_LINKS = r"""
#include <errno.h>
int linkat(int a, const char *b, int c, const char *d, int e)
{ (void)a; (void)b; (void)c; (void)d; (void)e; errno = EPERM; return -1; }
"""


def test_a_file_system_without_hard_links(place, workdir):
    if procs.sanitizers():
        pytest.skip("a preloaded library and a sanitizer do not go together")
    (workdir / "links.c").write_text(NO_LINKS)
    subprocess.run([*procs.compiler(), "-shared", "-fPIC", workdir / "links.c", "-o", workdir / "links.so"], check=True)
    run = place.begin()
    for _ in range(2):
        place("run", "--step", "s", "--", "true", check=0, LD_PRELOAD=str(workdir / "links.so"))
    winner = run / "steps/s/receipt.json"
    assert read(winner)["selected"]["linked"] is False and read(winner)["attempt"] == 1
    assert winner.read_bytes() == (run / "steps/s/attempt-1/receipt.json").read_bytes()
    assert read(run / "steps/s/attempt-2/receipt.json")["not_selected"]["winner"] == 1
    place("verify", check=0)
