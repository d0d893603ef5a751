"""Opening, keeping and losing a connection (protocol, section 4, ``hello``, ``renew``, ``ping``, ``forget``)."""

import asyncio
import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from tests.harness.raw import PING, frame, raw
from tests.harness.server import ServerProcess
from tests.harness.wire import Wire, device, message, wire

Fresh = Callable[[str], str]
Start = Callable[..., AbstractAsyncContextManager[ServerProcess]]


async def refused(phone: Wire, close: int = 4401, code: str = "unauthorized", id_: int | None = 1) -> None:
    """Check that the only answer is an error, and that the connection ends."""
    error = await phone.expect("error")
    assert (error["code"], error["id"]) == (code, id_)
    bye = await phone.expect("bye")
    assert bye["code"] == close
    assert await phone.closed() == close


# Welcome


async def test_a_welcome_says_everything_that_a_device_needs(server: ServerProcess, fresh: Fresh) -> None:
    alice = fresh("alice")
    async with device(server.url, server.token(alice), "phone") as phone:
        welcome = phone.welcome
        assert (welcome["type"], welcome["id"]) == ("welcome", 1)
        assert (welcome["user"], welcome["device"]) == (alice, "phone")
        assert (welcome["head"], welcome["entries"], welcome["more"], welcome["reset"]) == (0, [], False, None)
        assert welcome["heartbeat"] == 30
        assert welcome["limits"]["frame"] == 262144
        assert isinstance(welcome["time"], int)
        assert welcome["epoch"]
        assert welcome["session"]
        epoch = welcome["epoch"]
    async with device(server.url, server.token(alice), "tv", epoch=epoch) as tv:
        assert tv.welcome["epoch"] == epoch
        assert tv.welcome["session"] != welcome["session"]


async def test_with_little_to_catch_up_a_reconnection_is_one_round_trip(server: ServerProcess, fresh: Fresh) -> None:
    alice, bob = fresh("alice"), fresh("bob")
    async with device(server.url, server.token(bob)) as other:
        for number in range(5):
            await other.say(alice, str(number))
        async with device(server.url, server.token(alice), cursor=2) as phone:
            assert [entry["seq"] for entry in phone.welcome["entries"]] == [3, 4, 5]
            assert (phone.welcome["head"], phone.welcome["more"], phone.welcome["reset"]) == (5, False, None)
            await other.say(alice, "live")
            assert [entry["seq"] for entry in (await phone.expect("push"))["entries"]] == [6]


async def test_a_welcome_with_more_is_followed_by_a_pull(server: ServerProcess, fresh: Fresh) -> None:
    alice = fresh("alice")
    async with device(server.url, server.token(alice), "tv") as tv:
        for number in range(7):
            await tv.say(alice, str(number))
    async with device(server.url, server.token(alice), cursor=0, limit=3) as phone:
        assert [entry["seq"] for entry in phone.welcome["entries"]] == [1, 2, 3]
        assert (phone.welcome["more"], phone.welcome["head"]) == (True, 7)
        page = await phone.ask("pull", after=3, epoch=phone.welcome["epoch"])
        assert [entry["seq"] for entry in page["entries"]] == [4, 5, 6, 7]
        assert page["more"] is False


@pytest.mark.parametrize(
    ("cursor", "epoch", "reset"),
    [
        (None, None, "new_device"),
        (None, "another", "new_device"),
        (1, "another", "epoch_changed"),
        (99, "another", "epoch_changed"),
        (99, "right", "cursor_ahead"),
        (99, None, "cursor_ahead"),
        (1, "right", None),
        (0, None, None),
    ],
)
async def test_an_unusable_cursor_is_told_by_the_first_reason_that_is_true(
    server: ServerProcess, fresh: Fresh, cursor: int | None, epoch: str | None, reset: str | None
) -> None:
    alice = fresh("alice")
    async with device(server.url, server.token(alice), "tv") as tv:
        await tv.say(alice, "1")
        epoch = tv.welcome["epoch"] if epoch == "right" else epoch
    async with device(server.url, server.token(alice), cursor=cursor, epoch=epoch) as phone:
        assert phone.welcome["reset"] == reset
        if reset is not None:
            assert (phone.welcome["entries"], phone.welcome["more"], phone.welcome["head"]) == ([], False, 1)


