"""What is no HTTP, or broken HTTP, is refused like everything else."""

import json
import re
import socket
from functools import partial

import pytest

from tests.service.running import Service, until


def say(service: Service, raw: bytes) -> bytes:
    """All that is answered to these bytes, after which nothing follows."""
    with socket.create_connection(("127.0.0.1", service.port), timeout=20) as connection:
        connection.sendall(raw)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(partial(connection.recv, 65536), b""))


@pytest.mark.parametrize(
    "raw",
    [
        b"POST /sess HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n%b\r\n\r\nzz\r\n{}\r\n",
        b"POST /sess HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n%b\r\n\r\n{",
        b"POST /sess HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n%b\r\n\r\n{}",
        b"GET /sess/\xff\xfe HTTP/1.1\r\nHost: x\r\n%b\r\n\r\n",
        b"GET /sessions?before=\xff&limit=%%00 HTTP/1.1\r\nHost: x\r\n%b\r\n\r\n",
        b"GET /sessions HTTP/1.1\r\nHost: x\r\nX-Request-ID: a\xe9\x01b\r\n%b\r\n\r\n",
        b"GET /sessions HTTP/1.1\r\nHost: x\r\nIdempotency-Key: \xff\xfe\r\n%b\r\n\r\n",
        b"NONSENSE\r\n\r\n%b",
    ],
)
def test_broken_http_is_no_error_of_ours(shared_service, raw):
    service = shared_service
    token = service.bearer()
    headers = f"Authorization: Bearer {token}\r\nContent-Type: application/json".encode()
    answer = say(service, raw % headers)
    assert not answer.startswith(b"HTTP/1.1 5"), answer
    assert service.request("GET", "/health")[0] == 200


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"NONSENSE\r\n\r\n", 400),
        (b"GET / HTTP/3.7\r\n\r\n", 400),
        (b"G\xc3\x84T / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nTransfer-Encoding: nonesuch\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nExpect: miracles\r\n\r\n", 417),
        (b"GET /" + b"a" * 5000 + b" HTTP/1.1\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\nA: " + b"a" * 9000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 200 + b"\r\n", 431),
    ],
)
def test_what_is_no_http_is_refused_like_everything_else(shared_service, raw, status):
    head, _, body = say(shared_service, raw).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status)
    answer = json.loads(body)
    assert answer["status"] == "error"
    assert re.search("[\u4e00-\u9fff]", answer["message"])
    headers = dict(line.lower().split(b": ") for line in head.splitlines()[1:])
    assert headers[b"content-type"] == b"application/json"
    assert headers[b"x-content-type-options"] == b"nosniff"
    assert headers[b"referrer-policy"] == b"no-referrer"
    assert headers[b"connection"] == b"close"
    assert b"server" not in headers
    request_id = headers[b"x-request-id"].decode()
    until(lambda: request_id in shared_service.log.read_text(), "the refusal in the log")
