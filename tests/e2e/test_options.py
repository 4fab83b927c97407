# SPDX-License-Identifier: Apache-2.0
"""Options of `lineage` that no other test has for its own, and what a newcomer does wrong: every refusal names the
object and what was expected, and nothing is left behind."""
import json
import os
import shutil
import subprocess

import pytest

import ai_server
from test_call import Caller
from test_receipts import Place, read


@pytest.fixture
def place(built, workdir):
    made = Place(built("lineage"), workdir)
    made.env["PATH"] = "%s:%s" % (built("lineaged").parent, made.env["PATH"])
    return made


def asked(place, *words):
    return json.loads(place(*words, "--json", check=0).stdout)


def test_long_names_of_run(place):
    (place.files / "raw.csv").write_text("1\n")
    place("run", "--input", "raw.csv", "--output", "copy.csv", "--", "cp", "raw.csv", "copy.csv", check=0)
    last = place.events()[-1]
    assert [each["name"].rsplit("/", 1)[1] for each in last["inputs"] + last["outputs"]] == ["raw.csv", "copy.csv"]


def test_begin_in_a_namespace(place):
    run = place.begin("--namespace", "team")
    assert read(run / "manifest.json")["openlineage"]["job_namespace"] == "team"
    place("end", check=0)
    assert {event["job"]["namespace"] for event in place.events()} == {"team"}


def test_begin_quietly(place):
    place.env["OPENLINEAGE__TRANSPORT__DIRECTORY"] = "/proc/nowhere"
    assert "lineage: " in place("begin", check=0).stderr
    done = place("begin", "--quiet", check=0)
    assert done.stderr == "" and (place.files / "runs" / done.stdout.strip() / "manifest.json").exists()


@pytest.mark.parametrize("option, state", [("--fail", "FAIL"), ("--abort", "ABORT")])
def test_a_run_that_ended_otherwise(place, option, state):
    place.begin()
    place("end", option, check=0)
    assert [event["eventType"] for event in place.events()] == ["START", state]
    place("verify", check=0)


def test_limits_of_answers(place):
    """--limit of each question; what was cut is said."""
    place.env["OPENLINEAGE__TRANSPORT__DIRECTORY"] = place.env["XDG_STATE_HOME"] + "/lineaged/journal"
    (place.files / "a").write_text("a")
    for name in "bcd":
        place("run", "--job", "to-" + name, "-i", "a", "-o", name, "--", "cp", "a", name, check=0)
    assert len(asked(place, "runs", "--limit", "2")["runs"]) == 2
    assert len(asked(place, "runs")["runs"]) == 3
    for verb, subject in (("impact", "a"), ("why", "b")):
        whole = asked(place, verb, subject)
        few = asked(place, verb, "--limit", "1", subject)
        assert len(json.dumps(few)) < len(json.dumps(whole)), (few, whole)
        assert "true" in json.dumps({key: value for key, value in few.items() if "trunc" in key or "cut" in key}), few
    for text in "12":
        (place.files / "x").write_text(text)
        place("run", "--job", "first", "-i", "x", "-o", "y", "--", "cp", "x", "y", check=0)
        place("run", "--job", "second", "-i", "y", "-o", "z", "--", "cp", "y", "z", check=0)
    run, other = (each["run_id"] for each in asked(place, "runs", "--job", "second")["runs"])
    whole, few = asked(place, "diff", run, other), asked(place, "diff", "--limit", "1", run, other)
    assert [len(each["pairs"]) for each in (whole, few)] == [2, 1]
    assert [each["truncated"] for each in (whole, few)] == [False, True], few["truncated"]
    events = place("events", "--limit", "1", run, check=3)
    assert run in events.stderr and "raw_events" in events.stderr  # where the store keeps them: test_whole_line.py


def test_the_manual_of_settings(place):
    manual = place("config", "--manual", check=0).stdout
    assert manual.startswith(".") and "OPENLINEAGE__TRANSPORT__TYPE" in manual.replace("\\", "") or "transport" in manual


# ---- mistakes ----

LONG = "a" * 300


@pytest.mark.parametrize("words, says", [
    (["run", "--step", LONG, "--", "true"], ["--step", "expected 1 to 128 bytes"]),
    (["run", "--step", "a\nb", "--", "true"], ["--step", "expected letters, digits"]),
    (["run", "--step", "", "--", "true"], ["--step", "expected 1 to 128 bytes"]),
    (["run", "--step", "../up", "--", "true"], ["--step", "'../up'"]),
    (["run", "--step", "s", "--param", "novalue", "--", "true"], ["--param", "'novalue'", "expected KEY=VALUE"]),
    (["run", "--step", "s", "--seq", "-1", "--", "true"], ["--seq", "'-1'", "expected 0 to"]),
    (["run", "--step", "s", "--attempt", "x", "--", "true"], ["--attempt", "'x'", "expected 1 to"]),
    (["run", "--ok-codes", "300", "--", "true"], ["--ok-codes", "'300'", "expected"]),
    (["run", "--hash-limit", "5x", "--", "true"], ["--hash-limit", "'5x'"]),
    (["run", "--", ], ["no command", "expected"]),
    (["begin", "more"], ["'more'", "no argument is expected"]),
    (["begin", "--pipeline", ""], ["--pipeline", "must not be empty"]),
    (["end"], ["expected RUN_ID, or LINEAGE_RUN_ID"]),
    (["end", "no-such-form"], ["'no-such-form'", "expected"]),
    (["verify"], ["expected RUN_ID, or LINEAGE_RUN_ID"]),
    (["why"], ["expected a dataset, file, job or run"]),
    (["runs", "--limit", "x"], ["--limit", "'x'"]),
    (["runs", "--state", "DONE"], ["DONE", "RUNNING, COMPLETE, FAIL"]),
    (["spool", "cat", "--from", "x"], ["--from", "'x'", "expected a number"]),
    (["key", "new", "--name"], ["'--name'", "expected a name"]),
    (["frobnicate"], ["no verb 'frobnicate'", "Try 'lineage --help'"]),
], ids=lambda value: " ".join(value)[:40] if isinstance(value, list) else None)
def test_wrong_words(place, words, says):
    done = place(*words)
    assert done.returncode == 2
    for text in says:
        assert text in done.stderr, done.stderr
    assert done.stdout == "" and not (place.files / "runs").exists()


