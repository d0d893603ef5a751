"""What a connection is sent by itself, and where answers stand among it (protocol, section 5)."""

import asyncio
import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import aiohttp

from tests.harness.server import ServerProcess
from tests.harness.wire import Wire, device, message

Fresh = Callable[[str], str]
Start = Callable[..., AbstractAsyncContextManager[ServerProcess]]


def numbers(frames: list[dict[str, Any]]) -> list[int]:
    """Return the places in the timeline that frames stand for, in order."""
    found: list[int] = []
    for frame in frames:
        if frame["type"] == "sent":
            found.append(frame["seq"])
        elif frame["type"] in ("push", "page"):
            found += [entry["seq"] for entry in frame["entries"]]
    return found


async def until(phone: Wire, seq: int, timeout: float = 10) -> list[dict[str, Any]]:
    """Read frames until one stands for this place."""
    frames: list[dict[str, Any]] = []
    while seq not in numbers(frames):
        frames.append(await phone.next(timeout))
    return frames


async def test_a_message_costs_one_frame_per_device_and_no_request(server: ServerProcess, fresh: Fresh) -> None:
    alice, bob = fresh("alice"), fresh("bob")
    async with (
        device(server.url, server.token(alice), "phone") as phone,
        device(server.url, server.token(alice), "tv") as tv,
        device(server.url, server.token(bob)) as other,
    ):
        answer = await phone.say(bob, "hi")
        assert (answer["seq"], answer["message_seq"], answer["duplicate"]) == (1, 1, False)
        for each in (tv, other):
            push = await each.expect("push")
            (entry,) = push["entries"]
            assert (entry["seq"], entry["event"]["type"]) == (1, "message")
            assert entry["event"]["message"]["body"]["text"] == "hi"
            assert len(each.messages) == 2  # the welcome, and this
        assert len(phone.messages) == 2


async def test_sent_stands_at_its_place_among_the_pushes(server: ServerProcess, fresh: Fresh) -> None:
    alice, bob, carol = fresh("alice"), fresh("bob"), fresh("carol")
    count = 150
    async with (
        device(server.url, server.token(alice), "phone") as phone,
        device(server.url, server.token(alice), "tv") as tv,
        device(server.url, server.token(bob)) as one,
        device(server.url, server.token(carol)) as two,
    ):

        async def flood(sender: Wire, target: str, size: int) -> None:
            for start in range(0, count, size):
                frames = [{"type": "send", "id": 1000 + n, "to": target, **message(str(n))} for n in range(size)]
                await sender.send(*frames)
                await asyncio.sleep(0)
                assert start < count

        await asyncio.gather(flood(phone, bob, 10), flood(one, alice, 7), flood(two, alice, 3))
        total = (await phone.ask("ping"))["head"]
        while total < 150 + 154 + 150:
            await asyncio.sleep(0.01)
            total = (await phone.ask("ping"))["head"]
        sent = await until(phone, total)
        assert numbers(sent) == list(range(1, total + 1))
        assert len([frame for frame in sent if frame["type"] == "sent"]) == 150
        assert all(frame["type"] in ("sent", "push") for frame in sent)
        assert numbers(await until(tv, total)) == list(range(1, total + 1))


async def test_a_duplicate_s_sent_stands_for_nothing_new(server: ServerProcess, fresh: Fresh) -> None:
    alice, bob = fresh("alice"), fresh("bob")
    async with device(server.url, server.token(alice)) as phone, device(server.url, server.token(bob)) as other:
        first = await phone.say(bob, "hi", client_id="c")
        again = await phone.say(bob, "hi", client_id="c")
        assert (again["seq"], again["duplicate"]) == (first["seq"], True)
        await other.say(alice, "ho")
        assert numbers([await phone.expect("push")]) == [2]
        await phone.send(*[{"type": "send", "id": 50 + n, "to": bob, **message("x", client_id="d")} for n in range(3)])
        answers = [await phone.next() for _ in range(3)]
        assert [(answer["seq"], answer["duplicate"]) for answer in answers] == [(3, False), (3, True), (3, True)]
        await other.say(alice, "ho")
        assert numbers([await phone.expect("push")]) == [4]


