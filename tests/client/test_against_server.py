"""The client with a real server: what an application may rely on."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.harness.server import ServerProcess
from tideline.client import (
    Client,
    ConversationEvent,
    MemberEvent,
    Message,
    MessageEvent,
    ReadEvent,
    Resynced,
    Stream,
    Unconfirmed,
)
from tideline.client.apply import Happened
from tideline.client.policy import Policy
from tideline.protocol.errors import ConnectionClosed, RequestError
from tideline.protocol.names import direct

from .proxy import proxy

Fresh = Callable[[str], str]
StartServer = Callable[..., AbstractAsyncContextManager[ServerProcess]]

QUICK = Policy(answer=400, backoff=20, backoff_cap=200, stable=100)
"""As patient as a test."""


@asynccontextmanager
async def online(server: ServerProcess, user: str, **options: Any) -> AsyncIterator[Client]:
    """A client that has caught up."""
    options = {"policy": QUICK, **options}
    url = options.pop("url", server.url)
    async with Client(url, options.pop("token", None) or server.token(user), **options) as client:
        async with asyncio.timeout(20):
            await client.synced()
        yield client


async def take(stream: Stream[Happened], count: int, kind: type = MessageEvent) -> list[Any]:
    """Take so many events of a kind."""
    found: list[Any] = []
    async with asyncio.timeout(20):
        while len(found) < count:
            event = await anext(stream)
            if isinstance(event, kind):
                found.append(event)
    return found


def texts(events: list[MessageEvent]) -> list[str]:
    return [event.message.body["text"] for event in events]


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not true():  # noqa: ASYNC110 - what it waits for has no event
            await asyncio.sleep(0.01)


async def read_all(client: Client, conversation: str, **options: Any) -> list[Message]:
    return [message async for message in client.history(conversation, **options)]


# Messages.


async def test_a_message_reaches_every_device_once(server: ServerProcess, fresh: Fresh) -> None:
    alice, bob = fresh("alice"), fresh("bob")
    async with (
        online(server, alice) as laptop,
        online(server, alice) as phone,
        online(server, bob) as other,
    ):
        streams = [client.events() for client in (laptop, phone, other)]
        sending = await laptop.send(bob, "hi")
        await sending.sent()
        await (await other.send(alice, "hello")).sent()
        for stream in streams:
            assert texts(await take(stream, 2)) == ["hi", "hello"]
        assert sending.state == "sent"
        assert (sending.conversation, sending.message_seq) == (direct(alice, bob), 1)
        assert laptop.outbox() == []


async def test_two_iterators_each_get_each_event_once(server: ServerProcess, fresh: Fresh) -> None:
    alice = fresh("alice")
    async with online(server, alice) as me:
        one, two = me.events(), me.events()
        for number in range(5):
            await me.send(alice, str(number))
        assert texts(await take(one, 5)) == texts(await take(two, 5)) == list("01234")


async def test_what_a_message_says_arrives_as_it_was_said(server: ServerProcess, fresh: Fresh) -> None:
    alice, bob = fresh("alice"), fresh("bob")
    async with online(server, alice) as me, online(server, bob) as other:
        events = other.events()
        await me.send(bob, "first")
        body = {"type": "poll", "choices": ["ä", "👍"], "deep": {"x": [1, 2.5, None]}}
        await me.send(bob, body, reply_to=1, mentions=[bob])
        _, event = await take(events, 2)
        assert event.message.body == body
        assert (event.message.reply_to, event.message.mentions) == (1, [bob])
        assert event.message.sender == alice


async def test_one_s_own_message_looks_the_same_as_it_does_to_others(server: ServerProcess, fresh: Fresh) -> None:
    """``sent`` stands for an entry that the device makes itself (rule 6)."""
    alice, bob = fresh("alice"), fresh("bob")
    async with online(server, alice) as me, online(server, alice) as second, online(server, bob) as other:
        streams = [client.events() for client in (me, second, other)]
        await me.send(bob, "one", mentions=[bob])
        await (await me.send(bob, {"type": "x", "n": 1.0}, reply_to=1)).sent()
        seen = [await take(stream, 2) for stream in streams]
        assert seen[0] == seen[1] == seen[2]


async def test_a_refused_message_fails_alone(server: ServerProcess, fresh: Fresh) -> None:
    alice, bob = fresh("alice"), fresh("bob")
    async with online(server, alice) as me:
        refused = await me.send(f"g:{fresh('nowhere')}", "hi")
        fine = await me.send(bob, "hi")
        with pytest.raises(RequestError, match="forbidden"):
            await refused.sent()
        await fine.sent()
        assert (refused.state, fine.state) == ("failed", "sent")
        assert me.outbox() == [refused]
        await refused.discard()
        assert me.outbox() == []


async def test_the_same_client_id_is_stored_once(server: ServerProcess, fresh: Fresh) -> None:
    alice, bob = fresh("alice"), fresh("bob")
    async with online(server, alice) as me:
        first = await (await me.send(bob, "hi", client_id="0123456789abcdef")).sent()
        second = await (await me.send(bob, "hi", client_id="0123456789abcdef")).sent()
        assert first.message_seq == second.message_seq == 1


# Being away.


async def test_messages_of_before_a_restart_go_out_once_and_in_order(
    server: ServerProcess, fresh: Fresh, tmp_path: Path
) -> None:
    alice, bob = fresh("alice"), fresh("bob")
    store = tmp_path / "alice.db"
    async with online(server, alice, store=store) as me:
        await (await me.send(bob, "0")).sent()
    for start in (1, 7):
        async with Client("http://127.0.0.1:9", server.token(alice), store=store, policy=QUICK) as me:
            for number in range(start, start + 6):
                sending = await me.send(bob, str(number))
                assert sending.state == "pending"
    async with online(server, bob) as other, online(server, alice, store=store) as me:
        waiting = me.outbox()
        for sending in waiting:
            await sending.sent()
        found = await read_all(other, alice)
        async with asyncio.timeout(10):
            while len(found) < 13:  # what is durable is pushed soon after
                await asyncio.sleep(0.02)
                found = await read_all(other, alice)
        assert [message.body["text"] for message in reversed(found)] == [str(number) for number in range(13)]


async def test_a_device_goes_on_where_it_was(server: ServerProcess, fresh: Fresh, tmp_path: Path) -> None:
    alice, bob = fresh("alice"), fresh("bob")
    store = tmp_path / "bob.db"
    async with online(server, bob, store=store) as me:
        device = me.device
    async with online(server, alice) as other:
        for number in range(3):
            await (await other.send(bob, str(number))).sent()
    async with Client(server.url, server.token(bob), store=store) as me:
        events = me.events()
        assert texts(await take(events, 3)) == ["0", "1", "2"]
        await me.synced()
        assert me.device == device
        assert me.cursor == 3


async def test_a_restarted_server_is_found_again_and_nothing_is_lost(start_server: StartServer, tmp_path: Path) -> None:
    async with (
        start_server() as server,
        online(server, "alice", store=tmp_path / "a.db") as me,
        online(server, "bob") as other,
    ):
        events = other.events()
        sendings = []
        for number in range(300):
            sendings.append(await me.send("bob", str(number)))
            if number in (100, 200):
                await server.kill()
                await server.start()
        for sending in sendings:
            await sending.sent()
        assert texts(await take(events, 300)) == [str(number) for number in range(300)]


async def test_over_a_line_that_breaks_all_the_time_everything_arrives_once_and_in_order(
    server: ServerProcess, fresh: Fresh
) -> None:
    alice, bob = fresh("alice"), fresh("bob")
    async with (
        proxy(server.port) as line,
        online(server, alice, url=line.url) as me,
        online(server, bob, url=line.url) as other,
    ):
        events = other.events()
        sendings = []
        for number in range(200):
            sendings.append(await me.send(bob, str(number)))
            if number % 10 == 7:
                await asyncio.sleep(random.random() * 0.05)
                line.cut()
        for sending in sendings:
            await sending.sent()
        assert texts(await take(events, 200)) == [str(number) for number in range(200)]
        assert line.opened > 4


async def test_a_half_open_connection_is_noticed_and_replaced(server: ServerProcess, fresh: Fresh) -> None:
    alice, bob = fresh("alice"), fresh("bob")
    async with proxy(server.port) as line, online(server, alice, url=line.url) as me:
        line.swallowing = True
        sending = await me.send(bob, "hi")
        await until(lambda: me.status != "live")
        line.swallowing = False
        await sending.sent()
        assert line.opened > 1


async def test_a_status_says_how_the_device_stands(server: ServerProcess, fresh: Fresh) -> None:
    async with proxy(server.port) as line, online(server, fresh("alice"), url=line.url) as me:
        statuses = me.statuses()
        line.refusing = True
        line.cut()
        assert await anext(statuses) == "offline"
        line.refusing = False
        while await anext(statuses) != "live":
            pass


# Conversations.


async def test_a_fresh_device_sees_what_one_that_was_there_all_along_sees(
    server: ServerProcess, fresh: Fresh, tmp_path: Path
) -> None:
    """Snapshot and later entries are the same as all entries from the first (promise C2)."""
    alice, bob, carol = fresh("alice"), fresh("bob"), fresh("carol")
    group, other_group = f"g:{fresh('team')}", f"g:{fresh('left')}"
    async with (
        online(server, alice) as me,
        online(server, bob) as other,
        online(server, alice, store=tmp_path / "a.db") as witness,
    ):
        await me.create(group, title="Team", members=[bob])
        await me.create(other_group, members=[bob, carol])
        for number in range(5):
            await (await me.send(group, str(number))).sent()
            await (await other.send(alice, str(number))).sent()
        await asyncio.sleep(0.002)  # The list is by time, in ms: the group's last message is to be the latest.
        await (await other.send(group, "x")).sent()
        await me.add(group, carol)
        await me.update(group, title="The team", muted=True)
        await other.read(group)
        await me.read(bob, 3)
        await me.leave(other_group)
        await other.synced()
        async with online(server, alice) as late:
            await witness.synced()
            await until(lambda: witness.cursor == late.cursor)
            assert await witness.conversations() == await late.conversations()
            assert [state.conversation for state in await late.conversations()] == [group, direct(alice, bob)]


async def test_reading_on_one_device_clears_the_badge_of_another(server: ServerProcess, fresh: Fresh) -> None:
    alice, bob = fresh("alice"), fresh("bob")
    async with (
        online(server, alice) as laptop,
        online(server, alice) as phone,
        online(server, bob) as other,
    ):
        events, receipts = phone.events(), other.events()
        await (await other.send(alice, "hi")).sent()
        await take(events, 1)
        state = await phone.conversation(bob)
        assert state is not None
        assert state.unread == 1
        await laptop.read(bob)
        await take(events, 1, ReadEvent)
        state = await phone.conversation(bob)
        assert state is not None
        assert state.unread == 0
        await take(receipts, 1, ReadEvent)
        state = await other.conversation(alice)
        assert state is not None
        assert state.peer_read == 1


async def test_leaving_and_coming_back(server: ServerProcess, fresh: Fresh) -> None:
    alice, bob = fresh("alice"), fresh("bob")
    group = f"g:{fresh('team')}"
    async with online(server, alice) as me, online(server, bob) as other:
        events = other.events()
        await me.create(group, members=[bob])
        await (await me.send(group, "before")).sent()
        await take(events, 1)
        await other.leave(group)
        await take(events, 1, MemberEvent)
        assert await other.conversation(group) is None
        with pytest.raises(RequestError, match="forbidden"):
            await read_all(other, group)
        await (await me.send(group, "meanwhile")).sent()
        await me.add(group, bob)
        await take(events, 1, ConversationEvent)
        await (await me.send(group, "after")).sent()
        await take(events, 1)
        state = await other.conversation(group)
        assert state is not None
        assert (state.unread, state.first, state.head) == (1, 3, 3)
        assert [message.body["text"] for message in await read_all(other, group)] == ["after"]


async def test_groups_have_members_roles_and_titles(server: ServerProcess, fresh: Fresh) -> None:
    alice, bob = fresh("alice"), fresh("bob")
    async with online(server, alice) as me:
        state = await me.create(title="Team", members=[bob])
        assert state.conversation.startswith("g:")
        assert (state.title, state.role, state.members) == ("Team", "admin", 2)
        await me.role(state.conversation, bob, "admin")
        await me.update(state.conversation, title="Others", pinned=True)
        assert [(each.user, each.role) for each in await me.members(state.conversation)] == [
            (alice, "admin"),
            (bob, "admin"),
        ]
        await me.synced()
        await until(lambda: me.status == "live")
        await me.remove(state.conversation, bob)
        assert len(await me.members(state.conversation)) == 1


async def test_a_signal_reaches_who_is_online(server: ServerProcess, fresh: Fresh) -> None:
    alice, bob = fresh("alice"), fresh("bob")
    async with online(server, alice) as me, online(server, bob) as other:
        signals = other.signals()
        await (await me.send(bob, "hi")).sent()
        await me.signal(bob, "typing")
        signal = await anext(signals)
        assert (signal.sender, signal.signal) == (alice, "typing")


# History.


async def test_history_fills_holes_and_ends_at_the_beginning(server: ServerProcess, fresh: Fresh) -> None:
    alice, bob = fresh("alice"), fresh("bob")
    async with online(server, alice) as me:
        for number in range(1, 251):
            last = await me.send(bob, str(number))
        await last.sent()
        async with online(server, bob) as late:
            events = late.events()
            await (await me.send(bob, "251")).sent()
            await take(events, 1)
            numbers = [message.message_seq for message in await read_all(late, alice)]
            assert numbers == list(range(251, 0, -1))
            assert [message.message_seq for message in await read_all(late, alice, before=11, limit=3)] == [10, 9, 8]


async def test_history_that_is_held_needs_no_server_and_a_hole_says_so(
    server: ServerProcess, fresh: Fresh, tmp_path: Path
) -> None:
    alice, bob = fresh("alice"), fresh("bob")
    store = tmp_path / "bob.db"
    async with online(server, alice) as me:
        for number in range(1, 11):
            last = await me.send(bob, str(number))
        await last.sent()
        async with online(server, bob, store=store) as late:
            events = late.events()
            for number in range(11, 14):
                await (await me.send(bob, str(number))).sent()
            await take(events, 3)
    async with Client("http://127.0.0.1:9", "none", store=store, timeout=0.2) as away:
        history = away.history(direct(alice, bob))
        assert [(await anext(history)).message_seq for _ in range(4)] == [13, 12, 11, 10]
        with pytest.raises(RequestError, match="unavailable"):
            await anext(history)


async def test_history_of_a_conversation_that_was_never_used_is_empty(server: ServerProcess, fresh: Fresh) -> None:
    async with online(server, fresh("alice")) as me:
        assert await read_all(me, fresh("bob")) == []


async def test_history_begins_where_one_joined(server: ServerProcess, fresh: Fresh) -> None:
    alice, bob = fresh("alice"), fresh("bob")
    group = f"g:{fresh('team')}"
    async with online(server, alice) as me, online(server, bob) as other:
        events = other.events()
        await me.create(group)
        await (await me.send(group, "before")).sent()
        await me.add(group, bob)
        await (await me.send(group, "after")).sent()
        await take(events, 1)
        assert [message.body["text"] for message in await read_all(other, group)] == ["after"]


# Consumers.


async def test_a_slow_consumer_gets_everything_once_and_holds_back_the_rest(
    server: ServerProcess, fresh: Fresh
) -> None:
    alice, bob = fresh("alice"), fresh("bob")
    policy = Policy(stash=20, page=10, backoff=20)
    async with online(server, alice) as me, online(server, bob, buffer=20, policy=policy) as other:
        events = other.events()
        for number in range(400):
            last = await me.send(bob, str(number))
        await last.sent()
        await until(lambda: other._session.driver.device.sync.paused)
        await asyncio.sleep(0.2)
        assert len(events._items) <= 20 + 20 + 10
        found = []
        for _ in range(400):
            found += texts(await take(events, 1))
            await asyncio.sleep(0)
        assert found == [str(number) for number in range(400)]
        await other.synced()


async def test_an_abandoned_iterator_holds_up_nobody(server: ServerProcess, fresh: Fresh) -> None:
    alice, bob = fresh("alice"), fresh("bob")
    async with online(server, alice) as me, online(server, bob, buffer=5) as other:
        other.events()
        kept = other.events()
        for number in range(50):
            await me.send(bob, str(number))
        assert texts(await take(kept, 50)) == [str(number) for number in range(50)]


async def test_a_device_that_is_told_only_hints_gets_the_same(server: ServerProcess, fresh: Fresh) -> None:
    alice, bob = fresh("alice"), fresh("bob")
    async with online(server, alice) as me, online(server, bob, delivery="hint") as other:
        events = other.events()
        for number in range(20):
            await me.send(bob, str(number))
        assert texts(await take(events, 20)) == [str(number) for number in range(20)]


# Ends.


async def test_a_device_that_is_used_twice_is_replaced_and_does_not_fight_back(
    server: ServerProcess, fresh: Fresh
) -> None:
    alice = fresh("alice")
    async with online(server, alice, device="laptop") as first:
        events = first.events()
        async with online(server, alice, device="laptop"):
            with pytest.raises(ConnectionClosed) as caught:
                await take(events, 1)
            assert caught.value.code == 4409
            assert first.status == "stopped"
            with pytest.raises(ConnectionClosed):
                await first.synced()
            with pytest.raises(ConnectionClosed):
                await first.devices()
            with pytest.raises(ConnectionClosed):
                await take(first.events(), 1)
            sending = await first.send(alice, "kept")
            assert sending.state == "pending"
        first.reconnect()
        events = first.events()
        await sending.sent()
        assert texts(await take(events, 1)) == ["kept"]


async def test_a_forgotten_device_stops(server: ServerProcess, fresh: Fresh) -> None:
    alice = fresh("alice")
    async with (
        online(server, alice, device="laptop") as laptop,
        online(server, alice, device="phone") as phone,
    ):
        assert {each.device for each in await laptop.devices()} == {"laptop", "phone"}
        events = phone.events()
        await laptop.forget("phone")
        with pytest.raises(ConnectionClosed) as caught:
            await take(events, 1)
        assert caught.value.code == 4403


async def test_a_token_is_renewed_without_a_break(server: ServerProcess, fresh: Fresh) -> None:
    alice, given = fresh("alice"), 0

    async def source() -> str:
        nonlocal given
        given += 1
        return server.token(alice, days=3 / 86_400)

    async with online(server, alice, token=source) as me:
        statuses = me.statuses()
        await until(lambda: given >= 5)
        assert me.status == "live"
        assert len(statuses._items) == 0


async def test_a_token_that_expires_stops_a_device_that_has_no_other(server: ServerProcess, fresh: Fresh) -> None:
    alice = fresh("alice")
    async with online(server, alice, token=server.token(alice, days=2 / 86_400)) as me:
        with pytest.raises(ConnectionClosed) as caught:
            await take(me.events(), 1)
        assert caught.value.code == 4401


async def test_a_forged_token_stops_the_device_at_once(server: ServerProcess, fresh: Fresh) -> None:
    async with Client(server.url, "forged") as me:
        with pytest.raises(ConnectionClosed) as caught:
            await me.synced()
        assert caught.value.code == 4401


async def test_a_store_is_of_one_user(server: ServerProcess, fresh: Fresh, tmp_path: Path) -> None:
    async with online(server, fresh("alice"), store=tmp_path / "a.db"):
        pass
    async with Client(server.url, server.token(fresh("bob")), store=tmp_path / "a.db") as me:
        with pytest.raises(RequestError, match="wrong_user"):
            await me.synced()


async def test_data_that_starts_anew_resynchronises_and_the_outbox_goes_on(
    start_server: StartServer, tmp_path: Path
) -> None:
    store = tmp_path / "alice.db"
    async with start_server("old") as server, online(server, "alice", store=store) as me:
        await (await me.send("bob", "of old")).sent()
    async with Client("http://127.0.0.1:9", "none", store=store) as me:
        await me.send("bob", "of new")
    async with start_server("new") as server, Client(server.url, server.token("alice"), store=store) as me:
        events = me.events()
        (resynced,) = await take(events, 1, Resynced)
        assert resynced.reason == "epoch_changed"
        for sending in me.outbox():
            await sending.sent()
        await me.synced()
        assert [message.body["text"] for message in await read_all(me, "bob")] == ["of new"]


async def test_one_too_old_to_be_sent_again_is_left_to_its_user(start_server: StartServer, tmp_path: Path) -> None:
    store = tmp_path / "alice.db"
    async with start_server(limit_client_id_ttl=1) as server, proxy(server.port) as line:
        async with online(server, "alice", url=line.url, store=store) as me:
            line.swallowing = True
            await me.send("bob", "hi")
            await asyncio.sleep(0.05)
        line.cut()
        line.swallowing = False
        await asyncio.sleep(1.2)
        async with online(server, "alice", url=line.url, store=store) as me:
            (sending,) = me.outbox()
            with pytest.raises(Unconfirmed):
                await sending.sent()
            assert sending.state == "unconfirmed"
            await sending.retry()
            await sending.sent()
            assert [message.body["text"] for message in await read_all(me, "bob")] == ["hi"]


async def test_a_closed_client_ends_what_waits(server: ServerProcess, fresh: Fresh) -> None:
    async with online(server, fresh("alice")) as me:
        stream = me.events()
        taking = asyncio.ensure_future(anext(stream, None))
        await asyncio.sleep(0)
        await me.close()
        assert await taking is None
        with pytest.raises(RuntimeError, match="not open"):
            await me.send("bob", "hi")


async def test_a_loop_of_sends_leaves_the_network_its_turn(server: ServerProcess, fresh: Fresh) -> None:
    alice = fresh("alice")
    async with online(server, alice) as me:
        most = 0
        for number in range(2_000):
            last = await me.send(alice, str(number))
            most = max(most, len(me.outbox()))
        await last.sent()
        assert most < 2_000
