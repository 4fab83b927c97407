# SPDX-License-Identifier: Apache-2.0
"""A secret, a card number and an e-mail address that come in by any way appear nowhere: every file of the receipts,
the journal, the spool, the store, what a server was sent, logs, and what was printed are searched byte for byte."""
import json
import os
import pathlib
import subprocess

import pytest

import procs
from agent_process import Agent, http_route, store_route

SECRET = "correct-horse-battery-7"
TOKEN = "ghp_" + "x7Kq" * 9
CARD = "4111 1111 1111 1111"
EMAIL = "jane.doe@example.com"
NEEDLES = [text.encode() for text in (
    SECRET, TOKEN, CARD, CARD.replace(" ", ""), CARD.replace(" ", "-"), EMAIL, EMAIL.replace("@", "%40"))]


class Place:
    """A user's files, the receipts beside them, an agent with a server and a store; what was printed is kept."""

    def __init__(self, runner, built, directory, url):
        self.files, self.runs, self.printed = directory / "files", directory / "runs", directory / "printed"
        self.files.mkdir()
        self.agent = Agent(runner, built("lineaged"), directory / "agent",
                           [http_route("marquez", url, profile="marquez"), store_route(directory / "agent/lineage.db")])
        clean = {k: v for k, v in os.environ.items()
                 if not k.startswith(("OPENLINEAGE", "LINEAGE", "BAGGAGE", "TRACE", "GIT_"))}
        self.env = {**clean, **{k: v for k, v in self.agent.environment().items() if v},
                    "OPENLINEAGE_NAMESPACE": "tests", "LINEAGE_RUNS": str(self.runs),
                    "PATH": "%s:%s" % (built("lineage").parent, clean["PATH"]),
                    # of the user, for other programs
                    "MY_API_KEY": SECRET, "GITHUB_TOKEN": TOKEN, "CARD_NUMBER": CARD, "CONTACT": EMAIL,
                    "DATABASE_URL": "postgresql://jane:%s@db/shop" % SECRET,
                    # of tools that collectors know
                    "MLFLOW_TRACKING_URI": "https://jane:%s@mlflow.example/?token=%s" % (SECRET, TOKEN),
                    "MLFLOW_TRACKING_TOKEN": TOKEN, "MLFLOW_TRACKING_PASSWORD": SECRET, "MLFLOW_RUN_ID": "a1b2c3",
                    "LAKECTL_SERVER_ENDPOINT_URL": "https://jane:%s@lakefs.example/api/v1" % SECRET,
                    "LAKECTL_CREDENTIALS_SECRET_ACCESS_KEY": SECRET, "LAKECTL_CREDENTIALS_ACCESS_KEY_ID": TOKEN,
                    "LAKEFS_REPOSITORY": "shop", "FEAST_REGISTRY": "postgresql://jane:%s@db/feast" % SECRET}

    def __call__(self, *words, check=0, **more):
        done = subprocess.run([str(word) for word in words], env={**self.env, **more}, cwd=self.files,
                              capture_output=True, stdin=subprocess.DEVNULL, timeout=120, check=False)
        with open(self.printed, "ab") as printed:
            printed.write(done.stdout + done.stderr)
        assert done.returncode == check, (words, done.returncode, done.stdout, done.stderr)
        return done.stdout.decode().strip()

    def begin(self, *words):
        self.env["LINEAGE_RUN_ID"] = self("lineage", "begin", "--pipeline", "nightly", *words)
        return self.runs / self.env["LINEAGE_RUN_ID"]

    def finish(self, standin, wait_until, events):
        """End the run, deliver everything, then ask and look around as people do who search for an error."""
        self("lineage", "end")
        waiting = sum(b'"eventType"' in line for path in self.agent.journal.glob("*.jsonl")
                      for line in path.read_bytes().splitlines())
        assert waiting >= events
        before = self.search(standin)
        self.agent.start()
        wait_until(lambda: standin.stats()["posts"] >= waiting, 60, lambda: str(standin.stats()))
        wait_until(lambda: b"COMPLETE" in subprocess.run(
            ["lineage", "runs", "--job", "nightly"], env=self.env, capture_output=True, timeout=60,
            check=False).stdout, 30, "the run in the store")
        newest = json.loads(self("lineage", "runs", "--json"))["runs"][0]["run_id"]
        job = "step" if (self.runs / self.env["LINEAGE_RUN_ID"] / "steps/step").exists() else "nightly"
        for words in (["show", job], ["why", job], ["status"], ["verify"], ["config"], ["events", newest],
                      ["spool", "cat", "--meta", "--directory", self.agent.spool]):
            self("lineage", *words)
        return before + self.search(standin)

    def search(self, standin):
        """(where, what) for each of them that is found."""
        folders = (self.runs, self.agent.home, standin.log_path.parent)
        paths = [self.printed, *self.printed.parent.glob("*.err"), *self.printed.parent.glob("*.out")]
        paths += [path for folder in folders for path in folder.rglob("*") if path.is_file()]
        found = [(str(path), needle.decode()) for path in paths for needle in NEEDLES if needle in path.read_bytes()]
        found += [(str(path), needle.decode()) for folder in folders for path in folder.rglob("*")
                  for needle in NEEDLES if needle in os.fsencode(path)]
        for post in standin.posts():
            told = post.body + json.dumps(post.headers).encode()
            found += [("sent: " + post.body[:200].decode(), needle.decode()) for needle in NEEDLES if needle in told]
        return found


