"""Where a server is really reached: an address is announced only if HTTP is answered there."""

from collections.abc import Iterable
from dataclasses import replace

from session_service.addresses import Address, Interface, lan_interfaces
from session_service.discovery.health import ask
from session_service.discovery.offer import Offer

OWN_HOSTS = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104


def own_host(listening_on: str) -> str:
    """The host at which this machine reaches its own server."""
    return OWN_HOSTS.get(listening_on, listening_on)


def meeting_points(interfaces: Iterable[Interface]) -> list[str]:
    """Where to join the multicast group: one address of each interface and family."""
    points: dict[tuple[int, int], str] = {}
    for found in interfaces:
        for address in found.addresses:
            points.setdefault((found.index, address.version), str(address))
    return list(points.values())


class Reach:
    """The interfaces and addresses of this host that lead to the server, now."""

    def __init__(self, offer: Offer) -> None:
        self._offer = offer
        self._answering: set[Address] = set()

    def look(self) -> tuple[Interface, ...]:
        """Asks an address once: one that has answered stays, whatever the server does later."""
        found = lan_interfaces(self._offer.listening_on, self._offer.interfaces)
        present = {address for each in found for address in each.addresses}
        self._answering = {each for each in present if each in self._answering or self._leads(each)}
        kept = (
            replace(each, addresses=tuple(a for a in each.addresses if a in self._answering))
            for each in found
        )
        return tuple(each for each in kept if each.addresses)

    def _leads(self, address: Address) -> bool:
        # Not one, say, that IPv6 is still trying for duplicates.
        return ask(str(address), self._offer.port, tls=self._offer.tls) is not None
