"""The engine of one node among several on one store (implements ``Engine``).

It writes like any engine; what is added is hearing of the others' commits. For every user with connections here
there is a feed (:mod:`tideline.delivery.feed`), filled by own commits, by the bus and, where those leave a hole, by
reading the store. The bus may lose anything: every few seconds the heads of all watched users are compared with the
store's, so a connection is never later than that.
"""

import asyncio
import secrets
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Protocol

import msgspec

from tideline.bus.contract import Bus
from tideline.observe import Observer
from tideline.protocol.limits import Limits
from tideline.timeline.changes import Post, Run
from tideline.timeline.contract import Store, StoreFailed, StoreUnavailable

from . import peers
from .commands import Commit
from .engine import LocalEngine
from .feed import Feed, Gap
from .pages import resolve
from .peers import AnyNote, Entries, Forgotten, Head

COMPARE_EVERY = 3.0
"""Seconds between two comparisons of heads: with a lost bus, a connection is later by that at most."""
_FORGOTTEN_EVERY = 5
"""Every so many comparisons, devices that were forgotten elsewhere are looked for too."""
_FORGOTTEN_BACK = 120_000
"""Ms that such a look goes back: longer than it takes to come again, with clocks that differ."""
_PATIENCE = 0.01
"""Seconds that a hole may be filled by the bus before the store is read."""
_RETRY = 1.0
_AT_ONCE = 1000
"""Heads compared by one statement."""
_CHUNK = 250
"""Entries of a hole that are read at a time."""


class SharedStore(Store, Protocol):
    """A store that other processes write to as well."""

    async def heads(self, users: Sequence[str]) -> dict[str, int]:
        """Return the heads of many timelines, without locking them."""
        ...

    async def forgotten(self, users: Sequence[str], since: int) -> list[tuple[str, str, int]]:
        """Return (user, device, when) of these users' devices that were forgotten after a time, in ms."""
        ...

    async def settled(self) -> None:
        """Wait until the commit that is in flight now, if any, has been announced or has failed."""
        ...


