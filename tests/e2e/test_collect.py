# SPDX-License-Identifier: Apache-2.0
"""What is found around a run, on the real thing: repositories that git itself made, this machine, this container."""
import hashlib
import json
import os
import platform
import re
import subprocess
import time

import pytest

from procs import REPO
from test_receipts import Place, read

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
    program = built("collect_emit")
    for name in list(os.environ):  # nothing around the test may add facets
        if name not in ("PATH", "HOME", "LD_LIBRARY_PATH") and not name.endswith("SAN_OPTIONS"):
            monkeypatch.delenv(name)
    count = iter(range(1000))

    def run(where):
        journal = workdir / f"journal{next(count)}"
        journal.mkdir()
        done = runner.run(program, str(journal), cwd=where)
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


# ---- lineage run ----

@pytest.fixture
def place(built, workdir, monkeypatch):
    for name in list(os.environ):
        if name.startswith(("SLURM", "MLFLOW", "DVC", "PYTHONHASH", "OMP", "MKL", "CUDA", "KUBER", "POD")):
            monkeypatch.delenv(name)
    made = Place(built("lineage"), workdir)
    made.env.update(GIT)
    git(made.files, "init", "-q", "-b", "main")
    (made.files / "clean.py").write_text("print(1)\n")
    (made.files / ".gitignore").write_text("runs\n")
    git(made.files, "add", ".")
    git(made.files, "commit", "-q", "-m", "one")
    return made


def receipt(place):
    return read(max((place.files / "runs").glob("*/steps/*/attempt-*/receipt.json"), key=os.path.getmtime))


def facets_of(place, kind="COMPLETE"):
    event = [e for e in place.events() if e["eventType"] == kind and e["job"]["name"] != e["run"].get("root")][0]
    return {**event["run"]["facets"], **event["job"]["facets"]}


def plain(facet):
    return {key: value for key, value in facet.items() if key[0] != "_"}


def test_a_receipt_tells_of_itself(place):
    """Without an option: code, machine, scheduler, seeds, other tools; in claim, receipt and both events the same."""
    place.env.update(PYTHONHASHSEED="3", SLURM_JOB_ID="42", SLURM_JOB_NAME="night", MLFLOW_RUN_ID="0a1b")
    place("run", "--step", "clean", "--", "true", check=0)
    told = receipt(place)
    assert told["code"] == {"vcs": "git", "commit": git(place.files, "rev-parse", "HEAD"), "branch": "main",
                            "root": str(place.files)}
    assert told["machine"]["kernel"] == "Linux " + os.uname().release
    assert told["scheduler"] == {"scheduler": "slurm", "task_id": "42", "workflow": "night", "workflow_run": "42"}
    assert told["tools"] == {"tools": [{"tool": "mlflow", "run": "0a1b"}]}
    assert told["reproducibility"] == {"seeds": {"PYTHONHASHSEED": "3"}}
    claim = read(next((place.files / "runs").glob("*/steps/clean/attempt-1/claim.json")))
    for part in ("code", "machine", "scheduler", "tools", "reproducibility"):
        assert claim[part] == told[part]
    for kind in ("START", "COMPLETE"):
        facets = next({**e["run"]["facets"]} for e in place.events()
                      if e["eventType"] == kind and e["job"]["name"] == "clean")
        for part in ("code", "machine", "tools", "reproducibility"):
            assert plain(facets["lineaged_" + part]) == told[part]
    place("verify", told["run_id"], check=0)


def test_nothing_is_looked_for_without_a_receipt(place):
    place("run", "--job", "clean", "--", "true", check=0)
    assert not {"lineaged_code", "lineaged_machine", "sourceCodeLocation"} & set(facets_of(place))


def test_git_says_what_differs(place):
    """--git: a clean tree, then changed and unknown files; the patch is kept and makes the same of the commit."""
    place("run", "--git", "--job", "clean", "--", "true", check=0)
    code = plain(facets_of(place)["lineaged_code"])
    assert (code["dirty"], code["changed_count"], code["untracked_count"]) == (False, 0, 0)
    assert "patch_sha256" not in code
    (place.files / "clean.py").write_text("print(2)\n")
    (place.files / "new").write_text("")
    git(place.files, "remote", "add", "origin", "https://ann:ghp_0123456789@example.org/shop.git")
    place("run", "--git", "--step", "again", "--", "true", check=0)
    told = receipt(place)
    code = told["code"]
    assert (code["dirty"], code["changed_count"], code["untracked_count"]) == (True, 1, 1)
    patch = (place.files / "runs" / code["patch_object"]).read_bytes()
    assert hashlib.sha256(patch).hexdigest() == code["patch_sha256"] and len(patch) == code["patch_size"]
    assert told["kept"][0]["path"] == "code.patch" and told["kept"][0]["sha256"] == code["patch_sha256"]
    git(place.files, "checkout", "-q", "--", "clean.py")
    subprocess.run(["git", "apply", "-"], cwd=place.files, input=patch, check=True)
    assert (place.files / "clean.py").read_text() == "print(2)\n"
    event = place.events()[-2]
    assert event["job"]["facets"]["sourceCodeLocation"]["repoUrl"] == "https://example.org/shop.git"
    assert "ghp_0123456789" not in json.dumps(place.events()) + json.dumps(told)
    place("verify", told["run_id"], check=0)


