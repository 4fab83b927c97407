# SPDX-License-Identifier: Apache-2.0
"""Every facet, as a C program told it to the library and as it stood in the journal: equal to what was written by
hand in tests/data/facets, valid by the published schemas, and what openlineage-python writes of the same facts."""
import copy
import json
import os
import pathlib
import shutil

import pytest

REPO = pathlib.Path(__file__).resolve().parents[2]
DATA = REPO / "tests/data/facets"
CORE = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/"
# of those openlineage-python has no classes
NOT_IN_PYTHON = {"run.gcp_composer_run", "run.gcp_dataproc", "job.gcp_composer_job", "job.gcp_lineage",
                 "input.icebergScanReport", "output.icebergCommitReport", "run.lineaged_run", "run.lineaged_context",
                 "run.lineaged_inferred",
                 "run.lineaged_shed", "job.lineaged_shed", "dataset.lineaged_shed",
                 "dataset.lineaged_artifact", "dataset.lineaged_artifact.remote",
                 *("run.lineaged_" + name for name in (
                     "call", "prompt", "retrieval", "answer", "answers", "reproducibility", "metrics", "deployment",
                     "approval", "gates", "code", "machine", "container", "tools", "dvc"))}
BY_LIBRARY = {"processing_engine"}  # stands in every run


def expected():
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(DATA.glob("*.json"))}


def canonical(value):
    """Equal for equal JSON: order of members and spelling of numbers do not count, true is not 1."""
    def number(v):
        if isinstance(v, float) and v.is_integer():
            return int(v)
        if isinstance(v, dict):
            return {key: number(each) for key, each in v.items()}
        return [number(each) for each in v] if isinstance(v, list) else v
    return json.dumps(number(value), sort_keys=True)


def facets_of(event):
    """{"ENTITY.KEY": facet} of all that an event holds."""
    out = {}

    def take(entity, facets):
        for key, facet in facets.items():
            name = "%s.%s" % (entity, key)
            assert out.setdefault(name, facet) == facet, name + " differs within one event"
    if "run" in event:
        take("run", event["run"]["facets"])
    if "job" in event:
        take("job", event["job"]["facets"])
    for side in ("input", "output"):
        for dataset in event.get(side + "s", []):
            take("dataset", dataset["facets"])
            take(side, dataset[side + "Facets"])
    if "dataset" in event:
        take("dataset", event["dataset"]["facets"])
    return out


@pytest.fixture
def events(runner, built, workdir, monkeypatch):
    """{(kind or eventType, job's or dataset's name): event}."""
    journal = workdir / "journal"
    journal.mkdir()
    program = built("facets_emit")
    for name in list(os.environ):  # nothing around the test may add facets
        if name not in ("PATH", "HOME", "LD_LIBRARY_PATH") and not name.endswith("SAN_OPTIONS"):
            monkeypatch.delenv(name)
    done = runner.run(program, str(journal))
    assert done.status == 0, done.err
    found = {}
    for path in journal.glob("*.jsonl"):
        for line in path.read_bytes().splitlines():
            event = json.loads(line)
            if "eventTime" in event:
                kind = event.get("eventType") or event["schemaURL"].rsplit("/", 1)[1]
                name = event["job"]["name"] if "job" in event else event["dataset"]["name"]
                assert found.setdefault((kind, name), event) is event
    return found


def test_facets_are_as_written_by_hand(events):
    want = expected()
    base = {name: facet for name, facet in want.items() if name.count(".") == 1}
    for kind, name, entities in (("START", "all", "run job dataset input output"),
                                 ("COMPLETE", "all", "run job dataset input output"),
                                 ("JobEvent", "designed", "job dataset input output"),
                                 ("DatasetEvent", "/out", "dataset")):
        found = facets_of(events.pop((kind, name)))
        # our ids follow the program's own tags
        if kind in ("START", "COMPLETE"):
            ids = want["run.lineaged_run"]
            base["run.tags"] = {**want["run.tags"], "tags": want["run.tags"]["tags"] + [
                {"key": key, "value": value, "source": "lineaged"} for key, value in ids.items() if key[0] != "_"]}
        told = {each: facet for each, facet in base.items() if each.split(".")[0] in entities.split()}
        assert set(found) == set(told), kind
        for each, facet in told.items():
            assert canonical(found[each]) == canonical(facet), (kind, each)
    variants = {name for name in want if name.count(".") == 2}
    assert {name for kind, name in events} == variants
    for (kind, name), event in events.items():
        entity, key, _ = name.split(".")
        assert kind == "ABORT"
        assert canonical(facets_of(event)["%s.%s" % (entity, key)]) == canonical(want[name]), name
        assert set(facets_of(event)) - {"run." + key for key in BY_LIBRARY} == {"%s.%s" % (entity, key)}


def test_events_and_facets_are_valid(events, schema_judge, reference, workdir):
    values, names = [], []
    for (kind, name), event in events.items():
        values.append([event["schemaURL"], event])
        names.append((kind, name))
        assert event["schemaURL"] == CORE + (kind if kind.endswith("Event") else "RunEvent")
        for facet_name, facet in facets_of(event).items():
            if "lineaged/lineaged" in facet["_schemaURL"]:
                continue  # our own: below
            values.append([facet["_schemaURL"], facet])
            names.append((kind, name, facet_name))
    wrong = [(name, found) for name, found in zip(names, schema_judge(reference / "schemas", values)) if found]
    assert not wrong
    # ours by our own schemas, which refer to the core's
    ours = [[f["_schemaURL"], f] for f in expected().values() if "lineaged/lineaged" in f["_schemaURL"]]
    assert len(ours) >= 2
    folder = workdir / "schemas"
    shutil.copytree(REPO / "spec/schemas", folder)
    shutil.copy(reference / "schemas/OpenLineage.json", folder)
    assert not any(schema_judge(folder, ours))


def test_the_judge_finds_what_is_wrong(schema_judge, reference):
    """Each facet without one member that it needs, or with a member of another type, is found: so the test before
    can fail."""
    surface = json.loads((reference / "surface.json").read_text(encoding="utf-8"))
    required = {f["definition"]: f["required"] for f in surface["facets"]}
    values = []
    for name, facet in expected().items():
        definition = facet["_schemaURL"].rsplit("/", 1)[1]
        for key in ["_producer", *required.get(definition, [])]:
            if "lineaged/lineaged" in facet["_schemaURL"]:
                continue
            less, other = copy.deepcopy(facet), copy.deepcopy(facet)
            del less[key]
            other[key] = 7.5
            values += [[facet["_schemaURL"], less], [facet["_schemaURL"], other]]
    answers = schema_judge(reference / "schemas", values)
    assert len(answers) > 100 and all(answers)


def test_the_python_client_writes_the_same(python_client):
    """Together with the first test: so does the library."""
    theirs, ours = python_client.facets(DATA), expected()
    assert {name for name, facet in theirs.items() if facet is None} == NOT_IN_PYTHON
    assert set(theirs) == set(ours)
    for name, facet in theirs.items():
        if facet is not None:
            assert canonical(facet) == canonical(ours[name]), name
