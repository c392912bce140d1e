"""The conversations API: sending, reading and listing, as its contract tells it."""

import re
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.dialects.conversing import STRANGER, Person, calls_on, member_ids, register

TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")
MESSAGE_ID = re.compile(r"MSG_(\d{13})_\d+")
PUBLIC_ID = re.compile(r"CONV_(\d{13})_\d{5,}")
MESSAGE = {
    "message_id",
    "conversation_id",
    "sender_id",
    "sender_nickname",
    "sender_avatar_url",
    "message_type",
    "content",
    "file_name",
    "file_size",
    "file_type",
    "status",
    "created_at",
}
CONVERSATION = {
    "conversation_id",
    "id",
    "title",
    "type",
    "related_order_type",
    "related_order_id",
    "order_status",
    "status",
    "members",
    "unread_count",
    "created_at",
    "last_message_at",
}
NEW = {"type": "general", "title": "x", "member_ids": [2]}
LAST = {"message_id", "sender_nickname", "message_type", "content", "created_at"}


@pytest.fixture
def accounts(mongo_uri, database_name) -> None:
    """Ann has a nickname and a picture, ben a name only; there is no account of id 3."""
    picture = "https://example.com/a.jpg"
    ann = {"username": "ann", "nickname": "张三", "avatar_url": picture}
    register(mongo_uri, database_name, {1: ann, 2: {"username": "ben"}})


# Sending


def test_a_message_has_the_fields_of_the_source(accounts, ann, number):
    before = time.time_ns() // 1_000_000
    message = ann.says(number, "消息内容")
    assert message.keys() == MESSAGE
    made = MESSAGE_ID.fullmatch(message["message_id"])
    assert made
    assert int(made[1]) == message["created_at"]
    assert before <= message["created_at"] <= before + 60_000
    del message["message_id"], message["created_at"]
    assert message == {
        "conversation_id": number,
        "sender_id": 1,
        "sender_nickname": "张三",
        "sender_avatar_url": "https://example.com/a.jpg",
        "message_type": "text",
        "content": "消息内容",
        "file_name": None,
        "file_size": None,
        "file_type": None,
        "status": "sent",
    }


def test_a_message_looks_the_same_to_whoever_reads_it(accounts, ann, ben, number):
    sent = [ann.says(number, "一"), ben.says(number, "二")]
    for reader in (ann, ben):
        told, *read = reader.reads(number)[0]
        assert read == sent
        assert (told["sender_id"], told["sender_nickname"], told["message_type"]) == (
            0,
            "系统",
            "system",
        )
    assert [each["sender_nickname"] for each in sent] == ["张三", "ben"]
    assert sent[1]["sender_avatar_url"] is None


@pytest.mark.parametrize("kind", ["image", "file", "video", "audio"])
def test_a_message_may_name_a_file_elsewhere(ann, number, kind):
    about = {"file_name": " 需求.pdf ", "file_size": 2**40, "file_type": "application/pdf"}
    url = "https://example.com/需求.pdf?a=1#b"
    message = ann.says(number, url, message_type=kind, **about)
    assert message["message_type"] == kind
    assert message["content"] == url
    assert (message["file_name"], message["file_size"]) == ("需求.pdf", 2**40)
    assert message["file_type"] == "application/pdf"
    assert ann.reads(number)[0][-1] == message


def test_text_is_stored_as_sent_and_never_taken_for_a_query(ann, number):
    text = '  {"$gt": ""}\n\t<b>😀</b> \u202e$where\r\n '
    assert ann.says(number, text)["content"] == text
    assert ann.texts(number) == [text]


def test_both_ids_open_a_conversation(ann, number):
    public = ann.sees(number)["conversation_id"]
    assert PUBLIC_ID.fullmatch(public)
    assert ann.says(public)["conversation_id"] == number
    assert ann.sees(public) == ann.sees(number)


