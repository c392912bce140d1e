"""The openai engine sends the newest turns that fit its budget."""

import json

import pytest

from session_service.models import Prompt, Turn
from session_service.replies.openai import OpenAIEngine
from tests.replies.asking import NOW, engine, prompt, settings
from tests.replies.upstream import Upstream


def sent(endpoint: Upstream) -> list[tuple[str, str]]:
    return endpoint.requests[-1].messages


DIALOGUE = (
    Turn("user", "first question"),
    Turn("assistant", "first answer"),
    Turn("user", "second question"),
    Turn("assistant", "second answer"),
)


def test_history_goes_along_in_its_roles(endpoint):
    engine(endpoint).reply(prompt("third question", DIALOGUE))
    assert sent(endpoint) == [
        ("system", "Be kind."),
        ("user", "first question"),
        ("assistant", "first answer"),
        ("user", "second question"),
        ("assistant", "second answer"),
        ("user", "third question"),
    ]


def test_history_reads_no_more_than_there_is(endpoint):
    asked: list[int] = []

    def history(count: int) -> list[Turn]:
        asked.append(count)
        return []

    engine(endpoint).reply(Prompt("hi", "a", "s", NOW, NOW, 0, history))
    assert asked == []


def size(messages: list[tuple[str, str]]) -> int:
    return sum(4 + len(text.encode()) / 3 for _, text in messages)


@pytest.mark.parametrize("text", ["palabra " * 12, "中文消息" * 10, "привет " * 8])
def test_newest_turns_that_fit_the_budget_go_along(endpoint, text):
    turns = tuple(
        Turn("assistant" if number % 2 else "user", f"{number} {text}") for number in range(600)
    )
    engine(endpoint, context_tokens=1000).reply(prompt("now", turns))
    messages = sent(endpoint)
    assert messages[0] == ("system", "Be kind.")
    assert messages[-1] == ("user", "now")
    numbers = [int(words.split()[0]) for _, words in messages[1:-1]]
    assert numbers == list(range(numbers[0], 600))
    assert 850 < size(messages) <= 1000


def test_small_turns_fill_a_large_budget(endpoint):
    turns = tuple(Turn("assistant" if n % 2 else "user", str(n)) for n in range(400))
    engine(endpoint, context_tokens=100_000).reply(prompt("now", turns))
    assert len(sent(endpoint)) == 402


def test_a_turn_that_is_too_long_ends_the_history(endpoint):
    turns = (
        Turn("user", "old"),
        Turn("assistant", "长" * 2000),
        Turn("user", "new"),
        Turn("assistant", "newer"),
    )
    engine(endpoint).reply(prompt("now", turns))
    assert sent(endpoint)[1:] == [("user", "new"), ("assistant", "newer"), ("user", "now")]


def test_message_that_is_too_long_loses_its_middle(endpoint):
    text = "开头" + "长" * 5000 + "结尾"
    engine(endpoint, context_tokens=1000).reply(prompt(text, DIALOGUE))
    (_, (role, kept)) = sent(endpoint)
    assert role == "user"
    assert kept.startswith("开头长")
    assert kept.endswith("长结尾")
    assert "\n…\n" in kept
    assert "\ufffd" not in kept
    assert 950 < size(sent(endpoint)) <= 1000


def test_roles_alternate_and_a_user_begins(endpoint):
    turns = (
        Turn("assistant", "an answer to what did not fit"),
        Turn("user", "never answered"),
        Turn("user", "asked again"),
        Turn("assistant", "answered"),
        Turn("user", "never answered either"),
    )
    engine(endpoint).reply(prompt("now", turns))
    assert sent(endpoint)[1:] == [
        ("user", "never answered\n\nasked again"),
        ("assistant", "answered"),
        ("user", "never answered either\n\nnow"),
    ]


def test_names_stay_at_home(endpoint):
    engine(endpoint).reply(prompt())
    told = json.dumps(endpoint.requests[0].body) + str(endpoint.requests[0].headers)
    assert "alice" not in told
    assert "work" not in told


def test_system_prompt_that_takes_the_budget_is_refused():
    with pytest.raises(ValueError, match=r"OPENAI_SYSTEM_PROMPT.*OPENAI_CONTEXT_TOKENS=1000"):
        OpenAIEngine(settings("http://x/v1", system_prompt="长" * 600))
