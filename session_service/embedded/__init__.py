"""The embedded database: a child process, started and ended by the server process.

server process -> supervisor (`python -m session_service.embedded`) -> secantusd. The server
needs no thread for it; when it ends, by whatever means, so do the others.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from session_service.embedded import lock
from session_service.embedded.engine import find_program
from session_service.embedded.errors import EmbeddedError, InUse
from session_service.embedded.handle import ANSWER_TIMEOUT_S, EmbeddedDatabase
from session_service.embedded.record import DataDir, Record, State

__all__ = ["EmbeddedDatabase", "EmbeddedError", "InUse", "locate", "running", "start"]

POLL_S = 0.1


def start(data_dir: Path) -> EmbeddedDatabase:
    """Start the database of this directory, made if missing; it answers when this returns.

    Takes 30 s at most. EmbeddedError when the program is not installed, the directory cannot be
    written or the database does not start; InUse when another server has the directory.
    """
    find_program()
    DataDir(data_dir).prepare()
    database = EmbeddedDatabase(data_dir)
    database.await_ready()
    return database


def locate(data_dir: Path) -> str:
    """The MongoDB URI of the database that runs on this directory; EmbeddedError if none does."""
    record = _live_record(DataDir(data_dir))
    if record is None or record.state is not State.RUNNING:
        raise EmbeddedError(f"no database runs on {data_dir}")
    return record.uri


@contextmanager
def running(data_dir: Path) -> Iterator[str]:
    """For command lines: the URI of the running database, or of one started for the block.

    Raises what `start` raises. A server that starts in the meantime is told that the directory
    is in use.
    """
    _await_start(DataDir(data_dir))
    try:
        uri = locate(data_dir)
    except EmbeddedError:
        database = start(data_dir)
    else:
        yield uri
        return
    try:
        yield database.uri
    finally:
        database.stop()


def _await_start(data_dir: DataDir) -> None:
    deadline = time.monotonic() + ANSWER_TIMEOUT_S
    while time.monotonic() < deadline:
        record = _live_record(data_dir)
        if record is None or record.state is not State.STARTING:
            return
        time.sleep(POLL_S)


def _live_record(data_dir: DataDir) -> Record | None:
    return data_dir.read_record() if lock.held(data_dir) else None
