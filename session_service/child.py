"""Helper processes of the server, none of which outlives the server process."""

import logging
import os
import subprocess
import sys
import threading
import time
from abc import ABC, abstractmethod
from contextlib import suppress
from pathlib import Path

RESPAWN_S = 2.0
LONGEST_PAUSE_S = 30.0
STEADY_S = 10.0  # who lived so long did not fail at its start
ROOT = Path(__file__).parents[1]

log = logging.getLogger(__name__)


class Child(ABC):
    """The hold of one server process on one helper, a Python module on a `Leash`.

    All methods but `release` are for the process that made it. None needs a thread, and
    `ensure` may be called from one.
    """

    name = "helper"
    stop_timeout_s = 20.0

    def __init__(self) -> None:
        self._owner = os.getpid()
        self._lock = threading.Lock()
        self._stopped = False
        self._started = self._not_before = 0.0
        self._pause = RESPAWN_S / 2
        self._process = self._spawn()

    @abstractmethod
    def command(self) -> list[str]:
        """The module and its arguments, when the helper is started for the first time or again."""

    def last_words(self) -> str:
        """What is known of why the helper has ended; its standard output is at its end."""
        return ""

    @property
    def pid(self) -> int:
        return self._process.pid

    def alive(self) -> bool:
        """Whether the helper runs; costs one system call."""
        return self._process.poll() is None

    def ensure(self) -> None:
        """Start the helper again if it has died, without waiting for it; call it every second."""
        with self._lock:
            if not self._stopped and not self.alive() and time.monotonic() >= self._not_before:
                self._replace()

    def release(self) -> None:
        """In a forked worker: let go, so that the helper's life hangs on the parent alone."""
        self._stopped = True
        self._let_go()
        self._process.returncode = 0  # it is no child of this process

    def tell(self) -> None:
        """Tell the helper to end; one system call, also from a signal handler."""
        with suppress(OSError, ValueError):  # it may have ended by itself
            os.write(self._stdin, b".")

    def stop(self) -> None:
        """Have the helper end cleanly, or kill it when that takes too long; again is harmless."""
        if os.getpid() != self._owner:
            return
        with self._lock:
            if self._stopped:
                return
            self._stopped = True
        self.tell()
        self._let_go()
        try:
            self._process.wait(self.stop_timeout_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _replace(self) -> None:
        log.warning("%s %d ended: %s", self.name, self._process.pid, self.last_words() or "killed")
        steady = time.monotonic() - self._started > STEADY_S
        self._pause = RESPAWN_S if steady else min(self._pause * 2, LONGEST_PAUSE_S)
        self._not_before = time.monotonic() + self._pause
        try:
            fresh = self._spawn()
        except OSError as error:
            log.warning("%s cannot be started: %s", self.name, error)
            return
        self._let_go()
        self._process = fresh

    def _spawn(self) -> subprocess.Popen[bytes]:
        self._started = time.monotonic()
        return subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", *self.command()],
            cwd=ROOT,  # found there by -m, in a checkout as well
            env={k: v for k, v in os.environ.items() if k != "PYTHONSAFEPATH"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
        )

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
