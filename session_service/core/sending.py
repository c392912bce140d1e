"""One send to a message log, from its first look at the head to its commit."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, Literal, TypeVar

from session_service.core.fold import advance, fold
from session_service.core.log_store import Head, LogStore
from session_service.core.turns import Turns
from session_service.errors import KeyReused, NotFound, ServiceError, Unavailable
from session_service.models import Draft, Entry, LogState

H = TypeVar("H", bound=Head)
T = TypeVar("T")
Sender = Literal["user", "server"]

SERVER = "server"
WINDOW = 32  # entries a sender follows before it reads the head anew
QUEUE_S = 10.0  # how long to wait for those who came before
JITTER_S = 0.02  # without it two processes run in lock-step
POLL_MS = 100  # how often a repeat looks for the reply that somebody else is making


@dataclass(frozen=True)
class Answer(Generic[H]):
    """How the automatic reply to an entry is made.

    `make` gives the reply's content; it must not fail. An `instant` one is stored together
    with its message; any other may take `patience_ms` before a repeat of the same send,
    which waits for it, takes its maker for dead and makes the reply itself.
    """

    make: Callable[[H], Mapping[str, Any]]
    instant: bool = True
    patience_ms: int = 0


@dataclass(frozen=True, slots=True)
class Posted:
    """A committed entry and the committed reply to it."""

    entry: Entry
    reply: Entry | None = None


@dataclass(frozen=True, slots=True)
class Tools:
    """What every send of one log needs: time in ms, sleep in s, ids, turns, who counts."""

    clock: Callable[[], int]
    sleep: Callable[[float], None]
    entry_id: Callable[[int], str]
    turns: Turns
    stored: Callable[[Sender], None] = lambda sender: None


def pause(tools: Tools) -> None:
    """Lets other processes go first."""
    tools.sleep(random.uniform(0, JITTER_S))  # noqa: S311  spreads, hides nothing


def insist(store: LogStore[Any], tools: Tools, step: Callable[[], T]) -> T:
    """Repeats a step until its outcome is known, or the deadline has passed: Unavailable."""
    with store.deadline() as deadline:
        while True:
            try:
                return step()
            except (Unavailable, MovedOn) as error:
                if deadline.left() <= 0:
                    raise Unavailable("the database did not answer in time") from error
            pause(tools)


class MovedOn(Exception):
    """The log went on too far to follow from here: begin again at its head."""


class Cleared(MovedOn):
    """All members have cleared the log up to `floor`, past the place of one of the entries."""

    def __init__(self, floor: int) -> None:
        super().__init__()
        self.floor = floor


class Send(Generic[H]):
    """A draft on its way into a log, and the reply to it where one is asked for.

    Every step may be repeated whole, with the same keys: the unique keys of the log decide
    what an attempt whose outcome is unknown has really done.
    """

    def __init__(
        self,
        store: LogStore[H],
        tools: Tools,
        log_id: str,
        draft: Draft,
        *,
        admit: Callable[[H], None],
        judge: Callable[[LogState], None] | None,
        answer: Answer[H] | None,
    ) -> None:
        self._store = store
        self._tools = tools
        self._id = log_id
        self._draft = draft
        self._admit = admit
        self._judge = judge
        self._answer = answer
        self._head: H | None = None
        # From where to look for a free place: a state, and what has been committed on top of it.
        self._known: tuple[LogState, Sequence[Entry]] | None = None
        self._reply: Draft | None = None
        self._tried: list[Entry] = []

    def run(self) -> Posted:
        """Commits draft and reply; see MessageLog.post."""
        posted = self._persist(self._send)
        self._tell(posted.entry, posted.reply)
        if self._answer is None or posted.reply is not None:
            return posted
        reply = self._reply_of_another(posted.entry, self._answer)
        if reply is None:
            self._make_reply(self._answer)
            reply = self._persist(self._send_reply)
            self._tell(reply)
        return replace(posted, reply=reply)

    # For those who send for several

    def alone(self) -> Posted:
        """The same as `run` for one who has the turn, and a draft without a reply."""
        posted = self._insist(self._send)
        self._tell(posted.entry)
        return posted

    @property
    def mark(self) -> tuple[str, str]:
        """By what the entry is known in the log."""
        return self._draft.sender, self._draft.key

    def admit(self, head: H) -> None:
        """Refuses the caller, if that is so."""
        self._admit(head)

    def place(self, state: LogState) -> Entry:
        """The draft as the next entry after `state`; refused where it may not stand there."""
        if self._judge is not None:
            self._judge(state)
        (entry,) = self._numbered(state, [self._draft])
        self._tried.append(entry)
        return entry

    def landed(self, entry: Entry) -> Posted | None:
        """What to answer now that this is committed; None where somebody else has stored it."""
        if not self._is_ours(entry):
            return None
        self._tell(entry)
        return Posted(entry)

    def withdraw(self, floor: int | None = None) -> None:
        """Deletes what was proposed, where there is no log any more, or not up to `floor`."""
        gone = [each for each in self._tried if floor is None or each.seq <= floor]
        self._store.discard(gone)
        self._tried = [each for each in self._tried if each not in gone]

    def _tell(self, *committed: Entry | None) -> None:
        """Has those counted that this send has stored, and not somebody else before it."""
        for entry in committed:
            if entry is not None and self._is_ours(entry):
                self._tools.stored("server" if entry.sender == SERVER else "user")

    def _is_ours(self, entry: Entry) -> bool:
        return any(entry.id == tried.id for tried in self._tried)

    def _persist(self, step: Callable[[], T]) -> T:
        with self._tools.turns.of(self._id, QUEUE_S):
            return self._insist(step)

    def _insist(self, step: Callable[[], T]) -> T:
        def attempt() -> T:
            try:
                return step()
            except (Unavailable, MovedOn) as error:
                self._known = None
                if isinstance(error, Cleared):
                    self.withdraw(error.floor)
                raise

        return insist(self._store, self._tools, attempt)

    def _send(self) -> Posted:
        head = self._head = self._read_head()
        self._admit(head)
        self._known = (head.log, ())
        drafts = [self._draft]
        if self._answer is not None and self._answer.instant:
            drafts.append(self._make_reply(self._answer))
        placed = self._append(head.log, drafts)
        return self._repeat(placed) if isinstance(placed, Entry) else Posted(*placed)

    def _repeat(self, entry: Entry) -> Posted:
        """Finishes what an earlier attempt, or somebody with the same key, has begun."""
        if self._head is not None and entry.seq <= self._head.log.floor:
            self._store.discard([entry])  # it came too late to be seen, or is about to go
            raise MovedOn
        if (entry.content, entry.to) != (self._draft.content, self._draft.to):
            raise KeyReused("this key was used for another message")
        reply = self._stored_reply()
        if reply is None and self._reply is not None:
            reply = self._send_reply()
        self._settle((reply or entry).seq)
        return Posted(entry, reply)

    # The reply

    def _make_reply(self, answer: Answer[H]) -> Draft:
        if self._reply is None:
            assert self._head is not None  # noqa: S101  read by the step before
            content = answer.make(self._head)
            self._reply = Draft(sender=SERVER, key=self._reply_key, content=content)
        return self._reply

    @property
    def _reply_key(self) -> str:
        return f"re:{self._draft.key}"

    def _stored_reply(self) -> Entry | None:
        if self._answer is None:
            return None
        return self._store.find_by_key(self._id, SERVER, self._reply_key)

    def _send_reply(self) -> Entry:
        assert self._reply is not None  # noqa: S101  made by the step before
        state = advance(*self._known) if self._known else self._read_head().log
        placed = self._append(state, [self._reply])
        if not isinstance(placed, Entry):
            return placed[0]
        self._settle(placed.seq)
        return placed

    def _reply_of_another(self, entry: Entry, answer: Answer[H]) -> Entry | None:
        """Waits for the reply that an earlier sender of the same message may be making."""
        if self._is_ours(entry):
            return None
        age_ms = max(self._tools.clock() - entry.created_at, 0)  # the clock may have gone back
        for _ in range(age_ms, answer.patience_ms, POLL_MS):
            self._tools.sleep(POLL_MS / 1000)
            with self._store.deadline():
                reply = self._stored_reply()
                if reply is not None:
                    self._settle(reply.seq)
                    return reply
        return None

    # Propose and commit

    def _append(self, state: LogState, drafts: Sequence[Draft]) -> list[Entry] | Entry:
        """Commits the drafts one after the other, or gives the entry that bears the first's key."""
        proposed = self._propose(state, drafts)
        if isinstance(proposed, Entry):
            return proposed
        self.commit(state, proposed)
        self._known = (state, proposed)
        return proposed[-len(drafts) :]

    def _propose(self, state: LogState, drafts: Sequence[Draft]) -> list[Entry] | Entry:
        """Stores the drafts in the next free places after `state`.

        Gives all that stands there now, the drafts last. Nobody guesses: a place is taken only
        by one who knows what stands in all places before it.
        """
        first, base, pending = drafts[0], state, list[Entry]()
        while len(pending) < WINDOW:
            if first is self._draft and (earlier := self._judged(state)):
                return earlier
            ours = self._numbered(state, drafts)
            self._tried += ours
            if self._store.insert(self._id, ours):
                return pending + ours
            pause(self._tools)
            found = self._store.between(self._id, state.seq, state.seq + WINDOW)
            for entry in found:
                if (entry.sender, entry.key) == (first.sender, first.key):
                    return entry
            found = unbroken(found, state.seq)
            if not found:
                if earlier := self._store.find_by_key(self._id, first.sender, first.key):
                    return earlier
                break
            pending += found
            state = advance(state, found)
        self.commit(base, pending)  # their senders may be dead, and nobody would get past them
        raise MovedOn

    def _judged(self, state: LogState) -> Entry | None:
        """Lets the judge refuse, unless the draft is a repeat: then gives what it repeats."""
        try:
            if self._judge is not None:
                self._judge(state)
        except ServiceError:
            if earlier := self._store.find_by_key(self._id, self._draft.sender, self._draft.key):
                return earlier
            raise
        return None

    def _numbered(self, state: LogState, drafts: Sequence[Draft]) -> list[Entry]:
        at = max(self._tools.clock(), state.at + 1)
        return [
            Entry(
                draft.sender,
                draft.key,
                draft.content,
                draft.to,
                draft.silent,
                draft.events,
                id=self._tools.entry_id(at + i),
                seq=state.seq + 1 + i,
                created_at=at + i,
            )
            for i, draft in enumerate(drafts)
        ]

    def commit(self, state: LogState, entries: Sequence[Entry]) -> None:
        """Moves the head over `entries`, the next ones after `state`; others may be quicker.

        Raises Cleared where the place of one of these is gone by now.
        """
        while entries and not self._store.commit(state, fold(state, entries)):
            state = self._read_head().log
            if entries[0].seq <= state.floor:
                raise Cleared(state.floor)
            entries = [entry for entry in entries if entry.seq > state.seq]

    def _settle(self, seq: int) -> None:
        """Sees to it that all up to `seq` is committed."""
        state = self._read_head().log
        if state.seq < seq:
            self.commit(state, self._store.between(self._id, state.seq, seq + 1))

    def _read_head(self) -> H:
        head = self._store.find(self._id)
        if head is None:
            self.withdraw()
            raise NotFound("no such log")
        return head


def unbroken(entries: Sequence[Entry], after: int) -> list[Entry]:
    """The entries up to the first gap: a read misses what comes in while it goes on."""
    return [entry for seq, entry in enumerate(entries, after + 1) if entry.seq == seq]
