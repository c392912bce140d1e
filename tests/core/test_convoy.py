"""Sends that wait for each other go together: fewer round trips, and the same answers."""

import time
from collections.abc import Callable, Sequence
from functools import partial
from threading import Thread
from typing import Any

import pytest

from session_service.core.sending import Posted
from session_service.errors import Forbidden, KeyReused, NotFound, ServiceError, Unavailable
from session_service.models import Changes, Entry, Event, LogState
from tests.core.room import InterruptibleStore, Room, database_in_memory, new_room

Outcome = Posted | ServiceError


class CountedStore(InterruptibleStore):
    """Notes how many entries each insert brought, and how many commits there were."""

    def __init__(self) -> None:
        super().__init__(database_in_memory())
        self.inserts: list[int] = []
        self.commits = 0

    def insert(self, log_id: str, entries: Sequence[Entry]) -> bool:
        self.inserts.append(len(entries))
        return super().insert(log_id, entries)

    def commit(self, state: LogState, changes: Changes) -> bool:
        self.commits += 1
        return super().commit(state, changes)


def together(room: Room, *sends: Callable[[], Posted]) -> list[Outcome]:
    """What becomes of sends that all wait while another is on its way."""
    outcomes: dict[int, Outcome] = {}

    def attempt(number: int) -> None:
        try:
            outcomes[number] = sends[number]()
        except ServiceError as error:
            outcomes[number] = error

    threads = [Thread(target=attempt, args=[number]) for number in range(len(sends))]

    def start() -> None:
        for number, thread in enumerate(threads, 1):
            thread.start()
            while len(room.log._convoys._waiting[room.id]) < number:  # in this order
                time.sleep(0.001)

    room.store.before["commit"] = start
    room.say("first")
    for thread in threads:
        thread.join(20)
    return [outcomes[number] for number in range(len(sends))]


@pytest.fixture
def room() -> Room:
    room = new_room().open()
    room.join("ann", "bob")
    return room


def texts(outcomes: Sequence[Outcome]) -> list[Any]:
    return [each.entry.content["text"] for each in outcomes if isinstance(each, Posted)]


def test_those_who_wait_go_by_one_insert_and_one_commit(room: Room) -> None:
    store = room.store = CountedStore()
    room = Room(store, room.clock).open()
    said = [f"{number}" for number in range(40)]
    outcomes = together(room, *[partial(room.say, text) for text in said])
    assert texts(outcomes) == said
    assert room.texts() == ["first", *said]
    assert store.inserts == [1, 32, 8]
    assert store.commits == 3


def test_who_may_not_stand_there_is_refused_alone(room: Room) -> None:
    def judge(state: LogState) -> None:
        if "bob" not in state.members:
            raise Forbidden

    outcomes = together(
        room,
        partial(room.say, "hi", "bob", judge=judge),
        partial(room.say, "out", events=(Event("remove", "bob"),)),
        partial(room.say, "still here?", "bob", judge=judge),
        partial(room.say, "gone"),
    )
    assert texts(outcomes) == ["hi", "out", "gone"]
    assert isinstance(outcomes[2], Forbidden)
    assert room.texts()[-3:] == ["hi", "out", "gone"]


def test_repeats_in_one_convoy_are_one_message(room: Room) -> None:
    outcomes = together(
        room,
        partial(room.say, "once", key="same"),
        partial(room.say, "between"),
        partial(room.say, "once", key="same"),
        partial(room.say, "another", key="same"),
        partial(room.say, "last"),
    )
    assert texts(outcomes) == ["once", "between", "once", "last"]
    assert isinstance(outcomes[3], KeyReused)
    assert sorted(room.texts()[-3:]) == ["between", "last", "once"]


def test_a_repeat_of_what_stands_further_back_holds_up_nobody(room: Room) -> None:
    earlier = room.say("earlier", key="known")
    outcomes = together(
        room,
        partial(room.say, "one"),
        partial(room.say, "earlier", key="known"),
        partial(room.say, "two"),
    )
    assert texts(outcomes) == ["one", "earlier", "two"]
    assert outcomes[1] == earlier
    assert room.texts()[-3:] in (["first", "one", "two"], ["first", "two", "one"])


def test_another_process_that_is_quicker_costs_nobody_the_place(room: Room) -> None:
    def collide() -> None:
        room.store.before["insert"] = partial(room.elsewhere().say, "quicker")

    first, second = partial(room.say, "one"), partial(room.say, "two")
    room.store.after["commit"] = collide
    assert texts(together(room, first, second)) == ["one", "two"]
    assert room.texts()[-3:] == ["quicker", "one", "two"]


def test_a_conversation_that_goes_takes_all_with_it(room: Room) -> None:
    def collide() -> None:
        room.store.before["commit"] = partial(room.elsewhere().log.delete, room.state)

    room.store.after["commit"] = collide
    outcomes = together(room, partial(room.say, "one"), partial(room.say, "two"))
    assert all(isinstance(each, NotFound) for each in outcomes)
    assert room.stored() == []


def test_without_a_database_nobody_is_told_that_it_went_well(room: Room) -> None:
    def lose() -> None:
        def fail_for_good() -> None:
            room.store.before["insert"] = fail_for_good
            room.clock.now += 1
            raise Unavailable

        room.store.before["insert"] = fail_for_good

    room.store.after["commit"] = lose
    outcomes = together(room, partial(room.say, "one"), partial(room.say, "two"))
    assert all(isinstance(each, Unavailable) for each in outcomes)
