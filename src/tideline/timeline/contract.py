"""The store contract: what a backend owes to everything above it. A new backend is one folder.

A :class:`Backend` opens a place where data lives and hands out one :class:`Store` per app; nothing crosses from
one app into another. All writing of timelines goes through a :class:`Unit`, one at a time per key: look up, number,
commit. Obligations:

1. *Atomic.* A commit is seen whole or not at all, by readers and after a crash.
2. *Durable.* When ``commit`` returns, the changes survive a crash of the process and of the machine.
3. *Exclusive.* Between ``begin`` and the end of the unit, nobody else numbers into the conversations that it named
   or the timelines whose heads it asked for, in this process or any other.
4. *Known outcome.* If ``commit`` raises :class:`StoreUnavailable`, nothing of it happened, or whether it happened
   is read again before anything more is numbered. If durability itself is in doubt (a failed fsync) it raises
   :class:`StoreFailed`, and the process must end.
5. *Heads survive.* A timeline's head is remembered also when all of its entries are trimmed.
6. *Bounded.* Opening does not read the data; what is cached is bounded.
"""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import NamedTuple, Protocol

from tideline.protocol.errors import TidelineError

from .changes import Changes, Placement, Run, SendKey
from .records import Conversation, Device, Member, Room


class StoreError(TidelineError):
    """Base of what can go wrong in a store."""


class StoreUnavailable(StoreError):
    """The store can't commit or read now; it may later. ``retry_after`` in seconds."""

    def __init__(self, message: str, retry_after: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class StoreFailed(StoreError):
    """What was written may not be durable: the process must end, so that recovery decides."""


class StoreLocked(StoreError):
    """Another process has the store open."""


class Span(NamedTuple):
    """What a timeline holds: entries ``first`` … ``head``; empty when ``first`` > ``head``."""

    first: int
    head: int


class Membership(NamedTuple):
    """A conversation as one of its members has it."""

    conversation: Conversation
    member: Member


class Unit(Protocol):
    """One batch on its way into the store. Rooms are the caller's to change until the unit ends."""

    @property
    def placements(self) -> Mapping[SendKey, Placement]:
        """Where messages named to ``begin`` went earlier, those within their time to live."""
        ...

    def room(self, conversation: str) -> Room | None:
        """Return a conversation named to ``begin``, with all of its members."""
        ...

    def add_room(self, room: Room) -> None:
        """Let a new conversation be found by :meth:`room` for the rest of this unit."""
        ...

    async def heads(self, runs: Mapping[str, Run]) -> dict[str, int]:
        """Return the heads of the timelines that these runs continue, by user.

        Nobody else moves them until the unit ends. Asked for once, and what is committed is these runs.
        """
        ...

    async def commit(self, changes: Changes) -> None:
        """Write everything, or nothing.

        Raises:
            StoreUnavailable: if nothing was written.
            StoreFailed: if durability is in doubt.
        """
        ...


class Store(Protocol):
    """One app's data. Reads see committed data only. All may raise :class:`StoreUnavailable`."""

    app: str
    epoch: str

    def begin(self, conversations: Collection[str], sends: Collection[SendKey]) -> AbstractAsyncContextManager[Unit]:
        """Open a unit that may look up these conversations and idempotency keys."""
        ...

    async def span(self, user: str) -> Span:
        """Return what a user's sync timeline holds."""
        ...

    async def read(self, user: str, after: int, limit: int) -> list[tuple[int, bytes]]:
        """Return at most ``limit`` references with ``seq`` > ``after``, ascending, with their numbers."""
        ...

    async def read_back(self, user: str, before: int, limit: int) -> list[tuple[int, bytes]]:
        """Return at most ``limit`` references with ``seq`` < ``before``, descending."""
        ...

    async def trim(self, user: str, before: int) -> None:
        """Forget the entries with ``seq`` < ``before``; the head stays."""
        ...

    async def messages(self, places: Sequence[bytes]) -> list[bytes | None]:
        """Return messages by place (:mod:`tideline.timeline.refs`); None where the store has none."""
        ...

    async def history(
        self, conversation: str, low: int, high: int, limit: int, *, backwards: bool
    ) -> list[tuple[int, bytes]]:
        """Return messages ``low`` … ``high`` (inclusive), ascending; the first ``limit`` or the last ones."""
        ...

    async def room(self, conversation: str) -> Room | None:
        """Return a conversation with all of its members; not to be changed."""
        ...

    async def memberships(self, user: str, conversations: Sequence[str]) -> list[Membership | None]:
        """Return these conversations as the user has them; None where the user is no member."""
        ...

    async def conversations(self, user: str) -> list[str]:
        """Return the ids of all conversations that the user is a member of, in any order."""
        ...

    async def devices(self, user: str) -> dict[str, Device]:
        """Return the user's devices, forgotten ones that may have tokens included."""
        ...

    async def put_devices(self, changed: Sequence[tuple[str, str, Device | None]], *, durable: bool) -> None:
        """Write devices by user and name (None: drop); without ``durable`` a crash may undo it."""
        ...


class Backend(Protocol):
    """A place where data lives."""

    async def store(self, app: str) -> Store:
        """Return an app's store; the first time, it is made and gets a new epoch."""
        ...

    async def probe(self) -> None:
        """Find out whether the backend can serve.

        Raises:
            StoreUnavailable: if it can't.
        """
        ...

    async def close(self) -> None:
        """Close it; everything committed stays."""
        ...
