"""`flask --app app export` and `import`: a service's data move to another place."""

import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from session_service.embedded import EmbeddedError, locate
from session_service.embedded.record import DataDir
from tests.service.running import ROOT, SECRET, Service, alive, until
from tests.service.test_surviving import Senders, check
from tests.store.transfer import crafted

pytestmark = pytest.mark.embedded

FLASK = [sys.executable, "-m", "flask", "--app", "app"]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "all.export"


def environ(data_dir: Path) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return {**kept, "DATA_DIR": str(data_dir), "JWT_SECRET_KEY": SECRET}


def flask(data_dir: Path, *words: object) -> "subprocess.CompletedProcess[str]":
    command = [*FLASK, *map(str, words)]
    return subprocess.run(
        command, cwd=ROOT, env=environ(data_dir), capture_output=True, text=True, timeout=300
    )


def nothing_runs(data_dir: Path) -> bool:
    try:
        locate(data_dir)
    except EmbeddedError:
        return True
    return False


def test_service_moves_while_it_runs_and_goes_on_elsewhere(
    serve: Any, file: Path, tmp_path: Path
) -> None:
    service = serve().ready()
    sessions = [service.new_session() for _ in range(40)]
    for session_id in sessions:
        assert service.send(session_id, "hello")[0] == 201
    expected = {each: service.texts(each) for each in sessions}
    session_id = service.new_session()
    with Senders(service, session_id, count=4).at_work() as senders:
        senders.wait_for_more()
        before = list(senders.acknowledged)
        exported = flask(service.data, "export", file)
        assert exported.returncode == 0, exported.stderr
        senders.wait_for_more(4)
    check(senders, service)

    moved = tmp_path / "moved"
    kill_an_import(file, moved)
    imported = flask(moved, "import", file)  # the same command again
    assert imported.returncode == 0, imported.stderr
    assert imported.stdout.splitlines()[-1].endswith(" documents in all: finished")
    assert nothing_runs(moved)
    second = serve(DATA_DIR=str(moved)).ready()
    assert {each: second.texts(each) for each in sessions} == expected
    texts = second.texts(session_id)
    users = [text for sender, text in texts if sender == "user"]
    assert set(before) <= set(users)
    assert len(texts) == 2 * len(users)
    assert second.send(session_id, before[0], key=before[0])[0] == 201
    assert second.texts(session_id) == texts
    assert second.send(session_id, "afterwards")[0] == 201


def kill_an_import(file: Path, data_dir: Path) -> None:
    with subprocess.Popen([*FLASK, "import", file], cwd=ROOT, env=environ(data_dir)) as importing:
        until(partial(import_has_begun, data_dir), "the import to begin")
        importing.kill()
    record = DataDir(data_dir).read_record()
    assert record is not None
    assert record.database is not None
    until(lambda: not alive(record.database), "the database to follow")


def import_has_begun(data_dir: Path) -> bool:
    if nothing_runs(data_dir):
        return False
    client: MongoClient[Any] = MongoClient(locate(data_dir))
    with client:
        return client["session_service"]["import"].find_one() is not None


@pytest.mark.parametrize(
    "words", [["import", "{}/cut"], ["export", "{}/none/file"], ["export", "{}/cut"]]
)
def test_what_cannot_be_done_is_said_in_one_line(
    shared_embedded_service: Service, tmp_path: Path, words: list[str]
) -> None:
    (tmp_path / "cut").write_bytes(b"\x10\0\0\0 cut")
    service = shared_embedded_service
    service.new_session()
    done = flask(service.data, *(word.format(tmp_path) for word in words))
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("session-service: ")
    assert service.request("GET", "/health")[0] == 200


def test_what_the_database_refuses_is_said_in_one_line(tmp_path: Path, file: Path) -> None:
    file.write_bytes(crafted(documents=[{"_id": 1}, {"_id": 1}]))
    done = flask(tmp_path / "data", "import", file)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("session-service: the database refused it: ")


def test_shard_plan_needs_no_database(tmp_path: Path) -> None:
    plan = flask(tmp_path / "data", "shard-plan")
    assert plan.returncode == 0, plan.stderr
    assert 'sh.shardCollection("session_service.chats", {"sess_id": 1})' in plan.stdout
    assert not (tmp_path / "data").exists()
