"""How the tests of the openai engine ask its stand-in endpoint."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from typing import Any

import pytest

from session_service.models import Prompt, Turn
from session_service.replies.openai import OpenAIEngine
from session_service.replies.openai_answer import UpstreamError
from session_service.replies.openai_settings import OpenAISettings
from tests.replies.upstream import Upstream

KEY = "sk-a-secret-key"
NOW = datetime(2026, 11, 20, 8, tzinfo=UTC)


def settings(base_url: str, **changes: Any) -> OpenAISettings:
    told = {
        "base_url": base_url,
        "api_key": KEY,
        "model": "some-model",
        "system_prompt": "Be kind.",
        "context_tokens": 1000,
        "max_tokens": 100,
        "temperature": None,
        "timeout_s": 30.0,
    }
    return OpenAISettings(**{**told, **changes})


def engine(endpoint: Upstream, *answers: Any, **changes: Any) -> OpenAIEngine:
    endpoint.answers = list(answers) or endpoint.answers
    return client_of(endpoint, settings(endpoint.url, **changes))


@cache
def client_of(endpoint: Upstream, told: OpenAISettings) -> OpenAIEngine:
    """Making one takes a fifth of a second, for the certificates it might need."""
    return OpenAIEngine(told, sleep=endpoint.pauses.append)


def prompt(text: str = "a private question", turns: tuple[Turn, ...] = ()) -> Prompt:
    def history(count: int) -> tuple[Turn, ...]:
        return turns[-count:]

    return Prompt(text, "alice", "work", NOW, NOW, len(turns), history)


def refusal(ask: Callable[[], Any]) -> str:
    with pytest.raises(UpstreamError) as raised:
        ask()
    return str(raised.value)


def none_open(endpoint: Upstream) -> None:
    end = time.monotonic() + 30
    while endpoint.open:
        assert time.monotonic() < end, f"{endpoint.open} connections are left"
        time.sleep(0.01)
