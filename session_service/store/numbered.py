"""Logs whose heads are numbered: of several kinds, in one pair of collections."""

import hashlib
from collections.abc import Callable, Sequence
from typing import TypeVar

from pymongo import IndexModel

from session_service.models import LogState
from session_service.store.collection import Collection
from session_service.store.database import Database
from session_service.store.documents import Document, Layout
from session_service.store.logs import LogStore

H = TypeVar("H")


class NumberedLogs(LogStore[H]):
    """The logs of one kind, found by the public id of their head."""

    def __init__(
        self,
        database: Database,
        layout: Layout,
        to_head: Callable[[Document, LogState], H],
        indexes: Sequence[IndexModel],
        kind: str,
    ) -> None:
        super().__init__(database, layout, to_head, indexes)
        self._kind = kind
        self._counters = Collection(database, "counters")

    def log_id(self, public_id: int | str) -> str:
        """The id of a log: for a public id always the same, and spread over shards."""
        return hashlib.sha256(f"{self._kind}:{public_id}".encode()).hexdigest()[:24]

    def next_id(self) -> int:
        """A number that nothing of this kind has had before."""
        return self._counters.count_up(f"{self._kind}_ids")
