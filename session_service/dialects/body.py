"""The bodies of requests: read within their limit, parsed strictly, refused by name."""

import json
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import IO, Any, NoReturn

import orjson
from flask import Request, current_app, request
from webargs.flaskparser import FlaskParser
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.formparser import FormDataParser
from werkzeug.wsgi import get_input_stream

from session_service.errors import Invalid, TooLarge, UnsupportedType

FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")
MOST_PARTS, MOST_PART_BYTES = 100, 64 * 1024
SECRET = "password"  # noqa: S105  the name of a field
SILENCE_S = 20.0  # between two pieces of a body
MAX_INTEGER = 2**63 - 1
MIN_INTEGER = -(2**63)
# What orjson takes and we do not, or takes for something else, cannot hide from this.
SURROGATE = re.compile("[\ud800-\udfff]")
SUSPICIOUS = re.compile(rb"\\u0000|[0-9]{19}")

Link = tuple["Link | None", str | int]  # a key, and what leads to the container it stands in


class BodyParser(FlaskParser):
    """Gives schemas the request's parts, and turns their refusals into Invalid."""

    DEFAULT_VALIDATION_STATUS = 400

    def load_json(self, req: Request, schema: Any) -> Any:
        body = read_list() if schema.many else read_object()
        if body is None:
            raise Invalid(errors={"body": ["missing"]})
        return body

    def load_form(self, req: Request, schema: Any) -> Any:
        return read_form()

    def handle_error(
        self, error: Any, req: Any, schema: Any, *, error_status_code: Any, error_headers: Any
    ) -> NoReturn:
        ((location, messages),) = error.messages.items()
        where = "query" if location == "query" else "body"
        raise Invalid(errors=dict(_flat(messages)), where=where) from error


def read_object() -> dict[str, Any] | None:
    """The request's JSON object, or None when it brings no body at all.

    Raises TooLarge, UnsupportedType or Invalid.
    """
    value = _read_json()
    if value is not None and not isinstance(value[0], dict):
        raise Invalid(errors={"body": ["not_object"]})
    return value[0] if value else None


def read_list() -> list[Any] | None:
    """The same of a JSON list."""
    value = _read_json()
    if value is not None and not isinstance(value[0], list):
        raise Invalid(errors={"body": ["not_list"]})
    return value[0] if value else None


def _read_json() -> tuple[Any] | None:
    """The body's value, or None where there is no body at all."""
    raw = read_body(current_app.config["MAX_CONTENT_LENGTH"])
    if not raw:
        return None
    if not _is_json(request) or _is_encoded(request):
        raise UnsupportedType("the body must be JSON in UTF-8")
    return (parse(raw),)


def read_form() -> dict[str, str]:
    """The request's form, URL-encoded or multipart; of what is sent twice the last.

    What is sent empty counts as not sent.

    Raises TooLarge, UnsupportedType or Invalid.
    """
    raw = read_body(current_app.config["MAX_CONTENT_LENGTH"])
    if raw and (request.mimetype not in FORMS or _is_encoded(request)):
        raise UnsupportedType("the body must be a form")
    try:
        parser = FormDataParser(
            _in_memory, MOST_PART_BYTES, max_form_parts=MOST_PARTS, silent=False
        )
        _, values, _ = parser.parse(
            BytesIO(raw), request.mimetype, len(raw), request.mimetype_params
        )
        form = {name: sent[-1] for name, sent in values.lists() if sent[-1]}
    except (ValueError, RequestEntityTooLarge) as error:
        raise Invalid(errors={"body": ["not_form"]}) from error
    for name, value in form.items():
        if reason := _unfit_text(name + value):
            raise Invalid(errors={name if name.isprintable() else ascii(name): [reason]})
    return form


def _in_memory(*_: Any, **__: Any) -> BytesIO:
    """Where a form's files go, which nobody asked for; the body is in memory already."""
    return BytesIO()


def has_body() -> bool:
    """Whether the request announces a body at all."""
    environ = request.environ
    return bool(environ.get("CONTENT_LENGTH") or environ.get("wsgi.input_terminated"))


