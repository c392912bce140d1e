"""The Phoebe API: notes."""

from collections.abc import Callable
from typing import Any

import pytest
from pymongo import MongoClient

NOTES = "/api/v1/notes"
FIELDS = {
    "id",
    "userId",
    "source",
    "title",
    "content",
    "comment",
    "tags",
    "status",
    "createdAt",
    "updatedAt",
}
NEW = {"source": "flomo", "content": "内容", "createdAt": "2026-01-09T10:00:00+08:00"}
GONE = (404, {"error": "笔记不存在"})


@pytest.fixture
def ask_as(app, call_as) -> Callable[[int], Callable[..., Any]]:
    """Calls as that user; gives status and body."""

    def asking(user: int) -> Callable[..., Any]:
        caller = call_as(app, str(user))

        def ask(method: str, path: str = "", body: Any = None, **query: Any) -> tuple[int, Any]:
            answer = caller(method, f"{NOTES}{path}", body, query_string=query or None)
            return answer.status_code, answer.json

        return ask

    return asking


@pytest.fixture
def ask(ask_as) -> Callable[..., Any]:
    return ask_as(2)


def noted(ask: Callable[..., Any], **more: Any) -> int:
    status, told = ask("POST", "", NEW | more)
    assert status == 201
    assert told.items() >= {"status": "stored"}.items()
    return int(told["id"])


def ids(ask: Callable[..., Any], **query: Any) -> list[int]:
    status, found = ask("GET", "", **query)
    assert status == 200, found
    return [each["id"] for each in found]


def test_a_note_is_stored_as_it_was_told(ask):
    more = {"title": " 标题 ", "comment": "评论", "tags": ["a", " b ", "a"]}
    number = noted(ask, **more)
    (note,) = ask("GET")[1]
    assert note.keys() == FIELDS
    assert note["updatedAt"].endswith("Z")
    assert note | {"updatedAt": None} == {
        "id": number,
        "userId": 2,
        "source": "flomo",
        "title": "标题",
        "content": "内容",
        "comment": "评论",
        "tags": ["a", "b"],
        "status": "active",
        "createdAt": "2026-01-09T02:00:00.000Z",
        "updatedAt": None,
    }
    assert ask("GET", f"/{number}") == (200, note)
    bare = ask("GET", f"/{noted(ask)}")[1]
    assert (bare["title"], bare["comment"], bare["tags"]) == (None, None, [])


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"source": None}, "source"),
        ({"source": " "}, "source"),
        ({"content": ""}, "content"),
        ({"content": "x" * 100_001}, "content"),
        ({"title": "x" * 201}, "title"),
        ({"comment": "x" * 2001}, "comment"),
        ({"tags": ["x"] * 51}, "tags"),
        ({"tags": ["x" * 51]}, "tags.0"),
        ({"tags": "x"}, "tags"),
        *[
            ({"createdAt": time}, "createdAt")
            for time in (None, 1, "", "2026-01-09", "2026-01-09T10:00:00", "2026-13-09T10:00:00Z")
        ],
    ],
)
def test_bad_notes_are_refused_by_field(ask, change, field):
    status, told = ask("POST", "", NEW | change)
    assert (status, told["error"]) == (400, "Validation failed")
    assert told["details"].keys() == {field}
    assert ids(ask) == []


def test_the_newest_come_first_by_their_own_time(ask):
    late, early, same = (noted(ask, createdAt=f"2026-01-0{day}T10:00:00Z") for day in (3, 1, 3))
    assert ids(ask) == [same, late, early]
    assert ids(ask, limit=2) == [same, late]
    assert ids(ask, limit=2, before=late) == [early]
    assert ids(ask, before=early) == []
    ask("DELETE", f"/{late}")
    assert ids(ask, before=late) == [early]
    assert ids(ask, before=999) == []


def test_notes_are_told_apart_by_source_and_tag(ask):
    flomo, manual = noted(ask, tags=["a", "b"]), noted(ask, source="manual", tags=["b"])
    assert ids(ask, source="flomo") == [flomo]
    assert ids(ask, source="other") == []
    assert ids(ask, tag="b") == [manual, flomo]
    assert ids(ask, tag="a", source="manual") == []


