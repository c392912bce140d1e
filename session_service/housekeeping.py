"""What a worker does beside its requests: finishes what was left half done."""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Protocol

import structlog

from session_service.core.accounts import Accounts
from session_service.core.message_log import GRACE_MS
from session_service.errors import Conflict, ServiceError
from session_service.models import ADMIN, FirstAdmin

PAUSE_S = 60.0
RETRY_PAUSE_S = 5.0

log = structlog.get_logger(__name__)


class Keeper(Protocol):
    """Something that leaves work for later."""

    def keep_house(self, older_than_ms: int = 0) -> bool:
        """Does what has been left for so long; false when it failed."""


class Housekeeping:
    """What some keepers have left, and the admin whom the configuration names, if any."""

    def __init__(
        self,
        keepers: Sequence[Keeper],
        accounts: Accounts,
        admin: FirstAdmin | None,
        half_imported: Callable[[], bool],
    ) -> None:
        self._keepers = keepers
        self._accounts = accounts
        self._admin = admin
        self._half_imported = half_imported

    def start(self) -> None:
        """Begins in the background, and goes on for as long as the process lives."""
        threading.Thread(target=self._work, daemon=True).start()

    def look_for_half_an_import(self) -> bool:
        """Warns where an import stopped half-way; false when it is to be tried again."""
        try:
            half = self._half_imported()
        except ServiceError:
            return False
        if half:
            log.warning(
                "an import into this database has not been finished: messages may be missing. "
                "Stop the service and repeat the same import, or drop the database"
            )
        return True

    def ensure_admin(self) -> bool:
        """Has the first admin made; false when it is to be tried again."""
        if self._admin is None:
            return True
        name, email = self._admin.username, self._admin.email
        try:
            role = self._accounts.ensure_admin(name, email, self._admin.password)
        except Conflict:
            log.warning("ADMIN_EMAIL belongs to another account: there is no admin", email=email)
        except ServiceError as error:
            log.warning("the admin could not be made yet", error=type(error).__name__)
            return False
        else:
            if role != ADMIN:
                log.warning("ADMIN_USERNAME is an ordinary account, left as it is", name=name)
        return True

    def _work(self) -> None:
        while not self.look_for_half_an_import():
            time.sleep(RETRY_PAUSE_S)
        while not self.ensure_admin():
            time.sleep(RETRY_PAUSE_S)
        while not all(each.keep_house() for each in self._keepers):
            time.sleep(RETRY_PAUSE_S)
        while True:
            time.sleep(PAUSE_S)
            for each in self._keepers:
                each.keep_house(GRACE_MS)
