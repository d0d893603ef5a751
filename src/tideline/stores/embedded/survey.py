"""All that an app has in RocksDB, in order (implements ``Survey``): each listing is one walk over a column family."""

import sqlite3
import struct
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import closing
from itertools import count, islice
from pathlib import Path
from typing import TypeVar

import msgspec

from tideline.timeline.contract import Span, StoreUnavailable
from tideline.timeline.records import Conversation, Member
from tideline.timeline.survey import EntriesRow, FormerRow, MemberRow, SendRow, TimelineRow

from .database import Database
from .keys import FAMILIES, SENT, Keys, number, read_number
from .options import EmbeddedOptions
from .ranges import many, pairs
from .store import EmbeddedStore

T = TypeVar("T")
_CHUNK = 4096
"""Records of a chunk."""
_ATTEMPTS = 10
"""How often a folder that somebody writes to is opened."""
_conversation = msgspec.msgpack.Decoder(Conversation).decode
_member = msgspec.msgpack.Decoder(Member).decode


class EmbeddedSurveys:
    """A folder that is looked at and not written to: its apps, and whether somebody else writes to it meanwhile.

    Raises:
        StoreError: if there is no data in it, or it can't be read.
    """

    def __init__(self, path: Path, options: EmbeddedOptions | None = None) -> None:
        for attempt in count(1):
            try:
                self._database = Database(path, options or EmbeddedOptions(), read_only=True)
                break
            except StoreUnavailable:
                # A server that writes may just have removed a log that was about to be read.
                if attempt == _ATTEMPTS:
                    raise
        self.in_use = self._database.in_use()

    def apps(self) -> list[str]:
        """Return all apps that have data."""
        return self._database.apps()

    def size(self) -> int:
        """Say about how many records there are."""
        families = self._database.families
        return sum(families[name].property_int_value("rocksdb.estimate-num-keys") or 0 for name in FAMILIES)

    def survey(self, app: str) -> "EmbeddedSurvey":
        """Return the survey of one app."""
        return EmbeddedSurvey(self._database, app)

    def close(self) -> None:
        """Close the folder."""
        self._database.close()


class EmbeddedSurvey:
    """One app in a database that is open."""

    def __init__(self, database: Database, app: str) -> None:
        self.app = app
        self.store = EmbeddedStore(database, app, database.epoch(app))
        self._database = database
        self._keys = Keys(app)
        self._skip = len(self._keys.app)

    async def conversations(self) -> AsyncIterator[list[tuple[str, Conversation | None]]]:
        """List all conversations."""
        for chunk in _chunks(self._walk("conversations")):
            yield [(self._name(key), _read(_conversation, value)) for key, value in chunk]

    async def members(self) -> AsyncIterator[list[MemberRow]]:
        """List all members."""
        for chunk in _chunks(self._walk("members")):
            yield [MemberRow(*self._two(key), _read(_member, value)) for key, value in chunk]

    async def messages(self) -> AsyncIterator[list[tuple[str, int, bytes]]]:
        """List all messages."""
        for chunk in _chunks(self._walk("messages")):
            yield [(self._name(key[:-9]), read_number(key), value) for key, value in chunk]

    async def timelines(self) -> AsyncIterator[list[TimelineRow]]:
        """List what all sync timelines are said to hold."""
        trimmed = self._database.families["trimmed"]
        for chunk in _chunks(self._walk("heads")):
            firsts = [trimmed.get(key) for key, _ in chunk]
            yield [
                TimelineRow(self._name(key), Span(1 if first is None else read_number(first), read_number(value)))
                for (key, value), first in zip(chunk, firsts, strict=True)
            ]

    async def entries(self) -> AsyncIterator[list[EntriesRow]]:
        """List all entries."""
        for chunk in _chunks(self._walk("entries")):
            rows = []
            prefix = b""
            entries: list[tuple[int, bytes]] = []
            for key, value in chunk:
                if key[:-8] != prefix:
                    prefix = key[:-8]
                    entries = []
                    rows.append(EntriesRow(self._name(prefix[:-1]), entries))
                entries.append((int.from_bytes(key[-8:], "big"), value))
            yield rows

    async def memberships(self) -> AsyncIterator[list[tuple[str, str]]]:
        """List the index of users and their conversations."""
        for chunk in _chunks(self._walk("memberships")):
            yield [self._two(key) for key, _ in chunk]

    async def former(self) -> AsyncIterator[list[FormerRow]]:
        """List all memberships that have ended; they are stored by conversation, so they are sorted on the disk."""
        with closing(sqlite3.connect("")) as sorter:
            sorter.execute("CREATE TABLE former (conversation, user, joined, last)")
            rows = (self._former(key, value) for key, value in self._walk("left"))
            sorter.executemany("INSERT INTO former VALUES (?, ?, ?, ?)", rows)
            found = sorter.execute("SELECT * FROM former ORDER BY user, conversation, joined")
            while chunk := found.fetchmany(_CHUNK):
                yield [FormerRow(*row) for row in chunk]

    async def former_of(self, conversation: str) -> AsyncIterator[list[FormerRow]]:
        """List the memberships of one conversation that have ended."""
        prefix = self._keys.under(conversation)
        for chunk in _chunks(pairs(self._database.families["left"], prefix, prefix + b"\xff")):
            yield [self._former(key, value) for key, value in chunk]

    async def sends(self) -> AsyncIterator[list[SendRow | None]]:
        """List all idempotency records."""
        for chunk in _chunks(self._walk("sends")):
            yield [self._send(key, value) for key, value in chunk]

    async def indexed(self, pairs: Sequence[tuple[str, str]]) -> list[bool]:
        """Tell of users and conversations whether the index has them."""
        found = many(self._database.families["memberships"], [self._keys.pair(*pair) for pair in pairs])
        return [value is not None for value in found]

    async def entries_at(self, places: Sequence[tuple[str, int]]) -> list[bytes | None]:
        """Return references by user and ``seq``."""
        keys = [self._keys.under(user) + number(seq) for user, seq in places]
        return many(self._database.families["entries"], keys)

    def _walk(self, family: str) -> Iterator[tuple[bytes, bytes]]:
        app = self._keys.app
        # '0' follows '/', with which the keys of an app begin.
        return pairs(self._database.families[family], app, app[:-1] + b"0")

    def _name(self, key: bytes) -> str:
        # A name that can't be one is told, too.
        return key[self._skip :].decode("utf-8", "backslashreplace")

    def _two(self, key: bytes) -> tuple[str, str]:
        first, _, second = self._name(key).partition("\0")
        return first, second

    def _former(self, key: bytes, value: bytes) -> FormerRow:
        return FormerRow(*self._two(key[:-9]), read_number(key), read_number(value))

    def _send(self, key: bytes, value: bytes) -> SendRow | None:
        try:
            sender, conversation, client_id = key[self._skip + 4 :].decode().split("\0", 2)
            message_seq, seq, _ = SENT.unpack(value)
        except (ValueError, struct.error):
            return None
        return SendRow(sender, conversation, client_id, message_seq, seq)


def _chunks(found: Iterable[T]) -> Iterator[list[T]]:
    walk = iter(found)
    while chunk := list(islice(walk, _CHUNK)):
        yield chunk


def _read(decode: Callable[[bytes], T], value: bytes) -> T | None:
    try:
        return decode(value)
    except msgspec.DecodeError:
        return None
