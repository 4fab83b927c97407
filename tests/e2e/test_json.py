# SPDX-License-Identifier: Apache-2.0
"""Every verb's --json on a real agent and store that hold rich events: one document, or a line each, of the form that
spec/schemas/answers says; the same without the agent. A verb whose help takes --json, and a schema, have a case here."""
import json
import re
import subprocess

import pytest

import ai_server
import procs
from test_manual import BELOW, Scratch, help_of, verbs

SCHEMAS = procs.REPO / "spec/schemas"
URL = "https://raw.githubusercontent.com/lineaged/lineaged/v0.1.0/spec/schemas/answers/%s.json"
REQUEST, SERVING = "req-3", "01941f29-7c00-7837-a31d-d79a7fb36a01"

CALL = 'call --provider openai --step ask --json "$OPENAI_BASE_URL/chat/completions" @request.json'

# Schema (spec/schemas/answers/NAME.json): commands of a shell whose answers it is for, with their exit statuses. A name
# of two words is a verb and the word below it. $RUN is a run of receipts, $LETTER a dead letter.
CASES = {
    "why": [("why --json clean.csv", 0), ("why --json --depth 1 train", 0), ("why --json /out", 0),
            ("why --json no-such-thing", 3), ("why --json " + REQUEST, 0),
            ("why --json ./more/2.png", 0), ("why --json images/1.png", 0)],
    "impact": [("impact --json raw.csv", 0), ("impact --json --limit 2 raw.csv", 0), ("impact --json /in", 0), ("impact --json no-such-thing", 3),
               ("impact --json ./more/2.png", 0), ("impact --json handbook/7", 0)],
    "diff": [("diff --json a.txt b.txt", 0), ("diff --json first second", 0), ("diff --json clean.csv model.bin", 0), ("diff --json clean.csv no-such-thing", 3)],
    "runs": [("runs --json", 0), ("runs --json --limit 1", 0), ("runs --json --job train --state COMPLETE", 0),
             ("runs --json " + REQUEST, 0), ("runs --json --job no-such-job", 3), ("runs --json --failed --since 1d", 0),
             ("runs --json --by-root --limit 5", 0), ("runs --json --group team=ml --until 2100-01-01", 0)],
    "reproducible": [("reproducible --json clean.csv", (0, 1)), ("reproducible --json --require documented train", (0, 1)),
                     ("reproducible --json raw.csv", 3), ("reproducible --json no-such-thing", 3)],
    "replay": [('replay --run --json --root "$(mktemp -d)" --to clean "$RUN"', 0)],
    "search": [("search --json train", 0), ("search --json " + REQUEST, 0), ("search --json " + SERVING[:8], 0), ("search --json ./more/2.png", 0), ("search --json handbook/7", 0),
               ("search --json no-such-thing-at-all", 3)],
    "depends": [("depends --json model.bin raw.csv", 0), ("depends --json model.bin b.txt", (1, 3)), ("depends --json model.bin no-such-thing", 3)],
    "check": [("check --json", (0, 1)), ("check --json --all --strict", (0, 1)), ("check --json model.bin", (0, 1)), ("check --json no-such-thing", 3)],
    "stale": [("stale --json", (0, 1)), ("stale --json --older-than 1d model.bin", (0, 1)), ("stale --json no-such-thing", 3)],
    "stats": [("stats --json", 0), ("stats --json --limit 1", 0)],
    "show": [("show --json clean.csv", 0), ("show --json /in", 0), ("show --json all", 0), ("show --json train", 0),
             ("show --json designed", 0), ("show --json " + SERVING, 0),
             ('show --json "$(lineage runs --json --job all | jq -r .runs[0].run_id)"', 0),
             ("show --json --request " + REQUEST, 0), ("show --json no-such-thing", 3)],
    "events": [('events --json "$(lineage runs --json --job all | jq -r .runs[0].run_id)"', 0)],
    "approve": [("approve -q --json model.bin --by ann --role owner --reason 'it holds' --framework 'EU AI Act' --evidence raw.csv", 0),
                ('approve -q --json "$(lineage runs --json --job first | jq -r .runs[0].run_id)" --by bob --verdict rejected', 0),
                ("approve --verify --json", 0)],
    "approvals": [("approvals --json model.bin", (0, 1)), ("approvals --json raw.csv", 1), ("approvals --json all", 3),
                  ('approvals --json "$(lineage runs --json --job first | jq -r .runs[0].run_id)"', 1), ("approvals --json no-such-thing", 3)],
    "deploy": [("deploy -q --json model.bin --endpoint rank --traffic 50 --strategy canary --image shop/r:1 --config raw.csv --engine vllm", 0)],
    "serving": [("serving --json", 0), ("serving --json --all", 0), ("serving --json --require-approval", 1)],
    "untracked": [("untracked --json", 1)],
    "audit": [("audit --json model.bin", 0), ("audit --json --limit 1 clean.csv", 0), ("audit --json all", 3),
              ('audit --json "$(lineage runs --json --job first | jq -r .runs[0].run_id)"', 0), ("audit --json no-such-thing", 3)],
    "deadletter-ls": [("deadletter ls --json", 0), ("deadletter ls --json --status 599", 0)],
    "deadletter-retry": [("deadletter retry --json --status 599", 3)],
    "deadletter-drop": [("deadletter drop --json --reason no-such-reason", 3)],
    "deadletter-show": [('deadletter show --json "$LETTER"', 0)],
    "status": [("status --json", 0)],
    "doctor": [("doctor --json", (0, 1))],
    "config": [("config --json", 0), ("config --json -f wrong.yml", 2)],
    "import": [('import --json --dry-run runs', (0, 1)), ("import --json --dry-run raw.csv", 1)],
    "gc": [("gc --json", 0), ("gc --json --older-than 1ms --limit 2", 0), ('gc --json --runs "$PWD/runs" --keep-last 1', 0),
           ("gc --json --older-than 90d --class default --yes", 0)],
    "backup": [('backup --json --runs "$PWD/runs" "$PWD/a-backup"', 0), ('backup --json --verify "$PWD/a-backup"', 0), ("backup --json --check", 0)],
    "restore": [('restore --json --force --store "$PWD/again.db" --runs "$PWD/again" "$PWD/a-backup"', 0)],
    "spool-ls": [("spool ls --json", 0)],
    "spool-verify": [("spool verify --json", 0)],
    "spool-cat": [("spool cat --meta", 0)],
    "verify": [('verify --json --files "$RUN"', 0), ('verify --json "$BROKEN"', 1)],
    "call": [(CALL, 0), ('call --provider openai --step ask --json --replay "$(lineage %s | jq -r .folder)" "$OPENAI_BASE_URL/chat/completions"' % CALL, 0)],
    "artifact": [("artifact --json raw.csv images manifest:documents.jsonl 's3://bucket/labels?versionId=7'", 0),
                 ("artifact --json --members images @names.txt", 0), ("artifact --json no-such-file", 1)],
    "convert": [("convert --json great-expectations validation.json", 1), ("convert --json --dataset raw.csv great-expectations validation.json", 1),
                ("convert --json evidently report.json", 0)],
    "context-print": [('run --step ctx -- lineage context print --format json', 0), ('context print --json', 0)],
    "log": [("log rows_read rows=3", 0), ("run -q --step logged -o x -o y --log lines -- sh -c 'echo x > x; echo y > y' && cat lines", 0)],
}
# What needs an agent that runs.
WITH_AGENT = {"status", "doctor"}
# Lines of JSON, not one document.
LINES = {"events", "spool-cat", "log"}


