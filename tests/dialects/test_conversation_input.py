"""The conversations API: whatever is sent to it, it says what is wrong, and never breaks."""

from typing import Any

import pytest

from tests.dialects.conversing import PREFIX, calls_on, member_ids
from tests.dialects.test_conversation_orders import ORDER

SEND = {"message_type": "text", "content": "x"}
NEW = {"type": "general", "title": "x", "member_ids": [2]}
MANY = list(range(2, 203))
ODD = [
    None,
    True,
    "",
    "1",
    "x" * 100_000,
    "🙂\u202e",
    -1,
    0,
    1.0,
    1e300,
    2**53,
    2**63 - 1,
    -(2**63),
    [],
    [1],
    {},
    {"$gt": ""},
]

OPTIONAL = {
    "send_message": ("file_name", "file_size", "file_type"),
    "get_messages": ("before_timestamp", "limit"),
    "mark_read": ("up_to",),
    "poll": ("wait_s",),
    "add_members": ("role",),
    "get_conversations": ("type", "page", "page_size"),
}
REQUIRED = (
    "get_conversation",
    "list_members",
    "remove_member",
    "update_status",
    "create_conversation",
    "order_status_changed",
)


@pytest.mark.parametrize(
    "identifier",
    [*ODD, "CONV_1", "CONV_1698765432000_", "conv_1_00001", "CONV_1_00001\n", "CONV__1"],
    ids=repr,
)
def test_what_is_no_id_is_refused_by_name(ann, number, identifier):
    if identifier in (1, 2**53 - 1) and identifier is not True:
        return
    assert "conversation_id" in ann.refused(
        400, "get_conversation", {"conversation_id": identifier}
    )


@pytest.mark.parametrize(
    ("call", "field", "values"),
    [
        ("send_message", "message_type", [*ODD, "system", "TEXT", "json"]),
        ("send_message", "content", [None, 1, [], {}, "", " \n\u3000", "x" * 10_001]),
        ("send_message", "file_name", [1, [], "", " ", "x" * 201]),
        ("send_message", "file_size", ["1", True, 1.5, -1, 2**53, []]),
        ("send_message", "file_type", [1, [], "", "x" * 201]),
        ("get_messages", "limit", [0, 101, "20", True, 1.0, None, []]),
        ("get_messages", "before_timestamp", [-1, "1", True, 1.5, 253_402_300_800_000]),
        ("get_conversations", "page", [0, -1, "1", True, 1.0, 2**53, None]),
        ("get_conversations", "page_size", [0, 101, "20", True, 1.0]),
        ("get_conversations", "type", ["", "order", 1, [], {"$ne": None}]),
        ("mark_read", "up_to", [-1, "1", True, 1.5, 2**62, []]),
        ("create_conversation", "type", ["kol_order", "ad_order", "", None, 1]),
        ("create_conversation", "title", ["", " ", None, 1, "x" * 201]),
        (
            "create_conversation",
            "member_ids",
            [None, [], 2, "2", [0], [-1], ["2"], [True], [2.0], [None], [2**53], [[2]], MANY],
        ),
        ("add_members", "member_ids", [None, [], [0], ["2"], MANY]),
        ("add_members", "role", ["creator", "", 1, None]),
        ("remove_member", "member_id", [None, 0, "2", True, 2**53]),
        ("update_status", "status", ["open", "", None, 1]),
        ("poll", "after_timestamp", [None, -1, "1", True, 1.5]),
        ("poll", "wait_s", [-1, 26, "1", True, 0.5]),
        ("order_status_changed", "order_type", ["general", "", None]),
        ("order_status_changed", "order_id", ["", " ", 1, None, "x" * 201]),
        ("order_status_changed", "title", ["", " ", 1, "x" * 201]),
        ("order_status_changed", "status", ["shipped", "", None]),
        ("order_status_changed", "user_id", [0, "1", True, 2**53]),
        ("order_status_changed", "kol_user_id", [0, "1", None]),
    ],
)
def test_a_bad_value_is_refused_by_the_name_of_its_field(person, ann, number, call, field, values):
    body = bodies(number)[call]
    caller = person(1, role="admin")
    caller.ask(call, body)
    before = caller.reads(number), len(caller.lists())
    for value in values:
        message = caller.refused(400, call, {**body, field: value})
        assert message.startswith(f"{field}"), value
    assert (caller.reads(number), len(caller.lists())) == before


