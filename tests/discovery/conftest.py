"""Networks for the tests; where there can be none, the tests that need one are not run."""

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.discovery.avahi import Avahi
from tests.discovery.lan import Host, Lan
from tests.discovery.packets import Recorder
from tests.discovery.stand_in import StandIn

PROGRAMS = ("ip", "avahi-daemon", "avahi-browse", "avahi-publish", "dbus-daemon")


@pytest.fixture(scope="session")
def namespaces() -> None:
    """Skips where there are no network namespaces; fails where there have to be."""
    missing = [each for each in PROGRAMS if not shutil.which(each)]
    if sys.platform != "linux":
        reason = "is Linux's alone"
    elif os.geteuid() != 0:
        reason = "needs root"
    elif missing:
        reason = f"needs {', '.join(missing)}"
    else:
        return
    refuse = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
    refuse(f"mDNS on a real network: {reason}")


@pytest.fixture
def lan(namespaces: None) -> Iterator[Lan]:
    network = Lan()
    yield network
    network.close()


@pytest.fixture
def server(lan: Lan) -> Host:
    return lan.host("a", "10.77.0.1/24")


@pytest.fixture
def peer(lan: Lan) -> Host:
    return lan.host("b", "10.77.0.2/24", "fd77::2/64")


@pytest.fixture
def avahi(peer: Host, tmp_path: Path) -> Avahi:
    folder = tmp_path / "avahi"
    folder.mkdir()
    return Avahi(peer, folder)


@pytest.fixture
def recorder(peer: Host) -> Iterator[Recorder]:
    """All packets that reach the peer."""
    recording = Recorder(peer)
    yield recording
    recording.close()


@pytest.fixture
def stand_in(server: Host, tmp_path: Path) -> Callable[..., StandIn]:
    """Starts stand-ins; they end with the LAN."""

    def start(host: Host = server, name: str = "stand-in", **offer: object) -> StandIn:
        return StandIn(host, tmp_path / name, **offer)

    return start
