# SPDX-License-Identifier: Apache-2.0
"""lineage why and impact as a whole: as of a time, of one column, of a tag, of a commit, of a request; attempts and what
is affected, on a terminal and as JSON. Events of any producer, written by hand, through a real agent."""
import json
import subprocess

import pytest

from test_ask import Place

RUN = "01941f29-7c00-7837-a31d-%012d"
META = {"_producer": "https://example.com/p", "_schemaURL": "https://example.com/s"}
COMMIT = "5ae0bd7f4c9b9d1c7f7f1a2f0f3bd1a5a5c0ffee"


def dataset(name, version=None, **facets):
    facets = {key: {**META, **value} for key, value in facets.items()}
    if version:
        facets["version"] = {**META, "datasetVersion": version}
    return {"namespace": "s3://lake", "name": name, "facets": facets}


def tags(*pairs):
    return {"tags": [{"key": key, "value": value} for key, value in pairs]}


def event(number, job, state, second, inputs=(), outputs=(), run=None, of_job=None):
    facets = {key: {**META, **value} for key, value in (run or {}).items()}
    of_job = {key: {**META, **value} for key, value in (of_job or {}).items()}
    return {"eventType": state, "eventTime": "2026-11-21T09:00:%02d.000Z" % second, "producer": "https://example.com/p",
            "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
            "run": {"runId": RUN % number, "facets": facets}, "job": {"namespace": "shop", "name": job, "facets": of_job},
            "inputs": list(inputs), "outputs": list(outputs)}


def column(of, field, kind):
    return {"namespace": "s3://lake", "name": of, "field": field, "transformations": [kind]}


IDENTITY, FILTER = {"type": "DIRECT", "subtype": "IDENTITY"}, {"type": "INDIRECT", "subtype": "FILTER"}
MASKED = {"type": "DIRECT", "subtype": "TRANSFORMATION", "masking": True}
CODE = {"sourceCodeLocation": {"type": "git", "url": "https://example.com/r", "version": COMMIT}}
MODEL = {"datasetType": {"datasetType": "MODEL"}}
PARENT = {"parent": {"run": {"runId": RUN % 900}, "job": {"namespace": "shop", "name": "night"}}}


def events():
    raw = dataset("raw.csv", "r1", tags=tags(("class", "pii")))
    people = dataset("people", "p1", columnLineage={"fields": {
        "id": {"inputFields": [column("raw.csv", "id", IDENTITY)]},
        "who": {"inputFields": [column("raw.csv", "mail", MASKED)]}}, "dataset": [column("raw.csv", "country", FILTER)]})
    yield event(1, "clean", "START", 1)
    yield event(1, "clean", "COMPLETE", 2, [raw], [people], of_job=CODE)
    # the first attempt failed, the second was deployed, the third is of no use to anybody yet
    yield event(2, "train", "FAIL", 4, [dataset("people", "p1")], run=PARENT)
    yield event(3, "train", "COMPLETE", 6, [dataset("people", "p1")], [dataset("churn", "v1", **MODEL)], run=PARENT)
    yield event(4, "train", "COMPLETE", 8, [dataset("people", "p1")], [dataset("churn", "v2", **MODEL)],
                run={**PARENT, "tags": tags(("team", "red"))})
    yield event(5, "serve", "START", 10, [dataset("churn", "v1")])
    for i in range(3):
        yield event(5, "serve", "RUNNING", 11 + i, run={"lineaged_answer": {"request_id": "q-%d" % i}})


