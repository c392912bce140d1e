"""Whoever lies on the LAN does no harm to those who look."""

import os
import socket
import threading
import time

from zeroconf import DNSAddress, DNSOutgoing, DNSPointer, DNSService, DNSText

from session_service.discovery import find
from tests.discovery.packets import GROUP_4
from tests.discovery.stand_in import NAME


def tell_lies(lies: socket.socket, over: threading.Event) -> None:
    type_ = "_session-svc._tcp.local."
    names = [f"{each}.{type_}" for each in ("\x1b[2J", "\u202eevil", "a.b.c", "x" * 63, "loop")]
    while not over.is_set():
        for number, name in enumerate(names):
            packet = DNSOutgoing(0x8400)
            packet.add_answer_at_time(DNSPointer(type_, 12, 1, 4500, name), 0)
            packet.add_answer_at_time(DNSService(name, 33, 1, 120, 0, 0, number, "liar.local."), 0)
            packet.add_answer_at_time(DNSText(name, 16, 1, 4500, os.urandom(200) * number), 0)
            for address in (b"\x7f\0\0\1", b"\0\0\0\0", bytes(16)):
                type_of = 1 if len(address) == 4 else 28
                packet.add_answer_at_time(DNSAddress("liar.local.", type_of, 1, 120, address), 0)
            for each in packet.packets():
                lies.sendto(each, (GROUP_4, 5353))
                lies.sendto(each[: len(each) // 2], (GROUP_4, 5353))
        flood = DNSOutgoing(0x8400)
        for _ in range(100):
            alias = f"{os.urandom(8).hex()}.{type_}"
            flood.add_answer_at_time(DNSPointer(type_, 12, 1, 4500, alias), 0)
        for each in (*flood.packets(), os.urandom(500)):
            lies.sendto(each, (GROUP_4, 5353))
        time.sleep(0.05)


def test_strangers_that_lie_do_no_harm_to_those_who_look(lan, peer, stand_in):
    stand_in().said("announced as")
    stranger = lan.host("c", "10.77.0.66/24")
    with stranger.call(socket.socket, socket.AF_INET, socket.SOCK_DGRAM) as lies:
        lies.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("10.77.0.66"))
        lies.bind(("10.77.0.66", 5353))
        over = threading.Event()
        telling = threading.Thread(target=tell_lies, args=[lies, over])
        telling.start()
        try:
            instances = peer.call(find, 3.0)
        finally:
            over.set()
            telling.join()
    assert NAME in {each.name for each in instances}
    assert "http://10.77.0.1:5003" in {each.url for each in instances}
    for each in instances:
        assert each.name.isprintable()
        assert "127.0.0.1" not in each.addresses
