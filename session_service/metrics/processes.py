"""What the service's processes are and use: version, memory, processor time, open files."""

import os
import platform
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import Metric
from prometheus_client.registry import Collector

NAMESPACE = "session_service"
SYSTEM = Path("/proc")  # Linux; elsewhere nothing is shown of a process but when it started
TICKS_S = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Process:
    """A worker that lives: its number, and since when (seconds since 1970)."""

    worker: int
    pid: int
    started_at: float


class Processes(Collector):
    """Reads it off the system when it is asked for; `living` gives the workers there are.

    The library's own collector needs `/proc/stat`, which a hardened unit of systemd hides.
    """

    def __init__(self, living: Callable[[], Iterable[Process]], version: str) -> None:
        self._living = living
        self._version = version

    def collect(self) -> Iterable[Metric]:
        build = Metric(f"{NAMESPACE}_build_info", "What runs; the value is always 1.", "gauge")
        labels = {"version": self._version, "python": platform.python_version()}
        build.add_sample(build.name, labels, 1)
        return [build, *self._usage()]

    def _usage(self) -> Iterable[Metric]:
        found: dict[str, Metric] = {}
        for process in self._living():
            for name, about, kind, value in _read(process):
                full = f"{NAMESPACE}_process_{name}"
                metric = found.setdefault(full, Metric(full, about, kind))
                sample = f"{full}_total" if kind == "counter" else full
                metric.add_sample(sample, {"worker": str(process.worker)}, value)
        return found.values()


def _read(process: Process) -> Iterator[tuple[str, str, str, float]]:
    """Name, meaning, kind and value of each thing that is known of a process."""
    yield "start_time_seconds", "Start of the worker, since 1970.", "gauge", process.started_at
    folder = SYSTEM / str(process.pid)
    with suppress(OSError, IndexError):
        fields = (folder / "stat").read_text().rpartition(")")[2].split()
        user, system, resident = int(fields[11]), int(fields[12]), int(fields[21])
        used = (user + system) / TICKS_S
        yield "cpu_seconds", "Processor time, user and system.", "counter", used
        yield "resident_memory_bytes", "Memory held.", "gauge", resident * PAGE_BYTES
        yield "open_fds", "Open files and connections.", "gauge", len(os.listdir(folder / "fd"))
