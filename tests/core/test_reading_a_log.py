"""Pages, and what counts as read."""

from collections.abc import Sequence
from functools import partial
from itertools import accumulate, count
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from session_service.core.fold import advance
from session_service.models import Entry, Event, LogState
from tests.core.ledger import check, last_before
from tests.core.room import MORNING, ROOM_ID, Clock, Room, entry, new_room

MEMBERS = ("ann", "bob", "$c.%")

few = settings(max_examples=40, deadline=None)
gaps = st.one_of(st.just(1), st.integers(1, 5), st.integers(1, 10**10))
many_times = st.lists(gaps, min_size=1, max_size=120).map(accumulate).map(list)
members = st.sampled_from(MEMBERS)
some_messages = st.lists(
    st.fixed_dictionaries(
        {"sender": members | st.just("server")},
        optional={"to": members, "silent": st.booleans()},
    ),
    max_size=20,
)


def some_time(data: st.DataObject, times: Sequence[int]) -> int:
    """A time in the log, right beside one, or anywhere."""
    exact = st.sampled_from(times)
    near = st.builds(lambda at, off: at + off, exact, st.integers(-2, 2))
    return data.draw(st.one_of(exact, near, st.integers(-1, times[-1] + 1)))


def joins() -> list[Entry]:
    return [
        entry(seq, seq, member, silent=True, events=(Event("add", member),))
        for seq, member in enumerate(MEMBERS, 1)
    ]


def filled(messages: Sequence[dict[str, Any]]) -> list[Entry]:
    return joins() + [entry(seq, seq * 10, **each) for seq, each in enumerate(messages, 4)]


# Pages


@few
@given(many_times, st.data())
def test_page_before_any_time(times: list[int], data: st.DataObject) -> None:
    entries = [entry(seq, at) for seq, at in enumerate(times, 1)]
    room = new_room().fill(entries)
    seq = data.draw(st.integers(1, len(entries)))
    state = advance(LogState(ROOM_ID), entries[:seq])  # the rest is not committed yet
    at, limit = some_time(data, times), data.draw(st.integers(1, 20))
    end = last_before(entries[:seq], at)
    assert room.log.before(state, at, limit) == entries[max(end - limit, 0) : end]


def test_page_of_the_newest(room: Room) -> None:
    entries = [room.say(f"{i}").entry for i in range(5)]
    assert room.log.newest(room.state, 2) == entries[-2:]
    assert room.log.newest(room.state, 9) == entries


def test_empty_log_has_empty_pages(room: Room) -> None:
    assert room.log.newest(room.state, 10) == []
    assert room.log.before(room.state, MORNING, 10) == []
    assert room.log.before(room.state, 0, 10) == []
    assert room.log.oldest(room.state) == []


@pytest.mark.parametrize("chunk", [1, 2, 3, 7, 8, 1000])
def test_everything_is_read_in_chunks(chunk: int) -> None:
    entries = [entry(seq, seq) for seq in range(1, 8)]
    room = new_room().fill(entries)
    assert room.log.oldest(room.state, chunk=chunk) == entries


def test_pages_end_where_the_head_stood(room: Room) -> None:
    first = room.say("first").entry
    state = room.state
    room.say("second")
    assert room.log.newest(state, 10) == [first]
    assert room.log.oldest(state) == [first]
    assert room.log.before(state, MORNING + 10, 10) == [first]


def test_page_is_found_where_somebody_removed_entries_by_hand() -> None:
    entries = [entry(seq, seq * 10) for seq in range(1, 50)]
    room = new_room().fill(entries)
    room.store.discard(entries[5:45])
    page = room.log.before(room.state, 255, 100)
    assert page == entries[: len(page)]


# What counts as read


def test_mark_read_leaves_nothing_unread(room: Room) -> None:
    room.join(*MEMBERS)
    room.say("hello")
    assert room.log.mark_read(room.id, "bob")
    assert room.unread() == {"ann": 0, "bob": 0, "$c.%": 1}


