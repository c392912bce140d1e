"""Accounts, their ids, and the list of admins: the collections `accounts` and `counters`."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager

from pymongo import ASCENDING, IndexModel

from session_service.models import Account, AccountStatus
from session_service.store.collection import Collection
from session_service.store.database import Database, Deadline
from session_service.store.documents import Document

IDS, ADMINS = "account_ids", "active_admins"  # documents of `counters`
UNIQUE = [
    IndexModel([("username_key", ASCENDING)], unique=True, sparse=True),
    IndexModel([("email_key", ASCENDING)], unique=True, sparse=True),
]


class AccountStore:
    """Accounts by their integer id; `first_id` is the least that is given out."""

    def __init__(self, database: Database, first_id: int = 1) -> None:
        self._database = database
        self._first_id = first_id
        self._accounts = Collection(database, "accounts", UNIQUE)
        self._counters = Collection(database, "counters")

    def deadline(self) -> AbstractContextManager[Deadline]:
        return self._database.deadline()

    def next_id(self) -> int:
        """An id that nobody has had before."""
        return self._counters.count_up(IDS, self._first_id)

    def insert(self, account: Account, username_key: str, email_key: str | None) -> bool:
        """Stores a new account; false when its name or e-mail is taken."""
        document = {
            "_id": account.id,
            "username": account.username,
            "username_key": username_key,
            "email": account.email,
            "email_key": email_key,
            "phone": account.phone,
            "nickname": account.nickname,
            "avatar_url": account.avatar_url,
            "password_hash": account.password_hash,
            "role": account.role,
            "status": account.status,
            "created_at": account.created_at,
            "updated_at": account.updated_at,
            "password_version": account.password_version,
        }
        told = {name: value for name, value in document.items() if value is not None}
        return self._accounts.insert([told])

    def update(
        self, account_id: int, changes: Mapping[str, str | None], keys: Mapping[str, str], now: int
    ) -> bool:
        """Sets fields, or takes them away where they are None; false when one's key is taken.

        `keys` holds the keys of a username or an e-mail among the changes. False also where the
        account is deleted.
        """
        given = {name: value for name, value in changes.items() if value is not None}
        update: Document = {"$set": {**given, **keys, "updated_at": now}}
        cleared = [name for name in changes if name not in given]
        if cleared:
            cleared += ["email_key"] if "email" in cleared else []
            update["$unset"] = dict.fromkeys(cleared, "")
        return self._accounts.update({"_id": account_id, "status": {"$ne": "deleted"}}, update)

    def note_login(self, account_id: int, now: int) -> None:
        """Notes when somebody logged in last."""
        there = {"_id": account_id, "status": {"$ne": "deleted"}}
        self._accounts.update(there, {"$max": {"last_login_at": now}})

    def find(self, account_id: int) -> Account | None:
        """The account, also where it is deleted and only its id is left."""
        return self._one({"_id": account_id})

    def find_many(self, account_ids: Sequence[int]) -> list[Account]:
        """Those of these accounts that there are, also the deleted."""
        return [to_account(each) for each in self._accounts.find({"_id": {"$in": [*account_ids]}})]

    def find_by_username(self, username_key: str) -> Account | None:
        return self._one({"username_key": username_key})

    def find_by_email(self, email_key: str) -> Account | None:
        return self._one({"email_key": email_key})

    def all(self) -> list[Account]:
        """All accounts that are not deleted."""
        return [to_account(each) for each in self._accounts.find({"status": {"$ne": "deleted"}})]

    def set_password(self, account: Account, password_hash: str, now: int) -> bool:
        """Changes the password and moves its version on; false when another did before."""
        version = account.password_version
        return self._accounts.update(
            {"_id": account.id, "password_version": version, "status": {"$ne": "deleted"}},
            {
                "$set": {
                    "password_hash": password_hash,
                    "password_version": version + 1,
                    "password_changed_at": now,
                    "updated_at": now,
                }
            },
        )

    def set_status(self, account_id: int, status: AccountStatus, now: int) -> None:
        """Sets it, unless the account is deleted."""
        there = {"_id": account_id, "status": {"$ne": "deleted"}}
        self._accounts.update(there, {"$set": {"status": status, "updated_at": now}})

    def bury(self, account_id: int) -> None:
        """Deletes an account, but for its id."""
        self._accounts.update({"_id": account_id}, {"_id": account_id, "status": "deleted"})

    def list_admin(self, account_id: int) -> None:
        """Adds an account to the list of admins that are active."""
        self._counters.insert([{"_id": ADMINS, "ids": []}])  # false where it is there already
        self._counters.update({"_id": ADMINS}, {"$addToSet": {"ids": account_id}})

    def unlist_admin(self, account_id: int) -> bool:
        """Takes an admin off the list; false when no other active one would be left on it."""
        while found := self._counters.find_one({"_id": ADMINS}):
            others = {"$in": [each for each in found["ids"] if each != account_id]}
            active = self._accounts.find({"_id": others, "status": "active"}, fields=["_id"])
            if not active:
                return False
            left = {"$set": {"ids": [each["_id"] for each in active]}}
            if self._counters.update(found, left):  # nobody else came or went meanwhile
                return True
        return False

    def _one(self, where: Document) -> Account | None:
        document = self._accounts.find_one(where)
        return to_account(document) if document else None


def to_account(document: Document) -> Account:
    """The record of an account's document."""
    if document["status"] == "deleted":
        return Account(id=document["_id"], status="deleted")
    return Account(
        id=document["_id"],
        username=document["username"],
        email=document.get("email"),
        phone=document.get("phone"),
        nickname=document.get("nickname"),
        avatar_url=document.get("avatar_url"),
        password_hash=document["password_hash"],
        role=document["role"],
        status=document["status"],
        created_at=document["created_at"],
        updated_at=document.get("updated_at") or document["created_at"],
        last_login_at=document.get("last_login_at"),
        password_version=document["password_version"],
        password_changed_at=document.get("password_changed_at", 0),
    )
