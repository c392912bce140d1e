"""The service put together: `app` for gunicorn and flask, `python app.py` for development.

`python app.py check` only looks whether the settings can be used.
"""

import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import click
from flask import Flask
from flask_cors import CORS
from flask_jwt_extended import JWTManager, create_access_token

import config as settings
import cores
from children import Children
from config import Config
from cores import Cores
from session_service import __version__, development, embedded
from session_service.account_commands import account_commands
from session_service.commands import database_commands
from session_service.dialects.authentication import LEEWAY_S, Authentication, read_token
from session_service.dialects.chats import chats_dialects
from session_service.dialects.client_address import client_address
from session_service.dialects.conversations import conversations_dialects
from session_service.dialects.dialect import Dialect
from session_service.dialects.errors import handle_errors
from session_service.dialects.json import OrjsonProvider
from session_service.dialects.message_sessions import message_sessions_dialects
from session_service.dialects.metrics import add_metrics_route
from session_service.dialects.openapi import OPENAPI_SETTINGS, ServiceApi
from session_service.dialects.phoebe import phoebe_dialects
from session_service.dialects.request_log import configure_logging, log_requests
from session_service.dialects.service import docs_pages, service_dialect
from session_service.dialects.sessions import sessions_dialect
from session_service.errors import ServiceError
from session_service.housekeeping import Housekeeping
from session_service.leash import die_with_parent
from session_service.metrics.measures import CONTENT_TYPE, Metrics
from session_service.metrics.places import entered
from session_service.models import FirstAdmin
from session_service.store.database import EMBEDDED_OPTIONS, Database, check_uri
from session_service.store.exporting import patient_client
from session_service.store.importing import half_imported

PREFLIGHT_S = 600  # for which a browser need not ask again whether it may call
RELOADED = "WERKZEUG_RUN_MAIN"  # set in the development server's reloaded child


def create_app(config: Config, database: Database | None = None) -> Flask:
    """The application; touches neither network nor disk, but for the file of reply rules."""
    app = bare_app(config)
    metrics = Metrics(__version__, entered())
    log_requests(app, count=metrics.request)
    if config.cors_origins:
        exposed = ["X-Request-ID", "Retry-After"]
        CORS(app, origins=list(config.cors_origins), expose_headers=exposed, max_age=PREFLIGHT_S)

    database = database or connect(config)
    database.tell_failures(metrics.database_failed)
    core = cores.build(config, database, metrics)
    authenticate = Authentication(core.standing.user)
    apis = apis_of(core, config, authenticate, database.healthy)
    service = service_dialect(database.healthy, like=apis[0])
    add_metrics_route(
        service,
        metrics.text,
        content_type=CONTENT_TYPE,
        token=config.metrics_token,
        authenticate=authenticate,
    )
    add_routes(app, apis, service)
    add_commands(app, core, config)
    app.extensions["housekeeping"] = Housekeeping(
        core.keepers, core.accounts, admin_in(config), lambda: half_imported(database)
    )
    return app


def apis_of(
    core: Cores, config: Config, authenticate: Authentication, healthy: Callable[[], bool]
) -> Sequence[Dialect]:
    """The dialects; the first answers for paths that belong to none."""
    limits = config.limits
    return (
        sessions_dialect(
            core.sessions,
            authenticate=authenticate,
            title_chars=limits.title_chars,
            message_chars=limits.message_chars,
        ),
        *chats_dialects(
            core.accounts,
            core.login,
            core.chats,
            authenticate=authenticate,
            address=client_address(config.trusted_proxies),
            title_chars=limits.title_chars,
            message_chars=limits.message_chars,
            assistant_chars=limits.assistant_chars,
        ),
        *conversations_dialects(
            core.conversations,
            core.orders,
            core.people,
            core.files,
            authenticate=authenticate,
            title_chars=limits.title_chars,
            message_chars=limits.message_chars,
        ),
        *message_sessions_dialects(
            core.message_sessions,
            core.inbox,
            core.rebuilding,
            authenticate=authenticate,
            healthy=healthy,
            title_chars=limits.title_chars,
            description_chars=limits.description_chars,
            message_chars=limits.message_chars,
        ),
        *phoebe_dialects(
            core.accounts,
            core.login,
            core.index_pool,
            core.notes,
            authenticate=authenticate,
            address=client_address(config.trusted_proxies),
            revoke=core.standing.revoke,
            delete=core.leaving,
            title_chars=limits.title_chars,
            note_chars=limits.note_chars,
            comment_chars=limits.comment_chars,
        ),
    )


def add_commands(app: Flask, core: Cores, config: Config) -> None:
    """What `flask --app app` can do."""
    app.cli.add_command(token_command)
    for command in (
        *database_commands(lambda: opened(config), config.mongo_db),
        *account_commands(
            core.accounts,
            delete=core.leaving,
            revoke=lambda token: core.standing.revoke(read_token(token)),
            at_hand=lambda: running(config),
        ),
    ):
        app.cli.add_command(command)