def test_words_of_any_script_are_found(ask, ask_as):
    texts = {
        "chinese": "上周六去爬山，路上遇见一只刺猬",
        "english": "The hedgehogs were climbing the hill",
        "title": "nothing of the kind",
        "mixed": "用 Flask 写接口",
    }
    made = {name: noted(ask, content=text) for name, text in texts.items()}
    ask("PUT", f"/{made['title']}", {"title": "Ünïcode Überschrift"})
    noted(ask_as(3), content="刺猬 hedgehog flask")
    assert ids(ask, q="刺猬") == [made["chinese"]]
    assert ids(ask, q="hedgehog climbs") == [made["english"]]
    assert ids(ask, q="ＦＬＡＳＫ") == [made["mixed"]]
    assert ids(ask, q="uberschrift") == [made["title"]]
    assert ids(ask, q='"; DROP TABLE texts; NEAR(') == []
    assert ids(ask, q="!!!") == []
    assert ids(ask, q="刺猬 hedgehog", limit=1) != []
    ask("PUT", f"/{made['mixed']}", {"content": "刺猬"})
    assert set(ids(ask, q="刺猬")) == {made["chinese"], made["mixed"]}
    ask("DELETE", f"/{made['chinese']}")
    assert ids(ask, q="刺猬") == [made["mixed"]]


def test_a_change_is_of_some_fields_alone(ask):
    number = noted(ask, title="t", comment="c", tags=["a"])
    before = ask("GET", f"/{number}")[1]
    status, after = ask("PUT", f"/{number}", {"content": "new", "userId": 9})
    assert (status, after["content"]) == (200, "new")
    assert after["updatedAt"] > before["updatedAt"]
    same = {"content": None, "updatedAt": None}
    assert after | same == before | same
    cleared = ask("PUT", f"/{number}", {"title": None, "comment": None, "tags": None})[1]
    assert (cleared["title"], cleared["comment"], cleared["tags"]) == (None, None, [])
    assert ask("PUT", f"/{number}", {"content": None})[0] == 400


def test_a_deleted_note_is_gone(ask):
    number = noted(ask)
    assert ask("DELETE", f"/{number}") == (200, {"id": number, "status": "deleted"})
    assert ids(ask) == []
    for method, body in (("GET", None), ("DELETE", None), ("PUT", {"title": "x"})):
        assert ask(method, f"/{number}", body) == GONE


def test_somebody_elses_note_is_not_there(ask, ask_as):
    number, other = noted(ask), ask_as(3)
    for method, body in (("GET", None), ("DELETE", None), ("PUT", {"title": "x"})):
        assert other(method, f"/{number}", body) == GONE
    assert ids(other) == []
    assert ids(other, before=number) == []
    assert ask("GET", f"/{number}")[0] == 200


def test_notes_go_with_their_user(app, ask_as, mongo_uri, database_name):
    client = app.test_client()
    new = {"username": "alice", "password": "password1"}
    user = client.post("/api/v1/users", json=new).json["id"]
    number = noted(ask_as(user))
    token = client.post("/api/v1/users/login", json=new).json["token"]
    headers = {"Authorization": f"Bearer {token}"}
    assert client.get(f"{NOTES}/{number}", headers=headers).status_code == 200
    with MongoClient(mongo_uri) as database:
        assert database[database_name]["notes"].count_documents({}) == 1
        assert client.delete(f"/api/v1/users/{user}", headers=headers).status_code == 200
        assert database[database_name]["notes"].count_documents({}) == 0


def test_a_deletion_that_failed_half_way_is_ended_by_the_next(
    app, ask_as, call_as, mongo_uri, database_name
):
    noted(ask_as(5))
    admin = call_as(app, "900", role="admin")
    with MongoClient(mongo_uri) as client:
        database = client[database_name]
        database["accounts"].insert_one({"_id": 5, "status": "deleted"})
        assert admin("DELETE", "/api/v1/users/5").status_code == 404
        assert database["notes"].count_documents({}) == 0
