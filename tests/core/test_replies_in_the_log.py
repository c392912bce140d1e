"""Every message that asks for it gets one reply, whoever dies on the way."""

from functools import partial

import pytest

from session_service.core.sending import POLL_MS, SERVER, Answer
from session_service.errors import NotFound
from session_service.models import Event
from tests.core.conversations import Conversation
from tests.core.processes import Process, pause
from tests.core.room import Clock, Died, Room, die, fail, nothing

PATIENCE_MS = 1000
HOUR_MS = 3_600_000


class Engine:
    """Numbers its replies; a slow one waits for the test to let it go on."""

    def __init__(self, *, instant: bool = True) -> None:
        self.made = 0
        self.answer = Answer[Conversation](self._make, instant, PATIENCE_MS)

    def _make(self, _: Conversation) -> dict[str, str]:
        self.made += 1
        if not self.answer.instant:
            pause()
        return {"text": f"reply {self.made}"}


@pytest.fixture
def instant() -> Engine:
    return Engine()


@pytest.fixture
def slow() -> Engine:
    return Engine(instant=False)


def asking(room: Room, slow: Engine) -> Process:
    """A process whose message is sent and whose reply is being made."""
    return Process(partial(room.elsewhere().say, "hello", answer=slow.answer))


def test_instant_reply_comes_right_after_its_message(room: Room, instant: Engine) -> None:
    posted = room.say("hello", answer=instant.answer)
    assert posted.reply is not None
    assert room.entries() == [posted.entry, posted.reply]
    assert posted.reply.created_at == posted.entry.created_at + 1
    assert (posted.reply.sender, posted.reply.content) == (SERVER, {"text": "reply 1"})


def test_reply_counts_as_unread(room: Room, instant: Engine) -> None:
    room.join("ann", "bob")
    room.say("hello", answer=instant.answer)
    assert room.unread() == {"ann": 1, "bob": 2}


@pytest.mark.parametrize("kind", ["instant", "slow"])
def test_repeat_gives_the_first_reply(
    room: Room, kind: str, request: pytest.FixtureRequest
) -> None:
    engine = request.getfixturevalue(kind)
    first = room.say("hello", answer=engine.answer)
    room.say("other", answer=engine.answer)
    assert room.elsewhere().say("hello", answer=engine.answer) == first
    assert room.texts() == ["hello", "reply 1", "other", "reply 2"]


def test_reply_is_made_once_however_often_the_connection_is_lost(
    room: Room, instant: Engine
) -> None:
    room.store.before["insert"] = fail
    room.store.after["commit"] = fail
    room.say("hello", answer=instant.answer)
    assert room.texts() == ["hello", "reply 1"]
    assert instant.made == 1


def test_reply_that_was_lost_on_the_way_is_made_by_a_repeat(room: Room, instant: Engine) -> None:
    room.dies_before("commit", partial(room.say, "hello"))
    posted = room.elsewhere().say("hello", answer=instant.answer)
    assert room.entries() == [posted.entry, posted.reply]


def test_reply_follows_later_when_others_came_in_between(room: Room, instant: Engine) -> None:
    room.say("hello")
    room.say("other")
    room.say("hello", answer=instant.answer)
    assert room.texts() == ["hello", "other", "reply 1"]


def test_slow_reply_keeps_nobody_waiting(room: Room, slow: Engine) -> None:
    asker = asking(room, slow)
    assert room.texts() == ["hello"]
    room.say("meanwhile")
    asker.step()
    assert room.texts() == ["hello", "meanwhile", "reply 1"]
    assert asker.result.reply == room.entries()[-1]


def test_repeat_waits_for_the_reply_that_is_being_made(
    room: Room, clock: Clock, slow: Engine
) -> None:
    asker = asking(room, slow)
    clock.meanwhile.extend([nothing, asker.step])
    repeated = room.say("hello", answer=slow.answer)
    assert repeated == asker.result
    assert slow.made == 1
    assert clock.waits == 2


def test_repeat_commits_the_reply_whose_maker_died(room: Room, clock: Clock, slow: Engine) -> None:
    asker = asking(room, slow)
    room.store.before["commit"] = die
    with pytest.raises(Died):
        asker.step()
    repeated = room.say("hello", answer=slow.answer)
    assert room.entries() == [repeated.entry, repeated.reply]
    assert slow.made == 1


@pytest.mark.parametrize("jump_ms", [0, -HOUR_MS])
def test_repeat_makes_the_reply_when_its_patience_is_over(
    room: Room, clock: Clock, slow: Engine, jump_ms: int
) -> None:
    asking(room, slow).kill()
    clock.now += jump_ms
    repeated = room.say("hello", answer=slow.answer)
    assert room.entries() == [repeated.entry, repeated.reply]
    assert clock.waits == PATIENCE_MS / POLL_MS


def test_late_repeat_does_not_wait(room: Room, clock: Clock, slow: Engine) -> None:
    asking(room, slow).kill()
    clock.now += PATIENCE_MS
    room.say("hello", answer=slow.answer)
    assert clock.waits == 0


def test_two_makers_of_one_reply_agree_on_the_first(room: Room, clock: Clock, slow: Engine) -> None:
    asker = asking(room, slow)
    clock.now += PATIENCE_MS
    repeated = room.say("hello", answer=slow.answer)
    asker.step()
    assert asker.result == repeated
    assert room.texts() == ["hello", "reply 2"]


def test_sender_does_not_wait_for_itself(room: Room, clock: Clock, slow: Engine) -> None:
    room.store.after["insert"] = fail
    room.say("hello", answer=slow.answer)
    assert clock.waits == 0
    assert room.texts() == ["hello", "reply 1"]


def test_slow_reply_to_a_deleted_log_is_not_found(room: Room, slow: Engine) -> None:
    asker = asking(room, slow)
    room.log.delete(room.state)
    asker.step()
    assert isinstance(asker.result, NotFound)
    assert room.stored() == []


def test_reply_does_not_hang_on_its_sender_staying_a_member(room: Room, slow: Engine) -> None:
    room.join("ann", "bob")
    asker = asking(room, slow)
    room.say("out", "bob", events=(Event("remove", "ann"),))
    asker.step()
    assert room.texts()[-1] == "reply 1"
