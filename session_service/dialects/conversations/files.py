"""Uploads, and the files that pages show."""

from collections.abc import Iterator
from errno import ECONNRESET
from typing import Any
from urllib.parse import quote

import structlog
from flask import Response, g, request
from marshmallow import fields
from werkzeug.exceptions import RequestedRangeNotSatisfiable
from werkzeug.sansio.multipart import Data, File

import schemas.conversation_answers as answers
from schemas.fields import about
from session_service.core.files import Files, path_name_of
from session_service.dialects.body import body_stream
from session_service.dialects.conversations.envelope import (
    NO_INTEGER_ID,
    failure,
    success,
)
from session_service.dialects.dialect import RETRY_AFTER, Dialect
from session_service.dialects.form_file import MULTIPART, check_form, file_in_form
from session_service.errors import NotFound, ServiceError, TooMany, Unavailable
from session_service.models import StoredFile

UPLOAD = "/api/v1/upload"
FILES = "/api/v1/files"
FIELD = "file"
SHOWN_INLINE = ("image/", "audio/", "video/", "application/pdf")
HEADERS = {
    "Accept-Ranges": "bytes",
    "Cache-Control": "private, max-age=31536000, immutable",
    "Access-Control-Allow-Origin": "*",  # a sandboxed player counts as another origin
    "Content-Security-Policy": (
        "sandbox; default-src 'none'; "
        "img-src 'self'; media-src 'self'; style-src 'unsafe-inline'"  # of the browser's viewers
    ),
    "Cross-Origin-Resource-Policy": "cross-origin",
}
FORM = {
    "required": True,
    "content": {
        MULTIPART: {
            "schema": {
                "type": "object",
                "properties": {FIELD: {"type": "string", "format": "binary"}},
                "required": [FIELD],
            },
            "example": {FIELD: "(the bytes of example.pdf)"},
        }
    },
}
FILE = {
    "url": "/api/v1/files/0f6c2ad1c9e94d5f8b7a3e2d1c0b9a88/example.pdf",
    "file_name": "example.pdf",
    "file_size": 1024,
    "file_type": "application/pdf",
}
BYTES: dict[str, Any] = {
    "schema": {"type": "string", "format": "binary"},
    "content_type": "*/*",
}
RANGE = {
    "in": "header",
    "name": "Range",
    "description": "one range of bytes; of several the whole file is sent",
    "schema": {"type": "string"},
    "example": "bytes=0-1023",
}

log = structlog.get_logger(__name__)


def add_upload_route(dialect: Dialect, files: Files) -> None:
    @dialect.post(UPLOAD)
    @dialect.doc(requestBody=FORM, tags=["files"])
    @dialect.answers(
        200,
        answers.answer(
            "Uploaded",
            url=fields.String(metadata=about("a path of this service: a message's `content`")),
            file_name=fields.String(metadata=about("as it was sent, without folders")),
            file_size=fields.Integer(metadata=about("in bytes")),
            file_type=fields.String(metadata=about("a MIME type, found out from the content")),
        ),
        example=success(**FILE),
        failures=(*NO_INTEGER_ID, TooMany()),
    )
    def upload() -> dict[str, Any]:
        """上传文件 · Upload a file, to be named by a message within a day.

        Give the answer's `url` as the `content` of a message, beside `file_name`, `file_size`
        and `file_type`. The type is found out from the content; `application/octet-stream` is
        what is not known, plain text among it. 413 for a file that is too large, 429 over the
        quota of a day. A file that no message names is removed after a day.
        """
        file = receive(files)
        return success(
            url=f"{FILES}/{file.id}/{quote(path_name_of(file), safe='')}",
            file_name=file.name,
            file_size=file.size,
            file_type=file.type,
        )


def add_download_route(public: Dialect, files: Files) -> None:
    @public.get(f"{FILES}/<file_id>/<name>", parameters=[RANGE])
    @public.alt_response(200, **BYTES, success=True)
    @public.alt_response(206, **BYTES)
    @public.alt_response(304)
    @public.alt_response(404, **refusal(NotFound(code="no_such_file"), 404))
    @public.alt_response(416, **refusal(ServiceError(), 416))
    @public.alt_response(503, **refusal(Unavailable(), 503), headers=RETRY_AFTER)
    @public.doc(operationId="files_download")
    def download(file_id: str, name: str) -> Response:
        """下载文件 · A file, or a range of it; needs no token.

        Whoever knows the path may see it, so that `<img src>` can show it. Images, audio, video
        and PDF are shown, everything else is downloaded.
        """
        del name  # for people, and for the names of downloads
        file = files.find(file_id)
        response = Response(mimetype=file.type, headers=HEADERS)
        response.headers["Content-Disposition"] = disposition(file)
        response.set_etag(file.id)
        if request.if_none_match.contains_weak(file.id):
            response.status_code = 304
            return response
        start, end = 0, file.size
        if asked := asked_range(file):
            start, end = asked
            response.status_code = 206
            response.headers["Content-Range"] = f"bytes {start}-{end - 1}/{file.size}"
        response.content_length = end - start
        response.response = whole_or_cut_off(files.read(file, start, end))
        return response


def refusal(error: ServiceError, status: int) -> dict[str, Any]:
    """The documentation of a call that is refused."""
    return {"schema": answers.Answer(), "example": failure(error, status, {})}


def receive(files: Files) -> StoredFile:
    """The file of the request's form, stored as it comes in; leaves nothing where that fails."""
    check_form(files.most)
    with body_stream() as stream:
        parts = file_in_form(stream, FIELD, files.most)
        head = next(parts)
        assert isinstance(head, File)  # noqa: S101  what comes first
        with files.receive(g.user, head.filename, request.content_length) as upload:
            for part in parts:
                assert isinstance(part, Data)  # noqa: S101  there is one file only
                upload.write(part.data)
            return upload.finish()


def disposition(file: StoredFile) -> str:
    """Whether browsers show a file, and the name under which they store it."""
    kind = "inline" if file.type.startswith(SHOWN_INLINE) else "attachment"
    return f"{kind}; filename*=UTF-8''{quote(file.name, safe='')}"


def asked_range(file: StoredFile) -> tuple[int, int] | None:
    """Where the one range of bytes begins and ends that is asked for; None for the whole file."""
    asked, etag = request.range, f'"{file.id}"'
    if request.method != "GET" or request.headers.get("If-Range", etag) != etag:
        return None
    if asked is None or asked.units != "bytes" or len(asked.ranges) != 1:
        return None
    first, last = asked.ranges[0]
    start = first if first >= 0 else max(file.size + first, 0)
    end = file.size if last is None else min(last, file.size)
    if start >= end:
        raise RequestedRangeNotSatisfiable(file.size)
    return start, end


def whole_or_cut_off(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The pieces; where one fails, the connection ends, so that nobody takes a part for it all."""
    try:
        yield from pieces
    except ServiceError as error:
        log.warning("download cut off", error=type(error).__name__)
        raise ConnectionResetError(ECONNRESET, "cut off") from error
