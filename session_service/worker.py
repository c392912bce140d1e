"""gunicorn's gevent worker, for a service that meets its clients without a proxy in between."""

import secrets
import signal
import time
from contextlib import closing, suppress
from types import FrameType
from typing import Any

import gevent
import orjson
import structlog
from gevent import socket
from gevent.pool import Pool
from gevent.server import StreamServer
from gevent.thread import LockType
from gunicorn import util
from gunicorn.http import errors
from gunicorn.workers.ggevent import GeventWorker

from session_service.stopping import succession

ARRIVAL_S = 0.5  # for handshakes that have begun when the server is told to stop
PATIENCE_S = 20.0  # for a place for those who queue
FAREWELL_S = 2.0  # for a client to take its last answer
HANDSHAKE_S = 5.0  # as long as for the head of a request

PLAIN_HTTP = ("400 Bad Request", "此端口只提供 HTTPS")
INTERNAL = ("500 Internal Server Error", "服务器内部错误")
REFUSALS: dict[type[BaseException], tuple[str, str]] = {
    errors.LimitRequestLine: ("414 URI Too Long", "请求地址过长"),
    errors.LimitRequestHeaders: ("431 Request Header Fields Too Large", "请求头过大"),
    errors.ExpectationFailed: ("417 Expectation Failed", "不支持该 Expect 请求头"),
    errors.InvalidResponseHeader: INTERNAL,
    errors.InvalidResponseHeaderName: INTERNAL,
    errors.ParseException: ("400 Bad Request", "请求格式错误"),
    BaseException: INTERNAL,
}

log = structlog.get_logger("request")


class Door(StreamServer):  # type: ignore[misc]
    """Accepts connections; before it closes, those too that the kernel has accepted for it."""

    max_accept = 1  # at a time, so that the other workers have their share

    def close(self) -> None:
        with suppress(OSError):
            while self.started and not self.full() and (waiting := self.do_read()):
                self.do_handle(*waiting)
        super().close()

    def wrap_socket_and_handle(self, client_socket: Any, address: Any) -> None:
        """What gevent calls for a connection with TLS: here the handshake has a time limit."""
        tls = self.wrap_socket(client_socket, do_handshake_on_connect=False, **self.ssl_args)
        with closing(tls):
            try:
                with gevent.Timeout(HANDSHAKE_S, TimeoutError):
                    tls.do_handshake()
            except OSError as error:
                if getattr(error, "reason", "") == "HTTP_REQUEST":
                    _send_in_plain(tls, _refusal(*PLAIN_HTTP, secrets.token_hex(8)))
                return
            self.handle(tls, address)


class Worker(GeventWorker):  # type: ignore[misc]
    """Cuts nobody off when it ends, and refuses what is no HTTP in the service's own words."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._doors: list[Door] = []

    def patch(self) -> None:
        super().patch()
        # A condition asks its lock this, at every use of a database connection. Without an
        # answer it tries to take the lock, and gevent lets all others run before it fails.
        LockType._is_owned = LockType.locked

    def init_signals(self) -> None:
        super().init_signals()
        # A terminal sends Ctrl-C to all processes: it is the server process's to hear.
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    def server_class(self, listener: Any, spawn: Pool, **settings: Any) -> Door:
        """What gunicorn makes its servers with; here they still speak gunicorn's own HTTP.

        All that they need has been made by now, the TLS context as well: this worker can serve.
        """

        def handle(client: Any, address: Any) -> None:
            # Asked for its own name only, which a closed listener could not tell any more.
            self.handle(client, client, address)

        tls = {key: settings[key] for key in ("ssl_context",) if key in settings}
        self._doors.append(Door(listener, handle, spawn=spawn, **tls))
        succession.ready(self.age)
        return self._doors[-1]

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        gevent.spawn(self._end)

    def _end(self) -> None:
        gevent.sleep(ARRIVAL_S)
        while succession.awaited(self.age):  # for good, where nobody comes who could serve
            gevent.sleep(0.05)
        patient_until = time.monotonic() + PATIENCE_S
        while time.monotonic() < patient_until and any(door.full() for door in self._doors):
            gevent.sleep(0.05)
        self.alive = False

    def handle_request(self, listener_name: Any, req: Any, sock: Any, addr: Any) -> None:
        try:
            super().handle_request(listener_name, req, sock, addr)
        except StopIteration:
            util.close_graceful(sock, FAREWELL_S)  # unread input would reset it, answer and all
            raise

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:
        """Answers what never became a request to the application."""
        if isinstance(exc, gevent.GreenletExit):
            return
        status, message = next(REFUSALS[kind] for kind in REFUSALS if isinstance(exc, kind))
        request_id = secrets.token_hex(8)
        about = {"request_id": request_id, "status": int(status[:3]), "why": type(exc).__name__}
        if status.startswith("5"):
            log.error("unexpected error", **about, exc_info=exc)
        else:
            log.info("refused", **about)
        with suppress(OSError):
            client.sendall(_refusal(status, message, request_id))
        util.close_graceful(client, FAREWELL_S)


def _send_in_plain(tls: Any, answer: bytes) -> None:
    with suppress(OSError):
        plain = socket.socket(fileno=tls.detach())
        plain.sendall(answer)
        util.close_graceful(plain, FAREWELL_S)


def _refusal(status: str, message: str, request_id: str) -> bytes:
    body = orjson.dumps({"status": "error", "message": message})
    lines = [
        f"HTTP/1.1 {status}",
        "Connection: close",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        f"X-Request-ID: {request_id}",
        "X-Content-Type-Options: nosniff",
        "Referrer-Policy: no-referrer",
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body
