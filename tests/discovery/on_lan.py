"""The whole service on a host of the LAN."""

from pathlib import Path
from typing import Any

from tests.discovery.lan import Host
from tests.discovery.stand_in import PORT
from tests.service.running import GUNICORN, Service, children


class LanService(Service):
    """As its users start it, but announced."""

    def __init__(
        self, host: Host, folder: Path, command: list[str] = GUNICORN, **settings: str
    ) -> None:
        self._host = host
        folder.mkdir(exist_ok=True)
        announced = {"HOST": "::", "PORT": str(PORT), "MDNS_ENABLED": "true"}
        super().__init__(folder, host.command(*command), **(announced | settings))

    def request(self, *arguments: Any, **headers: Any) -> tuple[int, Any]:
        return self._host.call(super().request, *arguments, **headers)

    def announcers(self) -> list[int]:
        """The pids of all its announcers, of which there should be one."""
        return [pid for pid in children(self.pid) if b"discovery.announcer" in _command(pid)]


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
