"""Sessions and their chats: the collections `sessions` and `chats` that peers may read.

Source: 会话服务, 数据库设计.
"""

from bson import ObjectId
from pymongo import ASCENDING, IndexModel

from session_service.models import LogState, Session
from session_service.store.database import Database
from session_service.store.documents import Document, Layout, from_date, to_date, to_state
from session_service.store.logs import LogStore
from session_service.store.looking_back import looking_back

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
BY_AGE = IndexModel([("user_id", ASCENDING), ("create_at", ASCENDING)])


class SessionStore(LogStore[Session]):
    """Sessions are the heads, chats the entries of one kind of log."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, CHATS, to_session, [BY_AGE])

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
        self, user_id: str, *, now: int, before: tuple[int, str] | None = None, limit: int = 0
    ) -> list[Session]:
        """A user's sessions, newest first: at most `limit` (0: all) before (created_at, id)."""
        end = before[0] if before else now
        return looking_back(lambda start: self._since(start, user_id, before), end, limit)

    def _since(
        self, start: int | None, user_id: str, before: tuple[int, str] | None
    ) -> list[Session]:
        created: Document = {"$gt": to_date(start)} if start is not None else {}
        if before:
            created["$lte"] = to_date(before[0])
        where = {"user_id": user_id, "create_at": created} if created else {"user_id": user_id}
        found = [to_session(each, to_state(each)) for each in self._heads.find(where)]
        found.sort(key=_age, reverse=True)
        return [each for each in found if before is None or _age(each) < before]

    def rename(self, session_id: str, name: str, at: int) -> bool:
        """Sets the name; false when there is no such session."""
        change = {"$set": {"sess_name": name}, "$max": {"update_at": to_date(at)}}
        return self._heads.update({"_id": ObjectId(session_id)}, change)


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


def _age(session: Session) -> tuple[int, str]:
    return session.created_at, session.id
