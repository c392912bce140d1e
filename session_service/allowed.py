"""What single settings may hold beyond their type: checks for environs, which names the variable.

None is a variable that is not set.
"""

import ipaddress
import re
from collections.abc import Callable
from pathlib import Path

from environs import ValidationError
from marshmallow import fields

from schemas.accounts import EmailAddress, Password, Username

MIN_TOKEN_CHARS = 16

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def filled(value: str) -> None:
    if not value.strip():
        raise ValidationError("Must not be empty.")


def existing_file(path: Path | None) -> None:
    if path is not None and not path.is_file():
        raise ValidationError("Must be a file that exists.")


def mongo_uri(value: str | None) -> None:
    if value and not value.startswith(("mongodb://", "mongodb+srv://")):
        raise ValidationError("Must begin with mongodb:// or mongodb+srv://.")


def database_name(value: str) -> None:
    if not value or len(value) > 63 or set(value) & set('/\\. "$*<>:|?\0'):
        raise ValidationError("Must be the name of a database.")


def origins(values: list[str]) -> None:
    for value in values:
        if value != "*" and not re.fullmatch(r"https?://[^/\s]+/?", value):
            raise ValidationError("Must be * or a list like http://host:port.")


def instance_name(value: str) -> None:
    # One DNS label, with room for the number of the second one of that name.
    if not value.strip() or len(value.encode()) > 58 or "." in value or not value.isprintable():
        raise ValidationError("Must be a name of 1 to 58 bytes in UTF-8 without a dot.")


def base_url(value: str) -> None:
    place = re.fullmatch(r"https?://([^/\s@?#:\[\]]+|\[[0-9a-f:.]+\])(:\d+)?(/[^\s@?#]*)?", value)
    port = place and int((place[2] or ":1")[1:])
    if not port or port > 65_535 or value.rstrip("/").endswith("/completions"):
        raise ValidationError(
            "Must be like https://host:port/v1, without user, query and /chat/completions."
        )


def temperature(value: float | None) -> None:
    if value is not None and not 0 <= value <= 2:
        raise ValidationError("Must be from 0 to 2.")


def header_value(value: str) -> None:
    if value and not re.fullmatch(r"[!-~]+", value):
        raise ValidationError("Must be ASCII without blanks.")


def token(value: str | None) -> None:
    if value and not re.fullmatch(rf"[!-~]{{{MIN_TOKEN_CHARS},}}", value):
        raise ValidationError(
            f"Must be {MIN_TOKEN_CHARS} characters or more, ASCII without blanks."
        )


def networks(values: list[str]) -> None:
    for value in values:
        try:
            network(value)
        except ValueError as error:
            raise ValidationError(
                "Must be a list of addresses or networks like 10.0.0.0/8."
            ) from error


def network(value: str) -> Network:
    """An address, or a range of them."""
    return ipaddress.ip_network(value.strip())


def as_stored(field: fields.Field[str]) -> Callable[[str], str]:
    """Takes what the API would take, and gives what it would store; empty stays empty."""
    return lambda value: field.deserialize(value) if value else ""


PARSERS = {
    "username": as_stored(Username()),
    "password": as_stored(Password()),
    "email": as_stored(EmailAddress()),
}


def origin(value: str) -> str:
    """As a browser sends it."""
    return value.rstrip("/")


def interface(name_or_address: str) -> str:
    """The one way to write an address; a name stays as it is."""
    text = name_or_address.strip()
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return text
