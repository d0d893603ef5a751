"""Pages of a sync timeline and of history: in order, without holes, and never over ``page_bytes``."""

import json
from pathlib import Path

import pytest

from tests.harness.engine import Desk, desk
from tideline.delivery.engine import judge
from tideline.protocol import splice
from tideline.protocol.limits import Limits
from tideline.timeline.contract import Span

SMALL = Limits(page_bytes=8192, page=100, history=100)


async def test_a_page_has_at_most_limit_entries_and_no_number_is_left_out(engine: Desk) -> None:
    for number in range(25):
        await engine.say("alice", "bob", str(number))
    after, seen = 0, []
    while True:
        page, head = await engine.engine.slice("bob", after, 7)
        assert head == 25
        numbers = [json.loads(entry)["seq"] for entry in page.entries]
        assert len(numbers) <= 7
        seen += numbers
        if page.last is None:
            break
        assert page.last == numbers[-1]
        after = page.last
    assert seen == list(range(1, 26))


async def test_a_limit_over_the_maximum_is_lowered_to_it(tmp_path: Path) -> None:
    async with desk(tmp_path / "store", Limits(page=5, history=4)) as engine:
        for _ in range(8):
            await engine.say("alice", "bob")
        page, _ = await engine.engine.slice("bob", 0, 10**9)
        assert len(page.entries) == 5
        history = await engine.ask("bob", "history", conversation="d:alice~bob", limit=10**9)
        assert len(history["messages"]) == 4
        assert history["more"] is True


@pytest.mark.parametrize("size", [10, 900, 1100, 3000, 7900, 30_000])
async def test_a_page_is_never_over_page_bytes_but_has_an_entry(tmp_path: Path, size: int) -> None:
    async with desk(tmp_path / "store", SMALL) as engine:
        for number in range(30):
            await engine.say("alice", "bob", f"{number}".ljust(size, "x"))
        after = 0
        while after < 30:
            page, head = await engine.engine.slice("bob", after, 100)
            frame = splice.page(2**53 - 1, b'"%b"' % (b"e" * 64), page.entries, head, True)
            assert page.entries
            assert len(frame) <= SMALL.page_bytes or len(page.entries) == 1
            assert json.loads(page.entries[0])["seq"] == after + 1
            assert page.last is not None
            after = page.last


@pytest.mark.parametrize("fields", [{}, {"after": 0}])
async def test_history_is_never_over_page_bytes_but_has_a_message(tmp_path: Path, fields: dict[str, int]) -> None:
    async with desk(tmp_path / "store", SMALL) as engine:
        for number in range(20):
            await engine.say("alice", "bob", "x" * (100 + 700 * (number % 5) + 8000 * (number == 11)))
        seen: list[int] = []
        while True:
            answer = await engine.ask("bob", "history", conversation="d:alice~bob", limit=100, **fields)
            numbers = [message["message_seq"] for message in answer["messages"]]
            assert numbers == sorted(numbers)
            assert len(numbers) == 1 or len(json.dumps(answer, separators=(",", ":"))) <= SMALL.page_bytes
            seen += numbers
            if not answer["more"]:
                break
            fields = {"after": numbers[-1]} if "after" in fields else {"before": numbers[0]}
        assert sorted(seen) == list(range(1, 21))


async def test_after_trimming_what_is_left_is_read_and_what_is_not_is_too_old(engine: Desk) -> None:
    for _ in range(10):
        await engine.say("alice", "bob")
    await engine.store.trim("bob", 7)
    span = await engine.engine.span("bob")
    assert span == (7, 10)
    assert judge(span, "e", 5, None) == "cursor_too_old"
    assert judge(span, "e", 6, None) is None
    assert [entry["seq"] for entry in await engine.entries("bob", 6)] == [7, 8, 9, 10]
    await engine.store.trim("bob", 11)
    assert judge(await engine.engine.span("bob"), "e", 10, None) is None
    assert (await engine.say("alice", "bob"))["message_seq"] == 11
    assert [entry["seq"] for entry in await engine.entries("bob", 10)] == [11]


@pytest.mark.parametrize(
    ("after", "theirs", "reason"),
    [
        (0, None, "cursor_too_old"),
        (4, "e", None),
        (3, "e", "cursor_too_old"),
        (9, "e", None),
        (10, "e", "cursor_ahead"),
        (10, "other", "epoch_changed"),
        (3, "other", "epoch_changed"),
        (9, None, None),
    ],
)
def test_the_first_true_reason_is_given(after: int, theirs: str | None, reason: str | None) -> None:
    assert judge(Span(5, 9), "e", after, theirs) == reason


def test_an_empty_timeline_takes_cursor_0_alone() -> None:
    assert judge(Span(1, 0), "e", 0, "e") is None
    assert judge(Span(1, 0), "e", 1, "e") == "cursor_ahead"
