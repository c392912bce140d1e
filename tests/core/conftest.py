"""A room over a database in memory, and the time as the tests want it."""

import pytest

from tests.core.room import Clock, Room, new_room


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def room(clock: Clock) -> Room:
    return new_room(clock).open()
