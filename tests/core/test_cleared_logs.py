"""A log that all have cleared: who was on the way meanwhile finds a place after all."""

from collections.abc import Callable
from functools import partial

import pytest
from bson import ObjectId

from session_service.models import Entry
from tests.core.room import Room, entry
from tests.core.test_convoy import together


def clear(room: Room) -> None:
    """All members clear what is committed by now, and it is deleted."""
    floor = room.state.seq
    with room.store.database.reading() as documents:
        documents["conversations"].update_one({}, {"$set": {"floor": floor}})
    room.store.delete_entries(room.id, floor + 1)


def overtaken(room: Room, *texts: str) -> Callable[[], None]:
    """What happens to a sender that has read the head and not yet stored anything."""

    def step() -> None:
        for number, text in enumerate(texts):
            room.elsewhere().say(text, "bob", key=f"overtaker {number}")
        clear(room)

    return step


def stored(room: Room) -> list[str]:
    return [each.content["text"] for each in room.stored()]


def test_a_sender_whose_place_was_cleared_takes_another(room: Room) -> None:
    room.say("zero")
    room.store.before["insert"] = overtaken(room, "one", "two")
    posted = room.say("late")
    assert posted.entry.seq == 4
    assert room.state.seq == 4
    assert stored(room) == ["late"]
    assert room.say("late", key="key of late").entry == posted.entry


@pytest.mark.parametrize("overtakers", [1, 2, 3, 4])
def test_those_who_go_together_take_other_places(room: Room, overtakers: int) -> None:
    room.store.after["commit"] = lambda: room.store.before.update(
        {"insert": overtaken(room, *["x"] * overtakers)}
    )
    outcomes = together(room, *[partial(room.say, text) for text in ("a", "b", "c")])
    floor, state = room.state.floor, room.state
    assert floor == overtakers + 1
    places = {each.entry.seq for each in outcomes if not isinstance(each, Exception)}
    assert places == {floor + 1, floor + 2, floor + 3}
    assert sorted(stored(room)) == ["a", "b", "c"]
    assert state.seq == floor + 3


def test_what_came_too_late_does_not_answer_a_repeat(room: Room) -> None:
    for text in ("one", "two"):
        room.say(text)
    clear(room)
    left: Entry = entry(1, 1, "ann")._replace(key="k", content={"text": "again"})
    room.store.insert(room.id, [left])
    posted = room.say("again", key="k")
    assert posted.entry.seq == 3
    assert stored(room) == ["again"]
    with room.store.database.reading() as documents:
        assert documents["messages"].find_one({"_id": ObjectId(left.id)}) is None
