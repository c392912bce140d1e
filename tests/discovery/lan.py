"""A local network of network namespaces: hosts on a switch, with addresses and processes."""

import ctypes
import os
import secrets
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

ROOT = Path(__file__).parents[2]
NAMESPACES = Path("/run/netns")
CLONE_NEWNET = 0x40000000
CARD = "eth0"

Result = TypeVar("Result")


def ip(*words: str) -> str:
    return subprocess.run(["ip", *words], check=True, capture_output=True, text=True).stdout


class Host:
    """One machine: a namespace, plugged into the switch by a network card `eth0`."""

    def __init__(self, lan: "Lan", name: str, *addresses: str) -> None:
        self.namespace = f"{lan.name}-{name}"
        self.processes: list[subprocess.Popen[bytes]] = []
        ip("netns", "add", self.namespace)
        self.port = f"port-{name}"
        cable = ("type", "veth", "peer", "name", self.port, "netns", lan.switch)
        ip("link", "add", "name", CARD, "netns", self.namespace, *cable)
        lan.plug(self)
        self.ip("link", "set", "lo", "up")
        self.ip("link", "set", CARD, "up")
        self.add(*addresses)

    def ip(self, *words: str) -> str:
        return ip("-n", self.namespace, *words)

    def add(self, *addresses: str, to: str = CARD) -> None:
        for address in addresses:
            without_waiting = ["nodad"] if ":" in address else []
            self.ip("addr", "add", address, "dev", to, *without_waiting)

    def remove(self, *addresses: str) -> None:
        for address in addresses:
            self.ip("addr", "del", address, "dev", CARD)

    def command(self, *words: str) -> list[str]:
        """The command that runs these words on this host."""
        return ["ip", "netns", "exec", self.namespace, *words]

    def start(
        self, *words: str, log: Path, environ: Mapping[str, str] | None = None
    ) -> "subprocess.Popen[bytes]":
        """The command in the background, until the LAN is closed."""
        with log.open("ab") as output:
            process = subprocess.Popen(
                self.command(*words),
                cwd=ROOT,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self.processes.append(process)
        return process

    def call(self, function: Callable[..., Result], *arguments: Any, **named: Any) -> Result:
        """The function run on this host: sockets and threads it makes stay there."""
        with ThreadPoolExecutor(1) as thread:
            thread.submit(self._enter).result()
            return thread.submit(function, *arguments, **named).result()

    def _enter(self) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        with (NAMESPACES / self.namespace).open() as namespace:
            if libc.setns(namespace.fileno(), CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), f"cannot enter {self.namespace}")


class Lan:
    """The switch, and all that hangs on it until `close`."""

    def __init__(self) -> None:
        self.name = f"sst{secrets.token_hex(3)}"
        self.switch = f"{self.name}-switch"
        self.hosts: list[Host] = []
        ip("netns", "add", self.switch)
        ip("-n", self.switch, "link", "add", "switch", "type", "bridge", "mcast_snooping", "0")
        ip("-n", self.switch, "link", "set", "switch", "up")

    def host(self, name: str, *addresses: str) -> Host:
        self.hosts.append(Host(self, name, *addresses))
        return self.hosts[-1]

    def plug(self, host: Host) -> None:
        ip("-n", self.switch, "link", "set", host.port, "master", "switch", "up")

    def unplug(self, host: Host) -> None:
        """Nobody hears the host any more, and it does not notice."""
        ip("-n", self.switch, "link", "set", host.port, "nomaster")

    def close(self) -> None:
        """Nothing is left: no process, no namespace."""
        for host in self.hosts:
            _end_processes(host.namespace)
            for process in host.processes:
                process.wait(10)
        for namespace in [*(host.namespace for host in self.hosts), self.switch]:
            ip("netns", "del", namespace)


def _end_processes(namespace: str) -> None:
    deadline = time.monotonic() + 10
    while pids := ip("netns", "pids", namespace).split():
        assert time.monotonic() < deadline, f"processes of {namespace} do not end: {pids}"
        for pid in map(int, pids):
            assert pid != os.getpid()
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)
