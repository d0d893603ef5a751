"""Several nodes on one store, with a bus that loses, delays, repeats and reorders (tideline.delivery.shared).

Simulated in one process, so that the moment that matters can be hit: a commit is in the database and visible, and
the node that made it has not been told yet.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager

import msgspec
import pytest

from tests.harness.load import until
from tideline.delivery import shared
from tideline.delivery.commands import Command, Commit
from tideline.delivery.shared import SharedEngine
from tideline.observe import Observer
from tideline.protocol.errors import RequestError
from tideline.protocol.limits import Limits
from tideline.protocol.names import direct
from tideline.protocol.requests import Send
from tideline.stores.memory import MemoryStore, MemoryUnit, Tables
from tideline.timeline.changes import Changes, Run, SendKey
from tideline.timeline.contract import StoreFailed, StoreUnavailable


class World:
    """One database and one bus."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.tables = Tables()
        self.rows = asyncio.Lock()
        """Stands for all row locks."""
        self.buses: list[LossyBus] = []
        self.loss = 0.3

    async def hesitate(self) -> None:
        for _ in range(self.dice.randrange(6)):
            await asyncio.sleep(0)
        if self.dice.random() < 0.2:
            await asyncio.sleep(self.dice.random() * 0.004)


class NodeStore(MemoryStore):
    """A node's view of the database."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world
        self.tables = world.tables
        self.pause = world.hesitate
        self.one = asyncio.Lock()

    @asynccontextmanager
    async def begin(self, conversations: Collection[str], sends: Collection[SendKey]) -> AsyncIterator[MemoryUnit]:
        async with self.one:
            await self.world.rows.acquire()
            unit = NodeUnit(self, sends)
            try:
                yield unit
            finally:
                unit.unlock()

    async def heads(self, users: Sequence[str]) -> dict[str, int]:
        await self.pause()
        return {user: self.tables.heads.get(user, 0) for user in users}

    async def forgotten(self, users: Sequence[str], since: int) -> list[tuple[str, str, int]]:
        return []

    async def settled(self) -> None:
        async with self.one:
            pass


class NodeUnit(MemoryUnit):
    def __init__(self, store: NodeStore, sends: Collection[SendKey]) -> None:
        super().__init__(store, sends)
        self.node = store
        self.locked = True

    def unlock(self) -> None:
        if self.locked:
            self.locked = False
            self.node.world.rows.release()

    async def heads(self, runs: Mapping[str, Run]) -> dict[str, int]:
        await self.node.pause()
        return await super().heads(runs)

    async def commit(self, changes: Changes) -> None:
        await super().commit(changes)
        self.unlock()  # the others see it and go on ...
        await self.node.pause()  # ... before this node hears that it is done


class LossyBus:
    """A bus that keeps no promise but that it may bring things (implements ``Bus``)."""

    connected = True

    def __init__(self, world: World, carries: int) -> None:
        self.world = world
        self.carries = carries
        self.receive: Callable[[str, bytes], object] = lambda topic, message: None
        world.buses.append(self)

    async def open(self, receive: object, resumed: object) -> None: ...

    async def watch(self, topic: str) -> None:
        await self.world.hesitate()

    def unwatch(self, topic: str) -> None: ...

    async def close(self) -> None: ...

    def publish(self, topic: str, message: bytes) -> None:
        dice, loop = self.world.dice, asyncio.get_running_loop()
        for bus in self.world.buses:
            while bus is not self and dice.random() > self.world.loss:
                loop.call_later(dice.random() ** 3 * 0.02, bus.receive, topic, message)
                if dice.random() < 0.8:
                    break


class Watcher:
    """All connections of a node: sees what is announced, and holds it to the laws."""

    def __init__(self) -> None:
        self.seen: dict[str, list[bytes]] = {}
        self.answered: list[int] = []

    def start(self, user: str, head: int) -> None:
        self.seen[user] = [b""] * head

    def announce(self, commit: Commit) -> None:
        for user, run in commit.runs.items():
            assert run.first == len(self.seen[user]) + 1, f"{user}: {run.first} after {len(self.seen[user])}"
            self.seen[user] += [post.event for post in run.posts]
            origins = [post.origin for post in run.posts if isinstance(post.origin, Sender)]
            self.answered += [origin.number for origin in origins if origin.user == user]
        for _, outcome in commit.replies:
            assert not isinstance(outcome, RequestError)


class Sender:
    def __init__(self, number: int, user: str) -> None:
        self.number = number
        self.user = user

    def answered(self, command: Command, frame: bytes) -> None:
        raise AssertionError("an answer outside of its entry's place")

    def refused(self, command: Command, error: RequestError) -> None:
        raise error


def stop(error: StoreFailed) -> None:
    raise error


async def test_the_answer_of_what_is_committed_does_not_wait_for_a_store_that_is_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Entries of another node are missing before one's own, and can't be read: connections are answered, and pull."""
    monkeypatch.setattr(shared, "_PATIENCE", 0)
    world = World(0)
    world.loss = 1
    here, there = (
        SharedEngine(NodeStore(world), LossyBus(world, 100_000), Limits(), Observer(), batch_records=50, failed=stop)
        for _ in range(2)
    )
    runs: list[Run] = []
    here.listen(lambda commit: runs.extend(commit.runs.values()))
    await here.watch("alice")

    async def away(*_: object) -> None:
        raise StoreUnavailable("away")

    monkeypatch.setattr(here._store, "read", away)
    for number, engine in enumerate((there, here)):
        request = Send(id=1, conversation=None, to="bob", client_id=f"id{number}", body=msgspec.Raw(b"{}"))
        engine.submit(Command("send", "alice", "d:alice~bob", request, Sender(number, "alice"), 1, placed=True))
        await engine.drain()
    await until(lambda: bool(runs))
    assert [run.first for run in runs] == [2]
    await here.close()
    await there.close()


