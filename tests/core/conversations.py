"""A log with members, as plain as can be."""

from dataclasses import dataclass

from session_service.models import LogState
from session_service.store.database import Database
from session_service.store.documents import Layout
from session_service.store.logs import LogStore

MESSAGES = Layout(heads="conversations", entries="messages", content=("text",))


@dataclass(frozen=True, slots=True)
class Conversation:
    """Nothing but the head of a log."""

    log: LogState


class ConversationStore(LogStore[Conversation]):
    """Conversations are the heads, messages the entries."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, MESSAGES, lambda _, state: Conversation(state))
