"""The addresses of this host that others on the LAN can reach."""

import ipaddress
import socket
from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import ifaddr

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

WILDCARDS = ("", "0.0.0.0", "::")  # noqa: S104

# What containers, virtual machines and tunnels put up: nobody on the LAN reaches them.
VIRTUAL = (
    *("docker", "br-", "veth", "virbr", "vnet", "vmnet", "vboxnet", "podman", "lxc", "lxd"),
    *("cni", "flannel", "cali", "kube", "incus"),
    *("tun", "tap", "wg", "utun", "ipsec", "ppp", "zt", "tailscale"),
    *("bridge", "awdl", "llw", "anpi"),  # Apple's
)
SYSTEM = Path("/sys/class/net")  # Linux
LOOPBACK, POINT_TO_POINT = 0x8, 0x10  # IFF_LOOPBACK; IFF_POINTOPOINT: a tunnel, however named


@dataclass(frozen=True, slots=True)
class Interface:
    """A network interface, and those of its addresses at which a server is reached."""

    index: int
    name: str
    addresses: tuple[Address, ...]


def lan_interfaces(
    listening_on: str = "0.0.0.0",  # noqa: S104
    only: Collection[str] = (),
) -> tuple[Interface, ...]:
    """The real interfaces at which a server listening on this host name can be reached.

    No loopback, no link-local, no virtual interface. `only` names other interfaces or addresses
    to take instead.
    """
    found: dict[tuple[int, str], set[Address]] = {}
    for adapter in ifaddr.get_adapters():
        name = str(adapter.name).partition(":")[0]  # labels of further addresses: eth0:1
        usable = name in only if only else not _is_virtual(name)
        for address in (parsed(each.ip) for each in adapter.ips):
            if address is None or not _listens(listening_on, address):
                continue
            if (usable and is_real(address)) or str(address) in only:
                found.setdefault((adapter.index or 0, name), set()).add(address)
    return tuple(Interface(*key, in_order(found[key])) for key in sorted(found))


def lan_addresses(listening_on: str) -> tuple[Address, ...]:
    """The addresses of `lan_interfaces`, IPv4 first."""
    return in_order({each for found in lan_interfaces(listening_on) for each in found.addresses})


def reachable_hosts(listening_on: str) -> list[str]:
    """The same as hosts of a URL, with this machine's own name for itself before them."""
    own = "127.0.0.1" if listening_on in WILDCARDS else listening_on
    hosts = dict.fromkeys([own, *(str(each) for each in lan_addresses(listening_on))])
    return [f"[{host}]" if ":" in host else host for host in hosts]


def is_loopback(host: str) -> bool:
    """Whether a server that listens on this host name is for its own machine alone."""
    found = () if host in WILDCARDS else _resolved(host)
    return bool(found) and all(each.is_loopback for each in found)


def parsed(ip: str | tuple[str, int, int]) -> Address | None:
    """The address without its scope; None when it is none."""
    text = ip if isinstance(ip, str) else ip[0]
    with suppress(ValueError):
        return ipaddress.ip_address(text.partition("%")[0])
    return None


def in_order(addresses: Iterable[Address]) -> tuple[Address, ...]:
    """IPv4 first."""
    return tuple(sorted(addresses, key=lambda each: (each.version, int(each))))


def is_real(address: Address) -> bool:
    """Whether others can connect to it: not loopback, link-local, multicast, unspecified."""
    return not (
        address.is_loopback
        or address.is_link_local
        or address.is_multicast
        or address.is_unspecified
    )


def _is_virtual(name: str) -> bool:
    flags = _flags(name)
    return (
        name.startswith(VIRTUAL)
        or bool(flags & (LOOPBACK | POINT_TO_POINT))
        or _joins_only_virtual(name)
    )


def _flags(name: str) -> int:
    with suppress(OSError, ValueError):
        return int((SYSTEM / name / "flags").read_text(), 16)
    return 0


def _joins_only_virtual(name: str) -> bool:
    """Whether this is a bridge without any real network behind it."""
    try:
        ports = [port.name for port in (SYSTEM / name / "brif").iterdir()]
    except OSError:
        return False
    return all(port.startswith(VIRTUAL) for port in ports)


def _listens(host: str, address: Address) -> bool:
    if host in WILDCARDS:
        return host == "::" or address.version == 4
    return address in _resolved(host)


@cache
def _resolved(host: str) -> frozenset[Address]:
    with suppress(OSError):
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        return frozenset(each for *_, where in found if (each := parsed(str(where[0]))))
    return frozenset()
