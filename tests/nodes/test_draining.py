"""A node that goes down moves its devices to the others, a few at a time (docs/operation.md)."""

import asyncio
import time
from contextlib import AsyncExitStack
from pathlib import Path

from tests.harness.nats import NatsServer
from tests.harness.nodes import cluster
from tests.harness.postgres import PostgresServer
from tests.harness.wire import Wire, device

DEVICES = 60


async def test_a_node_that_stops_sends_its_devices_away_one_after_another(
    tmp_path: Path, postgres: PostgresServer, nats: NatsServer
) -> None:
    """Also 10,000 devices then come to the other nodes as a stream; and who is still here is served until the end."""
    async with (
        cluster(tmp_path, await postgres.database(), bus=nats.url) as nodes,
        AsyncExitStack() as stack,
    ):
        one, other = nodes.nodes
        wires = [
            await stack.enter_async_context(device(one.url, nodes.token(f"user{number}"))) for number in range(DEVICES)
        ]
        began = time.monotonic()

        async def leave(wire: Wire) -> tuple[float, float]:
            bye = await wire.expect("bye", 20)
            assert bye["code"] == 1012
            return time.monotonic() - began, bye["retry_after"]

        stopping = asyncio.create_task(one.stop(20))
        left = await asyncio.gather(*(leave(wire) for wire in wires))
        assert await stopping == 0
        waves = sorted(when for when, _ in left)
        assert waves[-1] - waves[0] > 0.05, "all at once"
        assert len({after for _, after in left}) > DEVICES // 2, "all told to come back at one instant"
        async with device(other.url, nodes.token("user0")) as moved:
            assert moved.welcome["reset"] is None


async def test_what_is_in_flight_on_a_node_that_stops_is_answered(
    tmp_path: Path, postgres: PostgresServer, nats: NatsServer
) -> None:
    async with cluster(tmp_path, await postgres.database(), bus=nats.url) as nodes:
        one, other = nodes.nodes
        async with (
            device(one.url, nodes.token("alice")) as alice,
            device(other.url, nodes.token("bob")) as bob,
        ):
            for number in range(50):
                await alice.send(
                    {"type": "send", "id": 100 + number, "to": "bob", "client_id": f"id {number}", "body": {}}
                )
            stopping = asyncio.create_task(one.stop(20))
            sent = 0
            while (frame := await alice.next())["type"] != "bye":
                sent += frame["type"] == "sent"
            assert await stopping == 0
            seen = 0
            while seen < sent:
                seen += len((await bob.expect("push"))["entries"])
