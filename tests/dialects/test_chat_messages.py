"""The messages of `/v1` chats: in order, each once, page by page, also when all come at once."""

import itertools
import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Event
from typing import Any

import pytest
from pymongo import MongoClient

from session_service.core.chats import MOST_MESSAGES

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
BY_QUERY, BY_PATH = "/v1/chats/message?chat_id={}", "/v1/chats/{}/message"
BOTH = pytest.mark.parametrize("path", [BY_QUERY, BY_PATH])
PAGE, MANY = 20, 200


class Poster:
    """Posts to one chat, by either call."""

    def __init__(self, caller: Any, chat_id: int) -> None:
        self.caller = caller
        self.chat_id = chat_id

    def __call__(
        self, content: Any = "Hello!", *, role: Any = "user", key: Any = None, path: str = BY_PATH
    ) -> Any:
        headers = {"Idempotency-Key": key} if key is not None else {}
        body = {"role": role, "content": content}
        return self.caller("POST", path.format(self.chat_id), body, headers=headers)

    def history(self) -> list[dict[str, Any]]:
        return self.caller("GET", f"/v1/chats/{self.chat_id}").json["messages"]

    def page(self, query: str = "") -> list[dict[str, Any]]:
        answer = self.caller("GET", f"/v1/chats/{self.chat_id}/messages{query}")
        assert answer.status_code == 200, answer.text
        return answer.json


@pytest.fixture
def ann(app, call_as):
    return call_as(app, "1")


@pytest.fixture
def post(ann):
    return Poster(ann, ann("POST", "/v1/chats/", {"title": "My Chat"}).json["id"])


def in_order(messages: list[dict[str, Any]], count: int) -> bool:
    """Whether these are messages 1 to `count` of one chat, dense and each later than the last."""
    first = messages[0]["chat_id"] * MOST_MESSAGES + 1
    dense = [each["id"] for each in messages] == list(range(first, first + count))
    times = [each["created_at"] for each in messages]
    return dense and times == sorted(set(times))


@BOTH
def test_a_message_is_stored_and_answered(post, path):
    for role in ("system", "user", "assistant"):
        answer = post(f"from the {role}", role=role, path=path)
        assert answer.status_code == 200
        message = answer.json
        assert message.keys() == {"id", "chat_id", "role", "content", "created_at"}
        assert (type(message["id"]), message["chat_id"]) == (int, post.chat_id)
        assert 0 < message["id"] < 2**53
        assert (message["role"], message["content"]) == (role, f"from the {role}")
        assert TIME.fullmatch(message["created_at"])
        assert post.history()[-1] == message
    assert in_order(post.history(), 3)


def test_text_is_kept_as_sent(post):
    text = '  {"$gt": ""}\n\t<b>😀</b> \u202e$where\r\n '
    assert post(text).json["content"] == text
    assert post.history()[0]["content"] == text


@BOTH
def test_a_text_may_be_as_long_as_its_role_allows(post, path):
    for role, most in (("user", 10_000), ("system", 10_000), ("assistant", 100_000)):
        longest = "𠮷" * most
        assert post(longest, role=role, path=path).json["content"] == longest
        answer = post(longest + "x", role=role, path=path)
        assert answer.status_code == 422
        assert answer.json["detail"] == [
            {
                "loc": ["body", "content"],
                "msg": f"String should have at most {most} characters",
                "type": "string_too_long",
            }
        ]
    assert len(post.history()) == 3


BAD_MESSAGES = [
    ({"role": "user"}, {"content": "missing"}),
    ({"content": "x"}, {"role": "missing"}),
    ({}, {"role": "missing", "content": "missing"}),
    ({"role": "bot", "content": "x"}, {"role": "literal_error"}),
    ({"role": "User", "content": "x"}, {"role": "literal_error"}),
    ({"role": "", "content": "x"}, {"role": "literal_error"}),
    ({"role": "server", "content": ""}, {"role": "literal_error", "content": "string_too_short"}),
    ({"role": None, "content": None}, {"role": "string_type", "content": "string_type"}),
    ({"role": ["user"], "content": {"$gt": ""}}, {"role": "string_type", "content": "string_type"}),
    ({"role": True, "content": 1.5}, {"role": "string_type", "content": "string_type"}),
    ({"role": "user", "content": " \r\n\u3000"}, {"content": "string_too_short"}),
    ({"role": "user", "content": "a\0b"}, {"content": "value_error"}),
    ({"role": "user", "content": "x", "n": 2**63}, {"n": "value_error"}),
]


