"""What a run of messages does to the head of its log; pure functions."""

from collections import Counter
from collections.abc import Sequence

from session_service.models import Changes, Entry, LogState


def fold(state: LogState, entries: Sequence[Entry]) -> Changes:
    """The changes that `entries`, the next ones after `state` in order, make together."""
    total = state.total
    seen: Counter[str] = Counter()
    joined: dict[str, tuple[int, int]] = {}
    members = list(state.members)
    for entry in entries:
        if entry.silent:
            pass  # counts for nobody
        elif entry.to is None:
            total += 1
            _see(entry.sender, 1, members, seen, joined)
        elif entry.to != entry.sender:
            _see(entry.to, -1, members, seen, joined)
        if entry.event is None:
            continue
        member = entry.event.member
        if entry.event.kind == "add" and member not in members:
            members.append(member)
            joined[member] = (total, entry.seq)
        elif entry.event.kind == "remove" and member in members:
            members.remove(member)
            joined.pop(member, None)
            seen.pop(member, None)
    return Changes(
        last=entries[-1],
        total=total - state.total,
        seen=seen,
        joined=joined,
        left=frozenset(state.members) - frozenset(members),
        members=tuple(members),
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
        seen=seen | {m: first for m, (first, _) in changes.joined.items()},
        read=read | {m: seq for m, (_, seq) in changes.joined.items()},
    )


def _see(
    member: str,
    count: int,
    members: Sequence[str],
    seen: Counter[str],
    joined: dict[str, tuple[int, int]],
) -> None:
    if member in joined:
        first, read = joined[member]
        joined[member] = (first + count, read)
    elif member in members:
        seen[member] += count
