"""First come, first served: one sender at a time for each log, within this process."""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

from session_service.errors import Unavailable


class Turns:
    """Fair locks by name; a plain lock lets some wait for seconds, and processes lock-step."""

    def __init__(self) -> None:
        self._guard = Lock()
        self._queues: dict[str, deque[Lock]] = {}

    @contextmanager
    def of(self, name: str, timeout_s: float) -> Iterator[None]:
        """Holds the turn of `name`; Unavailable when it does not come within `timeout_s`."""
        turn = self._queue_up(name)
        if not turn.acquire(timeout=max(timeout_s, 0)) and not self._step_back(name, turn):
            raise Unavailable("too many at once")
        try:
            yield
        finally:
            self._pass_on(name)

    def _queue_up(self, name: str) -> Lock:
        turn = Lock()
        with self._guard:
            queue = self._queues.setdefault(name, deque())
            if queue:
                turn.acquire()
            queue.append(turn)
        return turn

    def _step_back(self, name: str, turn: Lock) -> bool:
        """Leaves the queue; true when the turn came in the same moment and is held after all."""
        with self._guard:
            queue = self._queues[name]
            if queue[0] is turn:
                return True
            queue.remove(turn)
            return False

    def _pass_on(self, name: str) -> None:
        with self._guard:
            queue = self._queues[name]
            queue.popleft()
            if queue:
                queue[0].release()
            else:
                del self._queues[name]
