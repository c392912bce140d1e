"""mongomock as the service meets a server: through the commands it sends."""

from typing import Any

import mongomock
from mongomock import DuplicateKeyError

DUPLICATE_KEY = 11000
Document = dict[str, Any]


class MockedClient:
    """What `Database` connects to; all that connect to one share its databases."""

    def __init__(self) -> None:
        self._client = mongomock.MongoClient()

    def __getitem__(self, name: str) -> "MockedDatabase":
        return MockedDatabase(self._client[name])

    def close(self) -> None:
        pass


class MockedDatabase:
    """A database of mongomock that also knows the commands of `store.collection`."""

    def __init__(self, database: Any) -> None:
        self._database = database

    def __getitem__(self, name: str) -> Any:
        return self._database[name]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)

    def command(self, command: Document) -> Document:
        name, collection = next(iter(command.items()))
        answers = {
            "find": find,
            "insert": insert,
            "update": update,
            "findAndModify": find_and_modify,
        }
        return answers[name](self._database[collection], command)


def find(collection: Any, command: Document) -> Document:
    found = collection.find(
        command["filter"],
        command.get("projection"),
        sort=list(command.get("sort", {}).items()) or None,
        limit=command.get("limit", 0),
    )
    return {"cursor": {"id": 0, "firstBatch": list(found)}}


def insert(collection: Any, command: Document) -> Document:
    for document in command["documents"]:
        try:
            collection.insert_one(document)
        except DuplicateKeyError:
            return {"writeErrors": [{"code": DUPLICATE_KEY}]}
    return {}


def update(collection: Any, command: Document) -> Document:
    (change,) = command["updates"]
    return {"n": collection.update_one(change["q"], change["u"]).matched_count}


def find_and_modify(collection: Any, command: Document) -> Document:
    after = mongomock.collection.ReturnDocument.AFTER
    change = command["query"], command["update"]
    return {"value": collection.find_one_and_update(*change, return_document=after)}
