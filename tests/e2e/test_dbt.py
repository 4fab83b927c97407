# SPDX-License-Identifier: Apache-2.0
"""A real dbt with its OpenLineage wrapper, both ways that it has: events while the nodes run (--consume-structured-logs)
and events of the artifacts at the end. Seeds -> staging -> two marts and a snapshot, tests that hold and one that does
not, an incremental model that runs twice, a mart whose SQL changes. Answers are written by hand."""
import json
import re
import subprocess
import urllib.request

import pytest

from agent_process import Agent, free_port
from test_ask import Place

pytestmark = pytest.mark.dbt

SPENDING = """{{ config(materialized='table', tags=['finance']) }}
select c.customer_id, c.name, sum(o.amount) as spent
from {{ ref('stg_customers') }} c join {{ ref('stg_orders') }} o on o.customer_id = c.customer_id
group by c.customer_id, c.name
"""
PROJECT = {
    "dbt_project.yml": "name: shop\nversion: '1.0'\nprofile: shop\n",
    "seeds/customers.csv": "id,name\n1,ann\n2,bob\n",
    "seeds/orders.csv": "id,customer,cents,day\n1,1,100,2026-01-01\n2,2,250,2026-01-01\n3,1,70,2026-01-02\n",
    "models/staging/stg_customers.sql": "select id as customer_id, upper(name) as name from {{ ref('customers') }}\n",
    "models/staging/stg_orders.sql": "select id as order_id, customer as customer_id, cents / 100.0 as amount, day "
                                     "from {{ source('raw', 'orders') }}\n",
    "models/marts/spending.sql": SPENDING,
    "models/marts/daily.sql": """{{ config(materialized='incremental', unique_key='day') }}
select day, sum(amount) as amount from {{ ref('stg_orders') }}
{% if is_incremental() %} where day >= (select max(day) from {{ this }}) {% endif %}
group by day
""",
    "models/schema.yml": """
sources: [{name: raw, schema: main, tables: [{name: orders}]}]
models:
  - name: stg_orders
    columns: [{name: customer_id, data_tests: [not_null]}]
  - name: spending
    columns: [{name: name, data_tests: [{accepted_values: {arguments: {values: [ANN]}}}]}]
""",
    "snapshots/customers_history.yml": "snapshots: [{name: customers_history, relation: ref('stg_customers'), config: "
                                       "{unique_key: customer_id, strategy: check, check_cols: [name]}}]\n",
    "tests/no_big_orders.sql": "select * from {{ ref('stg_orders') }} where amount > 1000\n",
}
ACCEPTED, NOT_NULL = "accepted_values_spending_name__ANN", "not_null_stg_orders_customer_id"
BIG = "no_big_orders"


class Shop:
    """A user's directories with an agent, and the project."""

    def __init__(self, dbt, place, wait_until):
        self.place, self.wait_until, self.port = place, wait_until, free_port()
        self.project, self.raw = place.files / "shop", place.directory / "raw.jsonl"
        for name, text in {**PROJECT, "profiles.yml": "shop: {target: dev, outputs: {dev: {type: duckdb, path: '%s', threads: 1}}}\n"
                           % (self.project / "w.duckdb")}.items():
            (self.project / name).parent.mkdir(parents=True, exist_ok=True)
            (self.project / name).write_text(text)
        config = place.directory / "config" / "lineaged"
        config.mkdir(parents=True)
        (config / "lineaged.yaml").write_text(json.dumps({
            "intake": {"http": {"listen": ["unix:%s" % place.env["LINEAGED_SOCKET"], "127.0.0.1:%d" % self.port]},
                       "journal": {"directories": [place.env["OPENLINEAGE__TRANSPORT__DIRECTORY"]]}},
            "routes": [{"name": "local", "type": "store", "path": str(place.directory / "lineage.db")},
                       {"name": "raw", "type": "file", "path": str(self.raw)}]}))
        place.start(wait_until)
        # dbt sends over HTTP, as contrib/dbt says
        self.env = dbt.environment({k: v for k, v in place.env.items() if not k.startswith("OPENLINEAGE__")}, self.project,
                                   "http://127.0.0.1:%d" % self.port, OPENLINEAGE_NAMESPACE="warehouse")

    def run(self, *words, status=0, before=(), env=None):
        """`dbt-ol WORDS` and wait until the store has all; the events it sent."""
        known = len(self.events())
        done = subprocess.run([*before, "dbt-ol", *words], env=env or self.env, cwd=self.project, capture_output=True, text=True,
                              timeout=240, check=False)
        assert done.returncode == status, done.stdout[-4000:] + done.stderr[-4000:]
        sent = re.search(r"Emitted (\d+) OpenLineage events", done.stdout)
        assert sent, done.stdout[-4000:]
        self.settle()
        new = self.events()[known:]
        assert len(new) >= int(sent.group(1)) > 0
        return new

    def settle(self):
        self.wait_until(lambda: all(route["waiting"] == 0 for route in self.ask("status")["routes"]))

    def events(self):
        return [json.loads(line) for line in self.raw.read_text().splitlines()] if self.raw.exists() else []

    def ask(self, *words, status=0):
        found, out, err = self.place.ask(*words, "--json")
        assert found == status, (words, found, out[-2000:], err)
        return json.loads(out) if out.strip() else None