@pytest.mark.parametrize(
    "content",
    [
        "x",
        "ftp://example.com/x",
        "javascript:alert(1)",
        "http://",
        "http:///x",
        "https://example.com/a b",
        " https://example.com/",
        "https://example.com/" + "x" * 2030,
        "/api/v1/files/x",
        "/etc/passwd",
        f"/api/v1/files/{'0' * 32}/../../x",
        f"/api/v1/files/{'0' * 32}/%2e%2E",
        f"/api/v1/files/{'0' * 32}/%ff",
        f"/api/v1/files/{'0' * 32}/<script>",
        f'https://example.com"x/api/v1/files/{"0" * 32}/x',
        *[f"https://example.com/a{each}b" for each in '"<>\\^`{|}\t\n\x7f\x85\u3000'],
        *[f"https://{each}/x" for each in ("@", "a:65536", "a:x", "a:-1", "[", ":80")],
    ],
)
def test_a_file_is_named_by_its_url(ann, number, content):
    body = {"conversation_id": number, "message_type": "image", "content": content}
    assert ann.refused(400, "send_message", body).startswith("content")


@pytest.mark.parametrize(
    "content",
    [
        "HTTPS://Example.com:65535/x.png?a=b#c",
        "http://[::1]:8080/x",
        "https://例え.jp/画像's.png",
        "https://ann@example.com/x",
        f"hTTp://192.168.1.7:5003/api/v1/files/{'0' * 32}/any-name",
    ],
)
def test_a_file_elsewhere_is_named_by_any_url(ann, number, content):
    assert ann.says(number, content, message_type="image")["content"] == content


def test_a_public_id_is_right_as_a_whole(ann, ben, number):
    public = ann.sees(number)["conversation_id"]
    said = ann.says(public)
    assert said["conversation_id"] == number
    prefix, at, digits = public.split("_")
    others = [
        f"{prefix}_{int(at) + 1}_{digits}",
        f"{prefix}_0{at}_{digits}",
        f"{prefix}_{at}_0{digits}",
        f"{prefix}_{at}_{number}" if number < 10_000 else f"{prefix}_{at}_{number + 1}",
        f"CONV_0000000000000_{digits}",
        "CONV_1_2",
        "CONV_1_00000",
        f"{prefix}_{at}_{'9' * 10_000}",
    ]
    before = ben.sees(number)
    for wrong in others:
        for call, body in calls_on(wrong):
            message = ann.refused(404, call, body)
            assert message == "conversation not found", (call, wrong)
        ben.refused(404, "mark_read", {"conversation_id": wrong})
    assert ben.sees(number) == before
    for call, body in calls_on(public):
        ann.ask(call, {**body, "member_id": 2, "status": "active"})


def test_members_are_counted_once(ann):
    opened = ann.opens(*[2, 3] * 300)
    assert member_ids(opened) == [1, 2, 3]
    assert member_ids(ann.adds(opened["id"], *[4] * 201)) == [1, 2, 3, 4]


def test_a_page_far_behind_the_last_one_is_empty(ann, number):
    told = ann.ask("get_conversations", {"page": 2**53 - 1, "page_size": 100})
    assert told["conversations"] == []
    assert told["page_info"]["total"] == 1


def test_a_file_that_was_never_uploaded_cannot_be_named(person, ann, number):
    path = f"/api/v1/files/{'0' * 32}/x.png"
    body = {"conversation_id": number, "message_type": "image", "content": path}
    assert ann.refused(400, "send_message", body) == "content: no such file"
    person(3).refused(403, "send_message", body)
    assert ann.texts(number) == []


def test_text_may_be_as_long_as_it_may_be(ann, number):
    text = "𠮷" * 10_000
    assert ann.says(number, text)["content"] == text
    assert ann.lists()[0]["last_message"]["content"] == text


@pytest.mark.parametrize("call", [*OPTIONAL, *REQUIRED])
def test_anything_in_the_place_of_anything_breaks_nothing(person, number, call):
    caller = person(1, role="admin").caller
    body = bodies(number)[call]
    for field in [*body, *OPTIONAL.get(call, ())]:
        for value in ODD:
            answer = caller("POST", f"{PREFIX}/{call}", {**body, field: value})
            assert answer.status_code in (200, 400, 404), (field, value, answer.text)
            assert answer.json["base_resp"]["code"] == answer.status_code


def bodies(number: int) -> dict[str, dict[str, Any]]:
    """A good body for every call."""
    calls = dict(calls_on(number))
    calls["remove_member"] = {"conversation_id": number, "member_id": 2}
    calls["update_status"] = {"conversation_id": number, "status": "active"}
    more = {
        "get_conversations": {},
        "create_conversation": NEW,
        "order_status_changed": ORDER,
    }
    return {**calls, **more}
