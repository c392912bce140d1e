"""People who talk to each other over the API."""

from collections.abc import Callable, Mapping
from typing import Any

from pymongo import MongoClient

PREFIX = "/api/v1/conversation"
STRANGER = "user is not a member of this conversation"

Told = dict[str, Any]


class Person:
    """Somebody who calls; what is answered is given without its envelope, which must be right.

    The patient call again as long as the database is not available.
    """

    def __init__(self, caller: Any, *, patient: bool = False) -> None:
        self.caller = caller
        self.patient = patient

    def ask(
        self, call: str, body: Mapping[str, Any], status: int = 200, key: str | None = None
    ) -> Told:
        headers = {"Idempotency-Key": key} if key else {}
        answer = self.caller("POST", f"{PREFIX}/{call}", body, headers=headers)
        while self.patient and answer.status_code == 503:
            answer = self.caller("POST", f"{PREFIX}/{call}", body, headers=headers)
        assert answer.status_code == status, answer.text
        told: Told = answer.json
        resp = told.pop("base_resp")
        assert resp.keys() == {"code", "message"}
        assert resp["code"] == status
        assert (resp["message"] == "success") == (status == 200)
        return told or resp

    def refused(self, status: int, call: str, body: Mapping[str, Any]) -> str:
        """The message of a refusal, which must be this one."""
        return str(self.ask(call, body, status)["message"])

    def opens(self, *members: int, kind: str = "general", title: str = "讨论") -> Told:
        body = {"type": kind, "title": title, "member_ids": list(members)}
        conversation: Told = self.ask("create_conversation", body)["conversation"]
        return conversation

    def says(self, number: Any, text: str = "你好", *, key: str | None = None, **more: Any) -> Told:
        body = {"conversation_id": number, "message_type": "text", "content": text, **more}
        message: Told = self.ask("send_message", body, key=key)["message"]
        return message

    def reads(self, number: Any, **page: Any) -> tuple[list[Told], bool]:
        told = self.ask("get_messages", {"conversation_id": number, **page})
        return told["messages"], told["has_more"]

    def texts(self, number: Any, **page: Any) -> list[str]:
        """What people said, without what the service told."""
        messages, _ = self.reads(number, **{"limit": 100, **page})
        return [each["content"] for each in messages if each["sender_id"]]

    def sees(self, number: Any) -> Told:
        told: Told = self.ask("get_conversation", {"conversation_id": number})["conversation"]
        return told

    def unread(self, number: Any) -> int:
        return int(self.sees(number)["unread_count"])

    def marks(self, number: Any, **up_to: int) -> None:
        self.ask("mark_read", {"conversation_id": number, **up_to})

    def lists(self, **page: Any) -> list[Told]:
        conversations: list[Told] = self.ask("get_conversations", page)["conversations"]
        return conversations

    def adds(self, number: Any, *members: int, role: str = "member") -> Told:
        body = {"conversation_id": number, "member_ids": list(members), "role": role}
        conversation: Told = self.ask("add_members", body)["conversation"]
        return conversation

    def removes(self, number: Any, member: int) -> Told:
        body = {"conversation_id": number, "member_id": member}
        conversation: Told = self.ask("remove_member", body)["conversation"]
        return conversation

    def sets(self, number: Any, status: str) -> Told:
        body = {"conversation_id": number, "status": status}
        conversation: Told = self.ask("update_status", body)["conversation"]
        return conversation


People = Callable[..., Person]


def register(uri: str, database: str, profiles: Mapping[int, Mapping[str, str]]) -> None:
    """Makes accounts of these ids, with a `username` and what others may see."""
    rest = {
        "password_hash": "",
        "role": "user",
        "status": "active",
        "created_at": 0,
        "password_version": 1,
    }
    accounts = [
        {"_id": each, "username_key": profile["username"], **rest, **profile}
        for each, profile in profiles.items()
    ]
    with MongoClient(uri) as client:
        client[database]["accounts"].insert_many(accounts)


def member_ids(conversation: Told) -> list[int]:
    return [each["user_id"] for each in conversation["members"]]


def roles(conversation: Told) -> dict[int, str]:
    return {each["user_id"]: each["role"] for each in conversation["members"]}


def calls_on(number: Any) -> list[tuple[str, Told]]:
    """Every call that is about one conversation, with a body."""
    about = {"conversation_id": number}
    return [
        ("send_message", {**about, "message_type": "text", "content": "x"}),
        ("get_messages", about),
        ("get_conversation", about),
        ("list_members", about),
        ("mark_read", about),
        ("mark_read", {**about, "up_to": 2**40}),
        ("poll", {**about, "after_timestamp": 0}),
        ("add_members", {**about, "member_ids": [77]}),
        ("remove_member", {**about, "member_id": 1}),
        ("update_status", {**about, "status": "closed"}),
    ]
