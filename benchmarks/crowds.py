"""Many connections at once that are slow, idle, streaming or surprised by a signal."""

import selectors
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from statistics import median

from benchmarks import streaming

HOST = "127.0.0.1"
PROBES = 8
PROBE_TIMEOUT_S = 2.0
PATIENCE_S = 30.0
HALF = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: "
STREAM = f"GET {streaming.PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()


@dataclass(frozen=True, slots=True)
class Latencies:
    """How long (ms) each of `asked` requests waited, but for those that waited in vain."""

    asked: int
    answered: Sequence[float]

    def __str__(self) -> str:
        """Median and longest, or how many there were."""
        missing = self.asked - len(self.answered)
        if not self.answered:
            return f"none of {self.asked}"
        text = f"{median(self.answered):.0f} / {max(self.answered):.0f}"
        return f"{text}, {missing} of {self.asked} not" if missing else text


@dataclass(frozen=True, slots=True)
class Streams:
    """Their first bytes, and ordinary requests meanwhile."""

    first_bytes: Latencies
    others: Latencies


@dataclass(frozen=True, slots=True)
class Outcome:
    """What clients saw: answers, failures, and the longest time (s) without any answer."""

    answered: int
    failed: int
    longest_silence: float


@contextmanager
def connections(port: int, count: int, say: bytes = b"") -> Iterator[list[socket.socket]]:
    """So many open connections on which this has been said."""
    with ExitStack() as stack:
        opened = []
        for _ in range(count):
            opened.append(socket.create_connection((HOST, port), PATIENCE_S))
            stack.callback(opened[-1].close)
            opened[-1].sendall(say)
        yield opened


def probe(port: int, path: str = "/health") -> Latencies:
    """Asks a few times, each time on a connection of its own."""
    taken = [each for each in (_ask(port, path) for _ in range(PROBES)) if each is not None]
    return Latencies(PROBES, taken)


def streams(port: int, count: int) -> Streams:
    """Opens so many streams, asks other things meanwhile, and waits for all first bytes."""
    lasting_s = streaming.EVENTS * streaming.PAUSE_S
    others: list[Latencies] = []
    asking = threading.Thread(target=lambda: others.append(probe(port)))
    with connections(port, count) as opened:
        began = time.monotonic()
        for each in opened:
            each.sendall(STREAM)
        asking.start()
        first_bytes = _first_bytes(opened, began, lasting_s)
        asking.join()
    return Streams(Latencies(count, first_bytes), others[0])


class Clients:
    """Threads that read a path until they are refused or told to stop.

    Every other one makes a new connection each time.
    """

    def __init__(self, port: int, path: str, token: str, count: int) -> None:
        self._port, self._path = port, path
        self._headers = {"Authorization": f"Bearer {token}"}
        self._answers: list[float] = []
        self._failures: list[object] = []
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=[i % 2]) for i in range(count)]

    def start(self, answers: int) -> None:
        """Returns when they are well under way."""
        for thread in self._threads:
            thread.start()
        self.wait(lambda: len(self._answers) + len(self._failures) >= answers)

    def stop(self) -> Outcome:
        self._stopping.set()
        for thread in self._threads:
            thread.join()
        silences = [b - a for a, b in zip(self._answers, self._answers[1:], strict=False)]
        return Outcome(len(self._answers), len(self._failures), max(silences, default=0.0))

    def wait(self, condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not condition() and time.monotonic() < deadline:
            time.sleep(0.05)

    def _run(self, renewed: bool) -> None:
        while not self._stopping.is_set():
            connection = HTTPConnection(HOST, self._port, timeout=PATIENCE_S)
            try:
                connection.connect()
            except OSError:
                return
            try:
                self._read_on(connection, renewed)
            except (OSError, HTTPException) as error:
                self._failures.append(error)
            finally:
                connection.close()

    def _read_on(self, connection: HTTPConnection, renewed: bool) -> None:
        closing = False
        while not closing and not self._stopping.is_set():
            connection.request("GET", self._path, headers=self._headers)
            answer = connection.getresponse()
            answer.read()
            self._answers.append(time.monotonic())
            if answer.status != 200:
                self._failures.append(answer.status)
            closing = renewed or answer.will_close


def _ask(port: int, path: str) -> float | None:
    connection = HTTPConnection(HOST, port, timeout=PROBE_TIMEOUT_S)
    began = time.monotonic()
    try:
        connection.request("GET", path)
        connection.getresponse().read()
    except (OSError, HTTPException):
        return None
    finally:
        connection.close()
    return (time.monotonic() - began) * 1000


def _first_bytes(opened: Sequence[socket.socket], began: float, seconds: float) -> list[float]:
    """When (ms) each connection had something to read, of those that had within this time."""
    found = []
    with selectors.DefaultSelector() as selector:
        for each in opened:
            selector.register(each, selectors.EVENT_READ)
        while (left := began + seconds - time.monotonic()) > 0 and selector.get_map():
            for key, _ in selector.select(left):
                found.append((time.monotonic() - began) * 1000)
                selector.unregister(key.fileobj)
    return found
