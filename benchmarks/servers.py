"""The service and its rivals as processes, and what their workers cost."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
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
# The floor has no way to send to one conversation at once.
EVERYTHING = ("send", "read 20", "send message", "page 20", "list 20", "send to one")
PASSED_ON = ("PATH", "HOME", "LANG", "TMPDIR", "LOG_LEVEL", "LOG_FORMAT")
PROC = Path("/proc")


class ServerError(Exception):
    """A server that does not start."""


@dataclass(frozen=True, slots=True)
class Server:
    """One server, called `name` in the tables, and the workloads it can be given."""

    name: str
    port: int
    workers: tuple[int, ...]
    pid: int
    workloads: tuple[str, ...] = ("send", "read 20")  # in the words of the tables

    def current_workers(self) -> tuple[int, ...]:
        """The workers' pids, which change at a reload."""
        return _workers(self.pid)

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
    command = ["gunicorn", "-c", str(ROOT / "gunicorn.conf.py"), "app:app"]
    with _running("service", port, command, settings, folder) as server:
        yield replace(server, workloads=EVERYTHING), embedded.locate(data_dir)


@contextmanager
def other_workers(folder: Path, uri: str, options: Sequence[str]) -> Iterator[Server]:
    """The service and a stream, on this database, by workers that gunicorn's options name."""
    port = free_port()
    settings = {
        "DATA_DIR": str(folder / "other"),
        "HOST": "127.0.0.1",
        "JWT_SECRET_KEY": SECRET,
        "MDNS_ENABLED": "false",
        "MONGO_DB": DATABASE,
        "MONGO_URI": uri,
        "PORT": str(port),
        "WORKERS": str(WORKERS),
    }
    command = ["gunicorn", "-c", str(ROOT / "gunicorn.conf.py"), *options]
    command.append("benchmarks.streaming:make()")
    with _running("other", port, command, settings, folder) as server:
        yield server


@contextmanager
def bare_floor(folder: Path, uri: str) -> Iterator[Server]:
    """The floor on the same database."""
    with _threads("floor", "benchmarks.floor:make()", folder, uri) as server:
        yield replace(server, workloads=EVERYTHING[:-1])


@contextmanager
def eve(folder: Path, uri: str) -> Iterator[Server]:
    """Eve on the same database; it can only read."""
    with _threads("Eve", "benchmarks.eve_peer:make()", folder, uri) as server:
        yield replace(server, workloads=("read 20",))


@contextmanager
def fastapi(folder: Path, uri: str) -> Iterator[Server]:
    """FastAPI on the same database, under uvicorn."""
    port = free_port()
    arguments = ["--port", str(port), "--workers", str(WORKERS), "--log-level", "warning"]
    command = ["uvicorn", *arguments, "--no-access-log", "benchmarks.fastapi_peer:app"]
    with _running("FastAPI", port, command, _on_database(uri), folder) as server:
        yield server


def _on_database(uri: str) -> dict[str, str]:
    return {floor.URI: uri, floor.NAME: DATABASE, floor.SECRET: SECRET}


@contextmanager
def _threads(name: str, app: str, folder: Path, uri: str) -> Iterator[Server]:
    """An application under gunicorn's workers of threads."""
    port = free_port()
    options = {
        "--bind": f"127.0.0.1:{port}",
        "--worker-class": "gthread",
        "--workers": WORKERS,
        "--threads": FLOOR_THREADS,
        "--keep-alive": KEEPALIVE_S,
        "--log-level": "warning",
    }
    arguments = [str(each) for pair in options.items() for each in pair]
    command = ["gunicorn", *arguments, "--no-control-socket", app]
    with _running(name, port, command, _on_database(uri), folder) as server:
        yield server


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


@contextmanager
def _running(
    name: str, port: int, command: list[str], settings: Mapping[str, str], folder: Path
) -> Iterator[Server]:
    environment = {key: os.environ[key] for key in PASSED_ON if key in os.environ}
    environment |= {"PYTHONPATH": str(ROOT), **settings}
    log = folder / f"{name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=folder,  # where no .env file is
            env=environment,
            stdout=output,
            stderr=output,
            start_new_session=True,  # an interrupt is for the benchmark, which then ends this
            preexec_fn=partial(die_with_parent, os.getpid()),
        )
    try:
        _await_health(port, process, log)
        yield Server(name, port, _workers(process.pid), process.pid)
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
    """The children that run the parent's own command line, or that its Python has spawned."""
    found = []
    with suppress(OSError):
        command = (PROC / str(parent) / "cmdline").read_bytes()
        for entry in PROC.glob("[0-9]*"):
            with suppress(OSError):  # a process that has just ended
                its = (entry / "cmdline").read_bytes()
                if int(_stat(entry)[1]) == parent and (its == command or b"spawn_main" in its):
                    found.append(int(entry.name))
    return tuple(found)


def _cpu_seconds(pid: int) -> float:
    user, system = _stat(PROC / str(pid))[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def _stat(process: Path) -> list[str]:
    """The fields of /proc/<pid>/stat from the third, the state, on."""
    return (process / "stat").read_text().rpartition(")")[2].split()
