"""Counts over all workers: they add up, and no worker takes any with it."""

import http.client
import os
import shutil
import signal
from functools import partial
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from tests.service.running import DEVELOPMENT, METRICS_TOKEN, Service, until

CHAT = {"method": "POST", "route": "/sess/{sess_id}/chat", "status": "201"}
STORED = {"kind": "sessions", "sender": "user"}
Found = dict[tuple[str, frozenset[tuple[str, str]]], float]


def scrape(service: Service) -> Found:
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=15)
    connection.request("GET", "/metrics")
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    assert answer.status == 200, text
    return {
        (sample.name.removeprefix("session_service_"), frozenset(sample.labels.items())): float(
            sample.value
        )
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(found: Found, name: str, **labels: str) -> float:
    return found[name, frozenset(labels.items())]


def living(service: Service) -> set[str]:
    return {
        dict(labels)["worker"]
        for name, labels in scrape(service)
        if name == "process_resident_memory_bytes"
    }


def replaced(service: Service, old: set[int]) -> bool:
    return len(service.workers()) == 2 and not old & set(service.workers())


def test_counts_of_all_workers_add_up_and_none_is_lost(serve):
    service = serve(WORKERS="2").ready()
    session_id = service.new_session()
    sent = 0

    def send(count: int) -> None:
        nonlocal sent
        for _ in range(count):
            assert service.send(session_id, "hello")[0] == 201
            sent += 1

    def check() -> None:
        found = scrape(service)
        assert value(found, "requests_total", **CHAT) == sent
        assert value(found, "messages_stored_total", **STORED) == sent
        assert value(found, "replies_total", engine="rules", outcome="ok", reason="none") == sent
        route = {name: CHAT[name] for name in ("method", "route")}
        assert value(found, "request_duration_seconds_count", **route) == sent
        assert value(found, "streams_open") == 0

    send(20)
    check()
    assert living(service) == {"0", "1"}
    for _ in range(2):
        before = set(service.workers())
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        until(partial(replaced, service, before), "new workers")
        service.ready()
        send(10)
        check()
    before = set(service.workers())
    service.process.send_signal(signal.SIGHUP)
    until(partial(replaced, service, before), "new workers")
    send(10)
    check()
    until(lambda: len(living(service)) == 2, "the old workers to be forgotten")

    assert service.stop() == 0
    again = serve(WORKERS="2", DATA_DIR=str(service.data)).ready()
    found = scrape(again)
    assert value(found, "messages_stored_total", **STORED) == 0
    assert ("requests_total", frozenset(CHAT.items())) not in found


def test_a_folder_that_is_taken_away_costs_no_request_and_new_workers_count_again(serve):
    service = serve(WORKERS="2").ready()
    shutil.rmtree(folder_of(service))
    session_id = service.new_session()
    for _ in range(10):
        assert service.send(session_id, "hello")[0] == 201
        assert service.request("GET", "/sess/ffffffffffffffffffffffff")[0] == 404
        assert "build_info" in {name for name, _ in scrape(service)}
    before = set(service.workers())
    service.process.send_signal(signal.SIGHUP)
    until(partial(replaced, service, before), "new workers")
    assert service.send(session_id, "hello")[0] == 201
    assert value(scrape(service), "messages_stored_total", **STORED) == 1
    folder = folder_of(service)
    assert service.stop() == 0
    assert not folder.exists()


def folder_of(service: Service) -> Path:
    """Where its workers count."""
    (folder,) = {
        Path(os.readlink(file)).parent
        for pid in service.workers()
        for file in Path(f"/proc/{pid}/fd").iterdir()
        if file.is_symlink() and os.readlink(file).endswith(".db")
    }
    return folder


def test_the_development_server_has_metrics_too(serve):
    service = serve(DEVELOPMENT).ready()
    session_id = service.new_session()
    service.send(session_id, "hello")
    found = scrape(service)
    assert value(found, "messages_stored_total", **STORED) == 1
    assert value(found, "requests_total", **CHAT) == 1


def test_the_token_is_asked_of_those_who_come_through_a_proxy(shared_service):
    service = shared_service
    proxied = {"X-Forwarded-For": "192.168.1.7"}
    status, answer = service.request("GET", "/metrics", **proxied)
    assert (status, answer["status"]) == (403, "error")
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=15)
    bearer = {"Authorization": f"Bearer {METRICS_TOKEN}"}
    connection.request("GET", "/metrics", headers={**proxied, **bearer})
    assert connection.getresponse().status == 200
    connection.close()
    assert METRICS_TOKEN not in service.log.read_text()
