"""Only addresses that others reach are announced."""

from tests.discovery.lan import CARD
from tests.discovery.peers import answers, places
from tests.service.running import until


def test_only_addresses_that_others_reach_are_announced(server, peer, recorder, stand_in):
    virtual = {"docker0": "172.17.0.1/16", "br-0a1b2c": "172.18.0.1/16", "nolan": "10.50.0.1/24"}
    for name, address in virtual.items():
        server.ip("link", "add", name, "type", "bridge")
        server.ip("link", "set", name, "up")
        server.add(address, to=name)
    for name, address in {"veth7": "10.51.0.1/24", "wg0": "10.52.0.1/24"}.items():
        server.ip("link", "add", name, "type", "veth", "peer", "name", f"{name}-end")
        server.ip("link", "set", name, "up")
        server.ip("link", "set", f"{name}-end", "up")
        server.add(address, to=name)
    server.add("10.53.0.1/32", to="lo")
    server.add("169.254.7.7/16", "fd77::1/64")
    stand_in(listening_on="::").said("announced as")
    said = recorder.addresses()
    assert set(said) == {"10.77.0.1", "fd77::1"}
    assert all(answers(peer, each) for each in said)


def test_a_bridge_to_a_real_network_is_announced(server, recorder, stand_in):
    server.remove("10.77.0.1/24")
    server.ip("link", "add", "br0", "type", "bridge")
    server.ip("link", "set", CARD, "master", "br0")
    server.ip("link", "set", "br0", "up")
    server.add("10.77.0.5/24", to="br0")
    stand_in().said("announced as")
    until(lambda: set(recorder.addresses()) == {"10.77.0.5"}, "its address")


def test_interfaces_that_are_named_go_before_the_rules(server, recorder, stand_in):
    server.ip("link", "set", CARD, "down")
    server.ip("link", "set", CARD, "name", "tap0")
    server.ip("link", "set", "tap0", "up")
    server.ip("link", "add", "eth1", "type", "veth", "peer", "name", "eth2")
    server.ip("link", "set", "eth1", "up")
    server.add("10.54.0.1/24", to="eth1")
    stand_in(interfaces=("tap0",)).said("announced as")
    until(lambda: set(recorder.addresses()) == {"10.77.0.1"}, "the address of tap0")


def test_ipv6_alone_is_enough(server, peer, avahi, stand_in):
    server.remove("10.77.0.1/24")
    server.add("fd77::1/64")
    stand_in(listening_on="::").said("announced as")
    until(lambda: places(peer) == [("fd77::1",)], "a peer to find it")
    seen = until(lambda: avahi.browse("_session-svc._tcp"), "avahi to see it")
    assert {(each.family, each.address) for each in seen} == {("IPv6", "fd77::1")}
    assert answers(peer, "fd77::1")
