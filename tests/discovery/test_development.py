"""The development server is announced once, by the reloader's parent."""

import signal

from tests.discovery.lan import ROOT
from tests.discovery.on_lan import LanService
from tests.discovery.packets import probes
from tests.discovery.stand_in import NAME
from tests.service.running import DEVELOPMENT, clean_up, until

PEER = f"{NAME}._session-svc._tcp.local."


def test_a_reload_does_not_make_it_flap_and_its_end_is_a_goodbye(avahi, server, recorder, tmp_path):
    service = LanService(server, tmp_path / "service", DEVELOPMENT, HOST="0.0.0.0")
    watch = avahi.watch("_session-svc._tcp")
    until(watch.came, "avahi to see it")
    before = service.log.read_text().count("Restarting")
    (ROOT / "config.py").touch()
    until(lambda: service.log.read_text().count("Restarting") > before, "the reloader")
    service.ready()
    assert len(service.announcers()) == 1
    assert len(probes(recorder.packets, "_session-svc._tcp.local.")) == 3
    assert not recorder.goodbyes(PEER)
    assert not watch.went()
    service.process.send_signal(signal.SIGINT)
    until(watch.went, "avahi to see it go")
    assert recorder.goodbyes(PEER)
    clean_up([service])
