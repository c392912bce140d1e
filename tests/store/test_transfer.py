"""An export brings everything over, or says that it cannot, and an import can be repeated."""

import stat
import threading
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import bson
import pytest
from bson import Binary, Int64, ObjectId
from bson.raw_bson import RawBSONDocument
from pymongo import ASCENDING, DESCENDING, IndexModel

from session_service.core.message_log import MessageLog
from session_service.errors import ServiceError
from session_service.models import Draft, LogState, Session
from session_service.store.database import Database
from session_service.store.export_file import RAW
from session_service.store.exporting import described, export
from session_service.store.importing import import_file
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
        entries = self.log.everything(self.state(session_id))
        assert [entry.seq for entry in entries] == [*range(1, len(entries) + 1)]
        return [str(entry.content["chat_content"]) for entry in entries]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "export"


@pytest.fixture
def chats(source: Database) -> Chats:
    chats = Chats(source)
    for number in range(1, 4):
        chats.open(number, messages=number)
    return chats


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


def test_everything_comes_back_byte_for_byte(
    source: Database, target: Database, chats: Chats, file: Path
) -> None:
    fill_with_oddities(source)
    counts = export(source, file, silent)
    assert (counts["sessions"], counts["chats"], counts["numbers"]) == (3, 6, 1100)
    assert import_file(target, file, silent) == {n: c for n, c in counts.items() if c}
    assert contents(target) == contents(source)


def test_indexes_of_an_empty_collection_come_along(
    source: Database, target: Database, file: Path
) -> None:
    with source.writing() as opened:
        opened.things.create_indexes(INDEXES)
    export(source, file, silent)
    import_file(target, file, silent)
    assert contents(target) == contents(source)


def test_service_goes_on_in_the_new_place(
    source: Database, target: Database, chats: Chats, file: Path
) -> None:
    export(source, file, silent)
    import_file(target, file, silent)
    moved = Chats(target)
    moved.said = chats.said
    moved.say(f"{2:024x}", "afterwards")
    assert {each: moved.texts(each) for each in moved.said} == moved.said


def test_file_is_for_its_owner_alone(source: Database, chats: Chats, file: Path) -> None:
    export(source, file, silent)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [each.name for each in file.parent.iterdir()] == ["export"]


def test_existing_file_is_not_written_over(source: Database, chats: Chats, file: Path) -> None:
    file.write_text("precious")
    with pytest.raises(ServiceError, match="exists already"):
        export(source, file, silent)
    assert file.read_text() == "precious"


def test_failed_export_leaves_no_file(source: Database, chats: Chats, file: Path) -> None:
    with pytest.raises(OSError, match="no space"):
        export(source, file, stop_after(2, OSError("no space")))
    assert list(file.parent.iterdir()) == []


def test_empty_database_is_not_exported(source: Database, file: Path) -> None:
    assert source.healthy()  # which leaves a trace that is no data
    with pytest.raises(ServiceError, match="is empty"):
        export(source, file, silent)


def stop_after(calls: int, error: BaseException) -> Callable[[Mapping[str, int]], None]:
    left = iter(range(calls - 1, -1, -1))

    def told(_: Mapping[str, int]) -> None:
        if not next(left):
            raise error

    return told


# What comes while an export is made


def test_export_beside_senders_is_whole(
    source: Database, target: Database, chats: Chats, file: Path
) -> None:
    stop = threading.Event()

    def send(session_id: str) -> None:
        sender = Chats(source)
        sender.said = chats.said
        while not stop.is_set():
            sender.say(session_id, f"message {len(chats.said[session_id])}")

    threads = [threading.Thread(target=send, args=[each]) for each in list(chats.said)]
    for thread in threads:
        thread.start()
    try:
        for number in range(100, 130):
            chats.open(number, messages=3)
        before = {each: list(texts) for each, texts in chats.said.items()}
        export(source, file, lambda _: time.sleep(0.01))
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    import_file(target, file, silent)
    moved = Chats(target)
    for session_id, texts in before.items():
        there = moved.texts(session_id)
        assert there[: len(texts)] == texts
        assert there == chats.said[session_id][: len(there)]
    stored = sum(moved.state(each).seq for each in before)
    with target.reading() as opened:
        assert opened.chats.count_documents({}) == stored


