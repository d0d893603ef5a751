"""All that an app has in PostgreSQL, in order (implements ``Survey``): one snapshot, whatever nodes write meanwhile."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import asyncpg
import msgspec

from tideline.timeline.contract import Span
from tideline.timeline.records import Conversation, Member
from tideline.timeline.survey import EntriesRow, FormerRow, MemberRow, SendRow, TimelineRow

from . import schema
from .backend import SESSION, PostgresOptions
from .errors import passing
from .statements import STATEMENTS
from .store import PostgresStore

T = TypeVar("T")
_CHUNK = 1000
_conversation = msgspec.msgpack.Decoder(Conversation).decode
_member = msgspec.msgpack.Decoder(Member).decode
_refs = msgspec.msgpack.Decoder(list[bytes]).decode


@asynccontextmanager
async def postgres_surveys(url: str) -> AsyncIterator[list["PostgresSurvey"]]:
    """Open the surveys of all apps in a database, as they are at this moment.

    Raises:
        StoreUnavailable: if it can't be reached.
        StoreError: if its schema is not this version's.
    """
    with passing():
        connection = await asyncpg.connect(url, timeout=10, server_settings=SESSION)
    try:
        await schema.check(connection)
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            snapshot = _Snapshot(connection)
            rows = await connection.fetch("SELECT app, epoch FROM apps ORDER BY app")
            yield [PostgresSurvey(snapshot, app, epoch) for app, epoch in rows]
    finally:
        await connection.close(timeout=5)


class _Snapshot:
    """One transaction that all reading shares (implements ``Connections``)."""

    def __init__(self, connection: Any) -> None:
        self.options = PostgresOptions()
        self._connection = connection
        self._lock = asyncio.Lock()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Any]:
        """Have the connection for the length of this block."""
        async with self._lock:
            yield self._connection


class PostgresSurvey:
    """One app in a database."""

    def __init__(self, snapshot: _Snapshot, app: str, epoch: str) -> None:
        self.app = app
        self.store = PostgresStore(snapshot, app, epoch)
        self._snapshot = snapshot
        self._skip = len(self.store.prefix)

    async def conversations(self) -> AsyncIterator[list[tuple[str, Conversation | None]]]:
        """List all conversations."""
        async for rows in self._walk("all_rooms"):
            yield [(self._name(room), _read(_conversation, data)) for room, data in rows]

    async def members(self) -> AsyncIterator[list[MemberRow]]:
        """List all members."""
        async for rows in self._walk("all_members"):
            yield [MemberRow(self._name(room), user, _read(_member, data)) for room, user, data in rows]

    async def messages(self) -> AsyncIterator[list[tuple[str, int, bytes]]]:
        """List all messages."""
        async for rows in self._walk("all_messages"):
            yield [(self._name(room), seq, data) for room, seq, data in rows]

    async def timelines(self) -> AsyncIterator[list[TimelineRow]]:
        """List what all sync timelines are said to hold."""
        async for rows in self._walk("all_heads"):
            yield [TimelineRow(self._name(owner), Span(first, head)) for owner, first, head in rows]

    async def entries(self) -> AsyncIterator[list[EntriesRow]]:
        """List all entries; a row may also hold some that are trimmed, which are none."""
        async for rows in self._walk("all_entries"):
            yield [
                EntriesRow(
                    self._name(owner),
                    [(seq, ref) for seq, ref in enumerate(_read(_refs, packed) or [], first) if seq >= low],
                )
                for owner, first, packed, low in rows
            ]

    async def memberships(self) -> AsyncIterator[list[tuple[str, str]]]:
        """List the index of users and their conversations."""
        async for rows in self._walk("all_memberships"):
            yield [(self._name(owner), conversation) for owner, conversation in rows]

    async def former(self) -> AsyncIterator[list[FormerRow]]:
        """List all memberships that have ended."""
        async for rows in self._walk("all_former_members"):
            yield [FormerRow(self._name(room), user, joined, last) for room, user, joined, last in rows]

    async def former_of(self, conversation: str) -> AsyncIterator[list[FormerRow]]:
        """List the memberships of one conversation that have ended."""
        rows = await self._fetch("former_members", self.store.prefix + conversation)
        yield [FormerRow(conversation, user, joined, last) for user, joined, last in rows]

    async def sends(self) -> AsyncIterator[list[SendRow | None]]:
        """List all idempotency records."""
        async for rows in self._walk("all_sends"):
            yield [self._send(*row) for row in rows]

    async def indexed(self, pairs: Sequence[tuple[str, str]]) -> list[bool]:
        """Tell of users and conversations whether the index has them."""
        owners = [self.store.prefix + user for user, _ in pairs]
        return [row[0] for row in await self._fetch("indexed", owners, [conversation for _, conversation in pairs])]

    async def entries_at(self, places: Sequence[tuple[str, int]]) -> list[bytes | None]:
        """Return references by user and ``seq``."""
        owners = [self.store.prefix + user for user, _ in places]
        rows = await self._fetch("entries_at", owners, [seq for _, seq in places])
        found: list[bytes | None] = []
        for (first, packed), (_, seq) in zip(rows, places, strict=True):
            refs = (_read(_refs, packed) or []) if packed is not None else []
            found.append(refs[seq - first] if refs and seq - first < len(refs) else None)
        return found

    async def _walk(self, name: str) -> AsyncIterator[list[Any]]:
        prefix = self.store.prefix
        # '0' follows '/', with which the keys of an app begin.
        async with self._snapshot.connection() as connection:
            with passing():
                cursor = await connection.cursor(STATEMENTS[name], prefix, prefix[:-1] + "0")
        while True:
            async with self._snapshot.connection():
                with passing():
                    rows = await cursor.fetch(_CHUNK)
            if not rows:
                return
            yield rows

    async def _fetch(self, name: str, *parameters: Any) -> list[Any]:
        async with self._snapshot.connection() as connection:
            with passing():
                rows: list[Any] = await connection.fetch(STATEMENTS[name], *parameters)
                return rows

    def _name(self, key: str) -> str:
        return key[self._skip :]

    def _send(self, room: str, key: bytes, message_seq: int, seq: int) -> SendRow | None:
        try:
            sender, client_id = key.decode().split("\0", 1)
        except ValueError:
            return None
        return SendRow(sender, self._name(room), client_id, message_seq, seq)


def _read(decode: Callable[[bytes], T], data: bytes) -> T | None:
    try:
        return decode(data)
    except msgspec.DecodeError:
        return None
