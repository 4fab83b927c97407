# SPDX-License-Identifier: Apache-2.0
"""Real frameworks that send lineage of their own: Airflow, Spark and dbt, installed into the tests' cache, set up as
the samples in contrib/ say.

Versions are pinned here: airflow.txt, spark.txt, dbt.txt (pip) and pom.xml (the jars of Spark's listener).
"""
import configparser
import json
import os
import pathlib
import subprocess
import sys

import cache

HERE = pathlib.Path(__file__).resolve().parent
CONTRIB = HERE.parent.parent.parent / "contrib"


def _venv(name, requirements):
    """Python of a venv with exactly these packages."""
    python = os.environ.get("PYTHON") or sys.executable
    cache.need(python)
    version = subprocess.run([python, "-VV"], capture_output=True, text=True, check=True).stdout

    def make(work):
        cache.run([python, "-m", "venv", "--clear", str(work)], "venv (package python3-venv?)")
        cache.run([str(work / "bin/python"), "-m", "pip", "install", "-q", "--no-input",
                   "--disable-pip-version-check", "--no-deps", "-r", str(requirements)],
                  "pip, " + requirements.name, timeout=1200)

    return cache.directory(name, [requirements, version, str(cache.root())], make, movable=False)


def _clean_environment():
    """Ours, without what would steer a framework, a client or the library."""
    return {key: value for key, value in os.environ.items()
            if not key.upper().startswith(("OPENLINEAGE", "AIRFLOW", "_AIRFLOW", "SPARK", "PYSPARK", "DBT", "PYTHON",
                                           "HTTP_PROXY", "HTTPS_PROXY", "LINEAGED_CRASH"))}


def _sample_transport(url):
    """That of contrib/airflow/airflow.cfg, led to `url`."""
    sample = configparser.ConfigParser(interpolation=None)
    sample.read_string((CONTRIB / "airflow/airflow.cfg").read_text())
    return {**json.loads(sample["openlineage"]["transport"]), "url": url}


def _sample_spark():
    """The settings of contrib/spark/spark-defaults.conf."""
    lines = (CONTRIB / "spark/spark-defaults.conf").read_text().splitlines()
    return dict(line.split(None, 1) for line in lines if line and not line.startswith("#"))


class Airflow:
    """An Airflow without servers: a database file and `airflow dags test`, which runs the tasks as the
    scheduler's workers do, the provider's listener included."""

    def __init__(self):
        self.bin = _venv("airflow", HERE / "airflow.txt") / "bin"

    def home(self, directory, url, dag, settings=None, local_settings=None, **variables):
        """Make an AIRFLOW_HOME with one file of DAGs; its lineage goes to `url`.

        settings: text appended to airflow.cfg. local_settings: text of airflow_local_settings.py.
        """
        home = pathlib.Path(directory)
        (home / "dags").mkdir(parents=True)
        (home / "dags/dag.py").write_text(dag)
        (home / "config").mkdir()
        if local_settings:
            (home / "config/airflow_local_settings.py").write_text(local_settings)
        if settings:
            (home / "airflow.cfg").write_text(settings)
        env = {**_clean_environment(), "NO_PROXY": "*", "HOME": str(home), "AIRFLOW_HOME": str(home),
               "AIRFLOW__CORE__LOAD_EXAMPLES": "False", "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
               "AIRFLOW__OPENLINEAGE__TRANSPORT": json.dumps(_sample_transport(url)),
               "PATH": "%s:%s" % (self.bin, os.environ["PATH"]), **variables}
        self._run(env, home, "migrate", "db", "migrate")
        return env

    def run_dag(self, env, dag_id, date):
        """Run a DAG to its end; the output where it fails."""
        return self._run(env, pathlib.Path(env["AIRFLOW_HOME"]), "run", "dags", "test", dag_id, date)

    def _run(self, env, home, name, *words, timeout=300):
        log = home / (name + ".log")
        with open(log, "wb") as out:
            done = subprocess.run([str(self.bin / "airflow"), *words], env=env, cwd=home, stdout=out,
                                  stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, timeout=timeout,
                                  check=False)
        text = log.read_text(errors="replace")
        if done.returncode != 0:
            raise AssertionError("airflow %s: exit %d\n%s" % (" ".join(words), done.returncode, text[-6000:]))
        return text


