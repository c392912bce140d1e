"""What a client wants in a log, and what has become of it."""

from collections.abc import Callable
from dataclasses import dataclass, fields

from session_service.core.sending import SERVER, Posted
from session_service.errors import Forbidden, NotFound, ServiceError
from session_service.models import Draft, Entry, LogState
from tests.core.ledger import memberships
from tests.core.watched_log import WatchedLog

Told = Posted | Forbidden | NotFound


@dataclass(eq=False)
class Order:
    """A draft for a log; with an `engine`, "instant" or "slow", a reply is wanted as well.

    `posted` is what the client has been told of it.
    """

    log: WatchedLog
    draft: Draft
    engine: str | None = None
    judge: Callable[[LogState], None] | None = None
    posted: Posted | None = None

    def messages(self) -> list[Entry]:
        """What readers see of it, not counting the reply."""
        whose = (self.draft.sender, self.draft.key)
        return [entry for entry in self.log.entries if (entry.sender, entry.key) == whose]

    def check_seen(self, entry: Entry) -> None:
        """Readers see an entry that came of this order: may that be?"""
        if entry.sender == SERVER:
            assert self.engine, f"a reply that nobody asked for: {entry}"
            assert entry.key == f"re:{self.draft.key}", f"a reply under another key: {entry}"
            assert self.messages(), f"a reply before its message: {entry}"
        elif self.judge is not None:
            members = memberships(self.log.entries[: entry.seq - 1])
            assert entry.sender in members, f"{entry.sender} may not send at {entry.seq}"

    def check_told(self, told: Told) -> None:
        """The client is told what became of it: is that so, and what it was told before?"""
        if isinstance(told, ServiceError):
            right = self.log.gone if isinstance(told, NotFound) else self.judge is not None
            assert right, f"told {told!r} of {self}"
            return
        assert self.posted in (None, told), f"told {self.posted} first and {told} then"
        self.posted = told
        assert draft_of(told.entry) == self.draft, f"told {told.entry} of {self.draft}"
        assert bool(told.reply) == bool(self.engine), f"told of the reply {told.reply} to {self}"
        for entry in filter(None, (told.entry, told.reply)):
            seen = self.log.entries[entry.seq - 1 : entry.seq]
            assert seen == [entry] or self.log.gone, f"acknowledged, but not to be seen: {entry}"


def draft_of(entry: Entry) -> Draft:
    return Draft(**{each.name: getattr(entry, each.name) for each in fields(Draft)})
