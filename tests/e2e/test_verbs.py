# SPDX-License-Identifier: Apache-2.0
"""The verbs around `lineage run`: a run that starts from something and is gone on with after a kill, steps that begin in
one process and end in another, steps that are told afterwards, lines of a log, and what travels. Each flag has its test."""
import contextlib
import json
import os
import re
import signal
import subprocess

import pytest

import procs
from test_receipts import Place, read, sha256, tree

NO_SUCH_RUN = "2026-02-04T18-41-12Z_0195d2c4a1b97e6f8a3c0d1e2f405162"


@pytest.fixture
def place(built, workdir):
    made = Place(built("lineage"), workdir)
    (made.files / "raw.csv").write_text("b\na\n")
    return made


def judge(schema_judge, *paths):
    values = [read(path) for path in paths]
    assert schema_judge(procs.REPO / "spec/schemas", [[value["schema"], value] for value in values]) == [[] for _ in values]
    return values


# ---- lineage begin --input, --resume ----

def test_begin_input(place, schema_judge):
    run = place.begin("--input", "raw=raw.csv", "--input", "labels=s3://bucket/labels", "--param", "a=b")
    assert tree(run) == ["inputs/labels.json", "inputs/raw.json", "manifest.json"]
    raw, labels, manifest = judge(schema_judge, run / "inputs/raw.json", run / "inputs/labels.json", run / "manifest.json")
    assert (raw["name"], raw["run_id"]) == ("raw", run.name)
    assert raw["artifact"]["sha256"] == sha256(place.files / "raw.csv") and raw["artifact"]["path"] == "raw.csv"
    assert labels["artifact"]["kind"] == "remote" and "sha256" not in labels["artifact"]
    assert manifest["inputs"] == [{"path": "inputs/%s.json" % name, "sha256": sha256(run / "inputs" / (name + ".json"))}
                                  for name in ("raw", "labels")]
    [start] = place.events()
    assert [each["name"] for each in start["inputs"]] == [str(place.files / "raw.csv"), "labels"]
    assert start["inputs"][0]["facets"]["version"]["datasetVersion"] == "sha256:" + raw["artifact"]["sha256"]
    assert "; 2 inputs;" in place("verify", check=0).stdout
    assert json.loads(place("verify", "--json", check=0).stdout)["inputs"] == 2
    place("end", check=0)
    assert any(line.endswith("  inputs/raw.json") for line in read(run / "seal.json")["receipts"])


def test_begin_input_of_a_directory(place, schema_judge):
    (place.files / "images").mkdir()
    for name in ("a.png", "b.png"):
        (place.files / "images" / name).write_text(name)
    run = place.begin("--input", "images=images")
    [artifact] = [value["artifact"] for value in judge(schema_judge, run / "inputs/images.json")]
    assert artifact["kind"] == "directory" and artifact["members"]["count"] == 2
    kept = run.parent / "objects" / artifact["members"]["sha256"][:2] / artifact["members"]["sha256"][2:]
    assert [line.split("  ")[1] for line in kept.read_text().splitlines()] == ["./a.png", "./b.png"]
    place("verify", check=0)
    kept.chmod(0o644)
    kept.write_text("")
    assert kept.name in place("verify", check=1).stdout


@pytest.mark.parametrize("path", ["inputs/raw.json"])
def test_a_changed_input_is_named_before_the_seal(place, path):
    run = place.begin("--input", "raw=raw.csv")
    (run / path).write_text((run / path).read_text().replace('"raw"', '"rav"'))
    done = place("verify", check=1)
    assert "%s: was changed" % path in done.stdout
    (run / path).unlink()
    assert "%s: was taken away; the manifest knows it" % path in place("verify", check=1).stdout


def test_begin_hash_limit(place):
    run = place.begin("--input", "raw=raw.csv", "--hash-limit", "1")
    artifact = read(run / "inputs/raw.json")["artifact"]
    assert artifact["basis"] == "unknown" and artifact["reason"]


