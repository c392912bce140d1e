"""Files as GridFS has them: the collections `uploads.files` and `uploads.chunks`."""

from collections.abc import Sequence
from contextlib import AbstractContextManager

from bson import Binary, ObjectId
from pymongo import ASCENDING, IndexModel

from session_service.models import StoredFile
from session_service.store.collection import Collection
from session_service.store.database import Database, Deadline
from session_service.store.documents import Document, from_date, to_date

FILES, CHUNKS = "uploads.files", "uploads.chunks"
COMING, NEW, KEPT, GOING = "coming", "new", "kept", "going"
BY_USER = IndexModel([("metadata.user_id", ASCENDING), ("uploadDate", ASCENDING)])
BY_REMOVAL = IndexModel([("metadata.remove_at", ASCENDING)], sparse=True)
IN_ORDER = IndexModel([("files_id", ASCENDING), ("n", ASCENDING)], unique=True)
BATCH = 100  # chunks that one operation deletes


class FileStore:
    """Writes and reads chunk by chunk, where the driver's own GridFS holds up to 16 MiB.

    A file is coming, new, kept or going; until it is kept it has a time of its removal.
    """

    chunk_bytes = 255 * 1024

    def __init__(self, database: Database) -> None:
        self._database = database
        self._files = Collection(database, FILES, [BY_USER, BY_REMOVAL])
        self._chunks = Collection(database, CHUNKS, [IN_ORDER])

    def deadline(self) -> AbstractContextManager[Deadline]:
        return self._database.deadline()

    def begin(self, file: StoredFile, user_id: str, remove_at: int) -> None:
        """Notes that a file is on its way; it counts with the size it is announced with."""
        about = {"user_id": user_id, "state": COMING, "remove_at": to_date(remove_at)}
        self._files.insert(
            [
                {
                    "_id": file.id,
                    "filename": file.name,
                    "length": file.size,
                    "chunkSize": self.chunk_bytes,
                    "uploadDate": to_date(file.created_at),
                    "metadata": about,
                }
            ]
        )

    def allot(self, file_id: str, size: int) -> None:
        """Has a file that is on its way count with that size."""
        self._files.update({"_id": file_id}, {"$set": {"length": size}})

    def write(self, file_id: str, number: int, chunk: bytes) -> None:
        document = {"_id": ObjectId(), "files_id": file_id, "n": number, "data": Binary(chunk)}
        self._chunks.insert([document])

    def finish(self, file: StoredFile) -> bool:
        """Has the file there, with its real size and type; false when it is gone."""
        there = {"_id": file.id, "metadata.state": {"$in": [COMING, NEW]}}
        whole = {"length": file.size, "metadata.type": file.type, "metadata.state": NEW}
        return self._files.update(there, {"$set": whole})

    def remove(self, file_id: str, size: int) -> None:
        """Deletes what there is of a file that has so many bytes at the most, its record last."""
        for first in range(0, size // self.chunk_bytes + 1, BATCH):
            batch = {"$gte": first, "$lt": first + BATCH}
            self._chunks.delete({"files_id": file_id, "n": batch})
        self._files.delete({"_id": file_id})

    def find(self, file_id: str) -> StoredFile | None:
        """A file that is there as a whole, and not on its way out."""
        document = self._files.find_one({"_id": file_id})
        if document is None or document["metadata"]["state"] not in (NEW, KEPT):
            return None
        return StoredFile(
            id=document["_id"],
            name=document["filename"],
            size=document["length"],
            type=document["metadata"]["type"],
            created_at=from_date(document["uploadDate"]),
        )

    def chunk(self, file_id: str, number: int) -> bytes | None:
        document = self._chunks.find_one({"files_id": file_id, "n": number})
        return bytes(document["data"]) if document else None

    def keep(self, file_id: str, name: str | None = None) -> bool:
        """Has it stay for good; false when there is no such file, or none of that name."""
        there: Document = {"_id": file_id, "metadata.state": {"$in": [NEW, KEPT]}}
        if name is not None:
            there["filename"] = name
        stay = {"$set": {"metadata.state": KEPT}, "$unset": {"metadata.remove_at": ""}}
        return self._files.update(there, stay)

    def uploads(self, user_id: str, since: int) -> Sequence[tuple[int, int]]:
        """When (ms) a user has begun to upload what since then, and how many bytes each."""
        where = {"metadata.user_id": user_id, "uploadDate": {"$gt": to_date(since)}}
        found = self._files.find(where, fields=("length", "uploadDate"))
        return [(from_date(each["uploadDate"]), each["length"]) for each in found]

    def forgotten(self, now: int) -> Sequence[tuple[str, int, int]]:
        """What may be removed by now (ms): id, size and since when."""
        due = {"metadata.remove_at": {"$lt": to_date(now)}}
        found = self._files.find(due, fields=("length", "metadata.remove_at"))
        return [
            (each["_id"], each["length"], from_date(each["metadata"]["remove_at"]))
            for each in found
        ]

    def claim(self, file_id: str, since: int, until: int) -> bool:
        """Has nobody keep it any more, or remove it until then; false when somebody was quicker."""
        unchanged = {"_id": file_id, "metadata.remove_at": to_date(since)}
        going = {"metadata.state": GOING, "metadata.remove_at": to_date(until)}
        return self._files.update(unchanged, {"$set": going})
