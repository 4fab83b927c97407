# SPDX-License-Identifier: Apache-2.0
"""The verbs around `lineage run`: a run that starts from something and is gone on with after a kill, steps that begin in
one process and end in another, steps that are told afterwards, lines of a log, and what travels. Each flag has its test."""
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
    assert [line.split("  ")[1] for line in kept.read_text().splitlines()] == ["a.png", "b.png"]
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
    (["--input", "a=raw.csv", "--input", "a=raw.csv"], "two are called 'a'"),
    (["--hash-limit", "many"], "'many' is no size"),
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
