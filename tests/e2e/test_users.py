# SPDX-License-Identifier: Apache-2.0
"""A task of one user beside the system agent of another, and two containers that share one journal
directory: events arrive, and no task can reach another's journal."""
import json
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


def test_members_of_two_users(runner, place, built):
    """The system agent takes lists of members from everybody and tells each only of the own: by name, by content, and on
    the way across. What one leaves there to harm others is refused, and keeps nobody from being heard."""
    for name in ("lineage",):
        shutil.copy2(built(name), place / "bin" / name)
    config = place / "lineaged.yaml"
    config.write_text("routes: [{name: graph, type: store, path: /var/lib/lineaged/lineage.db}]\n")
    script = place / "story.sh"
    script.write_text(r"""#!/bin/sh
set -eu
bin=%(bin)s
export LD_LIBRARY_PATH=$bin PATH=$bin:$PATH
%(root)s
agent="%(agent)s" task="%(task)s" other="%(other)s"
inbox=/var/lib/lineaged/journal/members
start() { HOME=/var/lib/lineaged $agent $bin/lineaged --system --config %(config)s "$@"; }
start --once
for user in task other; do
    eval as=\$$user
    mkdir /run/$user
    mkdir /run/$user/corpus
    echo "words of $user" >/run/$user/corpus/only-$user.txt
    echo "words of both" >/run/$user/corpus/shared.txt
    chown -R $($as id -u):$($as id -g) /run/$user
    (cd /run/$user && HOME=/run/$user $as lineage run -q --job read-$user -i corpus -o out-$user -- cp corpus/only-$user.txt out-$user)
done
[ "$(stat -c '%%a %%u' $inbox)" = "3777 %(agent_uid)d" ] || { stat $inbox; exit 1; }
ls -ln $inbox
# One user can neither read, change nor remove the list of another.
file=$(find $inbox -user %(task_uid)d -type f | head -n 1)
[ -n "$file" ]
$other cat "$file" 2>/dev/null && { echo "read"; exit 1; }
$other sh -c "echo x >>'$file'" 2>/dev/null && { echo "changed"; exit 1; }
$other rm -f "$file" 2>/dev/null && { echo "removed"; exit 1; }
# What is no list: a folder, a FIFO, a link to another's, bytes of another hash, one too large.
name() { printf "%%064d" $1; }
$other mkdir $inbox/$(name 1) && $other touch $inbox/$(name 1)/kept
$other mkfifo $inbox/$(name 2)
$other ln -s "$file" $inbox/$(name 3)
$other sh -c "echo nothing >$inbox/$(name 4)"
$other truncate -s 300M $inbox/$(name 5)
$other sh -c "echo x >$inbox/no-name"
start --once
[ "$(find $inbox -mindepth 1 -maxdepth 1 | sort | tr '\n' ' ')" = "$inbox/$(name 1) $inbox/no-name " ] || { ls -la $inbox; exit 1; }
start & pid=$!
trap 'kill $pid' EXIT
for i in $(seq 300); do HOME=/run/task $task lineage status >/dev/null 2>&1 && break; sleep 0.1; done
for user in task other; do
    eval as=\$$user
    for who in task other; do
        status=0
        HOME=/run/$user $as lineage impact --json only-$who.txt >%(out)s-$user-$who || status=$?
        [ $status -eq "$([ $user = $who ] && echo 0 || echo 3)" ] || { echo "$user asks for $who: $status"; exit 1; }
    done
    HOME=/run/$user $as lineage impact --json shared.txt >%(out)s-$user-shared
done
lineage impact --json shared.txt >%(out)s-root-shared
""" % {"bin": place / "bin", "root": system_root(place), "agent": " ".join(as_user(AGENT, GROUP)),
       "task": " ".join(as_user(TASK)), "other": " ".join(as_user(OTHER)), "agent_uid": AGENT, "task_uid": TASK,
       "config": config, "out": place / "answer"})
    done = runner.run("unshare", "-m", "sh", script, name="story", timeout=120)
    assert done.status == 0, done.out + done.err

    def read(user, what):
        document = json.loads((place / ("answer-%s-%s" % (user, what))).read_text())
        return {node["job"]["name"] for node in document["nodes"] if node["kind"] == "run"}
    for user in ("task", "other"):
        assert read(user, user) == read(user, "shared") == {"read-" + user}
    assert read("root", "shared") == {"read-task", "read-other"}
