"""An answer as it comes over the wire: a stream of events, or one JSON document."""

import codecs
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from session_service.errors import ServiceError
from session_service.replies.openai_names import code_of, kind_of, reason_of

CUT = " …"  # ends an answer that the model was not let finish
LONGEST_LINE = 1024 * 1024  # bytes, of an event or of a JSON document
LONGEST_TEXT = 1024 * 1024  # characters, of a whole answer

_DONE: Mapping[str, Any] = {"choices": [{"finish_reason": "stop"}]}


class UpstreamError(ServiceError):
    """The endpoint gave no whole answer; `again` says whether another attempt may.

    `after_s` is how long it asked to be left alone. The message holds nobody's words.
    """

    code = "upstream"

    def __init__(self, message: str, *, again: bool, after_s: float = 0.0) -> None:
        super().__init__(message)
        self.again = again
        self.after_s = after_s


def read_answer(content_type: str, chunks: Iterable[bytes]) -> Iterator[str]:
    """The pieces of text of a response's body, each as soon as it has come.

    An answer is whole when the model says why it ended, or at `[DONE]`; one that was cut
    at the limit of its length ends in CUT. Raises UpstreamError, also after some pieces.
    """
    kind = content_type.partition(";")[0].strip().lower()
    documents = _document(chunks) if kind.endswith("json") else _events(chunks)
    begun = False
    texts = _Texts()
    for document in documents:
        begun = True
        text, reason = _choice(document)
        if piece := texts.add(text, last=reason is not None):
            yield piece
        if reason is not None:
            if ending := texts.ending(reason):
                yield ending
            return
    if begun or kind == "text/event-stream":
        raise UpstreamError("the answer broke off half way", again=True)
    raise UpstreamError(f"no completion, but {kind_of(kind)}", again=False)


class _Texts:
    """Puts pieces together again where a character was split between them."""

    def __init__(self) -> None:
        # In UTF-16 the halves that JSON escapes may be split into are units of their own.
        self._decoder = codecs.getincrementaldecoder("utf-16-le")("replace")
        self._blank = True
        self._length = 0

    def add(self, text: str, *, last: bool) -> str:
        piece = self._decoder.decode(text.encode("utf-16-le", "surrogatepass"), last)
        self._blank = self._blank and (not piece or piece.isspace())
        self._length += len(piece)
        _check_length(self._length, LONGEST_TEXT)
        return piece

    def ending(self, reason: str) -> str:
        if reason in ("content_filter", "error"):
            raise UpstreamError(f"the answer was ended by {reason}", again=reason == "error")
        if self._blank:
            raise UpstreamError(f"an answer without text ({reason_of(reason)})", again=False)
        return CUT if reason == "length" else ""


def _choice(document: object) -> tuple[str, str | None]:
    """The text that a chunk or completion brings, and why it is the last one if it is."""
    match document:
        case {"error": error} if error:
            raise UpstreamError(f"the endpoint failed{code_of(error)}", again=True)
        case {"choices": [{**choice}, *_]}:
            part = choice.get("delta") or choice.get("message")
            content = part.get("content") if isinstance(part, dict) else None
            reason = choice.get("finish_reason")
            if not isinstance(reason, str) or reason in ("", "null"):
                reason = None
            return content if isinstance(content, str) else "", reason
    return "", None


def _events(chunks: Iterable[bytes]) -> Iterator[object]:
    for line in _lines(chunks):
        if not line.startswith(b"data:"):
            continue
        data = line[5:].strip()
        if data.startswith(b"[DONE]"):
            yield _DONE
        elif data:
            yield _parsed(data)


def _lines(chunks: Iterable[bytes]) -> Iterator[bytearray]:
    rest = bytearray()
    for chunk in chunks:
        rest += chunk
        if b"\n" in chunk:
            *lines, rest = rest.split(b"\n")
            yield from lines
        _check_length(len(rest), LONGEST_LINE)
    yield rest


def _document(chunks: Iterable[bytes]) -> Iterator[object]:
    body = bytearray()
    for chunk in chunks:
        body += chunk
        _check_length(len(body), LONGEST_LINE)
    yield _parsed(body)
    yield _DONE


def _check_length(length: int, most: int) -> None:
    if length > most:
        raise UpstreamError("the answer has no end", again=False)


def _parsed(data: bytearray) -> object:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        # Not chained: the cause holds the answer.
        raise UpstreamError("a part of the answer is broken", again=True) from None
