"""The conversations API: who is in a conversation, who may say so, and its status."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.dialects.conversing import (
    PREFIX,
    STRANGER,
    People,
    Person,
    member_ids,
    register,
    roles,
)

CREATOR_ONLY = "only the creator or an admin may do this"
TOO_MANY = "a conversation has at most 200 members"


@pytest.fixture
def admin(person: People) -> Person:
    return person(9, role="admin")


def told(reader: Person, number: int) -> list[str]:
    """What the service has told in the conversation."""
    return [each["content"] for each in reader.reads(number)[0] if each["sender_id"] == 0]


def test_the_caller_is_a_member_and_the_creator_without_being_listed(ann):
    for listed in ([2, 3], [1, 2, 3], [2, 2, 3, 2]):
        opened = ann.opens(*listed)
        assert roles(opened) == {1: "creator", 2: "member", 3: "member"}
        assert member_ids(opened)[0] == 1
    assert ann.opens(2, kind="support")["type"] == "support"


def test_a_conversation_begins_with_a_word_of_the_service(ann):
    (message,), more = ann.reads(ann.opens(2)["id"])
    assert not more
    assert message["content"] == "1 创建了会话"
    assert (message["sender_id"], message["message_type"]) == (0, "system")


@pytest.mark.parametrize("claimed", ["系统", "小明", "2"])
def test_who_has_no_account_has_one_name_everywhere_whatever_the_token_says(person, claimed):
    peer = person(5, nickname=claimed, username=claimed)
    number = peer.opens(2, 3)["id"]
    peer.adds(number, 4)
    peer.removes(number, 3)
    assert told(peer, number) == ["5 创建了会话", "5 邀请 4 加入了会话", "5 将 3 移出了会话"]
    assert peer.says(number)["sender_nickname"] == "5"
    assert peer.sees(number)["members"][0]["nickname"] == "5"


def test_who_has_an_account_is_called_by_it(person, mongo_uri, database_name):
    names = {1: {"username": "ann", "nickname": "张三"}, 2: {"username": "ben"}}
    register(mongo_uri, database_name, names)
    ann, ben = person(1, nickname="系统"), person(2, nickname="系统")
    assert told(ann, ann.opens(2)["id"]) == ["张三 创建了会话"]
    assert told(ben, ben.opens(1)["id"]) == ["ben 创建了会话"]


def test_a_conversation_has_2_to_200_members(ann):
    new = {"type": "general", "title": "x"}
    alone = ann.refused(400, "create_conversation", {**new, "member_ids": [1]})
    assert alone == "a conversation needs at least 2 members"
    number = ann.opens(*range(2, 201))["id"]
    many = list(range(2, 202))
    assert ann.refused(400, "create_conversation", {**new, "member_ids": many}) == TOO_MANY
    body = {"conversation_id": number, "member_ids": [200, 201]}
    assert ann.refused(400, "add_members", body) == TOO_MANY
    assert len(ann.adds(number, 200)["members"]) == 200
    ann.removes(number, 200)
    assert member_ids(ann.adds(number, 201))[-1] == 201


def test_additions_at_once_do_not_pass_the_limit(app, call_as, ann):
    number = ann.opens(*range(2, 198))["id"]  # three are left

    def add(member: int) -> int:
        body = {"conversation_id": number, "member_ids": [member]}
        caller = call_as(app, "1")
        return caller("POST", f"{PREFIX}/add_members", body).status_code

    with ThreadPoolExecutor(8) as pool:
        answers = sorted(pool.map(add, range(300, 308)))
    assert answers == [200] * 3 + [400] * 5
    assert len(ann.sees(number)["members"]) == 200


def test_members_join_in_order_and_the_log_tells_it(ann, ben, number):
    joined = ann.adds(number, 5, 4, 5)
    assert member_ids(joined) == [1, 2, 5, 4]
    assert told(ann, number)[1:] == ["1 邀请 5、4 加入了会话"]
    assert member_ids(ann.adds(number, 3)) == [1, 2, 5, 4, 3]


def test_adding_somebody_twice_changes_nothing(ann, admin, number):
    ann.adds(number, 3)
    before = ann.reads(number), ann.sees(number)
    assert ann.adds(number, 3) == before[1]
    assert roles(admin.adds(number, 3, role="support"))[3] == "member"
    assert (ann.reads(number), ann.sees(number)) == before
    assert member_ids(ann.adds(number, 3, 4)) == [1, 2, 3, 4]
    assert told(ann, number)[-1] == "1 邀请 4 加入了会话"


def test_a_long_list_of_names_is_cut(ann, number):
    ann.adds(number, *range(10, 22))
    names = "、".join(str(each) for each in range(10, 20))
    assert told(ann, number)[-1] == f"1 邀请 {names} 等 12 人 加入了会话"


def test_only_admins_add_support(ann, admin, number):
    body = {"conversation_id": number, "member_ids": [3], "role": "support"}
    assert ann.refused(403, "add_members", body) == "admins only"
    joined = admin.adds(number, 3, role="support")
    assert roles(joined)[3] == "support"
    assert joined["unread_count"] == 0
    assert told(ann, number)[-1] == "9 邀请 3 加入了会话"


def test_an_admin_who_adds_itself_is_not_invited_by_itself(ann, admin, number):
    admin.adds(number, 9)
    assert told(ann, number)[-1] == "9 加入了会话"


def test_an_admin_who_brings_somebody_along_invites_both(ann, admin, number):
    admin.adds(number, 9, 3)
    assert told(ann, number)[-1] == "9 邀请 9、3 加入了会话"


def test_members_and_status_are_the_creators_business(person, ann, ben, number):
    about = {"conversation_id": number}
    for call, more in (
        ("add_members", {"member_ids": [3]}),
        ("remove_member", {"member_id": 1}),
        ("update_status", {"status": "closed"}),
    ):
        assert ben.refused(403, call, {**about, **more}) == CREATOR_ONLY
        assert person(3).refused(403, call, {**about, **more}) == STRANGER
    assert ann.sees(number)["status"] == "active"


def test_who_is_no_member_cannot_be_removed(ann, admin, number):
    for caller in (ann, admin):
        body = {"conversation_id": number, "member_id": 3}
        assert caller.refused(404, "remove_member", body) == "no such member"
    assert len(told(ann, number)) == 1


def test_a_member_may_leave(ann, ben, number):
    left = ben.removes(number, 2)
    assert member_ids(left) == [1]
    assert left["unread_count"] == 0
    assert told(ann, number)[-1] == "2 离开了会话"
    ben.refused(403, "get_conversation", {"conversation_id": number})
    ben.refused(404, "remove_member", {"conversation_id": number, "member_id": 2})


def test_a_creator_who_left_is_a_stranger_until_it_is_added_again(ann, admin, number):
    for role in ("member", "support"):
        ann.removes(number, 1)
        body = {"conversation_id": number, "member_ids": [1]}
        assert ann.refused(403, "add_members", body) == STRANGER
        assert roles(admin.adds(number, 1, 5, role=role)) == {2: "member", 1: "creator", 5: role}
        assert member_ids(ann.removes(number, 5)) == [2, 1]


def test_who_comes_back_begins_anew_and_last(ann, ben, number):
    ann.adds(number, 3)
    ann.says(number)
    ann.removes(number, 2)
    ann.says(number)
    assert member_ids(ann.adds(number, 2)) == [1, 3, 2]
    assert ben.unread(number) == 0
    ann.says(number)
    assert ben.unread(number) == 1


def test_a_status_is_set_once_and_told(ann, admin, number):
    assert ann.sets(number, "archived")["status"] == "archived"
    ann.sets(number, "archived")
    assert admin.sets(number, "closed")["status"] == "closed"
    ann.sets(number, "active")
    assert told(ann, number)[1:] == ["会话已归档", "会话已关闭", "会话已恢复"]
    assert ann.lists()[0]["status"] == "active"


def test_a_closed_conversation_can_still_be_read_and_managed(ann, ben, number):
    ann.says(number, "before")
    ann.sets(number, "closed")
    assert ben.texts(number) == ["before"]
    ben.marks(number)
    assert ben.unread(number) == 0
    assert member_ids(ann.adds(number, 3)) == [1, 2, 3]


def test_one_of_many_who_close_does_it(app, call_as, ann, number):
    def close(_: int) -> None:
        Person(call_as(app, "1")).sets(number, "closed")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(close, range(8)))
    assert told(ann, number)[1:] == ["会话已关闭"]
