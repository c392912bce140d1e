"""Accounts over the API: registering, logging in, what voids tokens, and who guesses too often."""

import json
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import jwt
import pytest
import structlog
from argon2 import PasswordHasher
from click.testing import Result
from flask import Flask
from pymongo import MongoClient
from werkzeug.test import TestResponse

from session_service.allowed import network
from session_service.dialects.client_address import client_address
from session_service.store.database import Database

SECRET = "a secret that only the tests know, 32 bytes"
PASSWORD = "correct horse"
LAN = "192.168.1.7"
LOOPBACK = "127.0.0.1"
FORM = "application/x-www-form-urlencoded"


class Api:
    """The account calls of one app."""

    def __init__(self, app: Flask) -> None:
        self.app = app

    def register(self, name: str, email: str | None = None, **body: Any) -> TestResponse:
        named = {"username": name, "email": email or f"{name}@lan.local"}
        return self.post({**named, "password": PASSWORD, **body})

    def post(self, registration: Any) -> TestResponse:
        return self.app.test_client().post("/v1/auth/register", json=registration)

    def new(self, name: str) -> int:
        answer = self.register(name)
        assert answer.status_code == 200, answer.json
        return int(answer.json["id"])

    def login(
        self, name: str, password: str = PASSWORD, address: str = LAN, **headers: str
    ) -> TestResponse:
        return self.app.test_client().post(
            "/v1/auth/token",
            data={"username": name, "password": password},
            headers=headers,
            environ_overrides={"REMOTE_ADDR": address},
        )

    def post_form(self, raw: bytes, kind: str | None = FORM) -> TestResponse:
        return self.app.test_client().post("/v1/auth/token", data=raw, content_type=kind)

    def token(self, name: str, password: str = PASSWORD) -> str:
        answer = self.login(name, password)
        assert answer.status_code == 200, answer.json
        return str(answer.json["access_token"])

    def who(self, token: str, path: str = "/v1/auth/test_token") -> TestResponse:
        headers = {"Authorization": f"Bearer {token}"}
        return self.app.test_client().get(
            path, headers=headers, environ_overrides={"REMOTE_ADDR": LAN}
        )

    def holds(self, token: str) -> bool:
        status = self.who(token).status_code
        assert status in (200, 401)
        return status == 200

    def command(self, *words: str, typed: str = "") -> str:
        """What a command line says that this process runs."""
        done = self._run(words, typed)
        assert done.exit_code == 0, done.output
        return str(done.output)

    def refusal(self, *words: str, typed: str = "") -> str:
        done = self._run(words, typed)
        assert done.exit_code == 1, done.output
        return str(done.output)

    def _run(self, words: Sequence[str], typed: str) -> Result:
        with self.app.app_context():  # as the program `flask` has it
            return self.app.test_cli_runner().invoke(args=words, input=typed)


@pytest.fixture
def make(make_app: Callable[..., Flask]) -> Callable[..., Api]:
    """Apps on the test's database; command lines leave the embedded database alone."""

    def make(**settings: Any) -> Api:
        return Api(make_app(**{"mongo_uri": "mongodb://not-asked", **settings}))

    return make


@pytest.fixture
def api(make: Callable[..., Api]) -> Api:
    return make()


@pytest.fixture
def two(make: Callable[..., Api]) -> tuple[Api, Api]:
    """Two apps on one database."""
    return make(), make()


@pytest.fixture
def stored(mongo_uri: str, database_name: str) -> Any:
    with MongoClient(mongo_uri) as client:
        yield client[database_name]


