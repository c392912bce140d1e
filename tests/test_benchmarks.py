"""The benchmarks run, report and clean up; how fast anything is, no test asks."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from session_service import embedded
from session_service.embedded.engine import find_program

ROOT = Path(__file__).parents[1]
TIMEOUT_S = 120  # of a machine that has much else to do


@pytest.fixture
def temporary(tmp_path: Path) -> Path:
    try:
        find_program()
    except embedded.EmbeddedError:
        pytest.skip("the embedded database is not installed")
    folder = tmp_path / "temporary"
    folder.mkdir()
    return folder


def start(temporary: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "benchmarks", "--quick", *arguments],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(temporary)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_quick_run_writes_its_tables_between_the_marks(temporary: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- measured: begin -->\nold\n<!-- measured: end -->\nafter\n")
    run = start(temporary, "--output", str(page))
    _, errors = run.communicate(timeout=TIMEOUT_S)
    assert run.returncode == 0, errors
    text = page.read_text()
    assert text.startswith("before\n<!-- measured: begin -->\n20")
    assert text.endswith("|\n<!-- measured: end -->\nafter\n")
    assert "old" not in text
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("|")]
    loads = [("send", "4"), ("send", "16"), ("read 20", "4"), ("read 20", "16")]
    assert [tuple(row[:2]) for row in rows if row[0] in ("send", "read 20")] == [
        *loads,
        *loads,
        *loads,
        ("send", "16 against 4"),
        ("read 20", "16 against 4"),
        ("send", "3"),
        ("read 20", "2"),
    ]
    assert [row[0] for row in rows[-3:]] == [
        "the newest 20",
        "20 before a chat",
        "20 before a chat that is gone",
    ]
    assert left_behind(temporary) == []


def test_interrupted_run_leaves_nothing_behind(temporary: Path) -> None:
    run = start(temporary)
    assert run.stderr is not None
    assert "filling" in run.stderr.readline()  # by now all servers run
    run.send_signal(signal.SIGINT)
    _, errors = run.communicate(timeout=TIMEOUT_S)
    assert run.returncode == 130, errors
    assert left_behind(temporary) == []


def left_behind(temporary: Path) -> list[str]:
    """Files in the temporary folder, and processes that know it."""
    return [str(file) for file in temporary.iterdir()] + list(processes(str(temporary)))


def processes(known: str) -> Iterator[str]:
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has just ended, or is somebody else's
            if f"TMPDIR={known}" in (process / "environ").read_text(errors="replace"):
                yield (process / "cmdline").read_text().replace("\0", " ")
