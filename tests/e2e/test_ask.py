# SPDX-License-Identifier: Apache-2.0
"""The three steps of examples/pipeline through a real agent, and every question about them: asked of the agent and,
with the same answers, without one."""
import json
import os
import pathlib
import shutil
import subprocess

import procs
import pytest

EXAMPLE = procs.REPO / "examples" / "pipeline"
SOURCES = ["buf.c", "error.c", "ids.c"]


class Place:
    """One user's directories with the programs in PATH; nothing is configured."""

    def __init__(self, runner, built, directory):
        self.runner, self.directory = runner, directory
        self.lineage, self.lineaged = built("lineage"), built("lineaged")
        self.files, run = directory / "files", directory / "run"
        for each in (self.files, run, directory / "bin"):
            each.mkdir(mode=0o700)
        clean = {k: v for k, v in os.environ.items()
                 if not k.startswith(("OPENLINEAGE", "LINEAGED_SOCKET", "NO_COLOR"))}
        path = [directory / "bin", self.lineage.parent, self.lineaged.parent, clean["PATH"]]
        self.env = {**clean, "PATH": ":".join(map(str, path)), "HOME": str(directory), "LC_ALL": "C.UTF-8",
                    "XDG_STATE_HOME": str(directory / "state"), "XDG_CONFIG_HOME": str(directory / "config"),
                    "XDG_RUNTIME_DIR": str(run), "LINEAGED_SOCKET": str(run / "lineaged.sock"),
                    "OPENLINEAGE_NAMESPACE": "demo", "OPENLINEAGE__TRANSPORT__TYPE": "journal",
                    "OPENLINEAGE__TRANSPORT__DIRECTORY": str(directory / "state" / "lineaged" / "journal")}
        self.agent = None

    def start(self, wait_until):
        self.agent = subprocess.Popen([self.lineaged], env=self.env, stderr=open(self.directory / "log", "ab"))
        wait_until(lambda: self.ask("status")[0] == 0, what=lambda: (self.directory / "log").read_text())

    def stop(self):
        if self.agent is not None:
            self.agent.terminate()
            agent, self.agent = self.agent, None
            assert agent.wait(30) == 0

    def ask(self, *words, text=True, **options):
        """Exit status, output, errors."""
        done = subprocess.run([self.lineage, *map(str, words)], env=self.env, cwd=self.files, text=text,
                              capture_output=True, timeout=60, stdin=subprocess.DEVNULL, **options)
        return done.returncode, done.stdout, done.stderr

    def pipeline(self):
        """sources -> symbols -> statistics (a C program) -> report"""
        flags = ["-I", procs.REPO / "include", "-I", procs.build_dir() / "generated"]
        libraries = [procs.build_dir() / "emitter" / "libopenlineage.a", "-lyajl", "-luuid", "-lm", "-ldl",
                     "-lpthread"]
        subprocess.run([*procs.compiler(), "-std=c17", *flags,
                        EXAMPLE / "statistics.c", *libraries, "-o", self.directory / "bin" / "statistics"],
                       check=True)
        for name in SOURCES:
            shutil.copy(procs.REPO / "base" / name, self.files / name)
        subprocess.run([EXAMPLE / "run.sh", self.files, *[self.files / name for name in SOURCES]], check=True,
                       env=self.env)


@pytest.fixture
def place(runner, built, workdir):
    made = Place(runner, built, workdir)
    yield made
    made.stop()


def graph(place, verb, *words):
    """Names of the nodes of a --json answer, by kind."""
    status, out, err = place.ask(verb, "--json", *words)
    assert status == 0, err
    document = json.loads(out)
    ids = {node["id"] for node in document["nodes"]}
    assert all({edge["from"], edge["to"]} <= ids for edge in document["edges"])
    return {kind: {pathlib.Path(node.get("name") or node["job"]["name"]).name
                   for node in document["nodes"] if node["kind"] == kind} for kind in ("dataset", "run")}


ALL = {"dataset": {"report.md", "statistics.tsv", "symbols.tsv", *SOURCES}, "run": {"report", "statistics", "symbols"}}


