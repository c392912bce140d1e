"""The openai engine asks again where that may help, and says in its own words what went wrong."""

import socket
import traceback
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from structlog.testing import capture_logs

from session_service.replies.openai import OpenAIEngine
from session_service.replies.openai_answer import UpstreamError
from session_service.replies.responder import Responder
from tests.replies.asking import KEY, engine, prompt, refusal, settings
from tests.replies.upstream import Exchange, chunk, document, event, fails, says, stream

SORRY = "Sorry, later."


def test_half_an_answer_is_asked_for_again(endpoint):
    asked = engine(endpoint, stream(chunk("half an ")), says("a whole answer"))
    assert asked.reply(prompt()) == "a whole answer"


def test_half_an_answer_is_never_passed_off_as_a_whole_one(endpoint):
    asked = engine(endpoint, stream(chunk("half an ")))
    guarded = Responder(asked, timeout_s=30, fallback=SORRY)
    assert guarded.answer(prompt()) == SORRY
    assert len(endpoint.requests) == 3


def cut_in_a_chunk(exchange: Exchange) -> None:
    exchange.head(Transfer_Encoding="chunked")
    raw = chunk("half an ")
    exchange.send(f"{len(raw.encode()):x}\r\n{raw}\r\n", "40\r\ndata: {")


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (stream(chunk("half an ")), "broke off"),
        (cut_in_a_chunk, "connection"),
        (stream(chunk("half an "), 'data: {"choices": [\n\n'), "broken"),
        (stream(chunk("half an "), b"data: {\xff}\n\n"), "broken"),
        (stream(chunk("half an "), "data: " + "[" * 100_000 + "\n\n"), "broken"),
        (stream(chunk("half an "), event({"error": {"code": "overloaded"}})), "overloaded"),
        (stream(chunk("half an "), "data: " + "x" * 1_100_000), "no end"),
    ],
)
def test_stream_that_breaks_says_so_after_its_pieces(endpoint, answer, why):
    pieces: list[str] = []
    asked = engine(endpoint, answer, says("another"))
    said = refusal(lambda: pieces.extend(asked.stream(prompt())))
    assert pieces == ["half an "]
    assert why in said
    assert len(endpoint.requests) == 1


def test_broken_chunk_is_asked_for_again(endpoint):
    asked = engine(endpoint, stream("data: {nonsense}\n\n"), says("fine"))
    assert asked.reply(prompt()) == "fine"


def test_stream_that_breaks_before_its_first_piece_is_asked_for_again(endpoint):
    asked = engine(endpoint, stream(chunk("")), says("fi", "ne"))
    assert list(asked.stream(prompt())) == ["fi", "ne"]


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (document("<html>Welcome to the hotel</html>"), "no completion, but text/html"),
        (document({"models": []}), "without text"),
        (document({"choices": []}), "without text"),
        (document([]), "without text"),
    ],
)
def test_page_that_is_no_completion_is_an_error(endpoint, answer, why):
    asked = engine(endpoint, answer)
    assert why in refusal(lambda: asked.reply(prompt()))
    assert why in refusal(lambda: list(asked.stream(prompt())))
    assert len(endpoint.requests) == 2


@pytest.mark.parametrize("status", ["500 Oh", "502 Bad Gateway", "503 Busy", "429 Slow", "408 T"])
def test_failure_that_may_pass_is_asked_again(endpoint, status):
    asked = engine(endpoint, fails(status), fails(status), says("at last"))
    assert asked.reply(prompt()) == "at last"
    assert len(endpoint.requests) == 3


def test_failure_that_does_not_pass_is_asked_three_times(endpoint):
    asked = engine(endpoint, fails("503 Busy", "overloaded"))
    assert refusal(lambda: asked.reply(prompt())).endswith("answered 503 (overloaded)")
    assert len(endpoint.requests) == 3


@pytest.mark.parametrize("status", ["401 No", "403 No", "404 No", "400 No", "422 No"])
def test_refusal_is_not_asked_again(endpoint, status):
    asked = engine(endpoint, fails(status, "invalid_api_key"))
    assert refusal(lambda: asked.reply(prompt())).endswith(f"{status[:3]} (invalid_api_key)")
    assert len(endpoint.requests) == 1


