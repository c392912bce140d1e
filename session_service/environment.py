"""Environment variables as settings, and the one line for each that cannot be used."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import dotenv
import environs
from marshmallow import validate

from session_service import allowed

SECRET = ("ADMIN_PASSWORD", "JWT_SECRET_KEY", "METRICS_TOKEN", "MONGO_URI", "OPENAI_API_KEY")


FILE_READ = "SESSION_SERVICE_ENV_FILE_READ"


class ConfigError(Exception):
    """A setting that cannot be used; the message names variable, value and what is allowed."""


class Environment(environs.Env):
    """Takes an empty variable for one that is not set, as compose files write them."""

    def __init__(self) -> None:
        super().__init__(eager=False)
        for name, parse in allowed.PARSERS.items():
            self.add_parser(name, parse)

    def _get_value(self, env_key: str, default: Any) -> Any:
        return os.environ.get(env_key) or default

    def whole(self, name: str, default: int, low: int, high: int) -> int:
        return self.int(name, default, validate=validate.Range(low, high)) or default

    def within(self, name: str, default: float, low: float, high: float) -> float:
        return self.float(name, default, validate=validate.Range(low, high)) or default

    def choice(self, name: str, default: str, among: object) -> str:
        """One of the words of a Literal."""
        return self.str(name, default, validate=validate.OneOf(get_args(among))) or default

    def file(self, name: str) -> Path | None:
        return self.path(name, None, validate=allowed.existing_file)

    def check(self) -> None:
        """ConfigError with one line for each variable read so far that cannot be used."""
        try:
            self.seal()
        except environs.EnvValidationError as error:
            raise ConfigError(_explain(error)) from error


def _explain(error: environs.EnvValidationError) -> str:
    lines = []
    messages = error.error_messages
    for name, reasons in sorted(messages.items() if isinstance(messages, Mapping) else ()):
        lines.append(f"{name}={_shown(name)}: {' '.join(str(reason) for reason in reasons)}")
    return "\n".join(lines)


def _shown(name: str) -> str:
    value = os.environ.get(name, "")
    return "***" if name in SECRET or "@" in value else repr(value)  # an address with a password


def read_file_once(name: str) -> None:
    """Adds the file's variables to the environment, whose own go before them.

    Processes that this one starts go by the same reading, also after an edit of the file.
    ConfigError when it is not a text in UTF-8 or cannot be read.
    """
    if FILE_READ not in os.environ:
        try:
            dotenv.load_dotenv(name)
        except (OSError, ValueError) as error:
            raise ConfigError(f"{name}: must be a text in UTF-8 ({error})") from error
        os.environ[FILE_READ] = name
