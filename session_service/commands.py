"""Command lines over the database: `export`, `import`, `rebuild-index` and `shard-plan`."""

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import click

from session_service.core.message_log import MessageLog
from session_service.core.rebuilding import Rebuilding
from session_service.errors import ServiceError, Unavailable
from session_service.store.database import Database
from session_service.store.exporting import Told, export
from session_service.store.importing import import_file
from session_service.store.message_sessions import MessageSessionStore
from session_service.store.shard_plan import shard_plan

PAUSE_S = 2.0

OpenDatabase = Callable[[], AbstractContextManager[Database]]
Transfer = Callable[[Database, Path, Told], Mapping[str, int]]


def database_commands(open_database: OpenDatabase, name: str) -> Sequence[click.Command]:
    """The commands; `open_database` starts an embedded one for as long as it is used."""

    @click.command("export")
    @click.argument("file", type=click.Path(path_type=Path))
    def export_command(file: Path) -> None:
        """Write every document and index to FILE; the service may go on running."""
        _transfer(export, open_database, file)

    @click.command("import")
    @click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
    def import_command(file: Path) -> None:
        """Store everything that is in FILE in a database that is empty.

        The same command goes on with an import that was cut off.
        """
        _transfer(import_file, open_database, file)

    @click.command("rebuild-index")
    @click.option("--user", type=click.IntRange(1), help="only the sessions of this user")
    def rebuild_command(user: int | None) -> None:
        """Recompute unread counts and last messages of message sessions from their messages.

        The service may go on running. Counts and last messages that were set by hand go.
        """
        try:
            with open_database() as database:
                rebuilding = _rebuilding(database)
                rebuilt = rebuilding.of_all() if user is None else rebuilding.of_member(str(user))
        except ServiceError as error:
            sys.exit(f"session-service: {error}")
        click.echo(f"{rebuilt.checked:,} sessions looked at, {rebuilt.repaired:,} repaired")

    @click.command("shard-plan")
    def shard_plan_command() -> None:
        """Print the commands for mongosh that spread the collections over a cluster."""
        for line in shard_plan(name):
            click.echo(line)

    return export_command, import_command, rebuild_command, shard_plan_command


def _rebuilding(database: Database) -> Rebuilding:
    """The rebuilding that leaves nothing to the background, which would end with the command."""
    store = MessageSessionStore(database)
    log = MessageLog(store, clock=lambda: time.time_ns() // 1_000_000, background=at_once)
    return Rebuilding(store, log.delete_cleared)


def at_once(job: Callable[[], object]) -> None:
    """Does a job before anything else."""
    job()


def _transfer(transfer: Transfer, open_database: OpenDatabase, file: Path) -> None:
    progress = _Progress()
    try:
        with open_database() as database:
            counts = transfer(database, file, progress)
    except (ServiceError, OSError) as error:
        why = f" ({error.__cause__})" if isinstance(error, Unavailable) else ""
        sys.exit(f"session-service: {error}{why}")
    for name in sorted(counts):
        click.echo(f"{counts[name]:>12,} {name}")
    click.echo(f"{sum(counts.values()):>12,} documents in all: finished")


class _Progress:
    """Says on standard error how far it is, now and then."""

    def __init__(self) -> None:
        self._next = time.monotonic() + PAUSE_S

    def __call__(self, counts: Mapping[str, int]) -> None:
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + PAUSE_S
            behind = "  ".join(f"{name} {n:,}" for name, n in counts.items() if n)
            click.echo(f"so far: {behind or 'nothing'}", err=True)
