# SPDX-License-Identifier: Apache-2.0
"""/metrics: valid OpenMetrics and Prometheus text, what docs/metrics.md lists and nothing else, values that
are what happened; and the samples in contrib/prometheus name only metrics that are there."""
import hashlib
import http.client
import json
import re
import time

import numbered
import openmetrics
import procs
import pytest
from agent_process import Agent, http_route, store_route

OPEN = {"Accept": "application/openmetrics-text; version=1.0.0,text/plain;q=0.5"}


def scrape(agent):
    link = http.client.HTTPConnection("127.0.0.1", agent.port, timeout=30)
    try:
        link.request("GET", "/metrics", headers=OPEN)
        answer = link.getresponse()
        assert answer.status == 200
        assert answer.headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
        return openmetrics.parse(answer.read().decode())
    finally:
        link.close()


def documented():
    """{family: (type, labels)} of the table in docs/metrics.md."""
    rows = {}
    for line in (procs.REPO / "docs" / "metrics.md").read_text().splitlines():
        match = re.match(r"\| `(lineaged_\w+)` \| (\w+) \|([^|]*)\| \S", line)
        if match:
            assert match.group(1) not in rows, "%s twice" % match.group(1)
            rows[match.group(1)] = (match.group(2), sorted(re.findall(r"`(\w+)`", match.group(3))))
    return rows


def without_total(name):
    return name[:-len("_total")] if name.endswith("_total") else name


@pytest.fixture
def agent(runner, built, workdir, standin):
    running = Agent(runner, built("lineaged"), workdir / "agent",
                    [http_route("marquez", standin.url), store_route(workdir / "agent" / "lineage.db")],
                    http={"api_keys": [{"name": "ci", "sha256": hashlib.sha256(b"key").hexdigest()}]},
                    rules=[{"name": "unused", "type": "drop", "job": ["no such job"]}]).start()
    yield running
    assert running.stop() == 0


def test_the_reader_is_strict():
    good = "# HELP a b\n# TYPE a counter\na_total{x=\"1\\n\"} 2\n# EOF\n"
    assert openmetrics.parse(good)["a"].value(x="1\n") == 2
    for bad in (good[:-6], good.replace("a_total", "a"), good.replace(" 2", " 2x"), good.replace(" 2", "  2"),
                good.replace("counter", "count"), good.replace('"}', "}"), good.replace(" 2", " -2"),
                good.replace("# EOF", "a_total{x=\"1\\n\"} 3\n# EOF"), good.replace("# EOF", "# HELP a b\n# EOF"),
                "# TYPE h histogram\nh_bucket{le=\"1.0\"} 2\nh_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 1\n# EOF\n"):
        with pytest.raises(ValueError):
            openmetrics.parse(bad)


def test_what_is_there_is_documented(agent):
    loose = json.loads(numbered.event(9, 0, 0))
    del loose["schemaURL"]
    assert agent.post(json.dumps(loose), {"Authorization": "Bearer key"})[0] == 201  # warnings and clients get samples
    families = scrape(agent)
    table = {without_total(name): value for name, value in documented().items()}
    assert {name for name, (kind, _) in documented().items() if kind == "counter"} == \
        {name + "_total" for name, family in families.items() if family.type == "counter"}
    assert {name: family.type for name, family in families.items()} == {n: kind for n, (kind, _) in table.items()}
    for name, family in families.items():
        assert not family.samples or family.labels() == table[name][1], name  # none: of rules, where there are none
    assert all(family.help for family in families.values())


def test_older_format(agent):
    """Without Accept, on TCP and on the admin socket: the same names, a counter's type with its _total."""
    code, body = agent.admin("/metrics")
    assert code == 200
    types = dict(re.findall(r"^# TYPE (\S+) (\S+)$", body.decode(), re.M))
    assert types == {name: kind for name, (kind, _) in documented().items()}
    assert "# EOF" not in body.decode()


