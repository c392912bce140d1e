"""The OpenAPI document is true: schemathesis finds no 5xx and no undocumented answer."""

import re
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
OPERATIONS = [
    "POST /sess",
    "GET /sessions",
    "GET /sess/{sess_id}",
    "PATCH /sess/{sess_id}",
    "DELETE /sess/{sess_id}",
    "POST /sess/{sess_id}/chat",
    "GET /sess/{sess_id}/chats",
    "GET /",
    "GET /health",
    "GET /health/live",
    "GET /metrics",
]


@pytest.fixture
def operations(app):
    document = schemathesis.openapi.from_wsgi("/openapi.json", app)
    found = [result.ok() for result in document.get_all_operations()]
    return {f"{each.method.upper()} {each.path}": each for each in found}


def test_every_operation_is_in_the_table(operations):
    assert sorted(operations) == sorted(OPERATIONS)


@pytest.mark.parametrize("label", OPERATIONS)
def test_no_answer_is_undocumented(operations, alice, session_id, label):
    @given(case=operations[label].as_strategy(), real=strategies.booleans())
    @settings(
        max_examples=60,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def ask(case, real):
        if real and "sess_id" in case.path_parameters:
            case.path_parameters["sess_id"] = session_id
        case.call_and_validate(headers=alice.headers, checks=TRUE)

    ask()


def test_every_call_documents_its_failures_and_its_token(app):
    paths = app.test_client().get("/openapi.json").json["paths"]
    for path, item in paths.items():
        for method, operation in item.items():
            if method == "parameters":
                continue
            assert operation["summary"], path
            statuses = set(operation["responses"])
            assert "422" not in statuses
            if path.startswith("/sess"):
                assert operation["security"] == [{"bearer": []}]
                assert {"400", "401", "413", "415", "503"} <= statuses
                assert ("507" in statuses) == (method != "get")


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
