"""What both buses owe (tideline.bus.contract): bring messages while they can, and never get in the way."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest

from tests.harness.load import until
from tests.harness.nats import NatsServer, nats_server
from tests.harness.postgres import PostgresServer
from tests.harness.proxy import proxy
from tideline.bus.contract import Bus
from tideline.bus.nats import NatsBus
from tideline.bus.notify import NotifyBus

Inbox = list[tuple[str, bytes]]
Connect = Callable[[], Awaitable[tuple[Bus, Inbox]]]


@pytest.fixture(params=["nats", "notify"])
async def connect(request: pytest.FixtureRequest, postgres: PostgresServer, nats: NatsServer) -> AsyncIterator[Connect]:
    """Open a bus of one more node."""
    url = await postgres.database()
    names = iter(range(100))
    async with AsyncExitStack() as stack:

        async def make() -> tuple[Bus, Inbox]:
            inbox: Inbox = []
            bus: Bus
            if request.param == "nats":
                bus = NatsBus(nats.url, url.rpartition("/")[2])
            else:
                bus = NotifyBus(url, f"node{next(names)}")
            await bus.open(lambda topic, message: inbox.append((topic, message)), lambda: None)
            stack.push_async_callback(bus.close)
            assert bus.connected
            return bus, inbox

        yield make


async def test_what_is_published_reaches_whoever_watches_and_not_oneself(connect: Connect) -> None:
    (one, own), (two, found), (three, stranger) = await connect(), await connect(), await connect()
    for bus in (one, two):
        await bus.watch("abc")
    await three.watch("other")
    one.publish("abc", b"\0\xff first")
    one.publish("none", b"nobody")
    one.publish("abc", b"second")
    await until(lambda: len(found) == 2)
    assert found == [("abc", b"\0\xff first"), ("abc", b"second")]
    found.clear()
    assert not own
    assert not stranger
    two.unwatch("abc")
    await two.watch("later")
    one.publish("abc", b"third")
    one.publish("later", b"fourth")
    await until(lambda: len(found) == 1)
    assert found[-1] == ("later", b"fourth")


async def test_many_messages_at_once_come_in_as_many_parts_as_they_need(connect: Connect) -> None:
    (one, _), (two, found) = await connect(), await connect()
    await two.watch("abc")
    messages = [b"%05d" % number * 20 for number in range(1000)]
    for message in messages:
        one.publish("abc", message)
    await until(lambda: len(found) == len(messages))
    assert [message for _, message in found] == messages


async def test_what_waits_is_sent_before_a_bus_closes(connect: Connect) -> None:
    (one, _), (two, found) = await connect(), await connect()
    await two.watch("abc")
    one.publish("abc", b"last words")
    await asyncio.sleep(0)
    await one.close()
    await until(lambda: len(found) == 1)


async def test_the_nats_server_has_a_subscription_before_watching_is_done(nats: NatsServer) -> None:
    async with proxy(nats.port) as between:
        bus = NatsBus(f"nats://127.0.0.1:{between.port}", "order")
        await bus.open(lambda topic, message: None, lambda: None)
        for number in range(20):
            between.asked = bytearray()
            await bus.watch(f"topic{number}")
            asked = bytes(between.asked)
            assert asked.index(f"topic{number} ".encode()) < asked.rindex(b"PING"), "the last answer is of no use"
        await bus.close()


async def test_a_bus_without_a_server_takes_everything_and_brings_nothing() -> None:
    for bus in (NatsBus("nats://127.0.0.1:1", "none"), NotifyBus("postgresql://127.0.0.1:1/none", "node")):
        await bus.open(lambda topic, message: None, lambda: None)
        assert not bus.connected
        await bus.watch("abc")
        for _ in range(20_000):
            bus.publish("abc", b"hello")
        assert bus.dropped, "what waits is bounded"
        bus.unwatch("abc")
        await bus.close()


async def test_a_server_that_comes_back_is_watched_again_and_that_is_told() -> None:
    found: Inbox = []
    resumed = asyncio.Event()
    async with nats_server() as server:
        one, two = NatsBus(server.url, "x"), NatsBus(server.url, "x")
        await one.open(lambda topic, message: None, lambda: None)
        await two.open(lambda topic, message: found.append((topic, message)), resumed.set)
        await two.watch("abc")
        resumed.clear()
        await server.kill()
        await until(lambda: not one.connected and not two.connected)
        await two.watch("meanwhile")
        await server.start()
        await asyncio.wait_for(resumed.wait(), 10)
        await until(lambda: one.connected)
        async with asyncio.timeout(10):
            while {topic for topic, _ in found} != {"abc", "meanwhile"}:
                one.publish("abc", b"again")
                one.publish("meanwhile", b"too")
                await asyncio.sleep(0.05)
        await one.close()
        await two.close()