async def test_after_a_reset_nothing_comes_until_a_snapshot_is_taken(server: ServerProcess, fresh: Fresh) -> None:
    alice, bob = fresh("alice"), fresh("bob")
    async with (
        device(server.url, server.token(bob)) as other,
        device(server.url, server.token(alice), cursor=None) as phone,
    ):
        await other.say(alice, "1")
        await other.say(alice, "2")
        snapshot = await phone.ask("snapshot")
        assert (phone.unasked, snapshot["cursor"], snapshot["next"]) == ([], 2, None)
        assert snapshot["conversations"][0]["unread"] == 2
        await other.say(alice, "3")
        assert (await phone.expect("notify"))["head"] == 3
        page = await phone.ask("pull", after=2, epoch=snapshot["epoch"])
        assert [entry["seq"] for entry in page["entries"]] == [3]
        await other.say(alice, "4")
        assert [entry["seq"] for entry in (await phone.expect("push"))["entries"]] == [4]


# The first frame


@pytest.mark.parametrize(
    "first",
    [
        {"type": "ping", "id": 3},
        {"type": "send", "id": 3, "to": "bob", **message("hi")},
        {"type": "renew", "id": 3, "token": "t"},
        {"type": "hello", "id": 3},
        {"type": "hello", "id": 3, "token": "t", "device": "a b"},
        {"type": "hello", "id": 3, "token": "t", "device": "phone", "delivery": "pigeon"},
        {"type": "hello", "id": 3, "token": "t", "device": "phone", "cursor": -1},
    ],
)
async def test_a_first_frame_that_is_no_well_formed_hello_ends_it(server: ServerProcess, first: dict[str, Any]) -> None:
    async with wire(server.url) as phone:
        await phone.send(first)
        await refused(phone, id_=3)


async def test_a_hello_of_8_kib_is_taken_and_one_over_is_not(server: ServerProcess, fresh: Fresh) -> None:
    def hello(size: int) -> str:
        fields = {"type": "hello", "id": 1, "token": server.token(fresh("alice")), "device": "phone"}
        text = json.dumps({**fields, "padding": ""})
        return text[:-2] + "x" * (size - len(text)) + text[-2:]

    async with wire(server.url) as phone:
        await phone.raw(hello(8192))
        await phone.expect("welcome")
    async with wire(server.url) as phone:
        await phone.raw(hello(8193))
        await refused(phone)


async def test_a_second_hello_is_a_bad_request_and_changes_nothing(server: ServerProcess, fresh: Fresh) -> None:
    alice = fresh("alice")
    async with device(server.url, server.token(alice)) as phone:
        error = await phone.ask("hello", token=server.token(fresh("bob")), device="tv", cursor=0)
        assert (error["type"], error["code"]) == ("error", "bad_request")
        assert [each["device"] for each in (await phone.ask("devices"))["devices"]] == ["phone"]
    async with wire(server.url) as phone:
        hello = {"type": "hello", "token": server.token(alice), "device": "phone", "cursor": 0}
        await phone.send({**hello, "id": 1}, {**hello, "id": 2})
        await phone.expect("welcome")
        assert (await phone.expect("error"))["id"] == 2


async def test_without_hello_in_time_a_connection_is_closed_with_4408(start_server: Start) -> None:
    async with start_server(hello_timeout=1) as server, wire(server.url) as phone, raw(server.url) as silent:
        bye = await phone.expect("bye")
        assert bye["code"] == 4408
        assert await phone.closed() == 4408
        await silent.upgrade()
        assert await silent.closed() == 4408


# Staying


async def test_who_says_nothing_for_two_heartbeats_is_closed_with_4408_and_who_pings_is_not(
    start_server: Start,
) -> None:
    async with (
        start_server(heartbeat=1) as server,
        raw(server.url) as silent,
        raw(server.url) as pinging,
        device(server.url, server.token("alice"), "tv") as tv,
    ):
        assert tv.welcome["heartbeat"] == 1
        await silent.hello(server.token("alice"), "silent")
        await pinging.hello(server.token("alice"), "pinging")

        async def control_frames() -> None:
            while True:
                await pinging.write(frame(b"", PING))
                await asyncio.sleep(0.3)

        async def pings() -> None:
            while True:
                await asyncio.sleep(0.3)
                await tv.ask("ping")

        tasks = [asyncio.create_task(control_frames()), asyncio.create_task(pings())]
        try:
            assert await silent.closed(10) == 4408
            await tv.say("alice", "still here")
            push = await pinging.next()
            assert push["type"] == "push"
        finally:
            for task in tasks:
                task.cancel()


async def test_a_pong_comes_after_every_push_up_to_its_head(server: ServerProcess, fresh: Fresh) -> None:
    alice, bob = fresh("alice"), fresh("bob")
    async with device(server.url, server.token(bob)) as other, device(server.url, server.token(alice)) as phone:
        cursor = 0
        for _ in range(20):
            await asyncio.gather(*[other.send({"type": "send", "id": 100, "to": alice, **message("x")}) for _ in "abc"])
            pong = await phone.ask("ping", cursor=cursor)
            for push in phone.unasked:
                cursor = push["entries"][-1]["seq"]
            phone.unasked.clear()
            assert cursor >= pong["head"]


