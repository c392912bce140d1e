"""The message sessions API: lists, counts, searching, many at once."""

import pytest

from tests.dialects.parties import NOT_YOURS, Party

NOON = "2024-01-01T12:00:00"


def talk(mia: Party, *times: str) -> list[str]:
    """Sessions of mia's with others, each with a message of that time."""
    made = [str(mia.opens(500 + i, title=f"t{i}")["sessionId"]) for i in range(len(times))]
    for i, (session, at) in enumerate(zip(made, times, strict=True)):
        mia.says(session, f"message {i}", to=500 + i, at=at)
    return made


def test_lists_begin_with_the_last_activity(clock, mia):
    quiet = mia.opens(456)["sessionId"]
    old, older = talk(mia, "2024-01-02T00:00:00", "2024-01-01T00:00:00")
    clock.ahead_ms = 1000
    newest = mia.opens(456)["sessionId"]
    assert mia.lists() == [newest, quiet, old, older]
    assert [each["sessionId"] for each in mia.ask("GET", "/user/123")["records"]] == mia.lists()


def test_a_page_says_how_many_there_are(mia):
    made = [mia.opens(456)["sessionId"] for _ in range(5)]
    page = mia.ask("GET", "", userId=123, currentPage=2, pageSize=2)
    assert page.keys() == {"records", "total", "currentPage", "pageSize", "totalPages"}
    records = page.pop("records")
    assert page == {"total": 5, "currentPage": 2, "pageSize": 2, "totalPages": 3}
    assert [each["sessionId"] for each in records] == mia.lists()[2:4]
    assert set(mia.lists()) == set(made)
    assert mia.ask("GET", "", userId=123, currentPage=9)["records"] == []
    assert mia.ask("GET", "", userId=123, currentPage=2**63 - 1)["total"] == 5
    whole = mia.ask("GET", "", userId=123, pageSize=10**6)
    assert (whole["pageSize"], whole["totalPages"]) == (100, 1)
    nothing = mia.ask("GET", "", userId=123, status="ARCHIVED")
    assert (nothing["total"], nothing["totalPages"]) == (0, 0)


def test_lists_are_filtered_by_type_and_status_and_leave_out_what_is_deleted(mia):
    private, other = (mia.opens(456)["sessionId"] for _ in range(2))
    group = mia.opens(456, 789)["sessionId"]
    mia.sets(other, status="DELETED")
    mia.sets(group, status="ARCHIVED")
    assert set(mia.lists()) == {private, group}
    assert mia.lists(status="DELETED") == [other]
    assert mia.lists(status="ARCHIVED") == [group]
    assert mia.lists(status="ACTIVE") == [private]
    assert mia.lists(sessionType="GROUP") == [group]
    assert mia.lists(sessionType="SYSTEM") == []
    path = "/user/123"
    assert mia.ask("GET", path, sessionType="PRIVATE")["total"] == 1
    assert mia.ask("GET", f"{path}/count") == 2
    assert mia.ask("GET", f"{path}/count", sessionType="PRIVATE") == 1
    assert [each["sessionId"] for each in mia.ask("GET", f"{path}/active")] == [private]


def test_active_sessions_are_ten_unless_another_limit_is_given(mia):
    for _ in range(12):
        mia.opens(456)
    path = "/user/123/active"
    assert len(mia.ask("GET", path)) == 10
    assert len(mia.ask("GET", path, limit=100)) == 12
    assert [each["sessionId"] for each in mia.ask("GET", path, limit=3)] == mia.lists()[:3]


def test_unread_sessions_and_messages_are_counted(mia, noah, group, pair):
    for _ in range(3):
        mia.says(pair, to=noah.id)
    mia.says(group)
    hidden = str(mia.opens(noah.id)["sessionId"])
    noah.raises(hidden, by=5)
    path = "/user/456/unread"
    assert noah.ask("GET", f"{path}/count") == 3
    assert noah.ask("GET", f"{path}/total") == 9
    noah.sets(hidden, status="DELETED")
    assert noah.ask("GET", f"{path}/count") == 2
    assert noah.ask("GET", f"{path}/total") == 4
    page = noah.ask("GET", path, pageSize=1)
    assert (page["total"], page["totalPages"]) == (2, 2)
    noah.clears(group)
    assert [each["sessionId"] for each in noah.ask("GET", path)["records"]] == [pair]
    assert mia.ask("GET", "/user/123/unread/total") == 0
    mia.ask("PUT", f"/{pair}/archive")
    noah.sets(pair, status="ARCHIVED")
    assert noah.ask("GET", f"{path}/total") == 3


