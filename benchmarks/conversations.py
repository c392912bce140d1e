"""Conversations that are sent to, paged and listed, and what is asked of them."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from benchmarks import requests
from benchmarks.dataset import TEXT, fill, rising_times, token
from benchmarks.servers import DATABASE
from benchmarks.side_by_side import Workload
from session_service.core.ids import new_entry_id
from session_service.models import Conversation, Entry, LogState, Member
from session_service.store.conversations import ConversationStore
from session_service.store.database import EMBEDDED_OPTIONS, Database

PREFIX = "/api/v1/conversation"
USERS = 16
MEMBERS = 3
HOT_SENDERS = 16
SEND, PAGE, LIST, HOT = "send message", "page 20", "list 20", "send to one"


@dataclass(frozen=True, slots=True)
class Talk:
    """A conversation, and the tokens of its members."""

    id: int
    tokens: Sequence[str]


@contextmanager
def conversation_store(uri: str) -> Iterator[ConversationStore]:
    """The service's own store of conversations on this database."""
    database = Database(lambda: uri, DATABASE, options=EMBEDDED_OPTIONS)
    try:
        yield ConversationStore(database)
    finally:
        database.close()


def talks(store: ConversationStore, count: int, messages: int) -> list[Talk]:
    """So many conversations of so many messages among a few users."""
    return [
        talk(store, [number + i * 5 for i in range(MEMBERS)], messages) for number in range(count)
    ]


def talk(store: ConversationStore, people: Sequence[int], messages: int) -> Talk:
    """A conversation of these people, with messages of theirs at irregular times."""
    times = rising_times(messages)
    number = store.next_id()
    members = [Member(each % USERS + 1, "member", times[0]) for each in people]
    log = LogState(store.log_id(number), status="active")
    creator = members[0].user_id
    store.insert_conversation(
        Conversation(
            number, "产品讨论", "general", creator, times[0], tuple(members), None, None, log
        )
    )
    ids = [str(each.user_id) for each in members]
    state = replace(log, members=tuple(ids), seen=dict.fromkeys(ids, 0), read=dict.fromkeys(ids, 0))
    fill(store, state, [_entry(ids[i % MEMBERS], i + 1, at) for i, at in enumerate(times)])
    return Talk(number, [token(each) for each in ids])


def workloads(found: Sequence[Talk], connections: Sequence[int]) -> list[Workload]:
    """What is asked of service and floor on so many connections each."""
    kinds = {SEND: send, PAGE: page, LIST: listing}
    spread = [
        Workload(name, count, requests.spread([make(each) for each in found], count), {})
        for name, make in kinds.items()
        for count in connections
    ]
    hot = [send(found[0], sender) for sender in range(HOT_SENDERS)]
    return [*spread, Workload(HOT, HOT_SENDERS, requests.spread(hot, HOT_SENDERS), {})]


def send(talk: Talk, sender: int = 0) -> bytes:
    """Send a message, as one of the members."""
    body = {"conversation_id": talk.id, "message_type": "text", "content": TEXT}
    return _request("send_message", talk, body, sender)


def page(talk: Talk) -> bytes:
    """Read the newest messages."""
    return _request("get_messages", talk, {"conversation_id": talk.id, "limit": 20})


def listing(talk: Talk) -> bytes:
    """List a member's conversations."""
    return _request("get_conversations", talk, {"page": 1, "page_size": 20})


def _request(call: str, talk: Talk, body: Mapping[str, object], sender: int = 0) -> bytes:
    bearer = talk.tokens[sender % len(talk.tokens)]
    return requests.request("POST", f"{PREFIX}/{call}", bearer, body)


def _entry(sender: str, seq: int, at: int) -> Entry:
    return Entry(
        sender=sender,
        key=f"filled:{seq}",
        content={"message_type": "text", "content": TEXT},
        id=new_entry_id(at),
        seq=seq,
        created_at=at,
    )
