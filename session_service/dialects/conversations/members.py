"""Making conversations, by people and by orders; changing members and status."""

from typing import Any

from flask import g
from marshmallow import fields

import schemas.conversation_answers as answers
import schemas.conversations as words
from session_service.core.conversations import Conversations
from session_service.core.orders import OrderNews, Orders
from session_service.dialects.conversations.envelope import (
    CONVERSATION,
    NO_INTEGER_ID,
    NO_MEMBER,
    PREFIX,
    success,
)
from session_service.dialects.conversations.show import Show
from session_service.dialects.dialect import Dialect
from session_service.errors import Forbidden
from session_service.models import Order


def add_member_routes(
    dialect: Dialect, conversations: Conversations, show: Show, title_chars: int
) -> None:
    one = answers.ConversationAnswer()
    example = success(conversation=CONVERSATION)

    @dialect.post(f"{PREFIX}/create_conversation")
    @dialect.arguments(
        words.new_conversation(title_chars),
        example={"type": "general", "title": "产品讨论", "member_ids": [2, 3]},
    )
    @dialect.answers(200, one, example=example, failures=NO_INTEGER_ID)
    def create_conversation(body: dict[str, Any]) -> dict[str, Any]:
        """创建会话 · Make a conversation of the caller, its creator, and these members.

        2 to 200 members with the caller, who need not be in `member_ids`. Its first message is
        one of the service. Every call makes another one. Those of orders are made by
        `order_status_changed`.
        """
        return show.one(
            conversations.create(g.user, body["type"], body["title"], body["member_ids"])
        )

    @dialect.post(f"{PREFIX}/add_members")
    @dialect.arguments(
        words.NewMembers(), example={"conversation_id": 123, "member_ids": [4], "role": "member"}
    )
    @dialect.answers(200, one, example=example, failures=NO_MEMBER)
    def add_members(body: dict[str, Any]) -> dict[str, Any]:
        """添加成员 · Add members, who see what was said before; for creator and admins.

        Up to 200 members in all, each with an unread count of 0. The role `support` is for
        admins to give. A message of the service tells who came.
        """
        asked, role = body["conversation_id"], body["role"]
        return show.one(conversations.add_members(g.user, asked, body["member_ids"], role))

    @dialect.post(f"{PREFIX}/remove_member")
    @dialect.arguments(words.LeavingMember(), example={"conversation_id": 123, "member_id": 4})
    @dialect.answers(200, one, example=example, failures=NO_MEMBER)
    def remove_member(body: dict[str, Any]) -> dict[str, Any]:
        """移除成员 · Take a member out; for creator, admins and the member itself.

        A message of the service tells who went.
        """
        return show.one(
            conversations.remove_member(g.user, body["conversation_id"], body["member_id"])
        )

    @dialect.post(f"{PREFIX}/update_status")
    @dialect.arguments(words.NewStatus(), example={"conversation_id": 123, "status": "closed"})
    @dialect.answers(200, one, example=example, failures=NO_MEMBER)
    def update_status(body: dict[str, Any]) -> dict[str, Any]:
        """更新会话状态 · Archive, close or reopen a conversation; for creator and admins.

        Who sends a message to one that is `closed` gets 400; `archived` is but a mark. A message
        of the service tells of the change.
        """
        return show.one(
            conversations.update_status(g.user, body["conversation_id"], body["status"])
        )


def add_order_route(dialect: Dialect, orders: Orders, show: Show, title_chars: int) -> None:
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
        answers.answer(
            "OrderConversation", conversation=fields.Nested(answers.Conversation, allow_none=True)
        ),
        example=success(conversation=CONVERSATION),
        failures=(Forbidden(code="admins_only"),),
    )
    def order_status_changed(body: dict[str, Any]) -> dict[str, Any]:
        """订单状态变更 · For the order service: a confirmed order has one conversation.

        Needs a token of an admin, or one that the order service signs with `role: admin` for a
        `sub` that is no account here. What is `confirmed` first makes the conversation; repeats
        make no other one and change neither title nor members. Other statuses become its
        `order_status`. `conversation` is null for an order that was never confirmed.
        """
        order = Order(body["order_type"], body["order_id"], body["status"])
        news = OrderNews(order, body["title"], body["user_id"], body["kol_user_id"])
        conversation = orders.status_changed(g.user, news)
        return success(conversation=None) if conversation is None else show.one(conversation)
