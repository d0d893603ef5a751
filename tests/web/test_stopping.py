"""A server that is told to stop does not wait for those who wait for it."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import aiohttp

from tests.harness.server import ServerProcess

Start = Callable[..., AbstractAsyncContextManager[ServerProcess]]


async def test_a_stop_answers_pulls_that_wait(start_server: Start) -> None:
    async with start_server() as server, aiohttp.ClientSession() as session:
        poll = asyncio.create_task(
            session.post(
                f"{server.url}/v1/pull",
                json={"after": 0, "wait": 60},
                headers={"Authorization": f"Bearer {server.token('alice')}"},
            )
        )
        # The server has the request once it answers a later one of the same device by ending the first.
        await asyncio.sleep(0)
        async with session.get(f"{server.url}/healthz") as health:
            assert health.status == 200
        assert await server.stop(timeout=20) == 0
        answer = await poll
        assert (await answer.json())["entries"] == []
