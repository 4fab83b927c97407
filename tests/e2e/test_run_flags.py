# SPDX-License-Identifier: Apache-2.0
"""The flags of `lineage run` say in events, receipts and logs what was told, show no secret, and leave the command alone.
No agent: the journal is read as it lies there."""
import concurrent.futures
import http.server
import json
import os
import pathlib
import re
import signal
import socket
import stat
import subprocess
import threading
import time
import uuid

import pytest

import procs
from test_receipts import Place, read, sha256

SPACE = uuid.UUID("c3057f10-38d5-5c24-9eb2-2d152675aa95")  # docs/naming.md
CARD, MAIL, SSN, KEY = "4111 1111 1111 1111", "jane.doe@example.org", "078-05-1120", "AKIAIOSFODNN7EXAMPLE"
DIGEST = "sha256:" + 16 * "0123"


@pytest.fixture
def place(built, workdir):
    return Place(built("lineage"), workdir)


def facets(event, of="run"):
    return event[of]["facets"]


def the_run(place):
    found = [path for path in (place.files / "runs").iterdir() if path.name != "objects"]
    assert len(found) == 1
    return found[0]


def receipt(place, step="s", attempt=1):
    return read(the_run(place) / "steps" / step / ("attempt-%d" % attempt) / "receipt.json")


def everything(directory):
    """Every byte that was written anywhere."""
    return b"\n".join(path.read_bytes() for path in directory.rglob("*") if path.is_file())


# ---- what is told ----

def test_parameters_tags_and_groups_are_in_events_and_receipt(place):
    place("run", "--step", "s", "--param", "lr=0.1", "--param", "lr=0.2", "--tag", "team=ml", "--group", "sweep=7",
          "--", "true", check=0)
    step = [event for event in place.events() if event["job"]["name"] == "s"]
    assert [event["eventType"] for event in step] == ["START", "COMPLETE"]
    for event in step:
        assert facets(event)["executionParameters"]["parameters"] == [{"key": "lr", "value": "0.2"}]
        tags = {(tag["key"], tag["value"], tag["source"]) for tag in facets(event)["tags"]["tags"]}
        assert {("team", "ml", "USER"), ("sweep", "7", "GROUP")} <= tags
    got = receipt(place)
    assert (got["parameters"], got["tags"], got["groups"]) == ({"lr": "0.2"}, {"team": "ml"}, {"sweep": "7"})


def test_they_need_no_step(place):
    place("run", "--param", "lr=0.1", "--tag", "a=b", "--metric", "f1=0.5", "--", "true", check=0)
    assert facets(place.events()[-1])["executionParameters"]["parameters"][0]["key"] == "lr"
    assert not (place.files / "runs").exists()


def test_metrics(place):
    place("run", "--step", "s", "--metric", "acc=0.9", "--metric", "loss=1e-3@100", "--metric", "a=b=-2", "--", "true",
          check=0)
    expected = [{"name": "acc", "value": 0.9}, {"name": "loss", "value": 0.001, "step": 100}, {"name": "a=b", "value": -2}]
    assert receipt(place)["metrics"] == expected
    step = [event for event in place.events() if event["job"]["name"] == "s"]
    assert all(facets(event)["lineaged_metrics"]["metrics"] == expected for event in step)
    assert read(the_run(place) / "steps/s/attempt-1/claim.json")["metrics"] == expected


@pytest.mark.parametrize("words, says", [
    (["--metric", "acc"], "NAME=VALUE"), (["--metric", "acc=high"], "finite number"), (["--metric", "acc=nan"], "finite number"),
    (["--metric", "acc=1@x"], "behind '@'"), (["--rows", "out"], "DATASET=N"), (["--rows", "out=-1"], "DATASET=N"),
    (["--rows", "out=1"], "what an -i or -o says"), (["--facet", "x=y"], "KEY=@FILE"), (["--facet", "dataset:x=@f"], "KEY=@FILE"),
    (["--env", "*"], "PREFIX_*"), (["--env", "A,,B"], "PREFIX_*"), (["--image", "repo:tag"], "REF@sha256:HEX"),
    (["--redact", "a(b"], "at byte"), (["--gate", ""], "expected a command"), (["--gate-timeout", "5"], "a time"),
    (["--heartbeat", "1ms"], "100ms"), (["--emit-timeout", "2h"], "60s"), (["--keep", "f"], "need --step"),
    (["--keep-limit", "1GiB"], "256MiB"), (["--derive-id", "k", "--run-id", "x"], "--run-id"),
    (["--derive-id", "k", "--step", "s"], "--task-id"), (["--param", "x"], "KEY=VALUE"),
], ids=lambda value: " ".join(value) if isinstance(value, list) else "")
def test_mistakes_are_said_before_anything_runs(place, words, says):
    done = place("run", *words, "--", "touch", "ran", check=2)
    assert says in done.stderr
    assert not (place.files / "ran").exists() and place.events() == []


