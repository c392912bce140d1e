"""The same two calls as one writes them in FastAPI: Pydantic, PyMongo's asynchronous client.

It validates what comes in and checks the owner, answers what the service answers, and gives
one fixed reply. Run by uvicorn with uvloop and httptools.
"""

import os
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated, Any

import jwt
from bson import ObjectId
from fastapi import Depends, FastAPI, HTTPException, Query, Request
from fastapi.responses import JSONResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, Field
from pymongo import AsyncMongoClient

from benchmarks.floor import MILLISECOND, NAME, REPLY, SECRET, URI, Document, chat, millis, shown


class NewChat(BaseModel):
    """What a client sends."""

    chat_content: str = Field(min_length=1, max_length=10_000)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """One client for the life of a worker."""
    client: AsyncMongoClient[Document] = AsyncMongoClient(
        os.environ[URI], retryWrites=False, maxPoolSize=32
    )
    app.state.database = client[os.environ[NAME]]
    yield
    await client.close()


app = FastAPI(lifespan=lifespan)


def caller(
    credentials: Annotated[HTTPAuthorizationCredentials, Depends(HTTPBearer())],
) -> str:
    """The user's id."""
    try:
        claims = jwt.decode(credentials.credentials, os.environ[SECRET], algorithms=["HS256"])
    except jwt.PyJWTError as error:
        raise HTTPException(401) from error
    return str(claims["sub"])


async def session(
    request: Request, sess_id: str, user_id: Annotated[str, Depends(caller)]
) -> Document:
    """The caller's own session."""
    found: Document | None = await request.app.state.database["sessions"].find_one(
        {"_id": ObjectId(sess_id)}
    )
    if found is None:
        raise HTTPException(404)
    if found["user_id"] != user_id:
        raise HTTPException(403)
    return found


@app.get("/health")
async def health() -> dict[str, str]:
    """Whether it answers."""
    return {"status": "ok"}


@app.post("/sess/{sess_id}/chat")
async def send(
    request: Request, body: NewChat, head: Annotated[Document, Depends(session)]
) -> JSONResponse:
    """Stores a chat and the reply to it."""
    database = request.app.state.database
    now = datetime.now(UTC).replace(tzinfo=None)
    key = f"auto:{secrets.token_hex(12)}"
    sent = chat(head, 1, now, "user", key, body.chat_content)
    reply = chat(head, 2, now + MILLISECOND, "server", f"re:{key}", REPLY)
    await database["chats"].insert_many([sent, reply])
    updated = await database["sessions"].update_one(
        {"_id": head["_id"], "seq": head["seq"]},
        {
            "$set": {"seq": reply["seq"], "at": millis(reply["create_at"])},
            "$inc": {"total": 2},
            "$max": {"update_at": reply["create_at"]},
        },
    )
    if updated.matched_count != 1:
        raise HTTPException(409)
    data = {"chat": shown(sent), "reply": shown(reply)}
    return JSONResponse({"status": "success", "message": "发送消息成功", "data": data}, 201)


@app.get("/sess/{sess_id}/chats")
async def read(
    request: Request,
    head: Annotated[Document, Depends(session)],
    limit: Annotated[int, Query(ge=1, le=200)] = 20,
) -> JSONResponse:
    """The newest chats, oldest first."""
    places = {"$gt": head["seq"] - limit, "$lt": head["seq"] + 1}
    cursor = request.app.state.database["chats"].find(
        {"sess_id": head["_id"], "seq": places}, batch_size=1000
    )
    chats: list[Any] = await cursor.sort([("seq", 1)]).to_list()
    following = str(chats[0]["_id"]) if chats and chats[0]["seq"] > 1 else None
    return JSONResponse(
        {
            "status": "success",
            "message": "获取聊天记录成功",
            "data": [shown(each) for each in chats],
            "next": following,
        }
    )