async def test_events_of_other_requests_are_pushed_to_who_made_them_too(server: ServerProcess, fresh: Fresh) -> None:
    alice, team = fresh("alice"), f"g:{fresh('team')}"
    async with device(server.url, server.token(alice)) as phone:
        await phone.ask("create", conversation=team, title="Team")
        assert numbers([await phone.expect("push")]) == [1]
        await phone.ask("update", conversation=team, muted=True)
        push = await phone.expect("push")
        assert (push["entries"][0]["seq"], push["entries"][0]["event"]["state"]["muted"]) == (2, True)
        assert (await phone.say(team, "hi"))["seq"] == 3


async def test_a_send_over_http_is_pushed_to_all_of_the_sender_s_connections(
    server: ServerProcess, fresh: Fresh
) -> None:
    alice, bob = fresh("alice"), fresh("bob")
    async with (
        device(server.url, server.token(alice), "phone") as phone,
        device(server.url, server.token(alice), "tv") as tv,
        aiohttp.ClientSession() as session,
    ):
        async with session.post(
            f"{server.url}/v1/send",
            json={"to": bob, **message("over http")},
            headers={"Authorization": f"Bearer {server.token(alice)}", "Tideline-Device": "phone"},
        ) as response:
            assert (await response.json())["seq"] == 1
        for each in (phone, tv):
            assert (await each.expect("push"))["entries"][0]["event"]["message"]["body"]["text"] == "over http"


async def test_a_device_that_pulls_from_the_past_is_behind_until_its_page_reaches_the_head(
    server: ServerProcess, fresh: Fresh
) -> None:
    alice, bob = fresh("alice"), fresh("bob")
    async with device(server.url, server.token(bob)) as other, device(server.url, server.token(alice)) as phone:
        for number in range(6):
            await other.say(alice, str(number))
        await until(phone, 6)
        page = await phone.ask("pull", after=1, limit=2)
        assert (numbers([page]), page["head"], page["more"]) == ([2, 3], 6, True)
        await other.say(alice, "while behind")
        assert (await phone.expect("notify"))["head"] == 7
        await other.say(alice, "again")  # at most one notify per pull
        mine = await phone.say(bob, "mine")
        assert mine["seq"] == 9
        assert phone.unasked == []
        page = await phone.ask("pull", after=3, limit=3)
        assert (numbers([page]), page["head"], page["more"]) == ([4, 5, 6], 9, True)
        page = await phone.ask("pull", after=6)
        assert (numbers([page]), page["head"], page["more"]) == ([7, 8, 9], 9, False)
        await other.say(alice, "live again")
        assert numbers([await phone.expect("push")]) == [10]


async def test_an_empty_page_at_the_head_is_live(server: ServerProcess, fresh: Fresh) -> None:
    alice, bob = fresh("alice"), fresh("bob")
    async with device(server.url, server.token(bob)) as other, device(server.url, server.token(alice)) as phone:
        await other.say(alice, "1")
        await until(phone, 1)
        page = await phone.ask("pull", after=1, epoch=phone.welcome["epoch"])
        assert (page["entries"], page["head"], page["more"]) == ([], 1, False)
        await other.say(alice, "2")
        assert numbers([await phone.expect("push")]) == [2]


async def test_after_a_position_error_nothing_comes_until_the_next_pull(server: ServerProcess, fresh: Fresh) -> None:
    alice, bob = fresh("alice"), fresh("bob")
    async with device(server.url, server.token(bob)) as other, device(server.url, server.token(alice)) as phone:
        assert (await phone.ask("pull", after=5))["code"] == "cursor_ahead"
        await other.say(alice, "1")
        assert (await phone.ask("pull", after=0, epoch="another"))["code"] == "epoch_changed"
        await other.say(alice, "2")
        assert (await phone.say(alice, "own"))["seq"] == 3  # answers are answers
        assert (await phone.ask("ping"))["head"] == 3
        assert phone.unasked == []
        page = await phone.ask("pull", after=0)
        assert numbers([page]) == [1, 2, 3]
        await other.say(alice, "4")
        assert numbers([await phone.expect("push")]) == [4]


