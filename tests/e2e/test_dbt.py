# SPDX-License-Identifier: Apache-2.0
"""A real dbt with its OpenLineage wrapper, both ways it has: events while the nodes run (--consume-structured-logs)
and events of the artifacts at the end. Seeds -> staging -> two marts and a snapshot, tests that hold and one that does
not, an incremental model that runs twice, a mart whose SQL changes. Answers are written by hand."""
import json
import re
import subprocess

import pytest

import same_answers
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
            "intake": {"http": {"listen": ["unix:%s" % place.env["LINEAGED_SOCKET"], "127.0.0.1:%d" % self.port]}},
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


def test_events_while_the_nodes_run(shop):
    follow = "--consume-structured-logs"
    invocations = {}
    for command, status in (("seed", 0), ("run", 0), ("snapshot", 0), ("test", 1)):
        events = shop.run(command, follow, status=status)
        [invocations[command]] = {event["run"]["facets"]["dbt_run"]["invocation_id"] for event in events}
    check_graph(shop)
