"""The pool of indexes: the collection `index_pool`."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict

from pymongo import ASCENDING, IndexModel

from session_service.models import IndexStatus, PoolIndex
from session_service.store.collection import Collection
from session_service.store.database import Database, Deadline
from session_service.store.documents import Document

IDS = "index_pool_ids"  # a document of `counters`
UNIQUE = [
    IndexModel([("index_id", ASCENDING)], unique=True),
    IndexModel([("user_id", ASCENDING)], unique=True, sparse=True),
]


class IndexPoolStore:
    """Indexes by their integer ids; each has one user at the most, and each user one of them."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._pool = Collection(database, "index_pool", UNIQUE)
        self._counters = Collection(database, "counters")

    def deadline(self) -> AbstractContextManager[Deadline]:
        return self._database.deadline()

    def next_id(self) -> int:
        """A number that no index of the pool has had before."""
        return self._counters.count_up(IDS)

    def insert(self, index: PoolIndex) -> bool:
        """Stores a new one; false when its `index_id` is there."""
        document = asdict(index)
        told = {name: value for name, value in document.items() if value is not None}
        return self._pool.insert([{"_id": told.pop("id"), **told}])

    def all(self, status: IndexStatus | None = None) -> list[PoolIndex]:
        """Those of that status, or all; in no order."""
        return [_to_index(each) for each in self._pool.find({"status": status} if status else {})]

    def find(self, number: int) -> PoolIndex | None:
        return self._one({"_id": number})

    def of_user(self, user_id: int) -> PoolIndex | None:
        return self._one({"user_id": user_id})

    def assign(self, number: int, user_id: int, now: int) -> bool:
        """Gives an available one to a user; false when it is not, or the user has one."""
        return self._pool.update(
            {"_id": number, "status": "AVAILABLE"},
            {
                "$set": {
                    "status": "ASSIGNED",
                    "user_id": user_id,
                    "assigned_at": now,
                    "updated_at": now,
                }
            },
        )

    def release(self, user_id: int, now: int) -> bool:
        """Takes a user's index back; false when it has none."""
        return self._pool.update(
            {"user_id": user_id},
            {
                "$set": {"status": "AVAILABLE", "updated_at": now},
                "$unset": {"user_id": "", "assigned_at": ""},
            },
        )

    def set_status(
        self, number: int, status: IndexStatus, now: int, *, among: Sequence[IndexStatus]
    ) -> bool:
        """Sets it where it is one of those; false elsewhere."""
        where = {"_id": number, "status": {"$in": list(among)}}
        return self._pool.update(where, {"$set": {"status": status, "updated_at": now}})

    def delete(self, number: int) -> bool:
        """Deletes one that is not assigned."""
        return self._pool.delete({"_id": number, "status": {"$ne": "ASSIGNED"}}) > 0

    def _one(self, where: Document) -> PoolIndex | None:
        document = self._pool.find_one(where)
        return _to_index(document) if document else None


def _to_index(document: Document) -> PoolIndex:
    return PoolIndex(
        id=document["_id"],
        index_id=document["index_id"],
        category_id=document["category_id"],
        name=document.get("name"),
        status=document["status"],
        user_id=document.get("user_id"),
        assigned_at=document.get("assigned_at"),
        created_at=document["created_at"],
        updated_at=document["updated_at"],
    )
