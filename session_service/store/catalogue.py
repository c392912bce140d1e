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
    noted = _Noted()
    for store in STORES:
        store(noted)
    return noted.indexes


class _Noted(Database):
    """Notes what is asked for; nothing is connected."""

    def __init__(self) -> None:
        super().__init__(lambda: "", "")
        self.indexes: dict[str, list[IndexModel]] = {}

    def require(self, name: str, indexes: Sequence[IndexModel]) -> None:
        self.indexes.setdefault(name, []).extend(indexes)
