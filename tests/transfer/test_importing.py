"""An import is in as a whole, or up to a point from which another run goes on: whatever fails, wherever."""

from itertools import count
from pathlib import Path

import pytest

from tests.harness.command import EXCERPT
from tideline.delivery.engine import LocalEngine
from tideline.observe import Observer
from tideline.protocol.errors import RequestError
from tideline.protocol.limits import Limits
from tideline.stores.memory import Fault, MemoryStore
from tideline.timeline.changes import Changes
from tideline.timeline.contract import StoreUnavailable
from tideline.transfer.importing import Importer
from tideline.transfer.reading import records
from tideline.transfer.sources import TransferError, open_sources
from tideline.transfer.submitting import Figures

BATCH = 100
"""Records of a batch: small, so that there are many."""
LINES = 60


@pytest.fixture
def logs(tmp_path: Path) -> list[Path]:
    """Two short logs."""
    lines = EXCERPT.read_text().splitlines(keepends=True)
    paths = [tmp_path / "2013-01-30.txt", tmp_path / "2013-01-31.txt"]
    for number, path in enumerate(paths):
        path.write_text("".join(lines[number * LINES : (number + 1) * LINES]))
    return paths


def exported(folder: Path, *lines: str) -> list[Path]:
    path = folder / "export.jsonl"
    path.write_text('{"type":"tideline-export","version":1}\n' + "".join(line + "\n" for line in lines))
    return [path]


async def run(store: MemoryStore, paths: list[Path], limits: Limits | None = None) -> Figures:
    """Import as the command does."""
    figures = Figures()
    engine = LocalEngine(store, limits or Limits(), Observer(), batch_records=BATCH, failed=lambda error: None)
    importer = Importer(store, engine, figures, BATCH)
    try:
        for source in open_sources(paths, lambda read: None):
            await importer.take(records(source), source.name)
        await importer.finish()
    finally:
        await engine.drain()
    return figures


def contents(store: MemoryStore) -> object:
    """Return all that is stored; two conversations may have come into a timeline in another order."""
    tables = store.tables
    entries = {user: sorted(entries.values()) for user, entries in tables.entries.items()}
    assert all(list(numbers) == list(range(1, len(numbers) + 1)) for numbers in tables.entries.values())
    return tables.messages, entries, tables.heads, tables.conversations, dict(tables.members), tables.left


def failing_once(at: int) -> Fault:
    """Let one commit fail, the one of this number."""
    numbers = count()
    return lambda changes: StoreUnavailable("full") if next(numbers) == at else None


async def whole(paths: list[Path]) -> tuple[object, int]:
    """Return what is stored after an import that nothing disturbs, and in how many commits."""
    store = MemoryStore()
    commits = counting(store)
    await run(store, paths)
    return contents(store), len(commits)


def counting(store: MemoryStore) -> list[Changes]:
    """Return the list that all commits of a store will be in."""
    commits: list[Changes] = []

    def fault(changes: Changes) -> Exception | None:
        commits.append(changes)
        return None

    store.fault = fault
    return commits


async def test_an_import_during_which_any_commit_fails_is_completed_by_the_next_run(logs: list[Path]) -> None:
    expected, commits = await whole(logs)
    assert commits > 10
    for failing in range(commits):
        store = MemoryStore()
        store.fault = failing_once(failing)
        with pytest.raises(RequestError, match="unavailable"):
            await run(store, logs)
        store.fault = None
        figures = await run(store, logs)
        assert figures.known + figures.messages == 2 * LINES
        assert contents(store) == expected


async def test_a_message_whose_predecessors_are_missing_is_not_stored(logs: list[Path]) -> None:
    store = MemoryStore()
    store.fault = lambda changes: StoreUnavailable("full") if not changes.messages or changes.joined else None
    with pytest.raises(RequestError):
        await run(store, logs)
    assert store.tables.messages == {}


async def test_a_second_run_commits_nothing(logs: list[Path]) -> None:
    store = MemoryStore()
    await run(store, logs)
    commits = counting(store)
    figures = await run(store, logs)
    assert (commits, figures.known, figures.messages, figures.entries) == ([], 2 * LINES, 0, 0)


async def test_the_same_conversation_twice_in_one_run_is_imported_once(logs: list[Path]) -> None:
    store = MemoryStore()
    figures = await run(store, [logs[0], logs[0]])
    assert (figures.messages, figures.known) == (LINES, LINES)