@BOTH
def test_a_message_is_refused_field_by_field(ann, post, path):
    for body, kinds in BAD_MESSAGES:
        answer = ann("POST", path.format(post.chat_id), body)
        assert answer.status_code == 422, body
        found = {tuple(each["loc"]): each["type"] for each in answer.json["detail"]}
        assert found == {("body", name): kind for name, kind in kinds.items()}
    assert post.history() == []


def test_the_query_must_name_a_chat(ann):
    answer = ann("POST", "/v1/chats/message", {"role": "user", "content": "x"})
    assert answer.status_code == 422
    missing = {"loc": ["query", "chat_id"], "msg": "Field required", "type": "missing"}
    assert answer.json == {"detail": [missing]}


def test_a_message_moves_the_chat_on(ann, post):
    path = f"/v1/chats/{post.chat_id}"
    before = ann("GET", path).json
    sent = post().json
    after = ann("GET", path).json
    assert after["updated_at"] == sent["created_at"] > before["updated_at"]
    assert after["created_at"] == before["created_at"]


PAGES = [
    ("", "01234"),
    ("?skip=2", "234"),
    ("?limit=2", "01"),
    ("?skip=1&limit=3", "123"),
    ("?skip=4&limit=9007199254740991", "4"),
    ("?skip=5", ""),
    ("?skip=9007199254740991&limit=9007199254740991", ""),
    ("?limit=0", ""),
]


def test_messages_skip_and_limit(post):
    for i in range(5):
        post(str(i))
    for query, shown in PAGES:
        assert [each["content"] for each in post.page(query)] == list(shown), query


def test_a_full_chat_takes_no_more(post, mongo_uri, database_name):
    with MongoClient(mongo_uri) as client:
        heads = client[database_name]["conversations"]
        heads.update_one({"number": post.chat_id}, {"$set": {"seq": MOST_MESSAGES - 2}})
    last = post("the last", key="k").json
    assert last["id"] == (post.chat_id + 1) * MOST_MESSAGES - 1
    answer = post("one more")
    assert (answer.status_code, answer.json) == (400, {"detail": "This chat is full"})
    assert post("the last", key="k").json == last


# Idempotency-Key


def test_a_repeat_with_the_same_key_answers_the_first_by_either_call(post):
    first = post("hello", key="k1")
    post("something else")
    for path in (BY_PATH, BY_QUERY):
        again = post("hello", key="k1", path=path)
        assert (again.status_code, again.json) == (200, first.json)
    assert len(post.history()) == 2


def test_fields_that_nobody_reads_make_no_other_message(ann, post):
    first = post("hello", key="k1").json
    body = {"content": "hello", "role": "user", "unknown": 1}
    again = ann("POST", BY_PATH.format(post.chat_id), body, headers={"Idempotency-Key": "k1"})
    assert again.json == first


@BOTH
def test_a_key_used_for_another_message_is_refused(post, path):
    post("hello", key="k1")
    for content, role in (("other", "user"), ("hello", "assistant"), ("hello ", "user")):
        answer = post(content, role=role, key="k1", path=path)
        assert answer.status_code == 422
        (reason,) = answer.json["detail"]
        assert reason["loc"] == ["header", "Idempotency-Key"]
        assert reason["type"] == "value_error"
    assert len(post.history()) == 1


def test_a_key_belongs_to_one_chat(ann, post):
    other = Poster(ann, ann("POST", "/v1/chats/", {"title": "other"}).json["id"])
    assert post("hello", key="k").json["id"] != other("hello", key="k").json["id"]