def test_only_a_closed_conversation_takes_no_messages(ann, ben, number):
    ann.sets(number, "archived")
    ben.says(number, "archived")
    ann.sets(number, "closed")
    body = {"conversation_id": number, "message_type": "text", "content": "closed"}
    assert ben.refused(400, "send_message", body) == "conversation is closed"
    assert ben.texts(number) == ["archived"]
    ann.sets(number, "active")
    ben.says(number, "again")
    assert ben.texts(number) == ["archived", "again"]


def test_a_repeat_with_its_key_answers_what_the_first_one_answered(ann, ben, number):
    first = ann.says(number, "once", key="k")
    ben.says(number, "meanwhile")
    assert ann.says(number, "once", key="k") == first
    assert ben.says(number, "once", key="k") != first
    assert ann.texts(number) == ["once", "meanwhile", "once"]
    assert ben.unread(number) == 1


def test_a_repeat_is_answered_also_when_the_sender_may_send_no_more(ann, ben, number):
    first = ben.says(number, "once", key="k")
    ann.sets(number, "closed")
    assert ben.says(number, "once", key="k") == first
    ann.removes(number, 2)
    assert ben.says(number, "once", key="k") == first


@pytest.mark.parametrize(
    "other",
    [
        {"content": "another"},
        {"message_type": "image", "content": "https://example.com/x"},
        {"file_name": "x"},
        {"file_size": 0},
    ],
)
def test_a_key_used_for_another_body_is_refused(ann, number, other):
    body = {"conversation_id": number, "message_type": "text", "content": "x"}
    ann.ask("send_message", body, key="k")
    message = ann.ask("send_message", {**body, **other}, 400, key="k")["message"]
    assert message == "this Idempotency-Key was used for another message"
    assert ann.texts(number) == ["x"]


def test_a_key_is_known_in_its_conversation_alone(ann, number):
    another = ann.opens(2)["id"]
    assert ann.says(number, "x", key="k") != ann.says(another, "x", key="k")


def test_repeats_that_arrive_at_once_store_one_message(app, call_as, ann, number):
    def send(_: int) -> Any:
        return Person(call_as(app, "1")).says(number, "once", key="k")

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(send, range(16)))
    assert all(each == answers[0] for each in answers)
    assert ann.texts(number) == ["once"]


def test_a_key_of_any_characters_up_to_255_will_do(ann, number):
    body = {"conversation_id": number, "message_type": "text", "content": "x"}
    for key in ("k" * 255, '$ {"a": 1}', "a.b", "server", "first"):
        assert ann.says(number, "x", key=key) == ann.says(number, "x", key=key)
    assert "Idempotency-Key" in ann.ask("send_message", body, 400, key="k" * 256)["message"]


# Unread


def test_messages_count_for_all_but_their_sender(person, ann, ben):
    cem = person(3)
    number = ann.opens(2, 3)["id"]
    assert [each.unread(number) for each in (ann, ben, cem)] == [0, 0, 0]
    ann.says(number)
    ann.says(number)
    ben.says(number)
    assert [each.unread(number) for each in (ann, ben, cem)] == [1, 2, 3]


def test_what_the_service_tells_counts_for_nobody(ann, ben, number):
    ann.adds(number, 3)
    ann.sets(number, "archived")
    ann.removes(number, 3)
    assert [ann.unread(number), ben.unread(number)] == [0, 0]


def test_marking_as_read_is_for_the_caller_alone(person, ann, ben):
    cem = person(3)
    number = ann.opens(2, 3)["id"]
    ann.says(number)
    ben.marks(number)
    assert [ben.unread(number), cem.unread(number)] == [0, 1]
    assert ben.lists()[0]["unread_count"] == 0
    assert cem.lists()[0]["unread_count"] == 1


