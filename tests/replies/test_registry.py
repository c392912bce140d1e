"""Engines are found by name: the built-in one, and those that installed packages offer."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from session_service.errors import ServiceError
from session_service.models import Prompt, ReplyEngine
from session_service.replies import EngineError, load_engine
from session_service.replies.openai_settings import OpenAISettings
from session_service.replies.rule_file import RuleFileError
from session_service.replies.rules import RuleEngine

MODULE = """
class Parrot:
    instant = False

    def __init__(self, environ):
        self.word = environ["PARROT_WORD"]

    def reply(self, prompt):
        return self.word

    def stream(self, prompt):
        yield self.word


def nothing(environ):
    return None


number = 7
"""

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 11, 20, tzinfo=UTC)

OPENAI = OpenAISettings("http://127.0.0.1:9/v1", "key", "model", "Be kind.", 1000, 100, None, 20)

Install = Callable[[str, str], None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Puts a package on the path that offers one engine."""

    def installed(name: str, target: str) -> None:
        place = tmp_path / target.replace(":", "_")
        info = place / f"{place.name}-1.0.dist-info"
        info.mkdir(parents=True)
        (place / "aviary.py").write_text(MODULE)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {place.name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(
            f"[session_service.reply_engines]\n{name} = {target}\n"
        )
        monkeypatch.syspath_prepend(place)
        monkeypatch.delitem(sys.modules, "aviary", raising=False)

    return installed


@pytest.fixture
def question() -> Prompt:
    return Prompt("hello", "alice", "work", NOW, NOW, 0, lambda _: [])


def load(name: str, **environ: str) -> ReplyEngine:
    return load_engine(name, rules_file=None, openai=OPENAI, environ=environ)


def test_rules_are_built_in() -> None:
    assert isinstance(load("rules"), RuleEngine)


def test_rules_come_from_the_configured_file(tmp_path: Path, question: Prompt) -> None:
    path = tmp_path / "own.yaml"
    path.write_text("- {name: all, replies: [moo]}")
    assert load_engine("rules", rules_file=path, openai=OPENAI, environ={}).reply(question) == "moo"


def test_broken_rules_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text("- {name: all}")
    with pytest.raises(RuleFileError, match=r"own\.yaml:1: "):
        load_engine("rules", rules_file=path, openai=OPENAI, environ={})


def test_installed_package_offers_an_engine(install: Install, question: Prompt) -> None:
    install("parrot", "aviary:Parrot")
    engine = load("parrot", PARROT_WORD="squawk")
    assert not engine.instant
    assert engine.reply(question) == "squawk"
    assert list(engine.stream(question)) == ["squawk"]


def test_unknown_engine_is_answered_with_those_there_are(install: Install) -> None:
    install("parrot", "aviary:Parrot")
    with pytest.raises(EngineError, match=r"REPLY_ENGINE.*'parot'.*rules, openai, parrot"):
        load("parot")


def test_package_cannot_replace_a_built_in_engine(install: Install) -> None:
    install("rules", "aviary:Parrot")
    install("openai", "aviary:nothing")
    assert isinstance(load("rules"), RuleEngine)
    assert type(load("openai")).__name__ == "OpenAIEngine"


def test_without_its_extra_openai_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openai", None)
    monkeypatch.delitem(sys.modules, "session_service.replies.openai", raising=False)
    with pytest.raises(EngineError, match=r"REPLY_ENGINE: 'openai'.*pip install.*\[llm\]") as told:
        load("openai")
    assert "\n" not in str(told.value)


def test_openai_that_cannot_start_is_named() -> None:
    with pytest.raises(EngineError, match=r"REPLY_ENGINE: 'openai'.*OPENAI_SYSTEM_PROMPT"):
        load_engine(
            "openai",
            rules_file=None,
            openai=replace(OPENAI, system_prompt="x" * 3000),
            environ={},
        )


def test_who_does_not_use_openai_does_not_load_it() -> None:
    script = "import app, config, sys; app.create_app(config.Config('k' * 32))\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT)
    loaded = done.stdout.split()
    assert "session_service.replies.rules" in loaded, done.stderr
    assert not {"openai", "httpx2", "pydantic"} & set(loaded)


def test_two_packages_offering_one_name_are_refused(install: Install) -> None:
    install("parrot", "aviary:Parrot")
    install("parrot", "aviary:nothing")
    with pytest.raises(EngineError, match="aviary:Parrot and aviary:nothing"):
        load("parrot")


@pytest.mark.parametrize(
    ("target", "why"),
    [
        ("no_such_module:Parrot", r"cannot be imported: ModuleNotFoundError"),
        ("aviary:NoSuchName", r"cannot be imported: AttributeError"),
        ("aviary:number", r"cannot be called"),
        ("aviary:nothing", r"made no reply engine"),
        ("aviary:Parrot", r"cannot be started: KeyError: 'PARROT_WORD'"),
    ],
)
def test_engine_that_cannot_start_is_named(install: Install, target: str, why: str) -> None:
    install("parrot", target)
    with pytest.raises(EngineError, match=rf"REPLY_ENGINE: 'parrot'.*{why}"):
        load("parrot")


def test_both_refusals_are_failures_of_the_service() -> None:
    assert issubclass(EngineError, ServiceError)
    assert issubclass(RuleFileError, ServiceError)
