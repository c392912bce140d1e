"""Fair locks by name."""

import threading
import time

import pytest

from session_service.core.turns import Turns
from session_service.errors import Unavailable


def test_first_come_first_served():
    turns, served = Turns(), []
    waiting: list[threading.Thread] = []

    def take(number: int) -> None:
        with turns.of("log", 10):
            served.append(number)

    with turns.of("log", 10):
        for number in range(8):
            waiting.append(threading.Thread(target=take, args=[number]))
            waiting[-1].start()
            while len(turns._queues["log"]) < number + 2:
                time.sleep(0.001)
    for thread in waiting:
        thread.join()
    assert served == list(range(8))


def test_other_names_do_not_wait():
    turns = Turns()
    with turns.of("one", 0), turns.of("other", 0):
        pass


def test_who_waits_too_long_steps_back_and_the_next_is_served():
    turns = Turns()
    with turns.of("log", 1), pytest.raises(Unavailable), turns.of("log", 0.01):
        pytest.fail("had its turn")
    with turns.of("log", 0):
        pass


def test_one_who_steps_back_in_the_middle_blocks_nobody():
    turns, served = Turns(), threading.Event()

    def last() -> None:
        with turns.of("log", 10):
            served.set()

    with turns.of("log", 1):
        impatient = threading.Thread(target=_wait_in_vain, args=[turns])
        impatient.start()
        while len(turns._queues["log"]) < 2:
            time.sleep(0.001)
        patient = threading.Thread(target=last)
        patient.start()
        impatient.join()
        assert not served.is_set()
    patient.join()
    assert served.is_set()


def test_a_failure_gives_the_turn_on():
    turns = Turns()
    with pytest.raises(KeyError), turns.of("log", 0):
        raise KeyError
    with turns.of("log", 0):
        pass


def test_nothing_is_kept_of_logs_nobody_writes_to():
    turns = Turns()
    for number in range(10):
        with turns.of(str(number), 0):
            pass
    assert not turns._queues


def _wait_in_vain(turns: Turns) -> None:
    with pytest.raises(Unavailable), turns.of("log", 0.05):
        pytest.fail("had its turn")
