"""The OpenAPI document: its head, and flask-smorest without what the dialects do themselves."""

from typing import Any

from flask_smorest import Api

from session_service import __version__

ABOUT = """Chat for a local network, by several APIs on the same accounts and tokens:

- `sessions`: sessions of one user, with automatic replies
- `chats`: chats of one user, whose messages the client writes
- `conversations`: people who write to each other; `files`: what they send
- `message-sessions`: sessions of two users or more, with unread counts and archives
- `auth`: accounts and tokens; `service`: health and metrics

Every call with a lock needs a token: `Authorization: Bearer <JWT>`, given by `POST /v1/auth/token`
for an account, or signed by a peer with the service's `JWT_SECRET_KEY` (HS256), with the user's id
as `sub` and an `exp`. To try things out, register an account and give its name and password to the
button "Authorize"; or give it a token, which `make -s token` prints, without the word Bearer.
Conversations know users by the integer `id` of their account, which `/v1/auth/test_token` tells.

Every path works with and without a trailing slash. Every answer carries an `X-Request-ID`.
"""

OPENAPI_SETTINGS: dict[str, Any] = {
    "API_TITLE": "Session Service",
    "API_VERSION": __version__,
    "OPENAPI_VERSION": "3.1.0",
    "OPENAPI_URL_PREFIX": "/",
    "API_SPEC_OPTIONS": {
        "info": {"description": ABOUT, "license": {"name": "MIT", "identifier": "MIT"}},
        "components": {
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
                "password": {
                    "type": "oauth2",
                    "description": "with the name and password of an account",
                    "flows": {"password": {"tokenUrl": "/v1/auth/token", "scopes": {}}},
                },
            }
        },
    },
}


class ServiceApi(Api):  # type: ignore[misc]
    """Serves the document; pages, ETags and failures of flask-smorest's own are not used here."""

    DEFAULT_ERROR_RESPONSE_NAME = None

    def _register_nothing(self) -> None:
        pass

    _register_error_handlers = _register_nothing
    _register_responses = _register_nothing
    _register_etag_headers = _register_nothing
    _register_pagination_header = _register_nothing
