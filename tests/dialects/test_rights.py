"""Nobody gets at what belongs to somebody else: every route that takes an id is tried.

Which routes those are is read from the route table and from what they document. A route that
takes an id joins by a row in ATTEMPTS; without one the suite fails.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from pymongo import MongoClient

from session_service.dialects.dialect import Dialect

OWNER, STRANGER = "7001", "7002"
SECRET = "veiled"  # stands in every text of the owner's
AN_ID = re.compile(r"(^|_)ids?$|[a-z]Ids?$|^(before|after|cursor)$")


@dataclass(frozen=True)
class Belongings:
    """The ids of what one user has, in every dialect."""

    user: str
    session: str
    session_chat: str
    chat: int
    conversation: int
    message_session: str
    message: int  # in that
    account: int
    note: int


@dataclass(frozen=True)
class Attempt:
    """How a route is called with an id of the owner's, and what a stranger is told.

    `path` may name ids of the owner (`theirs`) and of the caller (`mine`); a body that holds
    some is made by a function of both. `answer` is a status and the whole body, where it is
    None a status below 400 and whatever does not tell of the owner. `admins` may as well.
    """

    route: str
    path: str
    answer: tuple[int, Mapping[str, Any]] | None
    body: Any = None
    admins: bool = False

    def __str__(self) -> str:
        return f"{self.route.partition(' ')[0]} {self.path}"

    def call(self, caller: Any, theirs: Belongings, mine: Belongings) -> Any:
        method = self.route.partition(" ")[0]
        body = self.body(theirs, mine) if callable(self.body) else self.body
        headers = {"Idempotency-Key": "k"}  # the owner's messages have it as well
        return caller(method, self.path.format(theirs=theirs, mine=mine), body, headers=headers)


FORBIDDEN = (403, {"status": "error", "message": "无权访问该会话"})
NO_CHAT = (404, {"detail": "Chat not found"})
SESSION_CHAT = {"chat_content": f"{SECRET} 1"}
MESSAGE = {"role": "user", "content": f"{SECRET} 1"}

NO_MEMBER = {"code": 403, "message": "user is not a member of this conversation"}
ADMINS_ONLY = {"code": 403, "message": "admins only"}
ORDER = {
    "order_type": "kol_order",
    "order_id": "O1",
    "title": "x",
    "status": "confirmed",
    "user_id": int(OWNER),
    "kol_user_id": 7003,
}


def conversing(call: str, *, admins: bool = False, **fields: Any) -> Attempt:
    """A call of the conversations API on a conversation of the owner's."""
    path = f"/api/v1/conversation/{call}"
    return Attempt(
        f"POST {path}",
        path,
        (403, {"base_resp": NO_MEMBER}),
        lambda theirs, mine: {"conversation_id": theirs.conversation, **fields},
        admins,
    )


MANAGING = "/api/v1/message-sessions"


def managing(
    route: str,
    query: str = "",
    body: Any = None,
    *,
    why: str = "only for this user itself or an admin",
    admins: bool = True,
) -> Attempt:
    """A call of the message sessions API about the owner, or about a session of the owner's."""
    method, path = route.split(" ")
    ids = {"session_id": "{theirs.message_session}", "user_id": OWNER}
    filled = re.sub("<(.*?)>", lambda match: ids[match[1]], path)
    answer = (403, {"code": 403, "message": why, "data": None})
    whole = f"{method} {MANAGING}{path}"
    return Attempt(whole, f"{MANAGING}{filled}{query}", answer, body, admins)


def about(**fields: Any) -> Callable[[Belongings, Belongings], Any]:
    """A body that names a session of the owner's, and the owner unless another is given."""
    return lambda theirs, mine: {
        "sessionId": theirs.message_session,
        "userId": int(theirs.user),
        **fields,
    }


def about_me(theirs: Belongings, mine: Belongings) -> Any:
    """A body that names a session of the owner's and the caller."""
    return {"sessionId": theirs.message_session, "userId": int(mine.user)}


NO_PART = "this user takes no part in the session"
SENT = {"senderId": int(STRANGER), "receiverId": 7003, "message": f"{SECRET} 1"}
TOLD = {"lastMessage": "x", "lastMessageTime": "2024-01-01T00:00:00"}
OF_OWNER = f"?userId={OWNER}"
BATCH = {"userId": int(OWNER)}

