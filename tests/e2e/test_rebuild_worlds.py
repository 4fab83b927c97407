# SPDX-License-Identifier: Apache-2.0
"""Whole worlds, each rebuilt twice: from exported events; and from receipts, with exported events of only those runs that
have none. Both stores answer every question about everything as the first does (docs/export.md)."""
import json
import subprocess

import pytest

import procs
import same_answers
from stories.churn import Churn
from test_rebuild import Places, post_all, run_event, dataset
from test_story import Shop, models, play  # noqa: F401  pylint: disable=unused-import

# Every way to make a receipt, and every way in which one can end.
EVERYTHING = r"""
set -e
git init -q -b main && git -c user.name=n -c user.email=n@example.org commit -q --allow-empty -m first
eval "$(lineage begin --export --pipeline nightly --param p=1 --tag team=ml --group show=7 --input raw=raw.csv)"
step() { lineage run --step "$@" || true; }
step clean --seq 10 -i raw.csv -o clean.csv -- false
step clean --seq 10 -i raw.csv -i images -i '*.txt' -i s3://bucket/key -o clean.csv --param lr=0.1 --param api_key=sk-secret \
    --tag team=ml --group show=7 --metric loss=0.25@3 --rows raw.csv=2 --rows clean.csv=2 --env LANG --git --collect all \
    --task-id t-1 --image registry.example/x@sha256:$(printf a | sha256sum | cut -c1-64) --heartbeat 100ms \
    --facet 'run:acme_quality={"checks": [{"name": "rows", "ok": true, "none": null, "share": 0.5}], "text": "a \" \\ \u2028 b"}' \
    --facet 'job:documentation={"description": "cleans"}' --facet 'dataset:clean.csv:schema={"fields": [{"name": "a", "type": "int"}]}' \
    --facet 'dataset:raw.csv:dataQualityMetrics={"columnMetrics": {"a": {"nullCount": 0}}}' \
    --facet 'dataset:clean.csv:columnLineage={"fields": {"a": {"inputFields": [{"namespace": "n", "name": "x", "field": "b"}]}}}' \
    -- sh -c 'sleep 0.3; sort raw.csv -o clean.csv'
step killed --abort-on-signal -- sh -c 'kill -TERM $$'
step killed -- sh -c 'kill -TERM $$'
step missing -i clean.csv -- no-such-program
step guarded --gate 'test -e never' -o never.csv -- touch never.csv
step odd --ok-codes 3 -- sh -c 'exit 3'
step outer -i clean.csv -- lineage run --step inner -i clean.csv -o inner.txt -- cp clean.csv inner.txt
step list -i @files.list -i manifest:images.jsonl -o model.bin --keep clean.csv -- cp clean.csv model.bin
lineage start -q --step started --seq 40 -i model.bin -o made.txt --param k=v --tag who=me -- make it >/dev/null
echo made > made.txt
lineage finish --step started --seq 40 -o other.txt
lineage start -q --step broken -i model.bin >/dev/null
lineage finish --step broken --fail
lineage record --step told --started 2026-02-04T10:00:00Z --finished 2026-02-04T10:01:00Z -i model.bin -o told.txt --status 3
lineage start -q --step open -i model.bin -o never.txt >/dev/null
lineage end --abort
unset LINEAGE_RUN_ID OPENLINEAGE_PARENT_ID OPENLINEAGE_ROOT_PARENT_ID
lineage run --step lonely --pipeline other -i model.bin -o copy.bin -- cp model.bin copy.bin
SLURM_JOB_ID=4711 SLURM_CLUSTER_NAME=c1 lineage run --step batch -i copy.bin -- true
lineage run --step failed -i copy.bin -- false || true
lineage approve model.bin --by ada --role owner --reason "better than before" --framework "EU AI Act" --evidence clean.csv
lineage deploy model.bin --endpoint churn --environment production --model-version churn@v1
lineage run --run-id 42 --system slurm:c1 --job plain -i copy.bin -o plain.txt -- cp copy.bin plain.txt
"""


def settled(agent):
    """Journals are gone once they are taken in."""
    procs.wait_until(lambda: not [path for path in agent.journal.iterdir() if path.is_file() and path.name[0] != "."] and
                     all(route["waiting"] == 0 for route in agent.status()["routes"]), 30, lambda: json.dumps(agent.status())[:2000])


def with_receipt(runs):
    """Ids of the runs that receipts tell whole: attempts, runs with a seal, decisions."""
    found = set()
    for pattern in ("*/steps/*/attempt-*/receipt.json", "decisions/0*.json"):
        found |= {json.loads(path.read_text())["openlineage"]["run_id"] for path in runs.glob(pattern)}
    return found | {json.loads((path.parent / "manifest.json").read_text())["openlineage"]["run_id"]
                    for path in runs.glob("*/seal.json")}


