"""The database process, secantusd: found, started, stopped. GPL, hence never imported."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

from session_service.embedded.errors import EmbeddedError
from session_service.embedded.record import HOST, DataDir
from session_service.leash import die_with_parent

PROGRAM = "secantusd-py"
NOT_INSTALLED = (
    'the embedded database is not installed: add the extra, pip install ".[embedded]" in a'
    " checkout, or set MONGO_URI"
)
CACHE_SIZE = "256M"
LOG_LIMIT_BYTES = 10 * 1024 * 1024
STOP_GRACE_S = 10.0
RESEND_S = 0.5
POLL_S = 0.02


def find_program() -> Path:
    """Where the database program is: beside this Python, else on the path."""
    beside = Path(sys.executable).parent / PROGRAM
    if beside.is_file():
        return beside
    found = shutil.which(PROGRAM)
    if found is None:
        raise EmbeddedError(NOT_INSTALLED)
    return Path(found).absolute()


class Engine:
    """One database process at a time, on one data directory and one port."""

    def __init__(self, data_dir: DataDir, port: int) -> None:
        self.port = port
        self._dir = data_dir
        self._program = find_program()
        self._process: subprocess.Popen[bytes] | None = None
        self._log_start = 0

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def exit_status(self) -> int | None:
        """None while the process runs."""
        return self._process.poll() if self._process else None

    def launch(self, *, auth: bool) -> None:
        """Start the process; it does not listen yet."""
        _rotate(self._dir.log)
        self._dir.config.touch(mode=0o600)
        with self._dir.log.open("ab") as log:
            self._log_start = log.tell()
            self._process = subprocess.Popen(  # noqa: S603
                self._command(auth=auth),
                cwd=self._dir.path,
                env=_environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=partial(die_with_parent, os.getpid()),
            )

    def await_listening(self, deadline: float, pause: Callable[[float], None]) -> None:
        """Return when it takes connections; EmbeddedError when it ends or `deadline` passes."""
        while not listens(self.port):
            if self.exit_status() is not None:
                raise EmbeddedError(f"the embedded database does not start: {self.last_words()}")
            if time.monotonic() >= deadline:
                raise EmbeddedError(f"the embedded database does not answer, see {self._dir.log}")
            pause(POLL_S)

    def stop(self) -> None:
        """Stop it with a checkpoint; kill it when that takes longer than 10 s."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGINT)
        deadline = time.monotonic() + STOP_GRACE_S
        while not self._ends_within(RESEND_S) and time.monotonic() < deadline:
            # It may sleep through a signal that comes at the wrong moment; a second one would
            # disturb the checkpoint, were it not still taking connections.
            if listens(self.port):
                self._process.send_signal(signal.SIGINT)
        self.kill()

    def kill(self) -> None:
        """End it at once; what it acknowledged is on the disk."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def last_words(self) -> str:
        """The last line that this process wrote to its log."""
        with suppress(OSError), self._dir.log.open("rb") as log:
            log.seek(self._log_start)
            said = log.read().decode(errors="replace").strip()
            if said:
                return said.splitlines()[-1]
        return f"exit status {self.exit_status()}"

    def _command(self, *, auth: bool) -> list[str]:
        # Without an own configuration file it would pick one up from a home directory.
        options = {
            "--config": self._dir.config,
            "--host": HOST,
            "--port": self.port,
            "--storage-path": self._dir.storage,
            "--cache-size": CACHE_SIZE,
            "--log-level": "WARNING",
        }
        pairs = [str(part) for option in options.items() for part in option]
        return [str(self._program), *pairs, "--sync-on-commit", *(["--auth"] if auth else [])]

    def _ends_within(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while self.exit_status() is None and time.monotonic() < deadline:
            listens(self.port)  # it goes on at the next connection, or 2 s later
            time.sleep(POLL_S)
        return self.exit_status() is not None


def listens(port: int) -> bool:
    """Whether something takes connections on this port."""
    try:
        socket.create_connection((HOST, port), timeout=1).close()
    except OSError:
        return False
    return True


def _rotate(log: Path) -> None:
    log.touch(mode=0o600)
    if log.stat().st_size > LOG_LIMIT_BYTES:
        log.replace(log.with_name(log.name + ".1"))
        log.touch(mode=0o600)


def _environment() -> dict[str, str]:
    # Variables of its own switch durability off and the like.
    return {name: value for name, value in os.environ.items() if not name.startswith("SECANTUS")}
