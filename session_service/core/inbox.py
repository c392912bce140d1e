"""All message sessions of a user: lists, counts, and many changed at once.

Source: 消息会话管理API接口文档.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from session_service.core.log_store import Deadline
from session_service.core.session_views import (
    ACTIVE,
    ARCHIVED,
    DELETED,
    Order,
    View,
    Wanted,
    by_activity,
    chosen,
    view_of,
)
from session_service.core.user_ids import acting_for
from session_service.models import MessageSession, User

AT_ONCE = 200  # sessions that one round trip changes


class InboxStore(Protocol):
    """Where message sessions are kept, as far as lists of them need it."""

    def deadline(self) -> AbstractContextManager[Deadline]: ...

    def of_member(self, member: str, *, texts: bool) -> list[MessageSession]:
        """A member's sessions, each as far as this member sees it, without texts if so asked."""

    def find_many(self, log_ids: Sequence[str]) -> Mapping[str, MessageSession]: ...

    def set_statuses(
        self,
        places: Sequence[tuple[str, int | None]],
        member: str,
        now: int,
        status: str,
        *,
        only: str | None,
    ) -> int:
        """Sets a member's own status where it is `only`, and a log stands at the seq given."""


class Inbox:
    """What a user may do with all its sessions; see MessageSessions for who that may be.

    Times are in ms since 1970. Everything may raise Unavailable.
    """

    def __init__(self, store: InboxStore, *, clock: Callable[[], int]) -> None:
        self._store = store
        self._clock = clock

    def all(self, user: User, user_id: int, wanted: Wanted, *, texts: bool = False) -> list[View]:
        """The sessions that are asked for, in no order; texts are left out unless asked for."""
        member = acting_for(user, user_id)
        with self._store.deadline():
            found = self._store.of_member(member, texts=texts or bool(wanted.keyword))
        return chosen((view_of(each, member) for each in found), wanted)

    def page(
        self,
        user: User,
        user_id: int,
        wanted: Wanted,
        start: int,
        size: int,
        order: Order = by_activity,
        *,
        descending: bool = True,
    ) -> tuple[Sequence[View], int]:
        """The sessions from `start` on, at most `size`, in order; and how many there are in all."""
        found = self.all(user, user_id, wanted, texts=order.texts)
        found.sort(key=lambda view: (order.key(view), view.id), reverse=descending)
        shown = found[start : start + size]
        if not shown or order.texts or wanted.keyword:
            return shown, len(found)
        member = str(user_id)
        with self._store.deadline():
            whole = self._store.find_many([each.log_id for each in shown])
        return [view_of(whole[each.log_id], member) for each in shown], len(found)

    def delete_archived(self, user: User, user_id: int, before: int | None) -> int:
        """Makes a user's archived sessions deleted for it, if nothing happened since `before`."""
        archived = self.all(user, user_id, Wanted(status=ARCHIVED))
        old = [each for each in archived if before is None or each.active_at < before]
        places = [(each.log_id, None if before is None else each.seq) for each in old]
        return self._set_statuses(places, str(user_id), DELETED, only=ARCHIVED)

    def set_statuses(
        self, user: User, user_id: int, session_ids: Iterable[str], status: str
    ) -> tuple[int, Mapping[str, str]]:
        """Archives many of a user's sessions, or makes them active; how many, and why not others.

        Those that are deleted do not become active.
        """
        mine = {each.session_id: each for each in self.all(user, user_id, Wanted(deleted=True))}
        asked = list(dict.fromkeys(session_ids))
        failed = {each: "not_found" for each in asked if each not in mine}
        if status == ACTIVE:
            lost = [each for each in asked if each in mine and mine[each].is_deleted]
            failed |= dict.fromkeys(lost, "is_deleted")
        views = [mine[each] for each in asked if each not in failed]
        places = [(each.log_id, None) for each in views if each.status != status]
        self._set_statuses(
            places, str(user_id), status, only=ARCHIVED if status == ACTIVE else None
        )
        return len(views), failed

    def _set_statuses(
        self,
        places: Sequence[tuple[str, int | None]],
        member: str,
        status: str,
        *,
        only: str | None,
    ) -> int:
        count = 0
        for start in range(0, len(places), AT_ONCE):
            some, now = places[start : start + AT_ONCE], self._clock()
            with self._store.deadline():
                count += self._store.set_statuses(some, member, now, status, only=only)
        return count
