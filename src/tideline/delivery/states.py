"""A conversation's state as one of its members sees it (protocol, section 4, ``snapshot``)."""

import msgspec

from tideline.protocol.names import peer
from tideline.timeline import refs
from tideline.timeline.records import Conversation, Member, first_readable

_encode = msgspec.json.Encoder().encode


def state_json(conversation: Conversation, member: Member, user: str) -> bytes:
    """Encode the state without its last message, which may be edited or recalled later."""
    direct = conversation.kind == "direct"
    return _encode(
        {
            "conversation": conversation.id,
            "kind": conversation.kind,
            "peer": peer(conversation.id, user) if direct else None,
            "title": conversation.title,
            "members": conversation.count,
            "role": member.role,
            "head": conversation.head,
            "read": member.read,
            "unread": conversation.head - member.read,
            "muted": member.muted,
            "pinned": member.pinned,
            "joined": member.joined,
            "history": conversation.history,
            "first": first_readable(conversation, member),
        }
    )


def last_place(conversation: Conversation, member: Member) -> bytes:
    """Say where the last message is; ``message_seq`` 0 when there is none that this member may read."""
    readable = conversation.head >= first_readable(conversation, member)
    return refs.place(conversation.id.encode(), conversation.head if readable else 0)
