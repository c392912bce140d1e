"""Web pages of other origins may call where the configuration says so."""

import pytest
from werkzeug.test import TestResponse

PAGE = "http://page.local:8080"


@pytest.fixture
def caller(make_app, call_as):
    """Somebody whose page is of an origin that may call."""
    return call_as(make_app(cors_origins=(PAGE,)), "alice")


def exposed(answer: TestResponse) -> set[str]:
    return {each.strip() for each in answer.headers["Access-Control-Expose-Headers"].split(",")}


def test_a_page_reads_what_it_needs_to_go_on_after_a_failure(caller):
    answer = caller("POST", "/sess", {"sess_name": "周末"}, headers={"Origin": PAGE})
    assert answer.status_code == 201
    assert answer.headers["Access-Control-Allow-Origin"] == PAGE
    assert exposed(answer) == {"X-Request-ID", "Retry-After"}


def test_a_browser_asks_once_in_ten_minutes_whether_it_may_call(caller):
    asks = {
        "Origin": PAGE,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization, content-type",
    }
    answer = caller("OPTIONS", "/api/v1/conversation/poll", headers=asks)
    assert answer.status_code == 200
    assert answer.headers["Access-Control-Max-Age"] == "600"
    assert "authorization" in answer.headers["Access-Control-Allow-Headers"].lower()


def test_pages_of_other_origins_are_told_nothing(caller):
    answer = caller("GET", "/health", headers={"Origin": "http://elsewhere.local"})
    assert "Access-Control-Allow-Origin" not in answer.headers
