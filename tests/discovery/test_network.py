"""What is announced while networks come, go, change and are shared: real packets, real peers."""

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import threading
import time

import pytest
from zeroconf import DNSAddress, DNSOutgoing, DNSPointer, DNSService, DNSText

from session_service.addresses import lan_interfaces
from session_service.discovery import Offer, find
from session_service.discovery.__main__ import ask_all
from session_service.discovery.announcement import Announcement
from session_service.discovery.host_name import FILE
from tests.discovery.avahi import Avahi
from tests.discovery.lan import CARD
from tests.discovery.packets import GROUP_4, probes
from tests.discovery.stand_in import CERTIFICATE, NAME, PORT
from tests.service.running import alive, until

HTTP = f"{NAME}._http._tcp.local."
PEER = f"{NAME}._session-svc._tcp.local."
SECOND_HTTP = f"{NAME} (2)._http._tcp.local."
SECOND_PEER = f"{NAME} (2)._session-svc._tcp.local."
A_FEW_LOOKS_S = 2.5
CURVE = "ec_paramgen_curve:prime256v1"


def answers(peer, address: str) -> bool:
    with peer.call(socket.create_connection, (address, PORT), 10) as connection:
        connection.sendall(b"GET /health HTTP/1.0\r\n\r\n")
        return b" 200 " in connection.recv(100)


