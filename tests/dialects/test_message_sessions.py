"""The message sessions API: making, changing and archiving sessions."""

import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.dialects.parties import FIELDS, NO_PART, NO_SESSION, NOT_YOURS, PREFIX

SESSION_ID = re.compile(r"SESS_\d{14}(\d{3,})?")
A_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")
NEW = {
    "userId1": 123,
    "userId2": 456,
    "sessionType": "PRIVATE",
    "title": "会话标题",
    "description": "会话描述",
}


def test_a_new_session_has_the_thirteen_fields_of_the_source(mia):
    made = mia.ask("POST", "", NEW)
    assert made.keys() == FIELDS
    assert made.items() >= NEW.items()
    assert type(made["id"]) is int
    assert SESSION_ID.fullmatch(made["sessionId"])
    assert (made["lastMessage"], made["lastMessageTime"]) == (None, None)
    assert (made["unreadCount"], made["status"]) == (0, "ACTIVE")
    assert A_TIME.fullmatch(made["createTime"])
    assert made["createTime"] == made["updateTime"]
    assert made["sessionId"].startswith("SESS_" + re.sub(r"\D", "", made["createTime"]))


def test_every_new_session_is_another_one(mia):
    made = [mia.ask("POST", "", NEW) for _ in range(5)]
    assert len({each["sessionId"] for each in made}) == 5
    assert len({each["id"] for each in made}) == 5


def test_ids_are_unique_when_several_instances_make_many_at_once(make_app, call_as):
    callers = [call_as(make_app(), "123") for _ in range(4)]
    with ThreadPoolExecutor(16) as pool:
        answers = pool.map(lambda i: callers[i % 4]("POST", PREFIX, NEW).json, range(200))
        made = [answer["data"] for answer in answers]
    assert len({each["sessionId"] for each in made}) == 200
    assert len({each["id"] for each in made}) == 200
    assert all(SESSION_ID.fullmatch(each["sessionId"]) for each in made)
    records = callers[0]("GET", f"{PREFIX}/user/123?pageSize=100").json["data"]
    assert records["total"] == 200


@pytest.mark.parametrize("kind", ["PRIVATE", "GROUP", "SYSTEM"])
def test_a_session_has_one_of_three_types(mia, kind):
    assert mia.opens(456, kind=kind)["sessionType"] == kind


def test_what_may_be_left_out(mia):
    made = mia.ask("POST", "", {"userId1": 123, "userId2": 456})
    assert (made["sessionType"], made["title"], made["description"]) == ("PRIVATE", None, None)
    nothing = dict.fromkeys(("title", "description", "memberIds"))
    assert mia.ask("POST", "", {"userId1": 1, "userId2": 123, **nothing})["title"] is None
    assert mia.ask("POST", "", NEW | {"description": ""})["description"] == ""
    assert mia.ask("POST", "", NEW | {"title": "  x  "})["title"] == "x"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"userId2": 123}, "userId2: Must not be the same as userId1."),
        ({"userId1": "123"}, "userId1: Must be a whole number from 1 to 9007199254740991."),
        ({"userId2": 0}, "userId2: Must be a whole number from 1 to 9007199254740991."),
        ({"userId2": True}, "userId2: Must be a whole number from 1 to 9007199254740991."),
        ({"userId2": None}, "userId2: Field may not be null."),
        ({"sessionType": "private"}, "sessionType: Must be one of 'PRIVATE', 'GROUP' or 'SYSTEM'."),
        ({"title": "  "}, "title: Must not be blank."),
        ({"title": "x" * 201}, "title: Must not be longer than 200 characters."),
        ({"description": "x" * 2001}, "description: Must not be longer than 2000 characters."),
        ({"memberIds": [1]}, "memberIds: Only a GROUP has further members."),
        ({"memberIds": "1"}, "memberIds: Not a valid list."),
        (
            {"sessionType": "GROUP", "memberIds": [1, "2"]},
            "memberIds.1: Must be a whole number from 1 to 9007199254740991.",
        ),
        (
            {"sessionType": "GROUP", "memberIds": list(range(1, 201))},
            "memberIds: a session has at most 200 members",
        ),
    ],
)
def test_bad_input_is_refused_and_the_field_named(mia, change, message):
    assert mia.ask("POST", "", NEW | change, code=400) == message


def test_a_group_has_the_members_it_was_made_with(mia, noah, olga, group):
    for party in (mia, noah, olga):
        assert party.sees(group)["sessionType"] == "GROUP"
    assert mia.opens(456, *range(1, 199))["sessionType"] == "GROUP"
    assert mia.opens(456, 456, 123, 789, 789)["sessionType"] == "GROUP"


