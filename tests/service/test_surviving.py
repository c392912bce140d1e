"""Whatever dies, what was acknowledged is there, and the service comes back by itself."""

import http.client
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import pytest

from tests.service.running import GUNICORN, Service, alive, free_port, until

Ask = Callable[[http.client.HTTPConnection], http.client.HTTPResponse]


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
    service = serve(WORKERS="2").ready()
    with Senders(service, service.new_session()).at_work() as senders:
        for _ in range(4):
            senders.wait_for_more()
            os.kill(service.workers()[0], signal.SIGKILL)
        senders.wait_for_more()
    check(senders, service)


@pytest.mark.embedded
def test_the_database_and_its_supervisor_are_killed(serve):
    service = serve(WORKERS="2").ready()
    with Senders(service, service.new_session()).at_work() as senders:
        for _ in range(3):
            senders.wait_for_more()
            os.kill(service.database()[1], signal.SIGKILL)
        senders.wait_for_more()
        os.kill(service.database()[0], signal.SIGKILL)
        senders.wait_for_more()
    check(senders, service)


@pytest.mark.embedded
def test_everything_is_killed_and_started_again(serve):
    service = serve(WORKERS="2").ready()
    session_id = service.new_session()
    with Senders(service, session_id).at_work() as senders:
        senders.wait_for_more(60)
        owned = [*service.workers(), *service.database()]
        os.kill(service.pid, signal.SIGKILL)
        service.process.wait()
        until(lambda: not any(map(alive, owned)), "workers and database to follow the server")
    again = serve(WORKERS="2", DATA_DIR=str(service.data)).ready()
    check(senders, again)
    for text in senders.acknowledged[-3:]:
        before = len(again.texts(session_id))
        assert again.send(session_id, text, key=text)[0] == 201
        assert len(again.texts(session_id)) == before


@pytest.mark.embedded
def test_a_reload_fails_no_request_and_keeps_old_workers_until_new_ones_can_take_over(serve):
    service = serve(WORKERS="2").ready()
    session_id = service.new_session()
    owned = service.database()
    with requests_without_end(service, session_id) as failed:
        for _ in range(2):
            before = set(service.workers())
            service.process.send_signal(signal.SIGHUP)
            until(partial(replaced, service, before), "new workers")
    assert failed == []
    assert service.database() == owned

    old = set(service.workers())
    service.process.send_signal(signal.SIGHUP)
    new = until(lambda: set(service.workers()) - old, "new workers")
    for pid in new:
        os.kill(pid, signal.SIGSTOP)
    for _ in range(20):
        assert service.send(session_id, "hello")[0] == 201
        time.sleep(0.1)
    assert old <= set(service.workers())
    for pid in new:
        os.kill(pid, signal.SIGCONT)
    until(lambda: not old & set(service.workers()), "old workers to end")
    assert service.send(session_id, "hello")[0] == 201


@contextmanager
def requests_without_end(service: Service, session_id: str) -> Iterator[list[object]]:
    """Sends messages all the while; gives the list of what failed."""
    failed: list[object] = []
    stop = threading.Event()

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
    try:
        yield failed
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def replaced(service: Service, old: set[int]) -> bool:
    return len(service.workers()) == 2 and not old & set(service.workers())


class Visitors:
    """Clients that ask until no connection can be had, every other one on a new one each time.

    Whoever got a connection is owed an answer: anything else has `failed`.
    """

    def __init__(self, port: int, count: int, ask: Ask) -> None:
        self.port = port
        self.ask = ask
        self.answered: list[int] = []
        self.failed: list[object] = []
        self.threads = [threading.Thread(target=self._run, args=[i % 2 > 0]) for i in range(count)]

    def start(self, answers: int) -> None:
        for thread in self.threads:
            thread.start()
        until(lambda: len(self.answered) > answers, "some load")

    def join(self) -> None:
        for thread in self.threads:
            thread.join(60)

    def _run(self, renewed: bool) -> None:
        while True:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
            try:
                connection.connect()
            except OSError:
                return
            try:
                self._ask_on(connection, renewed)
            except (OSError, http.client.HTTPException) as error:
                self.failed.append(error)
            finally:
                connection.close()

    def _ask_on(self, connection: http.client.HTTPConnection, renewed: bool) -> None:
        closing = False
        while not closing:
            answer = self.ask(connection)
            self.answered.append(answer.status)
            closing = renewed or answer.will_close


