"""A stand-in for a chat-completions endpoint: real HTTP, and as ill-behaved as a test asks for."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

PATIENCE_S = 30.0


@dataclass(frozen=True)
class Request:
    """What the endpoint was asked."""

    line: str
    headers: dict[str, str]
    body: dict[str, Any]

    @property
    def messages(self) -> list[tuple[str, str]]:
        return [(each["role"], each["content"]) for each in self.body["messages"]]


class Exchange:
    """One connection: what was asked on it, and the hand that answers."""

    def __init__(self, connection: socket.socket, request: Request) -> None:
        self._connection = connection
        self.request = request

    def send(self, *parts: bytes | str) -> None:
        """Each part in a TCP segment of its own."""
        for part in parts:
            self._connection.sendall(part.encode() if isinstance(part, str) else part)
            time.sleep(0.01)

    def pour(self, data: bytes) -> None:
        """As fast as the client takes it."""
        self._connection.sendall(data)

    def head(self, kind: str = "text/event-stream", status: str = "200 OK", **more: str) -> None:
        extra = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in more.items())
        self.send(f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nConnection: close\r\n{extra}\r\n")

    def wait_until_left(self) -> bool:
        """Whether the client goes away before the test's patience ends."""
        self._connection.settimeout(PATIENCE_S)
        try:
            return self._connection.recv(1) == b""
        except ConnectionError:
            return True
        except TimeoutError:
            return False


Answer = Callable[[Exchange], None]


def chunk(content: str | None = None, reason: str | None = None, **more: Any) -> str:
    """One event of a stream."""
    delta = {} if content is None else {"content": content}
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    return event({"id": "x", "object": "chat.completion.chunk", "choices": [choice], **more})


def event(document: Any) -> str:
    return f"data: {json.dumps(document, ensure_ascii=False)}\n\n"


DONE = "data: [DONE]\n\n"


def stream(*events: bytes | str) -> Answer:
    """Answers with a stream of these events, and closes."""

    def answer(exchange: Exchange) -> None:
        exchange.head()
        exchange.send(*events)

    return answer


def says(*texts: str) -> Answer:
    """Answers as it should."""
    return stream(chunk(""), *map(chunk, texts), chunk(reason="stop"), DONE)


def document(body: Any, status: str = "200 OK", **headers: str) -> Answer:
    """Answers with one document, JSON unless it is a text already."""
    kind = "text/html" if isinstance(body, str) else "application/json"
    text = body if isinstance(body, str) else json.dumps(body)

    def answer(exchange: Exchange) -> None:
        exchange.head(kind, status, Content_Length=str(len(text.encode())), **headers)
        exchange.send(text)

    return answer


def fails(status: str, code: str = "some_error", **headers: str) -> Answer:
    """Refuses, and quotes in its message what a log must not hold."""

    def answer(exchange: Exchange) -> None:
        words = f"{exchange.request.headers} {exchange.request.body}"
        document({"error": {"message": words, "code": code}}, status, **headers)(exchange)

    return answer


def silence(exchange: Exchange) -> None:
    """Takes the request and never answers."""
    exchange.wait_until_left()


@dataclass(eq=False)
class Upstream:
    """Answers requests one after the other by `answers`, the last of them for ever."""

    answers: list[Answer] = field(default_factory=lambda: [says("hello")])
    requests: list[Request] = field(default_factory=list)
    open: int = 0
    pauses: list[float] = field(default_factory=list)  # that its client made between attempts

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._server = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port = int(self._server.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}/v1"

    def serve(self) -> None:
        with suppress(OSError):
            while True:
                connection = self._server.accept()[0]
                threading.Thread(target=self._serve, args=[connection], daemon=True).start()

    def stop(self) -> None:
        with suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()

    def _serve(self, connection: socket.socket) -> None:
        with connection, suppress(ConnectionError):
            with self._lock:
                self.open += 1
            try:
                self._answer(connection)
            finally:
                with self._lock:
                    self.open -= 1

    def _answer(self, connection: socket.socket) -> None:
        request = read_request(connection)
        if request is None:
            return
        with self._lock:
            answer = self.answers[min(len(self.requests), len(self.answers) - 1)]
            self.requests.append(request)
        answer(Exchange(connection, request))


def read_request(connection: socket.socket) -> Request | None:
    with connection.makefile("rb") as file:
        head = list(iter(lambda: file.readline().strip().decode(), ""))
        if not head:
            return None
        headers = {name.lower(): value for name, _, value in (x.partition(": ") for x in head[1:])}
        body = file.read(int(headers.get("content-length", "0")))
        return Request(head[0], headers, json.loads(body or "{}"))


@contextmanager
def upstream(answers: Iterable[Answer] = ()) -> Iterator[Upstream]:
    """An endpoint that is there for as long as the block lasts."""
    running = Upstream(list(answers) or [says("hello")])
    thread = threading.Thread(target=running.serve, daemon=True)
    thread.start()
    try:
        yield running
    finally:
        running.stop()
        thread.join(PATIENCE_S)
