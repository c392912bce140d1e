"""What an HTTP API is made of: an envelope for failures, an authentication, documented routes."""

from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, TypeVar

from flask import request
from flask_smorest import Blueprint
from marshmallow import Schema

from schemas.fields import BODY_MESSAGES
from session_service.dialects.body import BodyParser, has_body, read_object
from session_service.errors import (
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    ServiceError,
    StorageFull,
    TooLarge,
    TooMany,
    Unauthorized,
    Unavailable,
    UnsupportedType,
)

DEFAULT_INVALID = str(BodyParser.DEFAULT_VALIDATION_STATUS)

View = TypeVar("View", bound=Callable[..., Any])

STATUSES: Mapping[type[ServiceError], int] = {
    Invalid: 400,
    Conflict: 400,
    Unauthorized: 401,
    Forbidden: 403,
    NotFound: 404,
    TooLarge: 413,
    UnsupportedType: 415,
    TooMany: 429,
    ServiceError: 500,
    Unavailable: 503,
    StorageFull: 507,
}
ALWAYS = {401, 413, 415, 503}  # what any call that is not public may answer
EXAMPLES: Sequence[ServiceError] = (
    Invalid(errors={"body": ["not_object"]}),
    Unauthorized(code="no_token"),
    Forbidden(),
    NotFound(),
    Conflict(),
    TooLarge(),
    UnsupportedType(),
    TooMany(),
    Unavailable(),
    StorageFull(),
)


class Dialect(Blueprint):  # type: ignore[misc]
    """A Blueprint that speaks one API's language, also when it refuses.

    `prefixes` are the paths below which failures have this dialect's shape: `failure` makes
    their bodies from an error, its HTTP status and its reasons by field. `authenticate` runs
    before every view; a dialect made without one is public. `invalid_schema` documents the
    refusal of bad input where that looks different from other failures.
    """

    ARGUMENTS_PARSER = BodyParser()

    def __init__(
        self,
        name: str,
        *,
        prefixes: tuple[str, ...],
        description: str,
        failure: Callable[[ServiceError, int, Mapping[str, list[str]]], Mapping[str, Any]],
        failure_schema: type[Schema],
        invalid_schema: type[Schema] | None = None,
        authenticate: Callable[[], None] | None = None,
        statuses: Mapping[type[ServiceError], int] | None = None,
        messages: Mapping[str, str] = BODY_MESSAGES,
    ) -> None:
        super().__init__(name, __name__, description=description)
        self.prefixes = prefixes
        self.failure = failure
        self.failure_schema = failure_schema
        self.invalid_schema = invalid_schema or failure_schema
        self.public = authenticate is None
        self._statuses = {**STATUSES, **(statuses or {})}
        self.messages = messages
        self._bodyless: set[str] = set()
        self._prepare_doc_cbks.append(self._document_failures)
        if authenticate is not None:
            self.before_request(authenticate)
            self.before_request(self._refuse_surprising_body)

    def status_of(self, error: ServiceError) -> int:
        """The HTTP status this dialect answers an error with."""
        return next(self._statuses[kind] for kind in type(error).__mro__ if kind in self._statuses)

    def reasons(self, error: ServiceError) -> dict[str, list[str]]:
        """Why a request was refused, by field, in the dialect's language."""
        if not isinstance(error, Invalid):
            return {}
        return {
            field: [self.messages.get(reason, reason) for reason in reasons]
            for field, reasons in error.errors.items()
        }

    def answers(
        self, status: int, schema: Schema, *, example: Any = None, failures: tuple[int, ...] = ()
    ) -> Callable[[View], View]:
        """Documents a view: what it answers, and the failures that only some calls have."""

        def decorate(view: View) -> View:
            documented = self.alt_response(status, schema=schema, example=example, success=True)
            documentation = documented(view)._apidoc  # its wrapper does nothing else
            more = {"failures": failures, "operation": f"{self.name}_{view.__name__}"}
            view._apidoc = documentation | more  # type: ignore[attr-defined]
            return view

        return decorate

    def add_url_rule(
        self, rule: str, endpoint: Any = None, view_func: Any = None, **options: Any
    ) -> None:
        super().add_url_rule(rule, endpoint, view_func, **options)
        documentation = getattr(view_func, "_apidoc", {})
        taken = documentation.get("arguments", {}).get("parameters", ())
        if "requestBody" in documentation.get("manual_doc", {}):
            return
        if not any(each["in"] in ("json", "form") for each in taken):
            self._bodyless.add(f"{self.name}.{self._endpoints[-1]}")

    def _refuse_surprising_body(self) -> None:
        """Calls shown without a body take none, an empty one or an object."""
        if request.endpoint in self._bodyless and has_body():
            read_object()

    def _document_failures(
        self, doc: dict[str, Any], doc_info: dict[str, Any], *, method: str, **_: Any
    ) -> dict[str, Any]:
        """A name for the call, the failures that it may answer, and the token it needs."""
        if "operation" in doc_info:
            doc["operationId"] = doc_info["operation"]
        statuses = set(doc_info.get("failures", ()))
        if not self.public:
            statuses |= ALWAYS | {self._statuses[Invalid]}
            doc["security"] = [{"bearer": []}, {"password": []}]
            if method != "get":
                statuses.add(507)
        responses = doc.setdefault("responses", {})
        responses.pop(DEFAULT_INVALID, None)  # flask-smorest's own word on calls with arguments
        for status in sorted(statuses):
            error = next((e for e in EXAMPLES if self.status_of(e) == status), ServiceError())
            schema = self.invalid_schema if isinstance(error, Invalid) else self.failure_schema
            example = self.failure(error, status, self.reasons(error))
            responses[status] = {
                "description": HTTPStatus(status).phrase,
                "content": {"application/json": {"schema": schema, "example": example}},
            }
        return doc
