"""Who calls: a bearer token, read once and remembered while it holds.

HS256 by the shared secret, `exp` without leeway, `iat` and `nbf` at most a
minute ahead, `sub` the user's id as a string.
"""

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from flask import current_app, g, request
from flask_jwt_extended import create_access_token, decode_token
from flask_jwt_extended.exceptions import JWTExtendedException
from jwt.exceptions import PyJWTError

from session_service.errors import Unauthorized
from session_service.models import ADMIN, Account, Claims, User

REMEMBERED = 10_000
MAX_ID_CHARS = 200
MAX_NAME_CHARS = 100
PASSWORD_VERSION = "password_version"  # noqa: S105  a claim of our own tokens
LEEWAY_S = 60  # for `iat` and `nbf`: peers' clocks


class Authentication:
    """Sets `g.user` and `g.claims` from the request's token; or raises Unauthorized.

    Verifying a signature costs more than the rest of a small request, so what a token said is
    remembered by its text; whether it still holds is looked at each time.
    """

    def __init__(
        self, judge: Callable[[Claims], User], now: Callable[[], float] = time.time
    ) -> None:
        self._judge = judge
        self._now = now
        self._known: OrderedDict[str, Claims] = OrderedDict()

    def __call__(self) -> None:
        if request.method == "OPTIONS":
            return  # what browsers ask before they may send a token
        token = _bearer(request.headers.get("Authorization", ""))
        claims = self._known.get(token) or self._remember(token)
        if claims.expires_at <= self._now():
            raise Unauthorized("the token has expired", code="bad_token")
        g.user, g.claims = self._judge(claims), claims

    def _remember(self, token: str) -> Claims:
        self._known[token] = claims = read_token(token)
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return claims


def issue_token(account: Account) -> tuple[str, int]:
    """A token for an account, and how many seconds it holds."""
    expires = current_app.config["JWT_ACCESS_TOKEN_EXPIRES"]
    claims = {"username": account.username, PASSWORD_VERSION: account.password_version}
    return create_access_token(str(account.id), additional_claims=claims), expires


def _bearer(header: str) -> str:
    scheme, _, token = header.partition(" ")
    if not header or scheme.lower() != "bearer" or not token.strip():
        raise Unauthorized("no token", code="no_token")
    return token.strip()


def read_token(token: str) -> Claims:
    """What a token says, if it holds by itself; else Unauthorized."""
    try:
        return _claims(token, decode_token(token))
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


def _claims(token: str, claims: dict[str, Any]) -> Claims:
    subject, version = claims["sub"], claims.get(PASSWORD_VERSION)
    if not (
        isinstance(subject, str)
        and 0 < len(subject) <= MAX_ID_CHARS
        and subject.isprintable()
        and type(claims["exp"]) in (int, float)
        and claims["type"] == "access"
    ):
        raise ValueError("claims of the wrong kind")
    return Claims(
        subject=subject,
        name=_name(claims, "nickname", "username") or subject,
        username=_name(claims, "username", "nickname") or subject,
        role=ADMIN if claims.get("role") == ADMIN else "user",
        token_id=_token_id(token, subject, claims.get("jti")),
        expires_at=float(claims["exp"]),
        issued_at=float(claims["iat"]) if "iat" in claims else None,
        password_version=version if type(version) is int else None,
    )


def _token_id(token: str, subject: str, jti: object) -> str:
    """What tells a token from all others: never its text, whose end can be written in two ways."""
    own = f"jti {jti}" if isinstance(jti, str) else f"text {token.rpartition('.')[0]}"
    return hashlib.sha256(f"{subject}\0{own}".encode()).hexdigest()


def _name(claims: dict[str, Any], *names: str) -> str:
    """What to call a user known by the token alone: the first of these that is printable."""
    for claim in map(claims.get, names):
        if isinstance(claim, str):
            name = "".join(each for each in claim if each.isprintable()).strip()
            if name:
                return name[:MAX_NAME_CHARS]
    return ""
