"""The one account of the embedded database: made, changed, tried."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from session_service.embedded.errors import EmbeddedError
from session_service.embedded.record import HOST, USER

if TYPE_CHECKING:
    from pymongo import MongoClient

TIMEOUT_MS = 10_000
LOOK_TIMEOUT_MS = 2000
INTERNAL_ERROR = 1
ALREADY_EXISTS = 51003
AUTHENTICATION_FAILED = 18


class Rejected(EmbeddedError):
    """The password does not hold."""


def load_driver() -> None:
    """Import the driver, which takes a third of a second, while the database starts."""
    import pymongo  # noqa: F401


def set_password(port: int, password: str) -> None:
    """Make the account, or give it this password; the database must run without `--auth`."""
    from pymongo.errors import OperationFailure

    account: dict[str, Any] = {"pwd": password, "roles": ["root"]}
    with _client(f"mongodb://{HOST}:{port}/?directConnection=true") as client:
        try:
            client.admin.command("createUser", USER, **account)
        except OperationFailure as error:
            if error.code != ALREADY_EXISTS:
                raise
            client.admin.command("updateUser", USER, **account)


def sign_in(uri: str) -> None:
    """Return when the database answers this user; Rejected when it does not know the password."""
    from pymongo.errors import OperationFailure

    with _client(uri) as client:
        try:
            client.admin.command("ping")
        except OperationFailure as error:
            if error.code != AUTHENTICATION_FAILED:
                raise
            raise Rejected("the embedded database does not know the password") from error


def gave_up(uri: str) -> bool:
    """Whether the database answers that it is broken, as it does for ever after a full disk."""
    from pymongo.errors import OperationFailure

    try:
        with _client(uri, LOOK_TIMEOUT_MS) as client:
            try:
                client.admin.command("ping")
            except OperationFailure as error:
                return error.code == INTERNAL_ERROR
    except EmbeddedError:
        return False  # it may only be slow
    return False


@contextmanager
def _client(uri: str, timeout_ms: int = TIMEOUT_MS) -> "Iterator[MongoClient[dict[str, Any]]]":
    from pymongo import MongoClient
    from pymongo.errors import PyMongoError

    try:
        with MongoClient[dict[str, Any]](
            uri, serverSelectionTimeoutMS=timeout_ms, socketTimeoutMS=timeout_ms
        ) as client:
            yield client
    except PyMongoError as error:
        text = str(error).partition(", full error")[0]
        raise EmbeddedError(f"the embedded database does not answer: {text}") from error
