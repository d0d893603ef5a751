"""Engines for the tests of delivery."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from tests.harness.engine import Desk, desk


@pytest_asyncio.fixture(name="engine")
async def an_engine(tmp_path: Path) -> AsyncIterator[Desk]:
    """An engine over a store of its own."""
    async with desk(tmp_path / "store") as opened:
        yield opened
