"""The service and the floor by turns, under the same load on the same database."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks import load, requests
from benchmarks.dataset import Dialogue
from benchmarks.servers import Server

WARM_UP_S = 0.5


@dataclass(frozen=True, slots=True)
class Workload:
    """One kind of request on so many connections at once."""

    name: str
    connections: int
    streams: Sequence[Sequence[bytes]]


@dataclass(frozen=True, slots=True)
class Round:
    """One server under one workload: latencies in ms, CPU time of its workers in ms a request."""

    per_second: float
    p50: float
    p99: float
    cpu: float | None
    client_cpu: float


class Comparison:
    """The rounds of service and floor under one workload."""

    def __init__(self, workload: Workload) -> None:
        self.workload = workload
        self.service: list[Round] = []
        self.floor: list[Round] = []

    @property
    def ratio(self) -> float:
        """The service's throughput, the floor's in the same round being 1."""
        pairs = zip(self.service, self.floor, strict=True)
        return median(ours.per_second / its.per_second for ours, its in pairs)

    @property
    def cpu_ratio(self) -> float | None:
        """The same if CPU time were all that counts."""
        costs = [(ours.cpu, its.cpu) for ours, its in zip(self.service, self.floor, strict=True)]
        known = [its / ours for ours, its in costs if ours and its]
        return median(known) if known else None


def workloads(dialogues: Sequence[Dialogue], connections: Sequence[int]) -> list[Workload]:
    """Sends and reads, on so many connections each, of which none may lack a session."""
    kinds = {"send": requests.send, "read 20": requests.read}
    return [
        Workload(name, count, requests.spread([make(each) for each in dialogues], count))
        for name, make in kinds.items()
        for count in connections
    ]


def compare(
    chosen: Sequence[Workload], service: Server, floor: Server, rounds: int, seconds: float
) -> list[Comparison]:
    """Every workload in every round, by turns the one and the other server first."""
    comparisons = [Comparison(workload) for workload in chosen]
    for workload in chosen:
        for server in (service, floor):
            load.run(server.port, workload.streams, min(WARM_UP_S, seconds))
    for number in range(rounds):
        for comparison in comparisons:
            turns = [(comparison.service, service), (comparison.floor, floor)]
            for results, server in turns if number % 2 else reversed(turns):
                results.append(_round(server, comparison.workload, seconds))
    return comparisons


def _round(server: Server, workload: Workload, seconds: float) -> Round:
    before = server.cpu_seconds()
    result = load.run(server.port, workload.streams, seconds)
    after = server.cpu_seconds()
    spent = None if before is None or after is None else after - before
    count = len(result.latencies)
    return Round(
        per_second=result.per_second,
        p50=result.quantile(0.5) * 1000,
        p99=result.quantile(0.99) * 1000,
        cpu=None if spent is None else spent / count * 1000,
        client_cpu=result.client_cpu / count * 1000,
    )
