"""``tideline migrate`` and ``tideline new-epoch``: what is done to a database besides serving from it."""

import asyncio
from typing import Annotated

from cyclopts import Parameter

from tideline.stores.postgres import PostgresBackend, schema
from tideline.timeline.contract import StoreError

Store = Annotated[str, Parameter(help="URL of the PostgreSQL database.")]


def migrate(*, store: Store) -> int:
    """Make or bring up to date the schema of a PostgreSQL database."""
    done = asyncio.run(schema.migrate(_url(store)))
    for step in done:
        print(f"{step.version:04} {step.name}")
    print(f"schema {schema.VERSION}" if done else f"schema {schema.VERSION}: nothing to do")
    return 0


def new_epoch(
    *,
    store: Store,
    apps: Annotated[
        tuple[str, ...], Parameter(name="--app", help="App to do it for; default: all.", show_default=False)
    ] = (),
) -> int:
    """Give restored data a new epoch, so that every device takes a snapshot. Stop all nodes before."""

    async def run() -> None:
        backend = PostgresBackend(_url(store))
        try:
            for app in apps or await backend.apps():
                print(f"{app} {await backend.new_epoch(app)}")
        finally:
            await backend.close()

    asyncio.run(run())
    return 0


def _url(store: str) -> str:
    if not store.startswith(("postgresql://", "postgres://")):
        raise StoreError("--store takes a URL that begins with postgresql://")
    return store
