"""Processes that share one database and take their steps, one at a time, when they are told to."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import Enum
from typing import Any

from greenlet import getcurrent, greenlet
from pymongo.database import Database as MongoDatabase

from session_service.errors import ServiceError, Unavailable
from session_service.models import Entry
from session_service.store.database import Database, Deadline
from session_service.store.logs import LogStore
from tests.mocked import MockedClient

MORNING = 1_750_000_000_000


class Fate(Enum):
    """What becomes of an operation; whether it was lost or its answer, the process cannot know."""

    DONE = "done"
    ANSWER_LOST = "done, but the answer is lost"
    LOST = "lost"
    KILLED = "never begun: the process is dead"


class Process(greenlet):
    """One process with one thing to do; `step` lets it do one operation, and go on to the next.

    `patience` is how many failures it takes before its time is up.
    """

    result: Any = None

    def __init__(self, work: Callable[[], object], patience: int = 0) -> None:
        super().__init__()
        self._work = work
        self.patience = patience
        self.mishaps = 0
        self.switch()

    def run(self) -> None:
        try:
            self.result = self._work()
        except ServiceError as error:
            self.result = error

    def step(self, fate: Fate = Fate.DONE) -> None:
        if fate is Fate.KILLED:
            self.kill()
        else:
            self.mishaps += fate is not Fate.DONE
            self.switch(fate)

    def kill(self) -> None:
        """It ends right here, and nobody hears of it."""
        self.throw()


class ProcessDeadline(Deadline):
    """The time of the process that asks is up when its patience is."""

    def left(self) -> float:
        process = getcurrent()
        return process.patience - process.mishaps + 0.5 if isinstance(process, Process) else 1.0


class SteppedDatabase(Database):
    """Every operation of a process waits for the scheduler, who decides on its fate."""

    writes = 0

    @contextmanager
    def deadline(self) -> Iterator[Deadline]:
        yield ProcessDeadline(0)

    @contextmanager
    def reading(self) -> Iterator[MongoDatabase[dict[str, Any]]]:
        fate = pause()
        if fate is Fate.LOST:
            raise Unavailable(fate.value)
        with super().reading() as database:
            yield database
        if fate is Fate.ANSWER_LOST:
            raise Unavailable(fate.value)

    @contextmanager
    def writing(self) -> Iterator[MongoDatabase[dict[str, Any]]]:
        with super().writing() as database:
            self.writes += 1
            yield database


def pause() -> Fate:
    """Waits until the scheduler lets the process go on; no more than that for anyone else."""
    process = getcurrent()
    if not isinstance(process, Process):
        return Fate.DONE
    fate: Fate = process.parent.switch()
    return fate


class Piecemeal(LogStore[Any]):
    """Promises no more than a database does: neither several inserts nor a scan are one step."""

    def insert(self, log_id: str, entries: Sequence[Entry]) -> bool:
        store = super()
        return all(store.insert(log_id, [entry]) for entry in entries)

    def between(self, log_id: str, after: int, before: int) -> list[Entry]:
        first = super().between(log_id, after, min(after + 3, before))
        return first + super().between(log_id, after + 2, before)


class World:
    """What the processes share: the database, and the time in ms, which may jump."""

    def __init__(self) -> None:
        client: Any = MockedClient()
        self.database = SteppedDatabase(lambda: "", "test", connect=lambda *_, **__: client)
        self.now = MORNING
        self.steady = 0

    def clock(self) -> int:
        return self.now

    def steady_clock(self) -> int:
        return self.steady

    def sleep(self, seconds: float) -> None:
        self.now += int(seconds * 1000)
        self.steady += int(seconds * 1000)
