# SPDX-License-Identifier: Apache-2.0
"""The multimodal story (tests/support/stories/museum.py): where did this answer come from, what does a page, a photograph, a
recording, a prompt affect, what changed between two answers, and what did the gates stop? Every answer is compared with one
written by hand: an arrow says that something went into what stands behind it."""
import hashlib
import json

import pytest

from stories.museum import MADE, Museum
from stories.place import chains, played


@pytest.fixture(scope="module")
def museum(tmp_path_factory):
    yield from played(Museum, tmp_path_factory)


# DAY is monday or tuesday; the recordings were the same on both, and so was what was heard in them.
ASKED = """
    documents of DAY -> DAY/chunk -> chunks.jsonl of DAY -> DAY/INDEX
    photos of DAY -> DAY/look -> captions.jsonl of DAY -> DAY/INDEX
    recordings of monday -> DAY/listen -> transcripts.jsonl of monday -> DAY/INDEX
    DAY/INDEX -> index.json of DAY -> DAY/retrieve -> context.json of DAY -> DAY/compose -> request.json of DAY -> DAY/ASK
    question.txt -> DAY/retrieve
    question.txt -> DAY/compose
    prompt of DAY -> DAY/compose
    MODEL -> DAY/ASK
    PROMPT -> DAY/ASK
    CORPUS -> DAY/ASK
"""
PUBLISHED = "DAY/ASK -> answer.json of DAY -> DAY/publish -> page.html of DAY"


def of(day, text):
    """Of Tuesday the second attempts at index and call won."""
    again = {"monday": "", "tuesday": "#2"}[day]
    model = {"monday": "gpt-4o-2024-08-06", "tuesday": "gpt-4o-2024-11-20"}[day]
    for name, told in (("DAY", day), ("INDEX", "index" + again), ("ASK", "ask" + again), ("MODEL", model),
                       ("PROMPT", "guide@%d" % {"monday": 1, "tuesday": 2}[day]), ("CORPUS", "corpus of " + day)):
        text = text.replace(name, told)
    return chains(text)


# Where did this answer come from?

def test_where_an_answer_came_from(museum):
    """By the id that the provider gave to the request: all that was seen, read and heard, the prompt, the corpus, the model."""
    for day in ("monday", "tuesday"):
        assert museum.graph("why", "--request", "req_" + day) == of(day, ASKED)
    assert museum.graph("why", "page.html") == of("tuesday", ASKED + PUBLISHED)
    assert museum.graph("why", museum.past("page.html", "monday")) == of("monday", ASKED + PUBLISHED)
    museum("lineage", "why", "--request", "req_sunday", check=3)
    # the provider was busy first: that try is shown beside the one that was answered
    asked = {museum.run(node): node for node in museum.ask("why", "page.html")["nodes"] if node["kind"] == "run"}
    assert [museum.run(other) for other in asked["tuesday/ask#2"]["attempts"]] == ["tuesday/ask FAIL"]
    assert [museum.run(other) for other in asked["tuesday/index#2"]["attempts"]] == ["tuesday/index FAIL"]


def test_what_a_call_tells(museum):
    (call,) = museum.ask("show", "--request", "req_tuesday")["runs"]
    assert museum.run(call) == "tuesday/ask#2"
    facets = call["facets"]
    assert (facets["lineaged_call"]["provider"], facets["lineaged_call"]["request_model"], facets["lineaged_call"]["response_model"]) == (
        "openai", "gpt-4o", "gpt-4o-2024-11-20")
    assert (facets["lineaged_prompt"]["name"], facets["lineaged_prompt"]["version"]) == ("guide", "2")
    assert "sha256:" + facets["lineaged_call"]["request_sha256"] == museum.version("request.json")
    assert facets["lineaged_run"]["corpus_sha"] == museum.sha("index.json")
    (busy,) = museum.ask("runs", "req_bad429")["runs"]
    assert museum.run(busy) == "tuesday/ask FAIL" and "429" in busy["error"]


def test_why_as_it_stood_on_monday(museum):
    then = ("--at", museum.after_monday)
    assert museum.graph("impact", *then, museum.past("index.json", "monday")) == of("monday", BEHIND)
    assert [museum.run(each) for each in museum.ask("runs", "--until", museum.after_monday)["runs"]][-1] == "monday"


