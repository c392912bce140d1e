"""What workers count outlives them, what only lives with them does not, and no file is left."""

import os
import platform
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from session_service.metrics import places
from session_service.metrics.places import Place, Places

ROOT = Path(__file__).parents[2]
WORKER = """
import sys
from pathlib import Path
from session_service.metrics.measures import Metrics
from session_service.metrics.places import Place, enter

place = Place(Path(sys.argv[1]), int(sys.argv[2]))
enter(place)
metrics = Metrics("1.2.3", place)
stored = metrics.messages("sessions")
failed = metrics.replies("openai")
for line in sys.stdin:
    exec(line)
    print("done", flush=True)
"""
PIPES = 2  # of a worker
SHOW = "print(metrics.text().decode())"


class Worker:
    """A process that counts at a place."""

    def __init__(self, place: Place) -> None:
        command = [sys.executable, "-c", WORKER, str(place.folder), str(place.number)]
        self.process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def does(self, line: str) -> list[str]:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()
        said = []
        while (answer := self.process.stdout.readline()) != "done\n":
            assert answer, "the worker is gone"
            said.append(answer)
        return said

    def sees(self, name: str, **labels: str) -> float | None:
        text = "".join(self.does(SHOW))
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if sample.name == f"session_service_{name}" and labels == sample.labels:
                    return float(sample.value)
        return None

    def dies(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    monkeypatch.setattr(places, "MEMORY", tmp_path)
    return Path(tmp_path)


@pytest.fixture
def server(home) -> Iterator[Places]:
    server = Places(2)
    yield server
    server.remove()


@pytest.fixture
def start() -> Iterator[Callable[[Place], Worker]]:
    started: list[Worker] = []

    def start(place: Place) -> Worker:
        started.append(Worker(place))
        started[-1].does("pass")
        return started[-1]

    yield start
    for worker in started:
        worker.dies()
        assert worker.process.stdin
        assert worker.process.stdout
        worker.process.stdin.close()
        worker.process.stdout.close()


def test_counts_of_all_workers_add_up_and_survive_them(server, start):
    first, second = start(server.free(())), start(server.free({0}))
    for worker in (first, second):
        worker.does("for _ in range(500): stored('user')")
        worker.does("metrics.request('POST', '/sess/<sess_id>/chat', 201, 0.02)")
    first.dies()
    third = start(server.free({1}))
    third.does("stored('user')")
    assert third.sees("messages_stored_total", kind="sessions", sender="user") == 1001
    route = {"method": "POST", "route": "/sess/{sess_id}/chat"}
    assert third.sees("requests_total", **route, status="201") == 2
    for le, count in (("0.01", 0), ("0.025", 2), ("+Inf", 2)):
        assert third.sees("request_duration_seconds_bucket", **route, le=le) == count
    total = third.sees("request_duration_seconds_sum", **route)
    assert total is not None
    assert 0.039 < total < 0.041


def test_streams_and_memory_of_a_dead_worker_are_forgotten(server, start):
    first, second = start(server.free(())), start(server.free({0}))
    for worker in (first, second):
        worker.does("open = metrics.stream(); open.__enter__()")
    assert second.sees("streams_open") == 2
    assert second.sees("process_resident_memory_bytes", worker="0")
    first.dies()
    Place(server.folder, 0).forget_worker()
    assert second.sees("streams_open") == 1
    assert second.sees("process_resident_memory_bytes", worker="0") is None
    third = start(server.free({1}))
    assert third.sees("streams_open") == 1
    third.does("open = metrics.stream(); open.__enter__(); open.__exit__(None, None, None)")
    assert third.sees("streams_open") == 1


def test_places_are_used_again_so_that_files_do_not_grow_in_number(server, start):
    assert [server.free(taken).number for taken in ((), {0}, {0, 1}, {1, 2}, {0, 2})] == [
        0,
        1,
        2,
        0,
        1,
    ]
    before = sorted(server.folder.iterdir())
    for _ in range(3):
        place = server.free({1})
        start(place).dies()
        place.forget_worker()
    assert sorted(server.folder.iterdir()) == before


def test_a_file_that_grows_goes_on_counting(server, start):
    worker = start(server.free(()))
    worker.does("stored('user')")
    worker.does("for i in range(900): metrics.request('GET', f'/{i}' + 'x' * 200, 200, 0.01)")
    grown = (server.folder / "histogram_0.db").stat().st_size
    assert grown > places.RESERVED["histogram"]
    worker.does("stored('user')")
    worker.does("metrics.request('GET', '/0' + 'x' * 200, 200, 0.01)")
    assert worker.sees("messages_stored_total", kind="sessions", sender="user") == 2
    route = "/0" + "x" * 200
    assert worker.sees("requests_total", method="GET", route=route, status="200") == 2


def test_reasons_of_failed_replies_are_bounded(server, start):
    worker = start(server.free(()))
    worker.does("for i in range(200): failed(f'Error{i}')")
    text = "".join(worker.does(SHOW))
    assert text.count('outcome="fallback"') == 51
    fallback = {"engine": "openai", "outcome": "fallback"}
    assert worker.sees("replies_total", **fallback, reason="other") == 150


def test_a_server_that_was_killed_leaves_nothing_for_long(home):
    code = (
        "import os, signal, sys; from pathlib import Path; from session_service.metrics import "
        "places; places.MEMORY = Path(sys.argv[1]); places.Places(1); "
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    killed = subprocess.run([sys.executable, "-c", code, str(home)], cwd=ROOT)
    assert killed.returncode == -signal.SIGKILL
    (left,) = home.iterdir()
    first = Places(1)
    assert list(home.iterdir()) == [first.folder]
    assert left != first.folder
    second = Places(1)
    assert sorted(home.iterdir()) == sorted([first.folder, second.folder])
    for server in (first, second):
        server.remove()
    assert list(home.iterdir()) == []


def test_a_folder_that_was_taken_is_made_anew_and_no_other_server_takes_it(server, home, start):
    shutil.rmtree(server.folder)
    old = start(server.free(()))
    shutil.rmtree(server.folder)
    os.mkdir(server.folder)  # of the same name, and nobody's
    new = start(server.free({0}))
    other = Places(1)
    for worker in (old, new):
        worker.does("stored('user')")
    assert new.sees("messages_stored_total", kind="sessions", sender="user") == 1
    assert sorted(home.iterdir()) == sorted([server.folder, other.folder])
    other.remove()


def test_files_that_were_taken_are_made_anew(server, start):
    for file in server.folder.iterdir():
        file.unlink()
    worker = start(server.free(()))
    worker.does("stored('user')")
    assert worker.sees("messages_stored_total", kind="sessions", sender="user") == 1


def test_a_worker_that_is_one_too_many_for_the_room_gets_files_in_full(server):
    place = server.free(range(9))
    for kind, size in places.RESERVED.items():
        assert place.file(kind).stat().st_size == size


@pytest.mark.parametrize("before", [True, False])
def test_nothing_fails_for_want_of_a_folder(server, start, before):
    place = server.free(())
    if before:
        shutil.rmtree(server.folder)
    worker = start(place)
    shutil.rmtree(server.folder, ignore_errors=True)
    everything_is_counted(worker)
    worker.does("metrics.request('GET', '/new', 500, 0.02)")
    assert worker.sees("streams_open") is None
    place.forget_worker()


def test_nothing_fails_where_no_disk_has_room_and_all_is_well_once_one_has(server, home, start):
    shutil.rmtree(server.folder)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = len(os.listdir("/proc/self/fd"))
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        for _ in range(3):
            place = server.free(())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(home.iterdir()) == []
    everything_is_counted(start(place))
    worker = start(server.free({0}))
    worker.does("stored('user')")
    assert worker.sees("messages_stored_total", kind="sessions", sender="user") == 1
    assert len(os.listdir("/proc/self/fd")) == before + 2 * PIPES


DAMAGE = {
    "empty": b"",
    "short": bytes(4096),
    "garbage": b"\xff\x7f\x00\x00" + b"\xee" * (1 << 20),
    "negative": b"\x9c\xff\xff\xff" + b"\xee" * (1 << 20),
}


@pytest.mark.parametrize("kind", places.RESERVED)
@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_file_costs_no_more_than_its_own_counts(server, start, kind, damage):
    healthy = start(server.free(()))
    everything_is_counted(healthy)
    place = server.free({0})
    place.file(kind).write_bytes(DAMAGE[damage])
    worker = start(place)
    everything_is_counted(worker)
    for each in (healthy, worker):
        count = each.sees("messages_stored_total", kind="sessions", sender="user")
        assert count == (1 if kind == "counter" else 2)


def test_a_file_that_cannot_grow_costs_no_request(server, start):
    worker = start(server.free(()))
    limit = places.RESERVED["histogram"]
    worker.does(f"import resource as r; r.setrlimit(r.RLIMIT_FSIZE, ({limit}, {limit}))")
    worker.does("stored('user')")
    worker.does("for i in range(900): metrics.request('GET', f'/{i}' + 'x' * 200, 200, 0.01)")
    worker.does("stored('user')")
    assert worker.sees("messages_stored_total", kind="sessions", sender="user") == 2
    route = "/0" + "x" * 200
    assert worker.sees("requests_total", method="GET", route=route, status="200") == 1


def everything_is_counted(worker: Worker) -> None:
    worker.does("stored('user')")
    worker.does("failed('OSError')")
    worker.does("metrics.database_failed('AutoReconnect')")
    worker.does("metrics.request('POST', '/sess', 201, 0.02)")
    worker.does("open = metrics.stream(); open.__enter__(); open.__exit__(None, None, None)")
    assert worker.sees("build_info", version="1.2.3", python=platform.python_version()) == 1
