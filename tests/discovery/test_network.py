"""It comes, stays and goes with the service and the network: real packets, real peers."""

import asyncio
import signal
import socket
import subprocess
import time

import pytest

from session_service.addresses import lan_interfaces
from session_service.discovery import Offer, find
from session_service.discovery.__main__ import ask_all
from session_service.discovery.announcement import Announcement
from tests.discovery.lan import CARD
from tests.discovery.packets import probes
from tests.discovery.peers import answers, places
from tests.discovery.stand_in import CERTIFICATE, NAME, PORT
from tests.service.running import alive, until

HTTP = f"{NAME}._http._tcp.local."
PEER = f"{NAME}._session-svc._tcp.local."
A_FEW_LOOKS_S = 2.5
CURVE = "ec_paramgen_curve:prime256v1"


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
    until(lambda: "10.77.0.9" in recorder.addresses(moment), "the new address")
    until(lambda: places(peer) == [("10.77.0.9",)], "it alone")
    said = recorder.addresses(moment)
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