def test_rows(place):
    (place.files / "in.csv").write_text("x\n")
    place("run", "-i", "in.csv", "-o", "out.csv", "-o", "s3://bucket/a=b", "--rows", "in.csv=3", "--rows", "out.csv=2",
          "--rows", "s3://bucket/a=b=9", "--", "cp", "in.csv", "out.csv", check=0)
    last = place.events()[-1]
    assert last["inputs"][0]["inputFacets"]["inputStatistics"]["rowCount"] == 3
    assert [d["outputFacets"]["outputStatistics"]["rowCount"] for d in last["outputs"]] == [2, 9]
    place("run", "--step", "s", "-o", "out.csv", "--rows", "out.csv=2", "--", "true", check=0)
    assert receipt(place)["outputs"][0]["rows"] == 2


def test_facets_from_files(place):
    """Of run, job and dataset; a known one is put where it belongs, an unknown one says its schema itself."""
    (place.files / "in.csv").write_text("x\n")
    (place.files / "time.json").write_text('{"nominalStartTime": "2026-02-04T00:00:00Z"}')
    (place.files / "own.json").write_text('{"_schemaURL": "https://example.org/own.json", "a": [1, {"b": null}]}')
    place("run", "-i", "in.csv", "--facet", "nominalTime=@time.json", "--facet", "my_own=@own.json",
          "--facet", 'documentation={"description": "nightly"}', "--facet", "dataset:in.csv:my_own=@own.json", "--",
          "true", check=0)
    for event in place.events():
        assert facets(event)["nominalTime"]["nominalStartTime"] == "2026-02-04T00:00:00Z"
        assert facets(event)["my_own"]["a"] == [1, {"b": None}]
        assert facets(event, "job")["documentation"]["description"] == "nightly"
        assert event["inputs"][0]["facets"]["my_own"]["_schemaURL"] == "https://example.org/own.json"


@pytest.mark.parametrize("what, content, says", [
    ("nominalTime", '{"nominalStartTime": 7}', "/nominalStartTime"), ("nominalTime", "{", "not JSON"), ("my_own", "{}", "_schemaURL"),
    ("nominalTime", None, "No such file"), ("dataset:x:my_own", "{}", "no -i or -o is called 'x'"),
], ids=lambda value: str(value))
def test_a_facet_that_cannot_be_set(place, what, content, says):
    """Said before the command, with file and place; the command runs all the same, but with --strict."""
    if content is not None:
        (place.files / "f.json").write_text(content)
    done = place("run", "--facet", what + "=@f.json", "--", "sh", "-c", "echo ran >&2; exit 4", check=4)
    assert says in done.stderr and "f.json" in done.stderr and done.stderr.index(says) < done.stderr.index("ran")
    assert [event["eventType"] for event in place.events()] == ["START", "FAIL"]
    done = place("run", "--strict", "--facet", what + "=@f.json", "--", "touch", "ran", check=125)
    assert says in done.stderr and not (place.files / "ran").exists()
    assert "--strict" in facets(place.events()[-1])["errorMessage"]["message"]


def test_environment(place):
    place("run", "--step", "s", "--env", "OMP_*,LANG", "--env", "NOT_THERE,DB_URL,MY_TOKEN", "--", "true", check=0,
          OMP_NUM_THREADS="4", OMP_PROC_BIND="true", LANG="C", DB_URL="postgres://u:hunter2@h/d", MY_TOKEN="abc", SECRET="x")
    expected = {"DB_URL": "postgres://u:[redacted]@h/d", "LANG": "C", "MY_TOKEN": "[redacted]", "OMP_NUM_THREADS": "4",
                "OMP_PROC_BIND": "true"}
    assert receipt(place)["environment"] == expected
    step = [event for event in place.events() if event["job"]["name"] == "s"]
    told = facets(step[0])["environmentVariables"]["environmentVariables"]
    assert {each["name"]: each["value"] for each in told} == expected


