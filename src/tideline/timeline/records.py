"""What a store keeps besides messages and entries: conversations, their members, devices.

Encoded as arrays (``array_like``), so a field may only ever be added at the end, with a default.
"""

from typing import Literal

from msgspec import Struct

Kind = Literal["direct", "group"]
HistoryMode = Literal["joined", "all"]
MemberRole = Literal["admin", "member"]


class Conversation(Struct, array_like=True, kw_only=True):
    """What is true of a conversation for all of its members."""

    id: str
    kind: Kind
    head: int = 0
    """The highest ``message_seq``."""
    time: int = 0
    """When the last message was committed (or the conversation came into being), in ms."""
    count: int = 0
    """How many members there are."""
    ordinal: int = 0
    """How many have ever joined: the next member's standing."""
    history: HistoryMode = "all"
    title: str | None = None
    creator: str | None = None
    origin: bytes = b""
    """Digest of what ``create`` was called with: the same call again is no conflict."""


class Member(Struct, array_like=True, kw_only=True):
    """What is true of a conversation for one of its members."""

    joined: int
    """The first ``message_seq`` in this member's sync timeline."""
    read: int
    """The read position: never below ``joined`` - 1, nor below the member's own last message."""
    ordinal: int
    """Standing: the lowest has been a member longest."""
    role: MemberRole | None = None
    muted: bool = False
    pinned: bool = False


class Room:
    """A conversation with all of its members: what the sequencer works on."""

    __slots__ = ("conversation", "members", "place_prefix")

    def __init__(self, conversation: Conversation, members: dict[str, Member]) -> None:
        self.conversation = conversation
        self.members = members
        self.place_prefix = conversation.id.encode() + b"\0"
        """What the places of all of its messages begin with."""


def weigh_room(room: Room) -> int:
    """Return how much memory a room takes, in members."""
    return 1 + len(room.members)


class Device(Struct, array_like=True, kw_only=True, weakref=True):
    """A device as the server knows it."""

    cursor: int | None = None
    """The last cursor that the device stated; the device itself may be further."""
    last_seen: int = 0
    """In ms; 0 for a device that is forgotten and has not come back."""
    forgotten: int = 0
    """Tokens issued before this (ms) are refused."""


def first_readable(conversation: Conversation, member: Member) -> int:
    """Return the lowest ``message_seq`` that this member may read (protocol, section 4, ``first``)."""
    return 1 if conversation.history == "all" else member.joined
