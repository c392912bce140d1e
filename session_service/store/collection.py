"""The few things the service asks of a collection; whatever fails is Unavailable."""

from collections.abc import Sequence

from pymongo import IndexModel
from pymongo.errors import BulkWriteError, DuplicateKeyError

from session_service.store.database import Database
from session_service.store.documents import Document

DUPLICATE_KEY = 11000


class Collection:
    """One collection; its indexes are made before anything is written."""

    def __init__(self, database: Database, name: str, indexes: Sequence[IndexModel] = ()) -> None:
        if indexes:
            database.require(name, indexes)
        self._database = database
        self._name = name

    def find_one(self, where: Document) -> Document | None:
        with self._database.reading() as database:
            return database[self._name].find_one(where)

    def find(
        self,
        where: Document,
        *,
        fields: Sequence[str] | None = None,
        sort: Sequence[tuple[str, int]] = (),
        limit: int = 0,
    ) -> list[Document]:
        with self._database.reading() as database:
            cursor = database[self._name].find(where, fields, limit=limit, batch_size=1000)
            return list(cursor.sort(list(sort)) if sort else cursor)

    def count(self, where: Document) -> int:
        with self._database.reading() as database:
            return database[self._name].count_documents(where)

    def insert(self, documents: Sequence[Document]) -> bool:
        """Stores them in order; false when a unique key stopped it on the way."""
        with self._database.writing() as database:
            try:
                if len(documents) == 1:
                    database[self._name].insert_one(documents[0])
                else:
                    database[self._name].insert_many(documents)
            except DuplicateKeyError:
                return False
            except BulkWriteError as error:
                codes = {failed["code"] for failed in error.details["writeErrors"]}
                if codes != {DUPLICATE_KEY}:
                    raise
                return False
            return True

    def update(self, where: Document, change: Document | Sequence[Document]) -> bool:
        """Changes one document; false when none matched."""
        with self._database.writing() as database:
            return database[self._name].update_one(where, change).matched_count > 0

    def delete(self, where: Document) -> int:
        """Deletes all that match and says how many."""
        with self._database.writing() as database:
            return database[self._name].delete_many(where).deleted_count
