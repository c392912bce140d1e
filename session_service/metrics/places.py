"""Where the workers of one server keep their counts: files in memory that outlive each of them.

A worker counts in the files of its place, and the next worker at that place goes on with them. So
a count survives the worker, and there are never more files than workers at once. This module knows
the files' names and sizes, and `measures.py` their content.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

MEMORY = Path("/dev/shm")  # noqa: S108  Linux: no disk that could be slow or full
PREFIX = "session-service-metrics-"
# Reserved in full: touching a page that a full file system cannot give would end the process.
RESERVED = {"counter": 128 * 1024, "histogram": 512 * 1024, "gauge_livesum": 4096}
LIVE = "gauge_livesum"
EMPTY = bytes(8)  # what the head of a file says while nothing is in it


@dataclass(frozen=True, slots=True)
class Place:
    """One worker's files in the folder: those whose names end with its number."""

    folder: Path
    number: int

    @property
    def pid_file(self) -> Path:
        return self.folder / f"{self.number}.pid"

    def file(self, kind: str) -> Path:
        return self.folder / f"{kind}_{self.number}.db"

    def reserve(self) -> None:
        """Makes the files, or what is missing of them, in full; OSError where there is no room."""
        for kind, size in RESERVED.items():
            with self.file(kind).open("ab") as file:
                fill(file, size)

    def forget_worker(self) -> None:
        """Sets back what counts only while its worker lives."""
        with suppress(OSError):
            self.pid_file.unlink(missing_ok=True)
            with self.file(LIVE).open("r+b") as file:
                file.write(EMPTY)

    def files(self) -> list[Path]:
        """The files of all places."""
        return self._found("*.db")

    def workers(self) -> Iterator[tuple[int, int, float]]:
        """Number, pid and start (seconds since 1970) of every worker that lives."""
        for file in self._found("*.pid"):
            with suppress(OSError, ValueError):  # it ends this moment
                yield int(file.stem), int(file.read_text()), file.stat().st_mtime

    def _found(self, pattern: str) -> list[Path]:
        with suppress(OSError):  # the folder goes this moment
            return sorted(self.folder.glob(pattern))
        return []


class Places:
    """The folder of one server process; new and empty at its start, gone at its end."""

    def __init__(self, workers: int) -> None:
        """Makes it, with room for so many and for those that follow them at a reload.

        OSError when it can be made nowhere.
        """
        self._room = workers * 2
        for home in _homes():
            remove_leftovers(home)
        self.folder, self._lock = _make_anywhere(self._room)

    def free(self, taken: Collection[int]) -> Place:
        """The first place that no living worker has, for a new one.

        A folder that somebody took is made anew. Where that fails, the place has no files.
        """
        number = next(each for each in range(len(taken) + 1) if each not in taken)
        with suppress(OSError):
            if not self._is_there():
                self._renew()
            Place(self.folder, number).reserve()
        place = Place(self.folder, number)
        place.forget_worker()
        return place

    def _is_there(self) -> bool:
        """Whether the folder of this name is the one whose lock is held."""
        with suppress(OSError):
            return os.path.samestat(os.fstat(self._lock), self.folder.stat())
        return False

    def _renew(self) -> None:
        gone = self._lock
        self.folder, self._lock = _make_anywhere(self._room)
        os.close(gone)

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        os.close(self._lock)


def enter(place: Place) -> None:
    """In a new worker: what it counts from now on, it counts at this place."""
    global _entered
    _entered = place
    with suppress(OSError):  # without it, this worker's memory and processor time are not shown
        place.pid_file.write_text(str(os.getpid()))


def entered() -> Place | None:
    """This worker's place; None where one process serves alone."""
    return _entered


_entered: Place | None = None


def remove_leftovers(home: Path) -> None:
    """Removes what servers that were killed have left; nobody holds the lock of such a folder."""
    for folder in home.glob(f"{PREFIX}*"):
        with suppress(OSError):
            lock = _lock(folder)
            try:
                if folder.stat().st_uid == os.getuid():
                    shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(lock)


def fill(file: BinaryIO, size: int) -> None:
    """Has a file that is open for appending be this long at least; OSError on a full disk."""
    file.write(bytes(max(0, size - file.tell())))
    file.flush()


def _homes() -> tuple[Path, Path]:
    return MEMORY, Path(tempfile.gettempdir())


def _make_anywhere(places: int) -> tuple[Path, int]:
    first, last = _homes()
    try:
        return _make(first, places)
    except OSError:
        return _make(last, places)


def _make(home: Path, places: int) -> tuple[Path, int]:
    """A new folder and its lock, which this process and its forks hold."""
    fresh = Path(tempfile.mkdtemp(prefix=f"new-{PREFIX}", dir=home))
    lock = _lock(fresh)
    try:
        for number in range(places):
            Place(fresh, number).reserve()
        folder = home / fresh.name.removeprefix("new-")
        fresh.rename(folder)  # by this name once it is locked
    except OSError:
        shutil.rmtree(fresh, ignore_errors=True)
        os.close(lock)
        raise
    return folder, lock


def _lock(folder: Path) -> int:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise
    return handle
