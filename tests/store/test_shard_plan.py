"""The plan for a cluster follows the collections that exist, and a cluster can carry it out."""

import importlib
import json
import pkgutil
import re
from itertools import chain
from typing import Any

import pytest
from pymongo import ASCENDING, IndexModel

from app import create_app
from config import Config
from session_service import store
from session_service.store.catalogue import LAYOUTS, required_indexes
from session_service.store.database import Database
from session_service.store.documents import Layout
from session_service.store.exporting import described
from session_service.store.shard_plan import collections, obstacle, shard_keys, shard_plan


@pytest.fixture
def stored(database: Database) -> list[dict[str, Any]]:
    """The collections as the service itself makes them."""
    create_app(Config(jwt_secret_key="x" * 32), database)
    with database.writing() as opened:
        for layout in LAYOUTS:
            opened[layout.heads].insert_one({"seq": 0})
    return described(database)


def test_every_unique_index_begins_with_the_shard_key(stored: list[dict[str, Any]]) -> None:
    keys = shard_keys()
    indexes = [(each["name"], index) for each in stored for index in each["indexes"]]
    unique = [(name, index["key"]) for name, index in indexes if index.get("unique")]
    assert unique
    for name, key in unique:
        if name in keys:
            assert next(iter(key)) == keys[name]


def test_the_plan_knows_every_collection_and_index(stored: list[dict[str, Any]]) -> None:
    assert {each["name"] for each in stored} <= set(collections())
    made = {
        (each["name"], index["name"])
        for each in stored
        for index in each["indexes"]
        if index["name"] != "_id_"
    }
    known = {
        (name, index.document["name"])
        for name, indexes in required_indexes().items()
        for index in indexes
    }
    assert made == known


def test_every_layout_is_in_the_catalogue() -> None:
    names = [each.name for each in pkgutil.iter_modules(store.__path__)]
    modules = [importlib.import_module(f"{store.__name__}.{name}") for name in names]
    values = chain.from_iterable(vars(module).values() for module in modules)
    assert {each.heads for each in values if isinstance(each, Layout)} == {
        layout.heads for layout in LAYOUTS
    }


def test_logs_in_the_same_collections_are_found_there_in_the_same_way() -> None:
    found = {(each.heads, each.entries, each.log) for each in LAYOUTS}
    assert len(found) == len({heads for heads, *_ in found}) == len({name for _, name, _ in found})


def test_an_index_that_needs_all_in_sight_stops_sharding() -> None:
    by_log = IndexModel([("log", ASCENDING), ("seq", ASCENDING)], unique=True)
    by_name = IndexModel([("name", ASCENDING)], unique=True, name="own")
    by_age = IndexModel([("at", ASCENDING)])
    assert obstacle("log", [by_log, by_age]) is None
    assert obstacle("log", [by_log, by_name]) == "own"


def test_the_plan_is_made_of_commands_with_reasons() -> None:
    lines = list(shard_plan('a "name"'))
    sharded = [line for line in lines if line.startswith("sh.shardCollection")]
    assert [json.loads(f"[{line[len('sh.shardCollection(') : -1]}]") for line in sharded] == [
        ['a "name".chats', {"sess_id": 1}],
        ['a "name".conversations', {"_id": 1}],
        ['a "name".messages', {"c": 1}],
        ['a "name".sessions', {"_id": 1}],
        ['a "name".uploads.chunks', {"files_id": 1}],
        ['a "name".uploads.files', {"_id": 1}],
    ]
    reasons = [line for line in lines if re.match(r"// [\w.]+: \w+", line)]
    assert len(reasons) == len(collections())
    made = [line for line in lines if ".createIndex(" in line]
    assert len(made) == sum(map(len, required_indexes().values()))
