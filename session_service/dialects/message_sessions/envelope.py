"""What all answers of the message sessions API look like."""

from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from marshmallow import fields

import schemas.message_sessions as words
from session_service.core.session_views import View
from session_service.dialects.times import seconds_time
from session_service.errors import Forbidden, Invalid, NotFound, ServiceError

PREFIX = "/api/v1/message-sessions"
SUCCESS = {"code": 200, "message": "success"}
MESSAGES: Mapping[str, str] = {
    "no_token": "no token",
    "bad_token": "the token does not hold",
    "forbidden": "this user takes no part in the session",
    "no_integer_id": "users have integer ids here",
    "not_yours": "only for this user itself or an admin",
    "not_found": "session not found",
    "is_deleted": "session is deleted",
    "no_such_path": "not found",
    "method_not_allowed": "method not allowed",
    "too_many_members": f"memberIds: a session has at most {words.MOST_MEMBERS} members",
    "no_receiver": "receiverId: needed unless the session is a GROUP",
    "strange_receiver": "receiverId: takes no part in the session",
    "session_full": "this session is full",
    "key_reused": "this Idempotency-Key was used for another message",
    "unavailable": "the database is not available, try again later",
    "storage_full": "the disk is full, nothing can be stored",
}
# How these calls may fail, beyond what any call may.
OWN = (Forbidden(code="not_yours"),)
ONE_SESSION = (Forbidden(), NotFound())
SESSION_ID = "SESS_20240101000000"
RECORD = {
    "id": 1,
    "sessionId": SESSION_ID,
    "userId1": 123,
    "userId2": 456,
    "sessionType": "PRIVATE",
    "title": "会话标题",
    "description": "会话描述",
    "lastMessage": "最后一条消息",
    "lastMessageTime": "2024-01-01T00:00:00",
    "unreadCount": 0,
    "status": "ACTIVE",
    "createTime": "2024-01-01T00:00:00",
    "updateTime": "2024-01-01T00:00:00",
}
ONE_RECORD = words.answer("MessageSessionAnswer", fields.Nested(words.MessageSession))
PAGE = {"records": [RECORD], "total": 1, "currentPage": 1, "pageSize": 20, "totalPages": 1}


def success(data: Any) -> dict[str, Any]:
    """The envelope of whatever went well."""
    return {**SUCCESS, "data": data}


def failure(error: ServiceError, status: int, reasons: Mapping[str, list[str]]) -> dict[str, Any]:
    """The envelope of whatever did not; the message names the fields or the cause."""
    if isinstance(error, Invalid) and reasons:
        message = "; ".join(f"{field}: {' '.join(why)}" for field, why in reasons.items())
    else:
        message = MESSAGES.get(error.code) or HTTPStatus(status).phrase.lower()
    return {"code": status, "message": message, "data": None}


def record(view: View) -> dict[str, Any]:
    """A session as the API shows it."""
    last = view.last
    return {
        "id": view.id,
        "sessionId": view.session_id,
        "userId1": view.users[0],
        "userId2": view.users[1],
        "sessionType": view.type,
        "title": view.title,
        "description": view.description,
        "lastMessage": last.text if last else None,
        "lastMessageTime": seconds_time(last.time) if last else None,
        "unreadCount": view.unread,
        "status": view.status,
        "createTime": seconds_time(view.created_at),
        "updateTime": seconds_time(view.updated_at),
    }


def records(views: Iterable[View]) -> list[dict[str, Any]]:
    return [record(each) for each in views]


def paged(found: Sequence[Any], total: int, number: int, size: int) -> dict[str, Any]:
    """One page of so many records in all."""
    return {
        "records": found,
        "total": total,
        "currentPage": number,
        "pageSize": size,
        "totalPages": -(-total // size),
    }