@pytest.fixture
def place(runner, built, workdir, standin):
    return Place(runner, built, workdir, standin.url)


def test_the_search_finds(place, standin):
    """Where nothing is taken out it is found: a name that the user chose for a job."""
    place("lineage", "run", "--job", "mail to " + EMAIL, "--", "true")
    assert {what for _, what in place.search(standin)} == {EMAIL}


def test_command_line_and_environment(place, standin, wait_until):
    place.begin("--param", "password=" + SECRET, "--param", "to=" + EMAIL, "--tag", "card=" + CARD, "--group",
                "login=postgresql://jane:%s@db/shop" % SECRET)
    place("lineage", "run", "--step", "step", "--param", "api_key=" + SECRET, "--param", "note=for " + EMAIL, "--tag",
          "token=" + TOKEN, "--group", "customer=" + CARD.replace(" ", "-"), "--", "true", "--token", SECRET,
          "--password=" + SECRET, "--to", EMAIL, CARD, CARD.replace(" ", ""), TOKEN,
          "curl -H 'Authorization: Bearer %s' https://jane:%s@h/?mail=%s" % (SECRET, SECRET, EMAIL))
    place("lineage", "run", "--step", "step", "--", "false", "--token", SECRET, EMAIL, check=1)
    place("lineage", "run", "--step", "step", "--", "./no-such", EMAIL, CARD, check=127)
    assert place.finish(standin, wait_until, 8) == []


def test_addresses(place, standin, wait_until):
    """What is read and written, with credentials and what came in a query."""
    place.begin()
    for uri in ("https://jane:%s@h.example/data.csv?token=%s&mail=%s" % (SECRET, TOKEN, EMAIL.replace("@", "%40")),
                "postgresql://jane:%s@db:5432/shop.public.users" % SECRET,
                "s3://bucket/key?X-Amz-Signature=" + SECRET):
        place("lineage", "run", "--step", "step", "-i", uri, "-o", uri, "--", "true")
    place("lineage", "run", "--job", "plain", "-i", uri, "--", "true")
    assert place.finish(standin, wait_until, 10) == []


CONFIG = """# of the shop
password: %s
token = "%s"
contact: %s
card: %s
url: postgresql://jane:%s@db/shop
""" % (SECRET, TOKEN, EMAIL, CARD, SECRET)


