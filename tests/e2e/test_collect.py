# SPDX-License-Identifier: Apache-2.0
"""What is found around a run, on the real thing: repositories that git itself made, this machine, this container."""
import json
import os
import platform
import re
import subprocess

import pytest

GIT = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@example.org", "GIT_COMMITTER_NAME": "a",
       "GIT_COMMITTER_EMAIL": "a@example.org", "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"}


def git(where, *args):
    done = subprocess.run(["git", *args], cwd=where, env={**os.environ, **GIT}, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def repository(workdir):
    where = workdir / "shop"
    where.mkdir()
    git(where, "init", "-q", "-b", "main")
    (where / "clean.py").write_text("print(1)\n")
    git(where, "add", ".")
    git(where, "commit", "-q", "-m", "one")
    return where


@pytest.fixture
def collected(runner, built, workdir, monkeypatch):
    """collected(directory): the facets of a C program's run and job that asked there for all."""
    for name in list(os.environ):  # nothing around the test may add facets
        if name not in ("PATH", "HOME", "LD_LIBRARY_PATH") and not name.endswith("SAN_OPTIONS"):
            monkeypatch.delenv(name)
    count = iter(range(1000))

    def run(where):
        journal = workdir / f"journal{next(count)}"
        journal.mkdir()
        done = runner.run(built("collect_emit"), str(journal), cwd=where)
        assert done.status == 0, done.err
        lines = [json.loads(line) for path in journal.glob("*.jsonl") for line in path.read_bytes().splitlines()]
        event = next(e for e in lines if e.get("eventType") == "COMPLETE")
        return {**event["run"]["facets"], **event["job"]["facets"]}
    return run


def code_of(facets):
    return {key: value for key, value in facets["lineaged_code"].items() if key[0] != "_"}


def test_git_branch_and_commit(collected, repository):
    commit = git(repository, "rev-parse", "HEAD")
    below = repository / "a" / "b"
    below.mkdir(parents=True)
    assert code_of(collected(below)) == {"vcs": "git", "commit": commit, "branch": "main", "root": str(repository)}


def test_git_packed_refs_tag_and_detached_head(collected, repository):
    first = git(repository, "rev-parse", "HEAD")
    git(repository, "tag", "-a", "-m", "one", "v1")
    git(repository, "commit", "-q", "--allow-empty", "-m", "two")
    git(repository, "tag", "light")
    assert code_of(collected(repository))["tag"] == "light"
    git(repository, "pack-refs", "--all")
    assert not (repository / ".git/refs/heads/main").exists()
    code = code_of(collected(repository))
    assert (code["commit"], code["branch"], code["tag"]) == (git(repository, "rev-parse", "HEAD"), "main", "light")
    git(repository, "checkout", "-q", first)
    code = code_of(collected(repository))
    assert (code["commit"], code["tag"]) == (first, "v1") and "branch" not in code


def test_git_worktree(collected, repository, workdir):
    git(repository, "worktree", "add", "-q", "-b", "side", str(workdir / "side"))
    git(workdir / "side", "commit", "-q", "--allow-empty", "-m", "two")
    git(repository, "remote", "add", "origin", "https://ann:ghp_secret@example.org/shop.git")
    facets = collected(workdir / "side")
    assert code_of(facets) == {"vcs": "git", "commit": git(workdir / "side", "rev-parse", "HEAD"), "branch": "side",
                               "root": str(workdir / "side"), "remote": "https://example.org/shop.git"}
    place = facets["sourceCodeLocation"]
    assert (place["type"], place["url"], place["branch"]) == ("git", "https://example.org/shop.git", "side")
    assert "ghp_secret" not in json.dumps(facets)


def test_git_submodule(collected, repository, workdir):
    outer = workdir / "outer"
    outer.mkdir()
    git(outer, "init", "-q", "-b", "main")
    git(outer, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(repository), "lib/shop")
    git(outer, "commit", "-q", "-m", "with it")
    commit = git(repository, "rev-parse", "HEAD")
    assert code_of(collected(outer))["submodules"] == [{"path": "lib/shop", "commit": commit}]
    assert code_of(collected(outer / "lib/shop"))["commit"] == commit  # and its own, from within


def test_git_of_sha256(collected, workdir):
    where = workdir / "new"
    where.mkdir()
    git(where, "init", "-q", "-b", "main", "--object-format=sha256")
    git(where, "commit", "-q", "--allow-empty", "-m", "one")
    assert code_of(collected(where))["commit"] == git(where, "rev-parse", "HEAD")
    assert len(git(where, "rev-parse", "HEAD")) == 64


def test_git_directory_of_somebody_else(collected, repository):
    """safe.directory keeps git from running what another user's repository says; nothing is run here."""
    if os.geteuid() != 0:
        pytest.skip("only root can give a file away")
    os.chown(repository / ".git", 65534, 65534)
    os.chown(repository, 65534, 65534)
    refused = subprocess.run(["git", "status"], cwd=repository, env={**os.environ, **GIT}, capture_output=True, text=True)
    assert "dubious ownership" in refused.stderr
    assert len(code_of(collected(repository))["commit"]) == 40


def test_no_repository(collected, workdir):
    assert "lineaged_code" not in collected(workdir) or str(workdir).startswith(code_of(collected(workdir))["root"])


def test_machine(collected, workdir):
    told = collected(workdir)["lineaged_machine"]
    system = os.uname()
    assert (told["host"], told["arch"], told["kernel"]) == (system.nodename, system.machine,
                                                           "%s %s" % (system.sysname, system.release))
    assert told["cpu_count"] == os.cpu_count()
    assert told["memory_bytes"] == os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        model = re.search(r"^model name\s*:\s*(.*?)\s*$", file.read(), re.M)
    assert told.get("cpu_model") == (model.group(1) if model else told.get("cpu_model"))
    name, version = platform.libc_ver()
    if name == "glibc":
        assert told["libc"] == "glibc " + version
    limit = len(os.sched_getaffinity(0))
    assert told.get("cpu_limit", os.cpu_count()) <= limit


def test_container(collected, workdir):
    """Only where there is one: a Docker or Podman container is told, a plain machine is none."""
    facets = collected(workdir)
    if os.path.exists("/.dockerenv") or os.path.exists("/run/.containerenv"):
        assert facets["lineaged_container"]["runtime"] in ("docker", "podman", "containerd", "cri-o", "kubernetes")
    elif "lineaged_container" in facets:
        assert facets["lineaged_container"].get("id") or facets["lineaged_container"].get("runtime")


def test_other_tools_and_seeds(collected, workdir, monkeypatch):
    assert not {"lineaged_tools", "lineaged_reproducibility"} & set(collected(workdir))
    for key, value in {"MLFLOW_RUN_ID": "0a1b", "MLFLOW_TRACKING_URI": "https://ann:hush@mlflow.example.org",
                       "LAKEFS_REPOSITORY": "lake", "FEAST_PROJECT": "shop", "DVC_STAGE": "train",
                       "PYTHONHASHSEED": "7"}.items():
        monkeypatch.setenv(key, value)
    facets = collected(workdir)
    assert facets["lineaged_tools"]["tools"] == [
        {"tool": "mlflow", "run": "0a1b", "url": "https://mlflow.example.org"}, {"tool": "feast", "project": "shop"},
        {"tool": "lakefs", "project": "lake"}, {"tool": "dvc", "name": "train"}]
    assert facets["lineaged_reproducibility"]["seeds"] == {"PYTHONHASHSEED": "7"}
    assert "hush" not in json.dumps(facets)
