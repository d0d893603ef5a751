"""An iterator gives each item once, in order, and its memory is bounded."""

import asyncio
import gc

import pytest

from tideline.client.feeds import Feeds
from tideline.client.stream import Stream
from tideline.protocol.events import Custom


async def test_items_come_once_and_in_order() -> None:
    stream = Stream[int](10, lossy=False)
    stream.feed([1, 2])
    taking = asyncio.ensure_future(anext(stream))
    assert await taking == 1
    assert await anext(stream) == 2
    waiting = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0)
    stream.feed([3])
    assert await waiting == 3


async def test_a_lossy_stream_drops_the_oldest() -> None:
    stream = Stream[int](3, lossy=True)
    stream.feed([1, 2, 3, 4, 5])
    stream.end()
    assert [item async for item in stream] == [3, 4, 5]


async def test_a_stream_that_is_not_lossy_says_when_it_is_full_and_when_drained() -> None:
    stream = Stream[int](4, lossy=False)
    stream.feed([1, 2, 3, 4])
    assert stream.full
    await anext(stream)
    assert not stream.full
    assert not stream.drained
    await anext(stream)
    assert stream.drained


async def test_what_is_there_is_given_before_the_end() -> None:
    stream = Stream[int](4, lossy=False)
    stream.feed([1])
    stream.end(ValueError("over"))
    stream.feed([2])
    assert await anext(stream) == 1
    with pytest.raises(ValueError, match="over"):
        await anext(stream)


async def test_a_closed_stream_is_never_full() -> None:
    taken = []
    stream = Stream[int](1, lossy=False, on_taken=lambda: taken.append(1))
    async with stream:
        stream.feed([1, 2])
        assert stream.full
    assert not stream.full
    assert stream.drained
    assert taken
    assert [item async for item in stream] == []


class Consumer:
    def __init__(self) -> None:
        self.flows = 0
        self.feeds = Feeds(2, self.flow)

    def flow(self) -> None:
        self.flows += 1


async def test_the_slowest_of_all_consumers_decides() -> None:
    consumer = Consumer()
    slow, quick = consumer.feeds.events(), consumer.feeds.events()
    consumer.feeds.happened([Custom(name="n", data=1), Custom(name="n", data=2)])
    assert consumer.feeds.full
    await anext(quick)
    await anext(quick)
    assert consumer.feeds.full
    assert not consumer.feeds.drained
    await slow.aclose()
    assert not consumer.feeds.full
    assert consumer.feeds.drained


async def test_one_that_is_abandoned_counts_no_more() -> None:
    consumer = Consumer()
    abandoned = consumer.feeds.events()
    consumer.feeds.happened([Custom(name="n", data=1), Custom(name="n", data=2)])
    before = consumer.flows
    del abandoned
    gc.collect()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert consumer.flows > before
    assert not consumer.feeds.full
