# SPDX-License-Identifier: Apache-2.0
"""lineage convert: results of Great Expectations and Evidently become facets, and a run that fails where a check failed.
The fast tests use results written by hand after the documented form; the slow ones install the tools and make real ones."""
import json
import subprocess

import pytest

import procs
from test_receipts import Place, sha256

SCHEMAS = procs.REPO / "spec/schemas"
ANSWER = "https://raw.githubusercontent.com/lineaged/lineaged/v0.1.0/spec/schemas/answers/convert.json"
FACETS = "https://openlineage.io/spec/facets/"
NO_EXCEPTION = {"raised_exception": False, "exception_message": None, "exception_traceback": None}


def check(kind, column=None, success=True, result=None, severity=None, old=False, more=None, problem=None, **kwargs):
    """One result of an expectation, as 1 writes it, or (old) 0.18."""
    config = {"expectation_type" if old else "type": kind, "kwargs": {**({"column": column} if column else {}), "batch_id": "b-1", **kwargs},
              "meta": {"severity": severity} if old and severity else {}, **(more or {})}
    if severity and not old:
        config["severity"] = severity
    info = NO_EXCEPTION if problem is None else {"('a.metric', 1)": {"raised_exception": True, "exception_message": problem}}
    return {"success": success, "expectation_config": config, "result": result or {}, "meta": {}, "exception_info": info}


def validation(*results, old=False, asset="orders", suite="daily"):
    meta = {"great_expectations_version": "0.18.1" if old else "1.3.0", "run_id": {"run_name": None, "run_time": "2026-02-04T18:41:12+00:00"},
            "active_batch_definition": {"data_asset_name": asset}}
    head = {"success": all(each["success"] for each in results), "results": list(results), "statistics": {}}
    return {**head, "meta": {**meta, "expectation_suite_name": suite}} if old else {**head, "suite_name": suite, "meta": meta}


def some(old):
    return [check("expect_column_values_to_not_be_null", "id", False, {"element_count": 4, "unexpected_count": 1}, old=old),
            check("expect_column_values_to_be_between", "price", True, {"element_count": 4, "unexpected_count": 1, "missing_count": 2},
                  old=old, mostly=0.5, min_value=0, max_value=10),
            check("expect_column_max_to_be_between", "price", False, {"observed_value": 100.5}, "warning", old, max_value=50),
            check("expect_table_row_count_to_be_between", None, True, {"observed_value": 5}, old=old, min_value=1),
            check("expect_column_min_to_be_between", "other", True, {"observed_value": 1}, old=old, row_condition="x > 1")]


ASSERTIONS = [
    {"assertion": "expect_column_values_to_not_be_null", "success": False, "column": "id", "severity": "error", "actual": "1 of 4 unexpected",
     "params": {"column": "id", "batch_id": "b-1"}},
    {"assertion": "expect_column_values_to_be_between", "success": True, "column": "price", "severity": "error",
     "expected": "mostly=0.5, min_value=0, max_value=10", "actual": "1 of 4 unexpected",
     "params": {"column": "price", "batch_id": "b-1", "mostly": 0.5, "min_value": 0, "max_value": 10}},
    {"assertion": "expect_column_max_to_be_between", "success": False, "column": "price", "severity": "warn", "expected": "max_value=50",
     "actual": "100.5", "params": {"column": "price", "batch_id": "b-1", "max_value": 50}},
    {"assertion": "expect_table_row_count_to_be_between", "success": True, "severity": "error", "expected": "min_value=1", "actual": "5",
     "params": {"batch_id": "b-1", "min_value": 1}},
    {"assertion": "expect_column_min_to_be_between", "success": True, "column": "other", "severity": "error", "expected": "row_condition=x > 1",
     "actual": "1", "params": {"column": "other", "batch_id": "b-1", "row_condition": "x > 1"}},
]
METRICS = {"rowCount": 5, "columnMetrics": {"id": {"nullCount": 1}, "price": {"nullCount": 2, "max": 100.5}}}

