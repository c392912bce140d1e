"""The chats API, as a FastAPI application speaks it. Source: 会话 API (`seeds/001`)."""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from flask import g
from marshmallow import Schema

import schemas.chats as words
from session_service import __version__
from session_service.core.accounts import Accounts
from session_service.core.chats import Chats, message_id
from session_service.core.login import Login
from session_service.dialects.authentication import issue_token
from session_service.dialects.client_address import ClientAddress
from session_service.dialects.dialect import Dialect
from session_service.dialects.idempotency import HEADER, IDEMPOTENCY_KEY, idempotency_key
from session_service.dialects.times import iso_time
from session_service.errors import Invalid, KeyReused, NotFound, ServiceError
from session_service.models import Account, Chat, Entry, User

PREFIX = "/v1"
MESSAGES: Mapping[str, str] = {
    "no_token": "Not authenticated",
    "bad_token": "Could not validate credentials",
    "wrong_login": "Incorrect username or password",
    "email_taken": "Email already registered",
    "username_taken": "Username already registered",
    "no_registration": "Registration is disabled",
    "no_integer_id": "Chats need an integer user id",
    "not_found": "Chat not found",
    "no_such_path": "Not Found",
    "chat_full": "This chat is full",
    "too_many": "Too many failed logins, try again later",
    "unavailable": "The database is not available, try again later",
    "storage_full": "The disk is full, nothing can be stored",
}
STATUSES: Mapping[type[ServiceError], int] = {Invalid: 422, KeyReused: 422}
PUBLIC = (413, 415, 422, 503, 507)  # what a public call with a body may answer

CHAT_ID = {"in": "path", "name": "chat_id", "schema": {"type": "integer", "minimum": 0}}

ACCOUNT = {
    "id": 1,
    "email": "user@example.com",
    "username": "user1",
    "created_at": "2026-11-20T06:30:58.000Z",
}
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


def failure(error: ServiceError, status: int, reasons: Mapping[str, list[str]]) -> dict[str, Any]:
    """The body of whatever did not go well, as FastAPI writes it."""
    if isinstance(error, KeyReused):
        return {"detail": [_reason("header", HEADER, words.FastApi.wording["key_reused"])]}
    if isinstance(error, Invalid) and reasons:
        where = error.where
        return {"detail": [_reason(where, each, why) for each in reasons for why in reasons[each]]}
    return {"detail": MESSAGES.get(error.code) or HTTPStatus(status).phrase}


def _reason(where: str, field: str, why: str) -> dict[str, Any]:
    path = [] if field == "body" else field.split(".")
    loc = [where, *(int(each) if each.isdecimal() else each for each in path)]
    return {"loc": loc, "msg": why, "type": words.kind_of(why)}


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
    shape: dict[str, Any] = {
        "failure": failure,
        "failure_schema": words.ChatsFailure,
        "invalid_schema": words.HTTPValidationError,
        "statuses": STATUSES,
        "messages": words.FastApi.wording,
    }
    public = Dialect(
        "auth",
        prefixes=(PREFIX,),
        description="注册与登录 · Accounts and tokens",
        **shape,
    )
    dialect = Dialect(
        "chats",
        prefixes=(),
        description="对话与历史消息 · Chats and their messages",
        authenticate=authenticate,
        **shape,
    )
    add_account_routes(public, accounts, login, address)
    add_identity_routes(dialect)
    add_chat_routes(dialect, chats, words.title(title_chars))
    add_message_routes(dialect, chats, words.new_message(message_chars, assistant_chars))
    return public, dialect


def add_account_routes(
    public: Dialect, accounts: Accounts, login: Login, address: ClientAddress
) -> None:
    @public.get("/v1")
    @public.answers(200, words.ChatsWelcome())
    def welcome() -> dict[str, str]:
        """欢迎 · Name and version."""
        return {"message": f"Welcome to Session Service {__version__}"}

    @public.post("/v1/auth/register")
    @public.arguments(
        words.Registration(),
        example={"email": "user@example.com", "username": "user1", "password": "password123"},
    )
    @public.answers(200, words.NewAccount(), example=ACCOUNT, failures=(400, 403, *PUBLIC))
    def register(body: dict[str, str]) -> dict[str, Any]:
        """注册用户 · Create an account.

        Usernames and e-mails are unique whatever their case and width. 400 when one is taken,
        403 where the service registers nobody (`REGISTRATION_ENABLED=false`).
        """
        return show_account(accounts.register(**body))

    @public.post("/v1/auth/token")
    @public.arguments(words.Login(), location="form")
    @public.answers(
        200,
        words.Token(),
        example={"access_token": "eyJhbGciOi…", "token_type": "bearer", "expires_in": 86400},
        failures=(401, 429, *PUBLIC),
    )
    def token(body: dict[str, str]) -> dict[str, Any]:
        """获取 Token · Log in by a form, as OAuth2's password flow has it.

        The e-mail may stand for the username. After ten failures for a name or from an address
        within five minutes: 429 with `Retry-After`, also for the right password.
        """
        account = login(body["username"], body["password"], address())
        issued, expires_in = issue_token(account)
        return {"access_token": issued, "token_type": "bearer", "expires_in": expires_in}


