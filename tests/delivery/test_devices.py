"""The server's copy of where each device is (protocol, section 4, ``devices``)."""

import time

import pytest

from tests.harness.engine import Desk
from tideline.delivery.devices import DeviceBook, Forgotten
from tideline.protocol.errors import RequestError


def seconds(offset: float = 0.0) -> float:
    return time.time() + offset


async def names(book: DeviceBook, user: str = "alice", head: int = 0) -> list[str]:
    return [device.device for device in await book.listing(user, head, ())]


async def test_a_device_is_known_from_its_first_sight(engine: Desk) -> None:
    book = DeviceBook(engine.store, 100)
    await book.admit("alice", "phone", seconds())
    (device,) = await book.listing("alice", 5, ["phone"])
    assert (device.device, device.cursor, device.lag, device.online) == ("phone", None, None, True)
    assert abs(device.last_seen - time.time() * 1000) < 10_000


async def test_cursor_and_lag_are_the_last_ones_stated(engine: Desk) -> None:
    book = DeviceBook(engine.store, 100)
    phone = await book.admit("alice", "phone", seconds())
    book.seen("alice", "phone", phone, 41)
    book.seen("alice", "phone", phone)
    (device,) = await book.listing("alice", 44, ())
    assert (device.cursor, device.lag, device.online) == (41, 3, False)


async def test_what_is_known_outlives_a_flush_and_a_new_book(engine: Desk) -> None:
    book = DeviceBook(engine.store, 100)
    phone = await book.admit("alice", "phone", seconds())
    book.seen("alice", "phone", phone, 7)
    await book.flush()
    assert [device.cursor for device in await DeviceBook(engine.store, 100).listing("alice", 9, ())] == [7]


async def test_two_connections_of_one_device_share_what_is_known_of_it(engine: Desk) -> None:
    """A socket that learned of cursor 5 long ago must not undo what a poll said since."""
    book = DeviceBook(engine.store, 100)
    socket = await book.admit("alice", "phone", seconds())
    book.seen("alice", "phone", socket, 5)
    await book.flush()
    poll = await book.admit("alice", "phone", seconds())
    book.seen("alice", "phone", poll, 9)
    await book.flush()
    book.seen("alice", "phone", socket)  # it disconnects
    assert [device.cursor for device in await book.listing("alice", 9, ())] == [9]


async def test_the_hundred_and_first_device_drops_the_longest_unseen(engine: Desk) -> None:
    book = DeviceBook(engine.store, 100)
    for number in range(100):
        device = await book.admit("alice", f"device{number}", seconds())
        device.last_seen = 1000 + number
    book.seen("alice", "device0", await book.admit("alice", "device0", seconds()), 3)
    await book.flush()
    await book.admit("alice", "one-more", seconds())
    found = await names(book)
    assert len(found) == 100
    assert "device1" not in found
    assert {"device0", "one-more"} <= set(found)
    await book.flush()
    assert await names(DeviceBook(engine.store, 100)) == found


async def test_a_device_that_comes_back_drops_nobody(engine: Desk) -> None:
    book = DeviceBook(engine.store, 3)
    for name in ("a", "b", "c", "a", "b"):
        await book.admit("alice", name, seconds())
    assert set(await names(book)) == {"a", "b", "c"}


async def test_a_dropped_device_may_come_back(engine: Desk) -> None:
    book = DeviceBook(engine.store, 1)
    issued = seconds()
    await book.admit("alice", "a", issued)
    await book.admit("alice", "b", issued)
    assert await names(book) == ["b"]
    await book.admit("alice", "a", issued)
    assert await names(book) == ["a"]


async def test_forgetting_refuses_earlier_tokens_and_takes_later_ones(engine: Desk) -> None:
    book = DeviceBook(engine.store, 100)
    await book.admit("alice", "phone", seconds(-5))
    await book.forget("alice", "phone")
    assert await names(book) == []
    with pytest.raises(Forgotten):
        await book.admit("alice", "phone", seconds(-5))
    with pytest.raises(Forgotten):
        await book.admit("alice", "phone", 0)
    with pytest.raises(Forgotten):
        await DeviceBook(engine.store, 100).admit("alice", "phone", seconds(-5))
    await book.admit("alice", "phone", seconds(5))
    assert await names(book) == ["phone"]
    with pytest.raises(Forgotten):
        await book.admit("alice", "phone", seconds(-5))
    await book.admit("alice", "tablet", seconds(-5))
    await book.admit("bob", "phone", seconds(-5))


async def test_a_connection_that_ends_after_it_was_forgotten_does_not_bring_its_device_back(engine: Desk) -> None:
    book = DeviceBook(engine.store, 100)
    phone = await book.admit("alice", "phone", seconds(-5))
    await book.flush()
    await book.forget("alice", "phone")
    book.seen("alice", "phone", phone, 3)
    assert await names(book) == []
    await book.flush()
    with pytest.raises(Forgotten):
        await book.admit("alice", "phone", seconds(-5))


async def test_tokens_stay_void_when_a_forgotten_device_is_dropped_over_the_limit(engine: Desk) -> None:
    book = DeviceBook(engine.store, 1)
    await book.admit("alice", "phone", seconds(-5))
    await book.forget("alice", "phone")
    await book.admit("alice", "phone", seconds(5))
    await book.admit("alice", "tablet", seconds(5))
    assert await names(book) == ["tablet"]
    await book.flush()
    with pytest.raises(Forgotten):
        await book.admit("alice", "phone", seconds(-5))


async def test_forgetting_what_is_not_there_is_not_found(engine: Desk) -> None:
    book = DeviceBook(engine.store, 100)
    for _ in range(2):
        with pytest.raises(RequestError) as caught:
            await book.forget("alice", "phone")
        assert caught.value.code == "not_found"
    await book.admit("alice", "phone", seconds())
    await book.forget("alice", "phone")
    with pytest.raises(RequestError, match="not_found"):
        await book.forget("alice", "phone")
