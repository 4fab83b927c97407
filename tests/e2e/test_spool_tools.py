# SPDX-License-Identifier: Apache-2.0
"""`lineage spool`: reading beside a running agent, repair, export and import, replay, other formats, limits."""
import hashlib
import json
import os
import pathlib
import time

import pytest

import numbered
from agent_process import Agent, Senders, http_route
from test_deadletter import put_config_in_place


class Tool:
    """The command line over one agent's places."""

    def __init__(self, runner, built, agent):
        self.runner, self.lineage, self.agent = runner, built("lineage"), agent
        put_config_in_place(agent)

    def __call__(self, *words, status=0):
        done = self.runner.run(self.lineage, "spool", *[str(word) for word in words], env=self.agent.environment())
        assert done.status == status, (words, done.status, done.out[-2000:], done.err[-2000:])
        return done

    def lines(self, *words):
        return self("cat", *words).out_path.read_bytes().splitlines()

    def listed(self):
        return json.loads(self("ls", "--json").out)


@pytest.fixture
def make(runner, built, workdir):
    """make(name, routes, **settings): an agent and the tool over it."""
    made = []

    def start(name, routes, **settings):
        agent = Agent(runner, built("lineaged"), workdir / name, routes, **settings)
        made.append(agent)
        return agent, Tool(runner, built, agent)

    yield start
    for agent in made:
        if agent.process is not None and agent.process.is_running():
            agent.kill()


def post_all(agent, bodies):
    for body in bodies:
        assert agent.post(body)[0] == 201


def segments(agent):
    return sorted(path for path in agent.spool.iterdir() if path.suffix == ".seg" and not path.name.startswith("free"))


def find_event(path, body):
    """Offset of an event's bytes in a segment."""
    at = path.read_bytes().find(body)
    assert at > 0
    return at


