"""The HTTP client beneath the SDK: it follows nowhere, unpacks nothing, reads no endless error."""

import json
import logging
import re
import time
from email.utils import parsedate_to_datetime
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx2
import openai

from session_service.replies.openai_answer import UpstreamError
from session_service.replies.openai_names import code_of

MOST_OF_AN_ERROR = 64 * 1024  # bytes
LONGEST_ERROR_S = 1.0  # after its status, and between two of its pieces

# Below a warning they tell what the endpoint says in its status line and headers.
_TALKERS = ("openai", "httpx2", "httpcore2")


def http_client() -> httpx2.Client:
    """A client with the SDK's limits and the environment's proxies.

    Raises UpstreamError for every answer that is no success or is compressed; the SDK, which
    would read the first to its end and unpack the second in memory, sees neither.
    """
    for name in _TALKERS:
        logging.getLogger(name).setLevel(logging.WARNING)
    return openai.DefaultHttpxClient(
        follow_redirects=False,  # whoever stands there was not meant to have key and prompt
        headers={"Accept-Encoding": "identity"},
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),  # they would tie users together
        event_hooks={"response": [_check]},
    )


def _check(response: httpx2.Response) -> None:
    status = response.status_code
    if not response.is_success:
        raise UpstreamError(
            f"the endpoint answered {status}{code_of(_error_in(response))}",
            again=status in (408, 409, 429) or status >= 500,
            after_s=_retry_after(response.headers.get("retry-after", "")),
        )
    if response.headers.get("content-encoding", "").strip().lower() not in ("", "identity"):
        raise UpstreamError("the endpoint compressed its answer", again=False)


def _error_in(response: httpx2.Response) -> object:
    """What the endpoint says of its error; None where that is long, late or not readable."""
    try:
        document = json.loads(_beginning(response))
    except (httpx2.RequestError, OSError, ValueError, RecursionError):
        return None
    return document.get("error", document) if isinstance(document, dict) else None


def _beginning(response: httpx2.Response) -> bytes:
    body = bytearray()
    by = time.monotonic() + LONGEST_ERROR_S
    response.request.extensions["timeout"]["read"] = LONGEST_ERROR_S
    for chunk in response.iter_raw():
        body += chunk
        if len(body) > MOST_OF_AN_ERROR or time.monotonic() > by:
            break
        time.sleep(0)  # a line that is never empty would keep all other greenlets waiting
    return bytes(body[:MOST_OF_AN_ERROR])


def _retry_after(value: str) -> float:
    """The seconds of a Retry-After header, which may be a date; 0 where there is none."""
    if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", value, re.ASCII):
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, OverflowError):
        return 0.0
