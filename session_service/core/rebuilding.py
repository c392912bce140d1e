"""Rebuilding what message sessions say of their messages, from the messages themselves."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

from session_service.core.log_store import Deadline
from session_service.core.user_ids import integer_id
from session_service.errors import Forbidden
from session_service.models import (
    ADMIN,
    Entry,
    LastMessage,
    LogState,
    MessageSession,
    User,
    last_message,
)

CHUNK = 500  # messages that one round trip reads


class RebuildStore(Protocol):
    """Where message sessions are kept, as far as rebuilding them needs it."""

    def deadline(self) -> AbstractContextManager[Deadline]: ...

    def find(self, log_id: str) -> MessageSession | None: ...

    def between(self, log_id: str, after: int, before: int) -> list[Entry]: ...

    def of_member(self, member: str) -> list[MessageSession]: ...

    def log_ids(self) -> list[str]: ...

    def raise_floor(self, log_id: str, floor: int) -> None: ...

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
    """What is stored of a log, as far as it was read: up to `seq`, from above `floor`.

    `counted` are place, sender and receiver of each message; `lasts` the last messages of those
    who have cleared the log.
    """

    floors: Mapping[str, int]
    seq: int
    last: LastMessage | None = None
    lasts: dict[str, LastMessage | None] = field(default_factory=dict)
    counted: list[tuple[int, str, str | None]] = field(default_factory=list)

    def add(self, entry: Entry) -> None:
        shown = last_message(entry)
        self.last = max(self.last or shown, shown)
        for member, floor in self.floors.items():
            if entry.seq > floor:
                self.lasts[member] = max(self.lasts.get(member) or shown, shown)
        self.counted.append((entry.seq, entry.sender, entry.to))

    def unread(self, member: str, read: int) -> int:
        """How many messages after that place count for a member."""
        return sum(
            seq > read and sender != member and to in (None, member)
            for seq, sender, to in self.counted
        )


class Rebuilding:
    """Repairs counts and last messages while traffic goes on; may raise Unavailable."""

    def __init__(self, store: RebuildStore) -> None:
        self._store = store

    def of_user(self, user: User, user_id: int, *, force: bool) -> Rebuilt:
        """Repairs a user's sessions as far as that user sees them; for the user and admins.

        With `force` also what is right is written once more.
        """
        if integer_id(user) != user_id and user.role != ADMIN:
            raise Forbidden("somebody else's", code="not_yours")
        return self.of_member(str(user_id), force=force)

    def of_member(self, member: str, *, force: bool = False) -> Rebuilt:
        """The same, whoever asks for it."""
        with self._store.deadline():
            self._store.make_indexes()
            log_ids = [each.log.id for each in self._store.of_member(member)]
        return self._rebuilt(log_ids, member, force)

    def of_all(self) -> Rebuilt:
        """Repairs all sessions for all their members."""
        self._store.make_indexes()
        return self._rebuilt(self._store.log_ids(), None, False)

    def _rebuilt(self, log_ids: Sequence[str], member: str | None, force: bool) -> Rebuilt:
        repaired = sum(self._rebuild(each, member, force) for each in log_ids)
        return Rebuilt(len(log_ids), repaired)

    def _rebuild(self, log_id: str, member: str | None, force: bool) -> bool:
        """Whether anything was written; once more from where it stopped, when the log went on."""
        history: History | None = None
        while True:
            with self._store.deadline():
                session = self._store.find(log_id)
            if session is None:
                return False
            state = session.log
            if history is None or history.floors != state.floors:
                history = History(state.floors, state.floor)
            self._read_on(state, history)
            if not history.counted:
                return False
            members = state.members if member is None else (member,)
            seen = {each: state.total - _unread(history, state, each) for each in members}
            lasts = {each: history.lasts.get(each) for each in members if each in state.floors}
            right = _agrees(session, seen, history.last, lasts)
            if right and not force:
                return False
            with self._store.deadline():
                if self._store.repair(session, seen, history.last, lasts):
                    return True

    def _read_on(self, state: LogState, history: History) -> None:
        for start in range(history.seq, state.seq, CHUNK):
            with self._store.deadline():
                end = min(start + CHUNK, state.seq)
                for entry in self._store.between(state.id, start, end + 1):
                    history.add(entry)
        history.seq = max(history.seq, state.seq)


def _unread(history: History, state: LogState, member: str) -> int:
    read = max(state.read.get(member, 0), state.floors.get(member, 0))
    return history.unread(member, read)


def _agrees(
    session: MessageSession,
    seen: Mapping[str, int],
    last: LastMessage | None,
    lasts: Mapping[str, LastMessage | None],
) -> bool:
    """Whether a session says already what it should."""
    return (
        session.last == last
        and _part(session.log.seen, seen) == seen
        and _part(session.lasts, lasts) == lasts
    )


def _part(whole: Mapping[str, object], names: Iterable[str]) -> dict[str, object]:
    return {each: whole[each] for each in names if each in whole}
