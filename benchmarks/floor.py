"""The floor: no framework, the token verified each time, the service's own database calls.

Whatever the service does beyond this, it does for its users; the distance is what that costs.
"""

import hashlib
import os
import secrets
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs

import jwt
import orjson
from bson import ObjectId
from pymongo import MongoClient
from pymongo.database import Database

from benchmarks.floor_conversations import Conversations

Document = dict[str, Any]

URI, NAME, SECRET = "FLOOR_MONGO_URI", "FLOOR_MONGO_DB", "FLOOR_SECRET"
REPLY = "你好！有什么可以帮你？ Hello! What can I do for you?"
CONVERSATION = "/api/v1/conversation/"
MILLISECOND = timedelta(milliseconds=1)


class Floor:
    """A bare WSGI callable that sends a chat and reads the newest ones."""

    def __init__(self, database: Database[Document], secret: str) -> None:
        self._heads = database["sessions"]
        self._entries = database["chats"]
        self._conversations = Conversations(database)
        self._secret = secret

    def __call__(self, environ: Document, start_response: Callable[..., object]) -> Iterable[bytes]:
        status, answer = self._answer(environ)
        body = orjson.dumps(answer)
        headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
        start_response(f"{status.value} {status.phrase}", headers)
        return [body]

    def _answer(self, environ: Document) -> tuple[HTTPStatus, Document]:
        if environ["PATH_INFO"] == "/health":
            return HTTPStatus.OK, {"status": "ok"}
        token = environ["HTTP_AUTHORIZATION"].removeprefix("Bearer ")
        user_id = jwt.decode(token, self._secret, algorithms=["HS256"])["sub"]
        if environ["PATH_INFO"].startswith(CONVERSATION):
            return HTTPStatus.OK, self._converse(environ, user_id)
        head = self._heads.find_one({"_id": ObjectId(environ["PATH_INFO"].split("/")[2])})
        if head is None or head["user_id"] != user_id:
            return HTTPStatus.NOT_FOUND, {"status": "error"}
        if environ["REQUEST_METHOD"] == "POST":
            body = orjson.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
            return HTTPStatus.CREATED, self._send(head, body["chat_content"])
        limit = int(parse_qs(environ["QUERY_STRING"])["limit"][0])
        return HTTPStatus.OK, self._read(head, limit)

    def _converse(self, environ: Document, user_id: str) -> Document:
        body = orjson.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
        name = f"conversation:{body.get('conversation_id')}"
        log_id = hashlib.sha256(name.encode()).hexdigest()[:24]
        call = environ["PATH_INFO"].removeprefix(CONVERSATION)
        return self._conversations.answer(call, user_id, body, log_id)

    def _send(self, head: Document, text: str) -> Document:
        now = datetime.now(UTC).replace(tzinfo=None)
        key = f"auto:{secrets.token_hex(12)}"
        sent = chat(head, 1, now, "user", key, text)
        reply = chat(head, 2, now + MILLISECOND, "server", f"re:{key}", REPLY)
        self._entries.insert_many([sent, reply])
        updated = self._heads.update_one(
            {"_id": head["_id"], "seq": head["seq"]},
            {
                "$set": {"seq": reply["seq"], "at": millis(reply["create_at"])},
                "$inc": {"total": 2},
                "$max": {"update_at": reply["create_at"]},
            },
        )
        assert updated.matched_count == 1, "two senders in one session"
        data = {"chat": shown(sent), "reply": shown(reply)}
        return {"status": "success", "message": "发送消息成功", "data": data}

    def _read(self, head: Document, limit: int) -> Document:
        places = {"$gt": head["seq"] - limit, "$lt": head["seq"] + 1}
        found = self._entries.find({"sess_id": head["_id"], "seq": places}, batch_size=1000)
        chats = list(found.sort([("seq", 1)]))
        following = str(chats[0]["_id"]) if chats and chats[0]["seq"] > 1 else None
        return {
            "status": "success",
            "message": "获取聊天记录成功",
            "data": [shown(each) for each in chats],
            "next": following,
        }


def make() -> Floor:
    """The floor of a gunicorn worker."""
    client: MongoClient[Document] = MongoClient(os.environ[URI], retryWrites=False, maxPoolSize=32)
    return Floor(client[os.environ[NAME]], os.environ[SECRET])


def chat(head: Document, step: int, at: datetime, sender: str, key: str, text: str) -> Document:
    return {
        "_id": ObjectId(),
        "sess_id": head["_id"],
        "seq": head["seq"] + step,
        "from": sender,
        "key": key,
        "create_at": at,
        "user_id": head["user_id"],
        "chat_content": text,
    }


def shown(chat: Document) -> Document:
    return {
        "chat_id": str(chat["_id"]),
        "chat_content": chat["chat_content"],
        "create_at": f"{chat['create_at'].isoformat(timespec='milliseconds')}Z",
        "from": chat["from"],
    }


def millis(at: datetime) -> int:
    return int(at.replace(tzinfo=UTC).timestamp() * 1000)
