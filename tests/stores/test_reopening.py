"""An embedded database whose write failed is opened anew, and one whose fsync failed is not."""

from pathlib import Path
from typing import Any

import pytest

from tests.harness.engine import Desk, desk
from tideline.stores.embedded.database import Database
from tideline.timeline.contract import StoreFailed


class Failing:
    """An open database that can't write: closing it fails too, as RocksDB's does."""

    def __init__(self, rdict: Any, error: str) -> None:
        self._rdict = rdict
        self._error = error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._rdict, name)

    def write(self, *_: Any) -> None:
        raise Exception(self._error)

    def close(self) -> None:
        self._rdict.close()
        raise Exception("IO error: Writer has previous error.")


def database(engine: Desk) -> Database:
    return engine.store._working.database  # type: ignore[attr-defined,no-any-return]


async def test_after_a_failed_write_the_next_one_finds_the_database_open_again_and_nothing_missing(
    tmp_path: Path,
) -> None:
    async with desk(tmp_path / "store") as engine:
        await engine.say("alice", "bob", "before")
        held = database(engine)
        held.rdict = Failing(held.rdict, "IO error: No space left on device: While appending to file")  # type: ignore[assignment]
        assert await engine.refused("alice", "send", to="bob", client_id="c", body={}) == "unavailable"
        assert held.broken is not None
        answer = await engine.say("alice", "bob", client_id="c", body={})
        assert (answer["message_seq"], answer["seq"], answer["duplicate"]) == (2, 2, False)
        assert [entry["seq"] for entry in await engine.entries("bob")] == [1, 2]
        assert engine.failures == []


async def test_while_it_can_not_be_opened_it_is_tried_now_and_then_only_and_found_in_the_end(tmp_path: Path) -> None:
    async with desk(tmp_path / "store") as engine:
        await engine.say("alice", "bob", "before")
        held = database(engine)
        held.rdict = Failing(held.rdict, "IO error: No space left on device: While appending to file")  # type: ignore[assignment]
        path, held.path = held.path, Path("/dev/null/nowhere")
        for _ in range(3):
            assert await engine.refused("alice", "send", to="bob", client_id="c", body={}) == "unavailable"
        opened = held.generation
        held.path = path
        assert await engine.refused("alice", "send", to="bob", client_id="c", body={}) == "unavailable"
        assert held.generation == opened
        held._closed_until = 0
        assert (await engine.say("alice", "bob", client_id="c"))["message_seq"] == 2


@pytest.mark.parametrize("error", ["IO error: While fsync: a file: Input/output error", "IO error: While fdatasync"])
async def test_after_a_failed_fsync_the_process_is_told_to_end(tmp_path: Path, error: str) -> None:
    async with desk(tmp_path / "store") as engine:
        held = database(engine)
        whole = held.rdict
        held.rdict = Failing(whole, error)  # type: ignore[assignment]
        assert await engine.refused("alice", "send", to="bob", client_id="c", body={}) == "unavailable"
        assert [type(failure) for failure in engine.failures] == [StoreFailed]
