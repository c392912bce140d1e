"""Whatever an engine does, the responder has an answer that can be stored."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs

import session_service
from session_service.models import Prompt
from session_service.replies.responder import LONGEST_REPLY, Responder

MORNING = datetime(2026, 11, 20, 8, tzinfo=UTC)
PROMPT = Prompt(
    text="a secret question",
    user_name="alice",
    session_name="work",
    started_at=MORNING,
    now=MORNING,
    message_count=0,
    history=lambda _: [],
)
SORRY = "Sorry, later."
PLENTY_S = 30.0


class Engine:
    """Answers by calling `make`, in the caller's thread or another."""

    def __init__(self, make: Callable[[Prompt], Any], *, instant: bool) -> None:
        self.instant = instant
        self._make = make

    def reply(self, prompt: Prompt) -> Any:
        return self._make(prompt)

    def stream(self, prompt: Prompt) -> Iterator[str]:
        yield self._make(prompt)


def responder(
    make: Callable[[Prompt], Any],
    *,
    instant: bool = False,
    timeout_s: float = PLENTY_S,
    **options: Any,
) -> Responder:
    engine = Engine(make, instant=instant)
    return Responder(engine, timeout_s=timeout_s, fallback=SORRY, **options)


def failing(error: BaseException) -> Callable[[Prompt], str]:
    def make(prompt: Prompt) -> str:
        raise error

    return make


both_ways = pytest.mark.parametrize("instant", [True, False])


@both_ways
def test_reply_is_passed_on(instant: bool) -> None:
    guarded = responder(lambda prompt: f"re: {prompt.text}", instant=instant)
    assert guarded.instant is instant
    assert guarded.answer(PROMPT) == "re: a secret question"


@both_ways
@pytest.mark.parametrize("error", [RuntimeError("a secret"), TimeoutError(), RecursionError()])
def test_failure_is_answered_and_logged_without_the_text(instant: bool, error: Exception) -> None:
    with capture_logs() as logs:
        assert responder(failing(error), instant=instant).answer(PROMPT) == SORRY
    (entry,) = logs
    assert (entry["log_level"], entry["engine"]) == ("warning", "Engine")
    assert entry["error"] == type(error).__name__
    assert "secret" not in str(logs)


@both_ways
@pytest.mark.parametrize("reply", [None, b"bytes", 7, ["x"], "", " \n\t\u3000"])
def test_what_is_no_text_is_replaced(instant: bool, reply: object) -> None:
    with capture_logs() as logs:
        assert responder(lambda _: reply, instant=instant).answer(PROMPT) == SORRY
    assert len(logs) == 1


@pytest.mark.parametrize(
    ("reply", "stored"),
    [
        ("a\ud800b\x00c", "a\ufffdb\ufffdc"),
        ("好" * (LONGEST_REPLY + 1), "好" * LONGEST_REPLY),
        ("x" * LONGEST_REPLY, "x" * LONGEST_REPLY),
    ],
)
def test_what_cannot_be_stored_is_repaired(reply: str, stored: str) -> None:
    with capture_logs() as logs:
        assert responder(lambda _: reply, instant=True).answer(PROMPT) == stored
    assert [each["event"] for each in logs] == ["reply_repaired"] * (reply != stored)


def test_text_that_is_blank_once_cut_is_replaced() -> None:
    guarded = responder(lambda _: " " * LONGEST_REPLY + "x", instant=True)
    assert guarded.answer(PROMPT) == SORRY


def test_fallback_must_not_be_blank() -> None:
    with pytest.raises(ValueError, match="blank"):
        Responder(Engine(str, instant=True), timeout_s=1, fallback=" ")


def test_fallback_can_be_stored_too() -> None:
    guarded = Responder(Engine(failing(OSError()), instant=True), timeout_s=1, fallback="\udc80!")
    assert guarded.answer(PROMPT) == "\ufffd!"


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_end_of_the_callers_thread_is_not_swallowed(error: type[BaseException]) -> None:
    with pytest.raises(error):
        responder(failing(error()), instant=True).answer(PROMPT)


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_end_of_the_engines_thread_is_a_failure(error: type[BaseException]) -> None:
    guarded = responder(failing(error()), at_once=1)
    assert [guarded.answer(PROMPT) for _ in range(3)] == [SORRY] * 3


