"""Message sessions: documents of the kind `message_session`, and their `messages`."""

from collections.abc import Iterator, Mapping, Sequence

from bson import ObjectId

from session_service.models import LastMessage, LogState, MessageSession, last_message
from session_service.store.conversations import OF_MEMBER
from session_service.store.database import Database
from session_service.store.documents import (
    Document,
    Layout,
    by_member,
    field_of,
    last_fields,
    to_state,
)
from session_service.store.numbered import NumberedLogs

KIND = "message_session"
MESSAGE_SESSIONS = Layout(
    heads="conversations",
    entries="messages",
    content=("message", "sent_at"),
    touched="updated_at",
    shown=last_message,
)
# What lists are made of: what all see, what each sees of its own, and what takes room.
FLAT = (
    *("number", "session_id", "users", "type", "created_at", "updated_at"),
    *("seq", "at", "total", "archived", "deleted"),
)
OWN = ("seen", "floors", "touched_at", "read_at")
TEXTS = ["title", "description"]
TIMES = ("time", "at", "sender")
# How a member's status is written: on which of the two lists it stands.
STATUSES: Mapping[str, tuple[str | None, Sequence[str]]] = {
    "ACTIVE": (None, ("archived", "deleted")),
    "ARCHIVED": ("archived", ("deleted",)),
    "DELETED": ("deleted", ("archived",)),
}


class MessageSessionStore(NumberedLogs[MessageSession]):
    """Sessions are the heads, messages the entries; a log is found by its session's `sessionId`.

    Times are in ms.
    """

    def __init__(self, database: Database) -> None:
        super().__init__(database, MESSAGE_SESSIONS, to_message_session, [OF_MEMBER], KIND)

    def insert_session(self, session: MessageSession) -> bool:
        """Stores a session without messages; false when one of this `sessionId` is there."""
        return self.insert_head(session.log.id, to_document(session))

    def of_member(self, member: str, *, texts: bool) -> list[MessageSession]:
        """A member's sessions, each as far as this member sees it, without texts if so asked."""
        field = field_of(member)
        lasts = ["last", f"lasts.{field}"]
        told = TEXTS + lasts if texts else [f"{last}.{time}" for last in lasts for time in TIMES]
        fields = [*FLAT, *[f"{each}.{field}" for each in OWN], *told]
        found = self._heads.find({"members": member, "kind": KIND}, fields=fields)
        return [to_message_session(each, to_state(each)) for each in found]

    def find_many(self, log_ids: Sequence[str]) -> Mapping[str, MessageSession]:
        """The sessions of these logs, as far as there are any."""
        where = {"_id": {"$in": [ObjectId(each) for each in log_ids]}}
        found = (to_message_session(each, to_state(each)) for each in self._heads.find(where))
        return {each.log.id: each for each in found}

    def log_ids(self) -> list[str]:
        """Those of all sessions."""
        return [str(each["_id"]) for each in self._heads.find({"kind": KIND}, fields=("_id",))]

    def change(
        self, log_id: str, member: str, now: int, shared: Mapping[str, str], status: str | None
    ) -> bool:
        """Sets what is shared and a member's own status; false where it is no member."""
        update = _own(member, now, status)
        if shared:
            update["$set"] = dict(shared)
            update["$max"]["updated_at"] = now
        return self._heads.update({"_id": ObjectId(log_id), "members": member}, update)

    def set_statuses(
        self,
        places: Sequence[tuple[str, int | None]],
        member: str,
        now: int,
        status: str,
        *,
        only: str | None,
    ) -> int:
        """Sets a member's own status where it is `only`, and a log stands at the seq given.

        None asks for nothing. Says how many there were.
        """
        update, changes = _own(member, now, status), []
        for log_id, seq in places:
            where: Document = {"_id": ObjectId(log_id)}
            if seq is not None:
                where["seq"] = seq
            if only is not None:
                where[STATUSES[only][0] or ""] = member
            changes.append((where, update))
        return self._heads.update_each(changes)

    def add_unread(self, log_id: str, member: str, by: str, count: int, now: int) -> bool:
        """Raises a member's unread count; false where that or `by` is no member."""
        update = _own(member, now, None)
        update["$inc"] = {f"seen.{field_of(member)}": -count}
        where = {"_id": ObjectId(log_id), "members": {"$all": [by, member]}}
        return self._heads.update_once(where, update)

    def set_last(self, state: LogState, last: LastMessage) -> bool:
        """Sets the last message in every view in which it is the greatest.

        False where somebody has got a view of its own since `state` was read.
        """
        where = {"_id": ObjectId(state.id), "cleared": state.cleared}
        views = dict.fromkeys(last_fields(state), last._asdict())
        return self._heads.update(where, {"$max": {**views, "updated_at": last.at}})

    def clear(self, log_id: str, member: str, now: int) -> bool:
        """Clears the log for one member, up to what is committed now; false: it is none."""
        field = field_of(member)
        return self._heads.update(
            {"_id": ObjectId(log_id), "members": member},
            [
                {
                    "$set": {
                        f"seen.{field}": "$total",
                        f"read.{field}": "$seq",
                        f"floors.{field}": "$seq",
                        f"lasts.{field}": None,
                        f"read_at.{field}": now,
                        "cleared": {"$add": ["$cleared", 1]},
                    }
                }
            ],
        )

    def repair(
        self,
        session: MessageSession,
        seen: Mapping[str, int],
        last: LastMessage | None,
        lasts: Mapping[str, LastMessage | None],
    ) -> bool:
        """Sets counts and last messages; false where the session went on since it was read."""
        state = session.log
        where: Document = {"_id": ObjectId(state.id), "seq": state.seq, "cleared": state.cleared}
        sets: Document = {"last": last._asdict() if last else None}
        for member, count in seen.items():
            field = field_of(member)
            where[f"seen.{field}"] = state.seen.get(member)
            where[f"read.{field}"] = state.read.get(member)
            sets[f"seen.{field}"] = count
        for member, own in lasts.items():
            sets[f"lasts.{field_of(member)}"] = own._asdict() if own else None
        return self._heads.update(where, {"$set": sets})

    def make_indexes(self) -> None:
        """Makes what is missing of the indexes of all collections."""
        self._database.make_indexes()