def ask_for_life(connection: http.client.HTTPConnection) -> http.client.HTTPResponse:
    connection.request("GET", "/health/live")
    answer = connection.getresponse()
    answer.read()
    return answer


@pytest.mark.parametrize("again", range(3))
def test_sigterm_under_load_fails_no_request(serve, again):
    service = serve(WORKERS="2").ready()
    visitors = Visitors(service.port, 64, ask_for_life)
    visitors.start(400)
    assert service.stop() == 0
    visitors.join()
    assert visitors.failed == []
    assert set(visitors.answered) == {200}
    assert "Traceback" not in service.log.read_text()


@pytest.mark.embedded
def test_messages_under_way_at_sigterm_are_acknowledged(serve):
    service = serve(WORKERS="2").ready()
    session_id = service.new_session()
    visitors = Visitors(service.port, 8, lambda on: service.send_on(on, session_id))
    visitors.start(40)
    assert service.stop() == 0
    visitors.join()
    assert visitors.failed == []
    assert set(visitors.answered) == {201}


@contextmanager
def hanging_request(service: Service) -> Iterator[None]:
    """A request whose body never comes to its end."""
    head = (
        f"POST /sess HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {service.bearer()}\r\n"
        "Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
    )
    with socket.create_connection(("127.0.0.1", service.port)) as connection:
        connection.sendall(head.encode())
        assert service.request("GET", "/health")[0] == 200
        yield


def test_a_stop_does_not_wait_for_the_end_of_a_reload(serve):
    service = serve(GRACEFUL_TIMEOUT="10").ready()
    old = set(service.workers())
    with hanging_request(service), ExitStack() as hanging:
        service.process.send_signal(signal.SIGHUP)
        until(lambda: set(service.workers()) - old, "a new worker")
        time.sleep(3)  # by now it is the new one that takes up connections
        for _ in range(3):
            hanging.enter_context(hanging_request(service))
        began = time.monotonic()
        assert service.stop() == 0
        assert time.monotonic() - began < 15  # the reload waits for 10 s, and the stop for 10 s


def test_a_request_that_hangs_delays_the_stop_by_the_graceful_timeout_only(serve):
    service = serve(WORKERS="2", GRACEFUL_TIMEOUT="2").ready()
    owned = service.owned()
    with hanging_request(service):
        began = time.monotonic()
        assert service.stop() == 0
        assert time.monotonic() - began < 15  # the body alone would be waited for longer
    until(lambda: not any(map(alive, owned)), "all processes to end")


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
    service = serve(WORKERS="2", MONGO_URI=f"mongodb://127.0.0.1:{port}").ready(503)
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


@contextmanager
def open_connections(service: Service, count: int, half: bytes = b"") -> Iterator[None]:
    """So many connections, every other one with half a request on it."""
    with ExitStack() as stack:
        for i in range(count):
            connection = socket.create_connection(("127.0.0.1", service.port))
            stack.callback(connection.close)
            if i % 2 and half:
                connection.sendall(half)
        yield


def test_hundreds_of_slow_connections_keep_nobody_from_being_served(shared_service):
    service = shared_service
    half = f"GET /sessions HTTP/1.1\r\nHost: 127.0.0.1:{service.port}\r\nX-Slow: ".encode()
    taken = []
    with open_connections(service, 500, half):
        session_id = service.new_session()
        for _ in range(10):
            began = time.monotonic()
            assert service.request("GET", "/health")[0] == 200
            taken.append(time.monotonic() - began)
            assert service.send(session_id, "hello")[0] == 201
    assert sorted(taken)[5] < 1  # promised are 250 ms, on a machine that is not busy


def test_more_connections_than_files_at_the_start(serve):
    """Systems begin with 1,024 open files a process; the service takes what it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 4096:
        pytest.skip("this system allows no more open files")
    service = serve(["prlimit", "--nofile=1024:4096", *GUNICORN], WORKERS="1").ready()
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 4096), hard))
    try:
        with open_connections(service, 1200):
            assert service.request("GET", "/health")[0] == 200
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert "Traceback" not in service.log.read_text()


def test_where_files_are_few_connections_wait_for_their_turn(serve):
    service = serve(["prlimit", "--nofile=300:300", *GUNICORN], WORKERS="1").ready()
    with open_connections(service, 400):
        assert service.request("GET", "/health")[0] == 200
    assert "Traceback" not in service.log.read_text()