class Spark:
    """A local Spark whose OpenLineage listener sends to a URL."""

    def __init__(self):
        cache.need("java")
        self.python = _venv("spark", HERE / "spark.txt") / "bin/python"
        self.jars = cache.jars("spark-listener", HERE / "pom.xml")

    def run(self, directory, url, program, *words, timeout=300):
        """Run a PySpark program with the listener on its class path."""
        directory = pathlib.Path(directory)
        settings = {
            **_sample_spark(),
            "spark.master": "local[1]", "spark.ui.enabled": "false",
            "spark.driver.bindAddress": "127.0.0.1", "spark.driver.host": "127.0.0.1",
            "spark.driver.extraClassPath": "%s/*" % self.jars,
            "spark.openlineage.transport.url": url,
            "spark.openlineage.namespace": "from_spark",
        }
        arguments = [item for key, value in settings.items() for item in ("--conf", "%s=%s" % (key, value))]
        env = {**_clean_environment(), "NO_PROXY": "*", "HOME": str(directory),
               "PYSPARK_PYTHON": str(self.python), "PYSPARK_DRIVER_PYTHON": str(self.python),
               "PYSPARK_SUBMIT_ARGS": " ".join("'%s'" % word for word in arguments) + " pyspark-shell"}
        path = directory / "program.py"
        path.write_text(program)
        log = directory / "spark.log"
        with open(log, "wb") as out:
            done = subprocess.run([str(self.python), str(path), *words], env=env, cwd=directory, stdout=out,
                                  stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, timeout=timeout,
                                  check=False)
        text = log.read_text(errors="replace")
        if done.returncode != 0:
            raise AssertionError("spark: exit %d\n%s" % (done.returncode, text[-6000:]))
        return text


class Dbt:
    """dbt with its OpenLineage wrapper, over a DuckDB file."""

    def __init__(self):
        self.bin = _venv("dbt", HERE / "dbt.txt") / "bin"

    def environment(self, base, project, url, **variables):
        """`base` (of a shell) made fit to run `dbt-ol` in the folder `project`; its lineage goes to `url`."""
        project = pathlib.Path(project)
        settings = (CONTRIB / "dbt/openlineage.yml").read_text()
        assert "http://127.0.0.1:5010" in settings
        (project / "openlineage.yml").write_text(settings.replace("http://127.0.0.1:5010", url))
        clean = {key: value for key, value in base.items()
                 if key in ("OPENLINEAGE_NAMESPACE", "OPENLINEAGE_CONTEXT") or key in _clean_environment()
                 or not key.upper().startswith(("OPENLINEAGE", "DBT", "PYTHON", "HTTP"))}
        return {**clean, "NO_PROXY": "*", "PATH": "%s:%s" % (self.bin, base["PATH"]),
                "DBT_SEND_ANONYMOUS_USAGE_STATS": "false", "DBT_PROFILES_DIR": str(project),
                "OPENLINEAGE_CONFIG": str(project / "openlineage.yml"), **variables}


class LiteLLM:
    """LiteLLM's proxy with one model whose answers it makes up itself: an OpenAI-compatible server."""
    KEY = "sk-0f1e2d3c4b5a69788796a5b4c3d2e1f0-tests"

    def __init__(self):
        self.program = _venv("litellm", HERE / "litellm.txt") / "bin/litellm"

    def start(self, runner, directory, port, certificate, key, answer="Hello from a mock."):
        """Start it; the caller waits until the port answers. Model "mocked" says `answer`."""
        settings = pathlib.Path(directory) / "litellm.yaml"
        settings.write_text(json.dumps({
            "model_list": [{"model_name": "mocked", "litellm_params": {
                "model": "openai/gpt-4o", "api_key": "none", "mock_response": answer}}],
            "general_settings": {"master_key": self.KEY}}))
        env = {**_clean_environment(), "HOME": str(directory), "LITELLM_TELEMETRY": "False",
               "LITELLM_LOCAL_MODEL_COST_MAP": "True", "NO_PROXY": "*"}
        return runner.start(self.program, "--config", settings, "--host", "127.0.0.1", "--port", port,
                            "--ssl_certfile_path", certificate, "--ssl_keyfile_path", key, env=env, name="litellm")
