"""The openai engine takes little from an endpoint that means ill, and follows it nowhere."""

import gzip
import json
import subprocess
import sys
import time
from itertools import accumulate, repeat, takewhile

import pytest

from session_service.replies.openai import OpenAIEngine
from session_service.replies.openai_answer import LONGEST_TEXT
from tests.replies.asking import KEY, engine, none_open, prompt, refusal, settings
from tests.replies.test_openai_streams import ROOT
from tests.replies.upstream import Answer, Exchange, chunk, document, fails, says

MIB = 1024 * 1024
MOST = 50 * MIB  # that a stand-in sends at all
IN_BUFFERS = 20 * MIB  # of both systems' sockets, at the very most


class Flood:
    """Answers with the same piece again and again, and counts what is taken of it."""

    def __init__(self, piece: str, status: str = "200 OK", **headers: str) -> None:
        self._piece = piece.encode()
        self._head = {"status": status, **headers}
        self.taken = 0

    def __call__(self, exchange: Exchange) -> None:
        exchange.head(**self._head)
        while self.taken < MOST:
            exchange.pour(self._piece)
            self.taken += len(self._piece)


@pytest.mark.parametrize("status", ["400 Bad", "500 Oh", "302 Found"])
@pytest.mark.parametrize("headers", [{}, {"Content_Encoding": "gzip"}])
def test_error_without_an_end_is_not_read_to_its_end(endpoint, status, headers):
    flood = Flood(" " * 65536, status, kind="application/json", **headers)
    said = refusal(lambda: engine(endpoint, flood, fails("400 Bad")).reply(prompt()))
    none_open(endpoint)
    assert flood.taken < IN_BUFFERS
    assert "answered" in said


def test_error_that_trickles_is_known_by_its_status(endpoint):
    def trickles(exchange: Exchange) -> None:
        exchange.head("application/json", "400 Bad")
        for _ in range(3000):
            exchange.send(" ")

    began = time.monotonic()
    assert refusal(lambda: engine(endpoint, trickles).reply(prompt())).endswith("answered 400")
    assert time.monotonic() - began < 10
    none_open(endpoint)


def test_error_that_never_comes_is_known_by_its_status(endpoint):
    def withholds(exchange: Exchange) -> None:
        exchange.head("application/json", "503 Busy")
        exchange.wait_until_left()

    began = time.monotonic()
    assert engine(endpoint, withholds, says("fine")).reply(prompt()) == "fine"
    assert time.monotonic() - began < 10


def test_answer_may_not_be_compressed(endpoint):
    bomb = gzip.compress(b" " * MOST)

    def explodes(exchange: Exchange) -> None:
        exchange.head(Content_Encoding="gzip", Content_Length=str(len(bomb)))
        exchange.pour(bomb)

    asked = engine(endpoint, explodes)
    assert "compressed" in refusal(lambda: asked.reply(prompt()))
    assert len(endpoint.requests) == 1
    assert endpoint.requests[0].headers["accept-encoding"] == "identity"


def test_answer_may_say_that_it_is_not_compressed(endpoint):
    whole = {"choices": [{"message": {"content": "fine"}}]}
    asked = engine(endpoint, document(whole, Content_Encoding="identity"))
    assert asked.reply(prompt()) == "fine"


def test_error_is_never_unpacked(endpoint):
    packed = gzip.compress(json.dumps({"error": {"code": "invalid_api_key"}}).encode())

    def answer(exchange: Exchange) -> None:
        exchange.head("application/json", "401 No", Content_Encoding="gzip")
        exchange.pour(packed)

    assert refusal(lambda: engine(endpoint, answer).reply(prompt())).endswith("answered 401")


def test_answer_without_an_end_is_not_read_to_its_end(endpoint):
    flood = Flood(chunk("x" * 60_000))
    pieces: list[str] = []
    said = refusal(lambda: pieces.extend(engine(endpoint, flood).stream(prompt())))
    none_open(endpoint)
    assert "no end" in said
    assert flood.taken < IN_BUFFERS
    lengths = accumulate(repeat(60_000))
    assert len(pieces) == len(list(takewhile(lambda each: each <= LONGEST_TEXT, lengths)))


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See", "307 Temp", "308 Perm"])
def test_redirect_is_not_followed(endpoint, status):
    elsewhere = document({}, status, Location=f"{endpoint.url}/elsewhere")
    asked = engine(endpoint, elsewhere, says("thank you for the key"))
    assert refusal(lambda: asked.reply(prompt())).endswith(f"answered {status[:3]}")
    assert len(endpoint.requests) == 1


@pytest.mark.parametrize("field", ["code", "type"])
@pytest.mark.parametrize("name", [KEY, "private", "some_error", "", 7, None, ["tokens"]])
def test_no_name_of_an_error_is_told_that_is_not_well_known(endpoint, field, name):
    asked = engine(endpoint, document({"error": {field: name}}, "400 Bad"))
    assert refusal(lambda: asked.reply(prompt())).endswith("answered 400")


@pytest.mark.parametrize("name", ["context_length_exceeded", "InvalidApiKey", "BadRequestError"])
def test_names_of_errors_that_are_well_known_are_told(endpoint, name):
    unknown_first = {"error": {"code": "some_error", "type": name}}
    asked = engine(endpoint, document(unknown_first, "400 Bad"))
    assert refusal(lambda: asked.reply(prompt())).endswith(f"answered 400 ({name})")


def test_proxy_of_the_environment_is_used(endpoint, monkeypatch):
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{endpoint.port}")
    assert OpenAIEngine(settings("http://model.invalid/v1")).reply(prompt()) == "hello"
    (request,) = endpoint.requests
    assert request.line == "POST http://model.invalid/v1/chat/completions HTTP/1.1"


BUSY = """
from gevent import monkey, spawn
monkey.patch_all()
import sys, time
from datetime import UTC, datetime
from session_service.models import Prompt
from session_service.replies.openai import OpenAIEngine
from session_service.replies.openai_settings import OpenAISettings

engine = OpenAIEngine(OpenAISettings(sys.argv[1], "key", "model", "Be kind.", 1000, 100, None, 60))
now, turns = datetime.now(UTC), []

def others():
    while True:
        turns.append(1)
        time.sleep(0)

pieces = engine.stream(Prompt("hi", "a", "s", now, now, 0, lambda _: []))
next(pieces)
time.sleep(1)  # the socket's buffers are full from now on
spawn(others)
taken = 0
for piece in pieces:
    taken += 1
    if taken == 10:
        break
print(len(turns))
"""


def test_line_that_is_never_empty_leaves_others_their_turns(endpoint):
    flood: Answer = Flood(chunk("x" * 65_000))
    endpoint.answers = [flood]
    done = subprocess.run(
        [sys.executable, "-c", BUSY, endpoint.url], capture_output=True, text=True, cwd=ROOT
    )
    assert int(done.stdout or "0") >= 5, done.stderr
    none_open(endpoint)
