"""A handshake is one whether or not HTTP came over the same connection before: proxies keep connections."""

import asyncio
import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from urllib.parse import urlsplit

import aiohttp
import pytest

from tests.harness.server import ServerProcess
from tests.harness.wire import Wire

Start = Callable[..., AbstractAsyncContextManager[ServerProcess]]


async def test_a_kept_connection_can_become_a_websocket(server: ServerProcess, fresh: Callable[[str], str]) -> None:
    alice, bob = fresh("alice"), fresh("bob")
    one = aiohttp.TCPConnector(limit=1)
    async with aiohttp.ClientSession(connector=one) as session:
        for _ in range(2):
            async with session.get(f"{server.url}/healthz") as health:
                assert await health.json() == {"status": "ok"}
        async with session.ws_connect(f"{server.url}/v1/ws", protocols=["tideline.v1"]) as socket:
            assert socket.protocol == "tideline.v1"
            wire = Wire(socket)
            welcome = await wire.ask("hello", token=server.token(alice), device="phone", cursor=0)
            assert welcome["type"] == "welcome"
            assert (await wire.say(bob, "x" * 20_000))["seq"] == 1
            await wire.raw(json.dumps({"type": "ping", "id": 99}))
            assert (await wire.answer(99))["head"] == 1


@pytest.mark.parametrize("begun", [b"", b"GET /healthz HTTP/1.1\r\nHost:"])
async def test_a_kept_connection_that_says_nothing_whole_is_closed(start_server: Start, begun: bytes) -> None:
    async with start_server(heartbeat=0.5) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(server.url).port)
        try:
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert (await reader.readuntil(b"}")).startswith(b"HTTP/1.1 200")
            writer.write(begun)
            async with asyncio.timeout(20):
                assert not await reader.read()
        finally:
            writer.close()


async def test_a_refused_handshake_on_a_kept_connection_says_why(server: ServerProcess) -> None:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1)) as session:
        await (await session.get(f"{server.url}/healthz")).read()
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await session.ws_connect(f"{server.url}/v1/ws", origin="http://elsewhere.example")
        assert refused.value.status == 403
        await (await session.get(f"{server.url}/healthz")).read()
