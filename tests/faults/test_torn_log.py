"""The last write of the log is torn at any byte: what opens is the state after some whole commits, and none in part."""

import shutil
from pathlib import Path

from tideline.stores.embedded import EmbeddedBackend
from tideline.timeline import refs
from tideline.timeline.changes import Changes, Post, Run

COMMITS = 6
CUTS = 40
USERS = ("alice", "bob", "carol")


async def commit(backend: EmbeddedBackend, number: int) -> None:
    """Write a message and an entry for each user, all at once."""
    store = await backend.store("main")
    async with store.begin((), ()) as unit:
        changes = Changes()
        where = refs.place(b"g:all", number)
        changes.messages.append((where, b'{"body":{"n":%d}}' % number))
        for user in USERS:
            changes.runs[user] = Run(number, [Post(refs.message(where), b"")])
        heads = await unit.heads(changes.runs)
        assert set(heads.values()) == {number - 1}
        await unit.commit(changes)


async def commits_in(backend: EmbeddedBackend) -> int:
    """Return after how many commits the state is, which must be the state after whole ones."""
    store = await backend.store("main")
    heads = {(await store.span(user)).head for user in USERS}
    assert len(heads) == 1, "one timeline has an entry that another lacks"
    (head,) = heads
    for user in USERS:
        assert [seq for seq, _ in await store.read(user, 0, 100)] == list(range(1, head + 1))
    places = [refs.place(b"g:all", number) for number in range(1, COMMITS + 1)]
    assert [text is not None for text in await store.messages(places)] == [n <= head for n in range(1, COMMITS + 1)]
    return head


async def test_a_log_torn_at_any_byte_opens_at_a_whole_commit_and_goes_on(tmp_path: Path) -> None:
    backend = EmbeddedBackend(tmp_path / "whole")
    sizes = [0]
    for number in range(1, COMMITS + 1):
        await commit(backend, number)
        log = max((tmp_path / "whole").glob("*.log"))
        sizes.append(log.stat().st_size)
    # As a kill would leave it: copied while it is open.
    shutil.copytree(tmp_path / "whole", tmp_path / "killed")
    await backend.close()
    seen = set()
    low, high = sizes[COMMITS - 3], sizes[COMMITS]
    for cut in [*range(low, high, max(1, (high - low) // CUTS)), high]:
        torn = tmp_path / f"torn-{cut}"
        shutil.copytree(tmp_path / "killed", torn)
        with (torn / log.name).open("r+b") as file:
            file.truncate(cut)
        backend = EmbeddedBackend(torn)
        head = await commits_in(backend)
        whole = max(number for number, size in enumerate(sizes) if size <= cut)
        assert head == whole, f"cut at {cut} of {sizes}"
        seen.add(head)
        await commit(backend, head + 1)
        assert await commits_in(backend) == head + 1
        await backend.close()
        shutil.rmtree(torn)
    assert seen == {COMMITS - 3, COMMITS - 2, COMMITS - 1, COMMITS}
