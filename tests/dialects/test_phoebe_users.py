"""The Phoebe API: users, who are the accounts of all APIs."""

from collections.abc import Callable
from typing import Any

import pytest

USERS = "/api/v1/users"
FIELDS = {
    "id",
    "username",
    "email",
    "phone",
    "nickname",
    "avatarUrl",
    "status",
    "createdAt",
    "updatedAt",
    "lastLoginAt",
}
NEW = {"username": "alice", "password": "password1", "email": "alice@example.com"}
INVALID = "Validation failed"


@pytest.fixture
def ask(app) -> Callable[..., Any]:
    """Calls with a token, or without one; gives status and body."""
    client = app.test_client()

    def call(method: str, path: str, body: Any = None, token: str = "") -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        options = {} if body is None else {"json": body}
        answer = client.open(f"{USERS}{path}", method=method, headers=headers, **options)
        return answer.status_code, answer.json if answer.data else None

    return call


@pytest.fixture
def join(ask) -> Callable[..., tuple[int, str]]:
    """Registers somebody; gives id and token."""

    def register(name: str, **more: Any) -> tuple[int, str]:
        status, made = ask("POST", "", {"username": name, "password": "password1", **more})
        assert status == 201, made
        _, told = ask("POST", "/login", {"username": name, "password": "password1"})
        return made["id"], told["token"]

    return register


@pytest.fixture
def admin(make_token) -> str:
    """A token of an admin of a peer's."""
    return str(make_token("900", role="admin"))


def test_a_user_registers_logs_in_and_out(ask):
    more = {"phone": "+49 30 1", "nickname": "小爱", "avatarUrl": "https://example.com/a.png"}
    status, made = ask("POST", "", NEW | more)
    assert status == 201
    assert made.keys() == FIELDS
    assert made.items() >= ({"id": 1, "status": 1, "username": "alice"} | more).items()
    assert made["createdAt"] == made["updatedAt"]
    assert made["createdAt"].endswith("Z")
    assert made["lastLoginAt"] is None
    status, told = ask("POST", "/login", {"username": "alice", "password": "password1"})
    assert status == 200
    token = told.pop("token")
    names = ("id", "username", "nickname", "email", "phone", "avatarUrl")
    assert told == {name: made[name] for name in names}
    status, me = ask("GET", "/me", token=token)
    assert me["lastLoginAt"] is not None
    assert me | {"lastLoginAt": None} == made
    assert ask("POST", "/logout", token=token) == (200, {"message": "Logged out successfully"})
    assert ask("GET", "/me", token=token) == (401, {"error": "认证令牌无效或已过期"})


def test_a_token_opens_the_other_apis_and_theirs_opens_this_one(ask, join, app, call_as):
    user_id, token = join("alice")
    client = app.test_client()
    headers = {"Authorization": f"Bearer {token}"}
    assert client.get("/v1/auth/test_token", headers=headers).json["id"] == user_id
    form = {"username": "alice", "password": "password1"}
    other = client.post("/v1/auth/token", data=form).json["access_token"]
    assert ask("GET", "/me", token=other)[1]["id"] == user_id


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"username": "a"}, "username"),
        ({"username": "a@b"}, "username"),
        ({"username": None}, "username"),
        ({"password": "12345"}, "password"),
        ({"email": "x"}, "email"),
        ({"phone": ""}, "phone"),
        ({"avatarUrl": "javascript:alert(1)"}, "avatarUrl"),
        ({"avatarUrl": 'https://x/"onload=x'}, "avatarUrl"),
        ({"nickname": 1}, "nickname"),
    ],
)
def test_bad_input_is_refused_by_field(ask, change, field):
    status, told = ask("POST", "", NEW | change)
    assert (status, told["error"]) == (400, INVALID)
    assert told["details"].keys() == {field}


def test_names_and_addresses_are_unique(ask, join):
    join("alice", email="alice@example.com")
    assert ask("POST", "", NEW | {"username": "bob"}) == (400, {"error": "邮箱已存在"})
    taken = (400, {"error": "用户名已存在"})
    assert ask("POST", "", NEW | {"username": "ＡＬＩＣＥ", "email": None}) == taken
    bob, token = join("bob")
    assert ask("PUT", f"/{bob}", {"username": "Alice"}, token) == taken
    assert ask("PUT", f"/{bob}", {"email": "ALICE@example.com"}, token)[1] == {
        "error": "邮箱已存在"
    }


def test_a_wrong_login_and_one_of_a_disabled_user_look_alike(ask, join, admin):
    user_id, token = join("alice")
    wrong = (401, {"error": "用户名或密码错误"})
    assert ask("POST", "/login", {"username": "alice", "password": "x"}) == wrong
    assert ask("POST", "/login", {"username": "nobody", "password": "x"}) == wrong
    assert ask("POST", f"/{user_id}/disable", token=admin)[1]["status"] == 0
    assert ask("POST", "/login", {"username": "alice", "password": "password1"}) == wrong
    assert ask("GET", "/me", token=token)[0] == 401
    assert ask("POST", f"/{user_id}/enable", token=admin)[1]["status"] == 1
    assert ask("GET", "/me", token=token)[0] == 200