def test_image(place):
    place("run", "--step", "s", "--image", "registry:5000/train@" + DIGEST, "--", "true", check=0)
    expected = {"image": "registry:5000/train", "image_digest": DIGEST}
    assert expected.items() <= receipt(place)["container"].items()
    step = [event for event in place.events() if event["job"]["name"] == "s"]
    assert expected.items() <= facets(step[-1])["lineaged_container"].items()


def test_derive_id(place):
    """Job and key name the run: again the same one, of another job another."""
    for words in (["--job", "load", "--derive-id", "2026-02-04"], ["--job", "load", "--derive-id", "2026-02-04"],
                  ["--job", "other", "--derive-id", "2026-02-04"]):
        place("run", *words, "--", "true", check=0)
    ids = [event["run"]["runId"] for event in place.events()]
    assert ids[0] == ids[2] == str(uuid.uuid5(SPACE, "/tests/load/2026-02-04")) and ids[4] != ids[0]


# ---- secrets ----

def test_secrets_appear_nowhere(place, workdir):
    """In argv, environment, parameters, tags, gates, logs and kept text: a card, a mail address, an SSN, keys, passwords."""
    (place.files / "notes.txt").write_text("card %s\nmail %s\n%s\nAPI_TOKEN=hunter2\n" % (CARD, MAIL, KEY))
    secrets = [CARD, MAIL, SSN, KEY, "hunter2", "eyJhbGciOiJIUzI1NiJ9"]
    place("run", "--step", "s", "--keep", "notes.txt", "--log", "log.jsonl", "--env", "NOTE,DB_PASSWORD,URL",
          "--param", "card=" + CARD, "--param", "api_key=hunter2", "--tag", "owner=" + MAIL, "--group", "ssn=" + SSN,
          "--metric", MAIL + "=1", "--gate", "test %s = %s" % (MAIL, MAIL), "--gate", "true --password hunter2", "--",
          "sh", "-c", "exit 0", CARD, "--password", "hunter2", "postgres://u:hunter2@h/d", "https://h/?token=hunter2", MAIL,
          "Authorization: Bearer eyJhbGciOiJIUzI1NiJ9", KEY, SSN, check=0,
          NOTE="ask %s" % MAIL, DB_PASSWORD="hunter2", URL="ftp://u:hunter2@h/")
    (place.files / "notes.txt").unlink()
    written = everything(workdir).decode()
    for secret in secrets:
        assert secret not in written, secret
    argv = receipt(place)["command"]["argv"]
    assert argv[:3] == ["sh", "-c", "exit 0"]
    assert argv[3:] == ["[redacted]", "--password", "[redacted]", "postgres://u:[redacted]@h/d", "https://h/?token=[redacted]",
                        "[redacted]", "Authorization: Bearer [redacted]", "[redacted]", "[redacted]"]


def test_redact_and_no_argv(place, workdir):
    place("run", "--step", "s", "--redact", r"customer-\K[0-9]+", "--redact", "(?i)projekt x", "--param", "who=customer-17", "--",
          "true", "customer-18", "Projekt X", check=0)
    assert receipt(place)["command"]["argv"] == ["true", "customer-[redacted]", "[redacted]"]
    assert receipt(place)["parameters"] == {"who": "customer-[redacted]"}
    (told,) = {event["job"]["facets"]["sourceCode"]["sourceCode"] for event in place.events() if event["job"]["name"] == "s"}
    assert told == "true 'customer-[redacted]' '[redacted]'"
    place("run", "--step", "t", "--runs", "other", "--no-argv", "--", "true", "unheard-of", check=0)
    assert b"unheard-of" not in everything(workdir)
    (found,) = (place.files / "other").glob("*/steps/t/receipt.json")
    assert read(found)["command"] == {"cwd": str(place.files)}


# ---- kept content ----