def test_a_secret_in_a_patch_is_not_kept(place):
    (place.files / "clean.py").write_text("password = 'hunter2-hunter2'\nkey = 'AKIAIOSFODNN7EXAMPLE'\n")
    place("run", "--git", "--step", "clean", "--", "true", check=0)
    told = receipt(place)
    kept = (place.files / "runs" / told["code"]["patch_object"]).read_text()
    assert "AKIAIOSFODNN7EXAMPLE" not in kept and told["kept"][0]["sha256"] != told["code"]["patch_sha256"]
    assert b"AKIAIOSFODNN7EXAMPLE" not in b"".join(p.read_bytes() for p in place.files.rglob("runs/**/*") if p.is_file())


def test_git_of_a_format_that_only_git_reads(place, workdir):
    """A worktree, an unborn branch, and what is refused: what git says is taken, else what its files say."""
    git(place.files, "worktree", "add", "-q", "--detach", str(workdir / "side"))
    place.files = workdir / "side"
    place("run", "--git", "--job", "clean", "--", "true", check=0)
    code = plain(facets_of(place)["lineaged_code"])
    assert code["dirty"] is False and "branch" not in code and code["root"] == str(workdir / "side")


def test_git_refuses_the_repository_of_somebody_else(place):
    """What its files say is told all the same, and nothing of what git will not say."""
    if os.geteuid() != 0:
        pytest.skip("only root can give a file away")
    for path in (place.files, place.files / ".git"):
        os.chown(path, 65534, 65534)
    place("run", "--git", "--step", "clean", "--", "true", check=0)
    code = receipt(place)["code"]
    assert len(code["commit"]) == 40 and code["branch"] == "main" and not {"dirty", "patch_sha256"} & set(code)


def test_a_submodule_that_differs(place, workdir):
    inner = workdir / "inner"
    inner.mkdir()
    git(inner, "init", "-q")
    git(inner, "commit", "-q", "--allow-empty", "-m", "one")
    git(place.files, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(inner), "lib")
    git(place.files, "commit", "-q", "-m", "with it")
    git(place.files / "lib", "commit", "-q", "--allow-empty", "-m", "two")
    place("run", "--git", "--step", "clean", "--", "true", check=0)
    code = receipt(place)["code"]
    assert code["submodules"] == [{"path": "lib", "commit": git(place.files / "lib", "rev-parse", "HEAD")}]
    assert (code["dirty"], code["changed_count"]) == (True, 1)


def test_a_git_that_hangs_keeps_nobody_waiting(place, workdir):
    bin_ = workdir / "bin"
    bin_.mkdir()
    (bin_ / "git").write_text("#!/bin/sh\necho $$ > %s/pid\nexec sleep 600\n" % workdir)
    (bin_ / "git").chmod(0o755)
    place.env["PATH"] = "%s:%s" % (bin_, place.env["PATH"])
    begin = time.monotonic()
    place("run", "--git", "--step", "clean", "--", "true", check=0)
    assert time.monotonic() - begin < 20
    assert "dirty" not in receipt(place)["code"] and len(receipt(place)["code"]["commit"]) == 40
    with pytest.raises(ProcessLookupError):
        os.kill(int((workdir / "pid").read_text()), 0)


def test_collect_names_what_is_found(place):
    place.env["PYTHONHASHSEED"] = "3"
    place("run", "--collect", "seeds,machine", "--job", "one", "--", "true", check=0)
    found = {key for key in facets_of(place) if key in ("lineaged_machine", "lineaged_code", "lineaged_reproducibility")}
    assert found == {"lineaged_machine", "lineaged_reproducibility"}
    place("run", "--collect", "none", "--step", "two", "--", "true", check=0)
    assert not {"code", "machine", "reproducibility", "scheduler"} & set(receipt(place))
    refused = place("run", "--collect", "everything", "--", "true")
    assert refused.returncode == 2 and "--collect: 'everything': expected code, git, machine" in refused.stderr


def test_gpus_that_nvidia_smi_tells(place, workdir):
    bin_ = workdir / "bin"
    bin_.mkdir()
    (bin_ / "nvidia-smi").write_text("#!/bin/sh\necho '00000000:41:00.0, NVIDIA H100, GPU-1, 550.54.15, 81559'\n")
    (bin_ / "nvidia-smi").chmod(0o755)
    place.env["PATH"] = "%s:%s" % (bin_, place.env["PATH"])
    place("run", "--collect", "gpu", "--step", "train", "--", "true", check=0)
    assert {"name": "NVIDIA H100", "vendor": "NVIDIA", "address": "00000000:41:00.0", "uuid": "GPU-1",
            "driver_version": "550.54.15", "memory_bytes": 81559 << 20} in receipt(place)["machine"]["gpus"]


