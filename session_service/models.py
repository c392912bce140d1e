"""What travels between the storeys: frozen records, and what is read off them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, NamedTuple, Protocol


@dataclass(frozen=True, slots=True)
class Turn:
    """One side's words in a dialogue."""

    role: Literal["user", "assistant"]
    text: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a reply engine is told of the message it answers.

    `now` and `started_at` are aware datetimes in the server's own time zone;
    `message_count` counts what stood in the dialogue before this message;
    `history(n)` reads the n newest turns before it, oldest first, and costs a
    database read, so an engine asks only when it needs them.
    """

    text: str
    user_name: str
    session_name: str
    started_at: datetime
    now: datetime
    message_count: int
    history: Callable[[int], Sequence[Turn]]


class ReplyEngine(Protocol):
    """Whoever answers messages.

    `instant` says that a reply is made from memory, without waiting for anything;
    the message and its reply are then stored by one write.
    """

    @property
    def instant(self) -> bool: ...

    def reply(self, prompt: Prompt) -> str: ...

    def stream(self, prompt: Prompt) -> Iterator[str]: ...


Role = Literal["user", "admin"]
ADMIN: Role = "admin"


AccountStatus = Literal["active", "disabled", "deleted"]


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody who can log in; of a deleted one nothing is left but its id.

    Times are in ms. `password_version` moves on with every change of the password; tokens of
    another version are void.
    """

    id: int
    username: str = ""
    email: str | None = None
    phone: str | None = None
    nickname: str | None = None
    avatar_url: str | None = None
    password_hash: str = field(default="", repr=False)
    role: Role = "user"
    status: AccountStatus = "active"
    created_at: int = 0
    updated_at: int = 0
    last_login_at: int | None = None
    password_version: int = 0
    password_changed_at: int = 0


@dataclass(frozen=True, slots=True)
class Note:
    """What a user has noted down; of a deleted one nobody is told. Times in ms."""

    id: int
    user_id: int
    source: str
    title: str | None
    content: str
    comment: str | None
    tags: tuple[str, ...]
    status: Literal["active", "deleted"]
    created_at: int
    updated_at: int


IndexStatus = Literal["AVAILABLE", "ASSIGNED", "DISABLED"]


@dataclass(frozen=True, slots=True)
class PoolIndex:
    """An index of the knowledge base's provider that users are given one of; times in ms."""

    id: int
    index_id: str
    category_id: str
    name: str | None
    status: IndexStatus
    user_id: int | None
    assigned_at: int | None
    created_at: int
    updated_at: int


@dataclass(frozen=True, slots=True)
class FirstAdmin:
    """The admin whom the configuration names."""

    username: str
    email: str | None
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Profile:
    """What others see of a user."""

    name: str
    avatar_url: str | None = None


@dataclass(frozen=True, slots=True)
class Claims:
    """What a token says: of whom (`subject`), until when and since when (seconds since 1970).

    `token_id` tells it from all other tokens. `password_version` is there in our own tokens
    only; `name`, `username` and `role` count for subjects without an account.
    """

    subject: str
    name: str
    username: str
    role: Role
    token_id: str
    expires_at: float
    issued_at: float | None
    password_version: int | None


@dataclass(frozen=True, slots=True)
class User:
    """Who calls: `id` is the token's subject, `name` what to call them.

    `username` is what they log in with, as far as that is known. `account` is missing where a
    peer on the LAN speaks for somebody without one.
    """

    id: str
    name: str
    role: Role = "user"
    username: str = ""
    account: Account | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """A login that failed or is under way since `at` (ms), at its place among ten.

    At a place of name and address together: one that succeeded.
    """

    place: str
    id: str
    at: int
    failed: bool


@dataclass(frozen=True, slots=True)
class Event:
    """A change that a message makes; true once that message is committed.

    `subject` is the member who joins (in a role) or leaves, or the new status of the log.
    """

    kind: Literal["add", "remove", "status"]
    subject: str
    role: str = ""


class Joined(NamedTuple):
    """How a new member begins: what it has seen and read, since when (ms), and in which role."""

    seen: int
    read: int
    at: int
    role: str


@dataclass(frozen=True, slots=True)
class Draft:
    """A message before it has a place in its log.

    `key` makes the sending repeatable: one log holds one message for a sender and a key.
    `content` are the dialect's own fields. `silent` messages (the service's own) count for
    nobody; one directed `to` a member counts for that member alone.
    """

    sender: str
    key: str
    content: Mapping[str, Any]
    to: str | None = None
    silent: bool = False
    events: tuple[Event, ...] = ()


