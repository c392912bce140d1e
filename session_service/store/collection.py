"""The few things the service asks of a collection; whatever fails is Unavailable.

What every request asks is sent as a command: PyMongo's helpers compute nearly half as much
again for the same answer. Each of these commands bears being sent twice, and is where the
connection breaks, but for `update_once`.
"""

from collections.abc import Sequence
from contextlib import suppress

from pymongo import ASCENDING, IndexModel
from pymongo.database import Database as MongoDatabase
from pymongo.errors import AutoReconnect, OperationFailure

from session_service.store.database import Database
from session_service.store.documents import Document

DUPLICATE_KEY = 11000
BATCH = 10_000  # documents; the server sends fewer where they are large
# Documents with such a date go when it comes.
EXPIRING = IndexModel([("expires", ASCENDING)], expireAfterSeconds=0)


class Collection:
    """One collection; its indexes are made before anything is written."""

    def __init__(self, database: Database, name: str, indexes: Sequence[IndexModel] = ()) -> None:
        database.require(name, indexes)
        self._database = database
        self._name = name

    def find_one(self, where: Document) -> Document | None:
        command = {"find": self._name, "filter": where, "limit": 1, "singleBatch": True}
        with self._database.reading() as database:
            found: list[Document] = _run(database, command)["cursor"]["firstBatch"]
            return found[0] if found else None

    def find(
        self,
        where: Document,
        *,
        fields: Sequence[str] = (),
        sort: Sequence[tuple[str, int]] = (),
    ) -> list[Document]:
        command: Document = {"find": self._name, "filter": where, "batchSize": BATCH}
        if fields:
            command["projection"] = dict.fromkeys(fields, 1)
        if sort:
            command["sort"] = dict(sort)
        with self._database.reading() as database:
            cursor = _run(database, command)["cursor"]
            if not cursor["id"]:
                found: list[Document] = cursor["firstBatch"]
                return found
            _run(database, {"killCursors": self._name, "cursors": [cursor["id"]]})
            whole = database[self._name].find(where, fields or None, batch_size=BATCH)
            return list(whole.sort(list(sort)) if sort else whole)

    def insert(self, documents: Sequence[Document]) -> bool:
        """Stores them in order; false when a unique key stopped it on the way."""
        reply = self._write({"insert": self._name, "documents": documents})
        return "writeErrors" not in reply

    def update(self, where: Document, change: Document | Sequence[Document]) -> bool:
        """Changes one document; false when none matched."""
        reply = self._write({"update": self._name, "updates": [{"q": where, "u": change}]})
        return "writeErrors" not in reply and reply["n"] > 0

    def update_once(self, where: Document, change: Document) -> bool:
        """The same for what must not be done twice: never sent again, Unavailable when in doubt."""
        command = {"update": self._name, "updates": [{"q": where, "u": change}]}
        changed: int = self._write(command, attempts=1)["n"]
        return changed > 0

    def update_each(self, changes: Sequence[tuple[Document, Document]]) -> int:
        """Changes one document for each pair of filter and update, by one round trip.

        Says how many there were; fewer where the command was sent twice.
        """
        updates = [{"q": where, "u": change} for where, change in changes]
        reply = self._write({"update": self._name, "updates": updates, "ordered": False})
        count: int = reply["n"]
        return count

    def count_up(self, counter: str, first: int = 1) -> int:
        """The next number of the counter of that id, from `first` on; some may be left out.

        For collections that hold a few documents: the embedded database reads all of them.
        """
        count = {"findAndModify": self._name, "query": {"_id": counter}, "new": True}
        while True:
            found = self._write({**count, "update": {"$inc": {"n": 1}}})["value"]
            if found and found["n"] >= first:
                number: int = found["n"]
                return number
            if found:
                self.update({"_id": counter}, {"$max": {"n": first - 1}})
            else:
                self.insert([{"_id": counter, "n": first - 1}])  # false: somebody was quicker

    def delete(self, where: Document) -> int:
        """Deletes all that match and says how many."""
        with self._database.writing() as database:
            return database[self._name].delete_many(where).deleted_count

    def _write(self, command: Document, attempts: int = 2) -> Document:
        """The server's reply; of errors it holds those of unique keys only."""
        with self._database.writing() as database:
            if concern := database.write_concern.document:
                command["writeConcern"] = concern
            reply = _run(database, command, attempts)
            errors = [
                each for each in reply.get("writeErrors", ()) if each["code"] != DUPLICATE_KEY
            ]
            errors += [reply["writeConcernError"]] if "writeConcernError" in reply else []
            if errors:
                raise OperationFailure(str(errors[0].get("errmsg")), errors[0].get("code"))
            return reply


def _run(database: MongoDatabase[Document], command: Document, attempts: int = 2) -> Document:
    """The reply to a command, sent again where the connection broke."""
    for _ in range(attempts - 1):
        with suppress(AutoReconnect):
            return database.command(dict(command))
    return database.command(dict(command))
