"""Files over real HTTP: never whole in memory, never half there, whatever dies on the way."""

import hashlib
import http.client
import json
import os
import secrets
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from session_service.embedded import locate
from tests.service.running import Service, until

MB = 1024 * 1024
LARGE = bytes(range(256)) * (20 * MB // 256)
HEAD = (
    b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.bin"\r\n'
    b"Content-Type: image/png\r\n\r\n"
)
TAIL = b"\r\n--x--\r\n"
PIECE = 64 * 1024
Answer = tuple[int, Any, http.client.HTTPMessage]


class Sending:
    """An upload whose bytes the test sends when it likes."""

    def __init__(self, service: Service, length: int | None, user: str = "1") -> None:
        self.socket = socket.create_connection(("127.0.0.1", service.port), timeout=60)
        how = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
        self.socket.sendall(
            f"POST /api/v1/upload HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "
            f"{service.bearer(user)}\r\nContent-Type: multipart/form-data; boundary=x\r\n"
            f"{how}\r\n\r\n".encode()
        )

    def __call__(self, data: bytes) -> None:
        self.socket.sendall(data)

    def answer(self) -> Answer:
        response = http.client.HTTPResponse(self.socket)
        response.begin()
        read = response.status, json.loads(response.read()), response.headers
        self.socket.close()
        return read


def upload(
    service: Service,
    content: bytes,
    user: str = "1",
    halfway: Callable[[], object] = lambda: None,
) -> Answer:
    sending = Sending(service, len(HEAD) + len(content) + len(TAIL), user)
    sending(HEAD + content[: len(content) // 2])
    halfway()
    sending(content[len(content) // 2 :] + TAIL)
    return sending.answer()


def pieces(content: bytes, size: int) -> Iterator[bytes]:
    """As they come where the length is not announced."""
    for start in range(0, len(content), size):
        piece = content[start : start + size]
        yield f"{len(piece):x};a=b\r\n".encode() + piece + b"\r\n"
    yield b"0\r\n\r\n"


def download(service: Service, url: str, **headers: str) -> tuple[int, bytes]:
    connection = service.connection(timeout=60)
    connection.request("GET", url, headers=headers)
    answer = connection.getresponse()
    got = answer.status, answer.read()
    connection.close()
    return got


def refused(answer: Answer, status: int) -> None:
    assert (answer[0], answer[1]["base_resp"]["code"]) == (status, status)
    assert answer[1].keys() == {"base_resp"}


@contextmanager
def database_of(service: Service) -> Iterator[Any]:
    uri = service.environ.get("MONGO_URI") or locate(service.data)
    with MongoClient(uri) as client:
        yield client[service.environ.get("MONGO_DB", "session_service")]


def stored(service: Service) -> tuple[int, int]:
    with database_of(service) as database:
        files, chunks = database["uploads.files"], database["uploads.chunks"]
        return files.count_documents({}), chunks.count_documents({})


def has_chunks(service: Service, at_least: int) -> Callable[[], bool]:
    return lambda: stored(service)[1] >= at_least


def peak_mb(service: Service) -> float:
    """The most memory that any worker has ever had."""
    peaks = []
    for pid in service.workers():
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        peaks += [int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")]
    return max(peaks)


def at_once(jobs: Sequence[Callable[[], Any]]) -> list[Any]:
    with ThreadPoolExecutor(len(jobs)) as pool:
        return [each.result() for each in [pool.submit(job) for job in jobs]]


@contextmanager
def busy(service: Service) -> Iterator[list[float]]:
    """Somebody else asks all the while; how long that takes, in seconds."""
    taken: list[float] = []
    stop = threading.Event()

    def ask() -> None:
        session_id = service.new_session()
        while not stop.is_set():
            began = time.monotonic()
            assert service.send(session_id, "hello")[0] == 201
            assert service.request("GET", "/health")[0] == 200
            taken.append(time.monotonic() - began)

    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(ask)
        try:
            yield taken
        finally:
            stop.set()
        asking.result()


def test_large_files_do_not_sit_in_memory_and_keep_nobody_waiting(serve):
    service = serve().ready()
    small = upload(service, b"warm")[1]["url"]
    assert download(service, small) == (200, b"warm")
    before = peak_mb(service)
    with busy(service) as taken:
        answers = at_once([lambda u=user: upload(service, LARGE, u) for user in "2345"])
        urls = [answer["url"] for status, answer, _ in answers if status == 200]
        digests = at_once(
            [lambda u=url: hashlib.sha256(download(service, u)[1]).digest() for url in urls]
        )
    assert digests == 4 * [hashlib.sha256(LARGE).digest()]
    grown = peak_mb(service) - before
    assert grown < 40, f"{grown:.0f} MB for four files of 20 MB"
    assert len(taken) >= 5
    assert max(taken) < 10


def test_the_whole_of_a_chunked_body_is_one_file(shared_service):
    for size in (1, 7, 8191, 300_000):
        content = secrets.token_bytes(20 * size if size < 100 else 700_000)
        sending = Sending(shared_service, None)
        for piece in pieces(HEAD + content + TAIL, size):
            sending(piece)
        status, answer, _ = sending.answer()
        assert (status, answer["file_size"]) == (200, len(content))
        assert download(shared_service, answer["url"]) == (200, content)


def test_a_file_over_the_limit_is_refused_whether_announced_or_not(shared_service):
    before = stored(shared_service)
    announced = Sending(shared_service, 21 * MB)
    refused(announced.answer(), 413)
    for size in (PIECE, 22 * MB):
        sending = Sending(shared_service, None)
        with suppress(OSError):  # it does not wait for the rest
            for piece in pieces(HEAD + LARGE + bytes(MB) + TAIL, size):
                sending(piece)
        refused(sending.answer(), 413)
    assert stored(shared_service) == before


def test_a_client_that_sends_less_than_it_announced_leaves_nothing(shared_service):
    before = stored(shared_service)
    for length, content in ((MB, LARGE[: MB // 2]), (None, next(pieces(LARGE[:MB], MB)))):
        sending = Sending(shared_service, length)
        if length is None:
            sending(next(pieces(HEAD, PIECE)))
        else:
            sending(HEAD)
        sending(content)
        until(has_chunks(shared_service, before[1] + 1), "the first chunks")
        sending.socket.shutdown(socket.SHUT_WR)
        refused(sending.answer(), 400)
        assert stored(shared_service) == before


def test_a_client_that_falls_silent_is_given_up(shared_service):
    before = stored(shared_service)
    sending = Sending(shared_service, MB)
    sending(HEAD + LARGE[: MB // 2])
    refused(sending.answer(), 400)  # after 20 s
    assert stored(shared_service) == before


def test_a_connection_serves_on_after_ranges_and_refusals(shared_service):
    url = upload(shared_service, LARGE[:MB])[1]["url"]
    connection = shared_service.connection()
    for headers, status, size in (
        ({"Range": "bytes=0-"}, 206, MB),
        ({"Range": "bytes=500000-500009"}, 206, 10),
        ({"Range": f"bytes={MB}-"}, 416, None),
        ({}, 200, MB),
        ({"If-None-Match": "*"}, 304, 0),
        ({}, 200, MB),
    ):
        connection.request("GET", url, headers=headers)
        answer = connection.getresponse()
        body = answer.read()
        assert answer.status == status
        assert size in (None, len(body))
        assert len(answer.headers.get_all("Date")) == 1
    connection.request("HEAD", url)
    answer = connection.getresponse()
    assert (answer.read(), answer.getheader("Content-Length")) == (b"", str(MB))
    connection.request("GET", "/health")
    assert connection.getresponse().status == 200
    connection.close()


def test_a_download_whose_file_vanishes_is_cut_off(shared_service):
    url = upload(shared_service, LARGE)[1]["url"]
    with socket.create_connection(("127.0.0.1", shared_service.port), timeout=60) as connection:
        for path in (url, "/health"):  # what is asked next must not look like the file's end
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        assert answer.status == 200
        got = answer.read(MB)
        with database_of(shared_service) as database:
            database["uploads.chunks"].delete_many({"files_id": url.split("/")[4]})
        with suppress(http.client.IncompleteRead, ConnectionError):
            while piece := answer.read(MB):
                got += piece
    assert LARGE.startswith(got)
    assert len(got) < len(LARGE)
    assert "Traceback" not in shared_service.log.read_text()


def test_uploads_at_once_keep_to_the_quota(serve):
    service = serve(WORKERS="2", UPLOAD_QUOTA_BYTES=str(3 * MB)).ready()
    answers = at_once([lambda: upload(service, LARGE[: MB - 1024])] * 8)
    accepted = [answer for status, answer, _ in answers if status == 200]
    assert len(accepted) <= 3
    for answer in answers:
        if answer[0] != 200:
            refused(answer, 429)
            assert int(answer[2]["Retry-After"]) > 0
    more = [upload(service, LARGE[: MB - 1024])[0] for _ in range(4)]
    assert len(accepted) + more.count(200) == 3
    assert stored(service)[0] == 3


@pytest.mark.embedded
def test_a_database_that_hangs_or_dies_during_an_upload_leaves_no_half_a_file(serve):
    service = serve().ready()
    content = LARGE[: 4 * MB]

    def hang() -> None:
        until(has_chunks(service, 1), "the first chunks")
        os.kill(service.database()[1], signal.SIGSTOP)

    began = time.monotonic()
    answer = upload(service, content, halfway=hang)
    os.kill(service.database()[1], signal.SIGCONT)
    refused(answer, 503)
    assert int(answer[2]["Retry-After"]) > 0
    assert time.monotonic() - began < 10  # promised are 3 s, from where it hangs

    service.ready()
    for _ in range(3):
        known = stored(service)[1]
        killed = service.database()[1]

        def kill(chunks: int = known, pid: int = killed) -> None:
            until(has_chunks(service, chunks + 1), "the first chunks")
            os.kill(pid, signal.SIGKILL)

        answer = upload(service, content, halfway=kill)
        until(lambda old=killed: service.database()[1:] not in ([], [old]), "another database")
        service.ready()
        if answer[0] == 200:
            assert download(service, answer[1]["url"]) == (200, content)
        else:
            refused(answer, 503)
    status, answer, _ = upload(service, content)
    assert status == 200
    assert download(service, answer["url"]) == (200, content)
