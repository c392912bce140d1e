"""Conversations made by orders: one for each, whoever tells of it and how often.

Source: 会话功能 API 文档, 自动创建会话.
"""

from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Protocol

from session_service.core.conversations import Conversations
from session_service.core.log_store import Deadline
from session_service.errors import Forbidden
from session_service.models import ADMIN, Conversation, Order, Reservation, User

TITLES = {"kol_order": "KOL订单: ", "ad_order": "广告订单: "}
MOST_TITLE = 200
CONFIRMED = "confirmed"


@dataclass(frozen=True, slots=True)
class OrderNews:
    """What an order service tells: the order as it is now, its title, and whose it is."""

    order: Order
    title: str
    user_id: int
    kol_user_id: int


class OrderStore(Protocol):
    """Where it is kept which conversation belongs to an order."""

    def deadline(self) -> AbstractContextManager[Deadline]: ...

    def log_id(self, conversation_id: int) -> str: ...

    def next_id(self) -> int: ...

    def find_reserved(self, order: Order) -> Reservation | None: ...

    def reserve(self, order: Order, reservation: Reservation) -> Reservation: ...

    def find(self, log_id: str) -> Conversation | None: ...

    def set_order_status(self, log_id: str, status: str) -> bool: ...


class Orders:
    """What order services may tell; admins only. Everything may raise Unavailable."""

    def __init__(self, store: OrderStore, conversations: Conversations) -> None:
        self._store = store
        self._conversations = conversations

    def status_changed(self, user: User, news: OrderNews) -> Conversation | None:
        """The order's conversation, which exists from its confirmation on.

        Who confirmed first has said what it is called and whose it is.
        """
        if user.role != ADMIN:
            raise Forbidden("admins only", code="admins_only")
        with self._store.deadline():
            reserved = self._store.find_reserved(news.order)
            if reserved is None and news.order.status != CONFIRMED:
                return None
            if reserved is None:
                reserved = self._store.reserve(news.order, self._reservation(news))
        return self._open(reserved, news.order)

    def _reservation(self, news: OrderNews) -> Reservation:
        title = f"{TITLES[news.order.type]}{news.title}"[:MOST_TITLE]
        return Reservation(self._store.next_id(), title, news.user_id, news.kol_user_id)

    def _open(self, reserved: Reservation, order: Order) -> Conversation:
        log_id = self._store.log_id(reserved.number)
        conversation = self._noted(log_id, order.status)
        if conversation is not None and conversation.log.seq:
            return conversation
        opened = self._conversations.open(
            reserved.number,
            order.type,
            reserved.title,
            [reserved.user_id, reserved.kol_user_id],
            "订单已确认，会话已创建",
            replace(order, status=CONFIRMED),
        )
        if order.status == CONFIRMED:  # noted above; once more could undo what others have noted
            return opened
        return self._noted(log_id, order.status) or opened

    def _noted(self, log_id: str, status: str) -> Conversation | None:
        with self._store.deadline():
            known = self._store.set_order_status(log_id, status)
            return self._store.find(log_id) if known else None
