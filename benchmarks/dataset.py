"""The sessions and chats that are sent to and read, stored as the service stores them."""

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from random import Random
from typing import Any

import jwt
import pymongo

from benchmarks.servers import DATABASE, SECRET
from session_service.core.fold import fold
from session_service.core.ids import new_entry_id, new_log_id
from session_service.models import Entry, LogState, Session
from session_service.store.database import EMBEDDED_OPTIONS, Database
from session_service.store.logs import LogStore
from session_service.store.sessions import SessionStore

BATCH = 1000
PATIENCE_S = 60  # for a batch
USERS = 16
MEAN_GAP_MS = 40_000
TEXT = "周末去爬山还是看电影？ Shall we climb the hill on Sunday, or see that film?"


@dataclass(frozen=True, slots=True)
class Dialogue:
    """A session with the times (ms) of its chats, and the token of its owner."""

    id: str
    token: str
    times: Sequence[int]


@contextmanager
def session_store(uri: str) -> Iterator[SessionStore]:
    """The service's own store of sessions on this database."""
    database = Database(lambda: uri, DATABASE, options=EMBEDDED_OPTIONS)
    try:
        yield SessionStore(database)
    finally:
        database.close()


def dialogues(store: SessionStore, count: int, chats: int) -> list[Dialogue]:
    """So many sessions of so many chats, owned by a few users in turn."""
    return [dialogue(store, f"user-{number % USERS}", chats) for number in range(count)]


def dialogue(store: SessionStore, user_id: str, chats: int) -> Dialogue:
    """A session of so many chats at irregular times."""
    times = rising_times(chats)
    session_id = new_log_id(times[0])
    store.insert_session(
        Session(session_id, user_id, "周末计划", times[0], times[0], LogState(session_id))
    )
    entries = [_entry(user_id, i + 1, at) for i, at in enumerate(times)]
    fill(store, LogState(session_id), entries)
    return Dialogue(session_id, token(user_id), times)


def fill(store: LogStore[Any], state: LogState, entries: Sequence[Entry]) -> None:
    """Stores the first entries of a log and commits them."""
    for start in range(0, len(entries), BATCH):
        with pymongo.timeout(PATIENCE_S):
            assert store.insert(state.id, entries[start : start + BATCH])
    assert store.commit(state, fold(state, entries))


def token(user_id: str) -> str:
    """A token as peers make them."""
    now = datetime.now(UTC)
    claims = {
        "sub": user_id,
        "type": "access",
        "fresh": False,
        "jti": secrets.token_hex(16),
        "iat": now,
        "nbf": now,
        "exp": now + timedelta(days=1),
    }
    return jwt.encode(claims, SECRET, "HS256")


def rising_times(count: int) -> list[int]:
    """Times (ms) up to now, with gaps from 2 ms to minutes."""
    random = Random(count)
    gaps = [2 + int(random.expovariate(1 / MEAN_GAP_MS)) for _ in range(count)]
    now = int(datetime.now(UTC).timestamp() * 1000)
    return list(accumulate(gaps[1:], initial=now - sum(gaps)))


def _entry(user_id: str, seq: int, at: int) -> Entry:
    return Entry(
        sender="user" if seq % 2 else "server",
        key=f"filled:{seq}",
        content={"user_id": user_id, "chat_content": TEXT},
        id=new_entry_id(at),
        seq=seq,
        created_at=at,
    )
