"""A deleted log is gone at once and for good, whoever is still writing to it."""

from functools import partial

import pytest

from session_service.core.message_log import CHUNK, GRACE_MS, SHORT
from session_service.errors import NotFound, Unavailable
from tests.core.room import MORNING, Clock, Room, entry, fail, new_room


def delete_elsewhere(room: Room) -> None:
    elsewhere = room.elsewhere()
    elsewhere.log.delete(elsewhere.state)


def test_deleted_log_is_not_found(room: Room) -> None:
    room.say("hello")
    room.log.delete(room.state)
    with pytest.raises(NotFound):
        room.say("hello again")
    assert room.store.find(room.id) is None
    assert room.stored() == []


def test_other_logs_stay(room: Room) -> None:
    other = Room(room.store, room.clock, "f" * 24)
    other.open()
    other.say("hello")
    room.log.delete(room.state)
    assert other.texts() == ["hello"]


@pytest.mark.parametrize("operation", ["insert", "commit"])
def test_sender_under_way_cleans_up_after_itself(room: Room, operation: str) -> None:
    room.say("before")
    room.store.before[operation] = partial(delete_elsewhere, room)
    with pytest.raises(NotFound):
        room.say("too late")
    assert room.stored() == []


def test_sender_cleans_up_what_it_tried_before_the_connection_was_lost(room: Room) -> None:
    def lose_and_delete() -> None:
        delete_elsewhere(room)
        raise Unavailable

    room.store.after["insert"] = lose_and_delete
    with pytest.raises(NotFound):
        room.say("too late")
    assert room.stored() == []


def test_reader_of_a_log_that_goes_sees_an_end(room: Room) -> None:
    room.say("hello")
    state = room.state
    room.log.delete(state)
    assert room.log.newest(state, 10) == []
    assert room.log.oldest(state) == []
    assert room.log.before(state, MORNING + 1, 10) == []
    assert not room.log.mark_read(room.id, "ann")
    assert not room.log.mark_read_to(room.id, "ann", MORNING)


def test_deletion_that_died_is_finished_later(room: Room) -> None:
    room.say("hello")
    room.dies_before("delete_entries", partial(room.log.delete, room.state))
    assert room.store.find(room.id) is None
    assert len(room.stored()) == 1
    room.elsewhere().log.finish_deletions()
    assert room.stored() == []


def test_deletion_that_lost_its_database_is_finished_in_the_background(room: Room) -> None:
    room.say("hello")
    room.store.before["delete_entries"] = fail
    room.log.delete(room.state)
    assert len(room.stored()) == 1
    room.do_jobs()
    assert room.stored() == []


def test_long_log_is_deleted_in_the_background_chunk_by_chunk() -> None:
    room = new_room().fill([entry(i, MORNING + i) for i in range(1, 2 * CHUNK + SHORT)])
    room.log.delete(room.state)
    assert room.store.find(room.id) is None
    assert len(room.stored()) == 2 * CHUNK + SHORT - 1
    sizes = room.store.deletions
    room.do_jobs()
    assert sizes
    assert max(sizes) <= CHUNK
    assert room.stored() == []


def test_deleted_log_is_remembered_while_senders_may_be_under_way(room: Room, clock: Clock) -> None:
    room.log.delete(room.state)
    room.log.finish_deletions()
    assert len(room.store.retired()) == 1
    clock.now += GRACE_MS
    room.log.finish_deletions()
    assert room.store.retired() == []


def test_what_a_dead_sender_left_in_a_deleted_log_goes_as_well(room: Room, clock: Clock) -> None:
    room.log.delete(room.state)
    room.store.insert(room.id, [entry(1, MORNING)])
    clock.now += GRACE_MS
    room.log.finish_deletions()
    assert room.stored() == []


def test_who_keeps_house_finishes_older_deletions(room: Room, clock: Clock) -> None:
    other = Room(room.store, room.clock, "f" * 24)
    other.open()
    other.say("hello")
    other.dies_before("delete_entries", partial(other.log.delete, other.state))
    clock.now += GRACE_MS
    room.log.delete(room.state)
    assert room.log.keep_house(GRACE_MS)
    assert other.stored() == []
    assert [log_id for log_id, *_ in room.store.retired()] == [room.id]


def test_who_keeps_house_without_a_database_says_so(room: Room) -> None:
    room.say("hello")
    room.store.before["delete_entries"] = fail
    room.log.delete(room.state)
    room.store.before["delete_entries"] = fail
    assert not room.log.keep_house()
    assert room.log.keep_house()
    assert room.stored() == []


def test_deleting_twice_does_no_harm(room: Room) -> None:
    state = room.state
    room.log.delete(state)
    room.log.delete(state)
    room.do_jobs()
    assert room.stored() == []
