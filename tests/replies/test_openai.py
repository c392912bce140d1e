"""The openai engine asks an endpoint as the API wants it, and reads all that it may answer."""

import pytest

from session_service.replies.openai import OpenAIEngine
from session_service.replies.openai_answer import CUT
from tests.replies.asking import KEY, engine, prompt, refusal, settings
from tests.replies.upstream import DONE, chunk, document, event, says, stream


def test_reply_is_the_text_of_the_stream(endpoint):
    assert engine(endpoint, says("He", "llo", "，世界")).reply(prompt()) == "Hello，世界"


def test_stream_gives_the_pieces(endpoint):
    pieces = engine(endpoint, says("He", "llo", "，世界")).stream(prompt())
    assert list(pieces) == ["He", "llo", "，世界"]


def test_request_says_what_the_api_expects(endpoint):
    engine(endpoint, max_tokens=77, temperature=0.5).reply(prompt("hi"))
    (request,) = endpoint.requests
    assert request.line == "POST /v1/chat/completions HTTP/1.1"
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.body == {
        "model": "some-model",
        "messages": [
            {"role": "system", "content": "Be kind."},
            {"role": "user", "content": "hi"},
        ],
        "max_tokens": 77,
        "temperature": 0.5,
        "stream": True,
    }


def test_temperature_is_left_to_the_endpoint(endpoint):
    engine(endpoint).reply(prompt())
    assert "temperature" not in endpoint.requests[0].body


@pytest.mark.parametrize(
    ("base_url", "name"),
    [
        ("https://api.openai.com/v1", "max_completion_tokens"),
        ("https://mine.openai.azure.com/openai/v1", "max_completion_tokens"),
        ("https://dashscope.aliyuncs.com/compatible-mode/v1", "max_tokens"),
        ("http://localhost:11434/v1", "max_tokens"),
    ],
)
def test_limit_goes_by_the_name_that_the_endpoint_knows(base_url, name):
    options = OpenAIEngine(settings(base_url, max_tokens=5))._options
    assert {each: options[each] for each in options if "tokens" in each} == {name: 5}


def test_endpoint_that_does_not_stream_is_understood(endpoint):
    whole = {"choices": [{"message": {"content": "all at once"}, "finish_reason": "stop"}]}
    asked = engine(endpoint, document(whole))
    assert asked.reply(prompt()) == "all at once"
    assert list(asked.stream(prompt())) == ["all at once"]


def test_document_without_a_reason_is_whole(endpoint):
    whole = {"choices": [{"message": {"content": "all at once"}}]}
    assert engine(endpoint, document(whole)).reply(prompt()) == "all at once"


def test_characters_split_between_segments_come_whole(endpoint):
    raw = chunk("好😀é").encode()
    answer = stream(*(raw[at : at + 1] for at in range(len(raw))), DONE)
    assert list(engine(endpoint, answer).stream(prompt())) == ["好😀é"]


SURROGATES = ("a\\ud83d", "\\ude00b")
HALVES = [f'data: {{"choices":[{{"delta":{{"content":"{x}"}}}}]}}\n\n' for x in SURROGATES]


def test_characters_split_between_chunks_come_whole(endpoint):
    answer = stream(*HALVES, chunk(reason="stop"))
    assert list(engine(endpoint, answer).stream(prompt())) == ["a", "😀b"]


def test_half_a_character_is_replaced(endpoint):
    answer = stream(HALVES[0], chunk(reason="stop"))
    assert engine(endpoint, answer).reply(prompt()) == "a\ufffd"


def test_line_separators_within_a_text_end_no_line(endpoint):
    text = "a\u2028b\u2029c\x85d\x0b"
    assert engine(endpoint, says(text)).reply(prompt()) == text


def test_comments_other_fields_and_chunks_without_text_are_passed_over(endpoint):
    answer = stream(
        ": keep-alive\n\n",
        "event: message\r\nid: 7\r\n" + chunk("one ").replace("\n", "\r\n"),
        event({"choices": []}),
        event({"choices": None}),
        event({"choices": [{"delta": None}]}),
        event({"choices": [{"delta": {"content": None, "reasoning_content": "hm"}}]}),
        event([]),
        "data:\n\n",
        chunk("two", usage={"total_tokens": 3}),
        DONE,
    )
    assert engine(endpoint, answer).reply(prompt()) == "one two"


@pytest.mark.parametrize("ending", [(chunk(reason="stop"),), (DONE,), (DONE.strip(),)])
def test_answer_is_whole_at_a_reason_or_at_done(endpoint, ending):
    assert engine(endpoint, stream(chunk("whole"), *ending)).reply(prompt()) == "whole"


def test_answer_that_hit_its_limit_shows_it(endpoint):
    asked = engine(endpoint, stream(chunk("a long st"), chunk("ory", "length"), DONE))
    assert asked.reply(prompt()) == f"a long story{CUT}"
    assert list(asked.stream(prompt())) == ["a long st", "ory", CUT]


def test_answer_that_was_filtered_is_no_answer(endpoint):
    asked = engine(endpoint, stream(chunk("some"), chunk(reason="content_filter"), DONE))
    assert "content_filter" in refusal(lambda: asked.reply(prompt()))
    assert len(endpoint.requests) == 1


@pytest.mark.parametrize("text", ["", " \n", None])
@pytest.mark.parametrize("reason", ["stop", "length", "tool_calls"])
def test_answer_without_text_is_no_answer(endpoint, text, reason):
    asked = engine(endpoint, stream(chunk(text), chunk(reason=reason), DONE))
    assert "without text" in refusal(lambda: asked.reply(prompt()))
