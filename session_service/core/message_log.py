"""The message log: an insert proposes, a compare-and-set on the log's head commits.

An entry is visible, counted and acknowledged only once `head.seq >= entry.seq`. Readers take
the head first and then the entries up to it, so what they see and what is counted agree at
every moment. A proposal whose sender died waits unseen until the next sender commits it.
"""

import time
from collections.abc import Callable
from typing import Generic, TypeVar

import structlog

from session_service.core.ids import new_entry_id
from session_service.core.log_store import Head, LogStore
from session_service.core.sending import Answer, Posted, Send, Tools
from session_service.core.turns import Turns
from session_service.errors import Unavailable
from session_service.models import Draft, Entry, LogState

log = structlog.get_logger(__name__)

GRACE_MS = 60_000  # longer than any send is under way

H = TypeVar("H", bound=Head)


class MessageLog(Generic[H]):
    """Sends to and reads from all logs of one kind."""

    def __init__(
        self,
        store: LogStore[H],
        *,
        clock: Callable[[], int],
        sleep: Callable[[float], None] = time.sleep,
        entry_id: Callable[[int], str] = new_entry_id,
    ) -> None:
        self._store = store
        self._clock = clock
        self._tools = Tools(clock, sleep, entry_id, Turns())

    def post(
        self,
        log_id: str,
        draft: Draft,
        *,
        admit: Callable[[H], None],
        judge: Callable[[LogState], None] | None = None,
        answer: Answer[H] | None = None,
    ) -> Posted:
        """Appends the draft, with exactly one reply where an answer is asked for.

        `admit` may refuse the caller outright; `judge` may refuse the draft for what the log
        says at the very place it would take, but not a repeat of what was accepted before.
        Raises NotFound, Conflict (the key was used for another content), Unavailable (the
        outcome is unknown; a repeat with the same key settles it) and what those two raise.
        """
        send = Send(
            self._store, self._tools, log_id, draft, admit=admit, judge=judge, answer=answer
        )
        return send.run()

    def newest(self, state: LogState, limit: int) -> list[Entry]:
        """The `limit` newest committed entries, oldest first."""
        return self._store.between(state.id, state.seq - limit, state.seq + 1)

    def before(self, state: LogState, at: int, limit: int) -> list[Entry]:
        """The `limit` newest committed entries made before the time `at` (ms), oldest first."""
        end = self._last_before(state, at)
        return self._store.between(state.id, end - limit, end + 1)

    def everything(self, state: LogState, chunk: int = 1000) -> list[Entry]:
        """All committed entries, oldest first; a long log is read in several bounded reads."""
        entries: list[Entry] = []
        for after in range(0, state.seq, chunk):
            with self._store.deadline():
                entries += self._store.between(state.id, after, min(after + chunk, state.seq) + 1)
        return entries

    def mark_read(self, log_id: str, member: str) -> bool:
        """Sets the member's unread count to 0 for all that is committed at this moment."""
        return self._store.mark_read(log_id, member, self._clock())

    def mark_read_to(self, log_id: str, member: str, at: int) -> bool:
        """Marks as read what was made up to the time `at` (ms), never backwards.

        False when there is no such log or member.
        """
        while True:
            head = self._store.find(log_id)
            if head is None or member not in head.log.members:
                return False
            state = head.log
            read = self._last_before(state, at + 1)
            if read <= state.read[member]:
                return True
            unread = self._store.count_from_others(log_id, member, read, state.seq)
            if self._store.mark_read_to(state, member, read, state.total - unread, self._clock()):
                return True

    def delete(self, log_id: str) -> None:
        """Deletes a log and its entries; what a crash leaves of them is deleted later."""
        with self._store.deadline():
            self._store.retire(log_id, self._clock())
        try:
            self._store.delete_entries(log_id)
            self.finish_deletions(older_than_ms=GRACE_MS)
        except Unavailable:
            log.warning("entries left for later", log_id=log_id)

    def finish_deletions(self, older_than_ms: int = 0) -> None:
        """Deletes what remains of retired logs.

        A sender that was under way may have added to one after its deletion, and died before
        it could clean up: so a log is forgotten only when it has been gone for a while.
        """
        now = self._clock()
        for log_id, since in self._store.retired():
            if since + older_than_ms > now:
                continue
            self._store.retire(log_id, since)
            self._store.delete_entries(log_id)
            if since + GRACE_MS <= now:
                self._store.forget_retired(log_id)

    def _last_before(self, state: LogState, at: int) -> int:
        """The seq of the last committed entry made before the time `at`; 0 where there is none.

        Clients page by the times of entries they hold, so an exact hit is the usual case.
        """
        if at > state.at:
            return state.seq
        exact = self._store.seq_at(state.id, at)
        return self._search(state, at) if exact is None else min(exact - 1, state.seq)

    def _search(self, state: LogState, at: int) -> int:
        low: tuple[int, int | None] = (0, None)
        high = (state.seq, state.at)
        while high[0] - low[0] > 1:
            times = self._store.times(state.id, _probes(low, high, at))
            older = [each for each in times if each[1] < at]
            newer = [each for each in times if each[1] >= at]
            if not times:
                break  # somebody removed entries by hand: what is left is near enough
            low = older[-1] if older else low
            high = newer[0] if newer else high
        return low[0]


def _probes(low: tuple[int, int | None], high: tuple[int, int], at: int) -> list[int]:
    """Eight places between two known ones: half evenly spread, half about the likeliest."""
    (first, first_at), (last, last_at) = low, high
    width = last - first
    probes = {first + width * i // 5 for i in range(1, 5)} | {first + 1, last - 1}
    if first_at is not None and last_at > first_at:
        guess = first + width * (at - first_at) // (last_at - first_at)
        probes |= {guess - 1 - width // 64, guess, guess + 1, guess + 1 + width // 64}
    return sorted(probe for probe in probes if first < probe < last)
