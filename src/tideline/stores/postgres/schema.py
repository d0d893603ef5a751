"""The schema and its version: one ``.sql`` file per step, never changed once released.

Each step runs in a transaction of its own together with the note that it has run, under a lock, so that of two
migrations at once one does it and the other finds it done.
"""

import re
import secrets
from importlib import resources
from typing import NamedTuple

import asyncpg

from tideline.timeline.contract import StoreError

from .errors import passing

SCHEMA = "tideline"
"""The PostgreSQL schema that holds everything."""
_LOCK = 7526192
_FILE = re.compile(r"(\d{4})_(\w+)\.sql")


class Step(NamedTuple):
    """One migration."""

    version: int
    name: str
    sql: str


def _load() -> list[Step]:
    steps = []
    for file in resources.files(__package__).joinpath("migrations").iterdir():
        if match := _FILE.fullmatch(file.name):
            steps.append(Step(int(match[1]), match[2], file.read_text()))
    return sorted(steps)


STEPS = _load()
VERSION = STEPS[-1].version
"""The schema that this version of Tideline works with."""


async def version(connection: asyncpg.Connection) -> int:
    """Return the schema's version, 0 when there is none."""
    if await connection.fetchval("SELECT to_regclass($1)", f"{SCHEMA}.about") is None:
        return 0
    return int(await connection.fetchval(f"SELECT value FROM {SCHEMA}.about WHERE key = 'version'"))


async def check(connection: asyncpg.Connection) -> None:
    """Make sure that the schema is the one that this version works with.

    Raises:
        StoreError: if it is not, saying what to do.
    """
    found = await version(connection)
    if found == 0:
        raise StoreError("the database has no Tideline schema; make it: tideline migrate --store …")
    if found < VERSION:
        raise StoreError(f"the database has schema {found}, this version needs {VERSION}: tideline migrate --store …")
    if found > VERSION:
        raise StoreError(f"the database has schema {found}, newer than this version's {VERSION}: upgrade Tideline")


async def migrate(url: str, *, up_to: int = VERSION) -> list[Step]:
    """Bring a database's schema to this version; return the steps that ran, none when it was there already.

    Raises:
        StoreUnavailable: if the database can't be reached.
        StoreError: if its schema is newer.
    """
    with passing():
        connection = await asyncpg.connect(url, timeout=10)
    try:
        with passing():
            return await _run(connection, up_to)
    finally:
        await connection.close(timeout=5)


async def _run(connection: asyncpg.Connection, up_to: int) -> list[Step]:
    await connection.execute("SELECT pg_advisory_lock($1)", _LOCK)
    found = await version(connection)
    if found > VERSION:
        await check(connection)
    done = []
    for step in STEPS:
        if not found < step.version <= up_to:
            continue
        async with connection.transaction():
            if step.version == 1:
                await connection.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
                await connection.execute(f"CREATE TABLE {SCHEMA}.about (key text PRIMARY KEY, value text NOT NULL)")
                about = f"INSERT INTO {SCHEMA}.about VALUES ('version', '0'), ('cluster', $1)"
                await connection.execute(about, secrets.token_hex(8))
            await connection.execute(f"SET LOCAL search_path = {SCHEMA}")
            await connection.execute(step.sql)
            await connection.execute(f"UPDATE {SCHEMA}.about SET value = $1 WHERE key = 'version'", str(step.version))
        done.append(step)
    return done
