"""The connection to MongoDB: made at first use, bounded in time, told from outside where to go."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import Any

import pymongo
import structlog
from pymongo import IndexModel, MongoClient
from pymongo.database import Database as MongoDatabase
from pymongo.errors import PyMongoError
from pymongo.uri_parser import parse_uri

from session_service.errors import ServiceError, StorageFull, Unavailable
from session_service.store.documents import Document
from session_service.store.remembered import Remembered

REQUEST_S = 2.3  # what one request's database work may take, so that a hung server is a 503
INDEX_S = 60.0  # what the making of indexes may take that are missing among many documents
SELECTION_MS = 2000
HEARTBEAT_MS = 1000
MIN_FREE_BYTES = 128 * 1024 * 1024  # less, and the embedded database might not survive a write
CHECK_EVERY_S = 1.0

EMBEDDED_OPTIONS: Mapping[str, Any] = {
    "retryWrites": False,  # its memory of retries does not survive a crash
    "maxPoolSize": 32,
}
SERVER_OPTIONS: Mapping[str, Any] = {"retryWrites": True, "w": "majority", "journal": True}

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Deadline:
    """A moment on the monotonic clock."""

    at: float

    def left(self) -> float:
        """Seconds until then; negative afterwards."""
        return self.at - time.monotonic()


def check_uri(uri: str) -> None:
    """ServiceError when this is no URI of a MongoDB; DNS is not asked."""
    if uri.startswith("mongodb://"):
        try:
            parse_uri(uri)
        except PyMongoError as error:
            raise ServiceError(f"MONGO_URI=***: {error}") from error


class Database:
    """One database of a MongoDB server, for one process.

    `uri` is asked at first use and again when the server cannot be reached; `free_bytes` tells
    the room on the disk of an embedded one, whose writes are refused while it is short.
    `change_streams` says whether to ask for them; it is false once the server has refused.
    """

    def __init__(
        self,
        uri: Callable[[], str],
        name: str,
        *,
        options: Mapping[str, Any] = SERVER_OPTIONS,
        free_bytes: Callable[[], int] | None = None,
        change_streams: bool = False,
        connect: Callable[..., MongoClient[Document]] = MongoClient,
    ) -> None:
        self._uri = uri
        self._name = name
        self._options = options
        self._connect = connect
        self.change_streams = change_streams
        self._room = Remembered(free_bytes, CHECK_EVERY_S) if free_bytes else None
        self._health = Remembered(self._read_and_write, CHECK_EVERY_S)
        self._lock = Lock()
        self._opened: tuple[str, MongoDatabase[Document]] | None = None
        self.required: dict[str, list[IndexModel]] = {}  # indexes by collection
        self._indexed = False
        self._indexing = Lock()
        self._tell: Callable[[str], None] = lambda kind: None

    def require(self, name: str, indexes: Sequence[IndexModel]) -> None:
        """Has the indexes of a collection made before this process writes anything."""
        required = self.required.setdefault(name, [])
        known = [each.document for each in required]
        required += [each for each in indexes if each.document not in known]

    def tell_failures(self, tell: Callable[[str], None]) -> None:
        """Has somebody told of every operation that fails: the driver's name for it."""
        self._tell = tell

    @contextmanager
    def deadline(self) -> Iterator[Deadline]:
        """All database work inside ends within REQUEST_S, or with Unavailable."""
        with pymongo.timeout(REQUEST_S):
            yield Deadline(time.monotonic() + REQUEST_S)

    def healthy(self) -> bool:
        """Whether the database reads and writes; really asked at most once a second."""
        return self._health.get()

    def close(self) -> None:
        """Ends the connections; the next use makes new ones."""
        with self._lock:
            opened, self._opened = self._opened, None
        if opened:
            opened[1].client.close()

    @contextmanager
    def reading(self) -> Iterator[MongoDatabase[Document]]:
        """The driver's database, its failures turned into Unavailable."""
        try:
            yield self._open()
        except PyMongoError as error:
            self._tell(type(error).__name__)
            log.warning("database failed", error=type(error).__name__, detail=str(error)[:300])
            self._follow()
            raise Unavailable("the database cannot be reached") from error

    @contextmanager
    def writing(self) -> Iterator[MongoDatabase[Document]]:
        """The same for writes: refused while the disk is nearly full."""
        if self._room and self._room.get() < MIN_FREE_BYTES:
            raise StorageFull("the disk is nearly full")
        with self.reading() as database:
            if not self._indexed:
                self._make_indexes(database)
            yield database

    def make_indexes(self) -> None:
        """Makes the indexes that are missing, also those that somebody dropped meanwhile.

        Has more time than other work: not to be called within a deadline.
        """
        with pymongo.timeout(INDEX_S), self.writing() as database:
            self._create_indexes(database)

    def _make_indexes(self, database: MongoDatabase[Document]) -> None:
        """Once for a process: those who write first at the same time wait for one of them."""
        if not self._indexing.acquire(timeout=REQUEST_S):
            raise Unavailable("the indexes are still being made")
        try:
            if self._indexed:
                return
            self._create_indexes(database)
            self._indexed = True
        finally:
            self._indexing.release()

    def _create_indexes(self, database: MongoDatabase[Document]) -> None:
        for name, indexes in self.required.items():
            for index in indexes:  # FerretDB gives up at several that are there already
                database[name].create_indexes([index])

    def _open(self) -> MongoDatabase[Document]:
        opened = self._opened
        if opened is None:
            with self._lock:
                opened = self._opened = self._opened or self._connected(self._where())
        return opened[1]

    def _connected(self, uri: str) -> tuple[str, MongoDatabase[Document]]:
        client = self._connect(
            uri,
            serverSelectionTimeoutMS=SELECTION_MS,
            connectTimeoutMS=SELECTION_MS,
            heartbeatFrequencyMS=HEARTBEAT_MS,
            timeoutMS=int(REQUEST_S * 1000),
            appname="session-service",
            **self._options,
        )
        return uri, client[self._name]

    def _where(self) -> str:
        try:
            return self._uri()
        except ServiceError as error:
            raise Unavailable(str(error)) from error

    def _follow(self) -> None:
        """Lets go of a client whose server is to be found elsewhere by now."""
        try:
            moved = self._opened is not None and self._opened[0] != self._uri()
        except ServiceError:
            return
        if moved:
            self.close()

    def _read_and_write(self) -> bool:
        now = time.time()
        try:
            with self.deadline():
                try:
                    with self.writing() as database:
                        database["health"].update_one(
                            {"_id": "health"}, {"$set": {"at": now}}, upsert=True
                        )
                except StorageFull:
                    log.warning("the disk is nearly full: nothing is written")
                with self.reading() as database:
                    database["health"].find_one({"_id": "health"})
        except Unavailable:
            return False
        return True
