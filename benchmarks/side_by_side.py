"""The service and its rivals by turns, under the same load on the same database."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks import load, requests
from benchmarks.dataset import Dialogue
from benchmarks.servers import Server

WARM_UP_S = 0.5
CHAT_ID = re.compile(rb'"(?:chat)?_id": ?"([0-9a-f]{24})"')


class UnevenError(Exception):
    """A rival that does not do what the service does, so their ratio means nothing."""


@dataclass(frozen=True, slots=True)
class Workload:
    """One kind of request on so many connections at once."""

    name: str
    connections: int
    streams: Sequence[Sequence[bytes]]
    others: Mapping[str, Sequence[Sequence[bytes]]]  # for servers that are asked otherwise

    def streams_for(self, server: Server) -> Sequence[Sequence[bytes]]:
        return self.others.get(server.name, self.streams)


@dataclass(frozen=True, slots=True)
class Round:
    """One server under one workload: latencies in ms, CPU time of its workers in ms a request."""

    per_second: float
    p50: float
    p99: float
    cpu: float | None
    client_cpu: float


class Comparison:
    """The rounds of a server and of its rivals, by name, under one workload."""

    def __init__(self, workload: Workload, name: str, rivals: Sequence[str]) -> None:
        self.workload = workload
        self.rivals = rivals
        self.rounds: dict[str, list[Round]] = {each: [] for each in (name, *rivals)}
        self.ours = self.rounds[name]

    def ratio(self, rival: str) -> float:
        """Our throughput, the rival's in the same round being 1."""
        pairs = zip(self.ours, self.rounds[rival], strict=True)
        return median(ours.per_second / its.per_second for ours, its in pairs)

    def cpu_ratio(self, rival: str) -> float | None:
        """The same if CPU time were all that counts."""
        pairs = zip(self.ours, self.rounds[rival], strict=True)
        known = [its.cpu / ours.cpu for ours, its in pairs if ours.cpu and its.cpu]
        return median(known) if known else None


def workloads(dialogues: Sequence[Dialogue], connections: Sequence[int]) -> list[Workload]:
    """Sends and reads, on so many connections each, of which none may lack a session."""
    kinds = {"send": requests.send, "read 20": requests.read}
    return [
        Workload(
            name,
            count,
            requests.spread([make(each) for each in dialogues], count),
            {"Eve": requests.spread([requests.read_from_eve(each) for each in dialogues], count)}
            if name == "read 20"
            else {},
        )
        for name, make in kinds.items()
        for count in connections
    ]


def compare(
    chosen: Sequence[Workload], servers: Sequence[Server], rounds: int, seconds: float
) -> list[Comparison]:
    """The first server against the others: every workload in every round, by turns."""
    comparisons = []
    for workload in chosen:
        able = [each for each in servers if workload.name in each.workloads]
        name, *rivals = [each.name for each in able]
        comparisons.append(Comparison(workload, name, rivals))
        for server in able:
            load.run(server.port, workload.streams_for(server), min(WARM_UP_S, seconds))
        if workload.name == "read 20":
            _agree(workload, able)
    for number in range(rounds):
        for comparison in comparisons:
            able = [each for each in servers if each.name in comparison.rounds]
            first = number % len(able)
            for server in able[first:] + able[:first]:
                result = _round(server, comparison.workload, seconds)
                comparison.rounds[server.name].append(result)
    return comparisons


def _agree(workload: Workload, servers: Sequence[Server]) -> None:
    """UnevenError unless all of them answer the first request with the same chats."""
    answers = [load.ask(each.port, workload.streams_for(each)[0][0]) for each in servers]
    chats = [sorted(CHAT_ID.findall(answer)) for answer in answers]
    for server, found in zip(servers, chats, strict=True):
        if len(found) != 20 or found != chats[0]:
            raise UnevenError(f"{server.name} reads other chats than {servers[0].name}")


def _round(server: Server, workload: Workload, seconds: float) -> Round:
    before = server.cpu_seconds()
    result = load.run(server.port, workload.streams_for(server), seconds)
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
