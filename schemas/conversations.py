"""The words of the conversations API. Source: 会话功能 API 文档."""

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from schemas.fields import Messages, Name, OneOf, Text, Vocabulary, Whole, about

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
MOST_PORT = 65535
MOST_FILE_NAME = 200
PUBLIC_ID = re.compile(r"CONV_[0-9]+_[0-9]+")
COPIED = "copied from the upload's answer; others see it as it is given"
URL = re.compile(r'(?i:https?)://[^\s\x00-\x1f\x7f-\x9f"<>\\^`{|}]+')
UPLOADED = re.compile(r"((?i:https?)://[^/?#]+)?/api/v1/files/([0-9a-f]{32})/([^\s/?#]+)")


class ConversationId(fields.Field[int | str]):
    """The integer id, or the public one, kept as text: which one it is, is looked up."""

    default_error_messages: Messages = {
        "not_id": "Must be an integer id, or a text like CONV_1698765432000_00123.",
    }

    def __init__(self, **kwargs: Any) -> None:
        metadata = {
            "oneOf": [
                {"type": "integer", "minimum": 1, "maximum": MOST_ID},
                {"type": "string", "pattern": f"^{PUBLIC_ID.pattern}$"},
            ],
            "description": "the integer id, or the public one: both name the same conversation",
            "example": 123,
        }
        super().__init__(metadata=metadata, **kwargs)

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> int | str:
        if isinstance(value, str) and PUBLIC_ID.fullmatch(value):
            return value
        if type(value) is not int or not 1 <= value <= MOST_ID:
            raise self.make_error("not_id")
        return int(value)


class OneConversation(Vocabulary):
    conversation_id = ConversationId(required=True)


@dataclass(frozen=True, slots=True)
class Upload:
    """The upload that a message names, if any; `path_name` is known where it is one of ours."""

    id: str | None = None
    path_name: str | None = None


def upload_in(content: str) -> Upload:
    """The upload whose path or URL this is, if it is one."""
    path = UPLOADED.fullmatch(content)
    if path is None:
        return Upload()
    host, file_id, quoted = path.groups()
    if host:
        return Upload(file_id)
    name = unquote(quoted)
    return Upload(file_id, name) if quote(name, safe="") == quoted else Upload()


def is_url(content: str) -> bool:
    """Whether this is an http(s) URL that may stand in a page as it is."""
    if not URL.fullmatch(content):
        return False
    try:
        parts = urlsplit(content)
        return bool(parts.hostname) and (parts.port or 0) <= MOST_PORT
    except ValueError:  # what stands there is no host, or no port
        return False


class UserIds(fields.List[int]):
    """Ids of users, each of them once."""

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> list[Any]:
        return list(dict.fromkeys(super()._deserialize(value, attr, data, **kwargs)))


def user_ids(whose: str) -> fields.Field[Any]:
    """A list of users that is not empty, and whose ids they are."""
    return UserIds(
        Whole(1, MOST_ID),
        required=True,
        metadata=about(f"{whose}; they need no account here"),
        validate=validate.Length(1, MOST_MEMBERS, error="Must be 1 to {max} ids."),
    )


def new_message(limit: int) -> Schema:
    """The body that sends a message; `limit` of its text in characters."""

    class NewConversationMessage(OneConversation):
        message_type = OneOf(("text", *MEDIA), required=True)
        content = Text(
            max(limit, MOST_URL),
            required=True,
            metadata=about(
                f"the text, of at most {limit} characters; for all other types an http(s) URL "
                f"of at most {MOST_URL}, or the `url` that an upload has answered"
            ),
        )
        file_name = Name(MOST_FILE_NAME, allow_none=True, metadata=about(COPIED))
        file_size = Whole(0, MOST_ID, allow_none=True, metadata=about(f"in bytes, {COPIED}"))
        file_type = Name(MOST_FILE_NAME, allow_none=True, metadata=about(f"a MIME type, {COPIED}"))

        @validates_schema
        def bound(self, data: dict[str, Any], **_: Any) -> None:
            content = data["content"]
            if data["message_type"] == "text":
                if len(content) > limit:
                    raise ValidationError(f"Must not be longer than {limit} characters.", "content")
            elif len(content) > MOST_URL or not (is_url(content) or upload_in(content).path_name):
                raise ValidationError("Must be an http(s) URL or the path of an upload.", "content")

    return NewConversationMessage()


def new_conversation(title_limit: int) -> Schema:
    """The body that makes a conversation; `title_limit` in characters."""

    class NewConversation(Vocabulary):
        type = OneOf(OWN_TYPES, required=True)
        title = Name(title_limit, required=True)
        member_ids = user_ids("ids of the others; the caller is a member without being named")

    return NewConversation()


class MessagesPage(OneConversation):
    before_timestamp = Whole(
        0,
        MOST_TIME,
        allow_none=True,
        load_default=None,
        metadata=about(
            "a message's `created_at` (ms): only older ones are given, not that one; "
            "without it the newest"
        ),
    )
    limit = Whole(1, MOST_PAGE, load_default=20)


class ConversationsPage(Vocabulary):
    type = OneOf(
        TYPES,
        allow_none=True,
        load_default=None,
        metadata=about("only those of this type; without it all"),
    )
    page = Whole(1, MOST_ID, load_default=1)
    page_size = Whole(1, MOST_PAGE, load_default=20)


class ReadMark(OneConversation):
    up_to = Whole(
        0,
        MOST_TIME,
        allow_none=True,
        load_default=None,
        metadata=about(
            "a message's `created_at` (ms): that one and all older ones are read; without it all"
        ),
    )


class NewMembers(OneConversation):
    member_ids = user_ids("ids of users; who is a member already stays as it is")
    role = OneOf(
        ("member", "support"),
        load_default="member",
        metadata=about("`support` can be given by admins only"),
    )


class LeavingMember(OneConversation):
    member_id = Whole(
        1, MOST_ID, required=True, metadata=about("a member's `user_id`; one's own to leave")
    )


class NewStatus(OneConversation):
    status = OneOf(
        STATUSES,
        required=True,
        metadata=about("`closed` refuses messages, the other two take them"),
    )


def order_news(title_limit: int) -> Schema:
    """The body that tells of an order; `title_limit` in characters."""

    class OrderNews(Vocabulary):
        order_type = OneOf(ORDER_TYPES, required=True)
        order_id = Name(200, required=True, metadata=about("unique among orders of its type"))
        title = Name(
            title_limit,
            required=True,
            metadata=about(
                "the order's; the conversation's is `KOL订单: ` or `广告订单: ` and this, "
                "200 characters at the most"
            ),
        )
        status = OneOf(ORDER_STATUSES, required=True)
        user_id = Whole(1, MOST_ID, required=True, metadata=about("who has ordered: the `creator`"))
        kol_user_id = Whole(
            1,
            MOST_ID,
            required=True,
            metadata=about("who gets the order: a `member`, somebody else"),
        )

        @validates_schema
        def two_users(self, data: dict[str, Any], **_: Any) -> None:
            if data["user_id"] == data["kol_user_id"]:
                raise ValidationError("Must not be the same as user_id.", "kol_user_id")

    return OrderNews()


class PollWait(OneConversation):
    after_timestamp = Whole(
        0,
        MOST_TIME,
        required=True,
        metadata=about("a message's `created_at` (ms): only newer ones are given, not that one"),
    )
    wait_s = Whole(
        0,
        25,
        load_default=0,
        metadata=about("seconds to wait where there is none; 0 answers at once"),
    )
