"""Who calls: a bearer token, read once and remembered while it holds.

See contracts: HS256 by the shared secret, `exp` without leeway, `iat` and `nbf` at most a
minute ahead, `sub` the user's id as a string.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from flask import g, request
from flask_jwt_extended import decode_token
from flask_jwt_extended.exceptions import JWTExtendedException
from jwt.exceptions import PyJWTError

from session_service.errors import Unauthorized
from session_service.models import ADMIN, Role, User

REMEMBERED = 10_000
MAX_ID_CHARS = 200
MAX_NAME_CHARS = 100
LEEWAY_S = 60  # for `iat` and `nbf`: peers' clocks


class Authentication:
    """Sets `g.user` from the request's token, or raises Unauthorized.

    Verifying a signature costs more than the rest of a small request, so what a token said is
    remembered by its text; its expiry is looked at each time.
    """

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._known: OrderedDict[str, tuple[User, float]] = OrderedDict()

    def __call__(self) -> None:
        if request.method == "OPTIONS":
            return  # what browsers ask before they may send a token
        token = _bearer(request.headers.get("Authorization", ""))
        user, expires_at = self._known.get(token) or self._remember(token)
        if expires_at <= self._now():
            raise Unauthorized("the token has expired", code="bad_token")
        g.user = user

    def _remember(self, token: str) -> tuple[User, float]:
        self._known[token] = known = _read(token)
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return known


def _bearer(header: str) -> str:
    scheme, _, token = header.partition(" ")
    if not header or scheme.lower() != "bearer" or not token.strip():
        raise Unauthorized("no token", code="no_token")
    return token.strip()


def _read(token: str) -> tuple[User, float]:
    """The user a token speaks for, and until when (seconds since 1970)."""
    try:
        claims = decode_token(token)
        user_id, expires_at = claims["sub"], float(claims["exp"])
        sound = (
            isinstance(user_id, str)
            and 0 < len(user_id) <= MAX_ID_CHARS
            and user_id.isprintable()
            and type(claims["exp"]) in (int, float)
            and claims["type"] == "access"
        )
    except (
        PyJWTError,
        JWTExtendedException,
        KeyError,
        TypeError,
        ValueError,
        OverflowError,
        RecursionError,
    ) as error:
        raise Unauthorized("the token does not hold", code="bad_token") from error
    if not sound:
        raise Unauthorized("the token does not hold", code="bad_token")
    role: Role = ADMIN if claims.get("role") == ADMIN else "user"
    return User(user_id, _name(claims) or user_id, role), expires_at


def _name(claims: dict[str, Any]) -> str:
    """What to call a user known by the token alone: nickname or username, as far as printable."""
    for claim in (claims.get("nickname"), claims.get("username")):
        if isinstance(claim, str):
            name = "".join(each for each in claim if each.isprintable()).strip()
            if name:
                return name[:MAX_NAME_CHARS]
    return ""
