"""Values of the metrics library that live in a worker's files, and cost next to nothing to change.

The library's own take a lock and look for a fork at every change. A worker's greenlets need
neither: nothing here gives way to another greenlet, and every worker has files of its own.
"""

from collections.abc import Sequence
from typing import Any

from prometheus_client.mmap_dict import MmapedDict, mmap_key

from session_service.metrics.places import Place


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


def cells_at(place: Place) -> Any:
    """What makes the library's values at this place."""
    files: dict[str, MmapedDict] = {}

    def cell(
        kind: str,
        metric: str,
        sample: str,
        label_names: Sequence[str],
        label_values: Sequence[str],
        about: str,
        multiprocess_mode: str = "",
        **_: Any,
    ) -> Cell:
        file_kind = f"{kind}_{multiprocess_mode}" if kind == "gauge" else kind
        if file_kind not in files:
            path = str(place.file(file_kind))
            files[file_kind] = MmapedDict(path)  # type: ignore[no-untyped-call]
        key = mmap_key(metric, sample, list(label_names), list(label_values), about)
        return Cell(files[file_kind], key)

    return cell
