"""The brute force limit: so many failed logins for a name or from an address, and no more.

See docs/accounts.md, Failed logins. An attempt takes a place among ten of its name and ten of
its address before the password is looked at, and gives it back when the password was right. So a
thousand guesses at once are no more than ten, and a hundred right logins at once wait their turn.
"""

import hashlib
import random
import secrets
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from session_service.core.log_store import Deadline
from session_service.errors import TooMany
from session_service.models import Attempt

MOST_FAILED = 10
WINDOW_MS = 300_000
UNDER_WAY_MS = 10_000  # an attempt that is older and undecided died, and counts as failed
KNOWN_MS = 30 * 86_400_000
REFRESHED_MS = 86_400_000
QUEUE_MS = 10_000
PAUSE_S, MOST_PAUSE_S = 0.05, 1.0  # between two looks, doubled from one to the next


class AttemptStore(Protocol):
    """Where attempts are kept; all methods raise Unavailable when the outcome is unknown."""

    def deadline(self) -> AbstractContextManager[Deadline]: ...

    def find(self, places: Sequence[str]) -> Mapping[str, Attempt]:
        """The attempts that stand at these places."""

    def take(self, attempts: Sequence[Attempt], until: int) -> bool:
        """Stores them until then (ms); false when a place was taken, others may be stored."""

    def fail(self, attempts: Sequence[Attempt]) -> None: ...

    def remove(self, attempts: Sequence[Attempt]) -> None: ...

    def remember(self, attempt: Attempt, until: int) -> None:
        """Stores it until then (ms), in place of what stands there."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """An attempt that may look at the password.

    `taken` are its own places, `of_name` what failed before; `known` is the place where it is
    kept that the name logged in from the address, `known_since` when (ms, 0: never).
    """

    taken: Sequence[Attempt]
    of_name: Sequence[Attempt]
    known: str
    known_since: int


class LoginLimit:
    """Who may try a password; `name` tells an account from others, known or not."""

    def __init__(
        self,
        store: AttemptStore,
        *,
        clock: Callable[[], int],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._store = store
        self._clock = clock
        self._sleep = sleep

    def begin(self, name: str, address: str) -> Ticket:
        """A place for one attempt; TooMany when ten have failed for the name or the address.

        The name's failures do not count at an address from which it logged in before.
        """
        began, pause_s = self._clock(), PAUSE_S
        while self._clock() < began + QUEUE_MS:
            with self._store.deadline():
                if ticket := self._try(name, address):
                    return ticket
            self._sleep(random.uniform(0, pause_s))  # noqa: S311  spreads, hides nothing
            pause_s = min(2 * pause_s, MOST_PAUSE_S)
        raise TooMany("too many logins at once")

    def failed(self, ticket: Ticket) -> None:
        with self._store.deadline():
            self._store.fail(ticket.taken)

    def succeeded(self, ticket: Ticket) -> None:
        """Forgets the name's failures, and remembers the address."""
        now = self._clock()
        with self._store.deadline():
            self._store.remove([*ticket.taken, *ticket.of_name])
            if ticket.known_since < now - REFRESHED_MS:
                self._store.remember(
                    Attempt(ticket.known, _new_id(), now, failed=False), now + KNOWN_MS
                )

    def _try(self, name: str, address: str) -> Ticket | None:
        """A ticket; None to look again: places were cleared, are under way, or went to others."""
        now = self._clock()
        names, addresses = _places("name", name), _places("address", address)
        known = f"known:{_digest(name, address)}"
        found = dict(self._store.find([known, *names, *addresses]))
        known_since = found.pop(known).at if known in found else 0
        if spent := [each for each in found.values() if each.at <= now - WINDOW_MS]:
            self._store.remove(spent)
            return None
        of_name, taken = _failed(found, names, now), list[Attempt]()
        for places, failed, strict in (
            (names, of_name, known_since <= now - KNOWN_MS),
            (addresses, _failed(found, addresses, now), True),
        ):
            if strict and len(failed) >= MOST_FAILED:
                raise TooMany("too many failed logins", retry_after_s=_wait_s(failed, now))
            if free := [each for each in places if each not in found]:
                taken.append(Attempt(secrets.choice(free), _new_id(), now, failed=False))
            elif strict:
                return None
        if not self._store.take(taken, now + WINDOW_MS):
            self._store.remove(taken)
            return None
        return Ticket(taken, of_name, known, known_since)


def _places(kind: str, who: str) -> list[str]:
    return [f"{kind}:{_digest(who)}:{number}" for number in range(MOST_FAILED)]


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def _new_id() -> str:
    return secrets.token_hex(8)


def _failed(found: Mapping[str, Attempt], places: Iterable[str], now: int) -> list[Attempt]:
    there = [found[each] for each in places if each in found]
    return [each for each in there if each.failed or each.at < now - UNDER_WAY_MS]


def _wait_s(failed: Iterable[Attempt], now: int) -> int:
    """Whole seconds until the first of them does not count any more."""
    oldest = min(each.at for each in failed)
    return max(-(-(oldest + WINDOW_MS - now) // 1000), 1)
