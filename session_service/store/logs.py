"""A log of messages in two collections: the heads, and the entries under unique keys."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, ClassVar, Generic, TypeVar

from bson import ObjectId
from pymongo import ASCENDING, IndexModel

from session_service.models import Changes, Entry, LogState
from session_service.store.collection import Collection
from session_service.store.database import Database, Deadline
from session_service.store.documents import Document, Layout, field_of, to_state

H = TypeVar("H")


class LogStore(Generic[H]):
    """The operations of the message log on one pair of collections.

    `to_head` makes the record of a head from its document and the state of its log; `indexes`
    are those of the heads.
    """

    BEGUN: ClassVar[Document] = {}  # what a head must be like for anybody to see it

    def __init__(
        self,
        database: Database,
        layout: Layout,
        to_head: Callable[[Document, LogState], H],
        indexes: Sequence[IndexModel] = (),
    ) -> None:
        self._database = database
        self._layout = layout
        self._to_head = to_head
        self._heads = Collection(database, layout.heads, indexes)
        self._retired = Collection(database, layout.retired)
        self._entries = Collection(
            database,
            layout.entries,
            [
                IndexModel([(layout.log, ASCENDING), ("seq", ASCENDING)], unique=True),
                IndexModel(
                    [(layout.log, ASCENDING), (layout.sender, ASCENDING), ("key", ASCENDING)],
                    unique=True,
                ),
                IndexModel([(layout.log, ASCENDING), (layout.created_at, ASCENDING)]),
            ],
        )

    def deadline(self) -> AbstractContextManager[Deadline]:
        return self._database.deadline()

    def find(self, log_id: str) -> H | None:
        document = self._heads.find_one({"_id": ObjectId(log_id)})
        return self._to_head(document, to_state(document)) if document else None

    def insert(self, log_id: str, entries: Sequence[Entry]) -> bool:
        return self._entries.insert([self._layout.to_document(log_id, entry) for entry in entries])

    def commit(self, state: LogState, changes: Changes) -> bool:
        where = {"_id": ObjectId(state.id), "seq": state.seq}
        if self._layout.shown:
            where["cleared"] = state.cleared  # or else a new view would miss these entries
        return self._heads.update(where, self._layout.to_update(state, changes))

    def discard(self, entries: Sequence[Entry]) -> None:
        if entries:
            self._entries.delete({"_id": {"$in": [ObjectId(entry.id) for entry in entries]}})

    def between(self, log_id: str, after: int, before: int) -> list[Entry]:
        where = {self._layout.log: ObjectId(log_id), "seq": {"$gt": after, "$lt": before}}
        return [
            self._layout.to_entry(each) for each in self._entries.find(where, sort=[("seq", 1)])
        ]

    def find_by_key(self, log_id: str, sender: str, key: str) -> Entry | None:
        document = self._entries.find_one(
            {self._layout.log: ObjectId(log_id), self._layout.sender: sender, "key": key}
        )
        return self._layout.to_entry(document) if document else None

    def seq_at(self, log_id: str, at: int) -> int | None:
        document = self._entries.find_one(
            {self._layout.log: ObjectId(log_id), self._layout.created_at: self._layout.to_time(at)}
        )
        return document["seq"] if document else None

    def times(self, log_id: str, seqs: Sequence[int]) -> list[tuple[int, int]]:
        found = self._entries.find(
            {self._layout.log: ObjectId(log_id), "seq": {"$in": list(seqs)}},
            fields=("seq", self._layout.created_at),
        )
        return sorted((each["seq"], self._layout.from_time(each)) for each in found)

    def mark_read(self, log_id: str, member: str, now: int) -> bool:
        field = field_of(member)
        return self._heads.update(
            {"_id": ObjectId(log_id), "members": member, **self.BEGUN},
            [
                {
                    "$set": {
                        f"seen.{field}": "$total",
                        f"read.{field}": "$seq",
                        f"read_at.{field}": now,
                    }
                }
            ],
        )

    def mark_read_to(self, state: LogState, member: str, read: int, count: int, now: int) -> bool:
        field = field_of(member)
        return self._heads.update(
            {
                "_id": ObjectId(state.id),
                "members": member,
                f"read.{field}": state.read[member],
            },
            {
                "$inc": {f"seen.{field}": count},
                "$set": {f"read.{field}": read, f"read_at.{field}": now},
            },
        )

    def count_from_others(self, log_id: str, member: str, after: int, upto: int) -> int:
        sender = self._layout.sender
        # The embedded database reads the whole log when it is asked for more than the range.
        found = self._entries.find(
            {self._layout.log: ObjectId(log_id), "seq": {"$gt": after, "$lte": upto}},
            fields=(sender, "silent", "to"),
        )
        return sum(
            each[sender] != member and not each.get("silent") and each.get("to") in (None, member)
            for each in found
        )

    def insert_head(self, log_id: str, document: Mapping[str, Any]) -> bool:
        """Makes a new, empty log; false when there is one of this id already."""
        return self._heads.insert([{"_id": ObjectId(log_id), **document, "seq": 0, "at": 0}])

    def retire(self, log_id: str, seq: int, now: int) -> None:
        """Notes that a log is to go, and takes its head away: from now on there is none."""
        self._retired.insert([{"_id": ObjectId(log_id), "seq": seq, "at": now}])
        self._heads.delete({"_id": ObjectId(log_id)})

    def retired(self) -> list[tuple[str, int, int]]:
        """The logs that are to go: id, last seq, and since when (ms)."""
        return [(str(each["_id"]), each["seq"], each["at"]) for each in self._retired.find({})]

    def delete_entries(self, log_id: str, before: int | None = None) -> None:
        """Deletes a log's entries; with `before` those of a lower seq."""
        where: Document = {self._layout.log: ObjectId(log_id)}
        if before is not None:
            where["seq"] = {"$gt": 0, "$lt": before}
        self._entries.delete(where)

    def raise_floor(self, log_id: str, floor: int) -> None:
        """Deletes the entries up to that place, which nobody may take or see from now on."""
        self._heads.update({"_id": ObjectId(log_id)}, {"$max": {"floor": floor}})
        self.delete_entries(log_id, floor + 1)

    def forget_retired(self, log_id: str) -> None:
        self._retired.delete({"_id": ObjectId(log_id)})
