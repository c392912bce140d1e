"""Two databases on one server, as command lines open them, and what is moved between them."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from session_service.store.database import EMBEDDED_OPTIONS, Database
from session_service.store.exporting import patient_client
from tests.store.transfer import Chats

OpenDatabase = Callable[[str], Database]


@pytest.fixture
def open_database(
    mongo_uri: str, database_name: str, database_options: Mapping[str, Any]
) -> Iterator[OpenDatabase]:
    """Opens a database of this name beside the test's own."""
    databases: list[Database] = []

    def open_one(suffix: str) -> Database:
        name = f"{database_name}_{suffix}"
        databases.append(
            Database(lambda: mongo_uri, name, options=database_options, connect=patient_client)
        )
        return databases[-1]

    yield open_one
    for database in databases:
        # The embedded one is thrown away at the end, and takes its time to drop anything.
        if database_options is not EMBEDDED_OPTIONS:
            with database.reading() as opened:
                opened.client.drop_database(opened.name)
        database.close()


@pytest.fixture
def source(open_database: OpenDatabase) -> Database:
    return open_database("source")


@pytest.fixture
def target(open_database: OpenDatabase) -> Database:
    return open_database("target")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "export"


@pytest.fixture
def chats(source: Database) -> Chats:
    chats = Chats(source)
    for number in range(1, 4):
        chats.open(number, messages=number)
    return chats
