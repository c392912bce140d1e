"""What a call of the conversations API asks of the database: round trips, ranges and plans."""

from io import BytesIO

import pytest

from tests.dialects.commands import Commands, check_plans, noted
from tests.dialects.conversing import register

PICTURE = b"\x89PNG\r\n\x1a\n" + b"0" * 100
MANY = 200


@pytest.fixture
def commands():
    return Commands()


@pytest.fixture
def database(mongo_uri, database_name, database_options, commands):
    with noted(mongo_uri, database_name, database_options, commands) as database:
        yield database


@pytest.fixture
def accounts(mongo_uri, database_name):
    """Everybody has an account."""
    people = {each: {"username": f"user {each}"} for each in range(1, MANY + 1)}
    register(mongo_uri, database_name, people)


def test_a_send_takes_three_round_trips_however_many_members(ann, commands, accounts):
    for members in (2, MANY):
        number = ann.opens(*range(2, members + 1))["id"]
        ann.says(number)
        commands.asked()
        ann.says(number)
        assert commands.asked() == ["find conversations", "insert messages", "update conversations"]


def test_a_send_with_an_uploaded_file_takes_one_more(ann, number, commands):
    form = {"file": (BytesIO(PICTURE), "x.png")}
    uploaded = ann.caller(
        "POST", "/api/v1/upload", data=form, content_type="multipart/form-data"
    ).json
    ann.says(number)
    commands.asked()
    ann.says(number, uploaded["url"], message_type="image")
    asked = commands.asked()
    assert len(asked) == 4
    assert [each for each in asked if "conversations" in each or "messages" in each] == [
        "find conversations",
        "insert messages",
        "update conversations",
    ]


def test_a_page_takes_three_round_trips_and_one_more_by_the_time_of_a_message(
    ann, ben, number, commands
):
    sent = [each.says(number) for each in (ann, ben) * 5]
    commands.asked()
    ann.reads(number, limit=5)
    assert commands.asked() == ["find conversations", "find messages", "find accounts"]
    ann.reads(number, limit=5, before_timestamp=sent[7]["created_at"])
    assert commands.asked() == [
        "find conversations",
        "find messages",
        "find messages",
        "find accounts",
    ]


def test_a_list_of_twenty_takes_three_round_trips_however_many_members(ann, commands, accounts):
    for _ in range(19):
        ann.opens(2)
    ann.opens(*range(2, MANY + 1))
    commands.asked()
    listed = ann.lists()
    assert commands.asked() == ["find conversations", "find conversations", "find accounts"]
    assert len(listed) == 20
    assert all(each["last_message"] for each in listed)
    assert len(listed[0]["members"]) == MANY


def test_a_poll_that_finds_nothing_takes_one_round_trip_and_one_that_finds_something_four(
    ann, ben, number, commands
):
    after = ann.says(number)["created_at"]
    commands.asked()
    poll = {"conversation_id": number, "after_timestamp": after}
    ben.ask("poll", poll)
    assert commands.asked() == ["find conversations"]
    ann.says(number)
    commands.asked()
    ben.ask("poll", poll)
    assert commands.asked() == [
        "find conversations",
        "find messages",
        "find messages",
        "find accounts",
    ]


def test_marking_as_read_takes_one_round_trip(ann, number, commands):
    ann.says(number)
    commands.asked()
    ann.marks(number)
    assert commands.asked() == ["update conversations"]


def test_every_range_has_two_ends_and_nothing_beside_it(ann, ben, number, commands):
    """Else the embedded database reads the whole log: 4 s where it holds 10,000 messages."""
    sent = [each.says(number) for each in (ann, ben) * 5]
    commands.asked()
    ann.reads(number, limit=5)
    ann.reads(number, limit=5, before_timestamp=sent[7]["created_at"])
    ann.marks(number, up_to=sent[7]["created_at"])
    ann.ask("poll", {"conversation_id": number, "after_timestamp": sent[7]["created_at"]})
    filters = [each["filter"] for each in commands.seen if each.get("find") == "messages"]
    ranges = [each for each in filters if "seq" in each]
    assert len(ranges) == 4
    for each in ranges:
        assert each.keys() == {"c", "seq"}
        assert each["seq"].keys() in ({"$gt", "$lt"}, {"$gt", "$lte"})
    exact = [each for each in filters if "seq" not in each]
    assert all(each.keys() == {"c", "created_at"} for each in exact)


@pytest.mark.mongodb
def test_no_page_scans_a_collection_or_sorts_in_memory(
    ann, number, commands, mongo_uri, database_name
):
    middle = [ann.says(number)["created_at"] for _ in range(20)][8]
    commands.asked()
    ann.reads(number, limit=5)
    ann.reads(number, limit=5, before_timestamp=middle)
    ann.reads(number, limit=5, before_timestamp=middle + 1)
    ann.marks(number, up_to=middle)
    ann.lists()
    check_plans(commands, mongo_uri, database_name)
