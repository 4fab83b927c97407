# SPDX-License-Identifier: Apache-2.0
"""A C program that a real Spark runs with rdd.pipe names what it reads as Spark itself named it when it wrote
it: both meet at one node of the graph."""
import json

import pytest

pytestmark = pytest.mark.spark

PROGRAM = """
import sys
from pyspark.sql import SparkSession
program, journal, out, *spellings = sys.argv[1:]
spark = SparkSession.builder.appName("pipe").getOrCreate()
spark.createDataFrame([("b",), ("a",)], ["word"]).coalesce(1).write.text(out)
for spelling in spellings:
    lines = spark.sparkContext.textFile(out).pipe("%s %s %s" % (program, journal, spelling)).collect()
    assert sorted(lines) == ["a", "b"], lines
spark.stop()
"""


def test_the_program_reads_the_node_that_spark_wrote(spark, standin, built, workdir):
    out, journal = workdir / "written", workdir / "journal"
    journal.mkdir()
    spellings = [str(out), "file://%s" % out, "file:%s/" % out]  # the last as Spark's own paths are
    spark.run(workdir, standin.url, PROGRAM, str(built("emit_context")), str(journal), str(out), *spellings)

    written = {(each["namespace"], each["name"]) for post in standin.posts() for each in post.json()["outputs"]}
    assert written == {("file", str(out))}
    lines = [json.loads(line) for path in sorted(journal.glob("*.jsonl"))
             for line in path.read_bytes().splitlines()]
    ends = [event for event in lines if event.get("eventType") == "COMPLETE"]
    assert len(ends) >= len(spellings)  # one for each partition
    for event in ends:
        assert {(each["namespace"], each["name"]) for each in event["inputs"]} == written
