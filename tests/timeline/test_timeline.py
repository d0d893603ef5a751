"""A timeline by itself promises numbers without holes, durable entries, and clear errors."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

import tideline
from tideline.timeline.timeline import DATA_MAX


@pytest_asyncio.fixture
async def orders(tmp_path: Path) -> AsyncIterator[tideline.Timeline]:
    async with tideline.open_store(tmp_path / "made" / "on the way") as store:
        yield tideline.Timeline(store, "orders")


async def test_entries_that_are_appended_at_once_get_numbers_without_a_hole(orders: tideline.Timeline) -> None:
    numbers = await asyncio.gather(*(orders.append(b"%d" % place) for place in range(50)))
    assert sorted(numbers) == list(range(1, 51))
    assert [(seq, data) for seq, data in await orders.read()] == sorted(
        (seq, b"%d" % place) for place, seq in enumerate(numbers)
    )


async def test_entries_outlive_the_process_that_wrote_them(tmp_path: Path) -> None:
    async with tideline.open_store(tmp_path / "data") as store:
        assert await tideline.Timeline(store, "orders").extend([b"one", b"two"]) == (1, 2)
    async with tideline.open_store(tmp_path / "data") as store:
        orders = tideline.Timeline(store, "orders")
        assert await orders.append(b"three") == 3
        assert await orders.read(after=1) == [(2, b"two"), (3, b"three")]


async def test_every_reader_is_a_cursor_of_its_own(orders: tideline.Timeline) -> None:
    await orders.extend([b"1", b"2", b"3"])
    assert [seq for seq, _ in await orders.read(after=0, limit=2)] == [1, 2]
    assert [seq for seq, _ in await orders.read(after=2)] == [3]
    assert [seq for seq, _ in await orders.read_back(limit=2)] == [3, 2]
    assert await orders.get(2) == (2, b"2")


async def test_numbers_go_on_after_a_trim(orders: tideline.Timeline) -> None:
    await orders.extend([b"1", b"2", b"3"])
    await orders.trim(before=4)
    assert await orders.read() == []
    assert await orders.get(1) is None
    assert await orders.append(b"4") == 4


async def test_timelines_of_a_store_do_not_see_each_other(tmp_path: Path) -> None:
    async with tideline.open_store(tmp_path / "data") as store:
        one, other = tideline.Timeline(store, "a"), tideline.Timeline(store, "a/b")
        assert (await one.append(b"of a"), await other.append(b"of a/b")) == (1, 1)
        assert await one.read() == [(1, b"of a")]


async def test_positions_outside_a_timeline_are_empty_reads(orders: tideline.Timeline) -> None:
    await orders.append(b"1")
    assert await orders.read(after=-5) == [(1, b"1")]
    assert await orders.read(after=2**70) == []
    assert await orders.read(limit=0) == []
    assert await orders.read_back(before=-5) == []
    assert await orders.read_back(before=2**70) == [(1, b"1")]
    assert await orders.get(-1) is None
    await orders.trim(before=-5)
    assert await orders.extend([]) == (2, 1)
    assert await orders.head() == 1


async def test_what_is_too_large_is_refused_whole(orders: tideline.Timeline) -> None:
    with pytest.raises(ValueError, match="the limit is"):
        await orders.extend([b"fits", bytes(DATA_MAX + 1)])
    assert await orders.head() == 0


@pytest.mark.parametrize("name", ["", "zero\0byte", "x" * 256, "\ud800"])
async def test_a_name_that_can_not_be_one_is_refused(tmp_path: Path, name: str) -> None:
    async with tideline.open_store(tmp_path / "data") as store:
        with pytest.raises(ValueError, match=r"name|surrogates"):
            tideline.Timeline(store, name)


async def test_a_folder_that_is_open_already_is_refused(tmp_path: Path) -> None:
    async with tideline.open_store(tmp_path / "data"):
        with pytest.raises(tideline.StoreLocked, match="in use by another process"):
            async with tideline.open_store(tmp_path / "data"):
                pass


async def test_a_store_that_is_awaited_says_how_to_open_it(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="async with"):
        await tideline.open_store(tmp_path / "data")  # type: ignore[misc]