async def test_a_snapshot_on_a_live_connection_changes_nothing(server: ServerProcess, fresh: Fresh) -> None:
    alice, bob = fresh("alice"), fresh("bob")
    async with device(server.url, server.token(bob)) as other, device(server.url, server.token(alice)) as phone:
        await other.say(alice, "1")
        await until(phone, 1)
        await phone.ask("snapshot")
        await other.say(alice, "2")
        assert numbers([await phone.expect("push")]) == [2]


async def test_in_hint_delivery_a_device_is_told_once_and_pulls(server: ServerProcess, fresh: Fresh) -> None:
    alice, bob = fresh("alice"), fresh("bob")
    async with (
        device(server.url, server.token(bob)) as other,
        device(server.url, server.token(alice), delivery="hint") as phone,
    ):
        cursor = 0
        for round_ in range(3):
            for number in range(3):
                await other.say(alice, f"{round_}.{number}")
            assert (await phone.expect("notify"))["head"] == cursor + 1
            page = await phone.ask("pull", after=cursor)
            assert (numbers([page]), page["more"]) == ([cursor + 1, cursor + 2, cursor + 3], False)
            cursor += 3
            mine = await phone.say(bob, "mine")
            assert mine["seq"] == cursor + 1
            cursor += 1
            assert phone.unasked == []


async def test_no_message_of_the_server_is_over_page_bytes(start_server: Start) -> None:
    async with (
        start_server(limit_page_bytes=20_000) as server,
        device(server.url, server.token("bob")) as other,
        device(server.url, server.token("alice")) as phone,
    ):
        await other.ask("create", conversation="g:team", members=["alice"] + ["u" * 50 + str(n) for n in range(400)])
        for _ in range(4):
            await other.send(
                *[{"type": "send", "id": 100 + n, "to": "alice", **message("x" * (1000 + 997 * n))} for n in range(12)]
            )
        head = 1 + 48
        frames = await until(phone, head)
        assert numbers(frames) == list(range(1, head + 1))
        for limit in (200, 1000):
            async with device(server.url, server.token("alice"), "tv", limit=limit) as tv:
                cursor = tv.welcome["entries"][-1]["seq"]
                while tv.welcome["more"] and cursor < head:
                    cursor = numbers([await tv.ask("pull", after=cursor, limit=1000)])[-1]
                await tv.send({"type": "history", "id": 90, "conversation": "d:alice~bob", "limit": 500})
                await tv.answer(90)
                await tv.send({"type": "members", "id": 91, "conversation": "g:team", "limit": 1000})
                assert (await tv.answer(91))["next"] is not None
                phone.messages += tv.messages
        for text in phone.messages:
            frame = json.loads(text)
            single = isinstance(frame, dict) and len(frame.get("entries") or frame.get("messages") or [0]) == 1
            assert len(text.encode()) <= 20_000 or single


async def test_many_devices_of_many_users_all_get_everything_in_order(server: ServerProcess, fresh: Fresh) -> None:
    users = [fresh(f"user{n}") for n in range(4)]
    team = f"g:{fresh('team')}"
    stack = []
    for user in users:
        for name in ("phone", "tv", "web"):
            opened = device(server.url, server.token(user), name)
            stack.append((user, opened, await opened.__aenter__()))
    try:
        wires = [wire for _, _, wire in stack]
        await wires[0].ask("create", conversation=team, members=users[1:])
        rounds = 20

        async def talk(place: int, wire: Wire) -> None:
            for number in range(rounds):
                await wire.send({"type": "send", "id": 500 + number, "conversation": team, **message(f"{place}")})
                await asyncio.sleep(0)

        await asyncio.gather(*[talk(place, wire) for place, wire in enumerate(wires)])
        total = 1 + rounds * len(wires)
        for wire in wires:
            frames = wire.unasked + await until(wire, total)
            places = [seq for seq in numbers(frames) if seq]
            assert sorted(set(places)) == places == list(range(1, total + 1))
    finally:
        for _, opened, _ in stack:
            await opened.__aexit__(None, None, None)
