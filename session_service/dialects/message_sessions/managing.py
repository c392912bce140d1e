"""Making, changing, archiving and emptying sessions."""

from collections.abc import Mapping
from typing import Any

from flask import g
from marshmallow import fields

import schemas.message_sessions as words
from session_service.core.inbox import Inbox
from session_service.core.message_sessions import MessageSessions
from session_service.core.session_views import ACTIVE, ARCHIVED
from session_service.dialects.dialect import Dialect
from session_service.dialects.message_sessions.envelope import (
    MESSAGES,
    ONE_RECORD,
    ONE_SESSION,
    OWN,
    PREFIX,
    RECORD,
    SESSION_ID,
    record,
    success,
)

SESSION = f"{PREFIX}/<session_id>"
SESSION_ID_PARAMETER = {
    "in": "path",
    "name": "session_id",
    "schema": {"type": "string", "example": SESSION_ID},
}


def add_managing_routes(
    dialect: Dialect, sessions: MessageSessions, title_chars: int, description_chars: int
) -> None:
    example = success(RECORD)

    @dialect.post(PREFIX)
    @dialect.arguments(
        words.new_session(title_chars, description_chars),
        example={
            "userId1": 123,
            "userId2": 456,
            "sessionType": "PRIVATE",
            "title": "会话标题",
            "description": "会话描述",
        },
    )
    @dialect.answers(200, ONE_RECORD, example=example, failures=OWN)
    def create_session(body: dict[str, Any]) -> dict[str, Any]:
        """创建会话 · A new session of two users, of whom the caller is one.

        A `GROUP` may have further members, `memberIds`; all see the same title, description and
        messages, and each has a status and a count of unread messages of its own.
        """
        return success(
            record(
                sessions.create(
                    g.user,
                    (body["user_id1"], body["user_id2"]),
                    body["session_type"],
                    body["title"],
                    body["description"],
                    body["member_ids"] or (),
                )
            )
        )

    @dialect.put(SESSION, parameters=[SESSION_ID_PARAMETER])
    @dialect.arguments(
        words.session_change(title_chars, description_chars),
        example={"title": "新会话标题", "description": "新会话描述", "status": "ACTIVE"},
    )
    @dialect.answers(200, ONE_RECORD, example=example, failures=ONE_SESSION)
    def update_session(body: dict[str, Any], session_id: str) -> dict[str, Any]:
        """更新会话 · Set title and description for all members, and the caller's own status."""
        status = body.pop("status", None)
        shared = {name: value for name, value in body.items() if value is not None}
        return success(record(sessions.update(g.user, session_id, shared, status)))

    @dialect.put(f"{SESSION}/archive", parameters=[SESSION_ID_PARAMETER])
    @dialect.answers(200, ONE_RECORD, example=example, failures=ONE_SESSION)
    def archive_session(session_id: str) -> dict[str, Any]:
        """归档会话 · Archive a session for the caller; new messages leave it archived."""
        return success(record(sessions.update(g.user, session_id, {}, ARCHIVED)))

    @dialect.delete(f"{PREFIX}/empty")
    @dialect.arguments(words.OfMemberQuery(), location="query")
    @dialect.answers(
        200,
        ONE_RECORD,
        example=success(RECORD | {"lastMessage": None, "lastMessageTime": None}),
        failures=ONE_SESSION,
    )
    def empty_session(query: dict[str, Any]) -> dict[str, Any]:
        """清空会话 · Empty a session for one user; the others keep their messages.

        What all members have emptied is deleted.
        """
        return success(record(sessions.clear(g.user, query["session_id"], query["user_id"])))


def add_inbox_routes(dialect: Dialect, inbox: Inbox) -> None:
    @dialect.delete(f"{PREFIX}/archived")
    @dialect.arguments(words.ArchivedQuery(), location="query")
    @dialect.answers(
        200, words.answer("DeletedSessions", fields.Integer()), example=success(2), failures=OWN
    )
    def delete_archived(query: dict[str, Any]) -> dict[str, Any]:
        """删除已归档会话 · Make a user's archived sessions DELETED for that user; how many.

        With `beforeTime` only those whose last activity was before it.
        """
        return success(inbox.delete_archived(g.user, query["user_id"], query["before_time"]))

    many = words.answer("BatchAnswer", fields.Nested(words.BatchResult))
    asked = {"sessionIds": [SESSION_ID, "SESS_20240101000001"], "userId": 123}
    example = success(
        {
            "updated": 1,
            "failed": [{"sessionId": "SESS_20240101000001", "reason": MESSAGES["not_found"]}],
        }
    )

    @dialect.put(f"{PREFIX}/batch/archive")
    @dialect.arguments(words.Batch(), example=asked)
    @dialect.answers(200, many, example=example, failures=OWN)
    def archive_sessions(body: dict[str, Any]) -> dict[str, Any]:
        """批量归档 · Archive many of a user's sessions; those that fail fail alone."""
        return success(batch(body, ARCHIVED))

    @dialect.put(f"{PREFIX}/batch/unarchive")
    @dialect.arguments(words.Batch(), example=asked)
    @dialect.answers(200, many, example=example, failures=OWN)
    def unarchive_sessions(body: dict[str, Any]) -> dict[str, Any]:
        """批量取消归档 · Make many of a user's sessions active, but for those that are deleted."""
        return success(batch(body, ACTIVE))

    def batch(body: Mapping[str, Any], status: str) -> dict[str, Any]:
        updated, failed = inbox.set_statuses(g.user, body["user_id"], body["session_ids"], status)
        reasons = [{"sessionId": each, "reason": MESSAGES[why]} for each, why in failed.items()]
        return {"updated": updated, "failed": reasons}
