# SPDX-License-Identifier: Apache-2.0
"""lineage import mlmd.db: executions, artifacts and contexts of ML Metadata become runs, datasets and parents. The fast tests use a database
made here after the documented tables; the slow one has the real package make it."""
import json
import pathlib
import sqlite3
import subprocess

import pytest

from test_rebuild import Places

PROPERTY = ", name TEXT, is_custom_property INT, int_value INT, double_value DOUBLE, string_value TEXT, byte_value BLOB, bool_value BOOLEAN"
TIMES = ", create_time_since_epoch INT DEFAULT 0, last_update_time_since_epoch INT DEFAULT 0"
TABLES = {
    "MLMDEnv": "schema_version INTEGER PRIMARY KEY", "Type": "id INTEGER PRIMARY KEY, name TEXT, version TEXT, type_kind INT",
    "ParentType": "type_id INT, parent_type_id INT", "Artifact": "id INTEGER PRIMARY KEY, type_id INT, uri TEXT, state INT, name TEXT" + TIMES,
    "Execution": "id INTEGER PRIMARY KEY, type_id INT, last_known_state INT, name TEXT" + TIMES,
    "Event": "id INTEGER PRIMARY KEY, artifact_id INT, execution_id INT, type INT, milliseconds_since_epoch INT",
    "Context": "id INTEGER PRIMARY KEY, type_id INT, name TEXT" + TIMES, "ParentContext": "context_id INT, parent_context_id INT",
    "Association": "id INTEGER PRIMARY KEY, context_id INT, execution_id INT", "Attribution": "id INTEGER PRIMARY KEY, context_id INT, artifact_id INT",
    "ArtifactProperty": "artifact_id INT" + PROPERTY, "ExecutionProperty": "execution_id INT" + PROPERTY, "ContextProperty": "context_id INT" + PROPERTY}
NOON = 1770206400000  # 2026-02-04T12:00:00Z
SHA = "AB" * 32
HOSTILE = "a\"b\\c\n </script>"
UNKNOWN, NEW, RUNNING, COMPLETE, FAILED, CACHED, CANCELED = range(7)
DECLARED_OUTPUT, DECLARED_INPUT, INPUT, OUTPUT, PENDING = 1, 2, 3, 4, 7


def rows(db, table, names, *values):
    db.executemany("INSERT INTO %s(%s) VALUES(%s)" % (table, names, ",".join("?" * len(names.split(",")))), values)


def make(path):
    """raw -> CsvGen (cached) -> examples -> Trainer -> model; Trainer failed once; a run that goes on, one of no known state, one canceled."""
    db = sqlite3.connect(path)
    for table, text in TABLES.items():
        db.execute("CREATE TABLE %s(%s)" % (table, text))
    rows(db, "MLMDEnv", "schema_version", (10,))
    rows(db, "Type", "id,name,type_kind", (1, "Examples", 1), (2, "Forest", 1), (3, "mlmd.Model", 1), (4, "tfx.CsvGen", 0), (5, "tfx.Trainer", 0),
         (6, "pipeline", 2), (7, "pipeline_run", 2), (8, "node", 2))
    rows(db, "ParentType", "type_id,parent_type_id", (2, 3))
    times = "create_time_since_epoch"
    rows(db, "Context", "id,type_id,name," + times, (1, 6, "churn", NOON), (2, 7, "2026-02-04", NOON), (3, 8, "churn.CsvGen", NOON),
         (4, 8, "churn.Trainer", NOON))
    rows(db, "ParentContext", "context_id,parent_context_id", (2, 1))
    rows(db, "Execution", "id,type_id,last_known_state,name,%s,last_update_time_since_epoch" % times,
         (1, 4, CACHED, "gen-1", NOON, NOON + 1000), (2, 5, FAILED, None, NOON + 2000, NOON + 3000),
         (3, 5, COMPLETE, None, NOON + 4000, NOON + 9000), (4, 5, RUNNING, None, NOON + 10000, NOON + 11000),
         (5, 5, None, None, NOON + 12000, NOON + 12000), (6, 5, CANCELED, HOSTILE, NOON + 13000, NOON + 12000))
    rows(db, "Artifact", "id,type_id,uri,name,state," + times, (1, 1, "/data/raw.csv", None, 2, NOON), (2, 1, "s3://lake/examples", "examples", 2, NOON),
         (3, 2, "s3://lake/model/3", "forest", 2, NOON), (4, 1, None, None, 2, NOON), (5, 1, "s3://user:pa55@lake/alone", None, 2, NOON),
         (6, 1, "data/here.csv", None, 2, NOON))
    rows(db, "Event", "id,artifact_id,execution_id,type", (1, 1, 1, DECLARED_INPUT), (2, 1, 1, INPUT), (3, 2, 1, OUTPUT), (4, 2, 2, INPUT), (5, 2, 3, INPUT),
         (6, 3, 3, DECLARED_OUTPUT), (7, 3, 3, OUTPUT), (8, 3, 4, PENDING), (9, 3, 5, INPUT), (10, 4, 5, OUTPUT), (11, 6, 6, INPUT))
    rows(db, "Association", "context_id,execution_id", (1, 1), (2, 1), (3, 1), (1, 3), (2, 3), (4, 3), (4, 2), (1, 2), (2, 2))
    rows(db, "Attribution", "context_id,artifact_id", (1, 3))
    rows(db, "ArtifactProperty", "artifact_id,name,is_custom_property,string_value", (2, "version", 0, "7"), (2, "digest", 1, SHA), (3, "owner", 1, HOSTILE))
    rows(db, "ArtifactProperty", "artifact_id,name,is_custom_property,int_value", (3, "version", 0, 12))
    rows(db, "ExecutionProperty", "execution_id,name,is_custom_property,int_value,double_value,string_value,bool_value,byte_value",
         (3, "epochs", 0, 5, None, None, None, None), (3, "rate", 0, None, 0.25, None, None, None), (3, "password", 1, None, None, "hunter2", None, None),
         (3, "warm", 1, None, None, None, 1, None), (3, "long", 1, None, None, "x" * 5000, None, None), (3, "raw", 1, None, None, None, None, b"\0\1"))
    rows(db, "ContextProperty", "context_id,name,is_custom_property,string_value", (2, "region", 1, "eu-3"))
    db.commit()
    return db


