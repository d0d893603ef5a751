"""A snapshot and the entries after its cursor are what all entries from the first give (invariant C2)."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.harness.engine import Desk, Frame, desk, settled
from tests.harness.replica import Replica
from tideline.delivery.engine import LocalEngine
from tideline.protocol.errors import RequestError
from tideline.protocol.limits import Limits

USERS = ("alice", "bob", "carol", "dave")
GROUPS = ("g:one", "g:two", "g:three")


async def something(engine: Desk, chance: random.Random) -> None:
    """Do one thing that a user may want, allowed or not."""
    user = chance.choice(USERS)
    group = chance.choice(GROUPS)
    others = chance.sample(USERS, chance.randint(1, 3))
    number = chance.randint(0, 12)
    deed = chance.choices(
        ["direct", "group", "read", "read", "create", "add", "remove", "role", "title", "mute"],
        [8, 8, 3, 3, 2, 3, 2, 1, 1, 2],
    )[0]
    where = chance.choice([group, group, "d:" + "~".join(sorted([user, chance.choice(USERS)]))])
    submit: dict[str, Callable[[], asyncio.Future[Frame]]] = {
        "direct": lambda: engine.sending(user, chance.choice(USERS), str(number)),
        "group": lambda: engine.sending(user, group, str(number)),
        "read": lambda: engine.submit(user, "read", conversation=where, message_seq=number),
        "create": lambda: engine.submit(
            user, "create", conversation=group, members=others, history=chance.choice(["joined", "all"])
        ),
        "add": lambda: engine.submit(user, "add", conversation=group, members=others),
        "remove": lambda: engine.submit(user, "remove", conversation=group, members=chance.choice([others, [user]])),
        "role": lambda: engine.submit(
            user, "role", conversation=group, user=others[0], role=chance.choice(["admin", "member"])
        ),
        "title": lambda: engine.submit(user, "update", conversation=group, title=f"title {number}"),
        "mute": lambda: engine.submit(
            user, "update", conversation=where, muted=chance.random() < 0.5, pinned=chance.random() < 0.5
        ),
    }
    (outcome,) = await settled([submit[deed]()])
    assert outcome in ("forbidden", "conflict", "not_found", "bad_request") or not isinstance(outcome, str)


async def replayed(engine: Desk, user: str) -> Replica:
    """Return what applying all entries from the first gives."""
    replica = Replica(user)
    replica.apply_all(await engine.entries(user))
    return replica


async def taken(engine: Desk, user: str, limit: int, between: Callable[[], Awaitable[None]]) -> Replica:
    """Take a snapshot while something happens between its pages, and then apply what follows its cursor.

    Each page comes from an engine that has just started: it remembers no order of an earlier page.
    """
    staged: dict[str, Any] = {}
    next_: str | None = None
    cursors = set()
    while True:
        page = await Desk(engine.store).snapshot_page(user, limit, next_)
        assert len(page["conversations"]) <= limit
        cursors.add(page["cursor"])
        staged.update({state["conversation"]: state for state in page["conversations"]})
        next_ = page["next"]
        if next_ is None:
            break
        await between()
    assert len(cursors) == 1
    replica = Replica(user)
    replica.load(staged, cursors.pop())
    replica.apply_all(await engine.entries(user, replica.cursor))
    return replica


@pytest.mark.parametrize("seed", range(5))
async def test_a_snapshot_is_what_all_entries_give(engine: Desk, seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(6):
        for _ in range(40):
            await something(engine, chance)
        for user in USERS:
            assert await engine.states(user) == (await replayed(engine, user)).states


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("limit", [1, 3])
async def test_a_snapshot_and_what_follows_it_is_what_all_entries_give(engine: Desk, seed: int, limit: int) -> None:
    chance = random.Random(f"{seed}/{limit}")
    for _ in range(60):
        await something(engine, chance)

    remaining = 0

    async def busy() -> None:
        nonlocal remaining
        remaining -= 1
        for _ in range(chance.randint(0, 4) if remaining > 0 else 0):
            await something(engine, chance)

    for user in USERS:
        remaining = 12
        replica = await taken(engine, user, limit, busy)
        assert replica.states == (await replayed(engine, user)).states


async def test_applying_entries_twice_changes_nothing(engine: Desk) -> None:
    chance = random.Random(1)
    for _ in range(150):
        await something(engine, chance)
    for user in USERS:
        entries = await engine.entries(user)
        once = Replica(user)
        once.apply_all(entries)
        before = {name: dict(state) for name, state in once.states.items()}
        for entry in entries[-10:]:
            once.apply(entry["event"])
        assert once.states == before


async def many_conversations(engine: Desk, count: int) -> None:
    for start in range(0, count, 200):
        await asyncio.gather(*[engine.sending("alice", f"user{n}") for n in range(start, min(count, start + 200))])


async def test_more_than_a_thousand_conversations_come_in_pages_each_once_latest_first(engine: Desk) -> None:
    await many_conversations(engine, 1100)
    pages, next_ = [], None
    while True:
        page = await engine.snapshot_page("alice", 500, next_)
        pages.append(page["conversations"])
        next_ = page["next"]
        if next_ is None:
            break
    assert [len(page) for page in pages] == [500, 500, 100]
    states = [state for page in pages for state in page]
    assert {state["peer"] for state in states} == {f"user{n}" for n in range(1100)}
    times = [state["last_message"]["time"] for state in states]
    assert times == sorted(times, reverse=True)


async def test_a_thousand_conversations_that_all_move_between_two_pages_are_not_lost(engine: Desk) -> None:
    await many_conversations(engine, 1050)

    async def everyone_writes() -> None:
        if not done:
            done.append(True)
            for start in range(0, 1050, 200):
                numbers = range(start, min(1050, start + 200))
                await asyncio.gather(*[engine.sending(f"user{n}", "alice", "again") for n in reversed(numbers)])

    done: list[bool] = []
    replica = await taken(engine, "alice", 200, everyone_writes)
    assert replica.states == (await replayed(engine, "alice")).states
    assert len(replica.states) == 1050
    assert {state["unread"] for state in replica.states.values()} == {1}


async def test_next_outlives_a_restart(tmp_path: Path) -> None:
    async with desk(tmp_path / "store") as before:
        for number in range(10):
            await before.say("alice", f"user{number}")
        page = await before.snapshot_page("alice", 4)
    staged = {state["conversation"]: state for state in page["conversations"]}
    async with desk(tmp_path / "store") as after:
        await after.say("user3", "alice")
        while page["next"] is not None:
            page = await after.snapshot_page("alice", 4, page["next"])
            staged.update({state["conversation"]: state for state in page["conversations"]})
        assert staged == await after.states("alice")


async def test_a_new_user_gets_an_empty_snapshot_at_cursor_0(engine: Desk) -> None:
    page = await engine.snapshot_page("nobody")
    assert (page["cursor"], page["conversations"], page["next"]) == (0, [], None)
    assert page["epoch"] == engine.store.epoch


async def test_a_limit_over_the_maximum_is_lowered_to_it(tmp_path: Path) -> None:
    async with desk(tmp_path / "store", Limits(snapshot=3)) as engine:
        for number in range(5):
            await engine.say("alice", f"user{number}")
        assert len((await engine.snapshot_page("alice", 1000))["conversations"]) == 3


async def test_pages_of_large_messages_stay_within_page_bytes_and_miss_nothing(tmp_path: Path) -> None:
    async with desk(tmp_path / "store", Limits(page_bytes=8192)) as engine:
        for number in range(12):
            await engine.say("alice", f"user{number}", "x" * (700 if number % 3 else 9000))
        found: dict[str, Any] = {}
        next_ = None
        while True:
            page = await engine.snapshot_page("alice", 100, next_)
            if len(page["conversations"]) > 1:
                assert len(str(page)) < 8192 + 200
            assert page["conversations"]
            found.update({state["conversation"]: state for state in page["conversations"]})
            next_ = page["next"]
            if next_ is None:
                break
        assert len(found) == 12


def forged() -> list[str]:
    import base64
    import json

    def token(*parts: Any) -> str:
        return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")

    epoch = "EPOCH"
    return [
        "x",
        "é",
        "=",
        "AAAA",
        token(),
        token(1, 2),
        token(epoch, "1", -1, 0, ""),
        token(epoch, True, -1, 0, ""),
        token(epoch, -5, -1, 0, ""),
        token(epoch, 10**6, -1, 0, ""),
        token(epoch, 2**80, -1, 0, ""),
        token(epoch, 1, 2**80, 0, ""),
        token(epoch, 1, 2**63, 0, ""),
        token(epoch, 1, 10**6, 0, ""),
        token(epoch, 2, 1, 0, ""),
        token("another", 1, -1, 0, ""),
        token(epoch, 1, -1, 0, "", "more"),
        "[" * 500,
    ]


@pytest.mark.parametrize("next_", forged())
async def test_a_next_that_the_server_did_not_make_is_a_bad_request(engine: Desk, next_: str) -> None:
    import base64

    await engine.say("alice", "bob")
    await engine.say("alice", "bob")
    try:
        text = base64.urlsafe_b64decode(next_ + "=" * (-len(next_) % 4))
        next_ = base64.urlsafe_b64encode(text.replace(b"EPOCH", engine.store.epoch.encode())).decode().rstrip("=")
    except ValueError:
        pass
    with pytest.raises(RequestError) as caught:
        await engine.snapshot_page("alice", 10, next_)
    assert caught.value.code == "bad_request"
    assert "`next`" in caught.value.message


async def test_a_snapshot_of_another_epoch_can_not_be_continued(tmp_path: Path) -> None:
    async with desk(tmp_path / "one") as one, desk(tmp_path / "other") as other:
        assert isinstance(one.engine, LocalEngine)
        for number in range(3):
            await one.say("alice", f"user{number}")
            await other.say("alice", f"user{number}")
        next_ = (await one.snapshot_page("alice", 1))["next"]
        with pytest.raises(RequestError, match="start again"):
            await other.snapshot_page("alice", 1, next_)
