"""A store in memory (implements ``Store``): for tests and simulations, which need its crashes and failures.

Everything here outlives the process that it plays the database of. ``fault`` is asked before each commit: it may
let it fail, or be committed and fail all the same (an error whose ``committed`` is true: an unknown outcome).
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager

import msgspec

from tideline.timeline import refs
from tideline.timeline.changes import Changes, Placement, Run, SendKey, body_of, read_send_key
from tideline.timeline.contract import Membership, Span
from tideline.timeline.records import Conversation, Device, Member, Room

_pack = msgspec.msgpack.Encoder().encode
_conversation = msgspec.msgpack.Decoder(Conversation).decode
_member = msgspec.msgpack.Decoder(Member).decode
_device = msgspec.msgpack.Decoder(Device).decode

Fault = Callable[[Changes], Exception | None]
"""Asked before a commit: return what it fails with; None lets it through."""


class Tables:
    """What is durable: records as bytes, so that nothing is shared with whoever wrote it."""

    def __init__(self) -> None:
        self.entries: dict[str, dict[int, bytes]] = defaultdict(dict)
        self.heads: dict[str, int] = {}
        self.trimmed: dict[str, int] = {}
        self.messages: dict[bytes, bytes] = {}
        self.conversations: dict[str, bytes] = {}
        self.members: dict[str, dict[str, bytes]] = defaultdict(dict)
        self.left: dict[tuple[str, str, int], int] = {}
        self.placements: dict[SendKey, tuple[int, int, int]] = {}
        self.devices: dict[str, dict[str, bytes]] = defaultdict(dict)


class MemoryUnit:
    """One batch on its way into memory (implements ``Unit``)."""

    def __init__(self, store: "MemoryStore", sends: Collection[SendKey]) -> None:
        self._store = store
        found = ((key, store.read_placement(key)) for key in sends)
        self.placements = {key: placement for key, placement in found if placement is not None}
        self._rooms: dict[str, Room | None] = {}

    def room(self, conversation: str) -> Room | None:
        """Return a conversation with all of its members."""
        if conversation not in self._rooms:
            self._rooms[conversation] = self._store.read_room(conversation)
        return self._rooms[conversation]

    def add_room(self, room: Room) -> None:
        """Let a new conversation be found."""
        self._rooms[room.conversation.id] = room

    async def heads(self, runs: Mapping[str, Run]) -> dict[str, int]:
        """Return the heads of the timelines that these runs continue."""
        return {user: self._store.tables.heads.get(user, 0) for user in runs}

    async def commit(self, changes: Changes) -> None:
        """Write everything, unless a fault says otherwise."""
        await self._store.pause()
        fault = self._store.fault(changes) if self._store.fault is not None else None
        if fault is not None and not getattr(fault, "committed", False):
            raise fault
        self._store.apply(changes)
        # What is committed can be read before whoever committed it knows.
        await self._store.pause()
        if fault is not None:
            raise fault


class MemoryStore:
    """The store of one app, in memory."""

    def __init__(self, app: str = "main", epoch: str = "memory", *, client_id_ttl: float = 86_400) -> None:
        self.app = app
        self.epoch = epoch
        self.tables = Tables()
        self.fault: Fault | None = None
        self.pause: Callable[[], Awaitable[None]] = _no_pause
        self.clock: Callable[[], float] = time.time
        self._ttl = client_id_ttl
        self._lock = asyncio.Lock()

    def crash(self) -> None:
        """Lose what a process would lose: locks held, nothing that is committed."""
        self._lock = asyncio.Lock()

    @asynccontextmanager
    async def begin(self, conversations: Collection[str], sends: Collection[SendKey]) -> AsyncIterator[MemoryUnit]:
        """Open a unit."""
        async with self._lock:
            yield MemoryUnit(self, sends)

    def apply(self, changes: Changes) -> None:
        """Write changes, all at once."""
        tables = self.tables
        tables.messages.update(changes.messages)
        for user, run in changes.runs.items():
            for seq, post in enumerate(run.posts, run.first):
                tables.entries[user][seq] = post.ref
            tables.heads[user] = run.last
        for id_, record in changes.conversations.items():
            tables.conversations[id_] = _pack(record)
        for (id_, user, joined), last in changes.left.items():
            tables.left[id_, user, joined] = last
            tables.members[id_].pop(user, None)
        for (id_, user), member in changes.members.items():
            tables.members[id_][user] = _pack(member)
        for key, placed in changes.placements.items():
            tables.placements[key] = (placed.message_seq, placed.seq, placed.time)

    def read_room(self, conversation: str) -> Room | None:
        """Return a conversation, a copy."""
        found = self.tables.conversations.get(conversation)
        if found is None:
            return None
        members = {user: _member(packed) for user, packed in self.tables.members[conversation].items()}
        return Room(_conversation(found), members)

    def read_placement(self, key: SendKey) -> Placement | None:
        """Return where a message went, if it is within its time to live."""
        found = self.tables.placements.get(key)
        if found is None or self.clock() - found[2] / 1000 > self._ttl:
            return None
        text = self.tables.messages[refs.place(read_send_key(key)[1].encode(), found[0])]
        return Placement(found[0], found[2], body_of(text), seq=found[1])

    async def span(self, user: str) -> Span:
        """Return what a user's sync timeline holds."""
        await self.pause()
        return Span(self.tables.trimmed.get(user, 1), self.tables.heads.get(user, 0))

    async def read(self, user: str, after: int, limit: int) -> list[tuple[int, bytes]]:
        """Return references after a position, ascending."""
        await self.pause()
        first, head = self.tables.trimmed.get(user, 1), self.tables.heads.get(user, 0)
        low = max(after + 1, first)
        entries = self.tables.entries[user]
        return [(seq, entries[seq]) for seq in range(low, min(head, low + limit - 1) + 1)]

    async def read_back(self, user: str, before: int, limit: int) -> list[tuple[int, bytes]]:
        """Return references before a position, descending."""
        await self.pause()
        first, head = self.tables.trimmed.get(user, 1), self.tables.heads.get(user, 0)
        high = min(before - 1, head)
        entries = self.tables.entries[user]
        return [(seq, entries[seq]) for seq in range(high, max(first, high - limit + 1) - 1, -1)]

    async def trim(self, user: str, before: int) -> None:
        """Forget entries; the head stays."""
        await self.pause()
        first, head = self.tables.trimmed.get(user, 1), self.tables.heads.get(user, 0)
        before = min(before, head + 1)
        for seq in range(first, before):
            del self.tables.entries[user][seq]
        self.tables.trimmed[user] = max(first, before)

    async def messages(self, places: Sequence[bytes]) -> list[bytes | None]:
        """Return messages by place."""
        await self.pause()
        return [self.tables.messages.get(place) for place in places]

    async def history(
        self, conversation: str, low: int, high: int, limit: int, *, backwards: bool
    ) -> list[tuple[int, bytes]]:
        """Return a range of messages, ascending."""
        await self.pause()
        name = conversation.encode()
        wanted = range(high, low - 1, -1) if backwards else range(low, high + 1)
        found = []
        for seq in wanted:
            text = self.tables.messages.get(refs.place(name, seq))
            if text is not None:
                found.append((seq, text))
            if len(found) == limit:
                break
        return found[::-1] if backwards else found

    async def room(self, conversation: str) -> Room | None:
        """Return a conversation with all of its members."""
        await self.pause()
        return self.read_room(conversation)

    async def memberships(self, user: str, conversations: Sequence[str]) -> list[Membership | None]:
        """Return conversations as the user has them."""
        await self.pause()
        found: list[Membership | None] = []
        for id_ in conversations:
            record, member = self.tables.conversations.get(id_), self.tables.members[id_].get(user)
            joined = record is not None and member is not None
            found.append(Membership(_conversation(record), _member(member)) if joined else None)  # type: ignore[arg-type]
        return found

    async def conversations(self, user: str) -> list[str]:
        """Return the ids of all of a user's conversations."""
        await self.pause()
        return [id_ for id_, members in self.tables.members.items() if user in members]

    async def devices(self, user: str) -> dict[str, Device]:
        """Return a user's devices."""
        await self.pause()
        return {name: _device(packed) for name, packed in self.tables.devices[user].items()}

    async def put_devices(self, changed: Sequence[tuple[str, str, Device | None]], *, durable: bool) -> None:
        """Write devices."""
        await self.pause()
        for user, name, device in changed:
            if device is None:
                self.tables.devices[user].pop(name, None)
            else:
                self.tables.devices[user][name] = _pack(device)


async def _no_pause() -> None:
    """Let a simulation put a delay here."""
