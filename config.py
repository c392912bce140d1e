"""Every setting of the service: its type, its default, and what settings ask of each other."""

import ssl
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from session_service import allowed
from session_service.environment import ConfigError, Environment, read_file_once
from session_service.kept_key import KEPT_KEY_FILE, kept_key

LogLevel = Literal["debug", "info", "warning", "error"]
LogFormat = Literal["console", "json"]
AppEnv = Literal["development", "production"]

MIN_KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of anything one request may bring."""

    body_bytes: int = 1024 * 1024
    title_chars: int = 200
    description_chars: int = 2_000
    message_chars: int = 10_000
    assistant_chars: int = 100_000
    note_chars: int = 100_000
    comment_chars: int = 2_000
    upload_bytes: int = 20 * 1024 * 1024
    upload_quota_bytes: int = 500 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Config:
    """The service's settings; built by `load` or, in tests, by hand."""

    jwt_secret_key: str = field(repr=False)
    jwt_expires_s: int = 86_400
    registration_enabled: bool = True
    account_id_start: int = 1
    admin_username: str = ""
    admin_password: str = field(default="", repr=False)
    admin_email: str = ""
    trusted_proxies: tuple[allowed.Network, ...] = ()
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


DEFAULT = Config(jwt_secret_key="")


def load(env_file: str | None = ".env") -> Config:
    """The configuration from the environment, and from `.env` where it exists.

    Makes and keeps a JWT secret where the rules allow to go without one.
    Raises ConfigError with one line for each variable that cannot be used.
    """
    if env_file:
        read_file_once(env_file)
    env = Environment()
    values = _read(env)
    env.check()
    _check_admin(values)
    _check_tls(values["tls_cert"], values["tls_key"])
    _check_openai(values)
    values["jwt_secret_key"] = _secret(values)
    return Config(**values)


def load_or_exit() -> Config:
    """`load` for programs: an unusable setting ends the process with its one line."""
    try:
        return load()
    except ConfigError as error:
        sys.exit(f"session-service: {error}")


def _read(env: Environment) -> dict[str, Any]:
    return {
        **_server(env),
        **_accounts(env),
        **_storage(env),
        **_replies(env),
        **_language_model(env),
        **_network(env),
        "limits": _limits(env),
    }


def _server(env: Environment) -> dict[str, Any]:
    return {
        "jwt_secret_key": env.str("JWT_SECRET_KEY", ""),
        "jwt_expires_s": env.whole("JWT_EXPIRES_S", DEFAULT.jwt_expires_s, 1, 10 * 366 * 86_400),
        "app_env": env.choice("APP_ENV", DEFAULT.app_env, AppEnv),
        "host": env.str("HOST", DEFAULT.host, validate=allowed.filled),
        "port": env.whole("PORT", DEFAULT.port, 1, 65_535),
        "workers": env.whole("WORKERS", DEFAULT.workers, 1, 64),
        "graceful_timeout": env.whole("GRACEFUL_TIMEOUT", DEFAULT.graceful_timeout, 1, 3600),
        "tls_cert": env.file("TLS_CERT"),
        "tls_key": env.file("TLS_KEY"),
        "log_level": env.choice("LOG_LEVEL", DEFAULT.log_level, LogLevel),
        "log_format": env.choice("LOG_FORMAT", DEFAULT.log_format, LogFormat),
        "metrics_token": env.str("METRICS_TOKEN", None, validate=allowed.token),
    }


def _accounts(env: Environment) -> dict[str, Any]:
    proxies: Sequence[str] = env.list("TRUSTED_PROXIES", [], validate=allowed.networks) or ()
    first_id, highest = DEFAULT.account_id_start, 2**52
    return {
        "registration_enabled": env.bool("REGISTRATION_ENABLED", DEFAULT.registration_enabled),
        "account_id_start": env.whole("ACCOUNT_ID_START", first_id, 1, highest),
        "admin_username": env.username("ADMIN_USERNAME", ""),
        "admin_password": env.password("ADMIN_PASSWORD", ""),
        "admin_email": env.email("ADMIN_EMAIL", ""),
        "trusted_proxies": tuple(map(allowed.network, proxies)),
    }


def _storage(env: Environment) -> dict[str, Any]:
    return {
        "mongo_uri": env.str("MONGO_URI", None, validate=allowed.mongo_uri),
        "mongo_db": env.str("MONGO_DB", DEFAULT.mongo_db, validate=allowed.database_name),
        "data_dir": env.path("DATA_DIR", DEFAULT.data_dir),
    }


