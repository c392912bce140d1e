"""What containers and systemd are told: it names what exists, and keeps in what is secret."""

import ast
import configparser
import json
import re
import shlex
import subprocess
import sys
import tomllib
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
import yaml

from config import Config
from session_service import __version__
from tests.service.running import ROOT, free_port

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
SECRETS = ("JWT_SECRET_KEY", "MONGO_PASSWORD")
DATABASE_STOP_S = 10
INTERPRETER = ("PATH", "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED")


def settings() -> set[str]:
    """The names of all settings that `config.py` reads."""
    return {
        node.value
        for node in ast.walk(ast.parse((ROOT / "config.py").read_text()))
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and re.fullmatch(r"[A-Z][A-Z_]{3,}", node.value)
    }


def dockerfile() -> list[tuple[str, str]]:
    """Its instructions: keyword and the rest, continued lines joined."""
    text = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(keyword, rest.strip()) for keyword, _, rest in (line.partition(" ") for line in lines)]


def said(keyword: str) -> list[str]:
    return [rest for each, rest in dockerfile() if each == keyword]


def image_environment() -> dict[str, str]:
    return dict(pair.split("=", 1) for rest in said("ENV") for pair in shlex.split(rest))


def health_check() -> list[str]:
    (rest,) = said("HEALTHCHECK")
    command: list[str] = json.loads(rest.partition(" CMD ")[2])
    return command


class ComposeLoader(yaml.SafeLoader):
    """Knows compose's own tag for taking back what another file has said."""


ComposeLoader.add_constructor("!reset", lambda loader, node: None)


def compose(name: str = "compose.yaml") -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.load((ROOT / name).read_text(), ComposeLoader)
    return loaded


def unit() -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(ROOT / "deploy" / "session-service.service")
    return parser


def unit_environment() -> dict[str, str]:
    words = unit()["Service"]["Environment"].split()
    return dict(word.split("=", 1) for word in words)


def reaches_the_builder(path: str) -> bool:
    """Whether `.dockerignore` lets a file into the build; its last pattern that fits decides."""
    taken = True
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        pattern = line.removeprefix("!").removeprefix("**/")
        anywhere = line.removeprefix("!").startswith("**/")
        if line and not line.startswith("#") and _fits(path, pattern, anywhere):
            taken = line.startswith("!")
    return taken


def _fits(path: str, pattern: str, anywhere: bool) -> bool:
    parts = Path(path).parts
    starts = range(len(parts)) if anywhere else range(1)
    return any(
        fnmatchcase("/".join(parts[start:end]), pattern)
        for start in starts
        for end in range(start + 1, len(parts) + 1)
        if len(parts[start:end]) == pattern.count("/") + 1
    )


@pytest.mark.parametrize(
    "path",
    [
        *("data/jwt_key", "data/database/WiredTiger", ".env", ".git/config", ".venv/bin/python"),
        *("tests/conftest.py", "session_service/__pycache__/child.cpython-311.pyc", "key.pem"),
    ],
)
def test_no_data_secret_or_history_reaches_the_builder(path):
    assert not reaches_the_builder(path)


def test_the_image_is_made_of_what_a_package_is_made_of():
    packaged = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["only-include"]
    copied = {
        word
        for rest in said("COPY")
        if not rest.startswith("--from")
        for word in rest.split()[:-1]
        if not word.startswith("requirements/")
    }
    assert copied == set(packaged)
    for name in packaged:
        assert reaches_the_builder(name if name.endswith(".py") else f"{name}/__init__.py"), name


@pytest.mark.parametrize("chosen", ["run", "llm"])
def test_the_requirements_of_the_image_are_pinned_with_hashes(chosen):
    assert "requirements/${REQUIREMENTS}.txt /build/requirements.txt" in said("COPY")
    assert "REQUIREMENTS=run" in said("ARG")
    assert any("--require-hashes" in rest for rest in said("RUN"))
    assert reaches_the_builder(f"requirements/{chosen}.txt")
    assert "--hash=sha256:" in (ROOT / "requirements" / f"{chosen}.txt").read_text()


def test_the_image_names_the_version_it_holds():
    assert f"VERSION={__version__}" in said("ARG")


