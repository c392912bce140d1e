"""Reply templates: texts with {placeholders}, parsed once and filled by plain joining.

What fills a placeholder is put in as it is and never read as a template itself.
"""

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from session_service.models import Prompt

Language = Literal["zh", "en"]

# Scripts written without spaces: Han with its punctuation, and kana.
UNSPACED = "\u2e80-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"

QUOTED_MESSAGES = 3
QUOTED_LENGTH = 60

_CHINESE = re.compile(f"[{UNSPACED}]")
_LETTER = re.compile(r"[^\W\d_]")
_BRACES = re.compile(r"\{\{|\}\}|\{(?P<name>[^{}]*)\}|[{}]")
_WEEKDAYS = {
    "zh": ["星期一", "星期二", "星期三", "星期四", "星期五", "星期六", "星期日"],
    "en": ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"],
}
_MONTHS = "January,February,March,April,May,June,July,August,September,October,November,December"
_MONTH = dict(enumerate(_MONTHS.split(","), start=1))


def language_of(prompt: Prompt) -> Language:
    """The language to answer in: that of the text, or else that of the names around it."""
    for text in (prompt.text, prompt.session_name, prompt.user_name):
        if not text.isascii() and _CHINESE.search(text):
            return "zh"
        if _LETTER.search(text):
            return "en"
    return "zh"


@dataclass(frozen=True, slots=True)
class Slot:
    """A place in a template that is filled for each reply."""

    name: str


@dataclass(frozen=True, slots=True)
class Template:
    """A parsed reply; `language` says how it writes dates, None as the question does."""

    parts: tuple[str | Slot, ...]
    language: Language | None = None

    def fill(self, prompt: Prompt, language: Language, captured: Mapping[str, str]) -> str:
        """The reply to `prompt`, whose own pattern captured `captured`."""
        spoken = self.language or language

        def value(part: str | Slot) -> str:
            if isinstance(part, str):
                return part
            if part.name in captured:
                return captured[part.name]
            return PLACEHOLDERS[part.name](prompt, spoken)

        return "".join(map(value, self.parts))


def parse_template(
    source: str, captured: Collection[str] = (), language: Language | None = None
) -> Template:
    """Reads a template that may use `captured` names besides the PLACEHOLDERS.

    `{{` and `}}` stand for braces. Raises ValueError, whose message says what is wrong.
    """
    return Template(tuple(_parts(source, {*PLACEHOLDERS, *captured})), language)


def _parts(source: str, known: Collection[str]) -> Iterator[str | Slot]:
    end = 0
    for brace in _BRACES.finditer(source):
        yield source[end : brace.start()]
        yield _part(brace, known)
        end = brace.end()
    yield source[end:]


def _part(brace: re.Match[str], known: Collection[str]) -> str | Slot:
    name = brace["name"]
    if name is not None and name not in known:
        names = ", ".join(f"{{{each}}}" for each in sorted(known))
        raise ValueError(f"unknown placeholder {brace[0]}; here there are {names}")
    if name is not None:
        return Slot(name)
    if len(brace[0]) == 1:
        raise ValueError(f"a single {brace[0]!r}; write {brace[0] * 2!r} for the character itself")
    return brace[0][0]


def _user(prompt: Prompt, language: Language) -> str:
    return prompt.user_name.strip() or ("朋友" if language == "zh" else "there")


def _time(moment: datetime) -> str:
    return f"{moment:%H:%M}"


def _date(moment: datetime, language: Language) -> str:
    if language == "zh":
        return f"{moment.year}年{moment.month}月{moment.day}日"
    return f"{moment.day} {_MONTHS.split(',')[moment.month - 1]} {moment.year}"


def _since(prompt: Prompt, language: Language) -> str:
    then = prompt.started_at
    today = then.date() == prompt.now.date()
    if language == "zh":
        return f"{'今天' if today else _date(then, language)} {_time(then)}"
    return f"{_time(then)} {'today' if today else 'on ' + _date(then, language)}"


def _recent(prompt: Prompt, language: Language) -> str:
    turns = prompt.history(2 * QUOTED_MESSAGES + 2)
    own = [turn.text for turn in turns if turn.role == "user"][-QUOTED_MESSAGES:]
    if not own:
        return "（还没有）" if language == "zh" else "(nothing yet)"
    return ("、" if language == "zh" else ", ").join(map(_quoted, own))


def _quoted(text: str) -> str:
    line = " ".join(text.split())
    return f"“{line if len(line) <= QUOTED_LENGTH else line[: QUOTED_LENGTH - 1] + '…'}”"


PLACEHOLDERS: Mapping[str, Callable[[Prompt, Language], str]] = {
    "user": _user,
    "session": lambda prompt, _: prompt.session_name,
    "time": lambda prompt, _: _time(prompt.now),
    "date": lambda prompt, language: _date(prompt.now, language),
    "weekday": lambda prompt, language: _WEEKDAYS[language][prompt.now.weekday()],
    "count": lambda prompt, _: str(prompt.message_count),
    "since": _since,
    "recent": _recent,
}
