"""A disk that runs full takes no message that was acknowledged, and stops nothing but writing."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from session_service.store.database import MIN_FREE_BYTES
from tests.service.running import Service, children, until
from tests.service.test_surviving import Senders, check

pytestmark = pytest.mark.embedded

MB = 1024 * 1024
SIZE = 400 * MB
LITTLE = 24 * MB  # what is left beside the ballast: less than the guard wants


class Disk:
    """A small file system of its own, and the file that fills it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.data = path / "data"
        self.ballast = path / "ballast"

    def fill(self, left: int) -> None:
        with self.ballast.open("ab") as file:
            file.truncate()
            while (free := self.free() - left) > 0:
                file.write(bytes(min(free, 4 * MB)))
                file.flush()

    def fill_to_the_brim(self) -> None:
        with self.ballast.open("ab", 0) as file:
            try:
                while file.write(bytes(MB)):
                    pass
            except OSError:
                assert self.free() < MB

    def relieve(self) -> None:
        self.ballast.unlink()

    def free(self) -> int:
        return shutil.disk_usage(self.path).free


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    path = tmp_path / "disk"
    path.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(path)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True).returncode:
        refuse = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        refuse("a full disk: no small file system can be mounted, which takes Linux and root")
    yield Disk(path)
    subprocess.run(["umount", "-l", str(path)], check=True)


class Writers(Senders):
    """Senders who hear that there is no room for what they send."""

    def __init__(self, service: Service, session_id: str) -> None:
        super().__init__(service, session_id, count=4)
        self.full = 0

    def _acknowledged(self, text: str) -> bool:
        try:
            status, answer = self.service.send(self.session_id, text, key=text)
        except OSError:
            status, answer = 0, None
        if status == 507:
            assert answer["status"] == "error"
            assert "存储空间不足" in answer["message"]
            self.full += 1
        elif status not in (0, 201, 503):
            self.refused.append(f"{status} {answer}")
        if status != 201:
            time.sleep(0.05)
        return status == 201

    def wait_for_refusals(self) -> None:
        enough = self.full + 20
        until(lambda: self.full >= enough, "writes to be refused")


def reads_go_on(service: Service, session_id: str) -> None:
    for _ in range(4):
        assert service.texts(session_id)
        assert service.request("GET", "/sessions")[0] == 200
        assert service.request("GET", "/health")[0] == 200


def test_full_disk_stops_writing_and_nothing_else(serve, disk):
    """Not even the return of a killed database to readers, nor a start."""
    service = serve(DATA_DIR=str(disk.data)).ready()
    _, database = service.database()
    session_id = service.new_session()
    with Writers(service, session_id).at_work() as writers:
        writers.wait_for_more()
        disk.fill(left=MIN_FREE_BYTES - LITTLE)
        writers.wait_for_refusals()
        reads_go_on(service, session_id)
        disk.relieve()
        writers.wait_for_more()
        assert service.database()[1] == database

        disk.fill(left=MIN_FREE_BYTES - LITTLE)
        writers.wait_for_refusals()
        os.kill(database, signal.SIGKILL)
        until(lambda: service.database()[1:] not in ([], [database]), "another database")
        service.ready()
        reads_go_on(service, session_id)
        disk.relieve()
        writers.wait_for_more()
    check(writers, service)

    service.stop()
    disk.fill(left=MIN_FREE_BYTES - LITTLE)
    second = serve(DATA_DIR=str(disk.data)).ready()
    reads_go_on(second, session_id)
    check(writers, second)
    assert second.send(session_id, "too much")[0] == 507


def test_disk_filled_to_the_brim_at_once_loses_nothing(serve, disk):
    service = serve(DATA_DIR=str(disk.data)).ready()
    session_id = service.new_session()
    with Writers(service, session_id).at_work() as writers:
        writers.wait_for_more()
        disk.fill_to_the_brim()
        writers.wait_for_refusals()
        disk.relieve()
        writers.wait_for_more()
        service.ready()
    check(writers, service)

    # Without a single free byte its next checkpoint fails, and it never recovers from that.
    supervisor, _ = service.database()
    database = until(lambda: children(supervisor), "the database")
    with Writers(service, session_id).at_work() as writers:
        writers.wait_for_more()
        disk.fill_to_the_brim()
        writers.wait_for_refusals()
    until(lambda: children(supervisor) != database, "the database to be ended", 180)
    disk.relieve()
    service.ready()
    check(writers, service)
    assert service.send(session_id, "afterwards")[0] == 201
