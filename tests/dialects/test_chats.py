"""The chats of `/v1`, call by call, as their contract tells it."""

import re
import time
from typing import Any

import pytest
from pymongo import MongoClient

from session_service import __version__
from session_service.models import Chat, LogState
from session_service.store.chats import ChatStore

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
NOT_FOUND = {"detail": "Chat not found"}
BODY = {"role": "user", "content": "Hello!"}
CALLS = [  # method, path, body: every call that a token opens
    ("POST", "/v1/chats/", {"title": "x"}),
    ("GET", "/v1/chats/", None),
    ("GET", "/v1/chats/{}", None),
    ("PUT", "/v1/chats/{}", {"title": "x"}),
    ("GET", "/v1/chats/{}/messages", None),
    ("POST", "/v1/chats/{}/message", BODY),
    ("POST", "/v1/chats/message?chat_id={}", BODY),
    ("DELETE", "/v1/chats/{}", None),
]
OF_ONE_CHAT = [call for call in CALLS if "{}" in call[1]]


@pytest.fixture
def ann(app, call_as):
    return call_as(app, "1")


@pytest.fixture
def ben(app, call_as):
    return call_as(app, "2")


@pytest.fixture
def chat(ann):
    return ann("POST", "/v1/chats/", {"title": "My Chat"}).json


@pytest.fixture
def documents(mongo_uri, database_name):
    """Counts what the collections of chats hold."""

    def count() -> dict[str, int]:
        names = ("conversations", "messages", "retired_conversations")
        with MongoClient(mongo_uri) as client:
            return {name: client[database_name][name].count_documents({}) for name in names}

    return count


def reasons(answer: Any) -> list[tuple[tuple[str, ...], str]]:
    """Where and of which type, of a 422 in FastAPI's shape."""
    assert answer.status_code == 422, answer.text
    assert answer.json.keys() == {"detail"}
    for each in answer.json["detail"]:
        assert each.keys() == {"loc", "msg", "type"}
        assert isinstance(each["msg"], str)
        assert each["msg"]
    return [(tuple(each["loc"]), each["type"]) for each in answer.json["detail"]]