@BOTH
def test_a_key_may_hold_any_255_characters(post, path):
    answer = post(key="k" * 256, path=path)
    assert answer.status_code == 422
    (reason,) = answer.json["detail"]
    assert (reason["loc"], reason["type"]) == (["header", "Idempotency-Key"], "string_too_long")
    assert post.history() == []
    for key in ("k" * 255, "auto:1", "re:k", "$gt", "a.b", "a b"):
        first = post(key, key=key, path=path)
        assert first.status_code == 200
        assert post(key, key=key, path=path).json == first.json


def test_without_a_key_every_message_counts(post):
    for key in (None, None, "", ""):
        assert post("hello", key=key).status_code == 200
    assert in_order(post.history(), 4)


def test_repeats_at_once_store_one_message(post):
    paths = itertools.cycle((BY_PATH, BY_QUERY))
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda path: post("at once", key="same", path=path),
                                itertools.islice(paths, 32)))  # fmt: skip
    assert {answer.status_code for answer in answers} == {200}
    assert all(answer.json == answers[0].json for answer in answers)
    assert post.history() == [answers[0].json]


def test_other_messages_at_once_with_one_key_store_one(post):
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda i: post(str(i), key="same"), range(16)))
    assert sorted(answer.status_code for answer in answers) == [200] + [422] * 15
    assert len(post.history()) == 1


# Many


def patiently(call: Callable[[], Any]) -> Any:
    """The answer, asked for again while a busy database is not available in time."""
    while (answer := call()).status_code == 503:
        time.sleep(0.1)
    assert answer.status_code == 200, answer.text
    return answer.json


def read_on(post: Poster, written: Event) -> list[dict[str, Any]]:
    """Reads page after page, while others write and until all that they wrote is read."""
    seen: list[dict[str, Any]] = []
    while True:
        last = written.is_set()
        path = f"/v1/chats/{post.chat_id}/messages?skip={len(seen)}&limit={PAGE}"
        page = patiently(partial(post.caller, "GET", path))
        seen += page
        if last and not page:
            return seen
        if len(page) < PAGE:
            written.wait(0.1)


@pytest.mark.parametrize("writers", [1, 8])
def test_hundreds_of_messages_are_dense_and_ordered_for_those_who_read_meanwhile(post, writers):
    written = Event()
    with ThreadPoolExecutor(1) as pool, ThreadPoolExecutor(writers) as writing:
        reading = pool.submit(read_on, post, written)
        try:
            sent = list(writing.map(lambda i: patiently(partial(post, key=f"{i}")), range(MANY)))
        finally:
            written.set()
        read = reading.result()
    history = post.history()
    assert in_order(history, MANY)
    assert read == history
    assert sorted(sent, key=lambda one: one["id"]) == history
    if writers == 1:
        assert sent == history


def test_deleting_a_chat_while_messages_are_posted_leaves_no_orphan(
    make_app, call_as, mongo_uri, database_name
):
    """Also when those who post and the one who deletes are processes that share nothing else."""
    one, other = call_as(make_app(), "1"), call_as(make_app(), "1")
    for count in (0, 1, 5, 20):
        chat_id = one("POST", "/v1/chats/", {"title": "short-lived"}).json["id"]
        posters = [Poster(caller, chat_id) for caller in (one, one, other, other)]
        with ThreadPoolExecutor(4) as pool:
            posting = [pool.submit(post_until_gone, poster) for poster in posters]
            while len(posters[0].page()) < count:
                pass
            assert one("DELETE", f"/v1/chats/{chat_id}").status_code == 200
            assert all(future.result() >= 0 for future in posting)
    with MongoClient(mongo_uri) as client:
        database = client[database_name]
        assert list(database["messages"].find()) == []
        assert list(database["conversations"].find()) == []
        assert database["retired_conversations"].count_documents({}) == 4


def post_until_gone(post: Poster) -> int:
    """How many messages were taken before the chat was gone."""
    for count in itertools.count():
        answer = post()
        if answer.status_code != 200:
            assert (answer.status_code, answer.json) == (404, {"detail": "Chat not found"})
            return count
    raise AssertionError
