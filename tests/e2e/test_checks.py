# SPDX-License-Identifier: Apache-2.0
"""lineage depends, check, stale, runs, search and stats on a real agent and store, with and without the agent: answers
written by hand."""
import json
import os
import shutil
import subprocess
import urllib.error
import urllib.request

import pytest

from agent_process import free_port
from test_ask import Place


@pytest.fixture
def place(runner, built, workdir):
    made = Place(runner, built, workdir)
    yield made
    made.stop()


STORY = """
set -e
echo 1 > raw.csv
echo 2 > secret.csv
eval "$(lineage begin --export --pipeline nightly --input raw=raw.csv)"
lineage run -q --step clean --seq 10 --group fold=3 -i raw.csv -o clean.csv -- cp raw.csv clean.csv
lineage run -q --step train --group fold=4 -i clean.csv -o model.bin -- cp clean.csv model.bin
lineage run -q --step broken -i clean.csv -- false || true
lineage end
unset LINEAGE_RUN_ID LINEAGE_RUNS OPENLINEAGE_PARENT_ID
lineage run -q --job other -i secret.csv -o secret.out -- cp secret.csv secret.out
"""


def story(place, text):
    done = subprocess.run(["sh", "-c", text], env=place.env, cwd=place.files, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr


def answer(place, expected, *words):
    status, out, err = place.ask(*words, "--json")
    assert status == expected, (words, status, out, err)
    return json.loads(out)


def names(nodes):
    return [os.path.basename(node.get("name") or node["job"]["name"]) for node in nodes]


def check_depends(place):
    yes = answer(place, 0, "depends", "model.bin", "raw.csv")
    assert yes["depends"] == "yes" and yes["is_asked_version"] is True
    path = names(yes["path"])
    assert [path[0], path[2], path[4]] == ["raw.csv", "clean.csv", "model.bin"] and len(path) == 5
    assert all(node["state"] == "COMPLETE" for node in yes["path"] if node["kind"] == "run")
    no = answer(place, 1, "depends", "model.bin", "secret.csv")  # the pipeline said what it starts from
    assert no["depends"] == "no" and no["gaps"] == [] and "path" not in no
    unknown = answer(place, 3, "depends", "secret.out", "raw.csv")  # nobody says where secret.csv is from
    assert unknown["depends"] == "not_known"
    assert [(gap["kind"], names([gap["at"]])) for gap in unknown["gaps"]] == [("no_writer", ["secret.csv"])]
    assert place.ask("depends", "model.bin", "never-heard-of")[0] == 3
    status, out, _ = place.ask("depends", "model.bin", "raw.csv")
    assert status == 0 and out.startswith("yes: ") and len(out.splitlines()) == 6
    assert place.ask("depends", "secret.out", "raw.csv")[1].startswith("not known: ")


def check_lists(place):
    by_group = answer(place, 0, "runs", "--group", "fold=3")["runs"]
    assert len(by_group) == 1 and by_group[0]["job"]["name"].endswith("clean")
    failed = answer(place, 0, "runs", "--failed", "--since", "1h")["runs"]
    assert len(failed) == 1 and failed[0]["job"]["name"].endswith("broken")
    assert answer(place, 0, "runs", "--failed", "--until", "1h")["runs"] == []
    [root] = [run for run in answer(place, 0, "runs", "--by-root")["runs"] if run["below"]["runs"] > 0]
    assert (root["below"]["runs"], root["below"]["failed"]) == (3, 1)
    below = answer(place, 0, "runs", "--parent", root["run_id"])["runs"]
    assert len(below) == 3 and {run["root"] for run in below} == {root["run_id"]}
    found = answer(place, 0, "search", "broken")["results"]
    assert found[0]["kind"] == "run" and found[0]["key"] == "step"
    assert "model.bin" in names(answer(place, 0, "search", "MODEL.b")["results"])
    assert place.ask("search", "no such thing")[0] == 3
    stats = answer(place, 0, "stats")
    assert stats["runs"]["fail"] == 1 and stats["runs"]["total"] == stats["runs"]["complete"] + 1
    assert sum(day["runs"] for day in stats["days"]) == stats["runs"]["total"]


def check_clean(place):
    assert answer(place, 0, "check", "--all", "--strict")["findings"] == []
    assert answer(place, 0, "stale", "model.bin")["stale"] == []


def test_questions(place, wait_until):
    place.start(wait_until)
    story(place, STORY)
    wait_until(lambda: place.ask("runs", "--json", "--job", "other")[1].count('"COMPLETE"') == 1 and
               place.ask("runs", "--json", "--job", "nightly")[1].count('"COMPLETE"') == 1, what=lambda: repr(place.ask("runs")) + place.ask("status")[1])
    for _ in range(2):
        check_depends(place)
        check_lists(place)
        check_clean(place)
        place.stop()  # and once more without it


def test_what_is_wrong_is_found(place):
    """A step's receipt is gone, an input was written anew: an exit status for CI."""
    story(place, STORY)
    [run] = [path for path in (place.files / "runs").iterdir() if path.name[:2] == "20"]
    check_clean(place)
    for path in (run / "steps").iterdir():
        if path.name.endswith("train"):
            shutil.rmtree(path / "attempt-1")
    found = answer(place, 1, "check", "--all", "--tolerance", "1h", "--open-for", "2d")
    assert [each["kind"] for each in found["findings"]] == ["step_without_receipt"] and found["errors"] == 1
    assert "train" in found["findings"][0]["what"]
    story(place, "echo 5 > raw.csv; lineage run -q --job again -i raw.csv -o clean.csv -- cp raw.csv clean.csv")
    found = answer(place, 1, "stale")["stale"]
    assert [(each["kind"], os.path.basename(each["dataset"]["name"])) for each in found] == [("newer_input", "model.bin")]
    assert os.path.basename(found[0]["newer"]["name"]) == "clean.csv" and found[0]["newer"]["version"] != found[0]["input"]["version"]
    assert "newer input" in place.ask("stale", "model.bin")[1]
    assert answer(place, 1, "stale", "model.bin")["subject"]["kind"] == "dataset"


def test_an_empty_store_passes_no_gate(place):
    """Nobody told anything: that all is well is not known."""
    assert answer(place, 3, "check", "--all")["runs"] == 0
    assert answer(place, 3, "stale")["looked_at"] == 0
    assert place.ask("stale") == (3, "nothing is recorded that could be stale\n", "")
    story(place, STORY)
    assert answer(place, 0, "stale")["looked_at"] > 0


def test_wrong_usage(place):
    for words, says in ((["depends", "a"], "expected A and B"), (["check", "--all", "x"], "only one"), (["stale", "a", "b"], "only one"),
                        (["stale", "--older-than", "month"], "30d"), (["runs", "--since", "yesterday"], "--since"),
                        (["runs", "--group", "fold"], "KEY=VALUE"), (["search"], "for what"), (["stats", "x"], "no argument"),
                        (["runs", "--state", "FAIL", "--failed"], "only one")):
        status, out, err = place.ask(*words)
        assert status == 2 and out == "" and says in err, (words, err)


def test_events_of_others(place, wait_until, reference):
    """Recorded events of Airflow, Spark, dbt and others: every question is answered, and "no" is not guessed."""
    port = free_port()
    config = place.directory / "config" / "lineaged"
    config.mkdir(parents=True)
    (config / "lineaged.yaml").write_text(json.dumps({
        "intake": {"http": {"listen": ["unix:%s" % place.env["LINEAGED_SOCKET"], "127.0.0.1:%d" % port]}},
        "routes": [{"name": "local", "type": "store", "path": str(place.directory / "lineage.db")}]}))
    place.start(wait_until)
    events = [json.loads(path.read_text()) for path in sorted((reference / "events/valid").rglob("*.json"))]
    taken = 0
    for event in events:
        request = urllib.request.Request("http://127.0.0.1:%d/api/v1/lineage" % port, json.dumps(event).encode(),
                                         {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=30) as done:
                taken += done.status == 201
        except urllib.error.HTTPError as refused:
            assert refused.code == 400
    assert taken > 5
    wait_until(lambda: all(route["waiting"] == 0 for route in answer(place, 0, "status")["routes"]))
    wait_until(lambda: answer(place, 0, "stats")["runs"]["total"] > 0)
    status, out, err = place.ask("check", "--all", "--json")
    assert status in (0, 1), err
    found = json.loads(out)
    assert found["runs"] > 0 and (found["errors"] > 0) == (status == 1)
    assert all(each["kind"] != "broken_chain" or each["dataset"]["version"] for each in found["findings"])
    status, out, err = place.ask("stale", "--json", "--older-than", "30d")
    assert status in (0, 1), err
    # any output of a run that told inputs depends on them; on an output of some other run it does not, or nobody knows
    ends = [event for event in events if event.get("inputs") and event.get("outputs") and event.get("eventType") == "COMPLETE"]
    asked = 0
    for event in ends[:10]:
        a, b = ("%s/%s" % (event[side][0]["namespace"], event[side][0]["name"].lstrip("/")) for side in ("outputs", "inputs"))
        if a == b or place.ask("show", "--json", a)[0] != 0 or place.ask("show", "--json", b)[0] != 0:
            continue
        status, out, err = place.ask("depends", "--json", a, b)
        verdict = json.loads(out)
        assert (status, verdict["depends"]) in ((0, "yes"), (3, "not_known")), (a, b, err)
        if verdict["depends"] == "not_known":
            assert verdict["gap_count"] > 0
        asked += verdict["depends"] == "yes"
    assert asked > 0