def flip(path, offset, bit=0x10):
    with open(path, "r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ bit]))


def fingerprint(directory):
    """Every file but the lock, with its bytes."""
    return {str(path.relative_to(directory)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(directory.rglob("*")) if path.is_file() and path.name != "lock"}


def test_looking_beside_an_agent(make, start_standin, wait_until):
    """ls, cat and verify show what is there: all events, one run's, one lane's, a range, and what waits for whom."""
    good, bad = start_standin(), start_standin()
    bad.down()
    agent, tool = make("agent", [http_route("good", good.url), http_route("bad", bad.url, on_lag="detach")])
    agent.start()
    bodies = list(numbered.events(5, 4))
    post_all(agent, bodies)
    job = (b'{"eventTime":"2026-11-21T09:00:00Z","producer":"https://e.org/p","schemaURL":"https://openlineage.io/'
           b'spec/2-0-2/OpenLineage.json#/$defs/JobEvent",\n "job":{"namespace":"a/b","name":"c/d"}}')
    assert agent.post(job)[0] == 201
    wait_until(lambda: {r["name"]: r["waiting"] for r in agent.status()["routes"]}["good"] == 0, 30, "good has all")
    flat = job.replace(b"\n ", b"")
    assert tool.lines() == [*bodies, flat]
    assert tool.lines("--run", numbered.run_id(3)) == [body for body in bodies if numbered.parse(body).run == 3]
    assert tool.lines("--lane", "job:a/b/c/d") == [flat]
    assert tool.lines("--lane", "job:a/b/c") == []
    assert tool.lines("--route", "good") == []
    assert tool.lines("--route", "bad") == [*bodies, flat]
    assert "nothing is known" in tool("cat", "--route", "nosuch", status=3).err
    wrapped = [json.loads(line) for line in tool.lines("--meta")]
    assert [line["seq"] for line in wrapped] == sorted(line["seq"] for line in wrapped)
    assert [line["event"] for line in wrapped[:20]] == [json.loads(body) for body in bodies]
    assert wrapped[20]["event"] == job.decode()  # bytes that hold a newline travel as text
    assert {line["source"] for line in wrapped} == {"http"}
    assert wrapped[0]["lane"] == numbered.run_id(0) and wrapped[20]["lane"] == "job:a/b/c/d"
    low, high = wrapped[3]["seq"], wrapped[7]["seq"]
    assert tool.lines("--from", low, "--to", high) == bodies[3:8]
    listed = tool.listed()
    routes = {route["route"]: route for route in listed["routes"]}
    assert routes["good"]["waiting"] == 0 and routes["good"]["on_lag"] == "pin"
    assert routes["bad"]["waiting"] >= 21 and routes["bad"]["on_lag"] == "detach"
    newest = [s for s in listed["segments"] if s["state"] == "newest"]
    assert len(newest) == 1 and newest[0]["last"] == wrapped[-1]["seq"]
    assert newest[0]["records"] == newest[0]["last"] - newest[0]["first"] + 1
    assert listed["quarantine"] == {"files": 0, "bytes": 0} and listed["gaps"] == []
    for word in ("good", "bad", "newest", "WAITING"):
        assert word in tool("ls").out
    assert "records" in tool("verify").err
    for words in (("cat", "--run", "a", "--lane", "b"), ("ls", "--meta"), ("export",), ("cat", "--from", "x"),
                  ("frobnicate",), ("cat", "a"), ("replay",), ("export", "--gaps", "f")):
        tool(*words, status=2)
    assert agent.stop() == 0
    assert tool.lines("--route", "bad") == [*bodies, flat]  # as well without an agent


def test_looking_under_load(make, start_standin, built, runner, wait_until):
    """While segments are put to use, sealed, recycled and removed, nothing that is read looks damaged, and every line
    is one of the events."""
    sink = start_standin()
    agent, tool = make("agent", [http_route("sink", sink.url)],
                       spool={"max_bytes": "4MiB", "segment_bytes": "256KiB"})
    agent.start()
    bodies = {}
    for body in numbered.events(200, 40, size=1500):
        bodies.setdefault(numbered.parse(body).run, []).append(body)
    known = {body for run in bodies.values() for body in run}
    senders = Senders(agent, bodies, connections=4)
    looks = seen = 0
    try:
        while senders.count() < 7000:
            tool("verify")
            lines = tool.lines()
            assert set(lines) <= known
            order = [numbered.parse(line) for line in lines]
            for run in {n.run for n in order}:
                indexes = [n.index for n in order if n.run == run]
                assert indexes == sorted(indexes) and len(set(indexes)) == len(indexes)
            listed = tool.listed()
            assert [s["state"] for s in listed["segments"]].count("newest") == 1
            assert all(s["state"] not in ("bad header",) for s in listed["segments"])
            looks += 1
            seen = max(seen, max((s.get("first", 0) for s in listed["segments"]), default=0))
    finally:
        senders.join(120)
    assert looks >= 5 and seen > 1000  # the log moved on under the looks
    assert agent.stop() == 0
    tool("verify")


def test_damage_is_named_and_repaired(make, standin, wait_until):
    """A flipped bit: verify names file and offset; repair, only without an agent, keeps every other event, and after
    it verify has nothing to say."""
    standin.down()
    agent, tool = make("agent", [http_route("sink", standin.url)], spool={"max_bytes": "4MiB", "segment_bytes": "256KiB"})
    agent.start()
    bodies = list(numbered.events(20, 20, size=1500))
    post_all(agent, bodies)
    assert "in use by process" in tool("repair", status=1).err
    assert agent.stop() == 0
    files = segments(agent)
    assert len(files) >= 3
    hit = {}
    for path in files:  # one event of the middle of each, the newest too
        whole = path.read_bytes()
        inside = [n for n, body in enumerate(bodies) if body in whole]
        if len(inside) >= 3:
            number = inside[len(inside) // 2]
            hit[number] = (path, find_event(path, bodies[number]))
    assert len(hit) >= 3
    for path, offset in hit.values():
        flip(path, offset + 700)
    told = tool("verify", status=1).out
    for path, offset in hit.values():
        assert "%s: offset %d: " % (path, offset - 80) in told, told
    before = fingerprint(agent.spool)
    assert "%d bad places: they would be" % len(hit) in tool("repair", "--dry-run", status=1).err
    assert fingerprint(agent.spool) == before
    left = [body for number, body in enumerate(bodies) if number not in hit]
    shown = tool("cat", status=1)
    assert shown.out_path.read_bytes().splitlines() == left
    done = tool("repair")
    assert "%d bad places: kept in" % len(hit) in done.err
    for path, _ in hit.values():
        assert "%s: written anew" % path in done.out
    assert "nothing is wrong" in tool("repair").err
    assert tool.lines() == left
    quarantine = tool.listed()["quarantine"]
    assert quarantine["files"] == len(hit)
    kept = b"".join(path.read_bytes() for path in (agent.spool / "quarantine").iterdir())
    for number in hit:
        assert bodies[number][800:] in kept
    standin.up()
    agent.start()
    wait_until(lambda: agent.status()["routes"][0]["waiting"] == 0, 60, lambda: str(agent.status()["routes"]))
    assert numbered.check(standin.stored(), {n: b for n, b in enumerate(bodies) if n not in hit}).problems() == []
    assert agent.stop() == 0


def test_export_and_import(make, start_standin, workdir, wait_until):
    """What waits at one agent goes out into a file and in at another, through its door or, without it, into its spool:
    the same bytes, in order. A file with a line that is no event is refused whole, with its number."""
    first, second, third = start_standin(), start_standin(), start_standin()
    first.down()
    source, tool = make("source", [http_route("sink", first.url)])
    source.start()
    bodies = list(numbered.events(30, 10, size=900))
    bodies[7] = bodies[7].replace(b"{", b"{\n ", 1)
    post_all(source, bodies)
    target = workdir / "events.jsonl"
    assert "300 events exported" in tool("export", "--route", "sink", target).err
    before = target.read_bytes()
    assert "is there already" in tool("export", target, status=2).err
    assert target.read_bytes() == before and len(before.splitlines()) == 300
    assert tool("export", "--from", 5, "--to", 9, "-").out.count("\n") == 5

    second_agent, into = make("second", [http_route("sink", second.url)])
    second_agent.start()
    broken = workdir / "broken.jsonl"
    lines = before.splitlines()
    broken.write_bytes(b"\n".join([*lines[:4], b"not JSON", b'{"seq":1,"event":{"a":1}}', *lines[4:6]]) + b"\n")
    told = into("import", broken, status=1).err
    assert "line 5 is no event" in told and "line 6 is no event" in told and "nothing was imported" in told
    assert second.stats()["posts"] == 0
    assert "300 events imported" in into("import", target).err
    wait_until(lambda: second.stats()["stored"] == 300, 60, lambda: str(second.stats()))
    assert numbered.check(second.stored(), dict(enumerate(bodies))).problems() == []
    assert "6 events imported" in into("import", "--skip-bad", broken).err
    plain = workdir / "plain.jsonl"
    plain.write_bytes(b"\n".join(body for n, body in enumerate(bodies) if n != 7) + b"\n")

    third_agent, into = make("third", [http_route("sink", third.url)])
    third_agent.start()
    assert third_agent.stop() == 0
    assert "into the spool" in into("import", "--from-line", 11, plain).err
    assert len(into.lines()) == 289
    third_agent.start()
    wait_until(lambda: third.stats()["stored"] == 289, 60, lambda: str(third.stats()))
    assert {json.loads(line)["source"] for line in into.lines("--meta")} == {"import"}
    into("import", "/dev/null", status=2)
    into("import", workdir / "nosuch", status=3)


def test_replay(make, start_standin, workdir, wait_until):
    """Events that are still in the spool go to one route again, in order, from a sequence or a time, with an agent and
    without; the other routes get nothing."""
    one, two = start_standin(), start_standin()
    lines_file = workdir / "agent" / "events.out"
    agent, tool = make("agent", [http_route("one", one.url, profile="generic"), http_route("two", two.url),
                                 {"name": "file", "type": "file", "path": str(lines_file)},
                                 {"name": "local", "type": "store", "path": str(workdir / "agent" / "l.db")}])
    agent.start()

    def idle():
        return all(route["waiting"] == 0 for route in agent.status()["routes"])

    bodies = list(numbered.events(10, 6))
    post_all(agent, bodies[:30])
    wait_until(idle, 30, lambda: str(agent.status()["routes"]))
    time.sleep(1.1)  # the times below are whole seconds
    moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    post_all(agent, bodies[30:])
    wait_until(idle, 30, lambda: str(agent.status()["routes"]))
    assert one.stats()["posts"] == 60
    done = tool("replay", "--route", "one", "--from", 11)
    assert "gets twice" in done.err
    wait_until(lambda: one.stats()["posts"] == 110 and idle(), 30, lambda: str(one.stats()))
    again = [post.body for post in one.posts()][60:]
    assert sorted(again) == sorted(bodies[10:])
    for run in range(10):
        mine = [body for body in again if numbered.parse(body).run == run]
        assert mine == [body for body in bodies[10:] if numbered.parse(body).run == run]
    tool("replay", "--route", "one", "--since", moment)
    wait_until(lambda: one.stats()["posts"] == 140 and idle(), 30, lambda: str(one.stats()))
    assert sorted(post.body for post in one.posts()[110:]) == sorted(bodies[30:])
    assert two.stats()["posts"] == 60
    # The file route keeps its place in a file of its own.
    wait_until(lambda: len(lines_file.read_bytes().splitlines()) == 60, 30, "the file has all")
    tool("replay", "--route", "file")
    wait_until(lambda: lines_file.read_bytes().splitlines() == bodies + bodies, 30,
               lambda: str(len(lines_file.read_bytes().splitlines())))
    # What cannot be is refused with a sentence.
    assert "goes to it anyway" in tool("replay", "--route", "one", "--from", 1000, status=2).err
    assert "is a store" in tool("replay", "--route", "local", status=2).err
    assert "no such route" in tool("replay", "--route", "nosuch", status=3).err
    assert "expected a time" in tool("replay", "--route", "one", "--since", "yesterday", status=2).err
    # A kill right after the mark went back: it stays back.
    two.down()
    tool("replay", "--route", "two", "--from", 41)
    agent.kill()
    two.up()
    agent.start()
    wait_until(lambda: two.stats()["posts"] >= 80 and idle(), 30, lambda: str(two.stats()))
    assert set(bodies[40:]) <= {post.body for post in two.posts()[60:]}
    # Without an agent.
    assert agent.stop() == 0
    before = one.stats()["posts"]
    assert "when the agent runs" in tool("replay", "--route", "one", "--from", 56).err
    agent.start()
    wait_until(lambda: one.stats()["posts"] == before + 5 and idle(), 30, lambda: str(one.stats()))
    assert lines_file.read_bytes().splitlines() == bodies + bodies
    assert agent.stop() == 0


def test_replay_to_kafka(make, kafka, kafka_read, wait_until):
    """A new producer begins at the earlier mark: in order per run, behind what is there."""
    topic = "replayed-%d" % os.getpid()
    agent, tool = make("agent", [{"name": "bus", "type": "kafka", "brokers": kafka.bootstrap, "topic": topic}])
    agent.start()
    bodies = list(numbered.events(4, 5))
    post_all(agent, bodies)
    wait_until(lambda: agent.status()["routes"][0]["waiting"] == 0, 60, lambda: str(agent.status()["routes"]))
    tool("replay", "--route", "bus", "--from", 9)
    wait_until(lambda: len(kafka_read(topic)) == 32 and agent.status()["routes"][0]["waiting"] == 0, 60,
               lambda: str(len(kafka_read(topic))), interval=0.5)
    messages = [message.value for message in kafka_read(topic)]
    for run in range(4):
        mine = [body for body in messages if numbered.parse(body).run == run]
        once = [body for body in bodies if numbered.parse(body).run == run]
        assert mine == once + [body for body in bodies[8:] if numbered.parse(body).run == run]
    assert agent.stop() == 0


def test_a_kill_while_a_mark_goes_back(make, standin, wait_until):
    """The agent dies with the mark put back and nothing saved: all is sent again, nothing is lost."""
    agent, tool = make("agent", [http_route("sink", standin.url)])
    agent.start()
    bodies = list(numbered.events(10, 5))
    post_all(agent, bodies)
    wait_until(lambda: agent.status()["routes"][0]["waiting"] == 0, 30, "all is delivered")
    assert agent.stop() == 0
    agent.start(env={"LINEAGED_CRASH": "cursor.rewound"})
    tool("replay", "--route", "sink", "--from", 21, status=1)
    wait_until(lambda: not agent.process.is_running(), 30, "it was killed")
    agent.start()
    wait_until(lambda: standin.stats()["posts"] >= 80 and agent.status()["routes"][0]["waiting"] == 0, 30,
               lambda: str(standin.stats()))
    assert set(bodies[20:]) <= {post.body for post in standin.posts()[50:]}
    assert agent.stop() == 0


@pytest.mark.parametrize("point", ["repair.written", "repair.renamed"])
def test_a_kill_while_repairing(make, standin, runner, point):
    """Under the name of a segment stand its old bytes or its new ones: the next repair finishes the work."""
    standin.down()
    agent, tool = make("agent", [http_route("sink", standin.url)])
    agent.start()
    bodies = list(numbered.events(5, 4))
    post_all(agent, bodies)
    agent.kill()
    path = segments(agent)[0]
    flip(path, find_event(path, bodies[9]) + 50)
    env = {**agent.environment(), "LINEAGED_CRASH": point}
    killed = runner.run(tool.lineage, "spool", "repair", env=env)
    assert killed.status != 0
    left = [body for body in bodies if body != bodies[9]]
    assert tool("cat", status=1 if point == "repair.written" else 0).out_path.read_bytes().splitlines() == left
    tool("repair")
    tool("verify")
    assert tool.lines() == left
    assert tool.listed()["quarantine"]["files"] == 1


def test_rules_are_not_passed_by(make, standin, workdir):
    """Without an agent nobody would apply them: then nothing is imported."""
    agent, tool = make("agent", [http_route("sink", standin.url)],
                       rules=[{"name": "quiet", "type": "drop", "job": ["no such job"]}])
    source = workdir / "events.jsonl"
    source.write_bytes(next(numbered.events(1, 1)) + b"\n")
    told = tool("import", source, status=1).err
    assert "rules are configured" in told
    assert not list(agent.spool.glob("*.seg"))


def test_a_given_up_backlog_is_exported(make, start_standin, workdir, wait_until):
    """A detached route that is given up leaves a gap on record; what another route still holds of it is exported."""
    pinned, detached = start_standin(), start_standin()
    pinned.down()
    detached.down()
    agent, tool = make("agent", [http_route("pinned", pinned.url, on_lag="pin"),
                                 http_route("lazy", detached.url, on_lag="detach")],
                       spool={"max_bytes": "2MiB", "segment_bytes": "256KiB"})
    agent.start()
    sent = []
    for body in numbered.events(40, 25, size=1900):
        if agent.post(body)[0] != 201:
            break
        sent.append(body)
        if len(sent) > 600:
            break
    wait_until(lambda: tool.listed()["gaps"] != [], 30, lambda: str(tool.listed()))
    gap = tool.listed()["gaps"][0]
    assert gap["route"] == "lazy" and gap["given_up"][0]["first"] == 1
    lazy = {route["route"]: route for route in tool.listed()["routes"]}["lazy"]
    assert lazy["given_up"] >= gap["given_up"][0]["last"]
    target = workdir / "gap.jsonl"
    told = tool("export", "--route", "lazy", "--gaps", target).err
    exported = [json.loads(line) for line in target.read_bytes().splitlines()]
    last = max(g["last"] for g in gap["given_up"])
    assert exported and all(line["seq"] <= last for line in exported), told
    assert [line["event"] for line in exported] == [json.loads(body) for body in sent[:len(exported)]]
    assert "has given nothing up" in tool("export", "--route", "pinned", "--gaps", "-", status=3).err
    agent.kill()


@pytest.mark.parametrize("version,word", [(2, "has version 2, written by lineaged/9"), (0, "has version 0, written by")])
def test_another_format_is_refused_and_untouched(make, standin, version, word):
    """An agent and every tool say which version it is and what to do; no byte changes."""
    agent, tool = make("agent", [http_route("sink", standin.url)])
    agent.start()
    post_all(agent, numbered.events(2, 3))
    assert agent.stop() == 0
    about = agent.spool / "spool.json"
    value = json.loads(about.read_text())
    about.write_text(json.dumps({**value, "lineaged_spool": version, "writer": "lineaged/9"}))
    before = fingerprint(agent.spool)
    for words in (("ls",), ("cat",), ("verify",), ("repair",), ("repair", "--dry-run"), ("export", "-"),
                  ("replay", "--route", "sink")):
        told = tool(*words, status=1).err
        assert word in told and "import here" in told, (words, told)
    agent.launch()
    assert agent.process.wait(30) == 1
    assert word in agent.process.err
    assert fingerprint(agent.spool) == before


def test_free_space_is_a_limit(make, standin, wait_until):
    """spool.min_free: with less free the door answers 503 and status says how much there is and must stay."""
    standin.down()
    agent, tool = make("agent", [http_route("sink", standin.url)],
                       spool={"max_bytes": "64MiB", "segment_bytes": "256KiB", "min_free": "1024TiB"})
    agent.start()
    status, headers, body = agent.post(next(numbered.events(1, 1)))
    assert status == 503 and headers["Retry-After"] == "1"
    spool = agent.status()["spool"]
    assert spool["min_free_bytes"] == 1024 << 40
    free = os.statvfs(agent.spool)
    assert 0 < spool["free_bytes"] <= free.f_blocks * free.f_frsize
    wait_until(lambda: agent.admin("/healthz")[0] == 503, 30, "health is red")
    agent.kill()
    agent.config.write_text(agent.config.read_text().replace("1024TiB", "1MiB"))
    agent.start()
    assert agent.post(next(numbered.events(1, 1)))[0] == 201
    assert agent.status()["spool"]["min_free_bytes"] == 1 << 20
    assert pathlib.Path(agent.status()["spool"]["directory"]) == agent.spool