# Evidently
OLD_REPORT = {"version": "0.4.40", "timestamp": "2026-02-04 18:41:12.1", "metrics": [
    {"metric": "DatasetDriftMetric", "result": {"drift_share": 0.5, "number_of_columns": 2, "dataset_drift": True}},
    {"metric": "DatasetSummaryMetric", "result": {
        "current": {"target": None, "number_of_rows": 101, "nans_by_columns": {"price": 1}, "number_uniques_by_columns": {"price": 17}},
        "reference": {"number_of_rows": 200}}},
    {"metric": "ColumnSummaryMetric", "result": {"column_name": "price", "column_type": "num", "current_characteristics": {
        "missing": 1, "unique": 17, "count": 100, "min": 9.0, "max": 25.5, "p25": 13.0, "p50": 17.0, "mean": float("nan")}}},
    {"metric": "ColumnDriftMetric", "result": {"column_name": "price", "drift_score": 1e-18, "current": {"small_distribution": {"x": [1, 2], "y": [3, 4]}}}}]}
OLD_FIGURES = [
    {"name": "DatasetDriftMetric.drift_share", "value": 0.5}, {"name": "DatasetDriftMetric.number_of_columns", "value": 2},
    {"name": "DatasetDriftMetric.dataset_drift", "value": 1}, {"name": "DatasetSummaryMetric.number_of_rows", "value": 101, "split": "current"},
    {"name": "DatasetSummaryMetric.nans_by_columns.price", "value": 1, "split": "current"},
    {"name": "DatasetSummaryMetric.number_uniques_by_columns.price", "value": 17, "split": "current"},
    {"name": "DatasetSummaryMetric.number_of_rows", "value": 200, "split": "reference"},
    *({"name": "ColumnSummaryMetric(price)." + name, "value": value, "split": "current"} for name, value in (
        ("missing", 1), ("unique", 17), ("count", 100), ("min", 9), ("max", 25.5), ("p25", 13), ("p50", 17))),
    {"name": "ColumnDriftMetric(price).drift_score", "value": 1e-18}]
OLD_METRICS = {"rowCount": 101, "columnMetrics": {"price": {"nullCount": 1, "distinctCount": 17, "count": 100, "min": 9, "max": 25.5,
                                                            "quantiles": {"0.25": 13, "0.5": 17}}}}


def old_test(name, status, description, condition, value):
    return {"name": name, "description": description, "status": status, "group": "g", "parameters": {"condition": condition, "value": value}}


OLD_TESTS = {"version": "0.4.40", "summary": {"all_passed": False}, "tests": [
    old_test("Number of Rows", "SUCCESS", "It is 101.", {"gt": 50}, 101.0),
    old_test("Max Value", "WARNING", "The maximum value of the column **price** is 25.", {"lte": 20}, 25.0),
    old_test("Missing Values", "FAIL", "One.", {"eq": 0}, 1.0), old_test("Skipped", "SKIPPED", "", {}, None)]}


def new_metric(kind, value, identity="m", **config):
    words = ",".join("%s=%s" % each for each in config.items())
    return {"id": identity, "metric_name": "%s(%s)" % (kind, words), "config": {"type": "evidently:metric_v2:" + kind, **config}, "value": value}


def new_test(name, status, identity="m", column=None, **config):
    return {"id": "eq", "name": name, "description": name + ".", "status": status, "test_config": {"type": "t", "alias": None, **config},
            "metric_config": {"metric_id": identity, "params": {"type": "evidently:metric_v2:X", **({"column": column} if column else {})}}}


NEW_REPORT = {"metrics": [
    new_metric("RowCount", 101.0, "rows"), new_metric("MissingValueCount", {"count": 1.0, "share": 0.01}, "missing", column="price"),
    new_metric("UniqueValueCount", {"counts": {"ada@example.org": 3.0, "b": 0.0, "c": 4}, "shares": {"ada@example.org": 0.5}}, column="kind"),
    new_metric("MinValue", 9.0, column="price"), new_metric("MaxValue", 25.0, column="price"),
    new_metric("QuantileValue", 17.0, column="price", quantile=0.5), new_metric("StdValue", 4.5, column="price")],
    "tests": [new_test("Rows", "SUCCESS", "rows", is_critical=True, threshold=50.0), new_test("None missing", "FAIL", "missing", "price", is_critical=True, expected=0.0),
              new_test("Look", "FAIL", "nobody", is_critical=False)]}
NEW_METRICS = {"rowCount": 101, "columnMetrics": {"price": {"nullCount": 1, "min": 9, "max": 25, "quantiles": {"0.5": 17}}, "kind": {"distinctCount": 2}}}


@pytest.fixture
def place(built, workdir):
    made = Place(built("lineage"), workdir)
    (made.files / "orders.csv").write_text("id,price\n1,2\n")

    def convert(tool, document, *words, check=0):
        (made.files / "result.json").write_text(document if isinstance(document, str) else json.dumps(document))
        return made("convert", tool, *words, "result.json", check=check)
    made.convert = convert
    return made


