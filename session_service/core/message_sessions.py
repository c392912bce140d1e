"""Message sessions: two-party and group sessions, of which each member has a view of its own.

Source: 消息会话管理API接口文档.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Protocol

from session_service.core.log_store import Deadline
from session_service.core.message_log import MessageLog
from session_service.core.session_views import View, view_of
from session_service.core.user_ids import acting_for, integer_id
from session_service.errors import Conflict, Forbidden, NotFound, Unavailable
from session_service.models import (
    ADMIN,
    AHEAD_MS,
    Draft,
    Entry,
    LastMessage,
    LogState,
    MessageSession,
    User,
    whole_second,
)

MOST_MESSAGES = 2**22  # of a session: a message's id holds its place in so many bits
MOST_MEMBERS = 200
ATTEMPTS = 10  # against others who are quicker
GROUP = "GROUP"


class MessageSessionStore(Protocol):
    """Where message sessions are kept, as far as their logs do not see to it."""

    def deadline(self) -> AbstractContextManager[Deadline]: ...

    def log_id(self, public_id: str) -> str: ...

    def next_id(self) -> int: ...

    def find(self, log_id: str) -> MessageSession | None: ...

    def insert_session(self, session: MessageSession) -> bool: ...

    def change(
        self, log_id: str, member: str, now: int, shared: Mapping[str, str], status: str | None
    ) -> bool: ...

    def add_unread(self, log_id: str, member: str, by: str, count: int, now: int) -> bool: ...

    def set_last(self, state: LogState, last: LastMessage) -> bool: ...

    def clear(self, log_id: str, member: str, now: int) -> bool: ...


class MessageSessions:
    """What a user may do with message sessions.

    Most calls are about a user, who must be the caller, or anybody where the caller is an
    admin, and who sees the sessions in a way of its own. Unknown sessions are NotFound, those
    that this user takes no part in Forbidden. Times are in ms since 1970. Users are known by
    integers: others are Forbidden. Everything may raise Unavailable.
    """

    def __init__(
        self,
        store: MessageSessionStore,
        log: MessageLog[MessageSession],
        *,
        clock: Callable[[], int],
    ) -> None:
        self._store = store
        self._log = log
        self._clock = clock

    def create(
        self,
        user: User,
        users: tuple[int, int],
        kind: str,
        title: str | None,
        description: str | None,
        others: Sequence[int] = (),
    ) -> View:
        """A new session of two users, of whom the caller is one, and of others in a group."""
        caller = integer_id(user)
        if caller not in users and user.role != ADMIN:
            raise Forbidden("not one of the two users", code="not_yours")
        members = tuple(str(each) for each in dict.fromkeys([*users, *others]))
        if len(members) > MOST_MEMBERS:
            raise Conflict("too many members", code="too_many_members")
        with self._store.deadline():
            number, now = self._store.next_id(), self._clock()
            session_id = f"SESS_{datetime.fromtimestamp(now // 1000, UTC):%Y%m%d%H%M%S}"
            session = MessageSession(
                id=number,
                session_id=session_id,
                users=users,
                type=kind,
                title=title,
                description=description,
                created_at=now,
                updated_at=now,
                log=LogState(
                    self._store.log_id(session_id),
                    members=members,
                    seen=dict.fromkeys(members, 0),
                ),
            )
            session = self._inserted(session)
        return view_of(session, members[0] if caller not in users else str(caller))

    def update(
        self, user: User, session_id: str, shared: Mapping[str, str], status: str | None
    ) -> View:
        """Sets title and description for all, and the status of the caller's own view."""
        member = str(integer_id(user))
        return self._changed(
            session_id,
            member,
            lambda log_id: self._store.change(log_id, member, self._clock(), shared, status),
        )

    def tell_last(self, user: User, session_id: str, sender: int, text: str, time: int) -> View:
        """Notes what was said last elsewhere; what is older than what is known changes nothing."""
        member = _caller_as(user, sender)
        for _ in range(ATTEMPTS):
            with self._store.deadline():
                session = self._found(session_id, member)
                last = self._told(session, member, text, time)
                if last is None:
                    return view_of(session, member)
                if self._store.set_last(session.log, last):
                    return view_of(self._found(session_id, member), member)
        raise Unavailable("others are quicker")

    def add_unread(self, user: User, session_id: str, user_id: int, count: int) -> View:
        """Raises the unread count of any member; for members and admins."""
        caller, member = integer_id(user), str(user_id)
        by = member if user.role == ADMIN else str(caller)
        with self._store.deadline():
            log_id = self._store.log_id(session_id)
            self._store.add_unread(log_id, member, by, count, self._clock())  # false: see below
            session = self._found(session_id, by)
        _check_member(session, member)
        return view_of(session, member)

    def clear_unread(self, user: User, session_id: str, user_id: int) -> View:
        """Sets a user's unread count to 0."""
        member = acting_for(user, user_id)
        return self._changed(session_id, member, lambda log_id: self._log.mark_read(log_id, member))

    def send(
        self,
        user: User,
        session_id: str,
        sender: int,
        receiver: int | None,
        text: str,
        sent_at: int | None,
        key: str,
    ) -> View:
        """Stores a member's message, which counts for its receiver, without one for all others.

        The same key and message again store nothing more, those of another KeyReused.
        """
        member = _caller_as(user, sender)
        content = {"message": text} | ({} if sent_at is None else {"sent_at": sent_at})

        def admit(session: MessageSession) -> None:
            _check_member(session, member)
            if receiver is None and session.type != GROUP:
                raise Conflict("who receives it?", code="no_receiver")
            if receiver is not None and str(receiver) not in session.log.members:
                raise Conflict("the receiver is no member", code="strange_receiver")

        def judge(state: LogState) -> None:
            if state.seq >= MOST_MESSAGES - 1:
                raise Conflict("this session is full", code="session_full")

        draft = Draft(member, key, content, to=None if receiver is None else str(receiver))
        self._log.post(self._store.log_id(session_id), draft, admit=admit, judge=judge)
        with self._store.deadline():
            return view_of(self._found(session_id, member), member)

    def messages(
        self, user: User, session_id: str, user_id: int, *, before: int | None, limit: int
    ) -> tuple[MessageSession, Sequence[Entry]]:
        """The newest messages that a user sees, or the newest before the one with an id."""
        member = acting_for(user, user_id)
        with self._store.deadline():
            session = self._found(session_id, member)
            state = session.log
            place = state.seq + 1 if before is None else before - message_id(session, 0)
            found = self._log.preceding(state, place, limit, floor=state.floors.get(member, 0))
        return session, found

    def clear(self, user: User, session_id: str, user_id: int) -> View:
        """Empties a session for one user; what all members have cleared is deleted."""
        member = acting_for(user, user_id)
        with self._store.deadline():
            log_id = self._store.log_id(session_id)
            self._store.clear(log_id, member, self._clock())  # false: the next line says why
            session = self._found(session_id, member)
        self._log.delete_cleared(session.log)
        return view_of(session, member)

    def _told(
        self, session: MessageSession, member: str, text: str, time: int
    ) -> LastMessage | None:
        """What is told, as it stands in the session; None where every view has something newer."""
        known = [each for each in (session.last, *session.lasts.values()) if each is not None]
        now = max(self._clock(), session.log.at + 1, *[each.at + 1 for each in known])
        at = whole_second(time if time <= now + AHEAD_MS else now)
        told = LastMessage(at, now, member, text)
        views = 1 + len(session.lasts)
        return (
            None if len(known) == views and all(told.time < each.time for each in known) else told
        )

    def _inserted(self, session: MessageSession) -> MessageSession:
        """The session as it is stored: under another `sessionId` where its second is taken."""
        if self._store.insert_session(session):
            return session
        there = self._store.find(session.log.id)
        if there is not None and there.id == session.id:  # sent twice, stored by the first
            return there
        session_id = f"{session.session_id}{session.id:03}"
        log = replace(session.log, id=self._store.log_id(session_id))
        session = replace(session, session_id=session_id, log=log)
        self._store.insert_session(session)
        return session

    def _found(self, session_id: str, member: str) -> MessageSession:
        session = self._store.find(self._store.log_id(session_id))
        if session is None:
            raise NotFound("no such session")
        _check_member(session, member)
        return session

    def _changed(self, session_id: str, member: str, change: Callable[[str], bool]) -> View:
        """The member's view once the change is made; says why, where it cannot be made."""
        with self._store.deadline():
            change(self._store.log_id(session_id))  # false: the next line says why
            return view_of(self._found(session_id, member), member)


def message_id(session: MessageSession, seq: int) -> int:
    """A message's id: below 2^53 for two billion sessions, and increasing within each."""
    return session.id * MOST_MESSAGES + seq


def _check_member(session: MessageSession, member: str) -> None:
    if member not in session.log.members:
        raise Forbidden("takes no part in this session")


def _caller_as(user: User, sender: int) -> str:
    """The sender, as members are known: the caller, also where that is an admin."""
    if integer_id(user) != sender:
        raise Forbidden("somebody else's", code="not_yours")
    return str(sender)
