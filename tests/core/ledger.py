"""What a log must look like to any reader at any moment, told from its visible entries alone."""

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from session_service.models import Entry, LogState


def check(state: LogState, entries: Sequence[Entry]) -> None:
    """Holds a head against all the entries up to it, oldest first."""
    seqs = [entry.seq for entry in entries]
    assert seqs == list(range(1, state.seq + 1)), f"gaps: {seqs} up to {state.seq}"
    times = [entry.created_at for entry in entries]
    assert all(a < b for a, b in pairwise(times)), f"times do not increase: {times}"
    assert state.at == (times[-1] if times else 0), f"the head's time is not the last: {state}"
    keys = Counter((entry.sender, entry.key) for entry in entries)
    assert keys.total() == len(keys), f"keys twice: {keys.most_common(3)}"
    total = sum(entry.to is None and not entry.silent for entry in entries)
    assert state.total == total, f"{total} entries count, not {state.total}"
    check_members(state, entries)


def check_members(state: LogState, entries: Sequence[Entry]) -> None:
    joined = memberships(entries)
    assert state.members == tuple(joined), f"members are {list(joined)}, not {state.members}"
    assert set(state.seen) == set(state.read) == set(joined), f"counts of strangers: {state}"
    for member, since in joined.items():
        read = state.read[member]
        assert since <= read <= state.seq, f"{member} has read {read} of {since}..{state.seq}"
        count = recount(entries, member, read)
        unread = state.unread(member)
        assert unread == count, f"unread of {member} is {count}, not {unread}"


def recount(entries: Sequence[Entry], member: str, read: int) -> int:
    """How many entries after `read` are from others, meant for this member, and count."""
    return sum(
        entry.seq > read
        and entry.sender != member
        and entry.to in (None, member)
        and not entry.silent
        for entry in entries
    )


def memberships(entries: Sequence[Entry]) -> dict[str, int]:
    """The members, and the seq of the entry by which each of them is one."""
    joined: dict[str, int] = {}
    for entry in entries:
        for each in entry.events:
            if each.kind == "add":
                joined.setdefault(each.subject, entry.seq)
            else:
                joined.pop(each.subject, None)
    return joined


def last_before(entries: Sequence[Entry], at: int) -> int:
    """The seq of the last entry made before the time `at`; 0 where there is none."""
    return sum(entry.created_at < at for entry in entries)
