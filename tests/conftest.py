"""One embedded database for the whole run; a database of its own for every test."""

import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from session_service import embedded
from session_service.store.database import EMBEDDED_OPTIONS, SERVER_OPTIONS, Database

URI = "TEST_MONGO_URI"  # how the workers of a parallel run learn of it
NAMED = "TEST_NAMED_SERVER"  # the same, but only where somebody named a server
SERVICE = Path(__file__).with_name("service")
BENCHMARKS = Path(__file__).with_name("test_benchmarks.py")
# Tests of these modules share what takes seconds to set up.
SHARING = (
    "tests/service/test_accounts.py",
    "tests/discovery/test_service.py",
    "tests/service/test_example_engine.py",
    "tests/service/test_openai.py",
    "tests/service/test_tls.py",
    "tests/test_embedded.py",
)
running = pytest.StashKey[tuple[embedded.EmbeddedDatabase, Path]]()


def pytest_configure(config: pytest.Config) -> None:
    """Starts the database, unless a server is named by MONGO_URI or this is only a worker."""
    config.addinivalue_line("markers", "embedded: needs an embedded database of its own")
    config.addinivalue_line("markers", "mongodb: only a MongoDB explains its plans")
    if os.environ.get("MONGO_URI"):
        os.environ[URI] = os.environ[NAMED] = os.environ.pop("MONGO_URI")
    elif not hasattr(config, "workerinput") and not config.option.collectonly:
        folder = Path(tempfile.mkdtemp(prefix="session-service-tests-"))
        database = embedded.start(folder)
        config.stash[running] = database, folder
        os.environ[URI] = database.uri


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Begins with what takes longest, so that it does not end alone."""
    if NAMED not in os.environ:
        others = [item for item in items if item.get_closest_marker("mongodb")]
        config.hook.pytest_deselected(items=others)
        items[:] = [item for item in items if item not in others]
    items.sort(key=lambda item: item.path != BENCHMARKS and SERVICE not in item.path.parents)


def pytest_unconfigure(config: pytest.Config) -> None:
    if running in config.stash:
        database, folder = config.stash[running]
        database.stop()
        shutil.rmtree(folder)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Keeps the modules that share something on one worker; all else goes where there is room."""
    from xdist.scheduler import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            module = nodeid.partition("::")[0]
            return module if module in SHARING else nodeid

    return Scheduling(config, log)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Says aloud what has not been tested here."""
    if NAMED in os.environ:
        terminalreporter.write_line(
            "NOT TESTED ON MONGO_URI: tests of the embedded database itself, of discovery and of "
            "what is marked `embedded` start a database of their own",
            red=True,
            bold=True,
        )
    else:
        terminalreporter.write_line("NOT TESTED WITHOUT MONGO_URI: the plans of a MongoDB's own")
    skipped = terminalreporter.stats.get("skipped", [])
    for reason in sorted({str(each.longrepr[2]) for each in skipped}):
        terminalreporter.write_line(f"NOT TESTED HERE: {reason}", red=True, bold=True)


@pytest.fixture(scope="session")
def mongo_uri() -> str:
    return os.environ[URI]


@pytest.fixture(scope="session")
def database_options(mongo_uri: str) -> Mapping[str, Any]:
    return EMBEDDED_OPTIONS if "retryWrites=false" in mongo_uri else SERVER_OPTIONS


@pytest.fixture(scope="session")
def dropping(mongo_uri: str) -> Iterator[MongoClient[Any]]:
    """A connection that is kept: to sign in takes ten times as long as to drop a database."""
    with MongoClient[Any](mongo_uri) as client:
        yield client


@pytest.fixture
def database_name(dropping: MongoClient[Any]) -> Iterator[str]:
    name = f"test_{secrets.token_hex(6)}"
    yield name
    dropping.drop_database(name)


@pytest.fixture
def database(
    mongo_uri: str, database_name: str, database_options: Mapping[str, Any]
) -> Iterator[Database]:
    database = Database(lambda: mongo_uri, database_name, options=database_options)
    yield database
    database.close()
