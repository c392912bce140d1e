"""The chats API, as a FastAPI application speaks it. Source: 会话 API, `chat.py` - 聊天功能."""

from collections.abc import Callable, Mapping
from typing import Any

from flask import g
from marshmallow import Schema

import schemas.chats as words
from session_service.core.accounts import Accounts
from session_service.core.chats import Chats, message_id
from session_service.core.login import Login
from session_service.dialects.auth import add_account_routes, add_identity_routes
from session_service.dialects.client_address import ClientAddress
from session_service.dialects.dialect import Dialect
from session_service.dialects.fastapi import fastapi_dialect
from session_service.dialects.idempotency import IDEMPOTENCY_KEY, idempotency_key
from session_service.dialects.times import iso_time
from session_service.errors import Conflict, Forbidden, Invalid, NotFound
from session_service.models import Chat, Entry

# How these calls may fail, beyond what any call may.
ALL_CHATS = (Forbidden(code="no_integer_id"),)
ONE_CHAT = (*ALL_CHATS, NotFound())
SENDING = (*ONE_CHAT, Conflict(code="chat_full"))

CHAT_ID = {"in": "path", "name": "chat_id", "schema": words.CHAT_ID}

CHAT = {
    "id": 1,
    "title": "My Chat",
    "user_id": 1,
    "created_at": "2026-11-20T06:31:00.123Z",
    "updated_at": "2026-11-20T06:31:00.123Z",
}
MESSAGE = {
    "id": 4194305,
    "chat_id": 1,
    "role": "user",
    "content": "Hello!",
    "created_at": "2026-11-20T06:31:02.456Z",
}


def chats_dialects(
    accounts: Accounts,
    login: Login,
    chats: Chats,
    *,
    authenticate: Callable[[], None],
    address: ClientAddress,
    title_chars: int,
    message_chars: int,
    assistant_chars: int,
) -> tuple[Dialect, Dialect]:
    """The routes of the chats API, first the public ones; text limits in characters."""
    public = fastapi_dialect(
        "auth", prefixes=("/v1",), description="注册与登录 · Accounts and tokens"
    )
    dialect = fastapi_dialect(
        "chats",
        prefixes=(),  # failures are told apart by the path: the public one's holds for both
        description="对话与历史消息 · Chats and their messages",
        authenticate=authenticate,
    )
    add_account_routes(public, accounts, login, address)
    add_identity_routes(dialect)
    add_chat_routes(dialect, chats, words.title(title_chars))
    add_message_routes(dialect, chats, words.new_message(message_chars, assistant_chars))
    return public, dialect


def add_chat_routes(dialect: Dialect, chats: Chats, title: Schema) -> None:
    @dialect.post("/v1/chats")
    @dialect.arguments(title, example={"title": "My Chat"})
    @dialect.answers(200, words.ChatSummary(), example=CHAT, failures=ALL_CHATS)
    def create_chat(body: dict[str, str]) -> dict[str, Any]:
        """创建对话 · Create a chat that belongs to the caller."""
        return show_chat(chats.open(g.user, body["title"]))

    @dialect.get("/v1/chats")
    @dialect.arguments(words.Page(), location="query")
    @dialect.answers(200, words.ChatSummary(many=True), example=[CHAT], failures=ALL_CHATS)
    def list_chats(page: dict[str, int]) -> list[dict[str, Any]]:
        """获取所有对话 · The caller's chats, newest created first."""
        return [show_chat(each) for each in chats.list(g.user, **page)]

    @dialect.get("/v1/chats/<chat_id>", parameters=[CHAT_ID])
    @dialect.answers(
        200, words.ChatHistory(), example=CHAT | {"messages": [MESSAGE]}, failures=ONE_CHAT
    )
    def get_chat(chat_id: str) -> dict[str, Any]:
        """获取指定对话 · One chat with all its messages, oldest first."""
        chat, messages = chats.history(g.user, checked(chat_id))
        shown = [show_message(chat.id, each) for each in messages]
        return show_chat(chat) | {"messages": shown}

    @dialect.put("/v1/chats/<chat_id>", parameters=[CHAT_ID])
    @dialect.arguments(title, example={"title": "Another title"})
    @dialect.answers(200, words.ChatSummary(), example=CHAT, failures=ONE_CHAT)
    def rename_chat(body: dict[str, str], chat_id: str) -> dict[str, Any]:
        """修改标题 · Change a chat's title."""
        return show_chat(chats.rename(g.user, checked(chat_id), body["title"]))

    @dialect.delete("/v1/chats/<chat_id>", parameters=[CHAT_ID])
    @dialect.answers(200, words.Deleted(), example={"status": "success"}, failures=ONE_CHAT)
    def delete_chat(chat_id: str) -> dict[str, str]:
        """删除对话 · Delete a chat and its messages."""
        chats.delete(g.user, checked(chat_id))
        return {"status": "success"}


def add_message_routes(dialect: Dialect, chats: Chats, message: Schema) -> None:
    example = {"role": "user", "content": "Hello!"}

    def store(chat_id: int, body: Mapping[str, str]) -> dict[str, Any]:
        role, text = body["role"], body["content"]
        return show_message(chat_id, chats.post(g.user, chat_id, role, text, idempotency_key()))

    @dialect.post("/v1/chats/message", parameters=[IDEMPOTENCY_KEY])
    @dialect.arguments(message, example=example)
    @dialect.arguments(words.Place(), location="query")
    @dialect.answers(200, words.ChatMessage(), example=MESSAGE, failures=SENDING)
    def post_message_by_query(body: dict[str, str], place: dict[str, int]) -> dict[str, Any]:
        """上传对话历史 · Store a message in the chat that the query names."""
        return store(place["chat_id"], body)

    @dialect.post("/v1/chats/<chat_id>/message", parameters=[CHAT_ID, IDEMPOTENCY_KEY])
    @dialect.arguments(message, example=example)
    @dialect.answers(200, words.ChatMessage(), example=MESSAGE, failures=SENDING)
    def post_message(body: dict[str, str], chat_id: str) -> dict[str, Any]:
        """发送消息 · Store a message; nobody answers it.

        With an `Idempotency-Key` the call may be repeated: the same key and message answer what
        was stored the first time, the same key with another message is refused with 422.
        """
        return store(checked(chat_id), body)

    @dialect.get("/v1/chats/<chat_id>/messages", parameters=[CHAT_ID])
    @dialect.arguments(words.Page(), location="query")
    @dialect.answers(200, words.ChatMessage(many=True), example=[MESSAGE], failures=ONE_CHAT)
    def list_messages(page: dict[str, int], chat_id: str) -> list[dict[str, Any]]:
        """获取消息 · A chat's messages, oldest first."""
        number = checked(chat_id)
        return [show_message(number, each) for each in chats.messages(g.user, number, **page)]


def checked(chat_id: str) -> int:
    """The id of a path as a number; Invalid where it is none."""
    number = words.integer(chat_id)
    if number is None:
        raise Invalid(errors={"chat_id": [words.INTEGER]}, where="path")
    return number


def show_chat(chat: Chat) -> dict[str, Any]:
    return {
        "id": chat.id,
        "title": chat.title,
        "user_id": chat.user_id,
        "created_at": iso_time(chat.created_at),
        "updated_at": iso_time(chat.updated_at),
    }


def show_message(chat_id: int, message: Entry) -> dict[str, Any]:
    return {
        "id": message_id(chat_id, message.seq),
        "chat_id": chat_id,
        "role": message.content["role"],
        "content": message.content["content"],
        "created_at": iso_time(message.created_at),
    }
