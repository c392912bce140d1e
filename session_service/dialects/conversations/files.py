"""Uploads, and the files that pages show."""

from typing import Any
from urllib.parse import quote

from flask import Response, g, request
from marshmallow import fields
from werkzeug.exceptions import RequestedRangeNotSatisfiable, RequestEntityTooLarge
from werkzeug.formparser import FormDataParser

import schemas.conversations as words
from session_service.core.files import Files, Upload
from session_service.dialects.body import body_stream
from session_service.dialects.conversations.envelope import failure, success
from session_service.dialects.dialect import Dialect
from session_service.errors import Invalid, NotFound, ServiceError, TooLarge, UnsupportedType
from session_service.models import StoredFile

UPLOAD = "/api/v1/upload"
FILES = "/api/v1/files"
MULTIPART = "multipart/form-data"
OVERHEAD = 64 * 1024  # bytes of a body beside the file
MOST_PARTS = 20
BUFFERED = 512 * 1024  # bytes that the form's parser may hold
SHOWN_INLINE = ("image/", "audio/", "video/", "application/pdf")
HEADERS = {
    "Accept-Ranges": "bytes",
    "Cache-Control": "private, max-age=31536000, immutable",
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "Cross-Origin-Resource-Policy": "cross-origin",
}
FORM = {
    "required": True,
    "content": {
        MULTIPART: {
            "schema": {
                "type": "object",
                "properties": {"file": {"type": "string", "format": "binary"}},
                "required": ["file"],
            }
        }
    },
}
FILE = {
    "url": "/api/v1/files/0f6c2ad1c9e94d5f8b7a3e2d1c0b9a88/example.pdf",
    "file_name": "example.pdf",
    "file_size": 1024,
    "file_type": "application/pdf",
}


def add_upload_route(dialect: Dialect, files: Files) -> None:
    @dialect.post(UPLOAD)
    @dialect.doc(requestBody=FORM)
    @dialect.answers(
        200,
        words.answer(
            "Uploaded",
            url=fields.String(),
            file_name=fields.String(),
            file_size=fields.Integer(),
            file_type=fields.String(),
        ),
        example=success(**FILE),
        failures=(429,),
    )
    def upload() -> dict[str, Any]:
        """上传文件 · Upload a file, to name its URL in a message within a day.

        A form (`multipart/form-data`) with the field `file`. The type is found out from the
        content. 413 for a file that is too large, 429 over the quota of a day.
        """
        file = receive(files)
        return success(
            url=f"{FILES}/{file.id}/{quote(file.name, safe='')}",
            file_name=file.name,
            file_size=file.size,
            file_type=file.type,
        )


def add_download_route(public: Dialect, files: Files) -> None:
    @public.get(f"{FILES}/<file_id>/<name>")
    @public.alt_response(
        200,
        schema={"type": "string", "format": "binary"},
        content_type="application/octet-stream",
        success=True,
    )
    @public.alt_response(
        404, schema=words.Answer(), example=failure(NotFound(code="no_such_file"), 404, {})
    )
    @public.doc(operationId="files_download")
    def download(file_id: str, name: str) -> Response:
        """下载文件 · A file, or a range of it; needs no token, whoever knows the id may see it."""
        file = files.find(file_id)
        del name  # for people, and for the names of downloads
        response = Response(mimetype=file.type, headers=HEADERS)
        inline = file.type.startswith(SHOWN_INLINE)
        response.headers["Content-Disposition"] = (
            f"{'inline' if inline else 'attachment'}; filename*=UTF-8''{quote(file.name, safe='')}"
        )
        response.set_etag(file.id)
        response.make_conditional(request)
        if response.status_code != 304:
            fill(response, files, file)
        return response


def receive(files: Files) -> StoredFile:
    """The file of the request's form, stored as it comes in; leaves nothing where that fails."""
    announced = request.content_length
    if request.mimetype != MULTIPART:
        raise UnsupportedType("the body must be a multipart form")
    if announced is not None and announced > files.most + OVERHEAD:
        raise TooLarge("the file is too large")
    uploads: list[Upload] = []

    def begin(
        total_content_length: int | None,
        content_type: str | None,
        filename: str | None,
        content_length: int | None = None,
    ) -> Any:
        most = files.most if announced is None else min(announced, files.most)
        uploads.append(files.receive(g.user, filename or "", most))
        return Sink(uploads[-1])

    try:
        with body_stream() as stream:
            parser = FormDataParser(begin, BUFFERED, max_form_parts=MOST_PARTS, silent=False)
            _, _, sent = parser.parse(stream, MULTIPART, announced, request.mimetype_params)
        if list(sent) != ["file"] or len(uploads) != 1:
            raise Invalid(errors={"file": ["Must be one file in a multipart form."]})
        return uploads[0].finish()
    except ServiceError:
        _abandon(uploads)
        raise
    except RequestEntityTooLarge as error:
        _abandon(uploads)
        raise TooLarge("the form is too large") from error
    except Exception as error:  # servers have their own for bodies that end early
        _abandon(uploads)
        raise Invalid(errors={"body": ["incomplete"]}) from error


def fill(response: Response, files: Files, file: StoredFile) -> None:
    """Gives a response the file's bytes, or the one range of them that is asked for."""
    start, end = 0, file.size
    asked = request.range
    if asked is not None and asked.units == "bytes" and len(asked.ranges) == 1 and _unchanged(file):
        span = asked.range_for_length(file.size)
        if span is None:
            raise RequestedRangeNotSatisfiable(file.size)
        start, end = span
        response.status_code = 206
        response.headers["Content-Range"] = f"bytes {start}-{end - 1}/{file.size}"
    response.content_length = end - start
    response.response = files.read(file, start, end)


def _unchanged(file: StoredFile) -> bool:
    condition = request.if_range
    return condition.date is None and condition.etag in (None, file.id)


def _abandon(uploads: list[Upload]) -> None:
    for each in uploads:
        each.abandon()


class Sink:
    """What a form's parser takes for the file that it writes to."""

    def __init__(self, upload: Upload) -> None:
        self.write = upload.write

    def seek(self, _place: int) -> int:
        return 0
