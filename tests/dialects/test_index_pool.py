"""The Phoebe API: the pool of indexes that users are given one of."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from pymongo import MongoClient

POOL = "/api/admin/index-pool"
FIELDS = {
    "id",
    "indexId",
    "categoryId",
    "indexName",
    "status",
    "userId",
    "assignedAt",
    "createdAt",
    "updatedAt",
}


@pytest.fixture
def ask(app, call_as) -> Callable[..., Any]:
    """Calls as an admin; gives status and body."""
    caller = call_as(app, "900", role="admin")

    def call(method: str, path: str = "", body: Any = None) -> tuple[int, Any]:
        answer = caller(method, f"{POOL}{path}", body)
        return answer.status_code, answer.json if answer.data else None

    return call


@pytest.fixture
def fill(ask) -> Callable[[int], list[Any]]:
    """Puts so many indexes into the pool."""

    def add(count: int) -> list[Any]:
        many = [{"indexId": f"index {i}", "categoryId": "c"} for i in range(count)]
        told = {"requested": count, "added": count, "message": "Batch add completed"}
        assert ask("POST", "/batch", many) == (200, told)
        found: list[Any] = ask("GET")[1]
        return found

    return add


def test_an_index_is_added_once(ask):
    new = {"indexId": "m71tmd04g9", "categoryId": "cate_xxx", "indexName": "first"}
    status, made = ask("POST", "", new)
    assert status == 200
    assert made.keys() == FIELDS
    assert made.items() >= (new | {"status": "AVAILABLE", "userId": None}).items()
    assert ask("POST", "", new) == (400, {"error": "索引已在池中"})
    assert ask("GET")[1] == [made]
    many = [new, new | {"indexId": "other", "indexName": None}]
    assert ask("POST", "/batch", many)[1] == {
        "requested": 2,
        "added": 1,
        "message": "Batch add completed",
    }


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("", {"categoryId": "c"}, "indexId"),
        ("", {"indexId": " ", "categoryId": "c"}, "indexId"),
        ("", [{"indexId": "i", "categoryId": "c"}], "body"),
        ("/batch", {"indexId": "i", "categoryId": "c"}, "body"),
        ("/batch", [{"indexId": "i", "categoryId": "c"}, {"indexId": 1}], "1.indexId"),
        ("/assign/0", None, "userId"),
        ("/x/disable", None, "id"),
    ],
)
def test_bad_input_is_refused_by_field(ask, path, body, field):
    status, told = ask("POST", path, body)
    assert (status, told["error"]) == (400, "Validation failed")
    assert field in told["details"]


def test_a_user_has_one_index_until_it_is_released(ask, fill):
    fill(2)
    status, told = ask("POST", "/assign/2")
    assert status == 200
    assert told.keys() == {"userId", "indexId", "categoryId", "message"}
    assert told["message"] == "Index assigned successfully"
    assert ask("POST", "/assign/2") == (200, told)
    status, index = ask("GET", "/user/2")
    assert (index["indexId"], index["status"], index["userId"]) == (told["indexId"], "ASSIGNED", 2)
    assert index["assignedAt"]
    assert ask("GET", "/assigned")[1] == [index]
    assert [each["userId"] for each in ask("GET", "/available")[1]] == [None]
    counted = {"total": 2, "available": 1, "assigned": 1, "disabled": 0}
    assert ask("GET", "/stats")[1] == counted
    assert ask("POST", "/release/2") == (200, {"message": "Index released successfully"})
    assert ask("POST", "/release/2") == (400, {"error": "用户没有分配索引"})
    assert ask("GET", "/user/2") == (404, None)
    assert ask("GET", "/stats")[1]["available"] == 2


def test_an_index_that_is_assigned_is_neither_disabled_nor_deleted(ask, fill):
    (index,) = fill(1)
    number = index["id"]
    ask("POST", "/assign/2")
    assigned = (400, {"error": "索引已分配"})
    assert ask("POST", f"/{number}/disable") == assigned
    assert ask("POST", f"/{number}/enable") == assigned
    assert ask("DELETE", f"/{number}") == assigned
    ask("POST", "/release/2")
    for _ in range(2):
        assert ask("POST", f"/{number}/disable") == (
            200,
            {"message": "Index disabled successfully"},
        )
    assert ask("POST", "/assign/2") == (400, {"error": "没有可用的索引"})
    assert ask("POST", f"/{number}/enable") == (200, {"message": "Index enabled successfully"})
    assert ask("DELETE", f"/{number}") == (200, {"message": "Index deleted successfully"})
    for method, path in (("POST", "/disable"), ("POST", "/enable"), ("DELETE", "")):
        assert ask(method, f"/{number}{path}") == (404, {"error": "索引不存在"})


def test_fifty_at_once_never_share_an_index(make_app, call_as, fill):
    fill(40)
    callers = [call_as(make_app(), "900", role="admin") for _ in range(3)]

    def assign(user: int) -> tuple[int, int, Any]:
        answer = callers[user % 3]("POST", f"{POOL}/assign/{user % 25 + 1}")
        return user % 25 + 1, answer.status_code, answer.json

    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(assign, range(50)))
    assert {status for _, status, _ in answers} == {200}
    given = {(user, told["indexId"]) for user, _, told in answers}
    assert len(given) == len({index for _, index in given}) == 25


def test_who_registers_is_given_an_index_and_who_leaves_gives_it_back(app, ask, fill):
    client = app.test_client()
    new = {"username": "alice", "password": "password1"}
    fill(1)
    user = client.post("/api/v1/users", json=new).json["id"]
    assert ask("GET", f"/user/{user}")[0] == 200
    other = client.post("/api/v1/users", json=new | {"username": "bob"})
    assert other.status_code == 201
    assert ask("GET", f"/user/{other.json['id']}") == (404, None)
    token = client.post("/api/v1/users/login", json=new).json["token"]
    headers = {"Authorization": f"Bearer {token}"}
    assert client.delete(f"/api/v1/users/{user}", headers=headers).status_code == 200
    assert ask("GET", "/stats")[1]["available"] == 1
    assert ask("POST", f"/assign/{user}") == (400, {"error": "用户不存在"})
    assert ask("GET", "/stats")[1]["available"] == 1


def test_housekeeping_finds_what_a_deletion_left(app, ask, fill, mongo_uri, database_name):
    fill(1)
    with MongoClient(mongo_uri) as client:
        client[database_name]["accounts"].insert_one({"_id": 5, "status": "deleted"})
        client[database_name]["index_pool"].update_one(
            {}, {"$set": {"status": "ASSIGNED", "user_id": 5}}
        )
    assert all(each.keep_house() for each in app.extensions["housekeeping"]._keepers)
    assert ask("GET", "/stats")[1]["available"] == 1


def test_admins_only(app, call_as, fill):
    (index,) = fill(1)
    number = index["id"]
    caller = call_as(app, "2")
    refusal = {"error": "需要管理员权限"}
    new = {"indexId": "i", "categoryId": "c"}
    for method, path, body in (
        ("POST", "", new),
        ("POST", "/batch", [new]),
        *[("GET", path, None) for path in ("", "/stats", "/available", "/assigned", "/user/2")],
        *[("POST", path, None) for path in ("/assign/2", "/release/2")],
        *[("POST", f"/{number}/{verb}", None) for verb in ("enable", "disable")],
        ("DELETE", f"/{number}", None),
    ):
        answer = caller(method, f"{POOL}{path}", body)
        assert (answer.status_code, answer.json) == (403, refusal)
