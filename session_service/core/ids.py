"""Ids of 24 hex digits that know their time, so that a deleted thing's id still marks its place."""

import secrets

MAX_SECONDS = 0xFFFFFFFF
LATEST = 253_402_300_799_999  # the last ms of the year 9999, where dates end


def new_entry_id(at: int) -> str:
    """An id for the time `at` (ms since 1970) that sorts by it: seconds, milliseconds, random.

    As in any ObjectId the first four bytes are the seconds.
    """
    seconds, millis = divmod(at, 1000)
    return f"{min(max(seconds, 0), MAX_SECONDS):08x}{millis:04x}{secrets.token_hex(6)}"


def entry_time(identifier: str) -> int:
    """The time (ms since 1970) that an entry's id was made for; any 24 hex digits have one."""
    return int(identifier[:8], 16) * 1000 + int(identifier[8:12], 16)


def new_log_id(at: int) -> str:
    """An id for the time `at` (ms since 1970) that begins at random: logs spread over shards."""
    return f"{secrets.token_hex(6)}{min(max(at, 0), LATEST):012x}"


def log_time(identifier: str) -> int:
    """The time (ms since 1970) that a log's id was made for; any 24 hex digits have one."""
    return min(int(identifier[12:], 16), LATEST)
