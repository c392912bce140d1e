"""Conversations of people: members, typed messages, unread counters.

Source: 会话功能 API 文档. Members and status change by messages that say so, so that who may
send is exact at every place of the log.
"""

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from functools import cache, partial
from typing import Any, Protocol

from session_service.core.conversation_ids import ConversationId, is_named, number_in
from session_service.core.files import Files
from session_service.core.log_store import Deadline
from session_service.core.message_log import MessageLog
from session_service.core.people import SYSTEM_ID, People, name_of
from session_service.core.user_ids import integer_id
from session_service.core.waiting import Waiters
from session_service.errors import Conflict, Forbidden, NotFound
from session_service.models import (
    ADMIN,
    Conversation,
    Draft,
    Entry,
    Event,
    LogState,
    Member,
    Order,
    User,
)

SYSTEM = str(SYSTEM_ID)  # the sender of the service's own messages
FIRST = "first"  # the key of a conversation's first message
MOST_MEMBERS = 200
POLLED = 100  # messages that one poll gives
NAMED = 10  # members whom a message tells by name
CLOSED = "closed"
STATUS_TEXTS = {"active": "会话已恢复", "archived": "会话已归档", CLOSED: "会话已关闭"}


class ConversationStore(Protocol):
    """Where conversations are kept, as far as their logs do not see to it."""

    def deadline(self) -> AbstractContextManager[Deadline]: ...

    def log_id(self, conversation_id: int) -> str: ...

    def next_id(self) -> int: ...

    def find(self, log_id: str) -> Conversation | None: ...

    def insert_conversation(self, conversation: Conversation) -> bool: ...

    def activity_of(self, member: str, kind: str | None) -> list[tuple[int, str]]: ...

    def find_many(self, log_ids: Sequence[str]) -> Mapping[str, Conversation]: ...


