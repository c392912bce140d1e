"""Waiting for a log's next message, whoever stores it: one look for all who wait."""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import structlog

from session_service.errors import ServiceError

LOOK_EVERY_S = 0.4

log = structlog.get_logger(__name__)


@dataclass(eq=False)
class _Waiter:
    log_id: str
    seq: int
    woken: threading.Event = field(default_factory=threading.Event)


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
        self._waiting: set[_Waiter] = set()
        self._looking = False

    def wait(self, log_id: str, seq: int, timeout_s: float) -> None:
        """Returns when the log is committed past `seq` or gone, or after the timeout."""
        waiter = _Waiter(log_id, seq)
        with self._guard:
            self._waiting.add(waiter)
            if not self._looking:
                self._looking = True
                threading.Thread(target=self._look_around, daemon=True).start()
        try:
            waiter.woken.wait(timeout_s)
        finally:
            with self._guard:
                self._waiting.discard(waiter)

    def _look_around(self) -> None:
        pause = threading.Event()
        while True:
            pause.wait(self._every_s)
            with self._guard:
                waiting = list(self._waiting)
                if not waiting:
                    self._looking = False
                    return
            self._look(waiting)

    def _look(self, waiting: Sequence[_Waiter]) -> None:
        try:
            seqs = self._seqs(sorted({each.log_id for each in waiting}))
        except ServiceError as error:
            log.warning("could not look for new messages", error=type(error).__name__)
            return
        for waiter in waiting:
            if seqs.get(waiter.log_id, waiter.seq + 1) > waiter.seq:
                waiter.woken.set()
