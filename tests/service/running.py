"""A whole service under test: started as its users start it, watched from outside."""

import http.client
import json
import os
import secrets
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import jwt
from pymongo import MongoClient

from session_service.embedded.record import DataDir

ROOT = Path(__file__).parents[2]
SECRET = "a secret that only the tests know, 32 bytes"
METRICS_TOKEN = "a-token-for-prometheus"  # of the service that tests share
GUNICORN = [str(Path(sys.executable).with_name("gunicorn")), "-c", "gunicorn.conf.py", "app:app"]
DEVELOPMENT = [sys.executable, "app.py"]
PATIENCE_S = 30.0


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def until(condition: Callable[[], Any], what: str, patience_s: float = PATIENCE_S) -> Any:
    """Waits for the condition and gives what it said."""
    deadline = time.monotonic() + patience_s
    while not (said := condition()):
        assert time.monotonic() < deadline, f"waited in vain for: {what}"
        time.sleep(0.05)
    return said


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def children(pid: int) -> list[int]:
    """The children of all its threads."""
    found = []
    for each in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(FileNotFoundError, ProcessLookupError):
            found += [int(child) for child in each.read_text().split()]
    return found


class Service:
    """One server on a port and a data directory of its own."""

    def __init__(self, folder: Path, command: list[str] = GUNICORN, **settings: str) -> None:
        self.folder = folder
        self.command = command
        self.port = int(settings.get("PORT") or free_port())
        self.data = Path(settings.get("DATA_DIR") or folder / "data")
        self.log = folder / "log"
        known = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        self.environ = {
            **known,
            "HOST": "127.0.0.1",
            "PORT": str(self.port),
            "DATA_DIR": str(self.data),
            "JWT_SECRET_KEY": SECRET,
            "MDNS_ENABLED": "false",
            "WORKERS": "1",
            "PYTHONWARNINGS": "ignore",
            **settings,
        }
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=self.environ,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self.process.pid

    def ready(self, status: int = 200) -> "Service":
        def answers() -> bool:
            ended = self.process.poll()
            assert ended is None, f"it ended with {ended}: {self.log.read_text()}"
            try:
                return self.request("GET", "/health")[0] == status
            except OSError:
                return False

        until(answers, f"/health to answer {status}")
        if self.command is GUNICORN:
            count = int(self.environ["WORKERS"])
            until(lambda: len(self.workers()) == count, "all workers to be there")
        return self

    def request(
        self, method: str, path: str, body: Any = None, *, user: str = "alice", **headers: str
    ) -> tuple[int, Any]:
        """Status and parsed body; OSError when there is no answer."""
        connection = self.connection(timeout=15)
        headers = {"Authorization": f"Bearer {self.bearer(user)}", **headers}
        try:
            raw = None if body is None else json.dumps(body)
            if raw is not None:
                headers["Content-Type"] = "application/json"
            connection.request(method, path, raw, headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        except http.client.HTTPException as error:
            raise ConnectionError(str(error)) from error
        finally:
            connection.close()

    def connection(self, timeout: float = 30) -> http.client.HTTPConnection:
        """A connection to it, not made yet; with TLS its certificate is verified."""
        if "TLS_CERT" not in self.environ:
            return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        trusting = ssl.create_default_context(cafile=self.environ["TLS_CERT"])
        return http.client.HTTPSConnection(
            "127.0.0.1", self.port, timeout=timeout, context=trusting
        )

    def bearer(self, user: str = "alice") -> str:
        return jwt.encode({"sub": user, "exp": int(time.time()) + 600}, SECRET)

    def new_session(self) -> str:
        status, answer = self.request("POST", "/sess", {"sess_name": "test"})
        assert status == 201, answer
        return str(answer["data"]["sess_id"])

    def send(self, session_id: str, text: str, key: str | None = None) -> tuple[int, Any]:
        headers = {"Idempotency-Key": key} if key else {}
        body = {"chat_content": text}
        return self.request("POST", f"/sess/{session_id}/chat", body, **headers)

    def send_on(
        self, connection: http.client.HTTPConnection, session_id: str
    ) -> http.client.HTTPResponse:
        """Sends a message on a connection that may be kept; the answer has been read."""
        headers = {
            "Authorization": f"Bearer {self.bearer()}",
            "Content-Type": "application/json",
        }
        body = json.dumps({"chat_content": "hello"})
        connection.request("POST", f"/sess/{session_id}/chat", body, headers)
        answer = connection.getresponse()
        answer.read()
        return answer

    def texts(self, session_id: str) -> list[tuple[str, str]]:
        status, answer = self.request("GET", f"/sess/{session_id}/chats")
        assert status == 200, answer
        return [(each["from"], each["chat_content"]) for each in answer["data"]]

    def workers(self) -> list[int]:
        """The pids of gunicorn's workers, told from its helpers by their command."""
        found = []
        for pid in children(self.pid):
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
            if b"-m\0session_service." not in command:
                found.append(pid)
        return found

    def database(self) -> list[int]:
        """The pids of its own supervisor and database."""
        record = DataDir(self.data).read_record()
        if record is None or record.database is None or record.server != self.pid:
            return []
        return [record.supervisor, record.database]

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(how)
        return self.process.wait(60)

    def owned(self) -> list[int]:
        """The pids of all processes of this service but its own."""
        return [*self.database(), *children(self.pid)]


def clean_up(services: list[Service]) -> None:
    """Stops them and sees to it that nothing is left."""
    owned = [pid for service in services for pid in service.owned()]
    for service in services:
        service.stop()
    until(lambda: not any(alive(pid) for pid in owned), "all processes to end")


@contextmanager
def running(folder: Path, uri: str | None, **settings: str) -> Iterator[Service]:
    """A service that is ready, with a database on this server, or one of its own for None."""
    with database_on(uri) as database:
        service = Service(folder, GUNICORN, **settings, **database)
        try:
            yield service.ready()
        finally:
            clean_up([service])


@contextmanager
def database_on(uri: str | None) -> Iterator[dict[str, str]]:
    """The settings for a new database on this server; none for None."""
    if uri is None:
        yield {}
        return
    name = f"test_{secrets.token_hex(6)}"
    yield {"MONGO_URI": uri, "MONGO_DB": name}
    with MongoClient[dict[str, Any]](uri) as client:
        client.drop_database(name)
