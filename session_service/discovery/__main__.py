"""`python -m session_service.discovery`: the instances on the LAN, as a table or as JSON."""

import argparse
import json
import sys
import threading
import time
import unicodedata
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from session_service.discovery import WAIT_S, Instance, find
from session_service.discovery.health import Health, ask

ASK_S = 5.0
HEADINGS = ("NAME", "ADDRESSES", "PORT", "VERSION", "APIS", "HEALTH")

Found = tuple[Instance, Health | None]


def main(arguments: Sequence[str] | None = None) -> None:
    options = _options(arguments)
    try:
        instances = find(options.wait, interfaces=options.interfaces)
    except OSError as error:
        sys.exit(f"discovery: this host cannot send multicast: {error}")
    found = ask_all(instances)
    if options.json:
        sys.stdout.write(as_json(found) + "\n")
    elif found:
        sys.stdout.write(as_table(found) + "\n")
    else:
        sys.stderr.write(f"no instance has answered within {options.wait:g} s\n")


def ask_all(instances: Sequence[Instance]) -> list[Found]:
    """Each instance with its answer to `/health`, all asked at the same time."""
    answers: dict[Instance, Health] = {}

    def visit(each: Instance) -> None:
        for address in each.addresses:
            health = ask(address, each.port, tls=each.tls)
            if health is not None:
                answers[each] = health
                return

    visits = [threading.Thread(target=visit, args=[each], daemon=True) for each in instances]
    for thread in visits:
        thread.start()
    deadline = time.monotonic() + ASK_S
    for thread in visits:
        thread.join(max(0.0, deadline - time.monotonic()))
    return [(each, answers.get(each)) for each in instances]


def as_json(found: Sequence[Found]) -> str:
    """For programs: everything that is known, `health` null where there was no answer."""
    known: list[dict[str, Any]] = [
        {**asdict(each), "url": each.url, "health": asdict(health) if health else None}
        for each, health in found
    ]
    return json.dumps(known, indent=2)


def as_table(found: Sequence[Found]) -> str:
    """For people: one line an address."""
    rows = [HEADINGS, *(row for each, health in found for row in _rows(each, health))]
    widths = [max(_width(row[column]) for row in rows) for column in range(len(HEADINGS))]
    return "\n".join(
        "  ".join(
            cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True)
        ).rstrip()
        for row in rows
    )


def _rows(each: Instance, health: Health | None) -> list[tuple[str, ...]]:
    first, *others = each.addresses
    apis = ", ".join(each.apis)
    row = (each.name, first, str(each.port), each.version, apis, _verdict(health))
    return [row, *(("", other, "", "", "", "") for other in others)]


def _verdict(health: Health | None) -> str:
    if health is None:
        return "no answer"
    took = f"{health.ms:g} ms"
    return took if health.status == 200 else f"{health.status}, {took}"


def _width(text: str) -> int:
    """In columns of a terminal, where Chinese characters take two."""
    return sum(1 + (unicodedata.east_asian_width(each) in "WF") for each in text)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m session_service.discovery",
        description="Lists the instances of the session service on the local network.",
    )
    parser.add_argument(
        "--wait", type=float, default=WAIT_S, help="seconds to listen (%(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")
    parser.add_argument(
        "--interfaces",
        type=lambda text: tuple(text.split(",")),
        default=(),
        help="ask on these only: names or addresses, comma-separated",
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
