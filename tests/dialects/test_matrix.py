"""Every failure through every dialect: refused in its own shape, nothing stored, never a 5xx.

A new dialect joins by one row in SAMPLES; without one the suite fails.
"""

import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jwt
import pytest
from pymongo import MongoClient

from session_service.dialects.dialect import Dialect
from session_service.store.database import Database


@dataclass(frozen=True)
class Sample:
    """One call of a dialect that stores something, and the shape in which it refuses."""

    method: str
    path: str
    body: dict[str, Any]
    text: str  # a required field of the body that holds text
    most: int  # characters it may have
    shape: Callable[[dict[str, Any], int], bool]
    invalid: int = 400
    optional: bool = False  # whether the text may be null
    query: str = ""  # what calls of the same path without a body need


def sessions_shape(body: dict[str, Any], status: int) -> bool:
    expected = {"status", "message"} | ({"errors"} if "errors" in body else set())
    return body.keys() == expected and body["status"] == "error" and bool(body["message"])


def fastapi_shape(body: dict[str, Any], status: int) -> bool:
    if status != 422:
        return body.keys() == {"detail"} and isinstance(body["detail"], str)
    reasons = body["detail"]
    return bool(reasons) and all(each.keys() == {"loc", "msg", "type"} for each in reasons)


def base_resp_shape(body: dict[str, Any], status: int) -> bool:
    (resp,) = body.values()
    return body.keys() == {"base_resp"} and resp["code"] == status and bool(resp["message"])


def code_shape(body: dict[str, Any], status: int) -> bool:
    named = body.keys() == {"code", "message", "data"} and body["code"] == status
    return named and bool(body["message"]) and body["data"] is None


def error_shape(body: dict[str, Any], status: int) -> bool:
    if body.keys() == {"error", "details"}:
        return status == 400 and bool(body["details"])
    return body.keys() == {"error"} and isinstance(body["error"], str)


SAMPLES = {
    "phoebe": Sample(
        "POST",
        "/api/v1/notes",
        {"source": "x", "content": "x", "createdAt": "2026-01-09T10:00:00+08:00"},
        "content",
        100_000,
        error_shape,
    ),
    "message-sessions": Sample(
        "POST",
        "/api/v1/message-sessions",
        {"userId1": 1, "userId2": 2, "title": "x"},
        "title",
        200,
        code_shape,
        optional=True,
        query="?userId=1",
    ),
    "conversations": Sample(
        "POST",
        "/api/v1/conversation/create_conversation",
        {"type": "general", "title": "x", "member_ids": [2]},
        "title",
        200,
        base_resp_shape,
    ),
    "sessions": Sample("POST", "/sess", {"sess_name": "x"}, "sess_name", 200, sessions_shape),
    "chats": Sample("POST", "/v1/chats", {"title": "x"}, "title", 200, fastapi_shape, 422),
}
every_dialect = pytest.mark.parametrize("name", SAMPLES)

BODIES = {
    "nothing": b"",
    "no JSON": b"{",
    "a list": b"[]",
    "a text": b'"x"',
    "null": b"null",
    "no UTF-8": b'{"%b": "\xff"}',
    "UTF-16": '{"%s": "x"}'.encode("utf-16"),
    "deep nesting": b"[" * 100_000,
    "deep nesting in a field": b'{"other": ' + b'{"a":' * 50_000 + b"1" + b"}" * 50_001,
    "NaN": b'{"%b": NaN}',
    "Infinity": b'{"%b": -Infinity}',
    "more than a double holds": b'{"%b": 1e999}',
    "NaN in an unknown field": b'{"%b": "x", "other": {"deep": [NaN]}}',
    "a lone surrogate": b'{"%b": "\\ud800"}',
    "a lone surrogate in a key": b'{"%b": "x", "\\udfff": 1}',
    "a NUL character": b'{"%b": "a\\u0000b"}',
    "a NUL character in a key": b'{"%b": "x", "a\\u0000b": 1}',
    "an integer beyond 64 bits": b'{"%b": 18446744073709551616}',
    "such an integer in an unknown field": b'{"%b": "x", "other": -99999999999999999999}',
    "a key of many digits over NaN": b'{"%b": "x", "' + b"1" * 5000 + b'": NaN}',
    "a missing field": b"{}",
    "null for text": b'{"%b": null}',
    "a number for text": b'{"%b": 1}',
    "a query for text": b'{"%b": {"$gt": ""}}',
    "a list for text": b'{"%b": ["x"]}',
    "blanks for text": b'{"%b": " \\n\\u3000"}',
    "half a million values": b'{"%b": 9999999999999999999, "other": [' + b"1," * 400_000 + b"1]}",
    "a long key over many values": b'{"%b": 9999999999999999999, "'
    + b"k" * 100_000
    + b'": ['
    + b"1," * 300_000
    + b"1]}",
    "text that is too long": None,
}
NAMED = {  # what a client must be able to read from the answer
    "NaN in an unknown field": "other.deep.0",
    "such an integer in an unknown field": "other",
    "a lone surrogate in a key": "udfff",
    "a NUL character in a key": "x00b",
    "a key of many digits over NaN": "1" * 5000,
    "no UTF-8": "body",
}


