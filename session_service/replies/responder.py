"""Guards a reply engine: whatever it does, there is an answer that can be stored."""

import re
import threading
import time
import traceback
from collections.abc import Callable
from concurrent.futures import Future
from contextvars import copy_context

import structlog

from session_service.models import Prompt, ReplyEngine

log = structlog.get_logger(__name__)

LONGEST_REPLY = 100_000
MOST_AT_ONCE = 64

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


class EngineStoppedError(Exception):
    """The engine ended its thread, by SystemExit or the like."""


class Responder:
    """Answers by `engine` within `timeout_s` seconds, or else by the sentence `fallback`.

    An instant engine runs in the caller's thread and keeps its own time; any other runs
    in a thread of its own, `at_once` of them at most, and waiting for a place counts.
    `tell` hears of every answer: None, or the name of what kept the engine from one.
    """

    def __init__(
        self,
        engine: ReplyEngine,
        *,
        timeout_s: float,
        fallback: str,
        at_once: int = MOST_AT_ONCE,
        tell: Callable[[str | None], None] = lambda failure: None,
    ) -> None:
        if not fallback.strip():
            raise ValueError("the fallback reply is blank")
        self._engine = engine
        self._name = type(engine).__name__
        self._timeout_s = timeout_s
        self._fallback = _storable(fallback)
        self._at_once = at_once
        self._tell = tell
        self._instant = bool(engine.instant)
        self._places: threading.Semaphore | None = None
        self._making_places = threading.Lock()

    @property
    def instant(self) -> bool:
        """Whether answers come from memory, without waiting for anything."""
        return self._instant

    def answer(self, prompt: Prompt) -> str:
        """The reply to `prompt`: never blank, at most LONGEST_REPLY characters; never raises."""
        try:
            reply = self._checked(self._reply(prompt))
        except Exception as error:
            kind = type(error).__name__
            self._tell(kind)
            log.warning("reply_failed", engine=self._name, error=kind, where=_where(error))
            return self._fallback
        self._tell(None)
        return reply

    def _reply(self, prompt: Prompt) -> object:
        return self._engine.reply(prompt) if self._instant else self._reply_in_time(prompt)

    def _reply_in_time(self, prompt: Prompt) -> object:
        end = time.monotonic() + self._timeout_s
        places = self._places or self._make_places()
        if not places.acquire(timeout=self._timeout_s):
            raise TimeoutError
        reply = self._begin(prompt, places)
        failure = reply.exception(timeout=max(0.0, end - time.monotonic()))
        if isinstance(failure, Exception):
            raise failure
        if failure is not None:
            raise EngineStoppedError from failure
        return reply.result()

    def _make_places(self) -> threading.Semaphore:
        # Not before the first use: by then the workers have forked and gevent has patched.
        with self._making_places:
            self._places = self._places or threading.BoundedSemaphore(self._at_once)
            return self._places

    def _begin(self, prompt: Prompt, places: threading.Semaphore) -> Future[object]:
        reply: Future[object] = Future()
        work = (self._run, prompt, reply, places)
        # A daemon, unlike the threads of a pool: an engine that hangs cannot hold up the exit.
        thread = threading.Thread(target=copy_context().run, args=work, daemon=True)
        try:
            thread.start()
        except BaseException:
            places.release()
            raise
        return reply

    def _run(self, prompt: Prompt, reply: Future[object], places: threading.Semaphore) -> None:
        try:
            reply.set_result(self._engine.reply(prompt))
        except BaseException as error:
            reply.set_exception(error)
        finally:
            places.release()

    def _checked(self, reply: object) -> str:
        if not isinstance(reply, str):
            raise TypeError
        text = _storable(reply)
        if text != reply:
            log.warning("reply_repaired", engine=self._name, length=len(reply))
        if not text.strip():
            raise ValueError
        return text


def _where(error: BaseException) -> str:
    """File and line that raised it; its text may hold what somebody wrote."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else ""


def _storable(text: str) -> str:
    return _UNSTORABLE.sub("\ufffd", text[:LONGEST_REPLY])
