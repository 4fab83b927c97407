# SPDX-License-Identifier: Apache-2.0
"""contrib/ and docker/: what the samples say is true. The parts that are here are run: the agent with each
configuration, the task and its sidecar in namespaces as a pod gives them, the real broker with the settings of the
compose file, the real Python client with the sample for dbt. The images themselves need an engine: of the
Dockerfile the list of packages is compared with what the programs need. The samples for Airflow and Spark are run by
`make test-airflow` and `make test-spark`."""
import json
import pathlib
import re
import shutil
import subprocess

import pytest

import kafka_broker
import numbered
import procs
from agent_process import free_port

REPO = procs.REPO
AGENT_CONFIGURATIONS = ["docker/lineaged.yaml", "contrib/kubernetes/job-with-sidecar.yaml"]


@pytest.fixture
def load_yaml(python_client):
    """The documents of a YAML file."""
    def load(path):
        done = subprocess.run([str(python_client.python), "-c", "import json, sys, yaml\n"
                               "json.dump(list(yaml.safe_load_all(open(sys.argv[1]))), sys.stdout)", str(REPO / path)],
                              capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)
    return load


def agent_configuration(load_yaml, path):
    documents = load_yaml(path)
    if documents[0].get("kind") == "ConfigMap":
        return documents[0]["data"]["lineaged.yaml"]
    return (REPO / path).read_text()


@pytest.mark.parametrize("path", AGENT_CONFIGURATIONS)
def test_the_agent_takes_the_configuration(load_yaml, runner, built, workdir, path):
    config = workdir / "lineaged.yaml"
    config.write_text(agent_configuration(load_yaml, path))
    done = runner.run(built("lineaged"), "--system", "--config", config, "--check")
    assert done.status == 0, done.err


def test_each_variable_of_contrib_kubernetes_is_known(load_yaml):
    job = load_yaml("contrib/kubernetes/job-with-sidecar.yaml")[1]
    spec = job["spec"]["template"]["spec"]
    config = load_yaml("contrib/kubernetes/job-with-sidecar.yaml")[0]["data"]["lineaged.yaml"]
    drain = int(re.search(r"^drain: (\d+)s$", config, re.M).group(1))
    assert drain < spec["terminationGracePeriodSeconds"]
    volumes = {volume["name"] for volume in spec["volumes"]}
    for container in spec["initContainers"] + spec["containers"]:
        assert {mount["name"] for mount in container["volumeMounts"]} <= volumes
    assert spec["initContainers"][0]["restartPolicy"] == "Always"


def owner(library):
    """The Debian package that a library comes from, by its name or path."""
    found = subprocess.run(["dpkg", "-S", "*/" + library], capture_output=True, text=True, check=False)
    if found.returncode != 0:
        pytest.skip("dpkg does not know %s: not a Debian system" % library)
    return {line.split(":")[0] for line in found.stdout.splitlines()}


def test_the_image_has_what_the_programs_need(built):
    if shutil.which("dpkg") is None or shutil.which("readelf") is None:
        pytest.skip("needs dpkg and readelf")
    ours = [built("lineaged"), built("lineage")]
    ours += [path for path in sorted((built("lineaged").parent.parent / "emitter").glob("libopenlineage*.so.*"))
             if not path.is_symlink()]
    assert len(ours) >= 5
    needed = {"librdkafka.so.1"}  # opened when a route of type kafka is there
    for path in ours:
        done = subprocess.run(["readelf", "-d", str(path)], capture_output=True, text=True, check=True)
        needed |= set(re.findall(r"\(NEEDED\).*\[(.*)\]", done.stdout))
    needed = {name for name in needed if not name.startswith(("libopenlineage", "libc.so", "libm.so", "ld-linux",
                                                              "libasan", "libubsan", "libtsan", "libgcc_s"))}
    text = (REPO / "docker/Dockerfile").read_text()
    listed = re.search(r"--no-install-recommends \\\n((?:\s+[a-z0-9.+-]+ \\\n)+)", text).group(1)
    listed = set(listed.replace("\\", " ").split()) - {"ca-certificates"}  # for routes over https
    packages = set()
    for name in needed:
        packages |= owner(name)
    assert packages == listed


