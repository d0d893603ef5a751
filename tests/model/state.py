"""What the model's world consists of: small, hashable, and nothing that makes no difference.

Two worlds that behave alike are the same state: request ids are numbered anew in each, times are only "due" or
"not due", and a counter of failures is 0 or 1.
"""

from typing import Any, NamedTuple

Frame = tuple[Any, ...]
"""A frame on its way: its kind, then what is needed of it."""


Told = tuple[int, int, int]
"""Seq and content of a device's message, and the request that is answered by it (0: nobody waits)."""


class Pending(NamedTuple):
    """A commit on its way to the connections."""

    first: int
    last: int
    owns: tuple[Told, ...]
    """New messages of devices."""
    answers: tuple[Told, ...]
    """Messages that were stored before."""


class Server(NamedTuple):
    """The store, and the sequencer's memory of it."""

    epoch: int
    first: int
    """The lowest seq that is not trimmed."""
    log: tuple[int, ...]
    """The content of each entry of the user's sync timeline; ``log[0]`` has seq 1."""
    next: int
    """The number that the next entry gets; 0: to be read from the store."""
    pending: "Pending | None"
    """A commit that is durable and not announced yet."""
    queue: tuple[tuple[int, int], ...]
    """Messages of devices that wait for a commit: content, request id (0: whoever asked is gone)."""


class Conn(NamedTuple):
    """A connection: the server's outbox and the two directions of the network."""

    attached: bool
    """Whether commits reach it: from its hello on."""
    welcomed: bool
    state: int
    position: int
    head: int
    armed: bool
    reading: Frame | None
    """A request whose answer is in the making: kind, id, argument, what was read."""
    up: tuple[Frame, ...]
    down: tuple[Frame, ...]


class Device(NamedTuple):
    """A device: what it has stored, and its machine."""

    cursor: int
    """-1: none."""
    epoch: int
    applied: int
    """The highest entry that was applied; equal to ``cursor`` unless a rule is broken."""
    heard: int
    """The highest number that it was told of since its last reset."""
    link: str
    """``off``, ``greeting`` or ``on``."""
    sync: tuple[Any, ...]
    """What of :class:`tideline.client.sync.Sync` is not stored; see :mod:`tests.model.device`."""
    message: int
    """1: a message is to be sent, 2: it is in flight, 0: none."""
    conn: Conn | None


class Budget(NamedTuple):
    """How much may still happen."""

    commits: int
    failures: int
    """Commits that fail or whose outcome is unknown."""
    crashes: int
    """Of devices, and lost connections."""
    restores: int
    trims: int
    losses: int
    repeats: int
    timeouts: int
    pings: int
    full: int
    """Announcements that find an outgoing buffer full."""


class State(NamedTuple):
    """A world."""

    server: Server
    devices: tuple[Device, ...]
    budget: Budget


class Broken(Exception):
    """An invariant does not hold."""

    def __init__(self, invariant: str, what: str) -> None:
        super().__init__(f"{invariant}: {what}")
        self.invariant = invariant
