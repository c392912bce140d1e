"""The words of the message sessions API. Source: 消息会话管理API接口文档."""

from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from schemas.fields import AnyText, CamelCase, Count, Flag, Name, OneOf, Prose, Text, Whole
from schemas.times import A_TIME, Moment, QueryMoment

TYPES = ("PRIVATE", "GROUP", "SYSTEM")
STATUSES = ("ACTIVE", "ARCHIVED", "DELETED")
ORDERS = ("lastMessageTime", "createTime", "updateTime", "title", "unreadCount")
DIRECTIONS = ("DESC", "ASC")
MOST_ID = 2**53 - 1
MOST_WHOLE = 2**63 - 1
MOST_MEMBERS = 200
MOST_AT_ONCE = 1000
MOST_PAGE = 100


def user_id(**kwargs: Any) -> Whole:
    """A user's id in a body."""
    return Whole(1, MOST_ID, **({"required": True} | kwargs))


def session_id() -> Text:
    """A session's `sessionId` in a body or query."""
    return Text(200, required=True, metadata={"example": "SESS_20240101000000"})


def new_session(title_limit: int, description_limit: int) -> Schema:
    """The body that makes a session; limits in characters."""

    class NewMessageSession(CamelCase):
        user_id1 = user_id()
        user_id2 = user_id()
        session_type = OneOf(TYPES, load_default="PRIVATE")
        title = Name(title_limit, allow_none=True, load_default=None)
        description = Prose(description_limit, allow_none=True, load_default=None)
        member_ids = fields.List(
            Whole(1, MOST_ID),
            allow_none=True,
            load_default=None,
            validate=validate.Length(0, MOST_MEMBERS, error="Must be at most {max} ids."),
            metadata={"description": "whoever else is in a GROUP"},
        )

        @validates_schema
        def bound(self, data: dict[str, Any], **_: Any) -> None:
            if data["user_id1"] == data["user_id2"]:
                raise ValidationError("Must not be the same as userId1.", "userId2")
            if data["member_ids"] and data["session_type"] != "GROUP":
                raise ValidationError("Only a GROUP has further members.", "memberIds")

    return NewMessageSession()


def session_change(title_limit: int, description_limit: int) -> Schema:
    """The body that changes a session; limits in characters."""

    class MessageSessionChange(CamelCase):
        title = Name(title_limit, allow_none=True)
        description = Prose(description_limit, allow_none=True)
        status = OneOf(STATUSES, allow_none=True)

        @validates_schema
        def bound(self, data: dict[str, Any], **_: Any) -> None:
            if all(each is None for each in data.values()):
                raise ValidationError("title, description or status is required.", "body")

    return MessageSessionChange()


def last_message(message_limit: int) -> Schema:
    """The body that tells of a message; `message_limit` in characters."""

    class LastMessageNews(CamelCase):
        session_id = session_id()
        last_message = Text(message_limit, required=True)
        last_message_time = Moment(required=True)
        sender_id = user_id()

    return LastMessageNews()


def new_message(message_limit: int) -> Schema:
    """The body that brings a message; `message_limit` in characters."""

    class NewSessionMessage(CamelCase):
        session_id = session_id()
        sender_id = user_id()
        receiver_id = user_id(
            required=False,
            allow_none=True,
            load_default=None,
            metadata={"description": "needed unless the session is a GROUP"},
        )
        message = Text(message_limit, required=True)
        message_time = Moment(allow_none=True, load_default=None)

        @validates_schema
        def bound(self, data: dict[str, Any], **_: Any) -> None:
            if data["receiver_id"] == data["sender_id"]:
                raise ValidationError("Must not be the same as senderId.", "receiverId")

    return NewSessionMessage()


class Increment(CamelCase):
    session_id = session_id()
    user_id = user_id()
    increment = Whole(1, 10_000, load_default=1)


class OfMember(CamelCase):
    session_id = session_id()
    user_id = user_id()


class OfMemberQuery(CamelCase):
    session_id = session_id()
    user_id = Count(1, MOST_ID, required=True)


class ArchivedQuery(CamelCase):
    user_id = Count(1, MOST_ID, required=True)
    before_time = QueryMoment(load_default=None)


