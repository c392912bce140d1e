"""The words of the sessions API. Source: 会话服务, API 接口说明."""

from collections.abc import Mapping
from typing import Any, ClassVar

from marshmallow import Schema, fields, validate

from schemas.fields import Count, HexId, Name, Text, Vocabulary

MAX_PAGE = 200
TIME = {"format": "date-time", "example": "2026-11-20T06:31:00.123Z"}
ID = {"pattern": "^[0-9a-f]{24}$", "example": "5f0c9a3be81d019c2f4a7e1b"}
CURSOR = {"description": "`before` for the following page, null on the last one", **ID}


class Chinese(Vocabulary):
    """A schema that says in Chinese what it does not take."""

    wording: ClassVar[Mapping[str, str]] = {
        "required": "必填",
        "null": "不能为 null",
        "not_text": "必须是字符串",
        "blank": "不能为空",
        "too_long": "不能超过 {most} 个字符",
        "not_whole": "必须是 {least} 到 {most} 的整数",
        "not_id": "必须是 24 位十六进制 ID",
        "missing": "必须是 JSON 对象",
        "not_object": "必须是 JSON 对象",
        "not_json": "必须是有效的 UTF-8 JSON",
        "incomplete": "未能完整读取",
        "nul": "不能包含空字符 (NUL)",
        "surrogate": "不能包含孤立的代理字符",
        "not_finite": "必须是有限的数字",
        "too_big": "超出 64 位整数范围",
        "key_too_long": "不能超过 255 个字符",
    }


def session_name(limit: int) -> Schema:
    """The body that names a session; `limit` in characters."""
    return Chinese.from_dict({"sess_name": Name(limit, required=True)}, name="SessionName")()


def new_chat(limit: int) -> Schema:
    """The body that sends a message; `limit` in characters."""
    return Chinese.from_dict({"chat_content": Text(limit, required=True)}, name="NewChat")()


class Paging(Chinese):
    limit = Count(1, MAX_PAGE, metadata={"description": "how many at the most; without it: all"})
    before = HexId(
        metadata={"description": "an id from an earlier page: only what comes before it there"}
    )


class SessionId(Vocabulary):
    sess_id = fields.String(required=True, metadata=ID)


class Session(Vocabulary):
    id = fields.String(required=True, metadata=ID)
    sess_name = fields.String(required=True)
    create_at = fields.String(required=True, metadata=TIME)
    update_at = fields.String(required=True, metadata=TIME)


class Chat(Vocabulary):
    chat_id = fields.String(required=True, metadata=ID)
    chat_content = fields.String(required=True)
    create_at = fields.String(required=True, metadata=TIME)
    sender = fields.String(
        required=True, data_key="from", validate=validate.OneOf(["user", "server"])
    )


class Exchange(Vocabulary):
    """The stored message and the reply to it."""

    chat = fields.Nested(Chat, required=True)
    reply = fields.Nested(Chat, required=True)


class Done(Vocabulary):
    status = fields.String(required=True, validate=validate.Equal("success"))
    message = fields.String(required=True)


class SessionsFailure(Vocabulary):
    status = fields.String(required=True, validate=validate.Equal("error"))
    message = fields.String(
        required=True, metadata={"description": "names the field or the cause, in Chinese"}
    )
    errors = fields.Dict(
        keys=fields.String(),
        values=fields.List(fields.String()),
        metadata={"description": "only for a request that cannot be accepted: field and reasons"},
    )


def done(name: str, data: fields.Field[Any] | None = None, *, paged: bool = False) -> Schema:
    """The envelope of a success around `data` (a field), with the cursor where it is paged."""
    extra: dict[str, Any] = {}
    if data is not None:
        data.required = True
        extra["data"] = data
    if paged:
        extra["next"] = fields.String(required=True, allow_none=True, metadata=CURSOR)
    return Done.from_dict(extra, name=name)()