def check_answers(place):
    """Every question; X as a path, a relative one, a URI, with its version, as a job and as a run."""
    report = place.files / "report.md"
    for x in (report, "report.md", "./report.md", "file://%s" % report, "file://localhost%s" % report):
        assert graph(place, "why", x) == ALL, x
    assert graph(place, "why", "report") == {**ALL, "dataset": ALL["dataset"] - {"report.md"}}
    assert graph(place, "impact", "buf.c") == {
        "dataset": {"report.md", "statistics.tsv", "symbols.tsv", "buf.c"}, "run": ALL["run"]}
    assert graph(place, "why", "--depth", 2, "report.md")["run"] <= {"report", "statistics"}

    status, out, err = place.ask("why", "report.md")
    lines = out.splitlines()
    assert (status, err) == (0, "")
    assert lines[0].startswith("file %s  sha256:" % report)
    assert lines[1].startswith("\u2514\u2500 report (demo)  run ") and "  COMPLETE  " in lines[1]
    assert "\x1b" not in out
    assert [name for name in SOURCES if "%s  sha256:" % (place.files / name) in out] == SOURCES

    status, out, _ = place.ask("runs")
    assert status == 0 and len(out.splitlines()) == 4 and out.startswith("RUN ")
    status, out, _ = place.ask("runs", "--json", "--job", "symbols", "--state", "COMPLETE")
    run = json.loads(out)["runs"]
    assert status == 0 and [each["job"]["name"] for each in run] == ["symbols"]
    for x in (run[0]["run_id"], run[0]["run_id"][:13]):
        status, out, err = place.ask("show", x)
        assert status == 0, err
        assert out.startswith("symbols (demo)  run ") and run[0]["run_id"] in out and "jobType" in out
    status, out, _ = place.ask("show", "report.md")
    assert status == 0 and "written_by" in out and "demo/report" in out
    assert place.ask("show", "--json", "demo/symbols")[0] == 0


def check_unknown(place):
    for verb in ("why", "impact", "show", "events"):
        status, out, err = place.ask(verb, "no-such-thing")
        assert (status, out) == (3, ""), (verb, err)
        assert "no-such-thing" in err
    status, out, err = place.ask("why", "--json", "no-such-thing")
    assert status == 3
    assert out == "" or json.loads(out)
    assert place.ask("runs", "--job", "no-such-job")[0] == 3


def test_with_an_agent_and_without(place, wait_until):
    """The same answers, also by content after the file was renamed, and after it was changed."""
    place.start(wait_until)
    place.pipeline()
    wait_until(lambda: place.ask("runs", "--json")[1].count('"COMPLETE"') == 3, what="three runs in the store")
    check_answers(place)
    check_unknown(place)
    place.stop()
    assert place.ask("status")[0] == 3
    check_answers(place)
    check_unknown(place)
    (place.files / "report.md").rename(place.files / "renamed.md")
    assert graph(place, "why", "renamed.md") == ALL
    assert place.ask("why", "renamed.md")[1].startswith("(unknown by this name; found by its content)\n")
    (place.files / "report.md").write_text("something else\n")
    status, out, _ = place.ask("why", "report.md")
    assert status == 0 and "content differs" in out.splitlines()[0]
    (place.files / "renamed.md").write_text("something else, too\n")
    assert place.ask("why", "renamed.md")[0] == 3


def test_what_waits_is_taken_in(place, wait_until):
    """Nothing ever ran here but the pipeline: a question without an agent takes in the journals first."""
    journal = pathlib.Path(place.env["OPENLINEAGE__TRANSPORT__DIRECTORY"])
    place.pipeline()
    assert list(journal.glob("*.jsonl"))
    check_answers(place)
    assert not list(journal.glob("*.jsonl"))


def test_nothing_was_ever_recorded(place):
    status, out, err = place.ask("why", "x")
    assert (status, out) == (3, ""), err


def test_wrong_usage(place):
    for words, says in ((["why"], "of what"), (["why", "a", "b"], "'b'"), (["why", "--depth", "0", "a"], "--depth"),
                        (["why", "--depth", "x", "a"], "--depth"), (["runs", "--depth", "1"], "unrecognized option"),
                        (["nonsense"], "no verb"), (["deadletter"], "expected ls, show"),
                        (["deadletter", "show"], "expected the id"), (["status", "x"], "no argument"),
                        (["events", "--depth", "1", "x"], "unrecognized option"), ([], "Usage")):
        status, out, err = place.ask(*words)
        assert status == 2 and out == "" and says in err, (words, err)
    for verb in ("run", "why", "impact", "runs", "show", "events", "deadletter", "status"):
        status, out, err = place.ask(verb, "--help")
        assert status == 0 and out.startswith("Usage: lineage " + verb) and err == ""


def test_wrong_configuration(place):
    """Without an agent the configuration is read: its error is passed on, 2, nothing is touched."""
    config = pathlib.Path(place.env["XDG_CONFIG_HOME"]) / "lineaged"
    config.mkdir(parents=True)
    (config / "lineaged.yaml").write_text("spol: {}\n")
    status, out, err = place.ask("why", "x")
    assert (status, out) == (2, "")
    assert "lineaged.yaml:1" in err and "spol" in err
    assert not (place.directory / "state").exists()


