"""What the command lines have in common: whether only to look, and the page to write into."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from benchmarks import servers

PAGE = servers.ROOT / "docs" / "performance.md"


def parser(program: str, about: str | None) -> argparse.ArgumentParser:
    """One that takes --quick and --output; read its arguments by `parse`."""
    made = argparse.ArgumentParser(program, description=about)
    made.add_argument("--quick", action="store_true", help="only see that all of it works")
    made.add_argument(
        "--output", type=Path, help="the page to write into; not even the usual one if --quick"
    )
    return made


def parse(made: argparse.ArgumentParser, arguments: Sequence[str] | None) -> argparse.Namespace:
    """The options; `output` is PAGE unless another is named or the run is a quick one."""
    options = made.parse_args(arguments)
    if options.output is None and not options.quick:
        options.output = PAGE
    return options
