#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Send runs (START, RUNNING, COMPLETE) with openlineage-python and record what was sent.

Runs in the venv that clients.py makes. The record has one JSON line per event: "body", the text the
client's serializer returned, and "wire", the bytes its HTTP session got, "headers", "ms" that emit took, and
"status", or "error" where the client raised; bytes and error in base64.
"""
import argparse
import base64
import datetime
import json
import time
import uuid

import requests
from openlineage.client import OpenLineageClient
from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState
from openlineage.client.facet_v2 import (nominal_time_run, output_statistics_output_dataset,
                                         schema_dataset, sql_job)
from openlineage.client.serde import Serde
from openlineage.client.transport.http import HttpConfig, HttpTransport

PRODUCER = "https://example.org/lineaged/tests/python"
current = {}


def _record_serializer():
    to_json = Serde.to_json

    def recording(value, **options):
        text = to_json(value, **options)
        current["body"] = base64.b64encode(text.encode()).decode()
        return text

    Serde.to_json = recording


def _record_session():
    send = requests.Session.send

    def recording(session, request, **options):
        wire = request.body.encode() if isinstance(request.body, str) else request.body
        current["wire"] = base64.b64encode(wire).decode()
        current["headers"] = dict(request.headers)
        answer = send(session, request, **options)
        current["status"] = answer.status_code
        return answer

    requests.Session.send = recording


def _event(args, kind, run, number):
    fields = [schema_dataset.SchemaDatasetFacetFields(name="id", type="BIGINT"),
              schema_dataset.SchemaDatasetFacetFields(name="größe", type="DECIMAL(10,2)")]
    facets = {"schema": schema_dataset.SchemaDatasetFacet(fields=fields)}
    output_facets = {}
    if kind == RunState.COMPLETE:
        output_facets["outputStatistics"] = \
            output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(rowCount=number, size=99)
    nominal = nominal_time_run.NominalTimeRunFacet("2025-01-01T00:00:00Z", "2025-01-02T00:00:00Z")
    return RunEvent(
        eventType=kind, eventTime=datetime.datetime.now(datetime.timezone.utc).isoformat(),
        run=Run(runId=run, facets={"nominalTime": nominal}),
        job=Job(namespace=args.namespace, name="python.%d" % number,
                facets={"sql": sql_job.SQLJobFacet(query="SELECT \"ä\" FROM a\n-- \t\\")}),
        inputs=[InputDataset(namespace="postgres://db:5432", name="shop.public.a", facets=facets)],
        outputs=[OutputDataset(namespace="s3://bucket", name="out/%d" % number, facets=facets,
                               outputFacets=output_facets)],
        producer=PRODUCER)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", required=True, help="scheme, host and port")
    parser.add_argument("--endpoint", default="api/v1/lineage")
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--compression", choices=("none", "gzip"), default="none")
    parser.add_argument("--api-key")
    parser.add_argument("--namespace", default="tests")
    parser.add_argument("--record", required=True)
    args = parser.parse_args()
    options = {"type": "http", "url": args.url, "endpoint": args.endpoint}
    if args.compression == "gzip":
        options["compression"] = "gzip"
    if args.api_key:
        options["auth"] = {"type": "api_key", "apiKey": args.api_key}
    _record_serializer()
    _record_session()
    client = OpenLineageClient(transport=HttpTransport(HttpConfig.from_dict(options)))
    failures = 0
    with open(args.record, "w", encoding="ascii") as record:
        for number in range(args.runs):
            run = str(uuid.uuid4())
            for kind in (RunState.START, RunState.RUNNING, RunState.COMPLETE):
                current.clear()
                current.update(runId=run, eventType=kind.value)
                begin = time.monotonic()
                try:
                    client.emit(_event(args, kind, run, number))
                except Exception as bad:  # whatever the client raises is the result
                    text = "%s: %s" % (type(bad).__name__, bad)
                    current["error"] = base64.b64encode(text.encode()).decode()
                    failures += 1
                current["ms"] = 1000 * (time.monotonic() - begin)
                record.write(json.dumps(current) + "\n")
                record.flush()
    client.close()
    raise SystemExit(1 if failures else 0)


if __name__ == "__main__":
    main()
