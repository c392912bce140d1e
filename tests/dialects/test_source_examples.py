"""The commands that the source document of `/v1` shows work as they stand there."""

import json
import os
import shutil
import subprocess
from typing import Any
from urllib.parse import urlsplit

import pytest

pytestmark = pytest.mark.skipif(not shutil.which("curl"), reason="there is no curl")

REGISTER = r"""
curl -X POST "http://localhost:8000/v1/auth/register" \
-H "Content-Type: application/json" \
-d '{"email": "user@example.com", "username": "user1", "password": "password123"}'
"""
TOKEN = r"""
curl -X POST "http://localhost:8000/v1/auth/token" \
-H "Content-Type: application/x-www-form-urlencoded" \
-d "username=user1&password=password123"
"""
CREATE = r"""
curl -X POST "http://localhost:8000/v1/chats/" \
-H "Authorization: Bearer <token>" \
-H "Content-Type: application/json" \
-d '{"title": "My Chat"}'
"""
UPLOAD = r"""
curl -X POST "http://localhost:8000/v1/chats/message?chat_id=1" \
-H "Authorization: Bearer <token>" \
-H "Content-Type: application/json" \
-d '{"role": "user", "content": "Hello!"}'
"""


@pytest.fixture
def run(served, tmp_path):
    """Runs a command with nothing replaced but port and token; gives the JSON of its answer."""
    # Neither a proxy of the machine nor the settings of its user have a say.
    environment = {**os.environ, "no_proxy": "*", "CURL_HOME": str(tmp_path)}

    def run(command: str, token: str = "") -> Any:
        command = command.replace(":8000", f":{urlsplit(served).port}").replace("<token>", token)
        done = subprocess.run(
            command.strip(),
            shell=True,
            capture_output=True,
            timeout=60,
            check=True,
            env=environment,
        )
        return json.loads(done.stdout)

    return run


def test_the_examples_of_the_source_work_one_after_the_other(run):
    account = run(REGISTER)
    assert account.items() >= {"id": 1, "email": "user@example.com", "username": "user1"}.items()
    token = run(TOKEN)
    assert token["token_type"] == "bearer"
    chat = run(CREATE, token["access_token"])
    assert chat.items() >= {"id": 1, "title": "My Chat", "user_id": 1}.items()
    message = run(UPLOAD, token["access_token"])
    assert message.items() >= {"chat_id": 1, "role": "user", "content": "Hello!"}.items()
    assert run(CREATE, "x") == {"detail": "Could not validate credentials"}
