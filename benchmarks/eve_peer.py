"""The newest chats of a session by Eve, a REST framework over Flask and MongoDB.

As quick as its settings make it: no links, no etags, no count of the whole, and no check of
the owner, for which Eve's `$and` would have the embedded database read every chat there is.
Run by gunicorn.
"""

import os
from typing import Any

import jwt
from eve import Eve
from eve.auth import TokenAuth

from benchmarks.floor import NAME, SECRET, URI

CHATS: dict[str, Any] = {
    "schema": {
        "sess_id": {"type": "objectid"},
        "seq": {"type": "integer"},
        "from": {"type": "string"},
        "chat_content": {"type": "string"},
        "create_at": {"type": "datetime"},
    },
}


class BearerAuth(TokenAuth):  # type: ignore[misc]
    """A token as peers make them."""

    def check_auth(self, token: str, *_: object) -> bool:
        return bool(jwt.decode(token, os.environ[SECRET], algorithms=["HS256"]))


def make() -> Eve:
    """The application of a gunicorn worker."""
    return Eve(
        auth=BearerAuth,
        settings={
            "MONGO_URI": os.environ[URI],
            "MONGO_DBNAME": os.environ[NAME],
            "MONGO_OPTIONS": {"retryWrites": False, "maxPoolSize": 32, "tz_aware": True},
            "DOMAIN": {"chats": CHATS, "health": {"public_methods": ["GET"], "schema": {}}},
            "DATE_FORMAT": "%Y-%m-%dT%H:%M:%S.%fZ",
            "HATEOAS": False,
            "IF_MATCH": False,
            "OPTIMIZE_PAGINATION_FOR_SPEED": True,
            "PAGINATION_LIMIT": 200,
            "RENDERERS": ["eve.render.JSONRenderer"],
        },
    )
