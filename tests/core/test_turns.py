"""First come, first served."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

import pytest

from session_service.core.turns import Turns
from session_service.errors import Unavailable

LONG_S = 30.0


class Queue:
    """Threads that queue up for a turn one after the other, and note when each had it."""

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self._threads: list[threading.Thread] = []
        self.served: list[str] = []

    def join(self, name: str, timeout_s: float = LONG_S) -> None:
        thread = threading.Thread(target=self._take_turn, args=[name, timeout_s])
        before = len(self._turns._queues["log"])
        thread.start()
        self._threads.append(thread)
        while len(self._turns._queues["log"]) == before:
            thread.join(0.001)

    def leave(self) -> None:
        for thread in self._threads:
            thread.join()

    def _take_turn(self, name: str, timeout_s: float) -> None:
        try:
            with self._turns.of("log", timeout_s):
                self.served.append(name)
        except Unavailable:
            self.served.append(f"{name} gave up")


@pytest.fixture
def turns() -> Iterator[Turns]:
    turns = Turns()
    yield turns
    assert turns._queues == {}, "nobody is left in a queue"


@contextmanager
def held(turns: Turns) -> Iterator[Queue]:
    queue = Queue(turns)
    try:
        with turns.of("log", 0):
            yield queue
    finally:
        queue.leave()


def test_free_turn_comes_at_once(turns: Turns) -> None:
    with turns.of("log", 0):
        pass
    with turns.of("log", -1):
        pass


def test_first_come_is_first_served(turns: Turns) -> None:
    names = [f"sender {i}" for i in range(10)]
    with held(turns) as queue:
        for name in names:
            queue.join(name)
    assert queue.served == names


def test_turns_of_different_logs_do_not_wait_for_each_other(turns: Turns) -> None:
    with ExitStack() as stack:
        for name in ("one", "two", "three"):
            stack.enter_context(turns.of(name, 0))


@pytest.mark.parametrize("timeout_s", [0, -1, 0.01])
def test_turn_that_does_not_come_in_time_is_unavailable(turns: Turns, timeout_s: float) -> None:
    with turns.of("log", 0), pytest.raises(Unavailable), turns.of("log", timeout_s):
        pass


def test_who_gives_up_steps_back_for_the_next(turns: Turns) -> None:
    with held(turns) as queue:
        queue.join("first", LONG_S)
        with pytest.raises(Unavailable), turns.of("log", 0.01):
            pass
        queue.join("last", LONG_S)
    assert queue.served == ["first", "last"]


def test_turn_is_passed_on_after_a_failure(turns: Turns) -> None:
    with pytest.raises(ZeroDivisionError), turns.of("log", 0):
        raise ZeroDivisionError
    with turns.of("log", 0):
        pass


def test_those_behind_hear_at_once_that_the_database_is_gone(turns: Turns) -> None:
    with suppress(Unavailable), held(turns) as queue:
        queue.join("first")
        queue.join("second")
        raise Unavailable
    assert sorted(queue.served) == ["first gave up", "second gave up"]


def test_those_behind_stay_when_only_the_first_fails(turns: Turns) -> None:
    with suppress(ZeroDivisionError), held(turns) as queue:
        queue.join("first")
        queue.join("second")
        raise ZeroDivisionError
    assert queue.served == ["first", "second"]


def test_turn_that_comes_while_giving_up_is_taken(turns: Turns) -> None:
    """Whoever passes a turn on does not know that its next holder has just lost patience."""
    with turns.of("log", 0):
        late = turns._queue_up("log")
    assert turns._step_back("log", late)
    turns._pass_on("log")


def test_no_two_have_a_turn_at_once(turns: Turns) -> None:
    count, most, guard = 0, 0, threading.Lock()

    def work() -> None:
        nonlocal count, most
        for _ in range(50):
            try:
                with turns.of("log", 0.001):
                    with guard:
                        count += 1
                        most = max(most, count)
                    with guard:
                        count -= 1
            except Unavailable:
                pass

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
