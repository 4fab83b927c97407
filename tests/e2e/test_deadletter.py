# SPDX-License-Identifier: Apache-2.0
"""Dead letters changed by hand: sent again to their route alone, forgotten, exported; with an agent and without,
over a kill between the steps; by root and the agent's user only."""
import json
import os

import pytest

import numbered
from agent_process import Agent, _UnixConnection, http_route


def put_config_in_place(agent):
    """So that the command line finds it while no agent runs."""
    place = agent.home / "config" / "lineaged"
    place.mkdir(parents=True, exist_ok=True)
    link = place / "lineaged.yaml"
    if not link.exists():
        os.symlink(agent.config, link)


class Letters:
    """An agent with two routes; of 40 events the first sink refuses those of two runs with 422, and one with 400."""

    def __init__(self, runner, built, workdir, start_standin, wait_until):
        self.runner, self.lineage, self.wait_until = runner, built("lineage"), wait_until
        self.bad, self.good = start_standin(), start_standin()
        self.refuse()
        self.agent = Agent(runner, built("lineaged"), workdir / "agent", [
            http_route("marquez", self.bad.url, profile="generic"),
            http_route("other", self.good.url, profile="generic")])
        put_config_in_place(self.agent)
        self.agent.start()
        self.bodies = list(numbered.events(10, 4))
        for body in self.bodies:
            assert self.agent.post(body)[0] == 201
        wait_until(lambda: self.idle() and self.route()["letters"] == 9, 60,
                   lambda: str(self.agent.status()["routes"]))
        assert self.good.stats()["stored"] == 40

    def refuse(self):
        self.bad.script({"match": numbered.run_id(3), "answer": 422}, {"match": numbered.run_id(4), "answer": 422},
                        {"match": '"number":35,', "answer": 400}, replace=True)

    def route(self, name="marquez"):
        return {route["name"]: route for route in self.agent.status()["routes"]}[name]

    def idle(self):
        return all(route["waiting"] == 0 for route in self.agent.status()["routes"])

    def call(self, *words, status=0):
        done = self.runner.run(self.lineage, "deadletter", *words, env=self.agent.environment())
        assert done.status == status, (words, done.out, done.err)
        return done

    def ids(self, *words):
        return [letter["id"] for letter in json.loads(self.call("ls", "--json", *words).out)["deadletters"]]


@pytest.fixture
def letters(runner, built, workdir, start_standin, wait_until):
    made = Letters(runner, built, workdir, start_standin, wait_until)
    yield made
    if made.agent.process.is_running():
        assert made.agent.stop() == 0


def test_retry_goes_to_its_route_alone_in_order(letters):
    assert len(letters.ids("--status", "422")) == 8
    one = letters.ids("--reason", "400")
    assert len(one) == 1
    # Refused once more: a letter again, with its tries added up.
    letters.call("retry", "--status", "422")
    letters.wait_until(lambda: letters.idle() and letters.route()["letters"] == 9, 30, lambda: str(letters.route()))
    again = json.loads(letters.call("ls", "--json", "--status", "422").out)["deadletters"]
    assert [int(letter["tries"]) for letter in again] == [2] * 8
    # Taken now: in order, once, with their bytes.
    letters.bad.script(replace=True)
    letters.call("retry", *one)
    done = letters.call("retry", "--all")
    assert "8 dead letters sent again" in done.err
    letters.wait_until(lambda: letters.bad.stats()["stored"] == 40, 30, lambda: str(letters.bad.stats()))
    assert numbered.check(letters.bad.stored(), dict(enumerate(letters.bodies))).problems() == []
    assert letters.good.stats()["posts"] == 40  # the other route had them already, and gets none of it
    letters.wait_until(letters.idle, 30, "the other route has passed them over")
    assert letters.ids() == []
    assert letters.route()["letters_retried"] == 17
    assert letters.call("retry", *one, status=3).err.strip().endswith("no such dead letter: %s" % one[0])
    # What ended stays so over a restart, and nothing is sent again.
    letters.agent.kill()
    letters.agent.start()
    assert letters.ids() == []
    letters.wait_until(letters.idle, 30, "all is done")
    assert letters.bad.stats()["stored"] == 40


