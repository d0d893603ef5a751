"""One user's new entries as a node hears of them: its own commits, other nodes' over the bus, the store; in order.

Laws:

1. What goes on to connections is consecutive: each run begins where the one before ended. So a connection that is
   live stays live, whichever node a message came through.
2. What carries answers (a run of this node's own) is never dropped, and waits only for entries before it, and for
   them only while the store can be read.
3. Nothing is remembered but what is held back, and that is bounded: over the bound the feed gives up on the entries
   that are missing. Connections then see a hole, and pull.

Theory: numbers come from the database, so two nodes' commits have an order, but the news of them arrive in any.
A run beyond the next number is held; the hole before it is filled by the bus a moment later, or by reading the
store. A head (a hint, or the periodic comparison) makes the same hole without a run behind it. Knows no clock: when
to stop waiting for the bus is the caller's business.
"""

from typing import NamedTuple

from tideline.timeline.changes import Post, Run


class Gap(NamedTuple):
    """Entries that were committed and not heard of: ``after`` + 1 … ``last``."""

    after: int
    last: int


class Feed:
    """Puts runs in order. ``bound`` is the number of entries held back at most."""

    __slots__ = ("_bound", "_held", "_size", "head", "position")

    def __init__(self, bound: int = 4096) -> None:
        self.position: int | None = None
        """Up to here everything went on to connections; None until the store was asked."""
        self.head = 0
        """The highest number heard of."""
        self._bound = bound
        self._held: dict[int, Run] = {}
        self._size = 0

    def start(self, head: int) -> None:
        """Begin at the head that the store says: entries up to it are for connections to pull.

        No connection may have been sent a page before.
        """
        if self.position is None:
            self.position = head
            self.hear(head)

    def hear(self, head: int) -> None:
        """Learn that there are entries up to ``head``."""
        self.head = max(self.head, head)

    def take(self, run: Run, *, own: bool) -> Run | None:
        """Take a run; return what goes on to connections now, if anything.

        ``own``: it is of this node's own commits, so connections wait for answers in it.
        """
        self.hear(run.last)
        if self.position is None:
            return run if own else None
        if run.last <= self.position:
            return run if own else None
        if not own:
            run = self._cut(run, self.position)
        if run.first > self.position + 1:
            self._hold(run, own=own)
            return self.give_up() if self._size > self._bound else None
        self.position = run.last
        return self._joined(run)

    def _cut(self, run: Run, position: int) -> Run:
        """Leave out what was heard of before, and what begins with a run that is held: that may carry answers."""
        first = max(run.first, position + 1)
        last = min((start - 1 for start in self._held if start > first), default=run.last)
        if first == run.first and last >= run.last:
            return run
        return Run(first, run.posts[first - run.first : last + 1 - run.first])

    def give_up(self) -> Run | None:
        """Stop waiting for what is missing: go on behind it."""
        if self._held:
            self.position = min(self._held) - 1
            return self._joined(None)
        if self.position is not None:
            self.position = max(self.position, self.head)
        return None

    @property
    def holding(self) -> bool:
        """Whether something waits for what is missing."""
        return bool(self._held)

    @property
    def gap(self) -> Gap | None:
        """What is missing next."""
        if self.position is None:
            return None
        last = min(self._held) - 1 if self._held else self.head
        return Gap(self.position, last) if last > self.position else None

    def _hold(self, run: Run, *, own: bool) -> None:
        held = self._held.get(run.first)
        if held is None or own:
            self._held[run.first] = run
            self._size += len(run.posts) - (len(held.posts) if held is not None else 0)

    def _joined(self, run: Run | None) -> Run | None:
        """Join a run with those held that it reaches."""
        assert self.position is not None
        posts: list[Post] | None = None
        first = run.first if run is not None else self.position + 1
        while self._held and (start := min(self._held)) <= self.position + 1:
            held = self._held.pop(start)
            self._size -= len(held.posts)
            if held.last <= self.position:
                continue
            if posts is None:
                posts = list(run.posts) if run is not None else []
            posts += held.posts[self.position + 1 - start :]
            self.position = held.last
        return run if posts is None else Run(first, posts)
