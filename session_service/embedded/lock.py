"""One supervisor to a data directory."""

import fcntl
import os
import time
from collections.abc import Callable
from typing import IO

from session_service.embedded.errors import InUse
from session_service.embedded.record import DataDir, State

POLL_S = 0.05
LIVE_HOLDER_S = 1.5  # so long the processes of a server killed just now may look alive


def held(data_dir: DataDir) -> bool:
    """Whether a supervisor lives, whatever its record says."""
    try:
        with data_dir.lock.open() as file:
            return not _try(file, fcntl.LOCK_SH)
    except FileNotFoundError:
        return False


def hold(data_dir: DataDir, deadline: float, pause: Callable[[float], None]) -> IO[str]:
    """The lock, ours until the file is closed; no child inherits it.

    Waits until `deadline` (monotonic seconds) for a supervisor that is stopping. InUse, with
    the other server's pid as its message, once it is plain that it goes on living.
    """
    file = data_dir.lock.open("r+")
    doubted = time.monotonic()
    while not _try(file, fcntl.LOCK_EX):
        now = time.monotonic()
        if not _goes_on(data_dir):
            doubted = now
        if now - doubted >= LIVE_HOLDER_S or now >= deadline:
            file.close()
            raise InUse(_holder(data_dir))
        pause(POLL_S)
    return file


def alive(pid: int) -> bool:
    """Whether there is such a process; one that ended and was not waited for counts."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _goes_on(data_dir: DataDir) -> bool:
    record = data_dir.read_record()
    return record is not None and record.state is not State.STOPPING and alive(record.server)


def _holder(data_dir: DataDir) -> str:
    record = data_dir.read_record()
    return str(record.server) if record else "unknown"


def _try(file: IO[str], kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
