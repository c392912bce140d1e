"""What the `openai` engine is told; apart from it, so that nothing else needs its library."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class OpenAISettings:
    """An OpenAI-compatible endpoint, and how it is asked.

    `context_tokens` bounds what is sent and `max_tokens` what comes back; without a
    `temperature` the endpoint takes its own. `timeout_s` is what a whole reply may take,
    and a stream before each of its pieces.
    """

    base_url: str
    api_key: str = field(repr=False)
    model: str
    system_prompt: str
    context_tokens: int
    max_tokens: int
    temperature: float | None
    timeout_s: float
