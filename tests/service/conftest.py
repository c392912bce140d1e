"""The whole service as its users run it: gunicorn, several workers, a database of its own."""

import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pymongo import MongoClient

from tests.service.running import GUNICORN, Service, clean_up

NAMED = "TEST_NAMED_SERVER"


def named_server(place: object) -> dict[str, str]:
    """The settings for the server that MONGO_URI named for this run, if it did."""
    if NAMED not in os.environ:
        return {}
    name = hashlib.sha256(str(place).encode()).hexdigest()[:12]
    return {"MONGO_URI": os.environ[NAMED], "MONGO_DB": f"test_{name}"}


def drop(services: list[Service]) -> None:
    for service in services:
        if service.environ.get("MONGO_URI") == os.environ.get(NAMED, ""):
            with MongoClient(os.environ[NAMED]) as client:
                client.drop_database(service.environ["MONGO_DB"])


@pytest.fixture
def serve(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[..., Service]]:
    """Starts services; at the end of the test none of their processes is left."""
    started: list[Service] = []
    embedded = request.node.get_closest_marker("embedded")

    def start(command: list[str] = GUNICORN, **settings: str) -> Service:
        folder = tmp_path / f"service-{len(started)}"
        folder.mkdir()
        named = {} if embedded else named_server(settings.get("DATA_DIR", folder))
        started.append(Service(folder, command, **{**named, **settings}))
        return started[-1]

    yield start
    clean_up(started)
    drop(started)


@pytest.fixture(scope="module")
def shared_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One service for the tests that do not harm it."""
    folder = tmp_path_factory.mktemp("shared")
    service = Service(folder, **named_server(folder))
    yield service.ready()
    clean_up([service])
    drop([service])
