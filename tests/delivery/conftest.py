"""Engines for the tests of delivery."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from tests.harness.engine import Desk
from tideline.stores.embedded import EmbeddedBackend

_apps = itertools.count(1)


@pytest.fixture(scope="session", name="backend")
def a_backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedBackend]:
    """One database for all tests: opening one costs more than most tests do."""
    opened = EmbeddedBackend(tmp_path_factory.mktemp("delivery") / "store")
    yield opened
    asyncio.run(opened.close())


@pytest_asyncio.fixture(name="engine")
async def an_engine(backend: EmbeddedBackend) -> AsyncIterator[Desk]:
    """An engine of an app of its own: nothing crosses from one into another."""
    opened = Desk(await backend.store(f"app{next(_apps)}"))
    yield opened
    await opened.engine.drain()
