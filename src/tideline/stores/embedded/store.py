"""One app's data in RocksDB (implements ``Store``).

Everything is synchronous underneath: RocksDB is a library and its reads take microseconds. So between two awaits
of a caller nothing interleaves, and a unit is exclusive by holding one lock.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any, cast

import msgspec
from rocksdict import Rdict, RdictIter, ReadOptions, WriteBatch

from tideline.timeline import refs
from tideline.timeline.bounded import Bounded
from tideline.timeline.changes import Placement, SendKey, read_send_key
from tideline.timeline.contract import Membership, Span, StoreUnavailable
from tideline.timeline.records import Conversation, Device, Member, Room

from .keys import LAST, SENT, Keys, number, read_number
from .unit import EmbeddedUnit

if TYPE_CHECKING:
    from .database import Database

_conversation = msgspec.msgpack.Decoder(Conversation).decode
_member = msgspec.msgpack.Decoder(Member).decode
_device = msgspec.msgpack.Decoder(Device).decode
_pack = msgspec.msgpack.Encoder().encode


class _Body(msgspec.Struct):
    body: msgspec.Raw


_body = msgspec.json.Decoder(_Body).decode


class EmbeddedStore:
    """The store of one app."""

    def __init__(self, database: "Database", app: str, epoch: str) -> None:
        self.database = database
        self.app = app
        self.epoch = epoch
        self.keys = Keys(app)
        self.heads: Bounded[str, int] = Bounded(database.options.cached_heads)
        self._rooms: Bounded[str, Room] = Bounded(database.options.cached_members)
        self._lock = asyncio.Lock()
        self._seen = database.generation
        self._earlier = True
        self.generation = 0
        self.turn_generation()

    # writing

    @asynccontextmanager
    async def begin(self, conversations: Collection[str], sends: Collection[SendKey]) -> AsyncIterator[EmbeddedUnit]:
        """Open a unit; what it looks up is read when it is asked for."""
        async with self._lock:
            self._ensure()
            self.turn_generation()
            unit = EmbeddedUnit(self, conversations, self._placements(sends) if sends else {})
            # A room that is changed and then read again from the database would number its messages twice.
            self._rooms.held = True
            try:
                yield unit
            finally:
                if not unit.committed:
                    # Whatever was changed in place is read again.
                    self.forget(unit.touched, ())
                self._rooms.release()

    def forget(self, rooms: Iterable[str], users: Iterable[str]) -> None:
        """Drop what is cached of these, because it may not be what is stored."""
        for conversation in rooms:
            self._rooms.drop(conversation)
        for user in users:
            self.heads.drop(user)

    def turn_generation(self) -> None:
        """Move on to the idempotency generation of now, dropping the one before the last.

        A record is looked for in this generation and in the one before, each as long as the time to live.
        """
        now = int(time.time()) // max(1, self.database.options.client_id_ttl)
        if now <= self.generation:
            return
        earlier, present = self.keys.generation(now - 1), self.keys.generation(now)
        if self.generation:
            batch = WriteBatch(raw_mode=True)
            batch.delete_range(self.keys.generation(0), earlier, self.database.handles["sends"])
            self.database.write(batch, sync=False)
        self.generation = now
        self._earlier = next(_pairs(self._family("sends"), earlier, present), None) is not None

    def _placements(self, sends: Collection[SendKey]) -> dict[SendKey, Placement]:
        """Return where messages went, of those that are known and within their time to live."""
        family = self._family("sends")
        placements: dict[SendKey, Placement] = {}
        generations = (self.generation, self.generation - 1) if self._earlier else (self.generation,)
        for generation in generations:
            prefix = self.keys.generation(generation)
            found = _many(family, [prefix + key.encode() for key in sends])
            # Nearly always none is known.
            if any(found):
                placements |= {
                    key: self._placement(key, value)
                    for key, value in zip(sends, found, strict=True)
                    if value is not None
                }
        return placements

    def _placement(self, key: SendKey, value: bytes) -> Placement:
        message_seq, seq, sent = SENT.unpack(value)
        _, conversation, _ = read_send_key(key)
        text = self._family("messages").get(self.keys.app + refs.place(conversation.encode(), message_seq))
        body = bytes(_body(text).body) if text is not None else b""
        return Placement(message_seq, sent, body, seq)

    def head(self, user: str) -> int:
        """Return a timeline's head."""
        head = self.heads.items.get(user)
        if head is None:
            found = self._family("heads").get(self.keys.user(user))
            head = 0 if found is None else read_number(found)
            self.heads.put(user, head)
        return head

    def cached_room(self, conversation: str) -> Room | None:
        """Return a conversation with its members from memory, or read it into memory."""
        room = self._rooms.items.get(conversation)
        if room is None:
            found = self._family("conversations").get(self.keys.conversation(conversation))
            if found is None:
                return None
            prefix = self.keys.under(conversation)
            members = {
                key[len(prefix) :].decode(): _member(value)
                for key, value in _pairs(self._family("members"), prefix, prefix + b"\xff")
            }
            room = Room(_conversation(found), members)
            self.cache_room(room)
        return room

    def cache_room(self, room: Room) -> None:
        """Keep a conversation in memory, as the youngest."""
        self._rooms.put(room.conversation.id, room, 1 + len(room.members))

    def reweigh(self, conversation: str) -> None:
        """Account for members who came or went."""
        room = self._rooms.items.get(conversation)
        if room is not None and self._rooms.weight_of(conversation) != 1 + len(room.members):
            self.cache_room(room)

    # reading

    async def span(self, user: str) -> Span:
        """Return what a user's sync timeline holds."""
        self._ensure()
        trimmed = self._family("trimmed").get(self.keys.user(user))
        return Span(1 if trimmed is None else read_number(trimmed), self.head(user))

    async def read(self, user: str, after: int, limit: int) -> list[tuple[int, bytes]]:
        """Return references after a position, ascending."""
        self._ensure()
        prefix = self.keys.under(user)
        found = _pairs(self._family("entries"), prefix + number(after + 1), prefix + LAST)
        return [(read_number(key), value) for key, value in islice(found, limit)]

    async def read_back(self, user: str, before: int, limit: int) -> list[tuple[int, bytes]]:
        """Return references before a position, descending."""
        self._ensure()
        prefix = self.keys.under(user)
        if before <= 1:
            return []
        found = _pairs_back(self._family("entries"), prefix + number(before - 1), prefix)
        return [(read_number(key), value) for key, value in islice(found, limit)]

    async def trim(self, user: str, before: int) -> None:
        """Forget entries; the head stays."""
        self._ensure()
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
        self._ensure()
        app = self.keys.app
        return _many(self._family("messages"), [app + place for place in places])

    async def history(
        self, conversation: str, low: int, high: int, limit: int, *, backwards: bool
    ) -> list[tuple[int, bytes]]:
        """Return a range of messages, ascending."""
        self._ensure()
        prefix = self.keys.under(conversation)
        family = self._family("messages")
        if high < low:
            return []
        if backwards:
            found = _pairs_back(family, prefix + number(high), prefix + number(low))
        else:
            found = _pairs(family, prefix + number(low), prefix + number(high + 1))
        pairs = [(read_number(key), value) for key, value in islice(found, limit)]
        return pairs[::-1] if backwards else pairs

    async def room(self, conversation: str) -> Room | None:
        """Return a conversation with all of its members."""
        self._ensure()
        return self.cached_room(conversation)

    async def memberships(self, user: str, conversations: Sequence[str]) -> list[Membership | None]:
        """Return conversations as the user has them, from memory where they are there."""
        self._ensure()
        found: list[Membership | None] = [None] * len(conversations)
        missing = []
        for index, conversation in enumerate(conversations):
            room = self._rooms.items.get(conversation)
            if room is None:
                missing.append(index)
            elif user in room.members:
                found[index] = Membership(room.conversation, room.members[user])
        if missing:
            names = [conversations[index] for index in missing]
            records = _many(self._family("conversations"), [self.keys.conversation(name) for name in names])
            members = _many(self._family("members"), [self.keys.pair(name, user) for name in names])
            for index, record, member in zip(missing, records, members, strict=True):
                if record is not None and member is not None:
                    found[index] = Membership(_conversation(record), _member(member))
        return found

    async def conversations(self, user: str) -> list[str]:
        """Return the ids of all of a user's conversations."""
        self._ensure()
        prefix = self.keys.under(user)
        return [key[len(prefix) :].decode() for key, _ in _pairs(self._family("memberships"), prefix, prefix + b"\xff")]

    async def devices(self, user: str) -> dict[str, Device]:
        """Return a user's devices."""
        self._ensure()
        prefix = self.keys.under(user)
        return {
            key[len(prefix) :].decode(): _device(value)
            for key, value in _pairs(self._family("devices"), prefix, prefix + b"\xff")
        }

    async def put_devices(self, changed: Sequence[tuple[str, str, Device | None]], *, durable: bool) -> None:
        """Write devices."""
        self._ensure()
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

    def _ensure(self) -> None:
        """Have an open database; after one was opened anew, nothing cached counts."""
        if self.database.broken is not None:
            self.database.ensure()
        if self._seen != self.database.generation:
            self._seen = self.database.generation
            self._rooms.clear()
            self.heads.clear()
            self._earlier = True


def _many(family: Rdict, keys: list[bytes]) -> list[bytes | None]:
    """Look up many records at once."""
    return cast(list[bytes | None], family.get(cast(list[Any], keys)))


def _pairs(family: Rdict, low: bytes, high: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Iterate over the records with low ≤ key < high."""
    # The iterator reads its bounds from the options' memory: they must live as long as it does.
    options = ReadOptions()
    options.set_iterate_upper_bound(high)
    found = family.iter(options)
    found.seek(low)
    while found.valid():
        yield found.key(), found.value()
        found.next()
    _check(found)
    del options


def _pairs_back(family: Rdict, high: bytes, low: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Iterate over the records with low ≤ key ≤ high, from the highest down."""
    # rocksdict 0.3.29 takes a lower bound for an upper one, so the end is found here.
    found = family.iter(ReadOptions())
    found.seek_for_prev(high)
    while found.valid():
        key = found.key()
        if key < low:
            return
        yield key, found.value()
        found.prev()
    _check(found)


def _check(found: RdictIter) -> None:
    """Tell an unreadable record from the end: an iterator ends at either."""
    try:
        found.status()
    except Exception as error:
        raise StoreUnavailable(f"the store can't be read: {error}") from error
