# SPDX-License-Identifier: Apache-2.0
"""`lineage run` is transparent, and what it records is true. No agent: the journal is read as it lies there.

The promises are those at the top of cli/run.c, cli/run_child.c and cli/run_files.c.
"""
import hashlib
import json
import os
import pathlib
import pty
import resource
import signal
import subprocess
import sys
import termios

import pytest

CATCHER = pathlib.Path(__file__).resolve().parent.parent / "support" / "signal_catcher.py"


class Wrapped:
    """`lineage run` with a journal of its own."""

    def __init__(self, lineage, directory):
        self.lineage, self.directory = str(lineage), directory
        self.journal = directory / "journal"
        self.journal.mkdir(mode=0o700)
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("OPENLINEAGE", "LINEAGED_"))}
        self.env = {**clean, "HOME": str(directory), "XDG_STATE_HOME": str(directory / "state"),
                    "XDG_CONFIG_HOME": str(directory / "config"),
                    "OPENLINEAGE__TRANSPORT__TYPE": "journal",
                    "OPENLINEAGE__TRANSPORT__DIRECTORY": str(self.journal)}

    def argv(self, *words):
        return [self.lineage, "run", *(os.fspath(word) for word in words)]

    def run(self, *words, **options):
        options = {"env": self.env, "cwd": self.directory, "stdin": subprocess.DEVNULL,
                   "capture_output": True, "timeout": 60, **options}
        return subprocess.run(self.argv(*words), **options)

    def start(self, *words, **options):
        options = {"env": self.env, "cwd": self.directory, "stdin": subprocess.DEVNULL,
                   "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        return subprocess.Popen(self.argv(*words), **options)

    def events(self):
        """Every event in the journal, oldest first."""
        found = []
        for path in sorted(self.journal.glob("*.jsonl")):
            found += [json.loads(line) for line in path.read_bytes().splitlines()]
        return [event for event in found if "eventType" in event]

    def types(self):
        return [event["eventType"] for event in self.events()]

    def version(self, side, index=0):
        """What the last event says of a dataset's version, or None."""
        return self.events()[-1][side][index]["facets"].get("version", {}).get("datasetVersion")


@pytest.fixture
def wrapped(built, workdir):
    return Wrapped(built("lineage"), workdir)


def sha256(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


# ---- what is recorded ----

def test_start_then_complete(wrapped, workdir):
    """One run of one job: both events, the files by absolute names, their versions."""
    (workdir / "in").write_bytes(b"some bytes\n")
    done = wrapped.run("-i", "in", "-o", workdir / "out", "-i", "s3://bucket/key", "--", "cp", "in", "out")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    start, complete = wrapped.events()
    assert (start["eventType"], complete["eventType"]) == ("START", "COMPLETE")
    assert start["run"]["runId"] == complete["run"]["runId"]
    assert start["eventTime"] <= complete["eventTime"]
    for event in (start, complete):
        assert (event["job"]["namespace"], event["job"]["name"]) == ("default", "cp")
        kind = event["job"]["facets"]["jobType"]
        assert (kind["processingType"], kind["integration"], kind["jobType"]) == ("BATCH", "LINEAGE", "COMMAND")
        assert [(d["namespace"], d["name"]) for d in event["inputs"]] == [
            ("file", str(workdir / "in")), ("s3://bucket", "key")]
        assert [(d["namespace"], d["name"]) for d in event["outputs"]] == [("file", str(workdir / "out"))]
    assert wrapped.version("inputs") == wrapped.version("outputs") == sha256(b"some bytes\n")
    assert wrapped.version("inputs", 1) is None


def test_names(wrapped, workdir):
    """Job and name space as given; else the command's file name and OPENLINEAGE_NAMESPACE."""
    assert wrapped.run("--job", "nightly", "--namespace", "ops", "/bin/true").returncode == 0
    wrapped.env["OPENLINEAGE_NAMESPACE"] = "team"
    assert wrapped.run("/bin/true").returncode == 0
    jobs = {(event["job"]["namespace"], event["job"]["name"]) for event in wrapped.events()}
    assert jobs == {("ops", "nightly"), ("team", "true")}


def test_file_names_with_anything_in_them(wrapped, workdir):
    names = ["with space", "new\nline", "quote\"back\\slash", "\u00fcml\u00e4ut", "#hash", "-dash", "a=b"]
    for number, name in enumerate(names):
        (workdir / name).write_text(str(number))
    words = [word for name in names for word in ("-i", name)]
    assert wrapped.run(*words, "--", "true").returncode == 0
    for number, name in enumerate(names):
        assert wrapped.events()[-1]["inputs"][number]["name"] == str(workdir / name)
        assert wrapped.version("inputs", number) == sha256(str(number).encode())


@pytest.mark.parametrize("command, status, message", [
    (["true"], 0, None),
    (["sh", "-c", "exit 7"], 7, "command exited with status 7"),
    (["sh", "-c", "exit 255"], 255, "command exited with status 255"),
    (["./there-is-none"], 127, "command not executed: No such file or directory"),
    (["there-is-none"], 127, "command not executed: No such file or directory"),
    (["./not-executable"], 126, "command not executed: Permission denied"),
    (["/"], 126, "command not executed: Permission denied"),
    (["sh", "-c", "exit 126"], 126, "command exited with status 126"),
    (["sh", "-c", "exit 127"], 127, "command exited with status 127"),
    (["sh", "-c", "kill -9 $$"], 137, "command ended by signal 9 (SIGKILL)"),
    (["sh", "-c", "kill -15 $$"], 143, "command ended by signal 15 (SIGTERM)"),
    (["sh", "-c", "kill -40 $$"], 168, "command ended by signal 40 (real-time)"),
], ids=lambda value: " ".join(value) if isinstance(value, list) else "")
def test_exit_status(wrapped, workdir, command, status, message):
    """Ours is the command's (promise 2); the terminal event says why (promise 3)."""
    (workdir / "not-executable").write_text("#!/bin/sh\n")
    done = wrapped.run("--", *command)
    assert done.returncode == status
    assert wrapped.types() == ["START", "FAIL" if status else "COMPLETE"]
    facet = wrapped.events()[-1]["run"]["facets"].get("errorMessage")
    if message is None:
        assert facet is None
    else:
        assert facet["message"] == message
        assert facet["programmingLanguage"]
    if message and "not executed" in message:
        assert command[0].encode() in done.stderr and b"lineage: " in done.stderr


@pytest.mark.parametrize("words, says", [
    ([], b"no command"),
    (["-i"], b"requires an argument"),
    (["--nonsense", "true"], b"nonsense"),
    (["--hash-limit", "lots", "true"], b"'lots': is no size"),
    (["--job", "", "true"], b"--job"),
], ids=str)
def test_wrong_usage(wrapped, words, says):
    """2, the reason, and nothing was run or recorded."""
    done = wrapped.run(*words)
    assert done.returncode == 2
    assert says in done.stderr and done.stdout == b""
    assert wrapped.events() == []


def test_options_end_at_the_command(wrapped):
    done = wrapped.run("echo", "-i", "--job", "--help")
    assert (done.returncode, done.stdout) == (0, b"-i --job --help\n")


# ---- versions ----

def test_hash_limit(wrapped, workdir):
    """A file of the limit's size has a version, one byte more has none; 0 hashes nothing."""
    (workdir / "ten").write_bytes(b"0123456789")
    (workdir / "eleven").write_bytes(b"0123456789a")
    both = ["-i", "ten", "-i", "eleven", "-o", "ten", "-o", "eleven"]
    wrapped.run("--hash-limit", "10", *both, "true")
    assert [wrapped.version(side, n) for side in ("inputs", "outputs") for n in (0, 1)] == [
        sha256(b"0123456789"), None, sha256(b"0123456789"), None]
    wrapped.run("--hash-limit", "0", *both, "true")
    assert [wrapped.version(side, n) for side in ("inputs", "outputs") for n in (0, 1)] == [None] * 4


def test_input_is_what_was_there_before(wrapped, workdir):
    """The command replaces, changes in place, or removes its input at once, again and again: the version, where
    there is one, is of the old bytes (run_files.c 1); of a replaced file there always is one."""
    path = workdir / "in"
    for script in ("printf new > new; mv new in", "printf new > in", "rm in"):
        for _ in range(20):
            path.write_bytes(b"old")
            assert wrapped.run("-i", "in", "--", "sh", "-c", script).returncode == 0
            version = wrapped.version("inputs")
            assert version in (None, sha256(b"old")), script
            if "mv" in script:
                assert version == sha256(b"old")


def test_file_that_changes_while_it_is_hashed(wrapped, workdir):
    """It has no version (promise 4)."""
    with open(workdir / "big", "wb") as big:
        big.truncate(256 << 20)
    done = wrapped.run("-i", "big", "--", "sh", "-c", "printf x | dd of=big conv=notrunc 2>/dev/null")
    assert done.returncode == 0
    assert wrapped.types() == ["START", "COMPLETE"]
    assert wrapped.version("inputs") is None


def test_no_regular_files(wrapped, workdir):
    """A FIFO without a reader, a device: declared, never waited for, no version."""
    os.mkfifo(workdir / "fifo")
    done = wrapped.run("-i", "fifo", "-i", "/dev/zero", "-o", "fifo", "--", "true")
    assert done.returncode == 0
    assert [wrapped.version("inputs", n) for n in range(2)] == [None] * 2
    assert wrapped.version("outputs") is None


def test_output_that_is_not_there(wrapped):
    done = wrapped.run("-o", "none", "--", "true")
    assert done.returncode == 0
    assert b"output 'none' is not there" in done.stderr
    assert wrapped.types() == ["START", "COMPLETE"]
    assert wrapped.run("-q", "-o", "none", "--", "true").stderr == b""


def test_many_inputs(wrapped, workdir):
    """More than descriptors allow: all have their version."""
    (workdir / "many").mkdir()
    words = []
    for number in range(600):
        path = workdir / "many" / str(number)
        path.write_text(str(number))
        words += ["-i", path]
    done = wrapped.run(*words, "true", preexec_fn=lambda: resource.setrlimit(
        resource.RLIMIT_NOFILE, (128, 128)))
    assert done.returncode == 0, done.stderr
    for number in range(600):
        assert wrapped.version("inputs", number) == sha256(str(number).encode())


# ---- what the command sees ----

LOOK = """
import json, os, sys
fds = {}
for fd in range(0, 1024):
    try:
        st = os.fstat(fd)
    except OSError:
        continue
    fds[fd] = [st.st_dev, st.st_ino, os.get_inheritable(fd)]
status = [l.split() for l in open("/proc/self/status") if l.startswith("Sig")]
signals = {l[0]: l[1] for l in status if l[0] in ("SigBlk:", "SigIgn:", "SigCgt:")}
with open(sys.argv[1], "w") as out:
    json.dump({"fds": fds, "signals": signals, "group": os.getpgrp() == os.getpgid(os.getppid()),
               "session": os.getsid(0), "cwd": os.getcwd(), "umask": os.umask(0),
               "env": {k: v for k, v in os.environ.items() if not k.endswith("PARENT_ID")}}, out)
"""


def ignore(*numbers):
    return lambda: [signal.signal(number, signal.SIG_IGN) for number in numbers]


def close_streams(*fds):
    return lambda: [os.close(fd) for fd in fds]


@pytest.mark.parametrize("prepare", [
    None, ignore(signal.SIGHUP), ignore(signal.SIGCHLD, signal.SIGPIPE, signal.SIGINT),
    lambda: signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1, signal.SIGTERM, signal.SIGCHLD]),
    close_streams(0), close_streams(1, 2), close_streams(0, 1, 2),
], ids=["plain", "nohup", "ignored", "blocked", "no-stdin", "no-output", "no-streams"])
def test_command_sees_what_it_would_see(wrapped, workdir, prepare):
    """Descriptors, signals, group, directory, environment: as without us (promise 1); 200 extra descriptors."""
    (workdir / "look.py").write_text(LOOK)
    extra = [os.open(workdir / "look.py", os.O_RDONLY) for _ in range(200)]
    look = [sys.executable, "-I", "-S", str(workdir / "look.py")]
    options = {"pass_fds": extra, "preexec_fn": prepare, "capture_output": False, "restore_signals": False,
               "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    try:
        bare = subprocess.run([*look, str(workdir / "bare")], env=wrapped.env, cwd=workdir, timeout=60,
                              stdin=subprocess.DEVNULL, **{k: v for k, v in options.items()
                                                           if k != "capture_output"})
        done = wrapped.run("-i", "look.py", "--", *look, workdir / "wrapped", **options)
    finally:
        for fd in extra:
            os.close(fd)
    assert (bare.returncode, done.returncode) == (0, 0)
    seen = json.loads((workdir / "wrapped").read_text())
    assert seen == json.loads((workdir / "bare").read_text())
    assert len(seen["fds"]) >= 200
    assert wrapped.types() == ["START", "COMPLETE"]
    assert wrapped.version("inputs") == sha256(LOOK.encode())


def test_hashing_opens_nothing_that_the_command_could_inherit(wrapped, workdir):
    """OpenSSL reads its configuration by a descriptor without close-on-exec, beside the start of the command: it
    must not read it. Of a pipe that nobody writes into it would wait for ever."""
    os.mkfifo(workdir / "openssl.cnf")
    (workdir / "in").write_text("in")
    done = wrapped.run("-i", "in", "-o", "in", "--", "true",
                       env={**wrapped.env, "OPENSSL_CONF": str(workdir / "openssl.cnf")})
    assert done.returncode == 0, done.stderr
    assert wrapped.version("inputs") == wrapped.version("outputs") == sha256(b"in")


def test_streams_pass(wrapped):
    """Bytes in, bytes out, and standard error, unchanged."""
    data = bytes(range(256)) * 4096
    done = wrapped.run("sh", "-c", "cat; echo said >&2", stdin=None, input=data)
    assert (done.returncode, done.stdout, done.stderr) == (0, data, b"said\n")


def test_parent_in_environment(wrapped):
    """The command, and what it runs, know the run and its root; a nested run says who its parent is."""
    done = wrapped.run("--job", "outer", "--", wrapped.lineage, "run", "--job", "inner", "--", "sh", "-c",
                       "echo $OPENLINEAGE_PARENT_ID $OPENLINEAGE_ROOT_PARENT_ID")
    assert done.returncode == 0, done.stderr
    ids = {event["job"]["name"]: event["run"]["runId"] for event in wrapped.events()}
    assert done.stdout.decode().split() == ["default/inner/" + ids["inner"], "default/outer/" + ids["outer"]]
    inner = [event for event in wrapped.events() if event["job"]["name"] == "inner"][0]
    assert inner["run"]["facets"]["parent"]["run"]["runId"] == ids["outer"]


def test_a_context_from_above_is_the_run_s_not_the_command_s(wrapped):
    """OPENLINEAGE_CONTEXT wins over OPENLINEAGE_PARENT_ID; the command must not see another parent there."""
    above = {"run": {"runId": "11111111-1111-7111-8111-111111111111"}, "job": {"namespace": "n", "name": "above"}}
    env = {**wrapped.env, "OPENLINEAGE_CONTEXT": json.dumps({"parent": above})}
    done = wrapped.run("--job", "outer", "--", "sh", "-c",
                       "echo ${OPENLINEAGE_CONTEXT-none} $OPENLINEAGE_PARENT_ID $OPENLINEAGE_ROOT_PARENT_ID", env=env)
    event = wrapped.events()[0]
    root = "n/above/" + above["run"]["runId"]
    assert done.stdout.decode().split() == ["none", "default/outer/" + event["run"]["runId"], root]
    assert event["run"]["facets"]["parent"]["run"] == above["run"]


# ---- signals ----

def ready(process):
    line = process.stdout.readline()
    assert line == b"ready\n", (line, process.stderr.read() if process.stderr else None)


def test_signals_are_passed_on_once(wrapped):
    names = ["SIGTERM", "SIGINT", "SIGUSR1", "SIGUSR2", "SIGHUP", "SIGQUIT", "SIGALRM", "SIGWINCH", "SIGCONT"]
    process = wrapped.start("--", sys.executable, CATCHER, *names)
    ready(process)
    for name in names:
        process.send_signal(getattr(signal, name))
    process.send_signal(signal.SIGRTMIN)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 5, err
    assert sorted(out.decode().split()) == sorted(names)
    assert wrapped.types() == ["START", "FAIL"]


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGHUP"])
def test_command_that_dies_of_it(wrapped, name):
    number = getattr(signal, name)
    process = wrapped.start("--", "sh", "-c", "echo ready; exec sleep 60")
    ready(process)
    process.send_signal(number)
    process.communicate(timeout=30)
    assert process.returncode == 128 + number
    message = wrapped.events()[-1]["run"]["facets"]["errorMessage"]["message"]
    assert message == "command ended by signal %d (%s)" % (number, name)


def test_ignored_signal_stays_ignored(wrapped):
    """Under nohup SIGHUP ends neither us nor the command."""
    process = wrapped.start("--", "sh", "-c", "echo ready; read line; exit 3", stdin=subprocess.PIPE,
                            preexec_fn=ignore(signal.SIGHUP))
    ready(process)
    process.send_signal(signal.SIGHUP)
    process.communicate(b"go\n", timeout=30)
    assert process.returncode == 3


def test_timer_set_before_exec(wrapped):
    """`alarm N; exec lineage run -- cmd` ends the command as it would end cmd."""
    done = wrapped.run("--", "sleep", "60", preexec_fn=lambda: signal.alarm(1))
    assert done.returncode == 128 + signal.SIGALRM
    assert wrapped.types() == ["START", "FAIL"]


def children(pid):
    return [int(word) for word in pathlib.Path("/proc/%d/task/%d/children" % (pid, pid)).read_text().split()]


def state(pid):
    return pathlib.Path("/proc/%d/stat" % pid).read_text().rsplit(")", 1)[1].split()[0]


def test_stop_under_job_control(wrapped, wait_until):
    """The command stops: we stop, so that the shell sees it; continued, both go on (run_child.c 2)."""
    process = wrapped.start("--", "sh", "-c", "echo ready; kill -STOP $$; echo on; exit 4", process_group=0)
    ready(process)
    wait_until(lambda: state(process.pid) == "T", what="we are stopped")
    assert state(children(process.pid)[0]) == "T"
    process.send_signal(signal.SIGCONT)
    out, _ = process.communicate(timeout=30)
    assert (out, process.returncode) == (b"on\n", 4)


def test_stop_without_job_control(wrapped, wait_until):
    """Nobody would continue us: we stay, and see the end of a command that somebody else continues."""
    process = wrapped.start("--", "sh", "-c", "echo ready; kill -STOP $$; echo on; exit 4")
    ready(process)
    child = children(process.pid)[0]
    wait_until(lambda: state(child) == "T", what="the command is stopped")
    os.kill(child, signal.SIGCONT)
    out, _ = process.communicate(timeout=30)
    assert (out, process.returncode) == (b"on\n", 4)


def test_stop_ourselves(wrapped, wait_until):
    """SIGSTOP and SIGCONT to us alone: the command is told to go on, the run ends as it would."""
    process = wrapped.start("--", sys.executable, CATCHER, "SIGCONT")
    ready(process)
    process.send_signal(signal.SIGSTOP)
    wait_until(lambda: state(process.pid) == "T", what="we are stopped")
    process.send_signal(signal.SIGCONT)
    process.send_signal(signal.SIGRTMIN)
    out, _ = process.communicate(timeout=30)
    assert (out, process.returncode) == (b"SIGCONT\n", 5)


class Terminal:
    """A command as the leader of a session with a terminal of its own."""

    def __init__(self, argv, env, cwd):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            try:
                os.chdir(cwd)
                os.execve(argv[0], argv, env)
            finally:
                os._exit(99)
        self.seen = b""

    def until(self, text):
        while text not in self.seen:
            try:
                data = os.read(self.fd, 4096)
            except OSError:
                data = b""
            assert data, (text, self.seen)
            self.seen += data

    def until_line_end(self):
        while not self.seen.endswith(b"\n"):
            self.seen += os.read(self.fd, 4096)

    def wait(self):
        try:
            while os.read(self.fd, 4096):
                pass
        except OSError:
            pass
        os.close(self.fd)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def test_interrupt_key(wrapped, workdir, wait_until):
    """^C reaches the whole group by itself: the command gets it once, as ^\\ and the window's change."""
    argv = wrapped.argv("--", sys.executable, CATCHER, "SIGINT", "SIGQUIT", "SIGWINCH")
    terminal = Terminal(argv, wrapped.env, workdir)
    terminal.until(b"ready")
    os.write(terminal.fd, b"\x03")
    terminal.until(b"^C")
    os.write(terminal.fd, b"\x1c")
    terminal.until(b"^\\")
    termios.tcsetwinsize(terminal.fd, (33, 99))
    wait_until(lambda: not pending(terminal.pid), what="we took ours")
    os.kill(terminal.pid, signal.SIGRTMIN)
    terminal.until(b"SIG")
    terminal.until_line_end()
    words = terminal.seen.rpartition(b"\\")[2].decode().split()  # behind the echo of ^\\
    assert sorted(words) == ["SIGINT", "SIGQUIT", "SIGWINCH"]
    assert terminal.wait() == 5
    assert wrapped.types() == ["START", "FAIL"]


def pending(pid):
    """Whether a process has signals that wait for it."""
    lines = pathlib.Path("/proc/%d/status" % pid).read_text().splitlines()
    return any(int(line.split()[1], 16) for line in lines if line.startswith(("SigPnd", "ShdPnd")))


def test_hang_up(wrapped, workdir, wait_until):
    """The terminal goes away: as the session's leader we are the only one who is told, so we pass it on."""
    terminal = Terminal(wrapped.argv("--", "sh", "-c", "echo ready; exec sleep 60"), wrapped.env, workdir)
    terminal.until(b"ready")
    os.close(terminal.fd)
    assert os.waitstatus_to_exitcode(os.waitpid(terminal.pid, 0)[1]) == 128 + signal.SIGHUP
    assert wrapped.types() == ["START", "FAIL"]


def test_asked_to_end_while_hashing(wrapped, workdir, wait_until):
    """SIGTERM after the command ended cuts the hashing short; the event is there, the status the command's."""
    with open(workdir / "big", "wb") as big:
        big.truncate(64 << 30)
    process = wrapped.start("--hash-limit", "1T", "-o", "big", "--", "sh", "-c", "echo ready; exit 6")
    ready(process)
    wait_until(lambda: not children(process.pid), what="the command has ended")
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode == 6
    assert wrapped.types() == ["START", "FAIL"]
    assert wrapped.version("outputs") is None


# ---- trouble with lineage is not the command's ----

def test_disabled(wrapped):
    wrapped.env["OPENLINEAGE_DISABLED"] = "true"
    done = wrapped.run("-i", "x", "--", "sh", "-c", "echo ${OPENLINEAGE_PARENT_ID-none}; exit 9")
    assert (done.returncode, done.stdout, done.stderr) == (9, b"none\n", b"")
    assert list(wrapped.journal.iterdir()) == []


@pytest.mark.parametrize("quiet", [False, True], ids=["", "quiet"])
@pytest.mark.parametrize("status", [0, 4])
def test_journal_directory_is_a_file(wrapped, workdir, status, quiet):
    (workdir / "file").write_text("")
    wrapped.env["OPENLINEAGE__TRANSPORT__DIRECTORY"] = str(workdir / "file" / "journal")
    done = wrapped.run(*(["--quiet"] if quiet else []), "--", "sh", "-c", "echo out; exit %d" % status)
    assert (done.returncode, done.stdout) == (status, b"out\n")
    if quiet:
        assert done.stderr == b""
    else:
        assert done.stderr.startswith(b"lineage: ") and b"file/journal" in done.stderr


def test_journal_directory_is_read_only(wrapped, workdir):
    command = wrapped.argv("--", "sh", "-c", "echo out; exit 4")
    if os.geteuid() == 0:
        command = ["unshare", "-m", "sh", "-c", 'mount -o bind "$0" "$0" && mount -o remount,bind,ro "$0" '
                   '&& exec "$@"', str(wrapped.journal), *command]
        probe = subprocess.run([*command[:5], str(wrapped.journal), "true"], capture_output=True)
        if probe.returncode != 0:
            pytest.skip("no mount namespaces here: %s" % probe.stderr.decode().strip())
    else:
        wrapped.journal.chmod(0o500)
    done = subprocess.run(command, env=wrapped.env, cwd=workdir, capture_output=True, timeout=60)
    assert (done.returncode, done.stdout) == (4, b"out\n")
    assert done.stderr.startswith(b"lineage: "), done.stderr
    assert wrapped.events() == []


def test_wrong_configuration(wrapped, workdir):
    wrapped.env["OPENLINEAGE__TRANSPORT__TYPE"] = "pigeon"
    done = wrapped.run("--", "sh", "-c", "exit 4")
    assert done.returncode == 4
    assert b"nothing will be recorded" in done.stderr and b"pigeon" in done.stderr


def test_no_descriptors_left(wrapped, workdir):
    """Not one descriptor to spare: the command runs, its status is ours."""
    for limit in range(4, 9):
        done = wrapped.run("--", "sh", "-c", "exit 4", preexec_fn=lambda: resource.setrlimit(
            resource.RLIMIT_NOFILE, (limit, limit)))
        assert done.returncode == 4, (limit, done.stderr)


def test_closed_standard_error(wrapped, workdir):
    """Nobody reads our messages: the command and its event do not suffer."""
    reader, writer = os.pipe()
    os.close(reader)
    done = wrapped.run("-o", "none", "--", "sh", "-c", "exit 4", capture_output=False, stderr=writer)
    os.close(writer)
    assert done.returncode == 4
    assert wrapped.types() == ["START", "FAIL"]


def test_links_no_heavy_library(built):
    """Starting must cost next to nothing."""
    lines = subprocess.run(["ldd", built("lineage")], capture_output=True, text=True, check=True).stdout
    assert "libc.so" in lines
    for name in ("curl", "rdkafka", "microhttpd", "ssl.so"):
        assert name not in lines
