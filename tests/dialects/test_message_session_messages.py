"""The message sessions API: messages, last messages, unread counts, emptying."""

import time
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import pytest
from pymongo import MongoClient

from session_service.core import message_log, message_sessions
from session_service.core.message_log import MessageLog
from session_service.store.message_sessions import MessageSessionStore
from tests.dialects.parties import NO_PART, NOT_YOURS, PREFIX, Party

EARLY, NOON, LATE = (f"2024-01-01T{hour}:00:00" for hour in ("06", "12", "18"))


@pytest.fixture
def stored(mongo_uri, database_name):
    """How many messages lie in the database, seen or not."""

    def count() -> int:
        with MongoClient(mongo_uri) as client:
            return client[database_name]["messages"].count_documents({})

    return count


def test_a_message_is_the_last_one_and_unread_for_its_receiver(mia, noah, pair):
    record = mia.says(pair, "新消息内容", to=noah.id, at=NOON)
    assert (record["lastMessage"], record["lastMessageTime"]) == ("新消息内容", NOON)
    assert record["unreadCount"] == 0
    assert noah.last(pair) == ("新消息内容", NOON)
    assert noah.unread(pair) == 1
    assert mia.unread(pair) == 0
    (message,) = noah.reads(pair)
    assert type(message.pop("id")) is int
    assert message == {
        "sessionId": pair,
        "senderId": mia.id,
        "receiverId": noah.id,
        "message": "新消息内容",
        "messageTime": NOON,
    }


def test_in_a_group_a_message_counts_for_all_or_for_the_one_who_receives_it(mia, noah, olga, group):
    mia.says(group, "to all")
    assert [each.unread(group) for each in (mia, noah, olga)] == [0, 1, 1]
    mia.says(group, "to olga", to=olga.id)
    assert [each.unread(group) for each in (mia, noah, olga)] == [0, 1, 2]
    for each in (mia, noah, olga):
        assert each.texts(group) == ["to all", "to olga"]
        assert each.last(group)[0] == "to olga"
    assert [each["receiverId"] for each in noah.reads(group)] == [None, olga.id]


def test_who_receives_must_be_said_but_in_a_group_and_be_another_member(mia, noah, pair):
    missing = "receiverId: needed unless the session is a GROUP"
    assert mia.says(pair, code=400) == missing
    strange = "receiverId: takes no part in the session"
    assert mia.says(pair, to=789, code=400) == strange
    same = "receiverId: Must not be the same as senderId."
    assert mia.says(pair, to=mia.id, code=400) == same
    assert noah.texts(pair) == []


def test_nobody_sends_or_tells_for_others(mia, party, pair):
    body = {"sessionId": pair, "senderId": 456, "receiverId": 123, "message": "x"}
    assert mia.ask("POST", "/new-message", body, code=403) == NOT_YOURS
    told = {"sessionId": pair, "senderId": 456, "lastMessage": "x", "lastMessageTime": NOON}
    assert mia.ask("PUT", "/last-message", told, code=403) == NOT_YOURS
    admin = party(1, role="admin")
    assert admin.ask("POST", "/new-message", body, code=403) == NOT_YOURS
    assert admin.says(pair, to=123, code=403) == NO_PART


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"message": ""}, "message: Must not be blank."),
        ({"message": "x" * 10_001}, "message: Must not be longer than 10000 characters."),
        ({"sessionId": 1}, "sessionId: Must be a string."),
        ({"senderId": None}, "senderId: Field may not be null."),
        *[
            (
                {"messageTime": time},
                "messageTime: Must be a time like 2024-01-01T00:00:00 from 1970 on.",
            )
            for time in (
                *(
                    "",
                    "now",
                    1704067200,
                    "2024-01-01",
                    "2024-13-01T00:00:00",
                    "1969-12-31T23:59:59",
                ),
                *("2024-01-01T24:00:01", "2024-01-01T00:00:00+99:00", "0001-01-01T00:00:00+10:00"),
                *("9999-12-31T23:59:59-10:00x", "٢٠٢٤-01-01T00:00:00", "2024-02-30T00:00:00"),
            )
        ],
    ],
)
def test_bad_messages_are_refused_and_the_field_named(mia, pair, change, message):
    body = {"sessionId": pair, "senderId": 123, "receiverId": 456, "message": "x"}
    assert mia.ask("POST", "/new-message", body | change, code=400) == message


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("2024-01-01T00:00:00.999", "2024-01-01T00:00:00"),
        ("2024-01-01T08:00:00+08:00", "2024-01-01T00:00:00"),
        ("2024-01-01T00:00:00.123456Z", "2024-01-01T00:00:00"),
        ("2024-01-01 00:00", "2024-01-01T00:00:00"),
        ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00"),
    ],
)
def test_times_may_have_fractions_and_a_zone(mia, noah, pair, given, shown):
    assert mia.says(pair, to=noah.id, at=given)["lastMessageTime"] == shown


