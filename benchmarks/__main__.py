"""`python -m benchmarks`: measures, prints the tables and writes them into docs/performance.md."""

import argparse
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType

from benchmarks import (
    conversations,
    dataset,
    lengths,
    machine,
    options,
    report,
    servers,
    side_by_side,
    trips,
)
from benchmarks.load import LoadError
from session_service.errors import ServiceError

SHORT = 100
CHATS = 40  # in each session that the load is spread over
PAGE_SECONDS = 0.3
LOOK_SECONDS = 1.0
ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True, slots=True)
class Size:
    """How long a run takes: rounds of so many seconds, sessions, and the length of a long one."""

    rounds: int
    seconds: float
    sessions: int
    long: int
    connections: tuple[int, ...]


DEFAULT = Size(rounds=9, seconds=1.0, sessions=128, long=100_000, connections=(4, 16, 64))
QUICK = Size(rounds=1, seconds=0.1, sessions=16, long=500, connections=(4, 16))


def main(arguments: Sequence[str] | None = None) -> None:
    """One run; ends with 130 when it is interrupted, having cleaned up."""
    chosen = _options(arguments)
    size = QUICK if chosen.quick else DEFAULT
    size = replace(
        size, rounds=chosen.rounds or size.rounds, seconds=chosen.seconds or size.seconds
    )
    try:
        with _orderly_end():
            before = machine.busy_share(LOOK_SECONDS)
            results = _measure(size)
            others = max(before or 0, machine.busy_share(LOOK_SECONDS) or 0)
            tables = report.render(results, others)
    except KeyboardInterrupt:
        sys.exit(130)
    except (LoadError, ServiceError, servers.ServerError, side_by_side.UnevenError) as error:
        sys.exit(f"benchmarks: {error}")
    print(tables)
    if chosen.output:
        report.write(chosen.output, tables)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = options.parser("python -m benchmarks", __doc__)
    parser.add_argument("--rounds", type=int, help=f"{DEFAULT.rounds} if not given")
    parser.add_argument("--seconds", type=float, help=f"a round's; {DEFAULT.seconds} if not given")
    return options.parse(parser, arguments)


def _measure(size: Size) -> report.Results:
    with ExitStack() as stack:
        temporary = tempfile.TemporaryDirectory(prefix="session-service-bench-")
        folder = Path(stack.enter_context(temporary))
        service, uri = stack.enter_context(servers.service(folder))
        rivals = [
            stack.enter_context(start(folder, uri))
            for start in (servers.bare_floor, servers.fastapi, servers.eve)
        ]
        store = stack.enter_context(dataset.session_store(uri))

        _say(f"filling {size.sessions} sessions and conversations")
        dialogues = dataset.dialogues(store, size.sessions, CHATS)
        with conversations.conversation_store(uri) as talk_store:
            talks = conversations.talks(talk_store, size.sessions, CHATS)
        counted = trips.count(uri, dialogues[0], talks[0], folder)
        _say(f"service and rivals by turns, {size.rounds} rounds")
        workloads = side_by_side.workloads(dialogues, size.connections)
        workloads += conversations.workloads(talks, size.connections)
        comparisons = side_by_side.compare(workloads, [service, *rivals], size.rounds, size.seconds)
        _say(f"filling a session with {size.long:,} chats")
        short, long = (dataset.dialogue(store, "reader", count) for count in (SHORT, size.long))
        _say("pages of a short and of a long session by turns")
        growths = lengths.measure(
            service, short, long, size.rounds, min(size.seconds, PAGE_SECONDS)
        )
    return report.Results(
        comparisons,
        [each.name for each in rivals],
        counted,
        growths,
        (SHORT, size.long),
        size.rounds,
        size.seconds,
    )


@contextmanager
def _orderly_end() -> Iterator[None]:
    """Has every polite end unwind what was begun, once, without being interrupted in that."""

    def end(number: int, frame: FrameType | None) -> None:
        for each in ENDINGS:
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = {each: signal.signal(each, end) for each in ENDINGS}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def _say(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
