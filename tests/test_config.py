"""Settings come from the environment, and what cannot be used is refused by name."""

import os
import stat

import pytest

import config

KEY = "k" * 40


@pytest.fixture
def environ(monkeypatch, tmp_path):
    """An environment with none of the service's variables, in an empty folder."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    monkeypatch.setattr(os, "environ", kept)
    monkeypatch.chdir(tmp_path)
    return kept.__setitem__


def refusal() -> str:
    with pytest.raises(config.ConfigError) as refused:
        config.load()
    return str(refused.value)


def test_defaults_are_those_of_the_contract(environ, tmp_path):
    loaded = config.load()
    assert (loaded.host, loaded.port, loaded.workers) == ("0.0.0.0", 5003, 2)
    assert (loaded.mongo_uri, loaded.mongo_db) == (None, "session_service")
    assert (loaded.jwt_expires_s, loaded.graceful_timeout) == (86_400, 30)
    assert (loaded.reply_engine, loaded.reply_timeout_s) == ("rules", 20)
    assert (loaded.openai_context_tokens, loaded.openai_max_tokens) == (3000, 1000)
    assert (loaded.openai_model, loaded.openai_temperature) == ("", None)
    assert loaded.limits == config.Limits(1024 * 1024, 200, 2_000, 10_000)
    assert loaded.cors_origins == ()
    assert (loaded.registration_enabled, loaded.account_id_start) == (True, 1)
    assert (loaded.admin_username, loaded.trusted_proxies) == ("", ())
    assert (loaded.mdns_enabled, loaded.mdns_name) == (True, "Session Service")
    assert loaded.mdns_interfaces == ()


def test_an_env_file_is_read_and_the_environment_goes_before_it(environ, tmp_path):
    (tmp_path / ".env").write_text(f"PORT=6000\nWORKERS=7\nJWT_SECRET_KEY={KEY}\n")
    environ("WORKERS", "3")
    loaded = config.load()
    assert (loaded.port, loaded.workers, loaded.jwt_secret_key) == (6000, 3, KEY)


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("PORT", "0", "65535"),
        ("PORT", "x", "integer"),
        ("WORKERS", "1.5", "integer"),
        ("APP_ENV", "test", "development, production"),
        ("LOG_LEVEL", "loud", "debug, info"),
        ("LOG_FORMAT", "xml", "console, json"),
        ("REPLY_TIMEOUT_S", "-1", "600"),
        ("MAX_BODY_BYTES", "1", "1024"),
        ("UPLOAD_MAX_BYTES", "1", "1024"),
        ("UPLOAD_QUOTA_BYTES", "x", "integer"),
        ("CORS_ORIGINS", "example.org", "http"),
        ("CORS_ORIGINS", "http://example.org/page", "http"),
        ("MONGO_DB", "a.b", "database"),
        ("MDNS_ENABLED", "maybe", "boolean"),
        ("MDNS_NAME", "my.service", "without a dot"),
        ("MDNS_NAME", "会" * 20, "58 bytes"),
        ("TLS_CERT", "/no/such/file", "exists"),
        ("REPLY_RULES_FILE", "/no/such/file", "exists"),
        ("OPENAI_BASE_URL", "api.openai.com", "http"),
        ("OPENAI_BASE_URL", "https://host:99999/v1", "port"),
        ("OPENAI_BASE_URL", "https://host/v1?key=1", "query"),
        ("OPENAI_BASE_URL", "https://host/v1/chat/completions", "completions"),
        ("OPENAI_CONTEXT_TOKENS", "10", "500"),
        ("OPENAI_MAX_TOKENS", "0", "100000"),
        ("OPENAI_TEMPERATURE", "2.1", "from 0 to 2"),
        ("OPENAI_TEMPERATURE", "hot", "number"),
        ("REGISTRATION_ENABLED", "maybe", "boolean"),
        ("ACCOUNT_ID_START", "0", "4503599627370496"),
        ("ACCOUNT_ID_START", "one", "integer"),
        ("ADMIN_USERNAME", "a", "2 characters"),
        ("ADMIN_EMAIL", "nobody", "e-mail address"),
        ("TRUSTED_PROXIES", "10.0.0.1,proxy.local", "10.0.0.0/8"),
        ("TRUSTED_PROXIES", "10.0.0.1/8", "10.0.0.0/8"),
    ],
)
def test_an_invalid_value_is_one_line_with_name_value_and_what_is_allowed(
    environ, name, value, allowed
):
    environ(name, value)
    said = refusal()
    assert said.startswith(f"{name}={value!r}: ")
    assert allowed in said
    assert "\n" not in said


def test_the_env_file_is_read_once_by_a_process_and_those_it_starts(environ, tmp_path):
    (tmp_path / ".env").write_text("PORT=6001\n")
    assert config.load().port == 6001
    (tmp_path / ".env").write_text("PORT=6001\nMAX_TITLE_CHARS=5\n")
    assert config.load().limits.title_chars == config.Limits().title_chars


@pytest.mark.parametrize("content", [b"HOST=b\xfcro\n", "HOST=a\n".encode("utf-16")])
def test_an_env_file_that_is_no_text_is_named_in_one_line(environ, tmp_path, content):
    (tmp_path / ".env").write_bytes(content)
    said = refusal()
    assert said.startswith(".env: must be a text in UTF-8")
    assert "\n" not in said


def test_an_invalid_value_of_the_env_file_is_shown(environ, tmp_path):
    (tmp_path / ".env").write_text("PORT=abc\n")
    assert refusal().startswith("PORT='abc': ")


def test_an_empty_value_counts_as_not_set(environ):
    for name in ("PORT", "HOST", "MONGO_URI", "TLS_CERT", "CORS_ORIGINS", "DATA_DIR"):
        environ(name, "")
    assert config.load().port == 5003
    assert str(config.load().data_dir) == "data"


def test_origins_are_taken_as_browsers_send_them(environ):
    environ("CORS_ORIGINS", "http://a.local:8080/,https://b")
    assert config.load().cors_origins == ("http://a.local:8080", "https://b")


def test_every_invalid_variable_has_its_line(environ):
    environ("PORT", "x")
    environ("WORKERS", "x")
    assert [line.partition("=")[0] for line in refusal().splitlines()] == ["PORT", "WORKERS"]


def test_secrets_are_never_shown(environ):
    environ("MONGO_URI", "http://user:secret@host")
    assert "secret" not in refusal()
    shown = repr(config.Config(jwt_secret_key=KEY, mongo_uri="mongodb://user:secret@host"))
    assert "secret@" not in shown
    assert KEY not in shown


@pytest.mark.parametrize(
    "value", ["only-15-letters", "with blanks in between", "sixteen-chars-\u00e9\u00e9"]
)
def test_a_metrics_token_that_is_easily_guessed_is_refused_and_not_shown(environ, value):
    environ("METRICS_TOKEN", value)
    assert refusal().startswith("METRICS_TOKEN=***: Must be 16 characters or more")
    assert value not in refusal()


def test_a_metrics_token_is_kept_to_itself(environ):
    assert config.load().metrics_token is None
    environ("METRICS_TOKEN", "sixteen-letters!")
    assert config.load().metrics_token == "sixteen-letters!"
    assert "sixteen-letters" not in repr(config.load())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OPENAI_API_KEY", "a secret key"),
        ("OPENAI_API_KEY", "sécret"),
        ("OPENAI_BASE_URL", "https://user:secret@host/v1"),
    ],
)
def test_secrets_of_an_endpoint_are_never_shown(environ, name, value):
    environ(name, value)
    assert refusal().startswith(f"{name}=***: Must be")
    shown = repr(config.Config(jwt_secret_key=KEY, openai_api_key="sk-secret"))
    assert "sk-secret" not in shown


@pytest.mark.parametrize(
    "url", ["http://localhost:11434/v1", "http://[fd00::5]:8000/v1/", "https://host"]
)
def test_any_endpoint_may_be_named(environ, url):
    environ("OPENAI_BASE_URL", url)
    assert config.load().openai_base_url == url


@pytest.mark.parametrize("missing", ["OPENAI_MODEL", "OPENAI_API_KEY"])
def test_an_engine_that_asks_a_model_must_know_which_one_and_as_whom(environ, missing):
    for name in {"OPENAI_MODEL", "OPENAI_API_KEY"} - {missing}:
        environ(name, "given")
    config.load()
    environ("REPLY_ENGINE", "openai")
    assert refusal().startswith(f"{missing} is not set: it must be while REPLY_ENGINE is openai")
    environ(missing, "given")
    assert config.load().reply_engine == "openai"


def test_tls_wants_both_files_or_neither(environ, tmp_path):
    (tmp_path / "cert").touch()
    environ("TLS_CERT", str(tmp_path / "cert"))
    assert "both or neither" in refusal()
    environ("TLS_KEY", str(tmp_path / "cert"))
    assert "PEM" in refusal()


def test_a_secret_is_made_once_and_kept_private(environ, tmp_path):
    first = config.load()
    assert len(first.jwt_secret_key) >= 32
    assert config.load().jwt_secret_key == first.jwt_secret_key
    kept = tmp_path / "data" / "jwt_key"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert [each.name for each in kept.parent.iterdir()] == ["jwt_key"]


@pytest.mark.parametrize("content", [b"", b"short", b"\xff" * 64])
def test_a_damaged_secret_is_named(environ, tmp_path, content):
    config.load()
    kept = tmp_path / "data" / "jwt_key"
    kept.write_bytes(content)
    assert refusal().startswith(f"{kept.relative_to(tmp_path)} is damaged")


def test_a_data_directory_that_cannot_be_used_is_named(environ, tmp_path):
    (tmp_path / "file").touch()
    environ("DATA_DIR", str(tmp_path / "file"))
    assert "DATA_DIR" in refusal()


@pytest.mark.parametrize("setting", [("APP_ENV", "production"), ("MONGO_URI", "mongodb://host")])
def test_a_secret_must_be_set_where_instances_must_agree(environ, setting):
    environ(*setting)
    assert "JWT_SECRET_KEY" in refusal()
    environ("JWT_SECRET_KEY", KEY)
    assert config.load().jwt_secret_key == KEY


def test_production_refuses_a_short_secret(environ):
    environ("JWT_SECRET_KEY", "short")
    assert config.load().jwt_secret_key == "short"
    environ("APP_ENV", "production")
    assert "32 bytes" in refusal()


def test_mdns_interfaces_are_names_and_addresses(environ):
    environ("MDNS_INTERFACES", "eth1, FD00:0::5,192.168.7.2")
    assert config.load().mdns_interfaces == ("eth1", "fd00::5", "192.168.7.2")


def test_an_admin_is_taken_as_the_api_would_store_it(environ):
    environ("ADMIN_USERNAME", " root ")
    environ("ADMIN_PASSWORD", " six characters or more ")
    environ("ADMIN_EMAIL", "root@XN--BCHER-KVA.local")
    loaded = config.load()
    assert (loaded.admin_username, loaded.admin_email) == ("root", "root@bücher.local")
    assert loaded.admin_password == " six characters or more "


@pytest.mark.parametrize("name", ["ADMIN_USERNAME", "ADMIN_PASSWORD"])
def test_an_admin_has_a_name_and_a_password(environ, name):
    environ(name, "something")
    assert refusal() == "ADMIN_USERNAME and ADMIN_PASSWORD: set both or neither"


def test_an_email_alone_makes_no_admin(environ):
    environ("ADMIN_EMAIL", "root@lan.local")
    assert refusal() == "ADMIN_EMAIL: needs ADMIN_USERNAME and ADMIN_PASSWORD"


def test_an_admins_password_is_never_shown(environ):
    environ("ADMIN_USERNAME", "root")
    environ("ADMIN_PASSWORD", "short")
    assert refusal().startswith("ADMIN_PASSWORD=***: Must not be shorter than 6 characters")
    shown = repr(config.Config(jwt_secret_key=KEY, admin_password="only for root"))
    assert "only for root" not in shown


def test_trusted_proxies_are_addresses_and_networks(environ):
    environ("TRUSTED_PROXIES", "10.0.0.1, fd00::/8")
    assert [str(each) for each in config.load().trusted_proxies] == ["10.0.0.1/32", "fd00::/8"]
