"""What messages do to the head of their log."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from session_service.core.fold import advance, fold
from session_service.models import Entry, Event, LogState

EMPTY = LogState("log")
MEMBERS = ("ann", "bob", "cid")


def run(*drafts: dict, start: LogState = EMPTY) -> list[Entry]:
    """Entries in the places after `start`."""
    first = start.seq + 1
    return [
        Entry(key=str(seq), content={}, seq=seq, created_at=start.at + seq, **draft)
        for seq, draft in enumerate(drafts, first)
    ]


def said(sender: str, **more: object) -> dict:
    return {"sender": sender, **more}


def joins(member: str) -> dict:
    return said("server", silent=True, event=Event("add", member))


def leaves(member: str) -> dict:
    return said("server", silent=True, event=Event("remove", member))


def after(*drafts: dict) -> LogState:
    return advance(EMPTY, run(*drafts))


def unread(state: LogState) -> dict[str, int]:
    return {member: state.unread(member) for member in state.members}


def test_a_message_counts_for_all_but_its_sender():
    state = after(joins("ann"), joins("bob"), said("ann"))
    assert unread(state) == {"ann": 0, "bob": 1}
    assert (state.seq, state.at, state.total) == (3, 3, 1)


def test_who_joins_has_read_what_was_there():
    state = after(joins("ann"), said("ann"), joins("bob"))
    assert unread(state) == {"ann": 0, "bob": 0}
    assert state.read["bob"] == 3


def test_who_joins_and_sends_in_one_run_has_seen_it():
    assert unread(after(joins("ann"), said("ann"), said("ann"))) == {"ann": 0}


def test_who_leaves_is_forgotten():
    state = after(joins("ann"), joins("bob"), leaves("bob"), said("ann"))
    assert state.members == ("ann",)
    assert state.seen.keys() == state.read.keys() == {"ann"}


def test_who_comes_back_in_the_same_run_begins_anew():
    start = after(joins("ann"), joins("bob"), said("ann"))
    entries = run(leaves("bob"), said("ann"), joins("bob"), start=start)
    changes = fold(start, entries)
    assert changes.left == frozenset()
    assert unread(advance(start, entries)) == {"ann": 0, "bob": 0}


def test_joining_twice_and_leaving_twice_change_nothing():
    once = after(joins("ann"), said("cid"))
    twice = advance(once, run(joins("ann"), leaves("bob"), start=once))
    assert (twice.members, unread(twice)) == (once.members, unread(once))


def test_a_directed_message_counts_for_its_receiver_alone():
    state = after(joins("ann"), joins("bob"), joins("cid"), said("ann", to="bob"))
    assert unread(state) == {"ann": 0, "bob": 1, "cid": 0}
    assert state.total == 0


def test_a_note_to_oneself_counts_for_nobody():
    assert unread(after(joins("ann"), said("ann", to="ann"))) == {"ann": 0}


def test_a_silent_message_counts_for_nobody():
    state = after(joins("ann"), joins("bob"), said("ann", silent=True, to="bob"))
    assert unread(state) == {"ann": 0, "bob": 0}


def test_a_sender_who_is_no_member_counts_for_all_members():
    assert unread(after(joins("ann"), said("server"))) == {"ann": 1}


members = st.sampled_from(MEMBERS)
drafts = st.one_of(
    st.builds(joins, members),
    st.builds(leaves, members),
    st.builds(said, members),
    st.builds(lambda sender, to: said(sender, to=to), members, members),
)


@given(st.lists(drafts, max_size=12), st.lists(drafts, max_size=12))
def test_it_does_not_matter_how_a_run_is_divided(first, second):
    entries = run(*first, *second)
    whole = advance(EMPTY, entries)
    parts = advance(advance(EMPTY, entries[: len(first)]), entries[len(first) :])
    assert whole == parts


@given(st.lists(drafts, max_size=20))
def test_unread_is_what_others_sent_since_the_last_look(history):
    state = after(*history)
    for member in state.members:
        news = [
            entry
            for entry in run(*history)
            if entry.seq > state.read[member]
            and entry.sender != member
            and not entry.silent
            and entry.to in (None, member)
        ]
        assert state.unread(member) == len(news)


def test_a_run_of_nothing_changes_nothing():
    state = replace(EMPTY, seq=3)
    assert advance(state, []) is state
