"""Whether tokens still hold: at once where something changed, elsewhere within a second."""

import random
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any

import pytest

from session_service.core.standing import REMEMBERED, Standing
from session_service.errors import Unauthorized, Unavailable
from session_service.models import Account, Claims, User

CHANGED_AT = 1_750_000_000_700  # ms


class Voids:
    """What voids tokens, in memory; counts what is read, each of which may take its time."""

    def __init__(self) -> None:
        self.time = 100.0  # of this process's monotonic clock
        self.number = 0
        self.accounts: dict[int, Account] = {}
        self.revoked: dict[str, float] = {}
        self.generations_read = 0
        self.accounts_read = 0
        self.meanwhile: Callable[[], object] = lambda: None  # after the next generation is read
        self.down = False

    def now(self) -> float:
        return self.time

    def deadline(self) -> AbstractContextManager[Any]:
        return nullcontext()

    def generation(self) -> int:
        self.generations_read += 1
        if self.down:
            raise Unavailable
        number, hook, self.meanwhile = self.number, self.meanwhile, lambda: None
        hook()
        return number

    def next_generation(self) -> None:
        self.number += 1

    def find_account(self, account_id: int) -> Account | None:
        self.accounts_read += 1
        return self.accounts.get(account_id)

    def is_revoked(self, token_id: str) -> bool:
        return token_id in self.revoked

    def revoke(self, token_id: str, expires_at: float) -> None:
        self.revoked[token_id] = expires_at


@pytest.fixture
def voids() -> Voids:
    return Voids()


@pytest.fixture
def here(voids: Voids) -> Standing:
    return Standing(voids, now=voids.now)


@pytest.fixture
def elsewhere(voids: Voids) -> Standing:
    return Standing(voids, now=voids.now)


def claims(subject: str = "1", **said: Any) -> Claims:
    claims = Claims(subject, "Ann", "ann", "admin", f"of {subject}", 2e9, 1.75e9, None)
    return replace(claims, **said)


def holds(standing: Standing, token: Claims) -> bool:
    try:
        standing.user(token)
    except Unauthorized:
        return False
    return True


def test_a_subject_without_an_account_is_whom_its_token_says(here):
    assert here.user(claims("ann")) == User("ann", "Ann", "admin", "ann")
    assert here.user(claims("7")) == User("7", "Ann", "admin", "ann")


def test_a_subject_that_is_no_id_is_not_looked_up(here, voids):
    for subject in ("ann", "01", "-1", "1.0", "١", "9" * 30, " 1"):
        assert here.user(claims(subject)).account is None
    assert voids.accounts_read == 0


def test_of_an_account_name_and_role_are_its_own(here, voids):
    voids.accounts[1] = account = Account(1, "alice")
    assert here.user(claims()) == User("1", "alice", "user", "alice", account)


@pytest.mark.parametrize("status", ["disabled", "deleted"])
def test_tokens_of_an_account_that_is_off_do_not_hold(here, voids, status):
    voids.accounts[1] = Account(1, "alice", status=status)
    assert not holds(here, claims())
    assert not holds(here, claims(password_version=0))


