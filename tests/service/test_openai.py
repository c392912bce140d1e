"""The whole service with a language model behind it, and with one that hangs."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.replies.upstream import Exchange, Upstream, chunk, fails, says, upstream
from tests.service.running import Service, running, until

MODEL = {"REPLY_ENGINE": "openai", "OPENAI_MODEL": "some-model", "OPENAI_API_KEY": "sk-secret"}


@pytest.fixture(scope="module")
def shared_endpoint():
    with upstream() as serving:
        yield serving


@pytest.fixture
def endpoint(shared_endpoint: Upstream) -> Upstream:
    shared_endpoint.requests.clear()
    return shared_endpoint


@pytest.fixture(scope="module")
def answering(shared_endpoint: Upstream, mongo_uri: str, tmp_path_factory) -> Iterator[Service]:
    settings = {
        **MODEL,
        "OPENAI_BASE_URL": shared_endpoint.url,
        "OPENAI_SYSTEM_PROMPT": "Be kind.",
        "REPLY_TIMEOUT_S": "5",
        "REPLY_FALLBACK": "Later.",
    }
    with running(tmp_path_factory.mktemp("answering"), mongo_uri, **settings) as service:
        yield service


def test_replies_come_from_the_model_that_is_told_what_was_said_before(answering, endpoint):
    endpoint.answers = [says("你", "好！"), says("再", "见！")]
    service = answering
    session_id = service.new_session()
    assert service.send(session_id, "我是小明")[0] == 201
    status, answer = service.send(session_id, "我叫什么？")
    assert (status, answer["data"]["reply"]["chat_content"]) == (201, "再见！")
    assert service.texts(session_id) == [
        ("user", "我是小明"),
        ("server", "你好！"),
        ("user", "我叫什么？"),
        ("server", "再见！"),
    ]
    assert endpoint.requests[-1].messages == [
        ("system", "Be kind."),
        ("user", "我是小明"),
        ("assistant", "你好！"),
        ("user", "我叫什么？"),
    ]
    assert "sk-secret" not in service.log.read_text()


def test_a_model_that_hangs_costs_a_fallback_and_holds_up_nobody(answering, endpoint):
    released = threading.Event()

    def hangs(exchange: Exchange) -> None:
        exchange.head()
        exchange.send(chunk("half an "))
        released.wait(60)

    endpoint.answers = [hangs]
    service = answering
    sessions = [service.new_session() for _ in range(20)]
    with ThreadPoolExecutor(20) as senders:
        sent = [senders.submit(service.send, each, "a private question") for each in sessions]
        until(lambda: len(endpoint.requests) == 20, "all to be asked")
        for each in sessions:
            assert service.texts(each) == [("user", "a private question")]
        assert not any(each.done() for each in sent)
        for status, answer in (each.result() for each in sent):
            assert (status, answer["data"]["reply"]["chat_content"]) == (201, "Later.")
    released.set()
    assert service.texts(sessions[0])[1] == ("server", "Later.")
    assert "private" not in service.log.read_text()


def test_a_key_that_is_refused_costs_a_fallback_and_is_told_to_the_log(answering, endpoint):
    endpoint.answers = [fails("401 Unauthorized", "invalid_api_key")]
    service = answering
    status, answer = service.send(service.new_session(), "hello")
    assert (status, answer["data"]["reply"]["chat_content"]) == (201, "Later.")
    assert "the endpoint answered 401 (invalid_api_key)" in service.log.read_text()
    assert "sk-secret" not in service.log.read_text()


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"OPENAI_MODEL": ""}, "OPENAI_MODEL is not set"),
        ({"OPENAI_API_KEY": ""}, "OPENAI_API_KEY is not set"),
        ({"OPENAI_SYSTEM_PROMPT": "长" * 3000}, "OPENAI_SYSTEM_PROMPT takes about"),
    ],
)
def test_a_model_that_cannot_be_asked_stops_the_start_with_one_line(serve, changes, told):
    service = serve(**{**MODEL, **changes})
    assert service.process.wait(30) == 1
    (said,) = service.log.read_text().splitlines()
    assert said.startswith("session-service: ")
    assert told in said


def test_without_its_extra_the_start_stops_with_one_line(serve, tmp_path: Path):
    (tmp_path / "openai.py").write_text("raise ModuleNotFoundError(\"No module named 'openai'\")")
    service = serve(**MODEL, PYTHONPATH=str(tmp_path))
    assert service.process.wait(30) == 1
    (said,) = service.log.read_text().splitlines()
    assert said.startswith("session-service: REPLY_ENGINE: 'openai' needs the extra llm")
