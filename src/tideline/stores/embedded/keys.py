"""How keys are laid out: everything begins with the app, then the user or conversation that it belongs to.

============== =========================================== ==========================================
family         key                                         value
============== =========================================== ==========================================
entries        app/ user \\0 seq                            reference (:mod:`tideline.timeline.refs`)
heads          app/ user                                   head
trimmed        app/ user                                   the lowest seq held, where it isn't 1
messages       app/ place                                  JSON of the message
conversations  app/ conversation                           :class:`~tideline.timeline.records.Conversation`
members        app/ conversation \\0 user                   :class:`~tideline.timeline.records.Member`
left           app/ conversation \\0 user \\0 joined         the last message_seq that a former member got
memberships    app/ user \\0 conversation                   nothing
sends          app/ generation, sender \\0 conversation \\0  message_seq, seq, time
               client_id
devices        app/ user \\0 device                         :class:`~tideline.timeline.records.Device`
default        app/epoch, format                           text
============== =========================================== ==========================================

Numbers are 8 bytes, big-endian, so that they sort; ``/`` and the zero byte occur in no name.
"""

import struct

FAMILIES = (
    "entries",
    "heads",
    "trimmed",
    "messages",
    "conversations",
    "members",
    "left",
    "memberships",
    "sends",
    "devices",
)

SENT = struct.Struct(">QQQ")
"""The value behind an idempotency key: message_seq, seq, time."""

LAST = b"\xff" * 8
"""Sorts behind every number."""


def number(value: int) -> bytes:
    """Encode a number so that it sorts."""
    return value.to_bytes(8, "big")


def read_number(key: bytes) -> int:
    """Decode the number at the end of a key, or a value that is one."""
    return int.from_bytes(key[-8:], "big")


class Keys:
    """The keys of one app."""

    __slots__ = ("app",)

    def __init__(self, app: str) -> None:
        self.app = app.encode() + b"/"

    def user(self, user: str) -> bytes:
        """Key of a user's head; prefix of nothing."""
        return self.app + user.encode()

    def under(self, name: str) -> bytes:
        """Prefix of all that belongs to a user or a conversation."""
        return b"%b%b\0" % (self.app, name.encode())

    def conversation(self, conversation: str) -> bytes:
        """Key of a conversation's record."""
        return self.app + conversation.encode()

    def pair(self, first: str, second: str) -> bytes:
        """Key of what belongs to two names: a member, a membership, a device."""
        return self.app + f"{first}\0{second}".encode()

    def left(self, conversation: str, user: str, joined: int) -> bytes:
        """Key of a membership that has ended."""
        return b"%b\0%b" % (self.pair(conversation, user), number(joined))

    def generation(self, generation: int) -> bytes:
        """Prefix of the idempotency records of one generation; the key follows."""
        return self.app + generation.to_bytes(4, "big")
