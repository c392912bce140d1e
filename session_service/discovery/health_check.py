"""For health checks: ends with status 0 when this machine's service is healthy, else with 1."""

import os
import sys

from session_service.discovery.health import ask
from session_service.discovery.reach import own_host

HEALTHY = 200


def main() -> int:
    """Asks where HOST, PORT and TLS_CERT of the environment say that the service listens."""
    host = own_host(os.environ.get("HOST") or "")
    port = int(os.environ.get("PORT") or 5003)
    answer = ask(host, port, tls=bool(os.environ.get("TLS_CERT")))
    return int(answer is None or answer.status != HEALTHY)


if __name__ == "__main__":
    sys.exit(main())
