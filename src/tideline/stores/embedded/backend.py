"""A folder as a backend: the embedded store's way in (implements ``Backend``)."""

import asyncio
from pathlib import Path
from typing import Self

from .database import Database
from .options import EmbeddedOptions
from .store import EmbeddedStore


class EmbeddedBackend:
    """Data in one folder, open in this process alone (implements ``Backend``)."""

    def __init__(self, path: Path | str, options: EmbeddedOptions | None = None) -> None:
        self._database = Database(Path(path), options or EmbeddedOptions())
        self._stores: dict[str, EmbeddedStore] = {}

    async def store(self, app: str = "main") -> EmbeddedStore:
        """Return an app's store."""
        if app not in self._stores:
            self._database.ensure()
            self._stores[app] = EmbeddedStore(self._database, app, self._database.epoch(app))
        return self._stores[app]

    def apps(self) -> list[str]:
        """Return all apps that have data."""
        return self._database.apps()

    async def probe(self) -> None:
        """Find out whether the database can serve, opening it anew if a write has failed."""
        self._database.ensure()

    async def close(self) -> None:
        """Close the database."""
        self._database.close()
        await asyncio.sleep(0)


class open_embedded:
    """Open a folder as a store for one app: ``async with tideline.open_store("./data") as store``.

    Raises:
        StoreLocked: if another process has it open.
    """

    def __init__(self, path: Path | str, *, app: str = "main", options: EmbeddedOptions | None = None) -> None:
        self._path = path
        self._app = app
        self._options = options
        self._backend: EmbeddedBackend | None = None

    async def __aenter__(self) -> EmbeddedStore:
        self._backend = EmbeddedBackend(self._path, self._options)
        return await self._backend.store(self._app)

    async def __aexit__(self, *_: object) -> None:
        if self._backend is not None:
            await self._backend.close()

    def __await__(self) -> "Self":
        raise TypeError("use 'async with open_store(...) as store'")
