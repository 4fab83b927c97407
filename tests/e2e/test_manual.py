# SPDX-License-Identifier: Apache-2.0
"""The manual pages are true: every example in them runs, line by line, as a user would type it; every verb and option
of the programs' own help is in them, and nothing that the help does not know."""
import json
import os
import re
import subprocess

import pytest

import ai_server
import procs
from agent_process import free_port

PAGES = {"lineage": procs.REPO / "cli/lineage.1", "lineage-call": procs.REPO / "cli/call/lineage-call.1", "lineaged": procs.REPO / "agent/lineaged.8"}
# Words after a verb that are verbs themselves.
BELOW = {"deadletter": ["ls", "show", "retry", "drop", "export"],
         "spool": ["ls", "cat", "verify", "repair", "export", "import", "replay"],
         "key": ["new", "hash"], "context": ["print", "exec"]}
# What these ask needs an agent that runs; the others are asked without one, which waits for nothing.
WITH_AGENT = ("lineage status", "lineage doctor", "lineage deadletter", "lineage spool")


def text_of(page):
    """A manual page as text, without its macros' names and escapes."""
    source = page.read_text()
    source = re.sub(r'\\f[BIRP]|\\&|\\ |"\\fR', lambda m: " " if m[0] == "\\ " else "", source)
    return source.replace("\\-", "-").replace("\\e", "\\").replace("\\(aq", "'").replace("\\(dq", '"')


def blocks(page):
    """The examples of a page: blocks between blank lines, to be run in one shell each."""
    found = re.search(r"^\.SH EXAMPLES?\n(.*?)(?=^\.SH )", text_of(page), re.M | re.S)
    assert found, "%s has no examples" % page.name
    lines = [line for line in found[1].splitlines() if not line.startswith(".")]
    return [block for block in re.split(r"\n\s*\n", "\n".join(lines).strip()) if block.strip()]


# ---- the help and the page ----

def help_of(built, program, *words):
    done = subprocess.run([built(program), *words, "--help"], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0 and done.stderr == "", (words, done.stderr)
    return done.stdout


def verbs(built):
    found = re.findall(r"^  ([a-z]+) +\S", help_of(built, "lineage"), re.M)
    assert len(found) > 10
    return found


def options(text):
    return set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]*", text)) | set(re.findall(r"(?<![\w-])-[a-zA-Z](?![\w-])", text))


# Those of other programs that the page speaks of.
FOREIGN = {"lineage": {"--once", "--help", "-h", "-u", "-r", "-o", "-c", "-X", "-d", "-H", "-m", "-n", "-s", "-e", "-p"},
           "lineaged": {"--help", "-r", "-c"}}


def test_every_verb_and_option_is_in_the_manual(built):
    page = text_of(PAGES["lineage"])
    known = set()
    for verb in verbs(built):
        assert re.search(r"\blineage\b[^\n]*\b%s\b|^\.(TP\n)?\.?B?R? ?\"?%s" % (verb, verb), page, re.M), verb
        of_verb = options(help_of(built, "lineage", verb))
        if verb == "call":  # it has a page of its own
            assert of_verb - options(text_of(PAGES["lineage-call"])) - {"--help", "-h"} == set()
            known_to_call = of_verb
            continue
        known |= of_verb
        missing = of_verb - options(page) - {"--help", "-h"}
        assert not missing, "lineage %s: lineage(1) does not name %s" % (verb, sorted(missing))
    stale = {word for word in options(page) if word.startswith("--")} - known - known_to_call \
        - FOREIGN["lineage"]
    assert not stale, "lineage(1) names %s, which no verb's help does" % sorted(stale)
    assert {word for word in options(text_of(PAGES["lineage-call"])) if word.startswith("--")} - known - known_to_call \
        <= {"--export"}
    page, known = text_of(PAGES["lineaged"]), options(help_of(built, "lineaged"))
    assert known - options(page) - {"--help", "-h", "--version"} == set()
    assert {word for word in options(page) if word.startswith("--")} - known == set()


def test_every_verb_has_an_example(built):
    text = "\n".join(blocks(PAGES["lineage"]))
    for verb in verbs(built):
        for words in [[verb, below] for below in BELOW.get(verb, [])] or [[verb]]:
            assert re.search(r"\blineage %s\b" % " ".join(words), text), "no example of lineage " + " ".join(words)