POOL = "/api/admin/index-pool"
NOTE = {"source": "x", "content": "x", "createdAt": "2026-01-09T10:00:00+08:00"}
NO_NOTE = (404, {"error": "笔记不存在"})


def administering(route: str, body: Any = None, why: str = "需要管理员权限") -> Attempt:
    """A call for admins alone, on an account that somebody has made."""
    path = route.partition(" ")[2].replace("<user_id>", "{theirs.account}")
    return Attempt(route, path, (403, {"error": why}), body, admins=True)


# What takes ids and is open to everybody, and why.
OPEN = {
    "POST /api/v1/conversation/create_conversation": "takes nothing of those it names",
    "GET /api/v1/files/<file_id>/<name>": "whoever knows the path may see the file",
    "GET /api/v1/users/<user_id>": "tells of others what all may see",
}
ATTEMPTS = [
    conversing("send_message", message_type="text", content=f"{SECRET} 1"),
    conversing("get_messages"),
    conversing("poll", after_timestamp=0),
    conversing("get_conversation"),
    conversing("list_members"),
    conversing("mark_read"),
    conversing("add_members", member_ids=[7004], admins=True),
    conversing("remove_member", member_id=7003, admins=True),
    conversing("update_status", status="closed", admins=True),
    Attempt(
        "POST /api/v1/conversation/order_status_changed",
        "/api/v1/conversation/order_status_changed",
        (403, {"base_resp": ADMINS_ONLY}),
        ORDER,
        admins=True,
    ),
    administering("PUT /api/v1/users/<user_id>", {"nickname": "x"}, "无权访问"),
    administering("DELETE /api/v1/users/<user_id>", None, "无权访问"),
    administering("POST /api/v1/users/<user_id>/enable"),
    administering("POST /api/v1/users/<user_id>/disable"),
    administering(f"POST {POOL}", {"indexId": "i", "categoryId": "c"}),
    administering(f"POST {POOL}/batch", [{"indexId": "i", "categoryId": "c"}]),
    administering(f"GET {POOL}/user/<user_id>"),
    administering(f"POST {POOL}/assign/<user_id>"),
    administering(f"POST {POOL}/release/<user_id>"),
    Attempt("GET /api/v1/notes", "/api/v1/notes?before={theirs.note}", None),
    Attempt("GET /api/v1/notes/<note_id>", "/api/v1/notes/{theirs.note}", NO_NOTE),
    Attempt("PUT /api/v1/notes/<note_id>", "/api/v1/notes/{theirs.note}", NO_NOTE, {"title": "x"}),
    Attempt("DELETE /api/v1/notes/<note_id>", "/api/v1/notes/{theirs.note}", NO_NOTE),
    managing("POST ", body={"userId1": int(OWNER), "userId2": 7003}),
    managing("GET ", OF_OWNER),
    managing("POST /query", body={"userId": int(OWNER)}),
    managing("GET /user/<user_id>"),
    managing("GET /user/<user_id>/active"),
    managing("GET /user/<user_id>/unread"),
    managing("GET /user/<user_id>/unread/count"),
    managing("GET /user/<user_id>/count"),
    managing("GET /user/<user_id>/unread/total"),
    managing("PUT /<session_id>", body={"title": "x"}, why=NO_PART, admins=False),
    managing("PUT /<session_id>/archive", why=NO_PART, admins=False),
    managing("PUT /last-message", body=about(senderId=int(OWNER), **TOLD), admins=False),
    managing("PUT /unread/increment", body=about_me, why=NO_PART, admins=False),
    managing("PUT /unread/increment", body=about(), why=NO_PART),
    managing("PUT /unread/clear", body=about()),
    managing("PUT /unread/clear", body=about_me, why=NO_PART, admins=False),
    managing("POST /new-message", body=about(**SENT | {"senderId": int(OWNER)}), admins=False),
    managing("DELETE /empty", OF_OWNER + "&sessionId={theirs.message_session}"),
    managing(
        "DELETE /empty",
        "?userId={mine.user}&sessionId={theirs.message_session}",
        why=NO_PART,
        admins=False,
    ),
    managing("DELETE /archived", OF_OWNER),
    managing("PUT /batch/archive", body=lambda t, m: BATCH | {"sessionIds": [t.message_session]}),
    managing("PUT /batch/unarchive", body=lambda t, m: BATCH | {"sessionIds": [t.message_session]}),
    managing("POST /rebuild-index", body={"userId": int(OWNER)}),
    managing("GET /<session_id>/messages", OF_OWNER + "&before={theirs.message}"),
    managing(
        "GET /<session_id>/messages", "?userId={mine.user}&limit=1", why=NO_PART, admins=False
    ),
    Attempt("GET /sessions", "/sessions?before={theirs.session}", None),
    Attempt("GET /sess/<sess_id>", "/sess/{theirs.session}", FORBIDDEN),
    Attempt("PATCH /sess/<sess_id>", "/sess/{theirs.session}", FORBIDDEN, {"sess_name": "x"}),
    Attempt("DELETE /sess/<sess_id>", "/sess/{theirs.session}", FORBIDDEN),
    Attempt("POST /sess/<sess_id>/chat", "/sess/{theirs.session}/chat", FORBIDDEN, SESSION_CHAT),
    Attempt("GET /sess/<sess_id>/chats", "/sess/{theirs.session}/chats", FORBIDDEN),
    Attempt(
        "GET /sess/<sess_id>/chats",
        "/sess/{theirs.session}/chats?limit=1&before={theirs.session_chat}",
        FORBIDDEN,
    ),
    Attempt(
        "GET /sess/<sess_id>/chats",
        "/sess/{mine.session}/chats?limit=1&before={theirs.session_chat}",
        None,
    ),
    Attempt("GET /v1/chats/<chat_id>", "/v1/chats/{theirs.chat}", NO_CHAT),
    Attempt("PUT /v1/chats/<chat_id>", "/v1/chats/{theirs.chat}", NO_CHAT, {"title": "x"}),
    Attempt("DELETE /v1/chats/<chat_id>", "/v1/chats/{theirs.chat}", NO_CHAT),
    Attempt("GET /v1/chats/<chat_id>/messages", "/v1/chats/{theirs.chat}/messages", NO_CHAT),
    Attempt(
        "POST /v1/chats/<chat_id>/message", "/v1/chats/{theirs.chat}/message", NO_CHAT, MESSAGE
    ),
    Attempt("POST /v1/chats/message", "/v1/chats/message?chat_id={theirs.chat}", NO_CHAT, MESSAGE),
]
every_attempt = pytest.mark.parametrize("attempt", ATTEMPTS, ids=str)


