"""The conversations API: waiting for messages instead of asking time and again."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask

from session_service.core.waiting import LOOK_EVERY_S
from session_service.store.database import Database
from tests.dialects.conversing import PREFIX, STRANGER, Person, Told, register

WAIT_S = 20  # far longer than it may take
VOID = {"base_resp": {"code": 401, "message": "the token does not hold"}}


class Waiting:
    """People who poll, each in a thread of its own."""

    def __init__(self, app: Flask, call_as: Callable[..., Any]) -> None:
        self.app = app
        self.call_as = call_as
        self.pool = ThreadPoolExecutor(16)

    def poll(
        self, user: int, number: int, after: int, wait_s: int = WAIT_S, **claims: Any
    ) -> "Future[Any]":
        body = {"conversation_id": number, "after_timestamp": after, "wait_s": wait_s}
        caller = self.call_as(self.app, str(user), **claims)
        return self.pool.submit(lambda: caller("POST", f"{PREFIX}/poll", body).json)

    def until_they_wait(self) -> None:
        """Until somebody looks for them."""
        while not looking():
            time.sleep(0.01)
        time.sleep(0.2)


def looking() -> list[threading.Thread]:
    return [each for each in threading.enumerate() if "_listen" in each.name]


@pytest.fixture(params=["told", "looking"])
def another_app(make_app, mongo_uri, database_name, database_options, request) -> Iterator[Flask]:
    """One that the server tells of commits, or one that looks for them."""
    database = Database(
        lambda: mongo_uri,
        database_name,
        options=database_options,
        change_streams=request.param == "told",
    )
    yield make_app(database)
    database.close()


@pytest.fixture
def waiting(another_app, call_as):
    """They wait in another app than the one that messages are sent to."""
    waiting = Waiting(another_app, call_as)
    yield waiting
    waiting.pool.shutdown()


def polled(person: Person, number: int, after: int, wait_s: int = 0) -> tuple[list[Told], bool]:
    body = {"conversation_id": number, "after_timestamp": after, "wait_s": wait_s}
    told = person.ask("poll", body)
    return told["messages"], told["has_more"]


def last_at(person: Person, number: int) -> int:
    return int(person.sees(number)["last_message_at"])


def test_what_is_there_is_answered_at_once(ann, ben, number):
    start = last_at(ann, number)
    sent = [ann.says(number, f"{i}") for i in range(3)]
    assert polled(ben, number, start, WAIT_S) == (sent, False)
    assert polled(ben, number, sent[0]["created_at"]) == (sent[1:], False)
    assert polled(ben, number, sent[0]["created_at"] - 1) == (sent, False)
    assert polled(ben, number, sent[2]["created_at"]) == ([], False)
    assert polled(ben, number, 0)[0][0]["sender_id"] == 0


def test_a_poll_answers_a_hundred_messages_and_says_that_there_are_more(ann, ben, number):
    start = last_at(ann, number)
    sent = [ann.says(number, f"{i}") for i in range(101)]
    assert polled(ben, number, start) == (sent[:100], True)
    assert polled(ben, number, sent[99]["created_at"]) == (sent[100:], False)


def test_a_message_to_one_app_wakes_those_who_wait_in_another(waiting, ann, number):
    start = last_at(ann, number)
    polls = [waiting.poll(user, number, start) for user in (1, 2, 2, 2)]
    waiting.until_they_wait()
    sent = ann.says(number, "wake up")
    began = time.monotonic()
    told = [each.result() for each in polls]
    assert time.monotonic() - began < 1
    for each in told:
        assert each["messages"] == [sent]
        assert each["has_more"] is False
        assert each["base_resp"] == {"code": 200, "message": "success"}


def test_a_poll_ends_with_nothing_when_nothing_comes(ann, ben, number):
    began = time.monotonic()
    assert polled(ben, number, last_at(ann, number), wait_s=1) == ([], False)
    assert 1 <= time.monotonic() - began < 10


def test_who_is_removed_while_waiting_hears_no_more(waiting, ann, number):
    start = last_at(ann, number)
    removed, staying = waiting.poll(2, number, start), waiting.poll(1, number, start)
    waiting.until_they_wait()
    ann.removes(number, 2)
    refusal = removed.result()
    assert refusal == {"base_resp": {"code": 403, "message": STRANGER}}
    assert staying.result()["messages"][0]["content"] == "1 将 2 移出了会话"


def test_a_message_of_another_conversation_wakes_nobody(waiting, ann, ben, number):
    start = last_at(ann, number)
    poll = waiting.poll(2, number, start, wait_s=2)
    waiting.until_they_wait()
    ann.says(ann.opens(2)["id"])
    assert poll.result()["messages"] == []


def test_messages_from_before_the_time_that_was_asked_for_are_not_told(waiting, ann, number):
    poll = waiting.poll(2, number, 253_402_300_799_999, wait_s=2)
    waiting.until_they_wait()
    ann.says(number)
    assert poll.result()["messages"] == []


def test_who_asks_for_what_comes_later_waits_for_it(waiting, ann, number):
    later = last_at(ann, number) + 2000
    poll = waiting.poll(2, number, later)
    waiting.until_they_wait()
    sent = []
    while not poll.done():
        sent.append(ann.says(number))
        time.sleep(0.1)
    asked_for = [each for each in sent if each["created_at"] > later]
    told = poll.result()["messages"]
    assert told
    assert told == asked_for[: len(told)]


def test_who_is_disabled_while_waiting_hears_no_more(
    waiting, ann, number, call_as, make_app, mongo_uri, database_name
):
    register(mongo_uri, database_name, {2: {"username": "ben"}})
    poll = waiting.poll(2, number, last_at(ann, number))
    waiting.until_they_wait()
    elsewhere = make_app(mongo_uri="mongodb://not-asked")  # for command lines
    with elsewhere.app_context():
        elsewhere.test_cli_runner().invoke(args=["disable-user", "ben"], catch_exceptions=False)
    person = call_as(waiting.app, "2")
    while person("POST", f"{PREFIX}/list_members", {"conversation_id": number}).status_code == 200:
        time.sleep(0.1)
    ann.says(number, "a secret")
    assert poll.result() == VOID


def test_whose_token_expires_while_waiting_hears_no_more(waiting, ann, number):
    expires = int(time.time()) + 3
    poll = waiting.poll(2, number, last_at(ann, number), exp=expires)
    waiting.until_they_wait()
    while time.time() <= expires:
        time.sleep(0.1)
    ann.says(number, "a secret")
    assert poll.result() == VOID


def test_no_thread_is_left_when_nobody_waits(waiting, ann, number):
    start = last_at(ann, number)
    polls = [waiting.poll(2, number, start) for _ in range(8)]
    waiting.until_they_wait()
    ann.says(number)
    assert all(each.result()["messages"] for each in polls)
    deadline = time.monotonic() + 10
    while looking():
        assert time.monotonic() < deadline, "somebody still looks"
        time.sleep(LOOK_EVERY_S / 4)
