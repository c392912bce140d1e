"""A file that is no export of ours is refused in one line, before anything is written."""

from pathlib import Path
from typing import Any

import bson
import pytest
from bson.datetime_ms import DatetimeMS

from session_service.errors import ServiceError
from session_service.store import export_shape
from session_service.store.database import Database
from session_service.store.export_file import FORMAT, VERSION, check, documents
from session_service.store.exporting import described, export
from session_service.store.importing import import_file
from tests.store.transfer import crafted, silent

BAD_UTF8 = bson.encode({"_id": 1, "x": "y"}).replace(b"y\0", b"\xff\0")
BROKEN_INSIDE = bson.encode({"_id": 1, "x": {"y": 1}}).replace(b"\x10y\0", b"\x7fy\0")


def index(**facts: Any) -> dict[str, Any]:
    return {"indexes": [{"name": "by_a", "key": {"a": 1}, **facts}]}


def test_crafted_file_that_is_whole_is_taken(target: Database, file: Path) -> None:
    file.write_bytes(crafted([{"_id": 1}], **index(expireAfterSeconds=5.0)))
    assert import_file(target, file, silent) == {"things": 1}


@pytest.mark.parametrize(
    ("parts", "named"),
    [
        ({"head": {"format": FORMAT, "version": VERSION}}, "head names no 'database'"),
        ({"head": {"format": FORMAT, "version": VERSION, "database": 5}}, "names no 'database'"),
        ({"collections": "x"}, "list of collections is not an array but 'x'"),
        ({"collections": [5]}, "a collection is not a document but 5"),
        ({"documents": [{"_id": 1}], "collections": []}, "has 1 documents of 'things'"),
        ({"documents": [{"x": 1}]}, "document 1 of 'things' has no '_id'"),
        ({"documents": [BAD_UTF8]}, "document 1 of 'things' is no BSON"),
        ({"documents": [{"_id": 0}, BROKEN_INSIDE]}, "document 2 of 'things' is no BSON"),
        ({"documents": [{"_id": 1, "x": bytes(2**24)}]}, "is larger than 16,777,216 bytes"),
        ({"options": "x"}, "'things': 'options' is not a document but 'x'"),
        ({"options": {"session": 1}}, "'things': the option 'session' is not taken over"),
        ({"options": {"check_exists": False}}, "the option 'check_exists'"),
        ({"options": {"viewOn": "things"}}, "the option 'viewOn'"),
        ({"options": ...}, "'things': 'options' is not"),
        ({"indexes": ["x"]}, "'things': an index is not a document but 'x'"),
        ({"indexes": {}}, "'things': 'indexes' is not an array"),
        ({"indexes": [{"key": {"a": 1}}]}, "'name' of an index is not a text"),
        (index(key=[]), "the index 'by_a': 'key' is not a document"),
        (index(key={}), "the index 'by_a' has no fields"),
        (index(expireAfterSeconds="x"), "'expireAfterSeconds' is 'x'"),
        (index(expireAfterSeconds=float("nan")), "'expireAfterSeconds' is nan"),
        (index(expireAfterSeconds=-1), "'expireAfterSeconds' is -1"),
        ({"name": "others", "documents": [{"_id": 1}]}, "documents of '(things|others)'"),
        ({"section": 5}, "5 is no name"),
        ({"section": [5]}, "is no name"),
        *(
            ({"section": name}, "is no name for a collection")
            for name in ("", "system.users", "$cmd", "a$b", "a..b", ".a", "a.")
        ),
        ({"section": "import"}, "'import' is the service's own"),
        ({"section": "health"}, "'health' is the service's own"),
        ({"name": "system.js"}, "'system.js' is no name"),
    ],
)
def test_what_cannot_be_imported_is_named_in_one_line(
    file: Path, parts: dict[str, Any], named: str
) -> None:
    file.write_bytes(crafted(**parts))
    with pytest.raises(ServiceError, match=f"cannot be imported: .*({named})") as refused:
        check(file)
    assert "\n" not in str(refused.value)


def test_dates_beyond_the_year_9999_may_be_moved(file: Path) -> None:
    far = DatetimeMS(2**50)
    file.write_bytes(crafted([{"_id": far}, {"_id": 1, "x": {"y": far}}]))
    assert [each["_id"] for _, each in documents(file)] == [far, 1]
    assert check(file).collections[0]["documents"] == 2


@pytest.mark.parametrize("count", [..., -1, True, "1", 1.0])
def test_number_of_documents_must_be_one(file: Path, count: object) -> None:
    told = {"name": "things", "documents": count, "options": {}, "indexes": []}
    listed = [{key: value for key, value in told.items() if value is not ...}]
    file.write_bytes(crafted([{"_id": 1}], collections=listed))
    with pytest.raises(ServiceError, match="cannot be imported: 'things': 'documents' is"):
        check(file)


def test_collection_is_listed_once(file: Path) -> None:
    listed = {"name": "things", "documents": 0, "options": {}, "indexes": []}
    file.write_bytes(crafted(collections=[listed, listed]))
    with pytest.raises(ServiceError, match="'things' is listed twice"):
        check(file)


def test_nothing_is_written_of_a_file_that_is_refused(target: Database, file: Path) -> None:
    file.write_bytes(crafted([{"_id": 1}], options={"session": 1}))
    with pytest.raises(ServiceError, match="cannot be imported"):
        import_file(target, file, silent)
    assert described(target) == []


def test_export_that_could_not_be_imported_is_not_made(
    source: Database, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with source.writing() as opened:
        opened.create_collection("things", capped=True, size=4096)
    monkeypatch.setattr(export_shape, "OPTIONS", export_shape.OPTIONS - {"capped"})
    with pytest.raises(ServiceError, match="the option 'capped' is not taken over"):
        export(source, file, silent)
    assert list(file.parent.iterdir()) == []


def test_how_a_server_keeps_a_collection_on_its_disk_stays_there(
    source: Database, target: Database, file: Path
) -> None:
    engine = {"wiredTiger": {"configString": "block_compressor=zlib"}}
    with source.writing() as opened:
        opened.command({"create": "things", "storageEngine": engine, "validationLevel": "strict"})
    export(source, file, silent)
    import_file(target, file, silent)
    assert described(target)[0]["options"] == {"validationLevel": "strict"}
