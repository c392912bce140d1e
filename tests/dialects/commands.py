"""The commands that calls send to the database, and how a MongoDB would go about them."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pymongo
from pymongo import MongoClient
from pymongo.monitoring import CommandListener

from session_service.store.database import Database


class Commands(CommandListener):
    """Notes the commands that go to the database, but for those that ask whether a token holds."""

    def __init__(self) -> None:
        self.seen: list[dict[str, Any]] = []

    def started(self, event: Any) -> None:
        command = dict(event.command)
        of_tokens = command.get("find") in ("counters", "revoked_tokens") or (
            command.get("find") == "accounts" and isinstance(command["filter"]["_id"], int)
        )
        if event.command_name in ("find", "insert", "update", "delete", "findAndModify", "getMore"):
            self.seen += [] if of_tokens else [command]

    def succeeded(self, event: Any) -> None:
        pass

    def failed(self, event: Any) -> None:
        pass

    def asked(self) -> list[str]:
        """Since this was asked last: the commands and their collections."""
        asked = [" ".join(map(str, next(iter(each.items())))) for each in self.seen]
        self.seen.clear()
        return asked


@contextmanager
def noted(
    uri: str, name: str, options: Mapping[str, Any], commands: Commands
) -> Iterator[Database]:
    """A database whose commands are noted."""

    def connect(*args: Any, **rest: Any) -> Any:
        return pymongo.MongoClient(*args, event_listeners=[commands], **rest)

    database = Database(lambda: uri, name, options=options, connect=connect)
    yield database
    database.close()


def check_plans(commands: Commands, uri: str, name: str) -> None:
    """Nothing that was asked for scans a collection or sorts in memory."""
    with MongoClient(uri) as client:
        for command in commands.seen:
            if "find" not in command:
                continue
            asked = {
                key: command[key]
                for key in ("find", "filter", "sort", "projection", "limit")
                if key in command
            }
            plan = client[name].command("explain", asked, verbosity="queryPlanner")
            stages = set(stages_of(plan["queryPlanner"]["winningPlan"]))
            assert not stages & {"COLLSCAN", "SORT"}, (asked, stages)


def stages_of(plan: Any) -> Iterator[str]:
    if isinstance(plan, dict):
        yield from [plan["stage"]] if "stage" in plan else []
        for each in plan.values():
            yield from stages_of(each)
    elif isinstance(plan, list):
        for each in plan:
            yield from stages_of(each)