def short(node):
    """A dataset as its table, with its column; a run as its job."""
    name = node.get("name") or node["job"]["name"]
    name = name.replace("w.main.shop.", "model.").removeprefix("w.main.").removeprefix("w.main_dbt_test__audit.")
    name = re.sub(r"^(model|seed|snapshot|test)\.shop\.", r"\1.", name)
    return name + ("." + node["column"] if "column" in node else "")


def graph(answer):
    names = {node["id"]: short(node) for node in answer["nodes"]}
    assert not answer["truncated"]
    return {(names[edge["from"]], names[edge["to"]]) for edge in answer["edges"]}


# What the project is, as the wrapper tells it while the nodes run: a test claims the table its failing rows would be kept in.
UP_SPENDING = {("seed.customers", "customers"), ("customers", "model.stg_customers"), ("model.stg_customers", "stg_customers"),
               ("stg_customers", "model.spending"), ("seed.orders", "orders"), ("orders", "model.stg_orders"),
               ("model.stg_orders", "stg_orders"), ("stg_orders", "model.spending"), ("model.spending", "spending")}
DOWN_CUSTOMERS = {("customers", "model.stg_customers"), ("model.stg_customers", "stg_customers"), ("stg_customers", "model.spending"),
                  ("model.spending", "spending"), ("stg_customers", "snapshot.customers_history"),
                  ("snapshot.customers_history", "customers_history"), ("spending", "test.%s.3c14a3c6fb" % ACCEPTED),
                  ("test.%s.3c14a3c6fb" % ACCEPTED, ACCEPTED)}
DOWN_ORDERS = {("orders", "model.stg_orders"), ("model.stg_orders", "stg_orders"), ("stg_orders", "model.spending"),
               ("model.spending", "spending"), ("spending", "test.%s.3c14a3c6fb" % ACCEPTED), ("test.%s.3c14a3c6fb" % ACCEPTED, ACCEPTED),
               ("stg_orders", "model.daily"), ("model.daily", "daily"), ("stg_orders", "test." + BIG), ("test." + BIG, BIG),
               ("stg_orders", "test.%s.af79d5e4b5" % NOT_NULL), ("test.%s.af79d5e4b5" % NOT_NULL, NOT_NULL)}


@pytest.fixture
def shop(dbt, runner, built, workdir, wait_until):
    place = Place(runner, built, workdir)
    yield Shop(dbt, place, wait_until)
    place.stop()


def check_graph(shop):
    assert graph(shop.ask("why", "w.main.spending")) == UP_SPENDING
    assert graph(shop.ask("impact", "w.main.customers")) == DOWN_CUSTOMERS
    assert graph(shop.ask("impact", "w.main.orders")) == DOWN_ORDERS
    affected = shop.ask("impact", "w.main.customers")["affected"]
    assert (affected["datasets"], affected["jobs"]) == (4, 4)
    one = shop.ask("why", "duckdb://%s/w.main.daily" % (shop.project / "w.duckdb"))  # with its name space
    assert graph(one) == {("seed.orders", "orders"), ("orders", "model.stg_orders"), ("model.stg_orders", "stg_orders"),
                          ("stg_orders", "model.daily"), ("model.daily", "daily")}
    assert {node["engine"] for node in one["nodes"] if node["kind"] == "run"} == {"dbt 1.11.16"}
    told = shop.ask("why", "w.main.spending", "--column", "spent")  # this way tells no lineage of columns
    assert [node.get("columns") for node in told["nodes"]] == [None, "not told"]


