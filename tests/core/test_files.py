"""Files through everything that may go wrong: kept when named, gone when not, never half there."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from session_service.core.files import DAY_MS, LONGEST_MS, REMOVAL_MS, Files
from session_service.errors import (
    Forbidden,
    Invalid,
    NotFound,
    ServiceError,
    TooLarge,
    TooMany,
    Unavailable,
)
from session_service.models import StoredFile, User
from session_service.store.database import Database
from session_service.store.files import FileStore
from tests.core.room import Clock, Died, die, fail, nothing
from tests.mocked import MockedClient

CHUNK = FileStore.chunk_bytes
MOST = 4 * CHUNK
QUOTA = 10 * CHUNK
ANN, BOB = User("1", "ann"), User("2", "bob")
WHOLE = bytes(range(251)) * 3000  # three chunks
Step = Callable[[], Any]


class Steps(Database):
    """Before or after the n-th operation from now something else may happen."""

    def __init__(self) -> None:
        client: Any = MockedClient()
        super().__init__(lambda: "", "test", connect=lambda *_, **__: client)
        self.count = 0
        self.before: dict[int, Step] = {}
        self.after: dict[int, Step] = {}

    @contextmanager
    def reading(self) -> Iterator[Any]:
        number, self.count = self.count, self.count + 1
        self.before.pop(number, nothing)()
        with super().reading() as opened:
            yield opened
        self.after.pop(number, nothing)()


class House:
    """A database, and the files in it as any instance has them."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.database = Steps()
        self.files = self.instance()

    def instance(self, quota: int = QUOTA) -> Files:
        store = FileStore(self.database)
        return Files(store, lambda _: None, most=MOST, quota=quota, clock=self.clock)

    def upload(self, content: bytes = WHOLE, user: User = ANN) -> StoredFile:
        with self.files.receive(user, "a.bin", len(content)) as upload:
            for start in range(0, len(content), 64_000):
                upload.write(content[start : start + 64_000])
            return upload.finish()

    def content(self, file_id: str) -> bytes:
        file = self.files.find(file_id)
        return b"".join(self.files.read(file, 0, file.size))

    def there(self, file_id: str) -> bool:
        try:
            return self.content(file_id) == WHOLE
        except NotFound:
            return False

    def left(self) -> tuple[int, int]:
        with self.database.reading() as opened:
            files, chunks = opened["uploads.files"], opened["uploads.chunks"]
            return files.count_documents({}), chunks.count_documents({})

    def steps(self, work: Step) -> int:
        """How many operations this takes."""
        self.database.count = 0
        work()
        return self.database.count

    def interrupt(self, number: int, step: Step, *, after: bool = False) -> None:
        """Has something else happen at that operation of what comes next."""
        self.database.count = 0
        (self.database.after if after else self.database.before)[number] = step

    def a_day_later(self) -> None:
        self.clock.now += DAY_MS + 1
        assert self.files.keep_house()


@pytest.fixture
def house(clock: Clock) -> House:
    house = House(clock)
    house.upload(b"", BOB)  # the indexes are made
    house.a_day_later()
    assert house.left() == (0, 0)
    return house


def test_what_nothing_names_is_removed_after_a_day(house, clock):
    file = house.upload()
    clock.now += DAY_MS
    assert house.files.keep_house()
    assert house.there(file.id)
    clock.now += 1
    assert house.files.keep_house()
    assert house.left() == (0, 0)
    assert not house.files.keep(file.id)


def test_what_a_message_names_stays_for_good(house):
    file, other = house.upload(), house.upload()
    assert house.files.keep(file.id)
    assert house.files.keep(file.id)
    for _ in range(3):
        house.a_day_later()
    assert house.there(file.id)
    assert not house.there(other.id)
    assert house.left() == (1, 3)


def test_what_is_still_coming_is_not_there(house):
    with house.files.receive(ANN, "a", MOST) as upload:
        upload.write(WHOLE)
        with house.database.reading() as opened:
            (file_id,) = opened["uploads.files"].distinct("_id")
        assert not house.files.keep(file_id)
        with pytest.raises(NotFound):
            house.files.find(file_id)
        upload.finish()
    assert house.files.keep(file_id)