@pytest.mark.parametrize("carries", [100_000, 0], ids=["entries", "hints"])
@pytest.mark.parametrize("seed", range(6))
async def test_every_node_announces_every_entry_once_in_order(
    seed: int, carries: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared, "COMPARE_EVERY", 0.02)
    monkeypatch.setattr(shared, "_PATIENCE", 0.001)
    world = World(seed)
    users = [f"user{number}" for number in range(4)]
    nodes: list[SharedEngine] = []
    watchers: list[Watcher] = []
    for _ in range(3):
        bus = LossyBus(world, carries)
        engine = SharedEngine(NodeStore(world), bus, Limits(), Observer(), batch_records=50, failed=stop)
        bus.receive = engine.receive
        watcher = Watcher()
        engine.listen(watcher.announce, lambda user, note: None)
        for user in users:
            watcher.start(user, 0)
            await engine.watch(user)
        nodes.append(engine)
        watchers.append(watcher)

    total, tables = 60, world.tables
    for number in range(total):
        sender, peer = world.dice.sample(users, 2)
        where = world.dice.randrange(len(nodes))
        body = msgspec.Raw(b'{"n":%d}' % number)
        request = Send(id=number + 1, conversation=None, to=peer, client_id=f"id{number}", body=body)
        nodes[where].submit(
            Command("send", sender, direct(sender, peer), request, Sender(number, sender), number + 1, placed=True)
        )
        await world.hesitate()
    async with asyncio.timeout(10):
        for engine in nodes:
            await engine.drain()
    await until(
        lambda: all(len(watcher.seen[user]) == tables.heads.get(user, 0) for watcher in watchers for user in users)
    )
    assert sorted(number for watcher in watchers for number in watcher.answered) == list(range(total))
    for user in users:
        assert watchers[0].seen[user] == watchers[1].seen[user] == watchers[2].seen[user]
    for engine in nodes:
        await engine.close()
