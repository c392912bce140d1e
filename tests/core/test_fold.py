"""What a run of messages does to the head of its log."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from session_service.core.fold import advance, fold
from session_service.models import Entry, Event, LogState
from tests.core.ledger import check, recount

NOBODY = LogState("log")

few = settings(max_examples=50, deadline=None)
members = st.sampled_from(["ann", "bob", "cem"])
messages = st.builds(
    Entry,
    sender=members | st.just("server"),
    key=st.just(""),
    content=st.just({}),
    to=st.none() | members,
    silent=st.booleans(),
    events=st.lists(st.builds(Event, st.sampled_from(["add", "remove"]), members), max_size=2).map(
        tuple
    ),
)


def numbered(entries: Sequence[Entry], after: int = 0) -> list[Entry]:
    return [
        entry._replace(key=str(seq), seq=seq, created_at=seq * 10)
        for seq, entry in enumerate(entries, after + 1)
    ]


def say(sender: str, **rest: Any) -> Entry:
    return Entry(sender, "", {}, **rest)


def join(member: str, **rest: Any) -> Entry:
    return say(member, events=(Event("add", member),), **rest)


def leave(member: str, **rest: Any) -> Entry:
    return say(member, events=(Event("remove", member),), **rest)


def after(*entries: Entry) -> LogState:
    return advance(NOBODY, numbered(entries))


def unread(state: LogState) -> dict[str, int]:
    return {member: state.unread(member) for member in state.members}


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        pytest.param([], {}, id="nothing"),
        pytest.param([say("ann")], {}, id="nobody is a member"),
        pytest.param([join("ann"), say("ann")], {"ann": 0}, id="own messages are read"),
        pytest.param(
            [join("ann"), join("bob"), say("ann")], {"ann": 1, "bob": 1}, id="to everybody"
        ),
        pytest.param([say("ann"), join("bob")], {"bob": 0}, id="what was before is read"),
        pytest.param([join("ann"), say("server")], {"ann": 1}, id="from one who is no member"),
        pytest.param(
            [join("ann"), say("bob"), join("bob")], {"ann": 2, "bob": 0}, id="joins after sending"
        ),
        pytest.param(
            [join("ann"), join("bob"), say("bob"), say("ann")],
            {"ann": 2, "bob": 1},
            id="joins and sends",
        ),
        pytest.param(
            [join("ann"), join("bob"), join("cem"), say("ann", to="bob")],
            {"ann": 2, "bob": 2, "cem": 0},
            id="directed counts for its receiver",
        ),
        pytest.param(
            [join("ann"), say("ann", to="ann")], {"ann": 0}, id="directed to oneself is read"
        ),
        pytest.param([join("ann"), say("ann", to="bob")], {"ann": 0}, id="directed to a stranger"),
        pytest.param([join("ann"), say("server", silent=True)], {"ann": 0}, id="silent"),
        pytest.param(
            [join("ann"), join("bob"), say("bob", to="ann", silent=True)],
            {"ann": 1, "bob": 0},
            id="silent and directed",
        ),
        pytest.param(
            [join("ann"), join("bob", silent=True)], {"ann": 0, "bob": 0}, id="joins silently"
        ),
        pytest.param([join("ann"), join("bob"), leave("bob")], {"ann": 2}, id="leaves"),
        pytest.param(
            [join("ann"), join("bob"), leave("ann"), say("bob"), join("ann")],
            {"bob": 2, "ann": 0},
            id="leaves and joins again",
        ),
        pytest.param(
            [join("ann"), join("bob"), say("bob"), join("ann")],
            {"ann": 2, "bob": 1},
            id="joins twice",
        ),
        pytest.param([join("ann"), leave("bob")], {"ann": 1}, id="a stranger leaves"),
    ],
)
def test_unread_after(entries: Sequence[Entry], expected: dict[str, int]) -> None:
    assert unread(after(*entries)) == expected


def test_members_are_in_order_of_joining() -> None:
    entries = join("cem"), join("ann"), join("bob"), leave("ann"), join("ann")
    assert after(*entries).members == ("cem", "bob", "ann")


def test_who_joins_has_read_up_to_there() -> None:
    assert after(say("ann"), join("bob"), say("ann")).read == {"bob": 2}


def test_head_takes_place_and_time_of_the_last() -> None:
    state = after(say("ann"), say("ann", silent=True))
    assert (state.seq, state.at, state.total) == (2, 20, 1)


def test_nothing_changes_nothing() -> None:
    state = after(join("ann"), say("bob"))
    assert advance(state, []) is state


def test_member_who_leaves_and_joins_in_one_batch_has_not_left() -> None:
    state = after(join("ann"), say("bob"))
    changes = fold(state, numbered([leave("ann"), join("ann"), say("ann")], state.seq))
    assert changes.left == frozenset()
    assert changes.seen == {}
    assert {name: each[:2] for name, each in changes.joined.items()} == {"ann": (5, 4)}


def test_member_who_joins_and_leaves_in_one_batch_was_never_there() -> None:
    changes = fold(NOBODY, numbered([join("ann"), say("ann"), leave("ann")]))
    assert (changes.members, changes.joined, changes.left) == ((), {}, frozenset())


def test_counts_of_who_leaves_are_dropped() -> None:
    state = after(join("ann"), join("bob"))
    changes = fold(state, numbered([say("ann"), say("bob"), leave("ann")], state.seq))
    assert changes.left == {"ann"}
    assert changes.seen == {"bob": 1}


@few
@given(st.lists(messages, max_size=12))
def test_head_agrees_with_a_recount(entries: list[Entry]) -> None:
    entries = numbered(entries)
    check(advance(NOBODY, entries), entries)


@few
@given(st.lists(messages, max_size=8), st.lists(messages, max_size=8))
def test_one_batch_does_what_two_do(first: list[Entry], second: list[Entry]) -> None:
    first, second = numbered(first), numbered(second, len(first))
    assert advance(NOBODY, first + second) == advance(advance(NOBODY, first), second)


@few
@given(st.lists(messages, max_size=8), st.lists(messages, max_size=8), st.data())
def test_reading_in_between_is_not_forgotten(
    first: list[Entry], second: list[Entry], data: st.DataObject
) -> None:
    first, second = numbered(first), numbered(second, len(first))
    state = advance(NOBODY, first)
    if not state.members:
        return
    member = data.draw(st.sampled_from(state.members))
    read = replace(
        state,
        seen={**state.seen, member: state.total},
        read={**state.read, member: state.seq},
    )
    state = advance(read, second)
    for each in state.members:
        assert state.unread(each) == recount(first + second, each, state.read[each])
