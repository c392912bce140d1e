"""The message sessions API against a model: whatever three members do, each sees what it should."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from tests.dialects.parties import Party

IDS = (123, 456, 789)
TIMES = [f"2024-01-01T{hour:02}:00:00" for hour in range(4)]

users = st.sampled_from(range(len(IDS)))
times = st.sampled_from(TIMES)


@dataclass
class Seen:
    """What one member should see: messages since it emptied, and counts."""

    texts: list[str] = field(default_factory=list)
    last: tuple[str, str] | None = None
    unread: int = 0
    status: str = "ACTIVE"

    def hear(self, text: str, at: str) -> None:
        if self.last is None or at >= self.last[1]:
            self.last = (text, at)


class SessionMachine(RuleBasedStateMachine):
    """Three members of one group; `parties` is set by the test."""

    parties: list[Party]

    def __init__(self) -> None:
        super().__init__()
        self.session = str(self.parties[0].opens(*IDS[1:])["sessionId"])
        self.seen = [Seen() for _ in IDS]
        self.said = 0

    def next_text(self) -> str:
        self.said += 1
        return f"message {self.said}"

    @rule(sender=users, to=st.none() | users, at=times)
    def says(self, sender: int, to: int | None, at: str) -> None:
        if to == sender:
            return
        text = self.next_text()
        self.parties[sender].says(self.session, text, None if to is None else IDS[to], at)
        for number, seen in enumerate(self.seen):
            seen.texts.append(text)
            seen.hear(text, at)
            concerned = to in (None, number)
            seen.unread += concerned and number != sender
            if seen.status == "DELETED" and (concerned or number == sender):
                seen.status = "ACTIVE"

    @rule(sender=users, at=times)
    def tells(self, sender: int, at: str) -> None:
        text = self.next_text()
        self.parties[sender].tells(self.session, text, at)
        for seen in self.seen:
            seen.hear(text, at)

    @rule(who=users, by=st.integers(1, 3))
    def raises(self, who: int, by: int) -> None:
        self.parties[0].raises(self.session, IDS[who], by)
        self.seen[who].unread += by

    @rule(who=users)
    def clears(self, who: int) -> None:
        self.parties[who].clears(self.session)
        self.seen[who].unread = 0

    @rule(who=users)
    def empties(self, who: int) -> None:
        self.parties[who].empties(self.session)
        self.seen[who] = Seen(status=self.seen[who].status)

    @rule(who=users, status=st.sampled_from(["ACTIVE", "ARCHIVED", "DELETED"]))
    def sets(self, who: int, status: str) -> None:
        self.parties[who].sets(self.session, status=status)
        self.seen[who].status = status

    @invariant()
    def each_sees_what_it_should(self) -> None:
        for party, seen in zip(self.parties, self.seen, strict=True):
            record = party.sees(self.session)
            last = seen.last or (None, None)
            assert (record["lastMessage"], record["lastMessageTime"]) == last
            assert (record["unreadCount"], record["status"]) == (seen.unread, seen.status)
            assert party.texts(self.session) == seen.texts


def test_each_member_sees_what_it_should(party: Callable[..., Any]) -> None:
    SessionMachine.parties = [party(each) for each in IDS]
    run_state_machine_as_test(
        SessionMachine,
        settings=settings(
            max_examples=12,
            stateful_step_count=20,
            deadline=None,
            database=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
