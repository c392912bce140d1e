"""The addresses of this host that others on the LAN can reach."""

import ipaddress

import ifaddr

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# What containers, virtual machines and tunnels put up: nobody on the LAN reaches them.
VIRTUAL = (
    "docker",
    "br-",
    "veth",
    "virbr",
    "tun",
    "tap",
    "wg",
    "vmnet",
    "cni",
    "flannel",
    "podman",
)


def lan_addresses(listening_on: str = "0.0.0.0") -> list[Address]:  # noqa: S104
    """The host's real addresses that a server listening on this host name can be reached at.

    No loopback, no link-local, no address of a virtual interface; IPv4 first.
    """
    found = {
        address
        for adapter in ifaddr.get_adapters()
        if not str(adapter.name).startswith(VIRTUAL)
        for each in adapter.ips
        if (address := _parsed(each.ip)) and _is_real(address)
    }
    reached = [each for each in found if _listens(listening_on, each)]
    return sorted(reached, key=lambda each: (each.version, int(each)))


def reachable_hosts(listening_on: str) -> list[str]:
    """The same as hosts of a URL, with this machine's own name for itself before them."""
    wildcard = listening_on in ("", "0.0.0.0", "::")  # noqa: S104
    own = "127.0.0.1" if wildcard else listening_on
    hosts = dict.fromkeys([own, *(str(each) for each in lan_addresses(listening_on))])
    return [f"[{host}]" if ":" in host else host for host in hosts]


def _parsed(ip: str | tuple[str, int, int]) -> Address | None:
    text = ip if isinstance(ip, str) else ip[0]
    try:
        return ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None


def _is_real(address: Address) -> bool:
    return not (
        address.is_loopback
        or address.is_link_local
        or address.is_multicast
        or address.is_unspecified
    )


def _listens(host: str, address: Address) -> bool:
    if host in ("", "0.0.0.0"):  # noqa: S104
        return address.version == 4
    return host == "::" or host == str(address)