def takes_json(built):
    """Names of all verbs whose help says --json."""
    found = set()
    for verb in verbs(built):
        text = help_of(built, "lineage", verb)
        below = BELOW.get(verb)
        for line in re.findall(r".*--json\b.*", text) if below else []:
            words = re.match(r".*\blineage %s ([a-z|]+)" % verb, line)
            assert words, "whose --json is this? lineage %s --help: %s" % (verb, line)
            found |= {"%s-%s" % (verb, each) for each in words[1].split("|")}
        if below is None and re.search(r"--json\b", text):
            found.add(verb)
    return found


def schemas():
    return {path.stem for path in (SCHEMAS / "answers").glob("*.json")} - {"definitions"}


def test_every_verb_that_takes_json_has_a_schema_and_a_case(built):
    known = schemas()
    assert takes_json(built) - known == set(), "no spec/schemas/answers/NAME.json of these"
    assert takes_json(built) - set(CASES) == set(), "no case of these in this file"
    assert set(CASES) == known
    for name in known:
        schema = json.loads((SCHEMAS / "answers" / (name + ".json")).read_text())
        assert schema["$id"] == URL % name and schema["$schema"].endswith("/2020-12/schema")


FILL = """
mkdir -p -m 700 "$XDG_STATE_HOME/lineaged/journal"
"$FACETS_EMIT" "$XDG_STATE_HOME/lineaged/journal"
"$SERVE_MANY" --directory "$XDG_STATE_HOME/lineaged/journal" --run-id %s --answers 20 > /dev/null
lineage run -q --job refuse-me -- true
lineage run -q --job first --param epochs=5 --metric loss=0.5 --tag team=ml -i raw.csv -o a.txt -- sh -c 'echo 1 > a.txt'
lineage run -q --job second --param epochs=6 --metric loss=0.4 -i names.txt -o b.txt -- sh -c 'echo 2 > b.txt'
lineage run -q --job failing --ok-codes 1 --abort-on-signal -- sh -c 'kill -9 $$' || true
lineage run -q --job wrong -- false || true
eval "$(lineage begin --export --pipeline nightly --input raw=raw.csv)"
lineage run -q --step clean --seq 10 -i raw.csv -o clean.csv -- sort -u raw.csv -o clean.csv
lineage run -q --step train --seq 20 --keep raw.csv --rows clean.csv=2 -i clean.csv -i images -o model.bin -- ./train nothing.csv model.bin || true
lineage run -q --step train --seq 20 -i clean.csv -o model.bin -- ./train clean.csv model.bin
lineage end
cp -r "$LINEAGE_RUNS" broken
chmod -R u+w broken
echo more >> "broken/$LINEAGE_RUN_ID/manifest.json"
echo '{"results": [{"success": false, "expectation_config": {"type": "expect_a", "kwargs": {"column": "c"}}}]}' > validation.json
echo '{"metrics": [{"metric": "A", "result": {"column_name": "c", "b": 1}}]}' > report.json
printf 'transport: {type: nonsense}\\n' > wrong.yml
""" % SERVING


