"""Whatever dies, what was acknowledged is there, and the service comes back by itself."""

import http.client
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from tests.service.running import Service, alive, free_port, until


class Senders:
    """Clients that send numbered messages, each under a key, and repeat what is not answered."""

    def __init__(self, service: Service, session_id: str, count: int = 6) -> None:
        self.service = service
        self.session_id = session_id
        self.acknowledged: list[str] = []
        self.refused: list[str] = []
        self.stopping = threading.Event()
        self.threads = [threading.Thread(target=self._run, args=[i]) for i in range(count)]

    @contextmanager
    def at_work(self) -> Iterator["Senders"]:
        for thread in self.threads:
            thread.start()
        try:
            yield self
        finally:
            self.stopping.set()
            for thread in self.threads:
                thread.join(60)

    def wait_for_more(self, count: int = 20) -> None:
        enough = len(self.acknowledged) + count
        until(lambda: len(self.acknowledged) >= enough, "more acknowledged messages")

    def _run(self, number: int) -> None:
        sent = 0
        while not self.stopping.is_set():
            text = f"{number}-{sent}"
            if self._acknowledged(text):
                self.acknowledged.append(text)
                sent += 1

    def _acknowledged(self, text: str) -> bool:
        try:
            status, answer = self.service.send(self.session_id, text, key=text)
        except OSError:
            time.sleep(0.05)
            return False
        if status not in (201, 503):
            self.refused.append(f"{status} {answer}")
        return status == 201


def check(senders: Senders, service: Service) -> None:
    """Every acknowledged message is there once and answered once."""
    assert senders.refused == []
    texts = service.texts(senders.session_id)
    users = [text for sender, text in texts if sender == "user"]
    assert len(users) == len(set(users))
    assert set(senders.acknowledged) <= set(users)
    unanswered = len(users) - sum(sender == "server" for sender, _ in texts)
    assert unanswered <= len(set(users) - set(senders.acknowledged))


def test_workers_are_killed(serve):
    service = serve().ready()
    with Senders(service, service.new_session()).at_work() as senders:
        for _ in range(4):
            senders.wait_for_more()
            os.kill(service.workers()[0], signal.SIGKILL)
        senders.wait_for_more()
    check(senders, service)


def test_the_database_is_killed(serve):
    service = serve().ready()
    with Senders(service, service.new_session()).at_work() as senders:
        for _ in range(3):
            senders.wait_for_more()
            os.kill(service.database()[1], signal.SIGKILL)
        senders.wait_for_more()
    check(senders, service)


def test_the_supervisor_is_killed(serve):
    service = serve().ready()
    with Senders(service, service.new_session()).at_work() as senders:
        senders.wait_for_more()
        os.kill(service.database()[0], signal.SIGKILL)
        senders.wait_for_more()
    check(senders, service)


def test_everything_is_killed_and_started_again(serve):
    service = serve().ready()
    session_id = service.new_session()
    with Senders(service, session_id).at_work() as senders:
        senders.wait_for_more(60)
        owned = [*service.workers(), *service.database()]
        os.kill(service.pid, signal.SIGKILL)
        service.process.wait()
        until(lambda: not any(map(alive, owned)), "workers and database to follow the server")
    again = serve(DATA_DIR=str(service.data)).ready()
    check(senders, again)
    for text in senders.acknowledged[-3:]:
        before = len(again.texts(session_id))
        assert again.send(session_id, text, key=text)[0] == 201
        assert len(again.texts(session_id)) == before


def test_a_reload_fails_no_request(serve):
    service = serve().ready()
    failed: list[object] = []
    stop = threading.Event()
    session_id = service.new_session()

    def ask() -> None:
        while not stop.is_set():
            try:
                status, _ = service.send(session_id, "hello")
            except OSError as error:
                failed.append(error)
            else:
                if status != 201:
                    failed.append(status)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()

    def replaced(old: set[int]) -> bool:
        return len(service.workers()) == 2 and not old & set(service.workers())

    before = set(service.workers())
    for _ in range(2):
        service.process.send_signal(signal.SIGHUP)
        until(partial(replaced, before), "new workers")
        before = set(service.workers())
    stop.set()
    for thread in threads:
        thread.join()
    assert failed == []
    assert service.database()


