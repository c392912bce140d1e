"""Every setting of the service: its type, its default and one line why."""

import ipaddress
import os
import re
import secrets
import ssl
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, get_args

import dotenv
import environs
from marshmallow import validate

LogLevel = Literal["debug", "info", "warning", "error"]
LogFormat = Literal["console", "json"]
AppEnv = Literal["development", "production"]

KEPT_KEY_FILE = "jwt_key"
MIN_KEY_BYTES = 32
SECRET = ("JWT_SECRET_KEY", "METRICS_TOKEN", "MONGO_URI", "OPENAI_API_KEY")
MIN_TOKEN_CHARS = 16


class ConfigError(Exception):
    """A setting that cannot be used; the message names variable, value and what is allowed."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of anything one request may bring."""

    body_bytes: int = 1024 * 1024
    title_chars: int = 200
    message_chars: int = 10_000


@dataclass(frozen=True, slots=True)
class Config:
    """The service's settings; built by `load` or, in tests, by hand."""

    jwt_secret_key: str = field(repr=False)
    jwt_expires_s: int = 86_400
    app_env: AppEnv = "development"
    host: str = "0.0.0.0"  # noqa: S104  phones on the LAN are met directly
    port: int = 5003
    workers: int = 2
    graceful_timeout: int = 30
    tls_cert: Path | None = None
    tls_key: Path | None = None
    mongo_uri: str | None = field(default=None, repr=False)
    mongo_db: str = "session_service"
    data_dir: Path = Path("data")
    reply_engine: str = "rules"
    reply_rules_file: Path | None = None
    reply_timeout_s: float = 20.0
    openai_base_url: str = "https://api.openai.com/v1"
    openai_api_key: str = field(default="", repr=False)
    openai_model: str = ""
    openai_system_prompt: str = (
        "You take part in a chat. Answer briefly, in the language of the message, as plain text."
    )
    openai_context_tokens: int = 3000  # with max_tokens: less than the 4096 of small models
    openai_max_tokens: int = 1000
    openai_temperature: float | None = None
    reply_fallback: str = "抱歉，我现在无法回答，请稍后再试。 Sorry, I cannot answer right now."
    metrics_token: str | None = field(default=None, repr=False)
    cors_origins: tuple[str, ...] = ()
    mdns_enabled: bool = True
    mdns_name: str = "Session Service"
    mdns_interfaces: tuple[str, ...] = ()
    log_level: LogLevel = "info"
    log_format: LogFormat = "console"
    limits: Limits = Limits()


def load(env_file: str | None = ".env") -> Config:
    """The configuration from the environment, and from `.env` where it exists.

    Makes and keeps a JWT secret where the rules allow to go without one.
    Raises ConfigError with one line for each variable that cannot be used.
    """
    if env_file:
        dotenv.load_dotenv(env_file)  # what the environment sets already stays as it is
    env = Environment(eager=False)
    values = _read(env)
    try:
        env.seal()
    except environs.EnvValidationError as error:
        raise ConfigError(_explain(error)) from error
    _check_tls(values["tls_cert"], values["tls_key"])
    _check_openai(values)
    values["jwt_secret_key"] = _secret(values)
    return Config(**values)


class Environment(environs.Env):
    """Takes an empty variable for one that is not set, as compose files write them."""

    def _get_value(self, env_key: str, default: Any) -> Any:
        return os.environ.get(env_key) or default


def load_or_exit() -> Config:
    """`load` for programs: an unusable setting ends the process with its one line."""
    try:
        return load()
    except ConfigError as error:
        sys.exit(f"session-service: {error}")


