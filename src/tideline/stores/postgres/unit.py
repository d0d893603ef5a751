"""One batch on its way into PostgreSQL: one transaction (implements ``Unit``).

Locks are taken in one order by every node, so that they wait for each other but never in a circle: conversations by
name, then timelines by name. A timeline's numbers are taken by the statement that locks it. When a commit's outcome
is unknown nothing needs repair: heads and idempotency keys are read anew by every unit, and what is cached of rooms
counts only at the version that the database names.
"""

from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

import asyncpg
import msgspec

from tideline.timeline import refs
from tideline.timeline.changes import Changes, Placement, Run, SendKey, body_of, read_send_key
from tideline.timeline.records import Conversation, Member, Room

from .errors import LOST, passing
from .statements import STATEMENTS, combined

if TYPE_CHECKING:
    from .store import PostgresStore

_pack = msgspec.msgpack.Encoder().encode
_conversation = msgspec.msgpack.Decoder(Conversation).decode
_member = msgspec.msgpack.Decoder(Member).decode
_RUN = 256
"""References in one row at most, so that a page reads little more than it gives."""


class Versioned(NamedTuple):
    """A room as it was at a version."""

    version: int
    room: Room


class PostgresUnit:
    """Rooms come from the store's cache, brought up to date, and are changed in place."""

    __slots__ = ("_begun", "_connection", "_missing", "_rooms", "_rosters", "_store", "_versions", "placements")

    def __init__(self, store: "PostgresStore", connection: Any) -> None:
        self._store = store
        self._connection = connection
        self._begun = False
        self._rooms: dict[str, Room] = {}
        self._versions: dict[str, int] = {}
        self._rosters: dict[str, int] = {}
        self._missing: set[str] = set()
        """Rows that stand in for conversations that don't exist."""
        self.placements: dict[SendKey, Placement] = {}

    async def open(self, conversations: Collection[str], sends: Collection[SendKey]) -> None:
        """Begin the transaction; lock and read what it was said to be about."""
        with passing():
            await self._connection.execute("BEGIN")
            self._begun = True
            if conversations:
                await self._lock(conversations)
                await self._find_placements(sends)

    async def _lock(self, conversations: Collection[str]) -> None:
        store, prefix = self._store, self._store.prefix
        names = [prefix + name for name in conversations]
        await self._run("lock_rooms", names)
        stale = {}
        for name, version, roster, data in await self._run("rooms", names):
            id_ = name[len(prefix) :]
            self._versions[id_], self._rosters[id_] = version, roster
            if not data:
                self._missing.add(id_)
                continue
            cached = store.rooms.get(id_)
            if cached is not None and cached.version == version:
                self._rooms[id_] = cached.room
            elif cached is not None and cached.version >= roster:
                stale[name] = cached.version
                self._rooms[id_] = Room(_conversation(data), cached.room.members)
            else:
                stale[name] = -1
                self._rooms[id_] = Room(_conversation(data), {})
        # Until they are committed they are changed in place: not what is stored.
        for id_ in self._rooms:
            store.rooms.drop(id_)
        if stale:
            changed = await self._run("members_since", list(stale), list(stale.values()))
            for name, member, data in changed:
                self._rooms[name[len(prefix) :]].members[member] = _member(data)

    async def _find_placements(self, sends: Collection[SendKey]) -> None:
        wanted: dict[tuple[str, bytes], SendKey] = {}
        for key in sends:
            user, conversation, client_id = read_send_key(key)
            if conversation in self._rooms:
                wanted[self._store.prefix + conversation, _stored_key(user, client_id)] = key
        if not wanted:
            return
        rooms, keys = zip(*wanted, strict=True)
        rows = await self._run("placements", rooms, keys, self._store.oldest_send())
        for room, key, message_seq, seq, time, text in rows:
            self.placements[wanted[room, key]] = Placement(message_seq, time, body_of(text), seq)

    def room(self, conversation: str) -> Room | None:
        """Return a conversation with all of its members."""
        return self._rooms.get(conversation)

    def add_room(self, room: Room) -> None:
        """Let a new conversation be found."""
        self._rooms[room.conversation.id] = room
        self._missing.discard(room.conversation.id)

    async def heads(self, runs: Mapping[str, Run]) -> dict[str, int]:
        """Take the numbers of these runs; return the heads before them."""
        prefix = self._store.prefix
        counts = {prefix + user: len(run.posts) for user, run in runs.items()}
        with passing():
            rows = await self._run("number", list(counts), list(counts.values()))
        cut = len(prefix)
        return {owner[cut:]: head - counts[owner] for owner, head in rows}

    async def commit(self, changes: Changes) -> None:
        """Write everything and commit."""
        with passing():
            await self._write(changes)
            await self._connection.execute("COMMIT")
            self._begun = False
        store = self._store
        for id_, room in self._rooms.items():
            store.rooms.put(id_, Versioned(self._versions[id_], room))

    async def close(self) -> None:
        """Roll back, unless it was committed."""
        if not self._begun:
            return
        try:
            await self._connection.execute("ROLLBACK", timeout=1)
        except (*LOST, asyncpg.PostgresError):
            # A lost connection has rolled back, and the pool has it back already.
            with suppress(asyncpg.InterfaceError):
                self._connection.terminate()

    async def _write(self, changes: Changes) -> None:
        prefix = self._store.prefix
        writes: list[tuple[str, list[Any]]] = []
        for name, rows in (
            ("put_messages", self._messages(changes)),
            ("put_rooms", self._changed_rooms(changes)),
            ("drop_members", [(prefix + room, user) for room, user in _gone(changes)]),
            ("put_members", self._members(changes)),
            ("add_former_members", [(prefix + room, *rest) for room, *rest in _former(changes)]),
            ("drop_memberships", [(prefix + user, room) for room, user in _gone(changes)]),
            ("add_memberships", [(prefix + user, room) for room, user in changes.joined]),
            ("add_sends", self._sends(changes)),
            ("add_entries", self._entries(changes)),
        ):
            if rows:
                writes.append((name, [*map(list, zip(*rows, strict=True))]))
        if self._missing:
            writes.append(("drop_rooms", [[prefix + id_ for id_ in self._missing]]))
        if self._store.distributed or len(writes) == 1:
            for name, columns in writes:
                await self._run(name, *columns)
        else:
            text = combined(tuple(name for name, _ in writes))
            await self._connection.fetch(text, *(column for _, columns in writes for column in columns))

    def _messages(self, changes: Changes) -> list[tuple[str, int, bytes]]:
        prefix = self._store.prefix
        rows = []
        for place, text in dict(changes.messages).items():
            room, seq = refs.read_place(place)
            rows.append((prefix + room.decode(), seq, text))
        return rows

    def _changed_rooms(self, changes: Changes) -> list[tuple[str, int, int, bytes]]:
        changed = changes.conversations.keys() | {room for room, _ in changes.members}
        left = {room for room, _, _ in changes.left}
        rows = []
        for id_ in changed | left:
            version = self._versions[id_] = self._versions[id_] + 1
            if id_ in left:
                self._rosters[id_] = version
            data = _pack(self._rooms[id_].conversation)
            rows.append((self._store.prefix + id_, version, self._rosters[id_], data))
        return rows

    def _members(self, changes: Changes) -> list[tuple[str, str, int, bytes]]:
        prefix, versions = self._store.prefix, self._versions
        return [
            (prefix + room, user, versions[room], _pack(member)) for (room, user), member in changes.members.items()
        ]

    def _sends(self, changes: Changes) -> list[tuple[str, bytes, int, int, int]]:
        rows = []
        for key, where in changes.placements.items():
            user, conversation, client_id = read_send_key(key)
            stored = _stored_key(user, client_id)
            rows.append((self._store.prefix + conversation, stored, where.time, where.message_seq, where.seq))
        return rows

    def _entries(self, changes: Changes) -> Iterable[tuple[str, int, int, bytes]]:
        prefix = self._store.prefix
        rows = []
        for user, run in changes.runs.items():
            owner, posts = prefix + user, run.posts
            for start in range(0, len(posts), _RUN):
                part = posts[start : start + _RUN]
                first = run.first + start
                rows.append((owner, first + len(part) - 1, first, _pack([post.ref for post in part])))
        return rows

    async def _run(self, name: str, *parameters: Any) -> list[Any]:
        rows: list[Any] = await self._connection.fetch(STATEMENTS[name], *parameters)
        return rows


def _stored_key(user: str, client_id: str) -> bytes:
    """Return what a message is known by within its conversation; bytes, because a client_id may hold a zero."""
    return f"{user}\0{client_id}".encode()


def _former(changes: Changes) -> list[tuple[str, str, int, int]]:
    return [(room, user, joined, last) for (room, user, joined), last in changes.left.items()]


def _gone(changes: Changes) -> list[tuple[str, str]]:
    """Return those who left and did not come back in the same batch."""
    return [(room, user) for room, user, _ in changes.left if (room, user) not in changes.members]
