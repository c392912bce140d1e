"""What people are called, wherever others see them."""

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Protocol

from session_service.core.log_store import Deadline
from session_service.core.user_ids import integer_id
from session_service.models import Account, Profile, User

SYSTEM_ID = 0
SYSTEM = Profile("系统")


class AccountStore(Protocol):
    """Where accounts are kept."""

    def deadline(self) -> AbstractContextManager[Deadline]: ...

    def find_many(self, account_ids: list[int]) -> list[Account]: ...


class People:
    """Profiles of users by their ids, by one read for all; may raise Unavailable."""

    def __init__(self, store: AccountStore) -> None:
        self._store = store

    def profiles(self, user_ids: Iterable[int]) -> Mapping[int, Profile]:
        """One for each; those without an account are called by their ids."""
        asked = sorted(set(user_ids) - {SYSTEM_ID})
        with self._store.deadline():
            found = {each.id: each for each in self._store.find_many(asked)} if asked else {}
        return {SYSTEM_ID: SYSTEM} | {each: _profile(each, found.get(each)) for each in asked}

    def names(self, user_ids: Iterable[int]) -> Mapping[int, str]:
        """What to call each of them."""
        return {each: profile.name for each, profile in self.profiles(user_ids).items()}


def profile_of(user: User, user_id: int) -> Profile:
    """The profile of who calls, whose account is known by now."""
    return _profile(user_id, user.account)


def name_of(user: User) -> str:
    """What to call who calls: as everywhere, whatever the token says."""
    return profile_of(user, integer_id(user)).name


def _profile(user_id: int, account: Account | None) -> Profile:
    if account is None:
        return Profile(str(user_id))
    return Profile(account.nickname or account.username or str(user_id), account.avatar_url)
