# SPDX-License-Identifier: Apache-2.0
"""Put into $AIRFLOW_HOME/config/ (or add to the one there).

What Airflow does not tell the programs of a task by itself: which of a mapped task's instances it is, and how often
the DAG run was cleared. With both, libopenlineage and `lineage run` find the very run that Airflow reported for the
task and name it as their parent; without, that holds for tasks that are neither mapped nor cleared.
"""


def get_airflow_context_vars(context):
    return {"map_index": str(context["ti"].map_index),
            "clear_number": str(context["dag_run"].clear_number)}
