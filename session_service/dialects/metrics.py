"""`GET /metrics`: what the service has counted, for those who run it."""

import hmac
from collections.abc import Callable

from flask import Response, g, request

from session_service.dialects.client_address import address_of
from session_service.dialects.dialect import Dialect
from session_service.errors import Forbidden, Unauthorized
from session_service.models import ADMIN

FORWARDED = ("Forwarded", "X-Forwarded-For")
ADMINS_ONLY = "admins_only"
EXAMPLE = 'session_service_requests_total{method="GET",route="/sessions",status="200"} 12.0\n'


def add_metrics_route(
    dialect: Dialect,
    text: Callable[[], bytes],
    *,
    content_type: str,
    token: str | None,
    authenticate: Callable[[], None],
) -> None:
    """Adds the route; `token` is the bearer that opens it, besides loopback and admins."""
    refusal = Forbidden(code=ADMINS_ONLY)
    status = dialect.status_of(refusal)

    @dialect.get("/metrics")
    @dialect.doc(operationId="service_metrics", security=[{}, {"bearer": []}])
    @dialect.alt_response(
        status, schema=dialect.failure_schema, example=dialect.failure(refusal, status, {})
    )
    @dialect.alt_response(
        200, schema={"type": "string"}, content_type="text/plain", example=EXAMPLE, success=True
    )
    def metrics() -> Response:
        """Counts and times over all workers, in Prometheus' text format.

        For a caller on the same machine that no proxy speaks for, one that sends `METRICS_TOKEN`
        as its bearer, or an admin.
        """
        if not (_is_local() or _has_token(token) or _is_admin(authenticate)):
            raise refusal
        answer = Response(text(), content_type=content_type)
        answer.headers["Cache-Control"] = "no-store"
        return answer


def _is_local() -> bool:
    """Whether the peer is on this machine, and speaks for itself."""
    if any(name in request.headers for name in FORWARDED):
        return False
    peer = address_of(request.environ.get("REMOTE_ADDR", ""))
    return peer is not None and peer.is_loopback


def _has_token(token: str | None) -> bool:
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    if token is None or scheme.lower() != "bearer":
        return False
    return hmac.compare_digest(given.strip().encode(), token.encode())


def _is_admin(authenticate: Callable[[], None]) -> bool:
    try:
        authenticate()
    except Unauthorized:
        return False
    return bool(g.user.role == ADMIN)
