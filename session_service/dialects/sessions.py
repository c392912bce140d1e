"""The sessions API, the service's main job. Source: 会话服务 (Session Service)."""

from collections.abc import Callable, Mapping
from typing import Any

from flask import g
from marshmallow import Schema, fields

import schemas.sessions as words
from schemas.fields import is_hex_id
from session_service.core.sessions import Sessions
from session_service.dialects.dialect import Dialect
from session_service.dialects.idempotency import IDEMPOTENCY_KEY, idempotency_key
from session_service.dialects.times import iso_time
from session_service.errors import Forbidden, Invalid, NotFound, ServiceError
from session_service.models import Entry, Session

MESSAGES: Mapping[str, str] = {
    "no_token": "未提供认证令牌",
    "bad_token": "认证令牌无效或已过期",
    "unauthorized": "认证失败",
    "forbidden": "无权访问该会话",
    "admins_only": "仅限管理员访问",
    "not_found": "会话不存在",
    "no_such_path": "接口不存在",
    "method_not_allowed": "该接口不支持此请求方法",
    "key_reused": "Idempotency-Key 已用于另一条消息",
    "too_large": "请求体过大",
    "unsupported_type": "请求体必须是 UTF-8 编码的 JSON (Content-Type: application/json)",
    "too_many": "请求过于频繁，请稍后再试",
    "unavailable": "数据库暂时不可用，请稍后重试",
    "storage_full": "存储空间不足，暂时无法写入",
    "internal": "服务器内部错误",
}
NO_ACCESS = (Forbidden(), NotFound())

CHAT = {
    "chat_id": "691eb5a4007b5f0c9a3be81d",
    "chat_content": "你好",
    "create_at": "2026-11-20T06:31:00.123Z",
    "from": "user",
}
REPLY = {
    "chat_id": "691eb5a4007c77d01fa3c2b9",
    "chat_content": "你好，小明！有什么可以帮你？",
    "create_at": "2026-11-20T06:31:00.124Z",
    "from": "server",
}
SESSION = {
    "id": "5f0c9a3be81d019aa0000c2b",
    "sess_name": "周末计划",
    "create_at": "2026-11-20T06:30:58.000Z",
    "update_at": "2026-11-20T06:31:00.124Z",
}


def success(message: str, data: Any = None, **beside: Any) -> dict[str, Any]:
    """The envelope of whatever went well."""
    body = {"status": "success", "message": message}
    return {**body, **beside} if data is None else {**body, "data": data, **beside}


def failure(error: ServiceError, status: int, reasons: Mapping[str, list[str]]) -> dict[str, Any]:
    """The envelope of whatever did not; the message names the fields or the cause."""
    if isinstance(error, Invalid):
        named = "；".join(f"{field} {'，'.join(why)}" for field, why in reasons.items())
        message = f"参数错误：{named}" if named else "请求格式错误"
        return {"status": "error", "message": message, "errors": dict(reasons)}
    return {"status": "error", "message": MESSAGES.get(error.code, MESSAGES["internal"])}


def sessions_dialect(
    sessions: Sessions, *, authenticate: Callable[[], None], title_chars: int, message_chars: int
) -> Dialect:
    """The routes of the sessions API; text limits in characters."""
    dialect = Dialect(
        "sessions",
        prefixes=("/sess", "/sessions"),
        description="会话、聊天记录与自动回复 · Sessions, chats and automatic replies",
        failure=failure,
        failure_schema=words.SessionsFailure,
        authenticate=authenticate,
        messages=words.Chinese.wording,
    )
    name_body = words.session_name(title_chars)
    add_collection_routes(dialect, sessions, name_body)
    add_session_routes(dialect, sessions, name_body)
    add_chat_routes(dialect, sessions, words.new_chat(message_chars))
    return dialect


def add_collection_routes(dialect: Dialect, sessions: Sessions, name_body: Schema) -> None:
    @dialect.post("/sess")
    @dialect.arguments(name_body, example={"sess_name": "周末计划"})
    @dialect.answers(
        201,
        words.done("SessionCreated", fields.Nested(words.SessionId)),
        example=success("创建会话成功", {"sess_id": SESSION["id"]}),
    )
    def create_session(body: dict[str, Any]) -> tuple[dict[str, Any], int]:
        """创建会话 · Create a session that belongs to the caller."""
        session = sessions.open(g.user, body["sess_name"])
        return success("创建会话成功", {"sess_id": session.id}), 201

    @dialect.get("/sessions")
    @dialect.arguments(words.Paging(), location="query")
    @dialect.answers(
        200,
        words.done("SessionList", fields.List(fields.Nested(words.Session)), paged=True),
        example=success("获取会话列表成功", [SESSION], next=None),
    )
    def list_sessions(page: dict[str, Any]) -> dict[str, Any]:
        """获取会话列表 · The caller's sessions, newest first.

        All of them, or `limit` at a time: pass the answer's `next` as `before` for the
        following page. A `before` whose session was deleted meanwhile still works.
        """
        found, following = sessions.list(g.user, **page)
        return success("获取会话列表成功", [show_session(each) for each in found], next=following)


