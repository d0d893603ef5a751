"""Read positions and unread counts: contiguous numbers make them one subtraction (protocol, section 4)."""

import pytest

from tests.harness.engine import Desk

CHAT = "d:alice~bob"


async def counts(engine: Desk, user: str, conversation: str = CHAT) -> tuple[int, int, int]:
    state = await engine.state(user, conversation)
    assert state["unread"] == state["head"] - state["read"]
    return state["head"], state["read"], state["unread"]


async def test_the_first_message_makes_a_direct_conversation_for_both(engine: Desk) -> None:
    await engine.say("alice", "bob", "hi")
    alice, bob = await engine.state("alice", CHAT), await engine.state("bob", CHAT)
    assert (alice["peer"], bob["peer"]) == ("bob", "alice")
    assert alice["last_message"] == bob["last_message"]
    assert (alice["kind"], alice["role"], alice["title"], alice["members"]) == ("direct", None, None, 2)
    assert (alice["joined"], alice["history"], alice["first"]) == (1, "all", 1)
    assert [event["type"] for event in await engine.events("bob")] == ["message"]


async def test_ones_own_messages_are_read(engine: Desk) -> None:
    await engine.say("alice", "bob")
    await engine.say("alice", "bob")
    assert await counts(engine, "alice") == (2, 2, 0)
    assert await counts(engine, "bob") == (2, 0, 2)
    await engine.say("bob", "alice")  # whoever answers has read what came before
    assert await counts(engine, "bob") == (3, 3, 0)
    assert await counts(engine, "alice") == (3, 2, 1)


async def test_reading_moves_forward_and_never_back(engine: Desk) -> None:
    for _ in range(5):
        await engine.say("alice", "bob")
    await engine.do("bob", "read", conversation=CHAT, message_seq=3)
    assert await counts(engine, "bob") == (5, 3, 2)
    head = await engine.head("bob")
    for number in (3, 2, 0):
        await engine.do("bob", "read", conversation=CHAT, message_seq=number)
    assert await counts(engine, "bob") == (5, 3, 2)
    assert await engine.head("bob") == head


async def test_reading_beyond_the_head_counts_as_the_head(engine: Desk) -> None:
    await engine.say("alice", "bob")
    await engine.do("bob", "read", conversation=CHAT, message_seq=2**53 - 1)
    assert await counts(engine, "bob") == (1, 1, 0)
    assert (await engine.events("bob"))[-1] == {"type": "read", "conversation": CHAT, "user": "bob", "message_seq": 1}
    await engine.say("alice", "bob")
    assert await counts(engine, "bob") == (2, 1, 1)


async def test_in_a_direct_conversation_the_peer_learns_what_was_read(engine: Desk) -> None:
    await engine.say("alice", "bob")
    await engine.do("bob", "read", conversation=CHAT, message_seq=1)
    event = {"type": "read", "conversation": CHAT, "user": "bob", "message_seq": 1}
    assert (await engine.events("alice"))[-1] == event
    assert (await engine.events("bob"))[-1] == event
    assert await counts(engine, "alice") == (1, 1, 0)


async def test_in_a_group_only_ones_own_devices_learn_what_was_read(engine: Desk) -> None:
    await engine.do("alice", "create", conversation="g:team", members=["bob", "carol"])
    await engine.say("alice", "g:team")
    heads = [await engine.head(user) for user in ("alice", "bob", "carol")]
    await engine.do("bob", "read", conversation="g:team", message_seq=1)
    assert [await engine.head(user) for user in ("alice", "bob", "carol")] == [heads[0], heads[1] + 1, heads[2]]
    assert await counts(engine, "bob", "g:team") == (1, 1, 0)
    assert await counts(engine, "carol", "g:team") == (1, 0, 1)


async def test_a_conversation_with_oneself_is_one_timeline(engine: Desk) -> None:
    answer = await engine.say("alice", "alice", "note")
    assert (answer["conversation"], answer["seq"]) == ("d:alice~alice", 1)
    state = await engine.state("alice", "d:alice~alice")
    assert (state["peer"], state["members"], state["unread"]) == ("alice", 1, 0)
    assert len(await engine.entries("alice")) == 1
    await engine.do("alice", "read", conversation="d:alice~alice", message_seq=1)
    assert len(await engine.entries("alice")) == 1


async def test_a_message_keeps_what_was_sent(engine: Desk) -> None:
    await engine.say("alice", "bob")
    await engine.say("bob", "alice", body={"type": "text", "text": "é😀"}, reply_to=1, mentions=["alice", "eve"])
    message = (await engine.ask("alice", "history", conversation=CHAT))["messages"][-1]
    assert message["body"] == {"type": "text", "text": "é😀"}
    assert (message["sender"], message["reply_to"], message["mentions"]) == ("bob", 1, ["alice", "eve"])


@pytest.mark.parametrize("reply_to", [2, 99])
async def test_a_reply_to_beyond_the_head_is_refused_and_nothing_stored(engine: Desk, reply_to: int) -> None:
    await engine.say("alice", "bob")
    assert await engine.refused("alice", "send", to="bob", client_id="c", body={}, reply_to=reply_to) == "bad_request"
    assert await engine.refused("alice", "send", to="new", client_id="c", body={}, reply_to=1) == "bad_request"
    assert await engine.head("alice") == 1
    assert list(await engine.states("alice")) == [CHAT]


# History


async def conversation_of(engine: Desk, count: int) -> None:
    for number in range(1, count + 1):
        await engine.say("alice" if number % 2 else "bob", "bob" if number % 2 else "alice", str(number))


@pytest.mark.parametrize(
    ("fields", "numbers", "more"),
    [
        ({}, range(1, 11), False),
        ({"limit": 3}, [8, 9, 10], True),
        ({"limit": 10}, range(1, 11), False),
        ({"limit": 9}, range(2, 11), True),
        ({"before": 4}, [1, 2, 3], False),
        ({"before": 4, "limit": 2}, [2, 3], True),
        ({"before": 1}, [], False),
        ({"before": 11, "limit": 1}, [10], True),
        ({"before": 99, "limit": 1}, [10], True),
        ({"after": 0, "limit": 2}, [1, 2], True),
        ({"after": 7}, [8, 9, 10], False),
        ({"after": 7, "limit": 3}, [8, 9, 10], False),
        ({"after": 7, "limit": 2}, [8, 9], True),
        ({"after": 10}, [], False),
        ({"after": 99}, [], False),
    ],
)
async def test_history_is_read_from_any_position_in_both_directions(
    engine: Desk, fields: dict[str, int], numbers: list[int], more: bool
) -> None:
    await conversation_of(engine, 10)
    answer = await engine.ask("bob", "history", conversation=CHAT, **fields)
    assert [message["message_seq"] for message in answer["messages"]] == list(numbers)
    assert [message["body"]["text"] for message in answer["messages"]] == [str(number) for number in numbers]
    assert (answer["more"], answer["head"], answer["first"]) == (more, 10, 1)


async def test_history_takes_one_direction(engine: Desk) -> None:
    from tideline.protocol.errors import RequestError

    await conversation_of(engine, 1)
    with pytest.raises(RequestError, match="`before`"):
        await engine.ask("bob", "history", conversation=CHAT, before=3, after=1)
