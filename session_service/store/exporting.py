"""Everything in the database into one file, also while the service runs.

A log is read as any reader reads it: its head first, then the entries up to it. So the file
holds each log as it was at one moment, with all that the head counts, and no proposals.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from operator import itemgetter
from pathlib import Path
from typing import Any

import bson
from bson import ObjectId
from bson.raw_bson import RawBSONDocument
from pymongo import MongoClient

from session_service.errors import ServiceError
from session_service.store.catalogue import places
from session_service.store.database import Database
from session_service.store.documents import Document, Layout
from session_service.store.export_file import RAW, ExportFile
from session_service.store.export_shape import HEARTBEAT, ON_DISK, UNDER_WAY, check_making
from session_service.store.files import CHUNKS

PATIENCE_MS = 600_000
HEADS = 100  # logs whose entries are read before the next heads
CHUNK = 1000  # entries that one operation reads

Told = Callable[[Mapping[str, int]], None]


def patient_client(uri: str, **options: Any) -> MongoClient[Document]:
    """A connection for work that takes its time, in place of a request's."""
    return MongoClient(uri, **{**options, "timeoutMS": PATIENCE_MS})


def described(database: Database) -> list[Document]:
    """The collections that an export holds, each with `name`, `options` and `indexes`."""
    with database.reading() as opened:
        found = [
            {
                "name": name,
                "options": {
                    key: value
                    for key, value in each.get("options", {}).items()
                    if key not in ON_DISK
                },
                "indexes": [dict(index) for index in opened[name].list_indexes()],
            }
            for each in opened.list_collections()
            if each.get("type") != "view"
            and (name := each["name"]) != HEARTBEAT
            and not name.startswith("system.")
        ]
    return sorted(found, key=itemgetter("name"))


def export(database: Database, path: Path, told: Told) -> Mapping[str, int]:
    """Writes the file and says how many documents of which collection are in it.

    `told` hears the same from time to time. ServiceError when there is nothing to export, the
    file exists, or a collection could not be imported; OSError when the file cannot be written.
    No half a file is left.
    """
    found = described(database)
    names = {each["name"] for each in found}
    if not names:
        raise ServiceError("the database is empty: there is nothing to export")
    if UNDER_WAY in names:
        raise ServiceError("an import into this database has not been finished")
    for each in found:
        check_making(each)
    with database.reading() as opened:
        head = {"database": opened.name, "at": datetime.now(UTC)}
    with ExportFile(path, head) as file:
        _Export(database, file, told).run(names)
        return file.counts


class _Export:
    def __init__(self, database: Database, file: ExportFile, told: Told) -> None:
        self._database = database
        self._file = file
        self._told = told

    def run(self, names: set[str]) -> None:
        others = set(names)
        for layout in places():
            others -= {layout.heads, layout.entries, layout.retired}
            self._notes(layout, self._logs(layout))
        # What a message names is kept before it, and a file has its chunks before its record.
        for name in sorted(others, key=lambda each: (each == CHUNKS, each)):
            self._section(name, self._find(name, {}))
        self._file.finish(self._collections())

    def _collections(self) -> list[Document]:
        counts = {name: count for name, count in self._file.counts.items() if count}
        found = described(self._database)
        known = {each["name"] for each in found}
        dropped = [{"name": name, "options": {}, "indexes": []} for name in counts.keys() - known]
        return [{**each, "documents": counts.get(each["name"], 0)} for each in found + dropped]

    def _logs(self, layout: Layout) -> dict[ObjectId, Document]:
        """Writes the logs, and gives notes on those that were deleted while they were read."""
        gone: dict[ObjectId, Document] = {}
        heads = self._find(layout.heads, {})
        while batch := list(islice(heads, HEADS)):
            whole = []
            self._file.begin(layout.entries)
            for head in batch:
                log_id, seq = head["_id"], head["seq"]
                if self._entries(layout, log_id, seq):
                    whole.append(head)
                else:
                    gone[log_id] = {"_id": log_id, "seq": seq, "at": 0}
            self._file.end()
            self._section(layout.heads, whole)
        return gone

    def _entries(self, layout: Layout, log_id: ObjectId, seq: int) -> bool:
        """Writes what the head counts; false when the log was deleted meanwhile."""
        written = 0
        for after in range(0, seq, CHUNK):
            before = min(after + CHUNK, seq) + 1
            where = {layout.log: log_id, "seq": {"$gt": after, "$lt": before}}
            for entry in self._find(layout.entries, where, [("seq", 1)]):
                self._file.add(bytes(entry.raw))
                written += 1
        self._told(self._file.counts)
        return written == seq or any(self._find(layout.heads, {"_id": log_id}))

    def _notes(self, layout: Layout, gone: dict[ObjectId, Document]) -> None:
        """With its note, whoever keeps house deletes what was written of a deleted log."""
        notes = list(self._find(layout.retired, {}))
        for note in notes:
            gone.pop(note["_id"], None)
        self._section(layout.retired, notes)
        self._section(
            layout.retired, [RawBSONDocument(bson.encode(each)) for each in gone.values()]
        )

    def _section(self, name: str, found: Iterable[RawBSONDocument]) -> None:
        self._file.begin(name)
        for document in found:
            self._file.add(bytes(document.raw))
        self._file.end()
        self._told(self._file.counts)

    def _find(
        self, name: str, where: Document, sort: Sequence[tuple[str, int]] = ()
    ) -> Iterator[RawBSONDocument]:
        with self._database.reading() as opened:
            cursor = opened.get_collection(name, RAW).find(where)
            yield from cursor.sort(list(sort)) if sort else cursor
