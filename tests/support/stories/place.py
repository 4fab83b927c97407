# SPDX-License-Identifier: Apache-2.0
"""Where a story is played: a working copy, an agent with a store, `lineage` in PATH; and the names by which the story
calls what the answers call by ids. An id without a name is an error: no answer holds a run or bytes that the story
does not know."""
import contextlib
import json
import os
import re
import subprocess

import procs
from agent_process import Agent, store_route




class Names:
    """What the answers call by ids, by the story's names."""

    def __init__(self):
        self.ids = {}       # id of a run -> its name in the story
        self.versions = {}  # (file, version) -> the file's name in the story
        self.commits = {}   # hash -> its name

    def learn(self, name, folder):
        """A run as a whole is called NAME; its steps NAME/STEP and, from the second attempt on, NAME/STEP#2."""
        self.ids[folder.name] = self.ids[json.loads((folder / "manifest.json").read_text())["openlineage"]["run_id"]] = name
        for path in folder.glob("steps/*/attempt-*/claim.json"):
            claim = json.loads(path.read_text())
            self.ids[claim["openlineage"]["run_id"]] = "/".join(filter(None, (name, claim["step"]))) + \
                ("#%d" % claim["attempt"] if claim["attempt"] > 1 else "")

    def name(self, node):
        """Of a dataset, run, member or answer of a graph."""
        if node["kind"] == "dataset":
            return self.file(node)
        if node["kind"] == "run":
            return self.run(node)
        if node["kind"] == "answer":
            return node["answer"]["request_id"]
        return node["name"].rpartition("/")[2]  # member: a record, a file of a folder

    def file(self, node):
        """A dataset in a version."""
        file = node["name"].rpartition("/")[2]
        if node["namespace"] == "endpoint":
            return "endpoint " + file
        told = self.versions[file, node["version"]] if "version" in node else file + " without version"
        return told + ("." + node["column"] if "column" in node else "")

    def run(self, node):
        """A run, and how it ended unless well."""
        told = self.ids[node["run_id"]] + ("" if node["state"] == "COMPLETE" else " " + node["state"])
        return told + ("." + node["column"] if "column" in node else "")

    def edges(self, answer, cut=False):
        """Of why or impact, as `chains` has them; a node without edges stands alone."""
        assert answer["truncated"] == cut
        names = {node["id"]: self.name(node) for node in answer["nodes"]}
        edges = {(names[each["from"]], names[each["to"]]) for each in answer["edges"]}
        joined = {name for edge in edges for name in edge}
        return edges | {(name,) for name in names.values() if name not in joined}


class Place(Names):
    """Attributes: files (the working directory), runs (receipts), agent, env."""

    def __init__(self, runner, directory, namespace, programs, store=None):
        super().__init__()
        self.runner, self.directory = runner, directory
        self.files, self.runs = directory / "work", directory / "runs"
        self.files.mkdir()
        for name, text in programs.items():
            (self.files / name).write_text(text)
        self.agent = Agent(runner, procs.built("lineaged"), directory / "agent",
                           [store_route(directory / "agent/lineage.db", on_lag="pin", **(store or {}))]).start()
        config = directory / "agent/config/lineaged"  # where `lineage` looks once no agent runs
        config.mkdir(parents=True)
        (config / "lineaged.yaml").write_text(self.agent.config.read_text())
        clean = {k: v for k, v in os.environ.items()
                 if not k.startswith(("OPENLINEAGE", "LINEAGE", "BAGGAGE", "TRACE", "PYTHON", "GIT_", "NO_COLOR"))}
        self.env = {**clean, **{k: v for k, v in self.agent.environment().items() if v}, "LC_ALL": "C.UTF-8",
                    "OPENLINEAGE_NAMESPACE": namespace, "LINEAGE_RUNS": str(self.runs),
                    "PATH": "%s:%s:%s" % (procs.built("lineage").parent, procs.built("lineaged").parent, clean["PATH"])}

    # what people do

    def __call__(self, *words, check=0, env=None, cwd=None):
        done = subprocess.run([str(word) for word in words], env={**self.env, **(env or {})}, cwd=cwd or self.files, text=True,
                              capture_output=True, stdin=subprocess.DEVNULL, timeout=120, check=False)
        assert check is None or done.returncode == check, (words, done.returncode, done.stdout, done.stderr)
        return done

    def ask(self, *words, check=0):
        return json.loads(self("lineage", words[0], "--json", *words[1:], check=check).stdout)

    def git(self, *words):
        return self("git", "-c", "user.name=n", "-c", "user.email=n@example.org", *words).stdout.strip()

    def commit(self, name):
        self.git("add", ".")
        self.git("commit", "-q", "-m", name)
        self.commits[self.git("rev-parse", "HEAD")] = name

    def begin(self, name, *words):
        """A run of several steps; what is called in its environment belongs to it."""
        self.env["LINEAGE_RUN_ID"] = self("lineage", "begin", *words).stdout.strip().splitlines()[-1]
        self.ids[self.env["LINEAGE_RUN_ID"]] = name
        return self.env["LINEAGE_RUN_ID"]

    def end(self, *words):
        run = self.env.pop("LINEAGE_RUN_ID")
        self("lineage", "end", *words, run)
        self.learn(self.ids[run], self.runs / run)

    def decision(self, name, *words):
        """An approval or a deployment; its run is called NAME."""
        said = self.ask(*words)
        self.ids[said["run_id"]] = name
        return said

    def made(self, path, name=None):
        """These bytes are called NAME (default: as the file is)."""
        digest = self("lineage", "artifact", path).stdout.split()[0]
        file = str(path).rpartition(":")[2].rpartition("/")[2]
        self.versions[file, digest if ":" in digest else "sha256:" + digest] = name or file

    def settle(self):
        """All that was told is in the store: journals are gone once they are taken in."""
        procs.wait_until(lambda: not [path for path in self.agent.journal.rglob("*") if path.is_file() and path.name[0] != "."] and
                         all(route["waiting"] == 0 for route in self.agent.status()["routes"]), 30,
                         lambda: str(self.agent.status()))

    @contextlib.contextmanager
    def at(self, agent, runs=None):
        """Asks (and tells) another agent; other receipts."""
        was = self.agent, self.env, self.runs
        self.agent, self.runs = agent, runs or self.runs
        self.env = {**self.env, **{k: v for k, v in agent.environment().items() if v}, "LINEAGE_RUNS": str(self.runs)}
        yield
        self.agent, self.env, self.runs = was

    def graph(self, *words, cut=False):
        """The edges of why or impact."""
        return self.edges(self.ask(*words), cut)


def played(world, factory):
    """For a fixture of a module: the story once, for questions that change nothing."""
    directory = factory.mktemp("story")
    runner = procs.Runner(directory)
    try:
        place = world(runner, directory).play()
        yield place
        assert place.agent.stop() == 0
    finally:
        runner.close()


def chains(text):
    """Edges written as lines: a -> b -> c."""
    found = set()
    for line in filter(str.strip, text.splitlines()):
        names = [name.strip() for name in line.split("->")]
        found |= set(zip(names, names[1:])) if len(names) > 1 else {(names[0],)}
    return found


def rfc3339(text):
    return re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d\d\dZ", text)
