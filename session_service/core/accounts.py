"""Accounts: one store of people for all dialects.

See docs/accounts.md; source: 会话 API, `auth.py` - 用户认证.
"""

import unicodedata
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Protocol

from session_service.core.log_store import Deadline
from session_service.core.user_ids import as_integer
from session_service.errors import Conflict, Forbidden, NotFound
from session_service.models import ADMIN, Account, AccountStatus, Role

UNIQUE = ("username", "email")
SELECTORS = dict.fromkeys(range(0xFE00, 0xFE10))  # of variants of a character


class AccountStore(Protocol):
    """Where accounts are kept, under the keys by which they are unique."""

    def deadline(self) -> AbstractContextManager[Deadline]: ...

    def next_id(self) -> int:
        """An id that nobody has had before."""

    def insert(self, account: Account, username_key: str, email_key: str | None) -> bool:
        """Stores a new account; false when its name or e-mail is taken."""

    def find(self, account_id: int) -> Account | None: ...

    def find_by_username(self, username_key: str) -> Account | None: ...

    def find_by_email(self, email_key: str) -> Account | None: ...

    def all(self) -> list[Account]: ...

    def set_password(self, account: Account, password_hash: str, now: int) -> bool:
        """Changes the password and moves its version on; false when another did before."""

    def set_status(self, account_id: int, status: AccountStatus, now: int) -> None: ...

    def update(
        self, account_id: int, changes: Mapping[str, str | None], keys: Mapping[str, str], now: int
    ) -> bool:
        """Sets fields, None takes one away; false when a name or an e-mail is taken."""

    def note_login(self, account_id: int, now: int) -> None: ...

    def bury(self, account_id: int) -> None:
        """Deletes an account, but for its id."""

    def list_admin(self, account_id: int) -> None:
        """Adds it to the list of active admins, by which two who leave at once are told apart."""

    def unlist_admin(self, account_id: int) -> bool:
        """Takes an admin off the list; false when no other active one would be left on it."""


class Passwords(Protocol):
    """How passwords are kept: as hashes that are slow to try."""

    def hash(self, password: str) -> str: ...

    def verify(self, password_hash: str | None, password: str) -> bool:
        """Whether it is that password; without a hash False, after the same time."""


