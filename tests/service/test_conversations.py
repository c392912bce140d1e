"""Conversations of a whole service: its storms, its front end, and many who wait."""

import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path
from selectors import EVENT_READ, DefaultSelector

import pytest

from tests.service.running import Service, alive, until
from tests.service.talking import PREFIX, Talk, ask

WAITERS = 500
RUNNER = Path(__file__).with_name("front_end_runner.mjs")


@pytest.mark.embedded
def test_sixteen_write_and_four_read_while_workers_and_database_are_killed(serve):
    service = serve(WORKERS="2").ready()
    talk = Talk(service, messages=8)

    def kill_a_worker() -> None:
        os.kill(until(service.workers, "a worker")[0], signal.SIGKILL)

    def kill_the_database() -> None:
        pid = until(service.database, "the database")[1]
        os.kill(pid, signal.SIGKILL)
        until(lambda: not alive(pid), "the database to be dead")

    talk.rage([kill_a_worker, kill_the_database, kill_a_worker, kill_the_database])
    talk.recount()


def test_the_front_end_of_the_source_runs_as_it_stands(shared_service):
    if shutil.which("node") is None:
        refuse = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        refuse("the front end of the source: there is no node")
    made = ask(shared_service, 1, "create_conversation", type="general", title="x", member_ids=[2])[
        "conversation"
    ]
    sent = [f"message {i}" for i in range(45)]
    for text in sent:
        about = {"conversation_id": made["id"], "message_type": "text", "content": text}
        ask(shared_service, 1, "send_message", **about)
    url = f"http://127.0.0.1:{shared_service.port}"
    public = made["conversation_id"]
    tokens = [shared_service.bearer("2"), shared_service.bearer("1")]
    ran = subprocess.run(
        ["node", str(RUNNER), url, public, *tokens], capture_output=True, text=True, timeout=60
    )
    assert ran.returncode == 0, ran.stderr
    shown = json.loads(ran.stdout)
    first, *contents = shown.pop("contents")
    assert first == "1 创建了会话"
    assert contents == [*sent, "one", "two", "three"]
    sounds = shown.pop("sounds")
    assert 1 <= sounds <= 3
    assert shown == {"first": 20, "buttons": 1, "badges": [[public, 45]], "cleared": [public]}
    told = ask(shared_service, 2, "get_conversation", conversation_id=public)["conversation"]
    assert told["unread_count"] == 3


class Waiters:
    """Connections on which a poll is under way."""

    def __init__(self, service: Service, number: int, after: int, count: int) -> None:
        body = json.dumps({"conversation_id": number, "after_timestamp": after, "wait_s": 25})
        lines = [
            f"POST {PREFIX}/poll HTTP/1.1",
            "Host: x",
            f"Authorization: Bearer {service.bearer('2')}",
            "Content-Type: application/json",
            "Connection: close",
            f"Content-Length: {len(body)}",
        ]
        request = "\r\n".join([*lines, "", body]).encode()
        self.answers: dict[socket.socket, bytes] = {}
        for _ in range(count):
            connection = socket.create_connection(("127.0.0.1", service.port))
            connection.sendall(request)
            self.answers[connection] = b""

    def receive(self, patience_s: float) -> None:
        """Until all are answered."""
        deadline, open_ = time.monotonic() + patience_s, len(self.answers)
        with DefaultSelector() as selector:
            for connection in self.answers:
                selector.register(connection, EVENT_READ)
            while open_:
                assert time.monotonic() < deadline, f"{open_} were not answered"
                for key, _ in selector.select(1):
                    connection = key.fileobj
                    piece = connection.recv(65536)
                    self.answers[connection] += piece
                    if not piece:
                        selector.unregister(connection)
                        open_ -= 1

    def close(self) -> None:
        for connection in self.answers:
            connection.close()


def test_five_hundred_who_wait_keep_nobody_else_waiting(serve):
    service = serve(WORKERS="2").ready()
    made = ask(service, 1, "create_conversation", type="general", title="x", member_ids=[2])
    conversation = made["conversation"]
    number, after = conversation["id"], conversation["last_message_at"]
    waiters = Waiters(service, number, after, WAITERS)
    try:
        until_quiet(service)
        slowest = max(timed(service) for _ in range(20))
        assert slowest < 1, f"/health/live took {slowest:.2f} s"
        about = {"conversation_id": number, "message_type": "text", "content": "wake up"}
        sending = threading.Thread(target=ask, args=[service, 1, "send_message"], kwargs=about)
        sending.start()
        waiters.receive(20)
        sending.join()
        statuses = {answer.split(b" ", 2)[1] for answer in waiters.answers.values()}
        assert statuses == {b"200"}
        bodies = [answer.partition(b"\r\n\r\n")[2] for answer in waiters.answers.values()]
        assert all(b"wake up" in each for each in bodies)
    finally:
        waiters.close()


def until_quiet(service: Service) -> None:
    """Waits until all waiters have been let in, so that a look at the health is answered fast."""
    until(lambda: timed(service) < 0.25, "the waiters to be let in")


def timed(service: Service) -> float:
    began = time.monotonic()
    status, _ = service.request("GET", "/health/live")
    assert status == 200
    return time.monotonic() - began
