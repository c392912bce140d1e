"""What the service says of itself: health, documentation, its front page."""

from collections.abc import Callable
from typing import Any

from flask import Blueprint
from flask_swagger_ui import get_swaggerui_blueprint
from marshmallow import fields, validate

from schemas.fields import Vocabulary
from session_service import __version__
from session_service.dialects.dialect import Dialect

LINKS = {"docs": "/docs", "openapi": "/openapi.json", "health": "/health"}
WELCOME = {"name": "Session Service", "version": __version__, "links": LINKS}


class Health(Vocabulary):
    status = fields.String(required=True, validate=validate.OneOf(["ok", "unavailable"]))


class Welcome(Vocabulary):
    name = fields.String(required=True)
    version = fields.String(required=True)
    links = fields.Dict(keys=fields.String(), values=fields.String(), required=True)


def service_dialect(healthy: Callable[[], bool], *, like: Dialect) -> Dialect:
    """The public routes of the service itself; they refuse in the shape of `like`."""
    dialect = Dialect(
        "service",
        prefixes=(),
        description="服务自身 · The service itself",
        failure=like.failure,
        failure_schema=like.failure_schema,
        messages=like.messages,
    )

    @dialect.get("/")
    @dialect.answers(200, Welcome(), example=WELCOME)
    def welcome() -> dict[str, Any]:
        """Name, version and where to go from here."""
        return WELCOME

    @dialect.get("/health")
    @dialect.answers(200, Health(), example={"status": "ok"})
    @dialect.alt_response(503, schema=Health(), example={"status": "unavailable"})
    def health() -> tuple[dict[str, str], int]:
        """Whether the database reads and writes: 200, or else 503."""
        return ({"status": "ok"}, 200) if healthy() else ({"status": "unavailable"}, 503)

    @dialect.get("/health/live")
    @dialect.answers(200, Health(), example={"status": "ok"})
    def live() -> dict[str, str]:
        """Whether the process answers at all."""
        return {"status": "ok"}

    return dialect


def docs_pages() -> Blueprint:
    """Swagger UI from local files: the LAN may have no internet."""
    pages: Blueprint = get_swaggerui_blueprint(
        LINKS["docs"],
        LINKS["openapi"],
        config={"app_name": "Session Service", "validatorUrl": None, "layout": "BaseLayout"},
    )
    return pages
