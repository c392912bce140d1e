"""What a model is sent: the system prompt, the newest turns that fit a budget, the message."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

from session_service.models import Prompt, Turn

BYTES_PER_TOKEN = 3
FRAME_TOKENS = 4  # what a message costs beside its text: role and delimiters
FEWEST_TURNS = 32
MOST_TURNS = 512


def tokens_of(text: str) -> int:
    """An estimate of what a message with this text costs: a third of its bytes in UTF-8.

    Tokenizers work on bytes: about one token for a Chinese character or three to four
    Latin letters, so the estimate is a little high for both.
    """
    return FRAME_TOKENS + -(-len(text.encode("utf-8", "replace")) // BYTES_PER_TOKEN)


def messages_for(prompt: Prompt, *, system: str, budget: int) -> list[Mapping[str, str]]:
    """The messages of a request, of about `budget` tokens at most.

    The message itself goes before history, and loses its middle where it is too long.
    Roles alternate and a user begins, as some models demand.
    """
    left = budget - tokens_of(system)
    text = _shortened(prompt.text, left)
    turns = [*_newest_turns(prompt, left - tokens_of(text)), Turn("user", text)]
    return [{"role": "system", "content": system}, *_alternating(turns)]


def _newest_turns(prompt: Prompt, budget: int) -> Sequence[Turn]:
    if budget <= FRAME_TOKENS or not prompt.message_count:
        return []
    count = FEWEST_TURNS
    while True:
        turns = prompt.history(count)
        found = _fitting(turns, budget)
        if len(found) < len(turns) or len(turns) < count or count >= MOST_TURNS:
            return found
        count *= 4


def _fitting(turns: Sequence[Turn], budget: int) -> Sequence[Turn]:
    for number, turn in enumerate(reversed(turns)):
        budget -= tokens_of(turn.text)
        if budget < 0:
            return turns[len(turns) - number :]
    return turns


def _alternating(turns: Sequence[Turn]) -> Iterator[Mapping[str, str]]:
    begin = next(number for number, turn in enumerate(turns) if turn.role == "user")
    for role, run in groupby(turns[begin:], key=lambda turn: turn.role):
        yield {"role": role, "content": "\n\n".join(turn.text for turn in run)}


def _shortened(text: str, budget: int) -> str:
    if tokens_of(text) <= budget:
        return text
    mark = "\n…\n"
    raw = text.encode("utf-8", "replace")
    half = ((budget - FRAME_TOKENS) * BYTES_PER_TOKEN - len(mark.encode())) // 2
    return raw[:half].decode("utf-8", "ignore") + mark + raw[-half:].decode("utf-8", "ignore")
