"""How the service starts and what it leaves behind."""

import json
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.service.running import DEVELOPMENT, ROOT, Service, alive, until

pytestmark = pytest.mark.embedded


def test_it_says_where_it_is_and_has_one_database_for_all_workers(shared_embedded_service):
    service = shared_embedded_service
    until(lambda: str(service.data) in service.log.read_text(), "its word")
    said = service.log.read_text()
    for place in (f"http://127.0.0.1:{service.port}", "/docs"):
        assert place in said
    assert len(service.workers()) == 2
    databases = subprocess.run(
        ["pgrep", "-f", f"secantusd.*{service.data}"], capture_output=True, text=True
    )
    assert databases.stdout.split() == [str(service.database()[1])]


def test_signals_end_everything_and_a_new_start_finds_the_data_and_the_secret(serve):
    first = serve(JWT_SECRET_KEY="").ready()
    kept = first.data / "jwt_key"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    bearer = {"Authorization": f"Bearer {token_of(first)}"}
    created = first.request("POST", "/sess", {"sess_name": "kept"}, **bearer)
    assert created[0] == 201
    owned = first.owned()
    assert first.stop(signal.SIGTERM) == 0
    until(lambda: not any(map(alive, owned)), "workers and database to end")

    second = serve(JWT_SECRET_KEY="", DATA_DIR=str(first.data), WORKERS="2").ready()
    for _ in range(8):  # whichever worker answers
        status, answer = second.request("GET", "/sessions", **bearer)
        assert (status, [each["sess_name"] for each in answer["data"]]) == (200, ["kept"])
    owned = second.owned()
    os.killpg(second.pid, signal.SIGINT)  # Ctrl-C, as a terminal sends it
    assert second.process.wait(60) == 0
    until(lambda: not any(map(alive, owned)), "workers and database to end")
    assert "Traceback" not in second.log.read_text()


def token_of(service: Service) -> str:
    """One that its own command line prints."""
    return subprocess.run(
        [sys.executable, "-m", "flask", "--app", "app", "token", "alice"],
        cwd=ROOT,
        env=service.environ,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()


def test_a_second_server_on_the_same_data_says_so_and_exits(shared_embedded_service, serve):
    first = shared_embedded_service
    second = serve(DATA_DIR=str(first.data))
    assert second.process.wait(30) != 0
    assert f"is in use by process {first.pid}" in second.log.read_text()
    assert first.request("GET", "/health")[0] == 200


BROKEN_RULES = "- name: x\n  words: [a]\n  nonsense: 1\n"


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("WORKERS", "many", "WORKERS='many'"),
        ("REPLY_ENGINE", "nonesuch", "REPLY_ENGINE"),
        ("REPLY_RULES_FILE", "{}/rules.yaml", "rules.yaml:3: "),
        ("TLS_CERT", "{}/rules.yaml", "TLS_KEY"),
        ("MONGO_URI", "mongodb://a:b:c@@x/", "MONGO_URI"),
        ("HOST", "192.0.2.77", "PORT="),
    ],
)
def test_a_setting_that_cannot_be_used_stops_the_start_with_one_line(
    serve, tmp_path, name, value, told
):
    (tmp_path / "rules.yaml").write_text(BROKEN_RULES)
    service = serve(**{name: value.format(tmp_path)})
    assert service.process.wait(30) == 1
    (said,) = service.log.read_text().splitlines()
    assert said.startswith("session-service: ")
    assert told in said


def test_a_named_server_or_production_demands_a_secret(serve):
    for settings in ({"APP_ENV": "production"}, {"MONGO_URI": "mongodb://127.0.0.1:9"}):
        service = serve(JWT_SECRET_KEY="", **settings)
        assert service.process.wait(30) != 0
        assert "JWT_SECRET_KEY" in service.log.read_text()
    service = serve(JWT_SECRET_KEY="short", APP_ENV="production")
    assert service.process.wait(30) != 0
    assert "32 bytes" in service.log.read_text()


def test_the_development_server_keeps_its_database_over_a_reload(serve):
    service = serve(DEVELOPMENT).ready()
    session_id = service.new_session()
    supervisor, database = service.database()
    reloading = Path(ROOT / "config.py")
    before = service.log.read_text().count("Restarting")
    reloading.touch()
    until(lambda: service.log.read_text().count("Restarting") > before, "the reloader")
    service.ready()
    assert service.database() == [supervisor, database]
    assert service.request("GET", f"/sess/{session_id}")[0] == 200
    service.stop(signal.SIGINT)
    until(lambda: not alive(database), "the database to end")


def test_a_taken_port_leaves_no_database_behind(shared_service, serve):
    second = serve(PORT=str(shared_service.port))
    assert second.process.wait(60) == 1
    told = f"PORT={shared_service.port}: cannot listen there: Address"
    assert told in second.log.read_text()
    assert not second.data.exists() or second.database() == []


def test_a_start_right_after_a_kill_waits_for_the_port(serve):
    killed = serve(WORKERS="2").ready()
    session_id, orphans = killed.new_session(), killed.workers()
    for pid in orphans:
        os.kill(pid, signal.SIGSTOP)  # they keep the port until they go on
    killed.process.kill()
    killed.process.wait()
    second = serve(PORT=str(killed.port), DATA_DIR=str(killed.data))
    told = f"PORT={killed.port}: in use, waiting for it\n"
    try:
        until(lambda: told in second.log.read_text(), "its word")
    finally:
        for pid in orphans:
            os.kill(pid, signal.SIGCONT)
    assert second.ready().request("GET", f"/sess/{session_id}")[0] == 200
    assert second.log.read_text().count(told) == 1
    until(lambda: not any(map(alive, orphans)), "the orphans to end")


def test_logs_are_one_json_line_a_request_on_demand(shared_service):
    shared_service.request("GET", "/sessions", user="carol", **{"X-Request-ID": "my-own-id"})
    lines = [line for line in shared_service.log.read_text().splitlines() if "my-own-id" in line]
    assert len(lines) == 1
    line = json.loads(lines[0])
    assert (
        line.items()
        >= {
            "request_id": "my-own-id",
            "method": "GET",
            "path": "/sessions",
            "status": 200,
            "user_id": "carol",
        }.items()
    )
    assert line["ms"] >= 0
