"""One announcement: a registration for each type, under one name, on the network of one moment."""

import asyncio
from collections.abc import Collection, Iterable

from zeroconf import AddressResolver, NonUniqueNameException, ServiceInfo
from zeroconf.asyncio import AsyncZeroconf

from session_service.addresses import Address, Interface
from session_service.discovery.offer import TYPES, Offer, numbered
from session_service.discovery.reach import meeting_points
from session_service.discovery.rivals import Rivals

HOST_PROBE_MS = 1000
MOST_NUMBERS = 100


class HostTaken(Exception):
    """Another machine on the LAN answers to the host name."""


class Unheard(OSError):
    """What was sent did not come back to ourselves: multicast does not work here."""


class Announcement:
    """`offer` on these interfaces; when they change, another one takes its place.

    `known` says that others may know the service under this very name already. `begin` announces
    it; `end` says goodbye; `hush` and `close` make room for the next one without a word.
    """

    def __init__(
        self,
        offer: Offer,
        host: str,
        number: int,
        interfaces: Collection[Interface],
        *,
        known: bool = False,
    ) -> None:
        self.number = number
        self.addresses = [each for found in interfaces for each in found.addresses]
        self._offer = offer
        self._host = host
        self._known = known
        self._rivals: Rivals | None = None
        self._begun = False
        self._network = AsyncZeroconf(interfaces=meeting_points(interfaces))
        self._zeroconf = self._network.zeroconf

    @property
    def name(self) -> str:
        return numbered(self._offer.name, self.number)

    @property
    def name_lost(self) -> bool:
        """Whether another host has the name, and the better claim to it."""
        return self._rivals is not None and self._rivals.have_the_name

    @property
    def host_lost(self) -> bool:
        """The same of the host name."""
        return self._rivals is not None and self._rivals.have_the_host

    @property
    def known(self) -> bool:
        """Whether others may know the service under this name."""
        return self._known and not self.name_lost and not self.host_lost

    @property
    def standing(self) -> bool:
        """Whether it is announced, and nobody else has a better claim."""
        return self._begun and self.known

    async def begin(self) -> None:
        """Find a name that is free, by the protocol's own probing, and announce it.

        HostTaken when the host name is not free; Unheard and other OSErrors when multicast does
        not work.
        """
        await self._zeroconf.async_wait_for_start()
        await self._probe()
        self._known = True
        infos = self._infos()
        names = [info.name for info in infos]
        self._rivals = Rivals(names, self._host, self.addresses, self._repeat)
        self._zeroconf.async_add_listener(self._rivals, None)
        register = self._zeroconf.async_register_service
        broadcasts = [await register(info, cooperating_responders=True) for info in infos]
        await asyncio.gather(*broadcasts)
        if not all(map(self._has_heard, infos)):
            raise Unheard("multicast does not come back")
        self._begun = True

    def withdraw(self, addresses: Collection[Address]) -> None:
        """Tell that the service has left these addresses."""
        if not addresses:
            return
        # In one packet with those that it has, since every such packet tells of all there are.
        out = self._zeroconf.generate_service_broadcast(self._infos()[0], None)
        for record in self._infos(addresses)[0].dns_addresses(override_ttl=0):
            out.add_answer_at_time(record, 0)
        self._zeroconf.async_send(out)

    def hush(self) -> None:
        """Answer no more."""
        self._begun = False
        self._zeroconf.registry.async_remove(self._zeroconf.registry.async_get_service_infos())

    async def end(self) -> None:
        """Say goodbye: the first one leaves at once, two more within a quarter of a second."""
        self.hush()
        if self.known:
            for info in self._infos():
                self._zeroconf.registry.async_add(info)  # closing withdraws what is there
        await self.close()

    async def close(self) -> None:
        await self._network.async_close()

    async def _probe(self) -> None:
        resolver = AddressResolver(self._host)
        _, host_taken = await asyncio.gather(
            self._find_free_name(), resolver.async_request(self._zeroconf, HOST_PROBE_MS)
        )
        if host_taken:
            self._known = False
            raise HostTaken

    async def _find_free_name(self) -> None:
        for _ in range(MOST_NUMBERS):
            check = self._zeroconf.async_check_service
            checks = [asyncio.ensure_future(check(info, False)) for info in self._infos()]
            try:
                await asyncio.gather(*checks)
            except NonUniqueNameException:
                self.number += 1
                self._known = False
            else:
                return
            finally:
                for each in checks:
                    each.cancel()
        raise OSError(f"{MOST_NUMBERS} hosts are called {self._offer.name}")

    def _repeat(self) -> None:
        for info in self._zeroconf.registry.async_get_service_infos():
            self._zeroconf.async_send(self._zeroconf.generate_service_broadcast(info, None))

    def _has_heard(self, info: ServiceInfo) -> bool:
        cache = self._zeroconf.cache
        return cache.current_entry_with_name_and_alias(info.type, info.name) is not None

    def _infos(self, addresses: Iterable[Address] | None = None) -> list[ServiceInfo]:
        packed = [each.packed for each in (self.addresses if addresses is None else addresses)]
        return [
            ServiceInfo(
                type_,
                f"{self.name}.{type_}",
                self._offer.port,
                properties=self._offer.text(),
                server=self._host,
                addresses=packed,
            )
            for type_ in TYPES
        ]
