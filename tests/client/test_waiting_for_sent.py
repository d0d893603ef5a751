"""Whoever waits for a message to be sent is told when the device has stopped, and does not wait for ever."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.harness.server import ServerProcess
from tideline import Client, ConnectionClosed, RequestError

Fresh = Callable[[str], str]


async def test_a_token_that_is_not_accepted_ends_the_waiting_before_and_after_the_stop(
    server: ServerProcess, fresh: Fresh
) -> None:
    async with Client(server.url, "no token", device="phone") as client, asyncio.timeout(20):
        early = await client.send(fresh("bob"), "hi")
        with pytest.raises(ConnectionClosed, match="4401"):
            await early.sent()
        late = await client.send(fresh("bob"), "hi again")
        with pytest.raises(ConnectionClosed, match="4401"):
            await late.sent()
        assert [sending.state for sending in client.outbox()] == ["pending", "pending"]


async def test_the_store_of_another_user_ends_the_waiting(server: ServerProcess, fresh: Fresh, tmp_path: Path) -> None:
    alice, bob = fresh("alice"), fresh("bob")
    async with Client(server.url, server.token(alice), store=tmp_path / "db") as client, asyncio.timeout(20):
        await client.synced()
    async with Client(server.url, server.token(bob), store=tmp_path / "db") as client, asyncio.timeout(20):
        sending = await client.send(alice, "hi")
        with pytest.raises(RequestError, match="wrong_user"):
            await sending.sent()


async def test_a_closed_client_ends_the_waiting(server: ServerProcess, fresh: Fresh) -> None:
    async with Client("http://127.0.0.1:1", server.token(fresh("alice")), device="phone") as client:
        sending = await client.send(fresh("bob"), "hi")
        waiting = asyncio.create_task(sending.sent())
        await asyncio.sleep(0)
    async with asyncio.timeout(20):
        with pytest.raises(ConnectionClosed, match="closed"):
            await waiting


async def test_a_device_that_connects_again_is_waited_for_again(server: ServerProcess, fresh: Fresh) -> None:
    tokens = iter(["no token", server.token(fresh("alice"))])

    async def token() -> str:
        return next(tokens, "no token")

    async with Client(server.url, token, device="phone") as client, asyncio.timeout(20):
        sending = await client.send(fresh("bob"), "hi")
        try:
            await sending.sent()
        except ConnectionClosed:
            client.reconnect()
            await sending.sent()
        assert sending.message_seq == 1
