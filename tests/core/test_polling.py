"""Waiting for messages of a conversation that come later than others that come."""

from collections import deque
from collections.abc import Callable
from itertools import count
from typing import Any

import pytest

from session_service.core.conversations import POLLED, Conversations
from session_service.core.message_log import MessageLog
from session_service.models import Entry, User
from session_service.store.conversations import ConversationStore
from session_service.store.database import Database
from tests.core.room import MORNING
from tests.mocked import MockedClient

ANN, BEN = User("1", "ann"), User("2", "ben")
WAIT_S = 20


class NoFiles:
    """What conversations ask of files, though nobody names one."""

    def keep(self, file_id: str, path_name: str | None = None) -> bool:
        return False


class Hall:
    """A conversation, and what happens at each time that somebody waits for its next message."""

    def __init__(self) -> None:
        client: Any = MockedClient()
        people: Any = None
        waiters: Any = self
        files: Any = NoFiles()
        self.now = MORNING
        self.seconds = 0.0
        self.keys = count(1)
        self.meanwhile: deque[Callable[[], object]] = deque()
        self.waits: list[tuple[int, float]] = []
        store = ConversationStore(Database(lambda: "", "test", connect=lambda *_, **__: client))
        self.conversations = Conversations(
            store,
            MessageLog(store, clock=lambda: self.now, sleep=lambda _: None),
            people,
            waiters,
            files,
            clock=lambda: self.now,
            monotonic=lambda: self.seconds,
        )
        self.conversations.open(1, "general", "x", [1, 2], "opened")

    def says(self, times: int = 1, at: int = MORNING) -> list[Entry]:
        self.now = at
        content = {"message_type": "text", "content": "x"}
        keys = [f"{next(self.keys)}" for _ in range(times)]
        return [self.conversations.send(ANN, 1, content, key) for key in keys]

    def wait(self, log_id: str, seq: int, timeout_s: float, read: Callable[[], Any]) -> Any:
        self.waits.append((seq, timeout_s))
        if not self.meanwhile:
            self.seconds += timeout_s
            return None
        self.seconds += 1
        self.meanwhile.popleft()()
        return read()

    def poll(self, after: int) -> tuple[list[Entry], bool]:
        found, more = self.conversations.poll(BEN, 1, after=after, wait_s=WAIT_S)
        return list(found), more


@pytest.fixture
def hall() -> Hall:
    return Hall()


def test_what_comes_too_early_ends_no_poll(hall: Hall) -> None:
    later = MORNING + 1000
    sent: list[Entry] = []
    hall.meanwhile += [hall.says, lambda: sent.extend(hall.says(at=later + 1))]
    assert hall.poll(later) == (sent, False)
    assert hall.waits == [(1, WAIT_S), (2, WAIT_S - 1)]


def test_a_poll_ends_in_time_whatever_comes_too_early(hall: Hall) -> None:
    hall.meanwhile += [hall.says] * 3
    assert hall.poll(MORNING + 1000) == ([], False)
    assert [left_s for _, left_s in hall.waits] == [WAIT_S, WAIT_S - 1, WAIT_S - 2, WAIT_S - 3]
    assert hall.seconds == WAIT_S


def test_nothing_is_left_out_behind_many_that_come_too_early(hall: Hall) -> None:
    later = MORNING + 10_000
    sent: list[Entry] = []

    def many() -> None:
        hall.says(POLLED + 10)
        sent.extend(hall.says(POLLED, at=later + 1))

    hall.meanwhile += [many, lambda: None]
    assert hall.poll(later) == (sent[: POLLED - 10], True)
