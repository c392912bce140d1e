"""Accounts: who they are told apart by, what voids tokens, and that one admin always stays."""

import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from itertools import count
from typing import Any

import pytest

from session_service.core.accounts import Accounts, key_of
from session_service.errors import Conflict, Forbidden, NotFound, ServiceError
from session_service.models import Account
from session_service.store.accounts import AccountStore
from tests.core.processes import MORNING, Fate, Process, World

SEEDS = range(100)


class PlainPasswords:
    """Hashes that can be read; like real ones no two of them are alike."""

    def __init__(self) -> None:
        self.verified: list[str | None] = []
        self.meanwhile: Callable[[], object] = lambda: None
        self._salts = count()

    def hash(self, password: str) -> str:
        hook, self.meanwhile = self.meanwhile, lambda: None
        hook()
        return f"{next(self._salts)} {password}"

    def verify(self, password_hash: str | None, password: str) -> bool:
        self.verified.append(password_hash)
        return password_hash is not None and password_hash.partition(" ")[2] == password


class House:
    """One process's accounts, over a database that others share."""

    def __init__(self, world: World | None = None, **options: Any) -> None:
        self.world = world or World()
        self.store = AccountStore(self.world.database)
        self.passwords = PlainPasswords()
        self.told: list[list[str]] = []  # at each change: how all accounts stood
        self.accounts = Accounts(
            self.store, self.passwords, clock=self.world.clock, changed=self.look, **options
        )

    def look(self) -> None:
        self.told.append([f"{each.status} {each.password_version}" for each in self.store.all()])

    def register(self, name: str) -> Account:
        return self.accounts.register(name, f"{name}@example.com", "password")

    def admin(self, name: str) -> Account:
        return self.accounts.create_admin(name, None, "password")

    def active_admins(self) -> list[str]:
        return [
            each.username
            for each in self.accounts.all()
            if (each.role, each.status) == ("admin", "active")
        ]


@pytest.fixture
def house() -> House:
    return House()


def refusal(code: str) -> Any:
    return pytest.raises(ServiceError, check=lambda error: error.code == code)


Work = Callable[[House], object]


def interleave(seed: int, world: World, works: Sequence[Work], mishaps: float = 0) -> list[Any]:
    """What they give as processes whose operations follow each other in an order of chance.

    With `mishaps` as the probability an operation or its answer is lost, or the process killed.
    """
    chance = random.Random(seed)
    processes = [Process(partial(work, House(world))) for work in works]
    while alive := [each for each in processes if not each.dead]:
        unlucky = chance.random() < mishaps
        fate = chance.choice([*Fate]) if unlucky else Fate.DONE
        chance.choice(alive).step(fate)
    return [each.result for each in processes]


def test_who_registers_is_an_ordinary_account_with_the_next_id(house):
    first, second = house.register("alice"), house.register("bob")
    times = {"created_at": MORNING, "updated_at": MORNING}
    assert first == Account(1, "alice", "alice@example.com", password_hash="0 password", **times)
    assert (second.id, second.role, second.status) == (2, "user", "active")
    assert house.accounts.find("alice") == house.accounts.find("alice@example.com") == first


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("alice", "ＡＬＩＣＥ"),
        ("alice", " Alice "),
        ("ﬁnn", "FINN"),
        ("straße", "STRASSE"),
        ("José", "JOSE\u0301"),
        ("ὈΔΥΣΣΕΎΣ", "ὀδυσσεύς"),
        ("İx", "i\u0307X"),
        ("㍿x", "株式会社X"),
    ],
)
def test_names_are_the_same_whatever_their_case_and_width(house, one, other):
    account = house.register(one)
    assert house.accounts.find(other) == account
    with refusal("username_taken"):
        house.accounts.register(other, "other@example.com", "password")


@pytest.mark.parametrize(
    "other", ["Alice@Example.COM", "ａｌｉｃｅ＠example.com", "alice@example。com"]
)
def test_emails_are_so_too(house, other):
    account = house.register("alice")
    assert house.accounts.find(other) == account
    with refusal("email_taken"):
        house.accounts.register("somebody", other, "password")


def test_a_key_has_one_form():
    for each in map(chr, [*range(0xD800), *range(0xE000, 0x30000)]):
        assert key_of(key_of(each)) == key_of(each)


def test_the_email_is_named_where_both_are_taken(house):
    house.register("alice")
    with refusal("email_taken"):
        house.register("alice")


def test_of_registrations_at_once_one_succeeds_and_is_there():
    for seed in SEEDS:
        world = World()
        works = [
            lambda house, name=name: house.register(name)
            for name in ("alice", "ALICE", "ａｌｉｃｅ")
        ]
        results = interleave(seed, world, works)
        (made,) = [each for each in results if isinstance(each, Account)]
        assert House(world).accounts.all() == [made]
        others = [each for each in results if each is not made]
        assert all(isinstance(each, Conflict) for each in others)
        assert {each.code for each in others} <= {"email_taken", "username_taken"}


