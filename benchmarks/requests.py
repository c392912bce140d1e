"""The requests of the workloads, made once, sent many times."""

from collections.abc import Sequence
from urllib.parse import quote

import orjson

from benchmarks.dataset import TEXT, Dialogue


def send(dialogue: Dialogue) -> bytes:
    """Send a chat."""
    return request("POST", f"/sess/{dialogue.id}/chat", dialogue.token, {"chat_content": TEXT})


def read(dialogue: Dialogue, limit: int = 20, before: str | None = None) -> bytes:
    """Read the newest chats, or the newest before one."""
    cursor = f"&before={before}" if before else ""
    return request("GET", f"/sess/{dialogue.id}/chats?limit={limit}{cursor}", dialogue.token)


def read_from_eve(dialogue: Dialogue, limit: int = 20) -> bytes:
    """The same newest chats in the words of Eve, which takes the newest first."""
    where = quote(f'{{"sess_id":"{dialogue.id}"}}')
    return request("GET", f"/chats?where={where}&sort=-seq&max_results={limit}", dialogue.token)


def spread(requests: Sequence[bytes], connections: int) -> list[Sequence[bytes]]:
    """A stream for each connection; no session is on two, so no two senders meet in one."""
    return [requests[first::connections] for first in range(connections)]


def request(method: str, path: str, token: str, body: object = None) -> bytes:
    """The bytes of a request."""
    content = b"" if body is None else orjson.dumps(body)
    lines = [
        f"{method} {path} HTTP/1.1",
        "Host: 127.0.0.1",
        f"Authorization: Bearer {token}",
    ]
    if content:
        lines += ["Content-Type: application/json", f"Content-Length: {len(content)}"]
    return "\r\n".join([*lines, "", ""]).encode() + content
