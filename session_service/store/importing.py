"""A whole export into a database that is empty; an import that was cut off goes on."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import bson
from bson.errors import BSONError
from bson.raw_bson import RawBSONDocument
from pymongo.errors import OperationFailure

from session_service.errors import ServiceError, Unavailable
from session_service.store.database import Database
from session_service.store.documents import Document
from session_service.store.export_file import RAW, Contents, check, documents
from session_service.store.export_shape import UNDER_WAY, one_line
from session_service.store.exporting import Told, described

BATCH = 1000  # documents
BATCH_BYTES = 4 * 1024 * 1024
FEW = 100  # ids that one question may name, where a server compares each with each
SERVERS_OWN = {"v", "ns"}  # what a server says of an index beyond what it was asked for


def import_file(database: Database, path: Path, told: Told) -> Mapping[str, int]:
    """Stores all documents of the file and makes its indexes; says how many of which collection.

    Nothing is written before the whole file was checked. A repeat after a crash or a failure
    goes on where it was; ServiceError when the database holds anything else, or refuses what
    the file holds.
    """
    contents = check(path)
    with _refusals():
        return _Import(database, path, contents, told).run()


def half_imported(database: Database) -> bool:
    """Whether an import into it has begun and has not been finished."""
    with database.reading() as opened:
        return opened[UNDER_WAY].find_one({}) is not None


class _Import:
    def __init__(self, database: Database, path: Path, contents: Contents, told: Told) -> None:
        self._database = database
        self._path = path
        self._contents = contents
        self._collections = contents.collections
        self._told = told
        self._counts = {each["name"]: 0 for each in contents.collections}

    def run(self) -> Mapping[str, int]:
        note = self._begin()
        for each in self._collections:
            self._make(each)
        if "counted" not in note:
            self._fill(again=bool(note))
            self._count()
            self._note(counted=True)
        for each in self._collections:
            # Only now, or what expires meanwhile would be missed.
            self._index(each["name"], [one for one in each["indexes"] if _expires(one)])
        with self._database.writing() as opened:
            opened.drop_collection(UNDER_WAY)
        return {each["name"]: each["documents"] for each in self._collections}

    def _begin(self) -> Document:
        """The note on this import, made unless there is one of an earlier attempt."""
        with self._database.reading() as opened:
            note = opened[UNDER_WAY].find_one({})
            if note and note.get("sha256") == self._contents.sha256:
                return note
            if note:
                raise ServiceError(
                    "the import of another file has not been finished: drop the database first"
                )
            names = [each["name"] for each in described(self._database)]
            full = [name for name in names if opened[name].find_one({}, {"_id": 1})]
        if full:
            raise ServiceError(f"the database is not empty, it has {', '.join(full)}")
        self._note(sha256=self._contents.sha256)
        return {}

    def _note(self, **facts: object) -> None:
        with self._database.writing() as opened:
            opened[UNDER_WAY].update_one({"_id": UNDER_WAY}, {"$set": facts}, upsert=True)

    def _make(self, collection: Document) -> None:
        name = collection["name"]
        with self._database.writing() as opened:
            if name not in opened.list_collection_names():
                opened.command({"create": name, **collection["options"]})
        self._index(name, [one for one in collection["indexes"] if not _expires(one)])

    def _index(self, name: str, indexes: Sequence[Document]) -> None:
        with self._database.writing() as opened:
            for each in indexes:
                if each["name"] != "_id_":
                    # One by one: not every server takes several when it has them already.
                    # In their order: the embedded database tells options in another one apart.
                    wanted = {key: each[key] for key in each if key not in SERVERS_OWN}
                    opened.command("createIndexes", name, indexes=[wanted])

    def _fill(self, *, again: bool) -> None:
        for name, batch in _batches(self._path):
            there = self._there(name, batch) if again else set()
            missing = [each for each in batch if _id_of(each) not in there]
            if missing:
                with self._database.writing() as opened:
                    opened.get_collection(name, RAW).insert_many(missing)
            self._counts[name] += len(batch)
            self._told(self._counts)

    def _there(self, name: str, batch: Sequence[RawBSONDocument]) -> set[bytes]:
        """What an earlier attempt has stored of these."""
        ids = [each["_id"] for each in batch]
        found = set()
        with self._database.reading() as opened:
            ids_of = opened.get_collection(name, RAW).find
            for i in range(0, len(ids), FEW):
                where = {"_id": {"$in": ids[i : i + FEW]}}
                found |= {_id_of(each) for each in ids_of(where, {"_id": 1})}
        return found

    def _count(self) -> None:
        with self._database.reading() as opened:
            for each in self._collections:
                there = opened[each["name"]].count_documents({})
                if there != each["documents"]:
                    raise ServiceError(
                        f"{each['name']} has {there} documents instead of {each['documents']}: "
                        "somebody else writes to this database"
                    )


@contextmanager
def _refusals() -> Iterator[None]:
    """A database that answers can be reached: what it says against the contents is told."""
    try:
        yield
    except Unavailable as error:
        refusal = error.__cause__
        if not isinstance(refusal, OperationFailure) or refusal.timeout:
            raise
        raise ServiceError(f"the database refused it: {_reason(refusal)}") from refusal
    except BSONError as error:  # a server that takes less than others
        raise ServiceError(f"the database cannot take it: {one_line(error)}") from error


def _reason(refusal: OperationFailure) -> str:
    details: Mapping[str, Any] = refusal.details or {}
    failed = [*details.get("writeErrors", ()), details]  # of several documents, or the command
    return one_line(failed[0].get("errmsg", refusal))


def _batches(path: Path) -> Iterator[tuple[str, list[RawBSONDocument]]]:
    for name, found in groupby(documents(path), itemgetter(0)):
        batch: list[RawBSONDocument] = []
        size = 0
        for _, document in found:
            if len(batch) == BATCH or size >= BATCH_BYTES:
                yield name, batch
                batch, size = [], 0
            batch.append(document)
            size += len(document.raw)
        yield name, batch


def _id_of(document: Mapping[str, Any]) -> bytes:
    return bson.encode({"_id": document["_id"]})


def _expires(index: Document) -> bool:
    return "expireAfterSeconds" in index
