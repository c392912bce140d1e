"""Reads and checks a file of rules; whatever is wrong is named with its line."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

import regex
import yaml

from session_service.errors import ServiceError
from session_service.replies.phrases import LONGEST_TEXT, bare, tokens_of, unified
from session_service.replies.rules import Rule
from session_service.replies.templates import PLACEHOLDERS, Language, Template, parse_template

_PATTERNS = ("exact", "words", "regex")
_KEYS = ("name", *_PATTERNS, "max_length", "replies")

# Where a text belongs, yes, 12:30 and 2026 are texts, whatever YAML takes them for.
_TEXT_TYPES = ("str", "bool", "int", "float", "timestamp", "value", "merge")
_TEXT_TAGS = {f"tag:yaml.org,2002:{each}" for each in _TEXT_TYPES}

_T = TypeVar("_T")
_LANGUAGES: tuple[Language, ...] = get_args(Language)


class RuleFileError(ServiceError):
    """A file of rules that cannot be used; the message starts with `file:line:`."""

    code = "rule_file"


class _FaultError(Exception):
    """What is wrong, and in which line, counted from 1."""

    def __init__(self, line: int, why: str) -> None:
        super().__init__(why)
        self.line = line


def load_rules(path: Path, *, trusted: bool = False) -> tuple[Rule, ...]:
    """The rules of a YAML file, in order, ready to match. Raises RuleFileError.

    A `trusted` one is read by libyaml, which is quicker, but crashes on deep nesting.
    """
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader) if trusted else yaml.SafeLoader
    try:
        return _rules(_tree(_content(path), loader))
    except _FaultError as fault:
        raise RuleFileError(f"{path}:{fault.line}: {fault}") from fault
    except OSError as error:
        raise RuleFileError(f"{path}: cannot be read: {error.strerror}") from error


def _content(path: Path) -> str:
    content = path.read_bytes()
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _FaultError(content.count(b"\n", 0, error.start) + 1, "this is not UTF-8") from error


def _tree(content: str, loader: Any) -> yaml.Node:
    # Only the tree of nodes is asked for: no tag is ever turned into an object.
    try:
        root = yaml.compose(content, Loader=loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise _FaultError(mark.line + 1 if mark else 1, f"bad YAML: {error.problem}") from error
    except yaml.reader.ReaderError as error:
        line = content.count("\n", 0, error.position) + 1
        raise _FaultError(line, f"bad YAML: {error.reason}") from error
    except (RecursionError, ValueError, OverflowError) as error:  # too deep, no such character
        raise _FaultError(1, f"bad YAML: {error}") from error
    if root is None:
        raise _FaultError(1, "the file holds no rules")
    return root


def _rules(root: yaml.Node) -> tuple[Rule, ...]:
    nodes = _items(root, "the file")
    lines: dict[str, int] = {}
    rules = []
    for node in nodes:
        rule = _rule(node)
        if rule.name in lines:
            raise _fault(node, f"rule {rule.name!r} stands in line {lines[rule.name]} already")
        if rule.is_fallback and node is not nodes[-1]:
            raise _fault(node, f"rule {rule.name!r} has no patterns, so it must be the last")
        lines[rule.name] = _line(node)
        rules.append(rule)
    if not rules[-1].is_fallback:
        raise _fault(nodes[-1], "the last rule must be a fallback, without patterns")
    return tuple(rules)


def _rule(node: yaml.Node) -> Rule:
    fields = _fields(node, "a rule", _KEYS)
    for key in ("name", "replies"):
        if key not in fields:
            raise _fault(node, f"the rule has no {key!r}")
    if "max_length" in fields and not fields.keys() & set(_PATTERNS):
        raise _fault(fields["max_length"], "'max_length' belongs beside exact, words or regex")
    patterns = _listed(fields, "regex", _pattern)
    return Rule(
        name=_text(fields["name"], "'name'"),
        exact=_listed(fields, "exact", _exact),
        words=_listed(fields, "words", lambda word: _text(word, "a word")),
        patterns=patterns,
        max_length=_number(fields["max_length"]) if "max_length" in fields else LONGEST_TEXT,
        replies=_replies(fields["replies"], _captured(fields, patterns)),
    )


def _exact(node: yaml.Node) -> str:
    text = _text(node, "an 'exact' text")
    if not bare(tokens_of(unified(text))):
        raise _fault(node, "an 'exact' text needs a letter or digit")
    return text


def _pattern(node: yaml.Node) -> regex.Pattern[str]:
    source = _text(node, "a regular expression")
    if strange := next((each for each in source if unified(each) != each), ""):
        raise _fault(node, f"a normalised message has {unified(strange)!r} for {strange!r}")
    try:
        pattern = regex.compile(source, regex.IGNORECASE)
    except Exception as error:  # odd patterns break the compiler in more ways than regex.error
        raise _fault(node, f"bad regular expression {source!r}: {error}") from error
    if taken := pattern.groupindex.keys() & PLACEHOLDERS.keys():
        raise _fault(node, f"a group cannot be called {taken.pop()!r}: a placeholder is")
    return pattern


def _captured(
    fields: Mapping[str, yaml.Node], patterns: Sequence[regex.Pattern[str]]
) -> dict[str, bool]:
    """The groups of all patterns, and whether a reply can rely on each."""
    always = len(fields.keys() & set(_PATTERNS)) == 1
    names = {name for pattern in patterns for name in pattern.groupindex}
    return {name: always and all(name in each.groupindex for each in patterns) for name in names}


def _replies(node: yaml.Node, captured: Mapping[str, bool]) -> dict[Language, tuple[Template, ...]]:
    if isinstance(node, yaml.SequenceNode):
        return dict.fromkeys(_LANGUAGES, _templates(node, captured, None))
    fields = _fields(node, "'replies'", _LANGUAGES)
    found = {key: _templates(fields[key], captured, key) for key in _LANGUAGES if key in fields}
    if not found:
        raise _fault(node, "'replies' is empty")
    return {key: found.get(key) or next(iter(found.values())) for key in _LANGUAGES}


def _templates(
    node: yaml.Node, captured: Mapping[str, bool], language: Language | None
) -> tuple[Template, ...]:
    return tuple(_template(item, captured, language) for item in _items(node, "'replies'"))


def _template(node: yaml.Node, captured: Mapping[str, bool], language: Language | None) -> Template:
    source = _text(node, "a reply")
    for name in captured:
        if not captured[name] and f"{{{name}}}" in source:
            raise _fault(node, f"{{{name}}} is not captured by every pattern of this rule")
    try:
        return parse_template(source, captured, language)
    except ValueError as error:
        raise _fault(node, str(error)) from error


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _fault(node: yaml.Node, why: str) -> _FaultError:
    return _FaultError(_line(node), why)


def _fields(node: yaml.Node, what: str, known: Sequence[str]) -> dict[str, yaml.Node]:
    if not isinstance(node, yaml.MappingNode):
        raise _fault(node, f"{what} must be a mapping with the keys {', '.join(known)}")
    fields: dict[str, yaml.Node] = {}
    for key, value in node.value:
        if not isinstance(key, yaml.ScalarNode) or key.value not in known:
            name = repr(key.value) if isinstance(key, yaml.ScalarNode) else "of this kind"
            raise _fault(key, f"{what} has no key {name}; there are {', '.join(known)}")
        if key.value in fields:
            raise _fault(key, f"the key {key.value!r} is here twice")
        fields[key.value] = value
    return fields


def _listed(
    fields: Mapping[str, yaml.Node], key: str, read: Callable[[yaml.Node], _T]
) -> tuple[_T, ...]:
    return tuple(map(read, _items(fields[key], f"'{key}'"))) if key in fields else ()


def _items(node: yaml.Node, what: str) -> list[yaml.Node]:
    if not isinstance(node, yaml.SequenceNode):
        raise _fault(node, f"{what} must be a list")
    if not node.value:
        raise _fault(node, f"{what} is empty")
    return list(node.value)


def _text(node: yaml.Node, what: str) -> str:
    if not isinstance(node, yaml.ScalarNode) or node.tag not in _TEXT_TAGS:
        raise _fault(node, f"{what} must be a text; put it in quotes")
    if not node.value.strip():
        raise _fault(node, f"{what} is empty")
    return str(node.value)


def _number(node: yaml.Node) -> int:
    if not isinstance(node, yaml.ScalarNode) or not regex.fullmatch("[1-9][0-9]{0,4}", node.value):
        raise _fault(node, "'max_length' must be a whole number of characters, 1 to 99999")
    return int(node.value)
