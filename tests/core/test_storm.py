"""Many processes on few logs, on the real database; dying processes, and a dying database."""

import os
import secrets
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from session_service import embedded
from session_service.core.ids import new_log_id
from session_service.core.message_log import MessageLog
from session_service.embedded.record import DataDir
from session_service.models import Draft, Entry, Event
from session_service.store.database import EMBEDDED_OPTIONS, Database
from tests.core.conversations import ConversationStore
from tests.core.ledger import check
from tests.core.storm_process import MEMBERS, THREADS, Journal, Plan

ROOT = Path(__file__).parents[2]
PROCESSES = 4
LOGS = 3


class Storm:
    """Four processes of eight senders and a reader each, what they did, and what came of it."""

    def __init__(
        self, uri: str, name: str, options: Mapping[str, Any], folder: Path, **rest: Any
    ) -> None:
        self.database = Database(lambda: uri, name, options=options)
        self.store = ConversationStore(self.database)
        self.log = MessageLog(self.store, clock=lambda: time.time_ns() // 1_000_000)
        self.logs = [self.open_log() for _ in range(LOGS)]
        plan = Plan(uri, name, dict(options), self.logs, "", 0, secrets.randbits(32), **rest)
        print(f"seed {plan.seed}")  # noqa: T201
        self.plans = [
            replace(plan, process=number, journal=str(folder / f"journal {number}"))
            for number in range(PROCESSES)
        ]

    def open_log(self) -> str:
        log_id = new_log_id(0)
        self.store.insert_head(log_id, {})
        for member in MEMBERS:
            draft = Draft(member, "join", {"text": "join"}, events=(Event("add", member),))
            self.log.post(log_id, draft, admit=lambda head: None)
        return log_id

    def rage(self, disasters: Sequence[Callable[[], None]] = ()) -> None:
        """Until all is acknowledged; the disasters come evenly spread."""
        left = list(disasters)
        with self.processes() as processes:
            while processes.poll() is None:
                if left and self.progress() > 1 - len(left) / (len(disasters) + 1):
                    left.pop()()
                time.sleep(0.05)
        assert processes.returncode == 0
        assert not left

    @contextmanager
    def processes(self) -> Iterator["subprocess.Popen[bytes]"]:
        plans = [plan.to_json() for plan in self.plans]
        command = [sys.executable, "-m", "tests.core.storm_process", *plans]
        with subprocess.Popen(command, cwd=ROOT, start_new_session=True) as processes:
            try:
                yield processes
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(processes.pid, signal.SIGKILL)

    def told(self) -> dict[str, dict[str, Any]]:
        """What clients were told, by the keys of their messages."""
        told: dict[str, dict[str, Any]] = {}
        for plan in self.plans:
            told |= Journal(Path(plan.journal)).read()
        return told

    def progress(self) -> float:
        return len(self.told()) / len(self.keys())

    def keys(self) -> list[str]:
        return [key for plan in self.plans for i in range(THREADS) for key in plan.keys(i)]

    def recount(self) -> None:
        seen = {log_id: self.read(log_id) for log_id in self.logs}
        texts = Counter(entry.content["text"] for log in seen.values() for entry in log)
        told = self.told()
        assert sorted(told) == sorted(self.keys()), "lost on the way"
        for key, each in told.items():
            assert texts[key] == 1, f"{texts[key]} messages {key}"
            assert texts[f"re:{key}"] == 1, f"{texts[f're:{key}']} replies to {key}"
            for (entry_id, seq), text in ((each["entry"], key), (each["reply"], f"re:{key}")):
                entry = seen[each["log"]][seq - 1]
                assert (entry.id, entry.content["text"]) == (entry_id, text), f"not {entry}"

    def read(self, log_id: str) -> list[Entry]:
        head = self.store.find(log_id)
        assert head is not None
        entries = self.log.oldest(head.log)
        check(head.log, entries)
        return entries


def kill_database(folder: Path) -> None:
    """Returns when the next one is running."""
    record = DataDir(folder).read_record()
    assert record is not None
    assert record.database is not None
    os.kill(record.database, signal.SIGKILL)
    while (now := DataDir(folder).read_record()) is None or now.database == record.database:
        time.sleep(0.02)


@pytest.fixture
def own_database(tmp_path: Path) -> Iterator[embedded.EmbeddedDatabase]:
    database = embedded.start(tmp_path / "data")
    yield database
    database.stop()


def test_storm(
    mongo_uri: str, database_name: str, database_options: Mapping[str, Any], tmp_path: Path
) -> None:
    storm = Storm(mongo_uri, database_name, database_options, tmp_path, messages=6)
    storm.rage()
    storm.recount()
    storm.database.close()


def test_storm_with_deaths(own_database: embedded.EmbeddedDatabase, tmp_path: Path) -> None:
    storm = Storm(
        own_database.uri, "storm", EMBEDDED_OPTIONS, tmp_path, messages=5, death=1 / 200, deaths=4
    )
    storm.rage([partial(kill_database, tmp_path / "data")] * 2)
    storm.recount()
    storm.database.close()
