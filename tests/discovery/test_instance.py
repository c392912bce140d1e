"""What strangers say of themselves is taken for what it is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from session_service.discovery.instance import instance

TEXT = {"txtvers": "1", "version": "1.0", "apis": "sessions,chats", "tls": "0"}


def made(**changes):
    known = {
        "name": "Session Service",
        "host": "session-service-0a1b.local.",
        "addresses": ["192.168.1.5"],
        "port": 5003,
        "text": TEXT,
    }
    return instance(**(known | changes))


def test_an_instance_knows_where_its_paths_begin():
    assert made().url == "http://192.168.1.5:5003"
    assert made(text={"tls": "1"}).url == "https://192.168.1.5:5003"
    assert made(addresses=["fd00::5"]).url == "http://[fd00::5]:5003"


def test_addresses_come_ipv4_first_and_each_once():
    found = made(addresses=["fd00::5", "192.168.1.5", "10.0.0.9", "192.168.1.5"])
    assert found.addresses == ("10.0.0.9", "192.168.1.5", "fd00::5")


@pytest.mark.parametrize(
    "useless", ["127.0.0.1", "::1", "0.0.0.0", "::", "224.0.0.251", "169.254.1.1", "fe80::1%3"]
)
def test_addresses_that_lead_nowhere_are_left_out(useless):
    assert made(addresses=[useless]) is None
    assert made(addresses=[useless, "10.0.0.9"]).addresses == ("10.0.0.9",)


@pytest.mark.parametrize("port", [0, -1, 65_536])
def test_an_impossible_port_is_no_instance(port):
    assert made(port=port) is None


def test_a_name_cannot_move_the_cursor_or_turn_the_text_around():
    found = made(name="\x1b[2Jevil\n\u202e", host="a\tb.", text={"version": "\x07" * 1000})
    assert found.name == "\N{REPLACEMENT CHARACTER}[2Jevil\n\u202e".replace(
        "\n", "\N{REPLACEMENT CHARACTER}"
    ).replace("\u202e", "\N{REPLACEMENT CHARACTER}")
    assert found.host == "a\N{REPLACEMENT CHARACTER}b"
    assert len(found.version) == 100


def test_missing_words_are_empty():
    found = made(text={})
    assert (found.version, found.apis, found.tls) == ("", (), False)


def test_the_apis_are_bounded():
    assert len(made(text={"apis": ",".join("abcdefgh" * 100)}).apis) == 32


@given(
    name=st.text(),
    host=st.text(),
    addresses=st.lists(st.text() | st.ip_addresses().map(str)),
    port=st.integers(),
    text=st.dictionaries(
        st.sampled_from(["version", "apis", "tls"]) | st.text(), st.none() | st.text()
    ),
)
def test_nothing_that_is_said_makes_it_fail(name, host, addresses, port, text):
    found = instance(name, host, addresses, port, text)
    if found is not None:
        assert found.addresses
        assert all(each.isprintable() for each in (found.name, found.host, found.version))
        assert all(each.isprintable() for each in found.apis)