def test_what_comes_after_the_mark_is_unread(room: Room) -> None:
    room.join(*MEMBERS)
    room.say("hello")
    room.log.mark_read(room.id, "bob")
    room.say("hello again")
    assert room.unread() == {"ann": 0, "bob": 1, "$c.%": 2}


def test_proposal_is_not_marked_as_read(room: Room) -> None:
    room.join(*MEMBERS)
    room.store.before["commit"] = partial(room.log.mark_read, room.id, "bob")
    room.say("hello")
    assert room.unread()["bob"] == 1


def test_own_messages_are_read(room: Room) -> None:
    room.join(*MEMBERS)
    room.say("hello", "bob")
    assert room.unread()["bob"] == 0


@pytest.mark.parametrize("member", ["dan", ""])
def test_stranger_marks_nothing(room: Room, member: str) -> None:
    room.join(*MEMBERS)
    assert not room.log.mark_read(room.id, member)
    assert not room.log.mark_read_to(room.id, member, MORNING)
    assert room.unread() == {"ann": 0, "bob": 0, "$c.%": 0}


def test_unknown_log_cannot_be_marked(room: Room) -> None:
    assert not room.log.mark_read("f" * 24, "ann")
    assert not room.log.mark_read_to("f" * 24, "ann", MORNING)


@few
@given(some_messages, members, st.data())
def test_mark_up_to_any_time(messages: list[Any], member: str, data: st.DataObject) -> None:
    entries = filled(messages)
    room = new_room().fill(entries)
    read = joins()[MEMBERS.index(member)].seq
    for _ in range(3):
        at = some_time(data, [entry.created_at for entry in entries])
        assert room.log.mark_read_to(room.id, member, at)
        read = max(read, last_before(entries, at + 1))
        assert room.state.read[member] == read
        check(room.state, entries)


def test_mark_does_not_go_back(room: Room) -> None:
    room.join(*MEMBERS)
    first = room.say("first").entry
    room.say("second")
    room.log.mark_read(room.id, "bob")
    assert room.log.mark_read_to(room.id, "bob", first.created_at)
    assert room.unread()["bob"] == 0


@pytest.mark.parametrize("meanwhile", ["sends", "marks", "leaves", "deletes"])
def test_mark_up_to_a_time_holds_whatever_happens_meanwhile(room: Room, meanwhile: str) -> None:
    room.join(*MEMBERS)
    first = room.say("first").entry
    room.say("second")
    room.store.before["mark_read_to"] = {
        "sends": partial(room.elsewhere().say, "third", "ann"),
        "marks": partial(room.log.mark_read, room.id, "bob"),
        "leaves": partial(room.elsewhere().say, "bye", "bob", events=(Event("remove", "bob"),)),
        "deletes": partial(room.log.delete, room.state),
    }[meanwhile]
    marked = room.log.mark_read_to(room.id, "bob", first.created_at)
    assert marked == (meanwhile in ("sends", "marks"))
    if meanwhile != "deletes":
        room.entries()
        assert room.unread().get("bob") == {"sends": 2, "marks": 0}.get(meanwhile)


@pytest.mark.parametrize("place", [0, 3])  # the shorter side is the one before it, or behind
def test_sends_do_not_make_a_mark_begin_anew(room: Room, place: int) -> None:
    room.join(*MEMBERS)
    sent = [room.say(f"{i}", sender).entry for i, sender in enumerate(["ann", "bob"] * 3)]
    writes = count(1)

    def somebody_sends() -> None:
        for sender in MEMBERS:
            room.elsewhere().say(f"meanwhile {next(writes)}", sender)
        if len(room.stored()) < 50:
            room.store.before["mark_read_to"] = somebody_sends

    room.store.before["mark_read_to"] = somebody_sends
    assert room.log.mark_read_to(room.id, "bob", sent[place].created_at)
    assert len(room.entries()) == 12
    assert room.state.read["bob"] == sent[place].seq


def test_marks_do_not_depend_on_the_clock(room: Room, clock: Clock) -> None:
    room.join(*MEMBERS)
    clock.now += 3_600_000
    room.say("hello")
    clock.now -= 3_600_000
    room.log.mark_read(room.id, "bob")
    assert room.unread()["bob"] == 0
