"""Sends to one log that wait for each other go together: one insert and one commit for all.

A log takes one send after the other, each of three round trips. Whoever's turn it is takes
along those who wait behind, so that a log that many send to at once is no slower than many.
"""

from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any, Generic, TypeVar

from session_service.core.fold import advance
from session_service.core.log_store import Head, LogStore
from session_service.core.sending import (
    QUEUE_S,
    WINDOW,
    Cleared,
    Posted,
    Send,
    Tools,
    insist,
    pause,
    unbroken,
)
from session_service.errors import NotFound, ServiceError, Unavailable
from session_service.models import Entry, LogState

H = TypeVar("H", bound=Head)


@dataclass(eq=False)
class Passenger:
    """A send that waits, and what has become of it; nothing yet where it is to go alone."""

    send: Send[Any]
    outcome: Posted | ServiceError | None = None


class Convoys(Generic[H]):
    """Carries sends without replies; see MessageLog.post for what they may raise."""

    def __init__(self, store: LogStore[H], tools: Tools) -> None:
        self._store = store
        self._tools = tools
        self._guard = Lock()
        self._waiting: dict[str, deque[Passenger]] = defaultdict(deque)

    def carry(self, log_id: str, send: Send[H]) -> Posted:
        """Commits the send's draft, together with those of others or alone."""
        passenger = Passenger(send)
        with self._guard:
            self._waiting[log_id].append(passenger)
        try:
            with self._tools.turns.of(log_id, QUEUE_S):
                if passenger.outcome is None:
                    self._lead(log_id, passenger)
        except Unavailable:
            if passenger.outcome is None:
                raise
        finally:
            self._leave(log_id, passenger)
        if isinstance(passenger.outcome, ServiceError):
            raise passenger.outcome
        return passenger.outcome or send.run()

    def _lead(self, log_id: str, first: Passenger) -> None:
        with self._guard:
            others = [each for each in self._waiting[log_id] if each is not first]
            convoy = [first, *others[: WINDOW - 1]]
            self._waiting[log_id] = deque(others[WINDOW - 1 :])
        if others:
            self._drive(log_id, convoy)
        else:
            first.outcome = first.send.alone()

    def _leave(self, log_id: str, passenger: Passenger) -> None:
        with self._guard:
            waiting = self._waiting[log_id]
            if passenger in waiting:
                waiting.remove(passenger)
            if not waiting:
                del self._waiting[log_id]

    def _drive(self, log_id: str, convoy: Sequence[Passenger]) -> None:
        def step() -> None:
            self._try(log_id, [each for each in convoy if each.outcome is None])

        insist(self._store, self._tools, step)

    def _try(self, log_id: str, convoy: Sequence[Passenger]) -> None:
        """Gives all an outcome but those that are to go alone."""
        head = self._store.find(log_id)
        riding = [each for each in convoy if _admitted(each, head)]
        if head is None or not riding:
            return
        state, pending = head.log, list[Entry]()
        placed: dict[tuple[str, str], Passenger] = {}
        while riding and len(pending) < WINDOW:
            entries, riding = _placed(riding, state)
            if not riding:
                break
            placed |= {each.send.mark: each for each in riding}
            if self._store.insert(log_id, entries):
                pending += entries
                break
            pause(self._tools)
            found = unbroken(self._store.between(log_id, state.seq, state.seq + WINDOW), state.seq)
            if not found:
                break  # the key of one of them is in use further back
            pending += found
            state = advance(state, found)
            marks = {(each.sender, each.key) for each in found}
            riding = [each for each in riding if each.send.mark not in marks]
        self._commit(convoy, head.log, pending)
        for entry in pending:
            if passenger := placed.get((entry.sender, entry.key)):
                passenger.outcome = passenger.outcome or passenger.send.landed(entry)

    def _commit(
        self, convoy: Sequence[Passenger], state: LogState, entries: Sequence[Entry]
    ) -> None:
        try:
            convoy[0].send.commit(state, entries)
        except NotFound as error:
            for each in convoy:
                each.send.withdraw()
                each.outcome = error
        except Cleared as error:
            for each in convoy:
                each.send.withdraw(error.floor)
            raise


def _admitted(passenger: Passenger, head: Head | None) -> bool:
    try:
        if head is None:
            passenger.send.withdraw()
            raise NotFound("no such log")
        passenger.send.admit(head)
    except ServiceError as error:
        passenger.outcome = error
        return False
    return True


def _placed(riding: Sequence[Passenger], state: LogState) -> tuple[list[Entry], list[Passenger]]:
    """The next entries after `state`, and whose they are; who is refused there goes alone."""
    entries, staying = list[Entry](), list[Passenger]()
    for passenger in riding:
        try:
            entry = passenger.send.place(state)
        except ServiceError:
            continue
        state = advance(state, [entry])
        entries.append(entry)
        staying.append(passenger)
    return entries, staying
