"""What the embedded store does when a file of its own can't be read: it says so, and never takes it for the end."""

import os
from pathlib import Path

import pytest

from tideline.stores.embedded.database import Database
from tideline.stores.embedded.options import EmbeddedOptions
from tideline.stores.embedded.store import EmbeddedStore
from tideline.timeline.contract import StoreUnavailable
from tideline.timeline.timeline import Timeline

ENTRIES = 2000


def spoil(file: Path) -> None:
    with file.open("r+b") as opened:
        opened.seek(file.stat().st_size // 2)
        opened.write(b"garbage" * 10)


async def spoilt_timeline(path: Path) -> Timeline:
    """Return a timeline whose file has garbage in the middle."""
    database = Database(path, EmbeddedOptions())
    timeline = Timeline(EmbeddedStore(database, "main", "epoch"), "alice")
    await timeline.extend([os.urandom(100) for _ in range(ENTRIES)])
    database.families["entries"].flush()
    database.close()
    spoil(max(path.glob("*.sst"), key=lambda each: each.stat().st_size))  # noqa: ASYNC240
    return Timeline(EmbeddedStore(Database(path, EmbeddedOptions()), "main", "epoch"), "alice")


async def test_a_range_with_an_unreadable_block_is_an_error_and_not_a_shorter_range(tmp_path: Path) -> None:
    timeline = await spoilt_timeline(tmp_path / "store")
    with pytest.raises(StoreUnavailable, match="can't be read: Corruption"):
        await timeline.read(limit=ENTRIES)


async def test_the_same_backwards(tmp_path: Path) -> None:
    timeline = await spoilt_timeline(tmp_path / "store")
    with pytest.raises(StoreUnavailable, match="can't be read: Corruption"):
        await timeline.read_back(limit=ENTRIES)
