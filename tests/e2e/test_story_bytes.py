# SPDX-License-Identifier: Apache-2.0
"""One changed byte in any file of a run's folder and of objects/ is named: by `lineage verify`, and in another place by
the recipe of spec/RECEIPT.md, which needs only sha256sum and jq. The run is that of test_story.py."""
import json
import os
import shutil
import subprocess

import pytest

from test_receipts import recipe
from test_story import models, play, shop  # noqa: F401: fixtures


def offsets(data, path):
    """Some in each part of a file; of the seal those of its list, for its head is in the root run's event."""
    first = data.index(b"[") + 1 if path.name == "seal.json" else 0
    last = data.rindex(b"]") if path.name == "seal.json" else len(data)
    step = max(1, (last - first) // 9)
    found = {*range(first, last, step), last - 1} if last > first else set()
    return sorted(at for at in found if path.name != "seal.json" or data[at:at + 1] not in (b" ", b"\n"))


def files_of(runs, run):
    """All that may not change: what means nothing (`last`, names with a dot in front) is left out."""
    found = [path for folder in (run, runs / "objects") if folder.exists() for path in sorted(folder.rglob("*"))
             if path.is_file() and path.name != "last" and not path.name.startswith(".")]
    assert len(found) > 15 and any("objects" in path.parts for path in found)
    return found


def changed(path):
    """Change one byte after another, and change it back."""
    good, mode = path.read_bytes(), path.stat().st_mode
    path.chmod(0o644)
    for at in offsets(good, path):
        path.write_bytes(good[:at] + bytes([good[at] ^ 1]) + good[at + 1:])
        yield at
    path.write_bytes(good)
    path.chmod(mode)


NAMES = [b"with space", b"new\nline", b"back\\slash", b"carriage\rreturn", "\u00fcml\u00e4ut".encode(), b"quote\"'", b"-dash"]


def test_names_with_anything_in_them(shop, wait_until):  # noqa: F811
    """What an attempt keeps may be called as it likes; what JSON cannot say is left out, and counted."""
    shop.env["LINEAGE_RUN_ID"] = shop("lineage", "begin").stdout.strip()
    script = "import os\nd = os.fsencode(os.environ['LINEAGE_ATTEMPT_DIR'])\nos.mkdir(d + b'/sub')\n"
    for name in [*NAMES, *[b"sub/" + name for name in NAMES], b"bad\xff"]:
        script += "open(d + b'/' + %r, 'w').write('kept')\n" % name
    shop("lineage", "run", "--step", "s", "--", "python3", "-c", script)
    shop("lineage", "end")
    figures = json.loads(shop("lineage", "verify", "--json").stdout)
    assert figures["problems"] == [] and figures["unnamed"] == 1
    done = subprocess.run(["sh", "-c", recipe()], cwd=shop.run, capture_output=True, text=True, timeout=60,
                          env={**os.environ, "WHERE": str(shop.files), "LC_ALL": "C"}, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    attempt = os.fsencode(shop.run / "steps/s/attempt-1")
    for name in [*NAMES, *[b"sub/" + name for name in NAMES]]:
        path = os.path.join(attempt, name)
        with open(path, "w") as file:
            file.write("other")
        (told,) = json.loads(shop("lineage", "verify", "--json", check=1).stdout)["problems"]
        assert told["path"].encode() == b"steps/s/attempt-1/" + name, told
        printed = shop("lineage", "verify", check=1).stdout
        assert printed.count("\n") == 2 and "\r" not in printed and "was changed" in printed, printed
        with open(path, "w") as file:
            file.write("kept")
    shop("lineage", "verify")


def test_named_by_verify(shop, models, wait_until):  # noqa: F811
    run = play(shop, models, wait_until)
    shop("lineage", "verify", "--files")
    for path in files_of(shop.runs, run):
        for at in changed(path):
            told = json.loads(shop("lineage", "verify", "--json", check=None).stdout)["problems"]
            assert told, (path, at)
            name = str(path.relative_to(run if run in path.parents else shop.runs))
            assert path.name == "seal.json" or any(each["path"].endswith(name) for each in told), (name, at, told)
    shop("lineage", "verify", "--files")
    for path in files_of(shop.runs, run):
        if path.name == "seal.json":
            continue
        aside = path.with_name("." + path.name)
        path.rename(aside)
        told = json.loads(shop("lineage", "verify", "--json", check=1).stdout)["problems"]
        assert any(path.name in each["path"] for each in told), (path, told)
        aside.rename(path)
    shop("lineage", "verify", "--files")


def test_named_by_hand_in_another_place(shop, models, wait_until, workdir):  # noqa: F811
    if shutil.which("jq") is None:
        pytest.skip("needs jq")
    run = play(shop, models, wait_until)
    text = recipe()
    elsewhere = workdir / "elsewhere"
    shutil.copytree(shop.runs, elsewhere / "archive")
    shop.files.rename(elsewhere / "files")
    shutil.rmtree(shop.runs)
    run = elsewhere / "archive" / run.name
    tools = workdir / "tools"
    tools.mkdir()
    for name in ("sh", "sha256sum", "jq", "cat", "grep", "find", "sed", "sort"):
        (tools / name).symlink_to(shutil.which(name))

    def check():
        return subprocess.run([tools / "sh", "-c", text], cwd=run, capture_output=True, text=True, timeout=60,
                              env={"PATH": str(tools), "WHERE": str(elsewhere / "files"), "LC_ALL": "C"}, check=False)
    done = check()
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    for path in files_of(elsewhere / "archive", run):
        for at in changed(path):
            done = check()
            assert done.returncode != 0, (path, at)
            if path.name != "seal.json":  # its lines are names and hashes: whatever they are of is named
                name = path.relative_to(run if run in path.parents else elsewhere / "archive")
                assert "%s: FAILED" % name in done.stdout, (path, at, done.stdout, done.stderr)
    assert check().returncode == 0
    for path in sorted((elsewhere / "files/images").iterdir()) + [elsewhere / "files/video.y4m"]:
        for _ in changed(path):
            done = check()
            assert done.returncode != 0 and path.name + ": FAILED" in done.stdout