def test_marking_as_read_up_to_a_message_never_goes_back(ann, ben, number):
    sent = [ann.says(number, f"{i}") for i in range(5)]
    for place, left in ((1, 3), (0, 3), (2, 2), (4, 0), (1, 0)):
        ben.marks(number, up_to=sent[place]["created_at"])
        assert ben.unread(number) == left
    ann.says(number)
    ben.marks(number, up_to=sent[4]["created_at"])
    assert ben.unread(number) == 1
    ben.marks(number, up_to=253_402_300_799_999)
    assert ben.unread(number) == 0


def test_own_messages_and_those_of_the_service_do_not_count_up_to_a_message(ann, ben, number):
    first = ann.says(number)
    ben.says(number)
    ann.adds(number, 3)
    ann.says(number)
    ben.marks(number, up_to=first["created_at"])
    assert ben.unread(number) == 1
    ben.marks(number, up_to=0)
    assert ben.unread(number) == 1


# Reading


def test_pages_follow_one_another_from_the_newest(ann, number):
    sent = [f"{i}" for i in range(7)]
    for text in sent:
        ann.says(number, text)
    pages, before = [], {}
    while True:
        messages, more = ann.reads(number, limit=3, **before)
        pages.append([each["content"] for each in messages])
        if not more:
            break
        before = {"before_timestamp": messages[0]["created_at"]}
    assert pages[:2] == [["4", "5", "6"], ["1", "2", "3"]]
    assert pages[2][1:] == ["0"]
    assert ann.reads(number, before_timestamp=messages[0]["created_at"]) == ([], False)


def test_a_page_has_twenty_messages_where_nothing_is_asked(ann, number):
    for i in range(20):
        ann.says(number, f"{i}")
    messages, more = ann.reads(number)
    assert (len(messages), more) == (20, True)
    messages, more = ann.reads(number, limit=21)
    assert (len(messages), more) == (21, False)


def test_a_page_before_any_time_is_right(ann, number):
    sent = [ann.says(number, f"{i}") for i in range(3)]
    first, last = sent[0]["created_at"], sent[-1]["created_at"]
    assert ann.texts(number, before_timestamp=first) == []
    assert ann.texts(number, before_timestamp=first + 1)[0] == "0"
    assert ann.texts(number, before_timestamp=last) == ["0", "1"]
    assert ann.texts(number, before_timestamp=last + 1) == ["0", "1", "2"]
    assert ann.texts(number, before_timestamp=0) == []
    assert ann.texts(number, before_timestamp=None) == ["0", "1", "2"]


def test_a_conversation_has_the_fields_of_the_source(accounts, ann, ben, person):
    opened = ann.opens(2, 3, title=" 产品讨论 ")
    now = datetime.now(UTC).replace(tzinfo=None)
    assert opened.keys() == CONVERSATION
    assert opened["title"] == "产品讨论"
    assert (opened["type"], opened["status"]) == ("general", "active")
    assert opened["related_order_type"] is opened["related_order_id"] is None
    assert opened["order_status"] is None
    assert TIME.fullmatch(opened["created_at"])
    assert abs((datetime.fromisoformat(opened["created_at"]) - now).total_seconds()) < 60
    joined_at = {each.pop("joined_at") for each in opened["members"]}
    assert all(TIME.fullmatch(each) for each in joined_at)
    assert opened["members"] == [
        {
            "user_id": 1,
            "nickname": "张三",
            "avatar_url": "https://example.com/a.jpg",
            "role": "creator",
        },
        {"user_id": 2, "nickname": "ben", "avatar_url": None, "role": "member"},
        {"user_id": 3, "nickname": "3", "avatar_url": None, "role": "member"},
    ]
    last = ben.says(opened["id"])
    seen = ann.sees(opened["id"])
    assert seen["last_message_at"] == last["created_at"]
    assert seen["unread_count"] == 1
    told = ann.ask("list_members", {"conversation_id": opened["id"]})
    assert told == {"members": seen["members"]}


# The list