class Filled:
    """An agent with a store and a server that refuses one job, and what many verbs have to tell."""

    def __init__(self, runner, built, directory, standin, wait_until):
        standin.script({"answer": 400, "match": "refuse-me", "body": "no such job"})
        self.scratch = Scratch(runner, built, directory, standin.url)
        self.provider = ai_server.AiServer([ai_server.openai()])
        self.scratch.env.update(FACETS_EMIT=str(built("facets_emit")), SERVE_MANY=str(built("serve_many")), OPENAI_API_KEY="k",
                                OPENAI_BASE_URL=self.provider.url + "/v1")
        self.agent = runner.start(built("lineaged"), env=self.scratch.env, name="lineaged")
        wait_until(lambda: self.scratch.shell("lineage status").returncode == 0, 30, lambda: self.agent.err)
        done = self.scratch.shell("set -x\n" + FILL)
        assert done.returncode == 0, done.stderr
        wait_until(self.has_all, 60, lambda: self.scratch.shell("lineage status; lineage deadletter ls").stdout)
        [run] = [path for path in (self.scratch.files / "runs").iterdir() if path.name[:2] == "20"]
        letters = json.loads(self.shell("lineage deadletter ls --json").stdout)["deadletters"]
        self.scratch.env.update(RUN=run.name, LETTER=letters[0]["id"])

    def shell(self, text):
        return self.scratch.shell(text.replace('"$BROKEN"', '--runs broken "$RUN"'))

    def has_all(self):
        status = json.loads(self.shell("lineage status --json").stdout)
        runs = self.shell("lineage runs --json --job nightly --state COMPLETE").stdout
        letters = self.shell("lineage deadletter ls --json").stdout
        return len(json.loads(letters)["deadletters"]) == 2 and "COMPLETE" in runs and \
            all(route["waiting"] == 0 for route in status["routes"]) and status["intake"]["journal"]["events"] > 0

    def ask(self, name, command, status):
        """[[URL of the schema, document], ...] of one command."""
        done = self.shell("lineage " + command)
        assert done.returncode in (status if isinstance(status, tuple) else (status,)), (command, done.returncode, done.stdout, done.stderr)
        texts = done.stdout.splitlines() if name in LINES else [done.stdout]
        assert texts and all(texts), command
        assert name in LINES or done.stdout.count("\n") == 1 and done.stdout.endswith("\n"), "%s: expected one line" % command
        return [[URL % name, json.loads(text)] for text in texts]


