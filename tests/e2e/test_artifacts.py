# SPDX-License-Identifier: Apache-2.0
"""Artifacts (spec/RECEIPT.md, R10): every form that -i and -o take has the id that the page's own recipes give, members
are kept once, and who differs is named. No agent: the journal is read as it lies there."""
import hashlib
import json
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import time

import pytest

import procs
from test_receipts import Place, read, recipe, sha256

NAMES = ["plain.txt", "with space", "-rf", "-", "new\nline", "back\\slash", "return\rhere", "star*", "sub/deep/er/f",
         "sub/.hidden", "ütf-8", "sub-b/x"]
TEXT = r"""find . -type f -print0 | LC_ALL=C sort -z | xargs -0r sha256sum
           find . -type l -printf 'link  %p -> %l\n' | LC_ALL=C sort"""


@pytest.fixture
def place(built, workdir):
    found = Place(built("lineage"), workdir)
    found.env["XDG_CACHE_HOME"] = str(workdir / "cache")
    return found


def plant(root, names=NAMES):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("content of %s\n" % name)


def text_by_shell(root, recipe=TEXT):
    return subprocess.run(["sh", "-euc", recipe], cwd=root, capture_output=True, timeout=60, check=True,
                          stdin=subprocess.DEVNULL).stdout


def digest(data):
    return hashlib.sha256(data).hexdigest()


def run_step(place, *words, check=0, step="s"):
    """One attempt at a step; its receipt and what was said."""
    done = place("run", "--step", step, *words, check=check)
    runs = place.files / "runs"
    found = max(runs.glob("*Z_*/steps/%s/attempt-*/receipt.json" % step), key=lambda path: path.stat().st_mtime_ns)
    return read(found), done


def kept(place, sha):
    data = (place.files / "runs/objects" / sha[:2] / sha[2:]).read_bytes()
    assert digest(data) == sha
    return data


# ---- each form ----

def test_the_recipe_is_the_page_s():
    page = (procs.REPO / "spec/RECEIPT.md").read_text().replace("\\|", "|")
    for line in TEXT.splitlines():
        assert "`%s`" % line.strip() in page


def test_a_directory_is_what_find_and_sha256sum_say(place):
    """With all the names that file systems allow, links to files, folders, nothing and itself."""
    root = place.files / "data"
    plant(root)
    for name, target in (("to-file", "plain.txt"), ("to-folder", "sub"), ("sub/up", ".."), ("gone", "nowhere"),
                         ("a link", "x -> y")):
        (root / name).symlink_to(target)
    receipt, done = run_step(place, "-i", "data", "--", "true")
    artifact, = receipt["inputs"]
    text = text_by_shell(root)
    assert artifact["sha256"] == digest(text) and artifact["kind"] == "directory" and artifact["basis"] == "computed"
    assert artifact["members"] == {"count": len(NAMES) + 5, "sha256": digest(text)}
    assert artifact["size"] == sum((root / name).stat().st_size for name in NAMES)
    assert artifact["name"] == str(root) and "media_type" not in artifact
    assert kept(place, artifact["sha256"]) == text
    assert done.stderr == ""
    # a link whose own name has to be escaped: the same rule
    (root / "sub/new\nlink").symlink_to("a\\b")
    receipt, _ = run_step(place, "-i", "data/", "--", "true")
    assert b"\\link  ./sub/new\\nlink -> a\\\\b\n" in kept(place, receipt["inputs"][0]["sha256"])


def test_an_empty_directory(place):
    (place.files / "data/sub").mkdir(parents=True)
    artifact, = run_step(place, "-i", "data", "--", "true")[0]["inputs"]
    assert artifact["sha256"] == digest(b"") == digest(text_by_shell(place.files / "data"))
    assert artifact["members"]["count"] == 0 and artifact["size"] == 0