def runs_below(shop, root):
    return sorted(short(run) for run in shop.ask("runs", "--parent", root, "--limit", "500")["runs"])


def check_runs(shop, invocations):
    """Invocation -> nodes -> queries, found by the invocation's id."""
    roots = {run["run_id"]: run for run in shop.ask("runs", "--by-root", "--limit", "500")["runs"]}
    assert {run["job"]["name"] for run in roots.values()} == {"dbt-run-shop"}
    found = {run["run_id"]: run for run in shop.ask("runs", invocations["test"], "--limit", "500")["runs"]}
    [root] = set(found) & set(roots)
    assert roots[root]["state"] == "FAIL" and roots[root]["below"]["failed"] == 1
    assert set(found) == {root} | {run["run_id"] for run in shop.ask("runs", "--parent", root, "--limit", "500")["runs"]}
    nodes = [name for name in runs_below(shop, root) if ".sql." not in name]
    assert nodes == ["test." + ACCEPTED + ".3c14a3c6fb", "test." + BIG, "test." + NOT_NULL + ".af79d5e4b5"]
    assert {run["root"] for run in found.values() if run["run_id"] != root} == {root}
    results = shop.ask("search", invocations["run"])["results"]
    assert {each["key"] for each in results} == {"invocation_id"} and "dbt-run-shop" in {each["job"]["name"] for each in results}
    failed = {run["job"]["name"] for run in shop.ask("runs", "--failed")["runs"]}
    assert failed == {"dbt-run-shop", "test.shop.%s.3c14a3c6fb" % ACCEPTED}


def checks_of(answer):
    return [(each["name"], each["success"], each.get("column"), each["expected"], each["actual"]) for each in answer["assertions"]]


def check_tests(shop):
    """What the tests said stands with the dataset, in the audit, and stops a pipeline."""
    orders = [(BIG, True, None, "0", "0"), (NOT_NULL, True, "customer_id", "0", "0")]
    spending = [(ACCEPTED, False, "name", "0", "1")]
    for table, expected in (("stg_orders", orders), ("spending", spending)):
        assert checks_of(shop.ask("show", "w.main." + table)["datasets"][0]) == expected
        assert checks_of(shop.ask("audit", "w.main." + table)) == expected
    assert "What checks said of it" in shop.place.ask("audit", "w.main.spending")[1]
    for words in (["--all"], ["w.main.spending"]):
        found = shop.ask("check", *words, status=1)
        assert [(each["kind"], each["severity"], short(each["dataset"])) for each in found["findings"]] == \
            [("failed_assertion", "error", "spending")]
        assert "%s of name failed" % ACCEPTED in found["findings"][0]["what"]
    assert shop.ask("check", "w.main.daily")["findings"] == []


def check_depends(shop):
    yes = shop.ask("depends", "w.main.spending", "w.main.customers")
    assert yes["depends"] == "yes" and [short(node) for node in yes["path"]] == [
        "customers", "model.stg_customers", "stg_customers", "model.spending", "spending"]
    unknown = shop.ask("depends", "w.main.daily", "w.main.customers", status=3)  # where a seed is from nobody says
    assert [(gap["kind"], short(gap["at"])) for gap in unknown["gaps"]] == [("no_inputs", "seed.orders")]


def check_stats(shop, invocations):
    stats = shop.ask("stats")
    [job] = [each for each in stats["jobs"] if each["name"] == "dbt-run-shop"]
    assert job["runs"] == len(invocations) and stats["runs"]["fail"] == 2
    assert [each["runs"] for each in stats["producers"]] == [stats["runs"]["total"]]


