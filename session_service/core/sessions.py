"""Sessions: a user's own dialogues, each message of which gets an automatic reply.

Source: 会话服务, 数据流程.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import datetime
from typing import Any, Protocol

from session_service.core.ids import entry_time, log_time, new_log_id
from session_service.core.log_store import Deadline
from session_service.core.message_log import MessageLog
from session_service.core.sending import SERVER, Answer, Posted
from session_service.errors import Forbidden, NotFound
from session_service.models import Draft, Entry, LogState, Prompt, Session, Turn, User

USER = "user"


class SessionStore(Protocol):
    """Where sessions are kept, as far as their logs do not see to it."""

    def deadline(self) -> AbstractContextManager[Deadline]: ...

    def find(self, log_id: str) -> Session | None: ...

    def insert_session(self, session: Session) -> bool: ...

    def page(
        self, user_id: str, *, now: int, before: tuple[int, str] | None = None, limit: int = 0
    ) -> list[Session]: ...

    def rename(self, session_id: str, name: str, at: int) -> bool: ...


class Responder(Protocol):
    """Who makes the automatic replies; never fails."""

    @property
    def instant(self) -> bool: ...

    def answer(self, prompt: Prompt) -> str: ...


class Sessions:
    """What a user may do with sessions; somebody else's are Forbidden, unknown ones NotFound.

    Times are in ms since 1970. `patience_s` is how long a reply may be in the making before
    its maker is taken for dead. Everything may raise Unavailable.
    """

    def __init__(
        self,
        store: SessionStore,
        log: MessageLog[Session],
        responder: Responder,
        *,
        clock: Callable[[], int],
        patience_s: float,
        new_id: Callable[[int], str] = new_log_id,
    ) -> None:
        self._store = store
        self._log = log
        self._responder = responder
        self._clock = clock
        self._patience_ms = int(patience_s * 1000)
        self._new_id = new_id

    def open(self, user: User, name: str) -> Session:
        """Creates a session that belongs to the user."""
        now = self._clock()
        session = Session(
            id=(session_id := self._new_id(now)),
            user_id=user.id,
            name=name,
            created_at=now,
            updated_at=now,
            log=LogState(session_id),
        )
        with self._store.deadline():
            self._store.insert_session(session)
        return session

    def list(
        self, user: User, *, limit: int | None = None, before: str | None = None
    ) -> tuple[Sequence[Session], str | None]:
        """The user's sessions, newest first, and the cursor of the following page if any.

        `before` is the id of a session, which may be gone by now. Without a limit: all.
        """
        place = (log_time(before), before) if before else None
        with self._store.deadline():
            found = self._store.page(
                user.id, now=self._clock(), before=place, limit=limit + 1 if limit else 0
            )
        page = found[:limit]
        return page, page[-1].id if len(page) < len(found) else None

    def get(self, user: User, session_id: str) -> Session:
        with self._store.deadline():
            session = self._store.find(session_id)
        if session is None:
            raise NotFound("no such session")
        _owned(session, user)
        return session

    def rename(self, user: User, session_id: str, name: str) -> Session:
        with self._store.deadline():
            session, now = self.get(user, session_id), self._clock()
            if not self._store.rename(session_id, name, now):
                raise NotFound("no such session")
        return replace(session, name=name, updated_at=max(now, session.updated_at))

    def delete(self, user: User, session_id: str) -> None:
        """Deletes a session and its chats."""
        self._log.delete(self.get(user, session_id).log)

    def chats(
        self,
        user: User,
        session_id: str,
        *,
        limit: int | None = None,
        before: str | None = None,
    ) -> tuple[Sequence[Entry], str | None]:
        """A session's chats, oldest first, and the cursor of the page before them if any.

        With a limit the newest ones, or the newest before the chat of the id `before`, which
        may be gone by now. Without one: all.
        """
        with self._store.deadline():
            state = self.get(user, session_id).log
            if before is not None:
                found = self._log.before(state, entry_time(before), limit or state.seq)
            elif limit is not None:
                found = self._log.newest(state, limit)
        if before is None and limit is None:
            found = self._log.oldest(state)
        return found, found[0].id if found and found[0].seq > 1 else None

    def post(self, user: User, session_id: str, text: str, key: str) -> Posted:
        """Stores the user's message and the one automatic reply to it.

        The same key with the same text gives what was stored the first time, with another
        text Conflict.
        """
        answer = Answer[Session](
            make=lambda session: self._content(user, self._reply(user, session, text)),
            instant=self._responder.instant,
            patience_ms=self._patience_ms,
        )
        return self._log.post(
            session_id,
            Draft(sender=USER, key=key, content=self._content(user, text)),
            admit=lambda session: _owned(session, user),
            answer=answer,
        )

    def _content(self, user: User, text: str) -> Mapping[str, Any]:
        return {"user_id": user.id, "chat_content": text}

    def _reply(self, user: User, session: Session, text: str) -> str:
        def history(count: int) -> Sequence[Turn]:
            with self._store.deadline():
                return [_turn(entry) for entry in self._log.newest(session.log, count)]

        return self._responder.answer(
            Prompt(
                text=text,
                user_name=user.name,
                session_name=session.name,
                started_at=_local(session.created_at),
                now=_local(self._clock()),
                message_count=session.log.seq,
                history=history,
            )
        )


def _owned(session: Session, user: User) -> None:
    if session.user_id != user.id:
        raise Forbidden("this session belongs to somebody else")


def _turn(entry: Entry) -> Turn:
    return Turn("assistant" if entry.sender == SERVER else "user", entry.content["chat_content"])


def _local(at: int) -> datetime:
    return datetime.fromtimestamp(at / 1000).astimezone()