def test_what_is_no_file_is_left_out_and_said(place):
    root = place.files / "data"
    plant(root, ["a"])
    os.mkfifo(root / "fifo")
    (root / "more").mkdir()
    os.mkfifo(root / "more/fifo")
    receipt, done = run_step(place, "-i", "data", "--", "true")
    assert receipt["inputs"][0]["sha256"] == digest(text_by_shell(root))
    assert re.search(r"input 'data': '(more/)?fifo' is no file, folder or link: left out, as are 1 others", done.stderr)
    assert run_step(place, "-q", "-i", "data", "--", "true")[1].stderr == ""


def test_the_runs_folder_is_no_part_of_a_directory(place):
    plant(place.files, ["a", "b/c"])
    receipt, _ = run_step(place, "-o", ".", "--", "sh", "-c", "echo new > d")
    expected = text_by_shell(place.files, "find . -path ./runs -prune -o -type f -print0 | LC_ALL=C sort -z | "
                                          "xargs -0r sha256sum")
    assert receipt["outputs"][0]["sha256"] == digest(expected)
    assert place("verify", "--files", receipt["run_id"], check=0)


def test_a_glob_is_resolved_where_it_stands(place):
    """An input's before the command, an output's after it; what it matches that is no file is left out."""
    plant(place.files / "in", ["a.csv", "b c.csv", "d.txt"])
    (place.files / "in/folder.csv").mkdir()
    receipt, done = run_step(place, "-i", "in/*.csv", "-o", "out/*.csv", "--", "sh", "-c",
                             "mkdir out; cp in/*.csv out 2>/dev/null; echo late > in/z.csv")
    source, target = receipt["inputs"][0], receipt["outputs"][0]
    assert source["kind"] == target["kind"] == "list"
    assert kept(place, source["sha256"]) == text_by_shell(
        place.files, "sha256sum in/a.csv 'in/b c.csv'")
    assert kept(place, target["sha256"]) == text_by_shell(place.files, "sha256sum out/a.csv 'out/b c.csv'")
    assert "input 'in/*.csv': 'in/folder.csv' is no file: left out" in done.stderr
    # a file that is called so is a file
    (place.files / "in/[x]").write_text("x")
    assert run_step(place, "-i", "in/[x]", "--", "true")[0]["inputs"][0]["kind"] == "file"
    receipt, done = run_step(place, "-o", "none/*.csv", "--", "true")
    assert receipt["outputs"][0]["basis"] == "unknown" and receipt["outputs"][0]["reason"] == "not there"
    assert "output 'none/*.csv' is not there after the command" in done.stderr


@pytest.mark.parametrize("end", ["\n", "\0"])
def test_a_list_names_files(place, end):
    plant(place.files, ["b", "a a", "sub/c"] + (["x\ny"] if end == "\0" else []))
    names = ["sub/c", "a a", "b", "b"] + (["x\ny"] if end == "\0" else [""])
    (place.files / "names").write_text(end.join(names) + end)
    receipt, _ = run_step(place, "-i", "@names", "--", "true")
    artifact, = receipt["inputs"]
    assert artifact["kind"] == "list" and artifact["name"] == str(place.files / "names")
    expected = sorted(set(names) - {""})
    assert artifact["members"]["count"] == len(expected)
    assert kept(place, artifact["sha256"]) == subprocess.run(
        ["sha256sum", *expected], cwd=place.files, capture_output=True, check=True).stdout
    (place.files / "names").write_text("b" + end + "gone" + end)
    artifact, = run_step(place, "-i", "@names", "--", "true")[0]["inputs"]
    assert artifact["basis"] == "unknown" and artifact["reason"] == "'gone': not there" and "sha256" not in artifact