def answer(place, schema_judge, tool, document, check):
    told = json.loads(place.convert(tool, document, "--json", check=check).stdout)
    assert schema_judge(SCHEMAS, [[ANSWER, told]]) == [[]]
    return told


@pytest.mark.parametrize("old", [True, False], ids=["0.18", "1"])
def test_a_validation(place, schema_judge, reference, old):
    told = answer(place, schema_judge, "great-expectations", validation(*some(old), old=old), 1)
    assert told["facets"] == {"dataQualityAssertions": {"assertions": ASSERTIONS}, "dataQualityMetrics": METRICS}
    assert {k: v for k, v in told.items() if k != "facets"} == {
        "tool": "great_expectations", "version": "0.18.1" if old else "1.3.0", "suite": "daily", "time": "2026-02-04T18:41:12.000Z",
        "checked": 5, "failed": 1, "warned": 1}


def test_quantiles_severities_and_what_could_not_be_checked(place, schema_judge):
    observed = {"observed_value": {"quantiles": [0.25, 0.5], "values": [1, 2.5]}}
    told = answer(place, schema_judge, "great-expectations", validation(
        check("expect_column_quantile_values_to_be_between", "p", True, observed),
        check("expect_column_values_to_be_unique", "nope", False, problem='no column "nope"', more={"id": "x-1", "description": "ids are"}),
        check("expect_column_median_to_be_between", "q", False, {"observed_value": 3}, "info"),
        check("expect_column_sum_to_be_between", "q", True, {"observed_value": 9}, "critical"),
        check("expect_column_unique_value_count_to_be_between", "q", True, {"observed_value": 4})), 1)
    assert told["facets"]["dataQualityMetrics"] == {"columnMetrics": {
        "p": {"quantiles": {"0.25": 1, "0.5": 2.5}}, "q": {"quantiles": {"0.5": 3}, "sum": 9, "distinctCount": 4}}}
    failed = told["facets"]["dataQualityAssertions"]["assertions"]
    assert failed[1] == {"assertion": "expect_column_values_to_be_unique", "success": False, "column": "nope", "severity": "error", "name": "x-1",
                         "description": "ids are", "actual": 'could not be checked: no column "nope"', "params": {"column": "nope", "batch_id": "b-1"}}
    assert [each["severity"] for each in failed] == ["error", "error", "warn", "error", "error"] and told["warned"] == 1


def test_a_checkpoint(place, schema_judge):
    one = validation(*some(False))
    assert answer(place, schema_judge, "great-expectations", {"run_results": {"a::b/c": one}}, 1)["checked"] == 5
    assert answer(place, schema_judge, "great-expectations", {"run_results": {"a::b/c": {"validation_result": one}}}, 1)["checked"] == 5
    described = {"success": False, "validation_results": [{"success": False, "expectations": [
        {"expectation_type": "expect_a", "success": False, "kwargs": {"column": "x"}, "result": {"observed_value": 1}}]}]}
    assert answer(place, schema_judge, "great-expectations", described, 1)["facets"]["dataQualityAssertions"]["assertions"][0]["column"] == "x"
    # never one dataset's facets for two
    two = {"run_results": {"a": one, "b": validation(check("expect_b"), asset="users")}}
    done = place.convert("great-expectations", two, check=2)
    assert "'orders' and 'users'" in done.stderr and "--asset" in done.stderr
    assert "5 checks" in place.convert("great-expectations", two, "--asset", "orders", check=1).stdout
    assert "1 checks" in place.convert("great-expectations", two, "--asset", "users", check=0).stdout
    assert "no validation of data asset 'x'" in place.convert("great-expectations", two, "--asset", "x", check=2).stderr


def test_an_old_report(place, schema_judge):
    told = answer(place, schema_judge, "evidently", OLD_REPORT, 0)  # with NaN, as Python writes it
    assert told["facets"] == {"dataQualityMetrics": OLD_METRICS, "lineaged_metrics": {"metrics": OLD_FIGURES}}
    assert (told["version"], told["checked"]) == ("0.4.40", 0) and "time" not in told  # its clock has no zone
    assert "no verdict: 0 checks" in place.convert("evidently", OLD_REPORT).stdout


