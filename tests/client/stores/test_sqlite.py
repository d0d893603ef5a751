"""What only a store on disk promises: it outlives its process, whenever that ends, and has one owner."""

import asyncio
import os
import shutil
import sqlite3
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tideline.client.apply import carry_out
from tideline.client.errors import StoreInUse, StoreTooNew
from tideline.client.outputs import Apply, Replace, Stage, StoreOutput
from tideline.client.stores.contract import Pending, Transaction
from tideline.client.stores.sqlite import SqliteStore
from tideline.protocol.responses import Entry, State

PAGE = 5


def page(after: int) -> Apply:
    """Make a page of entries, each a message, some of them of alice."""
    entries = []
    for seq in range(after + 1, after + PAGE + 1):
        sender = "alice" if seq % 3 == 0 else "bob"
        message = {"conversation": "d:alice~bob", "message_seq": seq, "sender": sender, "client_id": f"c{seq}"}
        event = {"type": "message", "message": {**message, "time": seq, "body": {"n": seq}}}
        entries.append(Entry(seq, msgspec.Raw(msgspec.json.encode(event))))
    return Apply(entries=entries, cursor=after + PAGE, epoch="e1")


def check(tx: Transaction) -> int:
    """Check that cursor, state, messages and ranges are of the same moment; return the cursor."""
    cursor = tx.get("cursor") or 0
    assert isinstance(cursor, int)
    state = tx.conversation("d:alice~bob")
    numbers = [message.message_seq for message in tx.messages("d:alice~bob", 1, 10**9)]
    assert numbers == list(range(1, cursor + 1))
    assert tx.held("d:alice~bob") == (((1, cursor),) if cursor else ())
    assert (state.head if state is not None else 0) == cursor
    waiting = [pending.client_id for pending in tx.pending()]
    assert all(int(name[1:]) > cursor for name in waiting)
    return cursor


async def reopened(path: Path) -> int:
    store = SqliteStore(path)
    await store.open()
    try:
        return await store.run(check)
    finally:
        await store.close()


async def crashed(store: SqliteStore, path: Path, todo: list[StoreOutput]) -> list[Path]:
    """Carry out outputs; return copies of the files as they were before every statement of it."""
    copies: list[Path] = []

    def copy(_: str) -> None:
        to = Path(tempfile.mkdtemp(dir=path.parent))
        for file in path.parent.glob(f"{path.name}*"):
            shutil.copy(file, to / file.name)
        copies.append(to / path.name)

    def work(tx: Transaction) -> None:
        assert store._records is not None
        store._records.connection.set_trace_callback(copy)
        carry_out(tx, todo, "alice")

    def stop(_: Transaction) -> None:
        assert store._records is not None
        store._records.connection.set_trace_callback(None)

    await store.run(work)
    before_commit = list(copies)
    await store.run(stop)
    return before_commit


async def test_what_was_committed_is_there_after_reopening(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "device.db")
    await store.open()
    await store.run(lambda tx: carry_out(tx, [page(0), page(5)], "alice"))
    await store.run(lambda tx: tx.add_pending(Pending(order=0, client_id="c99", body=msgspec.Raw(b"{}"))))
    await store.close()
    assert await reopened(tmp_path / "device.db") == 10


async def test_a_crash_between_any_two_statements_leaves_a_whole_page_or_none_of_it(tmp_path: Path) -> None:
    """The files are copied before every statement, as a process that dies there leaves them."""
    path = tmp_path / "device.db"
    store = SqliteStore(path)
    await store.open()

    def prepare(tx: Transaction) -> None:
        for seq in (3, 6, 9, 12, 15):
            tx.add_pending(Pending(order=0, client_id=f"c{seq}", body=msgspec.Raw(b"{}"), to="bob"))

    await store.run(prepare)
    copies: list[Path] = []
    for after in (0, 5, 10):
        todo: list[StoreOutput] = [page(after)]
        copies += await crashed(store, path, todo)
    await store.close()
    cursors = [await reopened(each) for each in copies]
    assert len(cursors) > 30
    assert cursors == sorted(cursors)
    assert set(cursors) == {0, 5, 10}
    assert await reopened(path) == 15


