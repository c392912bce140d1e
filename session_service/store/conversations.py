"""Conversations of people: documents of the kind `conversation`, and the orders they belong to."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import ClassVar

from bson import ObjectId
from pymongo import ASCENDING, IndexModel

from session_service.models import Conversation, LogState, Member, Order, Reservation
from session_service.store.collection import Collection
from session_service.store.database import Database
from session_service.store.documents import Document, Layout, by_member, to_state
from session_service.store.following import CommitStream
from session_service.store.numbered import NumberedLogs

KIND = "conversation"
CONTENT = ("message_type", "content", "file_name", "file_size", "file_type")
CONVERSATIONS = Layout(heads="conversations", entries="messages", content=CONTENT, last=True)

OF_MEMBER = IndexModel([("members", ASCENDING), ("kind", ASCENDING)])


class ConversationStore(NumberedLogs[Conversation]):
    """Conversations are the heads, messages the entries; conversations have integer ids."""

    BEGUN: ClassVar[Document] = {"seq": {"$gt": 0}}  # by the message that says who began it

    def __init__(self, database: Database) -> None:
        super().__init__(database, CONVERSATIONS, to_conversation, [OF_MEMBER], KIND)
        self._orders = Collection(database, "orders")

    def insert_conversation(self, conversation: Conversation) -> bool:
        """Stores a conversation without messages; false when one of this id is there already."""
        members = [str(each.user_id) for each in conversation.members]
        document = {
            "kind": KIND,
            "number": conversation.id,
            "title": conversation.title,
            "type": conversation.type,
            "status": conversation.log.status,
            "creator": conversation.creator,
            "created_at": conversation.created_at,
            "total": 0,
            "members": members,
            "seen": dict.fromkeys(members, 0),
            "read": dict.fromkeys(members, 0),
            "joined_at": {str(each.user_id): each.joined_at for each in conversation.members},
            "roles": {str(each.user_id): each.role for each in conversation.members},
        }
        if order := conversation.order:
            document["order"] = {"type": order.type, "id": order.id, "status": order.status}
        return self.insert_head(conversation.log.id, document)

    def activity_of(self, member: str, kind: str | None) -> list[tuple[int, str]]:
        """When something happened last (ms) in each conversation of a member, and its log's id."""
        where: Document = {"members": member, "kind": KIND}
        if kind is not None:
            where["type"] = kind
        found = self._heads.find(where, fields=("at",))
        return [(each["at"], str(each["_id"])) for each in found if each["at"]]

    def find_many(self, log_ids: Sequence[str]) -> Mapping[str, Conversation]:
        """The conversations of these logs, as far as there are any."""
        where = {"_id": {"$in": [ObjectId(each) for each in log_ids]}}
        found = (to_conversation(each, to_state(each)) for each in self._heads.find(where))
        return {each.log.id: each for each in found}

    def seqs(self, log_ids: Sequence[str]) -> Mapping[str, int]:
        """How far these logs are committed."""
        where = {"_id": {"$in": [ObjectId(each) for each in log_ids]}}
        found = self._heads.find(where, fields=("seq",))
        return {str(each["_id"]): each["seq"] for each in found}

    def commits(self) -> CommitStream:
        """What the server tells of the logs that go on."""
        return CommitStream(self._database, CONVERSATIONS.heads)

    def reserve(self, order: Order, reservation: Reservation) -> Reservation:
        """What is reserved for the order: this, or what somebody else reserved before."""
        document = {"_id": _order_key(order), **asdict(reservation)}
        self._orders.insert([document])  # false: there is one
        return self.find_reserved(order) or reservation

    def find_reserved(self, order: Order) -> Reservation | None:
        """What is reserved for the order, if anything."""
        found = self._orders.find_one({"_id": _order_key(order)})
        if found is None:
            return None
        return Reservation(found["number"], found["title"], found["user_id"], found["kol_user_id"])

    def set_order_status(self, log_id: str, status: str) -> bool:
        """Notes an order's status; false when there is no such conversation."""
        change = {"$set": {"order.status": status}}
        return self._heads.update({"_id": ObjectId(log_id)}, change)


def to_conversation(document: Document, state: LogState) -> Conversation:
    """The record of a conversation's document."""
    roles, joined_at = by_member(document["roles"]), by_member(document["joined_at"])
    order = document.get("order")
    return Conversation(
        id=document["number"],
        title=document["title"],
        type=document["type"],
        creator=document["creator"],
        created_at=document["created_at"],
        members=tuple([Member(int(m), roles[m], joined_at[m]) for m in state.members]),
        last=CONVERSATIONS.from_last(document),
        order=Order(**order) if order else None,
        log=state,
    )


def _order_key(order: Order) -> str:
    return f"{order.type}:{order.id}"
