"""The running database, as the server process that started it holds it."""

import os
import select
import time
from contextlib import suppress
from pathlib import Path

from session_service.child import Child
from session_service.embedded.errors import EmbeddedError, InUse
from session_service.embedded.record import DataDir

# What the supervisor says on its standard output, once.
READY = "ready"
IN_USE = "in-use"
FAILED = "failed"

ANSWER_TIMEOUT_S = 35.0  # a little longer than the supervisor gives itself


class EmbeddedDatabase(Child):
    """The hold of one server process on its database; made by `start`.

    Port and password stay the same when the supervisor has to be started again.
    """

    name = "database: supervisor"
    uri = ""
    """The MongoDB URI, password included; the same until `stop`, whatever dies meanwhile."""

    def __init__(self, data_dir: Path) -> None:
        self._shown = data_dir
        self._dir = DataDir(data_dir.resolve())
        super().__init__()

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
            raise InUse(f"data directory {self._dir.path} is in use by process {rest}")
        raise EmbeddedError(rest or "the embedded database did not start")

    def command(self) -> list[str]:
        """The supervisor's; it takes the same port again."""
        port = self.uri.rpartition(":")[2].partition("/")[0]
        return ["session_service.embedded", str(self._dir.path), *([port] if port else [])]

    def last_words(self) -> str:
        with suppress(OSError):
            said = os.read(self._stdout, 4096).decode(errors="replace").strip()
            return said.removeprefix(READY)
        return ""

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
