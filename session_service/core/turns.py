"""First come, first served: one sender at a time for each log, within this process."""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

from session_service.errors import Unavailable


class Turn:
    """One sender's place in a queue: taken when `lock` can be had."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.void = False


class Turns:
    """Fair locks by name; a plain lock lets some wait for seconds, and processes lock-step."""

    def __init__(self) -> None:
        self._guard = Lock()
        self._queues: dict[str, deque[Turn]] = {}

    @contextmanager
    def of(self, name: str, timeout_s: float) -> Iterator[None]:
        """Holds the turn of `name`.

        Unavailable when it does not come within `timeout_s`, or when the one who has it finds
        the database Unavailable: those behind need not find that out one by one.
        """
        turn = self._queue_up(name)
        acquired = turn.lock.acquire(timeout=max(timeout_s, 0))
        if turn.void or not (acquired or self._step_back(name, turn)):
            raise Unavailable("too many at once, or no database")
        try:
            yield
        except Unavailable:
            self._send_away(name)
            raise
        finally:
            self._pass_on(name)

    def _queue_up(self, name: str) -> Turn:
        turn = Turn()
        with self._guard:
            queue = self._queues.setdefault(name, deque())
            if queue:
                turn.lock.acquire()
            queue.append(turn)
        return turn

    def _step_back(self, name: str, turn: Turn) -> bool:
        """Leaves the queue; true when the turn came in the same moment and is held after all."""
        with self._guard:
            if turn.void:
                return False
            queue = self._queues[name]
            if queue[0] is turn:
                return True
            queue.remove(turn)
            return False

    def _send_away(self, name: str) -> None:
        """Ends the waiting of all who stand behind the first."""
        with self._guard:
            queue = self._queues[name]
            while len(queue) > 1:
                turn = queue.pop()
                turn.void = True
                turn.lock.release()

    def _pass_on(self, name: str) -> None:
        with self._guard:
            queue = self._queues[name]
            queue.popleft()
            if queue:
                queue[0].lock.release()
            else:
                del self._queues[name]
