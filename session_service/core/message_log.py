"""The message log: an insert proposes, a compare-and-set on the log's head commits.

An entry is visible, counted and acknowledged only once `head.seq >= entry.seq`. Readers take
the head first and then the entries up to it, so what they see and what is counted agree at
every moment. A proposal whose sender died waits unseen until the next sender commits it.
"""

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

import structlog

from session_service.core.convoy import Convoys
from session_service.core.ids import new_entry_id
from session_service.core.log_store import Head, LogStore
from session_service.core.sending import Answer, Posted, Send, Sender, Tools
from session_service.core.turns import Turns
from session_service.errors import ServiceError, Unavailable
from session_service.models import Draft, Entry, LogState

log = structlog.get_logger(__name__)

GRACE_MS = 900_000  # longer than any send is under way, its slow reply included
CHUNK = 1000  # entries that one operation may handle
SHORT = 200  # entries that a caller can wait for

H = TypeVar("H", bound=Head)


def in_thread(job: Callable[[], object]) -> None:
    """Does a job beside the caller, who does not wait for it."""
    threading.Thread(target=job, daemon=True).start()


class MessageLog(Generic[H]):
    """Sends to and reads from all logs of one kind; `stored` hears of each new message."""

    def __init__(
        self,
        store: LogStore[H],
        *,
        clock: Callable[[], int],
        sleep: Callable[[float], None] = time.sleep,
        entry_id: Callable[[int], str] = new_entry_id,
        background: Callable[[Callable[[], object]], None] = in_thread,
        stored: Callable[[Sender], None] = lambda sender: None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._background = background
        self._keeping_house = threading.Lock()
        self._tools = Tools(clock, sleep, entry_id, Turns(), stored)
        self._convoys = Convoys(store, self._tools)

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
        return self._convoys.carry(log_id, send) if answer is None else send.run()

    def newest(self, state: LogState, limit: int) -> list[Entry]:
        """The `limit` newest committed entries, oldest first."""
        return self.preceding(state, state.seq + 1, limit)

    def preceding(self, state: LogState, seq: int, limit: int, *, floor: int = 0) -> list[Entry]:
        """The `limit` newest committed entries before that place and above the floor."""
        end = min(seq, state.seq + 1)
        return self._store.between(state.id, max(end - 1 - limit, floor), end)

    def before(self, state: LogState, at: int, limit: int) -> list[Entry]:
        """The `limit` newest committed entries made before the time `at` (ms), oldest first."""
        end = self._last_before(state, at)
        return self.preceding(state, end + 1, limit) if end else []

    def after(self, state: LogState, at: int, limit: int) -> list[Entry]:
        """The first `limit` committed entries made after the time `at` (ms), oldest first."""
        start = self._last_upto(state, at)
        end = min(start + limit, state.seq)
        return self._store.between(state.id, start, end + 1) if end > start else []

    def oldest(
        self, state: LogState, *, after: int = 0, limit: int | None = None, chunk: int = SHORT
    ) -> list[Entry]:
        """The committed entries after the first `after`, oldest first: at most `limit`, or all.

        A long read is several bounded ones.
        """
        entries: list[Entry] = []
        end = state.seq if limit is None else min(after + limit, state.seq)
        for start in range(after, end, chunk):
            with self._store.deadline():
                entries += self._store.between(state.id, start, min(start + chunk, end) + 1)
        return entries

    def mark_read(self, log_id: str, member: str) -> bool:
        """Sets the member's unread count to 0 for all that is committed at this moment."""
        return self._store.mark_read(log_id, member, self._clock())

    def mark_read_to(self, log_id: str, member: str, at: int) -> bool:
        """Marks as read what was made up to the time `at` (ms), never backwards.

        False when there is no such log or member. Nothing but other marks of the same member has
        it begin anew.
        """
        while True:
            head = self._store.find(log_id)
            if head is None or member not in head.log.members:
                return False
            state = head.log
            read = self._last_upto(state, at)
            if read <= state.read[member]:
                return True
            count = self._newly_read(state, member, read)
            if self._store.mark_read_to(state, member, read, count, self._clock()):
                return True

    def _newly_read(self, state: LogState, member: str, read: int) -> int:
        """How many count for the member from where it has read to `read`: no send changes that.

        Counted on the shorter side.
        """
        before = state.read[member]
        if read - before < state.seq - read:
            return self._store.count_from_others(state.id, member, before, read)
        later = self._store.count_from_others(state.id, member, read, state.seq)
        return state.unread(member) - later

    def delete(self, state: LogState) -> None:
        """Deletes a log: it is gone at once, its entries follow.

        Those of a short log before this returns, of a long one in the background; what a crash
        leaves is deleted by whoever keeps house next.
        """
        with self._store.deadline():
            self._store.retire(state.id, state.seq, self._clock())
        if state.seq > SHORT or not self._cleared(state.id):
            self._background(self.keep_house)

    def delete_cleared(self, state: LogState) -> None:
        """Deletes what all members have cleared; the floor says how far that has come.

        A little before this returns, much in the background; where that does not come to its
        end, the next call goes on.
        """
        goal = min((state.floors.get(each, 0) for each in state.members), default=0)
        if goal - state.floor <= SHORT:
            self._delete_up_to(goal, state)
        else:
            self._background(lambda: self._delete_in_peace(goal, state))

    def _delete_in_peace(self, goal: int, state: LogState) -> None:
        try:
            self._delete_up_to(goal, state)
        except ServiceError as error:
            log.warning("cleared messages left for later", error=type(error).__name__)

    def _delete_up_to(self, goal: int, state: LogState) -> None:
        for floor in range(state.floor, goal, SHORT):
            with self._store.deadline():
                self._store.raise_floor(state.id, min(floor + SHORT, goal))

    def keep_house(self, older_than_ms: int = 0) -> bool:
        """`finish_deletions` for the background: once at a time, and false when it failed."""
        if not self._keeping_house.acquire(blocking=False):
            return False
        try:
            self.finish_deletions(older_than_ms)
        except ServiceError as error:
            log.warning("deletions left for later", error=type(error).__name__)
            return False
        finally:
            self._keeping_house.release()
        return True

    def finish_deletions(self, older_than_ms: int = 0) -> None:
        """Deletes what remains of retired logs; Unavailable when it could not be finished.

        A sender that was under way may have added to one after its deletion, and died before
        it could clean up: so a log is forgotten only when it has been gone for a while.
        """
        for log_id, seq, since in self._store.retired():
            age_ms = self._clock() - since
            if 0 <= age_ms < older_than_ms:
                continue
            self._store.retire(log_id, seq, since)
            for before in range(CHUNK, seq, CHUNK):
                self._store.delete_entries(log_id, before)
            self._store.delete_entries(log_id)
            if age_ms >= GRACE_MS:
                self._store.forget_retired(log_id)

    def _cleared(self, log_id: str) -> bool:
        try:
            with self._store.deadline():
                self._store.delete_entries(log_id)
        except Unavailable:
            return False
        return True

    def _last_before(self, state: LogState, at: int) -> int:
        """The seq of the last committed entry made before the time `at`; 0 where there is none.

        Clients page by the times of entries they hold, so an exact hit is the usual case.
        """
        if at > state.at:
            return state.seq
        exact = self._store.seq_at(state.id, at)
        return self._search(state, at) if exact is None else min(exact - 1, state.seq)

    def _last_upto(self, state: LogState, at: int) -> int:
        """The same for the last one that is not later than that."""
        if at >= state.at:
            return state.seq
        exact = self._store.seq_at(state.id, at)
        return self._search(state, at + 1) if exact is None else min(exact, state.seq)

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