def test_what_is_told_and_kept(place, standin, wait_until):
    """Variables that were asked for, gates, kept files, lines of the log, what would be done: asked for, and redacted."""
    (place.files / "shop.yaml").write_text(CONFIG)
    run = place.begin()
    log = place.printed.with_name("steps.jsonl")
    words = ["--env", "MY_API_KEY,GITHUB_TOKEN,CONTACT,CARD_NUMBER,DATABASE_*", "--keep", "shop.yaml", "--log", log,
             "--gate", "true --password %s %s %s '%s'" % (SECRET, TOKEN, EMAIL, CARD), "--metric", "loss=0.5",
             "--param", "api_key=" + SECRET, "--tag", "to=" + EMAIL, "--redact", "[a-z]+-of-the-shop"]
    command = ["true", "--token", SECRET, EMAIL, CARD, "key-of-the-shop"]
    place("lineage", "run", "--dry-run", "--step", "step", *words, "--", *command)
    place("lineage", "run", "--step", "step", *words, "--", *command)
    place("lineage", "run", "--step", "step", *words, "--gate", "false " + TOKEN, "--", *command, check=125)
    assert place.finish(standin, wait_until, 6) == []
    assert all(needle not in log.read_bytes() for needle in NEEDLES)
    # they are there all the same, without what was secret
    receipt = json.loads((run / "steps/step/receipt.json").read_text())
    assert receipt["environment"]["MY_API_KEY"] == receipt["environment"]["CONTACT"] == "[redacted]"
    assert "key-of-the-shop" not in (run / "steps/step/receipt.json").read_text()
    kept = [path.read_text() for path in (place.runs / "objects").rglob("*") if path.is_file()]
    assert any("# of the shop" in text and "[redacted]" in text for text in kept)


def make_repository(place):
    """One whose remote holds a password, whose author has an address; a file is changed, a secret in it."""
    for words in (["init", "-q"], ["config", "user.email", EMAIL], ["config", "user.name", "Jane"],
                  ["remote", "add", "origin", "https://jane:%s@git.example/shop.git" % SECRET]):
        place("git", *words)
    (place.files / "a.py").write_text("print()\n")
    place("git", "add", "a.py")
    place("git", "commit", "-q", "-m", "for %s: %s" % (EMAIL, TOKEN))
    place("git", "checkout", "-q", "-b", "feature")
    (place.files / "a.py").write_text("password = '%s'\n" % SECRET)
    place.printed.write_bytes(b"")  # git's own words


def test_a_repository(place, standin, wait_until):
    make_repository(place)
    place.begin()
    place("lineage", "run", "--step", "step", "--git", "--collect", "code,git,machine,container,tools,seeds", "--", "true")
    receipt = json.loads((place.runs / place.env["LINEAGE_RUN_ID"] / "steps/step/receipt.json").read_text())
    assert "git.example/shop" in json.dumps(receipt["code"]) and receipt["code"]["dirty"] is True, receipt["code"]
    assert place.finish(standin, wait_until, 4) == []


# ---- the library ----

