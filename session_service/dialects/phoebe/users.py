"""Users of the Phoebe API: the accounts of all APIs."""

from collections.abc import Callable
from typing import Any

from flask import g

import schemas.phoebe as words
from session_service.core.accounts import Accounts, key_of
from session_service.core.login import Login
from session_service.core.user_ids import integer_id
from session_service.dialects.authentication import issue_token
from session_service.dialects.client_address import ClientAddress
from session_service.dialects.dialect import Dialect
from session_service.dialects.phoebe.envelope import (
    ADMINS,
    NO_INTEGER_ID,
    OWN,
    USERS,
    check_admin,
    checked_id,
    id_parameter,
    or_nothing,
)
from session_service.dialects.times import iso_time
from session_service.errors import Conflict, Forbidden, NotFound, TooMany, Unauthorized
from session_service.models import ADMIN, Account, Claims

ONE = f"{USERS}/<user_id>"
ID = id_parameter("user_id")
USERNAME = {"in": "path", "name": "username", "schema": {"type": "string", "example": "admin"}}
NO_SUCH_ACCOUNT = NotFound(code="no_such_account")
LAST_ADMIN = Conflict(code="last_admin")
USER = {
    "id": 2,
    "username": "admin",
    "email": "admin@example.com",
    "phone": None,
    "nickname": "管理员",
    "avatarUrl": None,
    "status": 1,
    "createdAt": "2026-01-09T02:00:00.000Z",
    "updatedAt": "2026-01-09T02:00:00.000Z",
    "lastLoginAt": None,
}
TOLD = ("id", "username", "nickname", "email", "phone", "avatarUrl")
LOGGED_IN = {"token": "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9...", **{k: USER[k] for k in TOLD}}
LOGGED_OUT = {"message": "Logged out successfully"}
DELETED = "User deleted successfully"


def add_login_routes(
    public: Dialect,
    accounts: Accounts,
    login: Login,
    address: ClientAddress,
    welcome: Callable[[Account], None],
) -> None:
    @public.post(f"{USERS}/login")
    @public.arguments(words.Credentials(), example={"username": "admin", "password": "123456"})
    @public.answers(
        200,
        words.LoggedIn(),
        example=LOGGED_IN,
        failures=(Unauthorized(code="wrong_login"), TooMany()),
    )
    def log_in(body: dict[str, str]) -> dict[str, Any]:
        """登录 · Log in by username or e-mail; the token opens all APIs of the service.

        After ten failures for a name or from an address within five minutes: 429 with
        `Retry-After`, also for the right password.
        """
        account = login(body["username"], body["password"], address())
        token, _ = issue_token(account)
        told = show_account(account, whole=True)
        return {"token": token, **{name: told[name] for name in TOLD}}

    @public.post(USERS)
    @public.arguments(
        words.NewUser(),
        example={"username": "admin", "password": "123456", "email": "admin@example.com"},
    )
    @public.answers(
        201,
        words.PhoebeUser(),
        example=USER,
        failures=(Forbidden(code="no_registration"),),
    )
    def register(body: dict[str, Any]) -> tuple[dict[str, Any], int]:
        """注册 · Create a user, who is given a free index of the pool where there is one.

        Usernames and e-mails are unique whatever their case and width. 400 when one is taken,
        403 where the service registers nobody.
        """
        account = accounts.register(**body)
        welcome(account)
        return show_account(account, whole=True), 201


def add_own_routes(dialect: Dialect, revoke: Callable[[Claims], None]) -> None:
    @dialect.post(f"{USERS}/logout")
    @dialect.answers(200, words.Done(), example=LOGGED_OUT)
    def log_out() -> dict[str, str]:
        """登出 · Make this token void, everywhere within a second."""
        revoke(g.claims)
        return LOGGED_OUT

    @dialect.get(f"{USERS}/me")
    @dialect.answers(200, words.PhoebeUser(), example=USER, failures=NO_INTEGER_ID)
    def me() -> dict[str, Any]:
        """当前用户 · Who the token speaks for."""
        user_id = integer_id(g.user)
        if g.user.account is not None:
            return show_account(g.user.account, whole=True)
        return show_stranger(user_id)


