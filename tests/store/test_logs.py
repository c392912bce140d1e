"""What logs look like in MongoDB, where peers may read them, and what the keys hold together."""

from datetime import datetime
from typing import Any

import pytest
from bson import ObjectId
from hypothesis import given
from hypothesis import strategies as st

from session_service.core.fold import advance, fold
from session_service.models import Entry, Event, LogState, Session
from session_service.store.database import Database
from session_service.store.documents import Layout, field_of, from_date, to_date, to_state
from session_service.store.logs import LogStore
from session_service.store.sessions import SessionStore
from tests.mocked import MockedClient

LOG_ID = "0123456789abcdef01234567"
EMPTY = LogState(LOG_ID)
MESSAGES = Layout(heads="conversations", entries="messages", content=("text", "kind"))
MORNING = 1_750_000_000_123


@pytest.fixture
def client() -> Any:
    return MockedClient()


@pytest.fixture
def documents(client: Any) -> Any:
    return client["test"]


@pytest.fixture
def database(client: Any) -> Database:
    return Database(lambda: "", "test", connect=lambda *_, **__: client)


@pytest.fixture
def store(database: Database) -> LogStore[LogState]:
    store = LogStore(database, MESSAGES, lambda _, state: state)
    store.insert_head(LOG_ID, {})
    return store


def entry(seq: int, sender: str = "ann", **rest: Any) -> Entry:
    fields = {"id": f"{seq:024x}", "key": f"{seq}", "content": {"text": "hello"}, **rest}
    return Entry(sender=sender, seq=seq, created_at=MORNING + seq, **fields)


def join(seq: int, member: str) -> Entry:
    return entry(seq, member, events=(Event("add", member),))


def commit(store: LogStore[LogState], *entries: Entry) -> LogState:
    state = store.find(LOG_ID)
    assert state is not None
    assert store.insert(LOG_ID, entries)
    assert store.commit(state, fold(state, entries))
    return advance(state, entries)


# Entries


@pytest.mark.parametrize(
    "stored",
    [
        entry(1),
        entry(1, content={"text": "hello", "kind": "image"}),
        entry(1, content={}),
        entry(1, to="bob"),
        entry(1, silent=True),
        entry(1, events=(Event("remove", "bob"),)),
    ],
)
def test_entry_comes_back_as_it_was(store: LogStore[LogState], stored: Entry) -> None:
    store.insert(LOG_ID, [stored])
    assert store.between(LOG_ID, 0, 2) == [stored]
    assert store.find_by_key(LOG_ID, "ann", "1") == stored


@pytest.mark.parametrize(
    "taken", [entry(1, key="other", id="f" * 24), entry(2)._replace(key="1", id="f" * 24)]
)
def test_place_and_key_are_given_once(store: LogStore[LogState], taken: Entry) -> None:
    assert store.insert(LOG_ID, [entry(1)])
    assert not store.insert(LOG_ID, [taken])
    assert store.between(LOG_ID, 0, 9) == [entry(1)]


def test_insert_stops_where_a_place_is_taken(store: LogStore[LogState]) -> None:
    store.insert(LOG_ID, [entry(2, key="other", id="f" * 24)])
    assert not store.insert(LOG_ID, [entry(1), entry(2), entry(3)])
    assert [each.key for each in store.between(LOG_ID, 0, 9)] == ["1", "other"]


def test_logs_do_not_mix(store: LogStore[LogState]) -> None:
    other = "f" * 24
    store.insert(LOG_ID, [entry(1)])
    store.insert(other, [entry(1)._replace(id="f" * 24)])
    store.delete_entries(other)
    assert store.between(LOG_ID, 0, 9) == [entry(1)]
    assert store.between(other, 0, 9) == []
    assert store.find_by_key(other, "ann", "1") is None
    assert store.seq_at(other, MORNING + 1) is None


def test_times_of_places(store: LogStore[LogState]) -> None:
    store.insert(LOG_ID, [entry(1), entry(2), entry(3)])
    assert store.times(LOG_ID, [3, 1, 7]) == [(1, MORNING + 1), (3, MORNING + 3)]
    assert store.seq_at(LOG_ID, MORNING + 2) == 2


def test_entries_are_deleted_up_to_a_place(store: LogStore[LogState]) -> None:
    store.insert(LOG_ID, [entry(1), entry(2), entry(3)])
    store.delete_entries(LOG_ID, 3)
    assert store.between(LOG_ID, 0, 9) == [entry(3)]


# Heads


def test_new_log_is_empty(store: LogStore[LogState]) -> None:
    assert store.find(LOG_ID) == EMPTY
    assert not store.insert_head(LOG_ID, {})


def test_commit_makes_the_head_what_was_folded(store: LogStore[LogState]) -> None:
    commit(store, join(1, "ann"), join(2, "b.o$b%"), entry(3))
    state = commit(store, entry(4, "b.o$b%"), entry(5, events=(Event("remove", "ann"),)))
    assert store.find(LOG_ID) == state
    assert state.members == ("b.o$b%",)


