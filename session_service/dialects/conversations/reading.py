"""What a member sees of conversations, and marks as read."""

from typing import Any

from flask import g
from marshmallow import fields

import schemas.conversation_answers as answers
import schemas.conversations as words
from session_service.core.conversations import Conversations
from session_service.dialects.conversations.envelope import (
    AT,
    CONVERSATION,
    LAST,
    NO_INTEGER_ID,
    NO_MEMBER,
    PAGE_INFO,
    PREFIX,
    success,
)
from session_service.dialects.conversations.show import Show
from session_service.dialects.dialect import Dialect


def add_reading_routes(dialect: Dialect, conversations: Conversations, show: Show) -> None:
    @dialect.post(f"{PREFIX}/get_conversation")
    @dialect.arguments(words.OneConversation(), example={"conversation_id": 123})
    @dialect.answers(
        200,
        answers.ConversationAnswer(),
        example=success(conversation=CONVERSATION),
        failures=NO_MEMBER,
        reads=True,
    )
    def get_conversation(body: dict[str, Any]) -> dict[str, Any]:
        """获取会话详情 · One conversation, with its members in the order of joining."""
        return show.one(conversations.get(g.user, body["conversation_id"]))

    @dialect.post(f"{PREFIX}/list_members")
    @dialect.arguments(words.OneConversation(), example={"conversation_id": 123})
    @dialect.answers(
        200,
        answers.answer(
            "MembersAnswer", members=fields.List(fields.Nested(answers.ConversationMember))
        ),
        example=success(members=CONVERSATION["members"]),
        failures=NO_MEMBER,
        reads=True,
    )
    def list_members(body: dict[str, Any]) -> dict[str, Any]:
        """获取成员列表 · A conversation's members, in the order of joining."""
        conversation = conversations.get(g.user, body["conversation_id"])
        return success(members=show.members(conversation))

    @dialect.post(f"{PREFIX}/get_conversations")
    @dialect.arguments(words.ConversationsPage(), example={"page": 1, "page_size": 20})
    @dialect.answers(
        200,
        answers.answer(
            "ConversationsAnswer",
            conversations=fields.List(fields.Nested(answers.ListedConversation)),
            page_info=fields.Nested(answers.PageInfo),
        ),
        example=success(conversations=[CONVERSATION | {"last_message": LAST}], page_info=PAGE_INFO),
        failures=NO_INTEGER_ID,
        reads=True,
    )
    def get_conversations(body: dict[str, Any]) -> dict[str, Any]:
        """获取会话列表 · The caller's conversations, newest activity first.

        Activity is `last_message_at`: a conversation that goes on moves to the first page.
        """
        page, size = body["page"], body["page_size"]
        found, total = conversations.list(g.user, body["type"], page=page, page_size=size)
        info = {"page": page, "page_size": size, "total": total, "total_pages": -(-total // size)}
        return success(conversations=show.listed(found), page_info=info)

    @dialect.post(f"{PREFIX}/mark_read")
    @dialect.arguments(
        words.ReadMark(),
        examples={
            "all": {"value": {"conversation_id": 123}},
            "what was seen": {"value": {"conversation_id": 123, "up_to": AT}},
        },
    )
    @dialect.answers(200, answers.Answer(), example=success(), failures=NO_MEMBER)
    def mark_read(body: dict[str, Any]) -> dict[str, Any]:
        """标记消息已读 · Set the caller's unread count to 0, or to what came after a time.

        With the `created_at` of the last message that was seen as `up_to`, what comes meanwhile
        stays unread. What is read stays read.
        """
        conversations.mark_read(g.user, body["conversation_id"], body["up_to"])
        return success()
