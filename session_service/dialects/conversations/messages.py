"""Sending and reading messages."""

from typing import Any

from flask import g
from marshmallow import fields

import schemas.conversations as words
from session_service.core.conversations import Conversations
from session_service.core.people import profile_of
from session_service.core.user_ids import integer_id
from session_service.dialects.conversations.envelope import (
    MESSAGE,
    NO_MEMBER,
    PREFIX,
    success,
)
from session_service.dialects.conversations.show import Show, show_message
from session_service.dialects.dialect import Dialect
from session_service.dialects.idempotency import IDEMPOTENCY_KEY, idempotency_key


def add_message_routes(
    dialect: Dialect, conversations: Conversations, show: Show, message_chars: int
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
    @dialect.answers(200, one, example=success(message=MESSAGE), failures=NO_MEMBER)
    def send_message(body: dict[str, Any]) -> dict[str, Any]:
        """发送消息 · Send a message to a conversation that the caller is a member of.

        A repeat with the same `Idempotency-Key` answers what was stored the first time.
        """
        number = body.pop("conversation_id")
        content = {name: value for name, value in body.items() if value is not None}
        upload = None if body["message_type"] == "text" else words.upload_in(body["content"])
        elsewhere = not body["content"].startswith("/")
        sent = conversations.send(
            g.user, number, content, idempotency_key(), upload, elsewhere=elsewhere
        )
        sender = integer_id(g.user)
        profiles = {sender: profile_of(g.user, sender)}
        return success(message=show_message(number, sent, profiles))

    @dialect.post(f"{PREFIX}/get_messages")
    @dialect.arguments(words.MessagesPage(), example={"conversation_id": 123, "limit": 20})
    @dialect.answers(
        200, several, example=success(messages=[MESSAGE], has_more=True), failures=NO_MEMBER
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
        200, several, example=success(messages=[MESSAGE], has_more=False), failures=NO_MEMBER
    )
    def poll(body: dict[str, Any]) -> dict[str, Any]:
        """等待新消息 · The first 100 messages after a time, waited for up to `wait_s` seconds."""
        number = body["conversation_id"]
        found, more = conversations.poll(
            g.user,
            number,
            after=body["after_timestamp"],
            wait_s=body["wait_s"],
        )
        return success(messages=show.messages(number, found), has_more=more)