def test_the_list_shows_the_newest_activity_first(ann, ben, person):
    numbers = [ann.opens(2, title=f"{i}")["id"] for i in range(3)]
    person(3).opens(4)
    assert [each["id"] for each in ben.lists()] == numbers[::-1]
    last = ann.says(numbers[0], "hello")
    listed = ben.lists()
    assert [each["id"] for each in listed] == [numbers[0], numbers[2], numbers[1]]
    assert listed[0].keys() == CONVERSATION | {"last_message"}
    assert listed[0]["last_message"].keys() == LAST
    assert listed[0]["last_message"] == {name: last[name] for name in LAST}
    assert listed[1]["last_message"]["sender_nickname"] == "系统"
    assert listed[1]["last_message"]["message_type"] == "system"
    assert {**listed[0]} == {**ben.sees(numbers[0]), "last_message": listed[0]["last_message"]}


def test_the_list_has_pages_and_totals(ann):
    numbers = [ann.opens(2)["id"] for _ in range(5)][::-1]
    for page, expected in ((1, numbers[:2]), (2, numbers[2:4]), (3, numbers[4:]), (4, [])):
        told = ann.ask("get_conversations", {"page": page, "page_size": 2})
        assert [each["id"] for each in told["conversations"]] == expected
        info = {"page": page, "page_size": 2, "total": 5, "total_pages": 3}
        assert told["page_info"] == info
    assert ann.ask("get_conversations", {})["page_info"] == {
        "page": 1,
        "page_size": 20,
        "total": 5,
        "total_pages": 1,
    }


def test_the_list_may_be_of_one_type(ann):
    general, support = ann.opens(2)["id"], ann.opens(2, kind="support")["id"]
    for type_, expected in (
        ("general", [general]),
        ("support", [support]),
        ("kol_order", []),
        (None, [support, general]),
    ):
        told = ann.ask("get_conversations", {"type": type_})
        assert [each["id"] for each in told["conversations"]] == expected
        assert told["page_info"]["total"] == len(expected)
        assert told["page_info"]["total_pages"] == bool(expected)


# Strangers


def test_a_stranger_gets_nowhere(person, ann, number):
    before = ann.reads(number), ann.sees(number)
    for stranger in (person(3), person(3, nickname="1"), person(12)):
        for call, body in calls_on(number):
            assert stranger.refused(403, call, body) == STRANGER, call
        assert stranger.lists() == []
    assert (ann.reads(number), ann.sees(number)) == before


def test_somebody_who_left_is_a_stranger_and_who_joins_sees_what_was_said(ann, ben, number):
    ann.says(number, "before")
    ann.removes(number, 2)
    ann.says(number, "meanwhile")
    for call, body in calls_on(number):
        assert ben.refused(403, call, body) == STRANGER, call
    assert ben.lists() == []
    ann.adds(number, 2)
    assert ben.unread(number) == 0
    assert ben.texts(number) == ["before", "meanwhile"]


def test_there_is_no_such_conversation(ann, number):
    for other in (number + 1, 2**53 - 1, f"CONV_1698765432000_{number + 1:05}"):
        for call, body in calls_on(other):
            assert ann.refused(404, call, body) == "conversation not found", call


@pytest.mark.parametrize("subject", ["alice", "01", "1.0", "-1", "0", "9007199254740993", "١"])
def test_who_has_no_integer_id_has_no_conversations(person, number, subject):
    own = [("get_conversations", {}), ("create_conversation", NEW)]
    for call, body in [*calls_on(number), *own]:
        assert person(subject).refused(403, call, body) == "users have integer ids here", call


def test_an_admin_reads_nothing_but_what_it_is_a_member_of(person, ann, number):
    admin = person(9, role="admin")
    body = {"conversation_id": number}
    assert admin.refused(403, "get_messages", body) == STRANGER
    admin.adds(number, 9, role="support")
    assert member_ids(admin.sees(number)) == [1, 2, 9]