def routes(app: Any) -> Iterator[tuple[str, set[str]]]:
    """All routes of all dialects, `METHOD /rule`, each with the names of what it takes."""
    document = app.test_client().get("/openapi.json").json
    for rule in app.url_map.iter_rules():
        if isinstance(app.blueprints.get(rule.endpoint.partition(".")[0]), Dialect):
            documented = document["paths"][re.sub("<(?:[^:>]*:)?([^>]*)>", r"{\1}", rule.rule)]
            for method in rule.methods - {"HEAD", "OPTIONS"}:
                operation = documented[method.lower()]
                given = [*documented.get("parameters", ()), *operation.get("parameters", ())]
                taken = {each["name"] for each in given if each["in"] != "header"}
                taken |= set(fields(operation.get("requestBody", {}), document))
                yield f"{method} {rule.rule}", rule.arguments | taken


def fields(part: Any, document: Mapping[str, Any], above: tuple[str, ...] = ()) -> Iterator[str]:
    """The names of all fields of all schemas within a part of the document."""
    if isinstance(part, list):
        for each in part:
            yield from fields(each, document, above)
    if not isinstance(part, dict):
        return
    name = part.get("$ref", "").rpartition("/")[2]
    if name and name not in above:
        yield from fields(document["components"]["schemas"][name], document, (*above, name))
    for key, each in part.items():
        if key == "properties":
            yield from each
        if key not in ("example", "examples"):
            yield from fields(each, document, above)


def converse(caller: Any, text: str) -> int:
    """A conversation with somebody else in it, and a message."""
    path = "/api/v1/conversation"
    new = {"type": "general", "title": text, "member_ids": [7003]}
    made = caller("POST", f"{path}/create_conversation", new).json["conversation"]["id"]
    said = {"conversation_id": made, "message_type": "text", "content": f"{text} 1"}
    caller("POST", f"{path}/send_message", said, headers={"Idempotency-Key": "k"})
    return int(made)


