"""Sessions and their chats: the collections `sessions` and `chats` that peers may read.

Source: 会话服务, 数据库设计.
"""

from bson import ObjectId
from pymongo import ASCENDING, IndexModel

from session_service.models import LogState, Session
from session_service.store.collection import Collection
from session_service.store.database import Database
from session_service.store.documents import Document, Layout, from_date, to_date, to_state
from session_service.store.logs import LogStore

CHATS = Layout(
    heads="sessions",
    entries="chats",
    content=("user_id", "chat_content"),
    log="sess_id",
    sender="from",
    created_at="create_at",
    touched="update_at",
    dates=True,
)
NEWEST_FIRST = [("create_at", -1), ("_id", -1)]


class SessionStore(LogStore[Session]):
    """Sessions are the heads, chats the entries of one kind of log."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, CHATS, to_session)
        newest_first = IndexModel([("user_id", ASCENDING), *NEWEST_FIRST])
        self._sessions = Collection(database, CHATS.heads, [newest_first])

    def insert_session(self, session: Session) -> bool:
        """Stores a new session; false when one of this id is there already."""
        document = {
            "user_id": session.user_id,
            "sess_name": session.name,
            "create_at": to_date(session.created_at),
            "update_at": to_date(session.updated_at),
        }
        return self.insert_head(session.id, document)

    def page(
        self, user_id: str, *, before: tuple[int, str] | None = None, limit: int = 0
    ) -> list[Session]:
        """A user's sessions, newest first: at most `limit` (0: all) before (created_at, id)."""
        where: Document = {"user_id": user_id}
        if before:
            at, session_id = to_date(before[0]), ObjectId(before[1])
            where["$or"] = [
                {"create_at": {"$lt": at}},
                {"create_at": at, "_id": {"$lt": session_id}},
            ]
        found = self._sessions.find(where, sort=NEWEST_FIRST, limit=limit)
        return [to_session(each, to_state(each)) for each in found]

    def rename(self, session_id: str, name: str, at: int) -> bool:
        """Sets the name; false when there is no such session."""
        change = {"$set": {"sess_name": name}, "$max": {"update_at": to_date(at)}}
        return self._sessions.update({"_id": ObjectId(session_id)}, change)


def to_session(document: Document, state: LogState) -> Session:
    """The record of a session's document."""
    return Session(
        id=state.id,
        user_id=document["user_id"],
        name=document["sess_name"],
        created_at=from_date(document["create_at"]),
        updated_at=from_date(document["update_at"]),
        log=state,
    )
