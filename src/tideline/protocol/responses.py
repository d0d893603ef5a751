"""What the server sends: responses, and frames it sends by itself (protocol, sections 4 and 5).

The server writes the frequent ones by splicing bytes (:mod:`tideline.protocol.splice`); these structs are what
both sides agree on, what clients decode, and what the schema is made from.
"""

from typing import Any

from msgspec import Raw, Struct

from .limits import Limits


class Message(Struct, kw_only=True, omit_defaults=True):
    """A message as every reader sees it; ``time`` and ``edited`` in ms since 1970."""

    conversation: str
    message_seq: int
    sender: str = ""
    client_id: str = ""
    time: int = 0
    body: dict[str, Any] = {}
    reply_to: int | None = None
    mentions: list[str] = []
    edited: int | None = None
    recalled: bool = False
    reactions: dict[str, list[str]] = {}
    gone: bool = False


class State(Struct, kw_only=True):
    """A conversation as one of its members sees it; ``unread`` = ``head`` - ``read``."""

    conversation: str
    kind: str
    peer: str | None = None
    title: str | None = None
    members: int = 0
    role: str | None = None
    head: int = 0
    last_message: Message | None = None
    read: int = 0
    unread: int = 0
    muted: bool = False
    pinned: bool = False
    joined: int = 1
    history: str = "all"
    first: int = 1


class MemberInfo(Struct, kw_only=True):
    """A member of a conversation."""

    user: str
    role: str | None
    joined: int


class DeviceInfo(Struct, kw_only=True):
    """A device as the server knows it; ``last_seen`` in ms, ``lag`` in entries."""

    device: str
    cursor: int | None
    lag: int | None
    online: bool
    last_seen: int


class Entry(Struct):
    """One place of a sync timeline; ``event`` is decoded by :func:`tideline.protocol.events.decode_event`."""

    seq: int
    event: Raw


class Frame(Struct, tag=str.lower, tag_field="type", kw_only=True):
    """Base of all frames that the server sends."""


class Welcome(Frame, kw_only=True):
    """Answer to ``hello``."""

    id: int
    user: str
    device: str
    session: str
    epoch: str
    head: int
    entries: list[Entry]
    more: bool
    reset: str | None
    heartbeat: float
    time: int
    limits: Limits


class Page(Frame, kw_only=True):
    """Answer to ``pull``: entries in order; only ``more`` says that there are more."""

    id: int | None = None
    epoch: str
    entries: list[Entry]
    head: int
    more: bool


class SnapshotPage(Frame, tag="snapshot", kw_only=True):
    """Answer to ``snapshot``."""

    id: int | None = None
    cursor: int
    epoch: str
    conversations: list[State]
    next: str | None


class Sent(Frame, kw_only=True, omit_defaults=True):
    """Answer to ``send``: the message's place in its conversation and in the sender's own sync timeline."""

    id: int | None = None
    conversation: str
    message_seq: int
    seq: int
    time: int
    duplicate: bool


class Messages(Frame, kw_only=True):
    """Answer to ``history``, always in ascending ``message_seq``."""

    id: int | None = None
    conversation: str
    messages: list[Message]
    head: int
    first: int
    more: bool


class Ok(Frame, kw_only=True):
    """Answer to a request that has nothing to say but that it is done."""

    id: int | None = None


class Conversation(Frame, kw_only=True):
    """Answer to ``create``."""

    id: int | None = None
    state: State


class MembersPage(Frame, tag="members", kw_only=True):
    """Answer to ``members``."""

    id: int | None = None
    members: list[MemberInfo]
    next: str | None


class DevicesList(Frame, tag="devices", kw_only=True):
    """Answer to ``devices``."""

    id: int | None = None
    devices: list[DeviceInfo]


class Pong(Frame, kw_only=True):
    """Answer to ``ping``; ``head`` comes after every push up to it."""

    id: int | None = None
    head: int


class Error(Frame, kw_only=True):
    """The answer to a request that failed; ``id`` is null when it could not be read."""

    id: int | None = None
    code: str
    message: str
    retry: bool
    retry_after: float | None = None


class Push(Frame, kw_only=True):
    """A run of consecutive entries, pushed."""

    entries: list[Entry]


class Notify(Frame, kw_only=True):
    """There is something new up to ``head``: pull it."""

    head: int


class Signalled(Frame, tag="signal", kw_only=True):
    """A signal of another member."""

    conversation: str
    sender: str
    signal: str


class Bye(Frame, kw_only=True):
    """Said before a close; ``retry_after`` in seconds, ``by`` the instance that replaced this connection."""

    code: int
    reason: str
    retry_after: float | None = None
    by: str | None = None


ServerFrame = (
    Welcome
    | Page
    | SnapshotPage
    | Sent
    | Messages
    | Ok
    | Conversation
    | MembersPage
    | DevicesList
    | Pong
    | Error
    | Push
    | Notify
    | Signalled
    | Bye
)
