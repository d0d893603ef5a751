"""A device of a user: its position, its local store, its outbox, its connection (protocol, section 6).

Import from here what an application needs; the modules below are for those who build something else.
"""

from tideline.protocol.events import (
    AnyEvent,
    ConversationEvent,
    Custom,
    Edited,
    MemberEvent,
    MessageEvent,
    Reaction,
    ReadEvent,
    Recalled,
    UnknownEvent,
)
from tideline.protocol.responses import DeviceInfo, MemberInfo, Message, Signalled

from .apply import Happened, Resynced
from .client import Client
from .errors import OutboxFull, StoreInUse, StoreTooNew, Unconfirmed
from .feeds import Status
from .sending import Sending
from .state import Conversation
from .stream import Stream

__all__ = [
    "AnyEvent",
    "Client",
    "Conversation",
    "ConversationEvent",
    "Custom",
    "DeviceInfo",
    "Edited",
    "Happened",
    "MemberEvent",
    "MemberInfo",
    "Message",
    "MessageEvent",
    "OutboxFull",
    "Reaction",
    "ReadEvent",
    "Recalled",
    "Resynced",
    "Sending",
    "Signalled",
    "Status",
    "StoreInUse",
    "StoreTooNew",
    "Stream",
    "Unconfirmed",
    "UnknownEvent",
]
