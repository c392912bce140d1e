"""The whole service as its users run it: gunicorn, several workers, a database."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.service.running import (
    GUNICORN,
    METRICS_TOKEN,
    Service,
    clean_up,
    database_on,
    running,
)

NAMED = "TEST_NAMED_SERVER"
SHARED = {"WORKERS": "2", "LOG_FORMAT": "json", "METRICS_TOKEN": METRICS_TOKEN}


@pytest.fixture
def serve(
    request: pytest.FixtureRequest, mongo_uri: str, tmp_path: Path
) -> Iterator[Callable[..., Service]]:
    """Starts services; at the end of the test none of their processes is left.

    They use the server of all tests, which is there already, or each a database of its own where
    the test is marked `embedded`.
    """
    started: list[Service] = []
    embedded = request.node.get_closest_marker("embedded")
    with database_on(None if embedded else mongo_uri) as database:

        def start(command: list[str] = GUNICORN, **settings: str) -> Service:
            folder = tmp_path / f"service-{len(started)}"
            folder.mkdir()
            started.append(Service(folder, command, **{**database, **settings}))
            return started[-1]

        yield start
        clean_up(started)


@pytest.fixture(scope="session")
def shared_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One service for the tests that do not harm it."""
    named = os.environ.get(NAMED)
    with running(tmp_path_factory.mktemp("shared"), named, **SHARED) as service:
        yield service


@pytest.fixture(scope="session")
def shared_embedded_service(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """The same, with an embedded database also where another server is named."""
    if NAMED not in os.environ:
        yield request.getfixturevalue("shared_service")
        return
    with running(tmp_path_factory.mktemp("shared"), None, **SHARED) as service:
        yield service
