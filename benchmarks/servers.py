"""Service and floor as processes under gunicorn, and what their workers cost."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from benchmarks import floor
from session_service import embedded
from session_service.leash import die_with_parent

ROOT = Path(__file__).parents[1]
SECRET = "the secret of a database that lives for minutes"
DATABASE = "session_service"
WORKERS = 2
FLOOR_THREADS = 8
KEEPALIVE_S = 15
START_S = 60.0
STOP_S = 45.0
PASSED_ON = ("PATH", "HOME", "LANG", "TMPDIR", "LOG_LEVEL", "LOG_FORMAT")
PROC = Path("/proc")


class ServerError(Exception):
    """A server that does not start."""


@dataclass(frozen=True, slots=True)
class Server:
    """One gunicorn, called `name` in the tables."""

    name: str
    port: int
    workers: tuple[int, ...]

    def cpu_seconds(self) -> float | None:
        """What the workers have computed so far; None where the system does not tell."""
        with suppress(OSError):
            return sum(_cpu_seconds(pid) for pid in self.workers) if self.workers else None
        return None


@contextmanager
def service(folder: Path) -> Iterator[tuple[Server, str]]:
    """The service as its gunicorn.conf.py runs it, and the URI of the embedded database it owns."""
    port, data_dir = free_port(), folder / "data"
    settings = {
        "DATA_DIR": str(data_dir),
        "HOST": "127.0.0.1",
        "JWT_SECRET_KEY": SECRET,
        "MDNS_ENABLED": "false",
        "MONGO_DB": DATABASE,
        "PORT": str(port),
        "WORKERS": str(WORKERS),
    }
    arguments = ["-c", str(ROOT / "gunicorn.conf.py"), "app:app"]
    with _gunicorn("service", port, arguments, settings, folder) as server:
        yield server, embedded.locate(data_dir)


@contextmanager
def bare_floor(folder: Path, uri: str) -> Iterator[Server]:
    """The floor on the same database."""
    port = free_port()
    settings = {floor.URI: uri, floor.NAME: DATABASE, floor.SECRET: SECRET}
    options = {
        "--bind": f"127.0.0.1:{port}",
        "--worker-class": "gthread",
        "--workers": WORKERS,
        "--threads": FLOOR_THREADS,
        "--keep-alive": KEEPALIVE_S,
        "--log-level": "warning",
    }
    arguments = [str(each) for pair in options.items() for each in pair]
    arguments += ["--no-control-socket", "benchmarks.floor:make()"]
    with _gunicorn("floor", port, arguments, settings, folder) as server:
        yield server


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


@contextmanager
def _gunicorn(
    name: str, port: int, arguments: list[str], settings: Mapping[str, str], folder: Path
) -> Iterator[Server]:
    environment = {key: os.environ[key] for key in PASSED_ON if key in os.environ}
    environment |= {"PYTHONPATH": str(ROOT), **settings}
    log = folder / f"{name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", *arguments],
            cwd=folder,  # where no .env file is
            env=environment,
            stdout=output,
            stderr=output,
            start_new_session=True,  # an interrupt is for the benchmark, which then ends this
            preexec_fn=partial(die_with_parent, os.getpid()),
        )
    try:
        _await_health(port, process, log)
        yield Server(name, port, _workers(process.pid))
    finally:
        _stop(process)


def _await_health(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_S
    while process.poll() is None and time.monotonic() < deadline:
        if _healthy(port):
            return
        time.sleep(0.05)
    raise ServerError(f"no start on port {port}:\n{log.read_text(errors='replace')[-2000:]}")


def _healthy(port: int) -> bool:
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _workers(parent: int) -> tuple[int, ...]:
    """The children that run the parent's own command line; the database's does not."""
    found = []
    with suppress(OSError):
        command = (PROC / str(parent) / "cmdline").read_bytes()
        for entry in PROC.glob("[0-9]*"):
            with suppress(OSError):  # a process that has just ended
                is_child = int(_stat(entry)[1]) == parent
                if is_child and (entry / "cmdline").read_bytes() == command:
                    found.append(int(entry.name))
    return tuple(found)


def _cpu_seconds(pid: int) -> float:
    user, system = _stat(PROC / str(pid))[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def _stat(process: Path) -> list[str]:
    """The fields of /proc/<pid>/stat from the third, the state, on."""
    return (process / "stat").read_text().rpartition(")")[2].split()