def titles(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [each["title"] for each in answer.json]


def test_the_front_page_names_version(app):
    for path in ("/v1", "/v1/"):
        answer = app.test_client().get(path)
        assert answer.status_code == 200
        assert answer.json.keys() == {"message"}
        assert __version__ in answer.json["message"]


def test_create_answers_the_chat(ann):
    answer = ann("POST", "/v1/chats/", {"title": "  My Chat\n", "unknown": 1, "id": 99})
    assert answer.status_code == 200
    chat = answer.json
    assert chat.keys() == {"id", "title", "user_id", "created_at", "updated_at"}
    assert (type(chat["id"]), chat["user_id"]) == (int, 1)
    assert chat["title"] == "My Chat"
    assert chat["id"] != 99
    assert TIME.fullmatch(chat["created_at"])
    assert chat["updated_at"] == chat["created_at"]


def test_an_id_is_never_given_again(ann):
    ids = []
    for _ in range(4):
        ids.append(ann("POST", "/v1/chats/", {"title": "x"}).json["id"])
        ann("DELETE", f"/v1/chats/{ids[-1]}")
    assert ids == sorted(set(ids))


BAD_TITLES = [
    ({}, "missing"),
    ({"Title": "x"}, "missing"),
    ({"title": None}, "string_type"),
    ({"title": 1}, "string_type"),
    ({"title": {"$gt": ""}}, "string_type"),
    ({"title": ["x"]}, "string_type"),
    ({"title": ""}, "string_too_short"),
    ({"title": " \t\n\u3000"}, "string_too_short"),
    ({"title": "x" * 201}, "string_too_long"),
    ({"title": "a\0b"}, "value_error"),
]


def test_a_title_is_checked_when_a_chat_is_made_and_when_it_is_renamed(ann, chat):
    for body, kind in BAD_TITLES:
        for method, path in (("POST", "/v1/chats/"), ("PUT", f"/v1/chats/{chat['id']}")):
            assert reasons(ann(method, path, body)) == [(("body", "title"), kind)], body
    assert ann("GET", "/v1/chats/").json == [chat]


BAD_BODIES = [
    (b"", "missing"),
    (b"{", "json_invalid"),
    (b"[]", "model_attributes_type"),
    (b"null", "model_attributes_type"),
]


def test_a_body_that_is_no_object_is_refused_as_the_body(ann, chat):
    for method, path, _ in (call for call in CALLS if call[2]):
        for raw, kind in BAD_BODIES:
            options = {"data": raw, "content_type": "application/json"}
            answer = ann(method, path.format(chat["id"]), **options)
            assert reasons(answer) == [(("body",), kind)], raw


def test_list_shows_own_chats_newest_first(ann, ben):
    made = [ann("POST", "/v1/chats/", {"title": f"t{i}"}).json for i in range(3)]
    ben("POST", "/v1/chats/", {"title": "ben's"})
    ann("POST", f"/v1/chats/{made[0]['id']}/message", BODY)  # newest created, not last used
    answer = ann("GET", "/v1/chats/")
    assert titles(answer) == ["t2", "t1", "t0"]
    assert answer.json[:2] == made[:0:-1]
    assert answer.json[2]["updated_at"] > made[0]["updated_at"]
    assert all(each.keys() == made[0].keys() for each in answer.json)


PAGES = [
    ("", "43210"),
    ("?skip=0&limit=100", "43210"),
    ("?skip=2", "210"),
    ("?limit=2", "43"),
    ("?skip=1&limit=3", "321"),
    ("?skip=4&limit=9007199254740991", "0"),
    ("?skip=5", ""),
    ("?skip=9007199254740991&limit=9007199254740991", ""),
    ("?limit=0", ""),
    ("?skip=0001&limit=01", "3"),
    ("?limit=2&unknown=x", "43"),
]


def test_list_skips_and_limits(ann):
    for i in range(5):
        ann("POST", "/v1/chats/", {"title": str(i)})
    for query, shown in PAGES:
        assert titles(ann("GET", f"/v1/chats/{query}")) == list(shown), query


def insert(store: ChatStore, number: int, at: int) -> None:
    log = LogState(store.log_id(number))
    store.insert_chat(Chat(number, 1, str(number), created_at=at, updated_at=at, log=log))


def test_pages_reach_back_over_years_and_ties(ann, database):
    store, day, now = ChatStore(database), 86_400_000, int(time.time() * 1000)
    ages = [0, 0, 0, 60_000, 60_000, day, day, 3 * day, 40 * day, 400 * day, 400 * day, 4000 * day]
    for number, age in enumerate(ages, 1):
        insert(store, number, now - age)
    everything = ann("GET", "/v1/chats/?limit=1000").json
    newest_first = sorted(everything, key=lambda one: (one["created_at"], one["id"]), reverse=True)
    assert everything == newest_first
    for limit in (1, 2, 5, 12):
        pages = [
            ann("GET", f"/v1/chats/?skip={skip}&limit={limit}").json
            for skip in range(0, len(ages) + 1, limit)
        ]
        assert [each for page in pages for each in page] == everything
    assert len(everything) == len(ages)


def test_a_hundred_are_shown_where_no_limit_is_given(ann, database):
    store, now = ChatStore(database), int(time.time() * 1000)
    for number in range(1, 104):
        insert(store, number, now - number)
    assert titles(ann("GET", "/v1/chats/")) == [str(number) for number in range(1, 101)]
    assert len(ann("GET", "/v1/chats/?limit=1000").json) == 103


NONSENSE = ["-1", "1.5", "x", "", "１", "1e3", "%20", "+1", "true", "9007199254740992", "9" * 30]


@pytest.mark.parametrize("path", ["/v1/chats/", "/v1/chats/{}/messages"])
def test_paging_refuses_nonsense_by_name(ann, chat, path):
    for name in ("skip", "limit"):
        for value in NONSENSE:
            answer = ann("GET", f"{path.format(chat['id'])}?{name}={value}")
            assert reasons(answer) == [(("query", name), "int_parsing")], value


def test_both_bad_parameters_are_named(ann):
    answer = ann("GET", "/v1/chats/?skip=x&limit=y")
    assert [where for where, _ in reasons(answer)] == [("query", "skip"), ("query", "limit")]


def test_get_answers_the_chat_and_its_messages_oldest_first(ann, chat):
    path = f"/v1/chats/{chat['id']}"
    assert ann("GET", path).json == chat | {"messages": []}
    sent = [
        ann("POST", f"{path}/message", {"role": role, "content": role}).json
        for role in ("system", "user", "assistant")
    ]
    answer = ann("GET", path)
    assert answer.status_code == 200
    assert answer.json == chat | {"messages": sent, "updated_at": sent[-1]["created_at"]}


def test_rename_trims_and_answers_the_chat(ann, chat):
    path = f"/v1/chats/{chat['id']}"
    sent = ann("POST", f"{path}/message", BODY).json
    answer = ann("PUT", path, {"title": " Another \u3000", "user_id": 2})
    assert answer.status_code == 200
    changed = {"title": "Another", "updated_at": answer.json["updated_at"]}
    assert answer.json == chat | changed
    assert answer.json["updated_at"] >= sent["created_at"]
    assert ann("GET", path).json == answer.json | {"messages": [sent]}


@pytest.mark.parametrize("messages", [0, 3])
def test_a_deleted_chat_is_gone_for_every_call(ann, chat, documents, messages):
    path = f"/v1/chats/{chat['id']}"
    for _ in range(messages):
        ann("POST", f"{path}/message", BODY, headers={"Idempotency-Key": "k"})
    answer = ann("DELETE", path)
    assert (answer.status_code, answer.json) == (200, {"status": "success"})
    for method, gone, body in OF_ONE_CHAT:
        headers = {"Idempotency-Key": "k"}
        answer = ann(method, gone.format(chat["id"]), body, headers=headers)
        assert (answer.status_code, answer.json) == (404, NOT_FOUND)
    assert ann("GET", "/v1/chats/").json == []
    # The note outlives a crash; whoever keeps house forgets it.
    assert documents() == {"conversations": 0, "messages": 0, "retired_conversations": 1}


def test_deleting_one_chat_leaves_the_others(ann, chat):
    other = ann("POST", "/v1/chats/", {"title": "other"}).json
    sent = ann("POST", f"/v1/chats/{other['id']}/message", BODY).json
    ann("DELETE", f"/v1/chats/{chat['id']}")
    assert ann("GET", f"/v1/chats/{other['id']}").json["messages"] == [sent]


def test_an_id_that_nobody_has_names_no_chat(ann, chat):
    for unknown in ["0", "-1", "2", "0002", "99999999999", "9" * 18]:
        for method, path, body in OF_ONE_CHAT:
            answer = ann(method, path.format(unknown), body)
            assert (answer.status_code, answer.json) == (404, NOT_FOUND), unknown


NO_IDS = ["x", "1.0", "1e0", "%20", "%2B1", "１", "%00", "0x1", "--1", "$gt", "9" * 30, "null"]


def test_an_id_that_is_no_integer_is_refused_by_name(ann, chat):
    for wrong in NO_IDS:
        for method, path, body in OF_ONE_CHAT:
            where = "query" if "?" in path else "path"
            answer = ann(method, path.format(wrong), body)
            assert reasons(answer) == [((where, "chat_id"), "int_parsing")], wrong


NO_INTEGERS = ["alice", "-1", "0", "01", "1.0", " 1", "１", "9007199254740992", "9" * 100]


def test_a_subject_that_is_no_integer_has_no_chats(app, call_as, chat, documents):
    before = documents()
    for subject in NO_INTEGERS:
        for method, path, body in CALLS:
            answer = call_as(app, subject)(method, path.format(chat["id"]), body)
            assert answer.status_code == 403, subject
            assert answer.json == {"detail": "Chats need an integer user id"}
    assert documents() == before


def test_nobody_gets_in(app, call_as, chat, documents):
    before = documents()
    for headers, detail in (
        ({}, "Could not validate credentials"),
        ({"Authorization": "Basic dTpw"}, "Could not validate credentials"),
        ({"Authorization": "Bearer x.y.z"}, "Could not validate credentials"),
    ):
        for method, path, body in CALLS:
            answer = call_as(app, None)(method, path.format(chat["id"]), body, headers=headers)
            assert (answer.status_code, answer.json) == (401, {"detail": detail})
            assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert documents() == before


def test_every_call_works_with_and_without_a_trailing_slash(ann):
    for method, path, body in CALLS:
        bare, _, query = path.partition("?")
        for written in (bare.rstrip("/"), f"{bare.rstrip('/')}/"):
            chat_id = ann("POST", "/v1/chats/", {"title": "x"}).json["id"]
            answer = ann(method, f"{written}?{query}".format(chat_id), body)
            assert answer.status_code == 200, (method, written)


def test_an_unknown_path_is_refused_as_fastapi_does(ann):
    for path in ("/v1/nope", "/v1/auth", "/v1/chats/1/nope", "/v1/chats/1/message/2"):
        answer = ann("GET", path)
        assert (answer.status_code, answer.json) == (404, {"detail": "Not Found"})


def test_a_body_where_none_belongs_must_be_an_object(ann, chat):
    for method, path, _ in (call for call in CALLS if not call[2]):
        for raw, kind in BAD_BODIES[1:]:
            options = {"data": raw, "content_type": "application/json"}
            answer = ann(method, path.format(chat["id"]), **options)
            assert reasons(answer) == [(("body",), kind)], raw
        assert ann(method, path.format(chat["id"]), {"any": "object"}).status_code == 200