def test_others_see_neither_address_nor_phone_nor_last_login(ask, join, admin):
    alice, token = join("alice", email="alice@example.com", phone="1")
    _, other = join("bob")
    hidden = {"email": None, "phone": None, "lastLoginAt": None}
    for path in (f"/{alice}", "/username/alice", "/username/ALICE"):
        status, whole = ask("GET", path, token=token)
        assert (status, whole["email"], whole["phone"]) == (200, "alice@example.com", "1")
        assert whole["lastLoginAt"]
        assert ask("GET", path, token=other) == (200, whole | hidden)
        assert ask("GET", path, token=admin) == (200, whole)


@pytest.mark.parametrize("path", ["/77", "/username/nobody", "/username/alice@example.com"])
def test_who_is_not_there_is_404_without_a_body(ask, join, path):
    _, token = join("alice", email="alice@example.com")
    assert ask("GET", path, token=token) == (404, None)


def test_a_change_is_of_some_fields_alone(ask, join):
    user_id, token = join("alice", email="alice@example.com", phone="1", nickname="小爱")
    before = ask("GET", "/me", token=token)[1]
    status, after = ask("PUT", f"/{user_id}", {"nickname": "爱", "role": "admin"}, token)
    assert status == 200
    assert after == before | {"nickname": "爱", "updatedAt": after["updatedAt"]}
    assert after["updatedAt"] >= before["updatedAt"]
    status, after = ask("PUT", f"/{user_id}", {"email": None, "phone": None}, token)
    assert (after["email"], after["phone"], after["nickname"]) == (None, None, "爱")
    assert ask("PUT", f"/{user_id}", {"username": None}, token)[0] == 400
    assert ask("PUT", f"/{user_id}", {"username": "alicia", "status": 0}, token)[1]["status"] == 1
    login = {"username": "alicia", "password": "password1"}
    assert ask("POST", "/login", login)[0] == 200
    join("bob", email="alice@example.com")


def test_a_new_password_voids_tokens_and_the_same_one_does_not(ask, join):
    user_id, token = join("alice")
    assert ask("PUT", f"/{user_id}", {"password": "password1"}, token)[0] == 200
    assert ask("GET", "/me", token=token)[0] == 200
    assert ask("PUT", f"/{user_id}", {"password": "password2"}, token)[0] == 200
    assert ask("GET", "/me", token=token)[0] == 401
    assert ask("POST", "/login", {"username": "alice", "password": "password2"})[0] == 200


def test_users_are_found_by_keyword_or_status(ask, join, admin):
    alice, _ = join("alice", email="alice@example.com")
    bob, _ = join("bob", nickname="Алиса.*")
    ask("POST", f"/{bob}/disable", token=admin)

    def found(query: str) -> list[int]:
        status, told = ask("GET", query, token=admin)
        assert status == 200
        return [each["id"] for each in told]

    assert found("") == [alice, bob]
    assert found("?status=1") == [alice]
    assert found("?status=0") == [bob]
    assert found("?keyword=ALI") == [alice]
    assert found("?keyword=АЛИСА.*&status=1") == [bob]
    assert found("?keyword=example.com") == [alice]
    assert found("?keyword=%5E") == []
    assert ask("GET", "/stats", token=admin)[1] == {"total": 2, "active": 1, "disabled": 1}
    assert ask("GET", "?status=2", token=admin)[0] == 400


def test_only_oneself_and_admins(ask, join, admin):
    alice, token = join("alice")
    _, other = join("bob")
    forbidden, admins = {"error": "无权访问"}, {"error": "需要管理员权限"}
    for method, path, refusal in (
        ("PUT", f"/{alice}", forbidden),
        ("DELETE", f"/{alice}", forbidden),
        ("GET", "", admins),
        ("GET", "/stats", admins),
        ("POST", f"/{alice}/enable", admins),
        ("POST", f"/{alice}/disable", admins),
    ):
        assert ask(method, path, {}, other) == (403, refusal)
        assert ask(method, path, {})[1] == {"error": "未提供认证令牌"}
    assert ask("DELETE", f"/{alice}", token=admin) == (
        200,
        {"message": "User deleted successfully", "id": alice},
    )
    assert ask("GET", "/me", token=token)[0] == 401
    gone = (404, {"error": "用户不存在"})
    assert ask("DELETE", f"/{alice}", token=admin) == gone
    assert ask("PUT", f"/{alice}", {"nickname": "x"}, admin) == gone
    assert ask("POST", f"/{alice}/enable", token=admin) == gone


def test_the_last_admin_stays(app, ask):
    made = app.test_cli_runner().invoke(args=["create-admin", "root"], input="password1\n")
    assert made.exit_code == 0, made.output
    told = ask("POST", "/login", {"username": "root", "password": "password1"})[1]
    last = (400, {"error": "不能停用或删除最后一个管理员"})
    assert ask("POST", f"/{told['id']}/disable", token=told["token"]) == last
    assert ask("DELETE", f"/{told['id']}", token=told["token"]) == last


def test_who_has_no_account_is_known_by_the_token(ask, make_token):
    status, me = ask("GET", "/me", token=make_token("77", nickname="小明", username="ming"))
    assert status == 200
    assert me.keys() == FIELDS
    assert (me["id"], me["username"], me["nickname"]) == (77, "ming", "小明")
    refusal = (403, {"error": "此处用户 ID 必须为整数"})
    assert ask("GET", "/me", token=make_token("ming")) == refusal
    assert ask("GET", "/1", token=make_token("ming")) == refusal
