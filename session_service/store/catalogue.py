"""What the service keeps in its database: its logs, and the indexes of its collections."""

from collections.abc import Callable, Mapping, Sequence

from pymongo import IndexModel

from session_service.store.accounts import AccountStore
from session_service.store.attempts import AttemptStore
from session_service.store.chats import MESSAGES, ChatStore
from session_service.store.conversations import CONVERSATIONS, ConversationStore
from session_service.store.database import Database
from session_service.store.documents import Layout
from session_service.store.files import FileStore
from session_service.store.index_pool import IndexPoolStore
from session_service.store.message_sessions import MESSAGE_SESSIONS, MessageSessionStore
from session_service.store.notes import NoteStore
from session_service.store.sessions import CHATS, SessionStore
from session_service.store.standing import StandingStore

LAYOUTS: tuple[Layout, ...] = (CHATS, MESSAGES, CONVERSATIONS, MESSAGE_SESSIONS)
STORES: tuple[Callable[[Database], object], ...] = (
    SessionStore,
    ChatStore,
    ConversationStore,
    MessageSessionStore,
    IndexPoolStore,
    NoteStore,
    FileStore,
    AccountStore,
    StandingStore,
    AttemptStore,
)


def places() -> Sequence[Layout]:
    """One layout for each pair of collections, in which several kinds of log may be kept."""
    return list({(each.heads, each.entries): each for each in LAYOUTS}.values())


def required_indexes() -> Mapping[str, Sequence[IndexModel]]:
    """The indexes that the stores ask for, by collection."""
    database = Database(lambda: "", "")  # asked for nothing else, it connects nowhere
    for store in STORES:
        store(database)
    return database.required