def test_a_time_far_ahead_counts_as_now_and_one_that_is_left_out_too(mia, noah, pair):
    now = mia.says(pair, "now", to=noah.id)["lastMessageTime"]
    ahead = mia.says(pair, "ahead", to=noah.id, at="2999-01-01T00:00:00")
    assert now <= ahead["lastMessageTime"] < "2999"
    assert ahead["lastMessage"] == "ahead"
    told = mia.tells(pair, "told", "2999-01-01T00:00:00")
    assert ahead["lastMessageTime"] <= told["lastMessageTime"] < "2999"
    assert [each["messageTime"] < "2999" for each in noah.reads(pair)] == [True, True]


def test_the_last_message_is_the_one_of_the_greatest_time_of_equal_ones_the_later(mia, noah, pair):
    mia.says(pair, "noon", to=noah.id, at=NOON)
    assert mia.says(pair, "early", to=noah.id, at=EARLY)["lastMessage"] == "noon"
    assert mia.says(pair, "noon too", to=noah.id, at=NOON)["lastMessage"] == "noon too"
    assert noah.last(pair) == ("noon too", NOON)
    assert noah.texts(pair) == ["noon", "early", "noon too"]
    assert noah.unread(pair) == 3


def test_a_last_message_that_is_told_never_moves_back(mia, noah, pair):
    assert mia.tells(pair, "noon", NOON)["lastMessage"] == "noon"
    assert noah.tells(pair, "early", EARLY)["lastMessage"] == "noon"
    assert noah.tells(pair, "noon too", NOON)["lastMessage"] == "noon too"
    assert mia.says(pair, "between", to=noah.id, at=EARLY)["lastMessage"] == "noon too"
    assert mia.says(pair, "noon at last", to=noah.id, at=NOON)["lastMessage"] == "noon at last"
    assert noah.tells(pair, "late", LATE)["lastMessage"] == "late"
    assert noah.last(pair) == mia.last(pair) == ("late", LATE)
    assert noah.texts(pair) == ["between", "noon at last"]
    assert noah.unread(pair) == 2


def test_times_of_the_same_second_are_equal(mia, noah, pair):
    now = mia.says(pair, "first", to=noah.id)["lastMessageTime"]
    assert noah.says(pair, "second", to=mia.id, at=now)["lastMessage"] == "second"
    assert mia.tells(pair, "third", now)["lastMessage"] == "third"
    assert mia.says(pair, "fourth", to=noah.id, at=f"{now}.001")["lastMessage"] == "fourth"


def test_who_has_emptied_a_session_is_told_anew(mia, noah, pair):
    mia.says(pair, "late", to=noah.id, at=LATE)
    for each in (mia, noah):
        each.empties(pair)
    assert mia.tells(pair, "noon", NOON)["lastMessage"] == "noon"
    assert noah.last(pair) == ("noon", NOON)


def test_the_last_message_stays_the_greatest_when_many_tell_and_send_at_once(mia, noah, pair):
    times = [f"2024-01-01T00:{minute:02}:00" for minute in range(40)]

    def tell(i: int) -> None:
        at = times[(i * 17) % 40]
        if i % 2:
            mia.tells(pair, at, at)
        else:
            mia.says(pair, at, to=noah.id, at=at)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(tell, range(40)))
    assert noah.last(pair) == mia.last(pair) == (times[-1], times[-1])


def test_a_message_brings_a_deleted_session_back_and_leaves_an_archived_one(
    mia, noah, olga, group, pair
):
    for status, then in (("DELETED", "ACTIVE"), ("ARCHIVED", "ARCHIVED")):
        noah.sets(pair, status=status)
        mia.says(pair, to=noah.id)
        assert noah.sees(pair)["status"] == then
    for each in (noah, olga):
        each.sets(group, status="DELETED")
    mia.says(group, "for noah", to=noah.id)
    assert (noah.sees(group)["status"], olga.sees(group)["status"]) == ("ACTIVE", "DELETED")
    mia.says(group, "for all")
    assert olga.sees(group)["status"] == "ACTIVE"


def test_who_sends_to_a_session_that_is_deleted_has_it_back(mia, noah, pair):
    mia.sets(pair, status="DELETED")
    assert mia.says(pair, to=noah.id)["status"] == "ACTIVE"


