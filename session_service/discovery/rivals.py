"""Hosts that claim our names although they were free: two that started at the same moment."""

import time
from collections.abc import Callable, Collection

from zeroconf import DNSAddress, DNSService, RecordUpdate, RecordUpdateListener, Zeroconf

from session_service.addresses import Address

REPLY_PAUSE_S = 1.0


class Rivals(RecordUpdateListener):
    """Listens for what others say under our names (RFC 6762, section 9).

    Of two claims the one that sorts later prevails, so that both sides agree without a word; the
    one who prevails says so again, by `defend`.
    """

    def __init__(
        self,
        names: Collection[str],
        host: str,
        addresses: Collection[Address],
        defend: Callable[[], None],
    ) -> None:
        self.have_the_name = False
        self.have_the_host = False
        self._names = {name.lower() for name in names}
        self._host = host.lower()
        self._addresses = {each.packed for each in addresses}
        self._defend = defend
        self._replied = 0.0

    def async_update_records(self, zc: Zeroconf, now: float, records: list[RecordUpdate]) -> None:
        for record in (update.new for update in records):
            if record.is_expired(now):
                continue
            if isinstance(record, DNSService):
                self._meet_service(record)
            elif isinstance(record, DNSAddress):
                self._meet_address(record)

    def _meet_service(self, record: DNSService) -> None:
        if record.key in self._names and record.server_key != self._host:
            self.have_the_name |= record.server_key > self._host
            self._reply()

    def _meet_address(self, record: DNSAddress) -> None:
        if record.key == self._host and record.address not in self._addresses:
            self.have_the_host |= record.address > max(self._addresses)
            self._reply()

    def _reply(self) -> None:
        lost = self.have_the_name or self.have_the_host
        if not lost and time.monotonic() - self._replied >= REPLY_PAUSE_S:
            self._replied = time.monotonic()
            self._defend()
