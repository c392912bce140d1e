"""A server of few lines, announced as the service is, where the service itself is not needed.

`python -m tests.discovery.stand_in OFFER` answers what the file `status` in its data directory
says; SIGTERM ends it as it ends gunicorn.
"""

import signal
import socket
import ssl
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import FrameType
from typing import Any

from session_service.discovery import Offer
from session_service.discovery.handle import AnnouncerProcess
from tests.discovery.lan import Host
from tests.service.running import children, until

PORT = 5003
NAME = "Session Service"
STATUS = "status"
CERTIFICATE = ("certificate.pem", "key.pem")  # beside the data directory


class StandIn:
    """One of them, on a host of the LAN."""

    def __init__(
        self,
        host: Host,
        folder: Path,
        status: int = 200,
        listening_on: str = "0.0.0.0",
        **offer: Any,
    ) -> None:
        self.data = folder
        self.log = folder / "log"
        folder.mkdir(exist_ok=True)
        self.answer(status)
        known = {"name": NAME, "port": PORT, "tls": False, "version": "9.9", "apis": ("sessions",)}
        self.offer = Offer(listening_on=listening_on, data_dir=folder, **(known | offer))
        self._host = host
        self.start()

    def start(self) -> None:
        words = (sys.executable, "-m", __name__, self.offer.to_json())
        self.process = self._host.start(*words, log=self.log)

    def answer(self, status: int) -> None:
        (self.data / STATUS).write_text(str(status))

    def said(self, text: str, times: int = 1) -> None:
        until(lambda: self.log.read_text().count(text) >= times, f"{text!r} in {self.log}")

    def announcer(self) -> int:
        return int(until(lambda: children(self.process.pid), "an announcer")[0])

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        self.process.send_signal(how)
        self.process.wait(30)


class _Server(ThreadingHTTPServer):
    daemon_threads = True


class _Handler(BaseHTTPRequestHandler):
    status = Path()

    def do_GET(self) -> None:
        self.send_response(int(self.status.read_text()))
        self.send_header("Content-Length", "0")
        self.end_headers()


def main(offer: Offer) -> None:
    _Handler.status = offer.data_dir / STATUS
    _Server.address_family = socket.AF_INET6 if ":" in offer.listening_on else socket.AF_INET
    server = _Server((offer.listening_on, offer.port), _Handler)
    if offer.tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*(offer.data_dir.parent / each for each in CERTIFICATE))
        server.socket = context.wrap_socket(server.socket, server_side=True)
    Thread(target=server.serve_forever, daemon=True).start()
    announcer = AnnouncerProcess(offer)

    def end(_number: int, _frame: FrameType | None) -> None:
        announcer.goodbye()
        announcer.stop()
        sys.exit()

    signal.signal(signal.SIGTERM, end)
    while True:
        time.sleep(0.2)
        announcer.ensure()


if __name__ == "__main__":
    main(Offer.from_json(sys.argv[1]))
