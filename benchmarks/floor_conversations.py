"""The floor's part for conversations: the service's own database calls, and no more."""

import secrets
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from bson import ObjectId
from pymongo.database import Database

Document = dict[str, Any]

LAST = ("message_id", "sender_nickname", "message_type", "content", "created_at")
SUCCESS = {"code": 200, "message": "success"}


class Conversations:
    """Sends a message, reads a page with names, lists conversations with names and total."""

    def __init__(self, database: Database[Document]) -> None:
        self._heads = database["conversations"]
        self._entries = database["messages"]
        self._accounts = database["accounts"]

    def answer(self, call: str, user_id: str, body: Document, log_id: str) -> Document:
        """What the service answers to this call, with the same words."""
        if call == "get_conversations":
            return self._list(user_id, body)
        head = self._heads.find_one({"_id": ObjectId(log_id)})
        assert head is not None, "an unknown conversation"
        assert user_id in head["members"], "a stranger"
        return self._send(head, user_id, body) if call == "send_message" else self._page(head, body)

    def _send(self, head: Document, user_id: str, body: Document) -> Document:
        content = {"message_type": body["message_type"], "content": body["content"]}
        message = {
            "_id": ObjectId(),
            "c": head["_id"],
            "seq": head["seq"] + 1,
            "sender": user_id,
            "key": f"auto:{secrets.token_hex(12)}",
            "created_at": time.time_ns() // 1_000_000,
            **content,
        }
        self._entries.insert_one(message)
        last = {name: message[name] for name in ("seq", "sender", "created_at", *content)}
        sets = {"seq": message["seq"], "at": message["created_at"], "last": last}
        updated = self._heads.update_one(
            {"_id": head["_id"], "seq": head["seq"]},
            {"$set": sets, "$inc": {"total": 1, f"seen.{user_id}": 1}},
        )
        assert updated.matched_count == 1, "two senders in one conversation"
        names = {user_id: user_id}
        return {"message": shown(head["number"], message, names), "base_resp": SUCCESS}

    def _page(self, head: Document, body: Document) -> Document:
        places = {"$gt": head["seq"] - body["limit"], "$lt": head["seq"] + 1}
        found = self._entries.find({"c": head["_id"], "seq": places}, batch_size=1000)
        messages = list(found.sort([("seq", 1)]))
        names = self._names(each["sender"] for each in messages)
        return {
            "messages": [shown(head["number"], each, names) for each in messages],
            "has_more": messages[0]["seq"] > 1,
            "base_resp": SUCCESS,
        }

    def _list(self, user_id: str, body: Document) -> Document:
        where = {"members": user_id, "kind": "conversation"}
        active = [(each["at"], each["_id"]) for each in self._heads.find(where, {"at": 1})]
        active.sort(key=lambda each: (each[0], str(each[1])), reverse=True)
        size = body["page_size"]
        asked = [each for _, each in active[:size]]
        heads = {each["_id"]: each for each in self._heads.find({"_id": {"$in": asked}})}
        names = self._names(member for each in heads.values() for member in each["members"])
        total = len(active)
        pages = {"page": 1, "page_size": size, "total": total, "total_pages": -(-total // size)}
        return {
            "conversations": [listed(heads[each], user_id, names) for each in asked],
            "page_info": pages,
            "base_resp": SUCCESS,
        }

    def _names(self, members: Iterable[str]) -> Mapping[str, str]:
        asked = sorted({int(each) for each in members})
        found = self._accounts.find({"_id": {"$in": asked}})
        return {str(each): str(each) for each in asked} | {
            str(each["_id"]): each["username"] for each in found
        }


def shown(number: int, message: Document, names: Mapping[str, str]) -> Document:
    return {
        "message_id": f"MSG_{message['created_at']}_{number * 2**22 + message['seq']}",
        "conversation_id": number,
        "sender_id": int(message["sender"]),
        "sender_nickname": names[message["sender"]],
        "sender_avatar_url": None,
        "message_type": message["message_type"],
        "content": message["content"],
        "file_name": None,
        "file_size": None,
        "file_type": None,
        "status": "sent",
        "created_at": message["created_at"],
    }


def listed(head: Document, user_id: str, names: Mapping[str, str]) -> Document:
    last = shown(head["number"], head["last"], names)
    return {
        "conversation_id": f"CONV_{head['created_at']}_{head['number']:05}",
        "id": head["number"],
        "title": head["title"],
        "type": head["type"],
        "related_order_type": None,
        "related_order_id": None,
        "order_status": None,
        "status": head["status"],
        "members": members(head, names),
        "unread_count": head["total"] - head["seen"][user_id],
        "created_at": plain(head["created_at"]),
        "last_message_at": head["at"],
        "last_message": {name: last[name] for name in LAST},
    }


def members(head: Document, names: Mapping[str, str]) -> Sequence[Document]:
    return [
        {
            "user_id": int(each),
            "nickname": names[each],
            "avatar_url": None,
            "role": head["roles"][each],
            "joined_at": plain(head["joined_at"][each]),
        }
        for each in head["members"]
    ]


def plain(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
