"""A host name of the service's own, the same for one data directory at every start."""

import fcntl
import os
import re
import secrets
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

FILE = "mdns_host"
PREFIX = "session-service-"
KEPT = re.compile(rf"{PREFIX}[0-9a-f]{{4}}\.local\.")
PATIENCE_S = 3.0  # for the announcer before this one, which is saying goodbye
POLL_S = 0.1


class HostName:
    """`session-service-<4 hex>.local.`; the machine's own name is its own to announce.

    Who has it holds the lock on the file it is kept in. Where another server has it, or nothing
    can be written, a passing name will do.
    """

    def __init__(self, data_dir: Path, pause: Callable[[float], None]) -> None:
        self._file = _locked(data_dir / FILE, pause)
        self.name = self._kept() or self._fresh()

    def change(self) -> None:
        """Take another name: this one is somebody else's on the LAN."""
        self.name = self._fresh()

    def close(self) -> None:
        """Leave the directory to the next one."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _kept(self) -> str | None:
        if self._file is None:
            return None
        kept = os.pread(self._file, 100, 0).decode(errors="replace").strip()
        return kept if KEPT.fullmatch(kept) else None

    def _fresh(self) -> str:
        name = f"{PREFIX}{secrets.token_hex(2)}.local."
        if self._file is not None:
            with suppress(OSError):
                os.ftruncate(self._file, 0)
                os.pwrite(self._file, f"{name}\n".encode(), 0)
        return name


def _locked(path: Path, pause: Callable[[float], None]) -> int | None:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError:
        return None
    for _ in range(round(PATIENCE_S / POLL_S)):
        with suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return file
        pause(POLL_S)
    os.close(file)
    return None
