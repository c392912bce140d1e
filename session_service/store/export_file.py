"""The file of an export: BSON documents one after the other, the last of which proves it whole.

    {format, version, database, at}
    {collection: name}  documents of it…  {}      any number of such sections
    {collections: [{name, documents, options, indexes}], sha256}

The checksum is that of all bytes before the last document.
"""

import hashlib
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import bson
from bson.codec_options import CodecOptions
from bson.errors import BSONError
from bson.raw_bson import RawBSONDocument

from session_service.errors import ServiceError
from session_service.store.documents import Document

FORMAT = "session-service export"
VERSION = 1
END_OF_SECTION = bson.encode({})
BUFFER = 1024 * 1024
LARGEST = 64 * 1024 * 1024  # bytes; a server takes 16 MB, and the last one lists all collections

RAW: CodecOptions[RawBSONDocument] = CodecOptions(document_class=RawBSONDocument)


class ExportFile:
    """A file in the making, for its owner's eyes alone; it gets its name when it is whole."""

    def __init__(self, path: Path, head: Document) -> None:
        if path.exists():
            raise ServiceError(f"{path} exists already")
        self._path = path
        self._part = path.with_name(f"{path.name}.part")
        self._file = _create(self._part)
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
        """Writes the proof, and waits until the disk has it all."""
        digest = self._sum.digest()
        self._write(bson.encode({"collections": collections, "sha256": digest}))
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._part.rename(self._path)

    def __enter__(self) -> "ExportFile":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None
    ) -> None:
        self._file.close()
        if kind is not None:
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
    """Reads all of it; ServiceError when it is no export, cut short or damaged."""
    with path.open("rb", BUFFER) as file:
        digest = hashlib.sha256()
        first = _next(file, path, digest)
        head = _decode(first, path)
        if head.get("format") != FORMAT or head.get("version") != VERSION:
            raise ServiceError(f"{path} is not an export of this version of the service")
        counts: dict[str, int] = {}
        while True:
            before = digest.copy()
            last = _decode(_next(file, path, digest), path)
            name = last.get("collection")
            if name is None:
                break
            counts.setdefault(name, 0)
            while _next(file, path, digest) != END_OF_SECTION:
                counts[name] += 1
        told = {each["name"]: each["documents"] for each in last.get("collections", ())}
        same = all(told.get(name, 0) == count for name, count in counts.items())
        if last.get("sha256") != before.digest() or not same or file.read(1):
            raise ServiceError(f"{path} is damaged")
    return Contents(head["database"], before.digest(), tuple(last["collections"]))


def documents(path: Path) -> Iterator[tuple[str, RawBSONDocument]]:
    """The documents of a whole file in their order, each with the name of its collection."""
    with path.open("rb", BUFFER) as file:
        _next(file, path)
        while "collection" in (section := _decode(_next(file, path), path)):
            while (raw := _next(file, path)) != END_OF_SECTION:
                yield section["collection"], RawBSONDocument(raw)


def _create(path: Path) -> IO[bytes]:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb", BUFFER)


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


def _decode(document: bytes, path: Path) -> Document:
    try:
        return bson.decode(document)
    except BSONError as error:
        raise ServiceError(f"{path} is damaged, or is not an export") from error
