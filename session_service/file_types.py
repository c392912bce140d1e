"""What a file is, from its first bytes; the door of filetype."""

import filetype


def sniff(beginning: bytes) -> str | None:
    """The MIME type of what begins like this; None where it is not known."""
    try:
        found: str | None = filetype.guess_mime(beginning)
    except RecursionError:  # it follows the empty frames of a zstd archive one by one
        return None
    return found
