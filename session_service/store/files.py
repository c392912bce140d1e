"""Files as GridFS has them: the collections `uploads.files` and `uploads.chunks`."""

from contextlib import AbstractContextManager

from bson import Binary, ObjectId
from pymongo import ASCENDING, IndexModel

from session_service.models import StoredFile
from session_service.store.collection import Collection
from session_service.store.database import Database, Deadline
from session_service.store.documents import Document, from_date, to_date

CHUNK_BYTES = 255 * 1024
COMING, NEW, KEPT, GOING = "coming", "new", "kept", "going"
BY_USER = IndexModel([("metadata.user_id", ASCENDING), ("uploadDate", ASCENDING)])
BY_STATE = IndexModel([("metadata.state", ASCENDING), ("uploadDate", ASCENDING)])
IN_ORDER = IndexModel([("files_id", ASCENDING), ("n", ASCENDING)], unique=True)


class FileStore:
    """Writes and reads chunk by chunk, where the driver's own GridFS holds up to 16 MiB."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._files = Collection(database, "uploads.files", [BY_USER, BY_STATE])
        self._chunks = Collection(database, "uploads.chunks", [IN_ORDER])

    def deadline(self) -> AbstractContextManager[Deadline]:
        return self._database.deadline()

    def begin(self, file: StoredFile, user_id: str) -> None:
        """Notes that a file is on its way; it counts with the size it is announced with."""
        self._files.insert(
            [
                {
                    "_id": file.id,
                    "filename": file.name,
                    "length": file.size,
                    "chunkSize": CHUNK_BYTES,
                    "uploadDate": to_date(file.created_at),
                    "metadata": {"user_id": user_id, "state": COMING},
                }
            ]
        )

    def write(self, file_id: str, number: int, chunk: bytes) -> None:
        document = {"_id": ObjectId(), "files_id": file_id, "n": number, "data": Binary(chunk)}
        self._chunks.insert([document])

    def finish(self, file: StoredFile) -> None:
        """Has the file there, with its real size and type."""
        whole = {"length": file.size, "metadata.type": file.type, "metadata.state": NEW}
        self._files.update({"_id": file.id}, {"$set": whole})

    def remove(self, file_id: str) -> None:
        """Deletes what there is of a file, its record last."""
        self._chunks.delete({"files_id": file_id})
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

    def keep(self, file_id: str) -> bool:
        """Has it stay for good; false when there is no such file."""
        there = {"_id": file_id, "metadata.state": {"$in": [NEW, KEPT]}}
        return self._files.update(there, {"$set": {"metadata.state": KEPT}})

    def uploads(self, user_id: str, since: int) -> list[tuple[int, int]]:
        """When (ms) a user has begun to upload what since then, and how many bytes each."""
        where: Document = {"metadata.user_id": user_id, "uploadDate": {"$gt": to_date(since)}}
        found = self._files.find(where, fields=("length", "uploadDate"))
        return [(from_date(each["uploadDate"]), each["length"]) for each in found]

    def forgotten(self, before: int) -> list[str]:
        """Uploads begun before then (ms) that are not to stay."""
        states = {"$in": [COMING, NEW, GOING]}
        where = {"metadata.state": states, "uploadDate": {"$lt": to_date(before)}}
        return [each["_id"] for each in self._files.find(where, fields=("_id",))]

    def claim(self, file_id: str) -> bool:
        """Has nobody keep it any more; false when somebody has kept it."""
        there = {"_id": file_id, "metadata.state": {"$ne": KEPT}}
        return self._files.update(there, {"$set": {"metadata.state": GOING}})
