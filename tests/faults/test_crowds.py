"""Many at once, slow ones, silent ones: each gets everything or is sent away, and nobody else notices."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.harness.load import until
from tests.harness.proxy import proxy
from tests.harness.server import ServerProcess, server_process
from tests.harness.wire import Frame, device

from .soundness import assert_sound, timeline

CLIENTS = 2_000
AT_ONCE = 250
"""Handshakes of this one process in flight: more would only wait in it."""
MANY = 400
"""Messages of 30 KB: more than the kernel's buffers take."""


@pytest.mark.timeout(180)
async def test_two_thousand_clients_that_come_back_at_once_all_get_what_they_missed(tmp_path: Path) -> None:
    async with server_process(tmp_path / "data") as server:
        async with device(server.url, server.token("alice")) as alice:
            await alice.ask("create", conversation="g:all", members=["bob"])
            for number in range(3):
                await alice.say("g:all", f"missed {number}")
        assert await server.stop() == 0
        await server.start()
        gate, leave = asyncio.Semaphore(AT_ONCE), asyncio.Event()
        arrived = 0

        async def client(number: int) -> None:
            nonlocal arrived
            user = "bob" if number % 40 == 0 else f"stranger{number}"
            async with AsyncExitStack() as stack:
                async with gate:
                    token = server.token(user)
                    wire = await stack.enter_async_context(device(server.url, token, f"d{number}"))
                assert wire.welcome["type"] == "welcome"
                assert [entry["seq"] for entry in wire.welcome["entries"]] == ([1, 2, 3, 4] if user == "bob" else [])
                arrived += 1
                await leave.wait()

        tasks = [asyncio.create_task(client(number)) for number in range(CLIENTS)]
        await until(lambda: arrived == CLIENTS or any(task.done() for task in tasks), 120)
        leave.set()
        await asyncio.gather(*tasks)
        assert arrived == CLIENTS
        await assert_sound(server, ["alice", "bob"], [])
        assert "defect" not in server.log()


async def test_a_reader_of_a_kilobyte_a_second_holds_up_nobody_and_catches_up(tmp_path: Path) -> None:
    async with (
        server_process(tmp_path / "data", high_water=8_192, drain_timeout=60) as server,
        device(server.url, server.token("alice")) as alice,
        device(server.url, server.token("bob"), "fast") as fast,
        proxy(server.port) as line,
        device(f"http://127.0.0.1:{line.port}", server.token("bob"), "slow") as slow,
    ):
        line.pace = 1.0
        for number in range(1, MANY + 1):
            await alice.say("bob", f"{number} " + "x" * 30_000)
            assert [entry["seq"] for entry in (await fast.expect("push"))["entries"]] == [number]
        line.pace = 0.0
        entries: list[Frame] = []
        pulls = 0
        while len(entries) < MANY:
            frame = await slow.next(30)
            if frame["type"] == "push":
                entries += frame["entries"]
            elif frame["type"] == "notify":
                more = True
                while more:
                    page = await slow.ask("pull", 30, after=len(entries), epoch=slow.welcome["epoch"])
                    entries += page["entries"]
                    more, pulls = page["more"], pulls + 1
        assert [entry["seq"] for entry in entries] == list(range(1, MANY + 1))
        assert pulls


async def test_a_reader_that_stops_reading_is_sent_away_and_has_lost_nothing(tmp_path: Path) -> None:
    async with (
        server_process(tmp_path / "data", high_water=4_096, drain_timeout=1) as server,
        device(server.url, server.token("alice")) as alice,
        proxy(server.port) as line,
        device(f"http://127.0.0.1:{line.port}", server.token("bob")) as stuck,
    ):
        line.cut()
        for number in range(MANY):
            await alice.say("bob", f"{number} " + "x" * 30_000)
        await _until_offline(server, "bob", "phone")
        line.mend()
        assert await stuck.closed(10) in (1013, 1006)
        assert len(await timeline(server, "bob")) == MANY


async def test_a_half_open_connection_is_noticed_and_what_was_sent_into_it_is_not_lost(tmp_path: Path) -> None:
    async with (
        server_process(tmp_path / "data", heartbeat=1) as server,
        proxy(server.port) as line,
        device(f"http://127.0.0.1:{line.port}", server.token("bob")) as lost,
    ):
        assert lost.welcome["type"] == "welcome"
        line.cut()
        async with device(server.url, server.token("alice")) as alice:
            for number in range(10):
                assert (await alice.say("bob", f"{number}"))["type"] == "sent"
        await _until_offline(server, "bob", "phone")
        line.mend()
        async with device(server.url, server.token("bob"), cursor=0) as back:
            assert [entry["seq"] for entry in back.welcome["entries"]] == list(range(1, 11))


async def _until_offline(server: ServerProcess, user: str, name: str) -> None:
    """Wait until the server takes a device for gone."""
    async with asyncio.timeout(20):
        while True:
            async with device(server.url, server.token(user), "other") as other:
                found = (await other.ask("devices"))["devices"]
            if not any(each["device"] == name and each["online"] for each in found):
                return
            await asyncio.sleep(0.2)