def test_keep(place):
    """What was there before the command as it was then, what it made as it left it; once, read-only, redacted; both hashes."""
    (place.files / "conf").write_text("a\n")
    (place.files / "same").write_text("same\n")
    (place.files / "secret.txt").write_text("to %s\n" % MAIL)
    (place.files / "gone").write_text("g\n")
    before = sha256(place.files / "secret.txt")
    done = place("run", "--step", "s", "--keep", "conf", "--keep", "same", "--keep", "secret.txt", "--keep", "made", "--keep", "never",
                 "--keep", "gone", "--", "sh", "-c", "echo b > conf; echo m > made; rm gone", check=0)
    assert "never" in done.stderr and done.stderr.count("\n") == 1
    objects = place.files / "runs/objects"
    kept = {(each["path"], each.get("at")): each for each in receipt(place)["kept"]}
    for (path, at), text in {("conf", "start"): b"a\n", ("conf", "end"): b"b\n", ("same", "start"): b"same\n", ("made", "end"): b"m\n",
                             ("secret.txt", "start"): b"to [redacted]\n", ("gone", "start"): b"g\n"}.items():
        each = kept.pop((path, at))
        file = objects / each["sha256"][:2] / each["sha256"][2:]
        assert file.read_bytes() == text and each["size"] == len(text)
        assert stat.S_IMODE(file.stat().st_mode) & 0o222 == 0 and sha256(file) == each["sha256"]
        assert each.get("original", {}).get("sha256") == (before if path == "secret.txt" else None)
    assert kept == {("never", "end"): {"path": "never", "at": "end", "reason": "not there"}}
    again = place("run", "--step", "t", "--runs", place.files / "runs", "--keep", "same", "--", "true", check=0)
    assert again.stderr == "" and len(list(objects.rglob("*/*"))) == 6


def test_the_same_kept_by_many_at_once(place):
    """One object, whole, and nothing of a temporary name beside it."""
    (place.files / "conf").write_bytes(b"x" * 300000)
    place.begin("--pipeline", "p")
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        done = list(pool.map(lambda n: place("run", "--step", "s%d" % n, "--keep", "conf", "--", "true"), range(24)))
    assert all((each.returncode, each.stderr) == (0, "") for each in done)
    (file,) = (path for path in place.run.parent.joinpath("objects").rglob("*") if path.is_file())
    assert file.parent.name + file.name == sha256(place.files / "conf") == sha256(file)
    place("end", check=0)
    place("verify", check=0)


def test_keep_limit(place):
    (place.files / "big").write_bytes(b"x" * 2000)
    done = place("run", "--step", "s", "--keep", "big", "--keep-limit", "1K", "--", "true", check=0)
    assert "larger than --keep-limit" in done.stderr
    assert receipt(place)["kept"] == [{"path": "big", "at": "start", "size": 2000, "reason": "larger than --keep-limit"}]


@pytest.mark.parametrize("harm", ["change", "remove"])
def test_verify_names_kept_content_that_is_not_what_it_was(place, harm):
    (place.files / "conf").write_text("a\n")
    place("run", "--step", "s", "--keep", "conf", "--", "true", check=0)
    run = the_run(place)
    place("verify", run.name, check=0)
    (file,) = (place.files / "runs/objects").rglob("*/*")
    if harm == "change":
        file.chmod(0o644)
        file.write_text("b\n")
    else:
        file.unlink()
    done = place("verify", run.name, check=1)
    name = "../objects/%s/%s" % (file.parent.name, file.name)
    assert name in done.stdout + done.stderr
    assert ("was changed" if harm == "change" else "was taken away") in done.stdout + done.stderr
    if harm == "change":  # the recipe of spec/RECEIPT.md finds it, too
        by_hand = subprocess.run(
            ["sh", "-c", r"""jq -r '.kept[]? | select(.sha256) | "\(.sha256)  ../objects/\(.sha256[:2])/\(.sha256[2:])"' """
             "steps/*/attempt-*/receipt.json | sha256sum --check --quiet"], cwd=run, capture_output=True, text=True, timeout=60,
            check=False)
        assert by_hand.returncode != 0 and name in by_hand.stdout


# ---- gates ----

def test_gates_that_pass(place):
    done = place("run", "--step", "s", "--gate", "echo checked; cat", "--gate", "test -n \"$LINEAGE_RUN_ID\"", "--", "cat",
                 check=0)
    assert done.stdout == "" and "checked" in done.stderr
    gates = receipt(place)["gates"]
    assert [(gate["verdict"], gate["exit_code"]) for gate in gates] == [("pass", 0), ("pass", 0)]
    last = [event for event in place.events() if event["job"]["name"] == "s"][-1]
    assert [gate["verdict"] for gate in facets(last)["lineaged_gates"]["gates"]] == ["pass", "pass"]