def test_slow_engine_is_not_waited_for() -> None:
    done = threading.Event()
    guarded = responder(lambda _: done.wait(PLENTY_S), timeout_s=0.05)
    with capture_logs() as logs:
        assert guarded.answer(PROMPT) == SORRY
    done.set()
    assert [each["error"] for each in logs] == ["TimeoutError"]


def test_wait_for_a_place_counts_and_the_place_comes_back() -> None:
    begun, done = threading.Event(), threading.Event()

    def make(prompt: Prompt) -> str:
        begun.set()
        done.wait(PLENTY_S)
        return "made"

    guarded = responder(make, timeout_s=0.2, at_once=1)
    assert guarded.answer(PROMPT) == SORRY
    assert begun.wait(PLENTY_S)
    begun.clear()
    assert guarded.answer(PROMPT) == SORRY
    assert not begun.is_set()
    done.set()
    assert wait_for(lambda: guarded.answer(PROMPT)) == "made"


def wait_for(answer: Callable[[], str]) -> str:
    """The first answer that is not SORRY, or SORRY if there is none for long."""
    end = time.monotonic() + PLENTY_S
    while (text := answer()) == SORRY and time.monotonic() < end:
        pass
    return text


def test_no_more_engines_run_at_once_than_allowed() -> None:
    lock = threading.Lock()
    running: list[int] = [0]
    seen: list[int] = []

    def make(prompt: Prompt) -> str:
        with lock:
            running[0] += 1
            seen.append(running[0])
        time.sleep(0.005)
        with lock:
            running[0] -= 1
        return "made"

    guarded = responder(make, at_once=3)
    with ThreadPoolExecutor(16) as senders:
        answers = list(senders.map(guarded.answer, [PROMPT] * 60))
    assert answers == ["made"] * 60
    assert max(seen) <= 3


def test_no_thread_survives_its_reply() -> None:
    before = threading.active_count()
    guarded = responder(lambda _: "made")
    for _ in range(20):
        assert guarded.answer(PROMPT) == "made"
    end = time.monotonic() + PLENTY_S
    while threading.active_count() > before and time.monotonic() < end:
        time.sleep(0.001)
    assert threading.active_count() <= before


def test_engine_logs_with_the_callers_context() -> None:
    guarded = responder(lambda _: structlog.contextvars.get_contextvars()["request_id"])
    with structlog.contextvars.bound_contextvars(request_id="r-1"):
        assert guarded.answer(PROMPT) == "r-1"


def run(script: str) -> str:
    root = str(Path(session_service.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": root},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


SETUP = """
import time
from datetime import UTC, datetime
from session_service.models import Prompt
from session_service.replies.responder import Responder

class Sleepy:
    instant = False
    def reply(self, prompt):
        time.sleep(float(prompt.text))
        return "made"

def ask(seconds):
    return Prompt(seconds, "a", "s", datetime.now(UTC), datetime.now(UTC), 0, lambda _: [])
"""


def test_greenlets_go_on_while_an_engine_is_waited_for() -> None:
    script = f"""
from gevent import monkey, spawn, joinall
monkey.patch_all()
{SETUP}
guarded = Responder(Sleepy(), timeout_s=30, fallback="sorry", at_once=8)
order = []
def send(name, seconds):
    order.append(name + guarded.answer(ask(seconds)))
joinall([spawn(send, "slow ", "1.5"), *(spawn(send, "quick ", "0.01") for _ in range(20))])
hasty = Responder(Sleepy(), timeout_s=0.05, fallback="sorry", at_once=1)
print(order, [hasty.answer(ask("0.5")) for _ in range(3)])
"""
    assert run(script).splitlines()[-1] == f"{['quick made'] * 20 + ['slow made']} {['sorry'] * 3}"


def test_engine_that_hangs_does_not_hold_up_the_exit() -> None:
    script = f"""
{SETUP}
print(Responder(Sleepy(), timeout_s=0.05, fallback="sorry").answer(ask("3600")))
"""
    assert "sorry" in run(script)
