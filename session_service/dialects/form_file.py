"""The one file of a multipart form, piece by piece, as it comes in."""

from collections.abc import Iterator
from typing import IO

from flask import request
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.sansio.multipart import Data, Epilogue, Event, Field, File, MultipartDecoder, NeedData

from session_service.errors import Invalid, TooLarge, UnsupportedType

MULTIPART = "multipart/form-data"
OVERHEAD = 64 * 1024  # bytes of a form beside its file
MOST_PARTS = 20
PIECE = 32 * 1024
BUFFERED = 48 * 1024  # bytes that the decoder may hold, for long heads of parts hold up a worker


def check_form(most: int) -> None:
    """Refuses what announces to be no form, or one that is too large for a file of `most` bytes."""
    if request.mimetype != MULTIPART:
        raise UnsupportedType("the body must be a multipart form")
    if (request.content_length or 0) > most + OVERHEAD:
        raise TooLarge("the file is too large")


def file_in_form(stream: IO[bytes], field: str, most: int) -> Iterator[File | Data]:
    """The head of the file in that field, then its content; other fields are passed over.

    Invalid when there is none, which a form without a chosen file has, or more than one.
    TooLarge when the form is over `most` bytes, beside what forms consist of.
    """
    found, ours, chosen = False, False, False
    for event in _events(_pieces(stream, most + OVERHEAD)):
        if isinstance(event, File | Field):
            ours = event.name == field
            if ours and (found or isinstance(event, Field)):
                raise Invalid(errors={field: ["Must be one file."]})
            found = found or ours
        if ours and isinstance(event, File | Data):
            chosen |= bool(event.filename if isinstance(event, File) else event.data)
            yield event
    if not chosen:
        raise Invalid(errors={field: ["Missing data for required field."]})


def _events(pieces: Iterator[bytes]) -> Iterator[Event]:
    try:
        decoder = MultipartDecoder(_boundary(), BUFFERED, max_parts=MOST_PARTS)
        while True:
            decoder.receive_data(next(pieces, None))
            while not isinstance(event := decoder.next_event(), NeedData):
                if isinstance(event, Epilogue):
                    return
                yield event
    except RequestEntityTooLarge as error:
        raise TooLarge("the form is too large") from error
    except ValueError as error:
        raise Invalid(errors={"body": ["Must be a multipart form."]}) from error


def _boundary() -> bytes:
    boundary = request.mimetype_params.get("boundary", "").encode("ascii")
    if not boundary:
        raise ValueError("no boundary")
    return boundary


def _pieces(stream: IO[bytes], most: int) -> Iterator[bytes]:
    while piece := _read(stream):
        most -= len(piece)
        if most < 0:
            raise TooLarge("the form is too large")
        yield piece


def _read(stream: IO[bytes]) -> bytes:
    try:
        return stream.read(PIECE)
    except Exception as error:  # servers have their own for bodies that end early or are garbled
        raise Invalid(errors={"body": ["incomplete"]}) from error
