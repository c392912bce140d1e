"""Notes: the collection `notes`."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict
from typing import Any

from pymongo import ASCENDING, IndexModel

from session_service.models import Note
from session_service.store.collection import Collection
from session_service.store.database import Database, Deadline
from session_service.store.documents import Document

IDS = "note_ids"  # a document of `counters`
OF_USER = IndexModel([("user_id", ASCENDING), ("status", ASCENDING), ("created_at", ASCENDING)])


class NoteStore:
    """Notes by their integer ids."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._notes = Collection(database, "notes", [OF_USER])
        self._counters = Collection(database, "counters")

    def deadline(self) -> AbstractContextManager[Deadline]:
        return self._database.deadline()

    def next_id(self) -> int:
        """A number that no note has had before."""
        return self._counters.count_up(IDS)

    def insert(self, note: Note) -> None:
        """Stores a new note; one that is there already stays."""
        document = asdict(note)
        self._notes.insert([{"_id": document.pop("id"), **document}])

    def find(self, note_id: int) -> Note | None:
        """The note of that id, also a deleted one."""
        document = self._notes.find_one({"_id": note_id})
        return to_note(document) if document else None

    def of_user(self, user_id: int) -> list[Note]:
        """A user's active notes; in no order."""
        found = self._notes.find({"user_id": user_id, "status": "active"})
        return [to_note(each) for each in found]

    def change(self, note: Note, changes: Mapping[str, Any]) -> bool:
        """Changes an active note; false where it is not, or not any more."""
        active = {"_id": note.id, "status": "active"}
        return self._notes.update(active, {"$set": dict(changes)})

    def stamps(self, user_id: int) -> list[tuple[int, int]]:
        """The ids of a user's active notes, and when (ms) each was changed last."""
        where = {"user_id": user_id, "status": "active"}
        found = self._notes.find(where, fields=("updated_at",))
        return [(each["_id"], each["updated_at"]) for each in found]

    def find_many(self, note_ids: Sequence[int]) -> list[Note]:
        """Those of these notes that there are."""
        return [to_note(each) for each in self._notes.find({"_id": {"$in": [*note_ids]}})]

    def delete_all(self, user_id: int) -> None:
        """Deletes what a user has, for good."""
        self._notes.delete({"user_id": user_id})


def to_note(document: Document) -> Note:
    """The record of a note's document."""
    return Note(
        id=document["_id"],
        user_id=document["user_id"],
        source=document["source"],
        title=document["title"],
        content=document["content"],
        comment=document["comment"],
        tags=tuple(document["tags"]),
        status=document["status"],
        created_at=document["created_at"],
        updated_at=document["updated_at"],
    )
