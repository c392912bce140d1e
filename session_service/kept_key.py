"""The secret of a data directory, made once and kept there."""

import os
import secrets
from contextlib import suppress
from pathlib import Path

KEPT_KEY_FILE = "jwt_key"


def kept_key(data_dir: Path) -> str:
    """Makes it where there is none yet; whoever comes second reads the first one's.

    OSError where the directory cannot be made, read or written.
    """
    path = data_dir / KEPT_KEY_FILE
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        _make(path)
    return path.read_text(encoding="ascii", errors="replace")


def _make(path: Path) -> None:
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    fresh.touch(mode=0o600)
    with fresh.open("w", encoding="ascii") as file:
        file.write(secrets.token_urlsafe(48))
        file.flush()
        os.fsync(file.fileno())
    try:
        with suppress(FileExistsError):
            os.link(fresh, path)
    finally:
        fresh.unlink()
