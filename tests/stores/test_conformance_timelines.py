"""What every backend owes: timelines (tideline.timeline.contract)."""

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.stores.places import Place, append, posts, texts
from tideline.timeline.changes import Changes, Run
from tideline.timeline.timeline import Timeline


async def test_a_new_timeline_is_empty_and_begins_at_1(place: Place) -> None:
    store = await place.open()
    assert await store.span("alice") == (1, 0)
    assert await store.read("alice", 0, 10) == []
    assert await store.read_back("alice", 10, 10) == []
    assert (await append(store, {"alice": ["a"]}))["alice"].first == 1


async def test_numbers_follow_each_other_without_holes(place: Place) -> None:
    store = await place.open()
    await append(store, {"alice": ["a", "b"], "bob": ["c"]})
    await append(store, {"bob": ["d", "e", "f"]})
    await append(store, {"alice": ["g"], "bob": ["h"]})
    assert await texts(store, "alice") == [(1, "a"), (2, "b"), (3, "g")]
    assert await texts(store, "bob") == [(1, "c"), (2, "d"), (3, "e"), (4, "f"), (5, "h")]
    assert await store.span("bob") == (1, 5)


async def test_any_range_can_be_read_in_either_direction(place: Place) -> None:
    store = await place.open()
    for first in range(0, 700, 350):
        await append(store, {"alice": [str(first + number) for number in range(350)]})
    assert [seq for seq, _ in await store.read("alice", 340, 20)] == list(range(341, 361))
    assert [seq for seq, _ in await store.read("alice", 690, 20)] == list(range(691, 701))
    assert await store.read("alice", 700, 20) == []
    assert await store.read("alice", 9999, 20) == []
    assert [seq for seq, _ in await store.read_back("alice", 361, 20)] == list(range(360, 340, -1))
    assert [seq for seq, _ in await store.read_back("alice", 9999, 3)] == [700, 699, 698]
    assert [seq for seq, _ in await store.read_back("alice", 3, 20)] == [2, 1]
    assert await store.read_back("alice", 1, 20) == []
    assert (await texts(store, "alice", 349, 2)) == [(350, "349"), (351, "350")]


async def test_trimmed_entries_are_gone_and_the_head_stays(place: Place) -> None:
    store = await place.open()
    await append(store, {"alice": ["a", "b", "c", "d"]})
    await append(store, {"alice": ["e"]})
    await store.trim("alice", 3)
    assert await store.span("alice") == (3, 5)
    assert await texts(store, "alice") == [(3, "c"), (4, "d"), (5, "e")]
    assert [seq for seq, _ in await store.read_back("alice", 6, 10)] == [5, 4, 3]
    await store.trim("alice", 2)
    assert await store.span("alice") == (3, 5), "trimming less never brings anything back"
    await store.trim("alice", 99)
    assert await store.span("alice") == (6, 5)
    assert await store.read("alice", 0, 10) == []
    store = await place.reopen()
    assert await store.span("alice") == (6, 5)
    assert (await append(store, {"alice": ["f"]}))["alice"].first == 6
    assert await texts(store, "alice") == [(6, "f")]


async def test_what_was_committed_is_there_after_a_crash(place: Place) -> None:
    store = await place.open()
    await append(store, {"alice": ["a", "b"]})
    epoch = store.epoch
    store = await place.reopen()
    assert store.epoch == epoch
    assert await texts(store, "alice") == [(1, "a"), (2, "b")]
    assert (await append(store, {"alice": ["c"]}))["alice"].first == 3


async def test_a_unit_that_is_not_committed_leaves_nothing_and_its_numbers_are_free(place: Place) -> None:
    store = await place.open()
    await append(store, {"alice": ["a"]})

    async def fail() -> None:
        async with store.begin((), ()) as unit:
            assert await unit.heads({"alice": Run(0, posts("b")), "new": Run(0, posts("b"))}) == {"alice": 1, "new": 0}
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail()
    assert await store.span("alice") == (1, 1)
    assert await store.span("new") == (1, 0)
    assert (await append(store, {"alice": ["c"]}))["alice"].first == 2


