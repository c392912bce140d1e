"""The words of the conversations API. Source: 会话功能 API 文档."""

import re
from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from schemas.fields import Messages, Name, OneOf, Text, Vocabulary, Whole

ORDER_TYPES = ("kol_order", "ad_order")
OWN_TYPES = ("general", "support")
TYPES = (*ORDER_TYPES, *OWN_TYPES)
ORDER_STATUSES = (
    "pending_payment",
    "pending",
    "confirmed",
    "in_progress",
    "completed",
    "cancelled",
)
STATUSES = ("active", "archived", "closed")
ROLES = ("creator", "member", "support")
MEDIA = ("image", "file", "video", "audio")
MOST_ID = 2**53 - 1
MOST_TIME = 253_402_300_799_999  # the year 9999
MOST_MEMBERS = 200
MOST_PAGE = 100
MOST_URL = 2048
MOST_FILE_NAME = 200
PUBLIC_ID = re.compile(r"CONV_[0-9]{1,15}_([0-9]{5,15})")
URL = re.compile(r"https?://[^\s/?#]\S*")
UPLOADED = re.compile(r"(?:https?://[^\s/?#]+)?/api/v1/files/([0-9a-f]{32})/[^\s/?#]+")


class ConversationId(fields.Field[int]):
    """The integer id, or the public one, which ends with it."""

    default_error_messages: Messages = {
        "not_id": "Must be an integer id, or a text like CONV_1698765432000_00123.",
    }

    def __init__(self, **kwargs: Any) -> None:
        metadata = {
            "oneOf": [
                {"type": "integer", "minimum": 1, "maximum": MOST_ID},
                {"type": "string", "pattern": f"^{PUBLIC_ID.pattern}$"},
            ],
            "example": 123,
        }
        super().__init__(metadata=metadata, **kwargs)

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> int:
        if isinstance(value, str) and (public := PUBLIC_ID.fullmatch(value)):
            value = int(public[1])
        if type(value) is not int or not 1 <= value <= MOST_ID:
            raise self.make_error("not_id")
        return int(value)


class OneConversation(Vocabulary):
    conversation_id = ConversationId(required=True)


def upload_in(content: str) -> str | None:
    """The id of the upload whose path or URL this is, if it is one."""
    path = UPLOADED.fullmatch(content)
    return path[1] if path else None


def user_ids() -> fields.Field[Any]:
    """A list of users that is not empty."""
    return fields.List(
        Whole(1, MOST_ID),
        required=True,
        validate=validate.Length(1, MOST_MEMBERS, error="Must be 1 to {max} ids."),
    )


def new_message(limit: int) -> Schema:
    """The body that sends a message; `limit` of its text in characters."""

    class NewConversationMessage(OneConversation):
        message_type = OneOf(("text", *MEDIA), required=True)
        content = Text(
            max(limit, MOST_URL),
            required=True,
            metadata={"description": "text, or the URL of a file"},
        )
        file_name = Name(MOST_FILE_NAME, allow_none=True)
        file_size = Whole(0, MOST_ID, allow_none=True)
        file_type = Name(MOST_FILE_NAME, allow_none=True)

        @validates_schema
        def bound(self, data: dict[str, Any], **_: Any) -> None:
            content = data["content"]
            if data["message_type"] == "text":
                if len(content) > limit:
                    raise ValidationError(f"Must not be longer than {limit} characters.", "content")
            elif len(content) > MOST_URL or not (URL.fullmatch(content) or upload_in(content)):
                raise ValidationError("Must be an http(s) URL or the path of an upload.", "content")

    return NewConversationMessage()


def new_conversation(title_limit: int) -> Schema:
    """The body that makes a conversation; `title_limit` in characters."""

    class NewConversation(Vocabulary):
        type = OneOf(OWN_TYPES, required=True)
        title = Name(title_limit, required=True)
        member_ids = user_ids()

    return NewConversation()


class MessagesPage(OneConversation):
    before_timestamp = Whole(0, MOST_TIME, allow_none=True, load_default=None)
    limit = Whole(1, MOST_PAGE, load_default=20)


