"""An export is a whole file or none, and holds each log as it was at one moment."""

import errno
import os
import stat
import threading
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from bson import ObjectId

from session_service.errors import ServiceError
from session_service.store.database import Database
from session_service.store.exporting import export
from session_service.store.importing import import_file
from tests.store.transfer import Chats, insert, silent, stop_after


def test_file_is_for_its_owner_alone(source: Database, chats: Chats, file: Path) -> None:
    export(source, file, silent)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [each.name for each in file.parent.iterdir()] == ["export"]


def test_existing_file_is_not_written_over(source: Database, chats: Chats, file: Path) -> None:
    file.write_text("precious")
    with pytest.raises(ServiceError, match="exists already"):
        export(source, file, silent)
    assert file.read_text() == "precious"


@pytest.mark.parametrize("target", ["victim", "nowhere"])
def test_export_follows_no_link(
    source: Database, chats: Chats, file: Path, tmp_path: Path, target: str
) -> None:
    (tmp_path / "victim").write_text("precious")
    (tmp_path / "export.part").symlink_to("victim")
    export(source, file, silent)
    file.unlink()
    file.symlink_to(target)
    with pytest.raises(ServiceError, match="exists already"):
        export(source, file, silent)
    assert (tmp_path / "victim").read_text() == "precious"
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("hard_links", [True, False])
def test_file_that_appears_meanwhile_is_kept(
    source: Database,
    chats: Chats,
    file: Path,
    monkeypatch: pytest.MonkeyPatch,
    hard_links: bool,
) -> None:
    if not hard_links:
        monkeypatch.setattr(os, "link", refuse_link)

    def meddle(_: Mapping[str, int]) -> None:
        file.write_text("precious")

    with pytest.raises(ServiceError, match="exists already"):
        export(source, file, meddle)
    assert file.read_text() == "precious"
    assert [each.name for each in file.parent.iterdir()] == ["export"]


def test_two_exports_to_one_name_do_not_mix(
    source: Database, target: Database, chats: Chats, file: Path
) -> None:
    others: list[Mapping[str, int]] = []

    def export_as_well(_: Mapping[str, int]) -> None:
        if not others:
            others.append(export(source, file, silent))

    with pytest.raises(ServiceError, match="exists already"):
        export(source, file, export_as_well)
    assert import_file(target, file, silent)["chats"] == others[0]["chats"] == 6


def test_file_system_without_hard_links_will_do(
    source: Database, target: Database, chats: Chats, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "link", refuse_link)
    export(source, file, silent)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [each.name for each in file.parent.iterdir()] == ["export"]
    assert import_file(target, file, silent)["chats"] == 6


def refuse_link(*_: object) -> None:
    """As a FAT file system does."""
    raise PermissionError(errno.EPERM, "Operation not permitted")


def test_failed_export_leaves_no_file(source: Database, chats: Chats, file: Path) -> None:
    with pytest.raises(OSError, match="no space"):
        export(source, file, stop_after(2, OSError("no space")))
    assert list(file.parent.iterdir()) == []


def test_empty_database_is_not_exported(source: Database, file: Path) -> None:
    assert source.healthy()  # which leaves a trace that is no data
    with pytest.raises(ServiceError, match="is empty"):
        export(source, file, silent)


def test_export_beside_senders_is_whole(
    source: Database, target: Database, chats: Chats, file: Path
) -> None:
    stop = threading.Event()

    def send(session_id: str) -> None:
        sender = Chats(source)
        sender.said = chats.said
        while not stop.is_set():
            sender.say(session_id, f"message {len(chats.said[session_id])}")

    threads = [threading.Thread(target=send, args=[each]) for each in list(chats.said)]
    for thread in threads:
        thread.start()
    try:
        for number in range(100, 130):
            chats.open(number, messages=3)
        before = {each: list(texts) for each, texts in chats.said.items()}
        export(source, file, lambda _: time.sleep(0.01))
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    import_file(target, file, silent)
    moved = Chats(target)
    for session_id, texts in before.items():
        there = moved.texts(session_id)
        assert there[: len(texts)] == texts
        assert there == chats.said[session_id][: len(there)]
    stored = sum(moved.state(each).seq for each in before)
    with target.reading() as opened:
        assert opened.chats.count_documents({}) == stored


def test_session_deleted_meanwhile_is_not_half_there(
    source: Database, target: Database, chats: Chats, file: Path
) -> None:
    long, last = chats.open(7, messages=4), f"{3:024x}"

    def delete(_: Mapping[str, int]) -> None:
        for each in (long, last):
            if session := chats.store.find(each):
                chats.log.delete(session.log)

    export(source, file, delete)
    import_file(target, file, silent)
    moved = Chats(target)
    for session_id, texts in chats.said.items():
        if moved.store.find(session_id):
            assert moved.texts(session_id) == texts
    assert moved.log.keep_house()
    with target.reading() as opened:
        heads = {head["_id"] for head in opened.sessions.find()}
        assert {entry["sess_id"] for entry in opened.chats.find()} <= heads


def test_proposals_stay_behind(
    source: Database, target: Database, chats: Chats, file: Path
) -> None:
    state = chats.state(f"{1:024x}")
    (entry,) = chats.log.oldest(state)
    insert(source, "chats", {"_id": ObjectId(), "sess_id": ObjectId(state.id), "seq": 3})
    export(source, file, silent)
    import_file(target, file, silent)
    with target.reading() as opened:
        assert opened.chats.count_documents({"seq": 3, "key": None}) == 0
    assert Chats(target).texts(state.id) == [entry.content["chat_content"]]
