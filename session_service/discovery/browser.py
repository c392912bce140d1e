"""The instances on the LAN, asked for by mDNS."""

import asyncio
from collections.abc import Collection
from contextlib import suppress

import zeroconf
from zeroconf import ServiceStateChange, Zeroconf
from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo, AsyncZeroconf

from session_service.addresses import lan_interfaces
from session_service.discovery.instance import Instance, instance
from session_service.discovery.offer import PEER_TYPE
from session_service.discovery.reach import meeting_points

RESOLVE_MS = 3000
MOST_INSTANCES = 256


def browse(wait_s: float, enough: int | None, interfaces: Collection[str]) -> list[Instance]:
    """What `session_service.discovery.find` promises."""
    points = meeting_points(lan_interfaces("::", interfaces))
    if not points:
        return []
    return asyncio.run(_browse(wait_s, enough, points))


async def _browse(wait_s: float, enough: int | None, points: list[str]) -> list[Instance]:
    async with AsyncZeroconf(interfaces=points) as network:
        found = _Found(network.zeroconf, enough or MOST_INSTANCES)
        browser = AsyncServiceBrowser(network.zeroconf, PEER_TYPE, handlers=[found.change])
        with suppress(TimeoutError):
            await asyncio.wait_for(found.enough.wait(), wait_s)
        await browser.async_cancel()
    return sorted(found.instances.values(), key=lambda each: each.name)


class _Found:
    """What has been heard of so far, and the questions that are still open."""

    def __init__(self, network: Zeroconf, enough: int) -> None:
        self.instances: dict[str, Instance] = {}
        self.enough = asyncio.Event()
        self._network = network
        self._wanted = enough
        self._questions: dict[str, asyncio.Task[None]] = {}

    def change(
        self, zeroconf: Zeroconf, service_type: str, name: str, state_change: ServiceStateChange
    ) -> None:
        if name in self._questions:
            self._questions.pop(name).cancel()
        if state_change is ServiceStateChange.Removed:
            self.instances.pop(name, None)
        elif len(self._questions) < MOST_INSTANCES:
            self._questions[name] = asyncio.ensure_future(self._resolve(name))

    async def _resolve(self, name: str) -> None:
        with suppress(zeroconf.Error):  # a name that cannot be one
            info = AsyncServiceInfo(PEER_TYPE, name)
            if not await info.async_request(self._network, RESOLVE_MS):
                return
            found = instance(
                info.get_name(),
                info.server or "",
                info.parsed_addresses(),
                info.port or 0,
                info.decoded_properties,
            )
            if found is not None:
                self.instances[name] = found
            if len(self.instances) >= self._wanted:
                self.enough.set()