def admin_in(config: Config) -> FirstAdmin | None:
    """The first admin, if one is configured."""
    if not config.admin_username:
        return None
    return FirstAdmin(config.admin_username, config.admin_email or None, config.admin_password)


def bare_app(config: Config) -> Flask:
    """Flask as all dialects need it, without any route."""
    app = Flask("session_service", static_folder=None)
    app.json = OrjsonProvider(app)
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False
    app.config.update(
        OPENAPI_SETTINGS,
        MAX_CONTENT_LENGTH=config.limits.body_bytes,
        JWT_SECRET_KEY=config.jwt_secret_key,
        JWT_ALGORITHM="HS256",
        JWT_DECODE_LEEWAY=LEEWAY_S,
        JWT_ACCESS_TOKEN_EXPIRES=config.jwt_expires_s,
    )
    JWTManager(app)
    return app


def add_routes(app: Flask, apis: Sequence[Dialect], service: Dialect) -> None:
    """All routes and their documentation; paths of no API are refused as the first one refuses."""
    api = ServiceApi(app)
    for dialect in (*apis, service):
        api.register_blueprint(dialect)
    app.register_blueprint(docs_pages())
    handle_errors(app, apis, default=apis[0])


def configured() -> tuple[Config, Flask]:
    """The application that the environment asks for; one line and the end if it cannot be made."""
    config = settings.load_or_exit()
    configure_logging(config.log_level, config.log_format)
    try:
        return config, create_app(config)
    except ServiceError as error:
        sys.exit(f"session-service: {error}")


def running(config: Config) -> AbstractContextManager[object]:
    """For command lines: the embedded database runs, if there is one, as long as it is used."""
    return nullcontext() if config.mongo_uri else embedded.running(config.data_dir)


@contextmanager
def opened(config: Config) -> Iterator[Database]:
    """The database with more patience than requests have; its failures are told at the end."""
    configure_logging("critical", config.log_format)
    with running(config):
        database = connect(config, connect=patient_client)
        try:
            yield database
        finally:
            database.close()


def connect(config: Config, **options: Any) -> Database:
    """The database the configuration names; the embedded one where it names none."""
    if config.mongo_uri:
        uri = config.mongo_uri
        check_uri(uri)
        return Database(lambda: uri, config.mongo_db, change_streams=True, **options)
    return Database(
        lambda: embedded.locate(config.data_dir),
        config.mongo_db,
        options=EMBEDDED_OPTIONS,
        free_bytes=lambda: free_bytes(config.data_dir),
        **options,
    )


def check() -> None:
    """Only looks whether the settings can be used; asks neither database nor endpoint."""
    config, _ = configured()
    database = config.mongo_db if config.mongo_uri else config.data_dir
    click.echo(f"the settings can be used: replies by {config.reply_engine}, data in {database}")


@click.command("token")
@click.argument("user_id")
@click.option("--name", help="what automatic replies call the user")
@click.option(
    "--role",
    type=click.Choice(["user", "admin"]),
    default="user",
    help="of a USER_ID without an account, an order service for one",
)
def token_command(user_id: str, name: str | None, role: str) -> None:
    """Print a token that the service accepts, signed with its own secret."""
    claims = {"role": role, **({"nickname": name} if name else {})}
    click.echo(create_access_token(user_id, additional_claims=claims))


def free_bytes(folder: Path) -> int:
    """The room on the disk of a folder; none where there is no such folder any more."""
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return 0


def serve() -> None:
    """Runs gunicorn with the service's own settings; the command `session-service`."""
    if sys.argv[1:] == ["check"]:
        check()
        return
    gunicorn_conf = Path(__file__).with_name("gunicorn.conf.py")
    program = Path(sys.executable).with_name("gunicorn")
    os.execv(program, [str(program), "-c", str(gunicorn_conf), "app:app", *sys.argv[1:]])  # noqa: S606


def develop() -> None:
    """The development server, which starts anew when the code changes.

    The reloader's parent owns database and announcer: reloads do not touch them.
    """
    config, app = configured()
    listening = (config.host, config.port, config.tls_cert, config.tls_key)
    if os.environ.get(RELOADED):
        die_with_parent(os.getppid())
        app.extensions["housekeeping"].start()
        return development.run(app, *listening)
    children = Children(config)
    children.start_database()
    try:
        children.announce()
        development.run(app, *listening)
    finally:
        children.stop()


def __getattr__(name: str) -> Any:
    """`app.app` is made when it is first asked for, so that importing this reads no settings."""
    if name != "app":
        raise AttributeError(name)
    app = globals()["app"] = configured()[1]
    return app


if __name__ == "__main__":
    match sys.argv[1:]:
        case []:
            develop()
        case ["check"]:
            check()
        case _:
            sys.exit(
                "usage: python app.py         the development server\n"
                "       python app.py check   only looks whether the settings can be used"
            )