def manage(caller: Any, text: str) -> tuple[str, int]:
    """A message session with somebody else, and the id of a message in it."""
    user = int(caller("GET", "/v1/auth/test_token").json["id"])
    new = {"userId1": user, "userId2": 7003, "title": text, "description": text}
    made = caller("POST", MANAGING, new).json["data"]["sessionId"]
    said = {"sessionId": made, "senderId": user, "receiverId": 7003, "message": f"{text} 1"}
    caller("POST", f"{MANAGING}/new-message", said, headers={"Idempotency-Key": "k"})
    found = caller("GET", f"{MANAGING}/{made}/messages?userId={user}").json["data"]
    return str(made), int(found[0]["id"])


def account(caller: Any, admin: Any, text: str) -> int:
    """An account, which has an index of the pool."""
    admin("POST", POOL, {"indexId": text, "categoryId": text})
    new = {"username": text, "password": "password1"}
    return int(caller("POST", "/api/v1/users", new).json["id"])


@pytest.fixture
def belongings(app: Any, call_as: Callable[..., Any]) -> Callable[[Any, str], Belongings]:
    """Makes one of everything for a caller; a text stands in all of it."""

    def make(caller: Any, text: str) -> Belongings:
        session = caller("POST", "/sess", {"sess_name": text}).json["data"]["sess_id"]
        chat = caller("POST", "/v1/chats/", {"title": text}).json["id"]
        for i in range(2):
            headers = {"Idempotency-Key": "k"} if i else {}
            said = {"chat_content": f"{text} {i}"}
            sent = caller("POST", f"/sess/{session}/chat", said, headers=headers).json["data"]
            message = {"role": "user", "content": f"{text} {i}"}
            caller("POST", f"/v1/chats/{chat}/message", message, headers=headers)
        return Belongings(
            str(caller("GET", "/v1/auth/test_token").json["id"]),
            session,
            sent["chat"]["chat_id"],
            chat,
            converse(caller, text),
            *manage(caller, text),
            account=account(caller, call_as(app, "900", role="admin"), text),
            note=caller("POST", "/api/v1/notes", NOTE | {"content": text}).json["id"],
        )

    return make


@pytest.fixture
def everything(mongo_uri, database_name):
    """All documents of all collections, as they are now."""

    def read() -> dict[str, list[Any]]:
        with MongoClient(mongo_uri) as client:
            database = client[database_name]
            names = set(database.list_collection_names()) - {"health"}
            return {name: sorted(database[name].find(), key=repr) for name in names}

    return read


def test_every_route_that_takes_an_id_is_tried(app):
    taking = {route for route, names in routes(app) if any(map(AN_ID.search, names))}
    assert taking == {attempt.route for attempt in ATTEMPTS} | OPEN.keys()


@every_attempt
def test_a_stranger_is_refused_learns_nothing_and_changes_nothing(
    app, call_as, belongings, everything, attempt
):
    strangers = [call_as(app, STRANGER)]
    strangers += [] if attempt.admins else [call_as(app, STRANGER, role="admin")]
    theirs = belongings(call_as(app, OWNER), SECRET)
    mine = belongings(strangers[0], "my own")
    before = everything()
    for stranger in strangers:
        answer = attempt.call(stranger, theirs, mine)
        if attempt.answer is None:
            assert answer.status_code < 400
        else:
            assert (answer.status_code, answer.json) == attempt.answer
        assert SECRET not in answer.text
        assert OWNER not in answer.text
    assert everything() == before


@every_attempt
def test_nobody_is_refused_and_changes_nothing(app, call_as, belongings, everything, attempt):
    theirs = belongings(call_as(app, OWNER), SECRET)
    before = everything()
    answer = attempt.call(call_as(app, None), theirs, theirs)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert SECRET not in answer.text
    assert everything() == before


@every_attempt
def test_the_owner_may(app, call_as, belongings, attempt):
    """Or else the strangers were refused for another reason."""
    owner = call_as(app, OWNER, role="admin" if attempt.admins else "user")
    theirs = belongings(owner, SECRET)
    assert attempt.call(owner, theirs, theirs).status_code in (200, 201)


@pytest.mark.parametrize(
    "attempt", [each for each in ATTEMPTS if each.answer in (NO_CHAT, NO_NOTE)], ids=str
)
def test_somebody_elses_looks_like_what_is_not_there(app, call_as, belongings, attempt):
    stranger = call_as(app, STRANGER)
    nothing = Belongings("7003", "0" * 24, "0" * 24, *[2**40] * 2, "SESS_0", *[2**40] * 3)
    answer = attempt.call(stranger, nothing, nothing)
    assert (answer.status_code, answer.json) == attempt.answer
