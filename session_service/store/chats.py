"""Chats of the `/v1` dialect: documents of the kind `chat` in `conversations`, and `messages`."""

from bson import ObjectId
from pymongo import ASCENDING, IndexModel

from session_service.models import Chat, LogState
from session_service.store.database import Database
from session_service.store.documents import Document, Layout, to_state
from session_service.store.looking_back import looking_back
from session_service.store.numbered import NumberedLogs

KIND = "chat"
MESSAGES = Layout(
    heads="conversations",
    entries="messages",
    content=("role", "content"),
    touched="updated_at",
)
BY_AGE = IndexModel([("kind", ASCENDING), ("user_id", ASCENDING), ("created_at", ASCENDING)])


class ChatStore(NumberedLogs[Chat]):
    """Chats are the heads, messages the entries of one kind of log; chats have integer ids."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, MESSAGES, to_chat, [BY_AGE], KIND)

    def insert_chat(self, chat: Chat) -> bool:
        """Stores a new chat; false when one of this id is there already."""
        document = {
            "kind": KIND,
            "number": chat.id,
            "user_id": chat.user_id,
            "title": chat.title,
            "created_at": chat.created_at,
            "updated_at": chat.updated_at,
        }
        return self.insert_head(chat.log.id, document)

    def page(self, user_id: int, *, now: int, skip: int, limit: int | None) -> list[Chat]:
        """A user's chats, newest first: at most `limit` (None: all), after the first `skip`."""
        most = 0 if limit is None else skip + limit
        return looking_back(lambda start: self._since(start, user_id), now, most)[skip:]

    def rename(self, chat_id: int, title: str, at: int) -> bool:
        """Sets the title; false when there is no such chat."""
        change = {"$set": {"title": title}, "$max": {"updated_at": at}}
        return self._heads.update({"_id": ObjectId(self.log_id(chat_id))}, change)

    def _since(self, start: int | None, user_id: int) -> list[Chat]:
        where: Document = {"kind": KIND, "user_id": user_id}
        if start is not None:
            where["created_at"] = {"$gt": start}
        found = [to_chat(each, to_state(each)) for each in self._heads.find(where)]
        return sorted(found, key=lambda chat: (chat.created_at, chat.id), reverse=True)


def to_chat(document: Document, state: LogState) -> Chat:
    """The record of a chat's document."""
    return Chat(
        id=document["number"],
        user_id=document["user_id"],
        title=document["title"],
        created_at=document["created_at"],
        updated_at=document["updated_at"],
        log=state,
    )
