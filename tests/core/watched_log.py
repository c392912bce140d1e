"""A log as its readers see it, from its beginning to its end."""

from dataclasses import dataclass, field
from typing import Any

from session_service.models import Entry, LogState
from session_service.store.logs import LogStore
from tests.core.ledger import check

FOREVER = 10**15

Place = tuple[int, int] | None


@dataclass(eq=False)
class WatchedLog:
    """What readers have seen of a log up to now; `doomed` when somebody set about to delete it."""

    id: str
    store: LogStore[Any] = field(repr=False)
    state: LogState = field(init=False)
    entries: list[Entry] = field(default_factory=list)
    doomed: bool = False
    gone: bool = False

    def __post_init__(self) -> None:
        self.state = LogState(self.id)

    def look(self) -> list[Entry]:
        """Looks at the head first and then at the entries up to it; gives those that are new."""
        head = self.store.find(self.id)
        if head is None:
            assert self.doomed, "a log is gone that nobody deleted"
            self.gone = True
            return []
        assert not self.gone, "a deleted log is back"
        new = self.store.between(self.id, len(self.entries), head.log.seq + 1)
        self.entries += new
        check(head.log, self.entries)
        for member in set(head.log.members) & set(self.state.members):
            assert head.log.read[member] >= self.state.read[member], f"{member} has read less"
        self.state = head.log
        return new

    def look_back(self) -> None:
        """What was seen once is still there, and nothing has become of it."""
        if not self.gone:
            seen = self.store.between(self.id, 0, len(self.entries) + 1)
            assert seen == self.entries, f"{self.entries} became {seen}"

    def time(self, place: Place) -> int:
        """The time of an entry or right beside it; without a place, long after all."""
        if place is None or not self.entries:
            return FOREVER
        number, off = place
        return self.entries[number % len(self.entries)].created_at + off
