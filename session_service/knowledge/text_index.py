"""A full-text index of a user's texts, in memory: words of any script, Chinese without spaces."""

import re
import sqlite3
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from threading import Lock

# Scripts that are written without spaces: Han, kana, Hangul, Thai.
UNSPACED = r"\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\u0e00-\u0e7f\U00020000-\U0003ffff"
RUN = re.compile(rf"[{UNSPACED}]+|[^\W{UNSPACED}]+")
SCHEMA = (
    "CREATE VIRTUAL TABLE texts USING "
    "fts5(title, body, content='', tokenize='porter unicode61 remove_diacritics 2')"
)
FIND = "SELECT rowid, bm25(texts, 2.0, 1.0) FROM texts WHERE texts MATCH ? ORDER BY 2 LIMIT ?"
MOST_TERMS = 64  # of a question


@dataclass(frozen=True, slots=True)
class Text:
    """What is found by its words, under a number."""

    number: int
    title: str
    body: str


class TextIndex:
    """Finds the texts that share rare words with a question; may be asked by many at once."""

    def __init__(self, texts: Iterable[Text]) -> None:
        self._lock = Lock()
        self._database = sqlite3.connect(":memory:", check_same_thread=False)
        self._database.execute(SCHEMA)
        rows = ((each.number, _terms(each.title), _terms(each.body)) for each in texts)
        self._database.executemany("INSERT INTO texts(rowid, title, body) VALUES (?, ?, ?)", rows)

    def find(self, question: str, limit: int) -> Sequence[tuple[int, float]]:
        """The numbers of the best texts and how well they fit (more is better), best first."""
        terms = list(dict.fromkeys(_question_terms(question)))[:MOST_TERMS]
        if not terms:
            return []
        asked = " OR ".join(f'"{each}"' for each in terms)
        with self._lock:
            found = self._database.execute(FIND, (asked, limit)).fetchall()
        return [(number, -rank) for number, rank in found]


def _terms(text: str) -> str:
    """The words of a text, and of a run without spaces its characters and pairs."""
    terms: list[str] = []
    for run in _runs(text):
        terms += [*run, *map("".join, pairwise(run))] if _is_unspaced(run) else [run]
    return " ".join(terms)


def _question_terms(question: str) -> Iterable[str]:
    """The same of a question: pairs alone, which tell more, unless there is but one character."""
    for run in _runs(question):
        if _is_unspaced(run) and len(run) > 1:
            yield from map("".join, pairwise(run))
        else:
            yield run


def _runs(text: str) -> list[str]:
    return RUN.findall(unicodedata.normalize("NFKC", text).casefold())


def _is_unspaced(run: str) -> bool:
    return re.match(f"[{UNSPACED}]", run) is not None
