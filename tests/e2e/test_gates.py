# SPDX-License-Identifier: Apache-2.0
"""docs/gates.md is true: its table has every verb, its examples run, and stop where a check failed."""
import json
import re

import pytest

import procs
from test_manual import FILES, Scratch, help_of, verbs

PAGE = procs.REPO / "docs/gates.md"


def blocks(language):
    found = re.findall(r"^```%s\n(.*?)^```" % language, PAGE.read_text(), re.M | re.S)
    assert found, language
    return found


@pytest.fixture
def scratch(runner, built, workdir):
    made = Scratch(runner, built, workdir, "http://127.0.0.1:9")
    (made.files / "validation.json").write_text(FILES["validation.json"])
    return made


def fail_the_check(scratch):
    result = json.loads(FILES["validation.json"])
    result["results"][0]["success"] = False
    (scratch.files / "validation.json").write_text(json.dumps(result))


def test_every_verb_has_a_row_and_says_its_statuses(built):
    rows = re.findall(r"^\| \**(`.*?)\**\s*\|", PAGE.read_text(), re.M)
    named = {word for row in rows for word in re.findall(r"`([a-z]+)`", row)}
    assert set(verbs(built)) - named == set()
    for verb in verbs(built):
        assert "xit status" in help_of(built, "lineage", verb), verb


@pytest.mark.parametrize("block", [pytest.param(block, id=str(number)) for number, block in enumerate(blocks("sh"), 1)])
def test_a_shell_goes_on(scratch, block):
    done = scratch.shell(block)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("block, status", [pytest.param(block, 125 if "--gate" in block else 1, id=str(number)) for number, block in enumerate(blocks("sh"), 1)
                                           if "validation.json" in block])
def test_a_shell_stops(scratch, block, status):
    fail_the_check(scratch)
    done = scratch.shell(block)
    assert done.returncode == status, done.stderr
    assert not (scratch.files / "model.bin").exists()


def test_make_stops(scratch):
    (scratch.files / "Makefile").write_text("\n".join(blocks("make")))
    assert scratch.shell("make -s model.bin").returncode == 0 and (scratch.files / "model.bin").exists()
    (scratch.files / "model.bin").unlink()
    fail_the_check(scratch)
    done = scratch.shell("make -s model.bin")
    assert done.returncode == 2 and not (scratch.files / "model.bin").exists(), done.stderr


def test_a_step_of_actions_stops(scratch):
    """What stands behind `run`, as bash -e runs it: nothing after the check that failed."""
    [first, *_] = re.findall(r"run: \|\n((?:    .*\n)+)", blocks("yaml")[0])
    (scratch.files / "data").mkdir()
    (scratch.files / "gx").mkdir()
    (scratch.files / "data/raw.csv").write_text("a\n")
    fail_the_check(scratch)
    (scratch.files / "validation.json").rename(scratch.files / "gx/validation.json")
    done = scratch.shell(first)
    assert done.returncode == 1 and "approv" not in done.stderr and "1 failed" in done.stdout
    # the same with a check that holds stops at what nobody knows
    (scratch.files / "gx/validation.json").write_text(FILES["validation.json"])
    assert scratch.shell(first).returncode == 3


def test_commands_of_the_page_are_commands(built):
    """Options that the page names are those of the verbs."""
    for verb, words in re.findall(r"lineage ([a-z]+)((?: [^\n`'|]*)?)", "\n".join(blocks("sh") + blocks("yaml") + blocks("python") + blocks("make"))):
        told = help_of(built, "lineage", verb)
        for option in re.findall(r"(?<=\s)--[a-z-]{2,}", words.split(" -- ")[0]):
            assert option in told, (verb, option)


def test_verify_all(scratch, schema_judge):
    """Every run, in the order in which they began; one that was changed is a no, one whose files are gone is not known."""
    done = scratch.shell("lineage verify --all")
    assert done.returncode == 3 and "no run is in there" in done.stderr
    ids = []
    for number in (1, 2, 3):
        ids.append(scratch.shell("lineage begin -q; touch out.%d" % number).stdout.strip())
        done = scratch.shell("lineage run -q --step s -o out.%d -- touch out.%d && lineage end -q" % (number, number), LINEAGE_RUN_ID=ids[-1])
        assert done.returncode == 0, done.stderr
    done = scratch.shell("lineage verify --all")
    assert done.returncode == 0 and [line.split()[1].rstrip(":") for line in done.stdout.splitlines()] == ids
    (scratch.files / "out.3").unlink()
    assert scratch.shell("lineage verify --all --files").returncode == 3
    receipt = scratch.files / "runs" / ids[1] / "steps/s/attempt-1/receipt.json"
    receipt.chmod(0o644)
    receipt.write_text(receipt.read_text() + " ")
    done = scratch.shell("lineage verify --all --files --json")
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 1 and [each["run_id"] for each in told] == ids
    assert [(len(each["problems"]) > 0, len(each["gone"]) > 0) for each in told] == [(False, False), (True, False), (False, True)]
    url = "https://raw.githubusercontent.com/lineaged/lineaged/v0.1.0/spec/schemas/answers/verify.json"
    assert schema_judge(procs.REPO / "spec/schemas", [[url, each] for each in told]) == [[], [], []]
    assert "every run" in scratch.shell("lineage verify --all x").stderr
