"""A local store in one SQLite file, which outlives its process.

Theory: one thread owns the database, so that a transaction never blocks the event loop; work is handed to it by a
queue, in order. The database is in WAL mode and locked exclusively as long as it is open. A transaction is not
synced to the disk unless it is to be durable: a kill of the process loses nothing, a loss of power may lose the
last transactions, and the server still has what they brought; only the outbox holds what nobody else has.
"""

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from typing import Any, TypeVar

import msgspec
from msgspec import structs

from tideline.client.errors import StoreInUse, StoreTooNew
from tideline.client.ranges import Ranges
from tideline.client.state import Conversation
from tideline.protocol.responses import Message, State

from .contract import Pending, Transaction

T = TypeVar("T")

VERSION = 1

_SCHEMA = """
CREATE TABLE value (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE conversation (id TEXT PRIMARY KEY, state BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE staged (id TEXT PRIMARY KEY, state BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE message (
    conversation TEXT, message_seq INTEGER, message BLOB NOT NULL,
    PRIMARY KEY (conversation, message_seq)
) WITHOUT ROWID;
CREATE TABLE held (
    conversation TEXT, low INTEGER, high INTEGER NOT NULL,
    PRIMARY KEY (conversation, low)
) WITHOUT ROWID;
CREATE TABLE outbox (number INTEGER PRIMARY KEY AUTOINCREMENT, client_id TEXT UNIQUE, message BLOB NOT NULL);
"""

_encode = msgspec.json.Encoder().encode
_conversation = msgspec.json.Decoder(Conversation).decode
_state = msgspec.json.Decoder(State).decode
_message = msgspec.json.Decoder(Message).decode
_pending = msgspec.json.Decoder(Pending).decode

_Job = tuple[Callable[[], Any], asyncio.AbstractEventLoop, "asyncio.Future[Any]"]


