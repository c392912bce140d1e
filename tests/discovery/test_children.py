"""The announcer as the server process holds it; nothing listens, so nothing is announced."""

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from children import Children
from config import Config
from session_service.discovery import Offer
from session_service.discovery.handle import AnnouncerProcess
from tests.service.running import ROOT, alive, children, free_port, until

SERVER = """
import os, sys, time
from session_service.discovery import Offer
from session_service.discovery.handle import AnnouncerProcess
announcer = AnnouncerProcess(Offer.from_json(sys.argv[1]))
worker = os.fork()
if worker == 0:
    os.write(1, f"{os.getpid()} {announcer.pid}\\n".encode())
    announcer.goodbye()
    announcer.release()
    announcer.stop()
    os.write(1, b"the worker has let go\\n")
time.sleep(60)
"""


@pytest.fixture
def announcer(tmp_path) -> Iterator[AnnouncerProcess]:
    offer = Offer("Nobody", "127.0.0.1", free_port(), False, "0", (), tmp_path)
    process = AnnouncerProcess(offer)
    yield process
    process.stop()


def test_goodbye_ends_it_for_good(announcer):
    announcer.goodbye()
    until(lambda: not announcer.alive(), "its end")
    announcer.ensure()
    assert not announcer.alive()


def test_a_killed_one_is_replaced(announcer):
    pid = announcer.pid
    os.kill(pid, signal.SIGKILL)
    until(lambda: not announcer.alive(), "its end")
    until(lambda: announcer.ensure() or announcer.alive(), "another one")
    assert announcer.pid != pid


def test_a_worker_neither_withdraws_it_nor_keeps_it(announcer):
    words = [sys.executable, "-c", SERVER, announcer.command()[1]]
    server = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    with server, server.stdout:
        worker, child = map(int, server.stdout.readline().split())
        assert server.stdout.readline() == "the worker has let go\n"
        assert alive(child)
        server.kill()
        until(lambda: not alive(child), "the end of the announcer")
        assert alive(worker)
        os.kill(worker, signal.SIGKILL)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_a_server_for_its_own_machine_is_not_announced_and_says_so(host, caplog):
    started = Children(Config(jwt_secret_key="k", host=host))
    with caplog.at_level(logging.WARNING):
        started.announce()
    assert f"HOST={host} is for this machine alone" in caplog.text
    started.stop()


def test_switched_off_nothing_is_started(tmp_path):
    started = Children(Config(jwt_secret_key="k", mdns_enabled=False, data_dir=tmp_path))
    before = children(os.getpid())
    started.announce()
    assert children(os.getpid()) == before


def test_goodbye_goes_before_what_a_signal_did_so_far(tmp_path):
    config = Config(jwt_secret_key="k", port=free_port(), data_dir=tmp_path)
    started, heard = Children(config), []
    before = set(children(os.getpid()))
    kept = signal.signal(signal.SIGUSR2, lambda number, _frame: heard.append(number))
    try:
        started.announce()
        [announcer] = set(children(os.getpid())) - before
        started.goodbye_first(signal.SIGUSR2)
        os.kill(os.getpid(), signal.SIGUSR2)
        until(lambda: not alive(announcer), "the end of the announcer")
    finally:
        signal.signal(signal.SIGUSR2, kept)
        started.stop()
    assert heard == [signal.SIGUSR2]
