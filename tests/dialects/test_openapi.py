"""The OpenAPI document is true: schemathesis finds no 5xx and no undocumented answer."""

import re
from io import BytesIO
from urllib.parse import urljoin

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings, strategies
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

TRUE = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
PUBLIC = ("/v1/auth/register", "/v1/auth/token")
ACCOUNT = {"username": "user1", "password": "password123"}
TALK = "/api/v1/conversation"
READ_BY_POST = {
    "/v1/auth/test_token",
    *(f"{TALK}/{call}" for call in ("get_messages", "get_conversation", "get_conversations")),
    *(f"{TALK}/{call}" for call in ("list_members", "poll")),
}
TALKED = {"type": "general", "title": "x", "member_ids": [8]}
MANAGING = "/api/v1/message-sessions"
USERS, POOL = "/api/v1/users", "/api/admin/index-pool"
INDEX = {"indexId": "i", "categoryId": "c"}
NOTE = {"source": "x", "content": "x", "createdAt": "2026-01-09T10:00:00+08:00"}
OPERATIONS = [
    f"POST {USERS}/login",
    f"POST {USERS}/logout",
    f"GET {USERS}/me",
    f"POST {USERS}",
    f"GET {USERS}",
    f"GET {USERS}/stats",
    f"GET {USERS}/{{user_id}}",
    f"GET {USERS}/username/{{username}}",
    f"PUT {USERS}/{{user_id}}",
    f"DELETE {USERS}/{{user_id}}",
    f"POST {USERS}/{{user_id}}/enable",
    f"POST {USERS}/{{user_id}}/disable",
    "POST /api/v1/notes",
    "GET /api/v1/notes",
    "GET /api/v1/notes/{note_id}",
    "PUT /api/v1/notes/{note_id}",
    "DELETE /api/v1/notes/{note_id}",
    f"POST {POOL}",
    f"POST {POOL}/batch",
    f"GET {POOL}",
    f"GET {POOL}/stats",
    f"GET {POOL}/available",
    f"GET {POOL}/assigned",
    f"GET {POOL}/user/{{user_id}}",
    f"POST {POOL}/assign/{{user_id}}",
    f"POST {POOL}/release/{{user_id}}",
    f"POST {POOL}/{{number}}/disable",
    f"POST {POOL}/{{number}}/enable",
    f"DELETE {POOL}/{{number}}",
    f"POST {MANAGING}",
    f"GET {MANAGING}",
    f"PUT {MANAGING}/{{session_id}}",
    f"PUT {MANAGING}/{{session_id}}/archive",
    f"POST {MANAGING}/query",
    f"GET {MANAGING}/user/{{user_id}}",
    f"GET {MANAGING}/user/{{user_id}}/active",
    f"GET {MANAGING}/user/{{user_id}}/unread",
    f"GET {MANAGING}/user/{{user_id}}/unread/count",
    f"GET {MANAGING}/user/{{user_id}}/count",
    f"GET {MANAGING}/user/{{user_id}}/unread/total",
    f"PUT {MANAGING}/last-message",
    f"PUT {MANAGING}/unread/increment",
    f"PUT {MANAGING}/unread/clear",
    f"POST {MANAGING}/new-message",
    f"DELETE {MANAGING}/empty",
    f"DELETE {MANAGING}/archived",
    f"PUT {MANAGING}/batch/archive",
    f"PUT {MANAGING}/batch/unarchive",
    f"POST {MANAGING}/rebuild-index",
    f"GET {MANAGING}/health",
    f"GET {MANAGING}/{{session_id}}/messages",
    "POST /sess",
    "GET /sessions",
    "GET /sess/{sess_id}",
    "PATCH /sess/{sess_id}",
    "DELETE /sess/{sess_id}",
    "POST /sess/{sess_id}/chat",
    "GET /sess/{sess_id}/chats",
    "GET /v1",
    "POST /v1/auth/register",
    "POST /v1/auth/token",
    "GET /v1/auth/test_token",
    "POST /v1/auth/test_token",
    "POST /v1/chats",
    "GET /v1/chats",
    "GET /v1/chats/{chat_id}",
    "PUT /v1/chats/{chat_id}",
    "DELETE /v1/chats/{chat_id}",
    "POST /v1/chats/message",
    "POST /v1/chats/{chat_id}/message",
    "GET /v1/chats/{chat_id}/messages",
    "POST /api/v1/conversation/send_message",
    "POST /api/v1/conversation/get_messages",
    "POST /api/v1/conversation/poll",
    "POST /api/v1/conversation/get_conversation",
    "POST /api/v1/conversation/list_members",
    "POST /api/v1/conversation/get_conversations",
    "POST /api/v1/conversation/mark_read",
    "POST /api/v1/conversation/create_conversation",
    "POST /api/v1/conversation/add_members",
    "POST /api/v1/conversation/remove_member",
    "POST /api/v1/conversation/update_status",
    "POST /api/v1/conversation/order_status_changed",
    "POST /api/v1/upload",
    "GET /api/v1/files/{file_id}/{name}",
    "GET /",
    "GET /health",
    "GET /health/live",
    "GET /metrics",
]


