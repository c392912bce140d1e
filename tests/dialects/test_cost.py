"""What a call costs: round trips are counted, and a long session reads like a short one."""

from typing import Any

import pymongo
import pytest
from bson import ObjectId
from pymongo.monitoring import CommandListener

from session_service.store.database import Database

MESSAGE = {"role": "user", "content": "Hello!"}
STANDING = {"accounts", "counters", "revoked_tokens"}  # does the token still hold?


class Counter(CommandListener):
    """Notes the commands that go to the database; apart from others what asks about tokens."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.filters: list[dict[str, Any]] = []
        self.standing: list[str] = []

    def started(self, event: Any) -> None:
        if event.command.get("find") in STANDING:
            self.standing.append(event.command["find"])
        elif event.command_name not in (
            "hello",
            "ping",
            "endSessions",
            "saslStart",
            "saslContinue",
        ):
            self.names.append(event.command_name)
            self.filters += [event.command["filter"]] if "filter" in event.command else []

    def succeeded(self, event: Any) -> None:
        pass

    def failed(self, event: Any) -> None:
        pass


@pytest.fixture
def counter():
    return Counter()


@pytest.fixture
def database(mongo_uri, database_name, database_options, counter):
    def connect(*args: Any, **options: Any) -> Any:
        return pymongo.MongoClient(*args, event_listeners=[counter], **options)

    database = Database(lambda: mongo_uri, database_name, options=database_options, connect=connect)
    yield database
    database.close()


@pytest.mark.parametrize(
    ("call", "commands"),
    [
        (("POST", "/sess/{}/chat", {"chat_content": "hi"}), ["find", "insert", "update"]),
        (("GET", "/sess/{}/chats?limit=20", None), ["find", "find"]),
        (("GET", "/sess/{}/chats", None), ["find", "find"]),
        (("GET", "/sess/{}/chats?before={}&limit=20", None), ["find", "find", "find"]),
        (("POST", "/sess", {"sess_name": "x"}), ["insert"]),
        (("GET", "/sessions", None), ["find"]),
        (("GET", "/sess/{}", None), ["find"]),
        (("PATCH", "/sess/{}", {"sess_name": "x"}), ["find", "update"]),
    ],
)
def test_round_trips(alice, session_id, counter, call, commands):
    sent = alice("POST", f"/sess/{session_id}/chat", {"chat_content": "before"}).json["data"]
    method, path, body = call
    counter.names.clear()
    answer = alice(method, path.format(session_id, sent["reply"]["chat_id"]), body)
    assert answer.status_code in (200, 201)
    assert counter.names == commands


@pytest.mark.parametrize(
    ("call", "commands"),
    [
        (("POST", "/v1/chats/", {"title": "x"}), ["findAndModify", "insert"]),
        (("GET", "/v1/chats/?limit=1", None), ["find"]),
        (("GET", "/v1/chats/", None), ["find"] * 4),  # further and further back
        (("GET", "/v1/chats/{}", None), ["find", "find"]),
        (("PUT", "/v1/chats/{}", {"title": "x"}), ["find", "update"]),
        (("DELETE", "/v1/chats/{}", None), ["find", "insert", "delete", "delete"]),
        (("GET", "/v1/chats/{}/messages?skip=0&limit=100", None), ["find", "find"]),
        (("POST", "/v1/chats/{}/message", MESSAGE), ["find", "insert", "update"]),
        (("POST", "/v1/chats/message?chat_id={}", MESSAGE), ["find", "insert", "update"]),
    ],
)
def test_round_trips_of_chats(app, call_as, counter, call, commands):
    caller = call_as(app, "1")
    chat_id = caller("POST", "/v1/chats/", {"title": "x"}).json["id"]
    caller("POST", f"/v1/chats/{chat_id}/message", MESSAGE)
    method, path, body = call
    counter.names.clear()
    assert caller(method, path.format(chat_id), body).status_code == 200
    assert counter.names == commands


def test_a_page_of_messages_asks_for_no_more_than_itself(app, call_as, counter):
    caller = call_as(app, "1")
    path = f"/v1/chats/{caller('POST', '/v1/chats/', {'title': 'x'}).json['id']}"
    for _ in range(9):
        caller("POST", f"{path}/message", MESSAGE)
    counter.filters.clear()
    assert len(caller("GET", f"{path}/messages?skip=3&limit=5").json) == 5
    head, entries = counter.filters
    assert head == {"_id": entries["c"]}
    assert entries["seq"] == {"$gt": 3, "$lt": 9}


@pytest.mark.parametrize("path", ["chats?limit=5", "chats?limit=5&before={}"])
def test_a_page_asks_for_no_more_than_itself(alice, session_id, counter, path):
    """Both ends of every range are bounded, so what lies before the page costs nothing.

    Figures for 100 and 100,000 chats are in docs/performance.md.
    """
    replies = [
        alice("POST", f"/sess/{session_id}/chat", {"chat_content": "hi"}).json["data"]["reply"]
        for _ in range(8)
    ]
    counter.filters.clear()
    page = alice("GET", f"/sess/{session_id}/{path.format(replies[5]['chat_id'])}").json["data"]
    assert len(page) == 5
    head, *exact, entries = counter.filters
    assert head == {"_id": ObjectId(session_id)}
    assert all(each.keys() == {"sess_id", "create_at"} for each in exact)
    assert entries["sess_id"] == ObjectId(session_id)
    assert entries["seq"]["$lt"] - entries["seq"]["$gt"] - 1 == 5


def test_a_token_costs_a_look_a_second(alice, app, counter):
    """One at the first use of a token, whatever it opens; then the counter of changes alone."""
    alice("GET", "/sessions")
    assert counter.standing == ["counters", "revoked_tokens"]
    for _ in range(5):
        alice("GET", "/sessions")
    assert set(counter.standing[2:]) <= {"counters"}
