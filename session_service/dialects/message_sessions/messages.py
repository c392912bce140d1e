"""Messages, what is told of them, and what of them is unread."""

from typing import Any

from flask import g
from marshmallow import fields

import schemas.message_sessions as words
from session_service.core.message_sessions import MessageSessions, message_id
from session_service.dialects.dialect import Dialect
from session_service.dialects.idempotency import IDEMPOTENCY_KEY, idempotency_key
from session_service.dialects.message_sessions.envelope import (
    ONE_RECORD,
    ONE_SESSION,
    PREFIX,
    RECORD,
    SESSION_ID,
    record,
    success,
)
from session_service.dialects.message_sessions.managing import SESSION, SESSION_ID_PARAMETER
from session_service.dialects.times import seconds_time
from session_service.models import Entry, MessageSession, last_message

MESSAGE = {
    "id": 4194305,
    "sessionId": SESSION_ID,
    "senderId": 123,
    "receiverId": 456,
    "message": "新消息内容",
    "messageTime": "2024-01-01T00:00:00",
}


def add_message_routes(dialect: Dialect, sessions: MessageSessions, message_chars: int) -> None:
    several = words.answer("SessionMessages", fields.List(fields.Nested(words.SessionMessage)))

    @dialect.post(f"{PREFIX}/new-message", parameters=[IDEMPOTENCY_KEY])
    @dialect.arguments(
        words.new_message(message_chars),
        example={
            "sessionId": SESSION_ID,
            "senderId": 123,
            "receiverId": 456,
            "message": "新消息内容",
            "messageTime": "2024-01-01T00:00:00",
        },
    )
    @dialect.answers(200, ONE_RECORD, example=success(RECORD), failures=ONE_SESSION)
    def new_message(body: dict[str, Any]) -> dict[str, Any]:
        """新消息通知 · Store a message of the caller's, which its receiver has unread.

        In a `GROUP` without `receiverId` all but the sender have it unread; with one all see it,
        and it is unread for the receiver alone. A time that is more than 5 minutes ahead counts
        as now. The message of the greatest time, in seconds, is the last one, of equal ones the
        later stored. A session that sender or receiver had deleted is active again for them. A
        repeat with the same `Idempotency-Key` stores nothing more.
        """
        view = sessions.send(
            g.user,
            body["session_id"],
            body["sender_id"],
            body["receiver_id"],
            body["message"],
            body["message_time"],
            idempotency_key(),
        )
        return success(record(view))

    @dialect.put(f"{PREFIX}/last-message")
    @dialect.arguments(
        words.last_message(message_chars),
        example={
            "sessionId": SESSION_ID,
            "lastMessage": "新的最后消息",
            "lastMessageTime": "2024-01-01T00:00:00",
            "senderId": 123,
        },
    )
    @dialect.answers(200, ONE_RECORD, example=success(RECORD), failures=ONE_SESSION)
    def tell_last(body: dict[str, Any]) -> dict[str, Any]:
        """更新最后消息 · Tell what was said last, by the caller, without storing a message.

        What is older than the last message that is known changes nothing. A time that is more
        than 5 minutes ahead counts as now.
        """
        view = sessions.tell_last(
            g.user,
            body["session_id"],
            body["sender_id"],
            body["last_message"],
            body["last_message_time"],
        )
        return success(record(view))

    @dialect.get(f"{SESSION}/messages", parameters=[SESSION_ID_PARAMETER])
    @dialect.arguments(words.MessagesQuery(), location="query")
    @dialect.answers(200, several, example=success([MESSAGE]), failures=ONE_SESSION)
    def session_messages(query: dict[str, Any], session_id: str) -> dict[str, Any]:
        """会话消息 · The newest messages, or the newest before one; oldest first.

        To go on, give the id of the oldest message you have as `before`.
        """
        session, found = sessions.messages(
            g.user, session_id, query["user_id"], before=query["before"], limit=query["limit"]
        )
        return success([show_message(session, each) for each in found])


def add_unread_routes(dialect: Dialect, sessions: MessageSessions) -> None:
    asked = {"sessionId": SESSION_ID, "userId": 123}

    @dialect.put(f"{PREFIX}/unread/increment")
    @dialect.arguments(words.Increment(), example=asked | {"increment": 1})
    @dialect.answers(
        200, ONE_RECORD, example=success(RECORD | {"unreadCount": 1}), failures=ONE_SESSION
    )
    def increment_unread(body: dict[str, Any]) -> dict[str, Any]:
        """增加未读数 · Raise the unread count of any member of a session of the caller's.

        An admin may do so in any session.
        """
        view = sessions.add_unread(g.user, body["session_id"], body["user_id"], body["increment"])
        return success(record(view))

    @dialect.put(f"{PREFIX}/unread/clear")
    @dialect.arguments(words.OfMember(), example=asked)
    @dialect.answers(200, ONE_RECORD, example=success(RECORD), failures=ONE_SESSION)
    def clear_unread(body: dict[str, Any]) -> dict[str, Any]:
        """清除未读 · Set a user's own unread count to 0."""
        return success(record(sessions.clear_unread(g.user, body["session_id"], body["user_id"])))


def show_message(session: MessageSession, message: Entry) -> dict[str, Any]:
    shown = last_message(message)
    return {
        "id": message_id(session, message.seq),
        "sessionId": session.session_id,
        "senderId": int(message.sender),
        "receiverId": None if message.to is None else int(message.to),
        "message": shown.text,
        "messageTime": seconds_time(shown.time),
    }
