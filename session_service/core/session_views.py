"""How one user sees message sessions: statuses, counts, lists in any order."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from session_service.models import LastMessage, MessageSession

ACTIVE, ARCHIVED, DELETED = "ACTIVE", "ARCHIVED", "DELETED"


@dataclass(frozen=True, slots=True)
class View:
    """A session as one of its members sees it; times in ms."""

    id: int
    session_id: str
    users: tuple[int, int]
    type: str
    title: str | None
    description: str | None
    last: LastMessage | None
    unread: int
    status: str
    created_at: int
    updated_at: int
    log_id: str

    @property
    def is_deleted(self) -> bool:
        return self.status == DELETED

    @property
    def active_at(self) -> int:
        """When something was said last; where nothing was, when the session was made."""
        return self.last.time if self.last else self.created_at


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which sessions of a user are asked for: all but the deleted, as far as nothing is said."""

    type: str | None = None
    status: str | None = None
    keyword: str | None = None
    unread: bool = False


# What sessions are ordered by, under the names that the API has for it.
ORDERS: Mapping[str, Callable[[View], Any]] = {
    "lastMessageTime": lambda view: view.active_at,
    "createTime": lambda view: view.created_at,
    "updateTime": lambda view: view.updated_at,
    "title": lambda view: view.title or "",
    "unreadCount": lambda view: view.unread,
}


def view_of(session: MessageSession, member: str) -> View:
    """The session as a member sees it."""
    state = session.log
    cleared = member in state.floors
    return View(
        id=session.id,
        session_id=session.session_id,
        users=session.users,
        type=session.type,
        title=session.title,
        description=session.description,
        last=session.lasts.get(member) if cleared else session.last,
        unread=max(state.total - state.seen.get(member, 0), 0),
        status=_status(session, member),
        created_at=session.created_at,
        updated_at=max(session.updated_at, session.touched_at.get(member, 0)),
        log_id=state.id,
    )


def chosen(views: Iterable[View], wanted: Wanted) -> list[View]:
    """Those that are asked for; a keyword is a part of title, description or last message."""
    keyword = wanted.keyword.casefold() if wanted.keyword else ""
    return [
        view
        for view in views
        if (view.status == wanted.status if wanted.status else not view.is_deleted)
        and wanted.type in (None, view.type)
        and (view.unread or not wanted.unread)
        and any(keyword in text.casefold() for text in _texts(view))
    ]


def ordered(
    views: Iterable[View], by: str = "lastMessageTime", *, descending: bool = True
) -> Sequence[View]:
    """The sessions in order; the later made is the greater of two that are equal."""
    key = ORDERS[by]
    return sorted(views, key=lambda view: (key(view), view.id), reverse=descending)


def _texts(view: View) -> tuple[str, ...]:
    return view.title or "", view.description or "", view.last.text if view.last else ""


def _status(session: MessageSession, member: str) -> str:
    if member in session.deleted:
        return DELETED
    return ARCHIVED if member in session.archived else ACTIVE
