"""Rebuilding what sessions say of their messages, and whether the system works."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from flask import g
from marshmallow import fields

import schemas.message_sessions as words
from session_service.core.rebuilding import Rebuilding
from session_service.dialects.dialect import Dialect
from session_service.dialects.message_sessions.envelope import OWN, PREFIX, success
from session_service.errors import Unavailable

WORKING = "系统运行正常"


def add_rebuild_route(dialect: Dialect, rebuilding: Rebuilding) -> None:
    @dialect.post(f"{PREFIX}/rebuild-index")
    @dialect.arguments(words.Rebuild(), example={"userId": 123, "force": False})
    @dialect.answers(
        200,
        words.answer("RebuildAnswer", fields.Nested(words.RebuildResult)),
        example=success({"checked": 12, "repaired": 0}),
        failures=OWN,
    )
    def rebuild_index(body: dict[str, Any]) -> dict[str, Any]:
        """重建索引 · Recompute a user's unread counts and last messages from the messages.

        `checked` sessions were looked at, `repaired` ones written: those that differed, with
        `force` all that have messages. What was set by hand goes: increments, and last messages
        that were told without being stored. A session without stored messages is left alone.
        Indexes of the database that are missing are made.
        """
        return success(asdict(rebuilding.of_user(g.user, body["user_id"], force=body["force"])))


def add_health_route(public: Dialect, healthy: Callable[[], bool]) -> None:
    @public.get(f"{PREFIX}/health")
    @public.answers(
        200,
        words.answer("Working", fields.String()),
        example=success(WORKING),
        failures=(Unavailable(),),
    )
    def health() -> dict[str, Any]:
        """系统健康检查 · Whether the database can be reached; needs no token."""
        if not healthy():
            raise Unavailable
        return success(WORKING)
