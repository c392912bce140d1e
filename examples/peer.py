"""A peer service: finds the session service on the LAN and posts a chat on behalf of a user.

    JWT_SECRET_KEY="$(cat data/jwt_key)" .venv/bin/python examples/peer.py alice hello

It needs no address, only the secret that it shares with the service. It runs from a checkout, or
wherever `session-service` is installed.
"""

import json
import os
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import jwt

sys.path.insert(0, str(Path(__file__).parents[1]))  # for a checkout that is not installed

from session_service.discovery import Instance, find


def main(user_id: str, text: str) -> None:
    instances = find(wait_s=5, enough=1)
    if not instances:
        sys.exit("no session service was found on the LAN")
    service = instances[0]
    print(f"found {service.name} {service.version} at {service.url}")
    token = jwt.encode({"sub": user_id, "exp": int(time.time()) + 60}, os.environ["JWT_SECRET_KEY"])
    session = call(service, token, "/sess", {"sess_name": "From a peer"})
    sent = call(service, token, f"/sess/{session['sess_id']}/chat", {"chat_content": text})
    print("reply:", sent["reply"]["chat_content"])


def call(service: Instance, token: str, path: str, body: dict[str, Any]) -> Any:
    request = urllib.request.Request(
        service.url + path,
        json.dumps(body).encode(),
        {"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)["data"]


if __name__ == "__main__":
    main(*sys.argv[1:])