class Accounts:
    """Who can log in. `changed` is told after anything that may void a token.

    `reserved` are names and e-mails that cannot be registered. Everything may raise Unavailable.
    """

    def __init__(
        self,
        store: AccountStore,
        passwords: Passwords,
        *,
        clock: Callable[[], int],
        changed: Callable[[], None],
        registration: bool = True,
        reserved: Collection[str] = (),
    ) -> None:
        self._store = store
        self._passwords = passwords
        self._clock = clock
        self._changed = changed
        self._registration = registration
        self._reserved = {key_of(name) for name in reserved}

    def register(
        self,
        username: str,
        email: str | None,
        password: str,
        *,
        phone: str | None = None,
        nickname: str | None = None,
        avatar_url: str | None = None,
    ) -> Account:
        """A new ordinary account.

        Raises Forbidden where registration is switched off, and Conflict with the code
        `email_taken` or `username_taken`.
        """
        if not self._registration:
            raise Forbidden("registration is switched off", code="no_registration")
        self._refuse_reserved(username, email)
        account = Account(0, username, email, phone=phone, nickname=nickname, avatar_url=avatar_url)
        return self._create(account, password)

    def update(
        self, account_id: int, changes: Mapping[str, str | None], password: str | None = None
    ) -> Account:
        """Changes some of username, email, phone, nickname and avatar_url, and the password.

        None takes a field away. NotFound, or Conflict as `register`.
        """
        account = self._present(account_id)
        new = {name: value for name, value in changes.items() if getattr(account, name) != value}
        self._refuse_reserved(new.get("username"), new.get("email"))
        if new:
            keys = {f"{name}_key": key_of(value) for name in UNIQUE if (value := new.get(name))}
            with self._store.deadline():
                if not self._store.update(account_id, new, keys, self._clock()):
                    self._refuse_taken(new.get("username"), new.get("email"), but=account_id)
                self._changed()
        if password is not None:
            self.change_password(account_id, password)
        return self._present(account_id)

    def by_id(self, account_id: int) -> Account:
        """The account of that id; NotFound where there is none, or none any more."""
        return self._present(account_id)

    def by_username(self, username: str) -> Account:
        """The account of that username; NotFound."""
        with self._store.deadline():
            account = self._store.find_by_username(key_of(username))
        if account is None:
            raise NotFound("no such account", code="no_such_account")
        return account

    def note_login(self, account: Account) -> None:
        """Notes that somebody has logged in just now."""
        with self._store.deadline():
            self._store.note_login(account.id, self._clock())

    def create_admin(self, username: str, email: str | None, password: str) -> Account:
        """A new admin; Conflict as `register`. An existing account is never changed."""
        account = self._create(Account(0, username, email, role=ADMIN), password)
        with self._store.deadline():
            self._store.list_admin(account.id)
        return account

    def find(self, name: str) -> Account | None:
        """The account of that username, or e-mail."""
        key = key_of(name)
        with self._store.deadline():
            if "@" in key:
                return self._store.find_by_email(key)
            return self._store.find_by_username(key)

    def get(self, name: str) -> Account:
        """The same by username, e-mail or id, by id also a deleted one; or NotFound.

        Conflict where it is one's name and another's id.
        """
        with self._store.deadline():
            named, account_id = self.find(name), as_integer(name)
            numbered = None if account_id is None else self._store.find(account_id)
        if named and numbered and named != numbered:
            raise Conflict("this is one's name and another's id", code="two_accounts")
        if not (account := named or numbered):
            raise NotFound("no such account", code="no_such_account")
        return account

    def all(self) -> Sequence[Account]:
        """All accounts that are not deleted, by id."""
        with self._store.deadline():
            return sorted(self._store.all(), key=lambda account: account.id)

    def verified(self, account: Account | None, password: str) -> bool:
        """Whether that is the password; takes as long where there is no account."""
        return self._passwords.verify(account.password_hash if account else None, password)

    def change_password(self, account_id: int, password: str) -> None:
        """Voids all tokens of before; the password that it is already is no change.

        Conflict when somebody else changes it at the same time.
        """
        account = self._present(account_id)
        if self.verified(account, password):
            self._changed()  # who changed it may have died before
            return
        hashed = self._passwords.hash(password)
        with self._store.deadline():
            if not self._store.set_password(account, hashed, self._clock()):
                raise Conflict("changed by somebody else meanwhile", code="changed_meanwhile")
            self._changed()

    def disable(self, account_id: int) -> None:
        """Refuses the account's logins and tokens; Conflict for the last active admin."""
        with self._store.deadline():
            self._leave_office(self._present(account_id))
            self._store.set_status(account_id, "disabled", self._clock())
            self._changed()

    def enable(self, account_id: int) -> None:
        """Takes `disable` back; tokens of before hold again."""
        with self._store.deadline():
            account = self._present(account_id)
            self._store.set_status(account_id, "active", self._clock())
            if account.role == ADMIN:
                self._store.list_admin(account_id)
            self._changed()

    def delete(self, account_id: int) -> None:
        """Deletes an account for good, its tokens with it; may be repeated.

        NotFound where there never was one, Conflict for the last active admin.
        """
        with self._store.deadline():
            account = self._store.find(account_id)
            if account is None:
                raise NotFound("no such account", code="no_such_account")
            self._leave_office(account)
            self._store.bury(account_id)
            self._changed()

    def ensure_admin(self, username: str, email: str | None, password: str) -> Role:
        """Has an admin of that name made where nobody has it; gives the role of who has it."""
        found = self.find(username)
        if found is None:
            try:
                return self.create_admin(username, email, password).role
            except Conflict:  # by another worker, or the e-mail is taken
                found = self.find(username)
                if found is None:
                    raise
        if found.role == ADMIN and found.status == "active":
            with self._store.deadline():
                self._store.list_admin(found.id)  # its maker may have died before
        return found.role

    def _present(self, account_id: int) -> Account:
        with self._store.deadline():
            account = self._store.find(account_id)
        if account is None or account.status == "deleted":
            raise NotFound("no such account", code="no_such_account")
        return account

    def _create(self, account: Account, password: str) -> Account:
        """Stores a new account, still without id, password and times."""
        self._refuse_taken(account.username, account.email)
        hashed = self._passwords.hash(password)
        with self._store.deadline():
            now = self._clock()
            account = replace(
                account,
                id=self._store.next_id(),
                password_hash=hashed,
                created_at=now,
                updated_at=now,
            )
            while not self._insert(account):
                self._refuse_taken(account.username, account.email)
                account = replace(account, id=self._store.next_id())  # the counter was set back
        return account

    def _insert(self, account: Account) -> bool:
        """Stores it; true also where the same insert, sent once before, has done so."""
        email_key = key_of(account.email) if account.email else None
        stored = self._store.insert(account, key_of(account.username), email_key)
        return stored or self._store.find(account.id) == account

    def _refuse_taken(
        self, username: str | None, email: str | None, but: int | None = None
    ) -> None:
        for name, code in ((email, "email_taken"), (username, "username_taken")):
            if name and (found := self.find(name)) and found.id != but:
                raise Conflict("that account exists", code=code)

    def _refuse_reserved(self, username: str | None, email: str | None) -> None:
        for name, code in ((email, "email_taken"), (username, "username_taken")):
            if name and key_of(name) in self._reserved:
                raise Conflict("reserved", code=code)

    def _leave_office(self, account: Account) -> None:
        if account.role != ADMIN or account.status != "active":
            return
        if not self._store.unlist_admin(account.id):
            raise Conflict("this is the last active admin", code="last_admin")


def key_of(name: str) -> str:
    """What makes a username or an e-mail unique: NFKC, case folding, single blanks.

    Dots are plain ones, as e-mails are stored; how an emoji is to look does not count.
    """
    folded = unicodedata.normalize("NFKC", name.translate(SELECTORS)).casefold()
    words = unicodedata.normalize("NFKC", folded).split()
    return " ".join(words).replace("。", ".")
