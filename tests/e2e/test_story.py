# SPDX-License-Identifier: Apache-2.0
"""A pipeline of four steps as people write them: images are fetched, a video is made of them, a model describes it over
HTTPS, the result is kept. It is killed in the middle, resumed, one step is run again with other bytes, all without an
agent, which is started afterwards. Then the folder is exactly what spec/RECEIPT.md says, and every event at the server
and in the store carries the ids of the receipts."""
import hashlib
import json
import os
import pathlib
import re
import signal
import subprocess
import uuid

import pytest

import ai_server
import certificates
import procs
from agent_process import Agent, http_route, store_route
from stories.place import Names, chains

SPACE = uuid.UUID("c3057f10-38d5-5c24-9eb2-2d152675aa95")  # docs/naming.md

FETCH = r"""
import pathlib, sys
folder, seed = pathlib.Path(sys.argv[1]), int(sys.argv[2])
folder.mkdir(exist_ok=True)
for n in range(6):
    pixels = bytes((x * seed + y * n + c) % 256 for y in range(24) for x in range(32) for c in range(3))
    (folder / ("frame-%03d.ppm" % n)).write_bytes(b"P6\n32 24\n255\n" + pixels)
"""

RENDER = r"""
import os, pathlib, sys, time
folder, video, quality = pathlib.Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
log = open(os.environ["LINEAGE_ATTEMPT_DIR"] + "/render.log", "w")
with open(video, "wb") as out:
    out.write(b"YUV4MPEG2 W32 H24 F25:1\n")
    for path in sorted(folder.glob("*.ppm")):
        pixels = path.read_bytes().split(b"\n", 3)[3]
        out.write(b"FRAME\n" + bytes(p // quality for p in pixels[::3]))
        print(path.name, file=log, flush=True)
        while os.path.exists("hold"):
            time.sleep(0.02)
"""

PERSIST = r"""
import hashlib, json, sys
video, answer, kept = sys.argv[1:]
said = json.load(open(answer))["choices"][0]["message"]["content"]
json.dump({"video": hashlib.sha256(open(video, "rb").read()).hexdigest(), "description": said}, open(kept, "w"))
"""

# Whoever starts it again goes on: what was done with the same command and the same bytes is not done again.
PIPELINE = r"""
set -eu
eval "$(lineage begin --resume last --export 2>/dev/null || lineage begin --export --pipeline video --param scene=harbour \
    --tag team=media --group show=7 --input request=request.json)"
lineage run --if-needed --step fetch_images --seq 10 --task-id fetch-1 --param seed=3 -o images -- python3 fetch.py images 3
lineage run --if-needed --step render_video --seq 20 --task-id render-1 -i images -o video.y4m -- \
    python3 render.py images video.y4m 1
[ -e "$LINEAGE_RUNS/$LINEAGE_RUN_ID/steps/030_describe/receipt.json" ] ||
    lineage call --provider openai --step describe --seq 30 --task-id describe-1 --cacert "$MODEL_CA" --key-env MODEL_KEY \
        -o answer.json "$MODEL_URL/v1/chat/completions" @request.json
lineage run --if-needed --step persist --seq 40 --task-id persist-1 -i video.y4m -i answer.json -o kept.json -- \
    python3 persist.py video.y4m answer.json kept.json
lineage end
"""


@pytest.fixture
def models(workdir):
    """A provider that first refuses the request, then is busy, then answers."""
    authority = certificates.Authority(workdir / "models")
    certificate, key, _ = authority.issue("provider")
    made = ai_server.AiServer([ai_server.refusal(400, "invalid_request_error"),
                               ai_server.refusal(429, headers=[("Retry-After", "0")]), ai_server.openai("ships")],
                              certificate, key)
    made.ca = authority.pem
    yield made
    made.close()