@pytest.fixture
def places(runner, built, workdir):
    return Places(runner, built, workdir)


def exported(places, agent):
    return places.lineage(agent, "export").stdout


def ask(places, agent, *words):
    return json.loads(places.lineage(agent, *words, "--json").stdout)


def bring(places, agent, path):
    said = json.loads(places.lineage(agent, "import", "--json", path).stdout)["imported"][0]
    places.settle(agent)
    return said


def test_the_answers(places, workdir):
    agent, path = places.agent(), workdir / "mlmd.db"
    make(path).close()
    before = path.read_bytes()
    said = bring(places, agent, path)
    assert (said["kind"], said["runs"], said["events"], said["bad"], said["complete"]) == ("ML Metadata", 6, 11, 0, True)
    assert path.read_bytes() == before

    runs = ask(places, agent, "runs")["runs"]
    found = {}
    for run in runs:
        found.setdefault(run["job"]["name"], []).append(run["state"])
    day = "2026-02-04T12:00:%02d.000Z"
    assert {name: sorted(states) for name, states in found.items()} == {
        "churn.CsvGen": ["COMPLETE"], "churn.Trainer": ["COMPLETE", "FAIL"], "tfx.Trainer": ["ABORT", "RUNNING", "RUNNING"], "churn": ["NEW"]}
    text = exported(places, agent).decode()
    events = [json.loads(line) for line in text.splitlines()]
    ends = {tag["value"]: event for event in events if "run" in event for tag in event["run"].get("facets", {}).get("tags", {}).get("tags", [])
            if tag["key"] == "mlmd.execution"}
    assert sorted(ends) == list("123456")
    assert [ends[n]["eventType"] for n in "1236"] == ["COMPLETE", "FAIL", "COMPLETE", "ABORT"]
    assert [ends[n]["eventTime"] for n in "1236"] == [day % 1, day % 3, day % 9, day % 13]
    train = ends["3"]
    facets = train["run"]["facets"]
    assert {each["key"]: each["value"] for each in facets["executionParameters"]["parameters"]} == {
        "epochs": "5", "rate": "0.25", "password": "[redacted]", "warm": "true", "long": "[5000 bytes]"}
    assert {each["key"]: each["value"] for each in facets["tags"]["tags"]} == {
        "mlmd.execution": "3", "mlmd.type": "tfx.Trainer", "mlmd.state": "COMPLETE", "pipeline": "churn", "pipeline_run": "2026-02-04",
        "node": "churn.Trainer", "pipeline_run.region": "eu-3"}
    assert facets["parent"]["job"] == {"namespace": "mlmd", "name": "churn"} and facets["parent"]["root"]["run"] == facets["parent"]["run"]
    assert len({ends[n]["run"]["facets"]["parent"]["run"]["runId"] for n in "123"}) == 1 and "parent" not in ends["4"]["run"]["facets"]

    def sides(number, side):
        return [(d["namespace"], d["name"], d.get("facets", {}).get("version", {}).get("datasetVersion")) for d in ends[number].get(side, [])]
    assert sides("1", "inputs") == [("file", "/data/raw.csv", None)]
    examples, model = ("s3://lake", "examples", "sha256:" + SHA.lower()), ("s3://lake", "model/3", "12")
    assert sides("1", "outputs") == sides("2", "inputs") == sides("3", "inputs") == [examples]
    assert sides("3", "outputs") == sides("5", "inputs") == [model] and sides("4", "outputs") == []
    (space, name, version), = sides("5", "outputs")
    assert space.startswith("mlmd://") and (name, version) == ("Examples#4", None)
    assert sides("6", "inputs") == [(space, "data/here.csv", None)]
    model_facets = train["outputs"][0]["facets"]
    assert model_facets["datasetType"]["datasetType"] == "MODEL"
    tags = {each["key"]: each["value"] for each in model_facets["tags"]["tags"]}
    assert (tags["owner"], tags["pipeline"], tags["mlmd.name"]) == (HOSTILE, "churn", "forest")
    assert {event["dataset"]["name"] for event in events if "dataset" in event} == {"alone"}
    assert "hunter2" not in text and "pa55" not in text

    why = json.dumps(ask(places, agent, "why", "s3://lake/model/3"))
    assert all(part in why for part in ("churn.Trainer", "churn.CsvGen", "examples", "/data/raw.csv")) and "Examples#4" not in why
    impact = json.dumps(ask(places, agent, "impact", "/data/raw.csv"))
    assert all(part in impact for part in ("model/3", "Examples#4"))

    # the same once more, and a copy of it elsewhere, change nothing
    bring(places, agent, path)
    (workdir / "elsewhere").mkdir()
    copy = workdir / "elsewhere" / "copy.sqlite"
    copy.write_bytes(before)
    bring(places, agent, copy)
    assert exported(places, agent).decode() == text
    assert ask(places, agent, "runs")["runs"] == runs

    # what goes on ends: the same run
    db = sqlite3.connect(path)
    db.execute("UPDATE Execution SET last_known_state = 3, last_update_time_since_epoch = ? WHERE id = 4", (NOON + 60000,))
    db.commit()
    db.close()
    bring(places, agent, path)
    later = [json.loads(line) for line in exported(places, agent).splitlines()]
    assert [e["eventType"] for e in later if "run" in e and e["run"]["runId"] == ends["4"]["run"]["runId"]] == ["START", "COMPLETE"]


