"""Devices that don't read: memory stays bounded, they are told, turned away, and lose nothing (invariant D2)."""

import asyncio
import re
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any

import aiohttp

from tests.harness.raw import Raw, raw
from tests.harness.server import ServerProcess
from tests.harness.wire import Wire, device, message

Start = Callable[..., AbstractAsyncContextManager[ServerProcess]]

MEBIBYTE = 2**20


async def metric(server: ServerProcess, name: str) -> float:
    async with aiohttp.ClientSession() as session, session.get(f"{server.url}/metrics") as response:
        found = re.search(rf"^{re.escape(name)} (\S+)$", await response.text(), re.MULTILINE)
    return float(found[1]) if found else 0.0


async def flood(sender: Wire, target: str, megabytes: int) -> int:
    """Send so much to a user, as fast as it is taken; return how many messages that was."""
    size, window = 30_000, 64
    count = megabytes * MEBIBYTE // size
    for start in range(0, count, window):
        numbers = range(start, min(count, start + window))
        for group in range(0, len(numbers), 8):
            await sender.send(
                *[
                    {"type": "send", "id": 10 + n, "to": target, **message("x" * size)}
                    for n in numbers[group : group + 8]
                ]
            )
        for _ in numbers:
            assert (await sender.next(60))["type"] == "sent"
        sender.messages.clear()
    return count


async def deaf(server: ServerProcess, opened: Raw, user: str, **hello: Any) -> Raw:
    """Connect a device that will read nothing more than it has to."""
    welcome = await opened.hello(server.token(user), **hello)
    assert welcome["type"] == "welcome"
    return opened


async def test_a_device_that_does_not_read_costs_a_bounded_part_of_memory_is_closed_and_loses_nothing(
    start_server: Start,
) -> None:
    async with (
        start_server(drain_timeout=2) as server,
        device(server.url, server.token("bob")) as other,
        device(server.url, server.token("alice"), "reading") as reading,
    ):

        async def read() -> int:
            last = 0
            while last < total[0] or not total[0]:
                push = await reading.next(60)
                assert push["type"] == "push", "a device that reads is not made to pull"
                assert push["entries"][0]["seq"] == last + 1
                last = push["entries"][-1]["seq"]
                reading.messages.clear()
            return last

        total = [0]
        reader = asyncio.create_task(read())
        await flood(other, "warm", 24)  # buffers and caches have their size
        async with raw(server.url, limit=1024) as slow:
            await deaf(server, slow, "alice")
            before = server.memory()
            count = await flood(other, "alice", 100)
            assert server.memory() < before + 32 * MEBIBYTE
            total[0] = count = count + 1
            await other.say("alice", "the last")
            assert await reader == count
            for _ in range(100):
                if await metric(server, 'tideline_connections_closed_total{code="1013"}'):
                    break
                await asyncio.sleep(0.2)
            else:
                raise AssertionError("it was not closed")
            # What was pushed before it turned behind is consecutive; then one notify, and the end.
            frames = []
            try:
                while True:
                    frames.append(await slow.next(20))
            except (ConnectionError, asyncio.IncompleteReadError):
                pass
            pushed = [entry["seq"] for frame in frames if frame["type"] == "push" for entry in frame["entries"]]
            assert pushed == list(range(1, len(pushed) + 1))
            assert len(pushed) < count / 2
            assert len([frame for frame in frames if frame["type"] == "notify"]) <= 1
            cursor = len(pushed)
        async with device(server.url, server.token("alice"), "phone", cursor=cursor) as again:
            entries, more = again.welcome["entries"], again.welcome["more"]
            while more:
                page = await again.ask("pull", after=entries[-1]["seq"], limit=1000)
                entries, more = entries + page["entries"], page["more"]
                again.messages.clear()
            assert [entry["seq"] for entry in entries] == list(range(cursor + 1, count + 1))


async def test_a_slow_device_that_reads_on_is_told_once_and_catches_up(start_server: Start) -> None:
    async with (
        start_server() as server,
        device(server.url, server.token("bob")) as other,
        raw(server.url, limit=1024) as slow,
    ):
        await deaf(server, slow, "alice")
        count = await flood(other, "alice", 30)
        cursor, told = 0, 0
        while not told:
            frame = await slow.next(20)
            if frame["type"] == "push":
                assert frame["entries"][0]["seq"] == cursor + 1
                cursor = frame["entries"][-1]["seq"]
            else:
                assert frame["type"] == "notify"
                told = frame["head"]
        assert cursor < told <= count
        more = True
        while more:
            await slow.send({"type": "pull", "id": 5, "after": cursor, "limit": 1000})
            page = await slow.next(20)
            assert (page["type"], page["entries"][0]["seq"]) == ("page", cursor + 1)
            cursor, more = page["entries"][-1]["seq"], page["more"]
        assert cursor == count
        await other.say("alice", "live again")
        assert (await slow.next(20))["entries"][0]["seq"] == count + 1


