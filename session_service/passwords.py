"""Passwords as Argon2id hashes; the door of argon2."""

import unicodedata
from collections.abc import Callable
from typing import Protocol, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

T = TypeVar("T")

MEMORY_KIB, ROUNDS, LANES = 19 * 1024, 2, 1  # OWASP's; about 30 ms
# Verified where there is no account: of no password, and as slow to try as any other.
NOBODYS = f"$argon2id$v=19$m={MEMORY_KIB},t={ROUNDS},p={LANES}${'A' * 22}${'A' * 43}"


class Run(Protocol):
    """Does a job where it holds up nobody."""

    def __call__(self, job: Callable[[], T], /) -> T: ...


class Argon2Passwords:
    """Hashes and verifies; `run` does that where it holds up nobody."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._hasher = PasswordHasher(ROUNDS, MEMORY_KIB, LANES)

    def hash(self, password: str) -> str:
        """The hash to keep of a password."""
        return self._run(lambda: self._hasher.hash(_composed(password)))

    def verify(self, password_hash: str | None, password: str) -> bool:
        """Whether it is that password; without a hash False, after the same time."""
        return self._run(lambda: self._matches(password_hash or NOBODYS, password))

    def _matches(self, password_hash: str, password: str) -> bool:
        try:
            return self._hasher.verify(password_hash, _composed(password))
        except (VerificationError, InvalidHashError):  # gevent's threads print what leaves them
            return False


def _composed(password: str) -> str:
    """One form of what keyboards write in two (RFC 8265)."""
    return unicodedata.normalize("NFC", password)
