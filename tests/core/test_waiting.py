"""Waiting for a log's next message: who is woken, by whom, and what a failure does."""

import queue
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from session_service.core.waiting import Waiters
from session_service.errors import Unavailable

WAIT_S = 20  # far longer than it may take


class Silence:
    """A server that tells nothing."""

    def wait(self, seconds: float) -> None:
        time.sleep(seconds)

    def close(self) -> None:
        pass


class Telling:
    """A server that tells what is put in here."""

    def __init__(self) -> None:
        self.news: queue.Queue[Mapping[str, int] | None] = queue.Queue()
        self.closed = False

    def wait(self, seconds: float) -> Mapping[str, int] | None:
        try:
            return self.news.get(timeout=seconds)
        except queue.Empty:
            return {}

    def close(self) -> None:
        self.closed = True


def test_one_reads_for_all_who_wait_for_the_same():
    seq, reads = [1], []
    waiters = Waiters(lambda log_ids: dict.fromkeys(log_ids, seq[0]), Silence, every_s=0.05)

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
    waiters = Waiters(lambda log_ids: dict.fromkeys(log_ids, 2), Silence, every_s=0.2)

    def fail() -> None:
        raise Unavailable

    with ThreadPoolExecutor(4) as pool:
        for each in [pool.submit(waiters.wait, "log", 1, WAIT_S, fail) for _ in range(4)]:
            with pytest.raises(Unavailable):
                each.result()


@pytest.mark.parametrize("server", [Silence, Telling])
def test_a_database_that_is_away_for_a_while_wakes_nobody_in_vain(server):
    answers = iter([Unavailable(), Unavailable()])

    def seqs(log_ids: Any) -> dict[str, int]:
        for error in answers:
            raise error
        return dict.fromkeys(log_ids, 2)

    waiters = Waiters(seqs, server, every_s=0.05)
    assert waiters.wait("log", 1, WAIT_S, lambda: "found") == "found"


def test_who_waits_where_the_server_tells_is_looked_for_once_alone():
    looked: list[Sequence[str]] = []

    def seqs(log_ids: Sequence[str]) -> dict[str, int]:
        looked.append(log_ids)
        return dict.fromkeys(log_ids, 1)

    server = Telling()
    waiters = Waiters(seqs, lambda: server, every_s=0.02)
    with ThreadPoolExecutor(2) as pool:
        found = pool.submit(waiters.wait, "log", 1, WAIT_S, lambda: "found")
        while not looked:
            time.sleep(0.01)
        server.news.put({"other": 9})
        server.news.put({"log": 1})
        time.sleep(0.2)
        assert not found.done()
        server.news.put({"log": 2})
        assert found.result() == "found"
    assert looked == [["log"]]
    while not server.closed:
        time.sleep(0.01)


def test_all_are_looked_for_when_the_server_may_have_told_something_in_vain():
    seq = [1]
    server = Telling()
    waiters = Waiters(lambda log_ids: dict.fromkeys(log_ids, seq[0]), lambda: server, every_s=0.02)
    with ThreadPoolExecutor(1) as pool:
        found = pool.submit(waiters.wait, "log", 1, WAIT_S, lambda: "found")
        time.sleep(0.2)
        seq[0] = 2
        time.sleep(0.2)
        assert not found.done()
        server.news.put(None)
        assert found.result() == "found"
