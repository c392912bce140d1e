"""Logging in, for all dialects: the right password, and not too many wrong ones before."""

from session_service.core.accounts import Accounts, key_of
from session_service.core.login_limit import LoginLimit
from session_service.errors import Unauthorized
from session_service.models import Account


class Login:
    """Takes as long for a name that does not exist as for a password that is wrong."""

    def __init__(self, accounts: Accounts, limit: LoginLimit) -> None:
        self._accounts = accounts
        self._limit = limit

    def __call__(self, name: str, password: str, address: str) -> Account:
        """The account of that username or e-mail and password.

        Raises Unauthorized (also for a disabled account), TooMany, or Unavailable.
        """
        account = self._accounts.find(name)
        who = str(account.id) if account else f"?{key_of(name)}"  # no id begins with "?"
        ticket = self._limit.begin(who, address)
        right = self._accounts.verified(account, password)
        if account is None or not right or account.status != "active":
            self._limit.failed(ticket)
            raise Unauthorized("wrong name or password", code="wrong_login")
        self._limit.succeeded(ticket)
        self._accounts.note_login(account)
        return account