def test_compose(load_yaml, runner, built, workdir):
    compose = load_yaml("docker/compose.yaml")[0]
    services = compose["services"]
    assert set(services) == {"lineaged", "marquez", "marquez-web", "postgres", "kafka"}
    for name, service in services.items():
        assert re.search(r":\d", service["image"]), "%s: an image without a version" % name
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:"), "%s opens %s to others" % (name, port)
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert source in compose["volumes"] or (REPO / "docker" / source).is_file(), volume
        for other in service.get("depends_on", []):
            assert other in services
    # The agent's routes lead to services of the file, at the ports they are told to listen on.
    done = runner.run(built("lineaged"), "--system", "--config", REPO / "docker/lineaged.yaml", "--print-config")
    assert done.status == 0, done.err
    assert "http://marquez:" + services["marquez"]["environment"]["MARQUEZ_PORT"] in done.out
    listeners = services["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"]
    assert listeners.removeprefix("PLAINTEXT://") in done.out
    database = services["postgres"]["environment"]
    assert database["POSTGRES_DB"] == database["POSTGRES_USER"] == database["POSTGRES_PASSWORD"] == "marquez"


def test_a_real_broker_starts_with_the_settings_of_compose(load_yaml, kafka, monkeypatch, workdir):
    """The image makes server.properties of the KAFKA_ variables; so do we."""
    assert kafka.port  # a broker can be had here
    environment = load_yaml("docker/compose.yaml")[0]["services"]["kafka"]["environment"]
    lines = []
    for name, value in environment.items():
        value = value.replace("kafka:9092", "127.0.0.1:{port}").replace("kafka:9093", "127.0.0.1:{controller}")
        if name == "KAFKA_LOG_DIRS":
            value = "{data}"
        lines.append("%s=%s\n" % (name.removeprefix("KAFKA_").lower().replace("_", "."), value))
    monkeypatch.setattr(kafka_broker, "PROPERTIES", "".join(lines))
    broker = kafka_broker.Broker(workdir / "broker")
    broker.start(die_with_parent=True)
    broker.stop()
    log = broker.log.read_text(errors="replace")
    known = dict(re.findall(r"^\t([a-z.]+) = (.*)$", log, re.M))  # what the broker says it goes by
    for line in lines:
        name = line.partition("=")[0]
        assert name in known, "Kafka knows no %s" % name
    assert known["auto.create.topics.enable"] == "true" and known["num.partitions"] == "4"


def test_dbt_settings_reach_the_agent(runner, built, standin, workdir, python_client):
    """The real Python client with contrib/dbt/openlineage.yml: it loads, and what it emits arrives."""
    port = free_port()
    settings = (REPO / "contrib/dbt/openlineage.yml").read_text()
    assert "127.0.0.1:5010" in settings
    (workdir / "openlineage.yml").write_text(settings.replace("127.0.0.1:5010", "127.0.0.1:%d" % port))
    (workdir / "lineaged.yaml").write_text(
        "intake: {http: {listen: ['unix:%s/s.sock', '127.0.0.1:%d']}, journal: {directories: [%s/journal]}}\n"
        "spool: {directory: %s/spool}\n"
        "routes: [{name: out, type: http, url: '%s'}]\n" % (workdir, port, workdir, workdir, standin.url))
    agent = runner.start(built("lineaged"), "--config", workdir / "lineaged.yaml")
    procs.wait_until(lambda: (workdir / "s.sock").exists(), what="the agent's socket")
    program = ("from openlineage.client import OpenLineageClient\n"
               "from openlineage.client.event_v2 import Job, Run, RunEvent, RunState\n"
               "OpenLineageClient().emit(RunEvent(eventType=RunState.COMPLETE, eventTime='2026-01-01T00:00:00Z',\n"
               "    run=Run(runId='01890f1e-0000-7000-8000-000000000001'), job=Job(namespace='dbt', name='model'),\n"
               "    producer='https://example.org/dbt'))\n")
    sent = runner.run(python_client.python, "-c", program, env={"OPENLINEAGE_CONFIG": str(workdir / "openlineage.yml")})
    assert sent.status == 0, sent.err
    procs.wait_until(lambda: standin.posts(), what="the event in the stand-in")
    assert standin.posts()[0].json()["job"] == {"namespace": "dbt", "name": "model", "facets": {}}
    assert agent.stop() == 0


