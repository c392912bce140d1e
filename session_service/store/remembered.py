"""A costly answer that is good for a while."""

import time
from collections.abc import Callable
from threading import Lock
from typing import Generic, TypeVar

T = TypeVar("T")


class Remembered(Generic[T]):
    """What `ask` said, asked anew when it is older than `age_s`; one asks, the others wait."""

    def __init__(self, ask: Callable[[], T], age_s: float) -> None:
        self._ask = ask
        self._age_s = age_s
        self._lock = Lock()
        self._answer: tuple[T, float] | None = None

    def get(self) -> T:
        with self._lock:
            if self._answer is None or time.monotonic() >= self._answer[1]:
                answer = self._ask()
                self._answer = answer, time.monotonic() + self._age_s
            return self._answer[0]
