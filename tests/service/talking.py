"""Many who talk in one conversation of a whole service, whatever happens to it."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise
from random import Random
from typing import Any

from pymongo import MongoClient

from session_service.embedded.record import DataDir
from tests.service.running import Service, until

PREFIX = "/api/v1/conversation"
WRITERS = range(1, 17)
READERS = range(17, 21)
GUEST = 20  # a reader who leaves and comes back
CREATOR = 1

Document = dict[str, Any]


def ask(service: Service, user: int, call: str, **body: Any) -> Document:
    """What is answered with 200 in the end, or with 404 to a removal that is a repeat."""
    key = body.pop("key", None)
    headers = {"Idempotency-Key": key} if key else {}
    while True:
        try:
            status, told = service.request(
                "POST", f"{PREFIX}/{call}", body, user=str(user), **headers
            )
        except OSError:
            status = 503
        if status == 200 or (status == 404 and call == "remove_member"):
            answer: Document = told
            return answer
        assert status == 503, told
        time.sleep(0.05)


class Talk:
    """Sixteen writers and four readers; `acknowledged` is what they were told, by its text."""

    def __init__(self, service: Service, messages: int) -> None:
        self.service = service
        self.messages = messages
        others = [*WRITERS[1:], *READERS]
        body = {"type": "general", "title": "storm", "member_ids": others}
        made = ask(service, CREATOR, "create_conversation", **body)["conversation"]
        self.number = int(made["id"])
        self.acknowledged: dict[str, Document] = {}
        self.failed: list[BaseException] = []
        self.over = threading.Event()

    def rage(self, disasters: Sequence[Callable[[], None]]) -> None:
        """Until all is acknowledged; the disasters come evenly spread."""
        writers = [threading.Thread(target=self._guarded, args=[self._write, i]) for i in WRITERS]
        readers = [threading.Thread(target=self._guarded, args=[self._read, i]) for i in READERS]
        for thread in (*writers, *readers):
            thread.start()
        all_of_them = len(WRITERS) * self.messages
        for number, strike in enumerate(disasters, 1):
            enough = all_of_them * number // (len(disasters) + 1)
            until(lambda enough=enough: len(self.acknowledged) >= enough, "more messages", 120)
            strike()
        for thread in writers:
            thread.join(120)
        self.over.set()
        for thread in readers:
            thread.join(60)
        assert self.failed == []
        assert len(self.acknowledged) == all_of_them

    def _guarded(self, work: Callable[[int], None], user: int) -> None:
        try:
            work(user)
        except BaseException as error:
            self.failed.append(error)
            raise

    def _write(self, user: int) -> None:
        for number in range(self.messages):
            text = f"{user} says {number}"
            body = {"message_type": "text", "content": text, "key": text}
            sent = ask(self.service, user, "send_message", conversation_id=self.number, **body)
            self.acknowledged[text] = sent["message"]

    def _read(self, user: int) -> None:
        chance = Random(user)
        while not self.over.is_set():
            page = ask(self.service, user, "get_messages", conversation_id=self.number)["messages"]
            assert all(a["created_at"] < b["created_at"] for a, b in pairwise(page))
            up_to = {"up_to": chance.choice(page)["created_at"]} if chance.random() < 0.5 else {}
            ask(self.service, user, "mark_read", conversation_id=self.number, **up_to)
            if user == GUEST and chance.random() < 0.3:
                about = {"conversation_id": self.number}
                ask(self.service, CREATOR, "remove_member", **about, member_id=GUEST)
                ask(self.service, CREATOR, "add_members", **about, member_ids=[GUEST])

    def recount(self) -> None:
        """Holds what was acknowledged, and what the head says, against the stored messages."""
        head, messages = self._stored()
        assert [each["seq"] for each in messages] == list(range(1, head["seq"] + 1))
        assert all(a["created_at"] < b["created_at"] for a, b in pairwise(messages))
        said = [each for each in messages if not each.get("silent")]
        texts = Counter(each["content"] for each in said)
        assert texts == Counter(list(self.acknowledged))
        times = {each["content"]: each["created_at"] for each in said}
        assert times == {text: each["created_at"] for text, each in self.acknowledged.items()}
        self._check_order(said)
        assert head["last"]["content"] == messages[-1]["content"]
        assert sorted(head["members"]) == sorted(str(each) for each in (*WRITERS, *READERS))
        for member in head["members"]:
            since = head["read"][member]
            unread = sum(each["seq"] > since and each["sender"] != member for each in said)
            assert head["total"] - head["seen"][member] == unread, f"unread of {member}"
            about = {"conversation_id": self.number}
            told = ask(self.service, int(member), "get_conversation", **about)["conversation"]
            assert told["unread_count"] == unread

    def _check_order(self, said: Sequence[Document]) -> None:
        for user in WRITERS:
            mine = [each["content"] for each in said if each["sender"] == str(user)]
            assert mine == [f"{user} says {number}" for number in range(self.messages)]

    def _stored(self) -> tuple[Document, list[Document]]:
        settings = self.service.environ
        uri = settings.get("MONGO_URI")
        if uri is None:
            record = DataDir(self.service.data).read_record()
            assert record is not None
            uri = record.uri
        with MongoClient(uri) as client:
            database = client[settings.get("MONGO_DB", "session_service")]
            head = database["conversations"].find_one({"number": self.number})
            assert head is not None
            stored = database["messages"].find({"c": head["_id"], "seq": {"$lte": head["seq"]}})
            return head, sorted(stored, key=lambda each: each["seq"])