def add_user_routes(dialect: Dialect, accounts: Accounts, delete: Callable[[int], None]) -> None:
    @dialect.get(ONE, parameters=[ID])
    @dialect.alt_response(404, description="no such user", success=False)
    @dialect.answers(200, words.PhoebeUser(), example=USER, failures=NO_INTEGER_ID)
    def get_user(user_id: str) -> Any:
        """查询用户 · A user by id; others' e-mail, phone and last login are null.

        404 without a body where there is none.
        """
        number = checked_id(user_id)
        integer_id(g.user)
        return or_nothing(lambda: shown(accounts.by_id(number)))

    @dialect.get(f"{USERS}/username/<username>", parameters=[USERNAME])
    @dialect.alt_response(404, description="no such user", success=False)
    @dialect.answers(200, words.PhoebeUser(), example=USER, failures=NO_INTEGER_ID)
    def get_user_by_name(username: str) -> Any:
        """按用户名查询 · The same by username."""
        integer_id(g.user)
        return or_nothing(lambda: shown(accounts.by_username(username)))

    @dialect.put(ONE, parameters=[ID])
    @dialect.arguments(words.UserChange(), example={"nickname": "管理员", "phone": None})
    @dialect.answers(200, words.PhoebeUser(), example=USER, failures=(*OWN, NO_SUCH_ACCOUNT))
    def update_user(body: dict[str, Any], user_id: str) -> dict[str, Any]:
        """更新用户 · Change some of a user's fields; for the user itself and admins.

        What is left out stays, null clears what may be missing. A new password voids all tokens
        of before; the password that it is already is no change.
        """
        number = own(user_id)
        password = body.pop("password", None)
        return shown(accounts.update(number, body, password))

    @dialect.delete(ONE, parameters=[ID])
    @dialect.answers(
        200,
        words.DeletedUser(),
        example={"message": DELETED, "id": 2},
        failures=(*OWN, NO_SUCH_ACCOUNT, LAST_ADMIN),
    )
    def delete_user(user_id: str) -> dict[str, Any]:
        """删除用户 · Delete a user and all that is its own; for the user itself and admins.

        400 for the last active admin.
        """
        number = own(user_id)
        try:
            accounts.by_id(number)
        finally:  # ends what a deletion that failed half-way has left
            delete(number)
        return {"message": DELETED, "id": number}


def add_admin_routes(dialect: Dialect, accounts: Accounts) -> None:
    @dialect.get(USERS)
    @dialect.arguments(words.UsersQuery(), location="query")
    @dialect.answers(200, words.PhoebeUser(many=True), example=[USER], failures=ADMINS)
    def list_users(query: dict[str, Any]) -> list[dict[str, Any]]:
        """用户列表 · All users, by keyword (username, nickname, e-mail) or by status."""
        check_admin()
        found = accounts.all()
        if query["keyword"]:
            found = [each for each in found if named(each, query["keyword"])]
        elif query["status"] is not None:
            found = [each for each in found if is_active(each) == query["status"]]
        return [show_account(each, whole=True) for each in found]

    @dialect.get(f"{USERS}/stats")
    @dialect.answers(
        200, words.UserStats(), example={"total": 10, "active": 9, "disabled": 1}, failures=ADMINS
    )
    def user_stats() -> dict[str, int]:
        """用户统计 · How many users there are."""
        check_admin()
        found = accounts.all()
        active = sum(is_active(each) for each in found)
        return {"total": len(found), "active": active, "disabled": len(found) - active}

    @dialect.post(f"{ONE}/enable", parameters=[ID])
    @dialect.answers(200, words.PhoebeUser(), example=USER, failures=(*ADMINS, NO_SUCH_ACCOUNT))
    def enable_user(user_id: str) -> dict[str, Any]:
        """启用用户 · Let a user in again."""
        check_admin()
        accounts.enable(checked_id(user_id))
        return shown(accounts.by_id(checked_id(user_id)))

    @dialect.post(f"{ONE}/disable", parameters=[ID])
    @dialect.answers(
        200,
        words.PhoebeUser(),
        example=USER | {"status": 0},
        failures=(*ADMINS, NO_SUCH_ACCOUNT, LAST_ADMIN),
    )
    def disable_user(user_id: str) -> dict[str, Any]:
        """停用用户 · Refuse a user's logins and tokens, everywhere within a second."""
        check_admin()
        accounts.disable(checked_id(user_id))
        return shown(accounts.by_id(checked_id(user_id)))


def own(user_id: str) -> int:
    """The id in the path, which must be the caller's unless that is an admin."""
    number = checked_id(user_id)
    if integer_id(g.user) != number and g.user.role != ADMIN:
        raise Forbidden("somebody else's account")
    return number


def shown(account: Account) -> dict[str, Any]:
    """An account as the caller may see it."""
    return show_account(account, whole=g.user.role == ADMIN or integer_id(g.user) == account.id)


def show_account(account: Account, *, whole: bool) -> dict[str, Any]:
    seen = account.last_login_at if whole else None
    return {
        "id": account.id,
        "username": account.username,
        "email": account.email if whole else None,
        "phone": account.phone if whole else None,
        "nickname": account.nickname,
        "avatarUrl": account.avatar_url,
        "status": is_active(account),
        "createdAt": iso_time(account.created_at),
        "updatedAt": iso_time(account.updated_at),
        "lastLoginAt": None if seen is None else iso_time(seen),
    }


def show_stranger(user_id: int) -> dict[str, Any]:
    """Who calls by a peer's token and has no account here."""
    unknown = dict.fromkeys(("email", "phone", "avatarUrl", "createdAt", "updatedAt"))
    named = {"id": user_id, "username": g.user.username, "nickname": g.user.name, "status": 1}
    return {**unknown, **named, "lastLoginAt": None}


def is_active(account: Account) -> int:
    return int(account.status == "active")


def named(account: Account, keyword: str) -> bool:
    """Whether the keyword is a part of what the account is called."""
    part = key_of(keyword)
    names = (account.username, account.nickname, account.email)
    return any(part in key_of(each) for each in names if each)