def test_a_manifest_has_members_by_path_or_id(place):
    lines = [{"path": "a/1.txt", "sha256": "1" * 64}, {"id": "doc-7", "sha256": "A" * 64, "text": "secret words"},
             {"id": 42, "sha256": "2" * 64}, {"path": "p", "id": "q", "sha256": "3" * 64},
             {"id": "doc-7", "sha256": "a" * 64}]
    manifest = place.files / "docs.jsonl"
    manifest.write_text("\n\n".join(map(json.dumps, lines)) + "\n")
    artifact, = run_step(place, "-i", "manifest:docs.jsonl", "--", "true")[0]["inputs"]
    assert artifact["kind"] == "manifest" and artifact["sha256"] == sha256(manifest)
    assert artifact["name"] == str(manifest) and artifact["media_type"] == "application/jsonl"
    text = kept(place, artifact["members"]["sha256"])
    assert text.decode() == "".join("%s  %s\n" % (value * 64, name) for value, name in
                                    (("2", "42"), ("1", "a/1.txt"), ("a", "doc-7"), ("3", "p")))
    assert artifact["members"]["count"] == 4
    for path in (place.files / "runs").rglob("*"):
        assert not path.is_file() or b"secret words" not in path.read_bytes()


@pytest.mark.parametrize("line, problem", [
    ('{"path": "a"}', "line 2: expected a member 'sha256'"),
    ('{"sha256": "%s"}' % ("1" * 64), "line 2: expected a member 'path' or 'id'"),
    ('{"path": "a", "sha256": "12"}', "line 2: /sha256: expected 64 hexadecimal digits"),
    ('{"path": 1, "sha256": "%s"}' % ("1" * 64), "line 2: /path: expected a text"),
    ('[]', "line 2: expected an object"),
    ('{"path', "line 2:"),
    ('{"id": "x", "sha256": "%s"}' % ("2" * 64), "'x' is named with two hashes"),
], ids=range(7))
def test_a_manifest_that_is_none(place, line, problem):
    """It has its hash all the same; the line is named."""
    manifest = place.files / "docs.jsonl"
    manifest.write_text('{"id": "x", "sha256": "%s"}\n%s\n' % ("1" * 64, line))
    receipt, done = run_step(place, "-i", "manifest:docs.jsonl", "--", "true")
    artifact, = receipt["inputs"]
    assert artifact["sha256"] == sha256(manifest) and "members" not in artifact
    assert "input 'manifest:docs.jsonl': " + problem in done.stderr


HEX = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"


@pytest.mark.parametrize("text, expected", [
    ("s3://b/k#sha256:" + HEX, {"sha256": HEX, "namespace": "s3://b", "name": "k"}),
    ("model:fraud@sha256:" + HEX, {"sha256": HEX, "namespace": "model", "name": "fraud"}),
    ("s3://b/k?versionId=3HL4", {"version": "3HL4", "namespace": "s3://b", "name": "k"}),
    ('s3://b/k?etag="9b2c-2"', {"version": "etag:9b2c-2", "namespace": "s3://b", "name": "k"}),
    ("kafka://b1/orders#0:100-200,1:7-9", {"version": "0:100-200,1:7-9", "namespace": "kafka://b1:9092", "name": "orders"}),
    ("https://h/a#sha256:" + HEX, {"sha256": HEX, "namespace": "https://h", "name": "/a"}),
])
def test_what_is_declared_is_marked_so(place, text, expected):
    receipt, _ = run_step(place, "-i", text, "--", "true")
    artifact, = receipt["inputs"]
    assert artifact == {"path": text, "kind": "remote", "basis": "declared", **expected}
    last = place.events()
    version = [e["inputs"][0]["facets"]["version"]["datasetVersion"] for e in last
               if e["eventType"] == "COMPLETE" and e.get("inputs")]
    assert version == [expected.get("version", "sha256:" + HEX)]


def test_a_file_whose_hash_is_declared_is_not_read(place):
    receipt, _ = run_step(place, "-i", "big.bin#sha256:" + HEX, "--", "true")
    artifact, = receipt["inputs"]
    assert (artifact["kind"], artifact["basis"], artifact["sha256"]) == ("file", "declared", HEX)
    assert artifact["name"] == str(place.files / "big.bin")


def test_same_bytes_are_one_artifact(place):
    plant(place.files / "one")
    shutil.copytree(place.files / "one", place.files / "two")
    receipt, _ = run_step(place, "-i", "one", "-i", "two", "--", "true")
    assert receipt["inputs"][0]["sha256"] == receipt["inputs"][1]["sha256"]
    objects = [path for path in (place.files / "runs/objects").rglob("*") if path.is_file()]
    assert len(objects) == 1  # kept once


