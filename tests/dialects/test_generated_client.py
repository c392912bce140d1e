"""A client that a generator makes of the OpenAPI document works, and its models are typed."""

import datetime
import importlib
import subprocess
import sys
from typing import Any

import httpx
import pytest

PACKAGE = "generated_session_client"
LIMIT_S = 120


@pytest.fixture
def document(served, tmp_path):
    path = tmp_path / "openapi.json"
    path.write_bytes(httpx.get(f"{served}/openapi.json", trust_env=False).content)
    return path


@pytest.fixture
def generated(document, tmp_path, monkeypatch):
    """Generates the client; gives what imports a part of it."""
    settings = tmp_path / "settings.yaml"
    overrides = 'content_type_overrides: {"*/*": application/octet-stream}'  # files of any type
    settings.write_text(f"post_hooks: []\n{overrides}\n")
    program = [sys.executable, "-m", "openapi_python_client", "generate", "--meta", "none"]
    files = ["--path", document, "--output-path", tmp_path / PACKAGE, "--config", settings]
    made = subprocess.run(
        [*program, *files, "--fail-on-warning"],
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert made.returncode == 0, made.stdout + made.stderr
    assert "warning" not in (made.stdout + made.stderr).lower()
    monkeypatch.syspath_prepend(tmp_path)
    yield lambda name: importlib.import_module(f"{PACKAGE}.{name}")
    for name in [each for each in sys.modules if each.startswith(PACKAGE)]:
        del sys.modules[name]


def test_a_generated_client_registers_logs_in_and_keeps_a_chat(generated, served):
    client, models = generated("client"), generated("models")

    def ask(name: str, using: Any, *ids: int, **arguments: Any) -> Any:
        return generated(f"api.{name}").sync(*ids, client=using, **arguments)

    local = {"base_url": served, "httpx_args": {"trust_env": False}}
    anybody = client.Client(**local)
    who = {"username": "user1", "password": "password123"}

    account = ask(
        "auth.auth_register",
        anybody,
        body=models.Registration(email="user@example.com", **who),
    )
    assert isinstance(account, models.NewAccount)
    assert type(account.id) is int
    assert isinstance(account.created_at, datetime.datetime)

    token = ask("auth.auth_token", anybody, body=models.Login(**who))
    assert isinstance(token, models.Token)
    assert (token.token_type.value, type(token.expires_in)) == ("bearer", int)

    user = client.AuthenticatedClient(token=token.access_token, **local)
    me = ask("auth.chats_test_token", user)
    assert (me.id, me.email, me.role.value) == (account.id, "user@example.com", "user")

    chat = ask("chats.chats_create_chat", user, body=models.ChatTitle(title="My Chat"))
    assert isinstance(chat, models.ChatSummary)
    assert (type(chat.id), chat.user_id) == (int, account.id)

    said = [
        models.NewMessage(role=models.NewMessageRole(role), content=f"from the {role}")
        for role in ("system", "user", "assistant")
    ]
    sent = [
        ask("chats.chats_post_message", user, chat.id, body=said[0]),
        ask("chats.chats_post_message_by_query", user, chat_id=chat.id, body=said[1]),
        ask("chats.chats_post_message", user, chat.id, body=said[2], idempotency_key="k"),
    ]
    assert all(isinstance(each, models.ChatMessage) for each in sent)
    assert all(type(each.id) is int and each.chat_id == chat.id for each in sent)

    read = ask("chats.chats_get_chat", user, chat.id)
    assert isinstance(read, models.ChatHistory)
    assert read.messages == sent
    assert [each.role.value for each in read.messages] == ["system", "user", "assistant"]
    assert ask("chats.chats_list_messages", user, chat.id, skip=1, limit=1) == sent[1:2]
    (listed,) = ask("chats.chats_list_chats", user)
    assert (listed.id, listed.updated_at) == (chat.id, sent[-1].created_at)

    unknown = ask("chats.chats_get_chat", user, chat.id + 1)
    assert (type(unknown), unknown.detail) == (models.ChatsFailure, "Chat not found")
    bad = ask("chats.chats_create_chat", user, body=models.ChatTitle(title=" "))
    assert isinstance(bad, models.HTTPValidationError)
    assert (bad.detail[0].loc, type(bad.detail[0].msg)) == (["body", "title"], str)