def test_an_old_test_suite(place, schema_judge):
    told = answer(place, schema_judge, "evidently", OLD_TESTS, 1)
    assert told["facets"]["dataQualityAssertions"]["assertions"] == [
        {"assertion": "Number of Rows", "success": True, "severity": "error", "description": "It is 101.", "expected": "gt=50", "actual": "101.0", "params": {"gt": 50}},
        {"assertion": "Max Value", "success": False, "column": "price", "severity": "warn", "description": "The maximum value of the column **price** is 25.",
         "expected": "lte=20", "actual": "25.0", "params": {"lte": 20}},
        {"assertion": "Missing Values", "success": False, "severity": "error", "description": "One.", "expected": "eq=0", "actual": "1.0", "params": {"eq": 0}}]
    assert (told["failed"], told["warned"]) == (1, 1)


def test_a_new_report(place, schema_judge):
    told = answer(place, schema_judge, "evidently", NEW_REPORT, 1)
    assert told["facets"]["dataQualityMetrics"] == NEW_METRICS
    rows, missing, look = told["facets"]["dataQualityAssertions"]["assertions"]
    assert (rows["expected"], rows["actual"], rows["success"]) == ("threshold=50.0", "101.0", True)
    assert (missing["column"], missing["expected"], json.loads(missing["actual"]), missing["severity"]) == ("price", "expected=0.0", {"count": 1, "share": 0.01}, "error")
    assert look["severity"] == "warn" and "actual" not in look
    figures = told["facets"]["lineaged_metrics"]["metrics"]
    assert {"name": "MissingValueCount(column=price).share", "value": 0.01} in figures and {"name": "StdValue(column=price)", "value": 4.5} in figures
    assert "ada@example.org" not in json.dumps(told)  # labels are data


@pytest.mark.parametrize("tool, document, exit_code, event", [
    ("great-expectations", validation(*some(False)), 1, "FAIL"), ("evidently", NEW_REPORT, 1, "FAIL"),
    ("great-expectations", validation(check("expect_a", "c")), 0, "COMPLETE"), ("evidently", OLD_REPORT, 0, "COMPLETE")], ids=["ge-fail", "ev-fail", "ge", "ev"])
def test_a_run_of_it(place, schema_judge, reference, tool, document, exit_code, event):
    """Valid by the published schemas, child of what is around it, with the version of what was checked."""
    run = place.begin()
    done = place.convert(tool, document, "--dataset", "orders.csv", "--json", check=exit_code)
    told = json.loads(done.stdout)
    start, end = [each for each in place.events() if each["run"]["runId"] == told["run_id"]]
    assert (start["eventType"], end["eventType"]) == ("START", event)
    [data] = end["inputs"]
    assert data["name"] == str(place.files / "orders.csv") and data["facets"]["version"]["datasetVersion"] == "sha256:" + sha256(place.files / "orders.csv")
    facets = {**data["inputFacets"], **end["run"]["facets"]}
    for key, facet in told["facets"].items():
        assert {k: v for k, v in facets[key].items() if k[0] != "_"} == facet, key
    assert end["run"]["facets"]["parent"]["run"]["runId"] == place.events()[0]["run"]["runId"] and run.exists()
    values = [[each["_schemaURL"], each] for key, each in data["inputFacets"].items()]
    assert values or tool == "evidently"
    assert [each for each in schema_judge(reference / "schemas", values) if each] == []
    assert end["job"]["name"] == ("great_expectations.daily" if tool[0] == "g" else "evidently")
    if tool[0] == "g":
        assert start["eventTime"].startswith("2026-02-04T18:41:12")


def test_names_of_the_run(place):
    place.convert("evidently", OLD_REPORT, "--dataset", "s3://b/orders", "--job", "watch", "--namespace", "shop", "--quiet")
    assert [(each["job"], each["inputs"][0]["name"]) for each in place.events()] == [({**each["job"], "namespace": "shop", "name": "watch"}, "orders") for each in place.events()]
    assert len(place.events()) == 2


def test_facets_for_the_command_itself(place):
    """lineage run --facet takes what --facet prints."""
    for key in ("dataQualityAssertions", "dataQualityMetrics"):
        (place.files / key).write_text(place.convert("great-expectations", validation(*some(False)), "--facet", key, "--report-only").stdout)
    place("run", "--strict", "-i", "orders.csv", *["--facet=dataset:orders.csv:%s=@%s" % (key, key) for key in ("dataQualityAssertions", "dataQualityMetrics")],
          "--", "true", check=0)
    [data] = place.events()[-1]["inputs"]
    assert data["inputFacets"]["dataQualityAssertions"]["assertions"] == ASSERTIONS
    assert data["inputFacets"]["dataQualityMetrics"]["columnMetrics"] == METRICS["columnMetrics"]
    assert "nothing for lineaged_metrics" in place.convert("great-expectations", validation(*some(False)), "--facet", "lineaged_metrics", check=3).stderr


