"""The words of the chats API, and FastAPI's words for what it does not take.

Source: 会话 API.
"""

import re
from collections.abc import Mapping
from typing import Any, ClassVar

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from schemas.accounts import EmailAddress, Password, Username
from schemas.fields import Count, Messages, Name, OneOf, Text, Vocabulary

ROLES = ("system", "user", "assistant")
TIME = {"format": "date-time", "example": "2026-11-20T06:31:00.123Z"}
ID = {"example": 1}
CHAT_ID = {"type": "integer", "minimum": 1}

TEXT, INTEGER = "Input should be a valid string", "Input should be a valid integer"
TOO_LONG = "String should have at most {most} characters"
TOO_SHORT = "String should have at least {least} characters"
MISSING, BAD_JSON = "Field required", "JSON decode error"

# How Pydantic calls what FastAPI's clients read; the rest are `value_error`.
KINDS: tuple[tuple[str, str], ...] = (
    (MISSING, "missing"),
    (TEXT, "string_type"),
    (INTEGER, "int_parsing"),
    (BAD_JSON, "json_invalid"),
    ("Input should be a valid dictionary", "model_attributes_type"),
    ("String should have at least", "string_too_short"),
    ("String should have at most", "string_too_long"),
    ("Input should be '", "literal_error"),
    ("Input should be a finite number", "finite_number"),
)


def kind_of(message: str) -> str:
    """The `type` of a message in FastAPI's `detail`."""
    return next((kind for start, kind in KINDS if message.startswith(start)), "value_error")


class FastApi(Vocabulary):
    """A schema that says in FastAPI's words what it does not take."""

    wording: ClassVar[Mapping[str, str]] = {
        "required": MISSING,
        "null": TEXT,
        "not_text": TEXT,
        "blank": "String should have at least 1 character that is not blank",
        "too_long": TOO_LONG,
        "too_short": TOO_SHORT,
        "not_whole": INTEGER + " from {least} to {most}",
        "not_email": "value is not a valid email address",
        "not_plain": "must be printable, and without @",
        "not_one_of": "Input should be {choices}",
        "missing": MISSING,
        "not_object": "Input should be a valid dictionary",
        "not_json": BAD_JSON,
        "not_form": "Input should be a valid form in UTF-8",
        "incomplete": "could not be read to its end",
        "nul": "must not hold NUL characters",
        "surrogate": "must not hold lone surrogates",
        "not_finite": "Input should be a finite number",
        "too_big": "must fit into 64 bits",
        "key_too_long": "String should have at most 255 characters",
        "key_reused": "this key was used for another message",
    }


class Registration(FastApi):
    email = EmailAddress(required=True)
    username = Username(required=True)
    password = Password(required=True)


class Login(FastApi):
    """The form of the OAuth2 password flow; what else is sent along is ignored."""

    username = Text(1000, required=True, metadata={"description": "or the e-mail"})
    password = Password(1, 1000, required=True)
    grant_type = OneOf(("password",))


def title(limit: int) -> Schema:
    """The body that names a chat; `limit` in characters."""
    return FastApi.from_dict({"title": Name(limit, required=True)}, name="ChatTitle")()


def new_message(limit: int, assistant_limit: int) -> Schema:
    """The body that stores a message; the limits of its text in characters, by role."""

    class NewMessage(FastApi):
        role = OneOf(ROLES, required=True)
        content = Text(
            max(limit, assistant_limit),
            required=True,
            metadata={
                "description": f"at most {limit} characters, of an assistant {assistant_limit}"
            },
        )

        @validates_schema
        def bound(self, data: dict[str, Any], **_: Any) -> None:
            most = assistant_limit if data["role"] == "assistant" else limit
            if len(data["content"]) > most:
                raise ValidationError(TOO_LONG.format(most=most), "content")

    return NewMessage()


class Page(FastApi):
    skip = Count(0, 2**53 - 1, load_default=0)
    limit = Count(0, 2**53 - 1, load_default=100)


def integer(text: str) -> int | None:
    """The whole number that a text writes in up to 18 digits; None where it is none."""
    return int(text) if re.fullmatch("-?[0-9]{1,18}", text) else None


class ChatId(fields.Field[int]):
    """A chat's id in a query string."""

    default_error_messages: Messages = {"not_integer": INTEGER}

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> int:
        number = integer(value)
        if number is None:
            raise self.make_error("not_integer")
        return number


class Place(FastApi):
    chat_id = ChatId(required=True, metadata=CHAT_ID)


class ChatsWelcome(Vocabulary):
    message = fields.String(required=True)


class NewAccount(Vocabulary):
    id = fields.Integer(required=True, metadata=ID)
    email = fields.String(required=True, metadata={"format": "email"})
    username = fields.String(required=True)
    created_at = fields.String(required=True, metadata=TIME)


class Token(Vocabulary):
    access_token = fields.String(required=True)
    token_type = fields.String(required=True, validate=validate.Equal("bearer"))
    expires_in = fields.Integer(required=True, metadata={"description": "seconds"})


class Me(Vocabulary):
    id = fields.Raw(
        required=True,
        metadata={
            "oneOf": [{"type": "integer"}, {"type": "string"}],
            "description": "a text where a peer's token speaks for somebody without an account",
            **ID,
        },
    )
    email = fields.String(required=True, allow_none=True)
    username = fields.String(required=True)
    role = fields.String(required=True, validate=validate.OneOf(["user", "admin"]))
    created_at = fields.String(required=True, allow_none=True, metadata=TIME)


class ChatSummary(Vocabulary):
    id = fields.Integer(required=True, metadata=ID)
    title = fields.String(required=True)
    user_id = fields.Integer(required=True, metadata=ID)
    created_at = fields.String(required=True, metadata=TIME)
    updated_at = fields.String(required=True, metadata=TIME)


class ChatMessage(Vocabulary):
    id = fields.Integer(required=True, metadata={"example": 4194305})
    chat_id = fields.Integer(required=True, metadata=ID)
    role = fields.String(required=True, validate=validate.OneOf(ROLES))
    content = fields.String(required=True)
    created_at = fields.String(required=True, metadata=TIME)


class ChatHistory(ChatSummary):
    messages = fields.List(fields.Nested(ChatMessage), required=True)


class Deleted(Vocabulary):
    status = fields.String(required=True, validate=validate.Equal("success"))


class ChatsFailure(Vocabulary):
    detail = fields.String(required=True)


class Reason(Vocabulary):
    loc = fields.List(fields.Raw(), required=True, metadata={"example": ["body", "email"]})
    msg = fields.String(required=True)
    type = fields.String(required=True)


class HTTPValidationError(Vocabulary):
    detail = fields.List(fields.Nested(Reason), required=True)