def to_document(session: MessageSession) -> Document:
    """A new session's document, as far as it is not the same for all logs."""
    members = session.log.members
    return {
        "kind": KIND,
        "number": session.id,
        "session_id": session.session_id,
        "users": list(session.users),
        "type": session.type,
        "title": session.title,
        "description": session.description,
        "created_at": session.created_at,
        "updated_at": session.updated_at,
        "total": 0,
        "members": list(members),
        "seen": dict.fromkeys(map(field_of, members), 0),
        "read": dict.fromkeys(map(field_of, members), 0),
        "archived": [],
        "deleted": [],
        "cleared": 0,
    }


def to_message_session(document: Document, state: LogState) -> MessageSession:
    """The record of a session's document, or of what a projection has left of it."""
    first, second = document["users"]
    lasts = by_member(document.get("lasts"))
    return MessageSession(
        id=document["number"],
        session_id=document["session_id"],
        users=(first, second),
        type=document["type"],
        title=document.get("title"),
        description=document.get("description"),
        created_at=document["created_at"],
        updated_at=document["updated_at"],
        log=state,
        last=_to_last(document.get("last")),
        lasts={member: _to_last(last) for member, last in lasts.items()},
        archived=tuple(document["archived"]),
        deleted=tuple(document["deleted"]),
        touched_at=dict(_latest(document)),
    )


def _to_last(document: Document | None) -> LastMessage | None:
    if not document:
        return None
    sender, text = document.get("sender", ""), document.get("text", "")
    return LastMessage(document.get("time", 0), document.get("at", 0), sender, text)


def _latest(document: Document) -> Iterator[tuple[str, int]]:
    """When each member changed its own view last: in whichever way."""
    touched, read = by_member(document.get("touched_at")), by_member(document.get("read_at"))
    for member in {**touched, **read}:
        yield member, max(touched.get(member, 0), read.get(member, 0))


def _own(member: str, now: int, status: str | None) -> Document:
    """The update that changes a member's own view: its status, if one is given."""
    update: Document = {"$max": {f"touched_at.{field_of(member)}": now}}
    if status is not None:
        on, off = STATUSES[status]
        update["$pull"] = dict.fromkeys(off, member)
        if on:
            update["$addToSet"] = {on: member}
    return update
