"""What the offline engine answers, with rules of its own and with the shipped ones."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from session_service.models import Prompt, Turn
from session_service.replies import DEFAULT_RULES
from session_service.replies.rule_file import load_rules
from session_service.replies.rules import RuleEngine

ZONE = timezone(timedelta(hours=8))
HOSTILE = "{0.__class__} {user} {{x}} %s \\1 $x"
CATASTROPHE = "a" * 400 + "!"


def no_history(count: int) -> Sequence[Turn]:
    raise AssertionError("history was read, and no reply asked for it")


def ask(text: str, **changes: Any) -> Prompt:
    """A prompt of Friday afternoon, in a conversation that began two days before."""
    told: dict[str, Any] = {
        "user_name": "alice",
        "session_name": "Trip to Xi'an",
        "started_at": datetime(2026, 11, 18, 9, 2, tzinfo=ZONE),
        "now": datetime(2026, 11, 20, 14, 5, tzinfo=ZONE),
        "message_count": 6,
        "history": no_history,
    }
    return Prompt(text=text, **(told | changes))


def first(prompt: Prompt, count: int) -> int:
    return 0


class Rules:
    """Makes engines from YAML written in a test."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "rules.yaml"

    def engine(self, text: str, **options: Any) -> RuleEngine:
        self.path.write_text(text + "\n- {name: rest, replies: [rest]}\n", encoding="utf-8")
        return RuleEngine(load_rules(self.path), **({"choose": first} | options))


@pytest.fixture
def rules(tmp_path: Path) -> Rules:
    return Rules(tmp_path)


@pytest.fixture(scope="module")
def shipped() -> RuleEngine:
    return RuleEngine(load_rules(DEFAULT_RULES))


@pytest.mark.parametrize("text", ["hi", "HI!", "oh, Hi there", "ｈｉ", "hi你好", "你hi"])
def test_latin_word_is_found_whole_in_any_case(rules: Rules, text: str) -> None:
    assert rules.engine("- {name: a, words: [hi], replies: [yes]}").reply(ask(text)) == "yes"


@pytest.mark.parametrize("text", ["this", "ship", "hip", "hi_5", "chi", "h i"])
def test_latin_word_is_not_found_inside_another(rules: Rules, text: str) -> None:
    assert rules.engine("- {name: a, words: [hi], replies: [yes]}").reply(ask(text)) == "rest"


@pytest.mark.parametrize("text", ["请问现在几点了？", "现在 几点", "ok现在几点ok"])
def test_chinese_word_is_found_anywhere(rules: Rules, text: str) -> None:
    assert rules.engine("- {name: a, words: [现在几点], replies: [yes]}").reply(ask(text)) == "yes"


@pytest.mark.parametrize("text", ["what's  the\ntime", "What’s the time", "so what's the time?"])
def test_phrase_disregards_spaces_and_the_kind_of_apostrophe(rules: Rules, text: str) -> None:
    engine = rules.engine('- {name: a, words: ["what\'s the time"], replies: [yes]}')
    assert engine.reply(ask(text)) == "yes"


@pytest.mark.parametrize(("text", "reply"), [("Time?!", "yes"), ("time flies", "rest")])
def test_exact_text_is_the_whole_message_but_for_punctuation(
    rules: Rules, text: str, reply: str
) -> None:
    assert rules.engine("- {name: a, exact: [time], replies: [yes]}").reply(ask(text)) == reply


@pytest.mark.parametrize(("text", "reply"), [("你好", "yes"), ("你好，我想问个问题", "rest")])
def test_rule_with_a_length_leaves_longer_messages(rules: Rules, text: str, reply: str) -> None:
    engine = rules.engine("- {name: a, words: [你好], max_length: 5, replies: [yes]}")
    assert engine.reply(ask(text)) == reply


def test_first_rule_that_matches_answers(rules: Rules) -> None:
    engine = rules.engine("""
- {name: a, words: [tea], max_length: 3, replies: [short]}
- {name: b, regex: [t.a], replies: [pattern]}
- {name: c, words: [tea], replies: [word]}
""")
    assert [engine.reply(ask(text)) for text in ("tea", "tea now")] == ["short", "pattern"]


def test_reply_comes_in_the_language_of_the_question(rules: Rules) -> None:
    engine = rules.engine("- {name: a, words: [tea, 茶], replies: {zh: [好], en: [fine]}}")
    assert [engine.reply(ask(text)) for text in ("tea", "喝茶", "tea 好吗")] == ["fine", "好", "好"]


