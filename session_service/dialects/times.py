"""Times as the APIs show them."""

from datetime import datetime, timedelta

EPOCH = datetime(1970, 1, 1)  # in UTC
MILLISECOND = timedelta(milliseconds=1)


def iso_time(at: int) -> str:
    """A time in ms as ISO 8601 in UTC with milliseconds."""
    return f"{(EPOCH + at * MILLISECOND).isoformat(timespec='milliseconds')}Z"


def seconds_time(at: int) -> str:
    """A time in ms as ISO 8601 in UTC to the second, without a zone."""
    return (EPOCH + at * MILLISECOND).isoformat(timespec="seconds")


def plain_time(at: int) -> str:
    """A time in ms as `YYYY-MM-DD HH:MM:SS` in UTC."""
    return (EPOCH + at * MILLISECOND).strftime("%Y-%m-%d %H:%M:%S")
