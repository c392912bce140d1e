"""Notes of a user. Source: Phoebe Service API, Notes."""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any, Protocol

from session_service.core.log_store import Deadline
from session_service.core.user_ids import integer_id
from session_service.errors import NotFound
from session_service.models import Note, User

REMEMBERED = 32  # users whose words are kept in order
MOST_FOUND = 100


class NoteStore(Protocol):
    """Where notes are kept."""

    def deadline(self) -> AbstractContextManager[Deadline]: ...

    def next_id(self) -> int: ...

    def insert(self, note: Note) -> None: ...

    def find(self, note_id: int) -> Note | None:
        """The note of that id, also a deleted one."""

    def of_user(self, user_id: int) -> list[Note]:
        """A user's active notes."""

    def change(self, note: Note, changes: Mapping[str, Any]) -> bool:
        """Changes an active note; false where it is not, or not any more."""

    def find_many(self, note_ids: Sequence[int]) -> list[Note]: ...

    def stamps(self, user_id: int) -> list[tuple[int, int]]:
        """The ids of a user's active notes, and when (ms) each was changed last."""

    def delete_all(self, user_id: int) -> None: ...


class Words(Protocol):
    """An index of notes by their words."""

    def find(self, question: str, limit: int) -> Sequence[tuple[int, float]]:
        """The ids of the notes that fit best, best first, and how well they do."""


class Notes:
    """What a user may do with notes; unknown ones and somebody else's are NotFound.

    Times are in ms since 1970. Users are known by integers: others are Forbidden. `read` makes an
    index of some notes. Everything may raise Unavailable.
    """

    def __init__(
        self,
        store: NoteStore,
        read: Callable[[Sequence[Note]], Words],
        *,
        clock: Callable[[], int],
    ) -> None:
        self._store = store
        self._read = read
        self._clock = clock
        self._words: OrderedDict[int, tuple[frozenset[tuple[int, int]], Words]] = OrderedDict()

    def add(self, user: User, created_at: int, **told: Any) -> Note:
        """Stores a new note: its source, title, content, comment and tags."""
        user_id = integer_id(user)
        with self._store.deadline():
            note = Note(
                id=self._store.next_id(),
                user_id=user_id,
                status="active",
                created_at=created_at,
                updated_at=self._clock(),
                **told,
            )
            self._store.insert(note)
        return note

    def get(self, user: User, note_id: int) -> Note:
        """One of the caller's notes that is not deleted."""
        user_id = integer_id(user)
        with self._store.deadline():
            note = self._store.find(note_id)
        if note is None or note.user_id != user_id or note.status != "active":
            raise NotFound("no such note", code="no_such_note")
        return note

    def list(
        self,
        user: User,
        *,
        source: str | None = None,
        tag: str | None = None,
        question: str | None = None,
        before: int | None = None,
        limit: int | None = None,
    ) -> Sequence[Note]:
        """The caller's notes of that source and with that tag.

        Newest first; with a question those that share words with it, best first. At most
        `limit`, after the one with the id `before`.
        """
        user_id = integer_id(user)
        with self._store.deadline():
            found = self._found(user_id, question) if question else self._newest(user_id)
            chosen: Sequence[Note] = [
                each
                for each in found
                if source in (None, each.source) and (tag is None or tag in each.tags)
            ]
            if before is not None:
                chosen = self._after(chosen, before, user_id, ranked=bool(question))
        return chosen[:limit]

    def _newest(self, user_id: int) -> Sequence[Note]:
        return sorted(self._store.of_user(user_id), key=_place, reverse=True)

    def _found(self, user_id: int, question: str) -> Sequence[Note]:
        found = self._words_of(user_id).find(question, MOST_FOUND)
        ids = [note_id for note_id, _ in found]
        notes = {each.id: each for each in self._store.find_many(ids)} if ids else {}
        return [notes[each] for each in ids if each in notes and notes[each].status == "active"]

    def _after(
        self, found: Sequence[Note], before: int, user_id: int, *, ranked: bool
    ) -> Sequence[Note]:
        """Those that come after a note, which may be deleted by now."""
        if ranked:
            ids = [each.id for each in found]
            return found[ids.index(before) + 1 :] if before in ids else []
        note = self._store.find(before)
        if note is None or note.user_id != user_id:
            return []
        return [each for each in found if _place(each) < _place(note)]

    def change(self, user: User, note_id: int, changes: Mapping[str, Any]) -> Note:
        """Changes some of a note's fields; NotFound where it is deleted meanwhile."""
        note = self.get(user, note_id)
        changes = {**changes, "updated_at": max(self._clock(), note.updated_at + 1)}
        with self._store.deadline():
            if not self._store.change(note, changes):
                raise NotFound("no such note", code="no_such_note")
        return replace(note, **changes)

    def delete(self, user: User, note_id: int) -> None:
        """Marks a note as deleted: nobody is told of it any more."""
        self.change(user, note_id, {"status": "deleted"})

    def delete_all(self, user_id: int) -> None:
        """Deletes what a user has, for good."""
        with self._store.deadline():
            self._store.delete_all(user_id)

    def _words_of(self, user_id: int) -> Words:
        """An index of a user's notes as they are now."""
        stamps = frozenset(self._store.stamps(user_id))
        known = self._words.pop(user_id, None)
        if known is None or known[0] != stamps:
            notes = self._store.of_user(user_id)
            known = frozenset((each.id, each.updated_at) for each in notes), self._read(notes)
        self._words[user_id] = known
        if len(self._words) > REMEMBERED:
            self._words.popitem(last=False)
        return known[1]


def _place(note: Note) -> tuple[int, int]:
    """Where a note stands among others."""
    return note.created_at, note.id