class SqliteStore:
    """Records in a file. Other files beside it, ``<path>-wal`` and its like, belong to it."""

    def __init__(self, path: str | Path) -> None:
        self._path = str(path)
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._records: _Records | None = None

    async def open(self) -> None:
        """Make the store ready.

        Raises:
            StoreInUse: if another client uses it.
            StoreTooNew: if a later version of this library has written it.
        """
        self._thread = threading.Thread(target=self._serve, name="tideline-store", daemon=True)
        self._thread.start()
        try:
            await self._do(self._connect)
        except BaseException:
            await self.close()
            raise

    async def run(self, work: Callable[[Transaction], T], *, durable: bool = False) -> T:
        """Run work in one transaction, on the store's own thread."""
        return await self._do(lambda: self._transact(work, durable))

    async def close(self) -> None:
        """Let go of the store, after all work that was asked for."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        self._jobs.put(None)
        await asyncio.to_thread(thread.join)

    async def _do(self, job: Callable[[], T]) -> T:
        if self._thread is None:
            raise RuntimeError("the store is not open")
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()
        self._jobs.put((job, loop, done))
        return await done

    def _serve(self) -> None:
        """Run jobs, on a thread of its own, until there is a None."""
        while (item := self._jobs.get()) is not None:
            job, loop, done = item
            try:
                result, error = job(), None
            except BaseException as raised:  # Whoever waits for it gets it.
                result, error = None, raised
            with suppress(RuntimeError):  # The loop is closed: nobody waits.
                loop.call_soon_threadsafe(_finish, done, result, error)
        if self._records is not None:
            self._records.connection.close()

    def _connect(self) -> None:
        connection = sqlite3.connect(self._path, timeout=0.2, isolation_level=None)
        try:
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute("BEGIN IMMEDIATE")
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version > VERSION:
                raise StoreTooNew(f"{self._path} is of version {version}, this library knows {VERSION}")
            if version == 0:
                for statement in _SCHEMA.split(";"):
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {VERSION}")
            connection.execute("COMMIT")
        except sqlite3.OperationalError as error:
            connection.close()
            if "locked" in str(error):
                raise StoreInUse(f"{self._path} is in use by another client") from None
            raise
        except BaseException:
            connection.close()
            raise
        self._records = _Records(connection)

    def _transact(self, work: Callable[[Transaction], T], durable: bool) -> T:
        assert self._records is not None
        execute = self._records.connection.execute
        if durable:
            execute("PRAGMA synchronous = FULL")
        execute("BEGIN")
        try:
            result = work(self._records)
            execute("COMMIT")
        except BaseException:
            if self._records.connection.in_transaction:
                execute("ROLLBACK")
            raise
        finally:
            if durable:
                execute("PRAGMA synchronous = NORMAL")
        return result


def _finish(done: "asyncio.Future[Any]", result: Any, error: BaseException | None) -> None:
    if done.cancelled():
        return
    if error is None:
        done.set_result(result)
    else:
        done.set_exception(error)


class _Records:
    """The tables, inside a transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self._execute = connection.execute

    def get(self, name: str) -> str | int | None:
        row = self._execute("SELECT value FROM value WHERE name = ?", (name,)).fetchone()
        return row[0] if row is not None else None

    def set(self, name: str, value: str | int | None) -> None:
        self._execute("INSERT OR REPLACE INTO value VALUES (?, ?)", (name, value))

    def conversation(self, conversation: str) -> Conversation | None:
        row = self._execute("SELECT state FROM conversation WHERE id = ?", (conversation,)).fetchone()
        return _conversation(row[0]) if row is not None else None

    def conversations(self) -> list[Conversation]:
        return [_conversation(text) for (text,) in self._execute("SELECT state FROM conversation")]

    def put_conversation(self, state: Conversation) -> None:
        self._execute("INSERT OR REPLACE INTO conversation VALUES (?, ?)", (state.conversation, _encode(state)))

    def drop_conversation(self, conversation: str) -> None:
        self._execute("DELETE FROM conversation WHERE id = ?", (conversation,))
        self._execute("DELETE FROM message WHERE conversation = ?", (conversation,))
        self._execute("DELETE FROM held WHERE conversation = ?", (conversation,))

    def message(self, conversation: str, message_seq: int) -> Message | None:
        row = self._execute(
            "SELECT message FROM message WHERE conversation = ? AND message_seq = ?",
            (conversation, message_seq),
        ).fetchone()
        return _message(row[0]) if row is not None else None

    def messages(self, conversation: str, low: int, high: int) -> list[Message]:
        rows = self._execute(
            "SELECT message FROM message WHERE conversation = ? AND message_seq BETWEEN ? AND ? ORDER BY message_seq",
            (conversation, low, high),
        )
        return [_message(text) for (text,) in rows]

    def put_message(self, message: Message) -> None:
        self._execute(
            "INSERT OR REPLACE INTO message VALUES (?, ?, ?)",
            (message.conversation, message.message_seq, _encode(message)),
        )

    def held(self, conversation: str) -> Ranges:
        rows = self._execute("SELECT low, high FROM held WHERE conversation = ? ORDER BY low", (conversation,))
        return tuple(rows.fetchall())

    def put_held(self, conversation: str, ranges: Ranges) -> None:
        before = dict(self.held(conversation))
        now = dict(ranges)
        for low in before.keys() - now.keys():
            self._execute("DELETE FROM held WHERE conversation = ? AND low = ?", (conversation, low))
        for low, high in now.items():
            if before.get(low) != high:
                self._execute("INSERT OR REPLACE INTO held VALUES (?, ?, ?)", (conversation, low, high))

    def forget_messages(self, *, ranges_only: bool) -> None:
        self._execute("DELETE FROM held")
        if not ranges_only:
            self._execute("DELETE FROM message")

    def stage(self, states: Sequence[State]) -> None:
        self.connection.executemany(
            "INSERT OR REPLACE INTO staged VALUES (?, ?)",
            [(state.conversation, _encode(state)) for state in states],
        )

    def take_staged(self) -> list[State]:
        staged = [_state(text) for (text,) in self._execute("SELECT state FROM staged")]
        self._execute("DELETE FROM staged")
        return staged

    def drop_conversations(self) -> None:
        self._execute("DELETE FROM conversation")

    def pending(self) -> list[Pending]:
        rows = self._execute("SELECT number, message FROM outbox ORDER BY number")
        return [structs.replace(_pending(text), order=number) for number, text in rows]

    def find_pending(self, client_id: str) -> Pending | None:
        row = self._execute("SELECT number, message FROM outbox WHERE client_id = ?", (client_id,)).fetchone()
        return structs.replace(_pending(row[1]), order=row[0]) if row is not None else None

    def add_pending(self, message: Pending) -> Pending:
        added = self._execute(
            "INSERT INTO outbox (client_id, message) VALUES (?, ?)", (message.client_id, _encode(message))
        )
        assert added.lastrowid is not None
        return structs.replace(message, order=added.lastrowid)

    def put_pending(self, message: Pending) -> None:
        self._execute("UPDATE outbox SET message = ? WHERE client_id = ?", (_encode(message), message.client_id))

    def drop_pending(self, client_id: str) -> None:
        self._execute("DELETE FROM outbox WHERE client_id = ?", (client_id,))

    def count_pending(self) -> int:
        (count,) = self._execute("SELECT count(*) FROM outbox").fetchone()
        return int(count)
