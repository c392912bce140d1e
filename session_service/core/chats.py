"""Chats: a user's own histories, written message by message by its client.

Source: 会话 API, `chat.py` - 聊天功能. There are no automatic replies here.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Protocol

from session_service.core.log_store import Deadline
from session_service.core.message_log import MessageLog
from session_service.core.user_ids import integer_id
from session_service.errors import Conflict, NotFound
from session_service.models import Chat, Draft, Entry, LogState, User

MOST_MESSAGES = 2**22  # of a chat: a message's id holds its place in so many bits


class ChatStore(Protocol):
    """Where chats are kept, as far as their logs do not see to it."""

    def deadline(self) -> AbstractContextManager[Deadline]: ...

    def log_id(self, chat_id: int) -> str: ...

    def next_id(self) -> int: ...

    def find(self, log_id: str) -> Chat | None: ...

    def insert_chat(self, chat: Chat) -> bool: ...

    def page(self, user_id: int, *, now: int, skip: int, limit: int | None) -> list[Chat]: ...

    def rename(self, chat_id: int, title: str, at: int) -> bool: ...


class Chats:
    """What a user may do with chats; unknown ones and somebody else's are NotFound.

    Times are in ms since 1970. Users are known by integers here: others are Forbidden.
    Everything may raise Unavailable.
    """

    def __init__(
        self, store: ChatStore, log: MessageLog[Chat], *, clock: Callable[[], int]
    ) -> None:
        self._store = store
        self._log = log
        self._clock = clock

    def open(self, user: User, title: str) -> Chat:
        """Creates a chat that belongs to the user."""
        user_id = integer_id(user)
        with self._store.deadline():
            chat_id, now = self._store.next_id(), self._clock()
            log = LogState(self._store.log_id(chat_id))
            chat = Chat(chat_id, user_id, title, created_at=now, updated_at=now, log=log)
            self._store.insert_chat(chat)  # false: sent twice, stored by the first
        return chat

    def list(self, user: User, *, skip: int = 0, limit: int | None = None) -> Sequence[Chat]:
        """The user's chats, newest first: at most `limit` (None: all), after the first `skip`."""
        user_id = integer_id(user)
        if limit == 0:
            return []
        with self._store.deadline():
            return self._store.page(user_id, now=self._clock(), skip=skip, limit=limit)

    def get(self, user: User, chat_id: int) -> Chat:
        user_id = integer_id(user)
        with self._store.deadline():
            chat = self._store.find(self._store.log_id(chat_id))
        if chat is None:
            raise NotFound("no such chat")
        _owned(chat, user_id)
        return chat

    def history(self, user: User, chat_id: int) -> tuple[Chat, Sequence[Entry]]:
        """A chat and all its messages, oldest first."""
        chat = self.get(user, chat_id)
        return chat, self._log.oldest(chat.log)

    def messages(self, user: User, chat_id: int, *, skip: int, limit: int) -> Sequence[Entry]:
        """At most `limit` messages, oldest first, after the first `skip`."""
        chat = self.get(user, chat_id)
        return self._log.oldest(chat.log, after=skip, limit=limit)

    def rename(self, user: User, chat_id: int, title: str) -> Chat:
        with self._store.deadline():
            chat, now = self.get(user, chat_id), self._clock()
            if not self._store.rename(chat_id, title, now):
                raise NotFound("no such chat")
        return replace(chat, title=title, updated_at=max(now, chat.updated_at))

    def delete(self, user: User, chat_id: int) -> None:
        """Deletes a chat and its messages."""
        self._log.delete(self.get(user, chat_id).log)

    def post(self, user: User, chat_id: int, role: str, text: str, key: str) -> Entry:
        """Stores a message of any role.

        The same key with the same message gives what was stored the first time, with another
        one KeyReused.
        """
        user_id = integer_id(user)

        def judge(state: LogState) -> None:
            if state.seq >= MOST_MESSAGES - 1:
                raise Conflict("this chat is full", code="chat_full")

        posted = self._log.post(
            self._store.log_id(chat_id),
            Draft(sender=user.id, key=key, content={"role": role, "content": text}),
            admit=lambda chat: _owned(chat, user_id),
            judge=judge,
        )
        return posted.entry


def message_id(chat_id: int, seq: int) -> int:
    """A message's id: below 2^53 for two billion chats, and increasing within each."""
    return chat_id * MOST_MESSAGES + seq


def _owned(chat: Chat, user_id: int) -> None:
    if chat.user_id != user_id:
        raise NotFound("no such chat")
