"""What a run of messages does to the head of its log; pure functions."""

from collections import Counter
from collections.abc import Sequence

from session_service.models import Changes, Entry, Joined, LogState


def fold(state: LogState, entries: Sequence[Entry]) -> Changes:
    """The changes that `entries`, the next ones after `state` in order, make together."""
    folding = _Folding(state)
    for entry in entries:
        folding.count(entry)
        folding.change(entry)
    return Changes(
        entries=tuple(entries),
        total=folding.total - state.total,
        seen=folding.seen,
        joined=folding.joined,
        left=frozenset(state.members) - frozenset(folding.members),
        members=tuple(folding.members),
        status=folding.status,
    )


def advance(state: LogState, entries: Sequence[Entry]) -> LogState:
    """The head as it will stand once `entries`, the next ones in order, are committed."""
    if not entries:
        return state
    changes = fold(state, entries)
    seen = {m: n + changes.seen.get(m, 0) for m, n in state.seen.items() if m not in changes.left}
    read = {m: n for m, n in state.read.items() if m not in changes.left}
    return LogState(
        id=state.id,
        seq=changes.last.seq,
        at=changes.last.created_at,
        total=state.total + changes.total,
        members=changes.members,
        seen=seen | {member: joined.seen for member, joined in changes.joined.items()},
        read=read | {member: joined.read for member, joined in changes.joined.items()},
        status=changes.status,
        floors=state.floors,
        floor=state.floor,
        cleared=state.cleared,
    )


class _Folding:
    """The state as far as it is folded."""

    def __init__(self, state: LogState) -> None:
        self.total = state.total
        self.members = list(state.members)
        self.status = state.status
        self.seen: Counter[str] = Counter()
        self.joined: dict[str, Joined] = {}

    def count(self, entry: Entry) -> None:
        """A message counts for all but its sender, one that is directed for one alone."""
        if entry.silent:
            return
        if entry.to is None:
            self.total += 1
            self._see(entry.sender, 1)
        elif entry.to != entry.sender:
            self._see(entry.to, -1)

    def change(self, entry: Entry) -> None:
        """Makes true what the message says of members and status."""
        for event in entry.events:
            subject = event.subject
            if event.kind == "status":
                self.status = subject
            elif event.kind == "add" and subject not in self.members:
                self.members.append(subject)
                self.joined[subject] = Joined(self.total, entry.seq, entry.created_at, event.role)
            elif event.kind == "remove" and subject in self.members:
                self.members.remove(subject)
                self.joined.pop(subject, None)
                self.seen.pop(subject, None)

    def _see(self, member: str, count: int) -> None:
        if member in self.joined:
            joined = self.joined[member]
            self.joined[member] = joined._replace(seen=joined.seen + count)
        elif member in self.members:
            self.seen[member] += count