@pytest.mark.parametrize("words", [[verb, below] for verb, each in BELOW.items() for below in each if verb != "context"],
                         ids=" ".join)
def test_help_of_what_is_below_a_verb(built, words):
    assert "Usage: lineage %s" % words[0] in help_of(built, "lineage", *words)


def test_help_verb_is_verb_help(built):
    for verb in verbs(built):
        done = subprocess.run([built("lineage"), "help", verb], capture_output=True, text=True, timeout=30, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (0, help_of(built, "lineage", verb), ""), verb
    done = subprocess.run([built("lineage"), "help", "no-such-verb"], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 2 and "no verb 'no-such-verb'" in done.stderr


# ---- completion ----

def completed(built, *words):
    """What bash offers in the place of the last word."""
    script = 'source %s; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _lineage; printf "%%s\\n" "${COMPREPLY[@]}"' % (
        procs.REPO / "contrib/completion/lineage.bash")
    done = subprocess.run(["bash", "-c", script, "bash", str(built("lineage")), *words], capture_output=True, text=True, timeout=30, check=True)
    assert done.stderr == ""
    return set(done.stdout.split())


def test_completion_knows_every_verb_and_option(built):
    assert completed(built, "") - {"help", "--help", "--version"} == set(verbs(built)) == completed(built, "help", "")
    assert completed(built, "dead") == {"deadletter"}
    for verb in verbs(built):
        long = {word for word in options(help_of(built, "lineage", verb)) if word.startswith("--")}
        assert completed(built, verb, "--") == long | {"--help"}, verb
    for verb, below in BELOW.items():
        assert completed(built, verb, "") == set(below), verb
    assert completed(built, "run", "--", "--") == set(), "those are the command's"


# ---- the examples ----

class Scratch:
    """A user's home: what the examples speak of, and an agent's settings with a server that refuses one job."""

    def __init__(self, runner, built, directory, url):
        self.runner, self.files = runner, directory / "files"
        self.files.mkdir()
        (directory / "run").mkdir(mode=0o700)
        settings = directory / "config/lineaged/lineaged.yaml"
        settings.parent.mkdir(parents=True)
        self.port = free_port()
        settings.write_text(json.dumps({
            "intake": {"http": {"listen": ["unix:%s" % (directory / "run/lineaged.sock"), "127.0.0.1:%d" % self.port]}},
            "routes": [{"name": "marquez", "type": "http", "url": url, "profile": "marquez", "retry_max": "1s"},
                       {"name": "local", "type": "store", "raw_events": True,
                        "path": str(directory / "state/lineaged/lineage.db")}]}))
        clean = {k: v for k, v in os.environ.items()
                 if not k.startswith(("OPENLINEAGE", "LINEAGE", "BAGGAGE", "TRACE", "XDG_", "NO_COLOR"))}
        self.env = {**clean, "HOME": str(directory), "LC_ALL": "C.UTF-8", "XDG_STATE_HOME": str(directory / "state"),
                    "XDG_CONFIG_HOME": str(directory / "config"), "KEY": "olk_of_somebody", "XDG_RUNTIME_DIR": str(directory / "run"),
                    "PATH": "%s:%s:%s" % (built("lineage").parent, built("lineaged").parent, clean["PATH"])}
        for name, data in FILES.items():
            (self.files / name).parent.mkdir(parents=True, exist_ok=True)
            (self.files / name).write_text(data)
            if data.startswith("#!"):
                (self.files / name).chmod(0o755)

    def shell(self, text, **more):
        return subprocess.run(["bash", "-eu", "-o", "pipefail", "-c", text], env={**self.env, **more}, cwd=self.files,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False)

    def check(self, block, **more):
        done = self.shell("set -x\n" + block, **more)
        assert done.returncode == 0, "an example fails with %d:\n%s\n---- printed\n%s\n---- said\n%s" % (
            done.returncode, block, done.stdout[-3000:], done.stderr[-3000:])
        return done


FILES = {
    "validation.json": json.dumps({"meta": {}, "results": [{"success": True, "result": {"element_count": 3, "unexpected_count": 0}, "expectation_config": {
        "type": "expect_column_values_to_not_be_null", "kwargs": {"column": "id"}}}]}),
    "report.json": json.dumps({"metrics": [{"metric_name": "RowCount()", "value": 3.0}]}),
    "request.json": json.dumps({"model": "gpt-4o", "messages": [{"role": "user", "content": "Say hello"}]}),
    "prompt.txt": "Summarize: {text}",
    "raw.csv": "b\na\nb\n",
    "train": "#!/bin/sh\ncat \"$1\" \"$1\" > \"$2\"\n",
    "images/1.png": "1", "images/more/2.png": "2", "parts/a.csv": "a\n", "parts/b.csv": "b\n", "names.txt": "raw.csv\nparts/a.csv\n",
    "documents.jsonl": json.dumps({"id": "doc-1", "sha256": "0" * 64}) + "\n",
    "event.json": json.dumps({"eventType": "START", "eventTime": "2026-02-04T18:41:12Z", "producer": "https://example.org",
                              "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
                              "run": {"runId": "0195d2c4-a1b9-7e6f-8a3c-0d1e2f405162"},
                              "job": {"namespace": "manual", "name": "load"}}),
}


def numbered(page):
    return [pytest.param(block, id="%s-%d" % (page.name, number)) for number, block in enumerate(blocks(page), 1)]


@pytest.mark.parametrize("block", [each for page in PAGES.values() for each in numbered(page)])
def test_the_examples_run(runner, built, workdir, standin, wait_until, block):
    scratch = Scratch(runner, built, workdir, standin.url)
    if "lineage call" in block:
        provider = ai_server.AiServer([ai_server.openai()])
        try:
            scratch.check(block, OPENAI_BASE_URL=provider.url + "/v1", OPENAI_API_KEY="k")
            assert provider.requests or "dry-run" in block
        finally:
            provider.close()
        return
    if "copy/of/spool" in block:
        scratch.check("lineage run -- true; lineaged --once --route local; mkdir -p copy/of; "
                      "cp -r $XDG_STATE_HOME/lineaged/spool copy/of/spool")
    if "copy/of/spool" in block or not any(words in block for words in WITH_AGENT):
        scratch.check(block)
        return
    # one event that is accepted, two that are refused for good
    standin.script({"answer": 400, "match": "refused", "body": "no such job"})
    agent = runner.start(built("lineaged"), env=scratch.env, name="lineaged")
    wait_until(lambda: scratch.shell("lineage status").returncode == 0, 30, lambda: agent.err)
    scratch.check("lineage run -- true; lineage run --job refused -- true")
    wait_until(lambda: len(json.loads(scratch.shell("lineage deadletter ls --json").stdout)["deadletters"]) == 2, 30,
               lambda: scratch.shell("lineage deadletter ls").stdout)
    scratch.check(block)
    assert agent.stop() == 0


def test_the_program_of_openlineage_3(built, workdir):
    source = text_of(procs.REPO / "emitter/openlineage.3")
    (workdir / "load.c").write_text(re.search(r"^\.EX\n(#include.*?)^\.EE", source, re.M | re.S)[1])
    build = procs.build_dir()
    subprocess.run([*procs.compiler(), "-std=c17", "-Wall", "-Wextra", "-Werror", "-I", procs.REPO / "include", "-I",
                    build / "generated", workdir / "load.c", "-L", build / "emitter", "-lopenlineage",
                    "-Wl,-rpath,%s" % (build / "emitter"), "-o", workdir / "load"], check=True)
    done = subprocess.run([workdir / "load"], capture_output=True, text=True, timeout=30, check=True, cwd=workdir,
                          env={**os.environ, "HOME": str(workdir), "OPENLINEAGE__TRANSPORT__TYPE": "console"})
    assert "START" in done.stdout + done.stderr and "COMPLETE" in done.stdout + done.stderr


def test_every_verb_and_option_has_a_test(built):
    """Named in a test beside this one: "--option", and the verb with it in the same file."""
    texts = [path.read_text() for folder, ending in (("tests/e2e", "*.py"), ("tests/unit", "*.c"))
             for path in (procs.REPO / folder).glob(ending) if path.name != "test_manual.py"]
    missing = []
    for verb in verbs(built):
        of_verb = [text for text in texts if re.search(r"""["' ]%s["' ]""" % verb, text)]
        assert of_verb, "no test runs lineage " + verb
        missing += ["%s %s" % (verb, option) for option in sorted(options(help_of(built, "lineage", verb)))
                    if option not in ("--help", "-h")
                    and not any(re.search(r"""["' =]%s(?![a-z-])""" % option, text) for text in of_verb)]
    assert not missing, "no test names " + ", ".join(missing)
