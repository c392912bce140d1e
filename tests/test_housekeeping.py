"""What a worker says of its database when it begins to keep house."""

from typing import Any

import structlog
from flask import Flask

from app import create_app
from config import Config
from session_service.store.database import Database

CONFIG = Config(jwt_secret_key="a secret that only the tests know, 32 bytes")


def said(app: Flask) -> tuple[bool, list[Any]]:
    """Whether it is done with looking for half an import, and its warnings."""
    with structlog.testing.capture_logs() as lines:
        done = app.extensions["housekeeping"].look_for_half_an_import()
    return done, [each["event"] for each in lines if each["log_level"] == "warning"]


def test_a_database_with_half_an_import_is_warned_of(database: Database) -> None:
    with database.writing() as opened:
        opened["import"].insert_one({"_id": "import", "sha256": b"of a file"})
    done, (warning,) = said(create_app(CONFIG, database))
    assert done
    assert "import into this database has not been finished" in warning
    assert "repeat" in warning
    assert "drop" in warning


def test_a_database_without_one_is_not(database: Database) -> None:
    assert said(create_app(CONFIG, database)) == (True, [])


def test_one_that_cannot_be_reached_is_looked_at_later() -> None:
    nowhere = Database(lambda: "mongodb://127.0.0.1:9/?serverSelectionTimeoutMS=50", "nowhere")
    done, _ = said(create_app(CONFIG, nowhere))
    assert not done
    nowhere.close()
