"""Times as clients write them."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

from marshmallow import fields

from schemas.fields import Messages

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MOMENT = re.compile(
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d([.,]\d{1,9})?)?(Z|[+-]\d\d(:?\d\d)?)?", re.ASCII
)
ZONED = re.compile(r":\d\d([.,]\d+)?(Z|[+-]\d\d(:?\d\d)?)\Z")
A_TIME = {"type": "string", "example": "2024-01-01T00:00:00"}


class Moment(fields.Field[int]):
    """A time of ISO 8601, in UTC where it names no zone, as ms since 1970."""

    default_error_messages: Messages = {
        "not_moment": "Must be a time like 2024-01-01T00:00:00 from 1970 on.",
    }

    def __init__(self, **kwargs: Any) -> None:
        kwargs["metadata"] = {**A_TIME, "format": "date-time"} | kwargs.get("metadata", {})
        super().__init__(**kwargs)

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> int:
        if not isinstance(value, str) or not MOMENT.fullmatch(value):
            raise self.make_error("not_moment")
        try:
            time = datetime.fromisoformat(value)
            since = (time if time.tzinfo else time.replace(tzinfo=UTC)) - EPOCH
        except (ValueError, OverflowError) as error:
            raise self.make_error("not_moment") from error
        if since < timedelta():
            raise self.make_error("not_moment")
        return since // timedelta(milliseconds=1)


class ZonedMoment(Moment):
    """The same, with its zone."""

    default_error_messages: Messages = {
        "not_moment": "Must be a time like 2026-01-09T10:00:00+08:00, with its zone.",
    }

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> int:
        if not isinstance(value, str) or not ZONED.search(value):
            raise self.make_error("not_moment")
        return super()._deserialize(value, attr, data, **kwargs)


class QueryMoment(Moment):
    """The same in a query string, where a `+` that nobody has encoded has become a blank."""

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> int:
        date, time = value[:11], value[11:]
        return super()._deserialize(date + time.replace(" ", "+"), attr, data, **kwargs)
