"""The file of an export: BSON documents one after the other, the last of which proves it whole.

    {format, version, database, at}
    {collection: name}  documents of it…  {}      any number of such sections
    {collections: [{name, documents, options, indexes}], sha256}

The checksum is that of all bytes before the last document.
"""

import errno
import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import bson
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.raw_bson import RawBSONDocument

from session_service.errors import ServiceError
from session_service.store.documents import Document
from session_service.store.export_shape import (
    Unfit,
    check_collections,
    check_document,
    check_name,
    decode,
)

FORMAT = "session-service export"
VERSION = 1
END_OF_SECTION = bson.encode({})
BUFFER = 1024 * 1024
LARGEST = 64 * 1024 * 1024  # bytes; a server takes 16 MB, and the last one lists all collections

RAW: CodecOptions[RawBSONDocument] = CodecOptions(
    document_class=RawBSONDocument, datetime_conversion=DatetimeConversion.DATETIME_AUTO
)
NO_HARD_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)


class ExportFile:
    """A file in the making, for its owner's eyes alone; it gets its name when it is whole."""

    def __init__(self, path: Path, head: Document) -> None:
        if os.path.lexists(path):
            raise ServiceError(f"{path} exists already")
        self._path = path
        handle, part = tempfile.mkstemp(".part", f"{path.name}.", path.parent)
        self._part = Path(part)
        self._file = os.fdopen(handle, "wb", BUFFER)
        self._sum = hashlib.sha256()
        self.counts: dict[str, int] = {}
        self._write(bson.encode({"format": FORMAT, "version": VERSION, **head}))

    def begin(self, collection: str) -> None:
        """The documents that follow belong to this collection."""
        self.counts.setdefault(collection, 0)
        self._name = collection
        self._write(bson.encode({"collection": collection}))

    def add(self, document: bytes) -> None:
        self._write(document)
        self.counts[self._name] += 1

    def end(self) -> None:
        self._write(END_OF_SECTION)

    def finish(self, collections: list[Document]) -> None:
        """Writes the proof, and waits until the disk has it all.

        ServiceError when somebody else has made a file of this name meanwhile.
        """
        digest = self._sum.digest()
        self._write(bson.encode({"collections": collections, "sha256": digest}))
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        try:
            _publish(self._part, self._path)
        except FileExistsError as error:
            raise ServiceError(f"{self._path} exists already") from error
        _sync_folder(self._path.parent)

    def __enter__(self) -> "ExportFile":
        return self

    def __exit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        self._file.close()
        with suppress(FileNotFoundError):
            self._part.unlink()

    def _write(self, document: bytes) -> None:
        self._file.write(document)
        self._sum.update(document)


@dataclass(frozen=True, slots=True)
class Contents:
    """What a whole file says of itself; each collection with `name`, `documents`, `indexes`."""

    database: str
    sha256: bytes
    collections: tuple[Document, ...]


def check(path: Path) -> Contents:
    """Reads all of it; ServiceError when it is no export, cut short, damaged or unfit."""
    try:
        with path.open("rb", BUFFER) as file:
            return _Check(file, path).contents()
    except Unfit as error:
        raise ServiceError(f"{path} cannot be imported: {error}") from error


def documents(path: Path) -> Iterator[tuple[str, RawBSONDocument]]:
    """The documents of a whole file in their order, each with the name of its collection."""
    with path.open("rb", BUFFER) as file:
        _next(file, path)
        while "collection" in (section := decode(_next(file, path), "a section")):
            while (raw := _next(file, path)) != END_OF_SECTION:
                yield section["collection"], RawBSONDocument(raw, RAW)


class _Check:
    def __init__(self, file: IO[bytes], path: Path) -> None:
        self._file = file
        self._path = path
        self._sum = hashlib.sha256()
        self._counts: dict[str, int] = {}

    def contents(self) -> Contents:
        database = self._head()
        while True:
            before = self._sum.digest()
            last = decode(self._next(), "a section")
            if "collection" not in last:
                break
            self._section(check_name(last["collection"]))
        if last.get("sha256") != before or self._file.read(1):
            raise ServiceError(f"{self._path} is damaged")
        collections = tuple(check_collections(last.get("collections")))
        told = {each["name"]: each["documents"] for each in collections}
        for name in self._counts.keys() | told.keys():
            if (there := self._counts.get(name, 0)) != told.get(name, 0):
                raise Unfit(f"it has {there} documents of {name!r} and tells of {told.get(name)}")
        return Contents(database, before, collections)

    def _head(self) -> str:
        head = decode(self._next(), "its head")
        if head.get("format") != FORMAT or head.get("version") != VERSION:
            raise ServiceError(f"{self._path} is not an export of this version of the service")
        if not isinstance(database := head.get("database"), str):
            raise Unfit("its head names no 'database'")
        return database

    def _section(self, name: str) -> None:
        self._counts.setdefault(name, 0)
        while (document := self._next()) != END_OF_SECTION:
            self._counts[name] += 1
            check_document(document, f"document {self._counts[name]} of {name!r}")

    def _next(self) -> bytes:
        return _next(self._file, self._path, self._sum)


def _publish(part: Path, path: Path) -> None:
    """Gives the file its name; FileExistsError where that is taken."""
    try:
        os.link(part, path)
    except OSError as error:
        if error.errno not in NO_HARD_LINKS:
            raise
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        part.replace(path)
    else:
        part.unlink()


def _sync_folder(folder: Path) -> None:
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _next(file: IO[bytes], path: Path, digest: Any = None) -> bytes:
    prefix = file.read(4)
    length = int.from_bytes(prefix, "little")
    if len(prefix) == 4 and not 5 <= length <= LARGEST:
        raise ServiceError(f"{path} is damaged, or is not an export")
    rest = file.read(max(length - 4, 0))
    if len(prefix) + len(rest) < max(length, 5):
        raise ServiceError(f"{path} is cut short")
    document = prefix + rest
    if digest is not None:
        digest.update(document)
    return document
