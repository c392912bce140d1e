"""Ids know their time."""

from bson import ObjectId
from hypothesis import given
from hypothesis import strategies as st

from session_service.core.ids import (
    LATEST,
    MAX_SECONDS,
    entry_time,
    log_time,
    new_entry_id,
    new_log_id,
)

times = st.integers(0, MAX_SECONDS * 1000 + 999)


@given(times)
def test_both_kinds_are_object_ids_that_give_their_time_back(at):
    assert str(ObjectId(new_entry_id(at)))
    assert entry_time(new_entry_id(at)) == at
    assert str(ObjectId(new_log_id(at)))
    assert log_time(new_log_id(at)) == at


@given(times, times)
def test_entries_sort_by_time(one, other):
    if one != other:
        assert (new_entry_id(one) < new_entry_id(other)) == (one < other)


@given(times)
def test_an_entry_tells_its_second_as_every_object_id_does(at):
    assert ObjectId(new_entry_id(at)).generation_time.timestamp() == at // 1000


@given(st.integers(-(2**63), 2**63))
def test_no_clock_is_too_wrong(at):
    assert len(new_entry_id(at)) == len(new_log_id(at)) == 24


@given(st.binary(min_size=12, max_size=12))
def test_any_id_has_a_time_that_is_a_date(random):
    assert 0 <= entry_time(random.hex()) <= LATEST
    assert 0 <= log_time(random.hex()) <= LATEST


def test_two_of_one_moment_differ():
    assert len({new_entry_id(0) for _ in range(100)}) == 100
    assert len({new_log_id(0) for _ in range(100)}) == 100
