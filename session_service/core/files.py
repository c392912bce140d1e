"""Files in conversations: uploaded first, then named by a message.

Source: 会话功能 API 文档, 文件分享. An upload that nothing names is removed after a day.
"""

import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import replace
from typing import Protocol, Self

import structlog

from session_service.core.log_store import Deadline
from session_service.core.user_ids import integer_id
from session_service.errors import Invalid, NotFound, ServiceError, TooLarge, TooMany, Unavailable
from session_service.models import StoredFile, User

DAY_MS = 86_400_000
LONGEST_MS = DAY_MS // 2  # of an upload, so that none is under way when it is removed
REMOVAL_MS = 900_000  # after which somebody else removes what one has begun to remove
MOST_NAME = 200
MOST_ENDING = 20
MOST_PATH_NAME = 150  # characters, so that a message takes the path whatever they are
JOINERS = "\u200c\u200d"  # invisible, but they make one emoji of several, and words of Persian
UNKNOWN_TYPE = "application/octet-stream"

log = structlog.get_logger(__name__)

Sniff = Callable[[bytes], str | None]
Begun = Sequence[tuple[int, int]]


class FileStore(Protocol):
    """Where files are kept, in chunks; all methods raise Unavailable when the outcome is unknown.

    What stands with a time of removal (ms) may be removed from then on.
    """

    @property
    def chunk_bytes(self) -> int:
        """The size of every chunk but the last."""

    def deadline(self) -> AbstractContextManager[Deadline]: ...

    def begin(self, file: StoredFile, user_id: str, remove_at: int) -> None:
        """Notes that a file is on its way; it counts with the size it is announced with."""

    def allot(self, file_id: str, size: int) -> None:
        """Has a file that is on its way count with that size."""

    def write(self, file_id: str, number: int, chunk: bytes) -> None: ...

    def finish(self, file: StoredFile) -> bool:
        """Has the file there as a whole, with its real size and type; false when it is gone."""

    def remove(self, file_id: str, size: int) -> None:
        """Deletes what there is of a file that has so many bytes at the most."""

    def find(self, file_id: str) -> StoredFile | None:
        """A file that is there as a whole, and not on its way out."""

    def chunk(self, file_id: str, number: int) -> bytes | None: ...

    def keep(self, file_id: str, name: str | None = None) -> bool:
        """Has it stay for good; false when there is no such file, or none of that name."""

    def uploads(self, user_id: str, since: int) -> Begun:
        """When (ms) a user has begun to upload what since then, and how many bytes each."""

    def forgotten(self, now: int) -> Sequence[tuple[str, int, int]]:
        """What may be removed: id, size and since when (ms)."""

    def claim(self, file_id: str, since: int, until: int) -> bool:
        """Leaves the removal to the caller, until then (ms) to nobody else.

        From now on nothing keeps or finds the file. False when somebody has kept or claimed it.
        """


