"""A reply engine that asks a program of your own: whatever answers at WEBHOOK_URL."""

import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.request import Request, urlopen

TURNS = 10
TIMEOUT_S = 15.0  # below the service's REPLY_TIMEOUT_S, so that no thread is left behind
LONGEST_BYTES = 400_000


class WebhookEngine:
    """Posts each message as JSON to WEBHOOK_URL; the text that comes back is the reply."""

    instant = False  # it waits for somebody else

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._url = environ.get("WEBHOOK_URL", "")
        if not self._url.startswith(("http://", "https://")):
            raise ValueError("WEBHOOK_URL must be set to a URL that begins with http")

    def reply(self, prompt: Any) -> str:
        """The answer to a session_service.models.Prompt.

        Whatever is raised here costs no message: the service stores its fallback instead.
        """
        question = {
            "text": prompt.text,
            "user": prompt.user_name,
            "session": prompt.session_name,
            "history": [{"role": turn.role, "text": turn.text} for turn in prompt.history(TURNS)],
        }
        headers = {"Content-Type": "application/json"}
        request = Request(self._url, json.dumps(question).encode(), headers)
        with urlopen(request, timeout=TIMEOUT_S) as answer:
            return str(answer.read(LONGEST_BYTES).decode())

    def stream(self, prompt: Any) -> Iterator[str]:
        """The same in one piece; an engine that gets its answer bit by bit yields the bits."""
        yield self.reply(prompt)
