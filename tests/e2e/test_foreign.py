# SPDX-License-Identifier: Apache-2.0
"""Files that the `file` transport of the real Python client writes are followed, in both its forms."""
import subprocess

import pytest

from agent_process import Agent

PROGRAM = """
import sys
from openlineage.client import OpenLineageClient
from openlineage.client.event_v2 import Job, Run, RunEvent, RunState
from openlineage.client.transport.file import FileConfig, FileTransport
from openlineage.client.uuid import generate_new_uuid
client = OpenLineageClient(transport=FileTransport(FileConfig(sys.argv[1], append=sys.argv[2] == "append")))
for number in range(int(sys.argv[3])):
    run = Run(str(generate_new_uuid()))
    for state in (RunState.START, RunState.COMPLETE):
        client.emit(RunEvent(eventTime="2026-11-21T09:00:00.000Z", eventType=state, run=run,
                             job=Job("n", "job-%d" % number), producer="https://example.org/t"))
"""


@pytest.mark.parametrize("form", ["append", "single"])
def test_the_python_client(runner, built, workdir, python_client, wait_until, form):
    logs = workdir / "logs"
    logs.mkdir()
    out = workdir / "out.jsonl"
    agent = Agent(runner, built("lineaged"), workdir / "agent",
                  [{"name": "out", "type": "file", "path": str(out)}])
    config = agent.config.read_text().replace(
        '"intake": {', '"intake": { "files": {"paths": ["%s/events*"], "poll": "50ms"},' % logs, 1)
    agent.config.write_text(config)

    def emit(count):
        subprocess.run([str(python_client.python), "-c", PROGRAM, str(logs / "events"), form, str(count)],
                       check=True, timeout=120)

    def arrived():
        return out.read_bytes().splitlines() if out.exists() else []

    emit(10)
    agent.start()
    wait_until(lambda: len(arrived()) >= 20, 30, lambda: "%d arrived" % len(arrived()))
    agent.kill()
    emit(10)
    agent.start()
    wait_until(lambda: len(arrived()) >= 40, 30, lambda: "%d arrived" % len(arrived()))
    written = [line for path in logs.iterdir() for line in path.read_bytes().splitlines()]
    assert len(written) == 40  # nothing is removed
    wait_until(lambda: agent.status()["routes"][0]["waiting"] == 0, 30, "all is delivered")
    assert sorted(arrived()) == sorted(written)
    assert agent.stop() == 0
