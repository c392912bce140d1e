"""Found on the LAN by mDNS: announced exactly while the service answers, and found by peers.

The server process starts one announcer (`python -m session_service.discovery.announcer`), which
alone has to do with multicast: the server and its workers import no mDNS library.
"""

from collections.abc import Collection

from session_service.discovery.instance import Instance
from session_service.discovery.offer import Offer

__all__ = ["Instance", "Offer", "find"]

WAIT_S = 3.0


def find(
    wait_s: float = WAIT_S, *, enough: int | None = None, interfaces: Collection[str] = ()
) -> list[Instance]:
    """The instances on the LAN, by name; as many as tell of themselves within `wait_s` seconds.

    Returns as soon as `enough` of them have. `interfaces` names interfaces or addresses to ask
    on instead of all real ones. OSError when this host cannot send multicast. What is found
    was claimed by whoever answered: nothing here proves who that is.
    """
    from session_service.discovery.browser import browse  # slow to load, and not for servers

    return browse(wait_s, enough, interfaces)