def _read(env: environs.Env) -> dict[str, Any]:
    default: dict[str, Any] = {each.name: each.default for each in fields(Config)}
    limits = Limits()
    return {
        "jwt_secret_key": env.str("JWT_SECRET_KEY", ""),
        "jwt_expires_s": _whole(
            env, "JWT_EXPIRES_S", default["jwt_expires_s"], 1, 10 * 366 * 86_400
        ),
        "app_env": _choice(env, "APP_ENV", default["app_env"], get_args(AppEnv)),
        "host": env.str("HOST", default["host"], validate=_filled),
        "port": _whole(env, "PORT", default["port"], 1, 65_535),
        "workers": _whole(env, "WORKERS", default["workers"], 1, 64),
        "graceful_timeout": _whole(env, "GRACEFUL_TIMEOUT", default["graceful_timeout"], 1, 3600),
        "tls_cert": _file(env, "TLS_CERT"),
        "tls_key": _file(env, "TLS_KEY"),
        "mongo_uri": env.str("MONGO_URI", None, validate=_mongo_uri),
        "mongo_db": env.str("MONGO_DB", default["mongo_db"], validate=_database_name),
        "data_dir": env.path("DATA_DIR", default["data_dir"]),
        "reply_engine": env.str("REPLY_ENGINE", default["reply_engine"], validate=_filled),
        "reply_rules_file": _file(env, "REPLY_RULES_FILE"),
        "reply_timeout_s": env.float(
            "REPLY_TIMEOUT_S", default["reply_timeout_s"], validate=validate.Range(0.1, 600)
        ),
        "openai_base_url": env.str(
            "OPENAI_BASE_URL", default["openai_base_url"], validate=_base_url
        ),
        "openai_api_key": env.str("OPENAI_API_KEY", "", validate=_header_value),
        "openai_model": env.str("OPENAI_MODEL", ""),
        "openai_system_prompt": env.str("OPENAI_SYSTEM_PROMPT", default["openai_system_prompt"]),
        "openai_context_tokens": _whole(
            env, "OPENAI_CONTEXT_TOKENS", default["openai_context_tokens"], 500, 1_000_000
        ),
        "openai_max_tokens": _whole(
            env, "OPENAI_MAX_TOKENS", default["openai_max_tokens"], 1, 100_000
        ),
        "openai_temperature": env.float("OPENAI_TEMPERATURE", None, validate=_temperature),
        "reply_fallback": env.str("REPLY_FALLBACK", default["reply_fallback"], validate=_filled),
        "metrics_token": env.str("METRICS_TOKEN", None, validate=_token),
        "cors_origins": tuple(map(_origin, env.list("CORS_ORIGINS", [], validate=_origins) or ())),
        "mdns_enabled": env.bool("MDNS_ENABLED", default["mdns_enabled"]),
        "mdns_name": env.str("MDNS_NAME", default["mdns_name"], validate=_instance_name),
        "mdns_interfaces": tuple(map(_interface, env.list("MDNS_INTERFACES", []) or ())),
        "log_level": _choice(env, "LOG_LEVEL", default["log_level"], get_args(LogLevel)),
        "log_format": _choice(env, "LOG_FORMAT", default["log_format"], get_args(LogFormat)),
        "limits": Limits(
            body_bytes=_whole(env, "MAX_BODY_BYTES", limits.body_bytes, 1024, 2**30),
            title_chars=_whole(env, "MAX_TITLE_CHARS", limits.title_chars, 1, 10_000),
            message_chars=_whole(env, "MAX_MESSAGE_CHARS", limits.message_chars, 1, 1_000_000),
        ),
    }


def _whole(env: environs.Env, name: str, default: int, low: int, high: int) -> int:
    return env.int(name, default, validate=validate.Range(low, high)) or default


def _choice(env: environs.Env, name: str, default: str, allowed: tuple[str, ...]) -> str:
    return env.str(name, default, validate=validate.OneOf(allowed)) or default


def _file(env: environs.Env, name: str) -> Path | None:
    return env.path(name, None, validate=_existing_file)


def _filled(value: str) -> None:
    if not value.strip():
        raise environs.ValidationError("Must not be empty.")


def _existing_file(path: Path | None) -> None:
    if path is not None and not path.is_file():
        raise environs.ValidationError("Must be a file that exists.")


def _mongo_uri(value: str | None) -> None:
    if value and not value.startswith(("mongodb://", "mongodb+srv://")):
        raise environs.ValidationError("Must begin with mongodb:// or mongodb+srv://.")


def _database_name(value: str) -> None:
    if not value or len(value) > 63 or set(value) & set('/\\. "$*<>:|?\0'):
        raise environs.ValidationError("Must be the name of a database.")


def _origins(values: list[str]) -> None:
    for value in values:
        if value != "*" and not re.fullmatch(r"https?://[^/\s]+/?", value):
            raise environs.ValidationError("Must be * or a list like http://host:port.")


def _origin(value: str) -> str:
    return value.rstrip("/")  # a browser sends it without