def test_no_store_route(place):
    config = pathlib.Path(place.env["XDG_CONFIG_HOME"]) / "lineaged"
    config.mkdir(parents=True)
    (config / "lineaged.yaml").write_text("routes:\n  - {name: f, type: file, path: %s/x}\n" % place.directory)
    status, _, err = place.ask("why", "x")
    assert status == 3 and "no route of type store" in err


def test_agent_at_a_configured_socket(place, wait_until):
    """Without LINEAGED_SOCKET, where nobody listens at the usual place: the configuration says where."""
    del place.env["LINEAGED_SOCKET"]
    config = pathlib.Path(place.env["XDG_CONFIG_HOME"]) / "lineaged"
    config.mkdir(parents=True)
    (config / "lineaged.yaml").write_text("admin: {socket: %s/elsewhere.sock}\n" % place.directory)
    if os.path.isdir("/var/lib/lineaged/journal"):
        pytest.skip("a system agent is installed here: its place comes first")
    place.start(wait_until)
    assert (place.directory / "elsewhere.sock").exists()
    status, out, _ = place.ask("status", "--json")
    assert status == 0 and json.loads(out)["pid"] == place.agent.pid
    status, out, _ = place.ask("status")
    assert status == 0 and out.splitlines()[0].endswith(": healthy") and "\nROUTE " in out


def test_dead_letters_with_an_agent_and_without(place, standin, wait_until):
    """The same list and the same bytes; those of a route; an unknown one is 3."""
    config = pathlib.Path(place.env["XDG_CONFIG_HOME"]) / "lineaged"
    config.mkdir(parents=True)
    (config / "lineaged.yaml").write_text(
        "routes:\n  - {name: m, type: http, url: %s}\n  - {name: s, type: store}\n" % standin.url)
    standin.script({"answer": 422, "match": '"FAIL"'})
    assert place.ask("run", "--job", "poison", "--", "false")[0] == 1
    journal = pathlib.Path(place.env["OPENLINEAGE__TRANSPORT__DIRECTORY"])
    event = next(line for path in journal.glob("*.jsonl") for line in path.read_bytes().splitlines()
                 if b'"FAIL"' in line)
    assert place.ask("deadletter", "ls") == (0, "no dead letters\n", "")
    place.start(wait_until)
    wait_until(lambda: "422" in place.ask("deadletter", "ls")[1], 30, lambda: place.ask("status")[1])
    answers = []
    for _ in range(2):
        answers.append([place.ask("deadletter", "ls"), place.ask("deadletter", "ls", "--json"),
                        place.ask("deadletter", "ls", "--route", "m"), place.ask("deadletter", "ls", "--route", "s")])
        letter = json.loads(answers[-1][1][1])["deadletters"][0]
        assert (letter["route"], letter["status"]) == ("m", 422)
        status, out, err = place.ask("deadletter", "show", letter["id"], text=False)
        assert (status, out) == (0, event)
        assert b"route m" in err and b"422" in err
        for unknown in ("m-999999", "x-1", "../m-1", "m/1"):
            assert place.ask("deadletter", "show", unknown)[0] == 3, unknown
        place.stop()
    assert answers[0] == answers[1]
    assert answers[0][0][1].startswith("ID ") and answers[0][3][1] == "no dead letters\n"


def test_system_agent_is_down(built):
    """A user of the system place, whose files only its agent may read: 3, and the sentence that says so."""
    if os.geteuid() != 0:
        pytest.skip("needs root: it makes a system place in a mount namespace of its own")
    script = """mount -t tmpfs tmpfs /var/lib && mount -t tmpfs tmpfs /run && mkdir -p /var/lib/lineaged/journal &&
        chmod 0711 /var/lib/lineaged && cp "$0" /var/lib/lineage || exit 99
        for verb in "why x" "runs" "deadletter ls" "status"; do
            env -u LINEAGED_SOCKET setpriv --reuid 65534 --regid 65534 --clear-groups /var/lib/lineage $verb
            echo $?
        done"""
    done = subprocess.run(["unshare", "-m", "sh", "-c", script, built("lineage")], capture_output=True, text=True,
                          timeout=60)
    if done.returncode == 99 or "unshare" in done.stderr:
        pytest.skip("no mount namespaces here: %s" % done.stderr.strip())
    assert done.stdout.split() == ["3"] * 4, done.stderr
    assert done.stderr.count("the system agent is not running, and only it can answer you") == 3
    assert done.stderr.count("no agent listens at '/run/lineaged/lineaged-admin.sock'") == 1