class Batch(CamelCase):
    session_ids = fields.List(
        AnyText(metadata={"example": "SESS_20240101000000"}),
        required=True,
        validate=validate.Length(1, MOST_AT_ONCE, error="Must be 1 to {max} ids."),
    )
    user_id = user_id()


class Rebuild(CamelCase):
    user_id = user_id()
    force = Flag(load_default=False)


class PageQuery(CamelCase):
    current_page = Count(1, MOST_WHOLE, load_default=1)
    page_size = Count(
        1, MOST_WHOLE, load_default=20, metadata={"description": f"over {MOST_PAGE} counts as that"}
    )


class OfTypeQuery(PageQuery):
    session_type = OneOf(TYPES, load_default=None)


class ListQuery(OfTypeQuery):
    user_id = Count(1, MOST_ID, required=True)
    status = OneOf(STATUSES, load_default=None)


class TypeQuery(CamelCase):
    session_type = OneOf(TYPES, load_default=None)


class LimitQuery(CamelCase):
    limit = Count(1, MOST_PAGE, load_default=10)


class Search(CamelCase):
    user_id = user_id()
    session_type = OneOf(TYPES, allow_none=True, load_default=None)
    status = OneOf(STATUSES, allow_none=True, load_default=None)
    keyword = AnyText(200, allow_none=True, load_default=None)
    current_page = Whole(1, MOST_WHOLE, load_default=1)
    page_size = Whole(
        1, MOST_WHOLE, load_default=20, metadata={"description": f"over {MOST_PAGE} counts as that"}
    )
    order_by = OneOf(ORDERS, load_default="lastMessageTime")
    order_direction = OneOf(DIRECTIONS, load_default="DESC")


class MessagesQuery(CamelCase):
    user_id = Count(1, MOST_ID, required=True)
    before = Count(1, MOST_WHOLE, load_default=None, metadata={"description": "a message's id"})
    limit = Count(1, MOST_PAGE, load_default=20)


class MessageSession(CamelCase):
    """What a user sees of a session: `unreadCount` and `status` are its own."""

    id = fields.Integer(required=True)
    session_id = fields.String(required=True, metadata={"example": "SESS_20240101000000"})
    user_id1 = fields.Integer(required=True)
    user_id2 = fields.Integer(required=True)
    session_type = fields.String(required=True, validate=validate.OneOf(TYPES))
    title = fields.String(required=True, allow_none=True)
    description = fields.String(required=True, allow_none=True)
    last_message = fields.String(required=True, allow_none=True)
    last_message_time = fields.String(required=True, allow_none=True, metadata=A_TIME)
    unread_count = fields.Integer(required=True)
    status = fields.String(required=True, validate=validate.OneOf(STATUSES))
    create_time = fields.String(required=True, metadata=A_TIME)
    update_time = fields.String(required=True, metadata=A_TIME)


class MessageSessionPage(CamelCase):
    records = fields.List(fields.Nested(MessageSession), required=True)
    total = fields.Integer(required=True)
    current_page = fields.Integer(required=True)
    page_size = fields.Integer(required=True)
    total_pages = fields.Integer(required=True)


class SessionMessage(CamelCase):
    id = fields.Integer(required=True)
    session_id = fields.String(required=True)
    sender_id = fields.Integer(required=True)
    receiver_id = fields.Integer(required=True, allow_none=True)
    message = fields.String(required=True)
    message_time = fields.String(required=True, metadata=A_TIME)


class FailedSession(CamelCase):
    session_id = fields.String(required=True)
    reason = fields.String(required=True)


class BatchResult(CamelCase):
    updated = fields.Integer(required=True)
    failed = fields.List(fields.Nested(FailedSession), required=True)


class RebuildResult(CamelCase):
    checked = fields.Integer(required=True)
    repaired = fields.Integer(required=True)


class MessageSessionsAnswer(CamelCase):
    """What every answer holds; `code` is the HTTP status."""

    code = fields.Integer(required=True, metadata={"example": 200})
    message = fields.String(required=True, metadata={"example": "success"})


class MessageSessionsFailure(MessageSessionsAnswer):
    data = fields.Raw(required=True, allow_none=True, metadata={"example": None})


def answer(name: str, data: fields.Field[Any]) -> Schema:
    """The answer that holds this as `data`."""
    data.required = True
    return MessageSessionsAnswer.from_dict({"data": data}, name=name)()
