"""The application over the real database, and callers with tokens of their own."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from threading import Thread
from typing import Any

import jwt
import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.serving import make_server
from werkzeug.test import TestResponse

import cores
from app import create_app
from config import Config
from session_service.store.database import Database
from tests.dialects.conversing import People, Person
from tests.dialects.parties import Party

SECRET = "a secret that only the tests know, 32 bytes"
MakeApp = Callable[..., Flask]


class Caller:
    """A user of the API: a test client that sends a token with every request."""

    def __init__(self, client: FlaskClient, token: str | None) -> None:
        self.client = client
        self.headers = {"Authorization": f"Bearer {token}"} if token else {}

    def __call__(self, method: str, path: str, body: Any = None, **options: Any) -> TestResponse:
        headers = {**self.headers, **options.pop("headers", {})}
        if body is not None:
            options["json"] = body
        return self.client.open(path, method=method, headers=headers, **options)


def token(user_id: object = "alice", **claims: Any) -> str:
    """A token as a peer would sign it."""
    now = int(time.time())
    return jwt.encode({"sub": user_id, "iat": now, "exp": now + 600, **claims}, SECRET)


@pytest.fixture(scope="session")
def make_token() -> Callable[..., str]:
    return token


@pytest.fixture
def make_app(database: Database) -> MakeApp:
    def make(using: Database = database, **settings: Any) -> Flask:
        return create_app(replace(Config(jwt_secret_key=SECRET), **settings), using)

    return make


@pytest.fixture
def app(make_app: MakeApp) -> Flask:
    return make_app()


@pytest.fixture
def served(app: Flask) -> Iterator[str]:
    """The base URL of the app behind a socket."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    serving = Thread(target=server.serve_forever)
    serving.start()
    yield f"http://127.0.0.1:{server.port}"
    server.shutdown()
    serving.join()
    server.server_close()


@pytest.fixture(scope="session")
def call_as() -> Callable[..., Caller]:
    """Makes a caller of an app: with a token for that user, or without one for None."""

    def make(app: Flask, user_id: str | None, **claims: Any) -> Caller:
        return Caller(app.test_client(), token(user_id, **claims) if user_id else None)

    return make


@pytest.fixture
def alice(app: Flask, call_as: Callable[..., Caller]) -> Caller:
    return call_as(app, "alice", nickname="小明")


@pytest.fixture
def bob(app: Flask, call_as: Callable[..., Caller]) -> Caller:
    return call_as(app, "bob")


@pytest.fixture
def session_id(alice: Caller) -> str:
    created = alice("POST", "/sess", {"sess_name": "周末"})
    return str(created.json["data"]["sess_id"])


@pytest.fixture
def person(app: Flask, call_as: Callable[..., Caller]) -> People:
    """Makes somebody who has conversations, by id."""
    return lambda user_id, **claims: Person(call_as(app, str(user_id), **claims))


@pytest.fixture
def ann(person: People) -> Person:
    return person(1)


@pytest.fixture
def ben(person: People) -> Person:
    return person(2)


@pytest.fixture
def number(ann: Person) -> int:
    """A conversation of ann's, with ben."""
    return int(ann.opens(2)["id"])


@pytest.fixture
def party(app: Flask, call_as: Callable[..., Caller]) -> Callable[..., Party]:
    """Makes somebody who has message sessions, by id."""
    return lambda user_id, **claims: Party(call_as(app, str(user_id), **claims), user_id)


class ShiftedClock:
    """The time in ms as cores see it, ahead of the real one."""

    ahead_ms = 0

    def __call__(self) -> int:
        return time.time_ns() // 1_000_000 + self.ahead_ms


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> ShiftedClock:
    """To be asked for before what makes an app."""
    clock = ShiftedClock()
    monkeypatch.setattr(cores, "now_ms", clock)
    return clock


@pytest.fixture
def nowhere() -> Iterator[Database]:
    """A database that cannot be reached."""
    database = Database(lambda: "mongodb://127.0.0.1:9", "nowhere")
    yield database
    database.close()


@pytest.fixture
def mia(party: Callable[..., Party]) -> Party:
    return party(123)


@pytest.fixture
def noah(party: Callable[..., Party]) -> Party:
    return party(456)


@pytest.fixture
def olga(party: Callable[..., Party]) -> Party:
    return party(789)


@pytest.fixture
def pair(mia: Party, noah: Party) -> str:
    """A session of mia's and noah's."""
    return str(mia.opens(noah.id)["sessionId"])


@pytest.fixture
def group(mia: Party, noah: Party, olga: Party) -> str:
    """A session of all three."""
    return str(mia.opens(noah.id, olga.id)["sessionId"])
