"""What one commit brings: planned by the sequencer, written by a store, announced to connections."""

from typing import Any

from .records import Conversation, Member


class Post:
    """One event on its way into timelines, shared by all of its receivers.

    ``ref`` is what a store keeps, ``event`` the JSON that is pushed. ``origin`` is whoever is told of the entry by
    an answer instead of a push (protocol, section 5), ``answer`` that answer up to the number.
    """

    __slots__ = ("answer", "event", "origin", "ref")

    def __init__(self, ref: bytes, event: bytes, origin: Any = None, answer: bytes = b"") -> None:
        self.ref = ref
        self.event = event
        self.origin = origin
        self.answer = answer


class Run:
    """Consecutive entries of one user's sync timeline: ``posts[i]`` has the number ``first`` + i.

    ``pushes`` is for whoever pushes it: the frames of the whole run, made once for all of the user's devices.
    """

    __slots__ = ("first", "posts", "pushes")

    def __init__(self, first: int, posts: list[Post]) -> None:
        self.first = first
        self.posts = posts
        self.pushes: list[bytes] | None = None

    @property
    def last(self) -> int:
        """The number of the last entry: the timeline's head after the commit."""
        return self.first + len(self.posts) - 1


SendKey = str
"""The idempotency key of a message; made by :func:`send_key`, taken apart by :func:`read_send_key`."""


def send_key(user: str, conversation: str, client_id: str) -> SendKey:
    """Join sender, conversation and ``client_id``; neither of the first two holds a zero byte."""
    return f"{user}\0{conversation}\0{client_id}"


def read_send_key(key: SendKey) -> tuple[str, str, str]:
    """Return sender, conversation and ``client_id``."""
    user, conversation, client_id = key.split("\0", 2)
    return user, conversation, client_id


class Placement:
    """Where a message went: the record behind an idempotency key.

    ``seq``, its place in the sender's own timeline, is 0 until the batch is numbered: ``index`` is its place in
    the sender's run. ``body`` is the body first sent, as bytes; ``command`` what sent it, if in this batch.
    """

    __slots__ = ("body", "command", "index", "message_seq", "seq", "time")

    def __init__(
        self, message_seq: int, time: int, body: bytes, seq: int = 0, index: int = 0, command: Any = None
    ) -> None:
        self.message_seq = message_seq
        self.time = time
        self.body = body
        self.seq = seq
        self.index = index
        self.command = command


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
