# SPDX-License-Identifier: Apache-2.0
"""Names and ids are those that the real Python and Java clients give for the same data, and the command line finds
what was recorded under them.

The C side answers through the installed library's own functions: libopenlineage.so, called by ctypes.
"""
import ctypes
import datetime
import json
import os
import pathlib
import random
import re
import subprocess
import uuid

import cache
import procs
import pytest

PAGE = procs.REPO / "docs" / "naming.md"
HELPERS = pathlib.Path(__file__).resolve().parent.parent / "support" / "clients"
PYTHON, JAVA = 0, 1


def rows(part):
    """The lines of a table of docs/naming.md, as lists of what stands between backticks."""
    text = PAGE.read_text().split("<!-- %s -->\n" % part)[1].split("<!-- /%s -->" % part)[0]
    found = []
    for line in text.splitlines():
        if "`" in line:
            found.append([re.sub(r"^`|`$", "", cell.strip()) for cell in line.strip("|").split(" |")])
    assert found
    return found


@pytest.fixture(scope="module")
def library():
    path = procs.build_dir() / "emitter" / "libopenlineage.so"
    if os.environ.get("LD_PRELOAD") is None and procs.sanitizers():
        pytest.skip("a library with a sanitizer cannot be loaded into Python")
    return ctypes.CDLL(str(path))


class Names:
    """The library's answers."""

    def __init__(self, library):
        self.library = library

    def table(self, connection, table):
        space, name = ctypes.create_string_buffer(2048), ctypes.create_string_buffer(8192)
        status = self.library.ol_dataset_name_table(
            connection.encode(), table.encode(), space, ctypes.c_size_t(2048), name, ctypes.c_size_t(8192), None)
        assert status == 0, connection
        return [space.value.decode(), name.value.decode()]

    def uri(self, given):
        space, name, version = (ctypes.create_string_buffer(n) for n in (2048, 8192, 1040))
        status = self.library.ol_dataset_name(
            given.encode(), space, ctypes.c_size_t(2048), name, ctypes.c_size_t(8192), version,
            ctypes.c_size_t(1040), None)
        assert status == 0, given
        return [space.value.decode(), name.value.decode()]

    def derive(self, rule, instant, data):
        made = ctypes.create_string_buffer(37)
        status = self.library.ol_id_derive(rule, instant.encode(), data, ctypes.c_size_t(len(data)), made, None)
        assert status == 0, instant
        return made.value.decode()

    def foreign(self, system, text):
        made = ctypes.create_string_buffer(37)
        assert self.library.ol_id_from_foreign(system.encode(), text.encode(), made, None) == 0
        return made.value.decode()


@pytest.fixture
def names(library):
    return Names(library)


@pytest.fixture(scope="session")
def ask_python(python_client):
    """Runs a line of Python in the client's venv, JSON in, JSON out."""
    def ask(program, value):
        done = subprocess.run([python_client.python, "-c", program], input=json.dumps(value), text=True,
                              capture_output=True, timeout=120, check=True)
        return json.loads(done.stdout)
    return ask


@pytest.fixture(scope="session")
def ask_java(java_client):
    """Lines of `verb TAB argument TAB argument` in, one answer a line out; see java/Names.java."""
    def make(work):
        cache.run(["javac", "-nowarn", "-encoding", "UTF-8", "-cp", java_client.path, "-d", str(work),
                   str(HELPERS / "java" / "Names.java")], "javac")
    classes = cache.directory("java-names-classes", [HELPERS / "java" / "pom.xml", HELPERS / "java" / "Names.java"],
                              make)

    def ask(questions):
        lines = "".join("\t".join(each) + "\n" for each in questions)
        done = subprocess.run(["java", "-Xmx128m", "-XX:TieredStopAtLevel=1", "-cp",
                               "%s:%s" % (classes, java_client.path), "Names"], input=lines, text=True,
                              capture_output=True, timeout=120, check=True)
        answers = done.stdout.splitlines()
        assert len(answers) == len(questions), done.stderr
        return answers
    return ask


def instants(count):
    """Times with every length of fraction, repeatably, from 1971 to 2250, some before 1970."""
    rng = random.Random(20261121)
    made = ["2025-01-01T00:00:00.000000000Z", "1969-12-31T23:59:59.999500000Z", "1700-03-01T00:00:00.000001000Z"]
    for _ in range(count):
        at = datetime.datetime(1971, 1, 1) + datetime.timedelta(seconds=rng.randrange(279 * 365 * 86400))
        digits = rng.choice([0, 1, 3, 6, 9])
        fraction = ("%0*d" % (digits, rng.randrange(10 ** digits)) if digits else "").ljust(9, "0")
        made.append(at.strftime("%Y-%m-%dT%H:%M:%S.") + fraction + "Z")
    return made