def test_an_upload_that_fails_leaves_nothing(house):
    def fail_on_the_way() -> None:
        with house.files.receive(ANN, "a", MOST) as upload:
            upload.write(WHOLE)
            assert house.left() == (1, 2)
            raise EOFError

    with pytest.raises(EOFError):
        fail_on_the_way()
    assert house.left() == (0, 0)


def test_an_upload_of_half_a_day_is_given_up(house, clock):
    """Else it might go on while it is removed, and leave chunks that nobody knows of."""
    assert 2 * LONGEST_MS <= DAY_MS
    with house.files.receive(ANN, "a", MOST) as upload:
        clock.now += LONGEST_MS
        upload.write(bytes(CHUNK))
        clock.now += 1
        with pytest.raises(Invalid):
            upload.write(bytes(CHUNK))


def test_an_upload_whose_record_is_gone_does_not_succeed(house):
    with house.files.receive(ANN, "a", MOST) as upload:
        upload.write(WHOLE)
        with house.database.reading() as opened:
            opened["uploads.files"].delete_many({})
        with pytest.raises(Unavailable):
            upload.finish()


def test_only_users_with_integer_ids_upload(house):
    with pytest.raises(Forbidden):
        house.files.receive(User("ann", "ann"), "a", 1)
    assert house.left() == (0, 0)


# The removal and those who come in between


def removal_steps(clock: Clock) -> int:
    house = House(clock)
    house.upload()
    return house.steps(house.a_day_later)


REMOVAL = range(removal_steps(Clock()) + 1)


@pytest.mark.parametrize("step", REMOVAL)
def test_a_message_during_the_removal_has_its_file_or_is_refused(house, step):
    file = house.upload()
    kept: list[bool] = []

    def name_it() -> None:
        kept.append(house.instance().keep(file.id))
        assert house.there(file.id) == kept[0]

    house.interrupt(step, name_it)
    house.a_day_later()
    if not kept:
        name_it()
    house.a_day_later()
    assert house.there(file.id) == kept[0]
    assert house.left() == ((1, 3) if kept[0] else (0, 0))


def test_the_removal_is_tried_at_all_its_steps():
    assert len(REMOVAL) == 5  # look, claim, chunks, record, and afterwards


@pytest.mark.parametrize("step", REMOVAL[:-1])
@pytest.mark.parametrize("after", [False, True])
def test_a_removal_that_dies_is_finished_by_somebody_else(house, clock, step, after):
    file = house.upload()
    house.interrupt(step, die, after=after)
    with pytest.raises(Died):
        house.a_day_later()
    clock.now += REMOVAL_MS + 1
    assert house.instance().keep_house()
    assert house.left() == (0, 0)
    assert not house.files.keep(file.id)


@pytest.mark.parametrize("step", REMOVAL[:-1])
@pytest.mark.parametrize("after", [False, True])
def test_a_removal_that_fails_says_so_and_is_finished_later(house, clock, step, after):
    house.upload()
    clock.now += DAY_MS + 1
    house.interrupt(step, fail, after=after)
    assert not house.files.keep_house()
    clock.now += REMOVAL_MS + 1
    assert house.files.keep_house()
    assert house.left() == (0, 0)


@pytest.mark.parametrize("step", REMOVAL)
def test_one_instance_alone_removes_a_file(house, clock, step):
    house.upload()
    clock.now += DAY_MS + 1
    alone = REMOVAL.stop - 1
    looks: list[int] = []

    def come_too() -> None:
        before = house.database.count
        assert house.instance().keep_house()
        looks.append(house.database.count - before)

    house.interrupt(step, come_too)
    work = house.steps(house.files.keep_house)
    if not looks:
        come_too()
        work += looks[0]
    assert work - alone <= 2  # a look in vain, and at most a claim in vain
    assert house.left() == (0, 0)


@pytest.mark.parametrize("step", REMOVAL[1:-1])
def test_a_download_during_the_removal_is_whole_or_fails(house, clock, step):
    file = house.upload()
    clock.now += DAY_MS + 1
    reading = house.files.read(file, 0, file.size)
    pieces = [next(reading)]
    outcome: list[bool] = []

    def read_on() -> None:
        try:
            pieces.extend(reading)
        except NotFound:
            outcome.append(False)
        else:
            outcome.append(b"".join(pieces) == WHOLE)

    house.interrupt(step, read_on)
    assert house.files.keep_house()
    if not outcome:
        read_on()
    assert outcome == [step <= 2]  # before its chunks are deleted