class Files:
    """Uploads and downloads; sizes in bytes. Everything may raise Unavailable.

    `sniff` tells a file's type from its first bytes, or None. A file has `most` bytes at the
    most; a user may upload `quota` bytes in 24 hours.
    """

    def __init__(
        self,
        store: FileStore,
        sniff: Sniff,
        *,
        most: int,
        quota: int,
        clock: Callable[[], int],
    ) -> None:
        self._store = store
        self._sniff = sniff
        self.most = most
        self._quota = quota
        self._clock = clock

    def receive(self, user: User, name: str, announced: int | None) -> "Upload":
        """Begins an upload, of `announced` bytes at the most where that is known.

        Users are known by integers: others are Forbidden. TooMany over the quota. Whoever comes
        at the same time counts as well, so that two may refuse each other, but never exceed it.
        """
        integer_id(user)
        now = self._clock()
        size = self.most if announced is None else min(announced, self.most)
        file = StoredFile(secrets.token_hex(16), _tidy(name), size, UNKNOWN_TYPE, now)
        limit: ServiceError = TooLarge("the file is too large")
        with self._store.deadline():
            self._store.begin(file, user.id, now + DAY_MS)
            begun = self._store.uploads(user.id, now - DAY_MS)
            over = sum(each for _, each in begun) - self._quota
            if over > 0:
                limit = TooMany("over the quota", retry_after_s=_wait_s(begun, over, now))
                if announced is not None or over >= size:
                    self._store.remove(file.id, size)
                    raise limit
                file = replace(file, size=size - over)
                self._store.allot(file.id, file.size)
        return Upload(self._store, self._sniff, self._clock, file, limit)

    def find(self, file_id: str) -> StoredFile:
        """What is known of a file; NotFound."""
        with self._store.deadline():
            file = self._store.find(file_id)
        if file is None:
            raise NotFound("no such file", code="no_such_file")
        return file

    def read(self, file: StoredFile, start: int, end: int) -> Iterator[bytes]:
        """The bytes of a file from `start` to before `end`, piece by piece.

        NotFound on the way when it is removed meanwhile.
        """
        size = self._store.chunk_bytes
        for number in range(start // size, -(-end // size)):
            with self._store.deadline():
                chunk = self._store.chunk(file.id, number)
            if chunk is None:
                raise NotFound("removed meanwhile", code="no_such_file")
            yield chunk[max(start - number * size, 0) : end - number * size]

    def keep(self, file_id: str, path_name: str | None = None) -> bool:
        """Has a file stay for good, because something names it; false where there is none.

        With `path_name` also where its path ends with another name.
        """
        with self._store.deadline():
            if path_name is None or len(path_name) < MOST_PATH_NAME:
                return self._store.keep(file_id, path_name)
            file = self._store.find(file_id)  # whose name may be longer
            if file is None or path_name_of(file) != path_name:
                return False
            return self._store.keep(file_id)

    def keep_house(self, older_than_ms: int = 0) -> bool:
        """Removes uploads that were begun a day ago and that nothing names; false on failure."""
        now = self._clock()
        try:
            for file_id, size, since in self._store.forgotten(now):
                if self._store.claim(file_id, since, now + REMOVAL_MS):
                    self._store.remove(file_id, size)
        except ServiceError as error:
            log.warning("uploads left for later", error=type(error).__name__)
            return False
        return True


def path_name_of(file: StoredFile) -> str:
    """What a file's path ends with."""
    return file.name[-MOST_PATH_NAME:]


class Upload:
    """A file on its way in: written piece by piece, never whole in memory.

    Of one that is left by an exception nothing stays, unless the database may still be at work
    on it: then it is removed after a day.
    """

    def __init__(
        self,
        store: FileStore,
        sniff: Sniff,
        clock: Callable[[], int],
        file: StoredFile,
        limit: ServiceError,
    ) -> None:
        self._store = store
        self._sniff = sniff
        self._clock = clock
        self._file = file
        self._limit = limit
        self._type = UNKNOWN_TYPE
        self._size = 0
        self._chunks = 0
        self._pending = bytearray()
        self._unsure = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None and not self._unsure:
            with suppress(ServiceError):
                self._store.remove(self._file.id, self._file.size)

    def write(self, data: bytes) -> None:
        """Takes the next bytes; TooLarge or TooMany when they are too many."""
        self._size += len(data)
        if self._size > self._file.size:
            raise self._limit
        self._pending += data
        while len(self._pending) >= self._store.chunk_bytes:
            self._flush()

    def finish(self) -> StoredFile:
        """Has the file there as a whole."""
        if self._pending:
            self._flush()
        stored = replace(self._file, size=self._size, type=self._type)
        with self._database():
            if not self._store.finish(stored):
                raise Unavailable("the upload is gone")
        return stored

    def _flush(self) -> None:
        if self._clock() - self._file.created_at > LONGEST_MS:
            raise Invalid("the upload takes too long", errors={"body": ["incomplete"]})
        chunk = bytes(self._pending[: self._store.chunk_bytes])
        del self._pending[: self._store.chunk_bytes]
        if self._chunks == 0:
            self._type = self._sniff(chunk) or UNKNOWN_TYPE
        with self._database():
            self._store.write(self._file.id, self._chunks, chunk)
        self._chunks += 1

    @contextmanager
    def _database(self) -> Iterator[None]:
        """What fails in here may have been done, or be done later."""
        self._unsure = True
        with self._store.deadline():
            yield
        self._unsure = False


def _wait_s(begun: Begun, over: int, now: int) -> int:
    """Seconds until so many bytes of what was begun are older than a day."""
    for at, size in sorted(begun):
        over -= size
        if over <= 0:
            return (at + DAY_MS - now) // 1000 + 1
    return DAY_MS // 1000


def _tidy(name: str) -> str:
    """A file name without folders and control characters, of 200 characters at the most."""
    last = name.replace("\\", "/").rpartition("/")[2]
    spaced = (" " if each.isspace() else each for each in last)
    plain = "".join(each for each in spaced if each.isprintable() or each in JOINERS).strip(" .")
    stem, dot, ending = plain.rpartition(".")
    if len(plain) > MOST_NAME and dot and len(ending) < MOST_ENDING:
        return f"{stem[: MOST_NAME - len(ending) - 1]}.{ending}"
    return plain[:MOST_NAME] or "file"
