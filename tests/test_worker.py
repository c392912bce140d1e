"""A worker that is told to end stays for as long as nobody could take its place."""

import gevent
import pytest

from session_service import worker
from session_service.stopping import Succession


@pytest.fixture
def succession(monkeypatch: pytest.MonkeyPatch) -> Succession:
    """What workers know of a reload, and no patience beyond it."""
    known = Succession()
    monkeypatch.setattr(worker, "succession", known)
    monkeypatch.setattr(worker, "ARRIVAL_S", 0)
    monkeypatch.setattr(worker, "PATIENCE_S", 0)
    return known


@pytest.fixture
def old() -> worker.Worker:
    """A worker of the age 1 that serves nobody at present."""
    made = worker.Worker.__new__(worker.Worker)
    made.age, made.alive, made._doors = 1, True, []
    return made


def test_old_workers_have_no_limit_of_time_while_no_new_one_can_serve(succession, old):
    succession.begin(youngest=1)
    ending = gevent.spawn(old._end)
    gevent.sleep(0.2)
    assert old.alive
    succession.ready(2)
    ending.join(10)
    assert not old.alive


def test_a_stop_ends_who_waits_for_a_new_worker(succession, old):
    succession.begin(youngest=1)
    ending = gevent.spawn(old._end)
    gevent.sleep(0.2)
    assert old.alive
    succession.begin(youngest=0)
    ending.join(10)
    assert not old.alive
