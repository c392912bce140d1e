"""The message sessions API: two-party and group sessions. Source: 消息会话管理API接口文档."""

from collections.abc import Callable
from typing import Any

import schemas.message_sessions as words
from session_service.core.inbox import Inbox
from session_service.core.message_sessions import MessageSessions
from session_service.core.rebuilding import Rebuilding
from session_service.dialects.dialect import Dialect
from session_service.dialects.message_sessions.envelope import PREFIX, failure
from session_service.dialects.message_sessions.listing import add_listing_routes
from session_service.dialects.message_sessions.managing import (
    add_inbox_routes,
    add_managing_routes,
)
from session_service.dialects.message_sessions.messages import (
    add_message_routes,
    add_unread_routes,
)
from session_service.dialects.message_sessions.upkeep import add_health_route, add_rebuild_route


def message_sessions_dialects(
    sessions: MessageSessions,
    inbox: Inbox,
    rebuilding: Rebuilding,
    *,
    authenticate: Callable[[], None],
    healthy: Callable[[], bool],
    title_chars: int,
    description_chars: int,
    message_chars: int,
) -> tuple[Dialect, Dialect]:
    """The routes of the message sessions API, last the public one; text limits in characters."""
    shape: dict[str, Any] = {"failure": failure, "failure_schema": words.MessageSessionsFailure}
    dialect = Dialect(
        "message-sessions",
        prefixes=(PREFIX,),
        description="消息会话管理 · Two-party and group sessions",
        authenticate=authenticate,
        **shape,
    )
    public = Dialect(
        "message-sessions-health",
        prefixes=(),  # failures are told apart by the path: the other's hold for both
        description="消息会话系统 · Health of the message sessions API",
        **shape,
    )
    add_managing_routes(dialect, sessions, title_chars, description_chars)
    add_listing_routes(dialect, inbox)
    add_message_routes(dialect, sessions, message_chars)
    add_unread_routes(dialect, sessions)
    add_inbox_routes(dialect, inbox)
    add_rebuild_route(dialect, rebuilding)
    add_health_route(public, healthy)
    return dialect, public
