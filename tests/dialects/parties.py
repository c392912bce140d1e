"""People who use the message sessions API."""

from collections.abc import Mapping
from typing import Any

PREFIX = "/api/v1/message-sessions"
FIELDS = {
    "id",
    "sessionId",
    "userId1",
    "userId2",
    "sessionType",
    "title",
    "description",
    "lastMessage",
    "lastMessageTime",
    "unreadCount",
    "status",
    "createTime",
    "updateTime",
}
NOT_YOURS = "only for this user itself or an admin"
NO_PART = "this user takes no part in the session"
NO_SESSION = "session not found"

Told = dict[str, Any]


class Party:
    """Somebody who calls; gives the `data` of answers whose envelope must be right."""

    def __init__(self, caller: Any, user_id: int) -> None:
        self.caller = caller
        self.id = user_id

    def ask(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        code: int = 200,
        key: str | None = None,
        **query: Any,
    ) -> Any:
        headers = {"Idempotency-Key": key} if key else {}
        answer = self.caller(
            method, f"{PREFIX}{path}", body, headers=headers, query_string=query or None
        )
        assert answer.status_code == code, answer.text
        told = answer.json
        assert told.keys() == {"code", "message", "data"}
        assert told["code"] == code
        assert (told["message"] == "success") == (code == 200)
        return told["data"] if code == 200 else told["message"]

    def opens(self, other: int, *others: int, kind: str | None = None, title: str = "t") -> Told:
        kind = kind or ("GROUP" if others else "PRIVATE")
        body = {"userId1": self.id, "userId2": other, "sessionType": kind, "title": title}
        made = self.ask("POST", "", body | ({"memberIds": list(others)} if others else {}))
        assert made.keys() == FIELDS
        record: Told = made
        return record

    def says(
        self,
        session: str,
        text: str = "你好",
        to: int | None = None,
        at: str | None = None,
        *,
        code: int = 200,
        key: str | None = None,
    ) -> Any:
        body = {"sessionId": session, "senderId": self.id, "receiverId": to, "message": text}
        body |= {"messageTime": at} if at else {}
        return self.ask("POST", "/new-message", body, code=code, key=key)

    def tells(self, session: str, text: str, at: str, *, code: int = 200) -> Any:
        body = {"sessionId": session, "lastMessage": text, "lastMessageTime": at}
        return self.ask("PUT", "/last-message", body | {"senderId": self.id}, code=code)

    def sees(self, session: str) -> Told:
        """The session as this user sees it, whatever its status."""
        for status in ("ACTIVE", "ARCHIVED", "DELETED"):
            body = {"userId": self.id, "status": status, "pageSize": 100}
            for record in self.ask("POST", "/query", body)["records"]:
                if record["sessionId"] == session:
                    assert record["status"] == status
                    found: Told = record
                    return found
        raise AssertionError(f"{self.id} does not see {session}")

    def unread(self, session: str) -> int:
        return int(self.sees(session)["unreadCount"])

    def last(self, session: str) -> tuple[str | None, str | None]:
        record = self.sees(session)
        return record["lastMessage"], record["lastMessageTime"]

    def lists(self, **query: Any) -> list[str]:
        """The `sessionId`s of a list."""
        page = self.ask("GET", "", userId=self.id, **query)
        return [each["sessionId"] for each in page["records"]]

    def reads(self, session: str, **query: Any) -> list[Told]:
        found: list[Told] = self.ask("GET", f"/{session}/messages", userId=self.id, **query)
        return found

    def texts(self, session: str) -> list[str]:
        return [each["message"] for each in self.reads(session, limit=100)]

    def sets(self, session: str, **change: str) -> Told:
        record: Told = self.ask("PUT", f"/{session}", change)
        return record

    def raises(self, session: str, user: int | None = None, by: int = 1) -> Told:
        body = {"sessionId": session, "userId": user or self.id, "increment": by}
        record: Told = self.ask("PUT", "/unread/increment", body)
        return record

    def clears(self, session: str) -> Told:
        body = {"sessionId": session, "userId": self.id}
        record: Told = self.ask("PUT", "/unread/clear", body)
        return record

    def empties(self, session: str) -> Told:
        record: Told = self.ask("DELETE", "/empty", sessionId=session, userId=self.id)
        return record

    def rebuilds(self, *, force: bool = False) -> tuple[int, int]:
        told = self.ask("POST", "/rebuild-index", {"userId": self.id, "force": force})
        return told["checked"], told["repaired"]
