"""The announcer as the server process holds it; nothing listens, so nothing is announced."""

import logging
import os
import signal
from collections.abc import Iterator

import pytest

from children import Children
from config import Config
from session_service.discovery import Offer
from session_service.discovery.handle import AnnouncerProcess
from tests.service.running import free_port, until


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
    worker = os.fork()
    if worker == 0:
        announcer.goodbye()
        announcer.release()
        announcer.stop()
        os._exit(0)
    assert os.waitpid(worker, 0)[1] == 0
    assert announcer.alive()


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_a_server_for_its_own_machine_is_not_announced_and_says_so(host, caplog):
    started = Children(Config(jwt_secret_key="k", host=host))
    with caplog.at_level(logging.WARNING):
        started.announce()
    assert f"HOST={host} is for this machine alone" in caplog.text
    started.stop()
