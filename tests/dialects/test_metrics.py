"""`GET /metrics`: who may read it, what it says, and that it keeps few series."""

from collections.abc import Mapping
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from session_service.store.database import Database

TOKEN = "a-token-for-prometheus"
ELSEWHERE = {"REMOTE_ADDR": "192.168.1.7"}

Series = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def read(app: Any) -> Series:
    answer = app.test_client().get("/metrics")
    assert answer.status_code == 200
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def value(series: Series, name: str, **labels: str) -> float:
    return series.get((f"session_service_{name}", tuple(sorted(labels.items()))), 0.0)


def asked(app: Any, environ: Mapping[str, str], **headers: str) -> Any:
    return app.test_client().get("/metrics", environ_overrides=dict(environ), headers=headers)


@pytest.fixture
def guarded(make_app):
    return make_app(metrics_token=TOKEN)


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"])
def test_a_loopback_peer_reads_it(app, peer):
    answer = asked(app, {"REMOTE_ADDR": peer})
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"


@pytest.mark.parametrize("peer", ["192.168.1.7", "::ffff:192.168.1.7", "fe80::1%eth0", "", "x"])
def test_any_other_peer_does_not(guarded, peer):
    refused(asked(guarded, {"REMOTE_ADDR": peer}))


@pytest.mark.parametrize("header", ["Forwarded", "X-Forwarded-For"])
@pytest.mark.parametrize("said", ["for=10.0.0.1", "127.0.0.1", ""])
def test_a_proxy_on_this_machine_does_not_speak_for_its_clients(guarded, header, said):
    refused(asked(guarded, {"REMOTE_ADDR": "127.0.0.1"}, **{header: said}))


@pytest.mark.parametrize("scheme", ["Bearer", "bearer"])
def test_the_token_opens_it_from_anywhere(guarded, scheme):
    answer = asked(guarded, ELSEWHERE, Authorization=f"{scheme} {TOKEN}")
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "said",
    [
        f"Bearer {TOKEN[:-1]}",
        f"Bearer {TOKEN}x",
        f"Basic {TOKEN}",
        TOKEN,
        "Bearer",
        "Bearer ",
        "",
        "Bearer \u00e9\u00ff",
    ],
)
def test_what_is_not_the_token_does_not(guarded, said):
    refused(asked(guarded, ELSEWHERE, Authorization=said))


def test_no_token_is_right_where_none_is_set(app):
    for said in ("Bearer", "Bearer ", "Bearer None"):
        refused(asked(app, ELSEWHERE, Authorization=said))


def test_an_admin_reads_it_and_a_user_does_not(app, make_token):
    admin = f"Bearer {make_token('root', role='admin')}"
    assert asked(app, ELSEWHERE, Authorization=admin).status_code == 200
    for claims in ({}, {"role": "user"}, {"role": "Admin"}, {"role": ["admin"]}, {"role": True}):
        refused(asked(app, ELSEWHERE, Authorization=f"Bearer {make_token('alice', **claims)}"))
    expired = make_token("root", role="admin", exp=1)
    refused(asked(app, ELSEWHERE, Authorization=f"Bearer {expired}"))


def refused(answer: Any) -> None:
    assert answer.status_code == 403, answer.text
    assert answer.json == {"status": "error", "message": "仅限管理员访问"}


def test_requests_are_counted_by_method_route_and_status(app, alice, session_id):
    before = read(app)
    for _ in range(3):
        alice("GET", f"/sess/{session_id}")
        alice("GET", f"/sess/{session_id}/")
    alice("GET", "/sess/ffffffffffffffffffffffff")
    after = read(app)
    route = {"method": "GET", "route": "/sess/{sess_id}"}
    for status, count in (("200", 6), ("404", 1)):
        labels = {**route, "status": status}
        name = "requests_total"
        assert value(after, name, **labels) - value(before, name, **labels) == count
    name = "request_duration_seconds_count"
    assert value(after, name, **route) - value(before, name, **route) == 7
    assert value(after, "request_duration_seconds_sum", **route) > 0


def test_what_strangers_invent_makes_no_series(app):
    client = app.test_client()
    for i in range(20):
        client.get(f"/no/such/path/{i}")
        client.open("/sess", method=f"INVENTED{i}")
    found = {dict(labels)["route"] for name, labels in read(app) if "requests_total" in name}
    methods = {dict(labels)["method"] for name, labels in read(app) if "requests_total" in name}
    assert found <= {"unmatched", "/metrics"}
    assert methods == {"GET", "other"}
    labels = {"method": "GET", "route": "unmatched", "status": "404"}
    assert value(read(app), "requests_total", **labels) == 20


def test_messages_and_replies_are_counted_once(app, alice, session_id):
    path = f"/sess/{session_id}/chat"
    for _ in range(3):
        alice("POST", path, {"chat_content": "hello"}, headers={"Idempotency-Key": "one"})
    alice("POST", path, {"chat_content": "hello"})
    alice("POST", path, {"chat_content": ""})
    found = read(app)
    for sender in ("user", "server"):
        assert value(found, "messages_stored_total", kind="sessions", sender=sender) == 2
    replies = {"engine": "rules", "outcome": "ok", "reason": "none"}
    assert value(found, "replies_total", **replies) >= 2


def test_counts_that_nothing_has_raised_yet_are_there_and_zero(app):
    found = read(app)
    assert ("session_service_streams_open", ()) in found
    assert value(found, "streams_open") == 0
    names = {name for name, _ in found}
    assert {"session_service_messages_stored_total", "session_service_replies_total"} <= names


def test_a_failing_database_is_counted_by_kind(make_app, call_as):
    nowhere = Database(lambda: "mongodb://127.0.0.1:9", "nowhere")
    app = make_app(nowhere)
    assert call_as(app, "1")("GET", "/sessions").status_code == 503
    kinds = {
        dict(labels)["kind"]: count
        for (name, labels), count in read(app).items()
        if name == "session_service_database_errors_total"
    }
    assert kinds == {"ServerSelectionTimeoutError": 1}
    nowhere.close()


def test_two_applications_of_one_process_count_apart(make_app):
    first, second = make_app(), make_app()
    first.test_client().get("/health/live")
    labels = {"method": "GET", "route": "/health/live", "status": "200"}
    assert value(read(first), "requests_total", **labels) == 1
    assert value(read(second), "requests_total", **labels) == 0


def test_the_process_tells_its_version_memory_and_time(app):
    labels = dict(read(app).keys())["session_service_build_info"]
    assert dict(labels).keys() == {"version", "python"}
    worker = {"worker": "0"}
    assert value(read(app), "process_resident_memory_bytes", **worker) > 10_000_000
    assert value(read(app), "process_cpu_seconds_total", **worker) > 0
    assert value(read(app), "process_open_fds", **worker) > 2
