"""The result tables, in Markdown, between two marks of a page."""

import os
import platform
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median

from benchmarks.conversations import HOT, HOT_SENDERS, SEND
from benchmarks.lengths import Growth
from benchmarks.side_by_side import Comparison, Round
from benchmarks.trips import Trips

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
PACKAGES = ("flask", "gunicorn", "gevent", "pymongo", "SecantusDB", "fastapi", "uvicorn", "eve")


@dataclass(frozen=True, slots=True)
class Results:
    """All that one run has measured; the lengths are in chats."""

    comparisons: Sequence[Comparison]
    rivals: Sequence[str]
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
        _latency(results),
        _crowded(results),
        _hot(results),
        _trips(results),
        _length(results),
    ]
    return "\n\n".join(parts)


def write(page: Path, tables: str, marks: tuple[str, str] = (BEGIN, END)) -> None:
    """Puts the tables between the marks of a page, or makes a page of them alone."""
    begin, end = marks
    marked = f"{begin}\n{tables}\n{end}"
    text = page.read_text(encoding="utf-8") if page.exists() else f"{begin}{end}\n"
    before, _, rest = text.partition(begin)
    _, _, after = rest.partition(end)
    page.write_text(f"{before}{marked}{after}", encoding="utf-8")


def where_and_when() -> str:
    """Day, machine and versions."""
    versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, Python {platform.python_version()}, "
        f"{os.cpu_count()} CPUs, {platform.system()} {platform.machine()}; {versions}"
    )


def _context(results: Results, others: float) -> str:
    client = median(
        each.client_cpu
        for comparison in results.comparisons
        for rounds in comparison.rounds.values()
        for each in rounds
    )
    return (
        f"{where_and_when()}. "
        f"{results.rounds} rounds of {results.seconds:g} s each; "
        f"the client itself took {client:.3f} ms of CPU time a request. "
        f"Before or after the run others kept {others:.0%} of the CPUs busy."
    )


def _speed(results: Results) -> str:
    def cell(each: Comparison, rival: str) -> str:
        speed = _middle(each.rounds[rival], lambda one: one.per_second, 0)
        return f"{speed} **{each.ratio(rival):.2f}**"

    return _compared(results, "service, requests/s", lambda one: one.per_second, 0, cell)


def _cpu(results: Results) -> str:
    def cell(each: Comparison, rival: str) -> str:
        ratio = each.cpu_ratio(rival)
        cost = _middle(each.rounds[rival], lambda one: one.cpu, 3)
        return cost if ratio is None else f"{cost} **{ratio:.2f}**"

    return _compared(results, "service, CPU ms a request", lambda one: one.cpu, 3, cell)


def _compared(
    results: Results,
    head: str,
    figure: Callable[[Round], float | None],
    digits: int,
    cell: Callable[[Comparison, str], str],
) -> str:
    """A line for each workload: our figure, and each rival's with the ratio."""
    rows = [
        [*_named(each), _middle(each.ours, figure, digits)]
        + [cell(each, rival) if rival in each.rivals else "-" for rival in results.rivals]
        for each in results.comparisons
    ]
    return table(["workload", "connections", head, *results.rivals], rows)


def _latency(results: Results) -> str:
    def row(each: Comparison) -> list[str]:
        steady = median(one.p99 / one.p50 for one in each.ours)
        rivals = [
            _latencies(each.rounds[rival]) if rival in each.rivals else "-"
            for rival in results.rivals
        ]
        return [*_named(each), _latencies(each.ours), f"**{steady:.1f}**", *rivals]

    heads = ["workload", "connections", "service, p50 / p99 ms", "p99 / p50", *results.rivals]
    return table(heads, [row(each) for each in results.comparisons])


def _crowded(results: Results) -> str:
    """Throughput on the most connections against that on the fewest."""
    rows = []
    for name in dict.fromkeys(each.workload.name for each in results.comparisons):
        found = [each for each in results.comparisons if each.workload.name == name]
        few, many = (end(found, key=lambda each: each.workload.connections) for end in (min, max))
        pairs = zip(many.ours, few.ours, strict=True)
        ratio = median(one.per_second / other.per_second for one, other in pairs)
        if many is few:
            continue
        ends = f"{many.workload.connections} against {few.workload.connections}"
        rows.append([name, ends, f"**{ratio:.2f}**"])
    return table(["workload", "connections", "requests/s, ratio"], rows)


def _hot(results: Results) -> str:
    """Throughput of senders who meet in one conversation against that of senders apart."""
    found = {(each.workload.name, each.workload.connections): each for each in results.comparisons}
    hot, apart = (found[name, HOT_SENDERS] for name in (HOT, SEND))
    pairs = zip(hot.ours, apart.ours, strict=True)
    ratio = median(one.per_second / other.per_second for one, other in pairs)
    speed = [_middle(each.ours, lambda one: one.per_second, 0) for each in (hot, apart)]
    heads = [f"{HOT_SENDERS} senders", "to one conversation, messages/s", "to one each", "ratio"]
    return table(heads, [["send message", *speed, f"**{ratio:.2f}**"]])


def _trips(results: Results) -> str:
    return table(
        ["workload", "round trips", "commands"],
        [[each.name, str(len(each.commands)), ", ".join(each.commands)] for each in results.trips],
    )


def _length(results: Results) -> str:
    short, long = results.lengths
    return table(
        ["page", f"of {short:,} chats, ms", f"of {long:,} chats, ms", "ratio"],
        [
            [each.name, f"{each.short:.2f}", f"{each.long:.2f}", f"**{each.ratio:.2f}**"]
            for each in results.growths
        ],
    )


def _named(each: Comparison) -> list[str]:
    return [each.workload.name, str(each.workload.connections)]


def _latencies(rounds: Sequence[Round]) -> str:
    p50 = _middle(rounds, lambda each: each.p50, 1)
    return f"{p50} / {_middle(rounds, lambda each: each.p99, 1)}"


def _middle(rounds: Sequence[Round], take: Callable[[Round], float | None], digits: int) -> str:
    known = [value for each in rounds if (value := take(each)) is not None]
    return f"{median(known):.{digits}f}" if known else "-"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
