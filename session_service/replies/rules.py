"""The offline engine: an ordered list of rules, the first that takes a message answers it."""

import re
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import regex
import structlog

from session_service.models import Prompt
from session_service.replies.phrases import LONGEST_TEXT, Message, PhraseIndex
from session_service.replies.templates import Language, Template, language_of

log = structlog.get_logger(__name__)

REGEX_TIMEOUT_S = 0.05
MESSAGE_TIMEOUT_S = 0.1

_PIECE = re.compile(r"[^\s，。！？；：、]*[\s，。！？；：、]*")


@dataclass(frozen=True, slots=True)
class Rule:
    """What a message must look like, and what is said to it.

    Any of `exact` (the whole message, punctuation aside), `words` and `patterns` suffices;
    a rule with none of them is a fallback. `max_length` counts characters.
    """

    name: str
    replies: Mapping[Language, Sequence[Template]]
    exact: Sequence[str] = ()
    words: Sequence[str] = ()
    patterns: Sequence[regex.Pattern[str]] = ()
    max_length: int = LONGEST_TEXT

    @property
    def is_fallback(self) -> bool:
        return not (self.exact or self.words or self.patterns)


def by_text(prompt: Prompt, count: int) -> int:
    """Which of `count` replies: any, but for the same prompt always the same."""
    seed = f"{prompt.message_count} {prompt.text}".encode("utf-8", "replace")
    return zlib.crc32(seed) % count


class RuleEngine:
    """Answers from memory by `rules`, of which the last is a fallback.

    `choose` picks one of several replies; `clock` counts the seconds that regular
    expressions take, by default those that this thread really computes, so that a
    busy machine changes no answer.
    """

    instant = True

    def __init__(
        self,
        rules: Sequence[Rule],
        *,
        choose: Callable[[Prompt, int], int] = by_text,
        clock: Callable[[], float] = time.thread_time,
    ) -> None:
        if not rules or not rules[-1].is_fallback:
            raise ValueError("the last rule must be a fallback")
        *self._rules, self._fallback = rules
        self._index = _indexed(self._rules)
        self._choose = choose
        self._clock = clock

    def reply(self, prompt: Prompt) -> str:
        """The reply of the first rule that takes the message; reads history if it quotes it."""
        rule, captured = self._match(Message(prompt.text))
        language = language_of(prompt)
        replies = rule.replies[language]
        template = replies[self._choose(prompt, len(replies))]
        return template.fill(prompt, language, captured)

    def stream(self, prompt: Prompt) -> Iterator[str]:
        """The same reply in pieces of a few words."""
        return iter([piece for piece in _PIECE.findall(self.reply(prompt)) if piece])

    def _match(self, message: Message) -> tuple[Rule, Mapping[str, str]]:
        found = self._index.find(message)
        end = self._clock() + MESSAGE_TIMEOUT_S
        for number, rule in enumerate(self._rules):
            if len(message.text) > rule.max_length:
                continue
            if number in found:
                return rule, {}
            for pattern in rule.patterns:
                left = min(REGEX_TIMEOUT_S, end - self._clock())
                if (match := _search(rule, pattern, message.text, left)) is not None:
                    return rule, {name: text or "" for name, text in match.groupdict().items()}
        return self._fallback, {}


def _indexed(rules: Sequence[Rule]) -> PhraseIndex:
    index = PhraseIndex()
    for number, rule in enumerate(rules):
        for phrase in rule.exact:
            index.add_whole(number, phrase)
        for phrase in rule.words:
            index.add(number, phrase)
    return index


def _search(
    rule: Rule, pattern: regex.Pattern[str], text: str, timeout_s: float
) -> regex.Match[str] | None:
    if timeout_s <= 0:
        return None
    try:
        return pattern.search(text, timeout=timeout_s)
    except TimeoutError:
        log.warning("rule_timed_out", rule=rule.name)
        return None
