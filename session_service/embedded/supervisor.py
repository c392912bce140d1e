"""The process between server and database: starts it, keeps it running, takes it down."""

import os
import secrets
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

from session_service.embedded import account, lock
from session_service.embedded.engine import STOP_GRACE_S, Engine
from session_service.embedded.errors import EmbeddedError
from session_service.embedded.leftover import end_leftover
from session_service.embedded.record import HOST, DataDir, Record, State, write_private
from session_service.leash import Leash

START_TIMEOUT_S = 30.0
LOCK_TIMEOUT_S = STOP_GRACE_S + 5.0
PORTS = range(20_000, 32_768)  # below those that systems give to outgoing connections
STEADY_S = 10.0  # who lived so long has not failed to start
FREE_RESTARTS = 5
LONGEST_PAUSE_S = 10.0
LOOK_PAUSE_S = 10.0


class Supervisor:
    """Runs one database on one data directory, from `run` to the end of the server.

    `ready` is called when it answers; `port` 0 takes any that is free.
    """

    def __init__(
        self, data_dir: DataDir, leash: Leash, ready: Callable[[], None], port: int
    ) -> None:
        self._dir = data_dir
        self._leash = leash
        self._ready = ready
        self._started = time.monotonic()
        self._record = Record(State.STARTING, leash.server, os.getpid(), port)

    def run(self) -> None:
        """Ends with Released when the server is done, EmbeddedError when there is no start."""
        until = self._started + LOCK_TIMEOUT_S
        with lock.hold(self._dir, until, self._leash.pause):
            self._end_leftover()
            self._engine = Engine(self._dir, self._record.port or free_port())
            try:
                self._start()
                self._watch()
            finally:
                self._stop()

    def _end_leftover(self) -> None:
        before = self._dir.read_record()
        if before is not None and before.database is not None:
            # It stays in the record, so that a supervisor killed right here hides nothing.
            self._note(database=before.database)
            end_leftover(self._dir, before.database, self._leash.pause)

    def _start(self) -> None:
        self._note(port=self._engine.port, database=None)
        try:
            self._open(self._dir.read_password() or self._provision())
        except account.Rejected:
            # The database was emptied or restored. Its files are ours, and so is the account.
            say("the password does not fit the data, setting another")
            self._engine.stop()
            self._open(self._provision())
        self._note(state=State.RUNNING)
        self._ready()

    def _open(self, password: str) -> None:
        self._launch(auth=True)
        self._note(password=password)
        account.sign_in(self._record.uri)

    def _provision(self) -> str:
        # The file is written last: without it, whatever was done is done again.
        password = secrets.token_urlsafe(32)
        self._launch(auth=False)
        account.set_password(self._engine.port, password)
        self._engine.stop()
        write_private(self._dir.password, password)
        return password

    def _launch(self, *, auth: bool) -> None:
        self._engine.launch(auth=auth)
        self._note(database=self._engine.pid)
        account.load_driver()
        deadline = self._started + START_TIMEOUT_S
        self._engine.await_listening(deadline, self._leash.pause)

    def _watch(self) -> None:
        failures, launched = 0, time.monotonic()
        look_at = launched + LOOK_PAUSE_S
        while True:
            self._leash.wait()
            if self._engine.exit_status() is None and time.monotonic() >= look_at:
                self._end_if_broken()
                look_at = time.monotonic() + LOOK_PAUSE_S
            if self._engine.exit_status() is None:
                continue
            say(f"ended ({self._engine.last_words()}), starting it again")
            if time.monotonic() - launched > STEADY_S:
                failures = 0
            self._leash.pause(min(max(0, failures - FREE_RESTARTS), LONGEST_PAUSE_S))
            self._revive()
            failures, launched = failures + 1, time.monotonic()

    def _end_if_broken(self) -> None:
        # Asked twice: one such answer may pass, and what follows costs everybody some seconds.
        if account.gave_up(self._record.uri) and account.gave_up(self._record.uri):
            say("it answers that it is broken, ending it")
            self._engine.kill()

    def _revive(self) -> None:
        # Whatever fails here, such as a full disk, may be over at the next attempt.
        try:
            self._engine.launch(auth=True)
            self._note(database=self._engine.pid)
        except (OSError, EmbeddedError) as error:
            say(str(error))

    def _stop(self) -> None:
        with suppress(OSError):
            self._note(state=State.STOPPING)
        self._engine.stop()
        with suppress(OSError):
            self._dir.record.unlink()

    def _note(self, **changes: Any) -> None:
        self._record = replace(self._record, **changes)
        self._dir.write_record(self._record)


def free_port() -> int:
    """Any loopback port that nobody listens on."""
    for port in secrets.SystemRandom().sample(PORTS, 100):
        with suppress(OSError), socket.create_server((HOST, port)):
            return port
    raise EmbeddedError("there is no free port for the embedded database")


def say(text: str) -> None:
    """A line for the server's log."""
    with suppress(OSError):
        sys.stderr.write(f"database: {text}\n")
        sys.stderr.flush()
