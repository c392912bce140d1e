"""What can go wrong: one root and a handful of kinds, none of which knows HTTP."""

from collections.abc import Mapping, Sequence


class ServiceError(Exception):
    """The root of every failure the service raises on purpose.

    `code` is a stable name a dialect may translate; the message is for people.
    """

    code = "error"

    def __init__(self, message: str = "", *, code: str | None = None) -> None:
        super().__init__(message or type(self).__name__)
        if code is not None:
            self.code = code


class Invalid(ServiceError):
    """The caller sent something that cannot be accepted.

    `errors` names the fields, `where` the part of the request that they stand in: `body`,
    `query`, `path` or `header`.
    """

    code = "invalid"

    def __init__(
        self,
        message: str = "",
        *,
        errors: Mapping[str, Sequence[str]] | None = None,
        where: str = "body",
    ) -> None:
        super().__init__(message or "invalid request")
        self.errors = dict(errors or {})
        self.where = where


class TooLarge(ServiceError):
    """The body is over its limit."""

    code = "too_large"


class UnsupportedType(ServiceError):
    """The body has a content type that this call does not take."""

    code = "unsupported_type"


class Unauthorized(ServiceError):
    """No token, or one that does not hold."""

    code = "unauthorized"


class Forbidden(ServiceError):
    """The caller is known and may not."""

    code = "forbidden"


class NotFound(ServiceError):
    """There is no such thing, or it may not be seen."""

    code = "not_found"


class Conflict(ServiceError):
    """The request contradicts what is stored."""

    code = "conflict"


class KeyReused(Conflict):
    """An idempotency key was used for another request."""

    code = "key_reused"


class TooMany(ServiceError):
    """The caller goes too fast; `retry_after_s` says when to come again."""

    code = "too_many"

    def __init__(self, message: str = "", *, retry_after_s: int = 1) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Unavailable(ServiceError):
    """The database cannot be reached; nothing is known of what the call did."""

    code = "unavailable"


class StorageFull(ServiceError):
    """The disk is nearly full: nothing is written, reading goes on."""

    code = "storage_full"