@pytest.mark.parametrize(
    ("keyword", "found"),
    [
        ("产品", {"a"}),
        ("品推", {"a"}),
        ("MIXED", {"b"}),
        ("straße", {"b"}),
        ("STRASSE", {"b"}),
        (".*", {"c"}),
        ("(", {"c"}),
        ("a\\d", {"c"}),
        ("last words", {"d"}),
        ("^", set()),
        ("t\n", set()),
        ("", {"a", "b", "c", "d"}),
        ("  ", set()),
        ("words ", set()),
        (None, {"a", "b", "c", "d"}),
    ],
)
def test_a_keyword_is_a_plain_part_of_title_description_or_last_message(mia, keyword, found):
    texts = {
        "a": {"title": "KOL订单: 产品推广视频", "description": "t"},
        "b": {"title": "mixed Case", "description": "in der Straße"},
        "c": {"title": "t", "description": "odd .* ( a\\d characters"},
        "d": {"title": "t", "description": None},
    }
    made = {}
    for name, text in texts.items():
        body = {"userId1": 123, "userId2": 456, **text}
        made[mia.ask("POST", "", body)["sessionId"]] = name
    (spoken,) = (session for session, name in made.items() if name == "d")
    mia.says(spoken, "the Last Words", to=456)
    page = mia.ask("POST", "/query", {"userId": 123, "keyword": keyword})
    assert {made[each["sessionId"]] for each in page["records"]} == found
    assert page["total"] == len(found)


def test_a_query_in_any_order(clock, mia, noah):
    made = []
    for title, unread in (("b", 2), ("c", 0), ("a", 1)):
        session = str(mia.opens(noah.id, title=title)["sessionId"])
        made.append(session)
        for _ in range(unread):
            noah.says(session, to=mia.id, at=f"2024-01-0{unread}T00:00:00")
        clock.ahead_ms += 5000
    b, c, a = made
    clock.ahead_ms += 5000
    mia.sets(c, title="c")

    def asked(by: str, direction: str) -> list[str]:
        body = {"userId": 123, "orderBy": by, "orderDirection": direction}
        return [each["sessionId"] for each in mia.ask("POST", "/query", body)["records"]]

    for by, ascending in {
        "title": [a, b, c],
        "unreadCount": [c, a, b],
        "createTime": [b, c, a],
        "updateTime": [b, a, c],
        "lastMessageTime": [a, b, c],
    }.items():
        assert asked(by, "ASC") == ascending, by
        assert asked(by, "DESC") == ascending[::-1], by
    page = mia.ask("POST", "/query", {"userId": 123})
    assert [each["sessionId"] for each in page["records"]] == [c, b, a]


