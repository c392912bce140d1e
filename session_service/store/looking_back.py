"""The newest of many, where the planner cannot sort by an index."""

from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

HOUR_MS = 3_600_000
SPANS_MS = (HOUR_MS, 24 * HOUR_MS, 30 * 24 * HOUR_MS)


def looking_back(since: Callable[[int | None], list[T]], end: int, limit: int) -> list[T]:
    """The `limit` first (0: all) of what `since` finds, which sorts it newest first.

    Looks back from `end` (ms) further and further, so that the newest few cost little to one
    who has thousands; None asks for everything.
    """
    for span in SPANS_MS if limit else ():
        found = since(end - span)
        if len(found) >= limit:
            return found[:limit]
    found = since(None)
    return found[:limit] if limit else found
