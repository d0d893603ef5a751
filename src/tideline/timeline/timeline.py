"""A timeline by itself: an append-only queue with numbers 1, 2, 3 … and reads from any position.

For programs that want the idea without the server::

    async with tideline.open_store("./orders") as store:
        orders = Timeline(store, "customer-7")
        seq = await orders.append(b'{"item": 1}')
        entries = await orders.read(after=seq - 1, limit=10)
"""

from collections.abc import Sequence
from typing import NamedTuple

from tideline.protocol.limits import SAFE_INTEGER

from . import refs
from .changes import Changes, Post, Run
from .contract import Span, Store

NAME_MAX = 255
"""Bytes of a timeline's name, as UTF-8."""
DATA_MAX = 16 * 2**20
"""Bytes of one entry."""


class TimelineEntry(NamedTuple):
    """One place of a timeline."""

    seq: int
    data: bytes


class Timeline:
    """One numbered, durable, append-only queue in a store.

    Contract: ``append`` returns after the entry is durable; numbers have no holes and are never used twice; an
    entry never changes; any number of readers keep their own cursor (the ``seq`` up to which they have read).
    A name has 1 to 255 bytes as UTF-8, none of them zero; an entry at most 16 MiB. Timelines of one name in one
    store are one timeline. Not for the data folder of a server, whose users' timelines have the same places.

    Raises:
        ValueError: for a name that can't be one.
    """

    def __init__(self, store: Store, name: str) -> None:
        # A zero byte ends a name in the keys of a store.
        if not 0 < len(name.encode()) <= NAME_MAX or "\0" in name:
            raise ValueError(f"a timeline's name has 1 to {NAME_MAX} bytes, none of them zero")
        self._store = store
        self.name = name

    async def append(self, data: bytes) -> int:
        """Append one entry and return its ``seq``.

        Raises:
            StoreUnavailable: if it could not be written; nothing was.
            ValueError: if it is too large.
        """
        return (await self.extend([data])).first

    async def extend(self, data: Sequence[bytes]) -> Span:
        """Append several entries in one commit, all or none, and return the numbers they got, first and last.

        Raises: like :meth:`append`.
        """
        for item in data:
            if len(item) > DATA_MAX:
                raise ValueError(f"an entry of {len(item)} bytes, the limit is {DATA_MAX}")
        if not data:
            head = await self.head()
            return Span(head + 1, head)
        run = Run(0, [Post(refs.event(item), item) for item in data])
        async with self._store.begin((), ()) as unit:
            run.first = (await unit.heads({self.name: run}))[self.name] + 1
            changes = Changes()
            changes.runs[self.name] = run
            await unit.commit(changes)
            return Span(run.first, run.last)

    async def head(self) -> int:
        """Return the highest ``seq``, 0 when nothing was ever appended."""
        return (await self._store.span(self.name)).head

    async def read(self, after: int = 0, limit: int = 100) -> list[TimelineEntry]:
        """Return at most ``limit`` entries with ``seq`` > ``after``, ascending.

        After a trim the first of them may be further on: compare its ``seq`` with ``after`` + 1.
        """
        after = max(0, after)
        if limit < 1 or after >= SAFE_INTEGER:
            return []
        return [_entry(seq, ref) for seq, ref in await self._store.read(self.name, after, limit)]

    async def read_back(self, before: int | None = None, limit: int = 100) -> list[TimelineEntry]:
        """Return at most ``limit`` entries with ``seq`` < ``before`` (default: from the tail), descending."""
        before = min(before, SAFE_INTEGER) if before is not None else await self.head() + 1
        if limit < 1 or before <= 1:
            return []
        return [_entry(seq, ref) for seq, ref in await self._store.read_back(self.name, before, limit)]

    async def get(self, seq: int) -> TimelineEntry | None:
        """Return one entry, or None where there is none (any more)."""
        found = await self.read(seq - 1, 1) if seq > 0 else []
        return found[0] if found and found[0].seq == seq else None

    async def trim(self, before: int) -> None:
        """Forget the entries with ``seq`` < ``before``; numbers go on where they were."""
        if before > 1:
            await self._store.trim(self.name, min(before, SAFE_INTEGER))


def _entry(seq: int, ref: bytes) -> TimelineEntry:
    return TimelineEntry(seq, refs.parse(ref)[2])