async def test_a_snapshot_is_taken_over_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "device.db"
    store = SqliteStore(path)
    await store.open()
    await store.run(lambda tx: carry_out(tx, [page(0)], "alice"))
    fresh = State(conversation="g:new", kind="group", head=7)
    await store.run(lambda tx: carry_out(tx, [Stage(conversations=[fresh], start=True)], "alice"))

    replace = Replace(cursor=70, epoch="e2", reason="epoch_changed", messages="discard")
    copies = await crashed(store, path, [replace])

    def read(tx: Transaction) -> Any:
        return tx.get("cursor"), tx.get("epoch"), [state.conversation for state in tx.conversations()]

    assert await store.run(read) == (70, "e2", ["g:new"])
    await store.close()
    found = []
    for each in copies:
        old = SqliteStore(each)
        await old.open()
        found.append(await old.run(read))
        await old.close()
    assert len(copies) > 5
    assert all(each == (5, "e1", ["d:alice~bob"]) for each in found)


WORKER = """
import asyncio, sys
from tests.client.stores.test_sqlite import page, SqliteStore, carry_out

async def main():
    store = SqliteStore(sys.argv[1])
    await store.open()
    cursor = await store.run(lambda tx: tx.get("cursor") or 0)
    print("open", flush=True)
    while True:
        await store.run(lambda tx: carry_out(tx, [page(cursor)], "alice"))
        cursor += 5

asyncio.run(main())
"""


async def test_a_killed_process_loses_nothing_that_it_had_committed(tmp_path: Path) -> None:
    path, cursor = tmp_path / "device.db", 0
    root = Path(__file__).parents[3]
    for _ in range(4):
        worker = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            WORKER,
            str(path),
            stdout=asyncio.subprocess.PIPE,
            cwd=root,
            env={**os.environ, "PYTHONPATH": f"{root / 'src'}:{root}"},
        )
        assert worker.stdout is not None
        assert await worker.stdout.readline() == b"open\n"
        await asyncio.sleep(0.05 + (time.time_ns() % 50) / 1000)
        worker.kill()
        await worker.wait()
        before, cursor = cursor, await reopened(path)
        assert cursor > before


async def test_a_second_client_is_refused_clearly(tmp_path: Path) -> None:
    first, second = SqliteStore(tmp_path / "device.db"), SqliteStore(tmp_path / "device.db")
    await first.open()
    with pytest.raises(StoreInUse, match="in use by another client"):
        await second.open()
    await first.close()
    await second.open()
    await second.close()


async def test_a_file_of_a_later_version_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "device.db"
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(StoreTooNew, match="version 99"):
        await SqliteStore(path).open()


async def test_work_does_not_block_the_event_loop(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "device.db")
    await store.open()
    slow = asyncio.ensure_future(store.run(lambda _: time.sleep(0.2)))
    turns = 0
    while not slow.done():
        await asyncio.sleep(0.01)
        turns += 1
    await store.close()
    assert turns > 5


async def test_work_that_waits_together_is_committed_together_and_fails_alone(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "device.db")
    await store.open()
    statements: list[str] = []

    def put(number: int, tx: Transaction) -> None:
        tx.set(f"n{number}", number)
        if number == 7:
            raise ValueError("seven")

    def hold(_: Transaction) -> None:
        assert store._records is not None
        store._records.connection.set_trace_callback(statements.append)
        time.sleep(0.1)

    outcomes = await asyncio.gather(
        store.run(hold),
        *(store.run(partial(put, number), durable=number == 3) for number in range(20)),
        return_exceptions=True,
    )
    assert [type(each) for each in outcomes if each is not None] == [ValueError]
    kept = await store.run(lambda tx: [number for number in range(20) if tx.get(f"n{number}") == number])
    await store.close()
    assert kept == [number for number in range(20) if number != 7]
    assert statements.count("COMMIT") < 5


async def test_an_open_that_is_given_up_lets_go_of_the_file(tmp_path: Path) -> None:
    opening = asyncio.ensure_future(SqliteStore(tmp_path / "device.db").open())
    await asyncio.sleep(0)
    opening.cancel()
    await asyncio.gather(opening, return_exceptions=True)
    await asyncio.sleep(0.2)
    store = SqliteStore(tmp_path / "device.db")
    await store.open()
    await store.close()


async def test_a_closed_store_refuses_work(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "device.db")
    with pytest.raises(RuntimeError, match="not open"):
        await store.run(lambda tx: tx.get("cursor"))
    await store.open()
    await store.close()
    await store.close()
    with pytest.raises(RuntimeError, match="not open"):
        await store.run(lambda tx: tx.get("cursor"))
