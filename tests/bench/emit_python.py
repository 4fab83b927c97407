# SPDX-License-Identifier: Apache-2.0
"""The events of event.c from openlineage-python over HTTP; the same dialogue as java/BenchEmit.java.

python emit_python.py URL [small], in the venv that tests/support/clients makes; with a size it emits one such event and ends.
"""
import datetime
import sys
import time
import uuid

from openlineage.client import OpenLineageClient
from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState
from openlineage.client.facet_v2 import (column_lineage_dataset, job_type_job, nominal_time_run, parent_run,
                                         processing_engine_run, schema_dataset, sql_job)
from openlineage.client.serde import Serde
from openlineage.client.transport.http import HttpConfig, HttpTransport

SIZES = {"small": 0, "mid": 20, "large": 100}  # columns
SOURCE, TARGET = "postgres://db.example.org:5432", "s3://lake"
TYPES = ["BIGINT", "VARCHAR(255)", "DECIMAL(18,2)", "TIMESTAMP"]
SQL = ("SELECT \"order\".id, sum(price)\n  FROM orders WHERE day = '1' " * 20)[:1024]
PARENT, ROOT = "01890a5d-ac96-774b-bcce-b302099a8057", "01890a5d-ac96-774b-bcce-b302099a8058"


def schema(prefix, columns):
    return schema_dataset.SchemaDatasetFacet(fields=[
        schema_dataset.SchemaDatasetFacetFields(name=prefix + number, type=TYPES[i % 4],
                                                description="What column %s holds" % number)
        for i, number in enumerate(columns)])


def lineage(columns):
    tables = ["shop.public.customers", "shop.public.orders"]
    return column_lineage_dataset.ColumnLineageDatasetFacet(fields={
        "made_" + number: column_lineage_dataset.Fields(inputFields=[
            column_lineage_dataset.InputField(namespace=SOURCE, name=tables[i % 2], field="column_" + number)])
        for i, number in enumerate(columns)})


def event(size):
    columns = ["%02d" % i for i in range(SIZES[size])]
    run = {"processing_engine": processing_engine_run.ProcessingEngineRunFacet(
        version="0.1.0", name="libopenlineage", openlineageAdapterVersion="0.1.0")}
    job, facets = {}, {}
    inputs = [InputDataset(namespace=SOURCE, name="shop.public.orders",
                           facets={"schema": schema("column_", columns)} if columns else {})]
    if columns:
        run["nominalTime"] = nominal_time_run.NominalTimeRunFacet("2026-01-01T00:00:00Z",
                                                                  "2026-01-02T00:00:00Z")
        run["parent"] = parent_run.ParentRunFacet(
            run=parent_run.Run(PARENT), job=parent_run.Job("bench", "daily"),
            root=parent_run.Root(parent_run.RootRun(ROOT), parent_run.RootJob("bench", "all")))
        job["jobType"] = job_type_job.JobTypeJobFacet("BATCH", "BENCH", "QUERY")
        job["sql"] = sql_job.SQLJobFacet(query=SQL, dialect="postgres")
        inputs.append(InputDataset(namespace=SOURCE, name="shop.public.customers",
                                   facets={"schema": schema("column_", columns)}))
        facets = {"schema": schema("made_", columns), "columnLineage": lineage(columns)}
    return RunEvent(
        eventType=RunState.START, eventTime=datetime.datetime.now(datetime.timezone.utc).isoformat(),
        run=Run(runId=str(uuid.uuid4()), facets=run),
        job=Job(namespace="bench", name="order_totals", facets=job), inputs=inputs,
        outputs=[OutputDataset(namespace=TARGET, name="gold/order_totals", facets=facets)],
        producer="https://example.org/lineaged/tests/bench")


def main():
    client = OpenLineageClient(transport=HttpTransport(HttpConfig.from_dict({"type": "http",
                                                                             "url": sys.argv[1]})))
    if len(sys.argv) > 2:
        client.emit(event(sys.argv[2]))
        client.close()
        return
    for line in sys.stdin:
        size, count = line.split()
        emits, builds = [], []
        for _ in range(int(count)):
            start = time.perf_counter_ns()
            made = event(size)
            built = time.perf_counter_ns()
            client.emit(made)
            emits.append(time.perf_counter_ns() - built)
            builds.append(built - start)
        emits.sort()
        builds.sort()
        print(emits[len(emits) // 2], emits[int(len(emits) * 0.99)], builds[len(builds) // 2],
              len(Serde.to_json(event(size)).encode()), flush=True)
    client.close()


if __name__ == "__main__":
    main()
