"""The log machine of a log with members."""

from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import rule

from session_service.errors import Forbidden
from session_service.models import Draft, Event, LogState
from tests.core.conversations import ConversationStore
from tests.core.ledger import last_before
from tests.core.log_machine import LogMachine, engines, places
from tests.core.orders import Order
from tests.core.processes import Piecemeal
from tests.core.watched_log import Place, WatchedLog

MEMBERS = ("ann", "bob", "$c.%")

members = st.sampled_from(MEMBERS)
event = st.builds(Event, st.sampled_from(["add", "remove", "remove"]), members)
events = st.lists(event, min_size=1, max_size=2).map(tuple)
silent = {"silent": st.booleans()}
drafts = st.one_of(
    st.fixed_dictionaries({"sender": members}),
    st.fixed_dictionaries({"sender": members, "to": members}, optional=silent),
    st.fixed_dictionaries({"sender": members, "events": events}, optional=silent),
)


class PiecemealConversations(Piecemeal, ConversationStore):
    """The same, from the hands of a database that does things one after the other."""


class ConversationMachine(LogMachine):
    """Members come and go, and read what others have sent."""

    text_field = "text"
    kind: ClassVar[type[PiecemealConversations]] = PiecemealConversations

    def __init__(self) -> None:
        super().__init__()
        self.store = self.kind(self.world.database)
        self.reader = ConversationStore(self.world.database)

    def open_log(self) -> None:
        log_id = self.new_id()
        self.reader.insert_head(log_id, {})
        self.watch(log_id)
        for member in MEMBERS:
            order = Order(self.log, self.draft(member, events=(Event("add", member),)))
            self.orders[order.draft.key] = order
            self.post(order)
        self.look()

    @rule(target=LogMachine.ordered, draft=drafts, engine=st.none() | engines)
    def send_message(self, draft: dict[str, Any], engine: str | None) -> Order:
        order = Order(self.log, self.draft(**draft), engine)
        if order.draft.events != (Event("add", order.draft.sender),):
            order.judge = judge_of(order.draft)
        return self.send(order)

    @rule(order=LogMachine.ordered, member=members)
    def mark_read(self, order: Order, member: str) -> None:
        log, upto = order.log, order.log.state.seq
        check = partial(self.check_marked, log, member, upto)
        self.begin(partial(self.new_process().mark_read, log.id, member), check)

    @rule(order=LogMachine.ordered, member=members, place=places)
    def mark_read_to(self, order: Order, member: str, place: Place) -> None:
        log, at = order.log, order.log.time(place)
        check = partial(self.check_marked, log, member, last_before(log.entries, at + 1))
        self.begin(partial(self.new_process().mark_read_to, log.id, member, at), check)

    def check_marked(self, log: WatchedLog, member: str, upto: int, marked: bool) -> None:
        there = member in log.state.members and not log.gone
        assert marked or not there, f"{member} is no member"
        read = log.state.read[member] if there else upto
        assert read >= upto, f"{member} has read {read}, not {upto}"


def judge_of(draft: Draft) -> Callable[[LogState], None]:
    def judge(state: LogState) -> None:
        if draft.sender not in state.members:
            raise Forbidden("not a member")

    return judge
