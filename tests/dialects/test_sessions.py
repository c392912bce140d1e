"""The sessions API, call by call, as its contract tells it."""

import re
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from bson import ObjectId
from pymongo import MongoClient

import cores
from session_service.core.ids import new_log_id
from session_service.models import LogState, Session
from session_service.store.sessions import SessionStore

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
ID = re.compile(r"[0-9a-f]{24}")


def send(caller, session_id, text="你好", key=None):
    headers = {"Idempotency-Key": key} if key else {}
    return caller("POST", f"/sess/{session_id}/chat", {"chat_content": text}, headers=headers)


def chats(caller, session_id, query=""):
    return caller("GET", f"/sess/{session_id}/chats{query}").json


def test_create_answers_the_id(alice):
    answer = alice("POST", "/sess", {"sess_name": "  周末  ", "unknown": 1})
    assert answer.status_code == 201
    assert answer.json.keys() == {"status", "message", "data"}
    assert (answer.json["status"], answer.json["message"]) == ("success", "创建会话成功")
    assert answer.json["data"].keys() == {"sess_id"}
    assert ID.fullmatch(answer.json["data"]["sess_id"])
    assert alice("GET", "/sessions").json["data"][0]["sess_name"] == "周末"


def test_list_shows_own_sessions_newest_first(alice, bob):
    for name in ("one", "two", "three"):
        alice("POST", "/sess", {"sess_name": name})
    bob("POST", "/sess", {"sess_name": "bob's"})
    answer = alice("GET", "/sessions")
    assert answer.status_code == 200
    assert answer.json["message"] == "获取会话列表成功"
    assert answer.json["next"] is None
    listed = answer.json["data"]
    assert sorted(each["sess_name"] for each in listed) == ["one", "three", "two"]
    assert [(s["create_at"], s["id"]) for s in listed] == sorted(
        ((s["create_at"], s["id"]) for s in listed), reverse=True
    )
    for each in listed:
        assert each.keys() == {"id", "sess_name", "create_at", "update_at"}
        assert TIME.fullmatch(each["create_at"])
        assert TIME.fullmatch(each["update_at"])


def test_list_pages_without_skipping_also_when_the_cursor_was_deleted(alice):
    for i in range(5):
        alice("POST", "/sess", {"sess_name": f"s{i}"})
    everything = [each["id"] for each in alice("GET", "/sessions").json["data"]]
    first = alice("GET", "/sessions?limit=2").json
    assert [each["id"] for each in first["data"]] == everything[:2]
    assert alice("DELETE", f"/sess/{first['next']}").status_code == 200
    second = alice("GET", f"/sessions?limit=2&before={first['next']}").json
    assert [each["id"] for each in second["data"]] == everything[2:4]
    last = alice("GET", f"/sessions?limit=2&before={second['next']}").json
    assert [each["id"] for each in last["data"]] == everything[4:]
    assert last["next"] is None


def test_pages_of_sessions_reach_back_over_years_and_ties(alice, database):
    store, day = SessionStore(database), 86_400_000
    now = int(time.time() * 1000)
    ages = [0, 0, 0, 60_000, 60_000, day, day, 3 * day, 40 * day, 400 * day, 400 * day, 4000 * day]
    for age in ages:
        session_id = new_log_id(now - age)
        at = now - age
        store.insert_session(Session(session_id, "alice", "old", at, at, LogState(session_id)))
    everything = alice("GET", "/sessions").json["data"]
    assert [each["create_at"] for each in everything] == sorted(
        (each["create_at"] for each in everything), reverse=True
    )
    for limit in (1, 2, 3, 5, 12):
        paged, cursor = [], ""
        while cursor is not None:
            page = alice("GET", f"/sessions?limit={limit}{cursor and f'&before={cursor}'}").json
            paged += page["data"]
            cursor = page["next"]
        assert paged == everything
    assert len(everything) == len(ages)


def test_send_stores_message_and_reply_and_answers_both(alice, session_id):
    answer = send(alice, session_id)
    assert answer.status_code == 201
    assert (answer.json["status"], answer.json["message"]) == ("success", "发送消息成功")
    chat, reply = answer.json["data"]["chat"], answer.json["data"]["reply"]
    for each in (chat, reply):
        assert each.keys() == {"chat_id", "chat_content", "create_at", "from"}
        assert ID.fullmatch(each["chat_id"])
        assert TIME.fullmatch(each["create_at"])
    assert (chat["from"], chat["chat_content"]) == ("user", "你好")
    assert reply["from"] == "server"
    assert "小明" in reply["chat_content"]
    assert chat["create_at"] < reply["create_at"]
    stored = chats(alice, session_id)
    assert stored["message"] == "获取聊天记录成功"
    assert stored["data"] == [chat, reply]
    assert stored["next"] is None


def test_send_touches_update_at(alice, session_id):
    before = alice("GET", f"/sess/{session_id}").json["data"]
    reply = send(alice, session_id).json["data"]["reply"]
    after = alice("GET", f"/sess/{session_id}").json["data"]
    assert after["update_at"] == reply["create_at"] >= before["update_at"]
    assert after["create_at"] == before["create_at"]