def _instance_name(value: str) -> None:
    # One DNS label, with room for the number of the second one of that name.
    if not value.strip() or len(value.encode()) > 58 or "." in value or not value.isprintable():
        raise environs.ValidationError("Must be a name of 1 to 58 bytes in UTF-8 without a dot.")


def _base_url(value: str) -> None:
    place = re.fullmatch(r"https?://([^/\s@?#:\[\]]+|\[[0-9a-f:.]+\])(:\d+)?(/[^\s@?#]*)?", value)
    port = place and int((place[2] or ":1")[1:])
    if not port or port > 65_535 or value.rstrip("/").endswith("/completions"):
        raise environs.ValidationError(
            "Must be like https://host:port/v1, without user, query and /chat/completions."
        )


def _temperature(value: float | None) -> None:
    if value is not None and not 0 <= value <= 2:
        raise environs.ValidationError("Must be from 0 to 2.")


def _header_value(value: str) -> None:
    if value and not re.fullmatch(r"[!-~]+", value):
        raise environs.ValidationError("Must be ASCII without blanks.")


def _token(value: str | None) -> None:
    if value and not re.fullmatch(rf"[!-~]{{{MIN_TOKEN_CHARS},}}", value):
        raise environs.ValidationError(
            f"Must be {MIN_TOKEN_CHARS} characters or more, ASCII without blanks."
        )


def _interface(name_or_address: str) -> str:
    text = name_or_address.strip()
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return text


def _check_tls(cert: Path | None, key: Path | None) -> None:
    if cert is None and key is None:
        return
    if cert is None or key is None:
        raise ConfigError("TLS_CERT and TLS_KEY: set both or neither")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key)
    except (ssl.SSLError, OSError) as error:
        raise ConfigError(
            f"TLS_CERT={str(cert)!r} and TLS_KEY={str(key)!r}: must be a certificate and its key "
            f"in PEM without a passphrase ({error})"
        ) from error


def _check_openai(values: Mapping[str, Any]) -> None:
    if values["reply_engine"] != "openai":
        return
    for name in ("openai_model", "openai_api_key"):
        if not values[name].strip():
            hint = "; any word where the endpoint asks for none" if name.endswith("key") else ""
            raise ConfigError(
                f"{name.upper()} is not set: it must be while REPLY_ENGINE is openai{hint}"
            )


def _explain(error: environs.EnvValidationError) -> str:
    lines = []
    messages = error.error_messages
    for name, reasons in sorted(messages.items() if isinstance(messages, Mapping) else ()):
        lines.append(f"{name}={_shown(name)}: {' '.join(str(reason) for reason in reasons)}")
    return "\n".join(lines)


def _shown(name: str) -> str:
    value = os.environ.get(name, "")
    return "***" if name in SECRET or "@" in value else repr(value)  # an address with a password


def _secret(values: dict[str, Any]) -> str:
    secret: str = values["jwt_secret_key"]
    production = values["app_env"] == "production"
    if not secret:
        if production or values["mongo_uri"]:
            why = "APP_ENV is production" if production else "MONGO_URI is set"
            raise ConfigError(
                f"JWT_SECRET_KEY is not set: it must be while {why}, "
                "the same for every instance and peer"
            )
        return _kept_secret(values["data_dir"])
    if production and len(secret.encode()) < MIN_KEY_BYTES:
        raise ConfigError(
            f"JWT_SECRET_KEY=*** is too short: {MIN_KEY_BYTES} bytes or more in production"
        )
    return secret


def _kept_secret(data_dir: Path) -> str:
    """The secret of this data directory, made once; whoever comes second reads the first one's."""
    path = data_dir / KEPT_KEY_FILE
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            fresh = path.with_name(f"{KEPT_KEY_FILE}.{os.getpid()}")
            fresh.touch(mode=0o600)
            with fresh.open("w", encoding="ascii") as file:
                file.write(secrets.token_urlsafe(48))
                file.flush()
                os.fsync(file.fileno())
            try:
                os.link(fresh, path)
            except FileExistsError:
                pass
            finally:
                fresh.unlink()
        key = path.read_text(encoding="ascii")
    except OSError as error:
        raise ConfigError(
            f"DATA_DIR={str(data_dir)!r}: must be a directory that can be written ({error})"
        ) from error
    if len(key) < MIN_KEY_BYTES:
        raise ConfigError(f"{path} is damaged: remove it for a new secret, or set JWT_SECRET_KEY")
    return key
