"""The message sessions API: rebuilding what sessions say from their messages."""

import threading
from contextlib import nullcontext

import pytest
from bson import ObjectId
from click.testing import CliRunner
from pymongo import MongoClient

from session_service.commands import database_commands

NOON, LATE = "2024-01-01T12:00:00", "2024-01-01T18:00:00"
WRONG = {"time": 2**41, "at": 1, "sender": "456", "text": "planted"}


@pytest.fixture
def plant(mongo_uri, database_name):
    """Changes all sessions by hand."""

    def change(update):
        with MongoClient(mongo_uri) as client:
            client[database_name]["conversations"].update_many({}, update)

    return change


@pytest.fixture
def heads(mongo_uri, database_name):
    """All sessions as they are stored."""

    def read():
        with MongoClient(mongo_uri) as client:
            return list(client[database_name]["conversations"].find())

    return read


@pytest.fixture
def spoken(mia, noah, pair):
    """A session in which noah has read one message and not the next two."""
    mia.says(pair, "one", to=noah.id, at=NOON)
    noah.clears(pair)
    mia.says(pair, "two", to=noah.id, at=LATE)
    mia.says(pair, "three", to=noah.id, at=NOON)
    noah.says(pair, "four", to=mia.id, at=NOON)
    return pair


@pytest.mark.parametrize(
    "planted",
    [
        {"$set": {"seen.456": 99}},
        {"$set": {"seen.456": -5}},
        {"$unset": {"seen.456": ""}},
        {"$inc": {"total": 7}},
        {"$inc": {"total": -1}},
        {"$set": {"last": None}},
        {"$unset": {"last": ""}},
        {"$set": {"last": WRONG}},
        {"$set": {"last.text": "x"}},
        {"$unset": {"last.text": ""}},
    ],
    ids=str,
)
def test_whatever_is_wrong_is_repaired_once(noah, spoken, plant, planted):
    right = noah.sees(spoken)
    plant(planted)
    assert noah.rebuilds() == (1, 1)
    assert noah.sees(spoken) == right
    assert (right["unreadCount"], right["lastMessage"]) == (2, "two")
    assert noah.rebuilds() == (1, 0)


@pytest.mark.parametrize(
    "planted",
    [
        {"$set": {"lasts.456": WRONG}},
        {"$set": {"lasts.456": None}},
        {"$unset": {"lasts": ""}},
        {"$set": {"seen.456": 0}},
    ],
    ids=str,
)
def test_the_view_of_one_who_has_emptied_it_is_repaired_too(mia, noah, spoken, plant, planted):
    noah.empties(spoken)
    mia.says(spoken, "five", to=noah.id, at=NOON)
    right = noah.sees(spoken)
    assert (right["unreadCount"], right["lastMessage"]) == (1, "five")
    plant(planted)
    assert noah.rebuilds() == (1, 1)
    assert noah.sees(spoken) == right
    assert mia.last(spoken)[0] == "two"


def test_what_was_set_by_hand_goes_where_messages_are_stored(mia, noah, spoken):
    noah.raises(spoken, by=5)
    mia.tells(spoken, "told", "2025-01-01T00:00:00")
    assert noah.rebuilds() == (1, 1)
    assert noah.unread(spoken) == 2
    assert noah.last(spoken) == ("two", LATE)


def test_a_session_without_stored_messages_is_left_alone(mia, noah, pair):
    noah.raises(pair, by=5)
    mia.tells(pair, "told", NOON)
    assert noah.rebuilds(force=True) == (1, 0)
    assert noah.unread(pair) == 5
    assert noah.last(pair) == ("told", NOON)


def test_a_healthy_session_is_left_alone_whoever_has_emptied_it(mia, noah, spoken):
    for each in (mia, noah):
        each.empties(spoken)
    mia.says(spoken, "early", to=noah.id, at="2020-01-01T00:00:00")
    assert (mia.rebuilds(), noah.rebuilds()) == ((1, 0), (1, 0))


def test_who_has_emptied_a_session_leaves_alone_what_the_others_see(mia, noah, spoken):
    noah.empties(spoken)
    mia.says(spoken, "five", to=noah.id, at=NOON)
    mia.tells(spoken, "told", "2025-01-01T00:00:00")
    assert noah.rebuilds() == (1, 1)
    assert (noah.last(spoken)[0], mia.last(spoken)[0]) == ("five", "told")


def test_nobody_elses_counts_are_touched(mia, noah, spoken):
    mia.raises(spoken, by=5)
    assert mia.unread(spoken) == 6
    noah.rebuilds(force=True)
    assert mia.unread(spoken) == 6
    assert mia.rebuilds() == (1, 1)
    assert mia.unread(spoken) == 1


def test_force_writes_what_is_right_as_well(mia, noah, spoken, group):
    assert noah.rebuilds() == (2, 0)
    right = noah.sees(spoken)
    assert noah.rebuilds(force=True) == (2, 1)
    assert noah.sees(spoken) == right
    mia.says(group)
    assert noah.rebuilds(force=True) == (2, 2)


def test_a_missing_index_is_made_again(noah, spoken, mongo_uri, database_name):
    with MongoClient(mongo_uri) as client:
        heads = client[database_name]["conversations"]
        before = heads.index_information()
        heads.drop_index("members_1_kind_1")
        assert heads.index_information() != before
        noah.rebuilds()
        assert heads.index_information() == before


def test_an_index_that_cannot_be_made_keeps_no_count_from_being_repaired(
    noah, spoken, plant, mongo_uri, database_name
):
    with MongoClient(mongo_uri) as client:
        messages = client[database_name]["messages"]
        messages.drop_index("c_1_seq_1")
        twice = messages.find_one({"seq": 1})
        messages.insert_one({**twice, "_id": ObjectId(), "key": "other", "created_at": 1})
        plant({"$set": {"seen.456": 99}})
        body = {"userId": noah.id, "force": False}
        noah.ask("POST", "/rebuild-index", body, code=503)
    assert noah.sees(spoken)["unreadCount"] >= 2


def test_it_may_run_while_traffic_goes_on(mia, noah, spoken):
    over = threading.Event()

    def rebuild() -> None:
        while not over.is_set():
            noah.rebuilds(force=True)

    thread = threading.Thread(target=rebuild)
    thread.start()
    try:
        for i in range(40):
            mia.says(spoken, f"{i}", to=noah.id)
    finally:
        over.set()
        thread.join()
    assert noah.unread(spoken) == 42
    assert noah.last(spoken)[0] == "39"
    noah.clears(spoken)
    assert noah.rebuilds() == (1, 0)
    assert noah.unread(spoken) == 0


def test_the_command_line_repairs_everybody_or_one(database, mia, noah, spoken, plant):
    (command,) = (
        each
        for each in database_commands(lambda: nullcontext(database), "")
        if each.name == "rebuild-index"
    )

    def run(*arguments: str) -> str:
        done = CliRunner().invoke(command, arguments)
        assert done.exit_code == 0, done.output
        return done.output

    wrong = {"$set": {"seen": {"123": -3, "456": -4}, "last": None}}
    plant(wrong)
    assert run("--user", "456") == "1 sessions looked at, 1 repaired\n"
    assert (mia.unread(spoken), noah.unread(spoken)) == (3, 2)
    plant(wrong)
    assert run() == "1 sessions looked at, 1 repaired\n"
    assert (mia.unread(spoken), noah.unread(spoken)) == (1, 2)
    assert run() == "1 sessions looked at, 0 repaired\n"
    assert noah.last(spoken) == ("two", LATE)
    assert CliRunner().invoke(command, ["--user", "x"]).exit_code == 2