async def test_units_at_once_never_use_a_number_twice(place: Place) -> None:
    store = await place.open()
    users = [f"user{number}" for number in range(5)]

    async def write(name: str) -> None:
        for number in range(6):
            await append(store, {user: [f"{name}{number}"] for user in users})

    await asyncio.gather(*(write(name) for name in "abcd"))
    for user in users:
        found = await texts(store, user)
        assert [seq for seq, _ in found] == list(range(1, 25))
        assert len({text for _, text in found}) == 24


async def test_timelines_of_two_apps_are_strangers(place: Place) -> None:
    one, two = await place.open("main"), await place.open("other")
    assert one.epoch != two.epoch
    await append(one, {"alice": ["a"]})
    assert await two.span("alice") == (1, 0)
    await append(two, {"alice": ["b"]})
    assert await texts(one, "alice") == [(1, "a")]
    assert await texts(two, "alice") == [(1, "b")]


async def test_a_name_that_begins_another_name_is_another_timeline(place: Place) -> None:
    store = await place.open()
    await append(store, {"al": ["a"], "al!": ["b"], "alice": ["c"], "[x]^_|\\": ["d"], ">": ["e"], "*": ["f"]})
    assert await texts(store, "al") == [(1, "a")]
    assert await texts(store, "[x]^_|\\") == [(1, "d")]
    assert await store.span("a") == (1, 0)
    assert await texts(store, "*") == [(1, "f")]


async def test_a_timeline_can_be_used_by_itself(place: Place) -> None:
    orders = Timeline(await place.open(), "orders")
    assert await orders.head() == 0
    assert await orders.append(b"\0\xff one") == 1
    assert await orders.extend([b"two", b"three"]) == (2, 3)
    assert await orders.extend([]) == (4, 3)
    assert [entry.data for entry in await orders.read(after=1)] == [b"two", b"three"]
    found = await orders.get(1)
    assert found is not None
    assert found.data == b"\0\xff one"
    assert await orders.get(4) is None


async def test_a_long_run_is_as_many_short_ones(place: Place) -> None:
    store = await place.open()
    changes = Changes()
    changes.runs["alice"] = Run(1, posts(*map(str, range(2000))))
    async with store.begin((), ()) as unit:
        assert await unit.heads(changes.runs) == {"alice": 0}
        await unit.commit(changes)
    read: list[tuple[int, bytes]] = []
    while page := await store.read("alice", len(read), 77):
        read += page
    assert [(seq, ref[1:].decode()) for seq, ref in read] == [(n + 1, str(n)) for n in range(2000)]


Step = tuple[str, int, int]
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.integers(0, 2), st.integers(1, 5)),
        st.tuples(st.just("trim"), st.integers(0, 2), st.integers(0, 30)),
        st.tuples(st.just("reopen"), st.just(0), st.just(0)),
    ),
    max_size=12,
)


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(steps=STEPS)
async def test_any_history_reads_as_the_model_says(place: Place, steps: list[Step]) -> None:
    """A list of texts per timeline, and how many are trimmed, is all there is to it."""
    store = await place.open()
    users = [f"user{id(steps)}-{number}" for number in range(3)]
    model: dict[str, list[str]] = {user: [] for user in users}
    firsts = dict.fromkeys(users, 1)
    for user in users:  # an earlier example may have used the name
        held = await store.span(user)
        firsts[user] = held.head + 1
        model[user] = ["?"] * held.head
        await store.trim(user, held.head + 1)
    for kind, which, count in steps:
        user = users[which]
        if kind == "append":
            fresh = [f"{kind}{len(model[user]) + number}" for number in range(count)]
            await append(store, {user: fresh})
            model[user] += fresh
        elif kind == "trim":
            await store.trim(user, count)
            firsts[user] = max(firsts[user], min(count, len(model[user]) + 1))
        else:
            store = await place.reopen()
    for user in users:
        kept = list(enumerate(model[user], 1))[firsts[user] - 1 :]
        assert await store.span(user) == (firsts[user], len(model[user]))
        assert await texts(store, user) == kept
        assert [seq for seq, _ in await store.read_back(user, 10_000, 1000)] == [seq for seq, _ in kept][::-1]
        assert await texts(store, user, 2, 4) == [item for item in kept if item[0] > 2][:4]