def add_session_routes(dialect: Dialect, sessions: Sessions, name_body: Schema) -> None:
    @dialect.get("/sess/<sess_id>")
    @dialect.answers(
        200,
        words.done("OneSession", fields.Nested(words.Session)),
        example=success("获取会话成功", SESSION),
        failures=NO_ACCESS,
    )
    def get_session(sess_id: str) -> dict[str, Any]:
        """获取会话 · One session."""
        return success("获取会话成功", show_session(sessions.get(g.user, checked(sess_id))))

    @dialect.patch("/sess/<sess_id>")
    @dialect.arguments(name_body, example={"sess_name": "下周计划"})
    @dialect.answers(
        200,
        words.done("SessionRenamed", fields.Nested(words.Session)),
        example=success("更新会话成功", SESSION),
        failures=NO_ACCESS,
    )
    def rename_session(body: dict[str, Any], sess_id: str) -> dict[str, Any]:
        """更新会话 · Rename a session."""
        session = sessions.rename(g.user, checked(sess_id), body["sess_name"])
        return success("更新会话成功", show_session(session))

    @dialect.delete("/sess/<sess_id>")
    @dialect.answers(
        200, words.done("SessionDeleted"), example=success("删除会话成功"), failures=NO_ACCESS
    )
    def delete_session(sess_id: str) -> dict[str, Any]:
        """删除会话 · Delete a session and its chats."""
        sessions.delete(g.user, checked(sess_id))
        return success("删除会话成功")


def add_chat_routes(dialect: Dialect, sessions: Sessions, chat_body: Schema) -> None:
    @dialect.post("/sess/<sess_id>/chat", parameters=[IDEMPOTENCY_KEY])
    @dialect.arguments(chat_body, example={"chat_content": "你好"})
    @dialect.answers(
        201,
        words.done("ChatSent", fields.Nested(words.Exchange)),
        example=success("发送消息成功", {"chat": CHAT, "reply": REPLY}),
        failures=NO_ACCESS,
    )
    def send_chat(body: dict[str, Any], sess_id: str) -> tuple[dict[str, Any], int]:
        """发送聊天消息 · Store the user's message and the automatic reply to it.

        With an `Idempotency-Key` the call may be repeated: the same key and text answer what
        was stored the first time, the same key with another text is refused with 400. Without
        one, every call stores a message of its own.
        """
        posted = sessions.post(g.user, checked(sess_id), body["chat_content"], idempotency_key())
        assert posted.reply is not None  # noqa: S101  every message here has a reply
        data = {"chat": show_chat(posted.entry), "reply": show_chat(posted.reply)}
        return success("发送消息成功", data), 201

    @dialect.get("/sess/<sess_id>/chats")
    @dialect.arguments(words.Paging(), location="query")
    @dialect.answers(
        200,
        words.done("ChatList", fields.List(fields.Nested(words.Chat)), paged=True),
        example=success("获取聊天记录成功", [CHAT, REPLY], next=None),
        failures=NO_ACCESS,
    )
    def list_chats(page: dict[str, Any], sess_id: str) -> dict[str, Any]:
        """获取聊天记录 · A session's chats, oldest first.

        All of them, or the `limit` newest; pass the answer's `next` as `before` for the
        `limit` ones before them. A `before` whose chat was deleted meanwhile still works.
        """
        found, following = sessions.chats(g.user, checked(sess_id), **page)
        return success("获取聊天记录成功", [show_chat(each) for each in found], next=following)


def checked(sess_id: str) -> str:
    """The id in its one form; what is no id names no session."""
    if not is_hex_id(sess_id):
        raise NotFound("no such session")
    return sess_id.lower()


def show_session(session: Session) -> dict[str, str]:
    return {
        "id": session.id,
        "sess_name": session.name,
        "create_at": iso_time(session.created_at),
        "update_at": iso_time(session.updated_at),
    }


def show_chat(chat: Entry) -> dict[str, str]:
    return {
        "chat_id": chat.id,
        "chat_content": chat.content["chat_content"],
        "create_at": iso_time(chat.created_at),
        "from": chat.sender,
    }
