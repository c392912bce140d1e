"""Whether a service answers, asked over HTTP as its clients do."""

import http.client
import ssl
import time
from dataclasses import dataclass

TIMEOUT_S = 3.0


@dataclass(frozen=True, slots=True)
class Health:
    """One answer to `GET /health`."""

    status: int
    ms: float


def ask(host: str, port: int, *, tls: bool, timeout_s: float = TIMEOUT_S) -> Health | None:
    """What `/health` answers; None when there is no answer. Certificates are not verified."""
    connection = _connection(host, port, tls=tls, timeout_s=timeout_s)
    try:
        connection.connect()
        began = time.perf_counter()
        connection.request("GET", "/health")
        status = connection.getresponse().status
        return Health(status, round((time.perf_counter() - began) * 1000, 1))
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def _connection(host: str, port: int, *, tls: bool, timeout_s: float) -> http.client.HTTPConnection:
    if not tls:
        return http.client.HTTPConnection(host, port, timeout=timeout_s)
    unverified = ssl.create_default_context()
    unverified.check_hostname = False
    unverified.verify_mode = ssl.CERT_NONE
    return http.client.HTTPSConnection(host, port, timeout=timeout_s, context=unverified)
