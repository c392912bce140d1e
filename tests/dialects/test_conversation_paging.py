"""The conversations API: paging by time neither skips nor repeats, and costs what a page costs."""

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from session_service.core.fold import fold
from session_service.core.ids import new_entry_id
from session_service.models import Entry
from session_service.store.conversations import ConversationStore
from tests.dialects.conversing import Person, Told

MILLION = 1_000_000
GAPS = (1, 1, 1, MILLION, 1, 1, MILLION, MILLION, 7, 1, 1000, 1, MILLION, 1, 1, 1, 1)


@pytest.fixture
def store(database) -> ConversationStore:
    return ConversationStore(database)


def fill(store: ConversationStore, number: int, gaps: Sequence[int]) -> None:
    """Messages of user 2 with so many ms between them."""
    head = store.find(store.log_id(number))
    assert head is not None
    at, entries = head.log.at, []
    for seq, gap in enumerate(gaps, head.log.seq + 1):
        at += gap
        content = {"message_type": "text", "content": f"{seq}"}
        entries.append(
            Entry("2", f"key {seq}", content, id=new_entry_id(at), seq=seq, created_at=at)
        )
    assert store.insert(head.log.id, entries)
    assert store.commit(head.log, fold(head.log, entries))


def pages(reader: Person, number: int, limit: int) -> Iterator[list[Told]]:
    """From the newest page to the first, as the front end asks for them."""
    before: dict[str, int] = {}
    more = True
    while more:
        page, more = reader.reads(number, limit=limit, **before)
        assert len(page) == limit or not more
        yield page
        before = {"before_timestamp": page[0]["created_at"]}


def joined(parts: Iterator[list[Told]]) -> list[Any]:
    """The ids of all messages on these pages, oldest first."""
    return [each["message_id"] for page in reversed(list(parts)) for each in page]


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 18, 19, 100])
def test_pages_hold_everything_once_whatever_lies_between(store, ann, number, limit):
    fill(store, number, GAPS)
    everything = [each["message_id"] for each in ann.reads(number, limit=100)[0]]
    assert len(everything) == len(GAPS) + 1
    assert joined(pages(ann, number, limit)) == everything


def test_any_time_gives_the_page_right_before_it(store, ann, number):
    fill(store, number, GAPS)
    everything = ann.reads(number, limit=100)[0]
    for at in {each["created_at"] + off for each in everything for off in (-1, 0, 1, MILLION // 2)}:
        older = [each for each in everything if each["created_at"] < at]
        page, more = ann.reads(number, limit=3, before_timestamp=at)
        assert page == older[-3:]
        assert more == (len(older) > 3)


def test_pages_hold_everything_once_while_others_write(app, call_as, ann, number):
    for i in range(12):
        ann.says(number, f"before {i}")
    before = [each["message_id"] for each in ann.reads(number, limit=100)[0]]
    done = threading.Event()

    def write(user: int) -> None:
        writer = Person(call_as(app, f"{user}"), patient=True)
        for i in range(100):
            if done.is_set():
                return
            writer.says(number, f"{user} {i}")

    with ThreadPoolExecutor(2) as pool:
        writing = [pool.submit(write, user) for user in (1, 2)]
        reader = Person(call_as(app, "2"), patient=True)
        walks = [joined(pages(reader, number, limit)) for limit in (2, 3, 5)]
        done.set()
        for each in writing:
            each.result()
    everything = []
    for page in reversed(list(pages(ann, number, 100))):
        everything += [each["message_id"] for each in page]
    assert everything[: len(before)] == before
    for walk in walks:
        assert walk == everything[: len(walk)]
        assert len(walk) >= len(before)