@pytest.mark.parametrize(
    ("session", "user", "reply"),
    [("工作", "bob", "好"), ("work", "小明", "fine"), ("1", "2", "好")],
)
def test_wordless_message_is_answered_in_the_language_of_the_names(
    rules: Rules, session: str, user: str, reply: str
) -> None:
    engine = rules.engine('- {name: a, words: ["?"], replies: {zh: [好], en: [fine]}}')
    assert engine.reply(ask("？？", session_name=session, user_name=user)) == reply


def test_rule_in_one_language_answers_both_and_writes_dates_in_its_own(rules: Rules) -> None:
    engine = rules.engine('- {name: a, words: [茶], replies: {en: ["{date}"]}}')
    assert engine.reply(ask("茶")) == "20 November 2026"


@pytest.mark.parametrize(
    ("template", "english", "chinese"),
    [
        ("{user}/{session}", "alice/Trip to Xi'an", "alice/Trip to Xi'an"),
        ("{time} {weekday}", "14:05 Friday", "14:05 星期五"),
        ("{date}", "20 November 2026", "2026年11月20日"),
        ("{since}", "09:02 on 18 November 2026", "2026年11月18日 09:02"),
        ("{count} {{{count}}} }}", "6 {6} }", "6 {6} }"),
    ],
)
def test_placeholders_are_filled(rules: Rules, template: str, english: str, chinese: str) -> None:
    engine = rules.engine(f'- {{name: a, words: [tea, 茶], replies: ["{template}"]}}')
    assert [engine.reply(ask("tea")), engine.reply(ask("茶"))] == [english, chinese]


def test_beginning_of_today_is_told_without_its_date(rules: Rules) -> None:
    engine = rules.engine('- {name: a, words: [tea, 茶], replies: ["{since}"]}')
    started = {"started_at": datetime(2026, 11, 20, 0, 0, tzinfo=ZONE)}
    assert engine.reply(ask("tea", **started)) == "00:00 today"
    assert engine.reply(ask("茶", **started)) == "今天 00:00"


def test_blank_user_name_is_replaced(rules: Rules) -> None:
    engine = rules.engine('- {name: a, words: [tea, 茶], replies: ["{user}"]}')
    assert engine.reply(ask("tea", user_name=" ")) == "there"
    assert engine.reply(ask("茶", user_name="")) == "朋友"


def test_recent_quotes_the_users_own_last_three_shortened(rules: Rules) -> None:
    turns = [Turn("user", "1"), Turn("user", "2\n\n2"), Turn("assistant", "no")]
    turns += [Turn("user", "x" * 70), Turn("assistant", "no"), Turn("user", "4")]
    engine = rules.engine('- {name: a, words: [tea], replies: ["{recent}"]}')
    reply = engine.reply(ask("tea", history=lambda count: turns[-count:]))
    assert reply == f"“2 2”, “{'x' * 59}…”, “4”"


def test_recent_of_nothing_says_so(rules: Rules) -> None:
    engine = rules.engine('- {name: a, words: [tea, 茶], replies: ["{recent}"]}')
    assert engine.reply(ask("tea", history=lambda _: [])) == "(nothing yet)"
    assert engine.reply(ask("茶", history=lambda _: [])) == "（还没有）"


def test_captured_words_are_put_in(rules: Rules) -> None:
    engine = rules.engine(
        '- {name: a, regex: ["call me (?P<who>\\\\w+)( the (?P<what>\\\\w+))?"], '
        'replies: ["{who}/{what}"]}'
    )
    assert engine.reply(ask("CALL ME Ishmael")) == "Ishmael/"
    assert engine.reply(ask("call me Ishmael the Whaler")) == "Ishmael/Whaler"


def test_users_words_are_never_read_as_templates(rules: Rules) -> None:
    engine = rules.engine(
        '- {name: a, regex: ["^say (?P<what>.+)"], replies: ["{what}|{user}|{session}|{recent}"]}'
    )
    prompt = ask(
        f"say {HOSTILE}",
        user_name=HOSTILE,
        session_name=HOSTILE,
        history=lambda _: [Turn("user", HOSTILE)],
    )
    assert engine.reply(prompt) == f"{HOSTILE}|{HOSTILE}|{HOSTILE}|“{HOSTILE}”"


def test_one_of_several_replies_is_picked_and_always_the_same(rules: Rules) -> None:
    rule = "- {name: a, words: [tea], replies: [one, two, three]}"
    picked = rules.engine(rule, choose=lambda prompt, count: prompt.message_count % count)
    assert picked.reply(ask("tea", message_count=5)) == "three"
    engine = RuleEngine(load_rules(rules.path))
    prompts = [ask("tea", message_count=count) for count in range(0, 60, 2)]
    replies = [engine.reply(prompt) for prompt in prompts]
    assert set(replies) == {"one", "two", "three"}
    assert replies == [engine.reply(prompt) for prompt in prompts]


