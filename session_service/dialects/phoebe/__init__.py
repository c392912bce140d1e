"""The Phoebe API: an assistant that knows its user's notes. Source: Phoebe Service API."""

from collections.abc import Callable

import structlog

from session_service.core.accounts import Accounts
from session_service.core.index_pool import IndexPool
from session_service.core.login import Login
from session_service.core.notes import Notes
from session_service.dialects.client_address import ClientAddress
from session_service.dialects.dialect import Dialect
from session_service.dialects.phoebe.envelope import PREFIXES, phoebe_dialect
from session_service.dialects.phoebe.index_pool import add_assigning_routes, add_pool_routes
from session_service.dialects.phoebe.notes import add_note_routes
from session_service.dialects.phoebe.users import (
    add_admin_routes,
    add_login_routes,
    add_own_routes,
    add_user_routes,
)
from session_service.errors import ServiceError
from session_service.models import Account, Claims

log = structlog.get_logger(__name__)


def phoebe_dialects(
    accounts: Accounts,
    login: Login,
    pool: IndexPool,
    notes: Notes,
    *,
    authenticate: Callable[[], None],
    address: ClientAddress,
    revoke: Callable[[Claims], None],
    delete: Callable[[int], None],
    title_chars: int,
    note_chars: int,
    comment_chars: int,
) -> tuple[Dialect, ...]:
    """The routes of the Phoebe API; text limits in characters."""
    texts = phoebe_dialect(
        "phoebe", prefixes=PREFIXES, description="笔记 · Notes", authenticate=authenticate
    )
    users = phoebe_dialect("users", description="用户 · Users", authenticate=authenticate)
    public = phoebe_dialect("users-login", description="登录与注册 · Logging in")
    admin = phoebe_dialect(
        "index-pool", description="索引池 · The index pool", authenticate=authenticate
    )

    def welcome(account: Account) -> None:
        """Gives a new user an index; without one it is a user as well."""
        try:
            pool.assign(account.id)
        except ServiceError as error:
            log.info("a new user has no index", user_id=account.id, error=error.code)

    add_login_routes(public, accounts, login, address, welcome)
    add_own_routes(users, revoke)
    add_user_routes(users, accounts, delete)
    add_admin_routes(users, accounts)
    add_note_routes(texts, notes, title_chars, note_chars, comment_chars)
    add_pool_routes(admin, pool)
    add_assigning_routes(admin, pool)
    return texts, public, users, admin