def add_identity_routes(dialect: Dialect) -> None:
    def show_caller() -> dict[str, Any]:
        user: User = g.user
        if user.account is None:
            me = {"id": user.id, "email": None, "username": user.name, "created_at": None}
        else:
            me = show_account(user.account)
        return me | {"role": user.role}

    @dialect.get("/v1/auth/test_token")
    @dialect.doc(tags=["auth"])
    @dialect.answers(200, words.Me(), example=ACCOUNT | {"role": "user"})
    def test_token() -> dict[str, Any]:
        """验证 Token · Who the token speaks for."""
        return show_caller()

    @dialect.post("/v1/auth/test_token")
    @dialect.doc(tags=["auth"])
    @dialect.answers(200, words.Me(), example=ACCOUNT | {"role": "user"})
    def post_test_token() -> dict[str, Any]:
        """验证 Token · The same by POST."""
        return show_caller()


def add_chat_routes(dialect: Dialect, chats: Chats, title: Schema) -> None:
    @dialect.post("/v1/chats/")
    @dialect.arguments(title, example={"title": "My Chat"})
    @dialect.answers(200, words.ChatSummary(), example=CHAT, failures=(403,))
    def create_chat(body: dict[str, str]) -> dict[str, Any]:
        """创建对话 · Create a chat that belongs to the caller."""
        return show_chat(chats.open(g.user, body["title"]))

    @dialect.get("/v1/chats/")
    @dialect.arguments(words.Page(), location="query")
    @dialect.answers(200, words.ChatSummary(many=True), example=[CHAT], failures=(403,))
    def list_chats(page: dict[str, int]) -> list[dict[str, Any]]:
        """获取所有对话 · The caller's chats, newest created first."""
        return [show_chat(each) for each in chats.list(g.user, **page)]

    @dialect.get("/v1/chats/<chat_id>", parameters=[CHAT_ID])
    @dialect.answers(
        200, words.ChatHistory(), example=CHAT | {"messages": [MESSAGE]}, failures=(403, 404)
    )
    def get_chat(chat_id: str) -> dict[str, Any]:
        """获取指定对话 · One chat with all its messages, oldest first."""
        chat, messages = chats.history(g.user, checked(chat_id))
        shown = [show_message(chat.id, each) for each in messages]
        return show_chat(chat) | {"messages": shown}

    @dialect.put("/v1/chats/<chat_id>", parameters=[CHAT_ID])
    @dialect.arguments(title, example={"title": "Another title"})
    @dialect.answers(200, words.ChatSummary(), example=CHAT, failures=(403, 404))
    def rename_chat(body: dict[str, str], chat_id: str) -> dict[str, Any]:
        """修改标题 · Change a chat's title (beyond the source)."""
        return show_chat(chats.rename(g.user, checked(chat_id), body["title"]))

    @dialect.delete("/v1/chats/<chat_id>", parameters=[CHAT_ID])
    @dialect.answers(200, words.Deleted(), example={"status": "success"}, failures=(403, 404))
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
    @dialect.answers(200, words.ChatMessage(), example=MESSAGE, failures=(400, 403, 404))
    def post_message_by_query(body: dict[str, str], place: dict[str, int]) -> dict[str, Any]:
        """上传对话历史 · Store a message in the chat of the query's `chat_id`."""
        return store(place["chat_id"], body)

    @dialect.post("/v1/chats/<chat_id>/message", parameters=[CHAT_ID, IDEMPOTENCY_KEY])
    @dialect.arguments(message, example=example)
    @dialect.answers(200, words.ChatMessage(), example=MESSAGE, failures=(400, 403, 404))
    def post_message(body: dict[str, str], chat_id: str) -> dict[str, Any]:
        """发送消息 · Store a message; nobody answers it.

        With an `Idempotency-Key` the call may be repeated: the same key and message answer what
        was stored the first time, the same key with another message is refused with 422.
        """
        return store(checked(chat_id), body)

    @dialect.get("/v1/chats/<chat_id>/messages", parameters=[CHAT_ID])
    @dialect.arguments(words.Page(), location="query")
    @dialect.answers(200, words.ChatMessage(many=True), example=[MESSAGE], failures=(403, 404))
    def list_messages(page: dict[str, int], chat_id: str) -> list[dict[str, Any]]:
        """获取消息 · A chat's messages, oldest first (beyond the source)."""
        number = checked(chat_id)
        return [show_message(number, each) for each in chats.messages(g.user, number, **page)]


def checked(chat_id: str) -> int:
    """The id as a number; Invalid where it is none, NotFound where no chat can have it."""
    digits = chat_id.removeprefix("-")
    if not (digits.isascii() and digits.isdigit()):
        raise Invalid(errors={"chat_id": [words.INTEGER]}, where="path")
    if chat_id != digits or len(digits) > len(str(2**53)):
        raise NotFound("no such chat")
    return int(digits)


def show_account(account: Account) -> dict[str, Any]:
    return {
        "id": account.id,
        "email": account.email,
        "username": account.username,
        "created_at": iso_time(account.created_at),
    }


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
