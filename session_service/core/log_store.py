"""What the message log asks of the place where it is kept."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Protocol, TypeVar

from session_service.models import Changes, Entry, LogState


class Head(Protocol):
    """A record that owns a log."""

    @property
    def log(self) -> LogState: ...


HeadT_co = TypeVar("HeadT_co", bound=Head, covariant=True)


class Deadline(Protocol):
    """The end of the time that one request's database work may take."""

    def left(self) -> float: ...


class LogStore(Protocol[HeadT_co]):
    """Where a kind of log is kept. All methods raise Unavailable when the outcome is unknown."""

    def deadline(self) -> AbstractContextManager[Deadline]: ...

    def find(self, log_id: str) -> HeadT_co | None: ...

    def insert(self, log_id: str, entries: Sequence[Entry]) -> bool:
        """Stores the entries in order; false when one's place or key was taken."""

    def commit(self, state: LogState, changes: Changes) -> bool:
        """Applies the changes to the head if it still stands at `state.seq`."""

    def discard(self, entries: Sequence[Entry]) -> None: ...

    def between(self, log_id: str, after: int, before: int) -> list[Entry]:
        """The stored entries with after < seq < before, in order."""

    def find_by_key(self, log_id: str, sender: str, key: str) -> Entry | None: ...

    def seq_at(self, log_id: str, at: int) -> int | None:
        """The seq of the entry made at exactly this time."""

    def times(self, log_id: str, seqs: Sequence[int]) -> list[tuple[int, int]]:
        """(seq, created_at) of those entries that exist, in order of seq."""

    def mark_read(self, log_id: str, member: str, now: int) -> bool:
        """All that is committed at this update counts as read; false: not a member."""

    def mark_read_to(self, state: LogState, member: str, read: int, count: int, now: int) -> bool:
        """Sets up to where the member has read, and adds the `count` messages it has seen by that.

        False where it is no member, or has read on since `state`.
        """

    def count_from_others(self, log_id: str, member: str, after: int, upto: int) -> int:
        """Entries with after < seq <= upto that count for this member and are not its own."""

    def retire(self, log_id: str, seq: int, now: int) -> None:
        """Notes that a log is to go, and takes its head away: from now on there is none."""

    def retired(self) -> list[tuple[str, int, int]]:
        """The logs that are to go: id, last seq, and since when (ms)."""

    def delete_entries(self, log_id: str, before: int | None = None) -> None:
        """Deletes a log's entries; with `before` those of a lower seq."""

    def raise_floor(self, log_id: str, floor: int) -> None:
        """Deletes the entries up to that place, which nobody may take or see from now on."""

    def forget_retired(self, log_id: str) -> None: ...
