"""Waiting for a log's next message, whoever stores it: one look for all who wait."""

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any, TypeVar

import structlog

from session_service.errors import ServiceError

LOOK_EVERY_S = 0.4

T = TypeVar("T")

log = structlog.get_logger(__name__)


class _Moment:
    """A place of a log that some wait to see left behind; the first of them reads for all."""

    def __init__(self) -> None:
        self.waiters = 0
        self.past = threading.Event()
        self.read: Future[Any] = Future()
        self._reading = threading.Lock()

    def reading(self, read: Callable[[], T]) -> T:
        if self._reading.acquire(blocking=False):
            try:
                self.read.set_result(read())
            except BaseException as error:
                self.read.set_exception(error)
                raise
        result: T = self.read.result()
        return result


class Waiters:
    """Those who wait in this process.

    While there are any, one thread asks how far their logs are committed, by one read for all.
    """

    def __init__(
        self, seqs: Callable[[Sequence[str]], Mapping[str, int]], every_s: float = LOOK_EVERY_S
    ) -> None:
        self._seqs = seqs
        self._every_s = every_s
        self._guard = threading.Lock()
        self._awaited: dict[tuple[str, int], _Moment] = {}
        self._looking = False

    def wait(self, log_id: str, seq: int, timeout_s: float, read: Callable[[], T]) -> T | None:
        """What `read` gives once the log is committed past `seq`; None after the timeout.

        All who wait for the same get what one of them has read.
        """
        moment = self._join(log_id, seq)
        try:
            return moment.reading(read) if moment.past.wait(timeout_s) else None
        finally:
            with self._guard:
                moment.waiters -= 1

    def _join(self, log_id: str, seq: int) -> _Moment:
        with self._guard:
            moment = self._awaited.setdefault((log_id, seq), _Moment())
            moment.waiters += 1
            if not self._looking:
                self._looking = True
                threading.Thread(target=self._look_around, daemon=True).start()
        return moment

    def _look_around(self) -> None:
        pause = threading.Event()
        while not pause.wait(self._every_s):
            with self._guard:
                awaited = {place: each for place, each in self._awaited.items() if each.waiters}
                self._awaited = awaited
                self._looking = bool(awaited)
            if not awaited:
                return
            self._look(list(awaited))

    def _look(self, places: Sequence[tuple[str, int]]) -> None:
        try:
            seqs = self._seqs(sorted({log_id for log_id, _ in places}))
        except ServiceError as error:
            log.warning("could not look for new messages", error=type(error).__name__)
            return
        with self._guard:
            for log_id, seq in places:
                if seqs.get(log_id, seq + 1) > seq:
                    self._awaited.pop((log_id, seq)).past.set()