class Entry(NamedTuple):
    """A draft at its place: `seq` is dense within the log, `created_at` (ms) increases.

    A tuple, because a page makes many of them and a dataclass takes six times as long to make.
    """

    sender: str
    key: str
    content: Mapping[str, Any]
    to: str | None = None
    silent: bool = False
    events: tuple[Event, ...] = ()
    id: str = ""
    seq: int = 0
    created_at: int = 0


@dataclass(frozen=True, slots=True)
class LogState:
    """What a log's head says: everything up to `seq` is committed, the rest is not there yet.

    `at` is the time (ms) of the last committed message, `total` how many count. `seen[u]`
    is how many of those the member u has seen or sent, `read[u]` the seq up to which u read.
    `status` is what events make it. `floors[u]` is the seq up to which u has cleared the log,
    `floor` the one up to which all have, `cleared` how often anybody did.
    """

    id: str
    seq: int = 0
    at: int = 0
    total: int = 0
    members: tuple[str, ...] = ()
    seen: Mapping[str, int] = field(default_factory=dict)
    read: Mapping[str, int] = field(default_factory=dict)
    status: str = ""
    floors: Mapping[str, int] = field(default_factory=dict)
    floor: int = 0
    cleared: int = 0

    def unread(self, member: str) -> int:
        return self.total - self.seen[member]


@dataclass(frozen=True, slots=True)
class Changes:
    """The difference that committing a run of entries makes.

    `entries` is that run, `last` its last one. `total` and `seen` are increments; `members` is
    the list as it is afterwards, `joined` how those who are new to it begin, `left` who is no
    longer on it.
    """

    entries: tuple[Entry, ...]
    total: int
    seen: Mapping[str, int]
    joined: Mapping[str, Joined]
    left: frozenset[str]
    members: tuple[str, ...]
    status: str

    @property
    def last(self) -> Entry:
        return self.entries[-1]


@dataclass(frozen=True, slots=True)
class Chat:
    """A chat of the `/v1` dialect and the head of its log of messages; times in ms."""

    id: int
    user_id: int
    title: str
    created_at: int
    updated_at: int
    log: LogState


@dataclass(frozen=True, slots=True)
class Member:
    """Who takes part in a conversation, since when (ms) and as what."""

    user_id: int
    role: str
    joined_at: int


@dataclass(frozen=True, slots=True)
class Order:
    """What an order service calls an order; `status` is the latest it told of."""

    type: str
    id: str
    status: str


@dataclass(frozen=True, slots=True)
class Reservation:
    """The conversation that an order has, or will have: its number, title and first members."""

    number: int
    title: str
    user_id: int
    kol_user_id: int


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation of people and the head of its log of messages; times in ms.

    `members` stand in the order in which they joined; `last` is the latest message.
    """

    id: int
    title: str
    type: str
    creator: int
    created_at: int
    members: tuple[Member, ...]
    last: Entry | None
    order: Order | None
    log: LogState


class LastMessage(NamedTuple):
    """What was said last: when (ms, in whole seconds), when that was stored (ms), by whom, what.

    The greater of two is the later one, of two of the same second the later stored.
    """

    time: int
    at: int
    sender: str
    text: str


AHEAD_MS = 300_000  # as far as a sender's clock may be ahead of ours


def last_message(entry: Entry) -> LastMessage:
    """What an entry of a message session says, and when.

    That is when its sender says, or when it was stored where that is not said or far ahead.
    """
    sent_at, stored_at = entry.content.get("sent_at"), entry.created_at
    if sent_at is None or sent_at > stored_at + AHEAD_MS:
        sent_at = stored_at
    return LastMessage(whole_second(sent_at), stored_at, entry.sender, entry.content["message"])


def whole_second(at: int) -> int:
    """A time in ms as it is shown to the second."""
    return at // 1000 * 1000


@dataclass(frozen=True, slots=True)
class MessageSession:
    """A session of the message sessions API and the head of its log; times in ms.

    `users` are the two it was made for, who are among the log's members. `archived` and
    `deleted` are the members who have it so; `lasts` holds the last message of each who has
    cleared it, `last` that of all others. `touched_at[u]` is when u changed its own view of it.
    """

    id: int
    session_id: str
    users: tuple[int, int]
    type: str
    title: str | None
    description: str | None
    created_at: int
    updated_at: int
    log: LogState
    last: LastMessage | None = None
    lasts: Mapping[str, LastMessage | None] = field(default_factory=dict)
    archived: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()
    touched_at: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file by its id, of `size` bytes; `type` is its MIME type, `created_at` in ms."""

    id: str
    name: str
    size: int
    type: str
    created_at: int


@dataclass(frozen=True, slots=True)
class Session:
    """A session of the `/sess` dialect and the head of its log of chats; times in ms."""

    id: str
    user_id: str
    name: str
    created_at: int
    updated_at: int
    log: LogState
