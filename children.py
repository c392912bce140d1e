"""The child processes of a server process: the embedded database and the announcer."""

import logging
import signal
import sys
import threading
import time
from types import FrameType
from typing import Any

from config import Config
from session_service import __version__, embedded
from session_service.addresses import is_loopback
from session_service.child import Child
from session_service.discovery import Offer
from session_service.discovery.handle import AnnouncerProcess

APIS = (
    "sessions",
    "chats",
    "conversations",
    "message-sessions",
    "phoebe",
)  # those of `app.apis_of`, as announced
PAUSE_S = 1.0

log = logging.getLogger(__name__)


class Children:
    """What one server process has started; kept running by a thread of its own until `stop`."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._all: list[Child] = []
        self._announcer: AnnouncerProcess | None = None

    def start_database(self) -> None:
        """Starts the embedded database if no other is named; ends the process if it cannot."""
        if self._config.mongo_uri:
            return
        try:
            self._keep(embedded.start(self._config.data_dir))
        except embedded.EmbeddedError as error:
            sys.exit(f"session-service: {error}")

    def announce(self) -> None:
        """Has the service, which listens by now, announced on the LAN once it is healthy."""
        config = self._config
        if not config.mdns_enabled:
            return
        if is_loopback(config.host):
            log.warning("discovery: not announced, HOST=%s is for this machine alone", config.host)
            return
        offer = Offer(
            name=config.mdns_name,
            listening_on=config.host,
            port=config.port,
            tls=config.tls_cert is not None,
            version=__version__,
            apis=APIS,
            data_dir=config.data_dir.resolve(),
            interfaces=config.mdns_interfaces,
        )
        self._announcer = AnnouncerProcess(offer)
        self._keep(self._announcer)

    def goodbye_first(self, *signals: signal.Signals) -> None:
        """Withdraws the announcement at these signals, before what is done about them so far."""
        for number in signals:
            signal.signal(number, self._before(signal.getsignal(number)))

    def release(self) -> None:
        """In a forked worker: let go of all of them."""
        for child in self._all:
            child.release()

    def stop(self) -> None:
        """Ends them, the last one first, and waits for that."""
        for child in reversed(self._all):
            child.stop()

    def _keep(self, child: Child) -> None:
        self._all.append(child)
        if len(self._all) == 1:
            threading.Thread(target=self._ensure, daemon=True).start()

    def _ensure(self) -> None:
        while True:
            time.sleep(PAUSE_S)
            for child in self._all:
                child.ensure()

    def _before(self, then: Any) -> Any:
        def handle(number: int, frame: FrameType | None) -> None:
            if self._announcer is not None:
                self._announcer.goodbye()
            then(number, frame)

        return handle
