"""The example of an engine in a package of its own works as its README says."""

import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Response

from tests.service.running import ROOT

EXAMPLE = ROOT / "examples" / "reply-engine"


def build_wheel(source: Path, into: Path) -> Path:
    """What a build backend makes of the project, without the network that getting one takes."""
    settings = tomllib.loads((source / "pyproject.toml").read_text())
    project = settings["project"]
    name = f"{project['name'].replace('-', '_')}-{project['version']}"
    info = f"{name}.dist-info"
    points = "".join(
        f"[{group}]\n" + "".join(f"{key} = {target}\n" for key, target in entries.items())
        for group, entries in project["entry-points"].items()
    )
    files = {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {project['name']}\n"
        f"Version: {project['version']}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": points,
    }
    for each in settings["tool"]["hatch"]["build"]["targets"]["wheel"]["only-include"]:
        files[each] = (source / each).read_text()
    record = "".join(f"{path},,\n" for path in [*files, f"{info}/RECORD"])
    wheel = into / f"{name}-py3-none-any.whl"
    with ZipFile(wheel, "w") as archive:
        for path, text in {**files, f"{info}/RECORD": record}.items():
            archive.writestr(path, text)
    return wheel


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the example installed in it by pip."""
    folder = tmp_path_factory.mktemp("example")
    target = folder / "installed"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    wheel = build_wheel(EXAMPLE, folder)
    options = ["--no-index", "--no-deps", "--target", str(target)]
    done = subprocess.run([*pip, *options, str(wheel)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return target


@pytest.fixture
def webhook() -> Iterator[HTTPServer]:
    with HTTPServer(host="127.0.0.1", port=0) as server:
        yield server


def test_the_program_behind_the_webhook_answers(serve, installed, webhook):
    asked = []

    def answer(request):
        asked.append(request.get_json())
        return Response(f"You said: {request.get_json()['text']}")

    webhook.expect_request("/bot", method="POST").respond_with_handler(answer)
    service = serve(
        REPLY_ENGINE="webhook", WEBHOOK_URL=webhook.url_for("/bot"), PYTHONPATH=str(installed)
    ).ready()
    session_id = service.new_session()
    service.send(session_id, "你好")
    status, sent = service.send(session_id, "and now?")
    assert (status, sent["data"]["reply"]["chat_content"]) == (201, "You said: and now?")
    assert asked[1] == {
        "text": "and now?",
        "user": "alice",
        "session": "test",
        "history": [
            {"role": "user", "text": "你好"},
            {"role": "assistant", "text": "You said: 你好"},
        ],
    }


def test_without_its_setting_the_start_stops_with_one_line(serve, installed):
    service = serve(REPLY_ENGINE="webhook", PYTHONPATH=str(installed))
    assert service.process.wait(30) == 1
    (said,) = service.log.read_text().splitlines()
    assert said.startswith("session-service: REPLY_ENGINE: 'webhook' cannot be started: ")
    assert "WEBHOOK_URL" in said
