"""What lies in the data directory, and the record of what runs there."""

import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path

from session_service.embedded.errors import EmbeddedError

HOST = "127.0.0.1"
USER = "session_service"
OPTIONS = "directConnection=true&authSource=admin&retryWrites=false"


class State(StrEnum):
    """Where a supervisor stands."""

    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"


@dataclass(frozen=True)
class Record:
    """One supervisor's account of itself: the pids of the chain, and how to reach the database."""

    state: State
    server: int
    supervisor: int
    port: int = 0
    database: int | None = None
    password: str = field(default="", repr=False)
    host: str = HOST
    user: str = USER

    @property
    def uri(self) -> str:
        """The MongoDB URI, password included."""
        return f"mongodb://{self.user}:{self.password}@{self.host}:{self.port}/?{OPTIONS}"


@dataclass(frozen=True)
class DataDir:
    """One data directory: the names in it and what is read from them."""

    path: Path

    @property
    def lock(self) -> Path:
        return self.path / "lock"

    @property
    def record(self) -> Path:
        return self.path / "database.json"

    @property
    def password(self) -> Path:
        return self.path / "database.password"

    @property
    def config(self) -> Path:
        return self.path / "database.toml"

    @property
    def log(self) -> Path:
        return self.path / "database.log"

    @property
    def storage(self) -> Path:
        return self.path / "database"

    def prepare(self) -> None:
        """Make it, readable by its owner alone; EmbeddedError when it cannot be used."""
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.storage.mkdir(mode=0o700, exist_ok=True)
            os.close(os.open(self.lock, os.O_RDWR | os.O_CREAT, 0o600))
        except OSError as error:
            reason = error.strerror or str(error)
            raise EmbeddedError(
                f"data directory {self.path} cannot be written: {reason}"
            ) from error

    def read_record(self) -> Record | None:
        """The last record written; None when there is none or it is not one of ours."""
        try:
            fields = json.loads(self.record.read_text())
            return Record(**{**fields, "state": State(fields["state"])})
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def write_record(self, record: Record) -> None:
        write_private(self.record, json.dumps(asdict(record)))

    def read_password(self) -> str | None:
        try:
            return self.password.read_text().strip() or None
        except FileNotFoundError:
            return None


def write_private(path: Path, text: str) -> None:
    """Replace the file at once and durably, readable by its owner alone."""
    fresh = path.with_name(path.name + ".new")
    with suppress(FileNotFoundError):
        fresh.unlink()
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
