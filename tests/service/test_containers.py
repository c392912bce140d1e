"""The server as a container has it: the first process of its world, with nobody above it."""

import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.service.running import GUNICORN, Service, alive, children, until

# `unshare` ends everything in the namespace when it is killed itself.
FIRST_PROCESS = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child", *GUNICORN]


@pytest.fixture
def contain(tmp_path: Path) -> Iterator[Callable[..., Service]]:
    """Starts services as the first process of a PID namespace each."""
    if sys.platform != "linux" or os.geteuid() != 0 or not shutil.which("unshare"):
        refuse = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        refuse("PID namespaces: need Linux, root and unshare")
    started: list[Service] = []

    def start(**settings: str) -> Service:
        folder = tmp_path / f"container-{len(started)}"
        folder.mkdir()
        started.append(Service(folder, FIRST_PROCESS, **settings))
        return started[-1]

    yield start
    for service in started:
        if service.process.poll() is None:
            service.process.kill()
            service.process.wait()


def server(service: Service) -> int:
    """The pid, seen from here, of the namespace's first process."""
    return int(until(lambda: children(service.pid), "the first process")[0])


def family(pid: int) -> list[int]:
    return [pid, *(each for child in children(pid) for each in family(child))]


def test_sigterm_ends_a_server_that_is_starting(contain):
    service = contain()
    first = server(service)
    until(lambda: children(first), "it to start its database")
    os.kill(first, signal.SIGTERM)  # which the kernel drops if a first process has no handler
    assert service.process.wait(20) in (0, 128 + signal.SIGTERM)


def test_a_killed_container_leaves_data_that_the_next_one_takes_up_until_sigterm(contain):
    service = contain().ready()
    session_id = service.new_session()
    assert service.send(session_id, "hello")[0] == 201
    service.process.kill()
    service.process.wait()
    again = contain(DATA_DIR=str(service.data)).ready()
    assert ("user", "hello") in again.texts(session_id)

    first = server(again)
    everybody = family(first)
    assert len(everybody) >= 4  # server, worker, supervisor, database
    os.kill(first, signal.SIGTERM)
    assert again.process.wait(60) == 0
    until(lambda: not any(map(alive, everybody)), "all processes to end")


def test_two_containers_on_one_volume_are_one_too_many_and_orphans_no_zombies(contain):
    service = contain().ready()
    second = contain(DATA_DIR=str(service.data))
    assert second.process.wait(60) == 1
    assert "is in use" in second.log.read_text()
    assert service.request("GET", "/health")[0] == 200

    first = server(service)
    (supervisor,) = (each for each in children(first) if children(each))
    (database,) = children(supervisor)
    os.kill(supervisor, signal.SIGKILL)  # the database dies with it, a child of nobody
    until(lambda: not Path(f"/proc/{database}").exists(), "the orphan to be waited for")
    service.ready()
    assert [state(each) for each in family(first)].count("Z") == 0


def state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