# What does it affect?

BEHIND = """
    index.json of DAY -> DAY/retrieve -> context.json of DAY -> DAY/compose -> request.json of DAY -> DAY/ASK -> answer.json of DAY
    answer.json of DAY -> DAY/publish -> page.html of DAY
"""
PAGE = "documents of DAY -> DAY/chunk -> chunks.jsonl of DAY -> DAY/INDEX -> index.json of DAY\n" + BEHIND
PHOTO = "photos of DAY -> DAY/look -> captions.jsonl of DAY -> DAY/INDEX -> index.json of DAY\n" + BEHIND


@pytest.mark.parametrize("subject, expected, datasets", [
    ("harbour.txt", chains("harbour.txt -> documents of monday\nharbour.txt -> documents of tuesday") |
     of("monday", PAGE) | of("tuesday", PAGE) | {("documents of monday", "monday"), ("documents of tuesday", "tuesday")}, 7),
    ("quay.ppm", chains("quay.ppm -> photos of monday") | of("monday", PHOTO) | {("photos of monday", "monday")}, 7),
    ("pier.ppm", chains("pier.ppm -> photos of monday\npier.ppm -> photos of tuesday") |
     of("monday", PHOTO) | of("tuesday", PHOTO) | {("photos of monday", "monday"), ("photos of tuesday", "tuesday")}, 7)])
def test_what_a_source_affects(museum, subject, expected, datasets):
    """A page or a photograph by its name: the folders that held it, and every page of the museum that was made with it. What was
    withdrawn on Tuesday is in nothing of Tuesday."""
    answer = museum.ask("impact", subject)
    assert answer["subject"]["kind"] == "member"
    assert museum.edges(answer) - {edge for edge in museum.edges(answer) if edge[1].startswith("wednesday")} == expected
    assert answer["affected"]["datasets"] == datasets


def test_what_a_corrected_page_affects(museum):
    """The storm of 1916 is in Monday's page of the museum, that of 1917 in Tuesday's: by content."""
    for text, day in (("The storm came in 1916.", "monday"), ("The storm came in 1917.", "tuesday")):
        answer = museum.ask("impact", "sha256:" + hashlib.sha256(text.encode()).hexdigest())
        assert {edge for edge in museum.edges(answer) if not edge[1].startswith("wednesday")} == (
            {("storm.txt", "documents of " + day), ("documents of " + day, day)} | of(day, PAGE))


def test_what_a_prompt_and_a_corpus_affect(museum):
    for prompt, day in (("guide@1", "monday"), ("guide@2", "tuesday")):
        reached = museum.ask("impact", prompt)
        asked = of(day, "DAY/ASK -> answer.json of DAY -> DAY/publish -> page.html of DAY")
        assert museum.edges(reached) >= asked and {edge[0] for edge in museum.edges(reached)} <= {
            prompt, "tuesday/ask FAIL"} | {edge[0] for edge in asked}
    assert museum.graph("impact", museum.past("prompt.txt", "monday")) == (
        chains("prompt of monday -> monday") | of("monday", """
            prompt of DAY -> DAY/compose -> request.json of DAY -> DAY/ASK -> answer.json of DAY -> DAY/publish -> page.html of DAY"""))


# What changed between two answers?