def test_catastrophic_pattern_is_given_up_and_logged_without_the_text(rules: Rules) -> None:
    engine = rules.engine('- {name: slow, regex: ["(?:a+)+b"], replies: [never]}')
    with capture_logs() as logs:
        assert engine.reply(ask(CATASTROPHE)) == "rest"
    assert [(each["log_level"], each["rule"]) for each in logs] == [("warning", "slow")]
    assert "aaa" not in str(logs)


def test_rule_behind_a_catastrophic_one_still_answers(rules: Rules) -> None:
    engine = rules.engine("""
- {name: slow, regex: ["(?:a+)+b"], replies: [never]}
- {name: quick, regex: ["!$"], replies: [quick]}
""")
    assert engine.reply(ask(CATASTROPHE)) == "quick"


def test_patterns_are_skipped_once_the_message_has_had_its_time(rules: Rules) -> None:
    seconds = iter([0.0, 0.04, 0.11, 0.12])
    engine = rules.engine(
        """
- {name: in time, regex: [no], replies: [no]}
- {name: too late, regex: [tea], replies: [too late]}
- {name: word, words: [tea], replies: [word]}
""",
        clock=lambda: next(seconds),
    )
    assert engine.reply(ask("tea")) == "word"


def test_many_catastrophic_patterns_end_together(rules: Rules) -> None:
    patterns = ", ".join(f'"(?:a+)+{number}"' for number in range(100))
    engine = rules.engine(f"- {{name: slow, regex: [{patterns}], replies: [never]}}")
    with capture_logs() as logs:
        assert engine.reply(ask(CATASTROPHE)) == "rest"
    assert len(logs) < 10


@pytest.mark.parametrize(
    "text",
    [
        "word " * 2_000,
        "中文字" * 3_333,
        "\u0301\u0323" * 5_000,
        "ﷺ" * 10_000,
        "my name is " * 900,
        "what is " * 200_000,
        "哈" * 10_000 + "b",
        "\ud800" * 10_000,
        "{" * 10_000,
        "\x00",
    ],
)
def test_long_and_odd_texts_are_answered(shipped: RuleEngine, text: str) -> None:
    assert len(shipped.reply(ask(text))) in range(1, 1_000)


@settings(deadline=None)
@given(text=st.text(min_size=1), user=st.text(), count=st.integers(0, 10**6))
def test_any_text_has_a_reply_and_streams_the_same(
    shipped: RuleEngine, text: str, user: str, count: int
) -> None:
    prompt = ask(text, user_name=user, message_count=count, history=lambda _: [])
    reply = shipped.reply(prompt)
    pieces = list(shipped.stream(prompt))
    assert reply.strip()
    assert "".join(pieces) == reply
    assert all(pieces)


@pytest.mark.parametrize("text", ["help", "帮助", "blue whales", "蓝鲸"])
def test_stream_comes_in_several_pieces(shipped: RuleEngine, text: str) -> None:
    assert len(list(shipped.stream(ask(text)))) > 3


def test_engine_needs_a_fallback(rules: Rules) -> None:
    rules.engine("- {name: a, words: [tea], replies: [yes]}")
    with pytest.raises(ValueError, match="fallback"):
        RuleEngine(load_rules(rules.path)[:1])


def test_rules_answer_at_once(shipped: RuleEngine) -> None:
    assert shipped.instant


TIME = "14:05"
DATE_EN, DATE_ZH = "20 November 2026", "2026年11月20日"
ABOUT_EN, ABOUT_ZH = "automatic assistant", "自动回复助手"
RECENT = "“lunch?”"
HELP_EN, HELP_ZH = "you can ask me", "你可以这样问我"
REST_EN, REST_ZH = "“help”", "输入“帮助”"


