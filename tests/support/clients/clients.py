#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The official Python and Java clients as senders that record the bytes they send.

python3 clients.py python|java URL RUNS none|gzip RECORD; exit 77 with a reason where they cannot be had.
"""
import base64
import json
import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import cache  # noqa: E402


class Sent:
    """One event as its sender recorded it."""

    def __init__(self, line):
        record = json.loads(line)
        self.run_id = record["runId"]
        self.event_type = record["eventType"]
        self.body = base64.b64decode(record.get("body", ""))
        self.wire = base64.b64decode(record.get("wire", ""))  # Python only
        self.ms = record["ms"]  # that emit took
        self.error = base64.b64decode(record.get("error", "")).decode()


class _Client:
    """emit() sends 3 events a run and returns what was sent, in order."""
    name = ""

    def argv(self, url, runs, compression, record, api_key, namespace):
        raise NotImplementedError

    def trusting(self, certificates, scratch):
        """Environment in which the client trusts these."""
        raise NotImplementedError

    def emit(self, url, runs, record, compression="none", api_key=None, namespace="tests", timeout=120,
             trust=None):
        """Send to `url` (scheme://host:port). `record` names the file to write; `trust` one with certificates
        (PEM) that a server may show. A sender that could
        not do its work at all raises; events that were refused have `.error` set."""
        argv = self.argv(url, runs, compression, record, api_key, namespace)
        # Nothing of the caller's own configuration may steer the senders.
        env = {key: value for key, value in os.environ.items()
               if not key.upper().startswith(("OPENLINEAGE", "PYTHON", "HTTP_PROXY", "HTTPS_PROXY"))}
        env["NO_PROXY"] = "*"
        if trust:
            env.update(self.trusting(pathlib.Path(trust), pathlib.Path(record).with_suffix(".p12")))
        done = subprocess.run(argv, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=timeout, check=False)
        try:
            sent = [Sent(line) for line in pathlib.Path(record).read_text().splitlines()]
        except OSError:
            sent = []
        if done.returncode not in (0, 1) or len(sent) != 3 * runs:
            raise RuntimeError("%s client: exit %d, %d of %d events recorded: %s"
                               % (self.name, done.returncode, len(sent), 3 * runs,
                                  done.stdout.decode(errors="replace")[-2000:]))
        return sent


def venv_python(name, requirements):
    """The interpreter of a venv with exactly what a file of pinned requirements says."""
    python = os.environ.get("PYTHON") or sys.executable
    cache.need(python)
    version = subprocess.run([python, "-VV"], capture_output=True, text=True, check=True).stdout

    def make(work):
        cache.run([python, "-m", "venv", "--clear", str(work)], "venv (package python3-venv?)")
        cache.run([str(work / "bin/python"), "-m", "pip", "install", "-q", "--no-input",
                   "--disable-pip-version-check", "--no-deps", "-r", str(requirements)], "pip")

    return cache.directory(name, [requirements, version, str(cache.root())], make, movable=False) / "bin/python"


class PythonClient(_Client):
    name = "python"

    def __init__(self):
        self.python = venv_python("python-client", HERE / "requirements.txt")

    def argv(self, url, runs, compression, record, api_key, namespace):
        argv = [str(self.python), str(HERE / "emit.py"), "--url", url, "--runs", str(runs),
                "--compression", compression, "--record", str(record), "--namespace", namespace]
        return argv + (["--api-key", api_key] if api_key else [])

    def trusting(self, certificates, scratch):
        return {"REQUESTS_CA_BUNDLE": str(certificates)}

    def facets(self, folder):
        """{name: facet or None}: the facts in the folder's files as the client itself writes them."""
        done = subprocess.run([str(self.python), str(HERE / "facets.py"), str(folder)], capture_output=True, text=True,
                              timeout=120, check=False)
        if done.returncode != 0:
            raise RuntimeError("facets.py: %s" % done.stderr[-2000:])
        return json.loads(done.stdout)


class SchemaJudge:
    """judge(folder, values): for each [URL of a definition, value], what the schemas below the folder have
    against it, as a list of texts."""

    def __init__(self):
        self.python = venv_python("schema-judge", HERE / "requirements-schema.txt")

    def __call__(self, folder, values):
        done = subprocess.run([str(self.python), str(HERE / "judge.py"), str(folder)], input=json.dumps(values),
                              capture_output=True, text=True, timeout=120, check=False)
        if done.returncode != 0:
            raise RuntimeError("judge.py: %s" % done.stderr[-2000:])
        return json.loads(done.stdout)


class JavaClient(_Client):
    name = "java"

    def __init__(self):
        cache.need("java", "javac", "keytool")
        jars = cache.jars("java-client", HERE / "java/pom.xml")
        source = HERE / "java/Emit.java"

        def make(work):
            cache.run(["javac", "-nowarn", "-encoding", "UTF-8", "-cp", str(jars / "*"), "-d", str(work),
                       str(source)], "javac")

        classes = cache.directory("java-client-classes", [HERE / "java/pom.xml", source], make)
        self.path = "%s:%s/*" % (classes, jars)

    def trusting(self, certificates, scratch):
        scratch.unlink(missing_ok=True)
        subprocess.run(["keytool", "-importcert", "-noprompt", "-alias", "tests", "-file", str(certificates),
                        "-keystore", str(scratch), "-storetype", "PKCS12", "-storepass", "changeit"],
                       capture_output=True, timeout=120, check=True)
        return {"JAVA_TOOL_OPTIONS": "-Djavax.net.ssl.trustStore=%s -Djavax.net.ssl.trustStoreType=PKCS12 "
                                     "-Djavax.net.ssl.trustStorePassword=changeit" % scratch}

    def argv(self, url, runs, compression, record, api_key, namespace):
        argv = ["java", "-Xmx128m", "-XX:TieredStopAtLevel=1", "-cp", self.path, "Emit", "url=" + url,
                "runs=%d" % runs, "compression=" + compression, "record=%s" % record,
                "namespace=" + namespace]
        return argv + (["apiKey=" + api_key] if api_key else [])


def main():
    if len(sys.argv) != 6 or sys.argv[1] not in ("python", "java"):
        print("usage: clients.py python|java URL RUNS none|gzip RECORD", file=sys.stderr)
        return 2
    try:
        client = PythonClient() if sys.argv[1] == "python" else JavaClient()
    except cache.Cannot as reason:
        print("cannot: %s" % reason, file=sys.stderr)
        return cache.CANNOT_EXIT
    sent = client.emit(sys.argv[2], int(sys.argv[3]), sys.argv[5], sys.argv[4])
    failed = [each.error for each in sent if each.error]
    print("%d sent, %d refused" % (len(sent), len(failed)))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
