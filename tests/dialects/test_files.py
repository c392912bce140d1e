"""Uploads and downloads: exact answers, safe headers, limits, ranges, and nothing left behind."""

import re
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from itertools import count
from typing import Any
from urllib.parse import unquote

import gridfs
import pytest
from flask import Flask
from pymongo import MongoClient
from werkzeug.test import TestResponse

from app import create_app
from config import Config, Limits
from session_service.core.files import Files
from session_service.file_types import sniff
from session_service.store.database import CHECK_EVERY_S, Database
from session_service.store.files import FileStore
from tests.dialects.conftest import SECRET, Caller

KB = 1024
CHUNK = 255 * KB
BOUNDARY = "----WebKitFormBoundary7MA4YWxkTrZu0gW"
PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x08\2\0\0\0\x90wS\xde"
SAMPLES = {
    "image/png": PNG,
    "image/jpeg": b"\xff\xd8\xff\xe0\0\x10JFIF\0\1",
    "image/gif": b"GIF89a\1\0\1\0\0\0\0",
    "image/webp": b"RIFF\x24\0\0\0WEBPVP8 ",
    "audio/mpeg": b"ID3\4\0\0\0\0\0\0",
    "audio/x-wav": b"RIFF\x24\0\0\0WAVEfmt ",
    "video/mp4": b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom",
    "video/webm": b"\x1aE\xdf\xa3\x01\0\0\0\0\0\0\x1fB\x86\x81\x01B\xf7\x81\x01B\x82\x84webm",
    "application/pdf": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n",
    "application/zip": b"PK\3\4\x14\0\0\0\0\0",
}
HARMLESS = {*SAMPLES, "application/octet-stream"}
SCRIPT = b"<script>alert(document.domain)</script>"
HOSTILE = {
    "page.png": b"<!DOCTYPE html><html>" + SCRIPT,
    "picture.png": b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg">' + SCRIPT,
    "plain.svg": b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>',
    "script.jpg": b"alert(1)",
    "late.png": b"\n" * 600 + b"<html>" + SCRIPT,
    "utf16.png": "<html><script>alert(1)</script>".encode("utf-16"),
    "style.css": b"*{background:url(javascript:alert(1))}",
    "feed.xml": b"<?xml version='1.0'?><html xmlns='http://www.w3.org/1999/xhtml'>" + SCRIPT,
    "saved.mht": b"MIME-Version: 1.0\r\nContent-Type: text/html\r\n\r\n" + SCRIPT,
    "gif.js": b"GIF89a/*" + b"\0" * 20 + b"*/=1;alert(1)//",
    "gif.html": b"GIF89a" + SCRIPT,
    "jpeg.html": b"\xff\xd8\xff\xe0\0\x10JFIF" + SCRIPT,
    "paper.html": b"%PDF-1.4\n" + SCRIPT,
    "flash.png": b"CWS\x09" + SCRIPT,
    "jar.gif": b"PK\3\4" + SCRIPT,
    "frames.zst": b"\x50\x2a\x4d\x18\0\0\0\0" * 2000,
}


@pytest.fixture(scope="module")
def shared(
    mongo_uri: str, database_options: Mapping[str, Any]
) -> Iterator[tuple[Database, Callable[..., Flask]]]:
    """A database for all these tests, since those who look for leftovers count what is new."""
    name = f"test_{secrets.token_hex(6)}"
    database = Database(lambda: mongo_uri, name, options=database_options)

    def make(using: Database = database, **settings: Any) -> Flask:
        return create_app(replace(Config(jwt_secret_key=SECRET), **settings), using)

    yield database, make
    database.close()
    with MongoClient(mongo_uri) as client:
        client.drop_database(name)


@pytest.fixture(scope="module")
def make_app(shared: tuple[Database, Callable[..., Flask]]) -> Callable[..., Flask]:
    return shared[1]


@pytest.fixture(scope="module")
def app(make_app: Callable[..., Flask]) -> Flask:
    return make_app()