def test_only_the_two_users_and_admins_make_a_session(olga, party):
    assert olga.ask("POST", "", NEW, code=403) == NOT_YOURS
    made = party(1, role="admin").ask("POST", "", NEW)
    assert (made["userId1"], made["userId2"]) == (123, 456)


def test_users_have_integer_ids_here(app, call_as):
    answer = call_as(app, "alice")("GET", f"{PREFIX}?userId=1")
    assert answer.status_code == 403
    assert answer.json == {"code": 403, "message": "users have integer ids here", "data": None}


def test_title_and_description_are_shared_and_the_status_is_not(mia, noah, pair):
    changed = mia.sets(pair, title=" 新会话标题 ", description="新会话描述", status="ARCHIVED")
    assert changed.items() >= {"title": "新会话标题", "description": "新会话描述"}.items()
    assert changed["status"] == "ARCHIVED"
    seen = noah.sees(pair)
    assert (seen["title"], seen["description"]) == ("新会话标题", "新会话描述")
    assert seen["status"] == "ACTIVE"
    assert mia.sets(pair, title="x")["description"] == "新会话描述"
    assert mia.sets(pair, description="")["description"] == ""


@pytest.mark.parametrize("first", ["ACTIVE", "ARCHIVED", "DELETED"])
@pytest.mark.parametrize("then", ["ACTIVE", "ARCHIVED", "DELETED"])
def test_every_status_can_follow_every_other(mia, pair, first, then):
    for status in (first, then):
        assert mia.sets(pair, status=status)["status"] == status
        assert mia.sees(pair)["status"] == status


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({}, "body: title, description or status is required."),
        ({"title": None, "other": 1}, "body: title, description or status is required."),
        ({"status": "active"}, "status: Must be one of 'ACTIVE', 'ARCHIVED' or 'DELETED'."),
        ({"title": ""}, "title: Must not be blank."),
        ({"description": {"$gt": ""}}, "description: Must be a string."),
    ],
)
def test_a_change_must_say_what_it_changes(mia, pair, change, message):
    assert mia.ask("PUT", f"/{pair}", change, code=400) == message


def test_archiving_may_be_repeated(mia, noah, pair):
    for _ in range(3):
        assert mia.ask("PUT", f"/{pair}/archive")["status"] == "ARCHIVED"
    assert noah.sees(pair)["status"] == "ACTIVE"
    mia.sets(pair, status="DELETED")
    assert mia.ask("PUT", f"/{pair}/archive", {"x": 1})["status"] == "ARCHIVED"


def test_unknown_sessions_are_404_and_those_of_others_403(olga, pair):
    for session, code, message in ((pair, 403, NO_PART), ("SESS_1", 404, NO_SESSION)):
        assert olga.ask("PUT", f"/{session}", {"title": "x"}, code=code) == message
        assert olga.ask("PUT", f"/{session}/archive", code=code) == message
        about = {"sessionId": session, "userId": olga.id}
        assert olga.ask("PUT", "/unread/clear", about, code=code) == message
        assert olga.ask("PUT", "/unread/increment", about, code=code) == message
        assert olga.says(session, to=123, code=code) == message
        assert olga.tells(session, "x", "2024-01-01T00:00:00", code=code) == message
        assert olga.ask("DELETE", "/empty", code=code, **about) == message
        path = f"/{session}/messages"
        assert olga.ask("GET", path, userId=olga.id, code=code) == message


def test_the_update_time_moves_on_with_what_is_changed(clock, mia, noah, pair):
    made = mia.sees(pair)["updateTime"]
    clock.ahead_ms += 10_000
    mia.sets(pair, title="new")
    assert made < mia.sees(pair)["updateTime"] == noah.sees(pair)["updateTime"]
    shared = noah.sees(pair)["updateTime"]
    clock.ahead_ms += 10_000
    mia.says(pair, to=noah.id)
    assert shared < noah.sees(pair)["updateTime"]
    shared = noah.sees(pair)["updateTime"]
    clock.ahead_ms += 10_000
    mia.tells(pair, "older", "2024-01-01T00:00:00")
    assert noah.sees(pair)["updateTime"] == shared
    clock.ahead_ms += 10_000
    mia.sets(pair, status="ARCHIVED")
    assert mia.sees(pair)["updateTime"] > shared
    assert noah.sees(pair)["updateTime"] == shared


def test_health_is_public(app, call_as):
    answer = call_as(app, None)("GET", f"{PREFIX}/health")
    assert answer.status_code == 200
    assert answer.json == {"code": 200, "message": "success", "data": "系统运行正常"}


def test_health_is_503_while_the_database_is_out_of_reach(make_app, nowhere, call_as):
    answer = call_as(make_app(nowhere), None)("GET", f"{PREFIX}/health")
    assert answer.status_code == 503
    assert answer.json["code"] == 503
    assert int(answer.headers["Retry-After"]) >= 1
