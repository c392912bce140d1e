"""What else the machine does meanwhile."""

import time
from pathlib import Path

STAT = Path("/proc/stat")


def busy_share(seconds: float) -> float | None:
    """How busy the CPUs are for so long, 0 to 1; None where the system does not tell."""
    if not STAT.exists():
        return None
    idle, total = _times()
    time.sleep(seconds)
    idle_later, total_later = _times()
    return 1 - (idle_later - idle) / max(total_later - total, 1)


def _times() -> tuple[int, int]:
    """Time spent idle or waiting for disks, and all time, in ticks."""
    ticks = [int(each) for each in STAT.read_text().partition("\n")[0].split()[1:9]]
    return ticks[3] + ticks[4], sum(ticks)