def test_as_a_gate(place):
    """A failed check stops a step; a warning does not, nor --report-only; nothing checked is no pass."""
    (place.files / "bad.json").write_text(json.dumps(validation(*some(False))))
    place("run", "--gate", "lineage convert great-expectations -q bad.json", "--", "touch", "ran", check=125)
    assert not (place.files / "ran").exists()
    place("run", "--gate", "lineage convert great-expectations -q --report-only bad.json", "--", "touch", "ran", check=0)
    assert (place.files / "ran").exists()
    place.convert("great-expectations", validation(check("expect_a", success=False, severity="warning")), check=0)
    assert "nothing was checked" in place.convert("great-expectations", validation(), check=3).stderr


@pytest.mark.parametrize("tool, document, problem", [
    ("great-expectations", "{", "not JSON"), ("great-expectations", [], "/: expected \"results\""), ("great-expectations", {"results": {}}, "/results: expected an array"),
    ("great-expectations", {"results": [1]}, "/results/0: expected an object"),
    ("great-expectations", {"results": [{"success": True, "expectation_config": {}}]}, '/results/0/expectation_config: expected a text "type"'),
    ("great-expectations", {"results": [{"success": 1, "expectation_config": {"type": "a"}}]}, "/results/0/success: expected true or false"),
    ("great-expectations", {"run_results": {"a/b": {"validation_result": {"results": [{}]}}}}, '/run_results/a~1b/validation_result/results/0: expected a text'),
    ("evidently", {}, '/: expected "metrics"'), ("evidently", {"metrics": 1}, "/metrics: expected an array"), ("evidently", {"metrics": [1]}, "/metrics/0: expected an object"),
    ("evidently", {"metrics": [{"metric": "A"}]}, "/metrics/0/result: expected an object"), ("evidently", {"metrics": [{}]}, '/metrics/0: expected "metric"'),
    ("evidently", {"metrics": [{"metric_name": "A"}]}, "/metrics/0/value: expected"), ("evidently", {"tests": [{}]}, "/tests/0/name: expected"),
    ("evidently", {"tests": [{"name": "a", "status": "GOOD"}]}, "/tests/0/status: expected SUCCESS"),
    ("evidently", {"metrics": [{"metric": "A", "result": {str(i): 1 for i in range(6000)}}]}, "more than 5000 figures"),
    ("evidently", '{"metrics": %s}' % (200 * "["), "not JSON"), ("evidently", " " * (17 << 20), "result.json"),
], ids=lambda each: str(each)[:30])
def test_what_is_wrong_is_named(place, tool, document, problem):
    done = place.convert(tool, document, "--dataset", "orders.csv", check=2)
    assert problem in done.stderr and "result.json" in done.stderr
    assert place.events() == [] and done.stdout == ""


@pytest.mark.parametrize("words, problem", [
    (["pandera", "r.json"], "expected great-expectations or evidently"), (["evidently"], "expected one RESULT.json"), (["evidently", "a", "b"], "expected one"),
    (["evidently", "--facet", "schema", "a"], "expected dataQualityAssertions"), (["evidently", "--job", "j", "a"], "expected --dataset"),
    (["evidently", "no-such-file"], "no-such-file")], ids=str)
def test_usage(place, words, problem):
    assert problem in place("convert", *words, check=2).stderr


# ---- the tools themselves ----

