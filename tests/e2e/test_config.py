# SPDX-License-Identifier: Apache-2.0
"""`lineage config`, and events of a real program over HTTP against the scripted server.

Configurations stand here in the shapes that the other clients' documentation shows: each one loads, or says
precisely what is not done.
"""
import json
import os
import pathlib
import subprocess
import time

import pytest

# (what is written, exit status, what is said: of notes and errors together)
SHAPES = {
    "http": ("transport:\n  type: http\n  url: https://lineage:5000\n  endpoint: api/v1/lineage\n  timeout: 5\n"
             "  verify: false\n  auth:\n    type: api_key\n    apiKey: hush\n  compression: gzip\n"
             "  retry:\n    total: 5\n    status_forcelist: [500, 502]\n", 0,
             [":11: transport.retry: not used: "]),
    "http of Java": ("transport:\n  type: http\n  url: http://lineage:5000\n  urlParams:\n    p: v\n"
                     "  timeoutInMillis: 5000\n  auth:\n    type: api_key\n    api_key: hush\n"
                     "  headers:\n    X-More: hush\n  compression: gzip\n", 0, []),
    "async": ("transport:\n  type: async_http\n  url: https://lineage:5000\n  max_queue_size: 9\n", 0,
              [":4: transport.max_queue_size: not used: "]),
    "jwt": ("transport:\n  type: http\n  url: https://lineage:5000\n  auth:\n    type: jwt\n    apiKey: hush\n"
            "    tokenEndpoint: https://auth/token\n", 0, [":5: transport.auth.type: 'jwt' is nothing this library has"]),
    "kafka": ("transport:\n  type: kafka\n  topic: t\n  config:\n    bootstrap.servers: b:9092\n    sasl.password: hush\n"
              "  flush: true\n  message_key: k\n", 0, [":2: transport.type: 'kafka' is nothing this library has"]),
    "kafka of Java": ("transport:\n  type: kafka\n  topicName: t\n  properties:\n    bootstrap.servers: b:9092\n",
                      0, ["'kafka' is nothing this library has"]),
    "file": ("transport:\n  type: file\n  log_file_path: /tmp/x\n  append: false\n", 0,
             [":4: transport.append: a new file for each event is not made here"]),
    "file of Java": ("transport:\n  type: file\n  location: /tmp/x\n", 0, []),
    "file far away": ("transport:\n  type: file\n  log_file_path: s3://b/x\n  storage_options:\n    key: hush\n", 0,
                      [":4: transport.storage_options: not used: ",
                       ":3: transport.log_file_path: 's3://b/x' is nothing this library has"]),
    "composite": ("transport:\n  type: composite\n  continue_on_failure: true\n  sort_transports: true\n  transports:\n"
                  "    a:\n      type: http\n      url: http://a/api\n    b:\n      type: console\n      priority: 10\n",
                  0, []),
    "composite of Java": ("transport:\n  type: composite\n  continueOnFailure: true\n  transports:\n"
                          "    - type: http\n      url: http://a/api\n      name: mine\n    - type: kafka\n"
                          "      topicName: t\n", 0, [":8: transport.transports[1].type: 'kafka' is nothing"]),
    "transform": ("transport:\n  type: transform\n  transformer_class: a.b.JobNamespaceReplaceTransformer\n"
                  "  transformer_properties:\n    new_job_namespace: n\n  transport:\n    type: console\n", 0, []),
    "transform of one's own": ("transport:\n  type: transform\n  transformerClass: a.Mine\n  transport:\n"
                               "    type: console\n", 2,
                               [":3: transport.transformerClass: 'a.Mine' is not allowed; expected JobNames"]),
    "facets of Java": ("transport:\n  type: console\nfacets:\n  one:\n    disabled: true\n  \"a.b\":\n    disabled: true\n",
                       0, []),
    "facets of Python": ("facets:\n  environment_variables:\n    - A\n    - B\n", 0, []),
    "filters": ("filters:\n  - type: exact\n    match: j\n  - type: regex\n    regex: ^tmp_.*$\n", 0, []),
    "tags of Python": ("tags:\n  job:\n    A: b\n  run:\n    c: \"true\"\n", 0, []),
    "tags of Java": ("run:\n  tags:\n    - k:v\n    - l\njob:\n  tags: [a, 'k:v:s']\n", 0, []),
    "circuit breaker": ("circuitBreaker:\n  type: simpleMemory\n  memoryThreshold: 20\n", 0,
                        [":1: circuitBreaker: not used: "]),
    "metrics": ("metrics:\n  type: statsd\n", 0, [":1: metrics: not used: "]),
    "name spaces": ("dataset:\n  namespaceResolvers:\n    r:\n      type: hostList\n      hosts: [a]\n", 0,
                    [":1: dataset: not used: "]),
    "source code": ("facets:\n  source_code_location:\n    disabled: false\n", 0,
                    [":2: facets.source_code_location: not used: "]),
    "misspelt": ("transport:\n  type: consle\n", 2, [":2: transport.type: 'consle' is not allowed; expected journal, http, file, console, noop, composite or "
                  "transform (did you mean 'console'?)"]),
}


