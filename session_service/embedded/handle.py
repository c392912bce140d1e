"""The running database, as the server process that started it holds it."""

import logging
import os
import select
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

from session_service.embedded.errors import EmbeddedError, InUse
from session_service.embedded.record import DataDir

# What the supervisor says on its standard output, once.
READY = "ready"
IN_USE = "in-use"
FAILED = "failed"

ANSWER_TIMEOUT_S = 35.0  # a little longer than the supervisor gives itself
STOP_TIMEOUT_S = 20.0
RESPAWN_S = 2.0
ROOT = Path(__file__).parents[2]

log = logging.getLogger(__name__)


class EmbeddedDatabase:
    """The hold of one server process on its database; made by `start`.

    All methods but `release` are for the process that called `start`. None needs a thread, and
    `ensure` may be called from one.
    """

    uri = ""
    """The MongoDB URI, password included; the same until `stop`, whatever dies meanwhile."""

    def __init__(self, data_dir: Path) -> None:
        self._shown = data_dir
        self._dir = DataDir(data_dir.resolve())
        self._owner = os.getpid()
        self._lock = threading.Lock()
        self._stopped = False
        self._not_before = 0.0
        self._process = self._spawn()

    def await_ready(self) -> None:
        """Return when the database answers; EmbeddedError, and nothing left, when it will not."""
        try:
            word, _, rest = self._answer().partition(" ")
            record = self._dir.read_record()
        except BaseException:
            self.stop()
            raise
        if word == READY and record is not None:
            self.uri = record.uri
            return
        self.stop()
        if word == IN_USE:
            raise InUse(f"data directory {self._shown} is in use by process {rest}")
        raise EmbeddedError(rest or "the embedded database did not start")

    def alive(self) -> bool:
        """Whether the supervisor runs; costs one system call."""
        return self._process.poll() is None

    def ensure(self) -> None:
        """Start another supervisor if it has died, without waiting for it; call it every second.

        Port and password stay the same.
        """
        with self._lock:
            if not self._stopped and not self.alive() and time.monotonic() >= self._not_before:
                self._replace()

    def release(self) -> None:
        """In a forked worker: let go, so that the database's life hangs on the parent alone."""
        self._stopped = True
        self._let_go()
        self._process.returncode = 0  # it is no child of this process

    def stop(self) -> None:
        """Stop the database cleanly and wait for it, 20 s at most; again is harmless."""
        if os.getpid() != self._owner:
            return
        with self._lock:
            if self._stopped:
                return
            self._stopped = True
        with suppress(OSError):  # it may have ended by itself
            os.write(self._stdin, b".")
        self._let_go()
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _replace(self) -> None:
        reason = self._last_answer().removeprefix(READY) or "killed"
        log.warning("database: supervisor %d ended: %s", self._process.pid, reason)
        self._not_before = time.monotonic() + RESPAWN_S
        try:
            fresh = self._spawn()
        except OSError as error:
            log.warning("database: no supervisor can be started: %s", error)
            return
        self._let_go()
        self._process = fresh

    def _spawn(self) -> subprocess.Popen[bytes]:
        port = self.uri.rpartition(":")[2].partition("/")[0]
        command = [sys.executable, "-m", "session_service.embedded", str(self._dir.path)]
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONSAFEPATH"}
        return subprocess.Popen(  # noqa: S603
            command + ([port] if port else []),
            cwd=ROOT,  # found there by -m, in a checkout as well
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
        )

    def _answer(self) -> str:
        deadline = time.monotonic() + ANSWER_TIMEOUT_S
        said = b""
        while (left := deadline - time.monotonic()) > 0:
            if not select.select([self._stdout], [], [], left)[0]:
                break
            more = os.read(self._stdout, 4096)
            if not more:
                return said.decode(errors="replace").strip()
            said += more
        return ""

    def _last_answer(self) -> str:
        with suppress(OSError):
            return os.read(self._stdout, 4096).decode(errors="replace").strip()
        return ""

    @property
    def _stdin(self) -> int:
        assert self._process.stdin is not None  # noqa: S101
        return self._process.stdin.fileno()

    @property
    def _stdout(self) -> int:
        assert self._process.stdout is not None  # noqa: S101
        return self._process.stdout.fileno()

    def _let_go(self) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