def test_unread_is_raised_for_any_member_and_cleared_by_its_own(mia, noah, olga, group):
    assert mia.raises(group, noah.id)["unreadCount"] == 1
    assert mia.raises(group, noah.id, by=10_000)["unreadCount"] == 10_001
    assert [each.unread(group) for each in (mia, noah, olga)] == [0, 10_001, 0]
    mia.says(group)
    assert noah.unread(group) == 10_002
    assert noah.clears(group)["unreadCount"] == 0
    assert [each.unread(group) for each in (mia, noah, olga)] == [0, 0, 1]
    other = {"sessionId": group, "userId": olga.id}
    assert noah.ask("PUT", "/unread/clear", other, code=403) == NOT_YOURS
    assert noah.ask("PUT", "/unread/increment", other | {"userId": 5}, code=403) == NO_PART
    for wrong in (0, 10_001, -1, 1.0, "1", True, None):
        body = other | {"increment": wrong}
        assert noah.ask("PUT", "/unread/increment", body, code=400).startswith("increment: ")


def test_admins_clear_empty_and_read_for_others_who_are_members(mia, noah, party, pair):
    mia.says(pair, to=noah.id)
    admin = party(1, role="admin")
    about = {"sessionId": pair, "userId": noah.id}
    assert admin.ask("GET", "", userId=noah.id)["records"][0]["unreadCount"] == 1
    assert admin.ask("PUT", "/unread/increment", about)["unreadCount"] == 2
    assert admin.ask("PUT", "/unread/clear", about)["unreadCount"] == 0
    assert len(admin.ask("GET", f"/{pair}/messages", userId=noah.id)) == 1
    assert admin.ask("DELETE", "/empty", **about)["lastMessage"] is None
    assert admin.ask("PUT", "/unread/clear", about | {"userId": 1}, code=403) == NO_PART


def test_counts_are_exact_when_many_raise_and_send_at_once(make_app, call_as, mia, noah, pair):
    callers = [call_as(make_app(), "123") for _ in range(2)]
    body = {"sessionId": pair, "userId": noah.id, "increment": 3}
    message = {"sessionId": pair, "senderId": 123, "receiverId": noah.id, "message": "x"}

    def work(i: int) -> int:
        call = ("PUT", "unread/increment", body) if i % 3 else ("POST", "new-message", message)
        method, path, sent = call
        return int(callers[i % 2](method, f"{PREFIX}/{path}", sent).status_code)

    with ThreadPoolExecutor(12) as pool:
        assert set(pool.map(work, range(60))) == {200}
    assert noah.unread(pair) == 20 + 40 * 3
    assert len(noah.texts(pair)) == 20


def test_a_repeat_with_the_same_key_stores_nothing_more(mia, noah, pair):
    first = mia.says(pair, "once", to=noah.id, key="k")
    assert mia.says(pair, "once", to=noah.id, key="k") == first
    assert noah.texts(pair) == ["once"]
    assert noah.unread(pair) == 1
    used = "this Idempotency-Key was used for another message"
    assert mia.says(pair, "twice", to=noah.id, key="k", code=400) == used
    assert mia.says(pair, "once", to=noah.id, at=NOON, key="k", code=400) == used
    noah.says(pair, "once", to=mia.id, key="k")
    assert mia.texts(pair) == ["once", "once"]


def test_pages_lose_and_repeat_nothing(mia, noah, pair):
    sent = [f"{i}" for i in range(23)]
    for text in sent:
        mia.says(pair, text, to=noah.id)
    assert [each["message"] for each in noah.reads(pair)] == sent[3:]
    for limit in (1, 7, 100):
        seen, before = [], {}
        while page := noah.reads(pair, limit=limit, **before):
            seen = page + seen
            before = {"before": page[0]["id"]}
        assert [each["message"] for each in seen] == sent
    ids = [each["id"] for each in noah.reads(pair, limit=100)]
    assert all(a < b < 2**53 for a, b in pairwise(ids))
    assert noah.reads(pair, before=ids[0]) == []
    assert noah.reads(pair, before=1) == []
    assert len(noah.reads(pair, before=2**63 - 1)) == 20
    for wrong in ({"limit": 0}, {"limit": 101}, {"before": "x"}, {"before": 0}):
        (name,) = wrong
        path = f"/{pair}/messages"
        refusal = noah.ask("GET", path, userId=noah.id, code=400, **wrong)
        assert refusal.startswith(f"{name}: ")


