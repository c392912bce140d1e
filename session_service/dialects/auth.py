"""Accounts and tokens of `/v1`. Source: 会话 API, `auth.py` - 用户认证."""

from typing import Any

from flask import g

import schemas.chats as words
from session_service import __version__
from session_service.core.accounts import Accounts
from session_service.core.login import Login
from session_service.dialects.authentication import issue_token
from session_service.dialects.client_address import ClientAddress
from session_service.dialects.dialect import Dialect
from session_service.dialects.times import iso_time
from session_service.errors import Conflict, Forbidden, TooMany, Unauthorized
from session_service.models import Account, User

WELCOME = {"message": f"Welcome to Session Service {__version__}"}
ACCOUNT = {
    "id": 1,
    "email": "user@example.com",
    "username": "user1",
    "created_at": "2026-11-20T06:30:58.000Z",
}


def add_account_routes(
    public: Dialect, accounts: Accounts, login: Login, address: ClientAddress
) -> None:
    @public.get("/v1")
    @public.answers(200, words.ChatsWelcome(), example=WELCOME)
    def welcome() -> dict[str, str]:
        """欢迎 · Name and version."""
        return WELCOME

    @public.post("/v1/auth/register")
    @public.arguments(
        words.Registration(),
        example={"email": "user@example.com", "username": "user1", "password": "password123"},
    )
    @public.answers(
        200,
        words.NewAccount(),
        example=ACCOUNT,
        failures=(Conflict(code="email_taken"), Forbidden(code="no_registration")),
    )
    def register(body: dict[str, str]) -> dict[str, Any]:
        """注册用户 · Create an account.

        Usernames and e-mails are unique whatever their case and width. 400 when one is taken,
        403 where the service registers nobody (`REGISTRATION_ENABLED=false`).
        """
        return show_account(accounts.register(**body))

    @public.post("/v1/auth/token")
    @public.arguments(
        words.Login(),
        location="form",
        example={"username": "user1", "password": "password123"},
    )
    @public.answers(
        200,
        words.Token(),
        example={"access_token": "eyJhbGciOi…", "token_type": "bearer", "expires_in": 86400},
        failures=(Unauthorized(code="wrong_login"), TooMany()),
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
    @dialect.get("/v1/auth/test_token")
    @dialect.doc(tags=["auth"])
    @dialect.answers(200, words.Me(), example=ACCOUNT | {"role": "user"})
    def test_token() -> dict[str, Any]:
        """验证 Token · Who the token speaks for."""
        return show_user(g.user)

    @dialect.post("/v1/auth/test_token")
    @dialect.doc(tags=["auth"])
    @dialect.answers(200, words.Me(), example=ACCOUNT | {"role": "user"}, reads=True)
    def post_test_token() -> dict[str, Any]:
        """验证 Token · The same by POST."""
        return show_user(g.user)


def show_account(account: Account) -> dict[str, Any]:
    return {
        "id": account.id,
        "email": account.email,
        "username": account.username,
        "created_at": iso_time(account.created_at),
    }


def show_user(user: User) -> dict[str, Any]:
    if user.account is not None:
        return show_account(user.account) | {"role": user.role}
    nobody = {"id": user.id, "email": None, "username": user.username, "created_at": None}
    return nobody | {"role": user.role}
