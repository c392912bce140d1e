"""avahi, as Linux desktops have it, on one host of the LAN: an independent opinion."""

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.discovery.lan import CARD, Host
from tests.service.running import until

BUS = """<busconfig>
  <type>system</type>
  <listen>unix:path={socket}</listen>
  <policy context="default">
    <allow user="*"/> <allow own="*"/>
    <allow send_type="method_call"/> <allow send_type="signal"/>
    <allow send_type="method_return"/> <allow send_type="error"/>
    <allow receive_type="method_call"/> <allow receive_type="signal"/>
    <allow receive_type="method_return"/> <allow receive_type="error"/>
  </policy>
</busconfig>
"""
DAEMON = f"""[server]
host-name=witness
use-ipv4=yes
use-ipv6=yes
allow-interfaces={CARD}
[publish]
publish-hinfo=no
publish-workstation=no
"""
# Its directories belong to the machine's own avahi, if there is one.
START = "mount -t tmpfs tmpfs /run && exec avahi-daemon --no-drop-root --no-rlimits --no-chroot -f"


@dataclass(frozen=True)
class Entry:
    """One line of `avahi-browse -rp`."""

    family: str
    name: str
    type: str
    host: str = ""
    address: str = ""
    port: int = 0
    text: tuple[str, ...] = ()


class Avahi:
    """A daemon on a message bus of its own; its processes end with the host."""

    def __init__(self, host: Host, folder: Path) -> None:
        self._host = host
        self._folder = folder
        bus = folder / "bus"
        self._environ = {**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={bus}"}
        (folder / "bus.conf").write_text(BUS.format(socket=bus))
        (folder / "avahi.conf").write_text(DAEMON)
        self._start("bus", "dbus-daemon", f"--config-file={folder}/bus.conf", "--nofork")
        until(bus.exists, "the message bus")
        self._start("daemon", "sh", "-c", f"{START} {folder}/avahi.conf")
        log = folder / "daemon.log"
        until(lambda: "Server startup complete" in log.read_text(), "avahi-daemon")

    def browse(self, type_: str) -> list[Entry]:
        """What it knows right now, resolved."""
        return [each for kind, each in _entries(self._run("-rptk", type_)) if kind == "="]

    def resolve(self, name: str, family: str = "-4") -> str:
        """The address of a host name; "" where there is none."""
        command = self._host.command("avahi-resolve", family, "-n", name)
        said = subprocess.run(command, env=self._environ, capture_output=True, text=True).stdout
        return said.split()[1] if said else ""

    def watch(self, type_: str) -> "Watch":
        """Writes down what comes and goes, from now on."""
        log = self._start(f"watch-{type_}", "avahi-browse", "-pk", type_)
        return Watch(log)

    def publish(self, name: str, type_: str, port: int) -> None:
        """Claims a name, as any other program on the LAN may."""
        log = self._start(f"publish-{type_}", "avahi-publish", "-s", name, type_, str(port))
        until(lambda: "Established" in log.read_text(), "avahi-publish")

    def _run(self, *words: str) -> str:
        command = self._host.command("avahi-browse", *words)
        return subprocess.run(
            command, env=self._environ, capture_output=True, text=True, check=True, timeout=30
        ).stdout

    def _start(self, name: str, *words: str) -> Path:
        log = self._folder / f"{name}.log"
        self._host.start(*words, log=log, environ=self._environ)
        return log


class Watch:
    """A running `avahi-browse`."""

    def __init__(self, log: Path) -> None:
        self._log = log

    def came(self) -> list[Entry]:
        return [each for kind, each in _entries(self._log.read_text()) if kind == "+"]

    def went(self) -> list[Entry]:
        return [each for kind, each in _entries(self._log.read_text()) if kind == "-"]


def _entries(output: str) -> list[tuple[str, Entry]]:
    found = []
    for line in output.splitlines():
        kind, _, rest = line.partition(";")
        if kind in "+-=" and rest:
            _, family, name, type_, _, *more = rest.split(";")
            found.append((kind, Entry(family, _plain(name), type_, *_resolved(more))))
    return found


def _resolved(fields: list[str]) -> tuple[str, str, int, tuple[str, ...]] | tuple[()]:
    if not fields:
        return ()
    host, address, port, text = fields
    return host, address, int(port), tuple(re.findall(r'"([^"]*)"', text))


def _plain(name: str) -> str:
    """Its decimal escapes are of bytes."""
    raw = re.sub(rb"\\(\d{3})", lambda found: bytes([int(found[1])]), name.encode())
    return raw.replace(b"\\", b"").decode()