def give_lists(agent, runs):
    """As a library leaves them beside its journal (spec/JOURNAL.md, J26)."""
    folder, names = agent.journal / "members", set()
    folder.mkdir(mode=0o700, exist_ok=True)
    for pattern in ("*/steps/*/attempt-*/receipt.json", "*/inputs/*.json"):
        for path in runs.glob(pattern):
            told = json.loads(path.read_text())
            for each in [*told.get("inputs", []), *told.get("outputs", []), told.get("artifact", {})]:
                names |= {each["members"]["sha256"]} if "sha256" in each.get("members", {}) else set()
    for name in names:
        (folder / (".%s.tmp" % name)).write_bytes((runs / "objects" / name[:2] / name[2:]).read_bytes())
        (folder / (".%s.tmp" % name)).rename(folder / name)


def lists_are_taken(agent):
    folder = agent.journal / "members"
    procs.wait_until(lambda: not list(folder.glob("[0-9a-f]*")), 30, lambda: str(list(folder.iterdir())))


class Worlds(Places):
    """What to rebuild with."""

    def from_events(self, agent, runs):
        """And the members that events do not have: lists that the runs folder keeps."""
        path = self.workdir / "export.jsonl"
        self.lineage(agent, "export", "-o", path)
        other = self.agent()
        give_lists(other, runs)
        self.lineage(other, "import", path)
        lists_are_taken(other)
        self.settle(other)
        return other, path

    def from_receipts(self, agent, runs, path):
        """Of the exported events only those whose run has no receipt."""
        known = with_receipt(runs)
        rest = self.workdir / "rest.jsonl"
        rest.write_text("".join(line + "\n" for line in path.read_text().splitlines()
                                if json.loads(line).get("run", {}).get("runId") not in known))
        other = self.agent()
        self.lineage(other, "import", runs)
        self.settle(other)
        self.lineage(other, "import", rest)
        self.settle(other)
        return other, len(known)

    def compare(self, agent, runs):
        """@return (questions, runs of receipts)"""
        other, path = self.from_events(agent, runs)
        asked = same_answers.check(agent, other, agent.home / "lineage.db", ignore=("events",), every=True)
        assert other.stop() == 0
        other, count = self.from_receipts(agent, runs, path)
        same_answers.check(agent, other, agent.home / "lineage.db", ignore=("events",))
        assert other.stop() == 0
        return asked, count


@pytest.fixture
def worlds(runner, built, workdir):
    return Worlds(runner, built, workdir)


def test_every_way_to_make_a_receipt(worlds):
    agent, home = worlds.agent(), worlds.workdir / "home"
    home.mkdir()
    (home / "raw.csv").write_text("b\na\n")
    (home / "note.txt").write_text("n")
    (home / "images").mkdir()
    (home / "images/1.png").write_text("1")
    (home / "files.list").write_text("raw.csv\nnote.txt\n")
    (home / "images.jsonl").write_text(json.dumps({"id": "doc-1", "sha256": "ab" * 32}) + "\n")
    env = {**worlds.environment(agent), "LANG": "C.UTF-8", "PYTHONHASHSEED": "0", "GIT_CONFIG_GLOBAL": "/dev/null"}
    done = subprocess.run(["bash", "-c", EVERYTHING], cwd=home, env=env, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    post_all(agent, [run_event(1, "START", "10:00:00", [dataset("raw")]), run_event(1, "COMPLETE", "10:00:05", [], [dataset("x", "1")])])
    settled(agent)
    asked, count = worlds.compare(agent, home / "runs")
    assert asked > 1500 and count == 22, (asked, count)


def test_the_training_story(worlds, runner, workdir):
    (workdir / "story").mkdir()
    lab = Churn(runner, workdir / "story").play()
    asked, count = worlds.compare(lab.agent, lab.runs)
    assert asked > 1500 and count > 12, (asked, count)
    assert lab.agent.stop() == 0


def test_the_multimodal_story(worlds, runner, built, workdir, standin, models, wait_until):  # noqa: F811
    (workdir / "story").mkdir()
    shop = Shop(runner, built, workdir / "story", standin.url, models)
    play(shop, models, wait_until)
    shop.agent.start()
    settled(shop.agent)
    asked, count = worlds.compare(shop.agent, shop.runs)
    assert asked > 800 and count == 8, (asked, count)
    assert shop.agent.stop() == 0
