"""The service under gunicorn, found and used by other machines."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from zeroconf import ServiceBrowser, ServiceStateChange, Zeroconf

from children import APIS
from session_service import __version__
from session_service.discovery import find
from tests.discovery.avahi import Avahi
from tests.discovery.lan import ROOT, Host, Lan
from tests.discovery.on_lan import LanService
from tests.discovery.packets import Packet, Recorder, probes
from tests.discovery.stand_in import NAME, PORT
from tests.service.running import SECRET, alive, until

HTTP = f"{NAME}._http._tcp.local."
PEER = f"{NAME}._session-svc._tcp.local."
REAL = ("10.77.0.1", "fd77::1")
A_FEW_LOOKS_S = 2.5


@dataclass
class World:
    """A LAN with the service on one host; all else is on another one."""

    service: LanService
    server: Host
    peer: Host
    avahi: Avahi
    recorder: Recorder
    beginning: list[Packet]


@pytest.fixture(scope="module")
def world(namespaces, tmp_path_factory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("lan")
    lan = Lan()
    try:
        server = lan.host("a", "10.77.0.1/24", "fd77::1/64", "169.254.7.7/16")
        server.ip("link", "add", "docker0", "type", "bridge")
        server.ip("link", "set", "docker0", "up")
        server.add("172.17.0.1/16", to="docker0")
        peer = lan.host("b", "10.77.0.2/24", "fd77::2/64")
        recorder = Recorder(peer)
        avahi = Avahi(peer, folder)
        service = LanService(server, folder / "service", WORKERS="2")
        service.ready()
        until(lambda: "announced as" in service.log.read_text(), "the announcement")
        yield World(service, server, peer, avahi, recorder, list(recorder.packets))
        service.stop()
        recorder.close()
    finally:
        lan.close()


def health(peer: Host, address: str) -> bytes:
    with peer.call(socket.create_connection, (address, PORT), 10) as connection:
        connection.sendall(b"GET /health HTTP/1.0\r\n\r\n")
        return connection.recv(100)


def listing(peer: Host, *options: str) -> str:
    return subprocess.run(
        peer.command(sys.executable, "-m", "session_service.discovery", *options),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def test_avahi_sees_one_instance_of_each_type_with_the_truth_about_it(world):
    for type_ in ("_http._tcp", "_session-svc._tcp"):
        seen = until(lambda each=type_: world.avahi.browse(each), "avahi to see it")
        assert {(each.name, each.type, each.port) for each in seen} == {(NAME, type_, PORT)}
        assert {each.family for each in seen} == {"IPv4", "IPv6"}
        assert {each.address for each in seen} <= set(REAL)
        assert {frozenset(each.text) for each in seen} == {
            frozenset(
                (
                    *("txtvers=1", "path=/", "docs=/docs", "health=/health", "tls=0"),
                    f"version={__version__}",
                    f"apis={','.join(APIS)}",
                )
            )
        }
        [host] = {each.host for each in seen}
        assert host.startswith("session-service-")
        assert (world.avahi.resolve(host), world.avahi.resolve(host, "-6")) == REAL


def test_every_announced_address_answers_and_no_other_is_announced(world):
    [instance] = world.peer.call(find, 5.0, enough=1)
    assert instance.addresses == REAL
    for address in instance.addresses:
        assert b"200" in health(world.peer, address).splitlines()[0]


@pytest.mark.parametrize("family", ["4", "6"])
def test_two_workers_make_one_registration_of_each_type(world, family):
    assert len(world.service.workers()) == 2
    assert len(world.service.announcers()) == 1
    for type_ in ("_http._tcp.local.", "_session-svc._tcp.local."):
        assert len(probes(world.beginning, type_, family)) == 3


def test_zeroconf_of_a_peer_sees_it_come_once(world):
    seen: list[tuple[str, ServiceStateChange]] = []

    def note(name: str, state_change: ServiceStateChange, **_: object) -> None:
        seen.append((name, state_change))

    with world.peer.call(Zeroconf, interfaces=["10.77.0.2"]) as network:
        ServiceBrowser(network, "_session-svc._tcp.local.", handlers=[note])
        until(lambda: seen, "zeroconf to see it")
    assert seen == [(PEER, ServiceStateChange.Added)]


def test_the_command_line_lists_it_for_programs_and_people(world):
    [known] = json.loads(until(lambda: listing(world.peer, "--json", "--wait", "2"), "an answer"))
    assert (known["name"], known["port"], known["tls"]) == (NAME, PORT, False)
    assert (known["version"], known["apis"]) == (__version__, list(APIS))
    assert known["url"] == f"http://10.77.0.1:{PORT}"
    assert known["health"]["status"] == 200
    first, second, third = listing(world.peer, "--wait", "2").splitlines()
    assert first.split() == ["NAME", "ADDRESSES", "PORT", "VERSION", "APIS", "HEALTH"]
    apis = ", ".join(APIS).split()
    assert second.split()[:-2] == [*NAME.split(), REAL[0], str(PORT), __version__, *apis]
    assert second.endswith(" ms")
    assert third.split() == [REAL[1]]


def test_a_peer_that_knows_the_secret_finds_it_and_posts_a_chat(world):
    said = subprocess.run(
        world.peer.command(sys.executable, "examples/peer.py", "alice", "hello"),
        cwd=ROOT,
        env={**os.environ, "JWT_SECRET_KEY": SECRET},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert f"found {NAME} {__version__} at http://10.77.0.1:{PORT}" in said
    assert "reply: " in said
    [session] = world.service.request("GET", "/sessions?limit=1")[1]["data"]
    texts = world.service.texts(session["id"])
    assert texts[0] == ("user", "hello")


def test_reloads_and_crashes_do_not_make_it_flap(world):
    watch = world.avahi.watch("_session-svc._tcp")
    until(watch.came, "avahi to see it")
    before = world.service.workers()
    os.kill(world.service.pid, signal.SIGHUP)
    until(lambda: not set(before) & set(world.service.workers()), "new workers")
    world.service.ready()
    killed = until(world.service.workers, "workers")[0]
    os.kill(killed, signal.SIGKILL)
    until(lambda: not alive(killed) and len(world.service.workers()) == 2, "another worker")
    [announcer] = world.service.announcers()
    moment = time.monotonic()
    os.kill(announcer, signal.SIGKILL)
    until(lambda: world.recorder.announced(PEER, moment), "another announcer")
    time.sleep(A_FEW_LOOKS_S)
    assert len(world.service.announcers()) == 1
    assert not world.recorder.goodbyes(PEER)
    assert not watch.went()


def test_goodbye_leaves_at_the_signal_and_before_the_last_request_ends(world):
    """And at the next start it has the same host name; killed, it says goodbye as well."""
    [before] = world.peer.call(find, 5.0, enough=1)
    service, moment = world.service, time.monotonic()
    with slow_request(world) as slow:
        service.process.send_signal(signal.SIGTERM)
        until(lambda: world.recorder.goodbyes(PEER, moment), "the goodbye")
        until(lambda: world.recorder.goodbyes(HTTP, moment), "the other goodbye")
        assert service.process.poll() is None
        slow.sendall(b'"sess_name": "slow"}')
        assert slow.recv(100).startswith(b"HTTP/1.1 201")
    assert service.process.wait(30) == 0
    assert world.peer.call(find, 1.0) == []

    moment = time.monotonic()
    again = LanService(world.server, service.folder, WORKERS="2")
    again.ready()
    until(lambda: world.recorder.announced(PEER, moment), "the announcement")
    [after] = world.peer.call(find, 5.0, enough=1)
    assert after == before
    moment, owned = time.monotonic(), again.owned()
    again.stop(signal.SIGKILL)
    until(lambda: world.recorder.goodbyes(PEER, moment), "the goodbye")
    until(lambda: not any(map(alive, owned)), "all processes to end")


def slow_request(world: World) -> socket.socket:
    connection = world.peer.call(socket.create_connection, ("10.77.0.1", PORT), 30)
    connection.sendall(
        b"POST /sess HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        + f"Authorization: Bearer {world.service.bearer()}\r\n".encode()
        + b"Content-Length: 21\r\n\r\n{"
    )
    time.sleep(0.5)  # for a worker to take it
    return connection
