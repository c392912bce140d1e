"""Accounts of a whole service: its first admin, command lines beside it, and deaths within."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.service.running import ROOT, Service, running, until

pytestmark = pytest.mark.embedded

PASSWORD = "correct horse"
FLASK = [sys.executable, "-m", "flask", "--app", "app"]
MANY = 16  # requests at once: no worker is spared


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    admin = {"ADMIN_USERNAME": "root", "ADMIN_PASSWORD": PASSWORD, "ADMIN_EMAIL": "root@lan.local"}
    with running(tmp_path_factory.mktemp("accounts"), None, WORKERS="2", **admin) as service:
        until(lambda: login(service, "root")[0] == 200, "the first admin")
        yield service


def begin(service: Service, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*FLASK, *words],
        cwd=ROOT,
        env=service.environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def command(service: Service, *words: str, typed: str = "") -> str:
    process = begin(service, *words)
    out, err = process.communicate(typed, timeout=60)
    assert process.returncode == 0, err
    return out


def post(service: Service, path: str, body: str, kind: str) -> tuple[int, Any]:
    connection = service.connection(timeout=15)
    try:
        connection.request("POST", path, body, {"Content-Type": kind})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def register(service: Service, name: str) -> tuple[int, Any]:
    body = {"username": name, "email": f"{name}@lan.local", "password": PASSWORD}
    return post(service, "/v1/auth/register", json.dumps(body), "application/json")


def login(service: Service, name: str, password: str = PASSWORD) -> tuple[int, Any]:
    form = urlencode({"username": name, "password": password})
    return post(service, "/v1/auth/token", form, "application/x-www-form-urlencoded")


def token(service: Service, name: str, password: str = PASSWORD) -> str:
    status, answer = login(service, name, password)
    assert status == 200, answer
    return str(answer["access_token"])


def told(service: Service, token: str) -> set[int]:
    """What the workers answer to a token."""

    def ask(_: int) -> int:
        header = {"Authorization": f"Bearer {token}"}
        return service.request("GET", "/v1/auth/test_token", **header)[0]

    with ThreadPoolExecutor(MANY) as pool:
        return set(pool.map(ask, range(MANY)))


def users(service: Service) -> dict[str, str]:
    """Role and status of each name."""
    lines = [line.split() for line in command(service, "list-users").splitlines()]
    return {name: f"{role} {status}" for _, role, status, name, *_ in lines}


def test_the_configuration_makes_one_admin(service):
    _, me = service.request(
        "GET", "/v1/auth/test_token", Authorization=f"Bearer {token(service, 'ROOT@lan.local')}"
    )
    assert (me["username"], me["email"], me["role"]) == ("root", "root@lan.local", "admin")
    assert users(service)["root"] == "admin active"
    assert register(service, "ＲＯＯＴ")[0] == 400


def test_all_workers_know_within_a_second_what_commands_did(service):
    assert register(service, "alice")[0] == 200
    first, second = token(service, "alice"), token(service, "alice")

    def after(*words: str, typed: str = "") -> Sequence[set[int]]:
        assert told(service, second) == {200}  # remembered by all of them
        command(service, *words, typed=typed)
        time.sleep(1)
        return told(service, first), told(service, second)

    assert after("revoke-token", typed=first) == ({401}, {200})
    assert after("set-password", "alice", typed="another secret") == ({401}, {401})
    assert login(service, "alice")[0] == 401
    second = token(service, "alice", "another secret")
    assert after("disable-user", "alice@lan.local")[1] == {401}
    assert login(service, "alice", "another secret")[0] == 401
    command(service, "enable-user", "alice")
    time.sleep(1)
    assert after("delete-user", "--yes", "alice")[1] == {401}
    assert "alice" not in users(service)


def test_a_wrong_password_leaves_no_word_of_it_in_the_log(service):
    assert login(service, "root", "wrong password")[0] == 401
    said = service.log.read_text()
    for each in ("Traceback", "Mismatch", PASSWORD, "wrong password"):
        assert each not in said


def test_of_two_admins_disabled_at_the_same_moment_one_stays(service):
    command(service, "create-admin", "second", typed=PASSWORD)
    disabling = [begin(service, "disable-user", name) for name in ("root", "second")]
    said = [each.communicate(timeout=60)[1] for each in disabling]
    assert sorted(each.returncode for each in disabling) == [0, 1]
    assert "session-service: this is the last active admin\n" in said
    found = users(service)
    assert sorted((found["root"], found["second"])) == ["admin active", "admin disabled"]


def test_registrations_outlive_the_death_of_workers_and_database(service):
    registered: list[str] = []
    odd: list[tuple[int, Any]] = []
    stopping = threading.Event()

    def work(number: int) -> None:
        for each in range(10_000):
            name = f"user-{number}-{each}"
            while not stopping.is_set() and not done(name):
                time.sleep(0.05)
            if stopping.is_set():
                return

    def done(name: str) -> bool:
        try:
            status, answer = register(service, name)
        except OSError:
            return False
        if status == 503:
            return False
        if status == 200 or "already registered" in answer["detail"]:  # it was stored before
            registered.append(name)
        else:
            odd.append((status, answer))
        return True

    def more() -> None:
        enough = len(registered) + 6
        until(lambda: len(registered) >= enough, "more registrations")

    threads = [threading.Thread(target=work, args=[number]) for number in range(4)]
    for thread in threads:
        thread.start()
    try:
        for victim in (service.workers, service.database) * 2:
            more()
            os.kill(victim()[-1], signal.SIGKILL)
        more()
    finally:
        stopping.set()
        for thread in threads:
            thread.join(60)
    assert odd == []
    ids = set()
    for name in registered:
        status, answer = login(service, name)
        assert status == 200, (name, answer)
        header = {"Authorization": f"Bearer {answer['access_token']}"}
        ids.add(service.request("GET", "/v1/auth/test_token", **header)[1]["id"])
    assert len(ids) == len(registered)
