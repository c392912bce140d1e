"""The processes of the storm: senders and a reader on a few logs, and death at any step.

`python -m tests.core.storm_process PLAN...` runs one for each plan, and again whoever dies; it
ends with 0 when all messages are acknowledged, with another status when something is wrong.
"""

import json
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from pymongo.database import Database as MongoDatabase

from session_service.core.message_log import MessageLog
from session_service.core.sending import Answer, Posted
from session_service.errors import Unavailable
from session_service.models import Draft, Event
from session_service.store.database import Database
from tests.core.conversations import Conversation, ConversationStore
from tests.core.ledger import check

DEATH = 9
THREADS = 8
BREATH_S = 0.2  # between the recounts, which take their time from the senders
MEMBERS = [f"member {number}" for number in range(THREADS)]


@dataclass(frozen=True)
class Plan:
    """What one process has to do.

    It dies `deaths` times at the most; `death` is how likely that is at any step.
    """

    uri: str
    database: str
    options: Mapping[str, Any]
    logs: list[str]
    journal: str
    process: int
    seed: int
    messages: int
    death: float = 0.0
    deaths: int = 0

    def keys(self, thread: int) -> list[str]:
        return [f"{self.process}.{thread}.{number}" for number in range(self.messages)]

    def after_a_death(self) -> "Plan":
        left = self.deaths - 1
        return replace(self, deaths=left, death=self.death if left else 0.0)

    def to_json(self) -> str:
        return json.dumps(asdict(self))


class Journal:
    """What was acknowledged, as the client of a process knows it: it outlives the process."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> dict[str, dict[str, Any]]:
        lines = self._path.read_text().splitlines() if self._path.exists() else []
        return {told["key"]: told for told in map(json.loads, lines)}

    def note(self, key: str, log_id: str, posted: Posted) -> None:
        told = {
            "key": key,
            "log": log_id,
            "entry": [posted.entry.id, posted.entry.seq],
            "reply": posted.reply and [posted.reply.id, posted.reply.seq],
        }
        with self._path.open("a") as file:
            file.write(json.dumps(told) + "\n")


class DeadlyDatabase(Database):
    """Before and after every operation the process may die."""

    def __init__(self, plan: Plan) -> None:
        super().__init__(lambda: plan.uri, plan.database, options=plan.options)
        self._chance = Random(f"death {plan.seed} {plan.process} {plan.deaths}")
        self._death = plan.death

    @contextmanager
    def reading(self) -> Iterator[MongoDatabase[dict[str, Any]]]:
        self._may_die()
        with super().reading() as database:
            yield database
        self._may_die()

    def _may_die(self) -> None:
        if self._chance.random() < self._death:
            os._exit(DEATH)


class StormProcess:
    """The threads of one process, and what they share."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.journal = Journal(Path(plan.journal))
        self.store = ConversationStore(DeadlyDatabase(plan))
        self.log = MessageLog(self.store, clock=lambda: time.time_ns() // 1_000_000)
        self.done = threading.Event()

    def run(self) -> None:
        reader = threading.Thread(target=guarded(self.read))
        senders = [threading.Thread(target=guarded(partial(self.send, i))) for i in range(THREADS)]
        for thread in (reader, *senders):
            thread.start()
        for sender in senders:
            sender.join()
        self.done.set()
        reader.join()

    def send(self, thread: int) -> None:
        told = self.journal.read()
        for key in self.plan.keys(thread):
            if key in told:
                continue
            chance = Random(f"{self.plan.seed} {key}")
            log_id = chance.choice(self.plan.logs)
            to = chance.choice(MEMBERS) if chance.random() < 0.1 else None
            draft = Draft(MEMBERS[thread], key, {"text": key}, to=to)
            answer = answer_to(key, instant=chance.random() < 0.8)
            posted = persistently(partial(self.post, log_id, draft, answer))
            self.journal.note(key, log_id, posted)

    def post(self, log_id: str, draft: Draft, answer: Answer[Conversation] | None = None) -> Posted:
        return self.log.post(log_id, draft, admit=lambda head: None, answer=answer)

    def read(self) -> None:
        """Marks as read, comes and goes, and recounts all it sees, until the senders are done."""
        chance = Random(f"reader {self.plan.seed} {self.plan.process} {self.plan.deaths}")
        guest = f"guest {self.plan.process}"
        while not self.done.wait(BREATH_S):
            log_id, member = chance.choice(self.plan.logs), chance.choice([*MEMBERS, guest])
            event = Event(chance.choice(("add", "remove")), guest)
            key = f"{guest} {chance.random()}"
            with suppress(Unavailable):
                self.log.mark_read(log_id, member)
                self.post(log_id, Draft(guest, key, {"text": key}, silent=True, events=(event,)))
                head = self.store.find(log_id)
                assert head is not None
                entries = self.log.oldest(head.log)
                check(head.log, entries)
                self.log.mark_read_to(log_id, member, chance.choice(entries).created_at)


def answer_to(key: str, *, instant: bool) -> Answer[Conversation]:
    def make(_: Conversation) -> dict[str, str]:
        if not instant:
            time.sleep(0.01)
        return {"text": f"re:{key}"}

    return Answer(make, instant, patience_ms=300)


def persistently(work: Callable[[], Posted]) -> Posted:
    while True:
        with suppress(Unavailable):
            return work()


def guarded(work: Callable[[], None]) -> Callable[[], None]:
    """A thread that fails ends the process, so that the storm hears of it."""

    def run() -> None:
        try:
            work()
        except BaseException:
            traceback.print_exc()
            os._exit(1)

    return run


def fork(plan: Plan) -> int:
    pid = os.fork()
    if pid == 0:
        guarded(StormProcess(plan).run)()
        os._exit(0)
    return pid


def main(plans: list[Plan]) -> int:
    running = {fork(plan): plan for plan in plans}
    while running:
        pid, status = os.wait()
        plan, code = running.pop(pid), os.waitstatus_to_exitcode(status)
        if code == DEATH:
            plan = plan.after_a_death()
            running[fork(plan)] = plan
        elif code != 0:
            return code
    return 0


if __name__ == "__main__":
    sys.exit(main([Plan(**json.loads(argument)) for argument in sys.argv[1:]]))
