"""Which addresses of a host are worth telling others."""

import ifaddr
import pytest

from session_service.addresses import is_loopback, lan_addresses, lan_interfaces, reachable_hosts

HOST = {
    "lo0": ["127.0.0.1", ("::1", 0, 0)],
    "en0": ["192.168.1.5", ("fd00::5", 0, 0), ("fe80::5", 0, 4), "169.254.3.3"],
    "en0:1": ["192.168.1.6"],
    "en1": ["10.1.0.5", ("2001:db8::5", 0, 0)],
    **{
        name: [f"172.17.{number}.1"]
        for number, name in enumerate(
            (
                *("docker0", "br-1a2b3c", "veth0a1b", "virbr0", "vmnet8", "bridge100", "podman0"),
                *("tun0", "tap0", "wg0", "utun3", "ppp0", "tailscale0", "awdl0"),
            )
        )
    },
}


@pytest.fixture(autouse=True)
def _host(monkeypatch):
    adapters = [
        ifaddr.Adapter(name, name, [ifaddr.IP(ip, 24, name) for ip in ips], index=number)
        for number, (name, ips) in enumerate(HOST.items(), 1)
    ]
    monkeypatch.setattr(ifaddr, "get_adapters", lambda: adapters)


def shown(host, only=()):
    return [str(each) for found in lan_interfaces(host, only) for each in found.addresses]


def test_a_server_on_all_ipv4_addresses_is_reached_at_the_real_ones():
    assert shown("0.0.0.0") == ["192.168.1.5", "192.168.1.6", "10.1.0.5"]


def test_a_server_on_all_addresses_is_reached_by_ipv6_as_well():
    assert shown("::") == ["192.168.1.5", "fd00::5", "192.168.1.6", "10.1.0.5", "2001:db8::5"]
    assert [str(each) for each in lan_addresses("::")][-2:] == ["2001:db8::5", "fd00::5"]


@pytest.mark.parametrize("host", ["10.1.0.5", "fd00::5"])
def test_a_server_on_one_address_is_reached_there(host):
    assert shown(host) == [host]


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "203.0.113.9"])
def test_a_server_elsewhere_is_not_reached(host):
    assert shown(host) == []


def test_named_interfaces_go_before_the_rules():
    assert shown("::", ["en1"]) == ["10.1.0.5", "2001:db8::5"]
    assert shown("::", ["wg0", "fe80::5"]) == ["fe80::5", "172.17.9.1"]
    assert shown("0.0.0.0", ["en7"]) == []


def test_loopback_is_for_the_machine_alone():
    assert is_loopback("127.0.0.1")
    assert is_loopback("localhost")
    assert not is_loopback("0.0.0.0")
    assert not is_loopback("::")
    assert not is_loopback("192.168.1.5")


def test_urls_begin_with_the_own_machine():
    assert reachable_hosts("0.0.0.0") == ["127.0.0.1", "10.1.0.5", "192.168.1.5", "192.168.1.6"]
    assert reachable_hosts("fd00::5") == ["[fd00::5]"]