def test_receipts_with_members_are_what_the_schema_says(place, schema_judge):
    plant(place.files / "data")
    (place.files / "names").write_text("data/plain.txt\n")
    (place.files / "m").write_text('{"id": 1, "sha256": "%s"}\n' % HEX)
    run_step(place, "-o", "data", "-i", "@names", "-i", "manifest:m", "-i", "data/*", "-i", "s3://b/k?etag=1", "-i", "none",
             "--", "true")
    place.env.update(LINEAGE_RUN_ID=next((place.files / "runs").glob("*Z_*")).name)
    receipt, _ = run_step(place, "-o", "data", "--", "sh", "-c", "echo other > data/plain.txt")
    values = [read(path) for path in (place.files / "runs").glob("*/steps/*/attempt-*/receipt.json")]
    assert len(values) == 2 and receipt["conflicts"]
    assert schema_judge(procs.REPO / "spec/schemas", [[value["schema"], value] for value in values]) == [[], []]


def test_events_say_the_same_in_a_facet(place):
    """lineaged_artifact of each dataset, beside the standard version facet."""
    plant(place.files / "data", ["a", "b"])
    (place.files / "m").write_text('{"id": 1, "sha256": "%s"}\n' % HEX)
    receipt, _ = run_step(place, "-i", "data", "-i", "manifest:m", "-i", "data/*", "-i", "data/a", "-i", "s3://b/k?etag=x-1",
                          "-i", "s3://b/v?versionId=7", "-i", "s3://b/h#sha256:" + HEX, "-i", "s3://b/bare", "-o", "none",
                          "--", "true")
    event = place.events()[-2]
    assert event["eventType"] == "COMPLETE"
    facets = [dataset["facets"].get("lineaged_artifact") for dataset in event["inputs"] + event["outputs"]]
    own = [{k: v for k, v in facet.items() if k[0] != "_"} if facet else None for facet in facets]
    in_receipt = receipt["inputs"] + receipt["outputs"]
    assert own[0] == {"artifact_id": in_receipt[0]["sha256"], "kind": "directory", "basis": "computed",
                      "size": in_receipt[0]["size"], "member_count": 2}
    assert own[1] == {"artifact_id": sha256(place.files / "m"), "kind": "manifest", "basis": "computed",
                      "size": in_receipt[1]["size"], "member_count": 1, "members_sha256": in_receipt[1]["members"]["sha256"]}
    assert own[2]["kind"] == "list" and own[2]["artifact_id"] == in_receipt[2]["sha256"]
    assert own[3] == {"artifact_id": sha256(place.files / "data/a"), "kind": "file", "basis": "computed",
                      "size": in_receipt[3]["size"]}
    assert own[4] == {"kind": "remote", "basis": "declared", "etag": "x-1"}
    assert own[5] == {"kind": "remote", "basis": "declared", "version_id": "7"}
    assert own[6] == {"kind": "remote", "basis": "declared", "artifact_id": HEX}
    assert own[7] is None
    assert own[8] == {"kind": "file", "basis": "unknown", "reason": "not there"}
    for dataset, artifact in zip(event["inputs"], in_receipt):
        said = dataset["facets"].get("version", {}).get("datasetVersion")
        assert said == ("sha256:" + artifact["sha256"] if "sha256" in artifact else artifact.get("version"))
    assert facets[0]["_schemaURL"].split("#")[0].endswith("/spec/schemas/LineagedArtifactDatasetFacet-1-0-0.json")


# ---- promise 4: bytes that were there, and did not change ----

def test_inputs_are_as_they_were_before_the_command(place):
    root = place.files / "data"
    plant(root, ["a", "b"])
    before = digest(text_by_shell(root))
    receipt, _ = run_step(place, "-i", "data", "--", "sh", "-c", "echo new > data/c; rm data/a")
    assert receipt["inputs"][0]["sha256"] == before  # open already: neither a name nor a newcomer matters
    receipt, done = run_step(place, "-i", "data", "--", "sh", "-c", "for f in data/*; do echo x >> $f; done")
    artifact = receipt["inputs"][0]
    if "sha256" not in artifact:  # hashing began after the change
        assert artifact["basis"] == "unknown" and re.search(r"'.*/data/[bc]': changed (before|while)", artifact["reason"])
        assert "input 'data' has no id: '" in done.stderr