def test_what_the_caller_says_stays(place):
    digest = "sha256:" + "ab" * 32
    place("run", "--step", "clean", "--facet", 'lineaged_code={"commit": "mine"}', "--image", "shop:1@" + digest, "--",
          "true", check=0)
    event = next(e for e in place.events() if e["eventType"] == "COMPLETE" and e["job"]["name"] == "clean")
    assert plain(event["run"]["facets"]["lineaged_code"]) == {"commit": "mine"}
    container = event["run"]["facets"]["lineaged_container"]
    assert (container["image"], container["image_digest"]) == ("shop:1", digest)
    assert (receipt(place)["container"]["image"], receipt(place)["container"]["image_digest"]) == ("shop:1", digest)


DVC_LOCK = """schema: '2.0'
stages:
  clean:
    cmd: python clean.py
    deps:
    - path: raw.csv
      hash: md5
      md5: 60b725f10c9c85c70d97880dfe8191b3
      size: 2
    outs:
    - path: clean
      hash: md5
      md5: 22e3f61e52c0ba45334d973244efc155.dir
      size: 12
      nfiles: 2
"""


def test_dvc_files(place):
    (place.files / ".dvc").mkdir()
    (place.files / "dvc.lock").write_text(DVC_LOCK)
    (place.files / "raw.csv.dvc").write_text("outs:\n- md5: 60b725f10c9c85c70d97880dfe8191b3\n  size: 2\n  path: raw.csv\n")
    place("run", "--step", "clean", "--", "true", check=0)
    told = receipt(place)["dvc"]
    assert told["lock_sha256"] == hashlib.sha256(DVC_LOCK.encode()).hexdigest() and told["data_count"] == 3
    assert told["data"] == [
        {"path": "raw.csv", "role": "dep", "stage": "clean", "algorithm": "md5",
         "hash": "60b725f10c9c85c70d97880dfe8191b3", "size": 2},
        {"path": "clean", "role": "out", "stage": "clean", "algorithm": "md5",
         "hash": "22e3f61e52c0ba45334d973244efc155.dir", "size": 12, "file_count": 2},
        {"path": "raw.csv", "role": "out", "algorithm": "md5", "hash": "60b725f10c9c85c70d97880dfe8191b3", "size": 2}]


def test_dvc_files_that_are_none(place):
    (place.files / ".dvc").mkdir()
    os.mkfifo(place.files / "dvc.lock")
    (place.files / "x.dvc").symlink_to("x.dvc")
    (place.files / "y.dvc").write_text("outs: &a [*a]\n")
    place("run", "--step", "clean", "--", "true", check=0)
    assert "dvc" not in receipt(place)


@pytest.mark.slow
def test_dvc_itself(place, dvc_python):
    """DVC from PyPI adds a file and runs a stage, within which a run is recorded."""
    def dvc(*words):
        subprocess.run([dvc_python, "-m", "dvc", *words], cwd=place.files, env={**place.env, "DVC_NO_ANALYTICS": "1"},
                       check=True, capture_output=True, text=True)
    (place.files / "raw.csv").write_text("b\na\n")
    dvc("init")
    dvc("add", "raw.csv")
    dvc("stage", "add", "-n", "clean", "-d", "raw.csv", "-o", "clean.csv",
        "lineage run --step clean -i raw.csv -o clean.csv -- sort raw.csv -o clean.csv")
    dvc("repro")
    place("run", "--step", "after", "--", "true", check=0)
    told = receipt(place)
    items = {(each["path"], each["role"]): each for each in told["dvc"]["data"]}
    md5 = hashlib.md5(b"b\na\n").hexdigest()
    assert items["raw.csv", "out"]["hash"] == md5 and "stage" not in items["raw.csv", "out"]
    assert items["raw.csv", "dep"]["hash"] == md5 and items["raw.csv", "dep"]["stage"] == "clean"
    assert items["clean.csv", "out"]["hash"] == hashlib.md5(b"a\nb\n").hexdigest()
    inside = read(next((place.files / "runs").glob("*/steps/clean/attempt-1/receipt.json")))
    assert {"tool": "dvc", "name": "clean"}.items() <= inside["tools"]["tools"][0].items()


def test_receipts_with_all_of_it_are_valid(place, schema_judge):
    """By the schemas, which have the same members as those of the facets (tests/unit/test_generate.py)."""
    (place.files / ".dvc").mkdir()
    (place.files / "dvc.lock").write_text(DVC_LOCK)
    (place.files / "clean.py").write_text("print(2)\n")
    place.env.update(PYTHONHASHSEED="3", SLURM_JOB_ID="42", MLFLOW_RUN_ID="0a1b")
    place("run", "--git", "--step", "clean", "--", "true", check=0)
    found = [read(path) for path in (place.files / "runs").glob("*/steps/*/attempt-1/*.json")]
    assert len(found) == 2 and all({"code", "machine", "scheduler", "tools", "dvc", "reproducibility"} <= set(each)
                                   for each in found)
    wrong = schema_judge(REPO / "spec/schemas", [[each["schema"], each] for each in found])
    assert not any(wrong), wrong
