"""What a device sends: one struct per request type (protocol, section 4).

A request is decoded only by :mod:`tideline.protocol.codec`, which checks what a struct can't: I-JSON, and the
names that the hot path looks up before it would ever need to check their spelling (``conversation``, ``to``).
"""

from typing import Annotated, Literal

from msgspec import Meta, Raw, Struct

from .limits import DEFAULT_HISTORY, DEFAULT_MEMBERS, DEFAULT_PAGE, DEFAULT_SNAPSHOT, SAFE_INTEGER
from .names import CONVERSATION_MAX, Name

RequestId = Annotated[int, Meta(ge=1, le=SAFE_INTEGER)]
Position = Annotated[int, Meta(ge=0, le=SAFE_INTEGER)]
MessageSeq = Annotated[int, Meta(ge=1, le=SAFE_INTEGER)]
Limit = Annotated[int, Meta(ge=1, le=SAFE_INTEGER)]
ConversationId = Annotated[str, Meta(min_length=1, max_length=CONVERSATION_MAX)]
ClientId = Annotated[str, Meta(min_length=1, max_length=64)]
Opaque = Annotated[str, Meta(min_length=1, max_length=1024)]
Delivery = Literal["content", "hint"]
HistoryMode = Literal["joined", "all"]
MemberRole = Literal["admin", "member"]


class Request(Struct, tag=str.lower, tag_field="type", kw_only=True, omit_defaults=True):
    """Base of all requests: ``id`` is chosen by the client, unique among its requests in flight."""

    id: RequestId


class Hello(Request, kw_only=True):
    """Open a session of one device; answered by ``welcome``."""

    token: Annotated[str, Meta(max_length=8192)]
    device: Name
    instance: Annotated[str, Meta(max_length=128)] | None = None
    cursor: Position | None = None
    epoch: Annotated[str, Meta(max_length=128)] | None = None
    delivery: Delivery = "content"
    limit: Limit = DEFAULT_PAGE


class Renew(Request, kw_only=True):
    """Replace the connection's token by a later one of the same user, app and scope."""

    token: Annotated[str, Meta(max_length=8192)]


class Pull(Request, kw_only=True):
    """Read the user's sync timeline after a cursor; states that everything up to it is applied."""

    after: Position
    epoch: Annotated[str, Meta(max_length=128)] | None = None
    limit: Limit = DEFAULT_PAGE


class Snapshot(Request, kw_only=True):
    """Read the states of all conversations, in pages."""

    limit: Limit = DEFAULT_SNAPSHOT
    next: Opaque | None = None


class Send(Request, kw_only=True):
    """Send a message to a conversation, or ``to`` a user.

    ``body`` is the JSON object as it was received: take its ``bytes()``.
    """

    conversation: ConversationId | None = None
    to: Annotated[str, Meta(min_length=1, max_length=64)] | None = None
    client_id: ClientId
    body: Raw
    reply_to: MessageSeq | None = None
    mentions: list[Name] | None = None


class History(Request, kw_only=True):
    """Read a conversation's message timeline, backwards before or forwards after a position."""

    conversation: ConversationId
    before: MessageSeq | None = None
    after: Position | None = None
    limit: Limit = DEFAULT_HISTORY


class Read(Request, kw_only=True):
    """Move the user's read position of a conversation forward."""

    conversation: ConversationId
    message_seq: Position


class Edit(Request, kw_only=True):
    """Replace the body of one's own message."""

    conversation: ConversationId
    message_seq: MessageSeq
    body: Raw


class Recall(Request, kw_only=True):
    """Remove a message's content."""

    conversation: ConversationId
    message_seq: MessageSeq


class React(Request, kw_only=True):
    """Set or clear one's reaction to a message."""

    conversation: ConversationId
    message_seq: MessageSeq
    reaction: Annotated[str, Meta(min_length=1, max_length=64)]
    on: bool


class Create(Request, kw_only=True):
    """Create a group whose admin is the caller."""

    conversation: ConversationId | None = None
    title: str | None = None
    members: list[Name] = []
    history: HistoryMode = "joined"


class Add(Request, kw_only=True):
    """Add members to a group."""

    conversation: ConversationId
    members: list[Name]


class Remove(Request, kw_only=True):
    """Remove members from a group, or leave it."""

    conversation: ConversationId
    members: list[Name]


class Role(Request, kw_only=True):
    """Make a member an admin, or an admin a member."""

    conversation: ConversationId
    user: Name
    role: MemberRole


class Update(Request, kw_only=True):
    """Change a group's title, or one's own settings of a conversation; what is left out stays."""

    conversation: ConversationId
    title: str | None = None
    muted: bool | None = None
    pinned: bool | None = None


class Members(Request, kw_only=True):
    """List a conversation's members, in pages."""

    conversation: ConversationId
    limit: Limit = DEFAULT_MEMBERS
    next: Opaque | None = None


class Devices(Request, kw_only=True):
    """List the user's devices as the server knows them."""


class Forget(Request, kw_only=True):
    """Drop one of the user's devices and refuse its earlier tokens."""

    device: Name


class Ping(Request, kw_only=True):
    """Show that the device is alive, and optionally where its cursor is."""

    cursor: Position | None = None


class Signal(Struct, tag="signal", tag_field="type", kw_only=True):
    """Tell the online devices of the other members something that is never stored; no response."""

    conversation: ConversationId
    signal: Annotated[str, Meta(min_length=1, max_length=64)]
