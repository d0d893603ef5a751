"""What every local store promises."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec
import pytest

from tideline.client.state import Conversation
from tideline.client.stores.contract import LocalStore, Pending, Transaction
from tideline.protocol.responses import Message, State

Work = Callable[[Transaction], Any]


def state(name: str, head: int = 1) -> Conversation:
    return Conversation(conversation=name, kind="group", head=head)


def text(number: int, conversation: str = "g:a") -> Message:
    return Message(conversation=conversation, message_seq=number, sender="bob", body={"n": number})


def pending(name: str) -> Pending:
    return Pending(order=0, client_id=name, body=msgspec.Raw(b'{"type":"text","text":"hi"}'), to="bob")


def put_value(name: str, value: str | int, tx: Transaction) -> None:
    tx.set(name, value)


def add(name: str, tx: Transaction) -> Pending:
    return tx.add_pending(pending(name))


async def both(store: LocalStore, write: Work, read: Work) -> Any:
    """Write in one transaction and read in the next; reading in the first must give the same."""

    def first(tx: Transaction) -> Any:
        write(tx)
        return read(tx)

    seen = await store.run(first)
    assert await store.run(read) == seen
    return seen


async def test_values_are_kept_until_they_are_set_again(store: LocalStore) -> None:
    assert await store.run(lambda tx: tx.get("cursor")) is None
    for name, value in (("cursor", 41), ("epoch", "e1"), ("cursor", 42)):
        await store.run(partial(put_value, name, value))
    assert await store.run(lambda tx: (tx.get("cursor"), tx.get("epoch"))) == (42, "e1")


async def test_a_state_replaces_the_one_before(store: LocalStore) -> None:
    await store.run(lambda tx: tx.put_conversation(state("g:a")))
    seen = await both(store, lambda tx: tx.put_conversation(state("g:a", 5)), lambda tx: tx.conversation("g:a"))
    assert seen == state("g:a", 5)
    assert await store.run(lambda tx: tx.conversations()) == [state("g:a", 5)]


async def test_a_dropped_conversation_leaves_nothing(store: LocalStore) -> None:
    def write(tx: Transaction) -> None:
        for name in ("g:a", "g:b"):
            tx.put_conversation(state(name))
            tx.put_message(text(1, name))
            tx.put_held(name, ((1, 1),))

    def read(tx: Transaction) -> Any:
        return [(tx.conversation(name), tx.message(name, 1), tx.held(name)) for name in ("g:a", "g:b")]

    await store.run(write)
    dropped, kept = await both(store, lambda tx: tx.drop_conversation("g:a"), read)
    assert dropped == (None, None, ())
    assert kept == (state("g:b"), text(1, "g:b"), ((1, 1),))


async def test_messages_come_in_ascending_order_and_both_ends_belong_to_the_range(store: LocalStore) -> None:
    def write(tx: Transaction) -> None:
        for number in (9, 10, 2, 11, 100):
            tx.put_message(text(number))

    seen = await both(store, write, lambda tx: [each.message_seq for each in tx.messages("g:a", 9, 11)])
    assert seen == [9, 10, 11]
    assert await store.run(lambda tx: [each.message_seq for each in tx.messages("g:a", 1, 999)]) == [
        2,
        9,
        10,
        11,
        100,
    ]


async def test_a_message_comes_back_as_it_was_put(store: LocalStore) -> None:
    full = Message(
        conversation="g:a",
        message_seq=3,
        sender="bob",
        client_id="c",
        time=7,
        body={"text": "ä", "deep": [1, {"x": None}]},
        reply_to=2,
        mentions=["carol"],
        edited=8,
        reactions={"👍": ["bob"]},
    )
    assert await both(store, lambda tx: tx.put_message(full), lambda tx: tx.message("g:a", 3)) == full


async def test_ranges_are_kept_per_conversation(store: LocalStore) -> None:
    await store.run(lambda tx: tx.put_held("g:a", ((1, 3), (9, 12))))
    await store.run(lambda tx: tx.put_held("g:b", ((2, 2),)))
    seen = await both(store, lambda tx: tx.put_held("g:a", ((1, 12),)), lambda tx: tx.held("g:a"))
    assert seen == ((1, 12),)
    assert await store.run(lambda tx: tx.held("g:b")) == ((2, 2),)
    assert await store.run(lambda tx: tx.held("g:none")) == ()


@pytest.mark.parametrize("ranges_only", [True, False])
async def test_forgetting_messages_forgets_the_ranges_of_all(store: LocalStore, ranges_only: bool) -> None:
    await store.run(lambda tx: tx.put_held("g:a", ((1, 1),)))
    await store.run(lambda tx: tx.put_message(text(1)))
    await store.run(lambda tx: tx.forget_messages(ranges_only=ranges_only))
    held, message = await store.run(lambda tx: (tx.held("g:a"), tx.message("g:a", 1)))
    assert held == ()
    assert (message is not None) == ranges_only


async def test_what_is_staged_is_no_state_until_it_is_taken(store: LocalStore) -> None:
    first = State(conversation="g:a", kind="group", head=1)
    later = State(conversation="g:a", kind="group", head=2)
    await store.run(lambda tx: tx.stage([first, State(conversation="g:b", kind="group")]))
    await store.run(lambda tx: tx.stage([later]))
    assert await store.run(lambda tx: tx.conversations()) == []
    taken = await store.run(lambda tx: tx.take_staged())
    assert sorted(taken, key=lambda each: each.conversation) == [
        later,
        State(conversation="g:b", kind="group"),
    ]
    assert await store.run(lambda tx: tx.take_staged()) == []


async def test_the_outbox_is_in_the_order_of_its_numbers(store: LocalStore) -> None:
    for number in range(1, 13):
        await store.run(partial(add, f"c{number}"))
    names = await store.run(lambda tx: [each.client_id for each in tx.pending()])
    assert names == [f"c{number}" for number in range(1, 13)]
    orders = await store.run(lambda tx: [each.order for each in tx.pending()])
    assert orders == sorted(set(orders))
    assert await store.run(lambda tx: tx.count_pending()) == 12


async def test_a_number_of_the_outbox_is_not_used_again(store: LocalStore) -> None:
    first = await store.run(lambda tx: tx.add_pending(pending("c1")))
    await store.run(lambda tx: tx.drop_pending("c1"))
    second = await store.run(lambda tx: tx.add_pending(pending("c2")))
    assert second.order > first.order


async def test_a_message_of_the_outbox_can_be_found_changed_and_dropped(store: LocalStore) -> None:
    added = await store.run(lambda tx: tx.add_pending(pending("c1")))
    fresh = msgspec.structs.replace(added, tried=7, state="failed", code="forbidden")
    assert await both(store, lambda tx: tx.put_pending(fresh), lambda tx: tx.find_pending("c1")) == fresh
    assert await both(store, lambda tx: tx.drop_pending("c1"), lambda tx: tx.find_pending("c1")) is None


class Failure(Exception):
    pass


async def test_work_that_raises_has_changed_nothing(store: LocalStore) -> None:
    def write(tx: Transaction) -> None:
        tx.set("cursor", 1)
        tx.put_conversation(state("g:a"))
        tx.put_message(text(1))
        tx.put_held("g:a", ((1, 1),))
        tx.stage([State(conversation="g:a", kind="group")])
        tx.add_pending(pending("c1"))

    def fail(tx: Transaction) -> None:
        tx.set("cursor", 2)
        tx.put_conversation(state("g:a", 9))
        tx.drop_conversation("g:a")
        tx.put_message(text(2))
        tx.put_held("g:a", ((1, 2),))
        tx.forget_messages(ranges_only=False)
        tx.take_staged()
        tx.drop_conversations()
        tx.drop_pending("c1")
        tx.add_pending(pending("c2"))
        raise Failure

    def read(tx: Transaction) -> Any:
        staged = tx.take_staged()
        tx.stage(staged)
        return (
            tx.get("cursor"),
            tx.conversations(),
            tx.messages("g:a", 1, 9),
            tx.held("g:a"),
            staged,
            tx.pending(),
        )

    await store.run(write)
    before = await store.run(read)
    with pytest.raises(Failure):
        await store.run(fail)
    assert await store.run(read) == before


async def test_transactions_take_effect_in_the_order_they_were_asked_for(store: LocalStore) -> None:
    seen: list[int] = []

    async def one(number: int) -> None:
        await store.run(lambda _: seen.append(number), durable=number % 3 == 0)

    await asyncio.gather(*(one(number) for number in range(30)))
    assert seen == list(range(30))
