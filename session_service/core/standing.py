"""Whether what a token says still holds: it may be revoked, its account disabled or gone.

What was read of it is remembered while nothing changes. A counter in the database, the
generation, moves on with every change; it is read before it is a second old.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from session_service.core.log_store import Deadline
from session_service.core.user_ids import as_integer
from session_service.errors import Unauthorized
from session_service.models import Account, Claims, User

REFRESH_S = 0.5  # one request asks for the generation, the others go on with what is known
STALE_S = 0.85  # nobody goes on: all workers are to know of a change within a second
RECHECK_S = 60.0  # for what was changed by hand in the database
REMEMBERED = 10_000


class StandingStore(Protocol):
    """Where it is kept what voids tokens."""

    def deadline(self) -> AbstractContextManager[Deadline]: ...

    def generation(self) -> int: ...

    def next_generation(self) -> None: ...

    def find_account(self, account_id: int) -> Account | None: ...

    def is_revoked(self, token_id: str) -> bool: ...

    def revoke(self, token_id: str, expires_at: float) -> None:
        """Notes it until the token expires (seconds since 1970)."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What was read of a token, under which generation, and when."""

    account: Account | None
    revoked: bool
    generation: int
    at: float


class Standing:
    """Judges tokens. Everything may raise Unavailable."""

    def __init__(self, store: StandingStore, *, now: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._now = now
        self._seen: OrderedDict[str, Seen] = OrderedDict()
        self._generation: tuple[int | None, float] = (None, float("-inf"))  # and when asked for
        self._refresh_at = float("-inf")

    def user(self, claims: Claims) -> User:
        """Who calls by a token that says this; Unauthorized when it holds no more."""
        seen = self._look(claims)
        account = seen.account
        if seen.revoked or (account is not None and not _opens(claims, account)):
            raise Unauthorized("the token does not hold any more", code="bad_token")
        if account is None:
            return User(claims.subject, claims.name, claims.role, claims.username)
        return User(claims.subject, account.username, account.role, account.username, account)

    def revoke(self, claims: Claims) -> None:
        """Voids one token, everywhere within a second."""
        with self._store.deadline():
            self._store.revoke(claims.token_id, claims.expires_at)
            self.changed()

    def changed(self) -> None:
        """Has everybody look again: here at once, elsewhere within a second."""
        self._store.next_generation()
        self._generation = (None, self._now())

    def _look(self, claims: Claims) -> Seen:
        generation, now = self._current_generation(), self._now()
        seen = self._seen.get(claims.token_id)
        if seen and seen.generation == generation and now < seen.at + RECHECK_S:
            return seen
        account_id = as_integer(claims.subject)
        with self._store.deadline():
            seen = Seen(
                account=None if account_id is None else self._store.find_account(account_id),
                revoked=self._store.is_revoked(claims.token_id),
                generation=generation,
                at=now,
            )
        self._seen[claims.token_id] = seen
        if len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)
        return seen

    def _current_generation(self) -> int:
        now = self._now()
        generation, asked_at = self._generation
        if generation is not None and now < min(self._refresh_at, asked_at + STALE_S):
            return generation
        self._refresh_at = now + REFRESH_S
        with self._store.deadline():
            generation = self._store.generation()
        if now > self._generation[1]:  # nobody has asked later, and nothing changed meanwhile
            self._generation = (generation, now)
        return generation


def _opens(claims: Claims, account: Account) -> bool:
    if account.status != "active":
        return False
    if claims.password_version is not None:
        return claims.password_version == account.password_version
    if not account.password_changed_at:
        return True
    changed_s = account.password_changed_at // 1000  # peers tell whole seconds
    return claims.issued_at is not None and claims.issued_at >= changed_s