class Conversations:
    """What a user may do with conversations.

    Unknown ones are NotFound, those of others Forbidden; they are asked for by number or public
    id. Times are in ms since 1970. Users are known by integers: others are Forbidden. Everything
    may raise Unavailable.
    """

    def __init__(
        self,
        store: ConversationStore,
        log: MessageLog[Conversation],
        people: People,
        waiters: Waiters,
        files: Files,
        *,
        clock: Callable[[], int],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._log = log
        self._people = people
        self._waiters = waiters
        self._files = files
        self._clock = clock
        self._monotonic = monotonic

    def create(self, user: User, kind: str, title: str, member_ids: Sequence[int]) -> Conversation:
        """A new conversation of the caller, its creator, and these members."""
        creator = integer_id(user)
        ids = list(dict.fromkeys([creator, *member_ids]))
        if len(ids) < 2:
            raise Conflict("a conversation needs 2 members", code="too_few_members")
        _check_size(len(ids))
        with self._store.deadline():
            number = self._store.next_id()
        return self.open(number, kind, title, ids, f"{name_of(user)} 创建了会话")

    def open(
        self,
        number: int,
        kind: str,
        title: str,
        members: Sequence[int],
        text: str,
        order: Order | None = None,
    ) -> Conversation:
        """A conversation of this number, whose creator is the first of its members.

        It can be seen once its first message is stored. May be repeated, also by several at
        once: it is made once.
        """
        now = self._clock()
        creator, *others = dict.fromkeys(members)
        conversation = Conversation(
            id=number,
            title=title,
            type=kind,
            creator=creator,
            created_at=now,
            members=(
                Member(creator, "creator", now),
                *[Member(each, "member", now) for each in others],
            ),
            last=None,
            order=order,
            log=LogState(self._store.log_id(number), status="active"),
        )
        with self._store.deadline():
            self._store.insert_conversation(conversation)  # false: there already
        self._tell(conversation.log.id, text, key=FIRST)
        return self._present(number)

    def get(self, user: User, asked: ConversationId) -> Conversation:
        """One of the caller's conversations."""
        conversation = self._present(asked)
        _check_member(conversation.log, str(integer_id(user)))
        return conversation

    def list(
        self, user: User, kind: str | None, *, page: int, page_size: int
    ) -> tuple[Sequence[Conversation], int]:
        """A page of the caller's conversations, newest activity first, and how many there are."""
        member = str(integer_id(user))
        with self._store.deadline():
            all_of_them = sorted(self._store.activity_of(member, kind), reverse=True)
            asked = [log_id for _, log_id in all_of_them[(page - 1) * page_size : page * page_size]]
            found = self._store.find_many(asked) if asked else {}
        shown = (found[log_id] for log_id in asked if log_id in found)
        return [each for each in shown if member in each.log.members], len(all_of_them)

    def send(
        self,
        user: User,
        asked: ConversationId,
        content: Mapping[str, Any],
        key: str,
        file_id: str | None = None,
        path_name: str | None = None,
    ) -> Entry:
        """Stores a member's message; the same key and content again give what was stored.

        `file_id` is the upload that the message names, which stays from now on. There must be
        one whose path ends with `path_name`; without that it may be another service's.
        """
        member = str(integer_id(user))
        stays = cache(self._files.keep)  # once, however many places are tried

        def judge(state: LogState) -> None:
            _check_member(state, member)
            if state.status == CLOSED:
                raise Conflict("conversation is closed", code="closed")
            # Last, so that nothing stays for a refusal; before the message, which needs its file.
            if file_id is not None and not stays(file_id, path_name) and path_name is not None:
                raise Conflict("no such file", code="no_such_upload")

        log_id = self._store.log_id(number_in(asked))
        draft = Draft(sender=member, key=key, content=content)
        return self._log.post(log_id, draft, admit=partial(_check_there, asked), judge=judge).entry

    def messages(
        self, user: User, asked: ConversationId, *, before: int | None, limit: int
    ) -> tuple[Sequence[Entry], bool]:
        """The newest messages, or the newest before a time (ms), and whether there are more."""
        with self._store.deadline():
            state = self.get(user, asked).log
            if before is None:
                found = self._log.newest(state, limit)
            else:
                found = self._log.before(state, before, limit)
        return found, bool(found) and found[0].seq > 1

    def poll(
        self, user: User, asked: ConversationId, *, after: int, wait_s: float
    ) -> tuple[Sequence[Entry], bool]:
        """The first POLLED messages after a time (ms), oldest first, and whether there are more.

        Where there is none, one is waited for.
        """
        with self._store.deadline():
            state = self.get(user, asked).log
            found = self._log.after(state, after, POLLED)
        seq, until = state.seq, self._monotonic() + wait_s
        while not found and (left_s := until - self._monotonic()) > 0:
            read = partial(self._following, number_in(asked), seq)
            moved = self._waiters.wait(state.id, seq, left_s, read)
            if moved is None:
                break
            state, new = moved
            _check_member(state, str(integer_id(user)))
            found = [each for each in new if each.created_at > after]
            seq = new[-1].seq if new else state.seq
        return found, bool(found) and found[-1].seq < state.seq

    def mark_read(self, user: User, asked: ConversationId, up_to: int | None = None) -> None:
        """Sets the caller's unread count to 0, or to what came after the time `up_to` (ms)."""
        member, log_id = str(integer_id(user)), self._store.log_id(number_in(asked))
        with self._store.deadline():
            if isinstance(asked, str):
                self.get(user, asked)  # its update would know the number alone
            if up_to is None:
                marked = self._log.mark_read(log_id, member)
            else:
                marked = self._log.mark_read_to(log_id, member, up_to)
            if not marked:
                self.get(user, asked)  # says why not

    def add_members(
        self, user: User, asked: ConversationId, member_ids: Sequence[int], role: str
    ) -> Conversation:
        """Adds who is not a member yet; only an admin adds support. For creator and admins."""
        if role == "support" and user.role != ADMIN:
            raise Forbidden("admins only", code="admins_only")
        conversation = self._managed(user, asked)
        members = [str(each) for each in dict.fromkeys(member_ids)]
        new = [each for each in members if each not in conversation.log.members]
        if not new:
            return conversation

        def judge(state: LogState) -> None:
            _check_manager(user, conversation.creator, state)
            missing = [each for each in new if each not in state.members]
            if not missing:
                raise _Unchanged
            _check_size(len(state.members) + len(missing))

        creator = str(conversation.creator)
        alone = new == [str(integer_id(user))]
        joined = name_of(user) if alone else f"{name_of(user)} 邀请 {self._named(new)}"
        return self._change(
            conversation,
            f"{joined} 加入了会话",
            [Event("add", each, "creator" if each == creator else role) for each in new],
            judge,
        )

    def remove_member(self, user: User, asked: ConversationId, member_id: int) -> Conversation:
        """Takes a member out; for creator and admins, and for the member itself."""
        leaving = integer_id(user) == member_id
        conversation = self._present(asked) if leaving else self._managed(user, asked)

        def judge(state: LogState) -> None:
            if not leaving:
                _check_manager(user, conversation.creator, state)
            if str(member_id) not in state.members:
                raise NotFound("no such member", code="no_such_member")

        name = self._named([str(member_id)])
        text = f"{name} 离开了会话" if leaving else f"{name_of(user)} 将 {name} 移出了会话"
        return self._change(conversation, text, [Event("remove", str(member_id))], judge)

    def update_status(self, user: User, asked: ConversationId, status: str) -> Conversation:
        """Makes a conversation active, archived or closed; for creator and admins."""
        conversation = self._managed(user, asked)

        def judge(state: LogState) -> None:
            _check_manager(user, conversation.creator, state)
            if state.status == status:
                raise _Unchanged

        return self._change(conversation, STATUS_TEXTS[status], [Event("status", status)], judge)

    def _present(self, asked: ConversationId) -> Conversation:
        with self._store.deadline():
            conversation = self._store.find(self._store.log_id(number_in(asked)))
        if conversation is None:
            raise NotFound("no such conversation")
        _check_there(asked, conversation)
        return conversation

    def _managed(self, user: User, asked: ConversationId) -> Conversation:
        conversation = self._present(asked)
        _check_manager(user, conversation.creator, conversation.log)
        return conversation

    def _following(self, number: int, seq: int) -> tuple[LogState, Sequence[Entry]]:
        with self._store.deadline():
            state = self._present(number).log
            return state, self._log.oldest(state, after=seq, limit=POLLED)

    def _change(
        self,
        conversation: Conversation,
        text: str,
        events: Sequence[Event],
        judge: Callable[[LogState], None],
    ) -> Conversation:
        with suppress(_Unchanged):
            self._tell(conversation.log.id, text, events, judge)
        return self._present(conversation.id)

    def _tell(
        self,
        log_id: str,
        text: str,
        events: Sequence[Event] = (),
        judge: Callable[[LogState], None] | None = None,
        key: str = "",
    ) -> None:
        """Stores a message of the service's own, which makes its events true."""
        draft = Draft(
            sender=SYSTEM,
            key=key or f"auto:{secrets.token_hex(12)}",
            content={"message_type": "system", "content": text},
            silent=True,
            events=tuple(events),
        )
        self._log.post(log_id, draft, admit=lambda _: None, judge=judge)

    def _named(self, members: Sequence[str]) -> str:
        names = self._people.names([int(each) for each in members[:NAMED]])
        told = "、".join(names[int(each)] for each in members[:NAMED])
        return told if len(members) <= NAMED else f"{told} 等 {len(members)} 人"


class _Unchanged(Conflict):
    """What was asked for is so already; an error, so that the log lets it through."""


def _check_there(asked: ConversationId, conversation: Conversation) -> None:
    """A conversation is there once its first message is, and under no other public id."""
    if conversation.log.seq == 0 or not is_named(conversation, asked):
        raise NotFound("no such conversation")


def _check_member(state: LogState, member: str) -> None:
    if member not in state.members:
        raise Forbidden("user is not a member of this conversation")


def _check_manager(user: User, creator: int, state: LogState) -> None:
    """Members and status are the creator's business, as long as it is a member, and admins'."""
    caller = integer_id(user)
    if user.role == ADMIN:
        return
    _check_member(state, str(caller))
    if caller != creator:
        raise Forbidden("creator or admin only", code="creator_only")


def _check_size(members: int) -> None:
    if members > MOST_MEMBERS:
        raise Conflict(
            f"a conversation has at most {MOST_MEMBERS} members", code="too_many_members"
        )
