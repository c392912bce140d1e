"""The brute force limit: ten failures, whoever asks, however many at once."""

import random
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import pytest

from session_service.core.login import Login
from session_service.core.login_limit import LoginLimit
from session_service.errors import TooMany, Unauthorized
from session_service.models import Account, Attempt
from session_service.store.attempts import AttemptStore
from tests.core.processes import Process, World

DAY_MS = 86_400_000
DIED_MS = 10_001


class Places(dict[str, Attempt]):
    """Where attempts are kept: in memory. Before the next one is stored `rival` takes a place."""

    def __init__(self) -> None:
        super().__init__()
        self.rival: Callable[[Attempt], bool] = lambda attempt: False
        self.remembered = 0

    def deadline(self) -> AbstractContextManager[Any]:
        return nullcontext()

    def find(self, places: Sequence[str]) -> Mapping[str, Attempt]:
        return {each: self[each] for each in places if each in self}

    def take(self, attempts: Sequence[Attempt], until: int) -> bool:
        for each in attempts:
            if self.rival(each):
                self.rival = lambda attempt: False
                self[each.place] = Attempt(each.place, "rival", each.at, failed=False)
            if self.setdefault(each.place, each) is not each:
                return False
        return True

    def fail(self, attempts: Sequence[Attempt]) -> None:
        for each in attempts:
            if self.get(each.place) == each:
                self[each.place] = Attempt(each.place, each.id, each.at, failed=True)

    def remove(self, attempts: Sequence[Attempt]) -> None:
        for each in attempts:
            if each.place in self and self[each.place].id == each.id:
                del self[each.place]

    def remember(self, attempt: Attempt, until: int) -> None:
        self.remembered += 1
        self[attempt.place] = attempt

    def under_way(self) -> list[str]:
        return [each.id for each in self.values() if not each.failed and "known" not in each.place]


class Gate:
    """The limit at a gate, over places of its own, at a time that goes on in sleep alone."""

    def __init__(self) -> None:
        self.places = Places()
        self.now = 1_750_000_000_000
        self.slept: list[float] = []
        self.meanwhile: Callable[[], object] = lambda: None
        self.limit = LoginLimit(self.places, clock=lambda: self.now, sleep=self.sleep)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += round(seconds * 1000) + 1
        hook, self.meanwhile = self.meanwhile, lambda: None
        hook()

    def fail(self, name: str, address: str) -> None:
        self.limit.failed(self.limit.begin(name, address))

    def succeed(self, name: str, address: str) -> None:
        self.limit.succeeded(self.limit.begin(name, address))

    def refused(self, name: str, address: str) -> int:
        """In how many seconds it may be tried again; 0 where it may be at once."""
        try:
            ticket = self.limit.begin(name, address)
        except TooMany as error:
            return error.retry_after_s
        self.places.remove(ticket.taken)
        return 0


@pytest.fixture
def gate() -> Gate:
    return Gate()


def test_a_name_fails_ten_times_from_anywhere(gate):
    for number in range(10):
        assert not gate.refused("alice", "new")
        gate.fail("alice", f"address {number}")
    assert gate.refused("alice", "new") == 300
    assert not gate.refused("bob", "new")


def test_an_address_fails_ten_times_for_anybody(gate):
    for number in range(10):
        assert not gate.refused("new", "here")
        gate.fail(f"name {number}", "here")
    assert gate.refused("new", "here") == 300
    assert not gate.refused("new", "elsewhere")


def test_a_failure_counts_for_five_minutes(gate):
    for _ in range(10):
        gate.fail("alice", "here")
        gate.now += 10_000
    assert gate.refused("alice", "here") == 200
    gate.now += 199_999
    assert gate.refused("alice", "here") == 1
    gate.now += 1
    assert not gate.refused("alice", "here")
    gate.fail("alice", "here")
    assert gate.refused("alice", "here") == 10


def test_a_success_clears_the_count_of_the_name_alone(gate):
    for _ in range(9):
        gate.fail("alice", "here")
    gate.succeed("alice", "here")
    for _ in range(10):
        gate.fail("alice", "elsewhere")
    gate.fail("bob", "here")
    assert gate.refused("bob", "here")


def test_successes_do_not_count(gate):
    for _ in range(30):
        gate.succeed("alice", "here")
    assert not gate.places.under_way()


def test_an_attempt_that_died_counts_as_failed_until_the_name_succeeds(gate):
    for _ in range(10):
        gate.limit.begin("alice", "here")
    gate.now += DIED_MS
    assert gate.refused("alice", "elsewhere") == 290
    gate.places.popitem()
    gate.places.popitem()
    gate.succeed("alice", "elsewhere")
    assert not any(each.startswith("name:") for each in gate.places)


def test_whoever_finds_all_places_taken_waits_for_one(gate):
    tickets = [gate.limit.begin("alice", "here") for _ in range(10)]
    gate.meanwhile = lambda: gate.limit.succeeded(tickets[0])
    gate.limit.begin("alice", "here")
    assert len(gate.slept) == 1


def test_whoever_waits_for_nothing_is_told_to_come_again(gate):
    gate.now += 1
    for _ in range(10):
        gate.limit.begin("alice", "here")
    assert gate.refused("alice", "elsewhere")
    assert sum(gate.slept) <= 11
    assert len(gate.slept) < 60, "asks the database ever more rarely"


