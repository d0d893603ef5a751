"""A server's data, with or without a server: where the settings say that it is."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, cast

from tideline.config import Settings
from tideline.timeline.contract import Backend, Store, StoreFailed
from tideline.timeline.survey import Survey

if TYPE_CHECKING:
    from tideline.delivery.engine import LocalEngine
    from tideline.stores.embedded import EmbeddedOptions
    from tideline.stores.postgres import PostgresBackend, PostgresOptions

# What is used for one kind of data only is loaded when it is used: commands should start at once.

STORE = "store"
"""The part of the data folder that is RocksDB's."""
RESEND_MARGIN = 60
"""Seconds that an idempotency key outlives what devices are told: a resend of the last moment may be on its way."""


def postgres_options(settings: Settings) -> "PostgresOptions":
    """Return what of the settings concerns the store on PostgreSQL."""
    from tideline.stores.postgres import PostgresOptions

    return PostgresOptions(
        connections=settings.store_connections,
        timeout=settings.store_timeout,
        distributed=settings.store_distributed,
        cached_members=settings.cached_members,
        client_id_ttl=settings.limit_client_id_ttl + RESEND_MARGIN,
    )


def embedded_options(settings: Settings) -> "EmbeddedOptions":
    """Return what of the settings concerns the embedded store."""
    from tideline.stores.embedded import EmbeddedOptions

    return EmbeddedOptions(
        block_cache=settings.block_cache,
        write_buffer=settings.write_buffer,
        wal_limit=settings.wal_limit,
        cached_heads=settings.cached_heads,
        cached_members=settings.cached_members,
        client_id_ttl=settings.limit_client_id_ttl + RESEND_MARGIN,
    )


def store_path(data: Path) -> Path:
    """Return where in a data folder the embedded store is."""
    return data / STORE


def backend(settings: Settings) -> Backend:
    """Open the data folder, or the way to the database.

    Raises:
        StoreLocked: if another process has the folder open.
    """
    if settings.store is None:
        from tideline.stores.embedded import EmbeddedBackend

        return EmbeddedBackend(store_path(settings.data), embedded_options(settings))
    from tideline.stores.postgres import PostgresBackend

    return PostgresBackend(settings.store, postgres_options(settings))


@asynccontextmanager
async def offline(settings: Settings, app: str, batch_records: int) -> AsyncIterator[tuple[Store, "LocalEngine"]]:
    """Open an app's data without serving it.

    Raises:
        StoreLocked: if another process has the data folder open.
        StoreFailed: after the block, if what it wrote may not be durable.
    """
    from tideline.delivery.engine import LocalEngine
    from tideline.observe import Observer

    failures: list[StoreFailed] = []
    opened = backend(settings)
    try:
        if settings.store is not None:
            await cast("PostgresBackend", opened).open()
        store = await opened.store(app)
        engine = LocalEngine(store, settings.limits, Observer(), batch_records=batch_records, failed=failures.append)
        try:
            yield store, engine
        finally:
            await engine.drain()
    finally:
        await opened.close()
        if failures:
            raise failures[0]


class Surveyed(NamedTuple):
    """Data that is looked at as a whole."""

    apps: list[Survey]
    size: int | None
    """About how many records there are; None: nobody knows."""
    in_use: bool
    """Whether a server may write to it meanwhile, so that what is seen is not of one moment."""


@asynccontextmanager
async def surveyed(settings: Settings) -> AsyncIterator[Surveyed]:
    """Open all data to look at it, changing nothing.

    Raises:
        StoreError: if there is none, or it can't be read.
    """
    if settings.store is not None:
        from tideline.stores.postgres import postgres_surveys

        async with postgres_surveys(settings.store) as found:
            yield Surveyed([*found], None, False)
    else:
        from tideline.stores.embedded import EmbeddedSurveys

        with closing(EmbeddedSurveys(store_path(settings.data))) as folder:
            yield Surveyed([folder.survey(app) for app in folder.apps()], folder.size(), folder.in_use)