@pytest.fixture
def document(app):
    return app.test_client().get("/openapi.json").json


@pytest.fixture
def operations(app):
    document = schemathesis.openapi.from_wsgi("/openapi.json", app)
    found = [result.ok() for result in document.get_all_operations()]
    return {f"{each.method.upper()} {each.path}": each for each in found}


@pytest.fixture
def real(app, call_as):
    """Somebody whom every call lets in, with a session and a chat; and there is an account."""
    caller = call_as(app, "7", role="admin")
    caller("POST", "/v1/auth/register", {"email": "user@example.com", **ACCOUNT})
    ids = {
        "sess_id": caller("POST", "/sess", {"sess_name": "x"}).json["data"]["sess_id"],
        "chat_id": caller("POST", "/v1/chats", {"title": "x"}).json["id"],
        "conversation_id": caller("POST", f"{TALK}/create_conversation", TALKED).json[
            "conversation"
        ]["id"],
        "member_id": 8,
    }
    shared = {"userId1": 7, "userId2": 8}
    session = caller("POST", MANAGING, shared).json["data"]["sessionId"]
    ids |= {"user_id": 7, "userId": 7, "senderId": 7, "receiverId": 8, **shared}
    ids |= {"session_id": session, "sessionId": session, "sessionIds": [session, "x"]}
    ids |= {
        "username": ACCOUNT["username"],
        "note_id": caller("POST", "/api/v1/notes", NOTE).json["id"],
    }
    caller("POST", POOL, INDEX | {"indexId": "of somebody"})
    caller("POST", f"{POOL}/assign/7")
    ids["number"] = caller("POST", POOL, INDEX).json["id"]
    form = {"file": (BytesIO(b"\x89PNG\r\n\x1a\n"), "x.png")}
    url = caller("POST", "/api/v1/upload", data=form).json["url"]
    *_, ids["file_id"], ids["name"] = url.split("/")
    return caller, ids


def each_operation(document):
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if method != "parameters":
                yield path, method, operation


def test_every_operation_is_in_the_table(operations):
    assert sorted(operations) == sorted(OPERATIONS)


