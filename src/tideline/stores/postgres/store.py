"""One app's data in PostgreSQL (implements ``Store``)."""

import asyncio
import time
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from tideline.timeline import refs
from tideline.timeline.bounded import Bounded
from tideline.timeline.changes import SendKey
from tideline.timeline.contract import Membership, Span
from tideline.timeline.records import Conversation, Device, Member, Room, weigh_room

from .errors import passing
from .statements import STATEMENTS
from .unit import PostgresUnit, Versioned

if TYPE_CHECKING:
    from .backend import PostgresOptions

_conversation = msgspec.msgpack.Decoder(Conversation).decode
_member = msgspec.msgpack.Decoder(Member).decode
_refs = msgspec.msgpack.Decoder(list[bytes]).decode


class Connections(Protocol):
    """Where a store gets its connections from."""

    @property
    def options(self) -> "PostgresOptions":
        """What is set about the store."""
        ...

    def connection(self) -> AbstractAsyncContextManager[Any]:
        """Have a connection for the length of a block."""
        ...


def _weigh(versioned: Versioned) -> int:
    return weigh_room(versioned.room)


class PostgresStore:
    """The store of one app."""

    def __init__(self, connections: Connections, app: str, epoch: str) -> None:
        self.app = app
        self.epoch = epoch
        self.prefix = f"{app}/"
        self.distributed = connections.options.distributed
        self.rooms: Bounded[str, Versioned] = Bounded(connections.options.cached_members, _weigh)
        """Members are many and rarely change: they are kept, and brought up to date under the room's lock."""
        self._backend = connections
        self._lock = asyncio.Lock()

    # writing

    @asynccontextmanager
    async def begin(self, conversations: Collection[str], sends: Collection[SendKey]) -> AsyncIterator[PostgresUnit]:
        """Open a unit: one transaction, with its conversations locked and read."""
        async with self._lock, self._backend.connection() as connection:
            unit = PostgresUnit(self, connection)
            try:
                await unit.open(conversations, sends)
                yield unit
            finally:
                await unit.close()

    async def settled(self) -> None:
        """Wait until the commit that is in flight now, if any, has been announced or has failed."""
        async with self._lock:
            pass

    def oldest_send(self) -> int:
        """Return the time (ms) before which idempotency keys are forgotten."""
        return int(time.time() * 1000) - self._backend.options.client_id_ttl * 1000

    # reading

    async def span(self, user: str) -> Span:
        """Return what a user's sync timeline holds."""
        rows = await self._fetch("span", self.prefix + user)
        return Span(rows[0][0], rows[0][1]) if rows else Span(1, 0)

    async def heads(self, users: Sequence[str]) -> dict[str, int]:
        """Return the heads of many timelines, without locking them."""
        owners = [self.prefix + user for user in users]
        found = dict(await self._fetch("heads", owners))
        return {user: found.get(owner, 0) for user, owner in zip(users, owners, strict=True)}

    async def read(self, user: str, after: int, limit: int) -> list[tuple[int, bytes]]:
        """Return references after a position, ascending."""
        found: list[tuple[int, bytes]] = []
        for first, packed, low in await self._fetch("read", self.prefix + user, after, limit):
            for seq, ref in enumerate(_refs(packed), first):
                if seq > low and len(found) < limit:
                    found.append((seq, ref))
        return found

    async def read_back(self, user: str, before: int, limit: int) -> list[tuple[int, bytes]]:
        """Return references before a position, descending."""
        found: list[tuple[int, bytes]] = []
        for first, packed, high, low in await self._fetch("read_back", self.prefix + user, before, limit):
            entries = list(enumerate(_refs(packed), first))
            found += [(seq, ref) for seq, ref in reversed(entries) if low <= seq < high]
        return found[:limit]

    async def trim(self, user: str, before: int) -> None:
        """Forget entries; the head stays."""
        async with self._backend.connection() as connection:
            with passing():
                async with connection.transaction():
                    rows = await connection.fetch(STATEMENTS["trim_head"], self.prefix + user, before)
                    if rows:
                        await connection.execute(STATEMENTS["trim_entries"], self.prefix + user, rows[0][0])

    async def messages(self, places: Sequence[bytes]) -> list[bytes | None]:
        """Return messages by place, in one statement."""
        if not places:
            return []
        rooms, seqs = [], []
        for place in places:
            room, seq = refs.read_place(place)
            rooms.append(self.prefix + room.decode())
            seqs.append(seq)
        return [row[0] for row in await self._fetch("messages", rooms, seqs)]

    async def history(
        self, conversation: str, low: int, high: int, limit: int, *, backwards: bool
    ) -> list[tuple[int, bytes]]:
        """Return a range of messages, ascending."""
        name = "history_back" if backwards else "history"
        rows = await self._fetch(name, self.prefix + conversation, low, high, limit)
        pairs = [(seq, data) for seq, data in rows]
        return pairs[::-1] if backwards else pairs

    async def room(self, conversation: str) -> Room | None:
        """Return a conversation with all of its members, as it is now."""
        rows = await self._fetch("room", self.prefix + conversation)
        if not rows:
            return None
        members = {member: _member(data) for _, member, data in rows if member is not None}
        return Room(_conversation(rows[0][0]), members)

    async def memberships(self, user: str, conversations: Sequence[str]) -> list[Membership | None]:
        """Return conversations as the user has them."""
        if not conversations:
            return []
        rooms = [self.prefix + conversation for conversation in conversations]
        found = {
            room: Membership(_conversation(conversation), _member(data))
            for room, conversation, data in await self._fetch("memberships", rooms, [user] * len(rooms))
        }
        return [found.get(room) for room in rooms]

    async def conversations(self, user: str) -> list[str]:
        """Return the ids of all of a user's conversations."""
        return [row[0] for row in await self._fetch("conversations", self.prefix + user)]

    async def devices(self, user: str) -> dict[str, Device]:
        """Return a user's devices."""
        return {
            name: Device(cursor=cursor, last_seen=seen, forgotten=forgotten)
            for name, cursor, seen, forgotten in await self._fetch("devices", self.prefix + user)
        }

    async def forgotten(self, users: Sequence[str], since: int) -> list[tuple[str, str, int]]:
        """Return (user, device, when) of these users' devices that were forgotten after a time, in ms."""
        rows = await self._fetch("forgotten", [self.prefix + user for user in users], since)
        return [(owner[len(self.prefix) :], device, when) for owner, device, when in rows]

    async def put_devices(self, changed: Sequence[tuple[str, str, Device | None]], *, durable: bool) -> None:
        """Write devices."""
        last = {(self.prefix + user, name): device for user, name, device in changed}
        kept = [(*key, device.cursor, device.last_seen, device.forgotten) for key, device in last.items() if device]
        dropped = [key for key, device in last.items() if device is None]
        async with self._backend.connection() as connection:
            for name, rows in (("put_devices", kept), ("drop_devices", dropped)):
                if not rows:
                    continue
                with passing():
                    async with connection.transaction():
                        if not durable:
                            await connection.execute("SET LOCAL synchronous_commit = off")
                        await connection.execute(STATEMENTS[name], *map(list, zip(*rows, strict=True)))

    async def _fetch(self, name: str, *parameters: Any) -> list[Any]:
        async with self._backend.connection() as connection:
            with passing():
                rows: list[Any] = await connection.fetch(STATEMENTS[name], *parameters)
                return rows
