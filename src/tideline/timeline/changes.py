"""What one commit brings: planned by the sequencer, written by a store, announced to connections.

There are some of these objects for every message: structs cost a third of what classes with an ``__init__`` do.
None of them ever refers back to what refers to it, so the garbage collector need not look at them.
"""

from typing import Any, ClassVar

import msgspec
from msgspec import Raw, Struct

from tideline.protocol import splice
from tideline.protocol.responses import Sent

from .records import Conversation, Member


class Post(Struct, eq=False, gc=False):
    """One event on its way into timelines, shared by all of its receivers.

    ``ref`` is what a store keeps, ``content`` the JSON that is pushed: the event itself. ``origin`` is whoever is
    told of the entry by an answer instead of a push (protocol, section 5), ``answer`` that answer but for its
    ``seq``.
    """

    ref: bytes
    content: bytes
    origin: Any = None
    answer: Sent | None = None

    entry: ClassVar[bytes] = splice.ENTRY
    """How an entry is spelled: around its number and the content."""

    @property
    def event(self) -> bytes:
        """The event as JSON."""
        return self.content


class MessagePost(Post, eq=False, gc=False):
    """A message on its way: ``content`` is the message, spelled into an event only where it is pushed."""

    entry: ClassVar[bytes] = splice.MESSAGE_ENTRY

    @property
    def event(self) -> bytes:
        """The event as JSON."""
        return splice.message_event(self.content)


class Run(Struct, eq=False, gc=False):
    """Consecutive entries of one user's sync timeline: ``posts[i]`` has the number ``first`` + i.

    ``pushes`` is for whoever pushes it: the frames of the whole run, made once for all of the user's devices.
    """

    first: int
    posts: list[Post]
    pushes: list[bytes] | None = None

    @property
    def last(self) -> int:
        """The number of the last entry: the timeline's head after the commit."""
        return self.first + len(self.posts) - 1


SendKey = bytes
"""The idempotency key of a message; made by :func:`send_key`, taken apart by :func:`read_send_key`."""


def send_key(user: str, conversation: str, client_id: str) -> SendKey:
    """Join sender, conversation and ``client_id``; neither of the first two holds a zero byte."""
    return f"{user}\0{conversation}\0{client_id}".encode()


def read_send_key(key: SendKey) -> tuple[str, str, str]:
    """Return sender, conversation and ``client_id``."""
    user, conversation, client_id = key.decode().split("\0", 2)
    return user, conversation, client_id


class Placement(Struct, eq=False, gc=False):
    """Where a message went: the record behind an idempotency key.

    ``seq``, its place in the sender's own timeline, is 0 until the batch is numbered: ``index`` is its place in
    the sender's run. ``body`` is the body first sent; ``command`` what sent it, if in this batch.
    """

    message_seq: int
    time: int
    body: Raw
    seq: int = 0
    index: int = 0
    command: Any = None


class _Body(Struct):
    body: Raw


_read_body = msgspec.json.Decoder(_Body).decode


def body_of(text: bytes | None) -> Raw:
    """Return the body in a message's JSON; ``null`` of one that is not there any more, which no body is equal to."""
    return _read_body(text).body if text is not None else Raw(b"null")


class Changes:
    """All that one atomic commit writes."""

    __slots__ = ("conversations", "joined", "left", "members", "messages", "placements", "runs")

    def __init__(self) -> None:
        self.messages: list[tuple[bytes, bytes]] = []
        """Place and JSON."""
        self.runs: dict[str, Run] = {}
        """By user."""
        self.conversations: dict[str, Conversation] = {}
        self.members: dict[tuple[str, str], Member] = {}
        """By conversation and user: those who joined or changed."""
        self.joined: set[tuple[str, str]] = set()
        """Those of ``members`` who are new."""
        self.left: dict[tuple[str, str, int], int] = {}
        """By conversation, user and ``joined``: the last ``message_seq`` that a former member got."""
        self.placements: dict[SendKey, Placement] = {}

    @property
    def records(self) -> int:
        """About how many records the commit writes: what a batch is bounded by."""
        return sum(len(run.posts) + 1 for run in self.runs.values()) + 2 * len(self.messages) + len(self.members)
