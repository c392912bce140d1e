"""The pool of indexes that users are given one of. Source: Phoebe Service API, Index Pool."""

import random
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

import structlog

from session_service.core.log_store import Deadline
from session_service.errors import Conflict, NotFound, ServiceError
from session_service.models import Account, IndexStatus, PoolIndex

log = structlog.get_logger(__name__)


class IndexPoolStore(Protocol):
    """Where the pool is kept."""

    def deadline(self) -> AbstractContextManager[Deadline]: ...

    def next_id(self) -> int: ...

    def insert(self, index: PoolIndex) -> bool:
        """Stores a new one; false when its `index_id` is there."""

    def all(self, status: IndexStatus | None = None) -> list[PoolIndex]: ...

    def find(self, number: int) -> PoolIndex | None: ...

    def of_user(self, user_id: int) -> PoolIndex | None: ...

    def assign(self, number: int, user_id: int, now: int) -> bool:
        """Gives an available one to a user; false when it is not, or the user has one."""

    def release(self, user_id: int, now: int) -> bool:
        """Takes a user's index back; false when it has none."""

    def set_status(
        self, number: int, status: IndexStatus, now: int, *, among: Sequence[IndexStatus]
    ) -> bool:
        """Sets it where it is one of those; false elsewhere."""

    def delete(self, number: int) -> bool:
        """Deletes one that is not assigned."""


class IndexPool:
    """Each index has one user at the most, and each user one index.

    `find_account` tells who is deleted: their indexes are free. Everything may raise Unavailable.
    """

    def __init__(
        self,
        store: IndexPoolStore,
        find_account: Callable[[int], Account | None],
        *,
        clock: Callable[[], int],
    ) -> None:
        self._store = store
        self._find_account = find_account
        self._clock = clock

    def add(self, index_id: str, category_id: str, name: str | None) -> PoolIndex:
        """Puts an index into the pool; Conflict where it is there already."""
        index = self._added(index_id, category_id, name)
        if index is None:
            raise Conflict("this index is in the pool", code="index_taken")
        return index

    def ensure(self, index_id: str, category_id: str, name: str | None) -> bool:
        """Puts an index into the pool; false where it is there already."""
        return self._added(index_id, category_id, name) is not None

    def _added(self, index_id: str, category_id: str, name: str | None) -> PoolIndex | None:
        with self._store.deadline():
            now = self._clock()
            index = PoolIndex(
                id=self._store.next_id(),
                index_id=index_id,
                category_id=category_id,
                name=name,
                status="AVAILABLE",
                user_id=None,
                assigned_at=None,
                created_at=now,
                updated_at=now,
            )
            stored = self._store.insert(index)
            return index if stored or self._store.find(index.id) == index else None

    def all(self, status: IndexStatus | None = None) -> Sequence[PoolIndex]:
        """Those of that status, or all, in the order in which they came."""
        with self._store.deadline():
            return sorted(self._store.all(status), key=lambda index: index.id)

    def of_user(self, user_id: int) -> PoolIndex:
        """A user's index; NotFound."""
        with self._store.deadline():
            index = self._store.of_user(user_id)
        if index is None:
            raise NotFound("this user has no index", code="no_index")
        return index

    def assign(self, user_id: int) -> PoolIndex:
        """Gives a user an index, the one it has if it has one.

        Conflict with the code `pool_empty`, or `no_such_account` for a user who is deleted, also
        for one that is deleted in this moment: whoever comes last sees that the index is free.
        """
        with self._store.deadline():
            index = self._assigned(user_id)
            account = self._find_account(user_id)
            if account is not None and account.status == "deleted":
                self._store.release(user_id, self._clock())
                raise Conflict("this user is deleted", code="no_such_account")
        return index

    def release(self, user_id: int) -> bool:
        """Makes a user's index available again; false when it has none."""
        with self._store.deadline():
            return self._store.release(user_id, self._clock())

    def disable(self, number: int) -> None:
        """Keeps an index from being assigned; Conflict where it is assigned, or NotFound."""
        self._set_status(number, "DISABLED")

    def enable(self, number: int) -> None:
        """Takes `disable` back; Conflict where it is assigned, or NotFound."""
        self._set_status(number, "AVAILABLE")

    def delete(self, number: int) -> None:
        """Takes an index out of the pool; Conflict where it is assigned, or NotFound."""
        with self._store.deadline():
            if not self._store.delete(number):
                self._refuse(number)

    def keep_house(self, older_than_ms: int = 0) -> bool:
        """Releases what users have who are deleted; false when it failed.

        Only a worker that dies leaves any, so this is for the beginning of another.
        """
        if older_than_ms:
            return True
        try:
            for index in self.all("ASSIGNED"):
                account = None if index.user_id is None else self._find_account(index.user_id)
                if account is not None and account.status == "deleted":
                    self.release(account.id)
        except ServiceError as error:
            log.warning("indexes left for later", error=type(error).__name__)
            return False
        return True

    def _assigned(self, user_id: int) -> PoolIndex:
        while True:
            if index := self._store.of_user(user_id):
                return index
            available = self._store.all("AVAILABLE")
            if not available:
                raise Conflict("no index is available", code="pool_empty")
            chosen = random.choice(available)  # noqa: S311  so that many at once seldom meet
            self._store.assign(chosen.id, user_id, self._clock())  # false: look again

    def _set_status(self, number: int, status: IndexStatus) -> None:
        among: Sequence[IndexStatus] = ("AVAILABLE", "DISABLED")
        with self._store.deadline():
            if not self._store.set_status(number, status, self._clock(), among=among):
                self._refuse(number)

    def _refuse(self, number: int) -> None:
        if self._store.find(number) is None:
            raise NotFound("no such index", code="no_such_index")
        raise Conflict("this index is assigned", code="index_assigned")