class ConversationsPage(Vocabulary):
    type = OneOf(TYPES, allow_none=True, load_default=None)
    page = Whole(1, 10**6, load_default=1)
    page_size = Whole(1, MOST_PAGE, load_default=20)


class ReadMark(OneConversation):
    up_to = Whole(0, MOST_TIME, allow_none=True, load_default=None)


class NewMembers(OneConversation):
    member_ids = user_ids()
    role = OneOf(("member", "support"), load_default="member")


class LeavingMember(OneConversation):
    member_id = Whole(1, MOST_ID, required=True)


class NewStatus(OneConversation):
    status = OneOf(STATUSES, required=True)


def order_news(title_limit: int) -> Schema:
    """The body that tells of an order; `title_limit` in characters."""

    class OrderNews(Vocabulary):
        order_type = OneOf(ORDER_TYPES, required=True)
        order_id = Name(200, required=True)
        title = Name(title_limit, required=True)
        status = OneOf(ORDER_STATUSES, required=True)
        user_id = Whole(1, MOST_ID, required=True)
        kol_user_id = Whole(1, MOST_ID, required=True)

    return OrderNews()


class PollWait(OneConversation):
    after_timestamp = Whole(0, MOST_TIME, required=True)
    wait_s = Whole(0, 25, load_default=0)


class BaseResp(Vocabulary):
    code = fields.Integer(required=True, metadata={"example": 200})
    message = fields.String(required=True, metadata={"example": "success"})


class Answer(Vocabulary):
    """What every answer holds."""

    base_resp = fields.Nested(BaseResp, required=True)


class ConversationMessage(Vocabulary):
    message_id = fields.String(required=True, metadata={"example": "MSG_1698765432000_12345"})
    conversation_id = fields.Integer(required=True)
    sender_id = fields.Integer(required=True)
    sender_nickname = fields.String(required=True)
    sender_avatar_url = fields.String(required=True, allow_none=True)
    message_type = fields.String(required=True, validate=validate.OneOf(("text", *MEDIA, "system")))
    content = fields.String(required=True)
    file_name = fields.String(required=True, allow_none=True)
    file_size = fields.Integer(required=True, allow_none=True)
    file_type = fields.String(required=True, allow_none=True)
    status = fields.String(required=True, validate=validate.Equal("sent"))
    created_at = fields.Integer(required=True, metadata={"description": "ms since 1970"})


class LastMessage(Vocabulary):
    message_id = fields.String(required=True)
    sender_nickname = fields.String(required=True)
    message_type = fields.String(required=True)
    content = fields.String(required=True)
    created_at = fields.Integer(required=True)


class ConversationMember(Vocabulary):
    user_id = fields.Integer(required=True)
    nickname = fields.String(required=True)
    avatar_url = fields.String(required=True, allow_none=True)
    role = fields.String(required=True, validate=validate.OneOf(ROLES))
    joined_at = fields.String(required=True, metadata={"example": "2024-01-01 10:00:00"})


class Conversation(Vocabulary):
    conversation_id = fields.String(required=True, metadata={"example": "CONV_1698765432000_12345"})
    id = fields.Integer(required=True)
    title = fields.String(required=True)
    type = fields.String(required=True, validate=validate.OneOf(TYPES))
    related_order_type = fields.String(required=True, allow_none=True)
    related_order_id = fields.String(required=True, allow_none=True)
    order_status = fields.String(required=True, allow_none=True)
    status = fields.String(required=True, validate=validate.OneOf(STATUSES))
    members = fields.List(fields.Nested(ConversationMember), required=True)
    unread_count = fields.Integer(required=True)
    created_at = fields.String(required=True, metadata={"example": "2024-01-01 10:00:00"})
    last_message_at = fields.Integer(required=True, allow_none=True)


class ListedConversation(Conversation):
    last_message = fields.Nested(LastMessage, required=True, allow_none=True)


class PageInfo(Vocabulary):
    page = fields.Integer(required=True)
    page_size = fields.Integer(required=True)
    total = fields.Integer(required=True)
    total_pages = fields.Integer(required=True)


def answer(name: str, **beside: fields.Field[Any]) -> Schema:
    """The answer that holds these fields beside `base_resp`."""
    for each in beside.values():
        each.required = True
    return Answer.from_dict(beside, name=name)()
