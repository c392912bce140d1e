"""What a request asks of the database, counted; and that the floor asks and answers the same."""

from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from pymongo import MongoClient
from pymongo.monitoring import (
    CommandFailedEvent,
    CommandListener,
    CommandStartedEvent,
    CommandSucceededEvent,
)
from werkzeug.test import Client

from app import create_app
from benchmarks import conversations
from benchmarks.conversations import Talk
from benchmarks.dataset import TEXT, Dialogue
from benchmarks.floor import Floor
from benchmarks.servers import DATABASE, SECRET
from benchmarks.side_by_side import UnevenError
from config import Config
from session_service.dialects.request_log import configure_logging
from session_service.store.database import EMBEDDED_OPTIONS, Database

Ask = Callable[[Client], Any]
SIGNING_IN = ("saslStart", "saslContinue")
STANDING = "find counters"  # does the token still hold? Asked twice a second, not each time.


@dataclass(frozen=True, slots=True)
class Trips:
    """The commands that one kind of request sends to the database."""

    name: str
    commands: tuple[str, ...]


class Commands(CommandListener):
    """Notes every command as `name collection`."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def started(self, event: CommandStartedEvent) -> None:
        if event.command_name in SIGNING_IN:
            return
        command = f"{event.command_name} {event.command[event.command_name]}"
        if command != STANDING:
            self.seen.append(command)

    def succeeded(self, event: CommandSucceededEvent) -> None:
        pass

    def failed(self, event: CommandFailedEvent) -> None:
        pass


def count(uri: str, dialogue: Dialogue, talk: Talk, folder: Path) -> list[Trips]:
    """The round trips of each workload; UnevenError where the floor's are others."""
    listener = Commands()
    connect: Callable[..., MongoClient[Any]] = partial(
        MongoClient, event_listeners=[listener], **EMBEDDED_OPTIONS
    )
    configure_logging("warning", "console")
    with (
        closing(Database(lambda: uri, DATABASE, options={}, connect=connect)) as database,
        connect(uri) as client,
    ):
        config = Config(jwt_secret_key=SECRET, data_dir=folder)
        service = Client(create_app(config, database))
        floor = Client(Floor(client[DATABASE], SECRET))
        return [
            Trips(name, _same(name, listener, ask, service, floor))
            for name, ask in {**_asks(dialogue), **_talked(talk)}.items()
        ]


def _asks(dialogue: Dialogue) -> Mapping[str, Ask]:
    path, headers = f"/sess/{dialogue.id}/chat", {"Authorization": f"Bearer {dialogue.token}"}

    def send(client: Client) -> Any:
        return client.post(path, json={"chat_content": TEXT}, headers=headers)

    def read(client: Client) -> Any:
        return client.get(f"{path}s?limit=20", headers=headers)

    return {"send": send, "read 20": read}


def _talked(talk: Talk) -> Mapping[str, Ask]:
    headers = {"Authorization": f"Bearer {talk.tokens[0]}"}
    calls: Mapping[str, tuple[str, dict[str, Any]]] = {
        conversations.SEND: (
            "send_message",
            {"conversation_id": talk.id, "message_type": "text", "content": TEXT},
        ),
        conversations.PAGE: ("get_messages", {"conversation_id": talk.id, "limit": 20}),
        conversations.LIST: ("get_conversations", {"page": 1, "page_size": 20}),
    }

    def asking(call: str, body: dict[str, Any]) -> Ask:
        path = f"{conversations.PREFIX}/{call}"
        return lambda client: client.post(path, json=body, headers=headers)

    return {name: asking(call, body) for name, (call, body) in calls.items()}


def _same(
    name: str, listener: Commands, ask: Ask, service: Client, floor: Client
) -> tuple[str, ...]:
    ours, its = (_counted(listener, ask, client) for client in (service, floor))
    if ours[0] != its[0] or _shape(name, ours[1]) != _shape(name, its[1]):
        raise UnevenError(f"{name}: the service {ours}, the floor {its}")
    return ours[0]


def _counted(listener: Commands, ask: Ask, client: Client) -> tuple[tuple[str, ...], Any]:
    ask(client)  # the first makes connections and indexes
    listener.seen.clear()
    answer = ask(client)
    return tuple(listener.seen), answer.json


def _shape(name: str, answer: Any) -> Any:
    """What must be equal: a page in every word, a send in its form."""
    if name == conversations.SEND:
        return sorted(answer["message"])
    if name != "send":
        return answer
    return {**answer, "data": {part: sorted(chat) for part, chat in answer["data"].items()}}
