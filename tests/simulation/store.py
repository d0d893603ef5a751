"""The database of a simulation, and what each node sees of it: rows are locked until a commit, and no longer.

A node hears of the outcome of its commit later than the others can read it. That moment is where two nodes, or a
node and its own readers, disagree, and where a crash leaves something that nobody was told of.
"""

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager

from tideline.stores.memory import MemoryStore, MemoryUnit
from tideline.timeline.changes import Changes, SendKey


class Database(MemoryStore):
    """What outlives every process."""

    def __init__(self, *, epoch: str, client_id_ttl: float) -> None:
        super().__init__(epoch=epoch, client_id_ttl=client_id_ttl)
        self.ttl = client_id_ttl
        self.rows = asyncio.Lock()
        """Stands for all row locks."""


class NodeStore(MemoryStore):
    """A node's view of the database (implements ``SharedStore``)."""

    def __init__(self, database: Database) -> None:
        super().__init__(epoch=database.epoch, client_id_ttl=database.ttl)
        self.database = database
        self.tables = database.tables
        self.fault = database.fault
        self.pause = database.pause
        self.clock = database.clock
        self._own = asyncio.Lock()

    @asynccontextmanager
    async def begin(self, conversations: Collection[str], sends: Collection[SendKey]) -> AsyncIterator[MemoryUnit]:
        """Open a unit: one at a time of this node, and one at a time up to the commit of all."""
        async with self._own:
            await self.database.rows.acquire()
            unit = _Unit(self, sends)
            try:
                yield unit
            finally:
                unit.unlock()

    def apply(self, changes: Changes) -> None:
        """Write changes, all at once."""
        self.database.apply(changes)

    async def heads(self, users: Sequence[str]) -> dict[str, int]:
        """Return the heads of many timelines."""
        await self.pause()
        return {user: self.tables.heads.get(user, 0) for user in users}

    async def forgotten(self, users: Sequence[str], since: int) -> list[tuple[str, str, int]]:
        """Return the devices that were forgotten: none are."""
        return []

    async def settled(self) -> None:
        """Wait until the commit that is in flight now, if any, has been announced or has failed."""
        async with self._own:
            pass


class _Unit(MemoryUnit):
    def __init__(self, store: NodeStore, sends: Collection[SendKey]) -> None:
        super().__init__(store, sends)
        self._node = store
        self._locked = True

    def unlock(self) -> None:
        """Let the others go on."""
        if self._locked:
            self._locked = False
            self._node.database.rows.release()

    async def commit(self, changes: Changes) -> None:
        """Write everything, unless a fault says otherwise."""
        await self._node.pause()
        fault = self._node.fault(changes) if self._node.fault is not None else None
        if fault is not None and not getattr(fault, "committed", False):
            raise fault
        self._node.apply(changes)
        self.unlock()
        await self._node.pause()
        if fault is not None:
            raise fault
