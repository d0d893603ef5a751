"""What breaks between nodes, their database and their bus: nothing acknowledged is lost, and everything resumes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.harness.load import Load, assert_sound, reader, until
from tests.harness.nats import NatsServer, nats_server
from tests.harness.nodes import Cluster, cluster
from tests.harness.postgres import PostgresServer, postgres_server
from tests.harness.proxy import proxy
from tests.harness.wire import device

USERS = [f"user{number}" for number in range(8)]
HOT = "g:hot"


@pytest.fixture
async def own_postgres() -> AsyncIterator[PostgresServer]:
    async with postgres_server() as running:
        yield running


@asynccontextmanager
async def under_load(nodes: Cluster) -> AsyncIterator[Load]:
    """Two nodes write to one conversation that everyone is in, to one user, and to pairs."""
    async with device(nodes.nodes[0].url, nodes.token(USERS[0]), "founder") as founder:
        made = await founder.ask("create", conversation=HOT, members=USERS[1:], history="all")
        assert made["type"] == "conversation", made
    load = Load([node.url for node in nodes.nodes], nodes.token)
    for number, user in enumerate(USERS[:6]):
        load.start(user, [HOT, USERS[7], USERS[number ^ 1]], first=number)
    await until(lambda: load.welcomed >= 6, 30)
    await load.more(60)
    yield load


async def test_a_node_that_is_killed_loses_nothing_acknowledged(
    tmp_path: Path, postgres: PostgresServer, nats: NatsServer
) -> None:
    store = await postgres.database()
    async with cluster(tmp_path, store, bus=nats.url) as nodes, under_load(nodes) as load:
        await nodes.nodes[0].kill()
        await load.more(200)
        await nodes.nodes[0].start()
        await load.more(60)
        await nodes.nodes[1].kill()
        await load.more(200)
        await load.stop()
        assert load.lost >= 6, "every sender has moved"
        await assert_sound(store, load.acked)


async def test_a_restarted_database_loses_nothing_acknowledged(
    tmp_path: Path, own_postgres: PostgresServer, nats: NatsServer
) -> None:
    store = await own_postgres.database()
    async with cluster(tmp_path, store, bus=nats.url) as nodes:
        async with under_load(nodes) as load:
            for _ in range(2):
                await own_postgres.stop()
                await own_postgres.start()
                await load.more(100)
            await own_postgres.crash()
            await own_postgres.start()
            await load.more(100)
            await load.stop()
        assert load.lost == 0, "devices stay connected"
        await assert_sound(store, load.acked)


async def test_while_the_database_is_gone_for_30_s_sends_are_unavailable_and_devices_stay(
    tmp_path: Path, own_postgres: PostgresServer
) -> None:
    store = await own_postgres.database()
    async with cluster(tmp_path, store) as nodes:
        one, other = nodes.nodes
        async with (
            reader(one.url, nodes.token(USERS[7]), pulls=True) as near,
            reader(other.url, nodes.token(USERS[7]), "far", pulls=True) as far,
            under_load(nodes) as load,
        ):
            await own_postgres.stop()
            before = len(load.acked)
            await asyncio.sleep(30)
            assert len(load.acked) - before <= 6, "nothing is acknowledged that isn't stored"
            assert load.errors["unavailable"] > 6
            assert set(load.errors) == {"unavailable"}
            await own_postgres.start()
            await load.more(100)
            await load.stop()
            assert load.lost == 0, "devices stay connected"
            heads = await assert_sound(store, load.acked)
            await near.reach(heads[USERS[7]])
            await far.reach(heads[USERS[7]])


async def test_a_database_that_falls_silent_is_unavailable_soon(tmp_path: Path, postgres: PostgresServer) -> None:
    """No error comes from a cut cable: what is in flight ends by its timeout, and nothing waits behind it for ever."""
    store = await postgres.database()
    async with proxy(postgres.port) as cable:
        through = store.replace(f":{postgres.port}/", f":{cable.port}/")
        async with cluster(tmp_path, through, store_timeout=1) as nodes, under_load(nodes) as load:
            cable.cut()
            await until(lambda: load.errors["unavailable"] >= 12, 30)
            cable.mend()
            await load.more(100)
            await load.stop()
            assert load.lost == 0, "devices stay connected"
            await assert_sound(store, load.acked)


async def test_without_the_bus_everything_is_pushed_all_the_same(tmp_path: Path, postgres: PostgresServer) -> None:
    """NATS goes and comes back; until then the nodes compare heads. No device has to pull, none misses anything."""
    store = await postgres.database()
    async with nats_server() as own, cluster(tmp_path, store, bus=own.url) as nodes:
        one, other = nodes.nodes
        async with (
            reader(one.url, nodes.token(USERS[7])) as near,
            reader(other.url, nodes.token(USERS[7]), "far") as far,
            under_load(nodes) as load,
        ):
            await own.kill()
            reached = far.cursor
            await load.more(200)
            await far.reach(reached + 50)
            # A timeline that this node never writes to: only comparing heads tells of it.
            async with (
                reader(other.url, nodes.token("quiet")) as quiet,
                device(one.url, nodes.token(USERS[0]), "other") as wire,
            ):
                await wire.say("quiet", "are you there?")
                await quiet.reach(1, 6)
            await own.start()
            await load.more(200)
            await load.stop()
            assert load.lost == 0
            assert not load.errors
            heads = await assert_sound(store, load.acked)
            await near.reach(heads[USERS[7]])
            await far.reach(heads[USERS[7]])


async def test_a_node_that_cannot_reach_the_bus_serves_all_the_same(
    tmp_path: Path, postgres: PostgresServer, nats: NatsServer
) -> None:
    store = await postgres.database()
    async with proxy(nats.port) as cable, cluster(tmp_path, store, nodes=1, bus=nats.url) as nodes:
        apart = await nodes.add(bus=f"nats://127.0.0.1:{cable.port}")
        async with (
            reader(nodes.nodes[0].url, nodes.token(USERS[7])) as near,
            reader(apart.url, nodes.token(USERS[7]), "far") as far,
            under_load(nodes) as load,
        ):
            cable.cut()
            reached = far.cursor
            await load.more(200)
            await far.reach(reached + 50)
            cable.mend()
            await load.more(100)
            await load.stop()
            assert load.lost == 0
            assert not load.errors
            heads = await assert_sound(store, load.acked)
            await near.reach(heads[USERS[7]])
            await far.reach(heads[USERS[7]])
