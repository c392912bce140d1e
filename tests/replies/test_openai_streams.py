"""The openai engine gives up what is late, and leaves no connection open."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.replies.asking import engine, none_open, prompt, refusal
from tests.replies.upstream import DONE, Exchange, chunk, fails, silence

ROOT = Path(__file__).parents[2]


def headers_only(exchange: Exchange) -> None:
    exchange.head()
    exchange.wait_until_left()


def half_then_silence(exchange: Exchange) -> None:
    exchange.head()
    exchange.send(chunk("half an "))
    exchange.wait_until_left()


def keep_alive(exchange: Exchange) -> None:
    exchange.head()
    exchange.send(chunk(""))
    while True:
        exchange.send(": still there\n\n")


def trickle(exchange: Exchange) -> None:
    exchange.head()
    while True:
        exchange.send(chunk("x"))


@pytest.mark.parametrize("answer", [silence, headers_only, half_then_silence, keep_alive, trickle])
def test_reply_that_is_late_is_given_up_and_leaves_nothing_open(endpoint, answer):
    asked = engine(endpoint, answer, timeout_s=1.5)
    began = time.monotonic()
    assert "too long" in refusal(lambda: asked.reply(prompt()))
    assert time.monotonic() - began < 10
    assert len(endpoint.requests) == 1
    none_open(endpoint)


@pytest.mark.parametrize("answer", [silence, headers_only, half_then_silence, keep_alive])
def test_stream_that_falls_silent_is_given_up_and_leaves_nothing_open(endpoint, answer):
    asked = engine(endpoint, answer, timeout_s=1.5)
    assert "too long" in refusal(lambda: list(asked.stream(prompt())))
    assert len(endpoint.requests) == 1
    none_open(endpoint)


def test_stream_that_goes_on_may_take_longer_than_one_piece_may(endpoint):
    def slowly(exchange: Exchange) -> None:
        exchange.head()
        for _ in range(5):
            exchange.send(chunk("x"))
            time.sleep(0.5)
        exchange.send(DONE)

    assert "".join(engine(endpoint, slowly, timeout_s=1.5).stream(prompt())) == "xxxxx"


def test_second_attempt_has_as_long_between_its_pieces(endpoint):
    def late(exchange: Exchange) -> None:
        time.sleep(2.5)
        fails("503 Busy")(exchange)

    def halting(exchange: Exchange) -> None:
        exchange.head()
        exchange.send(chunk("go"))
        time.sleep(3)
        exchange.send(chunk("od"), DONE)

    assert list(engine(endpoint, late, halting, timeout_s=5).stream(prompt())) == ["go", "od"]


def test_stream_does_nothing_before_it_is_read(endpoint):
    asked = engine(endpoint).stream(prompt())
    time.sleep(0.1)
    assert endpoint.requests == []
    assert next(asked) == "hello"


def test_piece_comes_before_the_next_is_made(endpoint):
    went_on: list[str] = []

    def in_step(exchange: Exchange) -> None:
        exchange.head()
        exchange.send(chunk("first"))
        went_on.append("left" if exchange.wait_until_left() else "stayed")

    pieces = engine(endpoint, in_step).stream(prompt())
    assert next(pieces) == "first"
    pieces.close()
    none_open(endpoint)
    assert went_on == ["left"]


def test_closed_stream_leaves_nothing_open(endpoint):
    asked = engine(endpoint, trickle)
    for _ in range(20):
        pieces = asked.stream(prompt())
        next(pieces)
        pieces.close()
    none_open(endpoint)


GREENLETS = """
from gevent import joinall, monkey, spawn
monkey.patch_all()
import sys
from datetime import UTC, datetime
from session_service.models import Prompt
from session_service.replies.openai import OpenAIEngine
from session_service.replies.openai_settings import OpenAISettings

engine = OpenAIEngine(OpenAISettings(sys.argv[1], "key", "model", "Be kind.", 1000, 100, None, 60))
now, order = datetime.now(UTC), []

def stream(text):
    pieces = engine.stream(Prompt(text, "a", "s", now, now, 0, lambda _: []))
    order.append(next(pieces))
    order.append("".join(pieces))

def begin(text):
    pieces = engine.stream(Prompt(text, "a", "s", now, now, 0, lambda _: []))
    next(pieces)
    return pieces

waiting = [begin("wait") for _ in range(100)]
joinall([spawn(stream, "go") for _ in range(20)], raise_error=True)
for pieces in waiting:
    pieces.close()
print(order.count("first "), order.count("second"), len(waiting))
"""


def test_greenlets_go_on_while_a_hundred_streams_are_open(endpoint):
    def answer(exchange: Exchange) -> None:
        exchange.head()
        exchange.send(chunk("first "))
        if exchange.request.messages[-1][1] == "wait":
            exchange.wait_until_left()
        exchange.send(chunk("second"), DONE)

    endpoint.answers = [answer]
    address = endpoint.url.replace("127.0.0.1", "localhost")
    done = subprocess.run(
        [sys.executable, "-c", GREENLETS, address], capture_output=True, text=True, cwd=ROOT
    )
    assert done.stdout.split() == ["20", "20", "100"], done.stderr
    none_open(endpoint)
