"""A local store in one SQLite file, which outlives its process.

Theory: one thread owns the database, so that a transaction never blocks the event loop; work is handed to it by a
queue, in order. Work that waits together is committed together, each piece in a savepoint of its own, so that many
messages sent at once are synced once. The database is in WAL mode and locked exclusively as long as it is open. A
transaction is not synced to the disk unless it is to be durable: a kill of the process loses nothing, a loss of
power may lose the last transactions, and the server still has what they brought; only the outbox holds what nobody
else has.
"""

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from typing import Any, NamedTuple, TypeVar, cast

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

GROUP = 256
"""Pieces of work that are committed together, at most."""


class _Job(NamedTuple):
    """A piece of work, or None: to end; and who waits for it."""

    work: Callable[["_Records"], Any] | None
    durable: bool
    loop: asyncio.AbstractEventLoop
    done: "asyncio.Future[Any]"

    def finish(self, result: Any, error: BaseException | None) -> None:
        with suppress(RuntimeError):  # The loop is closed: nobody waits.
            self.loop.call_soon_threadsafe(_finish, self.done, result, error)


class SqliteStore:
    """Records in a file. Other files beside it, ``<path>-wal`` and its like, belong to it."""

    def __init__(self, path: str | Path) -> None:
        self._path = str(path)
        self._jobs: SimpleQueue[_Job] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._records: _Records | None = None

    async def open(self) -> None:
        """Make the store ready.

        Raises:
            StoreInUse: if another client uses it.
            StoreTooNew: if a later version of this library has written it.
        """
        loop = asyncio.get_running_loop()
        opened: asyncio.Future[None] = loop.create_future()
        self._jobs = SimpleQueue()
        self._thread = threading.Thread(
            target=self._serve, args=(_Job(None, False, loop, opened),), name="tideline-store", daemon=True
        )
        self._thread.start()
        try:
            await opened
        except BaseException:
            self._thread = None
            self._put(None, durable=False)  # If it was cancelled, the thread lives.
            raise

    async def run(self, work: Callable[[Transaction], T], *, durable: bool = False) -> T:
        """Run work in one transaction, on the store's own thread."""
        if self._thread is None:
            raise RuntimeError("the store is not open")
        return cast("T", await self._put(work, durable=durable))

    async def close(self) -> None:
        """Let go of the store, after all work that was asked for."""
        thread, self._thread = self._thread, None
        if thread is not None:
            await self._put(None, durable=False)

    def _put(self, work: Callable[["_Records"], Any] | None, *, durable: bool) -> "asyncio.Future[Any]":
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Any] = loop.create_future()
        self._jobs.put(_Job(work, durable, loop, done))
        return done

    def _serve(self, opened: _Job) -> None:
        """Open the database, and run jobs until one says to end; on a thread of its own."""
        try:
            records = self._records = self._connect()
        except BaseException as error:  # Whoever opens it gets it.
            opened.finish(None, error)
            return
        opened.finish(None, None)
        last: _Job | None = None
        while last is None:
            jobs = [self._jobs.get()]
            while len(jobs) < GROUP and not self._jobs.empty():
                jobs.append(self._jobs.get())
            last = next((job for job in jobs if job.work is None), None)
            group = [job for job in jobs if job.work is not None]
            for job, result, raised in _commit(records, group) if group else ():
                job.finish(result, raised)
        records.connection.close()
        last.finish(None, None)

    def _connect(self) -> "_Records":
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
        return _Records(connection)


_Outcome = tuple[_Job, Any, BaseException | None]


def _commit(records: "_Records", jobs: list[_Job]) -> list[_Outcome]:
    """Run pieces of work in one transaction. One that raises is undone alone; if the commit fails, all fail."""
    execute = records.connection.execute
    durable = any(job.durable for job in jobs)
    try:
        if durable:
            execute("PRAGMA synchronous = FULL")
        execute("BEGIN")
        outcomes = [_attempt(records, job) for job in jobs]
        execute("COMMIT")
        if durable:
            execute("PRAGMA synchronous = NORMAL")
    except BaseException as error:  # Whoever waits gets it.
        with suppress(sqlite3.Error):
            execute("ROLLBACK")
        return [(job, None, error) for job in jobs]
    return outcomes


def _attempt(records: "_Records", job: _Job) -> _Outcome:
    """Run one piece of work.

    Raises:
        sqlite3.Error: if the whole transaction is lost with it.
    """
    assert job.work is not None
    execute = records.connection.execute
    execute("SAVEPOINT work")
    try:
        outcome: _Outcome = (job, job.work(records), None)
    except BaseException as error:
        if not records.connection.in_transaction:
            raise
        execute("ROLLBACK TO work")
        outcome = (job, None, error)
    execute("RELEASE work")
    return outcome


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