def test_signals_cut_hashing_short(place):
    root = place.files / "data"
    root.mkdir()
    for number in range(40):
        with open(root / str(number), "wb") as file:
            file.truncate(1 << 30)
    command = subprocess.Popen([place.lineage, "run", "--step", "s", "--no-cache", "-o", "data", "--", "true"],
                               env=place.env, cwd=place.files, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 30
    while not list((place.files / "runs").glob("*/steps/s/attempt-1/claim.json")):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    time.sleep(0.3)
    begun = time.monotonic()
    command.send_signal(signal.SIGTERM)
    _, said = command.communicate(timeout=60)
    assert command.returncode in (0, 143) and time.monotonic() - begun < 10
    receipt = read(next((place.files / "runs").glob("*/steps/s/attempt-1/receipt.json")))
    if command.returncode == 0:
        assert "there was no time to read it" in receipt["outputs"][0]["reason"]
        assert b"there was no time to read it" in said


# ---- what the cache may and may not do ----

def settle(*paths):
    """As if they had been left alone for longer than the cache asks for."""
    deadline = time.monotonic() + 30
    while time.time() - max(max(p.stat().st_mtime, p.stat().st_ctime) for p in paths) < 2.2:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def reads_of(place, path, *words):
    """Whether the file's bytes were read: by its access time, set back first."""
    os.utime(path, ns=(1, path.stat().st_mtime_ns))
    settle(path)  # utime moved its ctime
    run_step(place, *words)
    return path.stat().st_atime_ns != 1


def test_the_cache_spares_reading(place, workdir):
    path = place.files / "big"
    path.write_bytes(b"x" * 300000)
    probe = subprocess.run(["findmnt", "-no", "OPTIONS", "-T", str(path)], capture_output=True, text=True, check=False)
    if "noatime" in probe.stdout:
        pytest.skip("no access times here")
    os.utime(path, ns=(1, path.stat().st_mtime_ns))
    settle(path)
    first, _ = run_step(place, "-i", "big", "--", "true")
    assert path.stat().st_atime_ns != 1
    cache = workdir / "cache/lineaged/hashes-1"
    assert cache.stat().st_mode & 0o777 == 0o600 and cache.stat().st_size <= 16 << 20
    hits = subprocess.run(["strace", "-f", "-y", "-e", "trace=pread64,read", place.lineage, "run", "-i", "big", "--", "true"],
                          env={**place.env, "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"},
                          cwd=place.files, capture_output=True, text=True, check=False) \
        if shutil.which("strace") else None  # leaks are not to be found under it
    if hits is not None and hits.returncode == 0:
        assert "/big>" not in hits.stderr
    for words, is_read in ((["--rehash"], True), (["--no-cache"], True)):
        assert reads_of(place, path, *words, "-i", "big", "--", "true") == is_read
    # whatever stands in the file: nothing is believed that does not check out, nothing fails
    for rot in (b"", b"\0" * 100, os.urandom(1 << 20)):
        cache.write_bytes(rot)
        again, done = run_step(place, "-i", "big", "--", "true")
        assert again["inputs"][0]["sha256"] == first["inputs"][0]["sha256"] == sha256(path) and done.stderr == ""
    cache.unlink()
    cache.mkdir()
    again, done = run_step(place, "-i", "big", "--", "true")
    assert again["inputs"][0]["sha256"] == sha256(path) and done.stderr == ""


def test_a_wrong_hash_in_the_cache_is_not_what_verify_believes(place):
    path = place.files / "out"
    receipt, _ = run_step(place, "-o", "out", "--", "sh", "-c", "echo 1 > out")
    settle(path)
    run_step(place, "-i", "out", "--", "true", step="t")
    stamp = path.stat()
    path.write_text("2\n")
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    done = place("verify", "--files", receipt["run_id"], check=1)
    assert "output '%s' was changed" % path in done.stdout


def test_a_file_that_was_just_written_is_not_remembered(place, workdir):
    """As git's racy rule: times alone could not tell what comes next."""
    path = place.files / "hot"
    for content in ("aaaa", "bbbb", "cccc") * 5:
        path.write_text(content)
        receipt, _ = run_step(place, "-i", "hot", "--", "true")
        assert receipt["inputs"][0]["sha256"] == digest(content.encode())
    assert not any((workdir / "cache/lineaged/hashes-1").read_bytes())


# ---- who differs ----

def test_the_member_that_differs_is_named(place):
    make = "rm -rf out; mkdir out; echo %s > out/a; echo 2 > out/b"
    first, _ = run_step(place, "-o", "out", "-o", "out/*", "--", "sh", "-c", make % 1)
    place.env["LINEAGE_RUN_ID"] = first["run_id"]
    second, done = run_step(place, "-o", "out", "-o", "out/*", "--", "sh", "-c", make % 3)
    assert [(c["path"], c["member"], c["members"]) for c in second["conflicts"]] == [
        ("out", "./a", 1), ("out/*", "out/a", 1)]
    assert "output 'out' is not what attempt 1 wrote: './a' differs" in done.stderr
    third, _ = run_step(place, "-o", "out", "--", "sh", "-c", make % 3 + "; echo 4 > out/b; echo 5 > out/0")
    assert third["conflicts"][0]["member"] == "./0" and third["conflicts"][0]["members"] == 2


def test_verify_names_the_member(place, workdir):
    receipt, _ = run_step(place, "-o", "out", "-o", "out/*", "-o", "manifest:m", "-o", "@l", "--", "sh", "-c",
                          "mkdir out; echo 1 > out/a; echo 2 > out/b; echo out/b > l; "
                          "echo '{\"id\":1,\"sha256\":\"%s\"}' > m" % HEX)
    run = receipt["run_id"]
    assert [a["basis"] for a in receipt["outputs"]] == ["computed"] * 4
    assert "4 outputs read; all is as it was" in place("verify", "--files", run, check=0).stdout
    (place.files / "out/b").write_text("3\n")
    said = place("verify", "--files", run, check=1).stdout
    assert "output '%s/out' was changed: './b' is not what it was" % place.files in said
    assert "output 'out/*': '%s/out/b' is not what it was" % place.files in said
    assert "output '@l': '%s/out/b' is not what it was" % place.files in said
    (place.files / "out/b").unlink()
    assert "output 'out/*': '%s/out/b' is gone" % place.files in place("verify", "--files", run, check=1).stdout
    (place.files / "out/b").write_text("2\n")
    (place.files / "m").write_text("\n")
    assert "output '%s/m' was changed" % place.files in place("verify", "--files", run, check=1).stdout
    # the kept text itself
    sha = receipt["outputs"][0]["sha256"]
    path = place.files / "runs/objects" / sha[:2] / sha[2:]
    path.chmod(0o644)
    path.write_bytes(path.read_bytes().replace(b"./a", b"./c"))
    assert "was changed" in place("verify", run, check=1).stdout


def test_by_hand_in_another_place(place, workdir):
    """Members with sha256sum and jq only, by the recipe of the format's page."""
    if shutil.which("jq") is None:
        pytest.skip("needs jq")
    place.begin("--pipeline", "hand")
    plant(place.files / "out", NAMES)
    (place.files / "out/link").symlink_to("plain.txt")
    (place.files / "m").write_text('{"id": 1, "sha256": "%s"}\n' % HEX)
    place("run", "--step", "s", "-o", "out", "-o", "out/*", "-o", "manifest:m", "--", "true", check=0)
    place("end", check=0)
    elsewhere = workdir / "elsewhere"
    shutil.move(str(place.files), str(elsewhere))
    folder = elsewhere / "runs" / place.env["LINEAGE_RUN_ID"]

    def check():
        return subprocess.run(["sh", "-c", recipe()], cwd=folder, capture_output=True, text=True, timeout=60,
                              env={**os.environ, "WHERE": str(elsewhere)}, check=False)
    done = check()
    assert done.returncode == 0 and done.stdout == "", (done.stdout, done.stderr)
    (elsewhere / "out/sub/.hidden").write_text("other")
    done = check()
    assert "./sub/.hidden: FAILED" in done.stdout and done.returncode != 0


# ---- lineage artifact ----

def test_the_verb_says_what_a_run_would_record(place):
    plant(place.files / "data")
    (place.files / "data/link").symlink_to("x")
    (place.files / "names").write_text("data/plain.txt\n")
    (place.files / "m").write_text('{"id": "d 1", "sha256": "%s"}\n' % HEX)
    words = ["data/plain.txt", "data", "data/*", "@names", "manifest:m", "s3://b/k#sha256:" + HEX, "s3://b/k?versionId=7"]
    recorded = run_step(place, *[word for each in words for word in ("-i", each)], "--", "true")[0]["inputs"]
    said = json.loads(place("artifact", "--json", *words, check=0).stdout)
    for one, other in zip(said, recorded, strict=True):
        other.pop("media_type", None)
        assert one == other
    lines = place("artifact", *words, check=0).stdout.splitlines()
    assert [line.split() for line in lines] == [
        [a.get("sha256") or a["version"], a["kind"], str(a.get("size", "-")), a["path"]] for a in recorded]
    listed = place("artifact", "--members", "--threads", "1", "data").stdout.split("\n", 1)[1]
    assert listed.encode() == text_by_shell(place.files / "data")
    items = json.loads(place("artifact", "--members", "--json", "data", "manifest:m").stdout)
    assert items[1]["members"]["items"] == [{"name": "d 1", "sha256": HEX}]
    assert {"link": "./link -> x"} in items[0]["members"]["items"]
    assert {"name": "./new\nline", "sha256": sha256(place.files / "data/new\nline")} in items[0]["members"]["items"]


def test_the_verb_when_there_is_no_id(place):
    (place.files / "big").write_text("12345")
    for words, said in ((["none"], "'none' has no id: not there"), (["s3://b/k"], "no file of this machine"),
                        (["--hash-limit", "4", "big"], "larger than --hash-limit")):
        assert said in place("artifact", *words, check=1).stderr
    for words in ([], ["--threads", "0", "big"], ["--threads", "x", "big"], ["--hash-limit", "x", "big"], ["--what"]):
        assert "lineage artifact" in place("artifact", *words, check=2).stderr
    for flag in ("--no-cache", "--rehash"):
        assert place("artifact", flag, "big", check=0).stdout.startswith(sha256(place.files / "big"))


# ---- on a terminal ----

def test_progress_is_for_terminals(place):
    """Over a second of hashing draws a line and takes it away; a pipe, or --quiet, sees nothing."""
    for number in range(8):
        with open(place.files / ("big%d" % number), "wb") as file:
            file.truncate(1 << 29)
    words = [place.lineage, "run", "--no-cache", "-o", "big*", "--", "true"]

    def on_terminal(*command):
        pid, fd = pty.fork()
        if pid == 0:
            os.chdir(place.files)
            os.execve(command[0], command, place.env)
        seen = b""
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            if select.select([fd], [], [], 1)[0]:
                try:
                    data = os.read(fd, 65536)
                except OSError:
                    break
                seen += data
        os.close(fd)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        return seen
    begun = time.monotonic()
    seen = on_terminal(*words)
    if time.monotonic() - begun > 2:
        assert re.search(rb"hashing, \d of 8 files, \d+ of 4096 MiB, \d+ MiB/s", seen) and seen.endswith(b"\r\x1b[K")
        assert on_terminal(words[0], words[1], "--quiet", *words[2:]) == b""
    piped = subprocess.run(words, env=place.env, cwd=place.files, capture_output=True, timeout=120, check=True)
    assert piped.stderr == b""