def test_an_insert_that_is_sent_twice_is_one_registration(house, monkeypatch):
    insert = house.store.insert
    monkeypatch.setattr(house.store, "insert", lambda *what: insert(*what) and insert(*what))
    account = house.register("alice")
    assert house.accounts.all() == [account]


def test_a_name_that_is_freed_at_the_last_moment_is_taken_for_good(house, monkeypatch):
    insert = house.store.insert

    def too_late(*what: Any) -> bool:
        other = house.store.next_id()
        insert(Account(other, "Alice"), "alice", None)
        stored = insert(*what)
        house.store.bury(other)
        monkeypatch.setattr(house.store, "insert", insert)
        return stored

    monkeypatch.setattr(house.store, "insert", too_late)
    account = house.register("alice")
    assert house.accounts.all() == [account]


def test_an_id_that_a_counter_forgot_is_not_given_out_again(house):
    house.store.insert(Account(1, "older", "older@b.c"), "older", "older@b.c")
    assert house.register("alice").id == 2
    assert [each.username for each in house.accounts.all()] == ["older", "alice"]


def test_ids_begin_where_the_configuration_says_and_never_go_back(house):
    assert house.register("alice").id == 1
    assert [AccountStore(house.world.database, 100).next_id() for _ in range(2)] == [100, 101]
    assert AccountStore(house.world.database, 7).next_id() == 102


def test_where_registration_is_off_only_admins_are_made():
    house = House(registration=False)
    with pytest.raises(Forbidden, check=lambda error: error.code == "no_registration"):
        house.register("alice")
    assert house.admin("root").role == "admin"


@pytest.mark.parametrize(
    ("name", "email", "code"),
    [("ＲＯＯＴ", "a@b.c", "username_taken"), ("alice", "Root@Lan.local", "email_taken")],
)
def test_what_the_configuration_reserves_cannot_be_registered(name, email, code):
    house = House(reserved=["root", "root@lan.local"])
    with refusal(code):
        house.accounts.register(name, email, "password")
    assert house.accounts.create_admin("root", "root@lan.local", "password").id == 1


def test_a_deleted_account_leaves_its_name_and_keeps_its_id(house):
    house.accounts.delete(house.register("alice").id)
    assert house.store.find(1) == Account(1, status="deleted")
    assert house.accounts.find("alice") is None
    assert house.register("alice").id == 2
    assert [each.id for each in house.accounts.all()] == [2]


def test_deleting_may_be_repeated_but_not_of_nobody(house):
    house.accounts.delete(house.register("alice").id)
    house.accounts.delete(1)
    with refusal("no_such_account"):
        house.accounts.delete(2)


@pytest.mark.parametrize("change", ["disable", "enable"])
def test_a_deleted_account_is_neither_disabled_nor_enabled(house, change):
    house.accounts.delete(house.register("alice").id)
    with refusal("no_such_account"):
        getattr(house.accounts, change)(1)
    with refusal("no_such_account"):
        house.accounts.change_password(1, "another")
    assert house.store.find(1) == Account(1, status="deleted")


def test_whoever_listens_is_told_after_a_change_is_made(house):
    accounts, alice = house.accounts, house.register("alice").id
    accounts.change_password(alice, "another")
    accounts.disable(alice)
    accounts.enable(alice)
    accounts.delete(alice)
    assert house.told == [["active 1"], ["disabled 1"], ["active 1"], []]


def test_a_password_is_changed_by_one_at_a_time(house):
    alice = house.register("alice")
    house.world.now += 5_000
    house.passwords.meanwhile = lambda: house.accounts.change_password(alice.id, "faster")
    with refusal("changed_meanwhile"):
        house.accounts.change_password(alice.id, "slower")
    changed = house.store.find(alice.id)
    assert house.accounts.verified(changed, "faster")
    assert (changed.password_version, changed.password_changed_at) == (1, MORNING + 5_000)


def test_the_same_password_voids_nothing_but_is_told_again(house):
    """Who changed it may have died before anybody was told."""
    alice = house.register("alice")
    house.accounts.change_password(alice.id, "password")
    assert house.store.find(alice.id) == alice
    assert house.told == [["active 0"]]


def test_a_password_is_verified_also_where_there_is_no_account(house):
    assert not house.accounts.verified(None, "password")
    assert house.passwords.verified == [None]


def test_an_account_is_found_by_name_email_and_id(house):
    alice, bob = house.register("alice"), house.register("bob")
    assert [house.accounts.get(each) for each in ("Alice", "alice@Example.com", "1")] == [alice] * 3
    house.accounts.delete(bob.id)
    assert house.accounts.get("2").status == "deleted"
    for nobody in ("bob", "3", "01", "x@y.z", "9" * 400):
        with refusal("no_such_account"):
            house.accounts.get(nobody)