PYTHON_IDS = """
import datetime, json, sys
from openlineage.client.uuid import generate_static_uuid
out = []
for at, data in json.load(sys.stdin):
    out.append(str(generate_static_uuid(datetime.datetime.fromisoformat(at), data.encode())))
json.dump(out, sys.stdout)
"""


def test_ids_are_those_of_the_python_client(names, ask_python):
    questions = [[at[:26] + "+00:00", "default.dag_ü.task.%d.-1" % n] for n, at in enumerate(instants(2000))]
    questions += [[row[1].replace("Z", "+00:00"), row[2]] for row in rows("ids") if row[0] == "python"]
    for question, told in zip(questions, ask_python(PYTHON_IDS, questions)):
        assert names.derive(PYTHON, question[0], question[1].encode()) == told, question


def test_ids_are_those_of_the_java_client(names, ask_java):
    questions = [["id", at, "default.dag.task.%d" % n] for n, at in enumerate(instants(2000))]
    questions += [["id", row[1], row[2]] for row in rows("ids") if row[0] == "java"]
    for question, told in zip(questions, ask_java(questions)):
        assert names.derive(JAVA, question[1], question[2].encode()) == told, question


def test_airflow_s_ids(library, ask_python):
    """A task and a DAG run, by the rule of Airflow's provider over the client's function."""
    class OlInt(ctypes.Structure):
        _fields_ = [("is_set", ctypes.c_bool), ("value", ctypes.c_int64)]

    class Task(ctypes.Structure):
        _fields_ = [("struct_size", ctypes.c_size_t), ("job_namespace", ctypes.c_char_p),
                    ("dag_id", ctypes.c_char_p), ("task_id", ctypes.c_char_p), ("logical_date", ctypes.c_char_p),
                    ("try_number", ctypes.c_int64), ("map_index", OlInt)]
    at = "2026-11-21T06:30:00.123456+01:00"
    told = ask_python(PYTHON_IDS, [[at, "ns.d.t.3.-1"], [at, "ns.d.t.3.7"], [at, "default.d.2"]])
    made = ctypes.create_string_buffer(37)
    got = []
    for index in (OlInt(), OlInt(True, 7)):
        task = Task(ctypes.sizeof(Task), b"ns", b"d", b"t", at.encode(), 3, index)
        assert library.ol_id_derive_airflow_task(ctypes.byref(task), made, None) == 0
        got.append(made.value.decode())
    assert library.ol_id_derive_airflow_dag(None, b"d", at.encode(), ctypes.c_int64(2), made, None) == 0
    assert got + [made.value.decode()] == told


def test_foreign_ids_can_be_computed_elsewhere(names):
    space = uuid.uuid5(uuid.NAMESPACE_URL, "https://github.com/lineaged/lineaged/ids")
    for system, text in [("slurm:alpha", "4711_3"), ("", "4711"), ("airflow", "manual__2025-01-01T00:00:00+00:00"),
                         ("k8s", "größe/1")]:
        assert names.foreign(system, text) == str(uuid.uuid5(space, system + "/" + text))
    mlflow = uuid.uuid4()
    assert names.foreign("mlflow", mlflow.hex) == str(mlflow)


