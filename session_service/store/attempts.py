"""Logins that failed or are under way, and addresses known to names: `login_attempts`."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager

from session_service.models import Attempt
from session_service.store.collection import EXPIRING, Collection
from session_service.store.database import Database, Deadline
from session_service.store.documents import Document, to_date


class AttemptStore:
    """One document for each place; a place is taken by who inserts it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._attempts = Collection(database, "login_attempts", [EXPIRING])

    def deadline(self) -> AbstractContextManager[Deadline]:
        return self._database.deadline()

    def find(self, places: Sequence[str]) -> Mapping[str, Attempt]:
        """The attempts that stand at these places."""
        found = self._attempts.find({"_id": {"$in": list(places)}})
        return {
            each["_id"]: Attempt(each["_id"], each["id"], each["at"], each["failed"])
            for each in found
        }

    def take(self, attempts: Sequence[Attempt], until: int) -> bool:
        """Stores them until then (ms); false when a place was taken, others may be stored."""
        return self._attempts.insert([_document(each, until) for each in attempts])

    def fail(self, attempts: Sequence[Attempt]) -> None:
        for each in attempts:
            self._attempts.update(_one(each), {"$set": {"failed": True}})

    def remove(self, attempts: Sequence[Attempt]) -> None:
        if attempts:
            places, ids = [each.place for each in attempts], [each.id for each in attempts]
            self._attempts.delete({"_id": {"$in": places}, "id": {"$in": ids}})

    def remember(self, attempt: Attempt, until: int) -> None:
        """Stores it until then (ms), in place of what stands there."""
        document = _document(attempt, until)
        if not self._attempts.insert([document]):
            self._attempts.update({"_id": attempt.place}, document)


def _one(attempt: Attempt) -> Document:
    return {"_id": attempt.place, "id": attempt.id}


def _document(attempt: Attempt, until: int) -> Document:
    return {
        "_id": attempt.place,
        "id": attempt.id,
        "at": attempt.at,
        "failed": attempt.failed,
        "expires": to_date(until),
    }
