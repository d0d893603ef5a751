"""Devices of one user on different nodes learn of everything, pushed, in order (protocol, section 5)."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp

from tests.harness.nodes import Cluster, cluster
from tests.harness.postgres import PostgresServer
from tests.harness.wire import Frame, Wire, device, message

Fresh = Callable[[str], str]


async def gather(wire: Wire, count: int, timeout: float = 10) -> list[Frame]:
    """Return the next ``count`` entries, which must all be pushed."""
    entries: list[Frame] = []
    while len(entries) < count:
        entries += (await wire.expect("push", timeout))["entries"]
    return entries


async def test_a_message_through_one_node_is_pushed_by_the_other(two: Cluster, fresh: Fresh) -> None:
    alice, bob = fresh("alice"), fresh("bob")
    one, other = two.nodes
    async with (
        device(one.url, two.token(alice)) as phone,
        device(other.url, two.token(alice), "laptop") as laptop,
        device(other.url, two.token(bob)) as peer,
    ):
        for number in range(5):
            sent = await phone.say(bob, f"hi {number}")
            assert sent["seq"] == number + 1
            for wire in (laptop, peer):
                (entry,) = await gather(wire, 1)
                assert entry["seq"] == number + 1
                assert entry["event"]["message"]["body"]["text"] == f"hi {number}"
        await phone.silence(0.1)


async def test_two_nodes_at_once_make_one_timeline_that_is_pushed_in_order(two: Cluster, fresh: Fresh) -> None:
    """Whichever way the news of commits cross, a live connection sees consecutive numbers and never has to pull."""
    users = [fresh(name) for name in ("alice", "bob", "carol")]
    one, other = two.nodes
    hot, count = fresh("g:hot"), 40
    async with (
        device(one.url, two.token(users[0])) as alice,
        device(other.url, two.token(users[1])) as bob,
        device(one.url, two.token(users[2]), "phone") as reader,
        device(other.url, two.token(users[2]), "laptop") as second,
    ):
        made = await alice.ask("create", conversation=hot, members=users[1:])
        assert made["type"] == "conversation"
        for wire in (alice, bob, reader, second):
            assert (await gather(wire, 1))[0]["seq"] == 1

        async def talk(wire: Wire, name: str) -> list[Frame]:
            for number in range(count):
                await wire.send(
                    {"type": "send", "id": 1000 + number, "conversation": hot, **message(f"{name} {number}")}
                )
            frames: list[Frame] = []
            seen = 1
            while seen < 1 + 2 * count:
                frame = await wire.next(15)
                assert frame["type"] in ("push", "sent"), frame
                frames.append(frame)
                for seq in [frame["seq"]] if frame["type"] == "sent" else [e["seq"] for e in frame["entries"]]:
                    assert seq == seen + 1, "a number was left out, repeated, or out of order"
                    seen = seq
            return frames

        said = await asyncio.gather(talk(alice, "alice"), talk(bob, "bob"))
        assert [sum(frame["type"] == "sent" for frame in frames) for frames in said] == [count, count]
        for wire in (reader, second):
            entries = await gather(wire, 2 * count)
            assert [entry["seq"] for entry in entries] == list(range(2, 2 + 2 * count))
            seqs = [entry["event"]["message"]["message_seq"] for entry in entries]
            assert seqs == list(range(1, 1 + 2 * count))


async def test_a_device_that_moves_to_the_other_node_goes_on_where_it_was(two: Cluster, fresh: Fresh) -> None:
    alice, bob = fresh("alice"), fresh("bob")
    one, other = two.nodes
    async with device(one.url, two.token(alice)) as wire:
        for number in range(3):
            await wire.say(bob, str(number))
        epoch = wire.welcome["epoch"]
    async with device(other.url, two.token(alice), cursor=2, epoch=epoch) as wire:
        assert wire.welcome["reset"] is None
        assert [entry["seq"] for entry in wire.welcome["entries"]] == [3]
        assert (await wire.say(bob, "3"))["seq"] == 4


async def test_the_same_client_id_through_another_node_stores_nothing(two: Cluster, fresh: Fresh) -> None:
    alice, bob = fresh("alice"), fresh("bob")
    one, other = two.nodes
    said = message("once")
    async with device(one.url, two.token(alice)) as wire:
        first = await wire.ask("send", to=bob, **said)
    async with device(other.url, two.token(alice), cursor=1, epoch=wire.welcome["epoch"]) as wire:
        again = await wire.ask("send", to=bob, **said)
        assert again == {**first, "id": again["id"], "duplicate": True}
        changed = await wire.ask("send", to=bob, **{**said, "body": {"type": "text", "text": "twice"}})
        assert changed["code"] == "conflict"


async def test_the_same_device_on_another_node_replaces_its_older_connection(two: Cluster, fresh: Fresh) -> None:
    alice = fresh("alice")
    one, other = two.nodes
    async with (
        device(one.url, two.token(alice), instance="first") as older,
        device(other.url, two.token(alice), instance="second") as newer,
    ):
        bye = await older.expect("bye")
        assert (bye["code"], bye["by"]) == (4409, "second")
        assert await older.closed() == 4409
        await newer.silence(0.1)


async def test_a_forgotten_device_is_closed_on_whichever_node_it_is(two: Cluster, fresh: Fresh) -> None:
    alice = fresh("alice")
    one, other = two.nodes
    token = two.token(alice)
    async with device(one.url, token) as phone, device(other.url, token, "laptop") as laptop:
        await laptop.ask("ping")
        async with aiohttp.ClientSession() as http:
            # What a node knows of devices is written every few seconds.
            async with asyncio.timeout(15):
                while True:
                    answer = await laptop.ask("forget", device="phone")
                    if answer["type"] == "ok":
                        break
                    assert answer["code"] == "not_found"
                    await asyncio.sleep(0.2)
            assert await phone.closed() == 4403
            asked = await http.post(
                f"{one.url}/v1/ping",
                json={},
                headers={"Authorization": f"Bearer {token}", "Tideline-Device": "phone"},
            )
            assert asked.status == 401


async def test_a_signal_reaches_devices_on_both_nodes(two: Cluster, fresh: Fresh) -> None:
    alice, bob = fresh("alice"), fresh("bob")
    one, other = two.nodes
    async with (
        device(one.url, two.token(alice)) as wire,
        device(one.url, two.token(bob), "phone") as near,
        device(other.url, two.token(bob), "laptop") as far,
    ):
        conversation = "d:{}~{}".format(*sorted([alice, bob]))
        await wire.send({"type": "signal", "conversation": conversation, "signal": "typing"})
        for peer in (near, far):
            frame = await peer.expect("signal")
            assert (frame["sender"], frame["signal"]) == (alice, "typing")


async def test_a_long_poll_on_one_node_answers_at_a_message_through_the_other(two: Cluster, fresh: Fresh) -> None:
    alice, bob = fresh("alice"), fresh("bob")
    one, other = two.nodes
    async with aiohttp.ClientSession() as http, device(one.url, two.token(alice)) as wire:
        headers = {"Authorization": f"Bearer {two.token(bob)}"}

        async def poll() -> Frame:
            async with http.post(f"{other.url}/v1/pull", json={"after": 0, "wait": 20}, headers=headers) as answer:
                page: Frame = await answer.json()
                return page

        waiting = asyncio.create_task(poll())
        await asyncio.sleep(0.3)  # whether it waits yet or not, it must answer
        await wire.say(bob, "hello")
        async with asyncio.timeout(10):
            page = await waiting
        assert [entry["seq"] for entry in page["entries"]] == [1]


async def test_names_that_are_wildcards_on_a_bus_are_names_like_any(two: Cluster, fresh: Fresh) -> None:
    one, other = two.nodes
    suffix = fresh("x").replace("x-", "")
    for name in (">", "*", f"a.{suffix}", "[x]^_|\\"):
        async with (
            device(one.url, two.token(name)) as wire,
            device(other.url, two.token(fresh("b"))) as stranger,
            device(other.url, two.token(name), "laptop", cursor=None) as laptop,
        ):
            snapshot = await laptop.ask("snapshot")
            await laptop.ask("pull", after=snapshot["cursor"], epoch=snapshot["epoch"])
            await wire.say(name, "to myself")
            assert (await gather(laptop, 1))[0]["event"]["message"]["sender"] == name
            await stranger.silence(0.05)


async def test_connections_that_come_at_once_to_a_new_node_are_each_answered_once(
    tmp_path: Path, postgres: PostgresServer
) -> None:
    """The first of them opens the app, which takes the database a moment: still there is one of everything."""
    async with cluster(tmp_path, await postgres.database(), nodes=1) as nodes, AsyncExitStack() as stack:
        (node,) = nodes.nodes
        wires = await asyncio.gather(
            *(stack.enter_async_context(device(node.url, nodes.token(f"user{number}"))) for number in range(8))
        )
        for wire in wires:
            assert (await wire.ask("create", conversation="d:no~group", members=[]))["code"] == "bad_request"
            assert (await wire.ask("read", conversation="g:none", message_seq=1))["code"] == "forbidden"
            await wire.silence(0.05)