@pytest.mark.parametrize("label", OPERATIONS)
def test_no_answer_is_undocumented(operations, real, label):
    caller, ids = real
    successes = []

    @given(case=operations[label].as_strategy(), known=strategies.booleans())
    @settings(
        max_examples=60,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def ask(case, known):
        if known:
            named = case.body if isinstance(case.body, dict) else {}
            for given_ids in (case.path_parameters, case.query, named):
                given_ids.update({name: ids[name] for name in given_ids.keys() & ids.keys()})
            if label in ("POST /v1/auth/token", f"POST {USERS}/login"):
                case.body = ACCOUNT
            if label.startswith((f"PUT {USERS}", f"DELETE {USERS}", f"POST {USERS}/{{")):
                case.path_parameters["user_id"] = 1  # who has an account
            if "wait_s" in named:
                named["wait_s"] = 0
        answer = case.call_and_validate(headers=caller.headers, checks=TRUE)
        successes.append(answer.status_code < 300)

    ask()
    assert any(successes)


def test_every_call_documents_its_failures_and_its_token(document):
    for path, method, operation in each_operation(document):
        statuses = set(operation["responses"])
        if path == "/v1" or not path.startswith(("/sess", "/v1", TALK)):
            continue
        assert {"413", "415", "503"} <= statuses
        assert ("422" if path.startswith("/v1") else "400") in statuses, path
        assert ("507" in statuses) == (method != "get" and path not in READ_BY_POST), path
        if path in PUBLIC:
            assert "security" not in operation
        else:
            assert operation["security"] == [{"bearer": []}, {"password": []}]
            assert "401" in statuses


def test_bad_input_is_422_in_v1_and_400_says_something_else(document):
    with_400 = set()
    for path, _, operation in each_operation(document):
        answers = operation["responses"]
        if path.startswith("/v1"):
            with_400 |= {path} if "400" in answers else set()
            if "422" in answers:
                schema = answers["422"]["content"]["application/json"]["schema"]
                assert schema["$ref"].endswith("/HTTPValidationError")
        else:
            assert "422" not in answers, path
    assert with_400 == {
        "/v1/auth/register",  # taken
        "/v1/chats/message",  # full
        "/v1/chats/{chat_id}/message",
    }


def test_every_operation_has_a_name_a_summary_examples_and_a_described_tag(document):
    described = {tag["name"] for tag in document["tags"] if tag["description"]}
    operations = list(each_operation(document))
    names = [operation.get("operationId") for _, _, operation in operations]
    assert all(names)
    assert len(names) == len(set(names))
    for path, method, operation in operations:
        assert operation["summary"], path
        assert operation["tags"]
        assert set(operation["tags"]) <= described
        parts = [*operation["responses"].values(), operation.get("requestBody", {})]
        for part in parts:
            for content in part.get("content", {}).values():
                binary = content["schema"].get("format") == "binary"
                assert binary or content.keys() & {"example", "examples"}, (method, path)


def test_summaries_are_plain_text(document):
    # they stand in the row of a call as they are
    summaries = [operation["summary"] for _, _, operation in each_operation(document)]
    assert [each for each in summaries if "`" in each or "\n" in each] == []


def test_answers_that_tell_when_to_come_again_document_it(document):
    telling = [
        answer.get("headers", {}).keys()
        for path, _, operation in each_operation(document)
        for status, answer in operation["responses"].items()
        if status in ("429", "503") and not path.endswith("/health")
    ]
    assert telling
    assert all("Retry-After" in headers for headers in telling)


def test_defaults_are_of_their_own_kind(document):
    fields = [
        (name, field, about)
        for name, schema in document["components"]["schemas"].items()
        for field, about in schema.get("properties", {}).items()
    ]
    chosen = [each for each in fields if "enum" in each[2] and "default" in each[2]]
    assert chosen
    for name, field, about in chosen:
        assert about["default"] in about["enum"], (name, field)


def test_no_answer_of_conversations_has_two_names(document):
    answers = [
        str(schema["properties"])
        for schema in document["components"]["schemas"].values()
        if "base_resp" in schema.get("properties", {})
    ]
    assert len(answers) == len(set(answers))


def test_files_stand_together(document):
    files = {
        path for path, _, operation in each_operation(document) if operation["tags"] == ["files"]
    }
    assert files == {"/api/v1/upload", "/api/v1/files/{file_id}/{name}"}


def test_every_reference_leads_somewhere(document):
    def references(part):
        if isinstance(part, dict):
            yield from [part["$ref"]] if "$ref" in part else []
            part = list(part.values())
        if isinstance(part, list):
            for each in part:
                yield from references(each)

    for reference in set(references(document)):
        target = document
        for key in reference.removeprefix("#/").split("/"):
            target = target[key]
        assert target


def test_a_token_is_given_as_a_bearer_or_by_the_password_flow(document):
    schemes = document["components"]["securitySchemes"]
    assert schemes.keys() == {"bearer", "password"}
    assert (schemes["bearer"]["type"], schemes["bearer"]["scheme"]) == ("http", "bearer")
    assert schemes["password"]["type"] == "oauth2"
    assert schemes["password"]["flows"] == {
        "password": {"tokenUrl": "/v1/auth/token", "scopes": {}}
    }
    assert "security" not in document


def test_the_docs_page_asks_no_other_host(app):
    client = app.test_client()
    for path in ("/docs", "/docs/"):
        page = client.get(path)
        assert page.status_code == 200
        links = re.findall(r'(?:src|href)="([^"]+)"', page.text)
        assert links
        for link in links:
            assert urljoin("http://localhost/docs/", link).startswith("http://localhost/")
            with client.get(link) as file:
                assert file.status_code == 200
        assert "://" not in re.sub(r"http://localhost", "", page.text.split("var config")[1])
