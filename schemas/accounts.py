"""Field types for people's names, e-mails and passwords, the same in all dialects."""

import unicodedata
from typing import Any

import regex
from email_validator import SPECIAL_USE_DOMAIN_NAMES, EmailNotValidError, validate_email
from marshmallow import fields

from schemas.fields import Messages, Name

LEAST_NAME, MOST_NAME = 2, 50
LEAST_PASSWORD, MOST_PASSWORD = 6, 100
MOST_EMAIL = 254
SELECTORS = regex.compile(r"[\uFE00-\uFE0F]")  # how an emoji is to look: no part of a name
# Nobody sees these: they make two names look alike.
UNSEEN = regex.compile(r"(?V1)[[\p{Default_Ignorable_Code_Point}\u2800]--[\uFE00-\uFE0F]]")
SPECIAL_USE_DOMAIN_NAMES.clear()  # on a LAN somebody is met at name.local


class Username(Name):
    """A name of printable characters without `@`, which tells e-mails from names."""

    default_error_messages: Messages = {
        "too_short": "Must not be shorter than {least} characters.",
        "not_plain": "Must be printable, and without @.",
    }

    def __init__(self, **kwargs: Any) -> None:
        bounds = {"minLength": LEAST_NAME, "pattern": "^[^@]+$"}
        super().__init__(MOST_NAME, metadata=bounds, **kwargs)

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> str:
        name = super()._deserialize(value, attr, data, **kwargs)
        plain = unicodedata.normalize("NFKC", SELECTORS.sub("", name)).strip()
        if len(plain) < LEAST_NAME:
            raise self.make_error("too_short", least=LEAST_NAME)
        if "@" in plain or not name.isprintable() or UNSEEN.search(name):
            raise self.make_error("not_plain")
        return name


class EmailAddress(fields.Field[str]):
    """An e-mail address by its syntax alone: names of a LAN are fine."""

    default_error_messages: Messages = {
        "not_text": "Must be a string.",
        "not_email": "Must be an e-mail address.",
    }

    def __init__(self, **kwargs: Any) -> None:
        metadata = {"type": "string", "format": "email", "maxLength": MOST_EMAIL}
        super().__init__(metadata=metadata, **kwargs)

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> str:
        if not isinstance(value, str):
            raise self.make_error("not_text")
        address = email(value)
        if address is None:
            raise self.make_error("not_email")
        return address


class Password(fields.Field[str]):
    """A password of any characters; nothing is trimmed."""

    default_error_messages: Messages = {
        "not_text": "Must be a string.",
        "too_short": "Must not be shorter than {least} characters.",
        "too_long": "Must not be longer than {most} characters.",
    }

    def __init__(
        self, least: int = LEAST_PASSWORD, most: int = MOST_PASSWORD, **kwargs: Any
    ) -> None:
        bounds = {"minLength": least, "maxLength": most}
        super().__init__(metadata={"type": "string", "format": "password", **bounds}, **kwargs)
        self._least, self._most = least, most

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> str:
        if not isinstance(value, str):
            raise self.make_error("not_text")
        if len(value) < self._least:
            raise self.make_error("too_short", least=self._least)
        if len(value) > self._most:
            raise self.make_error("too_long", most=self._most)
        return value


def email(value: str) -> str | None:
    """The address in its one form; None where it is none."""
    address = value.strip()
    if len(address) > MOST_EMAIL:  # the validator takes seconds to refuse a million characters
        return None
    try:
        found = validate_email(
            address, check_deliverability=False, globally_deliverable=False, strict=True
        )
    except EmailNotValidError:
        return None
    return found.normalized