def test_a_name_cannot_be_locked_out_where_it_logged_in_before(gate):
    gate.succeed("alice", "home")
    for number in range(10):
        gate.fail("alice", f"address {number}")
    assert gate.refused("alice", "elsewhere")
    gate.succeed("alice", "home")
    assert not gate.refused("alice", "elsewhere")


def test_nor_by_attempts_that_are_under_way(gate):
    gate.succeed("alice", "home")
    for number in range(10):
        gate.limit.begin("alice", f"address {number}")
    gate.succeed("alice", "home")
    assert gate.slept == []


def test_a_known_address_is_exempt_for_its_name_alone_and_from_the_names_limit_alone(gate):
    gate.succeed("alice", "home")
    for number in range(10):
        gate.fail("bob", f"address {number}")
    assert gate.refused("bob", "home")
    for _ in range(10):
        gate.fail("alice", "home")
    assert gate.refused("alice", "home")


def test_an_address_is_forgotten_after_thirty_days_without_a_login(gate):
    gate.succeed("alice", "home")
    gate.now += 30 * DAY_MS - 1
    for number in range(10):
        gate.fail("alice", f"address {number}")
    assert not gate.refused("alice", "home")
    gate.now += 1
    assert gate.refused("alice", "home")


def test_an_address_is_remembered_anew_once_a_day(gate):
    for _ in range(5):
        gate.succeed("alice", "home")
    assert gate.places.remembered == 1
    gate.now += DAY_MS + 1
    gate.succeed("alice", "home")
    assert gate.places.remembered == 2


@pytest.mark.parametrize("kind", ["name", "address"])
def test_whoever_meets_another_at_its_place_leaves_nothing_behind(gate, kind):
    gate.places.rival = lambda attempt: attempt.place.startswith(kind)
    ticket = gate.limit.begin("alice", "here")
    assert len(gate.slept) == 1
    assert sorted(gate.places.under_way()) == sorted(["rival", *(each.id for each in ticket.taken)])


@pytest.mark.parametrize("place", [("alice", "{}"), ("{}", "here")])
def test_of_any_number_of_guesses_at_once_ten_are_looked_at(place):
    for seed in range(15):
        world, looked = World(), []
        world.now = time.time_ns() // 1_000_000  # mongomock forgets what expired by the real time

        def guess(number: int, world: World = world, looked: list[int] = looked) -> None:
            store = AttemptStore(world.database)
            limit = LoginLimit(store, clock=world.clock, sleep=world.sleep)
            ticket = limit.begin(*(each.format(number) for each in place))
            looked.append(number)
            limit.failed(ticket)

        chance = random.Random(seed)
        guesses = [Process(lambda number=number: guess(number)) for number in range(14)]
        while alive := [each for each in guesses if not each.dead]:
            chance.choice(alive).step()
        assert len(looked) == 10, seed
        assert sum(isinstance(each.result, TooMany) for each in guesses) == 4


class People:
    """Accounts whose passwords are their names; counts how often one was verified."""

    def __init__(self, *accounts: Account) -> None:
        self._accounts = {each.username: each for each in accounts}
        self.verified_for: list[Account | None] = []
        self.logged_in: list[Account] = []

    def find(self, name: str) -> Account | None:
        return self._accounts.get(name.partition("@")[0])

    def verified(self, account: Account | None, password: str) -> bool:
        self.verified_for.append(account)
        return account is not None and account.username == password

    def note_login(self, account: Account) -> None:
        self.logged_in.append(account)


ALICE, OFF = Account(1, "alice"), Account(2, "off", status="disabled")


@pytest.fixture
def people() -> People:
    return People(ALICE, OFF)


@pytest.fixture
def login(people: People, gate: Gate) -> Login:
    return Login(people, gate.limit)


def test_the_right_password_gives_the_account(login):
    assert login("alice", "alice", "here") == ALICE


@pytest.mark.parametrize("name", ["alice", "nobody", "off"])
def test_every_refused_login_verifies_one_password(login, people, name):
    with pytest.raises(Unauthorized):
        login(name, "wrong", "here")
    assert people.verified_for == [{"alice": ALICE, "off": OFF}.get(name)]


@pytest.mark.parametrize(("name", "password"), [("alice", "wrong"), ("ghost", "x"), ("off", "off")])
def test_ten_refused_logins_of_anybody_are_the_limit(login, people, name, password):
    for number in range(10):
        with pytest.raises(Unauthorized):
            login(name, password, f"address {number}")
    with pytest.raises(TooMany):
        login(name, password, "new")
    assert len(people.verified_for) == 10
    with pytest.raises(TooMany):
        login(name, name, "new")


def test_name_and_email_are_one_account_to_the_limit(login):
    for number in range(10):
        with pytest.raises(Unauthorized):
            login(("alice", "alice@b.c")[number % 2], "wrong", f"address {number}")
    for name in ("alice", "alice@b.c"):
        with pytest.raises(TooMany):
            login(name, "alice", "new")


def test_a_name_that_nobody_has_is_one_whatever_its_case_and_never_an_id(login):
    for number in range(10):
        with pytest.raises(Unauthorized):
            login(("ghost", "ＧＨＯＳＴ")[number % 2], "wrong", f"address {number}")
        with pytest.raises(Unauthorized):
            login("1", "wrong", f"another {number}")
    with pytest.raises(TooMany):
        login("Ghost", "wrong", "new")
    assert login("alice", "alice", "new") == ALICE