def test_events_while_the_nodes_run(shop, runner, built, workdir):
    follow = "--consume-structured-logs"
    invocations = {}
    for command, status in (("seed", 0), ("run", 0), ("snapshot", 0), ("test", 1)):
        events = shop.run(command, follow, status=status)
        [invocations[command]] = {event["run"]["facets"]["dbt_run"]["invocation_id"] for event in events}
    for with_agent in (True, False):
        check_graph(shop)
        check_tests(shop)
        check_depends(shop)
        assert shop.ask("stale")["stale"] == []
        if with_agent:
            check_runs(shop, invocations)
            check_stats(shop, invocations)
            shop.place.stop()
    shop.place.start(shop.wait_until)

    # a mart's query changes; the seed it is from comes anew, and an incremental model runs again
    [before] = shop.ask("runs", "--job", "model.shop.spending")["runs"]
    (shop.project / "models/marts/spending.sql").write_text(SPENDING.replace("sum(o.amount)", "sum(2 * o.amount)"))
    shop.run("run", follow, "-s", "spending")
    after = shop.ask("runs", "--job", "model.shop.spending")["runs"][0]
    pairs = shop.ask("diff", before["run_id"], after["run_id"])["pairs"]
    changed = pairs[0]["changed"]
    assert changed and {each["area"] for each in changed} == {"code"}  # and nothing else
    # (the second time there is a table to put away: more statements)
    assert any("sum(o.amount)" in each.get("a", "") and "sum(2 * o.amount)" in each.get("b", "") for each in changed), changed
    assert shop.ask("check", "--all")["findings"] == []  # what failed the test was written anew
    shop.run("seed", follow, "-s", "orders")
    stale = shop.ask("stale", "w.main.daily", status=1)["stale"]
    assert [(each["kind"], short(each["dataset"]), short(each["newer"])) for each in stale] == [("newer_input", "stg_orders", "orders")]
    shop.run("run", follow, "-s", "stg_orders", "daily")
    assert shop.ask("stale", "w.main.daily")["stale"] == []
    assert len(shop.ask("runs", "--job", "model.shop.daily")["runs"]) == 2
    assert graph(shop.ask("why", "w.main.daily")) == {("seed.orders", "orders"), ("orders", "model.stg_orders"),
                                                      ("model.stg_orders", "stg_orders"), ("stg_orders", "model.daily"), ("model.daily", "daily")}

    # the same from exported events, in another store
    lines = workdir / "exported.jsonl"
    assert shop.place.ask("export", "-o", lines)[0] == 0
    other = Agent(runner, built("lineaged"), workdir / "other", [{"name": "local", "type": "store", "path": str(workdir / "other.db")}]).start()
    for line in lines.read_text().splitlines():
        assert other.post(line.encode())[0] == 201
    shop.wait_until(lambda: json.loads(other.admin("/v1/stats")[1])["runs"]["total"] == shop.ask("stats")["runs"]["total"])
    for verb, x in (("why", "w.main.spending"), ("impact", "w.main.orders")):
        assert graph(json.loads(other.admin("/v1/%s?subject=%s" % (verb, x))[1])) == graph(shop.ask(verb, x))


# Of the artifacts the wrapper tells queries and columns, but no seed that is named by ref().
MODELS = {("orders", "model.stg_orders"), ("model.stg_orders", "stg_orders"), ("model.stg_customers", "stg_customers"),
          ("stg_orders", "model.spending"), ("stg_customers", "model.spending"), ("model.spending", "spending")}


def test_events_of_the_artifacts(shop):
    shop.run("seed")
    shop.run("run")
    shop.run("test", status=1)
    assert graph(shop.ask("why", "w.main.spending")) == MODELS
    assert graph(shop.ask("impact", "w.main.orders")) == {
        ("orders", "model.stg_orders"), ("model.stg_orders", "stg_orders"), ("stg_orders", "model.spending"), ("model.spending", "spending"),
        ("stg_orders", "model.daily"), ("model.daily", "daily"), ("stg_orders", "model.stg_orders.test"), ("stg_orders", "test." + BIG),
        ("spending", "model.spending.test")}
    assert graph(shop.ask("why", "w.main.spending", "--column", "spent")) == {
        ("orders.cents", "model.stg_orders.amount"), ("model.stg_orders.amount", "stg_orders.amount"),
        ("stg_orders.amount", "model.spending.spent"), ("model.spending.spent", "spending.spent")}
    name = shop.ask("why", "w.main.spending", "--column", "name")
    assert graph(name) == {("model.stg_customers.name", "stg_customers.name"), ("stg_customers.name", "model.spending.name"),
                           ("model.spending.name", "spending.name")}
    assert any("w.main.customers" in each["text"] for each in name["caveats"])  # told, though as no input
    unknown = shop.ask("depends", "w.main.spending", "w.main.daily", status=3)
    assert ("untold_input", "model.stg_customers") in {(gap["kind"], short(gap["at"])) for gap in unknown["gaps"]}
    assert checks_of(shop.ask("show", "w.main.spending")["datasets"][0]) == [(ACCEPTED, False, "name", "0", "1")]
    found = shop.ask("check", "--all", status=1)["findings"]
    assert [(each["kind"], short(each["run"])) for each in found] == [("failed_assertion", "model.spending.test")]
    assert [run["below"]["runs"] for run in shop.ask("runs", "--by-root")["runs"]] == [3, 4, 0]


