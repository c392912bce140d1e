"""What the service keeps in its database: its logs, and the indexes of its collections."""

from collections.abc import Callable, Mapping, Sequence

from pymongo import IndexModel

from session_service.store.database import Database
from session_service.store.documents import Layout
from session_service.store.sessions import CHATS, SessionStore

LAYOUTS: tuple[Layout, ...] = (CHATS,)
STORES: tuple[Callable[[Database], object], ...] = (SessionStore,)


def required_indexes() -> Mapping[str, Sequence[IndexModel]]:
    """The indexes that the stores ask for, by collection."""
    database = Database(lambda: "", "")  # asked for nothing else, it connects nowhere
    for store in STORES:
        store(database)
    return database.required
