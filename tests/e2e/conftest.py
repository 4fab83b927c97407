# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the end-to-end tests; what they lean on is in tests/support.

LINEAGED_BUILD_DIR      where the programs were built (build/dev)
LINEAGED_TESTS_REQUIRE  what must not be skipped: any of kafka,python,schema,java,celery,quality,mlmd,readers,airflow,spark,dbt, or all
"""
import os
import pathlib
import signal
import sys

import pytest

SUPPORT = pathlib.Path(__file__).resolve().parent.parent / "support"
sys.path[:0] = [str(SUPPORT), str(SUPPORT / "clients"), str(SUPPORT / "frameworks"),
                str(SUPPORT.parent / "crash")]

import cache  # noqa: E402
import clients  # noqa: E402
import frameworks  # noqa: E402
import kafka_broker  # noqa: E402
import procs  # noqa: E402
import standin_control  # noqa: E402


def pytest_configure(config):
    # Whoever starts us in the background of a script has these ignored; our children must not inherit that.
    for number in (signal.SIGINT, signal.SIGQUIT):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    config.addinivalue_line("markers", "slow: takes more than a few seconds; run by `make test-slow`")
    for name in ("airflow", "spark", "dbt"):
        config.addinivalue_line("markers", "%s: installs and runs a real one; run by `make test-%s`"
                                % (name, name))


def _obtain(name, make):
    """make(), or a skip with the reason, or a failure where LINEAGED_TESTS_REQUIRE names it."""
    try:
        return make()
    except cache.Cannot as reason:
        required = os.environ.get("LINEAGED_TESTS_REQUIRE", "").replace(",", " ").split()
        if name in required or "all" in required:
            pytest.fail("%s is required here: %s" % (name, reason), pytrace=False)
        pytest.skip("no %s: %s" % (name, reason))


@pytest.fixture
def workdir(tmp_path):
    """A directory of this test alone."""
    return tmp_path


@pytest.fixture
def wait_until():
    return procs.wait_until


@pytest.fixture
def runner(workdir):
    """Starts programs and reaps every one of them."""
    made = procs.Runner(workdir)
    yield made
    made.close()


@pytest.fixture
def built():
    """built("lineaged"): path of a built program; the test fails where it was not built."""
    def find(name):
        try:
            return procs.built(name)
        except FileNotFoundError as missing:
            pytest.fail(str(missing), pytrace=False)
    return find


@pytest.fixture
def start_standin(workdir):
    """start_standin(**options) for tests that need more than one, or options of their own."""
    made = []

    def start(**options):
        made.append(standin_control.StandinProcess(workdir / ("standin.%d" % len(made)), **options))
        return made[-1]

    yield start
    for each in made:
        each.close()


@pytest.fixture
def standin(start_standin):
    """A Marquez stand-in of this test alone."""
    return start_standin()


@pytest.fixture(scope="session")
def kafka(tmp_path_factory):
    """A running broker for the whole session; a test that kills it starts it again."""
    def make():
        broker = kafka_broker.Broker(tmp_path_factory.mktemp("kafka"))
        broker.start(die_with_parent=True)
        return broker
    broker = _obtain("kafka", make)
    yield broker
    broker.stop()


@pytest.fixture
def kafka_strict(workdir):
    """A broker of the test's own that makes no topic because somebody asked for it."""
    def make():
        broker = kafka_broker.Broker(workdir / "kafka", creates_topics=False)
        broker.start(die_with_parent=True)
        return broker
    broker = _obtain("kafka", make)
    yield broker
    broker.stop()


@pytest.fixture(scope="session")
def kafka_secure(tmp_path_factory):
    """A broker with TLS, logins and rights beside its plain listener, which makes no topic by itself."""
    def make():
        broker = kafka_broker.Broker(tmp_path_factory.mktemp("kafka-secure"), creates_topics=False, secure=True)
        broker.start(die_with_parent=True)
        return broker
    broker = _obtain("kafka", make)
    yield broker
    broker.stop()


@pytest.fixture
def kafka_read(kafka):
    """kafka_read(topic): every message, through kcat."""
    import kafka_read as module
    _obtain("kafka", lambda: cache.need("kcat"))
    return lambda topic, **options: module.read_topic(kafka.bootstrap, topic, **options)


@pytest.fixture(scope="session")
def python_client():
    """openlineage-python as a sender."""
    return _obtain("python", clients.PythonClient)


@pytest.fixture(scope="session")
def celery_python():
    """The interpreter of a venv with a real Celery."""
    return _obtain("celery", lambda: clients.venv_python("celery", SUPPORT / "clients/requirements-celery.txt"))


@pytest.fixture(scope="session")
def dvc_python():
    """The interpreter of a venv with a real DVC."""
    return _obtain("dvc", lambda: clients.venv_python("dvc", SUPPORT / "clients/requirements-dvc.txt"))


@pytest.fixture(scope="session")
def quality_python():
    """quality_python("evidently-0.7"): the interpreter of a venv with that release of a tool of data quality."""
    return lambda name: _obtain("quality", lambda: clients.venv_python(name, SUPPORT / ("clients/requirements-%s.txt" % name)))


@pytest.fixture(scope="session")
def mlmd_python():
    """The interpreter of a venv with ML Metadata."""
    return _obtain("mlmd", lambda: clients.venv_python("ml-metadata", SUPPORT / "clients/requirements-ml-metadata.txt"))


@pytest.fixture(scope="session")
def readers_python():
    """The interpreter of a venv with readers of in-toto statements and RO-Crates."""
    return _obtain("readers", lambda: clients.venv_python("readers", SUPPORT / "clients/requirements-readers.txt"))


@pytest.fixture(scope="session")
def schema_judge():
    """judge(SCHEMAS, [[schema's URL, value], ...]): what jsonschema has against them."""
    return _obtain("schema", clients.SchemaJudge)


@pytest.fixture(scope="session")
def reference():
    """The published schemas and recorded events, which a user's checkout has not."""
    named = os.environ.get("OL_REFERENCE")
    root = SUPPORT.parent.parent
    for place in [pathlib.Path(named)] if named else [p / "shared" / "openlineage" for p in root.parents]:
        if (place / "surface.json").is_file():
            return place
    pytest.skip("no reference data: shared/openlineage is not beside this checkout (or set OL_REFERENCE)")


@pytest.fixture(scope="session")
def java_client():
    """openlineage-java as a sender."""
    return _obtain("java", clients.JavaClient)


@pytest.fixture(scope="session")
def airflow():
    """A real Airflow with its OpenLineage provider."""
    return _obtain("airflow", frameworks.Airflow)


@pytest.fixture(scope="session")
def spark():
    """A real Spark with its OpenLineage listener."""
    return _obtain("spark", frameworks.Spark)


@pytest.fixture(scope="session")
def dbt():
    """A real dbt with its OpenLineage wrapper."""
    return _obtain("dbt", frameworks.Dbt)


@pytest.fixture(scope="session")
def litellm():
    """LiteLLM's proxy, which makes its answers up."""
    return _obtain("litellm", frameworks.LiteLLM)