GE = """
import json, sys, pandas
import great_expectations as gx
frame = pandas.DataFrame({"id": [1, 2, 3, None], "price": [1.0, 2.5, 3.0, 100.0]})
context = gx.get_context(mode="ephemeral")
if gx.__version__.startswith("0."):
    request = context.sources.add_pandas("p").add_dataframe_asset("orders").build_batch_request(dataframe=frame)
    context.add_or_update_expectation_suite("daily")
    v = context.get_validator(batch_request=request, expectation_suite_name="daily")
    v.expect_column_values_to_not_be_null("id")
    v.expect_column_max_to_be_between("price", max_value=50, meta={"severity": "warning"})
    v.expect_table_row_count_to_be_between(1, 10)
    v.save_expectation_suite(discard_failed_expectations=False)
    result = v.validate()
else:
    batch = context.data_sources.add_pandas("p").add_dataframe_asset("orders").add_batch_definition_whole_dataframe("b")
    suite = context.suites.add(gx.ExpectationSuite(name="daily"))
    e = gx.expectations
    for each in [e.ExpectColumnValuesToNotBeNull(column="id"), e.ExpectColumnMaxToBeBetween(column="price", max_value=50, severity="warning"),
                 e.ExpectTableRowCountToBeBetween(min_value=1, max_value=10)]:
        suite.add_expectation(each)
    result = context.validation_definitions.add(gx.ValidationDefinition(name="v", data=batch, suite=suite)).run(batch_parameters={"dataframe": frame})
json.dump(result.to_json_dict(), open(sys.argv[1], "w"))
"""
EVIDENTLY = """
import sys, pandas
reference = pandas.DataFrame({"price": [float(i % 17) for i in range(200)]})
current = pandas.DataFrame({"price": [float(i % 17) + 9 for i in range(100)] + [None]})
try:
    from evidently import Dataset, DataDefinition, Report
    from evidently.metrics import MaxValue, MissingValueCount, RowCount
    from evidently.tests import eq, gt
    form = DataDefinition(numerical_columns=["price"])
    report = Report([RowCount(tests=[gt(50)]), MissingValueCount(column="price", tests=[eq(0)]), MaxValue(column="price")])
    text = report.run(Dataset.from_pandas(current, data_definition=form), Dataset.from_pandas(reference, data_definition=form)).json()
    tests = None
except ImportError:
    from evidently.metric_preset import DataQualityPreset
    from evidently.report import Report
    from evidently.test_suite import TestSuite
    from evidently.tests import TestNumberOfMissingValues, TestNumberOfRows
    report, suite = Report([DataQualityPreset()]), TestSuite([TestNumberOfRows(gt=50), TestNumberOfMissingValues(eq=0)])
    for each in (report, suite):
        each.run(reference_data=reference, current_data=current)
    text, tests = report.json(), suite.json()
open(sys.argv[1], "w").write(text)
if tests:
    open(sys.argv[2], "w").write(tests)
"""


def make(python, script, *paths):
    done = subprocess.run([python, "-W", "ignore", "-c", script, *map(str, paths)], capture_output=True, text=True, check=False, timeout=280)
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.slow
@pytest.mark.parametrize("version", ["0.18", "1"])
def test_a_real_result_of_great_expectations(place, quality_python, schema_judge, version):
    make(quality_python("great-expectations-" + version), GE, place.files / "real.json")
    text = (place.files / "real.json").read_text()
    told = answer(place, schema_judge, "great-expectations", text, 1)
    checks = {each["assertion"]: each for each in told["facets"]["dataQualityAssertions"]["assertions"]}
    null, most, rows = [checks["expect_" + name] for name in ("column_values_to_not_be_null", "column_max_to_be_between", "table_row_count_to_be_between")]
    assert (null["success"], null["column"], null["severity"], null["actual"]) == (False, "id", "error", "1 of 4 unexpected")
    assert (most["success"], most["severity"], most["actual"]) == (False, "warn", "100.0") and most["expected"].startswith("max_value=50")
    assert rows["success"] and rows["actual"] == "4" and told["suite"] == "daily" and told["version"].startswith(version)
    assert told["facets"]["dataQualityMetrics"] == {"rowCount": 4, "columnMetrics": {"id": {"nullCount": 1}, "price": {"max": 100}}}
    assert told["time"] > "2026-01-01" and (told["checked"], told["failed"], told["warned"]) == (3, 1, 1)


@pytest.mark.slow
@pytest.mark.parametrize("version", ["0.4", "0.7"])
def test_a_real_report_of_evidently(place, quality_python, schema_judge, version):
    make(quality_python("evidently-" + version), EVIDENTLY, place.files / "real.json", place.files / "tests.json")
    told = answer(place, schema_judge, "evidently", (place.files / "real.json").read_text(), 0 if version == "0.4" else 1)
    assert told["facets"]["dataQualityMetrics"]["rowCount"] == 101
    price = told["facets"]["dataQualityMetrics"]["columnMetrics"]["price"]
    assert (price["nullCount"], price["max"]) == (1, 25)
    assert len(told["facets"]["lineaged_metrics"]["metrics"]) > (20 if version == "0.4" else 2)
    if version == "0.4":
        told = answer(place, schema_judge, "evidently", (place.files / "tests.json").read_text(), 1)
    assert [(each["success"], each["severity"]) for each in told["facets"]["dataQualityAssertions"]["assertions"]] == [(True, "error"), (False, "error")]