def test_the_image_runs_as_an_ordinary_user_and_by_commands_without_a_shell():
    assert said("USER") == ["10001:10001"]
    assert json.loads(said("CMD")[0]) == ["gunicorn", "-c", "gunicorn.conf.py", "app:app"]
    assert said("STOPSIGNAL") == ["SIGTERM"]


def test_images_compose_files_and_the_unit_set_real_settings_only():
    environments = [
        set(image_environment()) - set(INTERPRETER),
        set(compose()["services"]["service"]["environment"]),
        set(compose("deploy/compose.host-network.yaml")["services"]["service"]["environment"]),
        set(unit_environment()),
    ]
    for names in environments:
        assert names <= settings()


def test_compose_files_hold_no_secret_and_ask_for_them():
    for name in ("compose.yaml", "deploy/compose.host-network.yaml"):
        text = (ROOT / name).read_text()
        asked = set(re.findall(r"\$\{(\w+):\?", text))
        assert asked <= set(SECRETS)
        for secret in asked:
            assert not re.search(rf"\$\{{?{secret}\}}?(?!\w|:\?)", text.replace("$$", ""))
    services = compose()["services"]
    assert services["service"]["environment"]["JWT_SECRET_KEY"].startswith("${JWT_SECRET_KEY:?")
    password = services["mongo"]["environment"]["MONGO_INITDB_ROOT_PASSWORD"]
    assert password.startswith("${MONGO_PASSWORD:?")


def test_the_database_of_compose_is_not_reached_from_the_lan():
    assert "ports" not in compose()["services"]["mongo"]
    (published,) = compose("deploy/compose.host-network.yaml")["services"]["mongo"]["ports"]
    assert published.startswith("127.0.0.1:")


@pytest.mark.parametrize("name", ["service", "mongo"])
def test_containers_of_compose_have_few_rights_and_are_watched(name):
    container = compose()["services"][name]
    assert container["read_only"] is True
    assert container["cap_drop"] == ["ALL"]
    assert container["security_opt"] == ["no-new-privileges:true"]
    assert container["tmpfs"] == ["/tmp"]
    assert container["restart"] == "unless-stopped"
    assert container["healthcheck"]["test"][0] == "CMD"
    for volume in container["volumes"]:
        assert volume.partition(":")[0] in compose()["volumes"]


def test_compose_and_image_look_at_health_in_the_same_way():
    assert compose()["services"]["service"]["healthcheck"]["test"] == ["CMD", *health_check()]


def test_stops_wait_for_the_requests_under_way_and_for_the_database():
    longest = Config(jwt_secret_key="x").graceful_timeout + DATABASE_STOP_S
    assert int(compose()["services"]["service"]["stop_grace_period"].removesuffix("s")) >= longest
    assert int(unit()["Service"]["TimeoutStopSec"]) >= longest


def test_the_unit_starts_a_command_of_the_package():
    service = unit()["Service"]
    (command,) = service["ExecStart"].split()
    assert Path(command).name in PROJECT["project"]["scripts"]
    assert service["KillMode"] == "mixed"  # the workers are the server process's to end
    assert unit_environment()["DATA_DIR"] == f"%S/{service['StateDirectory']}"
    assert "AF_NETLINK" in service["RestrictAddressFamilies"]  # the announcer's addresses


def looks(environ: dict[str, str]) -> int:
    command = [sys.executable, *health_check()[1:]]
    return subprocess.run(command, cwd=ROOT, env=environ, timeout=30, check=False).returncode


def test_the_health_check_tells_a_service_that_runs(shared_service):
    assert health_check()[0] == "python"
    assert looks(shared_service.environ) == 0
    assert looks({**shared_service.environ, "HOST": "0.0.0.0"}) == 0
    assert looks({**shared_service.environ, "HOST": ""}) == 0


def test_the_health_check_tells_a_service_that_does_not_run(shared_service):
    assert looks({**shared_service.environ, "PORT": str(free_port())}) == 1
    assert looks({**shared_service.environ, "TLS_CERT": "cert.pem"}) == 1


def test_the_health_check_tells_a_service_without_its_database(serve):
    service = serve(MONGO_URI=f"mongodb://127.0.0.1:{free_port()}").ready(503)
    assert looks(service.environ) == 1
