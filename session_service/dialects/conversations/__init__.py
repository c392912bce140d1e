"""The conversations API: people talking to people. Source: 会话功能 API 文档."""

from collections.abc import Callable
from typing import Any

import schemas.conversation_answers as answers
from session_service.core.conversations import Conversations
from session_service.core.files import Files
from session_service.core.orders import Orders
from session_service.core.people import People
from session_service.dialects.conversations.envelope import PREFIX, failure
from session_service.dialects.conversations.files import (
    FILES,
    UPLOAD,
    add_download_route,
    add_upload_route,
)
from session_service.dialects.conversations.members import add_member_routes, add_order_route
from session_service.dialects.conversations.messages import add_message_routes
from session_service.dialects.conversations.reading import add_reading_routes
from session_service.dialects.conversations.show import Show
from session_service.dialects.dialect import Dialect


def conversations_dialects(
    conversations: Conversations,
    orders: Orders,
    people: People,
    files: Files,
    *,
    authenticate: Callable[[], None],
    title_chars: int,
    message_chars: int,
) -> tuple[Dialect, Dialect]:
    """The routes of the conversations API, last the public one; text limits in characters."""
    shape: dict[str, Any] = {"failure": failure, "failure_schema": answers.Answer}
    dialect = Dialect(
        "conversations",
        prefixes=(PREFIX, UPLOAD, FILES),
        description="多人会话：成员、消息与未读 · Conversations of people, with unread counts",
        authenticate=authenticate,
        **shape,
    )
    public = Dialect(
        "files",
        prefixes=(),  # failures are told apart by the path: the other's hold for both
        description="多人会话中的文件 · Files in conversations",
        **shape,
    )
    show = Show(people)
    add_message_routes(dialect, conversations, show, message_chars, authenticate=authenticate)
    add_reading_routes(dialect, conversations, show)
    add_member_routes(dialect, conversations, show, title_chars)
    add_order_route(dialect, orders, show, title_chars)
    add_upload_route(dialect, files)
    add_download_route(public, files)
    return dialect, public
