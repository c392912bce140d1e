"""One conversation for an order, whoever confirms it and wherever they die."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from random import Random
from typing import Any

import pytest
from pymongo.database import Database as MongoDatabase

from session_service.core.conversations import Conversations
from session_service.core.message_log import MessageLog
from session_service.core.orders import OrderNews, Orders
from session_service.models import ADMIN, Conversation, Order, User
from session_service.store.conversations import ConversationStore
from session_service.store.database import Database
from tests.core.processes import Fate, Process, SteppedDatabase
from tests.core.room import MORNING
from tests.mocked import MockedClient

SHOP = User("shop", "shop", ADMIN)
BUYER = User("1", "1")
CONFIRMERS = 20
STEPS = range(12)  # a confirmation takes fewer


class Died(BaseException):
    """The process is dead: nothing of it goes on from here."""


class Mortal(Database):
    """Dies before or after an operation of that number."""

    last_step = -1
    afterwards = False

    def __init__(self, client: Any) -> None:
        super().__init__(lambda: "", "test", connect=lambda *_, **__: client)
        self.steps = count()

    @contextmanager
    def reading(self) -> Iterator[MongoDatabase[dict[str, Any]]]:
        last = next(self.steps) == self.last_step
        if last and not self.afterwards:
            raise Died
        with super().reading() as database:
            yield database
        if last:
            raise Died


class Shop:
    """An instance of the service that is told of one order."""

    def __init__(self, database: Database) -> None:
        outside: Any = None
        self.store = ConversationStore(database)
        log = MessageLog(self.store, clock=lambda: MORNING, sleep=lambda _: None)
        self.conversations = Conversations(
            self.store, log, outside, outside, outside, clock=lambda: MORNING
        )
        self.orders = Orders(self.store, self.conversations)

    def hears(self, status: str = "confirmed", title: str = "x", kol: int = 2) -> Any:
        news = OrderNews(Order("kol_order", "o", status), title, 1, kol)
        return self.orders.status_changed(SHOP, news)

    def conversation(self) -> Conversation:
        """The only one there is, with its only message."""
        listed, total = self.conversations.list(BUYER, None, page=1, page_size=100)
        assert (len(listed), total) == (1, 1)
        found, more = self.conversations.messages(BUYER, listed[0].id, before=None, limit=10)
        assert [(each.sender, each.seq) for each in found] == [("0", 1)]
        assert not more
        return listed[0]


@pytest.mark.parametrize("afterwards", [False, True])
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("then", ["confirmed", "completed"])
def test_a_confirmation_that_dies_at_a_step_is_finished_by_the_next(
    step: int, afterwards: bool, then: str
) -> None:
    client = MockedClient()
    mortal = Mortal(client)
    mortal.last_step, mortal.afterwards = step, afterwards
    with suppress(Died):
        Shop(mortal).hears()
    survivor = Shop(Mortal(client))
    survivor.hears()
    told = survivor.hears(then, title="another", kol=3)
    conversation = survivor.conversation()
    assert told == conversation
    assert conversation.title == "KOL订单: x"
    assert [each.user_id for each in conversation.members] == [1, 2]
    assert conversation.order == Order("kol_order", "o", then)


def test_nobody_sees_a_conversation_before_its_first_message() -> None:
    client = MockedClient()
    for step in STEPS:
        mortal = Mortal(client)
        mortal.last_step = step
        with suppress(Died):
            Shop(mortal).hears()
        shop = Shop(Mortal(client))
        listed, _ = shop.conversations.list(BUYER, None, page=1, page_size=100)
        for each in listed:
            assert each.last is not None
            assert shop.conversation() == each


@pytest.mark.parametrize("number", range(20))
def test_confirmations_that_interleave_and_die_make_one_conversation(number: int) -> None:
    chance = Random(number)
    client = MockedClient()
    database = stepped(client)
    processes = [
        Process(hearing(Shop(database), i), patience=chance.randrange(2)) for i in range(CONFIRMERS)
    ]
    fates = (Fate.LOST, Fate.ANSWER_LOST, Fate.KILLED)
    while living := [each for each in processes if not each.dead]:
        wrong = chance.random() < 0.05
        chance.choice(living).step(chance.choice(fates) if wrong else Fate.DONE)
    shop = Shop(Mortal(client))
    assert shop.hears() == shop.conversation()
    told = [each.result.id for each in processes if isinstance(each.result, Conversation)]
    assert set(told) <= {shop.conversation().id}
    kol = shop.conversation().members[1].user_id
    assert shop.conversation().title == f"KOL订单: title {kol}"


def stepped(client: Any) -> Database:
    return SteppedDatabase(lambda: "", "test", connect=lambda *_, **__: client)


def hearing(shop: Shop, number: int) -> Callable[[], Any]:
    return lambda: shop.hears(title=f"title {number + 2}", kol=number + 2)


@pytest.mark.parametrize("first", STEPS)
def test_what_is_told_while_another_opens_the_conversation_is_noted(first: int) -> None:
    for second in STEPS:
        client = MockedClient()
        confirming = Process(Shop(stepped(client)).hears)
        completing = Process(lambda client=client: Shop(stepped(client)).hears("completed"))
        noted = set()
        turns = (confirming,) * first + (completing,) * second + (confirming,) * 50
        for process in (*turns, *(completing,) * 50):
            if not process.dead:
                process.step()
                noted |= statuses(client)
        assert completing.result is None or "completed" in noted
        assert Shop(Mortal(client)).conversation().id == confirming.result.id


def statuses(client: Any) -> set[str]:
    """What is noted of the order, on each conversation there is."""
    listed, _ = Shop(Mortal(client)).conversations.list(BUYER, None, page=1, page_size=100)
    return {each.order.status for each in listed if each.order}