def _replies(env: Environment) -> dict[str, Any]:
    return {
        "reply_engine": env.str("REPLY_ENGINE", DEFAULT.reply_engine, validate=allowed.filled),
        "reply_rules_file": env.file("REPLY_RULES_FILE"),
        "reply_timeout_s": env.within("REPLY_TIMEOUT_S", DEFAULT.reply_timeout_s, 0.1, 600),
        "reply_fallback": env.str(
            "REPLY_FALLBACK", DEFAULT.reply_fallback, validate=allowed.filled
        ),
    }


def _language_model(env: Environment) -> dict[str, Any]:
    url, prompt = DEFAULT.openai_base_url, DEFAULT.openai_system_prompt
    context, most = DEFAULT.openai_context_tokens, DEFAULT.openai_max_tokens
    return {
        "openai_base_url": env.str("OPENAI_BASE_URL", url, validate=allowed.base_url),
        "openai_api_key": env.str("OPENAI_API_KEY", "", validate=allowed.header_value),
        "openai_model": env.str("OPENAI_MODEL", ""),
        "openai_system_prompt": env.str("OPENAI_SYSTEM_PROMPT", prompt),
        "openai_context_tokens": env.whole("OPENAI_CONTEXT_TOKENS", context, 500, 1_000_000),
        "openai_max_tokens": env.whole("OPENAI_MAX_TOKENS", most, 1, 100_000),
        "openai_temperature": env.float("OPENAI_TEMPERATURE", None, validate=allowed.temperature),
    }


def _network(env: Environment) -> dict[str, Any]:
    origins: Sequence[str] = env.list("CORS_ORIGINS", [], validate=allowed.origins) or ()
    return {
        "cors_origins": tuple(map(allowed.origin, origins)),
        "mdns_enabled": env.bool("MDNS_ENABLED", DEFAULT.mdns_enabled),
        "mdns_name": env.str("MDNS_NAME", DEFAULT.mdns_name, validate=allowed.instance_name),
        "mdns_interfaces": tuple(map(allowed.interface, env.list("MDNS_INTERFACES", []) or ())),
    }


def _limits(env: Environment) -> Limits:
    limits = DEFAULT.limits
    return Limits(
        body_bytes=env.whole("MAX_BODY_BYTES", limits.body_bytes, 1024, 2**30),
        upload_bytes=env.whole("UPLOAD_MAX_BYTES", limits.upload_bytes, 1024, 2**34),
        upload_quota_bytes=env.whole("UPLOAD_QUOTA_BYTES", limits.upload_quota_bytes, 1024, 2**44),
        title_chars=env.whole("MAX_TITLE_CHARS", limits.title_chars, 1, 10_000),
        description_chars=env.whole("MAX_DESCRIPTION_CHARS", limits.description_chars, 1, 100_000),
        message_chars=env.whole("MAX_MESSAGE_CHARS", limits.message_chars, 1, 1_000_000),
        note_chars=env.whole("MAX_NOTE_CHARS", limits.note_chars, 1, 1_000_000),
        comment_chars=env.whole("MAX_COMMENT_CHARS", limits.comment_chars, 1, 100_000),
        assistant_chars=env.whole("MAX_ASSISTANT_CHARS", limits.assistant_chars, 1, 1_000_000),
    )


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


def _check_admin(values: Mapping[str, Any]) -> None:
    name, password = values["admin_username"], values["admin_password"]
    if bool(name) != bool(password):
        raise ConfigError("ADMIN_USERNAME and ADMIN_PASSWORD: set both or neither")
    if values["admin_email"] and not name:
        raise ConfigError("ADMIN_EMAIL: needs ADMIN_USERNAME and ADMIN_PASSWORD")


def _check_openai(values: Mapping[str, Any]) -> None:
    if values["reply_engine"] != "openai":
        return
    for name in ("openai_model", "openai_api_key"):
        if not values[name].strip():
            hint = "; any word where the endpoint asks for none" if name.endswith("key") else ""
            raise ConfigError(
                f"{name.upper()} is not set: it must be while REPLY_ENGINE is openai{hint}"
            )


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
    try:
        key = kept_key(data_dir)
    except OSError as error:
        raise ConfigError(
            f"DATA_DIR={str(data_dir)!r}: must be a directory that can be written ({error})"
        ) from error
    if len(key) < MIN_KEY_BYTES or not key.isascii():
        path = data_dir / KEPT_KEY_FILE
        raise ConfigError(f"{path} is damaged: remove it for a new secret, or set JWT_SECRET_KEY")
    return key