def test_a_name_that_is_somebody_elses_id_means_nobody(house):
    """A stranger could register it, and be taken for the other by a command."""
    alice = house.register("alice")
    house.register("1")
    with refusal("two_accounts"):
        house.accounts.get("1")
    assert house.accounts.get("alice") == alice
    assert house.accounts.get("1@example.com").username == "1"
    own = house.register("3")
    assert own.id == 3
    assert house.accounts.get("3") == own


@pytest.mark.parametrize("leave", ["disable", "delete"])
def test_the_last_active_admin_stays(house, leave):
    root, second = house.admin("root"), house.admin("second")
    house.register("alice")
    getattr(house.accounts, leave)(second.id)
    for way in (house.accounts.disable, house.accounts.delete):
        with refusal("last_admin"):
            way(root.id)
    assert house.active_admins() == ["root"]
    third = house.admin("third")
    getattr(house.accounts, leave)(root.id)
    assert house.active_admins() == [third.username]


def test_an_admin_who_is_enabled_counts_again(house):
    root, second = house.admin("root"), house.admin("second")
    house.accounts.disable(second.id)
    house.accounts.enable(second.id)
    house.accounts.disable(root.id)
    assert house.active_admins() == ["second"]


def test_a_disabled_admin_may_be_deleted_and_disabled_again(house):
    house.admin("root")
    second = house.admin("second")
    for way in (house.accounts.disable, house.accounts.disable, house.accounts.delete):
        way(second.id)
    assert house.active_admins() == ["root"]


@pytest.mark.parametrize("mishaps", [0, 0.1])
def test_one_admin_stays_when_all_are_to_leave_at_once(mishaps):
    for seed in SEEDS:
        world = World()
        ids = [House(world).admin(name).id for name in ("root", "second", "third")]
        ways = ("disable", "delete", "disable")
        works = [
            lambda house, way=way, who=who: getattr(house.accounts, way)(who)
            for way, who in zip(ways, ids, strict=True)
        ]
        results = interleave(seed, world, works, mishaps)
        left = House(world).active_admins()
        assert left, seed
        if not mishaps:
            assert len(left) == 1
            assert [getattr(each, "code", None) for each in results].count("last_admin") == 1


@pytest.mark.parametrize("mishaps", [0, 0.1])
def test_one_admin_stays_when_another_is_enabled_and_disabled_at_once(mishaps):
    for seed in SEEDS:
        world = World()
        house = House(world)
        root, second = house.admin("root"), house.admin("second")
        house.accounts.disable(second.id)
        works = [
            lambda house: house.accounts.enable(2),
            lambda house: house.accounts.disable(2),
        ]
        interleave(seed, world, works, mishaps)
        with suppress(Conflict):
            house.accounts.disable(root.id)
        assert house.active_admins(), seed


@pytest.mark.parametrize("mishaps", [0, 0.1])
def test_the_first_admin_is_made_once_whoever_begins(mishaps):
    for seed in SEEDS:
        world = World()
        works = [lambda house: house.accounts.ensure_admin("root", "r@x.y", "password")] * 3
        results = interleave(seed, world, works, mishaps)
        if not mishaps:
            assert results == ["admin"] * 3
        house = House(world)
        assert house.accounts.ensure_admin("root", "r@x.y", "password") == "admin"
        (root,) = house.accounts.all()
        assert (root.role, root.status) == ("admin", "active")
        house.admin("second")
        house.accounts.disable(root.id)  # counted as one who is active, or this would be refused
        assert house.active_admins() == ["second"]


def test_an_account_of_the_first_admins_name_is_left_as_it_is(house):
    alice = house.register("alice")
    assert house.accounts.ensure_admin("ALICE", None, "another") == "user"
    assert house.accounts.all() == [alice]


def test_the_first_admin_stays_disabled_and_keeps_its_password(house):
    house.admin("second")
    root = house.admin("root")
    house.accounts.disable(root.id)
    assert house.accounts.ensure_admin("root", None, "another") == "admin"
    assert house.accounts.verified(house.store.find(root.id), "password")
    assert house.active_admins() == ["second"]
    with refusal("last_admin"):
        house.accounts.disable(house.accounts.get("second").id)


def test_a_first_admin_whose_email_is_taken_is_not_made(house):
    house.register("alice")
    with refusal("email_taken"):
        house.accounts.ensure_admin("root", "alice@example.com", "password")
    assert house.active_admins() == []


def test_nobody_is_found_where_nothing_was_stored(house):
    assert house.accounts.all() == []
    with pytest.raises(NotFound):
        house.accounts.get("alice")
