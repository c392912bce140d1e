"""A load generator that costs little: one thread, raw sockets, requests made beforehand."""

import re
import selectors
import socket
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import cycle

SILENCE_S = 30.0  # no answer for so long, and the run has failed
CONTENT_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


class LoadError(Exception):
    """A server that did not answer, or not with success."""


@dataclass(frozen=True, slots=True)
class Load:
    """How it went, in s: the time to the last answer, sorted latencies, CPU time of the client."""

    seconds: float
    latencies: Sequence[float]
    client_cpu: float

    @property
    def per_second(self) -> float:
        return len(self.latencies) / self.seconds

    def quantile(self, share: float) -> float:
        """The latency (s) that this share of the requests did not exceed."""
        return self.latencies[min(int(len(self.latencies) * share), len(self.latencies) - 1)]


def run(port: int, streams: Sequence[Sequence[bytes]], seconds: float) -> Load:
    """Sends each stream, over and over, on a connection of its own for this long.

    A connection sends its next request when it has the answer to the last. What is under way
    at the end is waited for and counts: servers that begin many requests at once would lose
    by anything else. LoadError unless all answers are 2xx.
    """
    with ExitStack() as stack:
        selector = stack.enter_context(selectors.DefaultSelector())
        connections = [_Connection(port, stream) for stream in streams]
        for connection in connections:
            stack.callback(connection.socket.close)
            selector.register(connection.socket, selectors.EVENT_READ, connection)
        return _drive(selector, connections, seconds)


def ask(port: int, request: bytes) -> bytes:
    """The answer to a single request, headers and all."""
    connection = _Connection(port, [request])
    with connection.socket:
        connection.ask()
        while not connection.has_answer():
            pass
        return connection.answer


def _drive(
    selector: selectors.BaseSelector, connections: Sequence["_Connection"], seconds: float
) -> Load:
    latencies: list[float] = []
    cpu, begin = time.process_time(), time.perf_counter()
    end = begin + seconds
    for connection in connections:
        connection.ask()
    waiting = len(connections)
    while waiting:
        ready = selector.select(SILENCE_S)
        if not ready:
            raise LoadError(f"no answer within {SILENCE_S:.0f} s")
        for key, _ in ready:
            if not key.data.has_answer():
                continue
            now = time.perf_counter()
            latencies.append(now - key.data.asked_at)
            if now < end:
                key.data.ask()
            else:
                waiting -= 1
    return Load(now - begin, sorted(latencies), time.process_time() - cpu)


class _Connection:
    def __init__(self, port: int, requests: Sequence[bytes]) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), SILENCE_S)
        self.socket.setblocking(True)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.asked_at = 0.0
        self._requests = cycle(requests)
        self.answer = b""

    def ask(self) -> None:
        self.answer = b""
        self.asked_at = time.perf_counter()
        self.socket.sendall(next(self._requests))

    def has_answer(self) -> bool:
        """Takes what has come; whether that makes the answer whole."""
        more = self.socket.recv(65_536)
        if not more:
            raise LoadError("the server closed the connection")
        self.answer += more
        head, gap, body = self.answer.partition(b"\r\n\r\n")
        if not gap:
            return False
        length = CONTENT_LENGTH.search(head)
        if length is None:
            raise LoadError(f"an answer of unknown length: {head!r}")
        if len(body) < int(length[1]):
            return False
        if not head.startswith(b"HTTP/1.1 2"):
            raise LoadError(f"{head.splitlines()[0].decode()}: {body[:300].decode()}")
        return True