class Shop:
    """Where the pipeline lives: its programs, its environment; no agent runs."""

    def __init__(self, runner, built, directory, url, models):
        self.runner, self.files, self.runs = runner, directory / "shop", directory / "runs"
        self.files.mkdir()
        for name, text in (("fetch.py", FETCH), ("render.py", RENDER), ("persist.py", PERSIST),
                           ("pipeline", PIPELINE)):
            (self.files / name).write_text(text)
        self.prompt = "What is to be seen in the harbour?"
        (self.files / "request.json").write_text(json.dumps(
            {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": self.prompt}], "temperature": 0}))
        self.agent = Agent(runner, built("lineaged"), directory / "agent",
                           [http_route("marquez", url, profile="marquez"), store_route(directory / "agent/lineage.db")],
                           intake={"abort_grace": "1s"})
        clean = {k: v for k, v in os.environ.items()
                 if not k.startswith(("OPENLINEAGE", "LINEAGE", "BAGGAGE", "TRACE", "SSL_", "CURL_"))}
        self.env = {**clean, **{k: v for k, v in self.agent.environment().items() if v},
                    "OPENLINEAGE_NAMESPACE": "shop", "LINEAGE_RUNS": str(self.runs), "MODEL_URL": models.url,
                    "MODEL_CA": str(models.ca), "MODEL_KEY": "sk-of-the-shop-0000000001",
                    "PATH": "%s:%s" % (built("lineage").parent, clean["PATH"])}

    def start(self):
        return self.runner.start("sh", "pipeline", env=self.env, cwd=self.files, name="pipeline", start_new_session=True)

    def __call__(self, *words, check=0):
        done = subprocess.run([str(word) for word in words], env=self.env, cwd=self.files, text=True,
                              capture_output=True, stdin=subprocess.DEVNULL, timeout=120, check=False)
        assert check is None or done.returncode == check, (words, done.returncode, done.stdout, done.stderr)
        return done

    @property
    def run(self):
        return self.runs / self.env["LINEAGE_RUN_ID"]


def descendants(pid):
    """Every process below one, the lowest first."""
    children = {}
    for place in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = place.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        children.setdefault(int(fields[1]), []).append(int(place.parent.name))
    found, look = [], [pid]
    while look:
        below = children.get(look.pop(), [])
        found, look = below + found, look + below
    return found


def kill_all(process):
    """SIGKILL, at once, to the pipeline's script, to `lineage run` and to the command."""
    for pid in [process.pid, *reversed(descendants(process.pid))]:  # from above: nobody sees another one die
        os.kill(pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL


def sha256(path):
    return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()


def read(path):
    return json.loads(path.read_text())


def tree(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir())


@pytest.fixture
def shop(runner, built, workdir, standin, models):
    return Shop(runner, built, workdir, standin.url, models)


def play(shop, models, wait_until):
    """The story: see above."""
    (shop.files / "hold").touch()
    first = shop.start()
    log = wait_until(lambda: [path for path in shop.runs.glob("*/steps/020_render_video/attempt-1/render.log")
                              if path.read_text()], 30, lambda: first.err)
    kill_all(first)
    shop.env["LINEAGE_RUN_ID"] = log[0].parents[3].name
    (shop.files / "hold").unlink()
    # The provider refuses: the pipeline ends there, and is resumed once more.
    second = shop.start()
    assert second.wait(60) != 0, second.out
    assert "describe" in " ".join(tree(shop.run)) and not (shop.run / "seal.json").exists()
    # Somebody renders again, with other settings: other bytes under the same name.
    again = shop("lineage", "run", "--step", "render_video", "--seq", 20, "--task-id", "render-2", "-i", "images", "-o",
                 "video.y4m", "--", "python3", "render.py", "images", "video.y4m", 2)
    assert "step 'render_video': output 'video.y4m' is not what attempt 2 wrote" in again.stderr
    shop("python3", "-c", "import os; os.environ['LINEAGE_ATTEMPT_DIR'] = '.'; import sys; "
         "sys.argv[1:] = ['images', 'video.y4m', '1']; exec(open('render.py').read())")  # as it was
    third = shop.start()
    assert third.wait(60) == 0, third.err
    return shop.run


def attempt(step, number, *more):
    return ["steps/%s/attempt-%d/%s" % (step, number, name) for name in ("claim.json", *more)]


LISTING = sorted([
    "last", "manifest.json", "seal.json", "inputs/request.json",
    *attempt("010_fetch_images", 1, "receipt.json"), "steps/010_fetch_images/receipt.json",
    *attempt("020_render_video", 1, "render.log"),  # killed
    *attempt("020_render_video", 2, "receipt.json", "render.log"), *attempt("020_render_video", 3, "receipt.json", "render.log"),
    "steps/020_render_video/receipt.json",
    # refused, put off, answered: a receipt for each try, with what was sent and what came
    *attempt("030_describe", 1, "receipt.json", "request.json", "response.json"),
    *attempt("030_describe", 2, "receipt.json", "request.json", "response.json"),
    *attempt("030_describe", 3, "receipt.json", "request.json", "response.json"), "steps/030_describe/receipt.json",
    *attempt("040_persist", 1, "receipt.json"), "steps/040_persist/receipt.json"])


def test_the_folder(shop, models, schema_judge, wait_until):
    run = play(shop, models, wait_until)
    assert tree(run) == LISTING
    values = {path: read(run / path) for path in LISTING if path.endswith(".json") and "schema" in read(run / path)}
    assert len(values) == len([path for path in LISTING if path.endswith(
        ("manifest.json", "claim.json", "receipt.json", "seal.json", "inputs/request.json"))])
    judged = schema_judge(procs.REPO / "spec/schemas", [[value["schema"], value] for value in values.values()])
    assert judged == [[] for _ in values]
    figures = json.loads(shop("lineage", "verify", "--json").stdout)
    assert (figures["attempts"], figures["steps"], figures["open"]) == (8, 4, 1)
    # whatever one step hands to the next is one artifact
    receipts = {path: values[path] for path in LISTING if path.endswith("receipt.json")}
    fetched, rendered = (receipts["steps/%s/receipt.json" % step] for step in ("010_fetch_images", "020_render_video"))
    described, kept = (receipts["steps/%s/receipt.json" % step] for step in ("030_describe", "040_persist"))
    assert fetched["outputs"][0]["sha256"] == rendered["inputs"][0]["sha256"]
    assert rendered["outputs"][0]["sha256"] == kept["inputs"][0]["sha256"] == sha256(shop.files / "video.y4m")
    assert kept["outputs"][0]["sha256"] == sha256(shop.files / "kept.json")
    assert rendered["attempt"] == 2 and rendered["selected"]["reason"] == "first_success"
    assert described["attempt"] == 3 and [each["status"] for each in described["selected"]["over"]] == ["FAIL", "FAIL"]
    tries = [receipts["steps/030_describe/attempt-%d/receipt.json" % n]["calls"][0] for n in (1, 2, 3)]
    assert [each["status_code"] for each in tries] == [400, 429, 200]
    for each, seen in zip(tries, models.requests):
        assert seen["headers"]["X-Client-Request-Id"] == each["client_request_id"] and run.name in each["client_request_id"]
        assert hashlib.sha256(seen["body"]).hexdigest() == each["request_sha256"]
    assert described["outputs"][0]["sha256"] == kept["inputs"][1]["sha256"] == tries[2]["response_sha256"]
    assert tries[2]["provider_request_id"] == "req_0a1b2c3d4e5f" and tries[2]["response_model"] == "gpt-4o-2024-08-06"
    third = receipts["steps/020_render_video/attempt-3/receipt.json"]
    assert third["not_selected"] == {"reason": "not_first", "winner": 2}
    assert third["conflicts"] == [{"path": "video.y4m", "attempt": 2, "sha256": third["outputs"][0]["sha256"],
                                   "was": rendered["outputs"][0]["sha256"]}]
    assert [receipts["steps/%s/receipt.json" % step]["seq"] for step in
            ("010_fetch_images", "020_render_video", "030_describe", "040_persist")] == [10, 20, 30, 40]
    assert read(shop.files / "kept.json")["description"] == "ships"
    assert len(models.requests) == 3


def test_a_directory_by_hand(shop, models, wait_until):
    """The command that R10 gives for a directory's id is the one."""
    row = next(line for line in (procs.REPO / "spec/RECEIPT.md").read_text().splitlines()
               if line.startswith("| `directory`"))
    command = re.search("`(find .*?)`", row)[1].replace("\\|", "|")
    run = play(shop, models, wait_until)
    text = subprocess.run(command, shell=True, cwd=shop.files / "images", capture_output=True, check=True).stdout
    assert len(text.splitlines()) == 6
    assert read(run / "steps/010_fetch_images/receipt.json")["outputs"][0]["sha256"] == hashlib.sha256(text).hexdigest()


def test_events_carry_the_ids_of_the_receipts(shop, models, standin, wait_until):
    run = play(shop, models, wait_until)
    manifest = read(run / "manifest.json")
    root = manifest["openlineage"]["run_id"]
    ended = {"COMPLETE": "COMPLETE", "FAIL": "FAIL", "ABORT": "ABORT"}
    attempts = {}
    for path in run.glob("steps/*/attempt-*"):
        receipt = path / "receipt.json"
        attempts[read(path / "claim.json")["openlineage"]["run_id"]] = read(receipt if receipt.exists() else path / "claim.json")
    shop.agent.start()
    total = 4 + 2 * len(attempts)  # the run was resumed twice; one of the attempts' ends is an inferred ABORT
    wait_until(lambda: standin.stats()["posts"] >= total, 60, lambda: str(standin.stats()))
    events = [json.loads(body) for body in standin.stored()]
    assert len(events) == total
    assert {event["run"]["runId"] for event in events} == {root, *attempts}
    assert [event["eventType"] for event in events if event["run"]["runId"] == root] == [
        "START", "RUNNING", "RUNNING", "COMPLETE"]
    for run_id, receipt in attempts.items():
        theirs = [event for event in events if event["run"]["runId"] == run_id]
        assert [event["eventType"] for event in theirs] == ["START", ended[receipt.get("status", "ABORT")]]
        assert run_id == str(uuid.uuid5(SPACE, "%s/%s/%d" % (run.name, receipt["step"], receipt["attempt"])))
        for event in theirs:
            facets = event["run"]["facets"]
            if "lineaged_inferred" in facets:
                assert "status" not in receipt
                continue
            ids = facets["lineaged_run"]
            assert {key: ids[key] for key in ("run_id", "step", "attempt", "task_id")} == {
                "run_id": run.name, "step": receipt["step"], "attempt": str(receipt["attempt"]), "task_id": receipt["task_id"]}
            assert facets["parent"]["run"]["runId"] == facets["parent"]["root"]["run"]["runId"] == root
            assert event["job"]["name"] == receipt["openlineage"]["job_name"]
        for side in ("inputs", "outputs"):
            if "status" not in receipt:
                continue
            told = {each["name"]: each["facets"]["version"]["datasetVersion"] for each in theirs[-1][side]
                    if "version" in each["facets"]}
            for each in receipt[side]:
                if "sha256" in each and each["kind"] != "remote":
                    assert told[each["name"]] == "sha256:" + each["sha256"]
    # the call: the same ids and hashes in its facet, the answering model as a dataset in the version that answered
    for event in events:
        receipt = attempts.get(event["run"]["runId"], {})
        if "calls" in receipt and event["eventType"] != "START":
            facet, call = event["run"]["facets"]["lineaged_call"], receipt["calls"][0]
            for key in ("client_request_id", "request_sha256", "response_sha256", "request_model"):
                assert facet[key] == call[key], key
            assert event["run"]["facets"]["lineaged_run"]["provider_request_id"] == call["provider_request_id"]
    tags = {tag["key"]: tag["value"] for event in events if event["run"]["runId"] == root
            for tag in event["run"]["facets"].get("tags", {}).get("tags", [])}
    assert tags["lineaged.seal"] == sha256(run / "seal.json")

    # the store: the same ids, and the lines from the result back to the images
    def stored():
        return {each["run_id"]: each for each in json.loads(shop("lineage", "runs", "--json").stdout)["runs"]}
    wait_until(lambda: set(stored()) == {root, *attempts} and
               not [each for each in stored().values() if each["state"] == "RUNNING"], 30, "all runs in the store")
    for run_id, receipt in attempts.items():
        assert stored()[run_id]["root"] == stored()[run_id]["parent"] == root
        assert stored()[run_id]["state"] == receipt.get("status", "ABORT")
    found = json.loads(shop("lineage", "runs", "--json", run.name).stdout)["runs"]
    assert {each["run_id"] for each in found} >= set(attempts)
    whole = json.loads(shop("lineage", "show", "--json", run.name).stdout)["runs"][0]  # by the name of the folder
    assert {each["run_id"] for each in whole["children"]} == set(attempts)
    (answered,) = [each for each in json.loads(shop("lineage", "runs", "--json", "req_0a1b2c3d4e5f").stdout)["runs"]]
    assert attempts[answered["run_id"]]["attempt"] == 3 and attempts[answered["run_id"]]["step"] == "describe"
    (task,) = json.loads(shop("lineage", "runs", "--json", "render-2").stdout)["runs"]
    assert attempts[task["run_id"]]["attempt"] == 3
    why = shop("lineage", "why", "kept.json").stdout
    for name in ("persist", "describe", "render_video", "fetch_images", "images", "request.json"):
        assert name in why, why
    rendered = read(run / "steps/020_render_video/receipt.json")["outputs"][0]["sha256"]
    impact = shop("lineage", "impact", "video.y4m#sha256:" + rendered).stdout
    assert "kept.json" in impact, impact
    # the bytes that were rendered last, and that nobody took
    latest = read(run / "steps/020_render_video/attempt-3/receipt.json")["outputs"][0]["sha256"]
    assert "kept.json" not in shop("lineage", "impact", "video.y4m#sha256:" + latest).stdout


class Told(Names):
    """The story's own names: step, or step#ATTEMPT; a file as it is called, the video by its winner or by its last rendering."""

    def __init__(self, shop, run):
        super().__init__()
        self.shop = shop
        self.learn("", run)
        for path in run.glob("steps/*/attempt-*/receipt.json"):
            receipt = read(path)
            for each in receipt["inputs"] + receipt["outputs"]:
                if "sha256" in each and each["kind"] != "remote":
                    file = each["name"].rpartition("/")[2]
                    self.versions[file, "sha256:" + each["sha256"]] = file + ", again" * (receipt["attempt"] == 3 and file == "video.y4m")
        self.versions["gpt-4o-mini", "gpt-4o-2024-08-06"] = "gpt-4o-2024-08-06"

    def ask(self, *words, check=0):
        return json.loads(self.shop("lineage", words[0], "--json", *words[1:], check=check).stdout)

    def graph(self, *words):
        return self.edges(self.ask(*words))


SEEN = "fetch_images -> images -> render_video#2 -> video.y4m -> persist -> kept.json"
SAID = "request.json -> describe#3 -> answer.json -> persist\ngpt-4o-2024-08-06 -> describe#3"


def test_every_question_about_it(shop, models, wait_until):
    """A killed rendering, a refused call, a busy provider, a rendering too many: which of them is in the result, and which not."""
    told = Told(shop, play(shop, models, wait_until))
    shop.agent.start()
    wait_until(lambda: len(told.ask("runs", check=None).get("runs", [])) == 9 and "RUNNING" not in
               {each["state"] for each in told.ask("runs")["runs"]}, 60, lambda: shop("lineage", "runs", check=None).stdout)
    # where is it from: the rendering that won, the try that was answered; the others are named beside them
    why = told.ask("why", "kept.json")
    assert told.edges(why) == chains(SEEN + "\n" + SAID)
    assert {told.run(node): sorted(told.run(other) for other in node["attempts"]) for node in why["nodes"] if "attempts" in node} == {
        "render_video#2": ["render_video ABORT"], "describe#3": ["describe FAIL", "describe#2 FAIL"]}
    assert told.graph("why", "--request", "req_0a1b2c3d4e5f") == chains("request.json -> describe#3\ngpt-4o-2024-08-06 -> describe#3")
    # what comes of it: of the images also the rendering that nobody took; by one image
    images = next("images#" + version for (file, version) in told.versions if file == "images")
    behind = chains(SEEN.partition("fetch_images -> ")[2])
    assert told.graph("impact", images) == behind | chains("images -> render_video#3 -> video.y4m, again")
    assert told.graph("impact", "frame-003.ppm") >= {("frame-003.ppm", "images")} | behind
    # what is different between the two renderings: the quality, which is in the command, and so the bytes
    of = {name: run for run, name in told.ids.items()}
    (pair,) = told.ask("diff", of["render_video#2"], of["render_video#3"])["pairs"]
    assert [(each["area"], each["what"].rpartition("/")[2]) for each in pair["changed"]] \
        == [("output", "video.y4m"), ("code", "sourceCode.sourceCode")]
    # between the try that was refused and the one that was answered: not what was sent
    (pair,) = told.ask("diff", of["describe"], of["describe#3"])["pairs"]
    changed = {each["what"]: (each.get("a"), each.get("b")) for each in pair["changed"]}
    assert changed["lineaged_call.status_code"] == ("400", "200") and changed["state"] == ("FAIL", "COMPLETE")
    assert "lineaged_call.request_sha256" not in changed
    assert told.ask("depends", "kept.json", "images")["depends"] == "yes"
    assert [told.run(each) for each in told.ask("runs", "--failed")["runs"]] == ["describe#2 FAIL", "describe FAIL", "render_video ABORT"]
    (whole,) = [each for each in told.ask("runs", "--by-root")["runs"] if each["below"]["runs"] > 0]
    assert (whole["state"], whole["below"]["runs"], whole["below"]["failed"]) == ("COMPLETE", 8, 3)
    assert [each["run_id"] for each in told.ask("runs", "--group", "show=7")["runs"]] == [whole["run_id"]]
    assert [(each["key"], each["run_id"]) for each in told.ask("search", "media")["results"]] == [("team", whole["run_id"])]
    assert {each["verdict"] for each in told.ask("untracked", check=1)["untracked"]} == {"external"}
    (found,) = told.ask("check", "--all", check=1)["findings"]  # who was killed left no receipt
    assert (found["kind"], told.ids[found["run"]["run_id"]]) == ("step_without_receipt", "render_video")
    assert told.ask("verify")["problems"] == []
    assert told.ask("reproducible", "kept.json", check=1)["verdict"] == "not", "nobody told of the code"