@pytest.mark.parametrize(
    ("text", "fragment"),
    [
        ("hi", "alice"),
        ("Hello!", "alice"),
        ("Hey there, assistant", "alice"),
        ("good morning", "Hello, alice! It's Friday"),
        ("How are you today?", "alice"),
        ("What time is it?", TIME),
        ("hello, what’s the time", TIME),
        ("time", TIME),
        ("what day is it today?", f"Friday, {DATE_EN}"),
        ("What's today's date", DATE_EN),
        ("what is the weather like", "can't see the weather"),
        ("how many messages have we exchanged?", "included: 6"),
        ("When did this conversation start?", "09:02 on 18 November 2026"),
        ("what did I say earlier", RECENT),
        ("history", RECENT),
        ("what is this session called?", "“Trip to Xi'an”"),
        ("who am I?", "signed in as “alice”"),
        ("Who are you?", ABOUT_EN),
        ("what's your name", ABOUT_EN),
        ("Are you a robot?", ABOUT_EN),
        ("I want to talk to a human", "can't put you through"),
        ("My name is Tom", "Tom"),
        ("hi, my name's Mary-Ann O’Brien and I like tea", "Mary-Ann O'Brien"),
        ("My name is Tom. What time is it?", TIME),
        ("help", HELP_EN),
        ("What can you do?", HELP_EN),
        ("thanks for your help!", "alice|Glad"),
        ("bye", "alice"),
        ("thanks, bye", "Goodbye|See you"),
        ("good night", "Good night, alice"),
        ("I'm so bored", "tell me a joke"),
        ("you are stupid", "sorry"),
        ("ok", "All right|Okay"),
        ("hahaha", "laugh"),
        ("test", f"Received.*{TIME}"),
        ("do you speak Chinese?", "English and Chinese"),
        ("I want to die", "crisis line"),
        ("what is the capital of France?", REST_EN),
        ("你好", "alice，你好！|你好，alice！"),
        ("您好！", "alice，你好！|你好，alice！"),
        ("早上好", "星期五"),
        ("你好吗", "我很好|一切正常"),
        ("现在几点了？", TIME),
        ("現在幾點？", TIME),
        ("你好，请问现在几点", TIME),
        ("今天几号", DATE_ZH),
        ("今天星期几？", "星期五"),
        ("今天天气怎么样", "查不到天气"),
        ("我们聊了多少条消息", "有 6 条消息"),
        ("这个会话是什么时候开始的", "2026年11月18日 09:02"),
        ("我刚才说了什么？", RECENT),
        ("看看聊天记录", RECENT),
        ("这个会话叫什么", "“Trip to Xi'an”"),
        ("我叫什么名字？", "“alice”"),
        ("你是谁", ABOUT_ZH),
        ("你叫什么名字？", ABOUT_ZH),
        ("转人工", "转接真人"),
        ("我叫小明", "小明"),
        ("你好，我叫李雷，今年十岁", "李雷"),
        ("帮助", HELP_ZH),
        ("你能做什么？", HELP_ZH),
        ("谢谢", "不客气|别客气"),
        ("谢谢，再见", "再见|回头见"),
        ("晚安", "晚安，alice"),
        ("好的", "好的|嗯"),
        ("哈哈哈", "开心"),
        ("？？？", "I'm here"),
        ("我不想活了", "援助电话"),
        ("写一首关于春天的诗", REST_ZH),
    ],
)
def test_shipped_rules_answer(shipped: RuleEngine, text: str, fragment: str) -> None:
    prompt = ask(text, history=lambda _: [Turn("user", "lunch?"), Turn("assistant", "no")])
    for count in range(6):
        assert_one_of(shipped.reply(ask_again(prompt, count)), fragment.replace(" 6", f" {count}"))


def ask_again(prompt: Prompt, count: int) -> Prompt:
    return ask(prompt.text, history=prompt.history, message_count=count)


def assert_one_of(reply: str, fragments: str) -> None:
    first_part, _, rest = fragments.partition(".*")
    assert any(each in reply for each in first_part.split("|")), reply
    assert rest in reply


@pytest.mark.parametrize(
    "text",
    [
        "this is it",
        "which history book should I read?",
        "I had a good time yesterday",
        "I have a date tonight",
        "what time does the shop open",
        "my name is not important",
        "call me maybe",
        "are you really sure?",
        "hi, I'd like to ask about my order of last Tuesday",
        "你好，我想问一下怎么退货，我上周买的鞋子有点小",
        "你好像不懂",
        "会议几点开始",
        "我叫了外卖",
        "今年哪里好玩",
        "帮我写一封感谢信",
        "垃圾怎么分类",
    ],
)
def test_shipped_rules_do_not_take_what_only_looks_alike(shipped: RuleEngine, text: str) -> None:
    chinese = not text.isascii()
    unknown = {
        shipped.reply(ask("蓝鲸" if chinese else "blue whales", message_count=count))
        for count in range(60)
    }
    assert shipped.reply(ask(text)) in unknown


def test_shipped_rules_do_not_repeat_the_question(shipped: RuleEngine) -> None:
    assert "zeppelin" not in shipped.reply(ask("zeppelin zeppelin"))


def test_clock_of_another_zone_is_told_as_it_is(shipped: RuleEngine) -> None:
    now = datetime(2026, 1, 1, 23, 59, tzinfo=UTC)
    assert "23:59" in shipped.reply(ask("what time is it", now=now))