@pytest.fixture
def environment(built, workdir):
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("OPENLINEAGE", "LINEAGED_"))}
    modules = pathlib.Path(built("lineage")).parent.parent / "emitter"
    return {**clean, "HOME": str(workdir), "XDG_STATE_HOME": str(workdir / "state"),
            "LD_LIBRARY_PATH": "%s:%s" % (modules, clean.get("LD_LIBRARY_PATH", ""))}


@pytest.mark.parametrize("shape", SHAPES)
def test_files_of_other_clients_load_or_say_why_not(shape, built, workdir, environment):
    text, status, said = SHAPES[shape]
    (workdir / "openlineage.yml").write_text(text)
    result = subprocess.run([built("lineage"), "config", "--json"], env=environment, cwd=workdir, timeout=60,
                            capture_output=True, text=True)
    assert result.returncode == status, result.stderr
    report = json.loads(result.stdout)
    assert report["file"] == "openlineage.yml"
    all_said = "\n".join(report["notes"] + [report["error"] or ""])
    for each in said:
        assert each in all_said
    assert len(report["notes"]) + (report["error"] is not None) == len(said), all_said
    assert "hush" not in result.stdout + result.stderr
    if status == 0:
        assert {"key", "value", "source"} == set(report["settings"][0])
    else:
        assert said[0] in result.stderr


def journaled(workdir):
    found = []
    for path in sorted((workdir / "state").rglob("*.jsonl")):
        found += [json.loads(line) for line in path.read_bytes().splitlines()]
    return [event["eventType"] for event in found if "eventType" in event]


@pytest.mark.parametrize("rule, stored, seen, kept", [
    (None, 2, 2, []),
    ({"answer": 500}, 0, 1, ["START", "COMPLETE"]),
    ({"answer": 429, "retry_after": 20}, 0, 1, ["START", "COMPLETE"]),
    ({"answer": 422}, 0, 1, ["START", "COMPLETE"]),
    ({"answer": "hang"}, 0, 1, ["START", "COMPLETE"]),
    ({"answer": "reset"}, 0, 1, ["START", "COMPLETE"]),
    ({"answer": "torn"}, 0, 1, ["START", "COMPLETE"]),
    ("down", 0, 0, ["START", "COMPLETE"]),
])
def test_a_program_sends_or_keeps_each_event(rule, stored, seen, kept, built, workdir, environment, start_standin):
    standin = start_standin()
    if rule == "down":
        standin.down()
    elif rule:
        standin.script(rule)
    environment["OPENLINEAGE__TRANSPORT"] = json.dumps({"type": "http", "url": standin.url})
    before = time.monotonic()
    result = subprocess.run([built("lineage"), "run", "--", "true"], env=environment, cwd=workdir, timeout=60,
                            capture_output=True, text=True)
    took = time.monotonic() - before
    assert result.returncode == 0
    assert took < 10, "an emit has 200 ms"  # a server that hangs would hold the other clients for longer
    assert journaled(workdir) == kept, result.stderr
    standin.release()
    if rule == "down":
        standin.up()
    assert len(standin.posts()) == seen
    assert len(standin.stored()) == stored
