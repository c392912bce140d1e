"""User ids where an API has them as integers; tokens carry them as text."""

import re

from session_service.errors import Forbidden
from session_service.models import ADMIN, User

LARGEST = 2**53 - 1  # what any JSON client can hold
PLAIN = re.compile("[1-9][0-9]{0,15}")


def as_integer(subject: str) -> int | None:
    """The id that a token's subject stands for; None where it is no integer written plainly."""
    number = int(subject) if PLAIN.fullmatch(subject) else None
    return number if number is not None and number <= LARGEST else None


def integer_id(user: User) -> int:
    """The user's id; Forbidden where it is no integer."""
    number = as_integer(user.id)
    if number is None:
        raise Forbidden("user ids are integers here", code="no_integer_id")
    return number


def acting_for(user: User, user_id: int) -> str:
    """The user whom a call is about, as members are known: the caller, or anybody for admins."""
    if integer_id(user) != user_id and user.role != ADMIN:
        raise Forbidden("somebody else's", code="not_yours")
    return str(user_id)