PROGRAM = r"""
#include <openlineage/openlineage.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECRET "%(secret)s"
#define TALK "my password is " SECRET ", card %(card)s, write to %(email)s, %(token)s"

static void feed(void (*take)(struct ol_call *, const void *, size_t), struct ol_call *call, const char *text)
{
    for (size_t i = 0; i < strlen(text); i += 7) /* in pieces, as they come */
        take(call, text + i, strlen(text + i) < 7 ? strlen(text + i) : 7);
}

static void ask(struct ol_run *run, const char *provider, const char *answer)
{
    static char head[][300] = {"HTTP/1.1 100 Continue\r\n", "\r\n", "HTTP/1.1 200 OK\r\n", "x-request-id: req_1\r\n",
                               "Set-Cookie: session=" SECRET "\r\n", "X-Echo: %(email)s, %(token)s\r\n", "\r\n"};
    struct ol_call *call = NULL;
    struct ol_error err = {.message = ""};
    const char *receipt = NULL;
    if (ol_call_new(run, OL_MAKE(ol_call_options, .provider = provider, .operation = "chat", .is_own_run = true,
                                 .prompt_name = "prompt://registry/support", .prompt_version = "3",
                                 .endpoint = "https://jane:" SECRET "@models.example/v1/chat?key=%(token)s&to=%(email)s#" SECRET),
                    &call, &err) != OL_OK)
        fprintf(stderr, "%%s\n", err.message);
    ol_call_begin(call, NULL);
    ol_call_prompt_rendered(call, TALK, strlen(TALK));
    feed(ol_call_request_body, call, "{\"model\":\"m-1\",\"metadata\":{\"user\":\"%(email)s\"},\"user\":\"%(email)s\","
                                     "\"messages\":[{\"role\":\"user\",\"content\":\"" TALK "\"}]}");
    for (size_t i = 0; i < sizeof head / sizeof head[0]; i++)
        ol_call_header(head[i], 1, strlen(head[i]), call);
    feed(ol_call_response_body, call, answer);
    if (ol_call_end(call, NULL, &err) != OL_OK || ol_call_receipt(call, &receipt, NULL, &err) != OL_OK)
        fprintf(stderr, "%%s\n", err.message);
    puts(receipt);
    ol_call_free(call);
}

int main(void)
{
    struct ol_client *client = NULL;
    struct ol_run *run = NULL;
    struct ol_serving *serving = NULL;
    if (ol_client_open(OL_MAKE(ol_client_options, .producer = "https://example.org/talk/1"), &client, NULL) != OL_OK ||
        ol_run_new(client, OL_MAKE(ol_run_options, .job_name = "talk"), &run, NULL) != OL_OK)
        return 1;
    ol_run_collect(run, OL_COLLECT_ALL);
    ol_run_emit(run, OL_START, NULL);
    ask(run, "openai", "{\"id\":\"chatcmpl-1\",\"model\":\"m-1\",\"choices\":[{\"message\":{\"content\":\"" TALK "\"},"
                       "\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2}}");
    ask(run, "anthropic", "{\"type\":\"error\",\"error\":{\"type\":\"authentication_error\",\"message\":\"" TALK "\"}}");
    if (ol_serving_new(run, OL_MAKE(ol_serving_options, .key_size = 0), &serving, NULL) != OL_OK ||
        ol_answer_record(serving, OL_MAKE(ol_answer, .request_id = "r-1", .input = TALK, .input_size = strlen(TALK),
                                          .output = TALK, .output_size = strlen(TALK), .outcome = OL_ANSWERED), NULL) != OL_OK)
        return 1;
    ol_serving_free(serving);
    ol_run_emit(run, OL_COMPLETE, NULL);
    ol_run_free(run);
    return ol_client_close(client, 0, NULL) == OL_OK ? 0 : 1;
}
"""


def test_calls_and_answers_of_a_program(place, standin, wait_until, workdir):
    """Prompt, answer, headers and address of a call, input and output of an answer: hashes only."""
    source, build = workdir / "talk.c", procs.build_dir()
    source.write_text(PROGRAM % {"secret": SECRET, "card": CARD, "email": EMAIL, "token": TOKEN})
    subprocess.run([*procs.compiler(), "-std=c17", "-Wall", "-Werror", "-I", procs.REPO / "include", "-I",
                    build / "generated", source, "-L", build / "emitter", "-lopenlineage",
                    "-Wl,-rpath,%s" % (build / "emitter"), "-o", workdir / "talk"], check=True)
    make_repository(place)
    place.begin()
    calls = [json.loads(line) for line in place(workdir / "talk").splitlines()]
    assert [call["provider"] for call in calls] == ["openai", "anthropic"]
    assert calls[0]["provider_request_id"] == "req_1" and calls[0]["response_model"] == "m-1"
    assert calls[1]["error_type"] == "authentication_error"
    assert all(len(call["request_sha256"]) == 64 for call in calls)
    told = b"".join(path.read_bytes() for path in place.agent.journal.glob("*.jsonl"))
    assert b'"lineaged_machine"' in told and b"git.example/shop" in told
    assert place.finish(standin, wait_until, 9) == []
