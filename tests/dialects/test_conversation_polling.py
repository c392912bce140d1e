"""The conversations API: waiting for messages instead of asking time and again."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask

from session_service.core.waiting import LOOK_EVERY_S, Waiters
from session_service.errors import Unavailable
from tests.dialects.conversing import STRANGER, Person, Told

WAIT_S = 20  # far longer than it may take


class Waiting:
    """People who poll, each in a thread of its own."""

    def __init__(self, app: Flask, call_as: Callable[..., Any]) -> None:
        self.app = app
        self.call_as = call_as
        self.pool = ThreadPoolExecutor(16)

    def poll(self, user: int, number: int, after: int, wait_s: int = WAIT_S) -> "Future[Any]":
        body = {"conversation_id": number, "after_timestamp": after, "wait_s": wait_s}
        caller = self.call_as(self.app, str(user))
        path = "/api/v1/conversation/poll"
        return self.pool.submit(lambda: caller("POST", path, body).json)

    def until_they_wait(self) -> None:
        """Until somebody looks for them."""
        while not looking():
            time.sleep(0.01)
        time.sleep(0.2)


def looking() -> list[threading.Thread]:
    return [each for each in threading.enumerate() if "_look_around" in each.name]


@pytest.fixture
def another_app(make_app) -> Flask:
    return make_app()


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
    poll = waiting.poll(2, number, 253_402_300_799_999)
    waiting.until_they_wait()
    ann.says(number)
    assert poll.result()["messages"] == []


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


def test_one_reads_for_all_who_wait_for_the_same():
    seq, reads = [1], []
    waiters = Waiters(lambda log_ids: dict.fromkeys(log_ids, seq[0]), every_s=0.05)

    def wait(_: int) -> Any:
        return waiters.wait("log", 1, WAIT_S, lambda: reads.append("read") or "found")

    with ThreadPoolExecutor(16) as pool:
        found = [pool.submit(wait, i) for i in range(16)]
        time.sleep(0.2)
        seq[0] = 2
        assert [each.result() for each in found] == ["found"] * 16
    assert reads == ["read"]
    assert waiters.wait("log", 2, 0.1, lambda: "found") is None


def test_a_read_that_fails_fails_for_all_who_wait_for_the_same():
    waiters = Waiters(lambda log_ids: dict.fromkeys(log_ids, 2), every_s=0.2)

    def fail() -> None:
        raise Unavailable

    with ThreadPoolExecutor(4) as pool:
        for each in [pool.submit(waiters.wait, "log", 1, WAIT_S, fail) for _ in range(4)]:
            with pytest.raises(Unavailable):
                each.result()


def test_a_database_that_is_away_for_a_while_wakes_nobody_in_vain():
    answers = iter([Unavailable(), Unavailable()])

    def seqs(log_ids: Any) -> dict[str, int]:
        for error in answers:
            raise error
        return dict.fromkeys(log_ids, 2)

    waiters = Waiters(seqs, every_s=0.05)
    assert waiters.wait("log", 1, WAIT_S, lambda: "found") == "found"
