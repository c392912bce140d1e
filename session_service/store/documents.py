"""What a log looks like in MongoDB: documents from records and back."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from bson import ObjectId

from session_service.models import Changes, Entry, Event, LogState

Document = dict[str, Any]

EPOCH = datetime(1970, 1, 1)  # BSON dates are UTC and come without a zone
MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Layout:
    """Where a kind of log is kept and what its fields are called there.

    `content` names the dialect's own fields of an entry; `touched` is a time of the head that
    every commit moves on; with `dates` times are BSON dates, else integers of ms.
    """

    heads: str
    entries: str
    content: tuple[str, ...]
    log: str = "c"
    sender: str = "sender"
    created_at: str = "created_at"
    touched: str | None = None
    dates: bool = False

    @property
    def retired(self) -> str:
        """The collection of notes on logs that are to go."""
        return f"retired_{self.heads}"

    def to_update(self, state: LogState, changes: Changes) -> Document:
        """What committing the changes does to the head's document."""
        last = changes.last
        sets: Document = {"seq": last.seq, "at": last.created_at}
        if changes.members != state.members:
            sets["members"] = list(changes.members)
        for member, (seen, read) in changes.joined.items():
            sets |= {f"seen.{field_of(member)}": seen, f"read.{field_of(member)}": read}
        counts = {f"seen.{field_of(member)}": n for member, n in changes.seen.items()}
        update: Document = {"$set": sets, "$inc": {"total": changes.total, **counts}}
        if self.touched:
            update["$max"] = {self.touched: self.to_time(last.created_at)}
        if changes.left:
            kept = ("seen", "read", "read_at")
            update["$unset"] = {f"{k}.{field_of(m)}": "" for m in changes.left for k in kept}
        return update

    def to_document(self, log_id: str, entry: Entry) -> Document:
        document: Document = {
            "_id": ObjectId(entry.id),
            self.log: ObjectId(log_id),
            "seq": entry.seq,
            self.sender: entry.sender,
            "key": entry.key,
            self.created_at: self.to_time(entry.created_at),
            **entry.content,
        }
        if entry.to is not None:
            document["to"] = entry.to
        if entry.silent:
            document["silent"] = True
        if entry.event is not None:
            document["event"] = [entry.event.kind, entry.event.member]
        return document

    def to_entry(self, document: Document) -> Entry:
        event = document.get("event")
        return Entry(
            document[self.sender],
            document["key"],
            {name: document[name] for name in self.content if name in document},
            document.get("to"),
            document.get("silent", False),
            Event(*event) if event else None,
            str(document["_id"]),
            document["seq"],
            self.from_time(document),
        )

    def to_time(self, at: int) -> datetime | int:
        return to_date(at) if self.dates else at

    def from_time(self, document: Document) -> int:
        time = document[self.created_at]
        return from_date(time) if self.dates else time


def to_state(document: Document) -> LogState:
    """The state of a log as its head's document holds it."""
    return LogState(
        id=str(document["_id"]),
        seq=document["seq"],
        at=document["at"],
        total=document.get("total", 0),
        members=tuple(document.get("members", ())),
        seen=_by_member(document.get("seen")),
        read=_by_member(document.get("read")),
    )


def to_date(at: int) -> datetime:
    return EPOCH + at * MILLISECOND


def from_date(date: datetime) -> int:
    return (date - EPOCH) // MILLISECOND


def field_of(member: str) -> str:
    """A member's id as a field name, in which `.` and `$` have a meaning of their own."""
    return member.replace("%", "%25").replace(".", "%2E").replace("$", "%24")


def _by_member(counts: Mapping[str, int] | None) -> dict[str, int]:
    if not counts:
        return {}
    return {
        field.replace("%24", "$").replace("%2E", ".").replace("%25", "%"): count
        for field, count in counts.items()
    }
