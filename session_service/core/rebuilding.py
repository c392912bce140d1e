"""Rebuilding what message sessions say of their messages, from the messages themselves."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

from session_service.core.log_store import Deadline
from session_service.core.user_ids import acting_for
from session_service.errors import Unavailable
from session_service.models import (
    Entry,
    LastMessage,
    LogState,
    MessageSession,
    User,
    last_message,
)

CHUNK = 500  # messages that one round trip reads
ATTEMPTS = 20  # while the session goes on


class RebuildStore(Protocol):
    """Where message sessions are kept, as far as rebuilding them needs it."""

    def deadline(self) -> AbstractContextManager[Deadline]: ...

    def find(self, log_id: str) -> MessageSession | None: ...

    def between(self, log_id: str, after: int, before: int) -> list[Entry]: ...

    def of_member(self, member: str, *, texts: bool) -> list[MessageSession]: ...

    def log_ids(self) -> list[str]: ...

    def repair(
        self,
        session: MessageSession,
        seen: Mapping[str, int],
        last: LastMessage | None,
        lasts: Mapping[str, LastMessage | None],
    ) -> bool: ...

    def make_indexes(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """How many sessions were looked at, and how many of them written."""

    checked: int
    repaired: int


@dataclass(slots=True)
class History:
    """What is stored of a log, as far as it was read: up to `seq`, from above the log's floor.

    `lasts` are the last messages of those who have cleared the log, `counted` place, sender and
    receiver of each message that somebody may not have read: above `read`.
    """

    floors: Mapping[str, int]
    seq: int
    read: int
    last: LastMessage | None = None
    lasts: dict[str, LastMessage | None] = field(default_factory=dict)
    counted: list[tuple[int, str, str | None]] = field(default_factory=list)

    def add(self, entry: Entry) -> None:
        shown = last_message(entry)
        self.last = max(self.last or shown, shown)
        for member, floor in self.floors.items():
            if entry.seq > floor:
                self.lasts[member] = max(self.lasts.get(member) or shown, shown)
        if entry.seq > self.read:
            self.counted.append((entry.seq, entry.sender, entry.to))

    def unread(self, member: str, read: int) -> int:
        """How many messages after that place count for a member."""
        return sum(
            seq > read and sender != member and to in (None, member)
            for seq, sender, to in self.counted
        )


class Rebuilding:
    """Repairs counts and last messages while traffic goes on; may raise Unavailable.

    `delete_cleared` ends what somebody left who died while emptying a session.
    """

    def __init__(self, store: RebuildStore, delete_cleared: Callable[[LogState], None]) -> None:
        self._store = store
        self._delete_cleared = delete_cleared

    def of_user(self, user: User, user_id: int, *, force: bool) -> Rebuilt:
        """Repairs a user's sessions as far as that user sees them; for the user and admins.

        With `force` also what is right is written once more.
        """
        return self.of_member(acting_for(user, user_id), force=force)

    def of_member(self, member: str, *, force: bool = False) -> Rebuilt:
        """The same, whoever asks for it."""

        def log_ids() -> list[str]:
            with self._store.deadline():
                return [each.log.id for each in self._store.of_member(member, texts=False)]

        return self._rebuilt(log_ids, member, force)

    def of_all(self) -> Rebuilt:
        """Repairs all sessions for all their members."""
        return self._rebuilt(self._store.log_ids, None, force=False)

    def _rebuilt(
        self, log_ids: Callable[[], Sequence[str]], member: str | None, force: bool
    ) -> Rebuilt:
        try:
            self._store.make_indexes()
        finally:  # one that cannot be made keeps nothing else from being repaired
            found = log_ids()
            repaired = sum(self._rebuild(each, member, force) for each in found)
        return Rebuilt(len(found), repaired)

    def _rebuild(self, log_id: str, member: str | None, force: bool) -> bool:
        """Whether anything was written; goes on from where it stopped when the log went on."""
        history: History | None = None
        for _ in range(ATTEMPTS):
            with self._store.deadline():
                session = self._store.find(log_id)
            if session is None:
                return False
            state = session.log
            self._delete_cleared(state)
            members = state.members if member is None else (member,)
            read = {each: _read(state, each) for each in members}
            if history is None or history.floors != state.floors:
                history = History(state.floors, state.floor, min(read.values()))
            self._read_on(state, history)
            if history.last is None:
                return False
            right = _right(session, history, read)
            if right.agrees(session) and not force:
                return False
            with self._store.deadline():
                if self._store.repair(session, right.seen, right.last, right.lasts):
                    return True
        raise Unavailable("the session never stands still")

    def _read_on(self, state: LogState, history: History) -> None:
        for start in range(history.seq, state.seq, CHUNK):
            with self._store.deadline():
                end = min(start + CHUNK, state.seq)
                for entry in self._store.between(state.id, start, end + 1):
                    history.add(entry)
        history.seq = max(history.seq, state.seq)


@dataclass(frozen=True, slots=True)
class Right:
    """What a session should say, as far as some members see it."""

    seen: Mapping[str, int]
    last: LastMessage | None
    lasts: Mapping[str, LastMessage | None]

    def agrees(self, session: MessageSession) -> bool:
        """Whether the session says so already."""
        return (
            session.last == self.last
            and self.seen.items() <= session.log.seen.items()
            and self.lasts.items() <= session.lasts.items()
        )


def _right(session: MessageSession, history: History, read: Mapping[str, int]) -> Right:
    state = session.log
    seen = {each: state.total - history.unread(each, place) for each, place in read.items()}
    lasts = {each: history.lasts.get(each) for each in read if each in state.floors}
    shared = len(lasts) < len(read)  # somebody sees the last message of all
    return Right(seen, history.last if shared else session.last, lasts)


def _read(state: LogState, member: str) -> int:
    return max(state.read.get(member, 0), state.floors.get(member, 0))
