"""A mapping that remembers a bounded number of things, those that were used last."""

from collections.abc import Callable
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Bounded(Generic[K, V]):
    """A cache in two generations: what is used is in the young one, and the earlier one is forgotten as a whole.

    Only what can be read again may be kept in it. ``weigh`` says what a value weighs, in the unit of ``bound``; 1
    without it. A generation is full at half of the bound.

    Theory: forgetting things one by one costs several look-ups in large dicts for each that is remembered, and
    those are misses of the processor's caches (measured: a tenth of a message among a million users). Here
    remembering is one, and forgetting nothing.
    """

    def __init__(self, bound: int, weigh: Callable[[V], int] | None = None) -> None:
        self.held = False
        """While this is set nothing is forgotten, because someone is changing values in place."""
        self.items: dict[K, V] = {}
        """The young generation: to look there first is faster than :meth:`get`."""
        self._earlier: dict[K, V] = {}
        self._weigh = weigh
        self._weight = 0
        self._full = bound // 2

    def get(self, key: K) -> V | None:
        """Return a value, which makes it young, or None."""
        value = self.items.get(key)
        if value is None:
            value = self._earlier.get(key)
            if value is not None:
                self.put(key, value)
        return value

    def put(self, key: K, value: V) -> None:
        """Remember a value."""
        if key not in self.items:
            self._weight += 1 if self._weigh is None else self._weigh(value)
        self.items[key] = value
        if self._weight > self._full and not self.held:
            self._turn()

    def grow(self, weight: int) -> None:
        """Account for values that have become heavier."""
        self._weight += weight

    def release(self) -> None:
        """Let go of what is held, and forget what is too much."""
        self.held = False
        if self._weight > self._full:
            self._turn()

    def _turn(self) -> None:
        self._earlier, self.items, self._weight = self.items, {}, 0

    def drop(self, key: K) -> None:
        """Forget a value, if it is there."""
        self._earlier.pop(key, None)
        value = self.items.pop(key, None)
        if value is not None:
            self._weight = max(0, self._weight - (1 if self._weigh is None else self._weigh(value)))

    def clear(self) -> None:
        """Forget everything."""
        self.items, self._earlier, self._weight = {}, {}, 0