@pytest.fixture
def stored(mongo_uri, database_name):
    """Counts all documents of the test's database."""

    def count() -> int:
        with MongoClient(mongo_uri) as client:
            database = client[database_name]
            names = set(database.list_collection_names()) - {"health"}
            return sum(database[name].count_documents({}) for name in names)

    return count


def refused(answer: Any, sample: Sample, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.mimetype == "application/json"
    assert answer.headers["X-Request-ID"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    body = answer.json
    assert sample.shape(body, status), body
    return body


def test_every_dialect_has_a_row(app):
    """Those that share another's paths and shape, the public ones among them, are its parts."""
    dialects = [each for each in app.blueprints.values() if isinstance(each, Dialect)]
    shapes = {each.failure for each in dialects if not each.public}
    assert shapes == {app.blueprints[name].failure for name in SAMPLES}
    assert len(shapes) == len(SAMPLES)


@every_dialect
def test_the_sample_itself_is_accepted(app, call_as, name):
    sample = SAMPLES[name]
    for path in (sample.path, f"{sample.path}/"):
        assert call_as(app, "1")(sample.method, path, sample.body).status_code in (200, 201)


@every_dialect
@pytest.mark.parametrize("body", BODIES)
def test_a_bad_body_is_refused_by_name(app, call_as, stored, name, body):
    sample = SAMPLES[name]
    raw = BODIES[body]
    if raw is None:
        raw = json.dumps({sample.text: "x" * (sample.most + 1)}).encode()
    raw = raw.replace(b"%b", sample.text.encode())
    answer = call_as(app, "1")(
        sample.method, sample.path, data=raw, content_type="application/json"
    )
    refusal = refused(answer, sample, sample.invalid)
    if sample.text.encode() in raw and not (sample.optional and b"null" in raw):
        text = json.dumps(refusal)
        assert all(part in text for part in NAMED.get(body, sample.text).split("."))
    assert stored() == 0


@every_dialect
def test_the_longest_text_is_accepted(app, call_as, name):
    sample = SAMPLES[name]
    body = {**sample.body, sample.text: "𠮷" * sample.most}
    assert call_as(app, "1")(sample.method, sample.path, body).status_code in (200, 201)


@every_dialect
@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", None])
def test_an_unknown_content_type_is_refused(app, call_as, stored, name, kind):
    sample = SAMPLES[name]
    answer = call_as(app, "1")(
        sample.method, sample.path, data=json.dumps(sample.body), content_type=kind
    )
    refused(answer, sample, 415)
    assert stored() == 0


@every_dialect
@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_over_the_limit_is_refused(make_app, call_as, stored, name, chunked):
    sample = SAMPLES[name]
    app = make_app()
    app.config["MAX_CONTENT_LENGTH"] = 1000
    raw = json.dumps({**sample.body, "other": "x" * 1000}).encode()
    options: dict[str, Any] = {"data": raw, "content_type": "application/json"}
    if chunked:
        options["environ_overrides"] = {"wsgi.input_terminated": True, "CONTENT_LENGTH": ""}
        options["headers"] = {"Transfer-Encoding": "chunked"}
    refused(call_as(app, "1")(sample.method, sample.path, **options), sample, 413)
    assert stored() == 0


@every_dialect
def test_a_body_where_none_belongs_must_be_an_object(app, call_as, name):
    caller = call_as(app, "1")
    rules = [
        rule.rule
        for rule in app.url_map.iter_rules()
        if rule.endpoint.startswith(f"{name}.") and "GET" in rule.methods and not rule.arguments
    ]
    for path in rules:
        path += SAMPLES[name].query
        assert caller("GET", path, {"some": "object"}).status_code == 200
        answer = caller("GET", path, data="[1]", content_type="application/json")
        refused(answer, SAMPLES[name], SAMPLES[name].invalid)


def tokens(make_token: Callable[..., str]) -> dict[str, str]:
    now = int(time.time())
    whole = make_token("1")
    claims = {"sub": "1", "exp": now + 600}
    return {
        "no token at all": "",
        "a word": "Bearer x",
        "two dots": "Bearer a.b.c",
        "another scheme": f"Basic {whole}",
        "the scheme alone": "Bearer",
        "another secret": "Bearer " + jwt.encode(claims, "another secret of at least 32 bytes"),
        "no algorithm": "Bearer " + jwt.encode(claims, None, algorithm="none"),
        "another algorithm": "Bearer "
        + jwt.encode(claims, "a secret that only the tests know, 32 bytes" * 2, algorithm="HS512"),
        "a changed payload": f"Bearer {whole[:-30]}{'A' * 4}{whole[-26:]}",
        "expired": f"Bearer {make_token('1', exp=now - 1)}",
        "no exp": f"Bearer {make_token('1', exp=None)}",
        "exp as text": f"Bearer {make_token('1', exp=str(now + 600))}",
        "exp as truth": f"Bearer {make_token('1', exp=True)}",
        "far too far away": f"Bearer {make_token('1', exp=10**400)}",
        "endless": f"Bearer {make_token('1', exp=float('inf'))}",
        "not yet valid": f"Bearer {make_token('1', nbf=now + 120)}",
        "from the future": f"Bearer {make_token('1', iat=now + 120)}",
        "iat as text": f"Bearer {make_token('1', iat='x')}",
        "a number as sub": f"Bearer {make_token(1)}",
        "no sub": f"Bearer {make_token(None)}",
        "an empty sub": f"Bearer {make_token('')}",
        "a list as sub": f"Bearer {make_token(['1'])}",
        "a NUL in sub": f"Bearer {make_token('a' + chr(0))}",
        "a surrogate in sub": f"Bearer {make_token(chr(0xD800))}",
        "a refresh token": f"Bearer {make_token('1', type='refresh')}",
        "two tokens": f"Bearer {whole} {whole}",
        "no Latin-1": "Bearer \u00e9\u00ff",
    }


@every_dialect
def test_a_token_that_does_not_hold_is_refused(app, call_as, make_token, stored, name):
    sample = SAMPLES[name]
    caller = call_as(app, None)
    for case, header in tokens(make_token).items():
        headers = {"Authorization": header} if header else {}
        answer = caller(sample.method, sample.path, sample.body, headers=headers)
        assert answer.status_code == 401, case
        refused(answer, sample, 401)
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert stored() == 0


@every_dialect
def test_a_token_of_a_peer_whose_clock_is_ahead_holds(app, call_as, name):
    now = int(time.time())
    caller = call_as(app, "1", iat=now + 50, nbf=now + 50)
    assert caller("GET", "/sessions").status_code == 200


@every_dialect
def test_unknown_paths_and_methods_are_refused_in_its_shape(app, call_as, name):
    sample = SAMPLES[name]
    for caller in (call_as(app, "1"), call_as(app, None)):
        refused(caller("GET", f"{sample.path}/no/such/path"), sample, 404)
        answer = caller("PROPFIND", sample.path)
        refused(answer, sample, 405)
        assert sample.method in answer.headers["Allow"]


@every_dialect
def test_every_path_refuses_an_unknown_method_with_and_without_a_trailing_slash(app, call_as, name):
    rules = [each for each in app.url_map.iter_rules() if each.endpoint.startswith(f"{name}.")]
    for rule in rules:
        path = re.sub("<[^>]*>", "1", rule.rule).rstrip("/")
        for written in (path, f"{path}/"):
            answer = call_as(app, "1")("PROPFIND", written)
            refused(answer, SAMPLES[name], 405)
            assert rule.methods - {"HEAD", "OPTIONS"} <= set(answer.headers["Allow"].split(", "))


@every_dialect
def test_a_database_out_of_reach_is_unavailable(make_app, call_as, name):
    sample = SAMPLES[name]
    nowhere = Database(lambda: "mongodb://127.0.0.1:9", "nowhere")
    answer = call_as(make_app(nowhere), "1")(sample.method, sample.path, sample.body)
    refused(answer, sample, 503)
    assert int(answer.headers["Retry-After"]) >= 1
    nowhere.close()


@every_dialect
def test_a_full_disk_refuses_writes_alone(
    make_app, call_as, stored, mongo_uri, database_name, database_options, name
):
    sample = SAMPLES[name]
    full = Database(
        lambda: mongo_uri, database_name, options=database_options, free_bytes=lambda: 0
    )
    app = make_app(full)
    refused(call_as(app, "1")(sample.method, sample.path, sample.body), sample, 507)
    assert call_as(app, "1")("GET", "/sessions").status_code == 200
    assert app.test_client().get("/health").status_code == 200
    assert stored() == 0
    full.close()


def test_paths_of_no_api_are_refused_in_the_shape_of_sessions(app, call_as):
    for path in ("/nope", "/sessx", "/sess//", "/sess/%2e%2e/x", "/\u4f60\u597d"):
        refused(call_as(app, "1")("GET", path), SAMPLES["sessions"], 404)
