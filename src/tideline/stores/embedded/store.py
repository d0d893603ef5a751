"""One app's data in RocksDB (implements ``Store``).

Everything is synchronous underneath: RocksDB is a library and its reads take microseconds. So between two awaits
of a caller nothing interleaves, and a unit is exclusive by holding one lock.
"""

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from itertools import islice

import msgspec
from rocksdict import Rdict, WriteBatch

from tideline.timeline.changes import SendKey, read_send_key
from tideline.timeline.contract import Membership, Span
from tideline.timeline.records import Conversation, Device, Member, Room

from .database import Database
from .keys import LAST, Keys, number, read_number
from .ranges import many, pairs, pairs_back
from .unit import EmbeddedUnit
from .working import Working

_conversation = msgspec.msgpack.Decoder(Conversation).decode
_member = msgspec.msgpack.Decoder(Member).decode
_device = msgspec.msgpack.Decoder(Device).decode
_pack = msgspec.msgpack.Encoder().encode


class EmbeddedStore:
    """The store of one app."""

    def __init__(self, database: Database, app: str, epoch: str) -> None:
        self.database = database
        self.app = app
        self.epoch = epoch
        self.keys = Keys(app)
        self._working = Working(database, self.keys)
        self._lock = asyncio.Lock()

    # writing

    @asynccontextmanager
    async def begin(self, conversations: Collection[str], sends: Collection[SendKey]) -> AsyncIterator[EmbeddedUnit]:
        """Open a unit; the conversations and keys that it names are looked up now, each kind at once."""
        working = self._working
        async with self._lock:
            working.ensure()
            working.turn_generation()
            # A room that is changed and then read again from the database would number its messages twice.
            working.rooms.held = True
            try:
                absent = working.load_rooms(conversations)
                if absent:
                    # Nothing was sent to what doesn't exist.
                    sends = [key for key in sends if read_send_key(key)[1] not in absent]
                unit = EmbeddedUnit(working, absent, working.placements(sends) if sends else {})
                try:
                    yield unit
                finally:
                    if not unit.committed:
                        # Whatever was changed in place is read again.
                        working.forget(conversations, ())
            finally:
                working.rooms.release()

    # reading

    async def span(self, user: str) -> Span:
        """Return what a user's sync timeline holds."""
        self._working.ensure()
        trimmed = self.database.family("trimmed").get(self.keys.user(user))
        return Span(1 if trimmed is None else read_number(trimmed), self._working.head(user))

    async def read(self, user: str, after: int, limit: int) -> list[tuple[int, bytes]]:
        """Return references after a position, ascending."""
        self._working.ensure()
        prefix = self.keys.under(user)
        found = pairs(self.database.family("entries"), prefix + number(after + 1), prefix + LAST)
        return [(read_number(key), value) for key, value in islice(found, limit)]

    async def read_back(self, user: str, before: int, limit: int) -> list[tuple[int, bytes]]:
        """Return references before a position, descending."""
        self._working.ensure()
        prefix = self.keys.under(user)
        if before <= 1:
            return []
        found = pairs_back(self.database.family("entries"), prefix + number(before - 1), prefix)
        return [(read_number(key), value) for key, value in islice(found, limit)]

    async def trim(self, user: str, before: int) -> None:
        """Forget entries; the head stays."""
        self._working.ensure()
        first, head = await self.span(user)
        before = min(before, head + 1)
        if before <= first:
            return
        prefix = self.keys.under(user)
        handles = self.database.handles
        batch = WriteBatch(raw_mode=True)
        batch.put(self.keys.user(user), number(before), handles["trimmed"])
        batch.delete_range(prefix + number(0), prefix + number(before), handles["entries"])
        self.database.write(batch)

    async def messages(self, places: Sequence[bytes]) -> list[bytes | None]:
        """Return messages by place, in one look-up of many keys."""
        self._working.ensure()
        app = self.keys.app
        return many(self.database.family("messages"), [app + place for place in places])

    async def history(
        self, conversation: str, low: int, high: int, limit: int, *, backwards: bool
    ) -> list[tuple[int, bytes]]:
        """Return a range of messages, ascending."""
        self._working.ensure()
        prefix = self.keys.under(conversation)
        family = self.database.family("messages")
        if high < low:
            return []
        if backwards:
            found = pairs_back(family, prefix + number(high), prefix + number(low))
        else:
            found = pairs(family, prefix + number(low), prefix + number(high + 1))
        texts = [(read_number(key), value) for key, value in islice(found, limit)]
        return texts[::-1] if backwards else texts

    async def room(self, conversation: str) -> Room | None:
        """Return a conversation with all of its members."""
        self._working.ensure()
        return self._working.room(conversation)

    async def memberships(self, user: str, conversations: Sequence[str]) -> list[Membership | None]:
        """Return conversations as the user has them, from memory where they are there."""
        self._working.ensure()
        found: list[Membership | None] = [None] * len(conversations)
        missing = []
        for index, conversation in enumerate(conversations):
            room = self._working.rooms.get(conversation)
            if room is None:
                missing.append(index)
            elif user in room.members:
                found[index] = Membership(room.conversation, room.members[user])
        if missing:
            names = [conversations[index] for index in missing]
            records = many(self.database.family("conversations"), [self.keys.conversation(name) for name in names])
            members = many(self.database.family("members"), [self.keys.pair(name, user) for name in names])
            for index, record, member in zip(missing, records, members, strict=True):
                if record is not None and member is not None:
                    found[index] = Membership(_conversation(record), _member(member))
        return found

    async def conversations(self, user: str) -> list[str]:
        """Return the ids of all of a user's conversations."""
        self._working.ensure()
        prefix = self.keys.under(user)
        return [
            key[len(prefix) :].decode()
            for key, _ in pairs(self.database.family("memberships"), prefix, prefix + b"\xff")
        ]

    async def devices(self, user: str) -> dict[str, Device]:
        """Return a user's devices."""
        self._working.ensure()
        prefix = self.keys.under(user)
        return {
            key[len(prefix) :].decode(): _device(value)
            for key, value in pairs(self.database.family("devices"), prefix, prefix + b"\xff")
        }

    async def put_devices(self, changed: Sequence[tuple[str, str, Device | None]], *, durable: bool) -> None:
        """Write devices."""
        self._working.ensure()
        batch = WriteBatch(raw_mode=True)
        family = self.database.handles["devices"]
        for user, name, device in changed:
            key = self.keys.pair(user, name)
            if device is None:
                batch.delete(key, family)
            else:
                batch.put(key, _pack(device), family)
        self.database.write(batch, sync=durable)

    def _family(self, name: str) -> Rdict:
        return self.database.families[name]
