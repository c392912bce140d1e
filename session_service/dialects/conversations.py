"""The conversations API: people talking to people. Source: 会话功能 API 文档."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from flask import g
from marshmallow import fields

import schemas.conversations as words
from session_service.core.conversations import Conversations
from session_service.core.orders import OrderNews, Orders
from session_service.core.people import People, profile_of
from session_service.core.user_ids import integer_id
from session_service.dialects.dialect import Dialect
from session_service.dialects.idempotency import IDEMPOTENCY_KEY, idempotency_key
from session_service.dialects.times import plain_time
from session_service.errors import Invalid, ServiceError
from session_service.models import Conversation, Entry, Order, Profile

PREFIX = "/api/v1/conversation"
MESSAGES_A_POLL = 100
MESSAGES: Mapping[str, str] = {
    "no_token": "no token",
    "bad_token": "the token does not hold",
    "forbidden": "user is not a member of this conversation",
    "no_integer_id": "users have integer ids here",
    "creator_only": "only the creator or an admin may do this",
    "admins_only": "admins only",
    "not_found": "conversation not found",
    "no_such_member": "no such member",
    "no_such_path": "not found",
    "method_not_allowed": "method not allowed",
    "closed": "conversation is closed",
    "too_few_members": "a conversation needs at least 2 members",
    "too_many_members": "a conversation has at most 200 members",
    "no_such_file": "content: no such file",
    "key_reused": "this Idempotency-Key was used for another message",
    "unavailable": "the database is not available, try again later",
    "storage_full": "the disk is full, nothing can be stored",
}
SUCCESS = {"code": 200, "message": "success"}
MESSAGE = {
    "message_id": "MSG_1698765432000_515899393",
    "conversation_id": 123,
    "sender_id": 1,
    "sender_nickname": "张三",
    "sender_avatar_url": "https://example.com/avatar.jpg",
    "message_type": "text",
    "content": "消息内容",
    "file_name": None,
    "file_size": None,
    "file_type": None,
    "status": "sent",
    "created_at": 1698765432000,
}
CONVERSATION = {
    "conversation_id": "CONV_1698765432000_00123",
    "id": 123,
    "title": "KOL订单: 产品推广视频",
    "type": "kol_order",
    "related_order_type": "kol_order",
    "related_order_id": "KORD_1698765432000_12345",
    "order_status": "confirmed",
    "status": "active",
    "members": [
        {
            "user_id": 1,
            "nickname": "张三",
            "avatar_url": "https://example.com/avatar1.jpg",
            "role": "creator",
            "joined_at": "2024-01-01 10:00:00",
        }
    ],
    "unread_count": 5,
    "created_at": "2024-01-01 10:00:00",
    "last_message_at": 1698765432000,
}
LAST = {name: MESSAGE[name] for name in words.LastMessage._declared_fields}
PAGE_INFO = {"page": 1, "page_size": 20, "total": 100, "total_pages": 5}


def success(**beside: Any) -> dict[str, Any]:
    """The envelope of whatever went well."""
    return {**beside, "base_resp": SUCCESS}


def failure(error: ServiceError, status: int, reasons: Mapping[str, list[str]]) -> dict[str, Any]:
    """The envelope of whatever did not; the message names the fields or the cause."""
    if isinstance(error, Invalid) and reasons:
        message = "; ".join(f"{field}: {' '.join(why)}" for field, why in reasons.items())
    else:
        message = MESSAGES.get(error.code) or HTTPStatus(status).phrase.lower()
    return {"base_resp": {"code": status, "message": message}}


def conversations_dialect(
    conversations: Conversations,
    orders: Orders,
    people: People,
    *,
    authenticate: Callable[[], None],
    title_chars: int,
    message_chars: int,
) -> Dialect:
    """The routes of the conversations API; text limits in characters."""
    dialect = Dialect(
        "conversations",
        prefixes=(PREFIX,),
        description="会话、成员与未读消息 · Conversations of people",
        failure=failure,
        failure_schema=words.Answer,
        authenticate=authenticate,
    )
    show = Show(people)
    add_message_routes(dialect, conversations, show, message_chars)
    add_reading_routes(dialect, conversations, show)
    add_member_routes(dialect, conversations, show, title_chars)
    add_order_route(dialect, orders, show, title_chars)
    return dialect


def add_message_routes(
    dialect: Dialect, conversations: Conversations, show: "Show", message_chars: int
) -> None:
    one = words.answer("OneMessage", message=fields.Nested(words.ConversationMessage))
    several = words.answer(
        "SeveralMessages",
        messages=fields.List(fields.Nested(words.ConversationMessage)),
        has_more=fields.Boolean(),
    )

    @dialect.post(f"{PREFIX}/send_message", parameters=[IDEMPOTENCY_KEY])
    @dialect.arguments(
        words.new_message(message_chars),
        example={"conversation_id": 123, "message_type": "text", "content": "消息内容"},
    )
    @dialect.answers(200, one, example=success(message=MESSAGE), failures=(403, 404))
    def send_message(body: dict[str, Any]) -> dict[str, Any]:
        """发送消息 · Send a message to a conversation that the caller is a member of.

        A repeat with the same `Idempotency-Key` answers what was stored the first time.
        """
        number = body.pop("conversation_id")
        content = {name: value for name, value in body.items() if value is not None}
        sent = conversations.send(g.user, number, content, idempotency_key())
        sender = integer_id(g.user)
        profiles = {sender: profile_of(g.user, sender)}
        return success(message=show_message(number, sent, profiles))

    @dialect.post(f"{PREFIX}/get_messages")
    @dialect.arguments(words.MessagesPage(), example={"conversation_id": 123, "limit": 20})
    @dialect.answers(
        200, several, example=success(messages=[MESSAGE], has_more=True), failures=(403, 404)
    )
    def get_messages(body: dict[str, Any]) -> dict[str, Any]:
        """获取消息列表 · The newest messages, or the newest before a time; oldest first."""
        number = body["conversation_id"]
        found, more = conversations.messages(
            g.user, number, before=body["before_timestamp"], limit=body["limit"]
        )
        return success(messages=show.messages(number, found), has_more=more)

    @dialect.post(f"{PREFIX}/poll")
    @dialect.arguments(
        words.PollWait(),
        example={"conversation_id": 123, "after_timestamp": 1698765432000, "wait_s": 20},
    )
    @dialect.answers(
        200, several, example=success(messages=[MESSAGE], has_more=False), failures=(403, 404)
    )
    def poll(body: dict[str, Any]) -> dict[str, Any]:
        """等待新消息 · The first 100 messages after a time, waited for up to `wait_s` seconds."""
        number = body["conversation_id"]
        found, more = conversations.poll(
            g.user,
            number,
            after=body["after_timestamp"],
            limit=MESSAGES_A_POLL,
            wait_s=body["wait_s"],
        )
        return success(messages=show.messages(number, found), has_more=more)


def add_reading_routes(dialect: Dialect, conversations: Conversations, show: "Show") -> None:
    one = words.answer("ConversationAnswer", conversation=fields.Nested(words.Conversation))

    @dialect.post(f"{PREFIX}/get_conversation")
    @dialect.arguments(words.OneConversation(), example={"conversation_id": 123})
    @dialect.answers(200, one, example=success(conversation=CONVERSATION), failures=(403, 404))
    def get_conversation(body: dict[str, Any]) -> dict[str, Any]:
        """获取会话详情 · One conversation, with its members in the order of joining."""
        return show.one(conversations.get(g.user, body["conversation_id"]))

    @dialect.post(f"{PREFIX}/list_members")
    @dialect.arguments(words.OneConversation(), example={"conversation_id": 123})
    @dialect.answers(
        200,
        words.answer("MembersAnswer", members=fields.List(fields.Nested(words.ConversationMember))),
        example=success(members=CONVERSATION["members"]),
        failures=(403, 404),
    )
    def list_members(body: dict[str, Any]) -> dict[str, Any]:
        """获取成员列表 · A conversation's members, in the order of joining."""
        conversation = conversations.get(g.user, body["conversation_id"])
        return success(members=show.conversations([conversation])[0]["members"])

    @dialect.post(f"{PREFIX}/get_conversations")
    @dialect.arguments(words.ConversationsPage(), example={"page": 1, "page_size": 20})
    @dialect.answers(
        200,
        words.answer(
            "ConversationsAnswer",
            conversations=fields.List(fields.Nested(words.ListedConversation)),
            page_info=fields.Nested(words.PageInfo),
        ),
        example=success(conversations=[CONVERSATION | {"last_message": LAST}], page_info=PAGE_INFO),
        failures=(403,),
    )
    def get_conversations(body: dict[str, Any]) -> dict[str, Any]:
        """获取会话列表 · The caller's conversations, newest activity first."""
        page, size = body["page"], body["page_size"]
        found, total = conversations.list(g.user, body["type"], page=page, page_size=size)
        info = {"page": page, "page_size": size, "total": total, "total_pages": -(-total // size)}
        return success(conversations=show.conversations(found, listed=True), page_info=info)

    @dialect.post(f"{PREFIX}/mark_read")
    @dialect.arguments(words.ReadMark(), example={"conversation_id": 123})
    @dialect.answers(200, words.answer("Marked"), example=success(), failures=(403, 404))
    def mark_read(body: dict[str, Any]) -> dict[str, Any]:
        """标记消息已读 · Set the caller's unread count to 0, or to what came after `up_to`."""
        conversations.mark_read(g.user, body["conversation_id"], body["up_to"])
        return success()


def add_member_routes(
    dialect: Dialect, conversations: Conversations, show: "Show", title_chars: int
) -> None:
    one = words.answer("ManagedConversation", conversation=fields.Nested(words.Conversation))
    example = success(conversation=CONVERSATION)

    @dialect.post(f"{PREFIX}/create_conversation")
    @dialect.arguments(
        words.new_conversation(title_chars),
        example={"type": "general", "title": "产品讨论", "member_ids": [2, 3]},
    )
    @dialect.answers(200, one, example=example, failures=(403,))
    def create_conversation(body: dict[str, Any]) -> dict[str, Any]:
        """创建会话 · Make a conversation of the caller, its creator, and these members."""
        return show.one(
            conversations.create(g.user, body["type"], body["title"], body["member_ids"])
        )

    @dialect.post(f"{PREFIX}/add_members")
    @dialect.arguments(
        words.NewMembers(), example={"conversation_id": 123, "member_ids": [4], "role": "member"}
    )
    @dialect.answers(200, one, example=example, failures=(403, 404))
    def add_members(body: dict[str, Any]) -> dict[str, Any]:
        """添加成员 · Add members, who see what was said before; for creator and admins."""
        number, role = body["conversation_id"], body["role"]
        return show.one(conversations.add_members(g.user, number, body["member_ids"], role))

    @dialect.post(f"{PREFIX}/remove_member")
    @dialect.arguments(words.LeavingMember(), example={"conversation_id": 123, "member_id": 4})
    @dialect.answers(200, one, example=example, failures=(403, 404))
    def remove_member(body: dict[str, Any]) -> dict[str, Any]:
        """移除成员 · Take a member out; for creator, admins and the member itself."""
        return show.one(
            conversations.remove_member(g.user, body["conversation_id"], body["member_id"])
        )

    @dialect.post(f"{PREFIX}/update_status")
    @dialect.arguments(words.NewStatus(), example={"conversation_id": 123, "status": "closed"})
    @dialect.answers(200, one, example=example, failures=(403, 404))
    def update_status(body: dict[str, Any]) -> dict[str, Any]:
        """更新会话状态 · Archive, close or reopen a conversation; for creator and admins."""
        return show.one(
            conversations.update_status(g.user, body["conversation_id"], body["status"])
        )


def add_order_route(dialect: Dialect, orders: Orders, show: "Show", title_chars: int) -> None:
    @dialect.post(f"{PREFIX}/order_status_changed")
    @dialect.arguments(
        words.order_news(title_chars),
        example={
            "order_type": "kol_order",
            "order_id": "KORD_1698765432000_12345",
            "title": "产品推广视频",
            "status": "confirmed",
            "user_id": 1,
            "kol_user_id": 2,
        },
    )
    @dialect.answers(
        200,
        words.answer(
            "OrderConversation", conversation=fields.Nested(words.Conversation, allow_none=True)
        ),
        example=success(conversation=CONVERSATION),
        failures=(403,),
    )
    def order_status_changed(body: dict[str, Any]) -> dict[str, Any]:
        """订单状态变更 · For the order service: a confirmed order has one conversation."""
        order = Order(body["order_type"], body["order_id"], body["status"])
        news = OrderNews(order, body["title"], body["user_id"], body["kol_user_id"])
        conversation = orders.status_changed(g.user, news)
        return success(conversation=None) if conversation is None else show.one(conversation)


class Show:
    """Records as the API shows them, with the names of all who stand in them."""

    def __init__(self, people: People) -> None:
        self._people = people

    def messages(self, number: int, messages: Sequence[Entry]) -> list[dict[str, Any]]:
        profiles = self._people.profiles(int(each.sender) for each in messages)
        return [show_message(number, each, profiles) for each in messages]

    def one(self, conversation: Conversation) -> dict[str, Any]:
        return success(conversation=self.conversations([conversation])[0])

    def conversations(
        self, conversations: Iterable[Conversation], *, listed: bool = False
    ) -> list[dict[str, Any]]:
        found = list(conversations)
        ids = {member.user_id for each in found for member in each.members}
        ids |= {int(each.last.sender) for each in found if listed and each.last}
        profiles = self._people.profiles(ids)
        shown = [show_conversation(each, profiles) for each in found]
        for conversation, fields_ in zip(found, shown, strict=True) if listed else ():
            fields_["last_message"] = show_last(conversation, profiles)
        return shown


def show_message(number: int, message: Entry, profiles: Mapping[int, Profile]) -> dict[str, Any]:
    sender, content = int(message.sender), message.content
    return {
        "message_id": message_id(number, message),
        "conversation_id": number,
        "sender_id": sender,
        "sender_nickname": profiles[sender].name,
        "sender_avatar_url": profiles[sender].avatar_url,
        "message_type": content["message_type"],
        "content": content["content"],
        "file_name": content.get("file_name"),
        "file_size": content.get("file_size"),
        "file_type": content.get("file_type"),
        "status": "sent",
        "created_at": message.created_at,
    }


def show_conversation(
    conversation: Conversation, profiles: Mapping[int, Profile]
) -> dict[str, Any]:
    order, state, caller = conversation.order, conversation.log, g.user.id
    return {
        "conversation_id": f"CONV_{conversation.created_at}_{conversation.id:05}",
        "id": conversation.id,
        "title": conversation.title,
        "type": conversation.type,
        "related_order_type": order.type if order else None,
        "related_order_id": order.id if order else None,
        "order_status": order.status if order else None,
        "status": state.status,
        "members": [
            {
                "user_id": each.user_id,
                "nickname": profiles[each.user_id].name,
                "avatar_url": profiles[each.user_id].avatar_url,
                "role": each.role,
                "joined_at": plain_time(each.joined_at),
            }
            for each in conversation.members
        ],
        "unread_count": state.unread(caller) if caller in state.members else 0,
        "created_at": plain_time(conversation.created_at),
        "last_message_at": state.at or None,
    }


def show_last(conversation: Conversation, profiles: Mapping[int, Profile]) -> dict[str, Any] | None:
    last = conversation.last
    if last is None:
        return None
    return {
        "message_id": message_id(conversation.id, last),
        "sender_nickname": profiles[int(last.sender)].name,
        "message_type": last.content["message_type"],
        "content": last.content["content"],
        "created_at": last.created_at,
    }


def message_id(number: int, message: Entry) -> str:
    """`MSG_`, the time in ms, and digits that hold the conversation and the message's place."""
    return f"MSG_{message.created_at}_{number * 2**22 + message.seq}"