def test_no_pass_no_start(place):
    """125, FAIL with the reason, a receipt that tells it from a command that exits with 125; later gates are not asked."""
    (place.files / "out").write_text("old")
    done = place("run", "--step", "s", "--gate", "true", "--gate", "exit 3", "--gate", "touch asked", "-o", "out", "--", "touch", "ran",
                 check=125)
    assert "gate 2 of 3" in done.stderr and "exit status 3" in done.stderr
    assert not (place.files / "ran").exists() and not (place.files / "asked").exists()
    got = receipt(place)
    assert (got["status"], got["exit_code"]) == ("FAIL", 125)
    assert [(gate["verdict"], gate["exit_code"]) for gate in got["gates"]] == [("pass", 0), ("fail", 3)]
    last = [event for event in place.events() if event["job"]["name"] == "s"][-1]
    assert last["eventType"] == "FAIL" and "gate 2 of 3" in facets(last)["errorMessage"]["message"]
    assert facets(last)["lineaged_gates"]["gates"][1]["verdict"] == "fail"
    assert "version" not in last["outputs"][0]["facets"]  # the command wrote nothing
    assert place("run", "--step", "t", "--runs", "other", "--", "sh", "-c", "exit 125", check=125).stderr == ""


def test_a_gate_cannot_hold_us(place):
    begun = time.monotonic()
    done = place("run", "--step", "s", "--gate", "trap '' TERM; sleep 60 & wait; sleep 60", "--gate-timeout", "300ms", "--", "touch",
                 "ran", check=125)
    assert "longer than 0.3 s" in done.stderr and time.monotonic() - begun < 30
    (gate,) = receipt(place)["gates"]
    assert gate["verdict"] == "error" and not (place.files / "ran").exists()


def test_a_request_to_end_while_a_gate_runs(place):
    process = subprocess.Popen([place.lineage, "run", "--step", "s", "--gate", "touch asked; sleep 60", "--", "touch", "ran"],
                               env=place.env, cwd=place.files, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    procs.wait_until(lambda: (place.files / "asked").exists())
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode == 128 + signal.SIGTERM and not (place.files / "ran").exists()
    assert receipt(place)["status"] == "ABORT" and receipt(place)["gates"][0]["verdict"] == "error"


# ---- while it runs ----

def test_heartbeat(place):
    """RUNNING events from the loop that waits: no thread beside the command's."""
    done = place("run", "--heartbeat", "100ms", "--", "sh", "-c", "sleep 0.6; ls /proc/$PPID/task | wc -l", check=0)
    types = [event["eventType"] for event in place.events()]
    assert types[0] == "START" and types[-1] == "COMPLETE" and types.count("RUNNING") >= 3 and len(types) == types.count("RUNNING") + 2
    assert done.stdout.strip() == "1"
    place("run", "--heartbeat", "24h", "--", "true", check=0)
    assert [event["eventType"] for event in place.events()][-2:] == ["START", "COMPLETE"]


def test_signals_pass_between_heartbeats(place):
    process = subprocess.Popen([place.lineage, "run", "--heartbeat", "100ms", "--", "sh", "-c",
                                "trap 'exit 7' USR1; touch up; while :; do sleep 0.05; done"],
                               env=place.env, cwd=place.files, stdin=subprocess.DEVNULL)
    procs.wait_until(lambda: (place.files / "up").exists())
    process.send_signal(signal.SIGUSR1)
    assert process.wait(timeout=30) == 7


def test_log(place):
    place("run", "--step", "s", "--task-id", "t-1", "--log", "log.jsonl", "-o", "out", "--", "sh", "-c",
          "echo $LINEAGE_LOG; echo x > out; cd /; exit 0", check=0)
    done = place("run", "--step", "s", "--log", "log.jsonl", "--", "sh", "-c", "exit 3", check=3)
    assert done.stderr == ""
    lines = [json.loads(line) for line in (place.files / "log.jsonl").read_text().splitlines()]
    assert [line["event"] for line in lines] == ["step_started", "step_finished"] * 2
    first, second = lines[1], lines[3]
    assert (first["step"], first["attempt"], first["task_id"], first["status"]) == ("s", 1, "t-1", "COMPLETE")
    assert first["output_sha256"] == sha256(place.files / "out") and first["duration_ms"] >= 0
    assert first["run_id"] == lines[0]["run_id"] and re.match(r"2\d{3}-\d\d-\d\dT", first["time"])
    assert (second["status"], second["exit_code"]) == ("FAIL", 3) and "output_sha256" not in second
    to_stderr = place("run", "--log", "-", "--", "true", check=0)
    assert [json.loads(line)["event"] for line in to_stderr.stderr.splitlines()] == ["step_started", "step_finished"]
    told = place("run", "--log", "/nowhere/log", "--", "sh", "-c", "exit 6", check=6)
    assert "/nowhere/log" in told.stderr


def test_the_command_finds_the_log(place):
    done = place("run", "--log", "log.jsonl", "--", "sh", "-c", "cd /; echo $LINEAGE_LOG", check=0)
    assert done.stdout.strip() == str(place.files / "log.jsonl")


class Slow(http.server.BaseHTTPRequestHandler):
    """Takes requests and never answers in time."""
    seen = []

    def do_POST(self):
        self.seen.append(self.path)
        self.server.release.wait(20)

    def log_message(self, *_):
        pass


@pytest.fixture
def slow_server():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Slow)
    server.release = threading.Event()
    Slow.seen = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.release.set()
    server.shutdown()
    server.server_close()