def test_what_changed_between_two_answers(museum):
    """The prompt, the model, the corpus; and from there back to the page that was corrected and the photograph that is gone.
    Not the question, nor what was heard."""
    answer = museum.ask("diff", museum.past("answer.json", "monday"), "answer.json")
    told = {museum.run(pair["b"]): {(change["area"], change["what"].rpartition("/")[2]): (change.get("a"), change.get("b"))
                                    for change in pair["changed"]} for pair in answer["pairs"]}

    def versions(area, *files):
        """Of Monday, of Tuesday."""
        return {(area, file): tuple(museum.past(file, day).partition("#")[2] for day in ("monday", "tuesday")) for file in files}
    call = told.pop("tuesday/ask#2")
    shas = versions("", "request.json", "answer.json", "index.json", "prompt.txt")
    bare = {file: tuple(sha[7:] for sha in pair) for (_, file), pair in shas.items()}
    sizes = {key: call.pop(key) for key in list(call) if key[1].endswith("_size")}
    assert {key[1] for key in sizes} <= {"lineaged_call.request_size", "lineaged_call.response_size"}
    assert call == {
        **versions("input", "request.json"), **versions("output", "answer.json"),
        ("input", "openai gpt-4o"): ("gpt-4o-2024-08-06", "gpt-4o-2024-11-20"), ("input", "prompt guide"): ("1", "2"),
        ("input", "corpus guide"): shas["", "index.json"],
        ("model", "model_version"): ("gpt-4o-2024-08-06", "gpt-4o-2024-11-20"),
        ("model", "lineaged_call.response_model"): ("gpt-4o-2024-08-06", "gpt-4o-2024-11-20"),
        ("model", "prompt_template"): ("guide@1", "guide@2"), ("model", "lineaged_prompt.version"): ("1", "2"),
        ("model", "lineaged_prompt.source_sha256"): bare["prompt.txt"], ("model", "corpus_sha"): bare["index.json"],
        ("model", "lineaged_call.request_sha256"): bare["request.json"], ("model", "lineaged_call.response_sha256"): bare["answer.json"]}
    assert told == {
        "tuesday/compose": {**versions("input", "context.json", "prompt.txt"), **versions("output", "request.json")},
        "tuesday/retrieve": {**versions("input", "index.json"), **versions("output", "context.json")},
        "tuesday/index#2": {**versions("input", "chunks.jsonl", "captions.jsonl"), **versions("output", "index.json")},
        "tuesday/look": {**versions("input", "photos"), **versions("output", "captions.jsonl")},
        "tuesday/chunk": {**versions("input", "documents"), **versions("output", "chunks.jsonl")}}


# What did the gates stop?

def test_what_the_gates_stopped(museum):
    """Twice `index` was not started; the run that said so, and why; nothing was made by it. The whole run of Wednesday failed."""
    stopped = museum.ask("runs", "--failed", "--job", "index")["runs"]
    assert [museum.run(each) for each in stopped] == ["wednesday/index FAIL", "tuesday/index FAIL"]
    for each in stopped:
        assert each["error"] == "command not started: gate 1 of 1 did not pass: exit status 1"
        (shown,) = museum.ask("show", each["run_id"])["runs"]
        (gate,) = shown["facets"]["lineaged_gates"]["gates"]
        assert (gate["command"], gate["passed"]) == ("test -s transcripts.jsonl", False) if "passed" in gate else gate
    days = {museum.run(each): (each["below"]["runs"], each["below"]["failed"]) for each in museum.ask("runs", "--by-root")["runs"]}
    assert days == {"monday": (8, 0), "tuesday": (10, 2), "wednesday FAIL": (2, 1)}
    assert [museum.run(each) for each in museum.ask("runs", "--group", "day=tuesday")["runs"]] == ["tuesday"]


def test_several_at_once(museum):
    """Chunks, captions and transcripts were made side by side, and no order between them is claimed."""
    runs = {museum.run(each): each for each in museum.ask("runs", "--limit", 100)["runs"]}
    index = runs["monday/index"]
    for name in ("monday/chunk", "monday/look", "monday/listen"):
        assert runs[name]["ended"] <= index["started"] and runs[name]["parent"] == index["parent"]
    assert museum.ask("depends", museum.past("captions.jsonl", "monday"), museum.past("documents", "monday"), check=1)["depends"] == "no"


# And all the rest.

def test_depends(museum):
    yes = museum.ask("depends", "page.html", "photos#" + museum.past("photos", "tuesday").partition("#")[2])
    assert yes["depends"] == "yes" and [museum.name(node) for node in yes["path"]] == [
        "photos of tuesday", "tuesday/look", "captions.jsonl of tuesday", "tuesday/index#2", "index.json of tuesday", "tuesday/retrieve",
        "context.json of tuesday", "tuesday/compose", "request.json of tuesday", "tuesday/ask#2", "answer.json of tuesday",
        "tuesday/publish", "page.html of tuesday"]
    # whether the model knew Monday's page of the museum nobody can tell
    unknown = museum.ask("depends", "page.html", museum.past("page.html", "monday"), check=None)
    assert unknown["depends"] == "not_known"


