"""Lists and counts of a user's sessions."""

from typing import Any

from flask import g
from marshmallow import Schema, fields

import schemas.message_sessions as words
from session_service.core.inbox import Inbox
from session_service.core.session_views import ACTIVE, Order, View, Wanted, by_activity
from session_service.core.user_ids import as_integer
from session_service.dialects.dialect import Dialect
from session_service.dialects.message_sessions.envelope import (
    OWN,
    PAGE,
    PREFIX,
    RECORD,
    paged,
    records,
    success,
)
from session_service.errors import Invalid

USER = f"{PREFIX}/user/<user_id>"
USER_ID = {
    "in": "path",
    "name": "user_id",
    "schema": {"type": "integer", "minimum": 1, "maximum": words.MOST_ID, "example": 123},
}


ORDERS = {
    "lastMessageTime": by_activity,
    "createTime": Order(lambda view: view.created_at),
    "updateTime": Order(lambda view: view.updated_at),
    "title": Order(lambda view: view.title or "", texts=True),
    "unreadCount": Order(lambda view: view.unread),
}


def add_listing_routes(dialect: Dialect, inbox: Inbox) -> None:
    page = words.answer("MessageSessionPageAnswer", fields.Nested(words.MessageSessionPage))

    def page_of(
        user_id: int, wanted: Wanted, asked: dict[str, Any], **order: Any
    ) -> dict[str, Any]:
        """A page as it is asked for; a size over the limit counts as the limit."""
        number, size = asked["current_page"], min(asked["page_size"], words.MOST_PAGE)
        start = (number - 1) * size
        found, total = inbox.page(g.user, user_id, wanted, start, size, **order)
        return success(paged(records(found), total, number, size))

    def all_of(user_id: str, wanted: Wanted) -> list[View]:
        return inbox.all(g.user, user_in_path(user_id), wanted)

    @dialect.get(PREFIX)
    @dialect.arguments(words.ListQuery(), location="query")
    @dialect.answers(200, page, example=success(PAGE), failures=OWN)
    def list_sessions(query: dict[str, Any]) -> dict[str, Any]:
        """获取会话列表 · A user's sessions, last activity first.

        Those that the user has deleted are left out unless `status=DELETED` asks for them.
        """
        wanted = Wanted(type=query["session_type"], status=query["status"])
        return page_of(query["user_id"], wanted, query)

    @dialect.post(f"{PREFIX}/query")
    @dialect.arguments(
        words.Search(),
        example={
            "userId": 123,
            "sessionType": "PRIVATE",
            "status": "ACTIVE",
            "keyword": "搜索关键词",
            "currentPage": 1,
            "pageSize": 20,
            "orderBy": "lastMessageTime",
            "orderDirection": "DESC",
        },
    )
    @dialect.answers(200, page, example=success(PAGE), failures=OWN, reads=True)
    def query_sessions(body: dict[str, Any]) -> dict[str, Any]:
        """分页查询会话 · A user's sessions, filtered and in any order.

        `keyword` is looked for as it is written, whatever the case, in title, description and
        last message. By `lastMessageTime` a session without messages counts from its creation.
        """
        wanted = Wanted(body["session_type"], body["status"], body["keyword"])
        descending = body["order_direction"] == "DESC"
        order = ORDERS[body["order_by"]]
        return page_of(body["user_id"], wanted, body, order=order, descending=descending)

    @dialect.get(USER, parameters=[USER_ID])
    @dialect.arguments(words.OfTypeQuery(), location="query")
    @dialect.answers(200, page, example=success(PAGE), failures=OWN)
    def user_sessions(query: dict[str, Any], user_id: str) -> dict[str, Any]:
        """用户会话列表 · A user's sessions, last activity first."""
        return page_of(user_in_path(user_id), Wanted(type=query["session_type"]), query)

    @dialect.get(f"{USER}/active", parameters=[USER_ID])
    @dialect.arguments(words.LimitQuery(), location="query")
    @dialect.answers(
        200,
        words.answer("MessageSessionsListed", fields.List(fields.Nested(words.MessageSession))),
        example=success([RECORD]),
        failures=OWN,
    )
    def active_sessions(query: dict[str, Any], user_id: str) -> dict[str, Any]:
        """用户活跃会话 · A user's sessions that are ACTIVE, last activity first."""
        wanted = Wanted(status=ACTIVE)
        found, _ = inbox.page(g.user, user_in_path(user_id), wanted, 0, query["limit"])
        return success(records(found))

    @dialect.get(f"{USER}/unread", parameters=[USER_ID])
    @dialect.arguments(words.PageQuery(), location="query")
    @dialect.answers(200, page, example=success(PAGE), failures=OWN)
    def unread_sessions(query: dict[str, Any], user_id: str) -> dict[str, Any]:
        """用户未读会话 · A user's sessions with unread messages, last activity first."""
        return page_of(user_in_path(user_id), Wanted(unread=True), query)

    @dialect.get(f"{USER}/unread/count", parameters=[USER_ID])
    @dialect.answers(200, number_answer("UnreadSessions"), example=success(3), failures=OWN)
    def count_unread_sessions(user_id: str) -> dict[str, Any]:
        """用户未读数量 · How many of a user's sessions have unread messages."""
        return success(len(all_of(user_id, Wanted(unread=True))))

    @dialect.get(f"{USER}/count", parameters=[USER_ID])
    @dialect.arguments(words.TypeQuery(), location="query")
    @dialect.answers(200, number_answer("SessionCount"), example=success(12), failures=OWN)
    def count_sessions(query: dict[str, Any], user_id: str) -> dict[str, Any]:
        """用户会话数量 · How many sessions a user has."""
        return success(len(all_of(user_id, Wanted(type=query["session_type"]))))

    @dialect.get(f"{USER}/unread/total", parameters=[USER_ID])
    @dialect.answers(200, number_answer("UnreadMessages"), example=success(7), failures=OWN)
    def count_unread_messages(user_id: str) -> dict[str, Any]:
        """用户总未读数 · How many unread messages a user has in all sessions."""
        return success(sum(each.unread for each in all_of(user_id, Wanted())))


def number_answer(name: str) -> Schema:
    return words.answer(name, fields.Integer())


def user_in_path(user_id: str) -> int:
    """The integer that stands in a path; Invalid where it is none."""
    as_number = as_integer(user_id)
    if as_number is None:
        raise Invalid(errors={"userId": ["Must be an integer id."]}, where="path")
    return as_number