GROUP = '{"type":"conversation","conversation":"g:a","kind":"group","creator":"al","time":1}'
AL = '{"type":"member","conversation":"g:a","user":"al","joined":1,"role":"admin"}'


def said(number: int, group: str = "g:a") -> str:
    return (
        f'{{"type":"message","message":{{"conversation":"{group}","message_seq":{number},"sender":"al",'
        f'"client_id":"c{number}","time":1,"body":{{}}}}}}'
    )


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ([AL], "a line before that of its conversation"),
        ([GROUP.replace("g:a", "a")], "'a' can't name a group"),
        ([GROUP.replace("g:a", "d:b~a").replace('"group"', '"direct"')], "'d:b~a' can't name a direct"),
        ([GROUP.replace("}", ',"origin":"x"}')], "`origin` is not hexadecimal"),
        ([GROUP, AL.replace("g:a", "g:b")], "a line of g:b among those of g:a"),
        ([GROUP, said(1, "g:b")], "a message of g:b among those of g:a"),
        ([GROUP, AL.replace('"al"', '"a l"')], "'a l' can't be a member"),
        ([GROUP, AL, said(2)], "message 2 of g:a comes after message 0"),
        ([GROUP, AL, said(1), said(1)], "message 1 of g:a comes after message 1"),
        ([GROUP, AL.replace('"joined":1', '"joined":2')], "joined g:a before message 2: said at another place"),
        ([GROUP, AL, '{"type":"left","conversation":"g:a","user":"al","joined":1,"left":1}'], "said at another place"),
        ([GROUP, AL, said(1).replace('"time":1', '"time":"noon"')], "a message of g:a is malformed"),
        ([GROUP, AL, said(1).replace('"time":1', '"time":-1')], "a message of g:a is malformed"),
        ([GROUP, AL, said(1).replace('"body":{}', '"body":[]')], "a message of g:a is malformed"),
        ([GROUP, AL, said(1).replace('"sender":"al"', '"sender":"a l"')], "message 1 of g:a has no valid sender"),
        ([GROUP, AL, said(1).replace('"c1"', f'"{"c" * 65}"')], "message 1 of g:a has no valid sender or client_id"),
        ([GROUP.replace('"creator":"al"', '"creator":"a l"')], "'a l' can't have created g:a"),
        ([GROUP, '{"type":"gone","conversation":"g:a","first":1,"last":1000001}'], "over 1000000 messages of g:a"),
        ([GROUP.replace("g:a", "d:a~b").replace('"group"', '"direct"')], "d:a~b lacks one of the two"),
        ([GROUP, AL, '{"type":"tideline-export","version":1}'], "a header after the first line"),
    ],
)
async def test_an_export_that_does_not_fit_into_itself_is_refused(tmp_path: Path, lines: list[str], why: str) -> None:
    with pytest.raises(TransferError, match=why):
        await run(MemoryStore(), exported(tmp_path, *lines))


async def test_a_title_over_the_limit_is_refused(tmp_path: Path) -> None:
    titled = GROUP.replace('"time":1', '"time":1,"title":"' + "é" * 100 + '"')
    with pytest.raises(RequestError, match="too_large: the title of g:a is 200 bytes, the limit is 199"):
        await run(MemoryStore(), exported(tmp_path, titled), Limits(title=199))


async def test_a_message_over_the_limit_is_refused(tmp_path: Path) -> None:
    long = said(1).replace("{}", '{"text":"' + "x" * 2000 + '"}')
    with pytest.raises(RequestError, match="too_large: message 1 of g:a"):
        await run(MemoryStore(), exported(tmp_path, GROUP, AL, long), Limits(page_bytes=1024))


async def test_messages_that_an_export_does_not_hold_keep_their_numbers(tmp_path: Path) -> None:
    store = MemoryStore()
    gone = '{"type":"gone","conversation":"g:a","first":1,"last":2}'
    await run(store, exported(tmp_path, GROUP, AL, gone, said(3)))
    found = [text for _, text in await store.history("g:a", 1, 9, 9, backwards=False)]
    assert found[:2] == [b'{"conversation":"g:a","message_seq":%d,"gone":true}' % seq for seq in (1, 2)]
    assert len(found) == 3