def test_commit_needs_the_head_where_it_was(store: LogStore[LogState]) -> None:
    state = commit(store, entry(1))
    assert not store.commit(EMPTY, fold(EMPTY, [entry(1)]))
    assert store.find(LOG_ID) == state


def test_who_leaves_leaves_nothing_in_the_head(store: LogStore[LogState], documents: Any) -> None:
    commit(store, join(1, "ann"))
    store.mark_read(LOG_ID, "ann", MORNING)
    commit(store, entry(2, events=(Event("remove", "ann"),)))
    head = documents["conversations"].find_one({})
    assert (head["seen"], head["read"], head["read_at"], head["members"]) == ({}, {}, {}, [])


def test_reading_is_noted_with_its_time(store: LogStore[LogState], documents: Any) -> None:
    state = commit(store, join(1, "a.b"), entry(2))
    assert store.mark_read_to(state, "a.b", 2, 1, MORNING)
    assert documents["conversations"].find_one({})["read_at"] == {"a%2Eb": MORNING}
    assert store.mark_read(LOG_ID, "a.b", MORNING + 5)
    assert documents["conversations"].find_one({})["read_at"] == {"a%2Eb": MORNING + 5}


def test_a_mark_up_to_a_place_counts_once(store: LogStore[LogState]) -> None:
    before = commit(store, join(1, "ann"), entry(2, "bob"), entry(3, "bob"))
    commit(store, entry(4, "bob"))
    marked = [store.mark_read_to(before, "ann", 2, 1, MORNING) for _ in range(2)]
    state = store.find(LOG_ID)
    assert marked == [True, False]
    assert state
    assert (state.read["ann"], state.unread("ann")) == (2, 2)


@pytest.mark.parametrize(
    ("message", "count"),
    [
        (entry(2, "bob"), 1),
        (entry(2, "ann"), 0),
        (entry(2, "bob", to="ann"), 1),
        (entry(2, "bob", to="cem"), 0),
        (entry(2, "ann", to="ann"), 0),
        (entry(2, "bob", silent=True), 0),
        (entry(2, "bob", to="ann", silent=True), 0),
    ],
)
def test_what_counts_for_a_member(store: LogStore[LogState], message: Entry, count: int) -> None:
    state = commit(store, join(1, "ann"), message)
    assert store.count_from_others(LOG_ID, "ann", 1, 2) == count
    assert state.unread("ann") == count


def test_retired_log_is_gone_and_remembered_once(store: LogStore[LogState]) -> None:
    store.retire(LOG_ID, 3, MORNING)
    store.retire(LOG_ID, 3, MORNING + 5)
    assert store.find(LOG_ID) is None
    assert store.retired() == [(LOG_ID, 3, MORNING)]
    store.forget_retired(LOG_ID)
    assert store.retired() == []


# What peers may read


def test_session_and_its_chats_bear_the_names_of_the_source(
    database: Database, documents: Any
) -> None:
    store = SessionStore(database)
    store.insert_session(Session(LOG_ID, "7", "work", MORNING, MORNING, EMPTY))
    chat = entry(1, "user", content={"user_id": "7", "chat_content": "hello"})
    store.insert(LOG_ID, [chat])
    store.commit(EMPTY, fold(EMPTY, [chat]))
    session = documents["sessions"].find_one({})
    assert session["_id"] == ObjectId(LOG_ID)
    assert (session["user_id"], session["sess_name"]) == ("7", "work")
    assert session["create_at"] == to_date(MORNING)
    assert session["update_at"] == to_date(MORNING + 1)
    stored = documents["chats"].find_one({})
    assert (stored["sess_id"], stored["from"]) == (ObjectId(LOG_ID), "user")
    assert (stored["user_id"], stored["chat_content"]) == ("7", "hello")
    assert stored["create_at"] == datetime(2025, 6, 15, 15, 6, 40, 124_000)


def test_session_is_touched_forwards_only(database: Database) -> None:
    store = SessionStore(database)
    store.insert_session(Session(LOG_ID, "7", "work", MORNING, MORNING + 1000, EMPTY))
    store.commit(EMPTY, fold(EMPTY, [entry(1)]))
    session = store.find(LOG_ID)
    assert session is not None
    assert session.updated_at == MORNING + 1000
    assert session.log.seq == 1


@given(st.integers(-(2**45), 2**45))
def test_dates_keep_their_milliseconds(at: int) -> None:
    assert from_date(to_date(at)) == at


@given(st.dictionaries(st.text(".$%2E45", min_size=1) | st.text(min_size=1), st.integers()))
def test_any_member_can_be_a_field(counts: dict[str, int]) -> None:
    fields = {field_of(member): count for member, count in counts.items()}
    assert not any(set(".$") & set(field) for field in fields)
    head = {"_id": LOG_ID, "seq": 0, "at": 0, "seen": fields, "read": fields}
    assert to_state(head).seen == counts