def test_session_deleted_meanwhile_is_not_half_there(
    source: Database, target: Database, chats: Chats, file: Path
) -> None:
    long, last = chats.open(7, messages=4), f"{3:024x}"

    def delete(_: Mapping[str, int]) -> None:
        for each in (long, last):
            if session := chats.store.find(each):
                chats.log.delete(session.log)

    export(source, file, delete)
    import_file(target, file, silent)
    moved = Chats(target)
    for session_id, texts in chats.said.items():
        if moved.store.find(session_id):
            assert moved.texts(session_id) == texts
    assert moved.log.keep_house()
    with target.reading() as opened:
        heads = {head["_id"] for head in opened.sessions.find()}
        assert {entry["sess_id"] for entry in opened.chats.find()} <= heads


def test_proposals_stay_behind(
    source: Database, target: Database, chats: Chats, file: Path
) -> None:
    state = chats.state(f"{1:024x}")
    (entry,) = chats.log.everything(state)
    insert(source, "chats", {"_id": ObjectId(), "sess_id": ObjectId(state.id), "seq": 3})
    export(source, file, silent)
    import_file(target, file, silent)
    with target.reading() as opened:
        assert opened.chats.count_documents({"seq": 3, "key": None}) == 0
    assert Chats(target).texts(state.id) == [entry.content["chat_content"]]


# Refusals, before anything is written


@pytest.mark.parametrize("kept", [0, 3, 20, 0.3, 0.9, 0.9999])
def test_cut_file_is_refused(
    source: Database, target: Database, chats: Chats, file: Path, kept: float
) -> None:
    export(source, file, silent)
    whole = file.read_bytes()
    file.write_bytes(whole[: int(kept if kept > 1 else kept * len(whole))])
    with pytest.raises(ServiceError, match=r"cut short|not an export|damaged"):
        import_file(target, file, silent)
    assert described(target) == []


def test_damaged_file_is_refused(
    source: Database, target: Database, chats: Chats, file: Path
) -> None:
    export(source, file, silent)
    whole = file.read_bytes()
    damaged = [whole.replace(b"message 1", b"message 2", 1), whole + b"\0", whole * 2, b"x" * 99]
    for content in damaged:
        file.write_bytes(content)
        with pytest.raises(ServiceError, match=r"damaged|cut short|not an export"):
            import_file(target, file, silent)
    assert described(target) == []


def test_database_with_something_in_it_is_refused(
    source: Database, target: Database, chats: Chats, file: Path
) -> None:
    export(source, file, silent)
    insert(target, "things", {"_id": 1})
    before = contents(target)
    with pytest.raises(ServiceError, match="not empty, it has things"):
        import_file(target, file, silent)
    assert contents(target) == before


# Imports that are cut off


@pytest.mark.parametrize("steps", [1, 2, 4, 5])
def test_import_goes_on_where_it_was_cut_off(
    source: Database, target: Database, chats: Chats, file: Path, steps: int
) -> None:
    fill_with_oddities(source)
    export(source, file, silent)
    with pytest.raises(KeyboardInterrupt):
        import_file(target, file, stop_after(steps, KeyboardInterrupt()))
    import_file(target, file, silent)
    assert contents(target) == contents(source)


def test_half_an_import_takes_no_other_file_and_is_not_exported(
    source: Database, target: Database, chats: Chats, file: Path, tmp_path: Path
) -> None:
    export(source, file, silent)
    with pytest.raises(KeyboardInterrupt):
        import_file(target, file, stop_after(2, KeyboardInterrupt()))
    chats.say(f"{1:024x}", "one more")
    export(source, tmp_path / "other", silent)
    with pytest.raises(ServiceError, match="another file has not been finished"):
        import_file(target, tmp_path / "other", silent)
    with pytest.raises(ServiceError, match="has not been finished"):
        export(target, tmp_path / "third", silent)


def test_strange_documents_are_noticed_at_the_end(
    source: Database, target: Database, chats: Chats, file: Path
) -> None:
    export(source, file, silent)

    def meddle(_: Mapping[str, int]) -> None:
        with target.writing() as opened:
            opened.sessions.update_one({"_id": 1}, {"$set": {"strange": True}}, upsert=True)

    with pytest.raises(ServiceError, match="sessions has 4 documents instead of 3"):
        import_file(target, file, meddle)