def found(peer) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Names, with host names and addresses, as a peer finds them."""
    return {each.name: (each.host, each.addresses) for each in peer.call(find, 1.5)}


def places(peer) -> list[tuple[str, ...]]:
    return [addresses for _, addresses in found(peer).values()]


def tell_lies(lies: socket.socket, over: threading.Event) -> None:
    type_ = "_session-svc._tcp.local."
    names = [f"{each}.{type_}" for each in ("\x1b[2J", "\u202eevil", "a.b.c", "x" * 63, "loop")]
    while not over.is_set():
        for number, name in enumerate(names):
            packet = DNSOutgoing(0x8400)
            packet.add_answer_at_time(DNSPointer(type_, 12, 1, 4500, name), 0)
            packet.add_answer_at_time(DNSService(name, 33, 1, 120, 0, 0, number, "liar.local."), 0)
            packet.add_answer_at_time(DNSText(name, 16, 1, 4500, os.urandom(200) * number), 0)
            for address in (b"\x7f\0\0\1", b"\0\0\0\0", bytes(16)):
                type_of = 1 if len(address) == 4 else 28
                packet.add_answer_at_time(DNSAddress("liar.local.", type_of, 1, 120, address), 0)
            for each in packet.packets():
                lies.sendto(each, (GROUP_4, 5353))
                lies.sendto(each[: len(each) // 2], (GROUP_4, 5353))
        flood = DNSOutgoing(0x8400)
        for _ in range(100):
            alias = f"{os.urandom(8).hex()}.{type_}"
            flood.add_answer_at_time(DNSPointer(type_, 12, 1, 4500, alias), 0)
        for each in (*flood.packets(), os.urandom(500)):
            lies.sendto(each, (GROUP_4, 5353))
        time.sleep(0.05)


def addresses(recorder, since: float) -> dict[str, float]:
    """All that was said of addresses, the last word on each."""
    said: dict[str, float] = {}
    for packet in recorder.since(since):
        if not packet.asks:
            said |= packet.addresses()
    return said


def test_it_is_announced_once_healthy_and_stays_when_it_no_longer_is(recorder, stand_in):
    service = stand_in(status=503)
    service.said(" 503 ", times=3)
    assert not recorder.packets
    service.answer(200)
    until(lambda: recorder.announced(PEER), "the announcement")
    until(lambda: recorder.announced(HTTP), "the announcement as a web site")
    service.said("announced as")
    service.answer(503)
    time.sleep(A_FEW_LOOKS_S)
    assert not recorder.goodbyes(PEER)


def test_each_type_is_registered_once_and_withdrawn_once(recorder, stand_in):
    service = stand_in()
    service.said("announced as")
    assert len(probes(recorder.packets, "_http._tcp.local.")) == 3
    assert len(probes(recorder.packets, "_session-svc._tcp.local.")) == 3
    assert len(recorder.announced(HTTP)) == 3
    assert len(recorder.announced(PEER)) == 3
    service.stop()
    until(lambda: recorder.goodbyes(PEER) and recorder.goodbyes(HTTP), "the goodbye")
    last = recorder.goodbyes(PEER)[0]
    assert {each.ttl for each in last.records} == {0}
    assert last.addresses() == {"10.77.0.1": 0}


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_at_its_end_it_is_gone_for_avahi(avahi, stand_in, how):
    watch = avahi.watch("_session-svc._tcp")
    service = stand_in()
    until(watch.came, "avahi to see it")
    announcer = service.announcer()
    service.stop(how)
    until(watch.went, "avahi to see it go")
    until(lambda: not alive(announcer), "the announcer to end")
    assert avahi.browse("_session-svc._tcp") == []


def test_a_killed_announcer_comes_back_under_its_name_without_a_goodbye(avahi, recorder, stand_in):
    avahi.publish(NAME, "_http._tcp", 80)
    service = stand_in()
    service.said(f"'{NAME} (2)'")
    service.answer(503)
    before, moment = service.announcer(), time.monotonic()
    os.kill(before, signal.SIGKILL)
    until(lambda: recorder.announced(SECOND_PEER, moment), "the announcement")
    service.said(f"'{NAME} (2)'", times=2)
    assert service.announcer() != before
    assert not recorder.goodbyes(SECOND_PEER)
    assert not recorder.goodbyes(SECOND_HTTP)


def test_a_taken_name_gets_a_number_for_both_types(avahi, recorder, stand_in):
    avahi.publish(NAME, "_http._tcp", 80)
    stand_in().said(f"announced as '{NAME} (2)'")
    assert recorder.announced(SECOND_HTTP)
    assert recorder.announced(SECOND_PEER)
    assert not recorder.announced(PEER)
    names = {each.name: each.port for each in avahi.browse("_http._tcp")}
    assert names == {NAME: 80, f"{NAME} (2)": PORT}


@pytest.mark.parametrize("known", [False, True])
def test_goodbye_is_said_if_others_may_know_it_also_while_it_is_announced_anew(
    server, recorder, tmp_path, known
):
    interfaces = server.call(lan_interfaces)
    offer = Offer(NAME, "0.0.0.0", PORT, False, "9.9", (), tmp_path)

    async def interrupted() -> None:
        host = "session-service-0000.local."
        await Announcement(offer, host, 1, interfaces, known=known).end()

    server.call(asyncio.run, interrupted())
    if known:
        until(lambda: recorder.goodbyes(PEER) and recorder.goodbyes(HTTP), "the goodbye")
    else:
        assert not recorder.packets


@pytest.mark.parametrize("copied", [False, True])
def test_two_that_could_not_hear_each_other_agree_when_they_can(
    lan, peer, stand_in, tmp_path, copied
):
    other = lan.host("c", "10.77.0.3/24")
    lan.unplug(other)
    first = stand_in()
    first.said("announced as")
    copy = tmp_path / "copy"
    if copied:  # a data directory, and with it the host name
        copy.mkdir()
        shutil.copy(first.data / FILE, copy / FILE)
    stand_in(host=other, name="copy").said("announced as")
    lan.plug(other)
    Avahi(peer, tmp_path).watch("_session-svc._tcp")  # knows neither, asks, and all hear both

    def agreed() -> bool:
        instances = found(peer)
        addresses = dict(instances.values())
        return set(instances) == {NAME, f"{NAME} (2)"} and sorted(addresses.values()) == [
            ("10.77.0.1",),
            ("10.77.0.3",),
        ]

    until(agreed, "two names and two host names")


def test_a_second_server_on_the_same_data_has_a_host_name_of_its_own(peer, stand_in):
    stand_in().said("announced as")
    stand_in(port=PORT + 1).said("announced as", times=2)
    hosts = until(lambda: len(both := found(peer)) == 2 and both, "both")
    assert set(hosts) == {NAME, f"{NAME} (2)"}
    assert hosts[NAME] != hosts[f"{NAME} (2)"]


def test_a_host_that_gets_its_network_later_is_announced_then(lan, peer, recorder, stand_in):
    late = lan.host("c")
    late.ip("link", "set", CARD, "down")
    service = stand_in(host=late)
    service.said("waiting for one")
    assert not recorder.packets
    late.ip("link", "set", CARD, "up")
    late.add("10.77.0.3/24")
    until(lambda: recorder.announced(PEER), "the announcement")
    assert answers(peer, "10.77.0.3")


def test_changed_addresses_are_followed_without_disappearing(server, peer, recorder, stand_in):
    server.add("fd77::1/64")
    service = stand_in(listening_on="::")
    service.said("announced as")
    until(lambda: places(peer) == [("10.77.0.1", "fd77::1")], "both addresses")
    moment = time.monotonic()
    server.remove("10.77.0.1/24", "fd77::1/64")
    server.add("10.77.0.9/24")
    until(lambda: "10.77.0.9" in addresses(recorder, moment), "the new address")
    until(lambda: places(peer) == [("10.77.0.9",)], "it alone")
    said = addresses(recorder, moment)
    assert (said["10.77.0.1"], said["fd77::1"]) == (0, 0)
    assert not recorder.goodbyes(PEER)
    assert answers(peer, "10.77.0.9")


def test_where_multicast_is_impossible_http_answers_and_it_is_tried_again(
    server, peer, recorder, stand_in
):
    hog = server.call(socket.socket, socket.AF_INET, socket.SOCK_DGRAM)
    hog.bind(("", 5353))  # as an avahi does that is told to disallow other stacks
    with hog:
        service = stand_in()
        service.said("cannot announce the service, trying again", times=2)
        assert answers(peer, "10.77.0.1")
        assert not recorder.packets
    until(lambda: recorder.announced(PEER), "the announcement")


def test_the_host_name_stays_over_a_restart(peer, recorder, stand_in):
    service = stand_in()
    service.said("announced as")
    before = until(lambda: found(peer), "a peer to find it")
    service.stop()
    until(lambda: recorder.goodbyes(PEER), "the goodbye")
    service.start()
    service.said("announced as", times=2)
    assert until(lambda: found(peer), "a peer to find it again") == before


def test_only_addresses_that_others_reach_are_announced(server, peer, recorder, stand_in):
    virtual = {"docker0": "172.17.0.1/16", "br-0a1b2c": "172.18.0.1/16", "nolan": "10.50.0.1/24"}
    for name, address in virtual.items():
        server.ip("link", "add", name, "type", "bridge")
        server.ip("link", "set", name, "up")
        server.add(address, to=name)
    for name, address in {"veth7": "10.51.0.1/24", "wg0": "10.52.0.1/24"}.items():
        server.ip("link", "add", name, "type", "veth", "peer", "name", f"{name}-end")
        server.ip("link", "set", name, "up")
        server.ip("link", "set", f"{name}-end", "up")
        server.add(address, to=name)
    server.add("10.53.0.1/32", to="lo")
    server.add("169.254.7.7/16", "fd77::1/64")
    stand_in(listening_on="::").said("announced as")
    said = addresses(recorder, 0)
    assert set(said) == {"10.77.0.1", "fd77::1"}
    assert all(answers(peer, each) for each in said)


def test_a_bridge_to_a_real_network_is_announced(server, recorder, stand_in):
    server.remove("10.77.0.1/24")
    server.ip("link", "add", "br0", "type", "bridge")
    server.ip("link", "set", CARD, "master", "br0")
    server.ip("link", "set", "br0", "up")
    server.add("10.77.0.5/24", to="br0")
    stand_in().said("announced as")
    until(lambda: set(addresses(recorder, 0)) == {"10.77.0.5"}, "its address")


def test_interfaces_that_are_named_go_before_the_rules(server, recorder, stand_in):
    server.ip("link", "set", CARD, "down")
    server.ip("link", "set", CARD, "name", "tap0")
    server.ip("link", "set", "tap0", "up")
    server.ip("link", "add", "eth1", "type", "veth", "peer", "name", "eth2")
    server.ip("link", "set", "eth1", "up")
    server.add("10.54.0.1/24", to="eth1")
    stand_in(interfaces=("tap0",)).said("announced as")
    until(lambda: set(addresses(recorder, 0)) == {"10.77.0.1"}, "the address of tap0")


def test_ipv6_alone_is_enough(server, peer, avahi, stand_in):
    server.remove("10.77.0.1/24")
    server.add("fd77::1/64")
    stand_in(listening_on="::").said("announced as")
    until(lambda: places(peer) == [("fd77::1",)], "a peer to find it")
    seen = until(lambda: avahi.browse("_session-svc._tcp"), "avahi to see it")
    assert {(each.family, each.address) for each in seen} == {("IPv6", "fd77::1")}
    assert answers(peer, "fd77::1")


def test_a_server_with_tls_says_so(peer, stand_in, tmp_path):
    certificate, key = (tmp_path / each for each in CERTIFICATE)
    subject = ("-subj", "/CN=session-service", "-days", "2", "-nodes")
    files = ("-keyout", str(key), "-out", str(certificate))
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", CURVE, *subject, *files],
        check=True,
        capture_output=True,
    )
    stand_in(tls=True).said("announced as")
    [instance] = peer.call(find, 5.0, enough=1)
    assert (instance.tls, instance.url) == (True, f"https://10.77.0.1:{PORT}")
    [(_, health)] = peer.call(ask_all, [instance])
    assert health.status == 200


def test_strangers_that_lie_do_no_harm_to_those_who_look(lan, peer, stand_in):
    stand_in().said("announced as")
    stranger = lan.host("c", "10.77.0.66/24")
    with stranger.call(socket.socket, socket.AF_INET, socket.SOCK_DGRAM) as lies:
        lies.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("10.77.0.66"))
        lies.bind(("10.77.0.66", 5353))
        over = threading.Event()
        telling = threading.Thread(target=tell_lies, args=[lies, over])
        telling.start()
        try:
            instances = peer.call(find, 3.0)
        finally:
            over.set()
            telling.join()
    assert NAME in {each.name for each in instances}
    assert "http://10.77.0.1:5003" in {each.url for each in instances}
    for each in instances:
        assert each.name.isprintable()
        assert "127.0.0.1" not in each.addresses
