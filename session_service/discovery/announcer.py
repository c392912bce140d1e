"""`python -m session_service.discovery.announcer OFFER [NUMBER]`: the process that announces.

The server process starts it and holds the other end of its standard input. A byte from there, or
its end, means goodbye. On standard output it tells the number of its name each time it has
announced one; as NUMBER that tells its successor that the service has been healthy, and its name.
"""

import asyncio
import logging
import os
import sys
import time
from collections.abc import Callable
from contextlib import closing, suppress

import zeroconf

from session_service.addresses import Address, Interface
from session_service.discovery.announcement import Announcement, HostTaken
from session_service.discovery.health import ask
from session_service.discovery.host_name import HostName
from session_service.discovery.offer import Offer
from session_service.discovery.reach import Reach, own_host
from session_service.leash import BEAT_S, Leash, Released

POLL_S = 1.0  # how often the network is looked at
HEALTH_POLL_S = 0.25
LONGEST_HEALTH_POLL_S = 2.0
LONGEST_PAUSE_S = 60.0


class Announcer:
    """Keeps one service announced while the network comes, goes and changes.

    `number` is that of the name under which one before it has announced the service, or 0.
    """

    def __init__(
        self, offer: Offer, host: HostName, number: int, announced: Callable[[int], None]
    ) -> None:
        self._offer = offer
        self._host = host
        self._known = number > 0
        self._number = number or 1
        self._announced = announced
        self._reach = Reach(offer)
        self._interfaces: tuple[Interface, ...] | None = None
        self._current: Announcement | None = None
        self._told: set[Address] = set()
        self._not_before = 0.0
        self._pause = POLL_S

    async def run(self) -> None:
        """Ends when it is cancelled, with a goodbye."""
        try:
            while True:
                await self._follow()
                await asyncio.sleep(POLL_S)
        finally:
            if self._current is not None:
                await self._current.end()

    async def _follow(self) -> None:
        interfaces = await asyncio.to_thread(self._reach.look)
        if interfaces != self._interfaces:
            self._interfaces, self._not_before, self._pause = interfaces, 0.0, POLL_S
            if not interfaces:
                say("no network to announce the service on, waiting for one")
        elif self._current is not None and self._current.standing:
            return
        if interfaces and time.monotonic() >= self._not_before:
            await self._renew(interfaces)

    async def _renew(self, interfaces: tuple[Interface, ...]) -> None:
        before = self._make_room()
        try:
            self._current = Announcement(
                self._offer,
                self._host.name,
                self._number,
                interfaces,
                known=before.known if before is not None else self._known,
            )
            if before is not None:
                await before.close()
            await self._current.begin()
        except HostTaken:
            self._host.change()
        except (OSError, RuntimeError, zeroconf.Error) as error:
            self._not_before = time.monotonic() + self._pause
            say(f"cannot announce the service, trying again in {self._pause:.0f} s: {error}")
            self._pause = min(self._pause * 2, LONGEST_PAUSE_S)
        else:
            self._tell(self._current)

    def _make_room(self) -> Announcement | None:
        before = self._current
        if before is not None:
            before.hush()
            self._number = before.number + before.name_lost
            if before.host_lost:
                self._host.change()
        return before

    def _tell(self, current: Announcement) -> None:
        self._pause = POLL_S
        self._announced(current.number)
        addresses = set(current.addresses)
        current.withdraw(self._told - addresses)
        self._told = addresses
        where = ", ".join(str(each) for each in current.addresses)
        host = self._host.name.removesuffix(".")
        say(f"announced as {current.name!r} on {host}, {where}")


async def _on_leash(leash: Leash, announcer: Announcer) -> None:
    """Runs it until the server is done, or until it fails."""
    announcing = asyncio.ensure_future(announcer.run())
    released = asyncio.ensure_future(_release(leash))
    await asyncio.wait((announcing, released), return_when=asyncio.FIRST_COMPLETED)
    announcing.cancel()
    with suppress(asyncio.CancelledError):
        await announcing


async def _release(leash: Leash) -> None:
    stirred = asyncio.Event()
    for each in leash.descriptors:
        asyncio.get_running_loop().add_reader(each, stirred.set)
    while not leash.over():
        stirred.clear()
        with suppress(TimeoutError):
            await asyncio.wait_for(stirred.wait(), BEAT_S)


def _await_health(offer: Offer, pause: Callable[[float], None]) -> None:
    wait_s = HEALTH_POLL_S
    while True:
        health = ask(own_host(offer.listening_on), offer.port, tls=offer.tls)
        if health is not None and health.status == 200:
            return
        pause(wait_s)
        wait_s = min(wait_s * 1.5, LONGEST_HEALTH_POLL_S)


def _announced(number: int) -> None:
    with suppress(OSError):
        os.write(1, f"{number}\n".encode())


def say(text: str) -> None:
    """A line for the server's log."""
    with suppress(OSError):
        sys.stderr.write(f"discovery: {text}\n")
        sys.stderr.flush()


def main(offer: Offer, number: int = 0) -> None:
    """Runs until the server is done."""
    logging.basicConfig(format="discovery: %(message)s", level=logging.WARNING)
    leash = Leash()
    with suppress(Released), closing(HostName(offer.data_dir, leash.pause)) as host:
        if not number:
            _await_health(offer, leash.pause)
        asyncio.run(_on_leash(leash, Announcer(offer, host, number, _announced)))


if __name__ == "__main__":
    main(Offer.from_json(sys.argv[1]), *map(int, sys.argv[2:]))
