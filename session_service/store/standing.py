"""What voids tokens: accounts, the collection `revoked_tokens`, and a counter of changes."""

from contextlib import AbstractContextManager
from datetime import datetime

from session_service.models import Account
from session_service.store.accounts import to_account
from session_service.store.collection import EXPIRING, Collection
from session_service.store.database import Database, Deadline
from session_service.store.documents import to_date

GENERATION = "token_generation"  # a document of `counters`
LATEST = datetime(9999, 12, 31)


class StandingStore:
    """Reads whether tokens hold, one document a question."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._accounts = Collection(database, "accounts")
        self._counters = Collection(database, "counters")
        self._revoked = Collection(database, "revoked_tokens", [EXPIRING])

    def deadline(self) -> AbstractContextManager[Deadline]:
        return self._database.deadline()

    def generation(self) -> int:
        document = self._counters.find_one({"_id": GENERATION})
        return document["n"] if document else 0

    def next_generation(self) -> None:
        self._counters.count_up(GENERATION)

    def find_account(self, account_id: int) -> Account | None:
        document = self._accounts.find_one({"_id": account_id})
        return to_account(document) if document else None

    def is_revoked(self, token_id: str) -> bool:
        return self._revoked.find_one({"_id": token_id}) is not None

    def revoke(self, token_id: str, expires_at: float) -> None:
        """Notes it until the token expires (seconds since 1970), and then forgets it."""
        try:
            expires = to_date(int(expires_at * 1000))
        except OverflowError:
            expires = LATEST
        self._revoked.insert([{"_id": token_id, "expires": expires}])
