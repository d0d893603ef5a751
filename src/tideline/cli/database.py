"""``tideline migrate`` and ``tideline new-epoch``: what is done to a database besides serving from it."""

import asyncio

from tideline.stores.postgres import PostgresBackend, schema
from tideline.timeline.contract import StoreError


def migrate(store: str) -> int:
    """Bring the schema of a database to this version."""
    done = asyncio.run(schema.migrate(_url(store)))
    for step in done:
        print(f"{step.version:04} {step.name}")
    print(f"schema {schema.VERSION}" if done else f"schema {schema.VERSION}: nothing to do")
    return 0


def new_epoch(store: str, apps: tuple[str, ...]) -> int:
    """Give apps new epochs; all of them when none is named."""

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
