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
# How any call may fail that reads something of its request.
ALWAYS: Sequence[ServiceError] = (
    Invalid(errors={"body": ["not_object"]}),
    TooLarge(),
    UnsupportedType(),
    Unavailable(),
)
RETRY_AFTER = {
    "Retry-After": {
        "description": "seconds until it makes sense to try again",
        "schema": {"type": "integer", "minimum": 1},
    }
}


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
        self,
        status: int,
        schema: Schema,
        *,
        example: Any = None,
        failures: Sequence[ServiceError] = (),
        reads: bool = False,
    ) -> Callable[[View], View]:
        """Documents a view: what it answers, and the failures that only some calls have.

        `reads` is for what stores nothing although it is no GET: no full disk hinders it.
        """

        def decorate(view: View) -> View:
            documented = self.alt_response(status, schema=schema, example=example, success=True)
            documentation = documented(view)._apidoc  # its wrapper does nothing else
            more = {
                "failures": failures,
                "reads": reads,
                "operation": f"{self.name}_{view.__name__}",
            }
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
        failures: list[ServiceError] = []
        if not self.public or "arguments" in doc_info:
            reads = method == "get" or doc_info.get("reads")
            failures += ALWAYS if reads else [*ALWAYS, StorageFull()]
        if not self.public:
            failures.append(Unauthorized(code="no_token"))
            doc["security"] = [{"bearer": []}, {"password": []}]
        responses = doc.setdefault("responses", {})
        # flask-smorest's own word on calls with arguments
        responses.pop(BodyParser.DEFAULT_VALIDATION_STATUS, None)
        failures += doc_info.get("failures", ())
        for error in sorted(failures, key=self.status_of):
            responses[self.status_of(error)] = self._documented(error)
        return doc

    def _documented(self, error: ServiceError) -> dict[str, Any]:
        status = self.status_of(error)
        schema = self.invalid_schema if isinstance(error, Invalid) else self.failure_schema
        example = self.failure(error, status, self.reasons(error))
        documented: dict[str, Any] = {
            "description": HTTPStatus(status).phrase,
            "content": {"application/json": {"schema": schema, "example": example}},
        }
        if isinstance(error, TooMany | Unavailable):
            documented["headers"] = RETRY_AFTER
        return documented
