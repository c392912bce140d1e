"""How conversations are named: by their number, or by a public id, which ends with it."""

from session_service.models import Conversation

MOST_DIGITS = 16  # of a number

ConversationId = int | str


def public_id(conversation: Conversation) -> str:
    """`CONV_`, the time it was made in ms, and its number."""
    return f"CONV_{conversation.created_at}_{conversation.id:05}"


def number_in(asked: ConversationId) -> int:
    """The number by which to look; whether a public id is right is told by what is found."""
    return asked if isinstance(asked, int) else int(asked.rpartition("_")[2][-MOST_DIGITS:])


def is_named(conversation: Conversation, asked: ConversationId) -> bool:
    """Whether this is the conversation that is asked for."""
    return asked in (conversation.id, public_id(conversation))
