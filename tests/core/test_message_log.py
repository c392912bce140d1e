"""Sending to a message log: order, keys, judges, and senders that die on the way."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import pairwise

import pytest

from session_service.core.sending import WINDOW
from session_service.errors import Conflict, Forbidden, NotFound, Unavailable
from session_service.models import Draft, Event, LogState
from tests.core.conversations import Conversation
from tests.core.room import (
    MORNING,
    Clock,
    InterruptibleStore,
    Room,
    database_in_memory,
    entry,
    fail,
)

HOUR_MS = 3_600_000


def must_be_member(sender: str) -> Callable[[LogState], None]:
    def judge(state: LogState) -> None:
        if sender not in state.members:
            raise Forbidden("not a member")

    return judge


# Order


def test_messages_are_numbered_without_gaps(room: Room) -> None:
    entries = [room.say(f"{i}").entry for i in range(5)]
    assert [entry.seq for entry in entries] == [1, 2, 3, 4, 5]
    assert room.entries() == entries


def test_time_of_a_message_is_the_clocks(room: Room, clock: Clock) -> None:
    clock.now += HOUR_MS
    assert room.say("hello").entry.created_at == MORNING + HOUR_MS


@pytest.mark.parametrize("jump_ms", [0, 1, -1, HOUR_MS, -HOUR_MS])
def test_times_increase_whatever_the_clock_does(room: Room, clock: Clock, jump_ms: int) -> None:
    for i in range(5):
        room.say(f"{i}")
        clock.now += jump_ms
    times = [entry.created_at for entry in room.entries()]
    assert all(a < b for a, b in pairwise(times))


def test_senders_of_two_processes_do_not_disturb_each_other(room: Room) -> None:
    room.store.before["insert"] = partial(room.elsewhere().say, "quicker")
    room.say("slower")
    assert room.texts() == ["quicker", "slower"]


def test_sender_may_commit_what_another_has_proposed(room: Room) -> None:
    room.store.before["commit"] = partial(room.elsewhere().say, "second")
    first = room.say("first")
    assert room.texts() == ["first", "second"]
    assert room.entries()[0] == first.entry


def test_unknown_log_is_not_found(room: Room) -> None:
    room.id = "f" * 24
    with pytest.raises(NotFound):
        room.say("hello")
    assert room.stored() == []


# Keys


def test_repeat_gives_what_was_stored_first(room: Room) -> None:
    first = room.say("hello", key="k")
    room.say("other")
    assert room.elsewhere().say("hello", key="k") == first
    assert room.texts() == ["hello", "other"]


def test_repeats_at_the_same_time_are_one_message(room: Room) -> None:
    room.store.before["insert"] = partial(room.elsewhere().say, "hello", key="k")
    posted = room.say("hello", key="k")
    assert room.entries() == [posted.entry]


@pytest.mark.parametrize("other", [{"text": "bye"}, {"text": "hello", "to": "bob"}])
def test_key_of_another_message_is_a_conflict(room: Room, other: dict[str, str]) -> None:
    room.say("hello", key="k")
    with pytest.raises(Conflict) as error:
        room.say(**other, key="k")
    assert error.value.code == "key_reused"
    assert room.texts() == ["hello"]


def test_key_belongs_to_its_sender(room: Room) -> None:
    room.say("hello", "ann", key="k")
    room.say("hello", "bob", key="k")
    assert room.texts() == ["hello", "hello"]


def test_key_belongs_to_its_log(room: Room) -> None:
    other = Room(room.store, room.clock, "f" * 24)
    other.open()
    room.say("hello", key="k")
    other.say("hello", key="k")
    assert room.texts() == other.texts() == ["hello"]


def test_repeat_finds_its_message_behind_proposals_of_others(room: Room) -> None:
    first = room.say("hello", key="k")
    room.dies_before("commit", partial(room.say, "never told", "bob"))
    assert room.elsewhere().say("hello", key="k") == first


# Refusals


def test_refused_caller_leaves_nothing(room: Room) -> None:
    def admit(_: object) -> None:
        raise Forbidden

    with pytest.raises(Forbidden):
        room.log.post(room.id, Draft("ann", "k", {"text": "hello"}), admit=admit)
    assert room.stored() == []


def test_judge_refuses_and_nothing_is_left(room: Room) -> None:
    with pytest.raises(Forbidden):
        room.say("hello", judge=must_be_member("ann"))
    assert room.stored() == []


def test_judge_does_not_refuse_a_repeat(room: Room) -> None:
    room.join("ann")
    first = room.say("hello", judge=must_be_member("ann"))
    room.say("bye", events=(Event("remove", "ann"),))
    assert room.say("hello", judge=must_be_member("ann")) == first
    with pytest.raises(Forbidden):
        room.say("hello again", judge=must_be_member("ann"))


def test_judge_hears_of_what_comes_right_before(room: Room) -> None:
    room.join("ann", "bob")
    removed = partial(room.elsewhere().say, "out", "bob", events=(Event("remove", "ann"),))
    room.store.before["insert"] = removed
    with pytest.raises(Forbidden):
        room.say("hello", judge=must_be_member("ann"))
    assert room.texts()[-1] == "out"
    assert len(room.stored()) == room.state.seq


def test_judge_hears_of_what_a_dead_sender_has_proposed(room: Room) -> None:
    room.join("ann", "bob")
    out = partial(room.say, "out", "bob", events=(Event("remove", "ann"),))
    room.dies_before("commit", out)
    with pytest.raises(Forbidden):
        room.elsewhere().say("hello", judge=must_be_member("ann"))


# Senders that die, and answers that are lost


def test_proposal_is_not_seen(room: Room) -> None:
    room.dies_before("commit", partial(room.say, "hello"))
    assert len(room.stored()) == 1
    assert room.texts() == []


def test_next_sender_commits_the_proposal_of_a_dead_one(room: Room) -> None:
    room.join("ann", "bob")
    room.dies_before("commit", partial(room.say, "hello"))
    assert room.unread() == {"ann": 0, "bob": 0}
    room.elsewhere().say("anybody there?", "bob")
    assert room.texts()[-2:] == ["hello", "anybody there?"]
    assert room.unread() == {"ann": 1, "bob": 1}


def test_repeat_commits_the_proposal_of_its_dead_sender(room: Room) -> None:
    room.dies_before("commit", partial(room.say, "hello"))
    posted = room.elsewhere().say("hello")
    assert room.entries() == [posted.entry]


def test_next_sender_goes_past_any_number_of_dead_ones(room: Room) -> None:
    dead = [entry(seq, MORNING + seq) for seq in range(1, 3 * WINDOW)]
    room.store.insert(room.id, dead)
    room.say("alive")
    assert room.entries()[:-1] == dead
    assert room.texts()[-1] == "alive"


@pytest.mark.parametrize("operation", ["insert", "commit", "between"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_lost_connection_is_tried_again(room: Room, operation: str, when: str) -> None:
    room.dies_before("commit", partial(room.say, "in the way"))
    getattr(room.store, when)[operation] = fail
    room.elsewhere().say("hello")
    assert room.texts() == ["in the way", "hello"]


class Down(InterruptibleStore):
    """A database that cannot be reached, and a deadline after three attempts."""

    attempts = 0

    @contextmanager
    def deadline(self) -> Iterator["Down"]:
        yield self

    def left(self) -> float:
        return 3.0 - self.attempts

    def find(self, log_id: str) -> Conversation | None:
        self.attempts += 1
        raise Unavailable


def test_send_is_unavailable_when_its_time_is_up(clock: Clock) -> None:
    down = Down(database_in_memory())
    with pytest.raises(Unavailable):
        Room(down, clock).say("hello")
    assert down.attempts == 3


def test_entry_that_came_while_the_others_were_read_is_not_left_out(room: Room) -> None:
    """A scan that is past a place does not see what is stored there meanwhile."""
    first, second, third = (room.elsewhere() for _ in range(3))
    first.dies_before("commit", partial(first.say, "first"))
    second.dies_before("commit", partial(second.say, "second"))
    third.dies_before("commit", partial(third.say, "third"))
    room.store.overlooked = 2
    room.say("last")
    assert room.texts() == ["first", "second", "third", "last"]
