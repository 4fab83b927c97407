# SPDX-License-Identifier: Apache-2.0
"""A task of one user beside the system agent of another, and two containers that share one journal
directory: events arrive, and no task can reach another's journal."""
import os
import pathlib
import shutil
import subprocess

import pytest

import numbered

AGENT, TASK, OTHER = 61001, 61002, 61003
GROUP = 61010


def need_root():
    if os.geteuid() != 0:
        pytest.skip("needs root to act as several users")
    for program in ("setpriv", "unshare"):
        if shutil.which(program) is None:
            pytest.skip("needs %s (util-linux)" % program)
    probe = subprocess.run(["unshare", "-m", "-p", "-f", "--mount-proc", "true"], capture_output=True,
                           text=True, check=False)
    if probe.returncode != 0:
        pytest.skip("cannot make namespaces here: %s" % probe.stderr.strip())


def as_user(uid, gid=None, groups=()):
    argv = ["setpriv", "--reuid", str(uid), "--regid", str(gid or uid)]
    return argv + (["--groups", ",".join(map(str, groups))] if groups else ["--clear-groups"])


@pytest.fixture
def place(tmp_path_factory, built):
    """A directory that other users can enter, with copies of the programs (a build under a home may be closed)."""
    need_root()
    base = pathlib.Path("/tmp") / ("lineaged-users-%d" % os.getpid())
    base.mkdir(mode=0o755)
    try:
        (base / "bin").mkdir(mode=0o755)
        for name in ("lineaged", "emit_many"):
            shutil.copy2(built(name), base / "bin" / name)
        for library in built("lineaged").parent.parent.rglob("libopenlineage.so*"):
            shutil.copy2(library, base / "bin" / library.name)
        yield base
    finally:
        shutil.rmtree(base)


def system_root(place):
    """A shell line that gives a mount namespace its own /var/lib, /run and /etc/lineaged."""
    return ("mount -t tmpfs tmpfs /var/lib && mount -t tmpfs tmpfs /run && "
            "mkdir -m 0755 /var/lib/lineaged && chown %d:%d /var/lib/lineaged && "
            "mkdir -m 0755 /run/lineaged && chown %d:%d /run/lineaged" % (AGENT, GROUP, AGENT, GROUP))


def test_two_users(runner, place):
    """The real places of `--system`, in a mount namespace: the agent as one user, tasks as two others."""
    script = place / "story.sh"
    script.write_text(r"""#!/bin/sh
set -eu
bin=%(bin)s
export LD_LIBRARY_PATH=$bin
%(root)s
agent="%(agent)s" task="%(task)s" other="%(other)s"
journal=/var/lib/lineaged/journal
say() { echo "story: $*"; }
export HOME=/var/lib/lineaged
# The first start makes the directory; nothing waits, so --once ends at once.
$agent $bin/lineaged --system --once || { echo "first start failed"; exit 1; }
[ "$(stat -c '%%a %%u %%g' $journal)" = "3777 %(agent_uid)d %(gid)d" ] || { stat $journal; exit 1; }
unset HOME
# A task emits to the place that the library finds by itself, and stays (killed) without an end line.
$task $bin/emit_many --runs 5 --per-run 4 --end kill >/dev/null || true
file=$(ls $journal/*.jsonl)
[ "$(stat -c '%%a %%u %%g' "$file")" = "640 %(task_uid)d %(gid)d" ] || { stat "$file"; exit 1; }
# Another user can neither read, change, rename nor remove it.
$other cat "$file" 2>/dev/null && { echo "read"; exit 1; }
$other sh -c "echo x >>'$file'" 2>/dev/null && { echo "changed"; exit 1; }
$other mv "$file" "$journal/x" 2>/dev/null && { echo "renamed"; exit 1; }
$other rm -f "$file" 2>/dev/null && { echo "removed"; exit 1; }
$other ln "$file" "$journal/link" 2>/dev/null && { echo "linked"; exit 1; }
# Another user writes too, and copies the name of the first one's journal to steal its position.
$other $bin/emit_many --runs 1 --per-run 4 --first 20 >/dev/null
name=$(basename "$file")
$other sh -c "head -c 100000 /dev/zero | tr '\0' x >'$journal/00000000000000000001-${name#*-}'"
export HOME=/var/lib/lineaged
$agent $bin/lineaged --system --once || { echo "second start failed"; exit 1; }
cat /var/lib/lineaged/out.jsonl >%(out)s
ls -la $journal
[ ! -e "$file" ] || { echo "the journal is still there"; exit 1; }
""" % {"bin": place / "bin", "root": system_root(place), "agent": " ".join(as_user(AGENT, GROUP)),
       "task": " ".join(as_user(TASK)), "other": " ".join(as_user(OTHER)), "agent_uid": AGENT,
       "task_uid": TASK, "gid": GROUP, "out": place / "out"})
    config = place / "lineaged.yaml"
    config.write_text('routes: [{name: out, type: file, path: /var/lib/lineaged/out.jsonl}]\n')
    text = script.read_text().replace("--system --once", "--system --config %s --once" % config)
    script.write_text(text)
    done = runner.run("unshare", "-m", "sh", script, name="story", timeout=120)
    assert done.status == 0, done.out + done.err
    lines = (place / "out").read_bytes().splitlines()
    report = numbered.check(lines, 24)
    report.order_breaks = []  # both tasks number their runs from 0
    report.ended_early = []
    assert report.problems() == []


def test_two_containers(runner, place):
    """Mount, PID and UTS namespaces of their own for writer and agent, one directory shared: pids and host names
    mean nothing across, locks and files do."""
    shared = place / "shared"
    shared.mkdir(mode=0o777)
    shared.chmod(0o3777)
    out = place / "files"
    out.mkdir(mode=0o777)
    out.chmod(0o777)
    config = place / "lineaged.yaml"
    config.write_text("intake: {http: {listen: ['unix:%s/s.sock']}, journal: {directories: [%s]}}\n"
                      "spool: {directory: %s/spool}\n"
                      "routes: [{name: out, type: file, path: %s/out.jsonl}]\n" % (out, shared, out, out))
    os.chown(shared, AGENT, GROUP)
    namespaces = ["unshare", "-m", "-p", "-u", "-f", "--mount-proc", "--kill-child"]
    library = {"LD_LIBRARY_PATH": str(place / "bin")}

    def emit(uid, host, *more):
        return runner.run(*namespaces, "sh", "-c", "hostname %s; exec \"$@\"" % host, "sh", *as_user(uid),
                          place / "bin" / "emit_many", "--directory", shared, *more, env=library)
    # Killed, with its end unsaid; and one that closes in order.
    emit(TASK, "one", "--runs", 5, "--per-run", 4, "--end", "kill")
    assert emit(OTHER, "two", "--runs", 1, "--per-run", 4, "--first", 20).status == 0
    for user in (OTHER,):
        for path in shared.glob("*.jsonl"):
            if path.stat().st_uid == user:
                continue
            for verb in (["cat", path], ["rm", "-f", path], ["mv", path, shared / "x"]):
                tried = runner.run(*namespaces, *as_user(user), *verb)
                assert tried.status != 0, "%s could %s" % (user, verb)
    once = runner.run(*namespaces, "sh", "-c", "hostname agent; exec \"$@\"", "sh", *as_user(AGENT, GROUP),
                      place / "bin" / "lineaged", "--config", config, "--once", env=library, timeout=120)
    assert once.status == 0, once.err
    report = numbered.check((out / "out.jsonl").read_bytes().splitlines(), 24)
    report.order_breaks, report.ended_early = [], []
    assert report.problems() == []
