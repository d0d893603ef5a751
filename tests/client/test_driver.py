"""The shell around the machine carries out what it wants, and what goes wrong there is told."""

import asyncio
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest

from tests.harness.server import ServerProcess
from tideline.client import Client, MessageEvent, driver
from tideline.client.connection import Connection
from tideline.client.policy import Policy
from tideline.client.stores.contract import Transaction
from tideline.client.stores.memory import MemoryStore
from tideline.client.stores.sqlite import SqliteStore

from .proxy import proxy
from .test_against_server import Fresh, online, take, texts, until

T = TypeVar("T")


class FailingStore(MemoryStore):
    """A store whose disk is full from some moment on."""

    full = False

    async def run(self, work: Callable[[Transaction], T], *, durable: bool = False) -> T:
        if self.full:
            raise sqlite3.OperationalError("database or disk is full")
        return await super().run(work, durable=durable)


class SlowStore(SqliteStore):
    """A store that takes its time."""

    async def run(self, work: Callable[[Transaction], T], *, durable: bool = False) -> T:
        def slowly(tx: Transaction) -> T:
            time.sleep(0.01)
            return work(tx)

        return await super().run(slowly, durable=durable)


async def test_a_store_that_fails_ends_the_client_and_says_why(server: ServerProcess, fresh: Fresh) -> None:
    alice, bob, store = fresh("alice"), fresh("bob"), FailingStore()
    async with online(server, bob) as other, online(server, alice, store=store) as me:
        events = me.events()
        store.full = True
        await (await other.send(alice, "hi")).sent()
        with pytest.raises(sqlite3.OperationalError, match="disk is full"):
            await take(events, 1)
        with pytest.raises(sqlite3.OperationalError, match="disk is full"):
            await me.synced()
        store.full = False
        assert await me.conversation(bob) is None


async def test_what_was_not_stored_was_not_applied_and_comes_again(server: ServerProcess, fresh: Fresh) -> None:
    alice, bob, store = fresh("alice"), fresh("bob"), FailingStore()
    async with online(server, bob) as other:
        async with online(server, alice, store=store) as me:
            store.full = True
            await (await other.send(alice, "hi")).sent()
            await until(lambda: me._session._error is not None)
        store.full = False
        async with online(server, alice, store=store) as me:
            state = await me.conversation(bob)
            assert state is not None
            assert state.unread == 1


async def test_a_slow_store_holds_back_the_network_and_loses_nothing(
    server: ServerProcess, fresh: Fresh, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver, "BACKLOG", 10)
    alice, bob = fresh("alice"), fresh("bob")
    throttled: list[Connection] = []
    pause = Connection.pause_reading

    def counted(self: Connection) -> None:
        throttled.append(self)
        pause(self)

    monkeypatch.setattr(Connection, "pause_reading", counted)
    async with (
        online(server, alice) as me,
        online(server, bob, store=SlowStore(tmp_path / "bob.db"), policy=None) as other,
    ):
        events = other.events()
        for number in range(500):
            await me.send(bob, str(number))
        assert texts(await take(events, 500)) == [str(number) for number in range(500)]
        assert throttled
        assert not other._session.driver._throttled


async def test_a_source_of_tokens_may_fail_for_a_while(server: ServerProcess, fresh: Fresh) -> None:
    alice, calls = fresh("alice"), 0

    async def source() -> str:
        nonlocal calls
        calls += 1
        if calls < 3:
            raise OSError("no network")
        return server.token(alice)

    async with online(server, alice, token=source):
        assert calls == 3


async def test_a_connection_that_opens_too_slowly_is_given_up(server: ServerProcess, fresh: Fresh) -> None:
    quick = Policy(connect=100, backoff=20, backoff_cap=50)
    async with proxy(server.port) as line:
        line.swallowing = True
        async with Client(line.url, server.token(fresh("alice")), policy=quick) as me:
            await until(lambda: line.opened > 2)
            line.swallowing = False
            async with asyncio.timeout(10):
                await me.synced()


async def test_closing_at_any_moment_leaves_nothing_behind(server: ServerProcess, fresh: Fresh) -> None:
    """Tasks, sockets and timers: the tests treat what is left as an error."""
    alice = fresh("alice")
    for turns in range(12):
        async with Client(server.url, server.token(alice)) as me:
            await me.send(alice, "hi")
            for _ in range(turns):
                await asyncio.sleep(0.0005)
    others = asyncio.all_tasks() - {asyncio.current_task()}
    assert others == set()


async def test_a_cancelled_request_is_not_waited_for(server: ServerProcess, fresh: Fresh) -> None:
    async with online(server, fresh("alice")) as me:
        asking: asyncio.Task[Any] = asyncio.ensure_future(me.devices())
        await asyncio.sleep(0)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert me._session._calls == {}
        assert len(await me.devices()) == 1


async def test_a_message_is_stored_before_it_is_heard_of(server: ServerProcess, fresh: Fresh, tmp_path: Path) -> None:
    alice, bob = fresh("alice"), fresh("bob")
    async with online(server, alice) as me, online(server, bob, store=tmp_path / "bob.db") as other:
        events = other.events()
        for number in range(1, 30):
            await me.send(bob, str(number))
        for number in range(1, 30):
            (event,) = await take(events, 1, MessageEvent)
            state = await other.conversation(alice)
            assert state is not None
            assert state.head >= event.message.message_seq == number
