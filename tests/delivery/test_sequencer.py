"""The sequencer numbers without holes, commits in batches, and lets nobody suffer for another's command."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.harness.engine import Caller, Desk, desk, settled
from tideline.delivery.commands import Command, Commit
from tideline.protocol.errors import RequestError
from tideline.protocol.requests import Devices
from tideline.stores.embedded import EmbeddedOptions
from tideline.stores.memory import MemoryStore
from tideline.timeline.contract import StoreFailed, StoreUnavailable


def numbers(entries: list[dict[str, Any]]) -> list[int]:
    return [entry["seq"] for entry in entries]


async def test_what_arrives_in_one_turn_is_one_commit(engine: Desk) -> None:
    await asyncio.gather(*[engine.sending("alice", "bob") for _ in range(100)])
    assert len(engine.commits) == 1
    assert numbers(await engine.entries("bob")) == list(range(1, 101))


async def test_numbers_have_no_holes_and_every_member_gets_its_own(engine: Desk) -> None:
    await engine.do("alice", "create", conversation="g:team", members=["bob", "carol"])
    waiting = []
    for turn in range(30):
        waiting += [engine.sending(user, "g:team") for user in ("alice", "bob", "carol")]
        waiting.append(engine.sending("alice", "bob"))
        if turn % 7 == 0:
            await asyncio.sleep(0)
    answers = await asyncio.gather(*waiting)
    for user, count in (("alice", 1 + 120), ("bob", 1 + 120), ("carol", 1 + 90)):
        assert numbers(await engine.entries(user)) == list(range(1, count + 1))
    team = [answer["message_seq"] for answer in answers if answer["conversation"] == "g:team"]
    assert sorted(team) == list(range(1, 91))


async def test_an_answer_says_where_the_message_is(engine: Desk) -> None:
    await engine.say("alice", "carol")
    answer = await engine.say("alice", "bob", "here")
    (entry,) = await engine.entries("alice", answer["seq"] - 1)
    assert entry["seq"] == answer["seq"] == 2
    message = entry["event"]["message"]
    assert message["message_seq"] == answer["message_seq"] == 1
    assert (message["time"], message["body"]["text"]) == (answer["time"], "here")


async def test_messages_of_one_sender_keep_their_order(engine: Desk) -> None:
    await asyncio.gather(*[engine.sending("alice", "bob", str(number)) for number in range(200)])
    texts = [event["message"]["body"]["text"] for event in await engine.events("bob")]
    assert texts == [str(number) for number in range(200)]


# Idempotency


async def test_a_message_sent_twice_in_one_batch_is_stored_once(engine: Desk) -> None:
    waiting = [engine.sending("alice", "bob", client_id="once", body={"a": 1}) for _ in range(3)]
    first, second, third = await asyncio.gather(*waiting)
    assert len(engine.commits) == 1
    assert first["duplicate"] is False
    assert second == third == {**first, "duplicate": True}
    assert await engine.head("bob") == 1


async def test_a_message_sent_twice_in_two_batches_is_stored_once(engine: Desk) -> None:
    first = await engine.say("alice", "bob", client_id="once")
    await engine.say("alice", "bob")
    again = await engine.say("alice", "bob", client_id="once")
    assert again == {**first, "duplicate": True}
    assert await engine.head("bob") == 2


async def test_a_message_sent_again_after_a_restart_is_stored_once(tmp_path: Path) -> None:
    async with desk(tmp_path / "store") as before:
        first = await before.say("alice", "bob", client_id="once")
    async with desk(tmp_path / "store") as after:
        assert await after.say("alice", "bob", client_id="once") == {**first, "duplicate": True}
        assert await after.refused("alice", "send", to="bob", client_id="once", body={"other": 1}) == "conflict"
        assert await after.head("bob") == 1


async def test_another_body_under_the_same_key_is_a_conflict_also_within_a_batch(engine: Desk) -> None:
    outcomes = await settled(
        [
            engine.sending("alice", "bob", client_id="c", body={"a": 1}),
            engine.sending("alice", "bob", client_id="c", body={"a": 2}),
            engine.sending("alice", "bob", client_id="d", body={"a": 2}),
        ]
    )
    assert outcomes[1] == "conflict"
    assert await engine.head("bob") == 2
    assert await engine.refused("alice", "send", to="bob", client_id="d", body={"a": 1}) == "conflict"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ('{"a":1,"b":[1,2]}', '{ "b":[1, 2], "a":1 }', True),
        ('{"a":"\\u0062"}', '{"a":"b"}', True),
        ('{"a":1}', '{"a":1.0}', True),
        ('{"a":100}', '{"a":1e2}', True),
        ('{"a":0}', '{"a":-0.0}', True),
        ('{"a":1}', '{"a":true}', False),
        ('{"a":0}', '{"a":false}', False),
        ('{"a":null}', "{}", False),
        ('{"a":[1,2]}', '{"a":[2,1]}', False),
        ('{"a":[1]}', '{"a":[1,1]}', False),
        ('{"a":"1"}', '{"a":1}', False),
        ('{"a":{}}', '{"a":[]}', False),
        ('{"a":{"b":[{"c":true}]}}', '{"a":{"b":[{"c":1}]}}', False),
    ],
)
async def test_bodies_are_compared_as_json_values(engine: Desk, one: str, other: str, same: bool) -> None:
    def send(body: str) -> "asyncio.Future[dict[str, Any]]":
        from tideline.protocol import codec

        text = f'{{"to":"bob","client_id":"c","body":{body}}}'.encode()
        request, _ = codec.decode_body("send", text)
        caller = Caller()
        engine.engine.submit(Command("send", "alice", "d:alice~bob", request, caller, None))
        return caller.outcome

    await send(one)
    outcomes = await settled([send(other)])
    assert outcomes[0] == "conflict" if not same else outcomes[0]["duplicate"]  # type: ignore[index]
    assert await engine.head("bob") == 1


async def test_a_key_is_of_one_sender_and_one_conversation(engine: Desk) -> None:
    await engine.do("alice", "create", conversation="g:team", members=["bob"])
    for user, target in (("alice", "bob"), ("alice", "g:team"), ("bob", "g:team"), ("bob", "alice")):
        assert (await engine.say(user, target, client_id="same"))["duplicate"] is False


@pytest.mark.parametrize("client_id", ["\0", "a\0b", "x" * 64, "😀" * 64, "g:team", " ", '"\\'])
async def test_a_key_may_be_any_text(engine: Desk, client_id: str) -> None:
    first = await engine.say("alice", "bob", client_id=client_id)
    assert (await engine.say("alice", "bob", client_id=client_id)) == {**first, "duplicate": True}
    assert (await engine.events("bob"))[0]["message"]["client_id"] == client_id


# Failing


async def test_a_commit_that_failed_frees_its_numbers_and_shows_nothing() -> None:
    store = MemoryStore()
    engine = Desk(store)
    await engine.say("alice", "bob", "first")
    store.fault = lambda _: StoreUnavailable("no room", retry_after=3)
    with pytest.raises(RequestError) as caught:
        await engine.say("alice", "bob", "lost", client_id="again")
    assert (caught.value.code, caught.value.retry, caught.value.retry_after) == ("unavailable", True, 3)
    assert [commit.runs for commit in engine.commits[1:]] == [{}]
    store.fault = None
    answer = await engine.say("alice", "bob", "found", client_id="again")
    assert (answer["message_seq"], answer["seq"], answer["duplicate"]) == (2, 2, False)
    assert numbers(await engine.entries("bob")) == [1, 2]


async def test_all_of_a_batch_that_failed_is_told_so_and_can_be_sent_again_in_order() -> None:
    store = MemoryStore()
    engine = Desk(store)
    store.fault = lambda _: StoreUnavailable("no room")
    waiting = [engine.sending("alice", "bob", str(number), client_id=f"c{number}") for number in range(20)]
    assert await settled(waiting) == ["unavailable"] * 20
    store.fault = None
    answers = await asyncio.gather(
        *[engine.sending("alice", "bob", str(number), client_id=f"c{number}") for number in range(20)]
    )
    assert [answer["message_seq"] for answer in answers] == list(range(1, 21))


class Lost(StoreUnavailable):
    """The commit happened, but nobody heard of it."""

    committed = True


async def test_a_commit_whose_outcome_is_unknown_is_found_again_by_its_key() -> None:
    store = MemoryStore()
    engine = Desk(store)
    store.fault = lambda _: Lost("connection lost")
    assert await engine.refused("alice", "send", to="bob", client_id="c", body={}) == "unavailable"
    store.fault = None
    answer = await engine.say("alice", "bob", client_id="c", body={})
    assert (answer["message_seq"], answer["seq"], answer["duplicate"]) == (1, 1, True)
    assert (await engine.say("alice", "bob"))["message_seq"] == 2
    assert numbers(await engine.entries("bob")) == [1, 2]


async def test_doubtful_durability_is_reported_once_and_acknowledges_nothing() -> None:
    store = MemoryStore()
    engine = Desk(store)
    store.fault = lambda _: StoreFailed("fsync")
    assert await engine.refused("alice", "send", to="bob", client_id="c", body={}) == "unavailable"
    assert len(engine.failures) == 1


async def test_one_bad_command_does_not_fail_its_batch(engine: Desk) -> None:
    await engine.do("eve", "create", conversation="g:private")
    outcomes = await settled(
        [
            engine.sending("alice", "bob", "one"),
            engine.sending("alice", "g:private"),
            engine.submit("alice", "create", conversation="d:alice~bob"),
            engine.sending("alice", "bob", "two", reply_to=99),
            engine.sending("alice", "bob", "three"),
        ]
    )
    assert outcomes[1:4] == ["forbidden", "bad_request", "bad_request"]
    assert len(engine.commits) == 2
    assert [event["message"]["body"]["text"] for event in await engine.events("bob")] == ["one", "three"]


async def test_a_defect_in_one_command_isolates_it(engine: Desk) -> None:
    def defect() -> "asyncio.Future[dict[str, Any]]":
        caller = Caller()
        engine.engine.submit(Command("send", "alice", "d:alice~bob", Devices(id=1), caller, None))
        return caller.outcome

    outcomes = await settled(
        [
            engine.sending("alice", "bob", "one", client_id="a"),
            defect(),
            engine.sending("alice", "bob", "two", client_id="b"),
            engine.sending("alice", "bob", "two", client_id="b"),
        ]
    )
    assert outcomes[1] == "internal"
    assert [answer["message_seq"] for answer in outcomes if not isinstance(answer, str)] == [1, 2, 2]
    assert [event["message"]["body"]["text"] for event in await engine.events("bob")] == ["one", "two"]


async def test_a_listener_that_fails_stops_neither_the_next_listener_nor_the_sequencer(engine: Desk) -> None:
    def fail(commit: Commit) -> None:
        raise RuntimeError("a defect in a connection")

    heard: list[Commit] = []
    engine.engine.listen(fail)
    engine.engine.listen(heard.append)
    for _ in range(3):
        async with asyncio.timeout(5):
            await engine.say("alice", "bob")
    assert len(heard) == len(engine.commits) == 3


# Bounds


async def test_a_batch_is_bounded_in_records_whatever_its_commands_cost(tmp_path: Path) -> None:
    members = [f"user{number}" for number in range(200)]
    async with desk(tmp_path / "store", batch_records=1000) as engine:
        waiting = [engine.submit("alice", "create", conversation=f"g:{n}", members=members) for n in range(20)]
        waiting += [engine.submit("alice", "update", conversation=f"g:{n}", title="new") for n in range(10)]
        answers = await asyncio.gather(*waiting)
        assert len(answers) == 30
    # A new engine knows no sizes yet.
    async with desk(tmp_path / "store", batch_records=1000) as again:
        await asyncio.gather(*[again.sending("alice", f"g:{number % 20}") for number in range(60)])
        for commit in [*engine.commits, *again.commits]:
            entries = sum(len(run.posts) for run in commit.runs.values())
            assert entries < 1000 + 201
        assert len(again.commits) >= 60 * 200 // 1200
        assert numbers(await again.entries("user7")) == list(range(1, 20 + 10 + 60 + 1))


async def test_a_batch_is_bounded_in_bytes(engine: Desk) -> None:
    waiting = [engine.sending("alice", "bob", "x" * 32_000) for _ in range(600)]
    await asyncio.gather(*waiting)
    for commit in engine.commits:
        assert sum(len(post.event) for run in commit.runs.values() for post in run.posts) < 2 * 5 * 2**20
    assert numbers(await engine.entries("bob")) == list(range(1, 601))


async def test_commands_put_off_to_the_next_batch_keep_their_order(tmp_path: Path) -> None:
    async with desk(tmp_path / "store", batch_records=20) as engine:
        await asyncio.gather(*[engine.sending("alice", "bob", str(number)) for number in range(100)])
        assert len(engine.commits) > 5
        texts = [event["message"]["body"]["text"] for event in await engine.events("bob")]
        assert texts == [str(number) for number in range(100)]


async def test_a_batch_may_touch_more_conversations_than_the_cache_holds(tmp_path: Path) -> None:
    options = EmbeddedOptions(cached_members=1, cached_heads=1)
    async with desk(tmp_path / "store", options=options) as engine:
        targets = ["bob", "carol", "dave"]
        for _ in range(2):
            answers = await asyncio.gather(*[engine.sending("alice", targets[n % 3], str(n)) for n in range(12)])
        assert [answer["message_seq"] for answer in answers] == [5 + n // 3 for n in range(12)]
        assert numbers(await engine.entries("alice")) == list(range(1, 25))
        for target in targets:
            history = await engine.ask("alice", "history", conversation=f"d:alice~{target}")
            assert [message["message_seq"] for message in history["messages"]] == list(range(1, 9))


async def test_times_of_a_conversation_never_go_back(tmp_path: Path) -> None:
    now = [1_000_000.0]
    async with desk(tmp_path / "store") as engine:
        engine.engine._sequencer._clock = lambda: now[0]
        first = await engine.say("alice", "bob")
        now[0] -= 3600
        second = await engine.say("alice", "bob")
        assert second["time"] == first["time"] == 1_000_000_000


async def test_nothing_is_announced_before_it_is_durable() -> None:
    store = MemoryStore()
    engine = Desk(store)
    durable = asyncio.Event()
    store.pause = durable.wait  # type: ignore[assignment]
    waiting = engine.sending("alice", "bob")
    for _ in range(10):
        await asyncio.sleep(0)
    assert not waiting.done()
    assert engine.commits == []
    durable.set()
    await waiting
    assert len(engine.commits) == 1


async def test_draining_waits_for_everything_submitted(engine: Desk) -> None:
    waiting = [engine.sending("alice", "bob", str(number)) for number in range(50)]
    await engine.engine.drain()
    assert all(each.done() for each in waiting)
    assert json.dumps(await engine.entries("bob")).count('"seq"') == 50