def test_sigterm_under_load_fails_no_accepted_request(serve):
    """A connection that the server has taken up is served until it says `Connection: close`."""
    service = serve().ready()
    session_id = service.new_session()
    failed: list[object] = []

    def ask() -> None:
        while True:
            connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=30)
            taken_up = False
            try:
                while True:
                    answer = service.send_on(connection, session_id)
                    taken_up = True
                    if answer.status != 201:
                        failed.append(answer.status)
                    if answer.will_close:
                        break
            except (OSError, http.client.HTTPException) as error:
                if taken_up:
                    failed.append(error)
                return
            finally:
                connection.close()

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    until(lambda: len(service.texts(session_id)) > 40, "some load")
    assert service.stop() == 0
    for thread in threads:
        thread.join()
    assert failed == []


@pytest.fixture
def secantusd(tmp_path: Path) -> Iterator[Callable[[int], subprocess.Popen[bytes]]]:
    """A database server that the service does not own, on a port and folder of its own."""
    started: list[subprocess.Popen[bytes]] = []
    program = Path(sys.executable).with_name("secantusd-py")

    def start(port: int) -> subprocess.Popen[bytes]:
        command = [program, "--port", str(port), "--storage-path", tmp_path / "mongo"]
        command.append("--sync-on-commit")
        started.append(subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.DEVNULL))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


def test_a_database_that_comes_late_goes_away_and_hangs(serve, secantusd):
    port = free_port()
    service = serve(MONGO_URI=f"mongodb://127.0.0.1:{port}").ready(503)
    assert service.request("GET", "/health")[1] == {"status": "unavailable"}
    assert service.request("GET", "/health/live")[0] == 200
    status, answer = service.request("POST", "/sess", {"sess_name": "x"})
    assert (status, answer["status"]) == (503, "error")

    database = secantusd(port)
    service.ready(200)
    session_id = service.new_session()
    assert service.send(session_id, "first")[0] == 201

    database.send_signal(signal.SIGSTOP)
    service.ready(503)
    assert service.request("GET", f"/sess/{session_id}/chats")[0] == 503
    assert service.send(session_id, "second", key="second")[0] == 503
    database.send_signal(signal.SIGCONT)
    service.ready(200)
    assert service.send(session_id, "second", key="second")[0] == 201

    database.kill()
    database.wait()
    service.ready(503)
    secantusd(port)
    service.ready(200)
    texts = [text for sender, text in service.texts(session_id) if sender == "user"]
    assert texts == ["first", "second"]


def test_hundreds_of_slow_connections_keep_nobody_from_being_served(serve):
    import socket

    service = serve().ready()
    half = f"GET /sessions HTTP/1.1\r\nHost: 127.0.0.1:{service.port}\r\nX-Slow: ".encode()
    slow = [socket.create_connection(("127.0.0.1", service.port)) for _ in range(500)]
    try:
        for i, connection in enumerate(slow):
            if i % 2:
                connection.sendall(half)
        session_id = service.new_session()
        for _ in range(10):
            assert service.request("GET", "/health")[0] == 200
            assert service.send(session_id, "hello")[0] == 201
    finally:
        for connection in slow:
            connection.close()


@pytest.mark.parametrize(
    "raw",
    [
        b"POST /sess HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n%b\r\n\r\nzz\r\n{}\r\n",
        b"POST /sess HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n%b\r\n\r\n{",
        b"POST /sess HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n%b\r\n\r\n{}",
        b"GET /sess/\xff\xfe HTTP/1.1\r\nHost: x\r\n%b\r\n\r\n",
        b"GET /sessions?before=\xff&limit=%%00 HTTP/1.1\r\nHost: x\r\n%b\r\n\r\n",
        b"GET /sessions HTTP/1.1\r\nHost: x\r\nX-Request-ID: a\xe9\x01b\r\n%b\r\n\r\n",
        b"GET /sessions HTTP/1.1\r\nHost: x\r\nIdempotency-Key: \xff\xfe\r\n%b\r\n\r\n",
        b"NONSENSE\r\n\r\n%b",
    ],
)
def test_broken_http_is_no_error_of_ours(shared_service, raw):
    import socket

    service = shared_service
    token = service.bearer()
    headers = f"Authorization: Bearer {token}\r\nContent-Type: application/json".encode()
    with socket.create_connection(("127.0.0.1", service.port), timeout=10) as connection:
        connection.sendall(raw % headers)
        connection.shutdown(socket.SHUT_WR)
        answer = connection.recv(65536)
    assert not answer.startswith(b"HTTP/1.1 5"), answer
    assert service.request("GET", "/health")[0] == 200
