"""Records as the conversations API shows them."""

from collections.abc import Mapping, Sequence
from typing import Any

from flask import g

from session_service.core.conversation_ids import public_id
from session_service.core.people import People
from session_service.dialects.conversations.envelope import success
from session_service.dialects.times import plain_time
from session_service.models import Conversation, Entry, Profile


class Show:
    """Records as the API shows them, with the names of all who stand in them."""

    def __init__(self, people: People) -> None:
        self._people = people

    def messages(self, number: int, messages: Sequence[Entry]) -> list[dict[str, Any]]:
        profiles = self._people.profiles(int(each.sender) for each in messages)
        return [show_message(number, each, profiles) for each in messages]

    def one(self, conversation: Conversation) -> dict[str, Any]:
        """The answer that holds one conversation."""
        profiles = self._of_members([conversation])
        return success(conversation=show_conversation(conversation, profiles))

    def members(self, conversation: Conversation) -> list[dict[str, Any]]:
        return show_members(conversation, self._of_members([conversation]))

    def listed(self, found: Sequence[Conversation]) -> list[dict[str, Any]]:
        """Conversations with their last messages."""
        profiles = self._of_members(found)
        return [
            show_conversation(each, profiles) | {"last_message": show_last(each, profiles)}
            for each in found
        ]

    def _of_members(self, found: Sequence[Conversation]) -> Mapping[int, Profile]:
        """The profiles of all who are in them, or have spoken last."""
        ids = {member.user_id for each in found for member in each.members}
        ids |= {int(each.last.sender) for each in found if each.last}
        return self._people.profiles(ids)


def show_message(number: int, message: Entry, profiles: Mapping[int, Profile]) -> dict[str, Any]:
    sender, content = int(message.sender), message.content
    return {
        "message_id": message_id(number, message),
        "conversation_id": number,
        "sender_id": sender,
        "sender_nickname": profiles[sender].name,
        "sender_avatar_url": profiles[sender].avatar_url,
        "message_type": content["message_type"],
        "content": content["content"],
        "file_name": content.get("file_name"),
        "file_size": content.get("file_size"),
        "file_type": content.get("file_type"),
        "status": "sent",
        "created_at": message.created_at,
    }


def show_conversation(
    conversation: Conversation, profiles: Mapping[int, Profile]
) -> dict[str, Any]:
    order, state, caller = conversation.order, conversation.log, g.user.id
    return {
        "conversation_id": public_id(conversation),
        "id": conversation.id,
        "title": conversation.title,
        "type": conversation.type,
        "related_order_type": order.type if order else None,
        "related_order_id": order.id if order else None,
        "order_status": order.status if order else None,
        "status": state.status,
        "members": show_members(conversation, profiles),
        "unread_count": state.unread(caller) if caller in state.members else 0,
        "created_at": plain_time(conversation.created_at),
        "last_message_at": state.at or None,
    }


def show_members(
    conversation: Conversation, profiles: Mapping[int, Profile]
) -> list[dict[str, Any]]:
    return [
        {
            "user_id": each.user_id,
            "nickname": profiles[each.user_id].name,
            "avatar_url": profiles[each.user_id].avatar_url,
            "role": each.role,
            "joined_at": plain_time(each.joined_at),
        }
        for each in conversation.members
    ]


def show_last(conversation: Conversation, profiles: Mapping[int, Profile]) -> dict[str, Any] | None:
    last = conversation.last
    if last is None:
        return None
    return {
        "message_id": message_id(conversation.id, last),
        "sender_nickname": profiles[int(last.sender)].name,
        "message_type": last.content["message_type"],
        "content": last.content["content"],
        "created_at": last.created_at,
    }


def message_id(number: int, message: Entry) -> str:
    """`MSG_`, the time in ms, and digits that hold the conversation and the message's place."""
    return f"MSG_{message.created_at}_{number * 2**22 + message.seq}"
