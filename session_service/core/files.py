"""Files in conversations: uploaded first, then named by a message.

Source: 会话功能 API 文档, 文件分享. An upload that no message names is removed after a day.
"""

import secrets
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress
from typing import Protocol

import structlog

from session_service.core.log_store import Deadline
from session_service.errors import NotFound, ServiceError, TooLarge, TooMany
from session_service.models import StoredFile, User

CHUNK_BYTES = 255 * 1024  # as GridFS has it
DAY_MS = 86_400_000
MOST_NAME = 200
UNKNOWN_TYPE = "application/octet-stream"

log = structlog.get_logger(__name__)


class FileStore(Protocol):
    """Where files are kept; all methods raise Unavailable when the outcome is unknown."""

    def deadline(self) -> AbstractContextManager[Deadline]: ...

    def begin(self, file: StoredFile, user_id: str) -> None:
        """Notes that a file is on its way; it counts with the size it is announced with."""

    def write(self, file_id: str, number: int, chunk: bytes) -> None: ...

    def finish(self, file: StoredFile) -> None: ...

    def remove(self, file_id: str) -> None: ...

    def find(self, file_id: str) -> StoredFile | None:
        """A file that is there as a whole, and not on its way out."""

    def chunk(self, file_id: str, number: int) -> bytes | None: ...

    def keep(self, file_id: str) -> bool:
        """Has it stay for good; false when there is no such file."""

    def uploads(self, user_id: str, since: int) -> list[tuple[int, int]]:
        """When (ms) a user has begun to upload what since then, and how many bytes each."""

    def forgotten(self, before: int) -> list[str]:
        """Uploads begun before then (ms) that are not to stay."""

    def claim(self, file_id: str) -> bool:
        """Has nobody else keep or remove it; false when somebody does already."""


class Files:
    """Uploads and downloads; sizes in bytes. Everything may raise Unavailable.

    `sniff` tells a file's type from its first bytes, or None. A user may upload `quota` bytes
    in 24 hours.
    """

    def __init__(
        self,
        store: FileStore,
        sniff: Callable[[bytes], str | None],
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

    def receive(self, user: User, name: str, announced: int) -> "Upload":
        """Begins an upload of at most `announced` bytes; TooMany over the quota."""
        now = self._clock()
        file = StoredFile(secrets.token_hex(16), _tidy(name), announced, UNKNOWN_TYPE, now)
        with self._store.deadline():
            self._store.begin(file, user.id)
            begun = self._store.uploads(user.id, now - DAY_MS)
            if sum(size for _, size in begun) > self._quota:
                self._store.remove(file.id)
                oldest = min(at for at, _ in begun)
                wait_s = max((oldest + DAY_MS - now) // 1000, 1)
                raise TooMany("over the quota of a day", retry_after_s=wait_s)
        return Upload(self._store, self._sniff, file, min(self.most, announced))

    def find(self, file_id: str) -> StoredFile:
        """What is known of a file; NotFound."""
        with self._store.deadline():
            file = self._store.find(file_id)
        if file is None:
            raise NotFound("no such file", code="no_such_file")
        return file

    def read(self, file: StoredFile, start: int, end: int) -> Iterator[bytes]:
        """The bytes of a file from `start` to before `end`, piece by piece."""
        for number in range(start // CHUNK_BYTES, -(-end // CHUNK_BYTES)):
            begins = number * CHUNK_BYTES
            with self._store.deadline():
                chunk = self._store.chunk(file.id, number)
            if chunk is None:
                return  # removed meanwhile: the client sees that it is cut off
            yield chunk[max(start - begins, 0) : end - begins]

    def keep(self, file_id: str) -> bool:
        """Has a file stay for good, because something names it; false where there is none."""
        with self._store.deadline():
            return self._store.keep(file_id)

    def keep_house(self, older_than_ms: int = 0) -> bool:
        """Removes uploads that were begun a day ago and that nothing names; false on failure."""
        try:
            for file_id in self._store.forgotten(self._clock() - DAY_MS):
                if self._store.claim(file_id):
                    self._store.remove(file_id)
        except ServiceError as error:
            log.warning("uploads left for later", error=type(error).__name__)
            return False
        return True


class Upload:
    """A file on its way in: written piece by piece, never whole in memory."""

    def __init__(
        self,
        store: FileStore,
        sniff: Callable[[bytes], str | None],
        file: StoredFile,
        most: int,
    ) -> None:
        self._store = store
        self._sniff = sniff
        self._file = file
        self._most = most
        self._type = UNKNOWN_TYPE
        self._size = 0
        self._chunks = 0
        self._pending = bytearray()

    def write(self, data: bytes) -> int:
        """Takes the next bytes; TooLarge when they are too many."""
        self._size += len(data)
        if self._size > self._most:
            raise TooLarge("the file is too large")
        self._pending += data
        while len(self._pending) >= CHUNK_BYTES:
            self._flush(CHUNK_BYTES)
        return len(data)

    def finish(self) -> StoredFile:
        """Has the file there as a whole."""
        if self._pending:
            self._flush(len(self._pending))
        file = self._file
        stored = StoredFile(file.id, file.name, self._size, self._type, file.created_at)
        with self._store.deadline():
            self._store.finish(stored)
        return stored

    def abandon(self) -> None:
        """Leaves nothing of it, as far as that is possible now."""
        with suppress(ServiceError):
            self._store.remove(self._file.id)

    def _flush(self, size: int) -> None:
        chunk = bytes(self._pending[:size])
        del self._pending[:size]
        if self._chunks == 0:
            self._type = self._sniff(chunk) or UNKNOWN_TYPE
        with self._store.deadline():
            self._store.write(self._file.id, self._chunks, chunk)
        self._chunks += 1


def _tidy(name: str) -> str:
    """A file name without folders and control characters, of 200 characters at the most."""
    last = name.replace("\\", "/").rpartition("/")[2]
    plain = "".join(each for each in last if each.isprintable()).strip().strip(".")
    stem, dot, ending = plain.rpartition(".")
    if len(plain) > MOST_NAME and dot and len(ending) < 20:
        return f"{stem[: MOST_NAME - len(ending) - 1]}.{ending}"
    return plain[:MOST_NAME] or "file"