@pytest.fixture
def place(runner, built, workdir, wait_until):
    made = Place(runner, built, workdir)
    journal = workdir / "events.jsonl"
    journal.write_text("".join(json.dumps(each) + "\n" for each in events()))
    made.start(wait_until)
    done = subprocess.run([made.lineage, "spool", "import", journal], env=made.env, capture_output=True, text=True,
                          timeout=60, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stderr
    wait_until(lambda: made.ask("show", "--request", "q-2")[0] == 0, what=lambda: (workdir / "log").read_text())
    yield made
    made.stop()


def names(document):
    """Edges as "a@v>job#1"."""
    def name(node):
        base = "%s#%d" % (node["job"]["name"], int(node["run_id"][-3:])) if node["kind"] == "run" else node["name"]
        return base + "@" * ("version" in node) + node.get("version", "") + "." * ("column" in node) + node.get("column", "")
    nodes = {node["id"]: name(node) for node in document["nodes"]}
    return sorted("%s>%s" % (nodes[edge["from"]], nodes[edge["to"]]) for edge in document["edges"])


def answer(place, *words):
    status, out, err = place.ask(words[0], "--json", *words[1:])
    assert status == 0, err
    return json.loads(out)


TRAINED = ["churn@v1>serve#5", "people@p1>train#3", "people@p1>train#4", "train#3>churn@v1", "train#4>churn@v2"]


def check(place):
    # attempts: both that completed are followed, the failed one is named
    document = answer(place, "impact", "s3://lake/people")
    assert names(document) == [each.replace("people@p1>", "people>") for each in TRAINED]
    document = answer(place, "impact", "s3://lake/raw.csv")
    assert names(document) == sorted(["raw.csv>clean#1", "clean#1>people@p1", *TRAINED])
    trains = {node["run_id"][-1]: node for node in document["nodes"] if node.get("job", {}).get("name") == "train"}
    assert [other["run_id"] for other in trains["4"]["attempts"]] == [RUN % 2]
    assert trains["4"]["attempts"][0]["state"] == "FAIL"
    assert document["affected"] == {"models": 2, "answers": 3, "answers_not_told": 3, "services": 1,
                                    "datasets": 1, "jobs": 3, "runs": 4}
    status, out, _ = place.ask("impact", "s3://lake/raw.csv")
    assert status == 0 and out.splitlines()[-1] == "2 models, 3 answers of 1 service (they do not tell what they used), 1 dataset and 3 jobs are affected."
    assert "other attempts: 01941f29-7c00\u2026 FAIL" in out and "\x1b" not in out

    # as of a time
    at = answer(place, "impact", "--at", "2026-11-21T09:00:06Z", "s3://lake/raw.csv")
    assert names(at) == ["clean#1>people@p1", "people@p1>train#3", "raw.csv>clean#1", "train#3>churn@v1"]
    assert at["affected"]["models"] == 1 and at["affected"]["answers"] == 0
    assert answer(place, "impact", "--at", "2026-11-20", "s3://lake/raw.csv")["edges"] == []
    assert names(answer(place, "impact", "--at", "2026-11-21", "s3://lake/raw.csv")) == names(document)
    status, _, err = place.ask("why", "--at", "yesterday", "s3://lake/raw.csv")
    assert status == 2 and "yesterday" in err and "2026-11-21T09:00:00Z" in err

    # one column, and where it ends
    who = answer(place, "why", "--column", "who", "s3://lake/people")
    assert names(who) == ["clean#1.who>people@p1.who", "raw.csv@r1.country>clean#1.who", "raw.csv@r1.mail>clean#1.who"]
    how = {edge["transformations"][0]["type"] for edge in who["edges"] if "transformations" in edge}
    assert how == {"DIRECT", "INDIRECT"} and "caveats" not in who
    mail = answer(place, "impact", "--column", "mail", "s3://lake/raw.csv")
    assert names(mail) == ["clean#1.who>people@p1.who", "people@p1.who>train#3", "people@p1.who>train#4",
                           "raw.csv.mail>clean#1.who"]
    assert [caveat["text"] for caveat in mail["caveats"]] == [
        "no lineage of columns is told here: what lies beyond is not known"] * 2
    status, out, _ = place.ask("why", "--column", "who", "s3://lake/people")
    assert status == 0 and out.splitlines()[0].endswith("  column who")
    assert "column mail  (DIRECT TRANSFORMATION, masked)" in out
    status, _, err = place.ask("why", "--column", "who", "shop/train")
    assert status == 2 and "no dataset" in err
    assert place.ask("why", "--column", "who", "--request", "q-1")[0] == 2

    # tags, of a dataset and of a run; a commit; a request; a model in a version
    assert answer(place, "impact", "pii")["subject"]["matches"] == [
        {"namespace": "s3://lake", "name": "raw.csv", "version": "r1"}]
    assert names(answer(place, "impact", "class=pii"))[0] == "churn@v1>serve#5"
    red = answer(place, "impact", "team=red")
    assert red["subject"]["by"] == "tag" and names(red) == ["train#4>churn@v2"]
    code = answer(place, "impact", COMMIT)
    assert code["subject"]["by"] == "code" and names(code) == sorted(["clean#1>people@p1", *TRAINED])
    asked = answer(place, "why", "--request", "q-1")
    assert names(asked) == ["churn@v1>serve#5", "clean#1>people@p1", "people@p1>train#3", "raw.csv@r1>clean#1",
                            "train#3>churn@v1"]
    assert names(answer(place, "why", "churn@v2")) == ["clean#1>people@p1", "people@p1>train#4", "raw.csv@r1>clean#1",
                                                       "train#4>churn@v2"]
    status, _, err = place.ask("impact", "team=green")
    assert status == 3 and "team=green" in err


def test_with_an_agent_and_without(place):
    check(place)
    place.stop()
    check(place)


DAYS = 200


def daily():
    """One job, the same two datasets, a run a day; each writes a report of that day's version."""
    for day in range(1, DAYS + 1):
        at = "2026-%02d-%02dT03:00:%%02d.000Z" % (1 + (day - 1) // 28, 1 + (day - 1) % 28)
        for state, second, inputs, outputs in (("START", 0, (), ()), ("COMPLETE", 9, [dataset("orders", "d%d" % day)],
                                                                      [dataset("report", "r%d" % day)])):
            made = event(3000 + day, "nightly", state, 0, inputs, outputs)
            made["eventTime"] = at % second
            yield made


def test_a_batch_of_every_day(place, workdir, wait_until):
    journal = workdir / "daily.jsonl"
    journal.write_text("".join(json.dumps(each) + "\n" for each in daily()))
    subprocess.run([place.lineage, "spool", "import", journal], env=place.env, check=True, capture_output=True, timeout=60)
    wait_until(lambda: place.ask("show", RUN % (3000 + DAYS))[0] == 0, what="the last day")
    # forward: each day's report from that day's orders, exactly
    document = answer(place, "impact", "s3://lake/orders")
    nodes = {node["id"]: node for node in document["nodes"]}
    read = {edge["version"]: edge["to"] for edge in document["edges"] if edge["from"] == 0}
    wrote = {edge["from"]: nodes[edge["to"]]["version"] for edge in document["edges"] if edge["from"] != 0}
    assert {version: wrote[run] for version, run in read.items()} == {"d%d" % n: "r%d" % n for n in range(1, DAYS + 1)}
    assert nodes[0]["versions_read"] == DAYS and not document["truncated"]
    assert document["affected"]["runs"] == DAYS and document["affected"]["datasets"] == 1
    assert len(answer(place, "impact", "shop/nightly")["edges"]) == DAYS
    assert names(answer(place, "impact", "orders@d7")) == ["nightly#7>report@r7", "orders@d7>nightly#7"]
    assert names(answer(place, "why", "report@r7")) == ["nightly#7>report@r7", "orders@d7>nightly#7"]
    assert names(answer(place, "why", "s3://lake/report")) == ["nightly#200>report@r200", "orders@d200>nightly#200"]
    early = answer(place, "impact", "--at", "2026-01-05", "s3://lake/orders")
    assert sorted(edge["version"] for edge in early["edges"] if edge["from"] == 0) == ["d1", "d2", "d3", "d4", "d5"]
    # and readable
    status, out, _ = place.ask("impact", "s3://lake/orders")
    lines = out.splitlines()
    assert status == 0 and len(lines) < 15
    assert "nightly (shop): 200 runs, 2026-01-01 03:00:00Z to 2026-08-04 03:00:00Z" in lines[1]
    assert lines[2].endswith("(read d200)") and "and 197 more, on to report" in out
    assert len(place.ask("impact", "--all", "s3://lake/orders")[1].splitlines()) > 2 * DAYS
    cut = answer(place, "impact", "--limit", "51", "s3://lake/orders")
    assert cut["truncated"] and cut["cut_by"] == "limit" and cut["nodes"][0]["beyond"] == 176
    assert place.ask("why", "--all", "--json", "s3://lake/report")[0] == 0 and place.ask("show", "--all", "x")[0] == 2


def test_in_short(place):
    """First digits of commits, hashes and run ids: of one it is that one; of several they are listed, and it is none."""
    assert answer(place, "impact", COMMIT[:7])["subject"]["by"] == "code"
    assert names(answer(place, "impact", COMMIT[:12])) == names(answer(place, "impact", COMMIT))
    status, out, err = place.ask("why", (RUN % 1)[:13])
    assert status == 3 and out == "" and "is the beginning of 6 run ids: " in err and RUN % 5 in err
    status, out, _ = place.ask("why", "--json", (RUN % 1)[:13])
    subject = json.loads(out)["subject"]
    assert status == 3 and subject["candidate_kind"] == "run id" and sorted(subject["candidates"]) == [RUN % n for n in (1, 2, 3, 4, 5, 900)]
    assert answer(place, "impact", "--kind", "job", "shop/train")["subject"]["kind"] == "job"
    assert place.ask("impact", "--kind", "dataset", "shop/train")[0] == 3
    status, _, err = place.ask("impact", "--kind", "table", "shop/train")
    assert status == 2 and "expected dataset, job" in err
