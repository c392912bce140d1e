"""The engine that asks a language model: any endpoint that speaks OpenAI's chat completions."""

import random
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit

import httpx2
import openai
import structlog

from session_service.models import Prompt
from session_service.replies.openai_answer import UpstreamError, read_answer
from session_service.replies.openai_client import http_client
from session_service.replies.openai_context import messages_for, tokens_of
from session_service.replies.openai_settings import OpenAISettings

log = structlog.get_logger(__name__)

CONNECT_S = 5.0
MOST_ATTEMPTS = 3
PAUSE_S = 0.5  # before the second attempt; twice as long before the third
LEAST_S = 1.0  # an attempt that has less time left is not worth making
LONGEST_STREAM_S = 600.0

Messages = Sequence[Mapping[str, str]]


class OpenAIEngine:
    """Asks the endpoint with the newest turns of the dialogue as context.

    `sleep` waits between attempts. Raises ValueError where the system prompt leaves no room
    for anything else. Replies and streams raise UpstreamError, whose message and log lines
    hold neither key nor words.
    """

    instant = False

    def __init__(
        self, settings: OpenAISettings, *, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        taken = tokens_of(settings.system_prompt)
        if taken > settings.context_tokens // 2:
            raise ValueError(
                f"OPENAI_SYSTEM_PROMPT takes about {taken} tokens: it may take half of "
                f"OPENAI_CONTEXT_TOKENS={settings.context_tokens} at most"
            )
        self._settings = settings
        self._timeout_s = settings.timeout_s
        self._sleep = sleep
        # Opens no connection before the first request, and workers have forked by then.
        client = openai.OpenAI(
            api_key=settings.api_key,
            base_url=settings.base_url,
            max_retries=0,
            http_client=http_client(),
        )
        self._create = client.chat.completions.with_streaming_response.create
        self._options = _options(settings)

    def reply(self, prompt: Prompt) -> str:
        """The whole answer within `timeout_s`; one that breaks off is asked for again."""
        messages = self._messages(prompt)
        end = time.monotonic() + self._timeout_s
        attempt = 0
        while True:
            attempt += 1
            try:
                with closing(self._ask(messages, end, end)) as pieces:
                    return "".join(pieces)
            except UpstreamError as error:
                self._wait_or_raise(error, attempt, end)

    def stream(self, prompt: Prompt) -> Iterator[str]:
        """The answer in pieces as they come; closing it closes the connection.

        The first one comes within `timeout_s`, no other takes longer, and all come within
        LONGEST_STREAM_S. After the first nothing is asked again.
        """
        messages = self._messages(prompt)
        began = time.monotonic()
        first_by, begun, attempt = began + self._timeout_s, False, 0
        while True:
            attempt += 1
            try:
                asked = self._ask(messages, first_by, began + LONGEST_STREAM_S)
                with closing(asked) as pieces:
                    for piece in pieces:
                        begun = True
                        yield piece
                return
            except UpstreamError as error:
                self._wait_or_raise(error, attempt, first_by, final=begun)

    def _messages(self, prompt: Prompt) -> Messages:
        settings = self._settings
        return messages_for(prompt, system=settings.system_prompt, budget=settings.context_tokens)

    def _ask(self, messages: Messages, first_by: float, end: float) -> Generator[str, None, None]:
        watch = _Watch(first_by)
        left = max(watch.left(), LEAST_S)
        timeout = openai.Timeout(left, connect=min(CONNECT_S, left))
        try:
            # As the typed parameter each of them would cost half a millisecond of CPU.
            body = {"messages": messages}
            with self._create(
                messages=[], extra_body=body, timeout=timeout, **self._options
            ) as response:
                # Headers may come at once and the first piece late: it gets what is left.
                silence = max(LEAST_S, min(self._timeout_s, end - time.monotonic()))
                response.http_request.extensions["timeout"]["read"] = silence
                kind = response.headers.get("content-type", "")
                for piece in read_answer(kind, watch.over(response.iter_bytes())):
                    yield piece
                    watch.until(min(end, time.monotonic() + self._timeout_s))
        except (openai.OpenAIError, httpx2.RequestError, OSError) as error:
            # Not chained: the cause holds the request, and with it key and prompt.
            raise _failure(error) from None

    def _wait_or_raise(
        self, error: UpstreamError, attempt: int, end: float, *, final: bool = False
    ) -> None:
        """Sleeps until another attempt is due; raises the error where none is."""
        jitter = random.uniform(1, 1.2)  # noqa: S311
        pause = max(error.after_s, PAUSE_S * 2 ** (attempt - 1)) * jitter
        in_time = time.monotonic() + pause + LEAST_S <= end
        again = error.again and attempt < MOST_ATTEMPTS and in_time and not final
        log.warning("upstream_failed", reason=str(error), attempt=attempt, again=again)
        if not again:
            raise error
        self._sleep(pause)


class _Watch:
    """Ends an answer whose next piece is late, however busily the line is kept alive."""

    def __init__(self, by: float) -> None:
        self._by = by

    def until(self, by: float) -> None:
        self._by = by

    def left(self) -> float:
        return self._by - time.monotonic()

    def over(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            if self.left() < 0:
                raise UpstreamError("the endpoint took too long", again=False)
            yield chunk
            time.sleep(0)  # a line that is never empty would keep all other greenlets waiting


def _options(settings: OpenAISettings) -> dict[str, Any]:
    host = urlsplit(settings.base_url).hostname or ""
    # OpenAI's newer models refuse the old name, and Ollama ignores the new one.
    theirs = host.endswith(("openai.com", "openai.azure.com"))
    options: dict[str, Any] = {
        "model": settings.model,
        "stream": True,
        "max_completion_tokens" if theirs else "max_tokens": settings.max_tokens,
    }
    if settings.temperature is not None:
        options["temperature"] = settings.temperature
    return options


def _failure(error: Exception) -> UpstreamError:
    if isinstance(error, openai.APITimeoutError | httpx2.TimeoutException):
        unreached = isinstance(error.__cause__, httpx2.ConnectTimeout)
        return UpstreamError("the endpoint took too long", again=unreached)
    if isinstance(error, openai.APIConnectionError | httpx2.TransportError | OSError):
        return UpstreamError("the connection to the endpoint failed", again=True)
    return UpstreamError(f"the answer cannot be read ({type(error).__name__})", again=False)
