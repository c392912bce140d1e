"""How far logs are committed, as a server with change streams tells it."""

import time
from collections.abc import Mapping
from contextlib import suppress

import structlog
from pymongo.change_stream import CollectionChangeStream
from pymongo.collection import Collection as MongoCollection
from pymongo.errors import OperationFailure, PyMongoError

from session_service.errors import Unavailable
from session_service.store.database import Database
from session_service.store.documents import Document

# Only what goes on; who waits for a log that is deleted finds out when the wait is over.
COMMITS: list[Document] = [
    {"$match": {"operationType": "update", "updateDescription.updatedFields.seq": {"$gt": 0}}},
    {"$project": {"documentKey": 1, "seq": "$updateDescription.updatedFields.seq"}},
]

log = structlog.get_logger(__name__)


class CommitStream:
    """The commits to all logs of a collection, from the first `wait` on."""

    def __init__(self, database: Database, heads: str) -> None:
        self._database = database
        self._heads = heads
        self._stream: CollectionChangeStream[Document] | None = None

    def wait(self, seconds: float) -> Mapping[str, int] | None:
        """What is told within that time: logs by their ids, and how far each is committed.

        None where something may have been missed, and where the server does not tell at all:
        then it is for the caller to look.
        """
        if self._database.change_streams:
            with suppress(Unavailable), self._database.reading() as database:
                return self._told(database[self._heads], int(seconds * 1000))
            self.close()
        time.sleep(seconds)
        return None

    def _told(self, heads: MongoCollection[Document], wait_ms: int) -> Mapping[str, int] | None:
        if self._stream is None:
            self._open(heads, wait_ms)
            return None
        change = self._stream.try_next()
        return {str(change["documentKey"]["_id"]): change["seq"]} if change else {}

    def _open(self, heads: MongoCollection[Document], wait_ms: int) -> None:
        try:
            self._stream = heads.watch(COMMITS, max_await_time_ms=wait_ms)
        except OperationFailure as error:
            if error.timeout:
                raise
            self._database.change_streams = False
            log.info("the server has no change streams", detail=str(error)[:300])

    def close(self) -> None:
        """Has the server forget it."""
        stream, self._stream = self._stream, None
        with suppress(PyMongoError):
            if stream is not None:
                stream.close()
