"""Processes that send, read, delete and die, in every order that can be thought of.

Whatever happens between two operations of the database, what a reader sees must be in order;
and in the end every message that its sender was told of is there once, with its one reply.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import count
from random import Random
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from session_service.core.message_log import GRACE_MS, MessageLog
from session_service.core.sending import Answer
from session_service.errors import Forbidden, NotFound, Unavailable
from session_service.models import Draft, Entry
from session_service.store.logs import LogStore
from tests.core.ledger import last_before
from tests.core.orders import Order, Told
from tests.core.processes import Fate, Process, World, pause
from tests.core.watched_log import Place, WatchedLog

HOUR_MS = 3_600_000
PATIENCE_MS = 300
ENOUGH_STEPS = 2000  # for all that is under way to come to its end
JUMPS_MS = (1, -1, 1000, -1000, HOUR_MS, -HOUR_MS)
FAILURES = (Fate.LOST, Fate.ANSWER_LOST, Fate.KILLED)

engines = st.sampled_from(["instant", "slow"])
limits = st.integers(1, 5)
places = st.none() | st.tuples(st.integers(0, 30), st.integers(-1, 1))
troubles = st.sampled_from([0.0, 0.1, 0.3])


@dataclass(eq=False)
class UnderWay:
    """A process, and what must be right about its result at the moment it has one."""

    process: Process
    check: Callable[[Any], None]


class LogMachine(RuleBasedStateMachine):
    """A log of any kind. The rules begin something; chance lets all go on, a step at a time.

    A kind of log adds what is named here without a value, and a rule that sends messages.
    `text_field` is where its entries hold a text; `reader` looks at what lies in `store`, but
    all at once.
    """

    ordered: Bundle[Order] = Bundle("ordered")
    text_field: ClassVar[str]
    store: LogStore[Any]
    reader: LogStore[Any]

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.numbers = count(1)
        self.logs: list[WatchedLog] = []
        self.orders: dict[str, Order] = {}
        self.under_way: list[UnderWay] = []

    @initialize(chance=st.randoms(use_true_random=True), trouble=troubles)
    def begin_with(self, chance: Random, trouble: float) -> None:
        self.chance, self.trouble = chance, trouble
        self.open_log()

    # What is begun

    @rule(order=ordered)
    def send_again(self, order: Order) -> None:
        self.send(order)

    @rule(order=ordered, place=places, limit=limits)
    def read(self, order: Order, place: Place, limit: int) -> None:
        log, at = order.log, order.log.time(place)

        def work() -> tuple[int, list[Entry]] | None:
            head = self.store.find(log.id)
            return head and (head.log.seq, self.new_process().before(head.log, at, limit))

        def right(found: tuple[int, list[Entry]] | None) -> None:
            if found and not log.gone:
                seq, page = found
                seen = log.entries[: min(last_before(log.entries, at), seq)][-limit:]
                assert page == seen, f"{page} is not {seen}, the page before {at} at {seq}"

        self.begin(work, right)

    @precondition(lambda self: len(self.log.entries) > 4)
    @rule()
    def delete(self) -> None:
        log = self.log
        log.doomed = True
        # A jump of the clock must not pass for the minute after which no sender is under way.
        deleting = MessageLog(self.store, clock=self.world.steady_clock, background=at_once)

        def right(_: None) -> None:
            assert log.gone, "a deleted log is still there"

        self.begin(partial(deleting.delete, log.state), right)
        self.open_log()

    # What holds whenever somebody looks

    @invariant()
    def the_past_does_not_change(self) -> None:
        for log in self.logs:
            log.look_back()

    def look(self) -> None:
        for log in self.logs:
            for entry in log.look():
                key = entry.content[self.text_field].partition(" ")[0]
                self.orders[key].check_seen(entry)

    # What holds in the end

    def teardown(self) -> None:
        try:
            if sys.exception() is None:
                self.let_all_finish()
                self.send_everything_again()
                self.clear_up()
        finally:
            for each in self.under_way:
                each.process.kill()

    def let_all_finish(self) -> None:
        for _ in range(ENOUGH_STEPS):
            if not self.under_way:
                return
            self.step(self.chance.choice(self.under_way), Fate.DONE)
        raise AssertionError("somebody never comes to an end")

    def send_everything_again(self) -> None:
        self.trouble = 0.0
        for order in list(self.orders.values()):
            self.send(order)
            self.let_all_finish()
            count = len(order.messages())
            assert count == bool(order.posted) or order.log.gone, f"{count} messages of {order}"

    def clear_up(self) -> None:
        self.world.steady += GRACE_MS
        MessageLog(self.store, clock=self.world.steady_clock).finish_deletions()
        self.look()
        assert self.store.retired() == [], "a deletion is not forgotten"
        for log in self.logs:
            stored = self.store.between(log.id, 0, ENOUGH_STEPS)
            assert stored == ([] if log.gone else log.entries), f"left over: {stored}"

    # How it is done

    @property
    def log(self) -> WatchedLog:
        return self.logs[-1]

    def open_log(self) -> None:
        raise NotImplementedError

    def watch(self, log_id: str) -> None:
        self.logs.append(WatchedLog(log_id, self.reader))
        self.look()

    def new_id(self, at: int = 0) -> str:
        return f"{next(self.numbers):024x}"

    def content(self, text: str) -> dict[str, str]:
        return {self.text_field: text}

    def draft(self, sender: str, **rest: Any) -> Draft:
        key = f"k{next(self.numbers)}"
        return Draft(sender=sender, key=key, content=self.content(f"{key} says"), **rest)

    def send(self, order: Order) -> Order:
        self.orders[order.draft.key] = order
        self.begin(partial(self.post, order), order.check_told)
        return order

    def post(self, order: Order) -> Told:
        try:
            return self.new_process().post(
                order.log.id,
                order.draft,
                admit=lambda head: None,
                judge=order.judge,
                answer=self.answer(order) if order.engine else None,
            )
        except (Forbidden, NotFound) as refusal:
            return refusal

    def answer(self, order: Order) -> Answer[Any]:
        instant = order.engine == "instant"

        def make(_: object) -> dict[str, str]:
            if not instant:
                pause()
            return self.content(f"{order.draft.key} answered, {next(self.numbers)}")

        return Answer(make, instant, PATIENCE_MS)

    def new_process(self) -> MessageLog[Any]:
        """The log as another process has it, so that nobody waits for a turn."""
        return MessageLog(
            self.store, clock=self.world.clock, sleep=self.world.sleep, entry_id=self.new_id
        )

    def begin(self, work: Callable[[], object], check: Callable[[Any], None]) -> None:
        self.under_way.append(UnderWay(Process(work, patience=self.chance.randrange(3)), check))
        for _ in range(self.chance.choice((0, 0, 0, 1, 2, 4))):
            if self.under_way:
                fate = self.chance.choice(FAILURES) if self.goes_wrong() else Fate.DONE
                self.step(self.chance.choice(self.under_way), fate)
        if self.goes_wrong():
            self.world.now += self.chance.choice(JUMPS_MS)

    def goes_wrong(self) -> bool:
        return self.chance.random() < self.trouble

    def step(self, each: UnderWay, fate: Fate) -> None:
        writes, process = self.world.database.writes, each.process
        process.step(fate)
        if self.world.database.writes > writes:
            self.look()
        if not process.dead:
            return
        self.under_way.remove(each)
        if isinstance(process.result, Unavailable):
            assert process.mishaps, f"without any need: {process.result!r}"
        elif fate is not Fate.KILLED:
            each.check(process.result)


def at_once(job: Callable[[], object]) -> None:
    job()