@pytest.fixture
def filled(runner, built, workdir, standin, wait_until):
    made = Filled(runner, built, workdir, standin, wait_until)
    yield made
    made.provider.close()


def check(filled, schema_judge, names):
    asked, answers = [], []
    for name in names:
        for command, status in CASES[name]:
            for each in filled.ask(name, command, status):
                asked.append(command)
                answers.append(each)
    wrong = [(command, found[:3]) for command, found in zip(asked, schema_judge(SCHEMAS, answers)) if found]
    assert not wrong, "\n".join("lineage %s: %s" % each for each in wrong[:20])
    return answers


def test_answers_are_what_their_schemas_say(filled, schema_judge):
    answers = check(filled, schema_judge, CASES)
    # the schemas are strict: a member that they do not name is refused, wherever the form is closed
    more, names = [], []
    for url, document in answers:
        name = url.rsplit("/", 1)[1]
        if name not in ("events.json", "log.json", "context-print.json") and name not in names:
            names.append(name)
            first = document[0] if isinstance(document, list) else document
            more.append([url, [{**first, "no_such_member": 1}] if isinstance(document, list) else {**first, "no_such_member": 1}])
    assert len(more) > 10
    assert [names[i] for i, found in enumerate(schema_judge(SCHEMAS, more)) if not found] == []
    assert filled.agent.stop() == 0
    check(filled, schema_judge, [name for name in CASES if name not in WITH_AGENT])


def test_an_answer_that_cannot_be_written(filled):
    """Standard output is full: no verb ends as if its answer had arrived, and each says where it failed."""
    for name in CASES:
        done = filled.shell("lineage %s > /dev/full" % CASES[name][0][0])
        assert done.returncode != 0 and "standard output" in done.stderr, (name, done.returncode, done.stderr)


def test_recorded_events_of_others_as_well(filled, schema_judge, reference, wait_until):
    """Whatever came from Airflow, Spark, dbt and their like is shown in the same form."""
    count = 0
    for path in sorted((reference / "events/valid").rglob("*.json")):
        done = subprocess.run(["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "-H", "Content-Type: application/json", "--data-binary", "@%s" % path,
                               "http://127.0.0.1:%d/api/v1/lineage" % filled.scratch.port], capture_output=True, text=True, check=True, timeout=60)
        count += done.stdout == "201"
    assert count > 5
    wait_until(lambda: all(route["waiting"] == 0 for route in json.loads(filled.shell("lineage status --json").stdout)["routes"]), 60)
    runs = json.loads(filled.shell("lineage runs --json --limit 1000").stdout)
    assert schema_judge(SCHEMAS, [[URL % "runs", runs]]) == [[]]
    asked = []
    for run in runs["runs"]:
        for verb in ("show", "why", "impact"):
            done = filled.shell("lineage %s --json %s" % (verb, run["run_id"]))
            assert done.returncode == 0, done.stderr
            asked.append([URL % verb, json.loads(done.stdout)])
    assert [(each, found[:3]) for each, found in zip(asked, schema_judge(SCHEMAS, asked)) if found] == []