def with_modules(place):
    """`lineage` looks for them where it is installed, beside the library."""
    modules = pathlib.Path(place.lineage).parent.parent / "emitter"
    place.env["LD_LIBRARY_PATH"] = "%s:%s" % (modules, place.env.get("LD_LIBRARY_PATH", ""))


def over_http(place, port, timeout_ms):
    del place.env["OPENLINEAGE__TRANSPORT__DIRECTORY"]
    with_modules(place)
    place.env.update({"OPENLINEAGE__TRANSPORT__TYPE": "http", "OPENLINEAGE__TRANSPORT__URL": "http://127.0.0.1:%d" % port,
                      "OPENLINEAGE__TRANSPORT__TIMEOUT_IN_MILLIS": str(timeout_ms)})


def test_emit_timeout(place, slow_server):
    """The flag bounds what configuration allows, and is nothing the command sees."""
    over_http(place, slow_server.server_port, 15000)
    begun = time.monotonic()
    done = place("run", "--emit-timeout", "150ms", "--", "sh", "-c", "env | grep -c 15000; exit 5", check=5)
    assert time.monotonic() - begun < 10 and done.stdout.strip() == "1" and len(Slow.seen) == 1


def test_offline(place, slow_server, workdir):
    """Nothing asks for the network, whatever is configured; the events lie in the journal."""
    over_http(place, slow_server.server_port, 15000)
    place("run", "--offline", "--", "true", check=0)
    assert Slow.seen == []
    found = [line for path in (workdir / "state").rglob("*.jsonl") for line in path.read_text().splitlines() if "eventType" in line]
    assert [json.loads(line)["eventType"] for line in found] == ["START", "COMPLETE"]


def test_dry_run(place, workdir):
    """What would be emitted and written is printed; nothing is made or run."""
    (place.files / "conf").write_text("a\n")
    before = everything(workdir)
    done = place("run", "--dry-run", "--step", "s", "--seq", "7", "-i", "conf", "--keep", "conf", "--gate", "touch asked", "--param", "lr=1",
                 "--log", "log", "--", "touch", "ran", "--password", "x", check=0)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    event, claim, keep, gate, log, run = lines
    assert event["eventType"] == "START" and event["inputs"][0]["name"] == str(place.files / "conf")
    assert claim["write"].endswith("/steps/007_s/attempt-1/claim.json")
    assert claim["content"]["parameters"] == {"lr": "1"} and claim["content"]["openlineage"]["run_id"] == event["run"]["runId"]
    assert (keep, gate, log) == ({"keep": "conf"}, {"gate": "touch asked"}, {"append": "log"})
    assert run == {"run": ["touch", "ran", "--password", "[redacted]"]}
    assert everything(workdir) == before and not (place.files / "runs").exists() and place.events() == []


def test_dry_run_of_a_further_attempt(place):
    place.begin("--pipeline", "p")
    place("run", "--step", "s", "--", "true", check=0)
    count = len(place.events())
    done = place("run", "--dry-run", "--step", "s", "--", "true", check=0)
    claim = json.loads(done.stdout.splitlines()[1])
    assert claim["write"] == str(place.run / "steps/s/attempt-2/claim.json")
    assert claim["content"]["previous"]["path"] == "steps/s/attempt-1/receipt.json"
    assert len(place.events()) == count and not (place.run / "steps/s/attempt-2").exists()


