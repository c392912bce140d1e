"""The one error handler: whatever is raised, the dialect whose path it is answers for it."""

from collections.abc import Sequence

import structlog
from flask import Flask, Response, jsonify, request
from werkzeug.exceptions import (
    HTTPException,
    MethodNotAllowed,
    RequestedRangeNotSatisfiable,
)

from session_service.dialects.dialect import Dialect
from session_service.errors import (
    Invalid,
    NotFound,
    ServiceError,
    TooLarge,
    TooMany,
    Unauthorized,
    Unavailable,
    UnsupportedType,
)

RETRY_AFTER_S = 2

log = structlog.get_logger(__name__)


def handle_errors(app: Flask, dialects: Sequence[Dialect], default: Dialect) -> None:
    """Has every failure of the app answered in the shape of the dialect its path belongs to.

    Unknown paths and methods carry no blueprint, so the path's prefix decides; what belongs to
    no dialect is answered by `default`.
    """
    by_prefix = sorted(
        ((prefix, dialect) for dialect in dialects for prefix in dialect.prefixes),
        key=lambda pair: len(pair[0]),
        reverse=True,
    )

    def dialect_of(path: str) -> Dialect:
        return next(
            (d for prefix, d in by_prefix if path == prefix or path.startswith(f"{prefix}/")),
            default,
        )

    @app.errorhandler(Exception)
    def answer(raised: Exception) -> Response:
        dialect = dialect_of(request.path)
        error = _as_service_error(raised)
        status = _status(raised) or dialect.status_of(error)
        response = jsonify(dialect.failure(error, status, dialect.reasons(error)))
        response.status_code = status
        response.headers.update(_headers(raised))
        return response


def _as_service_error(raised: Exception) -> ServiceError:
    if isinstance(raised, ServiceError):
        return raised
    if isinstance(raised, MethodNotAllowed):
        return ServiceError("method not allowed", code="method_not_allowed")
    if not isinstance(raised, HTTPException):
        log.error("unexpected error", exc_info=raised)
        return ServiceError("internal error", code="internal")
    kinds: dict[int, type[ServiceError]] = {
        400: Invalid,
        404: NotFound,
        413: TooLarge,
        415: UnsupportedType,
    }
    error = kinds.get(raised.code or 500, ServiceError)(raised.name)
    error.code = "no_such_path" if raised.code == 404 else error.code
    return error


def _status(raised: Exception) -> int | None:
    return raised.code if isinstance(raised, HTTPException) else None


def _headers(raised: Exception) -> dict[str, str]:
    if isinstance(raised, Unauthorized):
        return {"WWW-Authenticate": "Bearer"}
    if isinstance(raised, TooMany):
        return {"Retry-After": str(raised.retry_after_s)}
    if isinstance(raised, Unavailable):
        return {"Retry-After": str(RETRY_AFTER_S)}
    if isinstance(raised, RequestedRangeNotSatisfiable):
        return {"Content-Range": f"bytes */{raised.length}"}
    if isinstance(raised, MethodNotAllowed) and raised.valid_methods:
        return {"Allow": ", ".join(sorted(raised.valid_methods))}
    return {}
