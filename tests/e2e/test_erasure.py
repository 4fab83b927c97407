# SPDX-License-Identifier: Apache-2.0
"""The drill of docs/erasure.md: a subject's record through files, corpus, index and model to the answers it reached. The
commands are the page's; what must come out is written here by hand. And what is refused, whose lists they are, and
that neither an agent nor a place for the lists is needed to run a command."""
import hashlib
import json
import os
import re
import subprocess

import procs
import pytest
from test_ask import Place

PAGE = (procs.REPO / "docs/erasure.md").read_text()
RUN = "01941f29-7c00-7837-a31d-d79a7fb36a77"


@pytest.fixture
def place(runner, built, workdir):
    made = Place(runner, built, workdir)
    yield made
    made.stop()


def shell(place, script):
    done = subprocess.run(["sh", "-euc", script], env=place.env, cwd=place.files, text=True, capture_output=True,
                          timeout=120, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stderr
    return done.stdout


def blocks():
    return re.findall(r"^```sh\n(.*?)^```$", PAGE, re.M | re.S)


def ask(place, *words):
    status, out, err = place.ask(*words, "--json")
    assert status == 0, (out, err)
    return json.loads(out)


def sha(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def label(node):
    """What a reader would call it."""
    if node["kind"] == "dataset":
        return node["name"].rsplit("/", 1)[-1]
    if node["kind"] == "run":
        return "run " + node["job"]["name"]
    return node["kind"] + " " + (node["answer"]["request_id"] if node["kind"] == "answer" else node["name"])


def edges(answer):
    return sorted((label(answer["nodes"][e["from"]]), label(answer["nodes"][e["to"]])) for e in answer["edges"])


def serve(place, answers):
    """A service that read index and model, and its answers."""
    def version(name):
        return {"namespace": "file", "name": str(place.files / name), "facets": {"version": {
            "_producer": "https://example.org/s", "_schemaURL": "https://example.org/v",
            "datasetVersion": "sha256:" + sha(place.files / name)}}}

    def event(kind, second, **facets):
        return {"eventType": kind, "eventTime": "2099-01-01T00:00:%02dZ" % second, "producer": "https://example.org/s",
                "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
                "run": {"runId": RUN, "facets": facets}, "job": {"namespace": "demo", "name": "answering"}}
    begun = event("START", 0)
    begun["inputs"] = [version("index.bin"), version("model.bin")]
    events = [begun]
    for second, (request, documents) in enumerate(answers.items(), 1):
        events.append(event("OTHER", second, lineaged_answer={
            "_producer": "https://example.org/s", "_schemaURL": "https://example.org/a", "request_id": request,
            "outcome": "answered", "retrieved": documents, "cited": documents[:1]}))
    journal = place.directory / "service.jsonl"
    journal.write_text("".join(json.dumps(e) + "\n" for e in events))
    shell(place, "lineage spool import %s" % journal)


BEHIND = [("corpus", "run build-index"), ("index.bin", "run train"), ("run build-index", "index.bin"),
          ("run train", "model.bin")]


@pytest.mark.parametrize("is_online", [False, True], ids=["offline", "agent"])
def test_drill(place, is_online, wait_until):
    record, questions, program = blocks()
    shell(place, record)
    inbox = place.directory / "state/lineaged/journal/members"
    assert len(list(inbox.iterdir())) == 2, "corpus and manifest, each list once"
    shell(place, "lineaged --once")
    assert list(inbox.iterdir()) == []
    serve(place, {"req-1": ["subject-17", "subject-15"], "req-2": ["subject-16"], "req-3": ["subject-16", "subject-17"]})
    shell(place, "lineaged --once")
    if is_online:
        place.start(wait_until)
    answer = ask(place, "impact", "subject-17")
    assert answer["subject"]["kind"] == "member" and answer["subject"]["by"] == "member"
    assert [m["name"] for m in answer["subject"]["matches"]] == ["subject-17"]
    assert answer["subject"]["matches"][0]["sha256"] == sha(place.files / "corpus/subject-17.txt")
    assert "lists_not_here" not in answer["subject"]
    expected = sorted(BEHIND + [("member subject-17", "records.jsonl"), ("member subject-17", "corpus"),
                                ("index.bin", "run answering"), ("model.bin", "run answering"),
                                ("member subject-17", "answer req-1"), ("member subject-17", "answer req-3")])
    assert edges(answer) == expected
    assert answer["affected"]["answers"] == 3, "all that the service gave with the index and the model"
    assert answer["affected"]["datasets"] == 4 and answer["affected"]["jobs"] == 3 and not answer["truncated"]
    # the file, and then its content when the file is gone
    assert edges(ask(place, "impact", "corpus/subject-16.txt"))[:4] == sorted(BEHIND)[:1] + \
        [("index.bin", "run answering"), ("index.bin", "run train"), ("member ./subject-16.txt", "corpus")]
    digest = "sha256:" + sha(place.files / "corpus/subject-16.txt")
    (place.files / "corpus/subject-16.txt").unlink()
    for subject in (digest, "corpus/subject-16.txt", "./subject-16.txt"):
        found = edges(ask(place, "impact", subject))
        assert set(BEHIND) < set(found), (subject, found)
        assert any(a.startswith("member") and b == "corpus" for a, b in found), (subject, found)
    # the page's own questions, the tree for people
    (place.files / "corpus/subject-16.txt").write_text("what subject 16 said\n")
    tree = shell(place, questions)
    assert tree.count("model.bin") >= 3 and "answer req-1" in tree and "answer req-2" not in tree, tree
    told = shell(place, program)
    assert told.splitlines()[:4] and str(place.files / "model.bin") in told.splitlines(), told
    assert "export" in told
    # backward: the manifest and the corpus, and who wrote them
    assert edges(ask(place, "why", "subject-17")) == sorted([
        ("records.jsonl", "member subject-17"), ("corpus", "member subject-17"),
        ("run export", "records.jsonl"), ("run export", "corpus")])
    status, out, _ = place.ask("impact", "subject-18", "--json")
    assert status == 3 and "member of an artifact" in json.loads(out)["subject"]["tried"]


def test_written_in_parts(place):
    """Files that different runs wrote into one folder, read as a whole: by a directory, by a glob."""
    shell(place, """
        mkdir raw
        for n in 1 2; do
            N=$n lineage run --job fetch-$n -o raw/$n.txt -- sh -c 'echo part $N > raw/$N.txt'
        done
        : > raw/empty.txt; lineage run --job nothing -o raw/empty.txt -- true
        lineage run --job whole -i raw/ -o all.txt -- sh -c 'cat raw/*.txt > all.txt'
        lineage run --job some -i 'raw/*.txt' -o some.txt -- sh -c 'cat raw/1.txt > some.txt'""")
    for name, job, container in (("all.txt", "whole", "raw"), ("some.txt", "some", "*.txt")):
        found = edges(ask(place, "why", name))
        wanted = [(container, "run " + job), ("run " + job, name)]
        for n in ("1", "2"):
            member = next(a for a, b in found if b == container and a.startswith("member") and n in a)
            wanted += [("run fetch-" + n, n + ".txt"), (n + ".txt", member), (member, container)]
        assert found == sorted(wanted), "and what has no bytes joins nothing\n" + "\n".join(map(str, found))
    forward = edges(ask(place, "impact", "raw/1.txt"))
    assert ("run whole", "all.txt") in forward and ("run some", "some.txt") in forward
    assert not any("2.txt" in a or "2.txt" in b for a, b in forward), "its siblings are not affected by it"


def test_what_is_refused(place):
    """What is no list, or not the one it is called, is removed and said; the right one still comes."""
    shell(place, "mkdir d; echo a > d/a; lineage run --job one -o d/ -- true")
    inbox = place.directory / "state/lineaged/journal/members"
    (right,) = inbox.iterdir()
    wrong = inbox / ("ab" * 32)
    wrong.write_bytes(right.read_bytes())
    text = b"no list\n"
    (inbox / hashlib.sha256(text).hexdigest()).write_bytes(text)
    (inbox / ("cd" * 32)).symlink_to("/etc/passwd")
    (inbox / ".unfinished").write_text("x")
    done = subprocess.run(["lineaged", "--once"], env=place.env, cwd=place.files, text=True, capture_output=True,
                          timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("a list of members is refused") == 3, done.stderr
    assert "has the hash" in done.stderr and "line 1" in done.stderr
    assert [f.name for f in inbox.iterdir()] == [".unfinished"]
    assert ("member ./a", "d") in edges(ask(place, "impact", "./a"))


def test_not_in_the_way(place):
    """The command runs as ever where the lists cannot be left; and a list that never came is said to be missing."""
    journal = place.directory / "state/lineaged/journal"
    shell(place, "mkdir d; echo a > d/a; lineage run --job before -- true")
    (journal / "members").mkdir(exist_ok=True)
    if os.geteuid() == 0:
        (journal / "members").rmdir()
        (journal / "members").write_text("in the way")
    else:
        (journal / "members").chmod(0o500)
    done = subprocess.run(["lineage", "run", "--job", "one", "-o", "d/", "--", "sh", "-c", "exit 7"], env=place.env,
                          cwd=place.files, text=True, capture_output=True, timeout=60)
    assert done.returncode == 7 and "not handed over" in done.stderr, done.stderr
    answer = ask(place, "why", "d/")
    assert answer["subject"]["lists_not_here"] == 1
    status, out, err = place.ask("why", "d/")
    assert status == 0 and "the list is not here" in out, out + err


def test_hashing_alone_records_nothing(place):
    """As lineage(1) and the page say: lineage artifact hands nothing over, a step that reads the directory does."""
    shell(place, "mkdir docs; echo words > docs/note-7.txt; lineage artifact --members docs > /dev/null; lineaged --once")
    assert place.ask("impact", "note-7.txt")[0] == 3
    shell(place, "lineage run -q -i docs -- true; lineaged --once")
    assert ("member ./note-7.txt", "docs") in edges(ask(place, "impact", "note-7.txt"))
