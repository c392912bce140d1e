"""Where a request comes from: the socket's peer, or whom a trusted proxy names."""

import ipaddress
from collections.abc import Callable, Sequence
from typing import Any

from flask import request

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
ClientAddress = Callable[[], str]


def client_address(proxies: Sequence[Network]) -> ClientAddress:
    """Tells the address of the request's client.

    `X-Forwarded-For` is read from its end, as far as those who wrote it are among `proxies`.
    """

    def trusted(address: Any) -> bool:
        return any(address in network for network in proxies)

    def find() -> str:
        peer = _address(request.environ.get("REMOTE_ADDR", ""))
        named = request.headers.get("X-Forwarded-For", "").split(",")
        while peer is not None and trusted(peer) and named:
            further = _address(named.pop())
            if further is None:
                break
            peer = further
        return str(peer) if peer else "unknown"

    return find


def _address(text: str) -> Any:
    """The address, without a port; None where it is none."""
    host = text.strip()
    if host.startswith("["):
        host = host[1:].partition("]")[0]
    elif host.count(":") == 1:
        host = host.partition(":")[0]
    try:
        address: Any = ipaddress.ip_address(host)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
