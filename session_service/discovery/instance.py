"""One instance of the service as it was found on the LAN."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from session_service.addresses import in_order, is_real, parsed

LONGEST_TEXT = 100  # characters
MOST_ADDRESSES = 32
MOST_APIS = 32


@dataclass(frozen=True, slots=True)
class Instance:
    """What an instance says of itself; nothing proves that it is true."""

    name: str
    host: str
    addresses: tuple[str, ...]
    port: int
    tls: bool
    version: str
    apis: tuple[str, ...]

    @property
    def url(self) -> str:
        """Where its paths begin, at its first address: `http://192.168.1.5:5003`."""
        first = self.addresses[0]
        host = f"[{first}]" if ":" in first else first
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}"


def instance(
    name: str,
    host: str,
    addresses: Iterable[str],
    port: int,
    text: Mapping[str, str | None],
) -> Instance | None:
    """The instance that these words of a stranger describe; None when it cannot be reached."""
    reachable = _reachable(addresses)
    if not reachable or not 0 < port < 65_536:
        return None
    return Instance(
        name=_plain(name),
        host=_plain(host.removesuffix(".")),
        addresses=reachable,
        port=port,
        tls=text.get("tls") == "1",
        version=_plain(text.get("version")),
        apis=tuple(filter(None, map(_plain, (text.get("apis") or "").split(",")[:MOST_APIS]))),
    )


def _reachable(addresses: Iterable[str]) -> tuple[str, ...]:
    found = {address for each in addresses if (address := parsed(each)) and is_real(address)}
    return tuple(str(each) for each in in_order(found)[:MOST_ADDRESSES])


def _plain(text: str | None) -> str:
    """Text that does nothing to a terminal: no control characters, no change of direction."""
    clipped = (text or "").strip()[:LONGEST_TEXT]
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in clipped)
