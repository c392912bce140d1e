"""How one user sees message sessions: statuses, counts, lists in any order."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from session_service.models import LastMessage, MessageSession, whole_second

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
    seq: int

    @property
    def is_deleted(self) -> bool:
        return self.status == DELETED

    @property
    def active_at(self) -> int:
        """When something was said last; where nothing was, when the session was made."""
        return self.last.time if self.last else whole_second(self.created_at)

    @property
    def known_at(self) -> int:
        """When that was stored."""
        return self.last.at if self.last else self.created_at


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which sessions of a user are asked for: all but the deleted, as far as nothing is said."""

    type: str | None = None
    status: str | None = None
    keyword: str | None = None
    unread: bool = False
    deleted: bool = False  # as well


@dataclass(frozen=True, slots=True)
class Order:
    """What sessions are ordered by; `texts` where that needs their texts."""

    key: Callable[[View], Any]
    texts: bool = False


by_activity = Order(lambda view: (view.active_at, view.known_at))


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
        seq=state.seq,
    )


def chosen(views: Iterable[View], wanted: Wanted) -> list[View]:
    """Those that are asked for; a keyword is a part of title, description or last message."""
    keyword = wanted.keyword.casefold() if wanted.keyword else ""
    return [
        view
        for view in views
        if (
            wanted.status == view.status if wanted.status else wanted.deleted or not view.is_deleted
        )
        and wanted.type in (None, view.type)
        and (view.unread or not wanted.unread)
        and any(keyword in text.casefold() for text in _texts(view))
    ]


def _texts(view: View) -> tuple[str, ...]:
    return view.title or "", view.description or "", view.last.text if view.last else ""


def _status(session: MessageSession, member: str) -> str:
    if member in session.deleted:
        return DELETED
    return ARCHIVED if member in session.archived else ACTIVE
