"""How a FastAPI application refuses: the shape of the failures of `/v1`."""

import re
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

import schemas.chats as words
from session_service.dialects.dialect import Dialect
from session_service.dialects.idempotency import HEADER
from session_service.errors import Invalid, KeyReused, ServiceError

MESSAGES: Mapping[str, str] = {
    "no_token": "Could not validate credentials",
    "bad_token": "Could not validate credentials",
    "wrong_login": "Incorrect username or password",
    "email_taken": "Email already registered",
    "username_taken": "Username already registered",
    "no_registration": "Registration is disabled",
    "no_integer_id": "Chats need an integer user id",
    "not_found": "Chat not found",
    "chat_full": "This chat is full",
    "too_many": "Too many login attempts, try again later",
    "unavailable": "The database is not available, try again later",
    "storage_full": "The disk is full, nothing can be stored",
}
STATUSES: Mapping[type[ServiceError], int] = {Invalid: 422, KeyReused: 422}
AN_INDEX = re.compile("[0-9]{1,7}")  # of a list in the body


def fastapi_dialect(
    name: str,
    *,
    prefixes: tuple[str, ...],
    description: str,
    authenticate: Callable[[], None] | None = None,
) -> Dialect:
    """A dialect of `/v1`, still without routes."""
    return Dialect(
        name,
        prefixes=prefixes,
        description=description,
        authenticate=authenticate,
        failure=failure,
        failure_schema=words.ChatsFailure,
        invalid_schema=words.HTTPValidationError,
        statuses=STATUSES,
        messages=words.FastApi.wording,
    )


def failure(error: ServiceError, status: int, reasons: Mapping[str, list[str]]) -> dict[str, Any]:
    """The body of whatever did not go well, as FastAPI writes it."""
    if isinstance(error, KeyReused):
        return {"detail": [_reason("header", HEADER, words.FastApi.wording["key_reused"])]}
    if isinstance(error, Invalid) and reasons:
        where = error.where
        return {"detail": [_reason(where, each, why) for each in reasons for why in reasons[each]]}
    return {"detail": MESSAGES.get(error.code) or HTTPStatus(status).phrase}


def _reason(where: str, field: str, why: str) -> dict[str, Any]:
    path = [] if field == "body" else field.split(".")
    loc = [where, *(int(each) if AN_INDEX.fullmatch(each) else each for each in path)]
    return {"loc": loc, "msg": why, "type": words.kind_of(why)}
