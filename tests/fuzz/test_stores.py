"""Any program of commits, failures, trims and crashes reads as a list would (the store contract's obligations)."""

import asyncio
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from msgspec import Raw

from tests.stores.places import EmbeddedPlace, MemoryPlace, Place
from tideline.timeline import refs
from tideline.timeline.changes import Changes, Placement, Post, Run, send_key
from tideline.timeline.contract import Store

USERS = ("a", "a~", "aa")
"""Names of which one begins the next."""


class Stores(RuleBasedStateMachine):
    """A store beside what it should be."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.loop = asyncio.new_event_loop()
        self.place = self.make(Path(self.folder.name))
        self.store: Store = self.wait(self.place.open())
        self.entries: dict[str, list[bytes]] = {user: [] for user in USERS}
        self.firsts = dict.fromkeys(USERS, 1)
        self.messages: dict[bytes, bytes] = {}
        self.sent: dict[str, tuple[int, int]] = {}
        self.count = 0

    def make(self, folder: Path) -> Place:
        raise NotImplementedError

    def wait(self, coroutine: Any) -> Any:
        return self.loop.run_until_complete(coroutine)

    def teardown(self) -> None:
        self.wait(self.place.close())
        self.loop.close()
        self.folder.cleanup()

    @rule(users=st.sets(st.sampled_from(USERS), min_size=1), length=st.integers(1, 4), leave=st.booleans())
    def commit(self, users: set[str], length: int, leave: bool) -> None:
        """Commit a message and runs for some users, or give up after having asked for the heads."""
        self.count += 1
        place = refs.place(b"g:x", self.count)
        key = send_key("a", "g:x", f"c{self.count}")

        async def work() -> None:
            async with self.store.begin((), [key]) as unit:
                assert unit.placements.get(key) is None
                posts = [Post(refs.event(b"%d.%d" % (self.count, number)), b"") for number in range(length)]
                runs = {user: Run(0, posts) for user in users}
                heads = await unit.heads(runs)
                for user, run in runs.items():
                    assert heads[user] == len(self.entries[user])
                    run.first = heads[user] + 1
                if leave:
                    return
                changes = Changes()
                changes.runs = runs
                text = b'{"body":{"n":%d}}' % self.count
                changes.messages.append((place, text))
                changes.placements[key] = Placement(self.count, 1_000, Raw(b"{}"), seq=7)
                await unit.commit(changes)
                for user in users:
                    self.entries[user] += [post.ref for post in posts]
                self.messages[place] = text

        self.wait(work())

    @rule(user=st.sampled_from(USERS), before=st.integers(0, 12))
    def trim(self, user: str, before: int) -> None:
        self.wait(self.store.trim(user, before))
        self.firsts[user] = max(self.firsts[user], min(before, len(self.entries[user]) + 1))

    @precondition(lambda self: self.count % 3 == 0)
    @rule()
    def crash(self) -> None:
        self.store = self.wait(self.place.reopen())

    @rule(user=st.sampled_from(USERS), after=st.integers(0, 15), limit=st.integers(1, 6))
    def read(self, user: str, after: int, limit: int) -> None:
        held = list(enumerate(self.entries[user], 1))[self.firsts[user] - 1 :]
        wanted = [(seq, ref) for seq, ref in held if seq > after][:limit]
        assert self.wait(self.store.read(user, after, limit)) == wanted
        wanted = [(seq, ref) for seq, ref in held[::-1] if seq < after][:limit]
        assert self.wait(self.store.read_back(user, after, limit)) == wanted

    @invariant()
    def everything_is_where_it_was(self) -> None:
        for user in USERS:
            assert self.wait(self.store.span(user)) == (self.firsts[user], len(self.entries[user]))
        places = [refs.place(b"g:x", number) for number in range(1, self.count + 1)]
        assert self.wait(self.store.messages(places)) == [self.messages.get(place) for place in places]


class _Embedded(Stores):
    def make(self, folder: Path) -> Place:
        return EmbeddedPlace(folder)


class _Memory(Stores):
    def make(self, folder: Path) -> Place:
        return MemoryPlace()


TestEmbedded = _Embedded.TestCase
TestEmbedded.settings = settings(max_examples=12, stateful_step_count=25, deadline=None)
TestMemory = _Memory.TestCase
TestMemory.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