@pytest.fixture(scope="module")
def new_user(call_as: Callable[..., Caller]) -> Callable[[Flask], Caller]:
    """Makes callers who have not uploaded anything yet."""
    ids = count(1)
    return lambda app: call_as(app, str(next(ids)))


@pytest.fixture
def ann(app: Flask, new_user: Callable[[Flask], Caller]) -> Caller:
    return new_user(app)


@pytest.fixture
def left(shared: tuple[Database, Callable[..., Flask]]) -> Callable[[], tuple[int, int]]:
    """How many records and chunks of files the database holds since the test began."""

    def stored() -> tuple[int, int]:
        with shared[0].reading() as opened:
            files, chunks = opened["uploads.files"], opened["uploads.chunks"]
            return files.count_documents({}), chunks.count_documents({})

    before = stored()

    def new() -> tuple[int, int]:
        now = stored()
        return now[0] - before[0], now[1] - before[1]

    return new


def upload(caller: Caller, content: bytes, name: str = "a.bin", kind: str = "image/png") -> Any:
    answer = send(caller, content, name, kind)
    assert answer.status_code == 200, answer.text
    return answer.json


def send(caller: Caller, content: bytes, name: str = "a.bin", kind: str = "image/png") -> Any:
    return send_raw(caller, body(part(content, named(name), kind)))


def named(name: str) -> str:
    """A disposition, as plain as the name allows."""
    if set(name) & set('"\r\n\\'):
        encoded = "".join(f"%{byte:02X}" for byte in name.encode())
        return f"name=\"file\"; filename*=UTF-8''{encoded}"
    return f'name="file"; filename="{name}"'


def part(
    content: bytes, disposition: str = 'name="file"; filename="a.bin"', kind: str = "image/png"
) -> bytes:
    head = f"--{BOUNDARY}\r\nContent-Disposition: form-data; {disposition}\r\n"
    return head.encode() + f"Content-Type: {kind}\r\n\r\n".encode() + content + b"\r\n"


def body(*parts: bytes) -> bytes:
    return b"".join([*parts, f"--{BOUNDARY}--\r\n".encode()])


def send_raw(caller: Caller, raw: bytes, kind: str | None = None, **options: Any) -> TestResponse:
    kind = kind or f"multipart/form-data; boundary={BOUNDARY}"
    return caller("POST", "/api/v1/upload", data=raw, content_type=kind, **options)


def chunked(raw: bytes) -> dict[str, Any]:
    """What a server makes of a body that comes without a length."""
    terminated = {"wsgi.input_terminated": True, "CONTENT_LENGTH": "", "wsgi.input": BytesIO(raw)}
    return {"environ_overrides": terminated, "headers": {"Transfer-Encoding": "chunked"}}


