"""The log machine finds what it is there to find: faults that are easy to make."""

import secrets
from collections.abc import Sequence
from dataclasses import replace

import pytest
from bson import ObjectId
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from session_service.core import message_log
from session_service.core.fold import fold
from session_service.core.sending import Send
from session_service.models import Changes, Draft, Entry, LogState
from session_service.store.documents import field_of
from tests.core.conversation_machine import ConversationMachine, PiecemealConversations
from tests.core.conversations import Conversation

SEED = 4  # any will do; with some it takes longer
SETTINGS = settings(
    max_examples=1000,
    stateful_step_count=15,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    database=None,
    phases=[Phase.generate],
    report_multiple_bugs=False,
)


class Careless(PiecemealConversations):
    """Adds what a member has read without asking whether it has read on meanwhile."""

    def mark_read_to(self, state: LogState, member: str, read: int, count: int, now: int) -> bool:
        field = field_of(member)
        return self._heads.update(
            {"_id": ObjectId(state.id), "members": member},
            {"$set": {f"read.{field}": read}, "$inc": {f"seen.{field}": count}},
        )


class SetsWhatItCounted(PiecemealConversations):
    """Forgets what the member has sent meanwhile, which it has seen as well."""

    def mark_read_to(self, state: LogState, member: str, read: int, count: int, now: int) -> bool:
        field = field_of(member)
        return self._heads.update(
            {"_id": ObjectId(state.id), f"read.{field}": state.read[member]},
            {"$set": {f"read.{field}": read, f"seen.{field}": state.seen[member] + count}},
        )


class ReadsThenSets(PiecemealConversations):
    def mark_read(self, log_id: str, member: str, now: int) -> bool:
        head = self.find(log_id)
        if head is None:
            return False
        field = field_of(member)
        return self._heads.update(
            {"_id": ObjectId(log_id), "members": member},
            {"$set": {f"read.{field}": head.log.seq, f"seen.{field}": head.log.total}},
        )


class MarksWhatIsStored(PiecemealConversations):
    def mark_read(self, log_id: str, member: str, now: int) -> bool:
        marked = super().mark_read(log_id, member, now)
        stored = len(self._entries.find({"c": ObjectId(log_id)}))
        change = {"$set": {f"read.{field_of(member)}": stored}}
        return marked and self._heads.update({"_id": ObjectId(log_id), "members": member}, change)


class CommitsAnyway(PiecemealConversations):
    def commit(self, state: LogState, changes: Changes) -> bool:
        update = self._layout.to_update(state, changes)
        return self._heads.update({"_id": ObjectId(state.id)}, update)


class FoldsTwice(Send[Conversation]):
    """When another was quicker, folds again what that one has committed."""

    def commit(self, state: LogState, entries: Sequence[Entry]) -> None:
        while entries and not self._store.commit(state, fold(state, entries)):
            state = self._read_head().log
            if state.seq >= entries[-1].seq:
                return


class GuessesAhead(Send[Conversation]):
    """After a collision takes the place after the next: somebody will come in between."""

    def _numbered(self, state: LogState, drafts: Sequence[Draft]) -> list[Entry]:
        return super()._numbered(replace(state, seq=state.seq + bool(self._tried)), drafts)


class ForgetsTheKeyOfTheReply(Send[Conversation]):
    @property
    def _reply_key(self) -> str:
        return f"re:{secrets.token_hex(6)}"


class AcknowledgesTooEarly(Send[Conversation]):
    def commit(self, state: LogState, entries: Sequence[Entry]) -> None:
        """Somebody else will do that."""


class TrustsTheClock(Send[Conversation]):
    def _numbered(self, state: LogState, drafts: Sequence[Draft]) -> list[Entry]:
        return super()._numbered(replace(state, at=0), drafts)


class JudgesOnce(Send[Conversation]):
    """Does not ask again when the log has gone on."""

    def _judged(self, state: LogState) -> Entry | None:
        return None if self._tried else super()._judged(state)


@pytest.mark.parametrize(
    ("store", "finding"),
    [
        (ReadsThenSets, "unread|read less"),
        (MarksWhatIsStored, "unread|has read"),
        (Careless, "unread|read less"),
        (SetsWhatItCounted, "unread"),
        (CommitsAnyway, "entries count|gaps|unread"),
    ],
)
def test_fault_of_the_store_is_found(store: type[PiecemealConversations], finding: str) -> None:
    @seed(SEED)
    class Machine(ConversationMachine):
        kind = store

    with pytest.raises(AssertionError, match=finding):
        run_state_machine_as_test(Machine, settings=SETTINGS)


@pytest.mark.parametrize(
    ("send", "finding"),
    [
        (FoldsTwice, "entries count|unread"),
        (GuessesAhead, "gaps|entries count|times do not increase|members are"),
        (ForgetsTheKeyOfTheReply, "under another key"),
        (AcknowledgesTooEarly, "acknowledged, but not to be seen"),
        (TrustsTheClock, "times do not increase"),
        (JudgesOnce, "may not send"),
    ],
)
def test_fault_of_a_send_is_found(
    send: type[Send[Conversation]], finding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    @seed(SEED)
    class Machine(ConversationMachine):
        pass

    monkeypatch.setattr(message_log, "Send", send)
    with pytest.raises(AssertionError, match=finding):
        run_state_machine_as_test(Machine, settings=SETTINGS)