def test_bad_rows_are_named_and_the_rest_goes_on(places, workdir):
    agent, path = places.agent(), workdir / "mlmd.db"
    db = make(path)
    db.execute("UPDATE Execution SET last_known_state = 'done' WHERE id = 2")
    db.execute("UPDATE Execution SET last_known_state = 42 WHERE id = 4")
    db.execute("UPDATE Execution SET type_id = 99 WHERE id = 5")
    db.execute("UPDATE Execution SET create_time_since_epoch = 0, last_update_time_since_epoch = 0 WHERE id = 6")
    db.execute("UPDATE Artifact SET uri = x'00ff' WHERE id = 2")
    db.execute("UPDATE ExecutionProperty SET int_value = 'five' WHERE name = 'epochs'")
    rows(db, "Event", "id,artifact_id,execution_id,type", (20, 77, 3, INPUT), (21, 1, 3, 9))
    db.commit()
    db.close()
    done = places.lineage(agent, "import", "--json", path, status=1)
    said = json.loads(done.stdout)["imported"][0]
    err = done.stderr.decode()
    for part in ("Execution 2: last_known_state: expected a whole number, found text", "Execution 4: last_known_state: expected 0 to 6, found 42",
                 "Execution 5: its type_id is not in Type", "Execution 6: create_time_since_epoch: it has no time",
                 "Event 3: uri: expected text, found bytes", "Event 20: artifact_id 77 is not in Artifact",
                 "Event 21: type: expected 1 to 7, found 9", "ExecutionProperty of 3: 'epochs': int_value is not of its type"):
        assert part in err, (part, err)
    assert (said["runs"], said["complete"]) == (2, False) and said["bad"] >= 8
    places.settle(agent)
    assert "churn.CsvGen" in json.dumps(ask(places, agent, "runs"))


