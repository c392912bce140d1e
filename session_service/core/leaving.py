"""What goes with a user who is deleted: the account and all that is its own."""

from session_service.core.accounts import Accounts
from session_service.core.chats import Chats
from session_service.core.index_pool import IndexPool
from session_service.core.notes import Notes
from session_service.core.sessions import Sessions
from session_service.models import User


class Leaving:
    """Deletes a user and all that is the user's alone."""

    def __init__(
        self, accounts: Accounts, sessions: Sessions, chats: Chats, notes: Notes, pool: IndexPool
    ) -> None:
        self._accounts = accounts
        self._notes = notes
        self._pool = pool
        self._sessions = sessions
        self._chats = chats

    def __call__(self, account_id: int) -> None:
        """The account goes first, and its tokens with it; may be repeated after a failure.

        Raises NotFound where there never was such an account, Conflict for the last active admin.
        """
        self._accounts.delete(account_id)
        self._notes.delete_all(account_id)
        self._pool.release(account_id)
        user = User(str(account_id), "")
        for session in self._sessions.list(user)[0]:
            self._sessions.delete(user, session.id)
        for chat in self._chats.list(user):
            self._chats.delete(user, chat.id)
