"""Waiting for a log's next message, whoever stores it."""

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import closing
from typing import Any, Protocol, TypeVar

import structlog

from session_service.errors import ServiceError

LOOK_EVERY_S = 0.4
GONE = 2**53

T = TypeVar("T")
Seqs = Mapping[str, int]

log = structlog.get_logger(__name__)


class CommitStream(Protocol):
    """What a server tells of the logs that go on."""

    def wait(self, seconds: float) -> Seqs | None:
        """What is told within that time; None where something may have been missed."""

    def close(self) -> None: ...


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

    While there are any, one thread listens to what the server tells; who is new, and all where
    it tells nothing, are looked for by one read of `seqs`, how far logs are committed.
    """

    def __init__(
        self,
        seqs: Callable[[Sequence[str]], Seqs],
        stream: Callable[[], CommitStream],
        every_s: float = LOOK_EVERY_S,
    ) -> None:
        self._seqs = seqs
        self._stream = stream
        self._every_s = every_s
        self._guard = threading.Lock()
        self._awaited: dict[str, dict[int, _Moment]] = {}
        self._new: set[str] = set()  # logs that have been awaited since the last look
        self._listening = False

    def wait(self, log_id: str, seq: int, timeout_s: float, read: Callable[[], T]) -> T | None:
        """What `read` gives once the log is committed past `seq`; None after the timeout.

        All who wait for the same get what one of them has read.
        """
        moment = self._join(log_id, seq)
        try:
            return moment.reading(read) if moment.past.wait(timeout_s) else None
        finally:
            self._leave(log_id, seq, moment)

    def _join(self, log_id: str, seq: int) -> _Moment:
        with self._guard:
            moment = self._awaited.setdefault(log_id, {}).setdefault(seq, _Moment())
            moment.waiters += 1
            self._new.add(log_id)
            if not self._listening:
                self._listening = True
                threading.Thread(target=self._listen, daemon=True).start()
        return moment

    def _leave(self, log_id: str, seq: int, moment: _Moment) -> None:
        with self._guard:
            moment.waiters -= 1
            moments = self._awaited.get(log_id, {})
            if not moment.waiters and moments.get(seq) is moment:
                del moments[seq]
            if not moments:
                self._awaited.pop(log_id, None)

    def _listen(self) -> None:
        try:
            with closing(self._stream()) as stream:
                while self._look_around(stream):
                    pass
        except BaseException:
            with self._guard:
                self._listening = False  # who comes next begins anew
            raise

    def _look_around(self, stream: CommitStream) -> bool:
        """Wakes whoever has something to read; false when nobody waits any more."""
        told = stream.wait(self._every_s)
        with self._guard:
            if not self._awaited:
                self._listening = False
                return False
            unseen = list(self._awaited) if told is None else list(self._new)
            self._new.clear()
        self._wake(told or {})
        self._wake(self._look(unseen))
        return True

    def _look(self, log_ids: Sequence[str]) -> Seqs:
        """How far they are committed, those that are gone as if far; empty where it fails."""
        try:
            found = self._seqs(sorted(log_ids)) if log_ids else {}
        except ServiceError as error:
            log.warning("could not look for new messages", error=type(error).__name__)
            with self._guard:
                self._new.update(log_ids)
            return {}
        return {log_id: found.get(log_id, GONE) for log_id in log_ids}

    def _wake(self, seqs: Seqs) -> None:
        with self._guard:
            for log_id, seq in seqs.items():
                moments = self._awaited.get(log_id, {})
                for past in [each for each in moments if each < seq]:
                    moments.pop(past).past.set()