class SharedEngine(LocalEngine):
    """One app's engine on a store that other nodes write to as well."""

    def __init__(
        self,
        store: SharedStore,
        bus: Bus,
        limits: Limits,
        observer: Observer,
        *,
        batch_records: int,
        failed: Callable[[StoreFailed], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(store, limits, observer, batch_records=batch_records, failed=failed, clock=clock)
        self._shared = store
        self._bus = bus
        self._seen_by = observer
        self._feeds: dict[str, Feed] = {}
        self._users: dict[str, str] = {}
        """Watched users by topic."""
        self._filling: dict[str, asyncio.Task[None]] = {}
        self._compare_now = asyncio.Event()
        self._comparing = asyncio.create_task(self._keep_comparing())

    # who is watched

    async def watch(self, user: str) -> None:
        """Announce other nodes' commits to this user's timeline too, from the head that it has now."""
        feed = self._feeds.get(user)
        if feed is None:
            feed = self._feeds[user] = Feed()
            topic = peers.topic(self.app, user)
            self._users[topic] = user
            await self._bus.watch(topic)
        if feed.position is None:
            feed.start((await self.span(user)).head)
        if self._feeds.get(user) is not feed:
            self._bus.unwatch(peers.topic(self.app, user))

    def unwatch(self, user: str) -> None:
        """Stop that."""
        if self._feeds.pop(user, None) is not None:
            topic = peers.topic(self.app, user)
            self._users.pop(topic, None)
            self._bus.unwatch(topic)

    async def head(self, user: str) -> int:
        """Return the head that connections were told of; comparing it with the store's is not each ping's business."""
        feed = self._feeds.get(user)
        return feed.position if feed is not None and feed.position is not None else await super().head(user)

    # what this node commits

    def _announce(self, commit: Commit) -> None:
        feeds = self._feeds
        runs: dict[str, Run] = {}
        for user, run in commit.runs.items():
            feed = feeds.get(user)
            if feed is not None:
                ready = feed.take(run, own=True)
                if ready is not None:
                    runs[user] = ready
                if feed.gap is not None:
                    self._fill_soon(user)
        super()._announce(Commit(runs, commit.replies))
        for user, run in commit.runs.items():
            self._publish(user, run)

    def _publish(self, user: str, run: Run) -> None:
        note: AnyNote = Head(run.last)
        if self._bus.carries:
            events = [post.event for post in run.posts]
            if sum(map(len, events)) + 64 * len(events) < self._bus.carries:
                note = Entries(run.first, events)
        self.tell(user, note)

    def tell(self, user: str, note: AnyNote) -> None:
        """Tell the other nodes something about a user."""
        self._bus.publish(peers.topic(self.app, user), peers.encode(note))

    # what other nodes say

    def receive(self, topic: str, message: bytes) -> bool:
        """Take what the bus brings; return whether it was for this app."""
        user = self._users.get(topic)
        if user is None:
            return False
        try:
            note = peers.decode(message)
        except msgspec.DecodeError:
            return True  # a later version says something new: what matters of it the comparison finds
        feed = self._feeds[user]
        if isinstance(note, Entries):
            self._go_on(user, feed.take(Run(note.first, [Post(b"", event) for event in note.events]), own=False))
        elif isinstance(note, Head):
            feed.hear(note.head)
        else:
            self.heard(user, note)
            return True
        if feed.gap is not None:
            self._fill_soon(user)
        return True

    def resumed(self) -> None:
        """Learn that the bus was away: anything may have been missed."""
        self._compare_now.set()

    def _go_on(self, user: str, run: Run | None) -> None:
        if run is not None:
            super()._announce(Commit({user: run}, []))

    # what the bus did not say

    def _fill_soon(self, user: str) -> None:
        if user not in self._filling:
            task = self._filling[user] = asyncio.create_task(self._fill(user))
            task.add_done_callback(lambda _: self._filling.pop(user, None))

    async def _fill(self, user: str) -> None:
        """Read from the store what is missing, until nothing is."""
        if self._bus.carries:
            await asyncio.sleep(_PATIENCE)
        while (feed := self._feeds.get(user)) is not None and (gap := feed.gap) is not None:
            try:
                run = await self._read(user, gap)
                # What was read may be of a commit of this node's own that it has not been told the outcome of
                # yet. Then its run, with the answers in it, comes first.
                await self._shared.settled()
            except StoreUnavailable:
                if feed.holding:
                    # Answers of what is committed must not wait for a store that is away: connections will pull.
                    self._go_on(user, feed.give_up())
                else:
                    await asyncio.sleep(_RETRY)
                continue
            if self._feeds.get(user) is not feed:
                continue
            if run is not None:
                self._seen_by.filled(len(run.posts))
                self._go_on(user, feed.take(run, own=False))
            elif feed.gap == gap:  # trimmed, or of a database that has lost it
                self._go_on(user, feed.give_up())

    async def _read(self, user: str, gap: Gap) -> Run | None:
        found = await self._store.read(user, gap.after, min(_CHUNK, gap.last - gap.after))
        if not found or found[0][0] != gap.after + 1:
            return None
        events = await resolve(self._store, [ref for _, ref in found])
        return Run(gap.after + 1, [Post(b"", event) for event in events])

    async def _keep_comparing(self) -> None:
        count = secrets.randbelow(_FORGOTTEN_EVERY)
        while True:
            # Not all nodes at once.
            pause = COMPARE_EVERY * (0.75 + secrets.randbelow(256) / 1024)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._compare_now.wait(), pause)
            self._compare_now.clear()
            self._seen_by.bus(self._bus.connected)
            count += 1
            try:
                await self._compare(forgotten=count % _FORGOTTEN_EVERY == 0)
            except StoreUnavailable:
                continue
            except Exception as error:
                self._seen_by.defect("comparing heads", error)

    async def _compare(self, *, forgotten: bool) -> None:
        users = list(self._feeds)
        for start in range(0, len(users), _AT_ONCE):
            some = users[start : start + _AT_ONCE]
            for user, head in (await self._shared.heads(some)).items():
                feed = self._feeds.get(user)
                if feed is None:
                    continue
                feed.start(head)
                feed.hear(head)
                if feed.gap is not None:
                    self._fill_soon(user)
            if forgotten:
                since = int(time.time() * 1000) - _FORGOTTEN_BACK
                for user, device, when in await self._shared.forgotten(some, since):
                    self.heard(user, Forgotten(device, when))

    async def close(self) -> None:
        """Stop listening to others."""
        for task in (self._comparing, *self._filling.values()):
            task.cancel()
