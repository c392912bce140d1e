"""What every request leaves behind: one line in the log and the headers all answers carry."""

import logging
import re
import secrets
import sys
import time

import orjson
import structlog
from flask import Flask, Response, g, request
from structlog.typing import Processor

SANE_ID = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")

log = structlog.get_logger("request")


def configure_logging(level: str, style: str) -> None:
    """Log lines on standard error: for people (`console`) or for machines (`json`)."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    if style == "json":
        renderer: Processor = structlog.processors.JSONRenderer(serializer=_to_json)
    else:
        renderer = structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), sort_keys=False, pad_event_to=0
        )
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )


def log_requests(app: Flask) -> None:
    """Gives every request an id, every answer its headers, and the log a line for each."""

    @app.before_request
    def begin() -> None:
        given = request.headers.get("X-Request-ID", "")
        g.request_id = given if SANE_ID.fullmatch(given) else secrets.token_hex(8)
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=g.request_id)
        g.began = time.perf_counter()

    @app.after_request
    def end(response: Response) -> Response:
        response.headers["X-Request-ID"] = g.request_id
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "no-referrer"
        log.info(
            "request",
            method=request.method,
            path=request.path if request.path.isprintable() else ascii(request.path),
            status=response.status_code,
            ms=round((time.perf_counter() - g.began) * 1000, 1),
            user_id=g.user.id if "user" in g else None,
        )
        return response


def _to_json(value: object, **_: object) -> str:
    return orjson.dumps(value, default=str).decode()