def refused(answer: TestResponse, status: int, text: str = "") -> None:
    assert answer.status_code == status, answer.text
    assert answer.json is not None
    assert answer.json.keys() == {"base_resp"}
    assert answer.json["base_resp"]["code"] == status
    assert text in answer.json["base_resp"]["message"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


# What an upload answers


def test_an_upload_answers_its_url_and_what_it_is(ann):
    answer = upload(ann, PNG, "照片.png")
    url = answer.pop("url")
    assert answer == {
        "file_name": "照片.png",
        "file_size": len(PNG),
        "file_type": "image/png",
        "base_resp": {"code": 200, "message": "success"},
    }
    assert re.fullmatch(r"/api/v1/files/[0-9a-f]{32}/%E7%85%A7%E7%89%87\.png", url)


def test_ids_are_128_bits_that_nobody_guesses(ann):
    ids = [int(upload(ann, b"x")["url"].split("/")[4], 16) for _ in range(40)]
    assert len(set(ids)) == len(ids)
    for bit in range(128):  # by chance one fails in 2**32 runs
        assert len({number >> bit & 1 for number in ids}) == 2


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 1_000_000])
def test_what_is_uploaded_is_downloaded(app, ann, left, size):
    content = bytes(i * i // 7 % 251 for i in range(size))
    answer = upload(ann, content)
    assert answer["file_size"] == size
    assert left() == (1, -(-size // CHUNK))
    got = app.test_client().get(answer["url"])
    assert (got.status_code, got.data) == (200, content)
    assert got.content_length == size


def test_content_that_looks_like_the_form_around_it_is_kept(app, ann):
    content = b"\r\n--\r\n" + f"\r\n--{BOUNDARY}x\r\n--{BOUNDARY[:-1]}".encode() + b"\r" * 70_000
    answer = send_raw(ann, body(part(content)))
    assert app.test_client().get(answer.json["url"]).data == content


@pytest.mark.parametrize("kind", SAMPLES)
def test_the_type_is_found_out_from_the_content(app, ann, kind):
    answer = upload(ann, SAMPLES[kind], "page.html", "text/html")
    assert answer["file_type"] == kind
    got = app.test_client().get(answer["url"])
    assert got.headers["Content-Type"] == kind


def test_all_is_stored_as_gridfs_has_it(ann, shared):
    content = bytes(range(256)) * 3000
    file_id = upload(ann, content, "三.bin")["url"].split("/")[4]
    with shared[0].reading() as opened:
        read = gridfs.GridFS(opened, "uploads").get(file_id)
        assert read.read() == content
        assert (read.filename, read.length, read.chunk_size) == ("三.bin", len(content), CHUNK)
        assert abs(read.upload_date - datetime.now(UTC).replace(tzinfo=None)) < timedelta(minutes=1)


def test_every_instance_serves_it(ann, make_app, shared, mongo_uri, database_options):
    url = upload(ann, PNG)["url"]
    with shared[0].reading() as opened:
        other = Database(lambda: mongo_uri, opened.name, options=database_options)
    assert make_app(other).test_client().get(url).data == PNG
    other.close()


# What a browser makes of it


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("claimed", ["image/png", "text/html"])
def test_nothing_runs_in_our_origin(app, ann, name, claimed):
    answer = upload(ann, HOSTILE[name], name, claimed)
    got = app.test_client().get(answer["url"])
    kind = got.headers["Content-Type"]
    assert kind == answer["file_type"]
    assert kind in HARMLESS | {"application/x-shockwave-flash"}
    shown = kind.startswith(("image/", "audio/", "video/")) or kind == "application/pdf"
    assert got.headers["Content-Disposition"].startswith("inline;" if shown else "attachment;")
    assert got.headers["X-Content-Type-Options"] == "nosniff"
    policy = got.headers["Content-Security-Policy"].split("; ")
    assert "sandbox" in policy  # and nothing is allowed there, scripts least of all
    assert "default-src 'none'" in policy
    assert "script" not in got.headers["Content-Security-Policy"]


def test_the_name_in_the_url_decides_nothing(app, ann):
    url = upload(ann, HOSTILE["page.png"], "page.png")["url"]
    got = app.test_client().get(url.replace("page.png", "page.html"))
    assert got.headers["Content-Type"] == "application/octet-stream"
    assert got.headers["Content-Disposition"] == "attachment; filename*=UTF-8''page.png"


NAMES = {
    'say "hi".txt': 'say "hi".txt',
    "a\r\nSet-Cookie: x=1.txt": "a  Set-Cookie: x=1.txt",
    "nul\0\x07.txt": "nul.txt",
    "文件 名.docx": "文件 名.docx",
    "全角\u3000空格.txt": "全角 空格.txt",
    "👩‍👩‍👧 ❤️.png": "👩‍👩‍👧 ❤️.png",
    "gpj.\u202eexe": "gpj.exe",
    "../../etc/passwd": "passwd",
    "..\\..\\boot.ini": "boot.ini",
    "C:\\fakepath\\a.txt": "a.txt",
    "..": "file",
    "...": "file",
    "/": "file",
    "": "file",
    " \u3000 ": "file",
    ".bashrc": "bashrc",
    "100%.txt": "100%.txt",
    "%2e%2e%2fa.txt": "%2e%2e%2fa.txt",
    "a#b?c=d&e.txt": "a#b?c=d&e.txt",
    "a;b,c'd.txt": "a;b,c'd.txt",
    "a+b c.txt": "a+b c.txt",
    "x" * 300 + ".tar": "x" * 196 + ".tar",
    "x" * 300: "x" * 200,
    "x." + "y" * 300: "x." + "y" * 198,
    "🎉" * 300 + ".png": "🎉" * 196 + ".png",
}


@pytest.mark.parametrize("name", NAMES)
def test_odd_names_are_tidied_and_come_back(app, ann, name):
    answer = upload(ann, b"x", name)
    assert answer["file_name"] == NAMES[name]
    assert answer["url"].isascii()
    assert len(answer["url"]) <= 2048
    got = app.test_client().get(answer["url"])
    assert got.data == b"x"
    kind, _, encoded = got.headers["Content-Disposition"].partition("; filename*=UTF-8''")
    assert kind == "attachment"
    assert unquote(encoded) == NAMES[name]
    assert re.fullmatch(r"[\w.%~-]+", encoded, re.ASCII)


# Messages that name files


def conversation(caller: Caller) -> int:
    body = {"type": "general", "title": "x", "member_ids": [4_000_000]}
    created = caller("POST", "/api/v1/conversation/create_conversation", body)
    return int(created.json["conversation"]["id"])


def name_in_message(caller: Caller, number: int, url: str, kind: str = "image") -> TestResponse:
    body = {"conversation_id": number, "message_type": kind, "content": url}
    return caller("POST", "/api/v1/conversation/send_message", body)


@pytest.fixture
def a_day_later(shared: tuple[Database, Callable[..., Flask]]) -> Callable[[], bool]:
    """What any instance does by then."""
    later = int(time.time() * 1000) + 25 * 3_600_000
    return Files(FileStore(shared[0]), sniff, most=1, quota=1, clock=lambda: later).keep_house


@pytest.mark.parametrize("name", ["100%.png", "a#b?c.png", "🎉" * 200, "文件 名.docx", "a/b"])
def test_a_message_takes_the_url_of_any_name(app, ann, a_day_later, name):
    url = upload(ann, PNG, name)["url"]
    sent = name_in_message(ann, conversation(ann), url)
    assert sent.status_code == 200, sent.text
    assert a_day_later()
    assert app.test_client().get(sent.json["message"]["content"]).data == PNG


def test_a_file_stays_when_a_message_names_it_in_full_or_it_goes(app, ann, a_day_later):
    number = conversation(ann)
    named, unnamed, told = (upload(ann, PNG)["url"] for _ in range(3))
    assert name_in_message(ann, number, f"http://10.0.0.7:5003{named}").status_code == 200
    assert name_in_message(ann, number, told, kind="text").status_code == 200  # words, no file
    assert a_day_later()
    found = [app.test_client().get(url).status_code for url in (named, unnamed, told)]
    assert found == [200, 404, 404]


def test_a_refused_message_has_no_file_stay(app, ann, new_user, a_day_later):
    number, url = conversation(ann), upload(ann, PNG)["url"]
    assert name_in_message(new_user(app), number, url).status_code == 403
    assert name_in_message(ann, 2**50, url).status_code == 404
    closing = {"conversation_id": number, "status": "closed"}
    assert ann("POST", "/api/v1/conversation/update_status", closing).status_code == 200
    assert name_in_message(ann, number, url).status_code == 400
    assert a_day_later()
    assert app.test_client().get(url).status_code == 404


@pytest.mark.parametrize("name", ["文件 1.png", "x" * 149, "x" * 150, "x" * 151])
def test_a_message_names_a_file_by_the_very_path_that_was_answered(app, ann, a_day_later, name):
    number, url = conversation(ann), upload(ann, PNG, name)["url"]
    folder, _, last = url.rpartition("/")
    for other in (
        "x",
        "y" * 150,
        f"{last}x",
        last[1:],
        unquote(last) + " ",
        "<script>",
        last + "#",
    ):
        refused(name_in_message(ann, number, f"{folder}/{other}"), 400, "content")
    if last.lower() != last:
        refused(name_in_message(ann, number, f"{folder}/{last.lower()}"), 400, "content")
    assert a_day_later()
    assert app.test_client().get(url).status_code == 404  # no refusal has had it stay
    url = upload(ann, PNG, name)["url"]
    assert name_in_message(ann, number, url).json["message"]["content"] == url


def test_a_message_cannot_name_a_file_that_is_gone(ann, a_day_later):
    number, url = conversation(ann), upload(ann, PNG)["url"]
    assert a_day_later()
    refused(name_in_message(ann, number, url), 400, "no such file")
    elsewhere = f"https://files.example.org{url}"
    assert name_in_message(ann, number, elsewhere).status_code == 200


# Parts of files


@pytest.fixture
def url(ann: Caller) -> str:
    return str(upload(ann, WHOLE)["url"])


WHOLE = bytes(i % 249 for i in range(600_000))
RANGES = {
    "bytes=0-": (0, 600_000),  # how a video element begins
    "bytes=0-0": (0, 1),
    "bytes=100-199": (100, 200),
    f"bytes={CHUNK - 5}-{CHUNK + 5}": (CHUNK - 5, CHUNK + 6),
    f"bytes={CHUNK}-{2 * CHUNK - 1}": (CHUNK, 2 * CHUNK),
    "bytes=599999-": (599_999, 600_000),
    "bytes=-7": (599_993, 600_000),
    "bytes=-9999999": (0, 600_000),
    "bytes=599990-999999999999999999999": (599_990, 600_000),
}


@pytest.mark.parametrize("asked", RANGES)
def test_one_range_is_sent_as_such(app, url, asked):
    start, end = RANGES[asked]
    got = app.test_client().get(url, headers={"Range": asked})
    assert got.status_code == 206
    assert got.headers["Content-Range"] == f"bytes {start}-{end - 1}/600000"
    assert got.headers["Accept-Ranges"] == "bytes"
    assert got.content_length == end - start
    assert got.data == WHOLE[start:end]


@pytest.mark.parametrize(
    "asked",
    ["bytes=0-1,5-6", "bytes=5-2", "bytes=", "bytes=x-y", "bytes=-0", "items=0-1", "bytes", "\xff"],
)
def test_several_ranges_and_nonsense_give_the_whole(app, url, asked):
    got = app.test_client().get(url, headers={"Range": asked})
    assert (got.status_code, got.data) == (200, WHOLE)
    assert "Content-Range" not in got.headers


@pytest.mark.parametrize("asked", ["bytes=600000-", "bytes=700000-800000", "bytes=99999999999-"])
def test_a_range_behind_the_end_is_refused(app, url, asked):
    got = app.test_client().get(url, headers={"Range": asked})
    refused(got, 416)
    assert got.headers["Content-Range"] == "bytes */600000"


def test_an_empty_file_has_no_ranges(app, ann):
    url = upload(ann, b"", "empty.txt")["url"]
    assert app.test_client().get(url).data == b""
    for asked in ("bytes=0-", "bytes=-5"):
        got = app.test_client().get(url, headers={"Range": asked})
        refused(got, 416)
        assert got.headers["Content-Range"] == "bytes */0"


def test_a_range_is_sent_only_of_what_the_client_knows(app, url):
    etag = app.test_client().get(url).headers["ETag"]
    for condition, status in (
        (etag, 206),
        (f"W/{etag}", 200),
        ('"another"', 200),
        ("Fri, 20 Nov 2026 10:00:00 GMT", 200),
    ):
        headers = {"Range": "bytes=0-9", "If-Range": condition}
        assert app.test_client().get(url, headers=headers).status_code == status


@pytest.mark.parametrize("headers", [{}, {"Range": "bytes=0-9"}])
def test_what_the_client_has_is_not_sent_again(app, url, headers):
    etag = app.test_client().get(url).headers["ETag"]
    for condition in (etag, f'"x", W/{etag}', "*"):
        got = app.test_client().get(url, headers={**headers, "If-None-Match": condition})
        assert (got.status_code, got.data) == (304, b"")
        assert got.headers["ETag"] == etag
        assert "immutable" in got.headers["Cache-Control"]
    got = app.test_client().get(url, headers={"If-None-Match": '"x"'})
    assert (got.status_code, got.data) == (200, WHOLE)


def test_head_tells_the_same_without_the_bytes(app, url):
    got = app.test_client().get(url)
    head = app.test_client().head(url, headers={"Range": "bytes=0-9"})
    assert (head.status_code, head.data) == (200, b"")
    ours = {"X-Request-ID"}
    assert {k: v for k, v in head.headers if k not in ours} == {
        k: v for k, v in got.headers if k not in ours
    }
    assert head.content_length == 600_000


def test_a_download_needs_no_token_and_an_upload_does(app, ann, call_as):
    nobody = call_as(app, None)
    url = upload(ann, PNG)["url"]
    assert nobody("GET", url).status_code == 200
    assert nobody("GET", f"{url}/").status_code == 200
    refused(send(nobody, PNG), 401)
    refused(send(call_as(app, "alice"), PNG), 403, "integer")


@pytest.mark.parametrize(
    "file_id",
    [
        "0" * 32,
        "x",
        "%00",
        "%ff",
        "None",
        "{}",
        "1" * 3000,
        "%F0%9F%8E%89",
        "507f1f77bcf86cd799439011",
    ],
)
def test_an_unknown_id_is_not_found(app, file_id):
    refused(app.test_client().get(f"/api/v1/files/{file_id}/a.png"), 404, "file not found")


def test_other_paths_and_methods_are_refused_in_this_shape(app, ann):
    url = upload(ann, PNG)["url"]
    file_id = url.split("/")[4]
    for path in ("/api/v1/files", f"/api/v1/files/{file_id}", f"{url}/more", "/api/v1/upload/x"):
        refused(ann("GET", path), 404)
    refused(ann("GET", "/api/v1/upload"), 405)
    refused(ann("DELETE", url), 405)


# Limits


MOST = 300 * KB


@pytest.fixture(scope="module")
def limited_app(make_app: Callable[..., Flask]) -> Flask:
    """Users may upload files of 300 KB, and 900 KB in a day."""
    return make_app(limits=Limits(upload_bytes=MOST, upload_quota_bytes=3 * MOST))


@pytest.fixture
def limited(limited_app: Flask, new_user: Callable[[Flask], Caller]) -> Caller:
    return new_user(limited_app)


@pytest.mark.parametrize("how", ["announced", "chunked"])
def test_the_largest_file_is_taken_and_the_next_is_not(limited, left, how):
    for size, status in ((MOST, 200), (MOST + 1, 413), (5 * MOST, 413)):
        raw = body(part(bytes(size)))
        options = chunked(raw) if how == "chunked" else {}
        answer = send_raw(limited, raw, **options)
        assert answer.status_code == status
    refused(answer, 413)
    assert left() == (1, 2)


def test_a_form_is_too_large_also_beside_its_file(limited, left):
    for raw in (
        body(part(bytes(2 * MOST), 'name="other"; filename="b"'), part(b"x")),
        body(part(bytes(2 * MOST), 'name="other"'), part(b"x")),
        body(part(b"x"), part(bytes(2 * MOST), 'name="other"; filename="b"')),
        bytes(2 * MOST) + body(part(b"x")),
        body(part(b"x")) + bytes(2 * MOST),
        body(*[part(b"x", f'name="field{i}"') for i in range(30)]),
        body(part(b"x", 'name="file"; filename="a"' + "; a=b" * 20_000)),
    ):
        refused(send_raw(limited, raw, **chunked(raw)), 413)
    assert left() == (0, 0)


def test_other_fields_are_passed_over(limited, app):
    raw = body(
        part(b"before", 'name="note"'),
        part(b"another", 'name="files"; filename="b"'),
        part(b"this one"),
        part(b"after", 'name="other"; filename="c"'),
    )
    answer = send_raw(limited, raw)
    assert answer.status_code == 200, answer.text
    assert app.test_client().get(answer.json["url"]).data == b"this one"


def test_the_quota_of_a_day_is_each_users_own(limited, limited_app, new_user, left):
    for _ in range(2):
        upload(limited, bytes(MOST))
    upload(limited, bytes(MOST - 2 * KB))
    answer = send(limited, bytes(2 * KB))
    refused(answer, 429, "quota")
    assert 86_000 < int(answer.headers["Retry-After"]) <= 86_401
    assert left() == (3, 6)
    upload(limited, bytes(KB))
    upload(new_user(limited_app), bytes(MOST))


def test_what_comes_without_a_length_may_fill_the_quota(limited, left):
    for _ in range(2):
        upload(limited, bytes(MOST))
    upload(limited, bytes(MOST // 2))
    raw = body(part(bytes(MOST // 2 - KB)))
    assert send_raw(limited, raw, **chunked(raw)).status_code == 200
    before = left()
    raw = body(part(bytes(2 * KB)))
    answer = send_raw(limited, raw, **chunked(raw))
    refused(answer, 429)
    assert int(answer.headers["Retry-After"]) > 80_000
    assert left() == before
    raw = body(part(bytes(KB)))
    assert send_raw(limited, raw, **chunked(raw)).status_code == 200
    raw = body(part(b"x"))
    refused(send_raw(limited, raw, **chunked(raw)), 429)


NO_FORMS: Mapping[str, bytes] = {
    "nothing": b"",
    "garbage": b"garbage",
    "its end alone": body(),
    "another boundary": body(part(b"x")).replace(BOUNDARY.encode(), b"other"),
    "no head": f"--{BOUNDARY}\r\n\r\nx\r\n--{BOUNDARY}--\r\n".encode(),
    "a head without disposition": f"--{BOUNDARY}\r\nA: b\r\n\r\nx\r\n--{BOUNDARY}--\r\n".encode(),
    "a head that is no UTF-8": body(part(b"x").replace(b"a.bin", b"\xc4\xe3.bin")),
    "a field of text": body(part(b"x", 'name="file"')),
    "text beside the file": body(part(b"x"), part(b"x", 'name="file"')),
    "another field": body(part(b"x", 'name="files"; filename="a"')),
    "no name": body(part(b"x", 'filename="a"')),
    "no file chosen": body(part(b"", 'name="file"; filename=""')),
    "two files": body(part(bytes(MOST)), part(b"y")),
    "cut off in the head": part(b"x")[:60],
    "cut off in the file": part(bytes(MOST))[: CHUNK + 20 * KB],
    "cut off before its end": part(bytes(MOST)),
    "cut off in its end": body(part(bytes(MOST)))[:-5],
}


@pytest.mark.parametrize("case", NO_FORMS)
@pytest.mark.parametrize("how", ["announced", "chunked"])
def test_what_is_no_form_with_a_file_is_refused_and_leaves_nothing(ann, left, case, how):
    raw = NO_FORMS[case]
    answer = send_raw(ann, raw, **(chunked(raw) if how == "chunked" else {}))
    refused(answer, 400)
    assert left() == (0, 0)


@pytest.mark.parametrize(
    "kind",
    ["multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary=ü"],
)
def test_a_form_needs_its_boundary(ann, left, kind):
    refused(send_raw(ann, body(part(b"x")), kind), 400, "body")
    assert left() == (0, 0)


@pytest.mark.parametrize(
    "kind",
    ["application/json", "image/png", "application/x-www-form-urlencoded", "multipart/mixed"],
)
def test_another_kind_of_body_is_refused(ann, left, kind):
    refused(send_raw(ann, body(part(b"x")), kind), 415)
    assert left() == (0, 0)


def test_a_client_that_goes_away_leaves_nothing(ann, left):
    def go_away() -> None:
        raise ConnectionResetError

    raw, options = interrupted(go_away)
    refused(send_raw(ann, raw, **options), 400, "body")
    assert left() == (0, 0)


# The database


def test_a_database_out_of_reach_is_unavailable(make_app, call_as):
    nowhere = Database(lambda: "mongodb://127.0.0.1:9", "nowhere")
    answer = send(call_as(make_app(nowhere), "1"), PNG)
    refused(answer, 503)
    assert int(answer.headers["Retry-After"]) >= 1
    got = make_app(nowhere).test_client().get(f"/api/v1/files/{'0' * 32}/a")
    refused(got, 503)
    nowhere.close()


class Interrupted(BytesIO):
    """A body in the middle of which something happens."""

    def __init__(self, raw: bytes, happens: Callable[[], object]) -> None:
        super().__init__(raw)
        self.happens = happens

    def read(self, size: int | None = -1) -> bytes:
        if self.tell() > CHUNK + 100:
            self.happens()
        return super().read(size)


def interrupted(happens: Callable[[], object]) -> tuple[bytes, dict[str, Any]]:
    raw = body(part(bytes(3 * CHUNK)))
    options = chunked(raw)
    options["environ_overrides"]["wsgi.input"] = Interrupted(raw, happens)
    return raw, options


def test_a_disk_that_fills_up_on_the_way_refuses_the_file(
    make_app, new_user, shared, mongo_uri, database_options, a_day_later, left
):
    room = [2**40]
    with shared[0].reading() as opened:
        name = opened.name
    filling = Database(
        lambda: mongo_uri, name, options=database_options, free_bytes=lambda: room[0]
    )
    caller = new_user(make_app(filling))
    url = upload(caller, PNG)["url"]

    def fill_up() -> None:
        if room[0]:
            room[0] = 0
            time.sleep(CHECK_EVERY_S)

    raw, options = interrupted(fill_up)
    refused(send_raw(caller, raw, **options), 507, "disk")
    assert caller("GET", url).data == PNG
    assert left()[0] == 2
    assert a_day_later()
    assert left()[1] <= 0
    filling.close()


def test_a_database_that_goes_away_on_the_way_is_unavailable(
    make_app, new_user, shared, mongo_uri, database_options, a_day_later, left
):
    uri = [mongo_uri]
    with shared[0].reading() as opened:
        name = opened.name
    leaving = Database(lambda: uri[0], name, options=database_options)

    def go_away() -> None:
        uri[0] = "mongodb://127.0.0.1:9"
        leaving.close()

    raw, options = interrupted(go_away)
    answer = send_raw(new_user(make_app(leaving)), raw, **options)
    refused(answer, 503)
    assert int(answer.headers["Retry-After"]) >= 1
    assert left() == (1, 1)
    assert a_day_later()
    assert left()[1] <= 0
    leaving.close()


def test_documentation_shows_both_calls(app):
    paths = app.test_client().get("/openapi.json").json["paths"]
    post = paths["/api/v1/upload"]["post"]
    form = post["requestBody"]["content"]["multipart/form-data"]
    assert form["schema"]["properties"]["file"] == {"type": "string", "format": "binary"}
    example = post["responses"]["200"]["content"]["application/json"]["example"]
    assert example.keys() == {"url", "file_name", "file_size", "file_type", "base_resp"}
    assert {"400", "401", "403", "413", "415", "429", "503", "507"} <= post["responses"].keys()
    get = paths["/api/v1/files/{file_id}/{name}"]["get"]
    assert get["responses"].keys() == {"200", "206", "304", "404", "416", "503"}
    assert "security" not in get
    assert "Range" in str(paths["/api/v1/files/{file_id}/{name}"]["parameters"])