@pytest.mark.parametrize("words, problem", [
    (["--input", "raw.csv"], "expected NAME=FILE or NAME=URI"),
    (["--input", "raw="], "expected NAME=FILE or NAME=URI"),
    (["--input", "../x=raw.csv"], "'../x': expected letters"),
    (["--input", "a=raw.csv", "--input", "a=raw.csv"], "'a': two are called that"),
    (["--hash-limit", "many"], "'many': is no size"),
    (["--resume", "last", "--input", "a=raw.csv"], "the run has been described when it was begun"),
    (["--resume", "elsewhere"], "expected a run id as 'lineage begin' makes it"),
], ids=str)
def test_begin_refuses(place, words, problem):
    assert problem in place("begin", *words, check=2).stderr
    assert not (place.files / "runs").exists()


def test_begin_resume(place):
    first = place("begin", check=0).stdout.strip()
    second = place("begin", check=0).stdout.strip()
    assert place("begin", "--resume", "last", check=0).stdout.strip() == second
    assert place("begin", "--resume", first, check=0).stdout.strip() == first
    exported = place("begin", "--resume", first, "--export", check=0).stdout
    run = next(event["run"]["runId"] for event in place.events())
    assert "export LINEAGE_RUN_ID='%s'\n" % first in exported
    assert re.search(r"^export OPENLINEAGE_PARENT_ID='tests/shop/%s'$" % run, exported, re.M)
    resumed = [event for event in place.events() if event["eventType"] == "RUNNING"]
    assert [event["run"]["runId"] for event in resumed][-1] == run
    assert all("parent" not in event["run"].get("facets", {}) for event in resumed)
    place("end", second, check=0)
    assert place("begin", "--resume", "last", check=0).stdout.strip() == first
    assert "has ended" in place("begin", "--resume", second, check=1).stderr
    place("end", first, check=0)
    assert "no run that has not ended" in place("begin", "--resume", "last", check=3).stderr
    place("begin", "--resume", NO_SUCH_RUN, check=3)
    place("verify", first, check=0)


PIPELINE = """
eval "$(lineage begin --resume last --export 2>/dev/null || lineage begin --export)"
lineage run --if-needed --step clean -i raw.csv -o clean.csv -- sh -c 'echo clean >> ran; sort raw.csv > clean.csv'
lineage run --if-needed --step train -i clean.csv -o model.bin -- sh -c 'echo train >> ran; %s; cat clean.csv > model.bin'
lineage run --if-needed --step ship -i model.bin -o shipped -- sh -c 'echo ship >> ran; cp model.bin shipped'
lineage end
"""


