"""A database process whose supervisor is gone: told from a stranger, and ended."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from session_service.embedded.engine import PROGRAM, STOP_GRACE_S
from session_service.embedded.record import DataDir

KILL_GRACE_S = 2.0
POLL_S = 0.05


def end_leftover(data_dir: DataDir, pid: int, pause: Callable[[float], None]) -> None:
    """End the process `pid` if it is a database on this data directory; never a stranger."""
    for number, grace_s in ((signal.SIGINT, STOP_GRACE_S), (signal.SIGKILL, KILL_GRACE_S)):
        if not is_database(data_dir, pid):
            return
        with suppress(ProcessLookupError):
            os.kill(pid, number)
        deadline = time.monotonic() + grace_s
        while is_database(data_dir, pid) and time.monotonic() < deadline:
            pause(POLL_S)


def is_database(data_dir: DataDir, pid: int) -> bool:
    """Whether this process is a database program started on this data directory."""
    command = command_line(pid) + " "
    return PROGRAM in command and f" --storage-path {data_dir.storage} " in command


def command_line(pid: int) -> str:
    """The words of a running process' command, joined by blanks; "" when there is none."""
    if sys.platform == "linux":
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            return ""
        return os.fsdecode(words.rstrip(b"\0").replace(b"\0", b" "))
    ps = ["/bin/ps", "-ww", "-o", "command=", "-p", str(pid)]
    return subprocess.run(ps, capture_output=True, text=True, check=False).stdout.strip()  # noqa: S603