def read_body(limit: int) -> bytes:
    """The whole body, also one that comes in chunks; TooLarge when it is over `limit` bytes."""
    if (request.content_length or 0) > limit:
        raise TooLarge(f"the body is larger than {limit} bytes")
    try:
        with body_stream() as stream:
            raw = stream.read(limit + 1)
    except Exception as error:  # servers have their own for bodies that end early or are garbled
        raise Invalid(errors={"body": ["incomplete"]}) from error
    if len(raw) > limit:
        raise TooLarge(f"the body is larger than {limit} bytes")
    if len(raw) < (request.content_length or 0):
        raise Invalid(errors={"body": ["incomplete"]})
    return raw


@contextmanager
def body_stream() -> Iterator[IO[bytes]]:
    """The body as it comes in, whatever its size; a client that falls silent is given up."""
    stream = get_input_stream(request.environ, safe_fallback=True)
    connection = request.environ.get("gunicorn.socket")
    if connection is None:
        yield stream
        return
    connection.settimeout(SILENCE_S)
    try:
        yield stream
    finally:
        connection.settimeout(None)


def parse(raw: bytes) -> Any:
    """The JSON value; Invalid names the field that holds what cannot be kept.

    Not to be kept are NaN and Infinity, lone surrogates, NUL characters and integers beyond
    64 bits.
    """
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError:
        _refuse(raw)
    if SUSPICIOUS.search(raw):
        _inspect(raw)
    return value


def _is_encoded(req: Request) -> bool:
    return req.headers.get("Content-Encoding", "identity").lower() != "identity"


def _is_json(req: Request) -> bool:
    kind = req.mimetype
    charset = req.mimetype_params.get("charset", "utf-8").lower()
    json_kind = kind == "application/json" or (
        kind.startswith("application/") and kind.endswith("+json")
    )
    return json_kind and charset in ("utf-8", "utf8", "us-ascii")


def _refuse(raw: bytes) -> NoReturn:
    _inspect(raw)
    raise Invalid(errors={"body": ["not_json"]})


def _inspect(raw: bytes) -> None:
    """Looks again with a parser that takes everything, to name what is wrong and where."""
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise Invalid(errors={"body": ["not_json"]}) from error
    if found := _unfit(value):
        path, reason = found
        raise Invalid(errors={path: [reason]})


def _unfit(value: Any) -> tuple[str, str] | None:
    """The path of the first thing that cannot be kept, and why.

    Paths are put together for what is found alone: a body may hold half a million values.
    """
    stack: list[tuple[Any, Link | None]] = [([value], None)]
    while stack:
        container, link = stack.pop()
        named = isinstance(container, dict)
        for key, each in container.items() if named else enumerate(container):
            if named and (reason := _unfit_text(str(key))):
                return _path((link, ascii(key))), reason
            if isinstance(each, dict | list):
                stack.append((each, (link, key)))
            elif reason := _unfit_text(each) if isinstance(each, str) else _unfit_number(each):
                return _path((link, key)), reason
    return None


def _path(link: Link | None) -> str:
    keys: list[str] = []
    while link is not None:
        link, key = link
        keys.append(str(key))
    keys = keys[-2::-1]  # the last is the place of the whole
    if SECRET in keys:
        keys = keys[: keys.index(SECRET) + 1]  # what stands inside is not to be told
    return ".".join(keys) or "body"


def _unfit_text(text: str) -> str | None:
    if "\0" in text:
        return "nul"
    return "surrogate" if SURROGATE.search(text) else None


def _unfit_number(value: Any) -> str | None:
    if isinstance(value, float):
        return None if math.isfinite(value) else "not_finite"
    if isinstance(value, int) and not MIN_INTEGER <= value <= MAX_INTEGER:
        return "too_big"
    return None


def _flat(messages: Any, path: str = "") -> Iterator[tuple[str, list[str]]]:
    """Marshmallow's nested messages as pairs of a dotted path and its reasons."""
    if isinstance(messages, dict):
        for key, each in messages.items():
            yield from _flat(each, f"{path}.{key}" if path else str(key))
    else:
        yield path or "body", [str(each) for each in messages]