def test_drop_and_export(letters):
    target = letters.agent.home / "letters.jsonl"
    letters.call("export", "--status", "422", str(target))
    lines = [json.loads(line) for line in target.read_text().splitlines()]
    wanted = [body for body in letters.bodies if numbered.parse(body).run in (3, 4)]
    assert sorted(line["event"].encode() for line in lines) == sorted(wanted)
    assert all(line["route"] == "marquez" and line["status"] == 422 for line in lines)
    before = target.read_bytes()
    assert "is there already" in letters.call("export", str(target), status=1).err
    assert target.read_bytes() == before
    assert len(letters.call("export", "-").out.splitlines()) == 9
    letters.call("drop", lines[0]["id"])
    assert "7 dead letters dropped" in letters.call("drop", "--route", "marquez", "--status", "422").err
    assert len(letters.ids()) == 1
    assert letters.route()["letters_dropped"] == 8 and letters.route()["letters"] == 1
    assert "lineaged_route_letters_dropped_total{route=\"marquez\"} 8" in letters.agent.admin("/metrics")[1].decode()
    posts = letters.bad.stats()["posts"]
    letters.agent.kill()
    letters.agent.start()
    assert len(letters.ids()) == 1
    assert letters.bad.stats()["posts"] == posts


def test_without_an_agent(letters):
    assert letters.agent.stop() == 0
    letters.bad.script(replace=True)
    assert len(letters.ids()) == 9
    assert "1 dead letter dropped" in letters.call("drop", "--status", "400").err
    assert "put into the spool" in letters.call("retry", "--all").err
    assert letters.ids() == []
    letters.agent.start()
    letters.wait_until(lambda: letters.bad.stats()["stored"] == 39, 30, lambda: str(letters.bad.stats()))
    expected = {n: body for n, body in enumerate(letters.bodies) if n != 35}
    assert numbered.check(letters.bad.stored(), expected).problems() == []
    assert letters.good.stats()["posts"] == 40


@pytest.mark.parametrize("point", ["dead.retry.spooled", "dead.written", "dead.synced", "spool.roll.synced",
                                   "intake.committed"])
def test_a_crash_between_the_steps_loses_nothing(letters, point):
    """Killed with the events in the spool and the letters still listed, or on either side of that: after a restart
    each is listed or delivered; asked again, each arrives, doubled at most by the kill and by being asked again."""
    letters.bad.script(replace=True)
    assert letters.agent.stop() == 0
    letters.agent.start(env={"LINEAGED_CRASH": point})
    done = letters.runner.run(letters.lineage, "deadletter", "retry", "--all", env=letters.agent.environment())
    assert done.status == 1, (done.out, done.err)
    letters.wait_until(lambda: not letters.agent.process.is_running(), 30, "it was killed at " + point)
    letters.agent.start()
    letters.wait_until(letters.idle, 30, lambda: str(letters.route()))
    listed = {json.loads(line)["event"].encode() for line in letters.call("export", "-").out.splitlines()}
    stored = {post.body for post in letters.bad.posts() if post.stored}
    assert listed | stored == set(letters.bodies)
    letters.call("retry", "--all", status=0 if listed else 3)
    letters.wait_until(letters.idle, 30, lambda: str(letters.route()))
    letters.wait_until(lambda: {post.body for post in letters.bad.posts() if post.stored} == set(letters.bodies), 30,
                       lambda: str(letters.bad.stats()))
    report = numbered.check(letters.bad.stored(), dict(enumerate(letters.bodies)))
    assert report.problems(max_duplicates=9 + 9) == []  # in flight at the kill, and asked for again
    assert letters.ids() == []


def test_who_may_and_what_is_asked(letters, built):
    def post(target):
        link = _UnixConnection(letters.agent.admin_socket)
        try:
            link.request("POST", target)
            answer = link.getresponse()
            return answer.status, answer.read().decode()
        finally:
            link.close()

    assert post("/v1/deadletters/drop")[0] == 400
    assert post("/v1/deadletters/drop?route=nosuch")[0] == 404
    assert post("/status")[0] == 405
    assert letters.agent.post(b"", path="/v1/deadletters/drop?all=1")[0] in (404, 405)  # not on TCP
    for words in (("retry",), ("drop",), ("retry", "--all", "marquez-1"), ("export",), ("drop", "--status", "x")):
        letters.call(*words, status=2)
    if os.geteuid() == 0:
        code = ("import os, sys, http.client, socket\n"
                "os.setgid(65534); os.setuid(65534)\n"
                "s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])\n"
                "s.sendall(b'POST /v1/deadletters/drop?all=1 HTTP/1.0\\r\\n\\r\\n'); print(s.makefile().read())")
        for path in [letters.agent.admin_socket, *letters.agent.admin_socket.parents]:
            os.chmod(path, os.stat(path).st_mode | 0o777 if path == letters.agent.admin_socket
                     else os.stat(path).st_mode | 0o011)
        done = letters.runner.run("/usr/bin/python3", "-c", code, str(letters.agent.admin_socket))
        assert " 403 " in done.out and "only root and the agent's own user" in done.out, (done.out, done.err)
    assert len(letters.ids()) == 9
