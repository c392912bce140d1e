"""Sending and reading messages."""

from collections.abc import Callable
from typing import Any

from flask import g
from marshmallow import fields

import schemas.conversation_answers as answers
import schemas.conversations as words
from schemas.fields import about
from session_service.core.conversation_ids import number_in
from session_service.core.conversations import Conversations
from session_service.core.people import profile_of
from session_service.core.user_ids import integer_id
from session_service.dialects.conversations.envelope import (
    AT,
    MESSAGE,
    NO_MEMBER,
    PREFIX,
    success,
)
from session_service.dialects.conversations.show import Show, show_message
from session_service.dialects.dialect import Dialect
from session_service.dialects.idempotency import IDEMPOTENCY_KEY, idempotency_key

TEXT = {"conversation_id": 123, "message_type": "text", "content": "消息内容"}
IMAGE = {
    "conversation_id": 123,
    "message_type": "image",
    "content": "/api/v1/files/0f6c2ad1c9e94d5f8b7a3e2d1c0b9a88/photo.png",
    "file_name": "photo.png",
    "file_size": 51234,
    "file_type": "image/png",
}


def add_message_routes(
    dialect: Dialect,
    conversations: Conversations,
    show: Show,
    message_chars: int,
    *,
    authenticate: Callable[[], None],
) -> None:
    """Adds the routes; `authenticate` is what guards them."""
    one = answers.answer("OneMessage", message=fields.Nested(answers.ConversationMessage))
    several = answers.answer(
        "SeveralMessages",
        messages=fields.List(
            fields.Nested(answers.ConversationMessage), metadata=about("oldest first")
        ),
        has_more=fields.Boolean(
            metadata=about("are there others: older than these, or newer ones where it is a poll")
        ),
    )

    @dialect.post(f"{PREFIX}/send_message", parameters=[IDEMPOTENCY_KEY])
    @dialect.arguments(
        words.new_message(message_chars),
        examples={"text": {"value": TEXT}, "image": {"value": IMAGE}},
    )
    @dialect.answers(200, one, example=success(message=MESSAGE), failures=NO_MEMBER)
    def send_message(body: dict[str, Any]) -> dict[str, Any]:
        """发送消息 · Send a message to a conversation that the caller is a member of.

        An image, a file, a video or audio is uploaded before (`POST /api/v1/upload`), and named
        here by its `url`. 400 where the conversation is `closed`. With an `Idempotency-Key` the
        call may be repeated: the same key and message answer what was stored the first time, the
        same key with another message is refused with 400.
        """
        asked = body.pop("conversation_id")
        content = {name: value for name, value in body.items() if value is not None}
        media = body["message_type"] != "text"
        upload = words.upload_in(body["content"]) if media else words.Upload()
        sent = conversations.send(
            g.user, asked, content, idempotency_key(), upload.id, upload.path_name
        )
        sender = integer_id(g.user)
        profiles = {sender: profile_of(g.user, sender)}
        return success(message=show_message(number_in(asked), sent, profiles))

    @dialect.post(f"{PREFIX}/get_messages")
    @dialect.arguments(
        words.MessagesPage(),
        examples={
            "the newest": {"value": {"conversation_id": 123, "limit": 20}},
            "those before": {
                "value": {"conversation_id": 123, "before_timestamp": AT, "limit": 20}
            },
        },
    )
    @dialect.answers(
        200,
        several,
        example=success(messages=[MESSAGE], has_more=True),
        failures=NO_MEMBER,
        reads=True,
    )
    def get_messages(body: dict[str, Any]) -> dict[str, Any]:
        """获取消息列表 · The newest messages, or the newest before a time; oldest first.

        To go back, call again with the `created_at` of the first message as `before_timestamp`,
        as long as `has_more` is true: nothing is left out or given twice.
        """
        asked = body["conversation_id"]
        found, more = conversations.messages(
            g.user, asked, before=body["before_timestamp"], limit=body["limit"]
        )
        return success(messages=show.messages(number_in(asked), found), has_more=more)

    @dialect.post(f"{PREFIX}/poll")
    @dialect.arguments(
        words.PollWait(),
        example={"conversation_id": 123, "after_timestamp": AT, "wait_s": 20},
    )
    @dialect.answers(
        200,
        several,
        example=success(messages=[MESSAGE], has_more=False),
        failures=NO_MEMBER,
        reads=True,
    )
    def poll(body: dict[str, Any]) -> dict[str, Any]:
        """等待新消息 · The first 100 messages after a time, waited for where there is none.

        Call again at once with the `created_at` of the last message as `after_timestamp`, or the
        same one where nothing came. The caller's own messages and those of the service count as
        well. An answer may hold none: after `wait_s` seconds, or earlier.
        """
        asked = body["conversation_id"]
        found, more = conversations.poll(
            g.user,
            asked,
            after=body["after_timestamp"],
            wait_s=body["wait_s"],
        )
        authenticate()  # what held at the beginning may be void by now
        return success(messages=show.messages(number_in(asked), found), has_more=more)