@pytest.fixture
def verifications(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The hashes of which passwords were verified; instead of a real one, which takes its time."""
    seen: list[str] = []
    verify = PasswordHasher.verify

    def count(self: PasswordHasher, hashed: str, password: str) -> Any:
        seen.append(hashed)
        return verify(self, hashed, password)

    monkeypatch.setattr(PasswordHasher, "verify", count)
    return seen


def at_once(jobs: Iterable[Callable[[], TestResponse]]) -> list[TestResponse]:
    """Their answers; all begin at the same moment."""
    jobs = list(jobs)
    gate = threading.Barrier(len(jobs))

    def run(job: Callable[[], TestResponse]) -> TestResponse:
        gate.wait()
        return job()

    with ThreadPoolExecutor(len(jobs)) as pool:
        return list(pool.map(run, jobs))


def statuses(answers: Iterable[TestResponse]) -> dict[int, int]:
    found = [each.status_code for each in answers]
    return {status: found.count(status) for status in sorted(set(found))}


def peers_token(subject: object, **claims: Any) -> str:
    return jwt.encode({"sub": str(subject), "exp": int(time.time()) + 600, **claims}, SECRET)


# Registering and logging in


def test_who_registers_gets_in_by_name_and_by_email(api):
    answer = api.register("alice", "alice@lan.local")
    assert answer.status_code == 200
    shown = answer.json
    assert shown == {
        "id": 1,
        "email": "alice@lan.local",
        "username": "alice",
        "created_at": shown["created_at"],
    }
    for name in ("alice", "ALICE@Lan.Local", "ａｌｉｃｅ＠lan.local"):
        answer = api.login(name)
        assert answer.status_code == 200
        assert (answer.json["token_type"], answer.json["expires_in"]) == ("bearer", 86_400)
        me = api.who(answer.json["access_token"]).json
        assert me == {**shown, "role": "user"}


def test_a_token_says_whose_it_is_and_until_when(api):
    account = api.new("alice")
    claims = jwt.decode(api.token("alice"), SECRET, ["HS256"])
    assert (claims["sub"], claims["username"]) == (str(account), "alice")
    assert claims["exp"] - claims["iat"] == 86_400
    again = jwt.decode(api.token("alice"), SECRET, ["HS256"])
    assert claims["jti"] != again["jti"]


@pytest.mark.parametrize(
    ("one", "other"),
    [("alice", "ＡＬＩＣＥ"), ("ﬁnn", "FINN"), ("straße", "STRASSE"), ("小明a", " 小明Ａ ")],
)
def test_a_name_is_taken_whatever_its_case_and_width(api, one, other):
    assert api.register(one, "one@lan.local").status_code == 200
    answer = api.register(other, "other@lan.local")
    assert (answer.status_code, answer.json) == (400, {"detail": "Username already registered"})
    assert api.login(other).status_code == 200


@pytest.mark.parametrize("other", ["ALICE@LAN.LOCAL", "ａlice@lan.local", " alice@lan。local"])
def test_an_email_is_so_too(api, other):
    assert api.register("alice").status_code == 200
    answer = api.register("another", other)
    assert (answer.status_code, answer.json) == (400, {"detail": "Email already registered"})


def test_an_address_of_a_lan_is_one(api):
    emails = (
        "a@printer.local",
        "a@localhost",
        "a@host",
        "a@b.test",
        "a+b@例子.中国",
        "用户@例子.中国",
    )
    for number, email in enumerate(emails):
        answer = api.register(f"user{number}", email)
        assert (answer.status_code, answer.json.get("email")) == (200, email)
        assert api.login(email).status_code == 200


NO_EMAILS = (
    *("", "alice", "a@", "@b.c", "a@b@c", "a b@c.d", "a@b..c", "a@-b.c", "a@b.c d"),
    *(
        "a@" + "b." * 200 + "c",
        "a." * 400_000 + "@b.c",
        "(" * 800_000,
        "a\tb@c.d",
        5,
        None,
        ["a@b.c"],
    ),
)
NO_NAMES = ("a", " a ", "", "a@b", "a＠b", "a﹫b", "a" * 51, "a\nb", "a\u202eb", "¨", 5, None, {})
NO_PASSWORDS = ("12345", "x" * 101, "", 123456, None, ["secret"], True)


def test_what_is_no_email_name_or_password_is_refused_by_field(api):
    sound = {"username": "alice", "email": "a@lan.local", "password": PASSWORD}
    wrong = [("email", each) for each in NO_EMAILS]
    wrong += [("username", each) for each in NO_NAMES]
    wrong += [("password", each) for each in NO_PASSWORDS]
    for field, value in wrong:
        for body in ({**sound, field: value}, {k: v for k, v in sound.items() if k != field}):
            answer = api.post(body)
            assert answer.status_code == 422, (field, str(value)[:20])
            assert {tuple(each["loc"]) for each in answer.json["detail"]} == {("body", field)}


def test_any_other_name_is_one(api):
    for name in ("ab", "小明", "b" * 50, "O'Brien-Smith", "{$ne: 1}", "55", "❤️x"):
        assert api.register(name, f"u{ord(name[0])}-{len(name)}@lan.local").status_code == 200
        assert api.login(name).status_code == 200


def test_a_password_is_taken_as_it_is(api):
    passwords = ("123456", "x" * 100, "      ", "密码密码密码", " spaced ", "e\u0301" * 6)
    for number, password in enumerate(passwords):
        name = f"user{number}"
        assert api.register(name, password=password).status_code == 200
        assert api.login(name, password).status_code == 200
        assert api.login(name, f"{password} ").status_code == 401


def test_a_password_is_the_same_however_the_keyboard_writes_it(api):
    assert api.register("alice", password="caf\u00e9 au lait").status_code == 200
    assert api.login("alice", "cafe\u0301 au lait").status_code == 200


def test_hashes_are_slow_and_salted(api, stored):
    api.new("alice")
    api.new("bob")
    hashes = [each["password_hash"] for each in stored["accounts"].find()]
    assert len({*hashes}) == 2
    assert all(each.startswith("$argon2id$v=19$m=19456,t=2,p=1$") for each in hashes)


def test_where_registration_is_off_nobody_registers(make):
    answer = make(registration_enabled=False).register("alice")
    assert answer.status_code == 403
    assert answer.json == {"detail": "Registration is disabled"}


@pytest.mark.parametrize(
    ("name", "email", "told"),
    [("ＲＯＯＴ", "a@b.c", "Username"), ("alice", "ROOT@lan.local", "Email")],
)
def test_the_first_admins_name_cannot_be_registered_by_others(make, name, email, told):
    admin = {"admin_username": "root", "admin_password": PASSWORD}
    api = make(**admin, admin_email="root@lan.local")
    answer = api.register(name, email)
    assert (answer.status_code, answer.json["detail"]) == (400, f"{told} already registered")


@pytest.mark.parametrize("same", ["username", "email"])
def test_of_twenty_registrations_at_once_one_is_made(two, stored, same):
    def job(number: int) -> TestResponse:
        name, email = f"user{number}", f"{number}@lan.local"
        if same == "username":
            name = ("alice", "ALICE", "ａｌｉｃｅ")[number % 3]
        else:
            email = ("a@lan.local", "A@LAN.LOCAL")[number % 2]
        return two[number % 2].register(name, email)

    for number, api in enumerate(two):
        api.new(f"earlier{number}")  # and the indexes are there
    answers = at_once(partial(job, number) for number in range(20))
    assert statuses(answers) == {200: 1, 400: 19}
    told = {each.json["detail"] for each in answers if each.status_code == 400}
    assert told == {f"{same.capitalize()} already registered"}
    assert stored["accounts"].count_documents({}) == 3


def test_ids_are_never_given_out_again(make, two):
    first = two[0].new("alice")
    token = two[0].token("alice")
    two[0].command("delete-user", "--yes", "alice")
    assert two[1].new("alice") == first + 1
    assert not two[0].holds(token)
    assert not two[0].holds(peers_token(first))
    later = make(account_id_start=1000)
    assert [later.new("bob"), later.new("carol"), two[0].new("dave")] == [1000, 1001, 1002]


# The form


def test_a_form_may_be_multipart(api):
    api.new("alice")
    client = api.app.test_client()
    form = {"username": "alice", "password": PASSWORD, "grant_type": "password", "scope": ""}
    answer = client.post("/v1/auth/token", data=form, content_type="multipart/form-data")
    assert answer.status_code == 200


@pytest.mark.parametrize("name", ["alice", "nobody"])
def test_a_wrong_name_and_a_wrong_password_are_refused_alike(api, name):
    api.new("alice")
    answer = api.login(name, "wrong password")
    assert (answer.status_code, answer.json) == (401, {"detail": "Incorrect username or password"})
    assert answer.headers["WWW-Authenticate"] == "Bearer"


LACKING = (
    (b"", "username"),
    (b"password=secret", "username"),
    (b"username=alice", "password"),
    (b"username=alice&password=", "password"),
    (b"username=&password=secret", "username"),
    (b"username=alice&password=secret&grant_type=other", "grant_type"),
    (b"username=alice&password=sec%00ret", "password"),
    (b"username=al%00ice&password=secret", "username"),
    (b"username=alice&password=" + b"x" * 1001, "password"),
    (b"username=" + b"x" * 1001 + b"&password=secret", "username"),
)


def test_a_form_that_lacks_something_is_refused_by_field(api):
    for raw, field in LACKING:
        answer = api.post_form(raw)
        assert answer.status_code == 422, raw
        assert ["body", field] in [each["loc"] for each in answer.json["detail"]]
        assert "secret" not in answer.text


def test_what_is_no_form_is_refused(api):
    for kind in ("application/json", "text/plain", "x", "multipart/mixed", None, ""):
        answer = api.post_form(b'{"username": "alice", "password": "secret"}', kind)
        assert (answer.status_code, answer.json) == (415, {"detail": "Unsupported Media Type"})


MULTIPART = "multipart/form-data; boundary=x"
PART = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n'
ODD_FORMS = (
    (b"username=al\xffice&password=secret", FORM),
    (b"username=%ff%fe&password=%c3%28", FORM),
    (b"username=%ed%a0%80&password=secret", FORM),
    (b"&" * 5000 + b"=" * 5000, FORM),
    (b"%" * 5000, FORM),
    (b"username[$ne]=1&password[$ne]=1", FORM),
    (b"username=alice&password=secret", FORM + "; charset=utf-16"),
    (b"username=alice&password=secret", FORM + "; charset=nonsense"),
    (b"", "multipart/form-data"),
    (b"x", "multipart/form-data"),
    (b"--x", MULTIPART),
    (b"--x--\r\n", MULTIPART),
    (b"--x\r\n\r\n\r\n--x--\r\n", MULTIPART),
    (b"--x\r\nContent-Disposition: form-data; name=\xff\r\n\r\n\xff\r\n--x--\r\n", MULTIPART),
    (PART.replace(b'"a"', b'"username"') + b"--x", MULTIPART),
    (PART * 2000 + b"--x--\r\n", MULTIPART),
)


def test_an_odd_form_is_refused_and_nothing_worse(api):
    for raw, kind in ODD_FORMS:
        answer = api.post_form(raw, kind)
        assert answer.status_code in (401, 422), (raw[:80], answer.text)
        assert "secret" not in answer.text


def test_two_thousand_fields_are_ignored_but_for_those_that_count(api):
    api.new("alice")
    many = b"&".join(b"field%d=x" % number for number in range(2000))
    answer = api.post_form(b"username=alice&password=correct+horse&" + many)
    assert answer.status_code == 200


def test_of_what_is_sent_twice_one_counts_for_name_and_password_alike(api):
    api.new("alice")
    api.new("bob")
    raw = b"username=bob&username=alice&password=wrong&password=correct+horse"
    answer = api.post_form(raw)
    assert answer.status_code == 200
    assert api.who(answer.json["access_token"]).json["username"] == "alice"


def test_no_refusal_echoes_a_password(api):
    api.new("alice")
    secret = "hunter2hunter2"
    client = api.app.test_client()
    refused = [
        api.login("alice", secret),
        api.login(f"nobody {secret}", secret),
        api.register("alice", password=secret),
        api.register("a", password=secret),
        api.register("bob", password=secret * 10),
        api.register("bob", password=[secret]),
        api.register("bob", password={secret: 1}),
        client.post(
            "/v1/auth/register", data=f'{{"password": "{secret}"', content_type="text/json"
        ),
        client.post(
            "/v1/auth/register", data=f'{{"password": "{secret}"', content_type="application/json"
        ),
        client.post("/v1/auth/register", json=[secret]),
        client.post("/v1/auth/token", json={"username": "alice", "password": secret}),
        api.post_form(f"username=alice&password={secret}%00".encode()),
        api.post_form(f"username=alice&password={secret}&grant_type={secret}".encode()),
        api.post_form(b"password=" + secret.encode()),
    ]
    for answer in refused:
        assert 400 <= answer.status_code < 500
        assert secret not in answer.text
        assert secret not in str(answer.headers)


@pytest.mark.parametrize("name", ["alice", "nobody", "off", "gone", "nobody@lan.local"])
def test_every_refused_login_costs_one_verification_of_the_same_strength(api, verifications, name):
    for each in ("alice", "off", "gone"):
        api.new(each)
    api.command("disable-user", "off")
    api.command("delete-user", "--yes", "gone")
    assert api.login(name, "wrong password").status_code == 401
    (hashed,) = verifications
    assert hashed.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    salt, tag = hashed.rsplit("$", 2)[1:]
    assert (len(salt), len(tag)) == (22, 43)


# What voids tokens


def test_a_disabled_account_is_out_until_it_is_enabled(api):
    api.new("alice")
    token = api.token("alice")
    api.command("disable-user", "alice")
    assert not api.holds(token)
    answer = api.login("alice")
    assert (answer.status_code, answer.json) == (401, {"detail": "Incorrect username or password"})
    api.command("enable-user", "alice")
    assert api.holds(token)
    assert api.login("alice").status_code == 200


def test_a_deleted_account_is_out_for_good_and_its_chats_with_it(api, stored):
    account = api.new("alice")
    token = api.token("alice")
    headers = {"Authorization": f"Bearer {token}"}
    client = api.app.test_client()
    chat = client.post("/v1/chats/", json={"title": "x"}, headers=headers).json["id"]
    client.post(f"/v1/chats/{chat}/message", json={"role": "user", "content": "x"}, headers=headers)
    api.command("delete-user", "--yes", str(account))
    api.command("delete-user", "--yes", str(account))
    assert not api.holds(token)
    assert api.login("alice").status_code == 401
    assert list(stored["accounts"].find()) == [{"_id": account, "status": "deleted"}]
    assert stored["conversations"].count_documents({}) == 0
    assert stored["messages"].count_documents({}) == 0


def test_a_new_password_voids_older_tokens_but_no_login_of_the_same_second(api):
    api.new("alice")
    old = [api.token("alice"), api.token("alice")]
    api.command("set-password", "alice", typed="another secret\n")
    new = api.token("alice", "another secret")
    assert [api.holds(each) for each in [*old, new]] == [False, False, True]
    assert api.login("alice").status_code == 401


def test_a_peers_token_for_an_account_is_judged_by_when_it_was_issued(api):
    account = api.new("alice")
    now = int(time.time())
    without = peers_token(account)
    assert api.who(without).json["username"] == "alice"
    api.command("set-password", "alice", typed="another secret\n")
    assert not api.holds(without)
    assert not api.holds(peers_token(account, iat=now - 1))
    assert api.holds(peers_token(account, iat=int(time.time())))


@pytest.mark.parametrize("typed", ["12345\n", "\n", "", "x" * 101])
def test_a_command_takes_no_password_that_the_api_would_not(api, typed):
    api.new("alice")
    assert "password: " in api.refusal("set-password", "alice", typed=typed)
    assert api.login("alice").status_code == 200


def test_a_revoked_token_is_out_however_its_end_is_written(api):
    api.new("alice")
    token, other = api.token("alice"), api.token("alice")
    peers = [peers_token("ann", nickname="Ann"), peers_token("ann", jti="5")]
    for each in (token, *peers):
        api.command("revoke-token", typed=f"{each}\n")
    for each in (token, *peers):
        for end in ("", "=", "==", "==="):
            assert not api.holds(each + end), end
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    assert not any(api.holds(token[:-1] + each) for each in alphabet)
    assert api.holds(other)
    assert api.holds(peers_token("ann", nickname="Anna"))


@pytest.mark.parametrize(
    ("name", "words", "typed"),
    [
        ("revoking", ["revoke-token"], "{token}\n"),
        ("disabling", ["disable-user", "alice"], ""),
        ("deleting", ["delete-user", "--yes", "alice"], ""),
        ("a new password", ["set-password", "alice"], "another secret\n"),
    ],
)
def test_another_app_knows_within_a_second(two, name, words, typed):
    here, elsewhere = two
    here.new("alice")
    token = here.token("alice")
    assert elsewhere.holds(token)
    here.command(*words, typed=typed.format(token=token))
    assert not here.holds(token)
    time.sleep(1)
    assert not elsewhere.holds(token), name


def test_revoked_tokens_are_forgotten_when_they_expire(api, stored):
    api.new("alice")
    token = api.token("alice")
    api.command("revoke-token", typed=token)
    (index,) = [
        each
        for each in stored["revoked_tokens"].index_information().values()
        if "expireAfterSeconds" in each
    ]
    assert (index["expireAfterSeconds"], dict(index["key"])) == (0, {"expires": 1})
    (note,) = stored["revoked_tokens"].find()
    expires = note["expires"].replace(tzinfo=None)
    exp = jwt.decode(token, SECRET, ["HS256"])["exp"]
    assert time.gmtime(exp)[:6] == expires.timetuple()[:6]
    assert token not in str(note)


def test_login_attempts_are_forgotten(api, stored):
    api.login("nobody")
    assert any(
        each.get("expireAfterSeconds") == 0
        for each in stored["login_attempts"].index_information().values()
    )
    expiries = [each["expires"].timestamp() for each in stored["login_attempts"].find()]
    assert len(expiries) == 2


ODD_CLAIMS: tuple[dict[str, Any], ...] = (
    {"jti": "\ud800"},
    {"iat": -(10**400)},
    {"iat": float("-inf")},
    {"exp": 10**400},
    {"exp": True},
    {"sub": "\ud800"},
    {"sub": "9" * 201},
    {"sub": 5},
    {"type": ["access"]},
)


def test_claims_that_cannot_be_read_are_401(api):
    for claims in ODD_CLAIMS:
        said = {"sub": "ann", "exp": int(time.time()) + 600, **claims}
        answer = api.who(jwt.api_jws.encode(json.dumps(said).encode(), SECRET))
        assert answer.status_code == 401, claims
        assert answer.json == {"detail": "Could not validate credentials"}


# Roles


def test_the_role_of_the_account_opens_what_is_for_admins(api):
    api.command("create-admin", "root", typed=f"{PASSWORD}\n")
    api.new("alice")
    assert api.who(api.token("root"), "/metrics").status_code == 200
    assert api.who(api.token("alice"), "/metrics").status_code == 403


def test_what_a_token_says_of_an_account_does_not_count(api):
    alice = api.new("alice")
    claims = {"role": "admin", "username": "root", "nickname": "root"}
    token = peers_token(alice, **claims)
    me = api.who(token).json
    assert (me["username"], me["role"]) == ("alice", "user")
    assert api.who(token, "/metrics").status_code == 403
    assert api.who(peers_token("stranger", **claims), "/metrics").status_code == 200


def test_an_admin_who_is_disabled_is_none(api):
    for name in ("root", "second"):
        api.command("create-admin", name, typed=f"{PASSWORD}\n")
    token = api.token("second")
    api.command("disable-user", "second")
    assert api.who(token, "/metrics").status_code == 403
    assert "last active admin" in api.refusal("disable-user", "root")
    assert "last active admin" in api.refusal("delete-user", "--yes", "root")
    assert api.who(api.token("root"), "/metrics").status_code == 200


@pytest.mark.parametrize(("words", "status"), [([], 403), (["--role", "admin"], 200)])
def test_the_command_line_makes_tokens_for_who_has_no_account(api, words, status):
    token = api.command("token", "order-service", *words).strip()
    assert api.who(token, "/metrics").status_code == status


def test_the_command_line_makes_nobody_an_admin_who_has_an_account(api):
    token = api.command("token", str(api.new("alice")), "--role", "admin").strip()
    assert api.who(token).json["role"] == "user"


# The first admin


def first_admin(make: Callable[..., Api], **settings: Any) -> tuple[bool, list[Any]]:
    """Whether a worker is done with it, and what it warns of."""
    settings = {"admin_username": "root", "admin_password": PASSWORD, **settings}
    housekeeping = make(**settings).app.extensions["housekeeping"]
    with structlog.testing.capture_logs() as said:
        done = housekeeping.ensure_admin()
    assert PASSWORD not in str(said)
    return done, said


def test_the_configuration_makes_the_first_admin(make, api):
    assert first_admin(make, admin_email="root@lan.local") == (True, [])
    assert first_admin(make) == (True, [])
    assert api.who(api.token("root@lan.local"), "/metrics").status_code == 200
    assert len(api.command("list-users").splitlines()) == 1


def test_an_ordinary_account_of_that_name_is_left_as_it_is(make, api):
    assert api.register("Root", password="not the admins").status_code == 200
    done, (warning,) = first_admin(make)
    assert done
    assert (warning["log_level"], warning["name"]) == ("warning", "root")
    assert "ordinary account" in warning["event"]
    token = api.token("root", "not the admins")
    assert api.who(token).json["role"] == "user"
    assert api.login("root").status_code == 401


def test_an_admin_whose_email_is_somebody_elses_is_not_made(make, api):
    api.new("alice")
    done, (warning,) = first_admin(make, admin_email="alice@lan.local")
    assert done
    assert "there is no admin" in warning["event"]
    assert api.login("root").status_code == 401


# Command lines


def test_commands_say_what_they_did(api):
    api.new("alice")
    assert api.command("disable-user", "alice") == "'alice' is disabled\n"
    said = api.command("create-admin", "root", "--email", "root@lan.local", typed=PASSWORD)
    assert said == "admin 'root' has the id 2\n"
    assert api.command("list-users").splitlines() == [
        "       1 user   disabled  alice  alice@lan.local",
        "       2 admin  active    root  root@lan.local",
    ]
    assert api.command("enable-user", "1") == "'alice' is enabled\n"


REFUSED_COMMANDS = (
    (["create-admin", "ALICE"], PASSWORD, "an account of this name exists; it is not changed"),
    (["create-admin", "root", "--email", "alice@lan.local"], PASSWORD, "of this e-mail exists"),
    (["create-admin", "a@b"], PASSWORD, "USERNAME: Must be printable, and without @."),
    (["create-admin", "root", "--email", "x"], PASSWORD, "--email: Must be an e-mail address."),
    (["create-admin", "root"], "short", "password: Must not be shorter"),
    (["create-admin", "root"], "", "password: none was given"),
    (["set-password", "alice"], "\n", "password: none was given"),
    (["disable-user", "nobody"], "", "no such account"),
    (["delete-user", "--yes", "99"], "", "no such account"),
    (["delete-user", "--yes", "01"], "", "no such account"),
    (["revoke-token"], "nonsense", "does not hold"),
)


def test_commands_refuse_in_one_line(api):
    api.new("alice")
    before = api.command("list-users")
    for words, typed, told in REFUSED_COMMANDS:
        said = api.refusal(*words, typed=typed)
        assert said.startswith("session-service: ")
        assert told in said
        assert said.count("\n") == 1
    assert api.command("list-users") == before


# Who guesses too often


def guess(api: Api, times: int, name: str = "alice", address: str = "10.0.0.{}") -> None:
    for number in range(times):
        answer = api.login(name.format(number), "wrong password", address.format(number))
        assert answer.status_code == 401


def limited(answer: TestResponse) -> bool:
    if answer.status_code != 429:
        return False
    assert answer.json == {"detail": "Too many login attempts, try again later"}
    assert 1 <= int(answer.headers["Retry-After"]) <= 300
    return True


def test_a_name_is_guessed_at_ten_times_over_all_apps(two):
    two[0].new("alice")
    token = two[0].token("alice")
    guess(two[0], 5)
    guess(two[1], 5)
    for api in two:
        assert limited(api.login("alice", PASSWORD, "10.0.1.1"))
        assert limited(api.login("alice@lan.local", "wrong password", "10.0.1.2"))
        assert api.holds(token)
    two[0].new("bob")
    assert two[1].login("bob", PASSWORD, "10.0.1.1").status_code == 200


def test_an_address_guesses_ten_times_whatever_the_names(two):
    two[0].new("alice")
    guess(two[0], 5, "name {}", LAN)
    guess(two[1], 5, "another {}", LAN)
    for api in two:
        assert limited(api.login("alice", PASSWORD, LAN))
        assert limited(api.login("alice", PASSWORD, f"::ffff:{LAN}"))
    assert two[0].login("alice", PASSWORD, "192.168.1.8").status_code == 200


def test_nobody_is_locked_out_where_they_logged_in_before(two):
    two[0].new("alice")
    two[0].token("alice")
    guess(two[1], 10)
    assert limited(two[1].login("alice", PASSWORD, "10.0.1.1"))
    assert two[1].login("alice", PASSWORD, LAN).status_code == 200
    assert two[1].login("alice", PASSWORD, "10.0.1.1").status_code == 200


def test_a_success_clears_the_count_of_the_name(api):
    api.new("alice")
    guess(api, 9)
    assert api.login("alice", PASSWORD, "10.0.1.1").status_code == 200
    guess(api, 10, address="10.0.2.{}")
    assert limited(api.login("alice", PASSWORD, "10.0.1.2"))


def test_the_right_password_of_a_disabled_account_counts_as_wrong(api):
    api.new("alice")
    api.command("disable-user", "alice")
    for number in range(10):
        assert api.login("alice", PASSWORD, f"10.0.0.{number}").status_code == 401
    assert limited(api.login("alice", PASSWORD, "10.0.1.1"))


def test_what_is_no_login_does_not_count(api):
    api.new("alice")
    for _ in range(12):
        assert api.post_form(b"username=alice&password=").status_code == 422
    assert api.login("alice", PASSWORD, LOOPBACK).status_code == 200


def test_thirty_right_logins_at_once_are_all_let_in(two):
    two[0].new("alice")
    answers = at_once(partial(two[n % 2].login, "alice") for n in range(30))
    assert statuses(answers) == {200: 30}


@pytest.mark.parametrize("spread", ["addresses", "names"])
def test_of_sixty_guesses_at_once_ten_are_looked_at(two, verifications, spread):
    two[0].new("alice")

    def job(number: int) -> TestResponse:
        if spread == "addresses":
            return two[number % 2].login("alice", f"guess {number}", f"10.0.0.{number}")
        return two[number % 2].login(f"name {number}", "guess 1", LAN)

    answers = at_once(partial(job, number) for number in range(60))
    found = statuses(answers)
    assert found == {401: 10, 429: 50}
    assert len(verifications) == 10
    assert all(map(limited, (each for each in answers if each.status_code == 429)))


# Behind a proxy

PROXIES = [network(each) for each in ("10.0.0.0/8", "fd00::/8")]
CLIENTS = (
    (LAN, None, LAN),
    (LAN, "1.2.3.4", LAN),
    ("10.0.0.1", None, "10.0.0.1"),
    ("10.0.0.1", "1.2.3.4", "1.2.3.4"),
    ("10.0.0.1", " 1.2.3.4 ", "1.2.3.4"),
    ("10.0.0.1", "1.2.3.4:5678", "1.2.3.4"),
    ("10.0.0.1", "9.9.9.9, 1.2.3.4", "1.2.3.4"),
    ("10.0.0.1", "9.9.9.9, 1.2.3.4, 10.0.0.2", "1.2.3.4"),
    ("10.0.0.1", "10.0.0.3,10.0.0.2", "10.0.0.3"),
    ("::ffff:10.0.0.1", "1.2.3.4", "1.2.3.4"),
    ("10.0.0.1", "::ffff:1.2.3.4", "1.2.3.4"),
    ("10.0.0.1", "2001:DB8::1", "2001:db8::1"),
    ("10.0.0.1", "[2001:db8::1]", "2001:db8::1"),
    ("10.0.0.1", "[2001:db8:0::1]:443", "2001:db8::1"),
    ("fd00::1", "2001:db8::1", "2001:db8::1"),
    ("fe80::1%eth0", "1.2.3.4", "fe80::1"),
    ("10.0.0.1", "nonsense", "10.0.0.1"),
    ("10.0.0.1", "1.2.3.4, nonsense", "10.0.0.1"),
    ("10.0.0.1", "1.2.3.4, unknown, 10.0.0.2", "10.0.0.2"),
    ("10.0.0.1", "", "10.0.0.1"),
    ("10.0.0.1", ",,,", "10.0.0.1"),
    ("10.0.0.1", "1.2.3.4,", "10.0.0.1"),
    ("10.0.0.1", "1.2.3.4:x:y", "10.0.0.1"),
    ("10.0.0.1", "[", "10.0.0.1"),
    ("10.0.0.1", "1.2.3.4.5", "10.0.0.1"),
    ("10.0.0.1", "999.1.1.1", "10.0.0.1"),
    ("10.0.0.1", "\u00ff\u00fe", "10.0.0.1"),
    ("10.0.0.1", "%" * 3000, "10.0.0.1"),
    ("10.0.0.1", "10.0.0.1," * 500, "10.0.0.1"),
    ("", "1.2.3.4", "unknown"),
    ("@", "1.2.3.4", "unknown"),
)


def test_a_proxy_is_believed_where_it_is_trusted(app):
    client = client_address(PROXIES)
    for peer, forwarded, address in CLIENTS:
        headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
        with app.test_request_context(headers=headers, environ_overrides={"REMOTE_ADDR": peer}):
            assert client() == address, (peer, forwarded)


def test_behind_a_trusted_proxy_each_client_is_counted_for_itself(make):
    api = make(trusted_proxies=tuple(PROXIES))
    api.new("alice")
    for number in range(10):
        said = {"X-Forwarded-For": f"1.1.1.{number}, 5.6.7.8"}
        assert api.login(f"name {number}", "wrong", "10.0.0.1", **said).status_code == 401
    assert limited(api.login("alice", PASSWORD, "10.0.0.1", **{"X-Forwarded-For": "5.6.7.8"}))
    other = api.login("alice", PASSWORD, "10.0.0.1", **{"X-Forwarded-For": "5.6.7.9"})
    assert other.status_code == 200


def test_what_is_no_proxy_gains_nothing_by_naming_others(make):
    api = make(trusted_proxies=tuple(PROXIES))
    for number in range(10):
        said = {"X-Forwarded-For": f"1.1.1.{number}"}
        assert api.login(f"name {number}", "wrong", LAN, **said).status_code == 401
    assert limited(api.login("another", "wrong", LAN, **{"X-Forwarded-For": "5.6.7.8"}))


def test_a_database_that_is_gone_is_503(make, database_options):
    nowhere = Database(lambda: "mongodb://127.0.0.1:1", "x", options=database_options)
    api = make(using=nowhere)
    answer = api.login("alice")
    assert answer.status_code == 503
    assert answer.headers["Retry-After"]
    nowhere.close()


@pytest.mark.parametrize(
    "name",
    ["eve\u3164", "e\u034fve", "eve\u2800", "eve\U000e0100", "e\ufe0f"],
    ids=["Hangul filler", "joiner", "braille blank", "ideographic variant", "one character"],
)
def test_a_username_with_what_nobody_sees_is_refused(api, name):
    answer = api.register(name, "eve@lan.local")
    assert answer.status_code == 422
    assert answer.json["detail"][0]["loc"] == ["body", "username"]


def test_how_an_emoji_is_to_look_tells_no_names_apart(api):
    assert api.register("❤x", "one@lan.local").status_code == 200
    assert api.register("❤\ufe0fx", "two@lan.local").status_code == 400


def test_usernames_with_other_blanks_inside_are_one(api):
    assert api.register("eve  adams", "one@lan.local").status_code == 200
    assert api.register("eve adams", "two@lan.local").status_code == 400
    assert api.login("Eve Adams").status_code == 200


def test_a_local_part_of_65_characters_is_no_email(api):
    assert api.register("eve", f"{'a' * 65}@lan.local").status_code == 422
    assert api.register("eve", f"{'a' * 64}@lan.local").status_code == 200


@pytest.mark.parametrize("inside", ['"\\u0000"', "99999999999999999999", "[NaN]"])
def test_what_stands_inside_a_password_is_not_told(api, inside):
    body = f'{{"email": "e@x.org", "username": "eve", "password": {{"S3cret": {inside}}}}}'
    answer = api.app.test_client().post(
        "/v1/auth/register", data=body, content_type="application/json"
    )
    assert answer.status_code == 422
    assert answer.json["detail"][0]["loc"] == ["body", "password"]
    assert "S3cret" not in answer.text


def test_what_a_form_sends_empty_is_not_sent(api):
    api.new("alice")
    form = {"username": "alice", "password": PASSWORD, "grant_type": ""}
    client = api.app.test_client()
    assert client.post("/v1/auth/token", data=form).status_code == 200
    refused = client.post("/v1/auth/token", data=form | {"username": ""})
    assert refused.json["detail"][0]["type"] == "missing"


def test_a_compressed_body_is_refused_as_such(api):
    registration = {"username": "alice", "email": "a@x.org", "password": PASSWORD}
    client, headers = api.app.test_client(), {"Content-Encoding": "gzip"}
    paths = {"/v1/auth/register": {"json": registration}, "/v1/auth/token": {"data": registration}}
    for path, body in paths.items():
        assert client.post(path, headers=headers, **body).status_code == 415


def test_a_peers_user_is_shown_with_its_username(api, make_token):
    me = api.who(make_token("p1", username="un", nickname="nick")).json
    assert (me["id"], me["username"]) == ("p1", "un")
