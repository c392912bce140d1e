"""A broken file of rules is refused, with the line that is wrong."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from session_service.replies import DEFAULT_RULES
from session_service.replies.rule_file import RuleFileError, load_rules

REST = "- name: rest\n  replies: [rest]\n"


def refusal(folder: Path, text: str | bytes) -> str:
    """Why `text` is refused, from the file's name on."""
    path = folder / "rules.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(RuleFileError) as caught:
        load_rules(path)
    message = str(caught.value)
    assert message.startswith(str(path))
    return message.removeprefix(f"{folder}/")


def rule(lines: str) -> str:
    """A file whose second line begins `lines`, which belong to its first rule."""
    return f"- name: tea\n{lines}\n{REST}"


@pytest.mark.parametrize(
    ("lines", "line", "why"),
    [
        ("  words: [tea]\n  replys: [x]\n  replies: [x]", 3, "no key 'replys'"),
        ("  words: [tea]", 1, "has no 'replies'"),
        ("  words: [a]\n  words: [b]\n  replies: [x]", 3, "'words' is here twice"),
        ("  words: tea\n  replies: [x]", 2, "'words' must be a list"),
        ("  words: []\n  replies: [x]", 2, "'words' is empty"),
        ("  words:\n  replies: [x]", 2, "'words' must be a list"),
        ("  words:\n  - tea\n  - ' '\n  replies: [x]", 4, "a word is empty"),
        ("  words:\n  - tea\n  -\n  replies: [x]", 4, "a word must be a text"),
        ("  words:\n  - tea\n  - [a]\n  replies: [x]", 4, "a word must be a text"),
        ("  exact:\n  - tea\n  - '?!'\n  replies: [x]", 4, "needs a letter or digit"),
        ("  regex:\n  - ok\n  - '(oops'\n  replies: [x]", 4, "bad regular expression '(oops'"),
        ("  regex:\n  - '(?P<user>x)'\n  replies: [x]", 3, "cannot be called 'user'"),
        ("  regex:\n  - '你好，'\n  replies: [x]", 3, "has ',' for '，'"),
        ("  words: [tea]\n  max_length: 0\n  replies: [x]", 3, "whole number"),
        ("  words: [tea]\n  max_length: long\n  replies: [x]", 3, "whole number"),
        ("  words: [tea]\n  max_length: 1.5\n  replies: [x]", 3, "whole number"),
        ("  words: [tea]\n  replies: x", 3, "'replies' must be a mapping"),
        ("  words: [tea]\n  replies: []", 3, "'replies' is empty"),
        ("  words: [tea]\n  replies: {}", 3, "'replies' is empty"),
        ("  words: [tea]\n  replies:\n    fr: [x]", 4, "no key 'fr'"),
        ("  words: [tea]\n  replies:\n    en: []", 4, "'replies' is empty"),
        ("  words: [tea]\n  replies:\n    en:\n    - ok\n    - ''", 6, "a reply is empty"),
        ("  words: [tea]\n  replies:\n  - 'a: b'\n  - a: b", 5, "put it in quotes"),
        ("  words: [tea]\n  replies:\n  - ok\n  - Hi {usr}", 5, "unknown placeholder {usr}"),
        ("  words: [tea]\n  replies:\n  - ok\n  - Hi {0.__class__}", 5, "unknown placeholder"),
        ("  words: [tea]\n  replies:\n  - 'Hi {}'", 4, "unknown placeholder {}"),
        ("  words: [tea]\n  replies:\n  - 'Hi {user'", 4, "a single '{'"),
        ("  words: [tea]\n  replies:\n  - 'Hi user}'", 4, "a single '}'"),
        ("  words: [tea]\n  replies:\n  - !!python/name:os.system ''", 4, "must be a text"),
        ("  <<: {words: [a]}\n  replies: [x]", 2, "no key '<<'"),
        ("  ? [words]\n  : x\n  replies: [x]", 2, "no key of this kind"),
        ("  replies: [x]", 1, "no patterns, so it must be the last"),
    ],
)
def test_wrong_rule_is_refused_with_its_line(
    tmp_path: Path, lines: str, line: int, why: str
) -> None:
    message = refusal(tmp_path, rule(lines))
    assert message.startswith(f"rules.yaml:{line}: ")
    assert why in message