# ---- what others got wrong (wrapping a command) ----

@pytest.mark.parametrize("words", [["--gate", "false"], ["--dry-run"], ["-q"], ["--help"], ["run", "--step", "x"], ["--", "--strict"], ["-i"]],
                         ids=" ".join)
def test_arguments_of_the_command_that_look_like_ours_are_its_own(place, words):
    """With and without `--` in front."""
    for before in (["--"], []):
        done = place("run", *before, "printf", "%s\\n", *words, check=0)
        assert done.stdout.splitlines() == words


@pytest.mark.parametrize("status", [1, 2, 3, 77, 125, 126, 127, 255])
def test_exit_status_is_the_commands_whatever_is_asked_for(place, status):
    (place.files / "conf").write_text("a\n")
    done = place("run", "--step", "s", "--strict", "--keep", "conf", "--gate", "true", "--heartbeat", "1s", "--log", "log", "--metric", "a=1",
                 "--env", "PATH", "--", "sh", "-c", "exit %d" % status, check=status)
    assert done.stdout == ""
    types = [event["eventType"] for event in place.events() if event["job"]["name"] == "s"]
    assert types == ["START", "FAIL"]  # a failed run is never COMPLETE


def test_abort_on_signal(place):
    place("run", "--", "sh", "-c", "kill -15 $$", check=143)
    place("run", "--abort-on-signal", "--", "sh", "-c", "kill -15 $$", check=143)
    place("run", "--abort-on-signal", "--", "sh", "-c", "exit 1", check=1)
    assert [event["eventType"] for event in place.events()] == ["START", "FAIL", "START", "ABORT", "START", "FAIL"]


def test_wrong_configuration_is_said_and_never_fatal(place):
    """Before the command; --strict alone makes it count, and then nothing is started."""
    (place.files / "openlineage.yml").write_text("transport: {type: [}\n")
    del place.env["OPENLINEAGE__TRANSPORT__TYPE"], place.env["OPENLINEAGE__TRANSPORT__DIRECTORY"]
    with_modules(place)
    done = place("run", "--", "sh", "-c", "echo ran >&2; exit 3", check=3)
    assert done.stderr.index("openlineage.yml") < done.stderr.index("ran")
    done = place("run", "--strict", "--", "touch", "ran", check=125)
    assert "openlineage.yml" in done.stderr and not (place.files / "ran").exists()


def test_a_wrong_url_is_said_and_loses_nothing(place, workdir):
    """It does not look as if it had worked: the events lie in the journal, the status is the command's."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        over_http(place, closed.getsockname()[1], 200)
        done = place("run", "--", "sh", "-c", "exit 6", check=6)
    assert "http://127.0.0.1:" in done.stderr and "journal" in done.stderr
    found = [line for path in (workdir / "state").rglob("*.jsonl") for line in path.read_text().splitlines() if "eventType" in line]
    assert [json.loads(line)["eventType"] for line in found] == ["START", "FAIL"]
    assert place("run", "-q", "--", "sh", "-c", "exit 6", check=6).stderr == ""


def test_whose_exit_status_it_is_is_said(place):
    """The command's own is never spoken of; ours is."""
    assert place("run", "--", "sh", "-c", "exit 125", check=125).stderr == ""
    assert "command not started" in place("run", "-q", "--gate", "false", "--", "true", check=125).stderr
    assert "there-is-none" in place("run", "-q", "--", "there-is-none", check=127).stderr


def test_strict_wants_the_receipt_that_was_asked_for(place):
    (place.files / "runs").write_text("no folder")
    done = place("run", "--step", "s", "--", "sh", "-c", "exit 3", check=3)
    assert "no receipt is written" in done.stderr
    place("run", "--strict", "--step", "s", "--", "touch", "ran", check=125)
    assert not (place.files / "ran").exists()
    place("run", "--strict", "--", "true", check=0, OPENLINEAGE_DISABLED="true")


def test_trouble_after_the_start_is_never_the_commands(place):
    """The journal cannot be written from the start on: said, and the status stays."""
    place.journal.chmod(0o500)
    done = place("run", "--strict", "--", "sh", "-c", "exit 9")
    place.journal.chmod(0o700)
    if os.getuid() != 0:
        assert done.returncode in (9, 125) and done.stderr
    else:
        assert done.returncode == 9
