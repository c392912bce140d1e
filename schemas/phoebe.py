"""The words of the Phoebe API: users and the index pool. Source: Phoebe Service API."""

from typing import Any

from marshmallow import Schema, fields, validate

from schemas.accounts import EmailAddress, Password, Username
from schemas.fields import AnyText, CamelCase, Count, Name, Prose, Text, Vocabulary
from schemas.times import ZonedMoment

MOST_ID = 2**53 - 1
MOST_URL = 2048
MOST_FOREIGN_ID = 200
MOST_TAGS, MOST_TAG = 50, 50
A_TIME = {"format": "date-time", "example": "2026-01-09T02:00:00.000Z"}
INDEX_STATUSES = ("AVAILABLE", "ASSIGNED", "DISABLED")


class Url(Text):
    """An http(s) URL, or a path of this service."""

    def __init__(self, **kwargs: Any) -> None:
        shape = {"pattern": r"^(https?://|/)[^\s\"<>\\^`{|}]+$"}
        super().__init__(MOST_URL, metadata=shape, validate=self._check, **kwargs)

    @staticmethod
    def _check(value: str) -> None:
        validate.Regexp(
            r"(?i)(https?://|/)[^\s\"<>\\^`{|}]+\Z", error="Must be an http(s) URL or a path."
        )(value)


class Credentials(Vocabulary):
    username = Text(1000, required=True)
    password = Password(1, 1000, required=True)


class NewUser(CamelCase):
    username = Username(required=True)
    password = Password(required=True)
    email = EmailAddress(allow_none=True, load_default=None)
    phone = Name(50, allow_none=True, load_default=None)
    nickname = Name(50, allow_none=True, load_default=None)
    avatar_url = Url(allow_none=True, load_default=None)


class UserChange(CamelCase):
    username = Username()
    password = Password()
    email = EmailAddress(allow_none=True)
    phone = Name(50, allow_none=True)
    nickname = Name(50, allow_none=True)
    avatar_url = Url(allow_none=True)


class UsersQuery(CamelCase):
    status = Count(0, 1, load_default=None)
    keyword = fields.String(
        load_default=None, validate=validate.Length(0, 200, error="Must be at most {max} long.")
    )


class NewIndex(CamelCase):
    index_id = Name(MOST_FOREIGN_ID, required=True)
    category_id = Name(MOST_FOREIGN_ID, required=True)
    index_name = Name(200, allow_none=True, load_default=None)


def new_note(title_limit: int, limit: int, comment_limit: int) -> Schema:
    """The body that brings a note; limits in characters."""

    class NewNote(CamelCase):
        source = Name(MOST_FOREIGN_ID, required=True)
        title = Name(title_limit, allow_none=True, load_default=None)
        content = Text(limit, required=True)
        comment = Prose(comment_limit, allow_none=True, load_default=None)
        tags = tag_list(load_default=None)
        created_at = ZonedMoment(required=True)

    return NewNote()


def note_change(title_limit: int, limit: int, comment_limit: int) -> Schema:
    """The body that changes a note; limits in characters."""

    class NoteChange(CamelCase):
        source = Name(MOST_FOREIGN_ID)
        title = Name(title_limit, allow_none=True)
        content = Text(limit)
        comment = Prose(comment_limit, allow_none=True)
        tags = tag_list()
        created_at = ZonedMoment()

    return NoteChange()


def tag_list(**kwargs: Any) -> fields.Field[Any]:
    """A note's tags; none for null."""
    return fields.List(
        Name(MOST_TAG),
        allow_none=True,
        validate=validate.Length(0, MOST_TAGS, error="Must be at most {max} tags."),
        **kwargs,
    )


class NotesQuery(CamelCase):
    source = AnyText(MOST_FOREIGN_ID, load_default=None)
    tag = AnyText(MOST_TAG, load_default=None)
    q = AnyText(1000, load_default=None, metadata={"description": "words to look for"})
    limit = Count(1, 1000, load_default=None)
    before = Count(1, MOST_ID, load_default=None, metadata={"description": "a note's id"})


class NoteStored(Vocabulary):
    id = fields.Integer(required=True)
    status = fields.String(required=True, validate=validate.OneOf(("stored", "deleted")))


class NoteShown(CamelCase):
    id = fields.Integer(required=True)
    user_id = fields.Integer(required=True)
    source = fields.String(required=True)
    title = fields.String(required=True, allow_none=True)
    content = fields.String(required=True)
    comment = fields.String(required=True, allow_none=True)
    tags = fields.List(fields.String(), required=True)
    status = fields.String(required=True, validate=validate.OneOf(("active", "deleted")))
    created_at = fields.String(required=True, metadata=A_TIME)
    updated_at = fields.String(required=True, metadata=A_TIME)


class PhoebeUser(CamelCase):
    """E-mail, phone and last login are told to the user itself and to admins alone."""

    id = fields.Integer(required=True)
    username = fields.String(required=True)
    email = fields.String(required=True, allow_none=True)
    phone = fields.String(required=True, allow_none=True)
    nickname = fields.String(required=True, allow_none=True)
    avatar_url = fields.String(required=True, allow_none=True)
    status = fields.Integer(required=True, validate=validate.OneOf((0, 1)))
    created_at = fields.String(required=True, allow_none=True, metadata=A_TIME)
    updated_at = fields.String(required=True, allow_none=True, metadata=A_TIME)
    last_login_at = fields.String(required=True, allow_none=True, metadata=A_TIME)


class LoggedIn(CamelCase):
    token = fields.String(required=True)
    id = fields.Integer(required=True)
    username = fields.String(required=True)
    nickname = fields.String(required=True, allow_none=True)
    email = fields.String(required=True, allow_none=True)
    phone = fields.String(required=True, allow_none=True)
    avatar_url = fields.String(required=True, allow_none=True)


class UserStats(Vocabulary):
    total = fields.Integer(required=True)
    active = fields.Integer(required=True)
    disabled = fields.Integer(required=True)


class Done(Vocabulary):
    message = fields.String(required=True)


class DeletedUser(Done):
    id = fields.Integer(required=True)


class BailianIndexPool(CamelCase):
    id = fields.Integer(required=True)
    index_id = fields.String(required=True)
    category_id = fields.String(required=True)
    index_name = fields.String(required=True, allow_none=True)
    status = fields.String(required=True, validate=validate.OneOf(INDEX_STATUSES))
    user_id = fields.Integer(required=True, allow_none=True)
    assigned_at = fields.String(required=True, allow_none=True, metadata=A_TIME)
    created_at = fields.String(required=True, metadata=A_TIME)
    updated_at = fields.String(required=True, metadata=A_TIME)


class PoolStats(Vocabulary):
    total = fields.Integer(required=True)
    available = fields.Integer(required=True)
    assigned = fields.Integer(required=True)
    disabled = fields.Integer(required=True)


class AddedIndexes(Done):
    requested = fields.Integer(required=True)
    added = fields.Integer(required=True)


class AssignedIndex(CamelCase):
    user_id = fields.Integer(required=True)
    index_id = fields.String(required=True)
    category_id = fields.String(required=True)
    message = fields.String(required=True)


class PhoebeFailure(Vocabulary):
    error = fields.String(required=True)


class PhoebeInvalid(PhoebeFailure):
    details = fields.Dict(
        keys=fields.String(), values=fields.String(), metadata={"description": "reasons by field"}
    )
