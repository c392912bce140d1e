"""What is moved between databases: sessions that go on, and whatever a document may hold."""

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import bson
from bson import Binary, Int64, ObjectId
from bson.raw_bson import RawBSONDocument
from pymongo import ASCENDING, DESCENDING, IndexModel

from session_service.core.message_log import MessageLog
from session_service.models import Draft, LogState, Session
from session_service.store.database import Database
from session_service.store.export_file import END_OF_SECTION, FORMAT, RAW, VERSION
from session_service.store.exporting import described
from session_service.store.sessions import SessionStore

ODDITIES = {
    "number": 5,
    "long": Int64(5),
    "float": 1.5,
    "date": datetime(2026, 11, 20, 6, 31, 0, 123_000),
    "binary": Binary(b"\0\xff", 5),
    "none": None,
    "nested": {"z": [1, {"deep": ObjectId(b"twelve bytes")}], "a": {}},
    "text": "周末 \0 weekend",
}
INDEXES = [
    IndexModel([("name", ASCENDING), ("at", DESCENDING)], unique=True, name="by name and age"),
    IndexModel([("at", ASCENDING)], expireAfterSeconds=1_000_000_000),
    IndexModel([("rare", ASCENDING)], sparse=True),
    IndexModel([("n", ASCENDING)], partialFilterExpression={"n": {"$gt": 10}}),
]


def silent(_: Mapping[str, int]) -> None:
    """For those who need not hear how far it is."""


class Chats:
    """Sessions in a database, and what is said in them."""

    def __init__(self, database: Database) -> None:
        self.store = SessionStore(database)
        self.log = MessageLog(self.store, clock=lambda: time.time_ns() // 1_000_000)
        self.said: dict[str, list[str]] = {}

    def open(self, number: int, messages: int = 0) -> str:
        session_id = f"{number:024x}"
        session = Session(session_id, "alice", "周末", number, number, LogState(session_id))
        self.store.insert_session(session)
        self.said[session_id] = []
        for i in range(messages):
            self.say(session_id, f"message {i}")
        return session_id

    def say(self, session_id: str, text: str) -> None:
        draft = Draft("user", text, {"user_id": "alice", "chat_content": text})
        self.log.post(session_id, draft, admit=lambda _: None)
        self.said[session_id].append(text)

    def state(self, session_id: str) -> LogState:
        session = self.store.find(session_id)
        assert session is not None
        return session.log

    def texts(self, session_id: str) -> list[str]:
        entries = self.log.oldest(self.state(session_id))
        assert [entry.seq for entry in entries] == [*range(1, len(entries) + 1)]
        return [str(entry.content["chat_content"]) for entry in entries]


def contents(database: Database) -> dict[str, Any]:
    """All documents as bytes, and the indexes, of each collection."""
    found = {}
    for each in described(database):
        with database.reading() as opened:
            documents = opened.get_collection(each["name"], RAW).find()
            indexes = sorted(map(str, each["indexes"]))
            found[each["name"]] = ({d.raw for d in documents}, indexes, each["options"])
    return found


def insert(database: Database, name: str, *documents: Mapping[str, Any]) -> None:
    with database.writing() as opened:
        opened[name].insert_many([RawBSONDocument(bson.encode(each)) for each in documents])


def fill_with_oddities(database: Database) -> None:
    with database.writing() as opened:
        opened.things.create_indexes(INDEXES)
    large = {"_id": 2, "name": "large", "data": Binary(bytes(3_000_000))}
    insert(database, "things", {"_id": ObjectId(), **ODDITIES}, large)
    insert(database, "numbers", *({"_id": i, "n": i} for i in range(1100)))
    insert(database, "retired_sessions", {"_id": ObjectId(), "seq": 3, "at": Int64(7)})


def crafted(
    documents: Sequence[Mapping[str, Any] | bytes] = (),
    head: Mapping[str, Any] | None = None,
    section: object = "things",
    collections: object = None,
    **told: Any,
) -> bytes:
    """An export of one collection as somebody else might write it; `told` is said of it."""
    head = {"format": FORMAT, "version": VERSION, "database": "theirs"} if head is None else head
    raw = [each if isinstance(each, bytes) else bson.encode(each) for each in documents]
    body = b"".join((bson.encode(head), bson.encode({"collection": section}), *raw, END_OF_SECTION))
    things = {"name": section, "documents": len(raw), "options": {}, "indexes": [], **told}
    listed = [{key: value for key, value in things.items() if value is not ...}]
    last = {"collections": listed if collections is None else collections}
    return body + bson.encode({**last, "sha256": hashlib.sha256(body).digest()})


def stop_after(calls: int, error: BaseException) -> Callable[[Mapping[str, int]], None]:
    left = iter(range(calls - 1, -1, -1))

    def told(_: Mapping[str, int]) -> None:
        if not next(left):
            raise error

    return told
