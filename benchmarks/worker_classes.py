"""`python -m benchmarks.worker_classes`: the service under each of gunicorn's worker classes."""

import os
import signal
import sys
import tempfile
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks import crowds, dataset, load, machine, options, report, servers, side_by_side
from benchmarks.dataset import Dialogue
from benchmarks.servers import Server

MARKS = "<!-- worker classes: begin -->", "<!-- worker classes: end -->"
OURS = "session_service.worker.Worker"
KINDS = {
    "sync": ("--worker-class", "sync"),
    "gthread, 8 threads": ("--worker-class", "gthread", "--threads", "8"),
    "gthread, 32 threads": ("--worker-class", "gthread", "--threads", "32"),
    "gthread, 128 threads": ("--worker-class", "gthread", "--threads", "128"),
    "gevent, gunicorn's own": ("--worker-class", "gevent"),
    "**gevent, the service's**": ("--worker-class", OURS),
}
CHATS = 40  # in each session
SESSIONS = 128
LOOK_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Size:
    """How much is done with each kind."""

    rounds: int
    seconds: float
    crowd: int
    streams: int
    clients: int
    stops: int


DEFAULT = Size(rounds=5, seconds=1.0, crowd=500, streams=200, clients=64, stops=3)
QUICK = Size(rounds=1, seconds=0.2, crowd=50, streams=20, clients=16, stops=1)


@dataclass(frozen=True, slots=True)
class Measured:
    """What came of one kind; ratios to the floor's throughput, None where it serves no load."""

    name: str
    ratios: Sequence[float | None]
    slow: crowds.Latencies
    idle: crowds.Latencies
    streams: crowds.Streams
    reload: crowds.Outcome
    stops: Sequence[crowds.Outcome]


class Trial:
    """All kinds meet the same database, beside the same floor."""

    def __init__(self, folder: Path, uri: str, floor: Server, size: Size) -> None:
        self._folder, self._uri, self._floor, self._size = folder, uri, floor, size
        with dataset.session_store(uri) as store:
            self._dialogues = dataset.dialogues(store, SESSIONS, CHATS)

    def measure(self, name: str) -> Measured:
        size = self._size
        stops = [self._stop(name) for _ in range(size.stops)]
        with self._server(name) as server:
            ratios = self._ratios(server)
            with self._crowd(server, crowds.HALF):
                slow = crowds.probe(server.port)
            with self._crowd(server):
                idle = crowds.probe(server.port)
            streams = crowds.streams(server.port, size.streams)
            reload = self._reload(server)
        return Measured(name, ratios, slow, idle, streams, reload, stops)

    def _server(self, name: str) -> AbstractContextManager[Server]:
        return servers.other_workers(self._folder, self._uri, KINDS[name])

    def _crowd(self, server: Server, say: bytes = b"") -> AbstractContextManager[object]:
        return crowds.connections(server.port, self._size.crowd, say)

    def _ratios(self, server: Server) -> list[float | None]:
        chosen = side_by_side.workloads(self._dialogues, (4, 64))
        found: list[float | None] = []
        for workload in chosen:
            try:
                (one,) = side_by_side.compare(
                    [workload], [server, self._floor], self._size.rounds, self._size.seconds
                )
                found.append(one.ratio(self._floor.name))
            except load.LoadError as error:
                _say(f"  {workload.name}, {workload.connections} connections: {error}")
                found.append(None)
        return found

    def _stop(self, name: str) -> crowds.Outcome:
        with self._server(name) as server:
            clients = self._clients(server)
            clients.start(answers=4 * self._size.clients)
        return clients.stop()

    def _reload(self, server: Server) -> crowds.Outcome:
        clients = self._clients(server)
        clients.start(answers=4 * self._size.clients)
        os.kill(server.pid, signal.SIGHUP)
        old = set(server.workers)
        clients.wait(lambda: not old & set(server.current_workers()))
        return clients.stop()

    def _clients(self, server: Server) -> crowds.Clients:
        dialogue: Dialogue = self._dialogues[0]
        path = f"/sess/{dialogue.id}/chats?limit=20"
        return crowds.Clients(server.port, path, dialogue.token, self._size.clients)


def main(arguments: Sequence[str] | None = None) -> None:
    """One run over all kinds; writes the tables into the page."""
    parser = options.parser("python -m benchmarks.worker_classes", __doc__)
    chosen = options.parse(parser, arguments)
    size = QUICK if chosen.quick else DEFAULT
    try:
        before = machine.busy_share(LOOK_SECONDS)
        measured = _measure(size)
        others = max(before or 0, machine.busy_share(LOOK_SECONDS) or 0)
    except KeyboardInterrupt:
        sys.exit(130)
    except (load.LoadError, servers.ServerError, side_by_side.UnevenError) as error:
        sys.exit(f"worker_classes: {error}")
    tables = render(measured, size, others)
    print(tables)
    if chosen.output:
        report.write(chosen.output, tables, MARKS)


def render(measured: Sequence[Measured], size: Size, others: float) -> str:
    """The tables, and what is needed to judge them."""
    context = (
        f"{report.where_and_when()}. Throughput: {size.rounds} rounds of {size.seconds:g} s. "
        f"Before or after the run others kept {others:.0%} of the CPUs busy."
    )
    return "\n\n".join([context, _speed(measured), _crowds(measured, size), _ends(measured, size)])


def _measure(size: Size) -> list[Measured]:
    with ExitStack() as stack:
        temporary = tempfile.TemporaryDirectory(prefix="session-service-bench-")
        folder = Path(stack.enter_context(temporary))
        _, uri = stack.enter_context(servers.service(folder))
        floor = stack.enter_context(servers.bare_floor(folder, uri))
        trial = Trial(folder, uri, floor, size)
        measured = []
        for name in KINDS:
            _say(name)
            measured.append(trial.measure(name))
        return measured


def _speed(measured: Sequence[Measured]) -> str:
    return report.table(
        ["workers", "send, 4 connections", "send, 64", "read 20, 4", "read 20, 64"],
        [
            [each.name, *("-" if ratio is None else f"{ratio:.2f}" for ratio in each.ratios)]
            for each in measured
        ],
    )


def _crowds(measured: Sequence[Measured], size: Size) -> str:
    return report.table(
        [
            "workers",
            f"`/health` beside {size.crowd} slow, ms",
            f"beside {size.crowd} idle, ms",
            f"first byte of {size.streams} streams, ms",
            "`/health` meanwhile, ms",
        ],
        [
            [
                each.name,
                str(each.slow),
                str(each.idle),
                str(each.streams.first_bytes),
                str(each.streams.others),
            ]
            for each in measured
        ],
    )


def _ends(measured: Sequence[Measured], size: Size) -> str:
    return report.table(
        [
            "workers",
            f"failed at {size.stops} SIGTERM",
            "of requests",
            "failed at SIGHUP",
            "of requests",
            "longest silence, s",
        ],
        [
            [
                each.name,
                str(sum(stop.failed for stop in each.stops)),
                str(sum(stop.answered + stop.failed for stop in each.stops)),
                str(each.reload.failed),
                str(each.reload.answered + each.reload.failed),
                f"{each.reload.longest_silence:.1f}",
            ]
            for each in measured
        ],
    )


def _say(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
