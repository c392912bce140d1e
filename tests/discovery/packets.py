"""What goes over the wire: every mDNS packet that reaches one host of the LAN."""

import select
import socket
import struct
import threading
import time
from dataclasses import dataclass

from zeroconf import DNSAddress, DNSIncoming, DNSPointer, DNSRecord, DNSService, DNSText

from tests.discovery.lan import CARD, Host

PORT = 5353
GROUP_4, GROUP_6 = "224.0.0.251", "ff02::fb"


@dataclass(frozen=True)
class Packet:
    """One packet: when it came, from where, and what it says."""

    at: float
    source: str
    asks: bool
    probes: bool
    questions: tuple[str, ...]
    records: tuple[DNSRecord, ...]

    def instances(self) -> dict[str, float]:
        """The instances that it names, and how long they shall be remembered, in s."""
        return {each.alias: each.ttl for each in self.records if isinstance(each, DNSPointer)}

    def services(self) -> list[DNSService]:
        return [each for each in self.records if isinstance(each, DNSService)]

    def texts(self) -> list[DNSText]:
        return [each for each in self.records if isinstance(each, DNSText)]

    def addresses(self) -> dict[str, float]:
        """Addresses and their time to live."""
        return {
            socket.inet_ntop(
                socket.AF_INET if len(each.address) == 4 else socket.AF_INET6, each.address
            ): each.ttl
            for each in self.records
            if isinstance(each, DNSAddress)
        }


class Recorder:
    """Listens on one host from its making to `close`."""

    def __init__(self, host: Host) -> None:
        self.packets: list[Packet] = []
        self._sockets = host.call(_listening)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()

    def close(self) -> None:
        self._over.set()
        self._thread.join()
        for each in self._sockets:
            each.close()

    def since(self, moment: float) -> list[Packet]:
        return [each for each in list(self.packets) if each.at >= moment]

    def announced(self, instance: str, since: float = 0) -> list[Packet]:
        return [
            each
            for each in self.since(since)
            if not each.asks and each.instances().get(instance, 0) > 0
        ]

    def goodbyes(self, instance: str, since: float = 0) -> list[Packet]:
        return [
            each
            for each in self.since(since)
            if not each.asks and each.instances().get(instance) == 0
        ]

    def addresses(self, since: float = 0) -> dict[str, float]:
        """All that was said of addresses, the last word on each."""
        said: dict[str, float] = {}
        for packet in self.since(since):
            if not packet.asks:
                said |= packet.addresses()
        return said

    def _listen(self) -> None:
        while not self._over.is_set():
            for ready in select.select(self._sockets, [], [], 0.1)[0]:
                data, source = ready.recvfrom(9000)
                read = DNSIncoming(data)
                records = tuple(read.answers())
                questions = tuple(each.name for each in read.questions)
                self.packets.append(
                    Packet(
                        time.monotonic(),
                        source[0],
                        read.is_query(),
                        read.is_query() and read.is_probe(),
                        questions,
                        records,
                    )
                )


def probes(packets: list[Packet], type_: str, family: str = "4") -> list[Packet]:
    """The probes for one type that were sent by this family of addresses."""
    return [
        each
        for each in packets
        if each.probes and type_ in each.questions and (":" in each.source) == (family == "6")
    ]


def _listening() -> list[socket.socket]:
    card = socket.if_nametoindex(CARD)
    sockets = []
    for family in (socket.AF_INET, socket.AF_INET6):
        listening = socket.socket(family, socket.SOCK_DGRAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listening.bind(("", PORT))
        sockets.append(listening)
    of_all, of_card = socket.inet_aton("0.0.0.0"), struct.pack("@i", card)
    join_4 = socket.inet_aton(GROUP_4) + of_all + of_card
    sockets[0].setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, join_4)
    join_6 = socket.inet_pton(socket.AF_INET6, GROUP_6) + of_card
    sockets[1].setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, join_6)
    return sockets