# Uploads that the database fails


def upload_steps() -> int:
    house = House(Clock())
    house.upload(b"", BOB)
    return house.steps(house.upload)


@pytest.mark.parametrize("step", range(upload_steps()))
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("what", [fail, die])
def test_an_upload_that_is_interrupted_is_no_file_and_leaves_nothing(house, step, after, what):
    house.interrupt(step, what, after=after)
    with pytest.raises(Unavailable if what is fail else Died):
        house.upload()
    assert house.left()[0] <= 1
    house.a_day_later()
    assert house.left() == (0, 0)


def test_a_chunk_that_is_stored_after_all_is_removed_as_well(house):
    def lose_a_chunk() -> None:
        with house.files.receive(ANN, "a", MOST) as upload:
            house.interrupt(0, fail)
            upload.write(WHOLE)

    with pytest.raises(Unavailable):
        lose_a_chunk()
    with house.database.reading() as opened:
        (file_id,) = opened["uploads.files"].distinct("_id")
    FileStore(house.database).write(file_id, 0, WHOLE[:CHUNK])
    house.a_day_later()
    assert house.left() == (0, 0)


# The quota


def sizes(house: House) -> int:
    with house.database.reading() as opened:
        return sum(each["length"] for each in opened["uploads.files"].find())


def test_the_quota_is_given_back_as_the_day_goes_by(house, clock):
    for _ in range(5):
        assert house.files.keep(house.upload(bytes(2 * CHUNK)).id)
        clock.now += 3_600_000
    with pytest.raises(TooMany) as refused:
        house.upload(bytes(3 * CHUNK))
    assert sizes(house) == QUOTA
    wait_s = refused.value.retry_after_s
    assert wait_s == 20 * 3600 + 1  # until the second of them is a day old
    clock.now += (wait_s - 2) * 1000
    with pytest.raises(TooMany):
        house.upload(bytes(3 * CHUNK))
    clock.now += 2000
    house.upload(bytes(3 * CHUNK))
    with pytest.raises(TooMany):
        house.upload(bytes(2 * CHUNK))
    house.upload(bytes(2 * CHUNK), BOB)


def test_what_is_larger_than_the_quota_is_refused_with_a_time(house):
    with pytest.raises(TooMany) as refused:
        house.instance(quota=CHUNK).receive(ANN, "a", 2 * CHUNK)
    assert refused.value.retry_after_s == DAY_MS // 1000 + 1
    assert house.left() == (0, 0)


def test_an_upload_of_unknown_size_takes_what_is_left(house):
    files = house.instance(quota=3 * CHUNK)
    with files.receive(ANN, "a", 2 * CHUNK) as upload:
        upload.write(bytes(2 * CHUNK))
        upload.finish()
    with files.receive(ANN, "a", None) as upload:
        assert sizes(house) == 3 * CHUNK
        with pytest.raises(TooMany):
            files.receive(ANN, "b", None)
        upload.write(bytes(CHUNK // 2))
        upload.finish()
    assert sizes(house) == 2 * CHUNK + CHUNK // 2
    with pytest.raises(TooMany), files.receive(ANN, "a", None) as upload:
        upload.write(bytes(CHUNK // 2 + 1))
    with files.receive(ANN, "a", None) as upload:
        upload.write(bytes(CHUNK // 2))
        upload.finish()
    assert sizes(house) == 3 * CHUNK


def test_an_upload_of_unknown_size_has_its_own_limit_too(house):
    with pytest.raises(TooLarge), house.files.receive(ANN, "a", None) as upload:
        upload.write(bytes(MOST + 1))
    assert house.left() == (0, 0)


@pytest.mark.parametrize("step", range(5))
@pytest.mark.parametrize("ours", [3 * CHUNK, None])
@pytest.mark.parametrize("theirs", [3 * CHUNK, None])
def test_uploads_at_the_same_time_do_not_exceed_the_quota(house, step, ours, theirs):
    files = house.instance(quota=5 * CHUNK)

    def begin(size: int | None) -> None:
        try:
            begun.append(files.receive(ANN, "a", size))
        except ServiceError as error:
            assert isinstance(error, TooMany)  # noqa: PT017

    begun: list[object] = []
    house.interrupt(step, lambda: begin(theirs))
    begin(ours)
    assert house.left() == (len(begun), 0)
    assert sizes(house) <= 5 * CHUNK