def test_message_text_is_stored_as_sent(alice, session_id):
    text = '  {"$gt": ""}\n\t<b>😀</b> \u202e$where\r\n '
    send(alice, session_id, text)
    assert chats(alice, session_id)["data"][0]["chat_content"] == text


def test_collections_hold_what_the_contract_says(alice, session_id, mongo_uri, database_name):
    send(alice, session_id)
    with MongoClient(mongo_uri) as client:
        session = client[database_name]["sessions"].find_one()
        chat, reply = client[database_name]["chats"].find().sort("create_at")
    types = {name: type(value).__name__ for name, value in session.items()}
    assert (
        types.items()
        >= {
            "_id": "ObjectId",
            "user_id": "str",
            "sess_name": "str",
            "create_at": "datetime",
            "update_at": "datetime",
        }.items()
    )
    for each, sender in ((chat, "user"), (reply, "server")):
        assert isinstance(each["_id"], ObjectId)
        assert each["sess_id"] == session["_id"] == ObjectId(session_id)
        assert (each["user_id"], each["from"]) == ("alice", sender)
        assert isinstance(each["chat_content"], str)
        assert type(each["create_at"]).__name__ == "datetime"


def test_chats_page_backwards_without_a_gap(alice, session_id):
    for i in range(6):
        send(alice, session_id, f"message {i}")
    everything = chats(alice, session_id)["data"]
    assert len(everything) == 12
    pages, cursor = [], ""
    while cursor is not None:
        page = chats(alice, session_id, f"?limit=5{cursor and f'&before={cursor}'}")
        pages.insert(0, page["data"])
        cursor = page["next"]
    assert [len(page) for page in pages] == [2, 5, 5]
    assert [each for page in pages for each in page] == everything


def test_chats_before_one_that_was_deleted_still_page(alice, session_id, mongo_uri, database_name):
    sent = [send(alice, session_id, f"m{i}").json["data"]["chat"]["chat_id"] for i in range(4)]
    with MongoClient(mongo_uri) as client:
        client[database_name]["chats"].delete_one({"_id": ObjectId(sent[2])})
    page = chats(alice, session_id, f"?limit=2&before={sent[2]}")["data"]
    assert page[0]["chat_content"] == "m1"
    assert len(page) == 2


def test_rename_trims_and_answers_the_session(alice, session_id):
    answer = alice("PATCH", f"/sess/{session_id}", {"sess_name": " 下周 "})
    assert answer.status_code == 200
    assert answer.json["message"] == "更新会话成功"
    assert answer.json["data"]["sess_name"] == "下周"
    got = alice("GET", f"/sess/{session_id}").json
    assert got["message"] == "获取会话成功"
    assert got["data"] == answer.json["data"]


def test_delete_removes_the_session_and_its_chats(alice, session_id, mongo_uri, database_name):
    send(alice, session_id)
    answer = alice("DELETE", f"/sess/{session_id}")
    assert (answer.status_code, answer.json["message"]) == (200, "删除会话成功")
    for method, path, body in (
        ("GET", "", None),
        ("GET", "/chats", None),
        ("PATCH", "", {"sess_name": "x"}),
        ("DELETE", "", None),
        ("POST", "/chat", {"chat_content": "x"}),
    ):
        answer = alice(method, f"/sess/{session_id}{path}", body)
        assert answer.status_code == 404
        assert answer.json == {"status": "error", "message": "会话不存在"}
    with MongoClient(mongo_uri) as client:
        assert client[database_name]["chats"].count_documents({}) == 0


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "", None),
        ("PATCH", "", {"sess_name": "mine now"}),
        ("DELETE", "", None),
        ("GET", "/chats", None),
        ("POST", "/chat", {"chat_content": "hello"}),
    ],
)
def test_somebody_elses_session_is_forbidden_and_untouched(
    alice, bob, session_id, method, path, body
):
    send(alice, session_id, key="k")
    before = alice("GET", f"/sess/{session_id}").json, chats(alice, session_id)
    answer = bob(method, f"/sess/{session_id}{path}", body, headers={"Idempotency-Key": "k"})
    assert answer.status_code == 403
    assert answer.json == {"status": "error", "message": "无权访问该会话"}
    assert (alice("GET", f"/sess/{session_id}").json, chats(alice, session_id)) == before


@pytest.mark.parametrize("wrong", ["1", "x" * 24, "0" * 23, "0" * 24, "%00", "$gt", "０" * 24])
def test_an_id_that_is_none_names_no_session(alice, wrong):
    assert alice("GET", f"/sess/{wrong}").status_code == 404


def test_ids_may_be_written_in_capitals(alice, session_id):
    assert alice("GET", f"/sess/{session_id.upper()}").json["data"]["id"] == session_id


