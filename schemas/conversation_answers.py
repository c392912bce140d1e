"""What the conversations API answers. Source: 会话功能 API 文档."""

from typing import Any

from marshmallow import Schema, fields, validate

from schemas.conversations import MEDIA, ROLES, STATUSES, TYPES
from schemas.fields import Vocabulary, about


class BaseResp(Vocabulary):
    code = fields.Integer(required=True, metadata=about("the HTTP status", example=200))
    message = fields.String(
        required=True, metadata=about("`success`, or what is wrong", example="success")
    )


class Answer(Vocabulary):
    """What every answer holds."""

    base_resp = fields.Nested(BaseResp, required=True)


class ConversationMessage(Vocabulary):
    message_id = fields.String(required=True, metadata={"example": "MSG_1698765432000_12345"})
    conversation_id = fields.Integer(
        required=True, metadata=about("the integer one, a conversation's `id`")
    )
    sender_id = fields.Integer(
        required=True, metadata=about("a user's id; 0 is the service itself, 系统")
    )
    sender_nickname = fields.String(
        required=True, metadata=about("nickname or username; the id of who has no account")
    )
    sender_avatar_url = fields.String(required=True, allow_none=True)
    message_type = fields.String(
        required=True,
        validate=validate.OneOf(("text", *MEDIA, "system")),
        metadata=about("`system`: the service tells of members or status"),
    )
    content = fields.String(required=True, metadata=about("the text, or the file's URL or path"))
    file_name = fields.String(
        required=True, allow_none=True, metadata=about("as the sender gave it")
    )
    file_size = fields.Integer(
        required=True, allow_none=True, metadata=about("as the sender gave it, in bytes")
    )
    file_type = fields.String(
        required=True, allow_none=True, metadata=about("as the sender gave it")
    )
    status = fields.String(required=True, validate=validate.Equal("sent"))
    created_at = fields.Integer(
        required=True,
        metadata=about("ms since 1970, greater than of any earlier one of the conversation"),
    )


class LastMessage(Vocabulary):
    message_id = fields.String(required=True)
    sender_nickname = fields.String(required=True)
    message_type = fields.String(required=True)
    content = fields.String(required=True)
    created_at = fields.Integer(required=True, metadata=about("ms since 1970"))


class ConversationMember(Vocabulary):
    user_id = fields.Integer(required=True)
    nickname = fields.String(
        required=True, metadata=about("nickname or username; the id of who has no account")
    )
    avatar_url = fields.String(required=True, allow_none=True)
    role = fields.String(required=True, validate=validate.OneOf(ROLES))
    joined_at = fields.String(
        required=True, metadata=about("in UTC", example="2024-01-01 10:00:00")
    )


class Conversation(Vocabulary):
    conversation_id = fields.String(
        required=True, metadata=about("the public id", example="CONV_1698765432000_12345")
    )
    id = fields.Integer(required=True, metadata=about("the integer id, by which messages name it"))
    title = fields.String(required=True)
    type = fields.String(required=True, validate=validate.OneOf(TYPES))
    related_order_type = fields.String(required=True, allow_none=True)
    related_order_id = fields.String(required=True, allow_none=True)
    order_status = fields.String(
        required=True, allow_none=True, metadata=about("what was told of the order last")
    )
    status = fields.String(
        required=True,
        validate=validate.OneOf(STATUSES),
        metadata=about("`closed` refuses messages"),
    )
    members = fields.List(
        fields.Nested(ConversationMember), required=True, metadata=about("in the order of joining")
    )
    unread_count = fields.Integer(
        required=True,
        metadata=about("messages of others since the caller joined, not marked as read"),
    )
    created_at = fields.String(
        required=True, metadata=about("in UTC", example="2024-01-01 10:00:00")
    )
    last_message_at = fields.Integer(
        required=True,
        allow_none=True,
        metadata=about("ms since 1970; those of the service count as well"),
    )


class ListedConversation(Conversation):
    last_message = fields.Nested(LastMessage, required=True, allow_none=True)


class ConversationAnswer(Answer):
    conversation = fields.Nested(Conversation, required=True)


class PageInfo(Vocabulary):
    page = fields.Integer(required=True)
    page_size = fields.Integer(required=True)
    total = fields.Integer(required=True, metadata=about("conversations on all pages together"))
    total_pages = fields.Integer(required=True)


def answer(name: str, **beside: fields.Field[Any]) -> Schema:
    """The answer that holds these fields beside `base_resp`."""
    for each in beside.values():
        each.required = True
    return Answer.from_dict(beside, name=name)()