@pytest.mark.parametrize("break_it, part", [
    ("UPDATE MLMDEnv SET schema_version = 11", "schema version 11 of ML Metadata: versions 6 to 10 are known"),
    ("UPDATE MLMDEnv SET schema_version = 5", "schema version 5 of ML Metadata: versions 6 to 10 are known; a newer ml-metadata can upgrade the file"),
    ("DELETE FROM MLMDEnv", "MLMDEnv has no schema_version"),
    ("DROP TABLE MLMDEnv", "it has no table MLMDEnv"),
    ("DROP TABLE Association", "it has no table Association"),
    ("ALTER TABLE Execution DROP COLUMN last_known_state", "table Execution has no column last_known_state"),
    ("ALTER TABLE Event RENAME TO E; CREATE VIEW Event AS SELECT * FROM E", "it has no table Event"),
])
def test_what_is_no_database_of_ml_metadata_is_named(places, workdir, break_it, part):
    agent, path = places.agent(), workdir / "mlmd.db"
    db = make(path)
    db.executescript(break_it)
    db.close()
    err = places.lineage(agent, "import", path, status=1).stderr.decode()
    assert part in err and "mlmd.db" in err
    assert exported(places, agent) == b""


@pytest.mark.parametrize("size", [20, 1000, 4096, -4096, -1])
def test_one_that_is_cut(places, workdir, size):
    agent, path = places.agent(), workdir / "mlmd.db"
    make(path).close()
    path.write_bytes(path.read_bytes()[:size])
    done = places.lineage(agent, "import", path, status=1)
    assert b"mlmd.db'" in done.stderr and (b"malformed" in done.stderr or b"damaged" in done.stderr or b"not a database" in done.stderr), done.stderr
    assert exported(places, agent) == b""


REAL = """
import sys
from ml_metadata.metadata_store import metadata_store
from ml_metadata.proto import metadata_store_pb2 as p
config = p.ConnectionConfig()
config.sqlite.filename_uri = sys.argv[1]
config.sqlite.connection_mode = 3
store = metadata_store.MetadataStore(config)
data = store.put_artifact_type(p.ArtifactType(name="DataSet", properties={"day": p.INT, "version": p.STRING}))
model = store.put_artifact_type(p.ArtifactType(name="SavedModel", base_type=p.ArtifactType.MODEL))
trainer = store.put_execution_type(p.ExecutionType(name="Trainer", properties={"rate": p.DOUBLE}))
pipeline, run = [store.put_context_type(p.ContextType(name=name)) for name in ("pipeline", "pipeline_run")]
d = p.Artifact(uri="s3://lake/real.csv", type_id=data)
d.properties["day"].int_value = 1
d.properties["version"].string_value = "v1"
m = p.Artifact(uri="s3://lake/real-model", type_id=model)
e = p.Execution(type_id=trainer, last_known_state=p.Execution.COMPLETE)
e.properties["rate"].double_value = 0.5
e.custom_properties["flag"].bool_value = True
contexts = [p.Context(type_id=pipeline, name="real"), p.Context(type_id=run, name="r1")]
_, _, ids = store.put_execution(e, [(d, p.Event(type=p.Event.INPUT)), (m, p.Event(type=p.Event.OUTPUT))], contexts)
store.put_parent_contexts([p.ParentContext(child_id=ids[1], parent_id=ids[0])])
"""


@pytest.mark.slow
def test_a_database_of_the_real_package(places, workdir, mlmd_python):
    agent, path = places.agent(), pathlib.Path(workdir) / "real.db"
    done = subprocess.run([str(mlmd_python), "-c", REAL, str(path)], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    said = bring(places, agent, path)
    assert (said["runs"], said["events"], said["bad"]) == (1, 2, 0)
    end = [json.loads(line) for line in exported(places, agent).splitlines()][-1]
    assert (end["eventType"], end["job"]["name"], end["run"]["facets"]["parent"]["job"]["name"]) == ("COMPLETE", "real.Trainer", "real")
    assert {each["key"]: each["value"] for each in end["run"]["facets"]["executionParameters"]["parameters"]} == {"rate": "0.5", "flag": "true"}
    assert [(d["name"], d["facets"]["version"]["datasetVersion"]) for d in end["inputs"]] == [("real.csv", "v1")]
    assert [(d["name"], d["facets"]["datasetType"]["datasetType"]) for d in end["outputs"]] == [("real-model", "MODEL")]
    assert "real.csv" in json.dumps(ask(places, agent, "why", "s3://lake/real-model"))
