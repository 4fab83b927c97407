# SPDX-License-Identifier: Apache-2.0
"""What the tests fetch once (jars, a venv), kept under one directory, made whole or not at all.

The directory is $LINEAGED_TESTS_CACHE, else $XDG_CACHE_HOME/lineaged-tests, else ~/.cache/lineaged-tests.
"""
import contextlib
import fcntl
import hashlib
import os
import pathlib
import shutil
import subprocess
import tempfile

CANNOT_EXIT = 77


class Cannot(Exception):
    """Something this machine lacks; tests skip and say so, programs exit 77."""


def root():
    given = os.environ.get("LINEAGED_TESTS_CACHE")
    if given:
        return pathlib.Path(given)
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return pathlib.Path(home) / "lineaged-tests"


def need(*programs):
    """Cannot, unless every program is in PATH."""
    for program in programs:
        if shutil.which(program) is None:
            raise Cannot("no '%s' in PATH" % program)


def run(argv, what, timeout=540):
    """Run a fetching or building command; Cannot with its first errors when it fails."""
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=timeout, check=False)
    except (OSError, subprocess.TimeoutExpired) as bad:
        raise Cannot("%s: %s" % (what, bad)) from None
    if done.returncode != 0:
        lines = done.stdout.decode(errors="replace").strip().splitlines()
        told = [line for line in lines if "error" in line.lower()][:2] or lines[-3:]
        raise Cannot("%s: exit %d: %s" % (what, done.returncode, " | ".join(told)[:600]))


@contextlib.contextmanager
def _locked(path):
    with open(path, "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def directory(name, inputs, make, movable=True):
    """The directory `name`-<digest of inputs>, filled by make(path) if it is not there yet.

    inputs: paths and strings that decide the content. movable=False for what holds its own path (a venv):
    it is made in place, and a stamp says that it is whole. One maker at a time, also across processes.
    """
    digest = hashlib.sha256()
    for item in inputs:
        digest.update(item.read_bytes() if isinstance(item, pathlib.Path) else str(item).encode())
        digest.update(b"\0")
    try:
        root().mkdir(parents=True, exist_ok=True)
    except OSError as bad:
        raise Cannot("test cache: %s" % bad) from None
    final = root() / ("%s-%s" % (name, digest.hexdigest()[:16]))
    stamp = final / ".whole"
    if stamp.exists():
        return final
    with _locked(root() / (name + ".lock")):
        if stamp.exists():
            return final
        shutil.rmtree(final, ignore_errors=True)
        work = pathlib.Path(tempfile.mkdtemp(prefix=name + ".new-", dir=root())) if movable else final
        try:
            make(work)
            work.mkdir(exist_ok=True)
            (work / ".whole").touch()
            if movable:
                work.chmod(0o755)
                work.rename(final)
        except BaseException:
            shutil.rmtree(work, ignore_errors=True)
            raise
    return final


def jars(name, pom):
    """A directory with the jars that `pom` names, resolved by Maven, checksums enforced."""
    need("java", "mvn")

    def make(work):
        run(["mvn", "-q", "-B", "-C", "-f", str(pom), "dependency:copy-dependencies",
             "-DincludeScope=runtime", "-DoutputDirectory=" + str(work)], "Maven, " + pom.parent.name)
        if not any(work.glob("*.jar")):
            raise Cannot("Maven, %s: no jar was copied" % pom.parent.name)

    return directory(name, [pom], make)
