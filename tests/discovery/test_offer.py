"""What is announced fits into its records and is true."""

from dataclasses import replace
from pathlib import Path

import pytest

from app import create_app
from children import APIS
from config import Config
from session_service.dialects.dialect import Dialect
from session_service.discovery import Offer
from session_service.discovery.offer import numbered

ALL_APIS = ("sessions", "chats", "conversations", "phoebe", "message-sessions")
OFFER = Offer("会话服务", "::", 5003, True, "1.2.3", APIS, Path("/data"), ("eth0", "fd00::1"))


def test_the_text_record_tells_what_the_contract_names():
    assert OFFER.text() == {
        "txtvers": "1",
        "path": "/",
        "version": "1.2.3",
        "apis": ",".join(APIS),
        "docs": "/docs",
        "health": "/health",
        "tls": "1",
    }
    assert next(iter(OFFER.text())) == "txtvers"


def test_the_text_record_stays_small_with_every_api():
    text = replace(OFFER, apis=ALL_APIS, version="100.100.100").text()
    assert sum(len(f"{key}={value}") + 1 for key, value in text.items()) < 400


def test_the_apis_are_those_that_the_application_speaks():
    app = create_app(Config(jwt_secret_key="k" * 32))
    dialects = [each for each in app.blueprints.values() if isinstance(each, Dialect)]
    assert set(APIS) <= {each.name for each in dialects}
    # An API may have several; its paths are those of one.
    assert len(APIS) == sum(bool(each.prefixes) for each in dialects)


def test_an_offer_survives_the_command_line():
    assert Offer.from_json(OFFER.to_json()) == OFFER


@pytest.mark.parametrize(
    ("name", "number", "expected"),
    [
        ("Session Service", 1, "Session Service"),
        ("Session Service", 2, "Session Service (2)"),
        ("Session Service", 11, "Session Service (11)"),
        ("x" * 63, 2, "x" * 59 + " (2)"),
        ("会" * 21, 3, "会" * 19 + " (3)"),
    ],
)
def test_later_ones_of_a_name_are_numbered_within_one_label(name, number, expected):
    assert numbered(name, number) == expected
    assert len(expected.encode()) <= 63
