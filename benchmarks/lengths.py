"""What a page costs in a short session and in a long one."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from statistics import median

from benchmarks import load, requests
from benchmarks.dataset import Dialogue
from benchmarks.servers import Server
from session_service.core.ids import new_entry_id

PAGE = 20
PLACES = 50


@dataclass(frozen=True, slots=True)
class Growth:
    """The median times (ms) of one kind of page, short session and long, and their ratio."""

    name: str
    short: float
    long: float
    ratio: float


def measure(
    server: Server, short: Dialogue, long: Dialogue, rounds: int, seconds: float
) -> list[Growth]:
    """Each kind of page on one connection, by turns in the short and in the long session."""
    return [
        growth(name, (server, pages(short)), (server, pages(long)), rounds, seconds)
        for name, pages in KINDS.items()
    ]


def growth(
    name: str,
    short: tuple[Server, Sequence[bytes]],
    long: tuple[Server, Sequence[bytes]],
    rounds: int,
    seconds: float,
) -> Growth:
    """What requests cost by turns where there is little, and where there is much."""
    times: list[tuple[float, float]] = []
    for number in range(rounds + 1):
        pair = (short, long) if number % 2 else (long, short)
        taken = [
            load.run(server.port, [asked], seconds).quantile(0.5) * 1000 for server, asked in pair
        ]
        times.append((taken[0], taken[1]) if number % 2 else (taken[1], taken[0]))
    times = times[1:]  # the first was to warm up
    return Growth(
        name,
        short=median(ours for ours, _ in times),
        long=median(theirs for _, theirs in times),
        ratio=median(theirs / ours for ours, theirs in times),
    )


def _newest(dialogue: Dialogue) -> list[bytes]:
    return [requests.read(dialogue, PAGE)]


def _before_a_chat(dialogue: Dialogue) -> list[bytes]:
    return [requests.read(dialogue, PAGE, new_entry_id(at)) for at in _some_times(dialogue)]


def _before_a_lost_chat(dialogue: Dialogue) -> list[bytes]:
    return [requests.read(dialogue, PAGE, new_entry_id(at + 1)) for at in _some_times(dialogue)]


def _some_times(dialogue: Dialogue) -> list[int]:
    return Random(PAGE).sample(list(dialogue.times[PAGE:]), PLACES)


KINDS = {
    "the newest 20": _newest,
    "20 before a chat": _before_a_chat,
    "20 before a chat that is gone": _before_a_lost_chat,
}
