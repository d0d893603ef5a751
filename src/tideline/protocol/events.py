"""Events: what an entry of a sync timeline tells a device (protocol, section 7)."""

from typing import Any, cast

import msgspec
from msgspec import Raw, Struct

from .responses import Message, State


class Event(Struct, tag=str.lower, tag_field="type", kw_only=True):
    """Base of all events. Applying one twice changes nothing."""


class MessageEvent(Event, tag="message", kw_only=True):
    """A new message; in the timelines of all members, the sender too."""

    message: Message


class Edited(Event, kw_only=True):
    """A message has a new body; ``message`` in its present form."""

    conversation: str
    message_seq: int
    by: str
    time: int
    message: Message


class Recalled(Event, kw_only=True):
    """A message's content is gone."""

    conversation: str
    message_seq: int
    by: str
    time: int


class Reaction(Event, kw_only=True):
    """A reaction was set or cleared."""

    conversation: str
    message_seq: int
    by: str
    reaction: str
    on: bool


class ReadEvent(Event, tag="read", kw_only=True):
    """A read position moved forward: one's own, or the peer's in a direct conversation."""

    conversation: str
    user: str
    message_seq: int


class ConversationEvent(Event, tag="conversation", kw_only=True):
    """A conversation came into being, or changed, for this user."""

    state: State


class MemberEvent(Event, tag="member", kw_only=True):
    """Members were added or removed; ``members`` is the count after it."""

    conversation: str
    added: list[str]
    removed: list[str]
    by: str
    members: int


class Custom(Event, kw_only=True):
    """Something from the app's back end."""

    name: str
    data: Any


class UnknownEvent(Struct, frozen=True):
    """An event of a later version: the cursor advances over it (section 6, rule 9)."""

    type: str


AnyEvent = (
    MessageEvent | Edited | Recalled | Reaction | ReadEvent | ConversationEvent | MemberEvent | Custom | UnknownEvent
)

_KNOWN = MessageEvent | Edited | Recalled | Reaction | ReadEvent | ConversationEvent | MemberEvent | Custom
_decoder = msgspec.json.Decoder(_KNOWN)
_generic = msgspec.json.Decoder(dict[str, Any])


def decode_event(raw: Raw | bytes) -> AnyEvent:
    """Decode an entry's event; one of an unknown type becomes :class:`UnknownEvent`.

    Raises:
        msgspec.DecodeError: if ``raw`` is not JSON, or a known event is malformed.
    """
    try:
        return cast(AnyEvent, _decoder.decode(raw))
    except msgspec.ValidationError:
        kind = _generic.decode(raw).get("type")
        if isinstance(kind, str) and kind not in _TYPES:
            return UnknownEvent(kind)
        raise


_TYPES = frozenset(
    str(struct.__struct_config__.tag)
    for struct in (
        MessageEvent,
        Edited,
        Recalled,
        Reaction,
        ReadEvent,
        ConversationEvent,
        MemberEvent,
        Custom,
    )
)
