"""The header that makes a send repeatable."""

import secrets

from flask import request

from session_service.errors import Invalid

HEADER = "Idempotency-Key"
MAX_CHARS = 255
IDEMPOTENCY_KEY = {
    "in": "header",
    "name": HEADER,
    "required": False,
    "description": "any text: a repeat with the same key stores nothing more",
    "schema": {"type": "string", "maxLength": MAX_CHARS},
}


def idempotency_key() -> str:
    """The key a message is stored under: the client's, or one that nobody will repeat."""
    given = _as_sent(request.headers.get(HEADER, ""))
    if not given:
        return f"auto:{secrets.token_hex(12)}"
    if len(given) > MAX_CHARS:
        raise Invalid(errors={HEADER: ["key_too_long"]}, where="header")
    return f"key:{given}"


def _as_sent(header: str) -> str:
    """The header's text, where its bytes are UTF-8; servers hand them over as Latin-1."""
    try:
        return header.encode("latin-1").decode()
    except UnicodeError:
        return header
