"""The announcer, as the server process that started it holds it."""

import os
from contextlib import suppress

from session_service.child import Child
from session_service.discovery.offer import Offer


class AnnouncerProcess(Child):
    """The hold of one server process on its announcer.

    Made when the server listens; the announcer itself waits until `/health` answers 200.
    """

    name = "discovery: announcer"
    stop_timeout_s = 3.0

    def __init__(self, offer: Offer) -> None:
        self._offer = offer
        self._number = ""
        self._leaving = False
        super().__init__()

    def command(self) -> list[str]:
        """The announcer's; the next one goes on under the number of the one before."""
        words = ["session_service.discovery.announcer", self._offer.to_json()]
        return [*words, self._number] if self._number else words

    def last_words(self) -> str:
        with suppress(OSError):
            said = os.read(self._stdout, 65_536).decode(errors="replace").split()
            self._number = said[-1] if said else self._number
        return ""

    def goodbye(self) -> None:
        """Withdraw the announcement at once; from a signal handler, too.

        A worker that has not yet put away its parent's handlers withdraws nothing.
        """
        if os.getpid() == self._owner:
            self._leaving = True
            self.tell()

    def ensure(self) -> None:
        if not self._leaving:
            super().ensure()
        if self._leaving:  # also by a signal while another one was started
            self.tell()
