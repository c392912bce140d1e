"""Message sessions of a whole service: a storm of messages in which everything is killed."""

import os
import signal
import threading
import time
from random import Random
from typing import Any

import pytest

from tests.service.running import Service, alive, until

PREFIX = "/api/v1/message-sessions"
WRITERS = (1, 2, 3, 4)
READER, EMPTIER, QUIET = 5, 6, 7
EACH = 25
TIMES = [f"2024-01-01T{hour:02}:00:00" for hour in range(24)]


def ask(
    service: Service, user: int, method: str, path: str, body: Any = None, key: str = ""
) -> Any:
    """The `data` that is answered with 200 in the end."""
    headers = {"Idempotency-Key": key} if key else {}
    while True:
        try:
            status, told = service.request(
                method, f"{PREFIX}{path}", body, user=str(user), **headers
            )
        except OSError:
            status = 503
        if status == 200:
            return told["data"]
        assert status == 503, told
        time.sleep(0.05)


class Storm:
    """Four write, one reads, one empties, and one does nothing at all."""

    def __init__(self, service: Service) -> None:
        self.service = service
        body = {"userId1": 1, "userId2": 2, "sessionType": "GROUP", "memberIds": [3, 4, 5, 6, 7]}
        self.session = str(ask(service, 1, "POST", "", body)["sessionId"])
        self.acknowledged: dict[str, str] = {}  # times by texts
        self.failed: list[BaseException] = []
        self.over = threading.Event()

    def write(self, user: int) -> None:
        random = Random(user)
        for i in range(EACH):
            text, at = f"{user} says {i}", random.choice(TIMES)
            body = {
                "sessionId": self.session,
                "senderId": user,
                "receiverId": random.choice([None, READER, QUIET]),
                "message": text,
                "messageTime": at,
            }
            ask(self.service, user, "POST", "/new-message", body, key=f"key {i}")
            self.acknowledged[text] = at

    def read(self, user: int) -> None:
        about = {"sessionId": self.session, "userId": user}
        while not self.over.is_set():
            ask(self.service, user, "PUT", "/unread/clear", about)

    def empty(self, user: int) -> None:
        while not self.over.wait(0.05):
            ask(self.service, user, "DELETE", f"/empty?sessionId={self.session}&userId={user}")

    def rage(self, *disasters: Any) -> None:
        jobs = [(self.write, each) for each in WRITERS]
        writers = [threading.Thread(target=self.guarded, args=job) for job in jobs]
        others = [
            threading.Thread(target=self.guarded, args=job)
            for job in ((self.read, READER), (self.empty, EMPTIER))
        ]
        for thread in (*writers, *others):
            thread.start()
        for number, strike in enumerate(disasters, 1):
            enough = len(WRITERS) * EACH * number // (len(disasters) + 1)
            until(lambda enough=enough: len(self.acknowledged) >= enough, "more messages", 120)
            strike()
        for thread in writers:
            thread.join(120)
        self.over.set()
        for thread in others:
            thread.join(60)
        assert self.failed == []

    def guarded(self, work: Any, user: int) -> None:
        try:
            work(user)
        except BaseException as error:
            self.failed.append(error)

    def history(self, user: int) -> list[Any]:
        """All that a user sees, by pages."""
        path, seen = f"/{self.session}/messages?userId={user}&limit=7", list[Any]()
        while page := ask(
            self.service, user, "GET", path + (f"&before={seen[0]['id']}" if seen else "")
        ):
            seen = page + seen
        return seen

    def record(self, user: int) -> Any:
        (record,) = ask(self.service, user, "GET", f"?userId={user}")["records"]
        return record


@pytest.mark.embedded
def test_no_message_is_lost_and_every_count_is_right_whatever_is_killed(serve):
    service = serve(WORKERS="2").ready()
    storm = Storm(service)

    def kill_a_worker() -> None:
        os.kill(until(service.workers, "a worker")[0], signal.SIGKILL)

    def kill_the_database() -> None:
        pid = until(service.database, "the database")[1]
        os.kill(pid, signal.SIGKILL)
        until(lambda: not alive(pid), "the database to be dead")

    storm.rage(kill_a_worker, kill_the_database, kill_a_worker, kill_the_database)
    history = storm.history(QUIET)
    assert {each["message"]: each["messageTime"] for each in history} == storm.acknowledged
    assert len(history) == len(WRITERS) * EACH
    for user in WRITERS:
        own = [each["message"] for each in history if each["senderId"] == user]
        assert own == [f"{user} says {i}" for i in range(EACH)]
    newest = max(history, key=lambda each: (each["messageTime"], each["id"]))
    quiet = storm.record(QUIET)
    assert (quiet["lastMessage"], quiet["lastMessageTime"]) == (
        newest["message"],
        newest["messageTime"],
    )
    assert quiet["unreadCount"] == sum(each["receiverId"] in (None, QUIET) for each in history)
    left = storm.history(EMPTIER)
    assert left == history[len(history) - len(left) :]
    for user in (*WRITERS, READER, EMPTIER, QUIET):
        told = ask(service, user, "POST", "/rebuild-index", {"userId": user})
        assert told == {"checked": 1, "repaired": 0}, user