# Replaced and forgotten


async def test_the_same_device_again_replaces_its_older_connection(server: ServerProcess, fresh: Fresh) -> None:
    alice = fresh("alice")
    async with device(server.url, server.token(alice), instance="one") as older:
        async with device(server.url, server.token(alice), instance="two") as newer:
            bye = await older.expect("bye")
            assert (bye["code"], bye["by"]) == (4409, "two")
            assert await older.closed() == 4409
            await newer.say(alice, "mine")
            assert (await newer.ask("devices"))["devices"][0]["online"] is True
        async with device(server.url, server.token(alice)) as third, device(server.url, server.token(alice)) as fourth:
            assert (await third.expect("bye"))["by"] is None
            assert (await fourth.ask("ping"))["type"] == "pong"


async def test_the_end_of_the_replaced_connection_does_not_take_the_new_one_offline(
    server: ServerProcess, fresh: Fresh
) -> None:
    alice, bob = fresh("alice"), fresh("bob")
    async with device(server.url, server.token(alice)) as older, device(server.url, server.token(alice)) as newer:
        assert await older.closed() == 4409
        async with device(server.url, server.token(bob)) as other:
            await other.say(alice, "hi")
        assert (await newer.expect("push"))["entries"][0]["seq"] == 1


async def test_other_devices_of_the_user_and_the_same_of_others_are_not_replaced(
    server: ServerProcess, fresh: Fresh
) -> None:
    alice, bob = fresh("alice"), fresh("bob")
    async with (
        device(server.url, server.token(alice), "phone") as phone,
        device(server.url, server.token(alice), "tv") as tv,
        device(server.url, server.token(bob), "phone") as other,
    ):
        for each in (phone, tv, other):
            assert (await each.ask("ping"))["type"] == "pong"


async def test_a_forgotten_device_is_closed_with_4403_and_its_tokens_are_void(
    server: ServerProcess, fresh: Fresh
) -> None:
    alice = fresh("alice")
    earlier = server.token(alice)
    async with device(server.url, earlier, "lost") as lost, device(server.url, earlier, "phone") as phone:
        await phone.ask("forget", device="lost")
        bye = await lost.expect("bye")
        assert bye["code"] == 4403
        assert await lost.closed() == 4403
        assert [each["device"] for each in (await phone.ask("devices"))["devices"]] == ["phone"]
        async with wire(server.url) as again:
            await again.send({"type": "hello", "id": 1, "token": earlier, "device": "lost", "cursor": 0})
            await refused(again, close=4403)
        async with device(server.url, server.token(alice), "lost") as found:
            assert found.welcome["type"] == "welcome"
        assert (await phone.ask("forget", device="never"))["code"] == "not_found"


async def test_a_device_that_forgets_itself_is_answered_and_then_closed(server: ServerProcess, fresh: Fresh) -> None:
    async with device(server.url, server.token(fresh("alice"))) as phone:
        assert (await phone.ask("forget", device="phone"))["type"] == "ok"
        assert await phone.closed() == 4403


async def test_devices_tells_where_each_is(server: ServerProcess, fresh: Fresh) -> None:
    alice = fresh("alice")
    async with device(server.url, server.token(alice), "tv") as tv:
        for number in range(4):
            await tv.say(alice, str(number))
        async with device(server.url, server.token(alice), "phone", cursor=1):
            pass
        async with device(server.url, server.token(alice), "new", cursor=None):
            found = {each.pop("device"): each for each in (await tv.ask("devices"))["devices"]}
        assert all(each.pop("last_seen") > 1_700_000_000_000 for each in found.values())
        assert found == {
            "tv": {"cursor": 0, "lag": 4, "online": True},
            "phone": {"cursor": 1, "lag": 3, "online": False},
            "new": {"cursor": None, "lag": None, "online": True},
        }
        await tv.ask("ping", cursor=4)
        tv_now = next(each for each in (await tv.ask("devices"))["devices"] if each["device"] == "tv")
        assert (tv_now["cursor"], tv_now["lag"]) == (4, 0)
        await tv.ask("ping", cursor=99)  # beyond the head it says nothing
        await tv.ask("pull", after=99)
        tv_now = next(each for each in (await tv.ask("devices"))["devices"] if each["device"] == "tv")
        assert tv_now["cursor"] == 4
