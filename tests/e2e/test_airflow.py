# SPDX-License-Identifier: Apache-2.0
"""A C program in a BashOperator of a real Airflow, told nothing of lineage, names as its parent the run that
Airflow's own provider sent for the task, and as its root the one of the DAG run (docs/context.md)."""
import json

import pytest

import frameworks

pytestmark = pytest.mark.airflow

DATE = "2025-01-02T03:04:05.678901"  # microseconds count in the derived ids
DAG = """
import datetime
from airflow.sdk import DAG, TaskGroup
from airflow.providers.standard.operators.bash import BashOperator
with DAG("nightly", schedule=None, start_date=datetime.datetime(2025, 1, 1)):
    BashOperator(task_id="plain", bash_command="%(program)s")
    with TaskGroup("group"):
        BashOperator(task_id="inner", bash_command="%(program)s")
    # its second try is another run
    BashOperator(task_id="again", retries=1, retry_delay=datetime.timedelta(0),
                 bash_command="%(program)s && { test -e %(home)s/tried || { touch %(home)s/tried; exit 1; }; }")
    BashOperator.partial(task_id="mapped").expand(bash_command=["%(program)s", "%(program)s; true"])
"""
# Airflow hands on what the function in it gives: what a mapped task or a cleared DAG run needs.
LOCAL_SETTINGS = (frameworks.CONTRIB / "airflow/airflow_local_settings.py").read_text()


def origin(facet):
    return facet["job"]["namespace"], facet["job"]["name"], facet["run"]["runId"]


# (name, airflow.cfg, airflow_local_settings.py, variables, the name space)
CASES = [
    ("variable", None, LOCAL_SETTINGS, {"AIRFLOW__OPENLINEAGE__NAMESPACE": "from_variable"}, "from_variable"),
    ("configuration", "[openlineage]\nnamespace = from configuration\n", None, {}, "from configuration"),
    ("default", None, None, {}, "default"),
]


@pytest.mark.parametrize("settings,local,variables,name_space",
                         [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_the_parent_is_the_task(airflow, standin, built, workdir, settings, local, variables, name_space):
    home, journal = workdir / "airflow", workdir / "journal"
    journal.mkdir()
    dag = DAG % {"program": "%s %s" % (built("emit_context"), journal), "home": home}
    env = airflow.home(home, standin.url, dag, settings, local, **variables)
    log = airflow.run_dag(env, "nightly", DATE)

    tasks, dag_runs = {}, set()
    for post in standin.posts():
        event = post.json()
        if event["job"]["name"] == "nightly":
            dag_runs.add((event["job"]["namespace"], "nightly", event["run"]["runId"]))
        elif event["eventType"] == "START":
            facets = event["run"]["facets"]
            tasks[(event["job"]["namespace"], event["job"]["name"], event["run"]["runId"])] = \
                origin(facets["parent"]["root"])
    assert len(tasks) == 6 and len(dag_runs) == 1, log[-6000:]  # again twice, mapped twice
    assert {key[0] for key in tasks} == {name_space}

    lines = [json.loads(line) for path in sorted(journal.glob("*.jsonl"))
             for line in path.read_bytes().splitlines()]
    ours = [event for event in lines if event.get("eventType") == "START"]
    assert len(ours) == 6
    found = {}
    for event in ours:
        parent = event["run"]["facets"]["parent"]
        found[origin(parent)] = origin(parent["root"])
        ids, around = event["run"]["facets"]["lineaged_run"], event["run"]["facets"]["lineaged_context"]
        assert "nightly." + ids["task_id"] == parent["job"]["name"]
        assert around["scheduler"] == "airflow" and around["workflow"] == "nightly"
    if local is None:  # Airflow tells a mapped task no index: nothing can tell it from one that is not
        tasks = {key: root for key, root in tasks.items() if not key[1].endswith(".mapped")}
        found = {key: root for key, root in found.items() if not key[1].endswith(".mapped")}
    assert found == tasks
    assert set(found.values()) == dag_runs
    attempts = [event["run"]["facets"]["lineaged_run"]["attempt"] for event in ours
                if event["run"]["facets"]["lineaged_run"]["task_id"] == "again"]
    assert sorted(attempts) == ["1", "2"]
