"""Outputs are carried out on the local store whole, and history never looks complete where it isn't."""

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from tideline.client.apply import Resynced, carry_out, keep_history
from tideline.client.history import read_back
from tideline.client.outputs import Apply, Attempt, Confirmed, Failed, Replace, Stage, StoreOutput, Unconfirmed
from tideline.client.stores.contract import Pending
from tideline.client.stores.memory import MemoryStore
from tideline.protocol import events
from tideline.protocol.errors import RequestError
from tideline.protocol.requests import History
from tideline.protocol.responses import Entry, Message, Messages, State

ROOM = "d:alice~bob"


def entry(seq: int, event: dict[str, Any]) -> Entry:
    return Entry(seq, msgspec.Raw(msgspec.json.encode(event)))


def message(number: int, sender: str = "bob", **fields: Any) -> dict[str, Any]:
    said = {"conversation": ROOM, "message_seq": number, "sender": sender, "client_id": f"c{number}"}
    return {"type": "message", "message": {**said, "time": number, "body": {"n": number}, **fields}}


def apply(seq: int, *happened: dict[str, Any]) -> Apply:
    entries = [entry(seq + place, event) for place, event in enumerate(happened)]
    return Apply(entries=entries, cursor=seq + len(entries) - 1, epoch="e1")


def waiting(client_id: str) -> Pending:
    return Pending(order=0, client_id=client_id, body=msgspec.Raw(b"{}"), to="bob")


@pytest.fixture
async def store() -> AsyncIterator[MemoryStore]:
    made = MemoryStore()
    await made.open()
    yield made
    await made.close()


async def test_entries_and_cursor_are_stored_together_and_told_in_order(store: MemoryStore) -> None:
    todo = [apply(1, message(1), {"type": "custom", "name": "n", "data": 1}), apply(3, message(2))]
    result = await store.run(lambda tx: carry_out(tx, todo, "alice"))
    assert [type(event) for event in result.happened] == [
        events.MessageEvent,
        events.Custom,
        events.MessageEvent,
    ]
    assert await store.run(lambda tx: (tx.get("cursor"), tx.get("epoch"), tx.held(ROOM))) == (
        3,
        "e1",
        ((1, 2),),
    )


@pytest.mark.parametrize("event", [{"type": "hologram"}, {"type": "message"}, {"type": "read", "user": 7}])
async def test_an_event_that_can_t_be_understood_does_not_stand_in_the_way(
    store: MemoryStore, event: dict[str, Any]
) -> None:
    result = await store.run(lambda tx: carry_out(tx, [apply(1, event, message(1))], "alice"))
    assert isinstance(result.happened[0], events.UnknownEvent)
    assert await store.run(lambda tx: tx.get("cursor")) == 2


async def test_an_own_message_in_the_timeline_leaves_the_outbox(store: MemoryStore) -> None:
    for name in ("c1", "c2", "c3"):
        await store.run(lambda tx, name=name: tx.add_pending(waiting(name)))  # type: ignore[misc]
    todo = [apply(1, message(1, "alice"), message(2, "bob"))]
    result = await store.run(lambda tx: carry_out(tx, todo, "alice"))
    assert [client_id for client_id, _ in result.found] == ["c1"]
    assert await store.run(lambda tx: [each.client_id for each in tx.pending()]) == ["c2", "c3"]


async def test_what_becomes_of_a_message_is_remembered(store: MemoryStore) -> None:
    for name in ("c1", "c2", "c3", "c4"):
        await store.run(lambda tx, name=name: tx.add_pending(waiting(name)))  # type: ignore[misc]
    todo: list[StoreOutput] = [
        Attempt(client_id="c1", tried=5),
        Failed(client_id="c2", code="forbidden", message="no"),
        Unconfirmed(client_id="c3"),
        Confirmed(client_id="c4", conversation=ROOM, message_seq=1, seq=1, time=1, duplicate=True),
    ]
    await store.run(lambda tx: carry_out(tx, todo, "alice"))
    held = await store.run(lambda tx: tx.pending())
    assert [(each.client_id, each.state, each.tried, each.code) for each in held] == [
        ("c1", "pending", 5, None),
        ("c2", "failed", None, "forbidden"),
        ("c3", "unconfirmed", None, None),
    ]


@pytest.mark.parametrize(("messages", "kept"), [("discard", False), ("unverify", True)])
async def test_a_snapshot_replaces_states_and_makes_held_messages_doubtful(
    store: MemoryStore, messages: Any, kept: bool
) -> None:
    await store.run(lambda tx: carry_out(tx, [apply(1, message(1), message(2))], "alice"))
    last = Message(conversation=ROOM, message_seq=9, sender="bob", time=9)
    fresh = State(conversation=ROOM, kind="direct", head=9, read=4, unread=5, last_message=last)
    todo: list[StoreOutput] = [
        Stage(conversations=[State(conversation="g:stale", kind="group")], start=True),
        Stage(conversations=[fresh], start=True),
        Stage(conversations=[State(conversation="g:team", kind="group")], start=False),
        Replace(cursor=70, epoch="e2", reason="cursor_too_old", messages=messages),
    ]
    result = await store.run(lambda tx: carry_out(tx, todo, "alice"))
    assert result.happened == [Resynced("cursor_too_old")]
    states = await store.run(lambda tx: tx.conversations())
    assert sorted(state.conversation for state in states) == [ROOM, "g:team"]
    assert await store.run(lambda tx: (tx.get("cursor"), tx.get("epoch"), tx.get("user"))) == (70, "e2", "alice")
    assert await store.run(lambda tx: tx.held(ROOM)) == ((9, 9),)
    assert (await store.run(lambda tx: tx.message(ROOM, 1)) is not None) == kept