@pytest.mark.parametrize("path", ["/sess/{}/chats", "/sessions"])
@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=201", "limit=-1", "limit=1.5", "limit=x", "limit=", "limit=１", "before=1"],
)
def test_paging_refuses_nonsense_by_name(alice, session_id, path, query):
    answer = alice("GET", f"{path.format(session_id)}?{query}")
    assert answer.status_code == 400
    assert answer.json["errors"].keys() == {query.partition("=")[0]}


def test_a_repeat_with_the_same_key_answers_the_first(alice, session_id):
    first = send(alice, session_id, "hello", key="k1")
    again = send(alice, session_id, "hello", key="k1")
    assert again.status_code == first.status_code == 201
    assert again.json == first.json
    assert len(chats(alice, session_id)["data"]) == 2


def test_a_key_used_for_another_text_is_refused(alice, session_id):
    send(alice, session_id, "hello", key="k1")
    answer = send(alice, session_id, "other", key="k1")
    assert answer.status_code == 400
    assert "Idempotency-Key" in answer.json["message"]
    assert len(chats(alice, session_id)["data"]) == 2


def test_a_key_belongs_to_one_session(alice, session_id):
    other = alice("POST", "/sess", {"sess_name": "other"}).json["data"]["sess_id"]
    first, second = send(alice, session_id, key="k"), send(alice, other, key="k")
    assert first.json["data"]["chat"]["chat_id"] != second.json["data"]["chat"]["chat_id"]


def test_a_key_that_is_too_long_is_refused_by_name(alice, session_id):
    answer = send(alice, session_id, key="k" * 256)
    assert answer.status_code == 400
    assert answer.json["errors"].keys() == {"Idempotency-Key"}
    assert send(alice, session_id, key="k" * 255).status_code == 201


def test_without_a_key_every_send_counts(alice, session_id):
    send(alice, session_id, "hello")
    send(alice, session_id, "hello")
    assert len(chats(alice, session_id)["data"]) == 4


def test_repeats_at_once_store_one_message_and_one_reply(app, alice, session_id):
    def repeat(_: int) -> Any:
        return send(alice, session_id, "at once", key="same").json

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(repeat, range(16)))
    assert all(answer == answers[0] for answer in answers)
    assert len(chats(alice, session_id)["data"]) == 2


def test_sends_at_once_are_all_there_in_one_order(alice, session_id):
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda i: send(alice, session_id, f"m{i}"), range(32)))
    assert {answer.status_code for answer in answers} == {201}
    stored = chats(alice, session_id)["data"]
    times = [each["create_at"] for each in stored]
    assert times == sorted(set(times))
    assert len(stored) == 64
    ids = {each["chat_id"] for each in stored}
    for answer in answers:
        assert {each["chat_id"] for each in answer.json["data"].values()} <= ids


class SlowEngine:
    """An engine that waits, or fails, before it answers."""

    instant = False

    def __init__(self, seconds: float = 0, error: Exception | None = None) -> None:
        self.seconds = seconds
        self.error = error

    def reply(self, prompt: Any) -> str:
        time.sleep(self.seconds)
        if self.error:
            raise self.error
        return f"you said: {prompt.text}"

    def stream(self, prompt: Any) -> Any:
        yield self.reply(prompt)


@pytest.fixture
def with_engine(make_app, call_as, monkeypatch):
    """Callers of an app whose replies come from an engine of a third party."""

    def make(engine, **settings):
        monkeypatch.setattr(cores, "load_engine", lambda *_, **__: engine)
        return call_as(make_app(**settings), "alice")

    return make


def test_a_slow_engine_answers_after_the_message_is_stored(with_engine):
    caller = with_engine(SlowEngine(0.3))
    session_id = caller("POST", "/sess", {"sess_name": "slow"}).json["data"]["sess_id"]
    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(send, caller, session_id, "hello")
        while not chats(caller, session_id)["data"]:
            time.sleep(0.01)
        early = chats(caller, session_id)["data"]
        data = sending.result().json["data"]
    assert [each["chat_content"] for each in early] == ["hello"]
    assert chats(caller, session_id)["data"] == [data["chat"], data["reply"]]
    assert data["reply"]["chat_content"] == "you said: hello"


@pytest.mark.parametrize("engine", [SlowEngine(error=ValueError()), SlowEngine(seconds=1.0)])
def test_an_engine_that_fails_or_is_slow_costs_no_message(with_engine, engine):
    caller = with_engine(engine, reply_timeout_s=0.2, reply_fallback="later, please")
    session_id = caller("POST", "/sess", {"sess_name": "slow"}).json["data"]["sess_id"]
    answer = send(caller, session_id, "hello")
    assert answer.status_code == 201
    assert answer.json["data"]["reply"]["chat_content"] == "later, please"
    assert len(chats(caller, session_id)["data"]) == 2


def test_a_repeat_waits_for_the_reply_that_is_being_made(with_engine):
    caller = with_engine(SlowEngine(0.5))
    session_id = caller("POST", "/sess", {"sess_name": "slow"}).json["data"]["sess_id"]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: send(caller, session_id, "hi", key="k").json, range(4)))
    assert all(answer == answers[0] for answer in answers)
    assert len(chats(caller, session_id)["data"]) == 2
