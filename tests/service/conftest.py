"""The whole service as its users run it: gunicorn, several workers, a database of its own."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.service.running import GUNICORN, Service, clean_up


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Service]]:
    """Starts services; at the end of the test none of their processes is left."""
    started: list[Service] = []

    def start(command: list[str] = GUNICORN, **settings: str) -> Service:
        folder = tmp_path / f"service-{len(started)}"
        folder.mkdir()
        started.append(Service(folder, command, **settings))
        return started[-1]

    yield start
    clean_up(started)


@pytest.fixture(scope="module")
def shared_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One service for the tests that do not harm it."""
    service = Service(tmp_path_factory.mktemp("shared"))
    yield service.ready()
    clean_up([service])