async def test_a_burst_of_several_large_messages_arrives_whole_at_a_slow_reader(start_server: Start) -> None:
    """Messages that wait for the peer to read must not spoil each other's headers."""
    senders, sends = 10, 8
    async with start_server(limit_page_bytes=50_000, high_water=2**25) as server, AsyncExitStack() as stack:
        others = [await stack.enter_async_context(device(server.url, server.token(f"user{n}"))) for n in range(senders)]
        slow = await stack.enter_async_context(raw(server.url, limit=1024))
        await deaf(server, slow, "alice")
        rounds = 6
        for _ in range(rounds):
            # All of different lengths, so that no header can stand in for another.
            await asyncio.gather(
                *[
                    other.send(
                        *[
                            {
                                "type": "send",
                                "id": 10 + n,
                                "to": "alice",
                                **message("x" * (31_000 - 97 * place - 1009 * n)),
                            }
                            for n in range(sends)
                        ]
                    )
                    for place, other in enumerate(others)
                ]
            )
            for other in others:
                for _ in range(sends):
                    assert (await other.next(20))["type"] == "sent"
        seen: list[int] = []
        while len(seen) < rounds * senders * sends:
            push = await slow.next(20)
            assert push["type"] == "push"
            seen += [entry["seq"] for entry in push["entries"]]
        assert seen == list(range(1, len(seen) + 1))


async def test_who_does_not_read_its_answers_is_not_read_from(start_server: Start) -> None:
    """Back-pressure: the server stops reading, so that the device's own writing stops, and serves on later."""
    async with start_server() as server, device(server.url, server.token("bob")) as other:
        await flood(other, "alice", 8)
        async with raw(server.url, limit=1024) as greedy:
            await deaf(server, greedy, "alice", limit=1)
            before = server.memory()
            asked = 0

            async def ask() -> None:
                nonlocal asked
                while True:
                    await greedy.send(*[{"type": "pull", "id": asked + n + 10, "after": 0} for n in range(1000)])
                    asked += 1000

            asking = asyncio.create_task(ask())
            stopped, since = -1, 0
            while since < 3:
                await asyncio.sleep(0.2)
                since = since + 1 if asked == stopped else 0
                stopped = asked
                assert asked < 200_000
            assert server.memory() < before + 32 * MEBIBYTE
            assert (await other.ask("ping"))["type"] == "pong"
            asking.cancel()
            for number in range(200):
                assert (await greedy.next(20))["id"] == number + 10


async def test_requests_in_flight_are_bounded_and_all_answered(start_server: Start) -> None:
    async with start_server(max_in_flight=8) as server, raw(server.url) as phone:
        await phone.hello(server.token("alice"))
        await phone.send(*[{"type": "send", "id": 10 + n, "to": "bob", **message(str(n))} for n in range(300)])
        answers = [await phone.next(20) for _ in range(300)]
        assert [answer["id"] for answer in answers] == list(range(10, 310))
        assert [answer["message_seq"] for answer in answers] == list(range(1, 301))


async def test_devices_that_vanish_in_the_middle_of_everything_disturb_nobody(start_server: Start) -> None:
    async with start_server(max_in_flight=16) as server, device(server.url, server.token("bob")) as other:

        async def vanish(place: int) -> None:
            for turn in range(10):
                async with raw(server.url, limit=1024) as phone:
                    await phone.hello(server.token(f"user{place}"), f"d{turn % 3}")
                    await phone.send(
                        *[{"type": "send", "id": 10 + n, "to": "bob", **message("x" * 2000)} for n in range(40)]
                    )
                    if turn % 2:
                        await phone.next(20)

        await asyncio.gather(*[vanish(place) for place in range(8)])
        head = (await other.ask("ping"))["head"]
        other.unasked.clear()
        entries: list[Any] = []
        while len(entries) < head:
            page = await other.ask("pull", after=len(entries), limit=1000)
            entries += page["entries"]
            head = page["head"]
        assert [entry["seq"] for entry in entries] == list(range(1, len(entries) + 1))
        assert "defect" not in server.log()
        assert await server.stop() == 0
