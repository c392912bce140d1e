"""What travels between the storeys: frozen records, no behaviour of their own."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol


@dataclass(frozen=True, slots=True)
class Turn:
    """One side's words in a dialogue."""

    role: Literal["user", "assistant"]
    text: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a reply engine is told of the message it answers.

    `now` and `started_at` are aware datetimes in the server's own time zone;
    `message_count` counts what stood in the dialogue before this message;
    `history(n)` reads the n newest turns before it, oldest first, and costs a
    database read, so an engine asks only when it needs them.
    """

    text: str
    user_name: str
    session_name: str
    started_at: datetime
    now: datetime
    message_count: int
    history: Callable[[int], Sequence[Turn]]


class ReplyEngine(Protocol):
    """Whoever answers messages.

    `instant` says that a reply is made from memory, without waiting for anything;
    the message and its reply are then stored by one write.
    """

    @property
    def instant(self) -> bool: ...

    def reply(self, prompt: Prompt) -> str: ...

    def stream(self, prompt: Prompt) -> Iterator[str]: ...