async def test_a_snapshot_does_not_touch_the_outbox(store: MemoryStore) -> None:
    await store.run(lambda tx: tx.add_pending(waiting("c1")))
    todo: list[StoreOutput] = [
        Stage(conversations=[], start=True),
        Replace(cursor=7, epoch="e2", reason="epoch_changed", messages="discard"),
    ]
    await store.run(lambda tx: carry_out(tx, todo, "alice"))
    assert await store.run(lambda tx: tx.count_pending()) == 1


# History.


class Server:
    """Answers ``history`` for one conversation, and counts."""

    def __init__(self, head: int, first: int = 1, page: int = 1_000) -> None:
        self.head, self.first, self.page = head, first, page
        self.asked: list[int | None] = []

    async def ask(self, request: History) -> Messages:
        self.asked.append(request.before)
        high = self.head if request.before is None else min(self.head, request.before - 1)
        low = max(self.first, high - min(request.limit, self.page) + 1)
        found = [Message(conversation=ROOM, message_seq=each, sender="bob") for each in range(low, high + 1)]
        return Messages(conversation=ROOM, messages=found, head=self.head, first=self.first, more=low > self.first)


async def numbers(store: MemoryStore, server: Server, before: int | None = None, limit: int | None = None) -> Any:
    return [each.message_seq async for each in read_back(store, server.ask, ROOM, before, limit)]


async def hold(store: MemoryStore, *held: int, head: int, first: int = 1) -> None:
    """Know of a conversation, and hold some of its messages."""
    state = State(conversation=ROOM, kind="direct", head=head, first=first)
    await store.run(
        lambda tx: carry_out(tx, [apply(1, {"type": "conversation", "state": msgspec.to_builtins(state)})], "alice")
    )
    found = [Message(conversation=ROOM, message_seq=each, sender="bob") for each in held]
    await store.run(
        lambda tx: keep_history(tx, Messages(conversation=ROOM, messages=found, head=head, first=first, more=True))
    )


async def test_what_is_held_is_not_asked_for(store: MemoryStore) -> None:
    await hold(store, *range(1, 251), head=250)
    server = Server(250)
    assert await numbers(store, server) == list(range(250, 0, -1))
    assert server.asked == []


async def test_a_hole_in_the_middle_is_filled_once(store: MemoryStore) -> None:
    await hold(store, *range(1, 101), *range(191, 201), head=200)
    server = Server(200)
    assert await numbers(store, server) == list(range(200, 0, -1))
    assert server.asked == [191]
    assert await numbers(store, server) == list(range(200, 0, -1))
    assert server.asked == [191]


async def test_a_server_with_small_pages_is_asked_until_the_beginning(store: MemoryStore) -> None:
    await hold(store, head=25)
    server = Server(25, page=10)
    assert await numbers(store, server) == list(range(25, 0, -1))
    assert server.asked == [None, 16, 6]


async def test_the_beginning_is_where_the_user_may_read_from(store: MemoryStore) -> None:
    await hold(store, head=20, first=8)
    server = Server(20, first=8)
    assert await numbers(store, server) == list(range(20, 7, -1))
    assert await numbers(store, server, before=8) == []
    assert server.asked == [None]


async def test_a_limit_and_a_place_to_begin_are_kept(store: MemoryStore) -> None:
    await hold(store, *range(1, 31), head=30)
    assert await numbers(store, Server(30), before=21, limit=5) == [20, 19, 18, 17, 16]
    assert await numbers(store, Server(30), limit=0) == []


async def test_an_unknown_conversation_is_asked_for(store: MemoryStore) -> None:
    assert await numbers(store, Server(3)) == [3, 2, 1]
    assert await numbers(store, Server(0)) == []


async def test_a_hole_that_can_t_be_filled_is_no_end(store: MemoryStore) -> None:
    await hold(store, 9, 10, head=10)

    async def ask(_: History) -> Messages:
        raise RequestError("unavailable", "no answer in time")

    found = read_back(store, ask, ROOM, None, None)
    assert [(await anext(found)).message_seq for _ in range(2)] == [10, 9]
    with pytest.raises(RequestError, match="unavailable"):
        await anext(found)


async def test_an_answer_older_than_an_event_does_not_bring_back_what_was_recalled(store: MemoryStore) -> None:
    await hold(store, 3, head=3)
    recall = {"type": "recalled", "conversation": ROOM, "message_seq": 2, "by": "bob", "time": 5}
    await store.run(lambda tx: carry_out(tx, [apply(2, recall)], "alice"))
    found = [each async for each in read_back(store, Server(3).ask, ROOM, None, None)]
    assert [each.recalled for each in found] == [False, True, False]
