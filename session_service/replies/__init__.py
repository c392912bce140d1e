"""Who answers messages: the engine that the configuration names."""

from collections.abc import Callable, Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, cast

from session_service.errors import ServiceError
from session_service.models import ReplyEngine
from session_service.replies.openai_settings import OpenAISettings
from session_service.replies.rule_file import load_rules
from session_service.replies.rules import RuleEngine

GROUP = "session_service.reply_engines"
BUILT_IN = ("rules", "openai")
DEFAULT_RULES = Path(__file__).with_name("rules.yaml")


class EngineError(ServiceError):
    """`REPLY_ENGINE` names no engine that can be started; the message says why."""

    code = "reply_engine"


def load_engine(
    name: str,
    *,
    rules_file: Path | None,
    openai: OpenAISettings,
    environ: Mapping[str, str],
) -> ReplyEngine:
    """The engine called `name`: one of BUILT_IN, or an entry point of GROUP.

    `rules_file` replaces the shipped rules, `openai` is what the engine of that name is
    told. An entry point is a callable that takes `environ` and gives a ReplyEngine.
    Raises EngineError, or RuleFileError for the rules.
    """
    if name == "rules":
        return RuleEngine(load_rules(rules_file)) if rules_file else _shipped()
    if name == "openai":
        return _openai_engine(openai)
    factory = _factory(_entry_point(name))
    try:
        engine = factory(environ)
    except Exception as error:
        cause = f"{type(error).__name__}: {error}"
        raise EngineError(f"REPLY_ENGINE: {name!r} cannot be started: {cause}") from error
    if not all(hasattr(engine, part) for part in ("instant", "reply", "stream")):
        kind = type(engine).__name__
        raise EngineError(f"REPLY_ENGINE: {name!r} made no reply engine, but a {kind}")
    return cast(ReplyEngine, engine)


@cache
def _shipped() -> RuleEngine:
    return RuleEngine(load_rules(DEFAULT_RULES, trusted=True))


def _openai_engine(settings: OpenAISettings) -> ReplyEngine:
    try:
        from session_service.replies.openai import OpenAIEngine  # its library is large
    except ModuleNotFoundError as error:
        raise EngineError(
            f"REPLY_ENGINE: 'openai' needs the extra llm ({error}): "
            'pip install ".[llm]" or pip install -r requirements/llm.txt'
        ) from error
    try:
        return OpenAIEngine(settings)
    except Exception as error:
        raise EngineError(f"REPLY_ENGINE: 'openai' cannot be started: {error}") from error


def _entry_point(name: str) -> EntryPoint:
    group = entry_points(group=GROUP)
    found = {point.value: point for point in group if point.name == name}
    if not found:
        available = ", ".join([*BUILT_IN, *sorted(group.names - set(BUILT_IN))])
        raise EngineError(f"REPLY_ENGINE: there is no engine {name!r}; available: {available}")
    if len(found) > 1:
        rivals = " and ".join(sorted(found))
        raise EngineError(f"REPLY_ENGINE: {name!r} is offered by {rivals}; uninstall one")
    return found.popitem()[1]


def _factory(point: EntryPoint) -> Callable[[Mapping[str, str]], Any]:
    try:
        factory = point.load()
    except Exception as error:
        cause = f"{type(error).__name__}: {error}"
        raise EngineError(
            f"REPLY_ENGINE: {point.name!r} ({point.value}) cannot be imported: {cause}"
        ) from error
    if not callable(factory):
        raise EngineError(f"REPLY_ENGINE: {point.name!r} ({point.value}) cannot be called")
    return cast(Callable[[Mapping[str, str]], Any], factory)
