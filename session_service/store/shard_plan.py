"""How the collections are spread over the shards of a cluster, as commands for mongosh."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pymongo import IndexModel

from session_service.store.catalogue import places, required_indexes
from session_service.store.files import CHUNKS, FILES


def shard_plan(database: str) -> Iterator[str]:
    """The lines to be fed to mongosh: each collection's commands, and the reason before them."""
    indexes = required_indexes()
    yield f"sh.enableSharding({json.dumps(database)})"
    for name in collections():
        yield from _collection(database, name, indexes.get(name, ()))


def shard_keys() -> Mapping[str, str]:
    """The field by which each collection is spread; logs and files stay together on one shard."""
    heads = {layout.heads: "_id" for layout in places()}
    entries = {layout.entries: layout.log for layout in places()}
    return heads | entries | {FILES: "_id", CHUNKS: "files_id"}


def collections() -> list[str]:
    """All that the code knows of."""
    return sorted(required_indexes())


def obstacle(field: str, indexes: Sequence[IndexModel]) -> str | None:
    """The first unique index that does not begin with the field: a cluster cannot hold it up."""
    for each in indexes:
        document: dict[str, Any] = each.document
        if document.get("unique") and next(iter(document["key"])) != field:
            return str(document["name"])
    return None


def _collection(database: str, name: str, indexes: Sequence[IndexModel]) -> Iterator[str]:
    field = shard_keys().get(name)
    stopper = obstacle(field, indexes) if field else None
    yield f"// {name}: {_reason(name, field, stopper)}"
    for each in indexes:
        yield _create_index(database, name, each.document)
    if field and not stopper:
        key = json.dumps({field: 1})
        yield f"sh.shardCollection({json.dumps(f'{database}.{name}')}, {key})"


def _reason(name: str, field: str | None, stopper: str | None) -> str:
    if field is None:
        return "stays on one shard, it is small"
    if stopper:
        return f"stays on one shard, its unique index {stopper} needs all of it in sight"
    if field == "_id":
        return "_id begins at random, so they spread; a change names it and reaches one shard"
    return (
        f"{field} begins at random, so they spread; every unique key begins with it, and whoever "
        "reads or adds names it and reaches one shard"
    )


def _create_index(database: str, name: str, index: Mapping[str, Any]) -> str:
    options = {key: value for key, value in index.items() if key != "key"}
    where = f"db.getSiblingDB({json.dumps(database)}).getCollection({json.dumps(name)})"
    return f"{where}.createIndex({json.dumps(dict(index['key']))}, {json.dumps(options)})"
