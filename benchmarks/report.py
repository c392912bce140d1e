"""The result tables, in Markdown, between two marks of a page."""

import os
import platform
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median

from benchmarks.lengths import Growth
from benchmarks.side_by_side import Comparison, Round
from benchmarks.trips import Trips

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
PACKAGES = ("flask", "gunicorn", "gevent", "pymongo", "SecantusDB")


@dataclass(frozen=True, slots=True)
class Results:
    """All that one run has measured; the lengths are in chats."""

    comparisons: Sequence[Comparison]
    trips: Sequence[Trips]
    growths: Sequence[Growth]
    lengths: tuple[int, int]
    rounds: int
    seconds: float


def render(results: Results, others: float) -> str:
    """The tables and what is needed to judge them; `others` took that share of the CPUs."""
    parts = [
        _context(results, others),
        _speed(results),
        _cpu(results),
        _trips(results),
        _length(results),
    ]
    return "\n\n".join(parts)


def write(page: Path, tables: str) -> None:
    """Puts the tables between the marks of a page, or makes a page of them alone."""
    marked = f"{BEGIN}\n{tables}\n{END}"
    text = page.read_text(encoding="utf-8") if page.exists() else f"{BEGIN}{END}\n"
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text(f"{before}{marked}{after}", encoding="utf-8")


def _context(results: Results, others: float) -> str:
    versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    client = median(
        each.client_cpu for pair in results.comparisons for each in (*pair.service, *pair.floor)
    )
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, Python {platform.python_version()}, "
        f"{os.cpu_count()} CPUs, {platform.system()} {platform.machine()}; {versions}. "
        f"{results.rounds} rounds of {results.seconds:g} s each; "
        f"the client itself took {client:.3f} ms of CPU time a request. "
        f"Before or after the run others kept {others:.0%} of the CPUs busy."
    )


def _speed(results: Results) -> str:
    def row(pair: Comparison) -> list[str]:
        return [
            *_named(pair),
            _middle(pair.service, lambda each: each.per_second, 0),
            _middle(pair.floor, lambda each: each.per_second, 0),
            f"**{pair.ratio:.2f}**",
            _latencies(pair.service),
            _latencies(pair.floor),
        ]

    heads = "workload", "connections", "service, requests/s", "floor", "ratio"
    return _table(
        [*heads, "service, p50 / p99 ms", "floor"], [row(pair) for pair in results.comparisons]
    )


def _cpu(results: Results) -> str:
    def row(pair: Comparison) -> list[str]:
        costs = [_middle(rounds, lambda each: each.cpu, 3) for rounds in (pair.service, pair.floor)]
        ratio = "-" if pair.cpu_ratio is None else f"**{pair.cpu_ratio:.2f}**"
        return [*_named(pair), *costs, ratio]

    return _table(
        ["workload", "connections", "service, CPU ms a request", "floor", "ratio"],
        [row(pair) for pair in results.comparisons],
    )


def _trips(results: Results) -> str:
    return _table(
        ["workload", "round trips", "commands"],
        [[each.name, str(len(each.commands)), ", ".join(each.commands)] for each in results.trips],
    )


def _length(results: Results) -> str:
    short, long = results.lengths
    return _table(
        ["page", f"of {short:,} chats, ms", f"of {long:,} chats, ms", "ratio"],
        [
            [each.name, f"{each.short:.2f}", f"{each.long:.2f}", f"**{each.ratio:.2f}**"]
            for each in results.growths
        ],
    )


def _named(pair: Comparison) -> list[str]:
    return [pair.workload.name, str(pair.workload.connections)]


def _latencies(rounds: Sequence[Round]) -> str:
    p50 = _middle(rounds, lambda each: each.p50, 1)
    return f"{p50} / {_middle(rounds, lambda each: each.p99, 1)}"


def _middle(rounds: Sequence[Round], take: Callable[[Round], float | None], digits: int) -> str:
    known = [value for each in rounds if (value := take(each)) is not None]
    return f"{median(known):.{digits}f}" if known else "-"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
