"""What a call of the message sessions API asks of the database: round trips and plans."""

import pytest

from tests.dialects.commands import Commands, check_plans, noted
from tests.dialects.parties import PREFIX

NOON = "2024-01-01T12:00:00"


@pytest.fixture
def commands():
    return Commands()


@pytest.fixture
def database(mongo_uri, database_name, database_options, commands):
    with noted(mongo_uri, database_name, database_options, commands) as database:
        yield database


@pytest.fixture
def many(mia, noah):
    """A thousand ids, of which fifty are sessions of mia's and noah's."""
    made = [mia.opens(noah.id)["sessionId"] for _ in range(50)]
    return made + [f"SESS_{i}" for i in range(950)]


def test_a_message_takes_four_round_trips_however_many_members(mia, commands):
    for others in ((), range(500, 697)):
        session = mia.opens(456, 789, *others, kind="GROUP")["sessionId"]
        mia.says(session)
        commands.asked()
        mia.says(session)
        assert commands.asked() == [
            "find conversations",
            "insert messages",
            "update conversations",
            "find conversations",
        ]


def test_counts_take_one_round_trip_and_lists_two(mia, pair, commands):
    mia.raises(pair)
    for path, trips in {
        **dict.fromkeys(("?userId=123", "/user/123", "/user/123/active", "/user/123/unread"), 2),
        **dict.fromkeys(("/unread/count", "/count", "/unread/total"), 1),
    }.items():
        commands.asked()
        whole = path if trips == 2 else f"/user/123{path}"
        assert mia.caller("GET", f"{PREFIX}{whole}").status_code == 200
        assert commands.asked() == ["find conversations"] * trips
    mia.ask("POST", "/query", {"userId": 123, "keyword": "x"})
    assert commands.asked() == ["find conversations"]


def test_who_has_many_sessions_reads_texts_of_one_page_alone(mia, commands):
    mia.opens(456, *range(500, 697))
    commands.asked()
    mia.lists()
    found, _ = commands.seen
    large = {"members", "seen", "read", "title", "description", "last", "last.text"}
    assert not found["projection"].keys() & large
    assert found["filter"] == {"members": "123", "kind": "message_session"}


def test_no_other_call_takes_more_than_four_round_trips(mia, noah, pair, commands):
    mia.says(pair, to=noah.id)
    commands.asked()
    for call, trips in (
        (lambda: mia.sets(pair, title="x"), 2),
        (lambda: mia.raises(pair), 2),
        (lambda: mia.clears(pair), 2),
        (lambda: mia.tells(pair, "x", NOON), 1),
        (lambda: mia.tells(pair, "x", "2999-01-01T00:00:00"), 3),
        (lambda: mia.reads(pair), 2),
        (lambda: mia.empties(pair), 2),
        (lambda: noah.empties(pair), 4),
    ):
        call()
        asked = commands.asked()
        assert len(asked) == trips, asked


def test_a_thousand_sessions_at_once_take_a_handful_of_round_trips(mia, many, commands):
    body = {"userId": mia.id, "sessionIds": many}
    commands.asked()
    told = mia.ask("PUT", "/batch/archive", body)
    assert (told["updated"], len(told["failed"])) == (50, 950)
    assert commands.asked() == ["find conversations", "update conversations"]
    told = mia.ask("PUT", "/batch/unarchive", body)
    assert (told["updated"], len(told["failed"])) == (50, 950)
    assert commands.asked() == ["find conversations", "update conversations"]
    assert mia.ask("PUT", "/batch/unarchive", body)["updated"] == 50
    assert commands.asked() == ["find conversations"], "nothing is to be changed"


@pytest.mark.mongodb
def test_no_call_scans_a_collection_or_sorts_in_memory(
    mia, noah, pair, commands, mongo_uri, database_name
):
    mia.says(pair, to=noah.id)
    commands.asked()
    mia.lists()
    mia.ask("GET", "/user/123/unread/total")
    mia.reads(pair)
    mia.sets(pair, status="ARCHIVED")
    check_plans(commands, mongo_uri, database_name)
