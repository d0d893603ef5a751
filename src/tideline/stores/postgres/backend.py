"""A PostgreSQL database as a place where data lives: connections, the check of its schema, apps and their epochs."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Self

import asyncpg
from msgspec import Struct

from tideline.timeline.contract import StoreError, StoreUnavailable

from . import schema
from .errors import LOST, passing
from .store import PostgresStore

_TURN_EVERY = 3600.0

SESSION = {
    "application_name": "tideline",
    "search_path": schema.SCHEMA,
    "jit": "off",
    # Statements name their keys; a plan made while a table was small must not stay a scan of all of it.
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "plan_cache_mode": "force_generic_plan",
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "2",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "10000",
}
"""Settings of every session."""

Record = asyncpg.Record
Connection = asyncpg.Connection


class PostgresOptions(Struct, frozen=True, kw_only=True):
    """What can be set about the store on PostgreSQL; times in seconds."""

    connections: int = 8
    """Connections of this process to the database, at most."""
    timeout: float = 5.0
    """How long a statement, or connecting, may take before the store counts as unavailable."""
    distributed: bool = False
    """Whether tables are distributed over servers (Citus), so that a statement may write to one of them only."""
    cached_members: int = 131_072
    """Members of conversations kept in memory."""
    client_id_ttl: int = 86_400
    """How long an idempotency key is remembered, at least."""


class PostgresBackend:
    """Data in a PostgreSQL database that any number of processes share (implements ``Backend``)."""

    def __init__(self, url: str, options: PostgresOptions | None = None) -> None:
        self.url = url
        self.options = options or PostgresOptions()
        self.cluster = ""
        """A random name of this database, the same for all processes."""
        self._pool: Any = None
        self._stores: dict[str, PostgresStore] = {}
        self._keeper: asyncio.Task[None] | None = None
        self._opening = asyncio.Lock()

    async def open(self) -> Self:
        """Connect, and check that the database is what this version works with.

        Raises:
            StoreUnavailable: if it can't be reached.
            StoreError: if its schema is missing, old or newer, or if it acknowledges before it is durable.
        """
        async with self._opening:
            if self._pool is not None:
                return self
            with passing():
                pool = await self._connect()
            try:
                with passing():
                    async with pool.acquire() as connection:
                        await schema.check(connection)
                        await _check_durable(connection)
                        self.cluster = await connection.fetchval("SELECT value FROM about WHERE key = 'cluster'")
                        await self._turn(connection)
            except BaseException:
                pool.terminate()
                raise
            self._pool = pool
            self._keeper = asyncio.create_task(self._keep())
        return self

    async def _connect(self) -> Any:
        milliseconds = str(int(self.options.timeout * 1000))
        return await asyncpg.create_pool(
            self.url,
            min_size=1,
            max_size=self.options.connections,
            timeout=self.options.timeout,
            command_timeout=self.options.timeout,
            reset=_keep_session,
            server_settings={
                **SESSION,
                # What a node holds locked when it vanishes is free again soon.
                "idle_in_transaction_session_timeout": milliseconds,
                "statement_timeout": milliseconds,
            },
        )

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Any]:
        """Have a connection for the length of this block.

        Raises:
            StoreUnavailable: if there is none.
        """
        if self._pool is None:
            raise StoreUnavailable("PostgreSQL: not connected")
        with passing():
            connection = await self._pool.acquire(timeout=self.options.timeout)
        try:
            yield connection
        finally:
            with passing():
                await asyncio.shield(self._pool.release(connection, timeout=1))

    async def store(self, app: str = "main") -> PostgresStore:
        """Return an app's store; the first time anywhere, it is made and gets a new epoch."""
        store = self._stores.get(app)
        if store is None:
            await self.open()
            async with self.connection() as connection:
                with passing():
                    epoch = await _epoch(connection, app)
            store = self._stores.setdefault(app, PostgresStore(self, app, epoch))
        return store

    async def apps(self) -> list[str]:
        """Return all apps that have data."""
        await self.open()
        async with self.connection() as connection:
            with passing():
                return [row["app"] for row in await connection.fetch("SELECT app FROM apps ORDER BY app")]

    async def new_epoch(self, app: str) -> str:
        """Give an app's data a new epoch: after a restore, what devices hold may be of a future that never was.

        Every device then takes a snapshot. Nodes keep the epoch they have read: stop them before.

        Raises:
            StoreError: if there is no such app.
        """
        epoch = secrets.token_urlsafe(9)
        await self.open()
        async with self.connection() as connection:
            with passing():
                done = await connection.execute("UPDATE apps SET epoch = $2 WHERE app = $1", app, epoch)
        if done != "UPDATE 1":
            raise StoreError(f"the database holds no app {app!r}")
        self._stores.pop(app, None)
        return epoch

    async def probe(self) -> None:
        """Find out whether the database answers."""
        await self.open()
        async with self.connection() as connection:
            with passing():
                await connection.fetchval("SELECT 1")

    async def close(self) -> None:
        """Close all connections."""
        if self._keeper is not None:
            self._keeper.cancel()
        pool, self._pool = self._pool, None
        if pool is not None:
            try:
                async with asyncio.timeout(2):
                    await pool.close()
            except LOST:
                pool.terminate()

    async def _turn(self, connection: Any) -> None:
        """Make room for idempotency keys of today, and drop those past their time to live."""
        keep = self.options.client_id_ttl * 1000
        await connection.execute("SELECT turn_sends($1, $2)", int(time.time() * 1000), keep)

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(_TURN_EVERY)
            try:
                async with self.connection() as connection:
                    with passing():
                        await self._turn(connection)
            except StoreUnavailable:
                continue  # tomorrow's partition is there already; there is a day to try again


async def _keep_session(_: Any) -> None:
    """Leave a session as it is: nothing here changes one, and resetting costs a round trip."""


async def _check_durable(connection: Any) -> None:
    for setting, wrong in (("fsync", "off"), ("synchronous_commit", "off")):
        if await connection.fetchval("SELECT current_setting($1)", setting) == wrong:
            raise StoreError(f"PostgreSQL has {setting} = {wrong}: it would acknowledge what a crash can lose")


async def _epoch(connection: Any, app: str) -> str:
    found = await connection.fetchval("SELECT epoch FROM apps WHERE app = $1", app)
    if found is None:
        fresh = secrets.token_urlsafe(9)
        await connection.execute("INSERT INTO apps (app, epoch) VALUES ($1, $2) ON CONFLICT DO NOTHING", app, fresh)
        found = await connection.fetchval("SELECT epoch FROM apps WHERE app = $1", app)
    return str(found)


class open_postgres:
    """Open a database as a store for one app: ``async with open_postgres("postgresql://…") as store``.

    Raises:
        StoreUnavailable: if it can't be reached.
        StoreError: if its schema is not this version's.
    """

    def __init__(self, url: str, *, app: str = "main", options: PostgresOptions | None = None) -> None:
        self._backend = PostgresBackend(url, options)
        self._app = app

    async def __aenter__(self) -> PostgresStore:
        await self._backend.open()
        return await self._backend.store(self._app)

    async def __aexit__(self, *_: object) -> None:
        await self._backend.close()
