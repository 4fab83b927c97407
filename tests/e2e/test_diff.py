# SPDX-License-Identifier: Apache-2.0
"""`lineage diff`: two trainings of one model and what lies upstream of them, told by events that any producer could
have sent; the answer is compared with one written by hand."""
import json
import os
import subprocess

import pytest
from agent_process import Agent, store_route

PRODUCER = "https://example.org/t"
SHA = {name: "sha256:" + (name * 64)[:64] for name in "abcdef"}


def facet(**members):
    return {"_producer": PRODUCER, "_schemaURL": PRODUCER, **members}


def dataset(name, version=None, **facets):
    if version is not None:
        facets["version"] = facet(datasetVersion=version)
    return {"namespace": "lake", "name": name, "facets": facets}


def event(run, minute, job, inputs, outputs, run_facets=None, job_facets=None, kind="COMPLETE"):
    return json.dumps({
        "eventType": kind, "eventTime": "2026-03-01T10:%02d:00.000Z" % minute, "producer": PRODUCER,
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
        "run": {"runId": "01957000-0000-7000-8000-%012d" % run, "facets": run_facets or {}},
        "job": {"namespace": "ml", "name": job, "facets": job_facets or {}}, "inputs": inputs, "outputs": outputs})


def commit(sha):
    return {"sourceCodeLocation": facet(type="git", url="https://example.org/r", version=sha)}


def parameters(**values):
    return {"executionParameters": facet(parameters=[{"key": k, "name": k, "value": v} for k, v in values.items()])}


def training(run, minute, data, model, code, epochs, seeds, loss):
    facets = parameters(learning_rate="0.1", epochs=epochs)
    facets["lineaged_container"] = facet(runtime="docker", id="%064d" % run, image="trainer:1")
    facets["lineaged_call"] = facet(client_request_id="c%d" % run, latency_ms=run, request_model="m")
    facets["lineaged_metrics"] = facet(metrics=[{"name": "loss", "value": loss, "split": "test"}])
    if seeds:
        facets["lineaged_reproducibility"] = facet(seeds=seeds)
    return event(run, minute, "train", [dataset("clean", data), dataset("labels", SHA["f"])],
                 [dataset("churn", model)], facets, commit(code))


# v1: raw -> clean (commit 1) -> churn; v2: the same raw data, cleaned by other code, one more epoch, no seed.
EVENTS = [
    event(1, 1, "clean", [dataset("raw", SHA["a"])], [dataset("clean", SHA["b"])], None, commit("1111")),
    training(2, 2, SHA["b"], "v1", "1111", "5", {"python": "7"}, 0.5),
    event(3, 3, "clean", [dataset("raw", SHA["a"])], [dataset("clean", SHA["c"])], None, commit("2222")),
    training(4, 4, SHA["c"], "v2", "1111", "6", None, 0.25),
]


def ask(agent, built, *words):
    done = subprocess.run([built("lineage"), "diff", *words], capture_output=True, text=True, timeout=60,
                          stdin=subprocess.DEVNULL, env={**os.environ, "LINEAGED_SOCKET": str(agent.socket)})
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def agent(runner, built, workdir, wait_until):
    made = Agent(runner, built("lineaged"), workdir / "a", [store_route(workdir / "lineage.db", on_lag="pin")]).start()
    for each in EVENTS:
        assert made.post(each.encode())[0] == 201
    wait_until(lambda: all(r["waiting"] == 0 for r in made.status()["routes"]), 30, lambda: str(made.status()))
    yield made
    assert made.stop() == 0


def changes(pair):
    return [(c["area"], c["what"], c.get("a"), c.get("b")) for c in pair["changed"]]


def test_two_models(agent, built):
    status, out, err = ask(agent, built, "--json", "churn@v1", "churn@v2")
    assert status == 0, err
    answer = json.loads(out)
    assert [(p["depth"], p["a"]["run_id"][-1], p["b"]["run_id"][-1], p["a"]["job"]["name"]) for p in answer["pairs"]] \
        == [(0, "2", "4", "train"), (1, "1", "3", "clean")]
    assert changes(answer["pairs"][0]) == [
        ("input", "lake clean", SHA["b"], SHA["c"]),
        ("output", "lake churn", "v1", "v2"),
        ("parameter", "epochs", "5", "6"),
        ("seed", "python", "7", None),
        ("metric", "loss/test", "0.5", "0.25")]
    same = answer["pairs"][0]["same"]
    assert same["input"] == 1 and same["parameter"] == 1 and same["code"] == 5 and same["model"] == 1 and same["outcome"] == 1
    assert changes(answer["pairs"][1]) == [
        ("output", "lake clean", SHA["b"], SHA["c"]),
        ("code", "sourceCodeLocation.version", "1111", "2222")]
    assert answer["truncated"] is False


def test_runs_and_text(agent, built):
    """By run ids, for people; one level only."""
    status, out, err = ask(agent, built, "--depth", "1", "01957000-0000-7000-8000-000000000002",
                           "01957000-0000-7000-8000-000000000004")
    assert status == 0, err
    assert "epochs" in out and "the same: 1 input" in out and "clean (ml)" in out
    status, out, err = ask(agent, built, "--limit", "1", "churn@v1", "churn@v2")
    assert status == 0 and "clean (ml)" not in out and out.endswith("(there is more: --limit N)\n"), out
    same = ask(agent, built, "churn@v1", "01957000-0000-7000-8000-000000000002")
    assert same[0] == 0 and same[1] == "both are of the same run\n"


@pytest.mark.parametrize("words, status, message", [
    (["churn@v1"], 2, "to what? expected a second dataset, file, job or run"),
    (["churn@v1", "nothing"], 3, "nothing is recorded under 'nothing'"),
    (["nothing", "churn@v1"], 3, "nothing is recorded under 'nothing'"),
    (["raw", "churn@v1"], 3, "no run is recorded that made 'raw'"),
    (["a", "b", "c"], 2, "'c': only two at a time"),
    ([], 2, "of what?"),
])
def test_what_is_not_there(agent, built, words, status, message):
    got = ask(agent, built, *words)
    assert got[0] == status and message in got[2], got