def test_our_own_tokens_hold_for_the_password_they_were_given_for(here, voids):
    voids.accounts[1] = Account(1, password_version=1, password_changed_at=CHANGED_AT)
    late = CHANGED_AT / 1000 + 50
    assert not holds(here, claims(password_version=0, issued_at=late))
    assert holds(here, claims(password_version=1, issued_at=CHANGED_AT // 1000))


@pytest.mark.parametrize(
    ("issued_at", "held"),
    [
        (None, False),
        (CHANGED_AT // 1000 - 1, False),
        (CHANGED_AT // 1000, True),  # a login at the peer in the same second
        (CHANGED_AT // 1000 + 1, True),
    ],
)
def test_a_peers_token_is_judged_by_when_it_was_issued(here, voids, issued_at, held):
    voids.accounts[1] = Account(1, password_version=1, password_changed_at=CHANGED_AT)
    assert holds(here, claims(issued_at=issued_at)) is held


def test_before_any_change_of_the_password_it_need_not_say_when(here, voids):
    voids.accounts[1] = Account(1)
    assert holds(here, claims(issued_at=None))


def test_a_revoked_token_does_not_hold_where_it_was_revoked(here, voids):
    assert holds(here, claims())
    here.revoke(claims(token_id="other"))
    assert holds(here, claims())
    here.revoke(claims())
    assert not holds(here, claims())
    assert voids.revoked["of 1"] == 2e9


def test_nothing_is_read_while_nothing_can_have_changed(here, voids):
    voids.accounts[1] = Account(1)
    for _ in range(49):
        here.user(claims())
        voids.time += 0.01
    assert (voids.generations_read, voids.accounts_read) == (1, 1)


def test_only_the_counter_is_read_while_nothing_changes(here, voids):
    voids.accounts[1] = Account(1)
    for _ in range(100):
        here.user(claims())
        voids.time += 0.3
    assert voids.accounts_read == 1
    assert voids.generations_read > 30


def test_what_was_changed_by_hand_is_seen_within_a_minute(here, voids):
    assert holds(here, claims())
    voids.accounts[1] = Account(1, status="disabled")
    voids.time += 59
    assert holds(here, claims())
    voids.time += 1.5
    assert not holds(here, claims())


def test_every_worker_knows_within_a_second_whenever_it_is_asked():
    for seed in range(300):
        chance = random.Random(seed)
        voids = Voids()
        here, elsewhere = (Standing(voids, now=voids.now) for _ in range(2))
        for _ in range(chance.randrange(20)):
            elsewhere.user(claims())
            voids.time += chance.uniform(0, chance.choice([0.05, 0.5, 2]))
        here.revoke(claims())
        changed_at = voids.time
        while voids.time < changed_at + 3:
            late = voids.time >= changed_at + 1
            assert not (holds(elsewhere, claims()) and late), seed
            voids.time += chance.uniform(0, 0.3)


def test_an_answer_that_takes_its_time_is_as_old_as_its_question(elsewhere, here, voids):
    def slow() -> None:
        here.revoke(claims())
        voids.time += 0.9

    elsewhere.user(claims())
    voids.time += 0.6
    voids.meanwhile = slow
    assert holds(elsewhere, claims()), "asked before it was revoked"
    held_meanwhile: list[bool] = []
    voids.meanwhile = lambda: held_meanwhile.append(holds(elsewhere, claims()))
    assert not holds(elsewhere, claims())
    assert held_meanwhile == [False]


def test_while_one_asks_the_others_go_on_with_what_is_known(here, voids):
    here.user(claims())
    voids.time += 0.6
    voids.meanwhile = lambda: here.user(claims())
    here.user(claims())
    assert voids.generations_read == 2


def test_but_not_for_a_second(here, voids):
    here.user(claims())
    voids.time += 0.9
    voids.meanwhile = lambda: here.user(claims())
    here.user(claims())
    assert voids.generations_read == 3


def test_whoever_asked_before_a_change_does_not_bring_back_what_was(here, voids):
    here.user(claims())
    voids.time += 0.6
    voids.meanwhile = lambda: here.revoke(claims())
    here.user(claims())
    assert not holds(here, claims())


def test_whoever_asked_earlier_does_not_replace_a_later_answer(here, voids):
    def later() -> None:
        voids.time += 0.9
        voids.next_generation()
        here.user(claims())

    here.user(claims())
    voids.next_generation()
    voids.time += 0.6
    voids.meanwhile = later
    here.user(claims())
    read = voids.generations_read
    here.user(claims())
    assert voids.generations_read == read


def test_nobody_is_let_in_by_what_cannot_be_asked(here, voids):
    here.user(claims())
    voids.down = True
    voids.time += 1
    for _ in range(2):
        with pytest.raises(Unavailable):
            here.user(claims())
    voids.down = False
    assert holds(here, claims())


def test_the_tokens_remembered_are_bounded(here, voids):
    for number in range(REMEMBERED + 1):
        here.user(claims("1", token_id=str(number)))
    read = voids.accounts_read
    here.user(claims("1", token_id=str(REMEMBERED)))
    assert voids.accounts_read == read
    here.user(claims("1", token_id="0"))
    assert voids.accounts_read == read + 1