def test_values(agent, standin, wait_until):
    """Counted is what happened: taken, refused, doubled, delivered, parked, and how long it took."""
    standin.script({"match": '"number":%d,' % 5, "answer": 422})
    bodies = list(numbered.events(3, 4))
    for body in bodies:
        assert agent.post(body)[0] == 201
    assert agent.post(bodies[0])[0] == 201
    assert agent.post(b"{}")[0] == 400
    wait_until(lambda: all(r["waiting"] == 0 for r in agent.status()["routes"]), 30, lambda: str(agent.status()))
    m = scrape(agent)

    def value(name, **labels):
        return m["lineaged_" + name].value(**labels)
    assert value("events_accepted") == 12 and value("bytes_accepted") == sum(map(len, bodies))
    assert value("http_duplicates") == 1 and value("dedup_keys") == 12
    assert value("http_refused", reason="invalid") == 1
    assert value("route_delivered", route="marquez") == 11 and value("route_parked", route="marquez") == 1
    assert value("route_delivered", route="local") == 12
    assert value("route_state", route="marquez", state="ok") == 1
    assert value("route_trouble", route="marquez", cause="none") == 1
    assert value("spool_free_bytes") > 0 and value("healthy") == 1

    def count(name, **labels):
        return next(number for sample, had, number in m["lineaged_" + name].samples
                    if sample.endswith("_count") and had == labels)
    assert count("http_to_sync_seconds") == 12
    assert 1 <= count("commit_seconds") <= 13
    assert count("route_latency_seconds", route="marquez") == 11
    assert count("route_latency_seconds", route="local") == 12


def test_lag(agent, standin, wait_until):
    """A route that stands still shows what waits, since when, and why; afterwards nothing."""
    standin.down()
    begin = time.time()
    for body in numbered.events(2, 3):
        assert agent.post(body)[0] == 201

    def lag():
        m = scrape(agent)
        return [m["lineaged_route_lag_" + what].value(route="marquez") for what in ("events", "bytes", "seconds")]
    wait_until(lambda: lag()[2] > 2, 30, lambda: str(lag()))
    events, size, seconds = lag()
    assert events >= 6 and size >= 6 * 500
    assert seconds <= time.time() - begin + 1, "not older than it can be"
    m = scrape(agent)
    assert m["lineaged_route_trouble"].value(route="marquez", cause="connect") == 1
    assert m["lineaged_route_lag_seconds"].value(route="local") == 0
    standin.up()
    wait_until(lambda: lag() == [0, 0, 0], 30, lambda: str(lag()))


def test_journal_directories(agent, wait_until):
    """What waits in a directory while the spool takes nothing, with a name that needs escaping elsewhere."""
    m = scrape(agent)
    here = {"directory": str(agent.journal)}
    assert m["lineaged_journal_directory_lost"].value(**here) == 0
    assert m["lineaged_journal_directory_waiting_bytes"].value(**here) == 0
    assert m["lineaged_journal_directory_oldest_seconds"].value(**here) == 0


def test_samples_name_what_is_there(agent):
    """Alert rules and the dashboard: every metric and label in them exists."""
    assert agent.post(numbered.event(0, 0, 0))[0] == 201
    names = {}
    for family in scrape(agent).values():
        for sample, labels, _ in family.samples:
            names.setdefault(sample, set()).update(labels)
    names.setdefault("lineaged_event_warnings_total", {"warning"})
    place = procs.REPO / "contrib" / "prometheus"
    dashboard = json.loads((place / "lineaged-dashboard.json").read_text())
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]
    rules = (place / "lineaged-alerts.yaml").read_text()
    queries += re.findall(r"^\s+expr: (.*)$", rules, re.M)
    assert len(queries) > 20
    for query in queries:
        assert query.count("(") == query.count(")") and query.count("{") == query.count("}"), query
        used = re.findall(r"(lineaged_\w+)(?:\{([^}]*)\})?", query)
        assert used or query.startswith("up{"), query
        for name, labels in used:
            assert name in names, "%s in %s" % (name, query)
            asked = set(re.findall(r"(\w+)\s*(?:=~|!=|!~|=)", labels))
            assert asked <= names[name] | {"job", "instance"}, "%s in %s" % (labels, query)
    texts = re.findall(r"\$labels\.(\w+)", rules)
    assert set(texts) <= {"instance", "route", "directory", "reason", "cause", "state"}