# The naming table of the Python client: class, arguments, and how one would write it as a URI.
PYTHON_NAMES = [
    ("Athena", ["eu-west-1", "c", "d", "t"], "awsathena://athena.eu-west-1.amazonaws.com/c.d.t"),
    ("AWSGlue", ["eu-west-1", "123", "d", "t"], "arn:aws:glue:eu-west-1:123:table/d/t"),
    ("AzureCosmosDB", ["h", "d", "t"], "azurecosmos://h/dbs/d/colls/t"),
    ("AzureDataExplorer", ["h", "d", "t"], "azurekusto://h.kusto.windows.net/d/t"),
    ("AzureSynapse", ["h", "1433", "s", "t"], "sqlserver://h/s.t"),
    ("BigQuery", ["p", "d", "t"], "bigquery:p.d.t"),
    ("Cassandra", ["h", "9042", "k", "t"], "cassandra://h/k.t"),
    ("MySQL", ["h", "3306", "d", "t"], "mysql://h/d/t"),
    ("CrateDB", ["h", "5432", "d", "s", "t"], "crate://h/d.s.t"),
    ("DB2", ["h", "50000", "d", "s", "t"], "db2://h/d.s.t"),
    ("OceanBase", ["h", "2881", "d", "t"], "oceanbase://h/d.t"),
    ("Oracle", ["h", "1521", "svc", "s", "t"], "oracle://h/svc.s.t"),
    ("Postgres", ["h", "5432", "d", "s", "t"], "postgresql://me:secret@h/d.s.t?sslmode=x"),
    ("Teradata", ["h", "1025", "d", "t"], "teradata://h/d.t"),
    ("Redshift", ["c", "eu-west-1", "5439", "d", "s", "t"],
     "redshift://c.x1.eu-west-1.redshift.amazonaws.com/d.s.t"),
    ("Snowflake", ["org", "acc", "D", "S", "T"], "snowflake://me:secret@org-acc.snowflakecomputing.com/D/S/T"),
    ("Trino", ["h", "8080", "c", "s", "t"], "trino://h/c.s.t"),
    ("ABFSS", ["box", "acc", "a/b"], "abfss://box@acc.dfs.core.windows.net/a/b"),
    ("DBFS", ["shop", "/a"], "dbfs://shop/a"),
    ("GCS", ["b", "k/l"], "gs://b/k/l"),
    ("HDFS", ["nn", "8020", "/a/b"], "hdfs://nn:8020/a/b"),
    ("Hive", ["h", "10000", "d", "t"], "hive://h/d.t"),
    ("Kafka", ["b1", "9092", "topic"], "kafka://b1,b2:9/topic"),
    ("LocalFileSystem", ["/a/b"], "file:///a/b"),
    ("RemoteFileSystem", ["host", "/a/b"], "file://host/a/b"),
    ("S3", ["b", "k/l"], "s3a://b/k/l/"),
    ("WASBS", ["box", "acc", "k"], "wasbs://box@acc.dfs.core.windows.net/k"),
    ("PubSubNaming", ["topic", "p", "id"], "pubsub:topic:p:id"),
]


def test_names_are_those_of_the_python_client(names, ask_python):
    program = """
import json, sys
from openlineage.client.naming import dataset
known = {n for n, c in vars(dataset).items() if hasattr(c, "get_namespace") and n != "DatasetNaming"}
out = []
for name, args, _ in json.load(sys.stdin):
    if name == "PubSubNaming":
        args[0] = dataset.PubSubResourceType(args[0])
    made = getattr(dataset, name)(*args)
    out.append([made.get_namespace(), made.get_name()])
    known.discard(name)
json.dump([out, sorted(known)], sys.stdout)
"""
    told, forgotten = ask_python(program, PYTHON_NAMES)
    assert forgotten == []
    for (_, _, uri), expected in zip(PYTHON_NAMES, told):
        assert names.uri(uri) == expected, uri


def test_file_names_are_those_of_the_java_client(names, ask_java):
    """What Spark and Flink call a location. Left out: what docs/naming.md lists as different."""
    uris = ["file:///data/x", "file:/data/x/", "file:///data/a%20b", "s3://b/k/", "s3a://b//k/l/", "s3n://b/k", "s3://b",
            "s3a://b/", "gs://b/k", "abfss://c@a.dfs.core.windows.net/p/q", "abfs://c@a.dfs.core.windows.net/p",
            "wasbs://c@a.dfs.core.windows.net/p", "wasb://c@a.dfs.core.windows.net/p", "hdfs://nn:8020/p/q/",
            "hdfs:///p", "hdfs://nn/p", "dbfs:/mnt/x", "dbfs://w/mnt/x", "viewfs://c/x", "https://h:8/x", "adl://x/y",
            "oss://b/k", "webhdfs://nn:1/x"]
    for uri, told in zip(uris, ask_java([["location", uri] for uri in uris])):
        assert "\t".join(names.uri(uri)) == told, uri


def test_table_names_are_those_of_the_java_client(names, ask_java):
    """Each connection of the page, but those that it says are named by the naming rules instead."""
    pairs = [row[:2] for row in rows("tables")
             if row[0].startswith("jdbc:") and not re.search("redshift|snowflake|bigquery|:8080/c/s|user=me;password=secret;$"
                                                             r"|\{shop\}", row[0])]
    pairs += [["jdbc:postgresql://me:secret@db/shop", "users"], ["jdbc:sqlserver://h:1433;databaseName=d", "other.dbo.t"],
              ["jdbc:crate://h/d", "s.t"], ["jdbc:cassandra://h/ks", "t"], ["jdbc:oceanbase://h/d", "t"],
              ["jdbc:mariadb://db/shop", "t"], ["jdbc:mongodb://h:27017/d", "c"], ["jdbc:vertica://h:5433/d", "s.t"]]
    assert len(pairs) > 20
    for pair, told in zip(pairs, ask_java([["table", *pair] for pair in pairs])):
        assert "\t".join(names.table(*pair)) == told, pair


