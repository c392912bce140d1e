"""Where a request comes from: the socket's peer, or whom a trusted proxy names."""

import ipaddress
from collections.abc import Callable, Sequence

from flask import request

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
ClientAddress = Callable[[], str]


def client_address(
    proxies: Sequence[ipaddress.IPv4Network | ipaddress.IPv6Network],
) -> ClientAddress:
    """Tells the address of the request's client.

    `X-Forwarded-For` is read from its end, as far as those who wrote it are among `proxies`.
    """

    def trusted(address: Address) -> bool:
        return any(address in network for network in proxies)

    def find() -> str:
        peer = address_of(request.environ.get("REMOTE_ADDR", ""))
        named = request.headers.get("X-Forwarded-For", "").split(",")
        while peer is not None and trusted(peer) and named:
            further = address_of(named.pop())
            if further is None:
                break
            peer = further
        return str(peer) if peer else "unknown"

    return find


def address_of(text: str) -> Address | None:
    """The address, without a port; None where it is none."""
    host = text.strip()
    if host.startswith("["):
        host = host[1:].partition("]")[0]
    elif host.count(":") == 1:
        host = host.partition(":")[0]
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
