"""Conversations against a plain model of them: people who come, talk, read, go and close."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from hypothesis.stateful import run_state_machine_as_test as run

from session_service.core.conversations import CLOSED, Conversations
from session_service.core.message_log import MessageLog
from session_service.errors import Conflict, Forbidden, NotFound, ServiceError
from session_service.models import ADMIN, Entry, User
from session_service.store.conversations import ConversationStore
from session_service.store.database import Database
from tests.core.room import MORNING
from tests.mocked import MockedClient

SETTINGS = settings(
    max_examples=40,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    phases=(Phase.reuse, Phase.generate, Phase.shrink),
)
SEED = 4  # any will do; with some it takes longer
UNTIL_FOUND = settings(
    SETTINGS,
    max_examples=1000,
    phases=[Phase.generate],
    database=None,
    report_multiple_bugs=False,
)
PEOPLE = (1, 2, 3, 4)
CREATOR, ADMINISTRATOR = 1, 9
LONG_AGO, FAR_AHEAD = 0, 10**14

people = st.sampled_from(PEOPLE)
anybody = st.sampled_from([*PEOPLE, ADMINISTRATOR])
numbers = st.sampled_from([1, 2])
groups = st.lists(people, min_size=1, max_size=3)
statuses = st.sampled_from(["active", "archived", "closed"])
places = st.tuples(st.integers(0, 40), st.integers(-1, 1)) | st.sampled_from([LONG_AGO, FAR_AHEAD])
limits = st.integers(1, 6)
jumps = st.sampled_from([0, 1, 1_000_000, -1_000_000])


@dataclass
class Said:
    """A message as the model has it; what the service tells counts for nobody."""

    sender: int
    text: str | None
    at: int

    def counts_for(self, reader: int) -> bool:
        return self.sender not in (0, reader)


@dataclass
class Model:
    """One conversation: `read` is how many messages each member has read."""

    members: list[int]
    said: list[Said] = field(default_factory=list)
    read: dict[int, int] = field(default_factory=dict)
    status: str = "active"

    def unread(self, member: int) -> int:
        return sum(each.counts_for(member) for each in self.said[self.read[member] :])


class ConversationsMachine(RuleBasedStateMachine):
    """Everybody does everything; what may not be done must be refused."""

    kind: type[ConversationStore] = ConversationStore

    def __init__(self) -> None:
        super().__init__()
        client: Any = MockedClient()
        database = Database(lambda: "", "test", connect=lambda *_, **__: client)
        self.store = self.kind(database)
        self.now = MORNING
        log = MessageLog(self.store, clock=lambda: self.now, sleep=lambda _: None)
        outside: Any = Outside()
        self.conversations = Conversations(
            self.store, log, outside, outside, outside, clock=lambda: self.now
        )
        self.models: dict[int, Model] = {}
        self.keys = 0

    @initialize()
    def open(self) -> None:
        for number in (1, 2):
            self.conversations.open(number, "general", "x", [1, 2], "opened")
            self.models[number] = Model([1, 2], read={1: 0, 2: 0})
            self.hear(number)

    # What people do

    @rule(number=numbers, user=people)
    def send(self, number: int, user: int) -> None:
        model = self.models[number]
        self.keys += 1
        text = f"message {self.keys}"
        content = {"message_type": "text", "content": text}
        closed = model.status == CLOSED and user in model.members
        with refused(Forbidden, user not in model.members), refused(Conflict, closed):
            entry = self.conversations.send(as_user(user), number, content, text)
            model.said.append(Said(user, text, entry.created_at))

    @rule(number=numbers, user=people)
    def mark_read(self, number: int, user: int) -> None:
        model = self.models[number]
        with refused(Forbidden, user not in model.members):
            self.conversations.mark_read(as_user(user), number)
            model.read[user] = len(model.said)

    @rule(number=numbers, user=people, place=places)
    def mark_read_to(self, number: int, user: int, place: Any) -> None:
        model, at = self.models[number], self.time(number, place)
        with refused(Forbidden, user not in model.members):
            self.conversations.mark_read(as_user(user), number, at)
            upto = sum(each.at <= at for each in model.said)
            model.read[user] = max(model.read[user], upto)

    @rule(number=numbers, user=anybody, group=groups)
    def add(self, number: int, user: int, group: list[int]) -> None:
        model = self.models[number]
        with refused(Forbidden, not self.manages(user, model)):
            self.conversations.add_members(as_user(user), number, group, "member")
            new = [each for each in dict.fromkeys(group) if each not in model.members]
            if new:
                self.hear(number)
            for each in new:
                model.members.append(each)
                model.read[each] = len(model.said)

    @rule(number=numbers, user=anybody, member=people)
    def remove(self, number: int, user: int, member: int) -> None:
        model = self.models[number]
        may = user == member or self.manages(user, model)
        missing = may and member not in model.members
        with refused(Forbidden, not may), refused(NotFound, missing):
            self.conversations.remove_member(as_user(user), number, member)
            model.members.remove(member)
            del model.read[member]
            self.hear(number)

    @rule(number=numbers, user=anybody, status=statuses)
    def set_status(self, number: int, user: int, status: str) -> None:
        model = self.models[number]
        with refused(Forbidden, not self.manages(user, model)):
            self.conversations.update_status(as_user(user), number, status)
            if status != model.status:
                model.status = status
                self.hear(number)

    @rule(jump=jumps)
    def time_passes(self, jump: int) -> None:
        self.now += jump

    # What people see

    @rule(number=numbers, user=people, place=places, limit=limits)
    def page(self, number: int, user: int, place: Any, limit: int) -> None:
        model, at = self.models[number], self.time(number, place)
        with refused(Forbidden, user not in model.members):
            page, more = self.conversations.messages(as_user(user), number, before=at, limit=limit)
            older = [each for each in model.said if each.at < at]
            same(page, older[-limit:])
            assert more == (len(older) > limit), f"more: {more} of {len(older)}"

    @rule(number=numbers, user=people, place=places)
    def poll(self, number: int, user: int, place: Any) -> None:
        model, at = self.models[number], self.time(number, place)
        with refused(Forbidden, user not in model.members):
            page, more = self.conversations.poll(as_user(user), number, after=at, wait_s=0)
            newer = [each for each in model.said if each.at > at]
            same(page, newer)
            assert not more

    @invariant()
    def everybody_sees_what_is(self) -> None:
        for user in PEOPLE:
            mine = {n: model for n, model in self.models.items() if user in model.members}
            listed, total = self.conversations.list(as_user(user), None, page=1, page_size=20)
            assert {each.id for each in listed} == set(mine)
            assert total == len(mine)
            times = [each.log.at for each in listed]
            assert times == sorted(times, reverse=True)
            for each in listed:
                self.check(user, each, mine[each.id])

    def check(self, user: int, seen: Any, model: Model) -> None:
        assert [each.user_id for each in seen.members] == model.members
        unread = seen.log.unread(str(user))
        assert unread == model.unread(user), f"unread of {user}: {unread} in {model}"
        assert seen.log.status == model.status
        last = model.said[-1]
        assert (seen.last.sender, seen.last.created_at) == (str(last.sender), last.at)
        page, _ = self.conversations.messages(as_user(user), seen.id, before=None, limit=100)
        same(page, model.said[-100:])

    # How it is done

    def hear(self, number: int) -> None:
        """The service has told something."""
        conversation = self.store.find(self.store.log_id(number))
        assert conversation is not None
        self.models[number].said.append(Said(0, None, conversation.log.at))

    def manages(self, user: int, model: Model) -> bool:
        return user == ADMINISTRATOR or (user == CREATOR and user in model.members)

    def time(self, number: int, place: Any) -> int:
        if isinstance(place, int):
            return place
        which, off = place
        said = self.models[number].said
        return said[which % len(said)].at + off


class Outside:
    """Names and files, as far as conversations ask for them."""

    def names(self, user_ids: Sequence[int]) -> dict[int, str]:
        return {each: str(each) for each in user_ids}

    def keep(self, file_id: str, path_name: str | None = None) -> bool:
        return True


def as_user(user: int) -> User:
    return User(str(user), f"{user}", ADMIN if user == ADMINISTRATOR else "user")


@contextmanager
def refused(kind: type[ServiceError], expected: bool) -> Iterator[None]:
    """What happens inside is refused exactly when that is expected."""
    if not expected:
        yield
        return
    with pytest.raises(kind):
        yield


def same(page: Sequence[Entry], said: Sequence[Said]) -> None:
    assert [(int(each.sender), each.created_at) for each in page] == [
        (each.sender, each.at) for each in said
    ]
    texts = [each.text for each in said]
    assert [each.content["content"] if each.sender != "0" else None for each in page] == texts


class CountsItsOwn(ConversationStore):
    """Forgets whose messages do not count."""

    def count_from_others(self, log_id: str, member: str, after: int, upto: int) -> int:
        return super().count_from_others(log_id, "nobody", after, upto)


class PagesOneShort(ConversationStore):
    def between(self, log_id: str, after: int, before: int) -> list[Entry]:
        return super().between(log_id, after, before - 1 if before > after + 2 else before)


def test_conversations_are_as_their_model_whatever_people_do() -> None:
    run(ConversationsMachine, settings=SETTINGS)


@pytest.mark.parametrize(
    ("faulty", "finding"), [(CountsItsOwn, "unread of"), (PagesOneShort, "assert")]
)
def test_a_fault_is_found(faulty: type[ConversationStore], finding: str) -> None:
    @seed(SEED)
    class Machine(ConversationsMachine):
        kind = faulty

    with pytest.raises(AssertionError, match=finding):
        run(Machine, settings=UNTIL_FOUND)
