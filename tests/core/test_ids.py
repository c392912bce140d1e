"""Ids that know their time."""

from bson import ObjectId
from hypothesis import given
from hypothesis import strategies as st

from session_service.core.ids import entry_time, log_time, new_entry_id, new_log_id

LAST_MS = 0xFFFFFFFF * 1000 + 999  # 7 February 2106
times = st.integers(0, LAST_MS)


@given(times)
def test_entry_id_tells_its_time(at: int) -> None:
    assert entry_time(new_entry_id(at)) == at


@given(times)
def test_log_id_tells_its_time(at: int) -> None:
    assert log_time(new_log_id(at)) == at


@given(times, times)
def test_entry_ids_sort_by_time(a: int, b: int) -> None:
    assert (new_entry_id(a) < new_entry_id(b)) == (a < b) or a == b


@given(times)
def test_entry_id_begins_with_seconds_as_any_object_id(at: int) -> None:
    assert ObjectId(new_entry_id(at)).generation_time.timestamp() == at // 1000


@given(st.integers(-LAST_MS, 10 * LAST_MS))
def test_id_of_any_time_is_an_object_id(at: int) -> None:
    assert ObjectId.is_valid(new_entry_id(at))
    assert ObjectId.is_valid(new_log_id(at))


@given(st.from_regex("[0-9a-f]{24}", fullmatch=True))
def test_any_object_id_has_a_time(identifier: str) -> None:
    assert entry_time(identifier) >= 0
    assert log_time(identifier) >= 0


def test_ids_of_one_time_differ() -> None:
    assert len({new_entry_id(1) for _ in range(100)}) == 100
    assert len({new_log_id(1) for _ in range(100)}) == 100


def test_log_ids_of_one_time_begin_differently() -> None:
    assert len({new_log_id(1)[:4] for _ in range(100)}) > 90
