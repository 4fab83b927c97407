# SPDX-License-Identifier: Apache-2.0
"""Processes of a test: started with their output in files, always reaped, ended by pid."""
import os
import pathlib
import signal
import subprocess
import time

REPO = pathlib.Path(__file__).resolve().parent.parent.parent


def wait_until(condition, timeout=30.0, what=None, interval=0.02):
    """The first true value of condition(); AssertionError after `timeout` seconds without one.

    `what` may be a text or a function that describes how things stand at the end.
    """
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            told = what() if callable(what) else what or getattr(condition, "__name__", "condition")
            raise AssertionError("not within %g s: %s" % (timeout, told))
        time.sleep(interval)


def build_dir():
    given = os.environ.get("LINEAGED_BUILD_DIR")
    return pathlib.Path(given).resolve() if given else REPO / "build" / "dev"


def built(name):
    """The built program `name`; FileNotFoundError says what to do."""
    for place in ("agent", "cli", "bin", "."):
        path = build_dir() / place / name
        if path.is_file() and os.access(path, os.X_OK):
            return path
    for path in sorted(build_dir().rglob(name)):
        if path.is_file() and os.access(path, os.X_OK):
            return path
    raise FileNotFoundError("no program '%s' under %s: build it (cmake --build --preset dev) or set "
                            "LINEAGED_BUILD_DIR" % (name, build_dir()))


def _cmake_cache():
    cache = {}
    for line in (build_dir() / "CMakeCache.txt").read_text().splitlines():
        name, equals, value = line.partition("=")
        if equals:
            cache[name.partition(":")[0]] = value  # NAME:TYPE=VALUE
    return cache


def sanitizers():
    """Those the programs were built with, "address,undefined" or "thread"; empty: none."""
    return _cmake_cache().get("OL_SANITIZE", "")


def compiler():
    """The build's compiler, with its sanitizers: what links a library of the build needs them as well."""
    return [_cmake_cache()["CMAKE_C_COMPILER"], *(["-fsanitize=" + sanitizers()] if sanitizers() else [])]


class Process:
    """One running program; out and err are files that grow while it runs."""

    def __init__(self, argv, directory, name, env=None, stdin=subprocess.DEVNULL, **options):
        self.argv = [str(word) for word in argv]
        self.out_path = directory / (name + ".out")
        self.err_path = directory / (name + ".err")
        with open(self.out_path, "wb") as out, open(self.err_path, "wb") as err:
            self.popen = subprocess.Popen(self.argv, stdin=stdin, stdout=out, stderr=err,
                                          env=None if env is None else {**os.environ, **env}, **options)
        self.pid = self.popen.pid

    @property
    def out(self):
        return self.out_path.read_text(errors="replace")

    @property
    def err(self):
        return self.err_path.read_text(errors="replace")

    def is_running(self):
        return self.popen.poll() is None

    def signal(self, number):
        """Send a signal; nothing to do for one that has ended."""
        self.popen.send_signal(number)

    def wait(self, timeout=30):
        """Exit status; -n for a signal n. AssertionError with the output if it does not end."""
        try:
            return self.popen.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError("%s still runs after %g s; stderr: %s"
                                 % (self.argv[0], timeout, self.err[-2000:])) from None

    def kill(self):
        """SIGKILL and reap."""
        self.popen.kill()
        return self.popen.wait()

    def stop(self, timeout=30):
        """SIGTERM, wait, exit status."""
        self.signal(signal.SIGTERM)
        return self.wait(timeout)


class Runner:
    """Starts processes of one test and ends those that are left."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.started = []

    def start(self, *argv, name=None, **options):
        name = "%s.%d" % (name or pathlib.Path(str(argv[0])).name, len(self.started))
        process = Process(argv, self.directory, name, **options)
        self.started.append(process)
        return process

    def run(self, *argv, timeout=60, **options):
        """Start and wait; the ended process, with .status."""
        process = self.start(*argv, **options)
        process.status = process.wait(timeout)
        return process

    def close(self):
        for process in reversed(self.started):
            if process.is_running():
                process.signal(signal.SIGCONT)
                process.signal(signal.SIGTERM)
                try:
                    process.popen.wait(10)
                except subprocess.TimeoutExpired:
                    process.kill()
