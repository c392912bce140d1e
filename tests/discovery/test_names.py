"""Names are the service's own, and stay."""

import os
import shutil
import signal
import time

import pytest

from session_service.discovery.host_name import FILE
from tests.discovery.avahi import Avahi
from tests.discovery.peers import found
from tests.discovery.stand_in import NAME, PORT
from tests.service.running import until

HTTP = f"{NAME}._http._tcp.local."
PEER = f"{NAME}._session-svc._tcp.local."
SECOND_HTTP = f"{NAME} (2)._http._tcp.local."
SECOND_PEER = f"{NAME} (2)._session-svc._tcp.local."


def test_a_taken_name_gets_a_number_for_both_types(avahi, recorder, stand_in):
    avahi.publish(NAME, "_http._tcp", 80)
    stand_in().said(f"announced as '{NAME} (2)'")
    assert recorder.announced(SECOND_HTTP)
    assert recorder.announced(SECOND_PEER)
    assert not recorder.announced(PEER)
    names = {each.name: each.port for each in avahi.browse("_http._tcp")}
    assert names == {NAME: 80, f"{NAME} (2)": PORT}


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


def test_the_host_name_stays_over_a_restart(peer, recorder, stand_in):
    service = stand_in()
    service.said("announced as")
    before = until(lambda: found(peer), "a peer to find it")
    service.stop()
    until(lambda: recorder.goodbyes(PEER), "the goodbye")
    service.start()
    service.said("announced as", times=2)
    assert until(lambda: found(peer), "a peer to find it again") == before