def test_emptying_is_for_one_user_alone(mia, noah, pair):
    mia.says(pair, "one", to=noah.id, at=NOON)
    before = noah.sees(pair)
    emptied = mia.empties(pair)
    assert (emptied["lastMessage"], emptied["lastMessageTime"]) == (None, None)
    assert mia.texts(pair) == []
    assert noah.sees(pair) == before
    assert noah.texts(pair) == ["one"]


def test_after_emptying_only_what_is_new_counts(mia, noah, pair):
    mia.says(pair, "one", to=noah.id, at=NOON)
    assert noah.empties(pair)["unreadCount"] == 0
    mia.says(pair, "two", to=noah.id, at=EARLY)
    assert noah.last(pair) == ("two", EARLY)
    assert mia.last(pair) == ("one", NOON)
    assert noah.unread(pair) == 1
    assert noah.texts(pair) == ["two"]
    first = noah.reads(pair)[0]["id"]
    assert noah.reads(pair, before=first) == []
    mia.tells(pair, "three", LATE)
    assert noah.last(pair) == mia.last(pair) == ("three", LATE)


def test_what_all_have_emptied_is_deleted_and_ids_go_on(mia, noah, olga, group, stored):
    for text in ("one", "two"):
        mia.says(group, text)
    last = noah.reads(group)[-1]["id"]
    for each, left in ((mia, 2), (noah, 2), (olga, 0)):
        each.empties(group)
        assert stored() == left
    mia.says(group, "three")
    assert noah.texts(group) == ["three"]
    assert noah.reads(group)[0]["id"] > last
    assert noah.unread(group) == 1


def test_a_key_may_be_used_anew_once_its_message_is_deleted(mia, noah, pair):
    mia.says(pair, "x", to=noah.id, key="k")
    mia.empties(pair)
    noah.empties(pair)
    mia.says(pair, "y", to=noah.id, key="k")
    assert noah.texts(pair) == ["y"]


def test_a_long_session_that_all_have_emptied_is_deleted_piece_by_piece(
    mia, noah, pair, stored, monkeypatch
):
    monkeypatch.setattr(message_log, "SHORT", 3)
    for i in range(10):
        mia.says(pair, f"{i}", to=noah.id)
    mia.empties(pair)
    assert stored() == 10
    assert noah.empties(pair)["lastMessage"] is None
    deadline = time.monotonic() + 20
    while stored():
        assert time.monotonic() < deadline, "the messages are not deleted"
        time.sleep(0.02)
    mia.says(pair, "after", to=noah.id)
    assert noah.texts(pair) == ["after"]


def test_what_a_crash_left_of_emptied_messages_goes_with_the_next_rebuilding(
    mia, noah, pair, stored, monkeypatch
):
    mia.says(pair, to=noah.id)
    with monkeypatch.context() as crash:
        crash.setattr(MessageLog, "delete_cleared", lambda *_: None)
        for each in (mia, noah):
            each.empties(pair)
    assert stored() == 1
    noah.rebuilds()
    assert stored() == 0


def test_who_empties_while_a_message_is_committed_sees_that_message(
    database, make_app, call_as, noah, pair, monkeypatch
):
    commit = MessageSessionStore.commit

    def emptied_before(*arguments: Any) -> bool:
        monkeypatch.setattr(MessageSessionStore, "commit", commit)
        noah.empties(pair)
        return commit(*arguments)

    monkeypatch.setattr(MessageSessionStore, "commit", emptied_before)
    Party(call_as(make_app(), "123"), 123).says(pair, "just now", to=noah.id)
    assert noah.texts(pair) == ["just now"]
    assert noah.last(pair)[0] == "just now"


def test_a_full_session_takes_repeats_alone(mia, noah, pair, monkeypatch):
    mia.says(pair, "one", to=noah.id, key="k")
    monkeypatch.setattr(message_sessions, "MOST_MESSAGES", 2)
    assert mia.says(pair, "two", to=noah.id, code=400) == "this session is full"
    mia.says(pair, "one", to=noah.id, key="k")


def test_emptying_while_others_send_loses_nothing_that_comes_after(mia, noah, pair):
    with ThreadPoolExecutor(8) as pool:
        sends = [pool.submit(mia.says, pair, f"{i}", to=noah.id) for i in range(30)]
        empties = [pool.submit(each.empties, pair) for each in (mia, noah) * 5]
        for each in (*sends, *empties):
            each.result()
    texts = noah.texts(pair)
    assert noah.unread(pair) == len(texts)
    last = noah.last(pair)[0]
    assert last == (texts[-1] if texts else None)
    mia.says(pair, "after", to=noah.id)
    assert noah.texts(pair) == [*texts, "after"]
