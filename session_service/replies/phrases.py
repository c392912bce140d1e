"""Texts as rules compare them, and one index that finds the phrases of all rules at once."""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field

import regex

from session_service.replies.templates import UNSPACED

LONGEST_TEXT = 10_000

_MANY_MARKS = regex.compile(r"(\p{M}{8})\p{M}+")
_TOKEN = re.compile(rf"[{UNSPACED}]|[^\W{UNSPACED}]+|\S")


def unified(text: str) -> str:
    """The form texts are compared in: NFKC, with straight apostrophes."""
    if text.isascii():
        return text
    # Runs of combining marks are normalised in quadratic time, and nobody writes long ones.
    short = text if len(text) < 200 else _MANY_MARKS.sub(r"\1", text)
    return unicodedata.normalize("NFKC", short).replace("\u2019", "'")


def tokens_of(text: str) -> list[str]:
    """The words of a unified text, case folded; each Chinese or other character is one too."""
    return _TOKEN.findall(text.casefold())


def bare(tokens: Iterable[str]) -> str:
    """Tokens in one line, without those that are punctuation."""
    return " ".join(filter(str.isalnum, tokens))


class Message:
    """A text as rules look at it: unified, of LONGEST_TEXT characters at most, and its tokens."""

    def __init__(self, text: str) -> None:
        self.text = unified(text[:LONGEST_TEXT])[:LONGEST_TEXT].strip()
        self.tokens = tokens_of(self.text)


@dataclass(slots=True)
class _Node:
    after: "dict[str, _Node]" = field(default_factory=dict)
    numbers: set[int] = field(default_factory=set)


class PhraseIndex:
    """Which numbered phrases a message holds: the whole of it, or anywhere between tokens.

    So Latin words are found whole and Chinese ones anywhere, in one pass over the
    message, however many phrases there are.
    """

    def __init__(self) -> None:
        self._whole: dict[str, set[int]] = {}
        self._root = _Node()

    def add_whole(self, number: int, phrase: str) -> None:
        self._whole.setdefault(bare(Message(phrase).tokens), set()).add(number)

    def add(self, number: int, phrase: str) -> None:
        node = self._root
        for token in Message(phrase).tokens:
            node = node.after.setdefault(token, _Node())
        node.numbers.add(number)

    def find(self, message: Message) -> set[int]:
        """The numbers of all phrases in the message."""
        found = set(self._whole.get(bare(message.tokens), ()))
        tokens = [*message.tokens, ""]
        for start, token in enumerate(tokens):
            node, at = self._root.after.get(token), start
            while node is not None:
                found |= node.numbers
                at += 1
                node = node.after.get(tokens[at])
        return found