def test_below_a_command_that_is_recorded(shop):
    """A DAG's task (by the variables of a scheduler) whose program runs dbt and then another: one root, all below it."""
    root, task = "0195d2c4-a1b9-7e6f-8a3c-00000000000a", "0195d2c4-a1b9-7e6f-8a3c-00000000000b"
    env = {**shop.env, "OPENLINEAGE_PARENT_ID": "airflow/nightly.load/" + task, "OPENLINEAGE_ROOT_PARENT_ID": "airflow/nightly/" + root,
           "OPENLINEAGE__TRANSPORT__TYPE": "journal", "OPENLINEAGE__TRANSPORT__DIRECTORY": shop.place.env["OPENLINEAGE__TRANSPORT__DIRECTORY"]}
    facet = {"_producer": "https://github.com/apache/airflow", "_schemaURL": "https://openlineage.io/spec/facets/1-2-0/ParentRunFacet.json"}
    above = {"run": {"runId": root}, "job": {"namespace": "airflow", "name": "nightly"}}
    for name, run, facets in (("nightly", root, {}), ("nightly.load", task, {"parent": {**facet, **above, "root": above}})):  # as its provider tells
        event = {"eventType": "START", "eventTime": "2026-01-02T03:04:05Z", "producer": facet["_producer"],
                 "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent", "inputs": [], "outputs": [],
                 "run": {"runId": run, "facets": facets}, "job": {"namespace": "airflow", "name": name, "facets": {}}}
        request = urllib.request.Request("http://127.0.0.1:%d/api/v1/lineage" % shop.port, json.dumps(event).encode(),
                                         {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            assert answer.status == 201
    settings = env.pop("OPENLINEAGE_CONFIG")  # of dbt-ol alone
    dbt_env = "env -u OPENLINEAGE__TRANSPORT__TYPE -u OPENLINEAGE__TRANSPORT__DIRECTORY OPENLINEAGE_CONFIG=%s" % settings
    lineage = str(shop.place.lineage)
    done = subprocess.run(["sh", "-ec", "%s run -q --job load -- %s dbt-ol seed --consume-structured-logs; "
                           "%s run -q --job report -i w.duckdb -o report.txt -- cp w.duckdb report.txt" % (lineage, dbt_env, lineage)],
                          env=env, cwd=shop.project, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    shop.settle()
    for job in ("load", "report"):
        shop.wait_until(lambda job=job: '"COMPLETE"' in shop.place.ask("runs", "--job", job, "--json")[1], what=lambda: shop.place.ask("runs")[1])
    [top] = shop.ask("runs", "--by-root", "--limit", "500")["runs"]
    assert top["run_id"] == root and top["job"] == {"namespace": "airflow", "name": "nightly"}
    runs = {run["run_id"]: run for run in shop.ask("runs", "--limit", "500")["runs"]}
    above = {short(run): short(runs[run["parent"]]) if run["parent"] in runs else run["parent"] for run in runs.values() if run.get("parent")}
    assert {name: parent for name, parent in above.items() if ".sql." not in name} == {
        "nightly.load": "nightly", "load": "nightly.load", "report": "nightly.load", "dbt-run-shop": "load", "seed.customers": "dbt-run-shop", "seed.orders": "dbt-run-shop"}
    assert {run["root"] for run in runs.values() if run.get("parent")} == {root}