def test_a_killed_pipeline_goes_on_where_it_was(place):
    killed = subprocess.Popen(["sh", "-c", PIPELINE % "kill -9 0; sleep 60"], env=place.env, cwd=place.files,
                              start_new_session=True, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
    killed.communicate(timeout=60)
    assert killed.returncode == -signal.SIGKILL
    [run] = (place.files / "runs").iterdir()
    assert tree(run)[-1] == "steps/train/attempt-1/claim.json"
    again = subprocess.run(["sh", "-c", PIPELINE % ":"], env=place.env, cwd=place.files, text=True, capture_output=True,
                           timeout=60, check=True)
    assert [run] == list((place.files / "runs").iterdir())
    assert (place.files / "ran").read_text().split() == ["clean", "train", "ship"] or \
        (place.files / "ran").read_text().split() == ["clean", "train", "train", "ship"]
    assert "step 'clean' is done: attempt 1" in again.stderr
    assert "step 'train' is needed: no attempt has succeeded yet" in again.stderr
    assert not (run / "steps/clean/attempt-2").exists()
    assert read(run / "steps/train/receipt.json")["attempt"] == 2
    assert read(run / "steps/train/receipt.json")["selected"]["over"] == [{"attempt": 1}]
    place("verify", "--files", run.name, check=0)


# ---- lineage run --if-needed ----

@pytest.mark.parametrize("change, reason", [
    (lambda files: None, None),
    (lambda files: (files / "raw.csv").write_text("c\n"), "input 'raw.csv' has changed"),
    (lambda files: (files / "out.csv").write_text("c\n"), "output 'out.csv' has changed"),
    (lambda files: (files / "out.csv").unlink(), "output 'out.csv' cannot be compared: not there"),
], ids=["nothing", "input", "output", "no-output"])
def test_if_needed(place, change, reason):
    place.begin()
    words = ["run", "--if-needed", "--step", "sort", "--param", "a=b", "-i", "raw.csv", "-o", "out.csv", "--",
             "sh", "-c", "echo >> ran; sort raw.csv > out.csv"]
    assert "needed: no attempt has succeeded yet" in place(*words, check=0).stderr
    change(place.files)
    done = place(*words, check=0)
    assert ("is needed: %s" % reason if reason else "is done: attempt 1") in done.stderr
    assert (place.files / "ran").read_text() == ("\n" if reason is None else "\n\n")
    assert "is done: attempt %d" % (1 if reason is None else 2) in place(*words, check=0).stderr
    if reason is None:
        other = [word.replace("a=b", "a=c") for word in words]
        assert "is needed: parameter 'a' is another" in place(*other, check=0).stderr
        assert "is needed: its command is another" in place(*words[:-1], "true", check=0).stderr
        assert place("run", "-q", *words[1:], check=0).stderr == ""


def test_if_needed_without_a_step(place):
    assert "need --step" in place("run", "--if-needed", "--", "true", check=2).stderr
    assert not (place.files / "runs").exists()


def test_if_needed_what_has_no_hash_is_done_again(place):
    place.begin()
    words = ["run", "--if-needed", "--step", "up", "-o", "s3://bucket/object", "--", "true"]
    place(*words, check=0)
    assert "output 's3://bucket/object' cannot be compared" in place(*words, check=0).stderr
    failing = ["run", "--if-needed", "--step", "fails", "--", "false"]
    for _ in range(2):
        assert "no attempt has succeeded yet" in place(*failing, check=1).stderr


# ---- lineage record ----

RECORD = ["record", "--started", "2026-02-04T18:41:12Z", "--finished", "2026-02-04T19:41:13.5+01:00"]


def test_record_a_step(place, schema_judge):
    run = place.begin()
    place(*RECORD, "--step", "import", "--seq", "5", "--attempt", "2", "--task-id", "77", "-i", "raw.csv", "-o", "raw.csv",
          "--param", "a=b", "--tag", "c=d", "--group", "e=f", "--", "./import.sh", "--password=hunter2", check=0)
    folder = run / "steps/005_import/attempt-2"
    [receipt, claim] = judge(schema_judge, folder / "receipt.json", folder / "claim.json")
    assert receipt["declared"] is True and claim["declared"] is True
    assert (receipt["started_at"], receipt["finished_at"]) == ("2026-02-04T18:41:12.000Z", "2026-02-04T18:41:13.500Z")
    assert (receipt["duration_ms"], receipt["status"], receipt["task_id"]) == (1500, "COMPLETE", "77")
    assert receipt["command"]["argv"] == ["./import.sh", "--password=[redacted]"]
    assert receipt["inputs"][0]["sha256"] == sha256(place.files / "raw.csv") == receipt["outputs"][0]["sha256"]
    assert (receipt["parameters"], receipt["tags"], receipt["groups"]) == ({"a": "b"}, {"c": "d"}, {"e": "f"})
    start, end = [event for event in place.events() if event["job"]["name"] == "import"]
    assert (start["eventTime"], end["eventTime"]) == (receipt["started_at"], receipt["finished_at"])
    assert (start["eventType"], end["eventType"]) == ("START", "COMPLETE")
    for event in (start, end):
        assert event["run"]["runId"] == receipt["openlineage"]["run_id"]
        tags = {tag["key"]: tag["value"] for tag in event["run"]["facets"]["tags"]["tags"]}
        assert tags["lineaged.declared"] == "true" and tags["c"] == "d"
    place("verify", "--files", check=0)


@pytest.mark.parametrize("words, event, code", [([], "COMPLETE", 0), (["--status", "3"], "FAIL", 3), (["--fail"], "FAIL", 1),
                                                (["--abort"], "ABORT", 1)], ids=str)
def test_record_how_it_ended(place, words, event, code):
    run = place.begin()
    place(*RECORD, *words, "--step", "s", check=0)
    receipt = read(run / "steps/s/attempt-1/receipt.json")
    assert (receipt["status"], receipt["exit_code"]) == (event, code)
    assert place.events()[-1]["eventType"] == event
    assert (run / "steps/s/receipt.json").exists() == (event == "COMPLETE")


def test_record_without_a_step(place):
    place(*RECORD, "--run-id", "4711", "--system", "slurm:a", "--namespace", "cluster", "--job", "night",
          "--hash-limit", "0", "-i", "raw.csv", check=0)
    place(*RECORD, "--quiet", "--output", "raw.csv", "--", "/usr/bin/make", "all", check=0)
    events = place.events()
    assert [(event["job"]["name"], event["eventType"]) for event in events] == [
        ("night", "START"), ("night", "COMPLETE"), ("make", "START"), ("make", "COMPLETE")]
    assert events[0]["job"]["namespace"] == "cluster" and not (place.files / "runs").exists()


def test_record_makes_and_ends_a_run(place):
    place(*RECORD, "--step", "s", "--runs", "elsewhere", "--pipeline", "nightly", check=0)
    [run] = (place.files / "elsewhere").iterdir()
    assert read(run / "manifest.json")["pipeline"] == "nightly" and (run / "seal.json").exists()


@pytest.mark.parametrize("words, problem", [
    (["--step", "s"], "expected --started TIME"),
    (["--started", "yesterday", "--step", "s"], "expected a time with its zone"),
    (["--started", "2026-02-04T18:41:12", "--step", "s"], "expected a time with its zone"),
    (["--started", "2026-02-04T18:41:12Z", "--finished", "2026-02-04T18:41:11Z", "--step", "s"], "ended before it started"),
    (["--started", "2026-02-04T18:41:12Z"], "what was it?"),
    (["--started", "2026-02-04T18:41:12Z", "--status", "256", "--step", "s"], "expected 0 to 255"),
    (["--started", "2026-02-04T18:41:12Z", "--job", "j", "--seq", "1"], "need --step"),
    (["--started", "2026-02-04T18:41:12Z", "--step", "a/b"], "expected letters"),
], ids=str)
def test_record_refuses(place, words, problem):
    assert problem in place("record", *words, check=2).stderr
    assert not (place.files / "runs").exists() and place.events() == []


def test_record_says_when_it_is_not_recorded(place, workdir):
    (workdir / "file").write_text("")
    assert "no receipt is written" in place(*RECORD, "--step", "s", "--runs", workdir / "file/runs", check=1).stderr


# ---- lineage log ----

def test_log_has_the_ids_of_its_place(place):
    run = place.begin()
    line = json.loads(place("run", "--step", "s", "--task-id", "77", "--", "lineage", "log", "rows_read", "rows=3",
                            "password=hunter2", "who=somebody@example.org", check=0).stdout)
    assert line.pop("time").endswith("Z")
    assert line == {"event": "rows_read", "run_id": run.name, "step": "s", "attempt": 1, "task_id": "77", "rows": "3",
                    "password": "[redacted]", "who": "[redacted]"}


def test_log_to_a_file(place):
    place("log", "--log", "a.log", "one", check=0)
    place("log", "two", "x=y", check=0, LINEAGE_LOG="a.log")
    assert place("log", "three", check=0).stdout.count("three") == 1
    lines = [json.loads(line) for line in (place.files / "a.log").read_text().splitlines()]
    assert [(line["event"], line.get("x")) for line in lines] == [("one", None), ("two", "y")]
    assert place("log", "--log", "no/such/folder", "one", check=1).stderr.startswith("lineage: log 'no/such/folder'")


@pytest.mark.parametrize("words, problem", [([], "no event"), (["a b"], "event 'a b': expected letters"), (["e", "x"], "'x': expected KEY=VALUE"),
                                            (["e", "run_id=1"], "'run_id': this place says it")], ids=str)
def test_log_refuses(place, words, problem):
    assert problem in place("log", *words, check=2).stderr


# ---- lineage context ----

def test_context_print(place):
    run = place.begin()
    root = place.env["OPENLINEAGE_PARENT_ID"]
    told = place("run", "--step", "s", "--", "sh", "-c", "env > env; lineage context print; lineage context print --format json > json; "
                 "lineage context print --format headers > headers", check=0).stdout
    env = dict(line.split("=", 1) for line in (place.files / "env").read_text().splitlines() if "=" in line)
    assert dict(line.split("=", 1) for line in told.splitlines()) == {
        name: env[name] for name in ("TRACEPARENT", "BAGGAGE", "OPENLINEAGE_PARENT_ID", "OPENLINEAGE_ROOT_PARENT_ID", "LINEAGE_RUN_ID",
                                     "LINEAGE_RUNS", "LINEAGE_STEP", "LINEAGE_ATTEMPT", "LINEAGE_ATTEMPT_DIR")}
    assert read(place.files / "json") == dict(line.split("=", 1) for line in told.splitlines())
    assert (place.files / "headers").read_text() == "traceparent: %s\nbaggage: %s\n" % (env["TRACEPARENT"], env["BAGGAGE"])
    headers = place("context", "print", "--format", "headers", check=0).stdout
    assert "lineage.run_id=%s," % run.name in headers and "lineage.parent=%s" % root in headers
    assert headers.startswith("traceparent: 00-%s-" % run.name[-32:])


def test_context_print_where_there_is_none(place):
    assert place("context", "print", check=0).stdout == ""
    assert place("context", "print", "--format", "json", check=0).stdout == "{}\n"
    done = place("context", "print", check=1, OPENLINEAGE_PARENT_ID="nonsense")
    assert done.stderr == "lineage: OPENLINEAGE_PARENT_ID: expected NAMESPACE/NAME/UUID\n"


CALLER = "a/b/01a1fffb-675a-7093-8bb0-9c55fb0ed786"


@pytest.mark.parametrize("words", [["--parent", CALLER, "--root", CALLER], ["--baggage", "lineage.parent=" + CALLER, "--tracestate", "x=y",
                                   "--traceparent", "00-01a1fffb675a70938bb09c55fb0ed786-8bb09c55fb0ed786-01"]], ids=["ids", "headers"])
def test_context_exec(place, words):
    place.begin()  # what stands around us is not the call's
    place("context", "exec", *words, "--", "lineage", "run", "--job", "called", "--", "sh", "-c", "env > env", check=0)
    event = place.events()[-1]
    assert event["run"]["facets"]["parent"]["run"]["runId"] == CALLER.rsplit("/", 1)[1]
    assert "LINEAGE_RUN_ID" not in (place.files / "env").read_text()


def test_context_exec_from_json(place):
    """A message's headers as an object: the tree goes on through it."""
    place.begin()
    place("run", "--step", "send", "--", "sh", "-c", "lineage context print --format json > message", check=0)
    sent = read(place.files / "message")
    (place.files / "headers").write_text(json.dumps({"traceparent": sent["TRACEPARENT"], "baggage": sent["BAGGAGE"], "other": 1}))
    for name in ("message", "headers"):
        place("context", "exec", "--from-json", name, "--", "lineage", "run", "--job", "receive", "--", "true", check=0)
        parent = place.events()[-1]["run"]["facets"]["parent"]
        assert parent["job"]["name"] == "send" and parent["root"]["run"]["runId"] == place.events()[0]["run"]["runId"]


@pytest.mark.parametrize("words, problem", [
    (["--traceparent", "xx"], "TRACEPARENT: expected VERSION-TRACE-SPAN-FLAGS"),
    (["--baggage", "lineage.step=%zz"], "BAGGAGE: lineage.step: expected a percent-encoded text"),
    (["--parent", "x"], "OPENLINEAGE_PARENT_ID: expected NAMESPACE/NAME/UUID"),
    (["--from-json", "wrong"], "/baggage: expected a string"),
    (["--from-json", "raw.csv"], "'raw.csv': not JSON"),
    (["--from-json", "list"], "expected an object"),
], ids=str)
def test_context_exec_names_what_is_malformed(place, words, problem):
    (place.files / "wrong").write_text('{"baggage": 1}')
    (place.files / "list").write_text("[]")
    done = place("context", "exec", *words, "--", "touch", "ran", check=2)
    assert problem in done.stderr and not (place.files / "ran").exists()


def test_context_exec_ends_as_the_command_does(place):
    place("context", "exec", "--", "sh", "-c", "exit 7", check=7)
    place("context", "exec", "--", "./no-such-command", check=127)
    place("context", "exec", "--", ".", check=126)
    assert "no command" in place("context", "exec", check=2).stderr
    assert "expected print or exec" in place("context", "sing", check=2).stderr


# ---- lineage start, lineage finish ----

def of(place, job):
    return [event for event in place.events() if event["job"]["name"] == job]


def test_start_and_finish_a_step(place, schema_judge, workdir):
    run = place.begin()
    started = place("start", "--step", "train", "--seq", "7", "--task-id", "77", "-i", "raw.csv", "-o", "model.bin", "--param", "a=b",
                    "--tag", "c=d", "--group", "e=f", "--export", "--", "./train", "--password=hunter2", check=0)
    told = dict(re.findall(r"^export (\w+)='(.*)'$", started.stdout, re.M))
    folder = run / "steps/007_train/attempt-1"
    assert told["LINEAGE_ATTEMPT_DIR"] == str(folder) and tree(folder) == ["claim.json", "started.json"]
    place("run", "--job", "child", "--", "true", check=0, **told)
    (place.files / "model.bin").write_text("m")
    (place.files / "more.bin").write_text("n")
    elsewhere = subprocess.run([place.lineage, "finish", "--step", "train", "--seq", "7", "-o", str(place.files / "more.bin"), "--status", "0"],
                               env=place.env, cwd=workdir, capture_output=True, text=True, check=False, timeout=60)
    assert elsewhere.returncode == 0, elsewhere.stderr
    [receipt, claim] = judge(schema_judge, folder / "receipt.json", folder / "claim.json")
    # "machine" was found at the start: the end, maybe elsewhere, repeats it
    for member in ("task_id", "command", "parameters", "tags", "groups", "started_at", "previous", "machine"):
        assert receipt[member] == claim[member], member
    assert receipt["openlineage"] == {**claim["openlineage"], "event_type": "COMPLETE"}
    assert "./train '--password=[redacted]'" in {event["job"]["facets"].get("sourceCode", {}).get("sourceCode") for event in place.events()}
    assert receipt["command"]["argv"] == ["./train", "--password=[redacted]"]
    assert [each["sha256"] for each in receipt["outputs"]] == [sha256(place.files / name) for name in ("model.bin", "more.bin")]
    assert receipt["inputs"][0]["sha256"] == sha256(place.files / "raw.csv")
    start, end = of(place, "train")
    assert (start["eventType"], end["eventType"]) == ("START", "COMPLETE")
    assert start["run"]["facets"]["lineaged_machine"]["kernel"] == receipt["machine"]["kernel"]
    assert start["run"]["facets"]["parent"] == end["run"]["facets"]["parent"]
    assert end["run"]["runId"] == receipt["openlineage"]["run_id"]
    assert [each["name"] for each in start["inputs"]] == [each["name"] for each in end["inputs"]]
    assert of(place, "child")[0]["run"]["facets"]["parent"]["run"]["runId"] == start["run"]["runId"]
    assert "ended already" in place("finish", "--step", "train", "--seq", "7", check=1).stderr
    assert place("finish", "--if-open", "--step", "train", "--seq", "7", check=0).stderr == ""
    place("verify", "--files", check=0)
    assert len(of(place, "train")) == 2


def test_start_and_finish_a_job_without_a_step(place):
    words = ["--run-id", "4711", "--system", "slurm:a", "--state", "noted"]
    place("start", *words, "--job", "night", "--namespace", "cluster", "--input", "raw.csv", "--hash-limit", "0", "--quiet", check=0,
          OPENLINEAGE_PARENT_ID=CALLER)
    assert len(list((place.files / "noted").iterdir())) == 1
    assert "was started before" in place("start", *words, "--job", "night", check=1).stderr
    place("finish", *words, "--status", "3", "--hash-limit", "1KiB", "--output", "raw.csv", "--quiet", check=0)
    assert list((place.files / "noted").iterdir()) == []
    start, end = of(place, "night")
    assert end["eventType"] == "FAIL" and end["run"]["runId"] == start["run"]["runId"] and end["job"]["namespace"] == "cluster"
    assert end["run"]["facets"]["parent"]["run"]["runId"] == CALLER.rsplit("/", 1)[1]
    assert "was not started" in place("finish", *words, check=3).stderr
    place("finish", *words, "--if-open", check=0)
    assert len(of(place, "night")) == 2 and not (place.files / "runs").exists()


@pytest.mark.parametrize("words, status", [([], "COMPLETE"), (["--fail"], "FAIL"), (["--abort"], "ABORT"), (["--abort", "--status", "143"], "ABORT")],
                         ids=str)
def test_finish_how_it_ended(place, words, status):
    run = place.begin()
    for attempt in ("1", "2"):
        place("start", "--step", "s", "--attempt", attempt, "--runs", "runs", check=0)
    place("finish", "--step", "s", "--attempt", "1", "--runs", "runs", *words, check=0)
    assert read(run / "steps/s/attempt-1/receipt.json")["status"] == status == of(place, "s")[-1]["eventType"]
    place("finish", check=0, LINEAGE_STEP="s")
    assert read(run / "steps/s/attempt-2/receipt.json")["status"] == "COMPLETE"


def test_of_many_that_finish_one_does(place):
    run = place.begin()
    for words in (["--step", "s"], ["--run-id", "1", "--job", "s"]):
        place("start", *words, check=0)
        those = [subprocess.Popen([place.lineage, "finish", "--if-open", *words[:2]], env=place.env, cwd=place.files) for _ in range(8)]
        assert [each.wait(timeout=60) for each in those] == [0] * 8
    assert sorted(event["eventType"] for event in of(place, "s")) == ["COMPLETE", "COMPLETE", "START", "START"]
    assert (run / "steps/s/attempt-1/receipt.json").exists()


@pytest.mark.parametrize("words, problem", [
    (["start"], "expected --run-id or --step"), (["start", "--step", "s"], "LINEAGE_RUN_ID is not set"),
    (["start", "--run-id", "1"], "what is it?"), (["start", "--run-id", "1", "--job", "j", "--seq", "1"], "need --step"),
    (["finish"], "expected --run-id or --step"), (["finish", "--step", "s"], "LINEAGE_RUN_ID is not set"),
    (["finish", "--run-id", "1", "--status", "x"], "expected 0 to 255"), (["finish", "--run-id", "1", "more"], "no argument is expected"),
], ids=str)
def test_start_and_finish_refuse(place, words, problem):
    assert problem in place(*words, check=2).stderr
    assert place.events() == []


# ---- contrib/slurm ----

def slurm(place, script, **more):
    path = procs.REPO / "contrib/slurm" / script
    return subprocess.Popen([path], cwd=place.files, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
                            env={**place.env, "SLURM_JOB_ID": "4711", "SLURM_CLUSTER_NAME": "alpha", "SLURM_JOB_NAME": "night",
                                 "SLURM_JOB_USER": "ada", "LINEAGE_STATE": str(place.files / "noted"), **more})


@pytest.mark.parametrize("code, event", [("0:0", "COMPLETE"), ("3:0", "FAIL"), ("0:9", "ABORT")])
def test_slurm_prolog_and_epilog(place, code, event):
    for script, more in [("prolog.sh", {}), ("epilog.sh", {"SLURM_JOB_EXIT_CODE2": code}), ("epilog.sh", {"SLURM_JOB_EXIT_CODE2": code})]:
        done = slurm(place, script, **more)
        assert (*done.communicate(timeout=60), done.returncode) == ("", "", 0)
    start, end = of(place, "night")
    assert (start["eventType"], end["eventType"], start["job"]["namespace"]) == ("START", event, "slurm.alpha")
    assert {"key": "user", "value": "ada", "source": "USER"} in start["run"]["facets"]["tags"]["tags"]


@pytest.mark.parametrize("train, status", [("cp clean.csv model.bin", "COMPLETE"), ("false", "FAIL"), (None, "ABORT")])
def test_slurm_job(place, wait_until, train, status):
    run = place.begin()
    (place.files / "data.csv").write_text("b\na\n")
    job = slurm(place, "job.sh", TRAIN=train or "sleep 300")
    if train is None:
        wait_until(lambda: len(of(place, "prepare")) == 2)
        job.terminate()
    job.wait(timeout=60)
    with contextlib.suppress(ProcessLookupError):  # what the job's script started may outlive it
        os.killpg(job.pid, signal.SIGKILL)
    receipt = read(run / "steps/train/attempt-1/receipt.json")
    assert (receipt["status"], receipt["task_id"]) == (status, "4711")
    again = slurm(place, "job.sh", TRAIN="cp clean.csv model.bin", SLURM_RESTART_COUNT="1")
    assert again.wait(timeout=60) == 0
    assert read(run / "steps/train/attempt-2/receipt.json")["status"] == "COMPLETE"
    place("end", check=0)
    place("verify", "--files", check=0)
