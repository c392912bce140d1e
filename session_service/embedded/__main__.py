"""`python -m session_service.embedded DATA_DIR [PORT]`: the supervisor, for a server process."""

import os
import sys
from contextlib import suppress
from pathlib import Path

from session_service.embedded.errors import EmbeddedError, InUse
from session_service.embedded.handle import FAILED, IN_USE, READY
from session_service.embedded.record import DataDir
from session_service.embedded.supervisor import Supervisor, say
from session_service.leash import Leash, Released


class Report:
    """Standard output, for one answer to the server; what comes later is logged."""

    def __init__(self) -> None:
        self._told = False

    def __call__(self, word: str, rest: str = "") -> None:
        if self._told:
            say(f"{word} {rest}")
            return
        self._told = True
        with suppress(OSError):
            os.write(1, f"{word} {rest}".encode())
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, 1)
        os.close(silence)


def main(data_dir: Path, port: int = 0) -> int:
    """Run until the server is done; 0, or 1 after telling what is wrong."""
    os.umask(0o077)
    report = Report()
    try:
        Supervisor(DataDir(data_dir), Leash(), lambda: report(READY), port).run()
    except Released:
        return 0
    except InUse as error:
        report(IN_USE, str(error))
    except EmbeddedError as error:
        report(FAILED, str(error))
    except OSError as error:
        report(FAILED, f"data directory {data_dir}: {error.strerror or error}")
    return 1


if __name__ == "__main__":
    # Not by way of sys.exit, which waits half a second for the driver's threads.
    os._exit(main(Path(sys.argv[1]), *map(int, sys.argv[2:])))