@pytest.mark.parametrize(
    ("method", "path", "wrong", "named"),
    [
        ("GET", "", {}, "userId"),
        ("GET", "", {"userId": "x"}, "userId"),
        ("GET", "", {"userId": 123, "currentPage": 0}, "currentPage"),
        ("GET", "", {"userId": 123, "pageSize": 0}, "pageSize"),
        ("GET", "", {"userId": 123, "pageSize": "1.5"}, "pageSize"),
        ("GET", "", {"userId": 123, "status": "GONE"}, "status"),
        ("GET", "/user/123", {"sessionType": "x"}, "sessionType"),
        ("GET", "/user/x", {}, "userId"),
        ("GET", "/user/0", {}, "userId"),
        ("GET", "/user/123/active", {"limit": 101}, "limit"),
        ("GET", "/user/123/unread", {"currentPage": -1}, "currentPage"),
        ("POST", "/query", {"userId": "123"}, "userId"),
        ("POST", "/query", {"userId": 123, "orderBy": "id"}, "orderBy"),
        ("POST", "/query", {"userId": 123, "orderDirection": "desc"}, "orderDirection"),
        ("POST", "/query", {"userId": 123, "keyword": {"$regex": ".*"}}, "keyword"),
        ("POST", "/query", {"userId": 123, "keyword": "x" * 201}, "keyword"),
        ("POST", "/query", {"userId": 123, "currentPage": "1"}, "currentPage"),
        ("PUT", "/batch/archive", {"userId": 123, "sessionIds": []}, "sessionIds"),
        ("PUT", "/batch/archive", {"userId": 123, "sessionIds": ["x"] * 1001}, "sessionIds"),
        ("PUT", "/batch/archive", {"userId": 123, "sessionIds": ["x", 1]}, "sessionIds.1"),
        ("PUT", "/batch/archive", {"userId": 123, "sessionIds": ["x", None]}, "sessionIds.1"),
        ("PUT", "/batch/unarchive", {"sessionIds": ["x"]}, "userId"),
        ("DELETE", "/archived", {"userId": 123, "beforeTime": "x"}, "beforeTime"),
        ("DELETE", "/empty", {"userId": 123}, "sessionId"),
        ("POST", "/rebuild-index", {"userId": 123, "force": "false"}, "force"),
    ],
)
def test_bad_questions_are_refused_and_the_field_named(mia, method, path, wrong, named):
    if method in ("GET", "DELETE"):
        refusal = mia.ask(method, path, code=400, **wrong)
    else:
        refusal = mia.ask(method, path, wrong, code=400)
    assert refusal.startswith(f"{named}: ")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "?userId=456", None),
        ("POST", "/query", {"userId": 456}),
        *[
            ("GET", f"/user/456{rest}", None)
            for rest in ("", "/active", "/unread", "/unread/count", "/count", "/unread/total")
        ],
        ("DELETE", "/archived?userId=456", None),
        ("PUT", "/batch/archive", {"userId": 456, "sessionIds": ["x"]}),
        ("PUT", "/batch/unarchive", {"userId": 456, "sessionIds": ["x"]}),
        ("POST", "/rebuild-index", {"userId": 456}),
    ],
)
def test_calls_are_about_the_caller_or_made_by_an_admin(mia, party, pair, method, path, body):
    assert mia.ask(method, path, body, code=403) == NOT_YOURS
    party(1, role="admin").ask(method, path, body)


def test_many_are_archived_and_made_active_at_once_and_bad_ones_fail_alone(mia, noah):
    made = [mia.opens(noah.id)["sessionId"] for _ in range(4)]
    theirs = noah.opens(789)["sessionId"]
    gone = made[3]
    strangers = [theirs, "SESS_1", "", " ", "x" * 300]
    asked = {"userId": 123, "sessionIds": [*made[:2], *strangers, made[0], gone]}
    strange = [{"sessionId": each, "reason": "session not found"} for each in strangers]
    for _ in range(2):
        told = mia.ask("PUT", "/batch/archive", asked)
        assert told == {"updated": 3, "failed": strange}
    assert set(mia.lists(status="ARCHIVED")) == {*made[:2], gone}
    assert set(noah.lists(status="ACTIVE")) == {*made, theirs}
    mia.sets(gone, status="DELETED")
    told = mia.ask("PUT", "/batch/unarchive", asked)
    deleted = {"sessionId": gone, "reason": "session is deleted"}
    assert told == {"updated": 2, "failed": [*strange, deleted]}
    assert set(mia.lists()) == set(made[:3])
    assert mia.lists(status="DELETED") == [gone]


def test_archived_sessions_are_deleted_for_their_user_if_they_are_old(mia, noah):
    old, new, active = talk(mia, "2024-01-01T00:00:00", NOON, "2024-01-01T00:00:00")
    for session in (old, new):
        mia.sets(session, status="ARCHIVED")
    deleted = mia.ask("DELETE", "/archived", userId=123, beforeTime="2024-01-01T08:00:00+08:00")
    assert deleted == 0
    assert mia.ask("DELETE", "/archived", userId=123, beforeTime=NOON) == 1
    assert mia.lists(status="DELETED") == [old]
    assert mia.ask("DELETE", "/archived", userId=123) == 1
    assert mia.ask("DELETE", "/archived", userId=123) == 0
    assert set(mia.lists(status="DELETED")) == {old, new}
    assert mia.lists() == [active]
    quiet = mia.opens(noah.id)["sessionId"]
    mia.sets(quiet, status="ARCHIVED")
    assert mia.ask("DELETE", "/archived", userId=123, beforeTime=NOON) == 0
    assert mia.ask("DELETE", "/archived", userId=123, beforeTime="2999-01-01T00:00:00") == 1


def test_a_plus_that_nobody_encoded_is_a_plus(mia):
    (session,) = talk(mia, "2024-01-01T00:00:00")
    mia.sets(session, status="ARCHIVED")
    query = "userId=123&beforeTime=2024-01-01T08:00:01+08:00"
    answer = mia.caller("DELETE", f"/api/v1/message-sessions/archived?{query}")
    assert answer.json["data"] == 1
