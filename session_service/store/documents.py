"""What a log looks like in MongoDB: documents from records and back."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

from bson import ObjectId

from session_service.models import Changes, Entry, Event, LastMessage, LogState

T = TypeVar("T")

Document = dict[str, Any]

# What heads keep of each member: the fields of `Joined` as they are called there.
MEMBERS = {"seen": "seen", "read": "read", "at": "joined_at", "role": "roles"}

EPOCH = datetime(1970, 1, 1)  # BSON dates are UTC and come without a zone
MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Layout:
    """Where a kind of log is kept and what its fields are called there.

    `content` names the dialect's own fields of an entry; `touched` is a time of the head that
    every commit moves on; with `dates` times are BSON dates, else integers of ms;
    with `last` the head holds the last entry. With `shown` each member has a view of the log of
    its own, whose last message is the greatest that `shown` makes of its entries.
    """

    heads: str
    entries: str
    content: tuple[str, ...]
    log: str = "c"
    sender: str = "sender"
    created_at: str = "created_at"
    touched: str | None = None
    last: bool = False
    shown: Callable[[Entry], LastMessage] | None = None
    dates: bool = False

    @property
    def retired(self) -> str:
        """The collection of notes on logs that are to go."""
        return f"retired_{self.heads}"

    def to_update(self, state: LogState, changes: Changes) -> Document:
        """What committing the changes does to the head's document."""
        last = changes.last
        sets: Document = {"seq": last.seq, "at": last.created_at}
        if self.last:
            sets["last"] = self.to_last(last)
        if changes.status != state.status:
            sets["status"] = changes.status
        if changes.members != state.members:
            sets["members"] = list(changes.members)
        for member, joined in changes.joined.items():
            for name, value in joined._asdict().items():
                sets[f"{MEMBERS[name]}.{field_of(member)}"] = value
        counts = {f"seen.{field_of(member)}": n for member, n in changes.seen.items()}
        update: Document = {"$set": sets, "$inc": {"total": changes.total, **counts}}
        if self.touched:
            update["$max"] = {self.touched: self.to_time(last.created_at)}
        if changes.left:
            kept = (*MEMBERS.values(), "read_at")
            update["$unset"] = {f"{k}.{field_of(m)}": "" for m in changes.left for k in kept}
        if self.shown:
            _update_views(update, state, changes.entries, max(map(self.shown, changes.entries)))
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
        if entry.events:
            document["events"] = [[each.kind, each.subject, each.role] for each in entry.events]
        return document

    def to_last(self, entry: Entry) -> Document:
        """What a head holds of its last entry."""
        return {
            "seq": entry.seq,
            "sender": entry.sender,
            "created_at": entry.created_at,
            **entry.content,
        }

    def from_last(self, document: Document) -> Entry | None:
        """The last entry that a head's document holds, if any."""
        last = document.get("last")
        if last is None:
            return None
        content = {name: last[name] for name in self.content if name in last}
        return Entry(last["sender"], "", content, seq=last["seq"], created_at=last["created_at"])

    def to_entry(self, document: Document) -> Entry:
        events = document.get("events")
        return Entry(
            document[self.sender],
            document["key"],
            {name: document[name] for name in self.content if name in document},
            document.get("to"),
            document.get("silent", False),
            tuple([Event(*each) for each in events]) if events else (),
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
        seen=by_member(document.get("seen")),
        read=by_member(document.get("read")),
        status=document.get("status", ""),
        floors=by_member(document.get("floors")),
        floor=document.get("floor", 0),
        cleared=document.get("cleared", 0),
    )


def last_fields(state: LogState) -> list[str]:
    """Where a head holds last messages: for all who have not cleared it, and for each who has."""
    return ["last", *[f"lasts.{field_of(each)}" for each in state.floors]]


def _update_views(
    update: Document, state: LogState, entries: Sequence[Entry], newest: LastMessage
) -> None:
    """The last message of every view, which are those of `state`; and none stays deleted.

    Who sends and who receives has the log back; what is directed to one concerns nobody else.
    """
    for field in last_fields(state):
        # Documents compare field by field.
        update.setdefault("$max", {})[field] = newest._asdict()
    if any(each.to is None for each in entries):
        update["$set"]["deleted"] = []
    else:
        concerned = {name for each in entries for name in (each.sender, each.to)}
        update["$pullAll"] = {"deleted": sorted(filter(None, concerned))}


def to_date(at: int) -> datetime:
    return EPOCH + at * MILLISECOND


def from_date(date: datetime) -> int:
    return (date - EPOCH) // MILLISECOND


def field_of(member: str) -> str:
    """A member's id as a field name, in which `.` and `$` have a meaning of their own."""
    return member.replace("%", "%25").replace(".", "%2E").replace("$", "%24")


def by_member(values: Mapping[str, T] | None) -> dict[str, T]:
    """What is kept under members' ids as field names."""
    if not values:
        return {}
    return {
        field.replace("%24", "$").replace("%2E", ".").replace("%25", "%"): value
        for field, value in values.items()
    }
