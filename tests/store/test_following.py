"""What a server with change streams tells of commits, and what is made of one without."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from typing import Any

import pytest

from session_service.core.fold import fold
from session_service.models import Entry, LogState
from session_service.store import following
from session_service.store.database import Database
from session_service.store.documents import Layout
from session_service.store.following import CommitStream
from session_service.store.logs import LogStore

LOG_ID = "0123456789abcdef01234567"
SOON_S = 20


@pytest.fixture
def telling(mongo_uri, database_name, database_options) -> Iterator[Database]:
    database = Database(
        lambda: mongo_uri, database_name, options=database_options, change_streams=True
    )
    yield database
    database.close()


@pytest.fixture
def commit(telling: Database) -> Callable[[], None]:
    """Commits one more message to a log."""
    layout = Layout(heads="conversations", entries="messages", content=("text",))
    store: LogStore[LogState] = LogStore(telling, layout, lambda _, state: state)
    store.insert_head(LOG_ID, {})

    def commit() -> None:
        state = store.find(LOG_ID)
        assert state is not None
        seq = state.seq + 1
        entry = Entry("ann", f"{seq}", {"text": "hi"}, id=f"{seq:024x}", seq=seq, created_at=seq)
        assert store.insert(LOG_ID, [entry])
        assert store.commit(state, fold(state, [entry]))

    return commit


def next_told(stream: CommitStream) -> Mapping[str, int] | None:
    deadline = time.monotonic() + SOON_S
    while time.monotonic() < deadline:
        if (told := stream.wait(0.2)) != {}:
            return told
    raise AssertionError("nothing was told")


def test_commits_are_told_in_order_from_the_first_look_on(telling, commit):
    commit()
    with closing(CommitStream(telling, "conversations")) as stream:
        assert stream.wait(0.2) is None, "what came before was missed"
        commit()
        commit()
        assert next_told(stream) == {LOG_ID: 2}
        assert next_told(stream) == {LOG_ID: 3}
        assert stream.wait(0.1) == {}


def test_other_changes_of_a_head_are_not_told(telling, commit):
    commit()
    with closing(CommitStream(telling, "conversations")) as stream:
        stream.wait(0.2)
        with telling.writing() as database:
            database["conversations"].update_many({}, {"$set": {"title": "new"}})
        commit()
        assert next_told(stream) == {LOG_ID: 2}


def test_a_server_without_change_streams_is_asked_once(telling, monkeypatch):
    monkeypatch.setattr(following, "COMMITS", [{"$noSuchStage": {}}])
    with closing(CommitStream(telling, "conversations")) as stream:
        assert [stream.wait(0.1) for _ in range(3)] == [None] * 3
    assert not telling.change_streams


def test_a_stream_that_breaks_is_begun_anew(telling, commit):
    with closing(CommitStream(telling, "conversations")) as stream:
        stream.wait(0.1)
        telling.close()  # the connections under it, as at a failover
        assert stream.wait(0.1) is None
        assert next_told(stream) is None
        commit()
        assert next_told(stream) == {LOG_ID: 1}


def test_a_server_that_cannot_be_reached_is_asked_again(mongo_uri):
    where: list[str] = ["mongodb://127.0.0.1:1/"]
    options: dict[str, Any] = {"retryWrites": False}
    database = Database(lambda: where[0], "test", options=options, change_streams=True)
    with closing(CommitStream(database, "conversations")) as stream:
        assert stream.wait(0.1) is None
        assert database.change_streams
        where[0] = mongo_uri
        deadline = time.monotonic() + SOON_S
        while stream.wait(0.1) is None:
            assert time.monotonic() < deadline, "it is not told again"
    database.close()