def test_what_is_used_from_outside(museum):
    """A provider's model has no lineage here; which version answered is known."""
    found = museum.ask("untracked", check=1)
    assert {(each["verdict"], each["used_by"], each["uses"]) for each in found["untracked"]} == {("external", "call", 1)}
    assert sorted(each.get("model_version", each.get("name")) for each in found["untracked"]) == [
        "openai gpt-4o", "openai gpt-4o-2024-08-06", "openai gpt-4o-2024-11-20"]
    assert museum.ask("serving")["serving"] == []


def test_what_is_out_of_date(museum):
    """On Wednesday there was nothing to be heard any more, and the index was not made anew."""
    (stale,) = museum.ask("stale", check=1)["stale"]
    assert (stale["kind"], museum.file(stale["dataset"]), museum.file(stale["input"]), museum.file(stale["newer"])) == (
        "newer_input", "index.json of tuesday", "transcripts.jsonl of monday", "transcripts.jsonl, empty")


def test_can_it_be_made_again(museum):
    """No: nobody told of the code. Where it is known otherwise, the call is what remains: its answer is kept, so it is no
    hindrance; the recordings are gone."""
    answer = museum.ask("reproducible", "page.html", check=1)
    assert answer["verdict"] == "not" and {museum.run(each["run"]) for each in answer["runs"] if "code" in each["missing"]} == {
        "tuesday/" + step for step in ("chunk", "look", "listen", "index#2", "retrieve", "compose", "ask#2", "publish")}
    (museum.files / "policy.yaml").write_text(
        "fields: {code: ignored, environment: ignored}\nkeeps: ['prompt/*', 'corpus/*', 'openai/*', 'file/*/documents', 'file/*/photos']\n")
    answer = museum.ask("reproducible", "--policy", "policy.yaml", "page.html", check=1)
    assert {museum.run(each["run"]): each["missing"] for each in answer["runs"] if each["verdict"] != "rebuild"} == {
        "tuesday/listen": ["inputs"], "tuesday/index#2": ["inputs"]}


def test_all_is_as_it_was(museum):
    """The receipts are; with the files, what was written anew on the days after is said."""
    said = museum("lineage", "verify", "--all", "--receipts-only").stdout.splitlines()
    assert [line.rpartition("; ")[2] for line in said] == ["the receipts are as they were (files were not looked at)"] * 3
    assert museum.ask("check", "--all")["findings"] == []
    for day in ("monday", "tuesday"):
        run = next(run for run, name in museum.ids.items() if name == day and run[:3] == "202")
        changed = {each["problem"].partition("'")[2].partition("'")[0].rpartition("/")[2]
                   for each in museum.ask("verify", "--files", run, check=1)["problems"]}
        assert changed == {"monday": {"documents", "photos", "recordings", "prompt.txt", *MADE},
                           "tuesday": {"recordings", "transcripts.jsonl"}}[day], changed


@pytest.mark.parametrize("text, expected", [
    ("req_monday", ["provider_request_id: monday/ask"]),
    ("guide@2", ["prompt_template: tuesday/ask#2", "prompt_template: tuesday/ask FAIL"]),
    ("gpt-4o-2024-11-20", ["model_version: tuesday/ask#2", "version: gpt-4o-2024-11-20"]),
    ("tuesday", ["day: tuesday"]),
    ("quay.ppm", ["member: quay.ppm"]),
    ("chatcmpl-monday", [])])
def test_search(museum, text, expected):
    found = museum.ask("search", text, check=None)["results"]
    assert ["%s: %s" % (each.get("key", each["by"]), museum.name(each)) for each in found if each["by"] not in ("part", "beginning")] == expected


def test_the_audit_of_a_page(museum):
    """One document for who must answer for an answer."""
    audit = museum.ask("audit", "page.html")
    assert {museum.run(run) for run in audit["made_by"]} == {
        "tuesday/" + step for step in ("chunk", "look", "listen", "index#2", "retrieve", "compose", "ask#2", "publish")}
    assert {museum.file(source) for source in audit["sources"]} == {
        "documents of tuesday", "photos of tuesday", "recordings of monday", "question.txt", "prompt of tuesday", "guide@2",
        "corpus of tuesday", "gpt-4o-2024-11-20"}
    assert (audit["approval"], audit["deployments"]) == ({"verdict": "nobody"}, [])
    page = museum("lineage", "audit", "page.html").stdout
    assert "gpt-4o-2024-11-20" in page and json.dumps("guide@2")[1:-1] in page
