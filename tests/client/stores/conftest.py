"""Every store, through the same door."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tideline.client.stores.contract import LocalStore
from tideline.client.stores.memory import MemoryStore
from tideline.client.stores.sqlite import SqliteStore


@pytest.fixture(params=["memory", "sqlite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[LocalStore]:
    made: LocalStore = MemoryStore() if request.param == "memory" else SqliteStore(tmp_path / "device.db")
    await made.open()
    yield made
    await made.close()
