"""A conversation for tests: what is said in it, by which process, and what readers see."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from bson import ObjectId

from session_service.core.fold import fold
from session_service.core.message_log import MessageLog
from session_service.core.sending import JITTER_S, Answer, Posted
from session_service.errors import Unavailable
from session_service.models import Changes, Draft, Entry, Event, LogState
from session_service.store.database import Database
from tests.core.conversations import MESSAGES, Conversation, ConversationStore
from tests.core.ledger import check
from tests.mocked import MockedClient

Step = Callable[[], Any]

ROOM_ID = "0123456789abcdef01234567"
END = 1_000_000  # no test writes so many entries
MORNING = 1_750_000_000_000


class Died(BaseException):
    """The process is dead: nothing of it goes on from here."""


class Clock:
    """The time in ms, which stands still but for those who sleep."""

    def __init__(self) -> None:
        self.now = MORNING
        self.waits = 0  # sleeps that are more than a jitter
        self.meanwhile: deque[Step] = deque()  # what happens during each of them

    def __call__(self) -> int:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += round(seconds * 1000)
        if seconds <= JITTER_S:
            return
        self.waits += 1
        if self.meanwhile:
            self.meanwhile.popleft()()


class InterruptibleStore(ConversationStore):
    """Before or after an operation something else may happen, once: `before["commit"] = ...`."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.database = database
        self.before: dict[str, Step] = {}
        self.after: dict[str, Step] = {}
        self.deletions: list[int] = []  # how many entries each of them took
        self.overlooked: int | None = None  # the place that the next scan has passed too early

    @contextmanager
    def _around(self, name: str) -> Iterator[None]:
        self.before.pop(name, nothing)()
        yield
        self.after.pop(name, nothing)()

    def insert(self, log_id: str, entries: Sequence[Entry]) -> bool:
        with self._around("insert"):
            return super().insert(log_id, entries)

    def commit(self, state: LogState, changes: Changes) -> bool:
        with self._around("commit"):
            return super().commit(state, changes)

    def between(self, log_id: str, after: int, before: int) -> list[Entry]:
        with self._around("between"):
            entries = super().between(log_id, after, before)
        seq, self.overlooked = self.overlooked, None
        return [entry for entry in entries if entry.seq != seq]

    def mark_read_to(self, *args: Any) -> bool:
        with self._around("mark_read_to"):
            return super().mark_read_to(*args)

    def delete_entries(self, log_id: str, before: int | None = None) -> None:
        with self._around("delete_entries"):
            self.deletions.append(len(self.between(log_id, 0, before or END)))
            super().delete_entries(log_id, before)


def nothing() -> None:
    """What happens before and after most operations."""


def fail() -> None:
    raise Unavailable("the connection is lost")


def die() -> None:
    raise Died


class Room:
    """One conversation as one process has it; `elsewhere` is the same one in another process."""

    def __init__(self, store: InterruptibleStore, clock: Clock, room_id: str = ROOM_ID) -> None:
        self.id = room_id
        self.store = store
        self.clock = clock
        self.jobs: list[Step] = []
        self.log = MessageLog(store, clock=clock, sleep=clock.sleep, background=self.jobs.append)

    def elsewhere(self) -> "Room":
        return Room(self.store, self.clock, self.id)

    def open(self) -> "Room":
        self.store.insert_head(self.id, {})
        return self

    def fill(self, entries: Sequence[Entry]) -> "Room":
        """Opens it with a whole log in it, written past the keys, which take their time."""
        changes = fold(LogState(self.id), entries)
        with self.store.database.reading() as documents:
            heads, messages = documents[MESSAGES.heads], documents[MESSAGES.entries]
            messages.insert_many([MESSAGES.to_document(self.id, entry) for entry in entries])
            heads.insert_one({"_id": ObjectId(self.id), "seq": 0, "at": 0})
            heads.update_one({}, MESSAGES.to_update(LogState(self.id), changes))
        return self

    def say(
        self,
        text: str,
        sender: str = "ann",
        *,
        key: str | None = None,
        answer: Answer[Conversation] | None = None,
        judge: Callable[[LogState], None] | None = None,
        **rest: Any,
    ) -> Posted:
        draft = Draft(sender, key or f"key of {text}", {"text": text}, **rest)
        return self.log.post(self.id, draft, admit=lambda head: None, judge=judge, answer=answer)

    def join(self, *members: str) -> None:
        for member in members:
            self.say(f"{member} joins", member, silent=True, events=(Event("add", member),))

    @property
    def state(self) -> LogState:
        head = self.store.find(self.id)
        assert head is not None, "the room is gone"
        return head.log

    def entries(self) -> list[Entry]:
        """What readers see; whether it is in order is looked at on every such occasion."""
        entries = self.log.oldest(self.state)
        check(self.state, entries)
        return entries

    def texts(self) -> list[str]:
        return [entry.content["text"] for entry in self.entries()]

    def stored(self) -> list[Entry]:
        """What lies in the database, seen or not."""
        return self.store.between(self.id, 0, END)

    def unread(self) -> dict[str, int]:
        state = self.state
        return {member: state.unread(member) for member in state.members}

    def do_jobs(self) -> None:
        """What was left for the background."""
        while self.jobs:
            self.jobs.pop()()

    def dies_before(self, operation: str, work: Step) -> None:
        """Lets a process die right before an operation of the database."""
        self.store.before[operation] = die
        with pytest.raises(Died):
            work()


def database_in_memory() -> Database:
    client: Any = MockedClient()
    return Database(lambda: "", "test", connect=lambda *_, **__: client)


def new_room(clock: Clock | None = None) -> Room:
    """A room that is not open yet."""
    return Room(InterruptibleStore(database_in_memory()), clock or Clock())


def entry(seq: int, at: int, sender: str = "ann", **rest: Any) -> Entry:
    """A message at its place, as it is stored."""
    fields = {"key": f"{seq}", "content": {"text": f"{seq}"}, "id": f"{seq:024x}"}
    return Entry(sender, seq=seq, created_at=at, **fields, **rest)