@pytest.mark.parametrize(
    ("text", "line", "why"),
    [
        ("", 1, "holds no rules"),
        ("# nothing yet\n", 1, "holds no rules"),
        ("[]", 1, "the file is empty"),
        ("rules:\n- x", 1, "the file must be a list"),
        (f"- just text\n{REST}", 1, "a rule must be a mapping"),
        (f"{REST}---\n{REST}", 3, "found another document"),
        ("- name: tea\n  words: [tea\n", 3, "bad YAML"),
        ("- name: tea\n\twords: [tea]\n", 2, "bad YAML"),
        ("- name: a\n  replies: [x: 'y]\n", 3, "bad YAML"),
        ("- name: a\n  words: *tea\n", 2, "undefined alias"),
        ("- name: a\n  words: [\x01]\n", 2, "special characters"),
        (b"- name: a\n  words: [\xff]\n", 2, "not UTF-8"),
        ("[" * 5_000, 1, "recursion"),
        ('"\\UFFFFFFFF"', 1, "bad YAML"),
        (REST + REST, 1, "must be the last"),
        ("- {name: a, words: [x], replies: [x]}\n" * 2 + REST, 2, "stands in line 1 already"),
        ("- {name: a, words: [x], replies: [x]}\n", 1, "must be a fallback"),
        ("- {name: a, max_length: 5, replies: [x]}\n", 1, "belongs beside"),
    ],
)
def test_wrong_file_is_refused_with_its_line(
    tmp_path: Path, text: str | bytes, line: int, why: str
) -> None:
    message = refusal(tmp_path, text)
    assert message.startswith(f"rules.yaml:{line}: ")
    assert why in message


def test_captured_word_must_come_from_every_pattern(tmp_path: Path) -> None:
    replies = "  replies: ['{who}']"
    for patterns in (
        "  words: [tea]\n  regex: ['(?P<who>x)']\n",
        "  exact: [tea]\n  regex: ['(?P<who>x)']\n",
        "  regex: ['(?P<who>x)', 'y']\n\n",
    ):
        message = refusal(tmp_path, rule(patterns + replies))
        assert message == "rules.yaml:4: {who} is not captured by every pattern of this rule"


def test_unknown_placeholder_is_answered_with_the_known_ones(tmp_path: Path) -> None:
    message = refusal(tmp_path, rule("  regex: ['(?P<who>x)']\n  replies: ['{whom}']"))
    assert (
        "{count}, {date}, {recent}, {session}, {since}, {time}, {user}, {weekday}, {who}" in message
    )


def test_missing_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "none.yaml"
    with pytest.raises(RuleFileError, match=r"none\.yaml: cannot be read: No such file"):
        load_rules(path)


def test_words_that_yaml_takes_for_something_else_are_texts(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(rule("  words: [yes, No, 12:30, 2026, 1.0]\n  replies: [off]"))
    assert load_rules(path)[0].words == ("yes", "No", "12:30", "2026", "1.0")


def test_file_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(REST, encoding="utf-8-sig")
    assert [each.name for each in load_rules(path)] == ["rest"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(text=st.text(alphabet="-:[]{}'\"|&*!?# \nnameordsplix\\ux0", max_size=60))
def test_any_other_text_is_refused_in_the_same_way(tmp_path: Path, text: str) -> None:
    assert refusal(tmp_path, text).startswith("rules.yaml:")


def test_shipped_rules_are_in_order() -> None:
    names = [each.name for each in load_rules(DEFAULT_RULES)]
    assert names.index("time") < names.index("thanks") < names.index("help")
    assert names[-1] == "fallback"


def test_shipped_rules_answer_in_both_languages() -> None:
    for each in load_rules(DEFAULT_RULES):
        assert {template.language for template in each.replies["zh"]} == {"zh"}, each.name
        assert {template.language for template in each.replies["en"]} == {"en"}, each.name
