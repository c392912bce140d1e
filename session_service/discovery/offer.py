"""What is announced: one service, in the words of DNS-SD (RFC 6763)."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

HTTP_TYPE = "_http._tcp.local."
PEER_TYPE = "_session-svc._tcp.local."
TYPES = (HTTP_TYPE, PEER_TYPE)
LONGEST_NAME = 63  # bytes of one DNS label


@dataclass(frozen=True, slots=True)
class Offer:
    """One service, and where its server listens."""

    name: str
    listening_on: str
    port: int
    tls: bool
    version: str
    apis: tuple[str, ...]
    data_dir: Path
    interfaces: tuple[str, ...] = ()

    def text(self) -> dict[str, str]:
        """The TXT record; it is public."""
        return {
            "txtvers": "1",
            "path": "/",
            "version": self.version,
            "apis": ",".join(self.apis),
            "docs": "/docs",
            "health": "/health",
            "tls": str(int(self.tls)),
        }

    def to_json(self) -> str:
        """All of it, for the command line of the announcer."""
        return json.dumps(asdict(self), default=str)

    @classmethod
    def from_json(cls, text: str) -> "Offer":
        fields: dict[str, Any] = json.loads(text)
        lists = {name: tuple(fields[name]) for name in ("apis", "interfaces")}
        return cls(**{**fields, **lists, "data_dir": Path(fields["data_dir"])})


def numbered(name: str, number: int) -> str:
    """The instance name of the first, the second, … service that wants to be called so."""
    suffix = f" ({number})" if number > 1 else ""
    room = LONGEST_NAME - len(suffix)
    return name.encode()[:room].decode(errors="ignore").rstrip() + suffix