# ---- the command line ----

@pytest.fixture
def lineage(built, workdir):
    """lineage(words...): status, output, errors; everything below a directory of its own."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("OPENLINEAGE", "LINEAGED_SOCKET"))}
    env.update(HOME=str(workdir), XDG_STATE_HOME=str(workdir / "state"), XDG_CONFIG_HOME=str(workdir / "config"),
               XDG_RUNTIME_DIR=str(workdir), LINEAGED_SOCKET=str(workdir / "none.sock"),
               PATH="%s:%s:%s" % (built("lineage").parent, built("lineaged").parent, env["PATH"]),
               OPENLINEAGE__TRANSPORT__TYPE="journal",
               OPENLINEAGE__TRANSPORT__DIRECTORY=str(workdir / "state" / "lineaged" / "journal"))

    def call(*words):
        done = subprocess.run([built("lineage"), *words], env=env, cwd=workdir, capture_output=True, text=True,
                              timeout=60, stdin=subprocess.DEVNULL)
        return done.returncode, done.stdout, done.stderr
    return call


def made_from(lineage, *words):
    """Names of the datasets upstream of a question's subject."""
    status, out, err = lineage("why", "--json", *words)
    assert status == 0, err
    document = json.loads(out)
    return {node["name"] for node in document["nodes"] if node["kind"] == "dataset" and node["depth"] > 0}


def test_the_command_line_finds_versions(lineage, workdir):
    for version, corpus in (("v7", "first"), ("v8", "second")):
        assert lineage("run", "--job", "train-" + version, "-i", "corpus:%s@2026" % corpus,
                       "-o", "model://reg/fraud:%s" % version, "--", "true")[0] == 0
    assert made_from(lineage, "model://reg/fraud:v7") == {"first"}
    assert made_from(lineage, "fraud:v7") == {"first"}  # a bare name: no path, so the version is split off
    assert made_from(lineage, "fraud@v8") == {"second"}
    assert lineage("why", "fraud@example.com")[0] == 3
    for unknown in ("unknown@v8", "model://reg/unknown:v8"):  # v8 of something else is no answer
        assert lineage("why", unknown)[0] == 3

    (workdir / "in.txt").write_text("1")
    for text in ("one", "two"):
        assert lineage("run", "-o", "out.txt", "-i", "in.txt", "--job", text, "--",
                       "sh", "-c", "printf %s > out.txt" % text)[0] == 0
    import hashlib
    for text in ("one", "two"):
        status, out, err = lineage("why", "--json", "out.txt#sha256:" + hashlib.sha256(text.encode()).hexdigest())
        assert status == 0, err
        jobs = {node["job"]["name"] for node in json.loads(out)["nodes"] if node["kind"] == "run"}
        assert jobs == {text}


def test_the_command_line_keeps_secrets_out(lineage, workdir):
    assert lineage("run", "-i", "postgresql://me:secret@db/shop.public.users?sslpassword=secret",
                   "-i", "jdbc:mysql://address=(password=secret)/d", "--job", "j", "--", "true")[0] == 0
    status, out, err = lineage("show", "--json", "postgres://db/shop.public.users")
    assert status == 0, err
    assert "postgres://db:5432" in out and "shop.public.users" in out
    for path in (workdir / "state").rglob("*"):
        if path.is_file():
            assert b"secret" not in path.read_bytes(), path


def test_a_foreign_id_is_found_again(lineage):
    hexadecimal = uuid.uuid4().hex
    for words, made in ((["--run-id", "4711_3", "--system", "slurm:alpha"], "1bf23993-f22b-5af3-8ed9-07e7dd7d61ac"),
                        (["--run-id", hexadecimal], str(uuid.UUID(hexadecimal)))):
        assert lineage("run", *words, "--job", "j", "--", "true")[0] == 0
        status, out, err = lineage("runs", "--json", words[1])
        assert status == 0, err
        assert [run["run_id"] for run in json.loads(out)["runs"]] == [made]
    assert lineage("run", "--system", "slurm", "--", "true")[0] == 2
    assert lineage("run", "--run-id", "1", "--system", "a/b", "--", "true")[0] == 2
    assert lineage("run", "--run-id", "", "--", "true")[0] == 2
