"""An import brings everything over, or says that it cannot, and can be repeated."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jwt
import pytest
from pymongo import ASCENDING, IndexModel

from app import create_app
from config import Config
from session_service.errors import ServiceError, Unavailable
from session_service.store.database import Database
from session_service.store.export_file import check
from session_service.store.exporting import described, export
from session_service.store.importing import import_file
from tests.store.transfer import (
    INDEXES,
    Chats,
    contents,
    crafted,
    fill_with_oddities,
    insert,
    silent,
    stop_after,
)

SECRET = "a secret that only the tests know, 32 bytes"


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


def test_who_needs_the_same_indexes_finds_them(
    source: Database, target: Database, file: Path
) -> None:
    options: list[dict[str, Any]] = [
        {"unique": True, "sparse": True},
        {"expireAfterSeconds": 1_000_000_000, "sparse": True},
        {"unique": True, "partialFilterExpression": {"n": {"$gt": 10}}},
        {"expireAfterSeconds": 1_000_000_000, "partialFilterExpression": {"n": {"$gt": 10}}},
    ]
    needed = [IndexModel([(f"field{i}", ASCENDING)], **each) for i, each in enumerate(options)]
    with source.writing() as opened:
        opened.things.create_indexes(needed)
    export(source, file, silent)
    import_file(target, file, silent)
    with target.writing() as opened:
        for each in needed:
            opened.things.create_indexes([each])


def test_service_goes_on_in_the_new_place(
    source: Database, target: Database, chats: Chats, file: Path
) -> None:
    export(source, file, silent)
    import_file(target, file, silent)
    moved = Chats(target)
    moved.said = chats.said
    moved.say(f"{2:024x}", "afterwards")
    assert {each: moved.texts(each) for each in moved.said} == moved.said


def test_logs_of_all_kinds_come_along_once(source: Database, target: Database, file: Path) -> None:
    client = create_app(Config(jwt_secret_key=SECRET), source).test_client()
    claims = {"sub": "1", "exp": int(time.time()) + 600}
    headers = {"Authorization": f"Bearer {jwt.encode(claims, SECRET)}"}

    def ask(path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        answer = client.post(path, json=body, headers=headers)
        assert answer.status_code in (200, 201), answer.text
        return dict(answer.json)

    session_id = ask("/sess", {"sess_name": "周末"})["data"]["sess_id"]
    ask(f"/sess/{session_id}/chat", {"chat_content": "hello"})
    chat_id = ask("/v1/chats", {"title": "周末"})["id"]
    ask(f"/v1/chats/{chat_id}/message", {"content": "hello", "role": "user"})
    members = {"type": "general", "title": "讨论", "member_ids": [2]}
    ask("/api/v1/conversation/create_conversation", members)
    parties = {"userId1": 1, "userId2": 2, "sessionType": "PRIVATE", "title": "讨论"}
    message_session = ask("/api/v1/message-sessions", parties)["data"]["sessionId"]
    news = {"sessionId": message_session, "senderId": 1, "receiverId": 2, "message": "hello"}
    ask("/api/v1/message-sessions/new-message", news)
    counts = export(source, file, silent)
    assert (counts["sessions"], counts["conversations"], counts["messages"]) == (1, 3, 3)
    import_file(target, file, silent)
    assert contents(target) == contents(source)


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


def test_what_the_database_refuses_is_told_as_that(target: Database, file: Path) -> None:
    file.write_bytes(crafted(documents=[{"_id": 1}, {"_id": 1, "x": "a\nb"}]))
    with pytest.raises(ServiceError, match=r"the database refused it: .*duplicate key") as refused:
        import_file(target, file, silent)
    assert not isinstance(refused.value, Unavailable)
    assert "\n" not in str(refused.value)


def test_database_that_cannot_be_reached_is_told_as_that(
    source: Database, chats: Chats, file: Path
) -> None:
    export(source, file, silent)
    nowhere = Database(lambda: "mongodb://127.0.0.1:9/?serverSelectionTimeoutMS=50", "nowhere")
    with pytest.raises(Unavailable, match="cannot be reached"):
        import_file(nowhere, file, silent)
    nowhere.close()


def test_repeat_tells_what_was_stored_before(target: Database, file: Path) -> None:
    file.write_bytes(crafted(documents=[{"_id": 1}, {"_id": 2}]))
    sha256 = check(file).sha256
    insert(target, "things", {"_id": 1}, {"_id": 2})
    insert(target, "import", {"_id": "import", "sha256": sha256, "counted": True})
    assert import_file(target, file, silent) == {"things": 2}


def test_strange_documents_are_noticed_at_the_end(
    source: Database, target: Database, chats: Chats, file: Path
) -> None:
    export(source, file, silent)

    def meddle(_: Mapping[str, int]) -> None:
        with target.writing() as opened:
            opened.sessions.update_one({"_id": 1}, {"$set": {"strange": True}}, upsert=True)

    with pytest.raises(ServiceError, match="sessions has 4 documents instead of 3"):
        import_file(target, file, meddle)