def test_retry_after_is_honoured(endpoint):
    asked = engine(endpoint, fails("429 Slow", Retry_After="2"), says("at last"))
    assert asked.reply(prompt()) == "at last"
    assert 2 <= endpoint.pauses[0] < 3


def test_pauses_grow(endpoint):
    refusal(lambda: engine(endpoint, fails("503 Busy")).reply(prompt()))
    first, second = endpoint.pauses
    assert 0.5 <= first < second < 2


def test_retry_after_may_be_a_date(endpoint):
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=10), usegmt=True)
    asked = engine(endpoint, fails("429 Slow", Retry_After=date), says("at last"))
    assert asked.reply(prompt()) == "at last"
    assert 2 < endpoint.pauses[0] < 13


@pytest.mark.parametrize("after", ["29.5", "86400", "Fri, 31 Dec 9998 23:59:59 GMT"])
def test_retry_after_that_does_not_fit_ends_at_once(endpoint, after):
    asked = engine(endpoint, fails("429 Slow", Retry_After=after), says("too late"))
    assert "429" in refusal(lambda: asked.reply(prompt()))
    assert (len(endpoint.requests), endpoint.pauses) == (1, [])


@pytest.mark.parametrize("after", ["soon", "-1", "nan", "inf", "Thu, 01 Jan 1970 00:00:00 GMT"])
def test_retry_after_that_makes_no_sense_is_no_obstacle(endpoint, after):
    asked = engine(endpoint, fails("429 Slow", Retry_After=after), says("at last"))
    assert asked.reply(prompt()) == "at last"
    assert 0.5 <= endpoint.pauses[0] < 1


def test_refused_connection_is_tried_again_and_then_named():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    asked = OpenAIEngine(settings(f"http://127.0.0.1:{port}/v1"), sleep=lambda _: None)
    with capture_logs() as logs:
        assert "connection" in refusal(lambda: asked.reply(prompt()))
    assert [each["attempt"] for each in logs] == [1, 2, 3]


def hangs_up(exchange: Exchange) -> None:
    """Takes the request and closes."""


def test_connection_closed_without_an_answer_is_tried_again(endpoint):
    assert engine(endpoint, hangs_up, says("fine")).reply(prompt()) == "fine"


def nameless(exchange: Exchange) -> None:
    exchange.head(KEY, f"200 {KEY}")


@pytest.mark.parametrize(
    "answer",
    [
        fails("401 No", KEY + " a private question"),
        fails("401 No", KEY),
        fails("500 Oh", "a private question"),
        document({"error": {"type": KEY}}, "400 No"),
        document({"code": KEY}, "400 No"),
        document({}, f"400 {KEY}", X_Request_Id=KEY),
        nameless,
        stream(event({"error": {"code": KEY}})),
        stream(chunk(reason=KEY)),
        stream(chunk("a private answer"), "data: {a private answer}\n\n"),
        stream(chunk("a private answer")),
        hangs_up,
    ],
)
def test_neither_key_nor_words_are_in_logs_and_errors(endpoint, answer, caplog):
    caplog.set_level("DEBUG")
    asked = engine(endpoint, answer)
    with capture_logs() as logs, pytest.raises(UpstreamError) as raised:
        list(asked.stream(prompt()))
    told = "".join(traceback.format_exception(raised.value)) + str(logs) + caplog.text
    assert logs
    assert raised.value.__context__ is None or raised.value.__suppress_context__
    for secret in (KEY, "private question", "private answer"):
        assert secret not in told
    assert KEY not in repr(settings("http://x"))


def test_proxy_and_other_settings_of_the_library_cannot_redirect_the_key(endpoint, monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", "http://192.0.2.1/v1")
    monkeypatch.setenv("OPENAI_API_KEY", "another")
    engine(endpoint).reply(prompt())
    assert endpoint.requests[0].headers["authorization"] == f"Bearer {KEY}"
