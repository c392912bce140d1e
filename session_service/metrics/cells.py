"""Values of the metrics library that live in a worker's files, and cost next to nothing to change.

The library's own take a lock and look for a fork at every change. A worker's greenlets need
neither: nothing here gives way to another greenlet, and every worker has files of its own.
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import structlog
from prometheus_client import Metric
from prometheus_client.mmap_dict import MmapedDict, mmap_key
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from prometheus_client.values import MutexValue

from session_service.metrics.places import RESERVED, Place, fill

OVERHEAD = 32  # bytes of a value at most, besides its name

log = structlog.get_logger(__name__)


class Cell:
    """One number of a metric; what it was when the last worker at this place died, it goes on."""

    __slots__ = ("_index", "_numbers")

    def __init__(self, file: MmapedDict, key: str) -> None:
        file.read_value(key)  # type: ignore[no-untyped-call]  # makes room for one that is new
        # Of the file as it is mapped now; one that grows is mapped anew, and this stays good.
        self._numbers = memoryview(file._m).cast("d")
        self._index = file._positions[key] // 8

    def inc(self, amount: float) -> None:
        self._numbers[self._index] += amount

    def set(self, value: float, timestamp: float | None = None) -> None:
        self._numbers[self._index] = value

    def get(self) -> float:
        return float(self._numbers[self._index])

    def get_exemplar(self) -> None:
        return None


class File(MmapedDict):
    """Numbers by name; it grows only by what the disk has given."""

    def __init__(self, path: Path, reserved: int) -> None:
        """OSError where not all is there that was reserved."""
        if path.stat().st_size < reserved:
            raise OSError(f"{path}: shorter than reserved")
        super().__init__(str(path))  # type: ignore[no-untyped-call]

    def _init_value(self, key: str) -> None:
        # The library's own growth reserves nothing, and a full disk would end the process.
        if self._used + len(key.encode()) + OVERHEAD > self._capacity:
            with open(self._f.fileno(), "ab", closefd=False) as file:
                fill(file, self._capacity * 2)
        super()._init_value(key)  # type: ignore[no-untyped-call]


class Cells:
    """Makes the library's values: in the files of this place.

    Where a file is gone, full or damaged, what is new counts in the worker's own memory, and is
    shown nowhere: no request fails for a count.
    """

    def __init__(self, place: Place) -> None:
        self._files: dict[str, File] = {}
        for kind, size in RESERVED.items():
            try:
                self._files[kind] = File(place.file(kind), size)
            except Exception as error:  # a damaged file leads to many
                self._give_up(kind, error)

    def __call__(
        self,
        kind: str,
        metric: str,
        sample: str,
        label_names: Sequence[str],
        label_values: Sequence[str],
        about: str,
        multiprocess_mode: str = "",
        **_: Any,
    ) -> Cell | MutexValue:
        file_kind = f"{kind}_{multiprocess_mode}" if kind == "gauge" else kind
        if file := self._files.get(file_kind):
            key = mmap_key(metric, sample, list(label_names), list(label_values), about)
            try:
                return Cell(file, key)
            except Exception as error:
                self._give_up(file_kind, error)
        return MutexValue(kind, metric, sample, (), (), "")  # type: ignore[no-untyped-call]

    def _give_up(self, kind: str, error: Exception) -> None:
        self._files.pop(kind, None)
        log.warning("metrics_not_shared", file=kind, error=repr(error))


class AllPlaces(Collector):
    """What the files of all places hold together, but for those that are gone or damaged."""

    def __init__(self, place: Place) -> None:
        self._place = place

    def collect(self) -> Iterable[Metric]:
        files = [str(file) for file in self._place.files()]
        return _merged(files) or _merged([file for file in files if _merged([file])])


def _merged(files: list[str]) -> list[Metric]:
    with suppress(Exception):
        return list(MultiProcessCollector.merge(files))  # type: ignore[no-untyped-call]
    return []
