"""Files move with the database, whole, also while others are uploaded."""

from collections.abc import Mapping
from pathlib import Path

from session_service.core.files import Files
from session_service.errors import NotFound
from session_service.models import StoredFile, User
from session_service.store.database import Database
from session_service.store.exporting import export
from session_service.store.files import FileStore
from session_service.store.importing import import_file
from tests.store.transfer import contents, silent

WHOLE = bytes(range(251)) * 3000
MB = 1024 * 1024


def files_in(database: Database) -> Files:
    store = FileStore(database)
    return Files(store, lambda _: "image/png", most=MB, quota=100 * MB, clock=lambda: 10**12)


def upload(database: Database) -> StoredFile:
    with files_in(database).receive(User("1", "ann"), "照片.png", len(WHOLE)) as upload:
        upload.write(WHOLE)
        return upload.finish()


def content(database: Database, file: StoredFile) -> bytes:
    files = files_in(database)
    assert files.find(file.id) == file
    return b"".join(files.read(file, 0, file.size))


def test_files_move_with_the_database(source: Database, target: Database, file: Path) -> None:
    kept, new = upload(source), upload(source)
    assert files_in(source).keep(kept.id)
    export(source, file, silent)
    import_file(target, file, silent)
    assert contents(target) == contents(source)
    assert content(target, kept) == content(target, new) == WHOLE
    assert files_in(target).keep(new.id)


def test_a_file_uploaded_during_the_export_is_in_it_as_a_whole_or_not_at_all(
    source: Database, target: Database, file: Path
) -> None:
    uploaded = [upload(source)]

    def go_on(_: Mapping[str, int]) -> None:
        uploaded.append(upload(source))

    export(source, file, go_on)
    import_file(target, file, silent)
    moved = 0
    for each in uploaded:
        try:
            files_in(target).find(each.id)
        except NotFound:
            continue
        assert content(target, each) == WHOLE
        moved += 1
    assert 1 <= moved < len(uploaded)