def without_rights(place, *words, **more):
    """As a user whose rights are those that the files' modes give: root may write everywhere."""
    argv = [place.lineage, *map(str, words)]
    if os.geteuid() == 0:
        if shutil.which("setpriv") is None:
            pytest.skip("needs setpriv (util-linux)")
        argv = ["setpriv", "--bounding-set", "-all", "--inh-caps", "-all", *argv]
    return subprocess.run(argv, env={**place.env, **more}, cwd=place.files, text=True, capture_output=True,
                          stdin=subprocess.DEVNULL, timeout=60, check=False)


def test_places_that_may_not_be_written(place):
    """The command runs and ends as it does; the folder and the reason are said."""
    runs = place.files / "runs"
    runs.mkdir()
    runs.chmod(0o555)
    done = without_rights(place, "run", "--step", "s", "--", "sh", "-c", "exit 4")
    assert done.returncode == 4
    assert "no receipt is written" in done.stderr and "runs" in done.stderr and "Permission denied" in done.stderr
    begun = without_rights(place, "begin")
    assert begun.returncode == 1 and "Permission denied" in begun.stderr and begun.stdout == ""
    secret = place.files / "secret"
    secret.write_text("x")
    secret.chmod(0)
    runs.chmod(0o777)
    done = without_rights(place, "run", "--step", "s", "-i", "secret", "--", "true")
    assert done.returncode == 0
    assert "input 'secret' has no version: cannot be opened: Permission denied" in done.stderr
    (receipt,) = runs.glob("*/steps/s/receipt.json")
    (given,) = read(receipt)["inputs"]
    assert given["basis"] == "unknown" and "Permission denied" in given["reason"]
    closed = place.files / "closed"
    closed.mkdir()
    (closed / "file").write_text("x")
    closed.chmod(0)
    without_rights(place, "run", "--step", "t", "-i", "closed", "-i", "closed/file", "--", "true")
    (receipt,) = runs.glob("*/steps/t/receipt.json")
    for given in read(receipt)["inputs"]:
        assert given["basis"] == "unknown"
        assert "Permission denied" in given["reason"] or "may not be looked at" in given["reason"], given


def test_an_input_that_is_not_there(place):
    """A name that was mistyped is said, and the command runs."""
    done = place("run", "-i", "rww.csv", "--", "true", check=0)
    assert "input 'rww.csv' was not there before the command" in done.stderr
    assert place("run", "-q", "-i", "rww.csv", "--", "true", check=0).stderr == ""


def test_no_home(place):
    """Nothing says where the journal is: that is said, and what to set; the receipt is written all the same."""
    done = subprocess.run([place.lineage, "run", "--step", "s", "--", "/bin/true"], env={}, cwd=place.files, text=True,
                          capture_output=True, timeout=60, check=False)
    assert done.returncode == 0
    assert "HOME" in done.stderr and "OPENLINEAGE__TRANSPORT__DIRECTORY" in done.stderr
    (receipt,) = place.files.glob("runs/*/steps/s/receipt.json")
    assert read(receipt)["status"] == "COMPLETE"


# ---- lineage call: options that test_call.py has no test of their own for ----

@pytest.fixture
def caller(built, workdir):
    made = Caller(built("lineage"), workdir)
    yield made
    made.close()


def test_call_without_tls(caller):
    """A key goes unencrypted to another machine only if that is said; to this one it may."""
    words = ["call", "--provider", "openai", "--step", "ask", "--retries", "0", "--connect-timeout", "200ms",
             "http://192.0.2.1:9/v1/chat/completions", "@request.json"]
    refused = caller(*words, check=2)
    assert "--allow-http" in refused.stderr and "https://" in refused.stderr
    tried = caller(*words[:1], "--allow-http", *words[1:], check=3)
    assert "192.0.2.1" in tried.stderr
    server = caller.serve(ai_server.openai(), tls=False)
    caller("call", "--provider", "openai", "--step", "ask", server.url + "/v1/chat/completions", "@request.json", check=0)


def test_call_into_places_that_are_named(caller, workdir):
    server = caller.serve(ai_server.refusal(503, headers=[("Retry-After", "0")]), ai_server.openai("Hello."))
    done = caller.call(server, "--runs", workdir / "elsewhere", "--namespace", "team", "--pipeline", "asking", "--quiet",
                       "--output", "answer.json", check=0)
    assert done.stdout == done.stderr == ""
    assert json.loads((caller.files / "answer.json").read_text())["choices"][0]["message"]["content"] == "Hello."
    (receipt,) = (workdir / "elsewhere").glob("*/steps/ask/receipt.json")
    ours = read(receipt)["openlineage"]
    assert ours["job_namespace"] == "team" and {event["job"]["namespace"] for event in caller.events()} == {"team"}
    assert "asking" in {event["job"]["name"] for event in caller.events()}
