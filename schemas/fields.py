"""Field types that all dialects share.

Their messages are English; a dialect in another language overrides them by key, see
`Vocabulary`.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from marshmallow import EXCLUDE, Schema, fields

BODY_MESSAGES: Mapping[str, str] = {
    "missing": "A JSON object is required.",
    "not_object": "Must be a JSON object.",
    "not_list": "Must be a JSON list.",
    "not_json": "Must be valid JSON in UTF-8.",
    "incomplete": "Could not be read to its end.",
    "nul": "Must not hold NUL characters.",
    "surrogate": "Must not hold lone surrogates.",
    "not_finite": "Must be a finite number.",
    "too_big": "Must fit into 64 bits.",
    "key_too_long": "Must not be longer than 255 characters.",
}

HEX_ID = re.compile("[0-9a-fA-F]{24}")
STORABLE = r"^[^\u0000]*[^\s\u0000][^\u0000]*$"  # what `Text` takes, for the documentation

Messages = dict[str, str | list[Any] | dict[Any, Any]]


def about(text: str, **more: Any) -> dict[str, Any]:
    """Metadata of a field: what the documentation says of it."""
    return {"description": text, **more}


class Vocabulary(Schema):
    """The root of a dialect's schemas: unknown fields are ignored, messages speak its language."""

    class Meta:
        unknown = EXCLUDE

    wording: ClassVar[Mapping[str, str]] = {}

    def on_bind_field(self, field_name: str, field_obj: fields.Field[Any]) -> None:
        for key in field_obj.error_messages:
            if key in self.wording:
                field_obj.error_messages[key] = self.wording[key]


class CamelCase(Vocabulary):
    """Fields are written `sessionId` where the code says `session_id`."""

    def on_bind_field(self, field_name: str, field_obj: fields.Field[Any]) -> None:
        super().on_bind_field(field_name, field_obj)
        first, *others = field_name.split("_")
        field_obj.data_key = "".join([first, *map(str.title, others)])


class Text(fields.Field[str]):
    """Text of at most `most` characters with at least one that is not blank, kept as sent."""

    default_error_messages: Messages = {
        "not_text": "Must be a string.",
        "blank": "Must not be blank.",
        "too_long": "Must not be longer than {most} characters.",
    }

    def __init__(self, most: int, **kwargs: Any) -> None:
        metadata = {"type": "string", "minLength": 1, "maxLength": most, "pattern": STORABLE}
        kwargs["metadata"] = metadata | kwargs.get("metadata", {})
        super().__init__(**kwargs)
        self._most = most

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> str:
        if not isinstance(value, str):
            raise self.make_error("not_text")
        text = self._trimmed(value)
        if not text.strip():
            raise self.make_error("blank")
        if len(text) > self._most:
            raise self.make_error("too_long", most=self._most)
        return text

    def _trimmed(self, value: str) -> str:
        return value


class AnyText(fields.Field[str]):
    """A string, whatever stands in it, if anything."""

    default_error_messages: Messages = {
        "not_text": "Must be a string.",
        "too_long": "Must not be longer than {most} characters.",
    }

    def __init__(self, most: int | None = None, **kwargs: Any) -> None:
        bound = {} if most is None else {"maxLength": most}
        kwargs["metadata"] = {"type": "string", **bound} | kwargs.get("metadata", {})
        super().__init__(**kwargs)
        self._most = most

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> str:
        if not isinstance(value, str):
            raise self.make_error("not_text")
        if self._most is not None and len(value) > self._most:
            raise self.make_error("too_long", most=self._most)
        return value


class Name(Text):
    """A name or title: the same, without the white space around it."""

    def _trimmed(self, value: str) -> str:
        return value.strip()


class Prose(Text):
    """Text that may be empty; blanks alone count as that."""

    def __init__(self, most: int, **kwargs: Any) -> None:
        super().__init__(most, **kwargs)
        del self.metadata["minLength"], self.metadata["pattern"]

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> str:
        if isinstance(value, str) and not value.strip():
            return ""
        return super()._deserialize(value, attr, data, **kwargs)


class OneOf(fields.Field[str]):
    """One of a few words."""

    default_error_messages: Messages = {
        "not_text": "Must be a string.",
        "not_one_of": "Must be one of {choices}.",
    }

    def __init__(self, choices: Sequence[str], **kwargs: Any) -> None:
        none = (None,) if kwargs.get("allow_none") else ()
        metadata = {"type": "string", "enum": [*choices, *none]}
        kwargs["metadata"] = metadata | kwargs.get("metadata", {})
        super().__init__(**kwargs)
        self._choices = choices

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> str:
        if not isinstance(value, str):
            raise self.make_error("not_text")
        if value not in self._choices:
            *others, last = map(repr, self._choices)
            choices = f"{', '.join(others)} or {last}" if others else last
            raise self.make_error("not_one_of", choices=choices)
        return value


class Flag(fields.Field[bool]):
    """True or false, and nothing that looks like it."""

    default_error_messages: Messages = {"not_flag": "Must be true or false."}

    def __init__(self, **kwargs: Any) -> None:
        kwargs["metadata"] = {"type": "boolean"} | kwargs.get("metadata", {})
        super().__init__(**kwargs)

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> bool:
        if not isinstance(value, bool):
            raise self.make_error("not_flag")
        return value


class Whole(fields.Field[int]):
    """A whole number of a JSON body, from `least` to `most`: no boolean, fraction or text."""

    default_error_messages: Messages = {
        "not_whole": "Must be a whole number from {least} to {most}.",
    }

    def __init__(self, least: int, most: int, **kwargs: Any) -> None:
        metadata = {"type": "integer", "minimum": least, "maximum": most}
        kwargs["metadata"] = metadata | kwargs.get("metadata", {})
        super().__init__(**kwargs)
        self._range = {"least": least, "most": most}

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> int:
        if type(value) is not int or not self._range["least"] <= value <= self._range["most"]:
            raise self.make_error("not_whole", **self._range)
        return value


class Count(Whole):
    """The same in a query string."""

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> int:
        plain = isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20
        return super()._deserialize(int(value) if plain else None, attr, data, **kwargs)


class HexId(fields.Field[str]):
    """An id of 24 hex digits."""

    default_error_messages: Messages = {"not_id": "Must be an id of 24 hex digits."}

    def __init__(self, **kwargs: Any) -> None:
        metadata = {"type": "string", "pattern": "^[0-9a-fA-F]{24}$"}
        kwargs["metadata"] = metadata | kwargs.get("metadata", {})
        super().__init__(**kwargs)

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> str:
        if not isinstance(value, str) or not is_hex_id(value):
            raise self.make_error("not_id")
        return value.lower()


def is_hex_id(value: str) -> bool:
    """Whether the text is 24 hex digits."""
    return HEX_ID.fullmatch(value) is not None
