"""`python -m benchmarks.inboxes`: a user's message sessions among few and among 100,000."""

import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from bson import ObjectId
from pymongo import MongoClient

from benchmarks import lengths, options, report, requests, servers
from benchmarks.dataset import BATCH, TEXT, rising_times, token
from benchmarks.lengths import Growth
from benchmarks.servers import DATABASE, Server
from session_service.models import LogState, MessageSession
from session_service.store.database import EMBEDDED_OPTIONS, Database
from session_service.store.message_sessions import (
    MESSAGE_SESSIONS,
    MessageSessionStore,
    to_document,
)

MARKS = "<!-- inboxes: begin -->", "<!-- inboxes: end -->"
PREFIX = "/api/v1/message-sessions"
EACH = 200  # sessions that every user takes part in
ASKED = 1  # the user
CALLS = {
    "a page of 20": f"?userId={ASKED}",
    "unread sessions": f"/user/{ASKED}/unread/count",
    "unread messages": f"/user/{ASKED}/unread/total",
}


@dataclass(frozen=True, slots=True)
class Size:
    """So many sessions in the small database and in the large one."""

    few: int
    many: int
    rounds: int
    seconds: float


DEFAULT = Size(few=1000, many=100_000, rounds=9, seconds=1.0)
QUICK = Size(few=200, many=400, rounds=1, seconds=0.1)


def main(arguments: Sequence[str] | None = None) -> None:
    """One run."""
    chosen = options.parse(options.parser("python -m benchmarks.inboxes", __doc__), arguments)
    size = QUICK if chosen.quick else DEFAULT
    growths = _measure(size)
    tables = f"{report.where_and_when()}\n\n{_table(size, growths)}"
    print(tables)
    if chosen.output:
        report.write(chosen.output, tables, MARKS)


def _measure(size: Size) -> list[Growth]:
    with ExitStack() as stack:
        few, many = (_filled(stack, count) for count in (size.few, size.many))
        asked = {
            name: [requests.request("GET", PREFIX + path, token(str(ASKED)))]
            for name, path in CALLS.items()
        }
        return [
            lengths.growth(name, (few, each), (many, each), size.rounds, size.seconds)
            for name, each in asked.items()
        ]


def _filled(stack: ExitStack, count: int) -> Server:
    """A service with a database of its own, and so many sessions in it."""
    print(f"filling {count:,} sessions", file=sys.stderr, flush=True)
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="session-service-bench-"))
    server, uri = stack.enter_context(servers.service(Path(folder)))
    _fill(uri, count)
    return server


def _fill(uri: str, count: int) -> None:
    """Everybody shares sessions with neighbours, and has an unread message in each."""
    users, times = count * 2 // EACH, rising_times(count)
    store = MessageSessionStore(Database(lambda: uri, DATABASE, options=EMBEDDED_OPTIONS))
    store.make_indexes()
    with MongoClient(uri) as client:
        heads = client[DATABASE][MESSAGE_SESSIONS.heads]
        for start in range(0, count, BATCH):
            numbers = range(start, min(start + BATCH, count))
            heads.insert_many([_document(store, each, users, times[each]) for each in numbers])


def _document(store: MessageSessionStore, number: int, users: int, at: int) -> dict[str, object]:
    first = number % users
    pair = first + 1, (first + 1 + number // users % (users - 1)) % users + 1
    members = tuple(map(str, pair))
    name = f"SESS_{number}"
    log = LogState(store.log_id(name), members=members)
    session = MessageSession(number, name, pair, "PRIVATE", "t", "d", at, at, log)
    last = {"time": at, "at": at, "sender": members[0], "text": TEXT}
    told = {"_id": ObjectId(log.id), "seq": 1, "at": at, "total": 1, "last": last}
    return to_document(session) | told


def _table(size: Size, growths: Sequence[Growth]) -> str:
    heads = ["call", f"of {size.few:,} sessions, ms", f"of {size.many:,} sessions, ms", "ratio"]
    return report.table(
        heads,
        [
            [each.name, f"{each.short:.2f}", f"{each.long:.2f}", f"**{each.ratio:.2f}**"]
            for each in growths
        ],
    )


if __name__ == "__main__":
    main()