POD = r"""#!/bin/sh
# One pod: the agent first, then the task, each as its own user in namespaces of its own, over the volumes.
set -eu
here=%(here)s
export LD_LIBRARY_PATH=$here/bin PATH=$here/bin:$PATH
mount -t tmpfs -o mode=755 tmpfs /var/lib
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -m 2777 /var/lib/lineaged /run/lineaged
chgrp %(group)d /var/lib/lineaged /run/lineaged
export LINEAGED_SOCKET=/run/lineaged/lineaged.sock
namespaces="unshare -m -p -f --mount-proc --kill-child"
agent="setpriv --reuid %(agent)d --regid %(group)d --clear-groups"
task="setpriv --reuid %(task)d --regid %(task)d --groups %(group)d"
$namespaces $agent lineaged --system --config $here/lineaged.yaml 2>$here/files/agent.log &
sidecar=$!
i=0
until { $agent lineage status >/dev/null 2>&1 || [ $? -eq 1 ]; }; do
    i=$((i + 1))
    [ $i -lt 300 ] || { cat $here/files/agent.log; exit 1; }
    kill -0 $sidecar || { cat $here/files/agent.log; exit 1; }
    sleep 0.1
done
# subPath: journal; the task sees no more of the agent's volume than that
status=0
unshare -m sh -c 'mkdir /run/keep && mount --bind /var/lib/lineaged/journal /run/keep && mount -t tmpfs -o mode=755 tmpfs /var/lib &&
    mkdir -p /var/lib/lineaged/journal && mount --move /run/keep /var/lib/lineaged/journal && "$@"' sh \
    $namespaces $task env OPENLINEAGE_NAMESPACE=batch OPENLINEAGE_URL=%(url)s \
    emit_many --runs 5 --per-run 4 >$here/files/task.out 2>&1 || status=$?
# The task has ended: the sidecar gets SIGTERM, and drains.
kill -TERM $(pgrep -f -u %(agent)d "lineaged --system --config $here/lineaged.yaml" | tail -n 1)
drained=0
wait $sidecar || drained=$?
echo "task $status sidecar $drained left $(find /var/lib/lineaged/journal -name '*.jsonl' | wc -l)"
"""


def test_a_pod(load_yaml, runner, built, standin):
    """contrib/kubernetes: its configuration, users and mounts, without the engine."""
    from test_users import need_root
    need_root()
    for program in ("setpriv", "pgrep"):
        if shutil.which(program) is None:
            pytest.skip("needs " + program)
    config, job = load_yaml("contrib/kubernetes/job-with-sidecar.yaml")
    spec = job["spec"]["template"]["spec"]
    sidecar, task = spec["initContainers"][0], spec["containers"][0]
    variables = {each["name"]: each["value"] for each in task["env"]}
    assert [mount["mountPath"] for mount in task["volumeMounts"]] == ["/var/lib/lineaged/journal"]
    here = pathlib.Path("/tmp/lineaged-pod-%d" % free_port())
    here.mkdir(mode=0o755)
    try:
        (here / "files").mkdir(mode=0o777)
        (here / "files").chmod(0o777)
        (here / "bin").mkdir(mode=0o755)
        for name in ("lineaged", "lineage", "emit_many"):
            shutil.copy2(built(name), here / "bin" / name)
        for library in (built("lineaged").parent.parent / "emitter").glob("libopenlineage*.so*"):
            shutil.copy2(library, here / "bin" / library.name)
        port = free_port()
        text = config["data"]["lineaged.yaml"]
        assert "http://marquez:5000" in text and "127.0.0.1:5010" in text and "127.0.0.1:5010" in variables["OPENLINEAGE_URL"]
        (here / "lineaged.yaml").write_text(text.replace("http://marquez:5000", standin.url)
                                            .replace("127.0.0.1:5010", "127.0.0.1:%d" % port))
        (here / "lineaged.yaml").chmod(0o644)
        (here / "pod.sh").write_text(POD % {
            "here": here, "agent": sidecar["securityContext"]["runAsUser"],
            "group": spec["securityContext"]["fsGroup"], "task": task["securityContext"]["runAsUser"],
            "url": "http://127.0.0.1:%d" % port})
        done = runner.run("unshare", "-m", "sh", here / "pod.sh", name="pod", timeout=120)
        assert done.status == 0, done.out + done.err
        log = (here / "files/agent.log").read_text() + (here / "files/task.out").read_text()
        assert "task 0 sidecar 0 left 0" in done.out, done.out + done.err + log
        report = numbered.check([post.body for post in standin.posts()], 20)
        assert report.problems() == [], log
    finally:
        shutil.rmtree(here)
