"""The ties between server process and helpers: nobody outlives the one that started it."""

import ctypes
import os
import select
import signal
import sys
import time
from types import FrameType

PR_SET_PDEATHSIG = 1
BEAT_S = 1.0  # the longest a helper sleeps without looking at its parent


class Released(Exception):
    """The server process has ended or has said that it is done."""


class Leash:
    """What ties a helper process to its server: the pipe on standard input, and its parent.

    The server alone holds the pipe's other end; a byte from it or its end means stop.
    """

    def __init__(self) -> None:
        self._server = os.getppid()
        self._wake, poke = os.pipe()
        os.set_blocking(poke, False)
        os.set_blocking(self._wake, False)
        signal.set_wakeup_fd(poke, warn_on_full_buffer=False)
        _take_signals()
        # The death signal also comes when only the parent's starting thread ends: it does no
        # more than wake the helper up, which then looks who its parent is.
        _ask_for_death_signal(signal.SIGUSR1)

    @property
    def server(self) -> int:
        """The server's pid."""
        return self._server

    @property
    def descriptors(self) -> tuple[int, int]:
        """For event loops: what becomes readable when it is worth asking whether it is `over`."""
        return sys.stdin.fileno(), self._wake

    def over(self) -> bool:
        """Whether it is time to stop."""
        return self._look(0)

    def pause(self, seconds: float) -> None:
        """Sleep; Released as soon as it is time to stop."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if self._look(min(left, BEAT_S)):
                raise Released

    def wait(self) -> None:
        """Sleep until a child has ended, or for a beat; Released when it is time to stop."""
        if self._look(BEAT_S):
            raise Released

    def _look(self, seconds: float) -> bool:
        stdin = sys.stdin.fileno()
        ready, _, _ = select.select([stdin, self._wake], [], [], seconds)
        if self._wake in ready:
            os.read(self._wake, 4096)
        return stdin in ready or os.getppid() != self._server


def die_with_parent(parent: int) -> None:
    """Between fork and exec: have this process killed when `parent` ends (Linux only)."""
    _ask_for_death_signal(signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def _take_signals() -> None:
    # Ctrl-C at the terminal and a service manager's SIGTERM to all processes are the server's
    # to hear: its requests in flight still need the database. What is blocked here stays
    # blocked in the database process, which therefore is stopped with SIGINT.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGHUP})
    for number in (signal.SIGINT, signal.SIGUSR1, signal.SIGCHLD):
        signal.signal(number, _wake_up)


def _wake_up(_number: int, _frame: FrameType | None) -> None:
    return


def _ask_for_death_signal(number: int) -> None:
    if _libc is not None:
        _libc.prctl(PR_SET_PDEATHSIG, number, 0, 0, 0)


# Loaded here since little may be done between fork and exec.
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None
