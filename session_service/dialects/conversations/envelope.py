"""What all answers of the conversations API look like."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import schemas.conversation_answers as answers
from schemas.conversations import MOST_MEMBERS
from session_service.errors import Forbidden, Invalid, NotFound, ServiceError

PREFIX = "/api/v1/conversation"
MESSAGES: Mapping[str, str] = {
    "no_token": "no token",
    "bad_token": "the token does not hold",
    "forbidden": "user is not a member of this conversation",
    "no_integer_id": "users have integer ids here",
    "creator_only": "only the creator or an admin may do this",
    "admins_only": "admins only",
    "not_found": "conversation not found",
    "no_such_member": "no such member",
    "no_such_path": "not found",
    "method_not_allowed": "method not allowed",
    "closed": "conversation is closed",
    "too_few_members": "a conversation needs at least 2 members",
    "too_many_members": f"a conversation has at most {MOST_MEMBERS} members",
    "no_such_upload": "content: no such file",
    "no_such_file": "file not found",
    "too_many": "over the quota of uploads in a day",
    "key_reused": "this Idempotency-Key was used for another message",
    "unavailable": "the database is not available, try again later",
    "storage_full": "the disk is full, nothing can be stored",
}
# How these calls may fail, beyond what any call may.
NO_INTEGER_ID = (Forbidden(code="no_integer_id"),)
NO_MEMBER = (Forbidden(), NotFound())
SUCCESS = {"code": 200, "message": "success"}
AT = 1698765432000
MESSAGE = {
    "message_id": "MSG_1698765432000_515899393",
    "conversation_id": 123,
    "sender_id": 1,
    "sender_nickname": "张三",
    "sender_avatar_url": "https://example.com/avatar.jpg",
    "message_type": "text",
    "content": "消息内容",
    "file_name": None,
    "file_size": None,
    "file_type": None,
    "status": "sent",
    "created_at": AT,
}
CONVERSATION = {
    "conversation_id": "CONV_1698765432000_00123",
    "id": 123,
    "title": "KOL订单: 产品推广视频",
    "type": "kol_order",
    "related_order_type": "kol_order",
    "related_order_id": "KORD_1698765432000_12345",
    "order_status": "confirmed",
    "status": "active",
    "members": [
        {
            "user_id": 1,
            "nickname": "张三",
            "avatar_url": "https://example.com/avatar1.jpg",
            "role": "creator",
            "joined_at": "2024-01-01 10:00:00",
        }
    ],
    "unread_count": 5,
    "created_at": "2024-01-01 10:00:00",
    "last_message_at": AT,
}
LAST = {name: MESSAGE[name] for name in answers.LastMessage._declared_fields}
PAGE_INFO = {"page": 1, "page_size": 20, "total": 100, "total_pages": 5}


def success(**beside: Any) -> dict[str, Any]:
    """The envelope of whatever went well."""
    return {**beside, "base_resp": SUCCESS}


def failure(error: ServiceError, status: int, reasons: Mapping[str, list[str]]) -> dict[str, Any]:
    """The envelope of whatever did not; the message names the fields or the cause."""
    if isinstance(error, Invalid) and reasons:
        message = "; ".join(f"{field}: {' '.join(why)}" for field, why in reasons.items())
    else:
        message = MESSAGES.get(error.code) or HTTPStatus(status).phrase.lower()
    return {"base_resp": {"code": status, "message": message}}
